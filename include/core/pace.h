/* SPDX-License-Identifier: MIT */
/*
 * How many calls are under way at once.  A site that meets a crowd, as when a
 * relay lists hundreds of members to each of them, would otherwise call all of them at
 * once, and again before the answers could be made: a call that is made again makes the
 * answer to the one before worthless.  So a call holds a place until it is answered, or
 * for PACE_PATIENCE.  With answers that come soon there are more places, with answers
 * that take much longer than the quickest one there are fewer; and while peers that are
 * known to be there do not answer in time, fewer still, and all wait longer.
 */
#ifndef CORE_PACE_H
#define CORE_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define PACE_FIRST 4 /* places at the beginning */
#define PACE_MOST 16
#define PACE_LEAST 2
#define PACE_STRETCH 8 /* the longest wait is so many times the usual one */
#define PACE_PATIENCE MS(500)
#define PACE_SLOW MS(100) /* and twice the quickest one's time: an answer that took longer */

struct pace_place {
	uint16_t who;
	bool held, alive;
	struct instant since, until;
};

struct pace {
	unsigned window; /* so many of the places may be held */
	unsigned stretch; /* so many times longer than usual is the wait for an answer */
	struct instant narrowed;
	int64_t best; /* the shortest time to an answer, 0: none yet */
	struct pace_place place[PACE_MOST];
};

void pace_init(struct pace *p);

/* True when a call may go to that peer now: it holds a place, the one that it had if
 * it had one.  alive: it is known to be there. */
bool pace_take(struct pace *p, uint16_t who, bool alive, struct instant now);

/* The peer answered, or is not called any more. */
void pace_answered(struct pace *p, uint16_t who, struct instant now);
void pace_forget(struct pace *p, uint16_t who);

#endif
