/* SPDX-License-Identifier: MIT */
/* Between the files of the impair room: impair (what becomes of a frame), impair_hold
 * (frames that are held), impair_slabs (the memory in which they are). */
#ifndef IMPAIR_PARTS_H
#define IMPAIR_PARTS_H

#include "base/list.h"
#include "core/impair.h"

#define IMPAIR_LEVELS 2
#define IMPAIR_SLOTS 4096u
#define IMPAIR_PIECES 128
#define IMPAIR_SMALL 256 /* sizes of chunks */
#define IMPAIR_BIG 2048
#define IMPAIR_SLAB ((size_t)1 << 20)

struct impair_held; /* a frame */

struct impair_slot {
	struct impair_held *first, *last;
};

struct impair {
	struct impair_setup setup;
	struct impair_counts counts;
	impair_out out;
	void *ctx;
	struct rand_seeded seeded;
	struct rand_source rand;
	bool losing; /* within a run of lost frames */
	uint64_t enter, leave; /* chances that one begins, ends */
	int64_t free_ns; /* when the line is free again */
	struct instant newest; /* when the frame leaves that came last */
	uint64_t tick; /* all up to this one have left */
	struct impair_slot slot[IMPAIR_LEVELS][IMPAIR_SLOTS];
	uint64_t used[IMPAIR_LEVELS][IMPAIR_SLOTS / 64]; /* bits of slots that are not empty */
	struct list spare, full, small, big; /* slabs: empty; without room; with room for chunks */
	uint8_t flat[WIRE_FRAME_MAX];
};

/* A frame on its way in. */
struct impair_coming {
	struct vnet vnet;
	const struct iovec *iov;
	unsigned n;
	size_t len, wire; /* wire: bytes of the frames that it stands for */
	uint32_t frames;
};

static inline size_t impair_limit(const struct impair_setup *setup)
{
	return setup->limit ? setup->limit : IMPAIR_LIMIT;
}

/* What a frame of that length takes, as the limit counts it. */
size_t impair_memory_of(size_t len);

/* Holds a frame until then. */
void impair_hold(struct impair *p, const struct impair_coming *c, struct instant due,
		 struct instant now);

/* Piece of a frame: what is before its bytes. */
struct impair_chunk {
	struct impair_slab *slab;
	struct impair_chunk *next; /* of the same frame, or free */
};

void impair_slabs_init(struct impair *p);
void impair_slabs_free(struct impair *p);

/* Takes the memory that a line of such a setup may need, beside what p has: false when there
 * is too little, and then p has what it had. */
bool impair_slabs_reserve(struct impair *p, const struct impair_setup *setup);

/* Empty slabs beyond what p->setup may need go. */
void impair_slabs_trim(struct impair *p);

/* Of IMPAIR_SMALL or IMPAIR_BIG bytes, counted as held; NULL: none is left. */
struct impair_chunk *impair_chunk_take(struct impair *p, size_t size);
void impair_chunk_give(struct impair *p, struct impair_chunk *chunk);

#endif
