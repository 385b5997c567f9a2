/* SPDX-License-Identifier: MIT */
#include "core/thrift.h"

bool thrift_has(const struct thrift *t, unsigned most, struct instant now)
{
	return instant_between(now, t->until) + t->each <= (int64_t)most * t->each;
}

bool thrift_spend(struct thrift *t, unsigned most, struct instant now)
{
	if (!thrift_has(t, most, now))
		return false;
	if (instant_before(t->until, now))
		t->until = now;
	t->until = instant_add(t->until, t->each);
	return true;
}

void thrift_return(struct thrift *t, unsigned n)
{
	t->until = instant_add(t->until, -(int64_t)n * t->each);
}
