/* SPDX-License-Identifier: MIT */
/*
 * A bad line, for one direction of one port: what happens to each frame is decided
 * when it comes, and it is held on a timer wheel until it is due.  Nothing here waits.
 * A super-frame is treated as the frames that it stands for: with loss, duplication,
 * corruption or reordering, the caller hands in single frames (impair_wants_single).
 *
 * Order of what acts: cut, loss, corruption, duplication, rate, delay and jitter,
 * reordering.  Without jitter and reordering the order of frames is kept, so when the
 * delay is made shorter, new frames still come after those that are held.
 */
#ifndef CORE_IMPAIR_H
#define CORE_IMPAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/rand.h"
#include "core/unpack.h"
#include "core/vnet.h"

#define IMPAIR_MILLION 1000000u	       /* chances are in millionths */
#define IMPAIR_DELAY_MAX SECONDS(60)
#define IMPAIR_BACKLOG SECONDS(600) /* what the rate would send later than that is not held */
#define IMPAIR_LIMIT ((size_t)256 << 20) /* bytes held, if nothing is said: 100 ms of 20 Gbit/s */
#define IMPAIR_LIMIT_MIN 4096
#define IMPAIR_TICK 100		       /* microseconds: a frame is late by less than that */

struct impair_setup {
	bool cut;	       /* everything is lost */
	int64_t delay, jitter; /* microseconds; jitter: evenly, up to so much more or less */
	uint32_t loss;	       /* millionths of frames */
	uint32_t burst;	       /* mean length of a run of lost frames (Gilbert; longer, where so
				* much loss asks for it); 0 and 1: each by itself */
	uint32_t duplicate, corrupt, reorder; /* millionths; a reordered one skips the delay */
	uint64_t rate;	       /* bits a second of Ethernet frames, 0: no limit */
	size_t limit;	       /* bytes held at most, 0: IMPAIR_LIMIT.  A frame counts 256, or
				* whole 2048; the memory for them is whole 1 MiB, and
				* 1 MiB more */
};

/* Of frames; a super-frame counts those that it stands for. */
struct impair_counts {
	uint64_t passed, lost, duplicated, corrupted, reordered;
	uint64_t overflowed; /* lost for the limit, or lack of memory */
	size_t held; /* bytes now, as limit counts them */
	size_t memory; /* bytes reserved for what is held: used when first written */
	size_t frames; /* held now; here a super-frame is one */
};

struct impair;

/* A frame is due: as in struct frame, iov[0] free, iov[1] holds all headers,
 * writable; consumed inside the call. */
typedef void (*impair_out)(void *ctx, struct frame *frame);

/* One that changes nothing: no need to have it. */
bool impair_is_none(const struct impair_setup *setup);

/* NULL when memory is short: a line with delay, jitter or rate takes the limit's memory now,
 * and none while frames pass. */
struct impair *impair_new(const struct impair_setup *setup, const struct rand_source *rand,
			  impair_out out, void *ctx, struct instant now);
void impair_free(struct impair *p); /* what is held is lost */

/* While it runs; what is held keeps its time.  Memory beyond a lower limit goes as what it
 * holds leaves.  False when memory is short for a higher one: then nothing is changed. */
bool impair_change(struct impair *p, const struct impair_setup *setup, struct instant now);

const struct impair_setup *impair_setup(const struct impair *p);
const struct impair_counts *impair_counts(const struct impair *p);

/* Super-frames have to be cut before. */
bool impair_wants_single(const struct impair *p);

/* A frame in iov[1] to iov[n - 1], as struct frame has it, its facts valid: copied, or
 * lost.  May hand it out in this call when nothing holds it. */
void impair_take(struct impair *p, const struct vnet *vnet, const struct iovec *iov,
		 unsigned n, size_t len, struct instant now);

/* Hands out what is due, by INSTANT_NEVER all that is held; impair_due says when to come next
 * (INSTANT_NEVER: nothing held). */
void impair_tick(struct impair *p, struct instant now);
struct instant impair_due(const struct impair *p);

#endif
