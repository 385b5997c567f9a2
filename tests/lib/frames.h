/* SPDX-License-Identifier: MIT */
/* Frames made to order, and the plainest RFC 1071 sum to hold others against. */
#ifndef TESTS_FRAMES_H
#define TESTS_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/vnet.h"

#define FRAME_ROOM (65535 + 22)

#define FRAME_FIN 0x01
#define FRAME_SYN 0x02
#define FRAME_PSH 0x08
#define FRAME_ACK 0x10
#define FRAME_ECE 0x40
#define FRAME_CWR 0x80

struct frame_spec {
	const char *name;
	uint16_t tags[2]; /* their types, 0: none */
	bool v6;
	bool udp;
	uint8_t ip_options; /* bytes of no-operations, a multiple of 4 */
	const uint8_t *tcp_options;
	uint8_t tcp_options_len; /* a multiple of 4 */
	uint8_t tcp_flags;
	bool ecn;	   /* of the GSO type */
	uint16_t gso_size; /* 0: a plain frame with a partial checksum */
	size_t payload;
	uint32_t seq;
	uint16_t id;
};

struct frame {
	size_t l3, l4, headers, len;
	struct vnet vnet;
	uint8_t bytes[FRAME_ROOM];
};

extern const uint8_t frame_timestamps[12]; /* no-operation twice, then the option */

/* Addresses are 02:..:01 to 02:..:02; vnet and lengths are right. */
void frame_make(struct frame *f, const struct frame_spec *spec);

/* Ones' complement sum of n bytes added to sum, two at a time. */
uint16_t frame_sum(const uint8_t *p, size_t n, uint16_t sum);

/* The pseudo header's sum for an L4 packet of len bytes. */
uint16_t frame_pseudo_sum(const struct frame *f, size_t len);

/* True when the L4 checksum (and IPv4 header's) of that frame, laid out as f,
 * are right and final. */
bool frame_sums_right(const struct frame *f, const uint8_t *bytes, size_t len);

#endif
