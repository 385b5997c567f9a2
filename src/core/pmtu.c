/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  One probe at a time is under way.  It either tries the
 * target, a size not yet known to work, or confirms the size in force.
 *
 * state   target             confirmed                 not confirmed
 * BASE    the base           -> SEARCH                 tried for ever, slower in the end
 * SEARCH  limit, common      becomes the size in       after PMTU_PROBES it is too large;
 *         sizes, bisection   force; next target        next target, or -> DONE
 * DONE    none               -                         -
 *
 * SEARCH goes to DONE when nothing is left to try, DONE back to SEARCH every
 * PMTU_RAISE while the limit is not reached.  An answer costs a round trip and
 * silence costs three timeouts, so after the limit, which is most often right,
 * targets rise through sizes that are common in networks.
 *
 * Confirmations run in SEARCH and DONE, and before the target has its turn:
 * their timeout is short and their number high, so that a black hole shows
 * within 3 s (a second of waiting and PMTU_MISSES timeouts) but a lossy path
 * does not look like one.  Once begun they go on until an answer comes or the
 * path falls back to BASE.
 */
#include "core/pmtu.h"

#include <stddef.h>

#include "base/bytes.h"

#define WAIT_LEAST MS(200)
#define WAIT_UNKNOWN MS(500)   /* the round trip is not known yet */
#define WAIT_TARGET SECONDS(1) /* at most, unless half a round trip is longer */
#define WAIT_CHECK MS(350)
#define RTT_MOST SECONDS(10)

static const uint16_t common_sizes[] = { 1280, 1400, 1420, 1452, 1492, 1500 };

static uint16_t base_of(const struct pmtu *p)
{
	return MIN(PMTU_BASE, p->limit);
}

static uint16_t take_limit(uint16_t limit)
{
	return (uint16_t)MIN(MAX(limit, PMTU_LEAST), UINT16_MAX - 1);
}

/* Drops what is under way and begins with the state's first target. */
static void enter(struct pmtu *p, enum pmtu_state state, struct instant now)
{
	p->state = (uint8_t)state;
	p->low = state == PMTU_STATE_BASE ? 0 : p->now_size;
	p->high = (uint16_t)(p->limit + 1);
	p->target = 0;
	p->tries = 0;
	p->probe_size = 0;
	p->next = now;
}

void pmtu_init(struct pmtu *p, uint16_t limit, struct instant now)
{
	*p = (struct pmtu){ .limit = take_limit(limit) };
	p->now_size = base_of(p);
	enter(p, PMTU_STATE_BASE, now);
}

/* ---- what there is to do ---- */

static bool has_grown_up(const struct pmtu *p)
{
	return p->now_size >= p->limit;
}

static void sleep_done(struct pmtu *p, struct instant now)
{
	p->next = has_grown_up(p) ? INSTANT_NEVER : p->raise;
	if (p->now_size > base_of(p))
		p->next = instant_min(p->next, instant_add(now, PMTU_CHECK));
}

static void finish(struct pmtu *p, struct instant now)
{
	enter(p, PMTU_STATE_DONE, now);
	p->raise = instant_add(now, PMTU_RAISE);
	sleep_done(p, now);
}

static void fall_back(struct pmtu *p, struct instant now)
{
	p->now_size = base_of(p);
	p->misses = 0;
	p->hinted = false;
	p->shrunk++;
	enter(p, PMTU_STATE_BASE, now);
}

static bool is_checking(const struct pmtu *p)
{
	return p->state != PMTU_STATE_BASE && (p->misses || p->probe_size == p->now_size);
}

static bool wants_check(const struct pmtu *p, bool data_flowing, struct instant now)
{
	if (p->now_size <= base_of(p))
		return false;
	if (p->misses || p->hinted)
		return true;
	return data_flowing && instant_between(p->confirmed, now) >= PMTU_CHECK;
}

/* The next size worth a try, 0 when the search is over. */
static uint16_t choose_target(const struct pmtu *p)
{
	size_t i;

	if (has_grown_up(p))
		return 0;
	if (p->high > p->limit)
		return p->limit;
	if (p->high - p->low <= PMTU_STEP)
		return 0;
	for (i = 0; i < COUNT_OF(common_sizes); i++) {
		if (common_sizes[i] > p->low && common_sizes[i] < p->high)
			return common_sizes[i];
	}
	return (uint16_t)(p->low + (p->high - p->low) / 2);
}

/* Three round trips, within bounds; but the tries of a size together always
 * outlast one. */
static int64_t wait_for(int64_t rtt, int64_t most)
{
	int64_t wait = WAIT_UNKNOWN;

	rtt = MIN(MAX(rtt, 0), RTT_MOST);
	if (rtt > 0)
		wait = MAX(3 * rtt, WAIT_LEAST);
	return MAX(MIN(wait, most), rtt / 2);
}

/* ---- probes ---- */

