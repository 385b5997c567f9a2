/* SPDX-License-Identifier: MIT */
/*
 * Frames that come one by one, from hosts without offloads, merged into the
 * super-frames that they would have been: consecutive TCP segments, or UDP
 * datagrams of one length, of one flow within one batch.  Only what
 * superframe_cut turns back into the very same frames is merged.
 */
#ifndef CORE_MERGE_H
#define CORE_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/superframe.h"
#include "core/vnet.h"

#define MERGE_FLOWS 8

/* A frame that came in at port; its memory may be spoilt. */
typedef void (*merge_out)(void *ctx, unsigned port, uint8_t *frame, size_t len,
			  const struct vnet *vnet, const struct superframe_layout *layout);

struct merge_flow {
	uint8_t *frame; /* after headroom */
	size_t len;	/* 0: none in hand */
	unsigned count; /* frames that it stands for */
	bool closed;	/* nothing may follow */
	unsigned port;	/* where it came in */
	struct superframe_layout layout;
	struct vnet vnet; /* of the first frame */
	size_t piece;	  /* payload bytes of every frame but the last */
	uint8_t flags;	  /* TCP flags of the last frame */
};

struct merge {
	struct merge_flow flow[MERGE_FLOWS];
	unsigned used;	    /* flows in hand */
	unsigned next;	    /* whose place goes next when all are in hand */
	uint64_t merged;    /* frames that went away into others */
	uint8_t *memory;
	merge_out out;
	void *ctx;
};

/* out gets every frame that comes out, with `headroom` bytes writable before
 * it.  False when memory is short. */
bool merge_init(struct merge *m, size_t headroom, merge_out out, void *ctx);
void merge_free(struct merge *m);

/*
 * One valid frame; its layout is superframe_valid's.  True when it was taken
 * (copied).  Otherwise the caller goes on with it; what was in hand of its
 * flow has then come out before it.
 */
bool merge_take(struct merge *m, unsigned port, const uint8_t *frame, size_t len,
		const struct vnet *vnet, const struct superframe_layout *layout);

/* The batch is over: all comes out. */
void merge_flush(struct merge *m);

#endif
