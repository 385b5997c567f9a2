/* SPDX-License-Identifier: MIT */
#include "core/timers.h"

#include <string.h>

#include "base/bytes.h"
#include "core/wire.h"

#define EAGER_ATTEMPTS 10
#define PATIENT_ATTEMPTS 60
#define STEP MS(25)

void timers_init(struct timers *t, int64_t keepalive, struct instant now)
{
	memset(t, 0, sizeof(*t));
	t->keepalive = keepalive;
	t->greet = now;
	t->due = now;
}

static bool active(const struct timers *t, struct instant now)
{
	return t->frames.us && instant_between(t->frames, now) < TIMERS_ACTIVE;
}

/* One of many that nothing is said to. */
static bool resting(const struct timers *t, struct instant now)
{
	return t->many && !active(t, now);
}

static int64_t quiet(const struct timers *t, struct instant now)
{
	if (resting(t, now))
		return t->keepalive + t->spare;
	return active(t, now) ? MIN(TIMERS_QUIET, t->keepalive) : t->keepalive;
}

static int64_t ping_timeout(const struct timers *t, int64_t rtt, struct instant now)
{
	if (resting(t, now))
		return TIMERS_PATIENT * MAX(t->unanswered, 1);
	return MIN(MAX(2 * rtt + MS(100), MS(250)), MS(1000));
}

void timers_heard(struct timers *t, struct instant now)
{
	t->heard = now;
	t->unanswered = 0;
}

void timers_frames(struct timers *t, struct instant now)
{
	if (!active(t, now))
		t->due = instant_min(t->due, instant_add(now, TIMERS_QUIET));
	t->frames = now;
}

void timers_session_begin(struct timers *t, bool initiator, struct instant now)
{
	t->session = true;
	t->ask = true;
	t->attempts = 0;
	t->greet = instant_add(now, WIRE_REKEY_AFTER + (initiator ? 0 : TIMERS_RESPONDER));
	t->due = now;
	timers_heard(t, now);
}

void timers_session_end(struct timers *t, int64_t wait, struct instant now)
{
	t->session = false;
	t->attempts = 0;
	t->unanswered = 0;
	t->greet = instant_add(now, wait);
	t->due = instant_min(t->due, t->greet);
}

void timers_greet_now(struct timers *t, struct instant now)
{
	t->attempts = 0;
	t->greet = now;
	t->due = now;
}

static int64_t handshake_wait(unsigned attempts)
{
	if (attempts == 0)
		return MS(500);
	if (attempts < EAGER_ATTEMPTS)
		return SECONDS(1);
	if (attempts < PATIENT_ATTEMPTS)
		return attempts % 2 ? SECONDS(1) : SECONDS(3);
	return SECONDS(5);
}

void timers_answered(struct timers *t, struct instant now)
{
	if (t->attempts > 1)
		return;
	t->greet = now;
	t->due = now;
}

void timers_greeted(struct timers *t, uint32_t random, struct instant now)
{
	int64_t wait = handshake_wait(t->attempts);

	t->attempts++;
	t->greet = instant_add(now, wait + wait / 5 * (random & 0xff) / 255);
	t->due = instant_min(t->due, t->greet);
}

void timers_stretch(struct timers *t, unsigned times, struct instant now)
{
	if (t->greet.us != INSTANT_NEVER.us)
		t->greet = instant_add(now, instant_between(now, t->greet) * times);
}

void timers_greet_after(struct timers *t, int64_t wait, struct instant now)
{
	t->attempts = 0;
	t->greet = instant_add(now, wait);
	t->due = instant_min(t->due, t->greet);
}

void timers_greet_later(struct timers *t, unsigned turn, struct instant now)
{
	int64_t step = now.us / STEP + 1;

	step += (step + turn) % 4;
	t->greet = (struct instant){ step * STEP };
	t->due = instant_min(t->due, t->greet);
}

void timers_greet_never(struct timers *t)
{
	t->greet = INSTANT_NEVER;
}

static bool is_dead(const struct timers *t, struct instant now)
{
	if (!t->unanswered || (resting(t, now) && t->unanswered < TIMERS_ENOUGH))
		return false;
	return instant_between(t->asked, now) >= TIMERS_DEAD;
}

/* Signs of life: what to do, and when to look again into *due. */
static unsigned tick_session(struct timers *t, int64_t rtt, struct instant now, struct instant *due)
{
	int64_t wait = t->unanswered ? ping_timeout(t, rtt, now) : 0;
	struct instant ping_at = instant_add(t->heard, quiet(t, now));

	if (is_dead(t, now))
		return TIMERS_GIVE_UP;
	if (active(t, now))
		ping_at = instant_min(ping_at, instant_add(t->pinged, TIMERS_MEASURE));
	if (t->unanswered)
		ping_at = instant_add(t->pinged, wait);
	if (!instant_reached(now, ping_at) && !t->ask) {
		*due = ping_at;
		return 0;
	}
	if (t->hold && resting(t, now)) {
		*due = (struct instant){ (now.us / TIMERS_HOLD + 1) * TIMERS_HOLD };
		return 0;
	}
	if (t->unanswered >= 2 && t->attempts == 0)
		t->greet = instant_min(t->greet, now);
	t->ask = false;
	if (t->unanswered++ == 0)
		t->asked = now;
	t->pinged = now;
	*due = instant_add(now, ping_timeout(t, rtt, now));
	return TIMERS_PING;
}

unsigned timers_tick(struct timers *t, int64_t rtt, struct instant now)
{
	struct instant due = INSTANT_NEVER;
	unsigned action = 0;

	if (!instant_reached(now, t->due))
		return 0;
	if (t->session)
		action = tick_session(t, rtt, now, &due);
	if (!(action & TIMERS_GIVE_UP) && instant_reached(now, t->greet))
		action |= TIMERS_HANDSHAKE;
	t->due = instant_min(due, t->greet);
	return action;
}
