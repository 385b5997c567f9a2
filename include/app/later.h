/* SPDX-License-Identifier: MIT */
/*
 * Frames that are kept, to be written to the TAP when others may use the site
 * again.  What lies in the inbox is kept by reference, all else is copied.  Their
 * number is bounded; order is that of keeping.
 */
#ifndef APP_LATER_H
#define APP_LATER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/port.h"
#include "host/tap.h"
#include "host/udp.h"
#include "host/yield.h"

#define LATER_FRAMES 512
#define LATER_PIECES 4096
#define LATER_COPIES (256 << 10) /* bytes */

struct later_frame {
	struct vnet vnet;
	struct iovec *iov; /* the first one free, as tap_write wants it */
	unsigned n;
	size_t len;
	int error; /* once written: 0 or a negative errno */
};

struct later {
	unsigned n, written; /* frames kept, and how many of these were written */
	unsigned n_pieces;
	size_t copied;
	bool failed; /* a write did */
	struct later_frame frames[LATER_FRAMES];
	struct iovec pieces[LATER_PIECES];
	uint8_t copies[LATER_COPIES];
};

/* NULL when memory is short. */
struct later *later_new(void);
void later_free(struct later *l);

/* False when there is no room. */
bool later_put(struct later *l, const struct udp_inbox *inbox, const struct vnet *vnet,
	       const struct iovec *iov, size_t n);

/* Writes what was not written yet, and gives way in between, not if yield is NULL; the number
 * of calls of tap_write. */
unsigned later_write(struct later *l, struct tap *tap, struct yield *yield, struct instant now);

/* Tells the port how it went, of each frame that it has to know of. */
void later_settle(const struct later *l, struct port *port);

void later_clear(struct later *l);

#endif
