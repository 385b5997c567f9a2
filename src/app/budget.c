/* SPDX-License-Identifier: MIT */
#include "app/budget.h"

#include "base/bytes.h"

void budget_init(struct budget *b, int64_t rate, int64_t most, struct instant now)
{
	*b = (struct budget){ .rate = rate, .most = most, .left = most, .filled = now };
}

bool budget_left(struct budget *b, struct instant now)
{
	int64_t passed = MIN(instant_between(b->filled, now), SECONDS(1));

	if (passed > 0) { /* threads' clocks may be a little behind each other */
		b->left = MIN(b->left + b->rate * passed / SECONDS(1), b->most);
		b->filled = now;
	}
	return b->left > 0;
}

void budget_spend(struct budget *b, int64_t cost)
{
	b->left -= cost;
}
