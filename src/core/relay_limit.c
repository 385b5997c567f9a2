/* SPDX-License-Identifier: MIT */
#include "core/relay_limit.h"

#include "base/bytes.h"

#define TOKEN 1000000 /* a rate of 1 gains one microtoken each microsecond */

static void fill(struct relay_bucket *b, int64_t rate, struct instant now)
{
	int64_t full = rate * TOKEN, elapsed = instant_between(b->filled, now);

	if (elapsed <= 0)
		return;
	if (elapsed > (full - b->micro) / rate)
		b->micro = full;
	else
		b->micro += elapsed * rate;
	b->filled = now;
}

bool relay_bucket_open(struct relay_bucket *b, uint64_t rate, struct instant now)
{
	if (rate == 0)
		return true;
	fill(b, (int64_t)MIN(rate, RELAY_RATE_MAX), now);
	return b->micro > 0;
}

void relay_bucket_charge(struct relay_bucket *b, uint64_t rate, uint64_t tokens)
{
	if (rate)
		b->micro -= (int64_t)tokens * TOKEN;
}
