/* SPDX-License-Identifier: MIT */
/*
 * Monotonic time as a type of its own, in microseconds.  Only the loop reads
 * the clock, once a turn; everything else takes "now" as an argument, so the
 * simulator can turn the hands itself.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct instant {
	int64_t us;
};

#define MS(n) ((int64_t)(n) * 1000)
#define SECONDS(n) ((int64_t)(n) * 1000000)

/* Later than every instant: a deadline that is not set. */
#define INSTANT_NEVER ((struct instant){ INT64_MAX })

static inline struct instant instant_add(struct instant t, int64_t us)
{
	if (us > 0 && t.us > INT64_MAX - us)
		return INSTANT_NEVER;
	return (struct instant){ t.us + us };
}

/* Microseconds from a to b; negative when b came first. */
static inline int64_t instant_between(struct instant a, struct instant b)
{
	return b.us - a.us;
}

static inline bool instant_before(struct instant a, struct instant b)
{
	return a.us < b.us;
}

/* True when t is not in the future. */
static inline bool instant_reached(struct instant now, struct instant t)
{
	return now.us >= t.us;
}

static inline struct instant instant_min(struct instant a, struct instant b)
{
	return a.us < b.us ? a : b;
}

/* CLOCK_MONOTONIC; never fails.  Starts well above zero, so that a zero
 * instant means "never happened". */
struct instant clock_now(void);

/* Seconds since the epoch by the wall clock, for people's eyes only. */
int64_t clock_wall_seconds(void);

/* The same in microseconds. */
int64_t clock_wall_us(void);

#endif