static uint16_t send_probe(struct pmtu *p, uint16_t size, int64_t wait, struct instant now,
			   uint32_t *id)
{
	*id = ++p->probe_id;
	p->probe_size = size;
	p->sent = now;
	p->next = instant_add(now, wait);
	return size;
}

static uint16_t send_check(struct pmtu *p, int64_t rtt, struct instant now, uint32_t *id)
{
	if (p->misses == 0)
		p->check_id = p->probe_id + 1;
	p->hinted = false;
	return send_probe(p, p->now_size, wait_for(rtt, WAIT_CHECK), now, id);
}

static uint16_t send_target(struct pmtu *p, int64_t rtt, struct instant now, uint32_t *id)
{
	int64_t wait = wait_for(rtt, WAIT_TARGET);

	if (p->tries == 0)
		p->target_id = p->probe_id + 1;
	if (p->tries < UINT8_MAX)
		p->tries++;
	if (p->tries > PMTU_PROBES)
		wait = MAX(wait, PMTU_CHECK);
	return send_probe(p, p->target, wait, now, id);
}

static uint16_t probe_base(struct pmtu *p, int64_t rtt, struct instant now, uint32_t *id)
{
	p->target = base_of(p);
	return send_target(p, rtt, now, id);
}

static uint16_t probe_search(struct pmtu *p, int64_t rtt, struct instant now, uint32_t *id)
{
	if (p->target && p->tries >= PMTU_PROBES) {
		p->high = p->target;
		p->target = 0;
	}
	if (!p->target) {
		p->target = choose_target(p);
		p->tries = 0;
	}
	if (!p->target) {
		finish(p, now);
		return 0;
	}
	return send_target(p, rtt, now, id);
}

/* The probe under way, if any, was not answered in time. */
static void note_timeout(struct pmtu *p, struct instant now)
{
	if (p->probe_size && is_checking(p) && ++p->misses >= PMTU_MISSES)
		fall_back(p, now);
	p->probe_size = 0;
}

uint16_t pmtu_probe(struct pmtu *p, int64_t rtt, bool data_flowing, struct instant now,
		    uint32_t *id)
{
	if (!instant_reached(now, p->next))
		return 0;
	note_timeout(p, now);
	if (p->state == PMTU_STATE_BASE)
		return probe_base(p, rtt, now, id);
	if (wants_check(p, data_flowing, now))
		return send_check(p, rtt, now, id);
	if (p->state == PMTU_STATE_DONE && instant_reached(now, p->raise))
		enter(p, PMTU_STATE_SEARCH, now);
	if (p->state == PMTU_STATE_SEARCH)
		return probe_search(p, rtt, now, id);
	sleep_done(p, now);
	return 0;
}

struct instant pmtu_due(const struct pmtu *p)
{
	return p->next;
}

/* ---- what happened ---- */

/* An id from first to the last that was given out, which may have wrapped. */
static bool is_recent(const struct pmtu *p, uint32_t id, uint32_t first)
{
	return id - first <= p->probe_id - first;
}

static bool confirm_target(struct pmtu *p, struct instant now)
{
	bool grown = p->target > p->now_size;

	p->low = p->now_size = p->target;
	p->confirmed = now;
	p->misses = 0;
	p->target = 0;
	p->tries = 0;
	p->probe_size = 0;
	p->next = now;
	if (p->state == PMTU_STATE_BASE)
		enter(p, PMTU_STATE_SEARCH, now);
	if (has_grown_up(p))
		finish(p, now);
	return grown;
}

static void confirm_check(struct pmtu *p, struct instant now)
{
	p->confirmed = now;
	p->misses = 0;
	p->probe_size = 0;
	p->next = now;
	if (p->state == PMTU_STATE_DONE)
		sleep_done(p, now);
}

bool pmtu_confirmed(struct pmtu *p, uint32_t id, uint16_t size, struct instant now)
{
	if (p->tries && size == p->target && is_recent(p, id, p->target_id))
		return confirm_target(p, now);
	if (is_checking(p) && size == p->now_size && is_recent(p, id, p->check_id))
		confirm_check(p, now);
	return false;
}

void pmtu_local_limit(struct pmtu *p, uint16_t limit, struct instant now)
{
	uint16_t before = p->limit;

	p->limit = take_limit(limit);
	if (p->limit == before)
		return;
	if (p->now_size > p->limit || p->state == PMTU_STATE_BASE) {
		p->now_size = p->state == PMTU_STATE_BASE ? base_of(p) : p->limit;
		p->misses = 0;
	}
	if (p->state == PMTU_STATE_BASE)
		enter(p, PMTU_STATE_BASE, now);
	else if (p->state == PMTU_STATE_SEARCH || p->limit > before)
		enter(p, PMTU_STATE_SEARCH, now);
}

void pmtu_hint(struct pmtu *p, struct instant now)
{
	if (p->probe_size || instant_between(p->confirmed, now) < WAIT_LEAST)
		return;
	p->hinted = true;
	p->next = now;
}
