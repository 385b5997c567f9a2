/* SPDX-License-Identifier: MIT */
#include "host/yield.h"

#include <sched.h>

#include "base/bytes.h"

void yield_offer(struct yield *y, struct instant now)
{
	struct instant back;
	int64_t away;

	y->frames = 0;
	if (instant_before(now, y->not_before))
		return;
	now = clock_now();
	sched_yield();
	y->calls++;
	back = clock_now();
	away = instant_between(now, back);
	if (away > YIELD_LONG)
		y->not_before = instant_add(back, MIN(away * YIELD_REST, YIELD_REST_MOST));
}
