/* SPDX-License-Identifier: MIT */
#include "app/drop_watch.h"

#include "app/event.h"

#define TELL_EVERY SECONDS(60)
#define MANY 100 /* drops a second of any other reason */

/* From how many a second on; UINT64_MAX: what is dropped all day. */
static uint64_t threshold(enum drop reason)
{
	switch (reason) {
	case DROP_SELF:
	case DROP_HELD:
	case DROP_NOT_LEARNED:
		return 1;
	case DROP_HORIZON:
		return 10;
	case DROP_FILTERED:
	case DROP_UNDERLAY:
	case DROP_RESERVED:
	case DROP_DISCONNECTED:
		return UINT64_MAX;
	default:
		return MANY;
	}
}

static void tell(enum drop reason, uint64_t n)
{
	struct log_field frames = log_number("frames", (int64_t)n);

	if (reason == DROP_SELF)
		event_tell(EVENT_LOOP, log_text("reason", "own tunnel"), frames);
	else if (reason == DROP_HORIZON)
		event_tell(EVENT_LOOP, log_text("reason", "split horizon"), frames);
	else if (reason == DROP_HELD)
		event_tell(EVENT_MAC_MOVES, frames);
	else if (reason == DROP_NOT_LEARNED)
		event_tell(EVENT_MACS_FULL, frames);
	else
		event_tell(EVENT_DROPS, log_text("reason", drop_name(reason)), frames);
}

void drop_watch_look(struct drop_watch *w, const uint64_t all[DROP_COUNT], struct instant now)
{
	for (unsigned i = 0; i < DROP_COUNT; i++) {
		/* A peer that is removed takes its counters along. */
		uint64_t n = all[i] > w->before[i] ? all[i] - w->before[i] : 0;

		w->before[i] = all[i];
		if (!w->begun || n < threshold((enum drop)i) ||
		    (w->told[i].us && instant_between(w->told[i], now) < TELL_EVERY))
			continue;
		w->told[i] = now;
		tell((enum drop)i, n);
	}
	w->begun = true;
}
