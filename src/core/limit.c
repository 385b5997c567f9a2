/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  A bucket is filled when it is looked at, by the time
 * since the last look, to the millionth of a token: a source that asks every
 * few microseconds gets its rate like any other, and never more.  The time of
 * that look is also what makes a place the least recently used.
 */
#include "core/limit.h"

#include <string.h>

#include "base/bytes.h"

/* In microtokens: a rate of 1 gains one each microsecond. */
#define TOKEN 1000000u

void limit_init(struct limit *l, uint32_t rate, uint32_t burst, uint64_t seed)
{
	memset(l, 0, sizeof(*l));
	l->rate = rate;
	l->burst = MIN(burst, (uint32_t)LIMIT_BURST_MAX);
	l->seed = seed;
}

static uint64_t bucket_get(const struct limit_bucket *b)
{
	return (uint64_t)b->millitokens * 1000 + b->microtokens;
}

static void bucket_set(struct limit_bucket *b, uint64_t micro)
{
	b->millitokens = (uint32_t)(micro / 1000);
	b->microtokens = (uint32_t)(micro % 1000);
}

static uint64_t bucket_full(const struct limit *l)
{
	return (uint64_t)l->burst * TOKEN;
}

static void bucket_fill(const struct limit *l, struct limit_bucket *b, struct instant now)
{
	int64_t elapsed = instant_between(b->filled, now);
	uint64_t missing = bucket_full(l) - bucket_get(b);

	if (elapsed <= 0)
		return;
	b->filled = now;
	if (l->rate == 0)
		return;
	if ((uint64_t)elapsed > missing / l->rate)
		bucket_set(b, bucket_full(l));
	else
		bucket_set(b, bucket_get(b) + (uint64_t)elapsed * l->rate);
}

/* The place of who in its set; for a newcomer a free place, or the one that
 * was used least recently. */
static struct limit_bucket *bucket_find(struct limit *l, const struct addr *who, struct instant now)
{
	struct limit_bucket *set = l->buckets[addr_hash(who, l->seed) % LIMIT_SETS];
	struct limit_bucket *least = set;

	for (unsigned i = 0; i < LIMIT_WAYS; i++) {
		struct limit_bucket *b = &set[i];

		if (b->who.family == ADDR_NONE) {
			least = b;
			break; /* places fill up in order */
		}
		if (addr_equal(&b->who, who))
			return b;
		if (instant_before(b->filled, least->filled))
			least = b;
	}
	least->who = *who;
	least->filled = now;
	bucket_set(least, bucket_full(l));
	return least;
}

bool limit_pass(struct limit *l, const struct addr *source, struct instant now)
{
	struct addr who = addr_group(source);
	struct limit_bucket *b;

	if (who.family == ADDR_NONE)
		return false;
	b = bucket_find(l, &who, now);
	bucket_fill(l, b, now);
	if (bucket_get(b) < TOKEN)
		return false;
	bucket_set(b, bucket_get(b) - TOKEN);
	return true;
}
