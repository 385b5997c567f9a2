/* SPDX-License-Identifier: MIT */
/* Frames that are read from a TAP in one go, before the site is asked for. */
#ifndef APP_BURST_H
#define APP_BURST_H

#include <stddef.h>
#include <stdint.h>

#include "core/site.h"
#include "host/tap.h"

#define BURST_FRAMES 64
#define BURST_BYTES 97000  /* 64 full-size frames; not many more, for the cache */
#define BURST_SUPERS 60000 /* the same, once there is a super-frame */

struct burst_frame {
	uint8_t *bytes; /* with SITE_HEADROOM before them */
	size_t len;
	struct vnet vnet;
};

struct burst {
	struct burst_frame frames[BURST_FRAMES];
	unsigned n;
	unsigned calls;	   /* of tap_read */
	unsigned oversize; /* frames that were lost for their size */
	uint8_t memory[BURST_BYTES + BURST_FRAMES * SITE_HEADROOM + SUPERFRAME_MAX];
};

/* NULL when memory is short. */
struct burst *burst_new(void);
void burst_free(struct burst *b);

/* Reads until nothing waits or the burst is full.  0 when nothing waits, 1 when more
 * may, or what tap_read said; frames may have been read before that. */
int burst_read(struct burst *b, struct tap *tap);

#endif
