/* SPDX-License-Identifier: MIT */
/* Drops that come in numbers, and what they mean, as events. */
#ifndef APP_DROP_WATCH_H
#define APP_DROP_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "core/drop.h"

struct drop_watch {
	uint64_t before[DROP_COUNT]; /* all in all, a second ago */
	struct instant told[DROP_COUNT];
	bool begun;
};

/* Once a second, the counters of now: told are those that rose by much since, each once a
 * minute. */
void drop_watch_look(struct drop_watch *w, const uint64_t all[DROP_COUNT], struct instant now);

#endif
