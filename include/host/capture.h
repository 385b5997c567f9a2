/* SPDX-License-Identifier: MIT */
/*
 * Filters of captures, by libpcap.  Who asks compiles: names in an expression are
 * looked up meanwhile, and that may take long.  What comes of it is text, which any
 * process can load and run; it cannot run long, and reads no memory but the packet.
 */
#ifndef HOST_CAPTURE_H
#define HOST_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAPTURE_SNAP 262144	 /* as tcpdump(8): more than any packet here */
#define CAPTURE_INSTRUCTIONS 512 /* of a filter that can be loaded */
#define CAPTURE_WHY 256

enum capture_link { CAPTURE_ETHERNET, CAPTURE_IP }; /* what packets begin with */

/* The program of an expression as text, malloc'd; or NULL, and libpcap's own words. */
char *capture_compile(enum capture_link link, const char *expression, char why[CAPTURE_WHY]);

struct capture_filter;

/* NULL when the text is no program that capture_compile makes, or memory is short. */
struct capture_filter *capture_filter_new(const char *program);
void capture_filter_free(struct capture_filter *filter);

/* Instructions: no more are run for a packet. */
unsigned capture_filter_steps(const struct capture_filter *filter);

/* Whether it takes a packet of len bytes of which the first `have` are at hand. */
bool capture_filter_takes(const struct capture_filter *filter, const uint8_t *packet, size_t have,
			  size_t len);

#endif
