/* SPDX-License-Identifier: MIT */
/*
 * Giving way to others that wait for this processor.
 *
 * Who hands on hundreds of frames without a pause keeps their receiver from running, when
 * both are on one processor, until the scheduler's next tick; and a socket of the usual 208 KiB
 * holds some 250 small frames.  So after each YIELD_FRAMES it offers the processor.  A
 * receiver gives it back soon.  One that is always busy would keep it for a whole slice
 * each time: after more than YIELD_LONG it is not offered for YIELD_REST times as long, or
 * YIELD_REST_MOST.  So the busy cost 2 %; one who works for just less than YIELD_LONG, rests and
 * works again can get three quarters of the processor in place of a half.
 */
#ifndef HOST_YIELD_H
#define HOST_YIELD_H

#include <stdint.h>

#include "base/clock.h"

#define YIELD_FRAMES 64
#define YIELD_LONG MS(1) /* no receiver that empties its socket */
#define YIELD_REST 50
#define YIELD_REST_MOST SECONDS(1)

struct yield {
	unsigned frames; /* handed on since others had the processor */
	struct instant not_before;
	uint64_t calls; /* of sched_yield */
};

/* Offers the processor now, unless it is too early for that.  now may be as old as the
 * turn of the loop. */
void yield_offer(struct yield *y, struct instant now);

/* So many frames were handed on.  Not while a lock is held that others wait for; y NULL:
 * nothing happens. */
static inline void yield_after(struct yield *y, unsigned frames, struct instant now)
{
	if (!y)
		return;
	y->frames += frames;
	if (y->frames >= YIELD_FRAMES)
		yield_offer(y, now);
}

#endif
