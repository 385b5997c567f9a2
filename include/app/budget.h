/* SPDX-License-Identifier: MIT */
/* Work that may be spent in a while: so much a second, and so much at once. */
#ifndef APP_BUDGET_H
#define APP_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct budget {
	int64_t rate; /* a second */
	int64_t most; /* at once */
	int64_t left; /* below 0 after the last that was spent */
	struct instant filled;
};

/* Full. */
void budget_init(struct budget *b, int64_t rate, int64_t most, struct instant now);

/* Whether anything is left. */
bool budget_left(struct budget *b, struct instant now);

void budget_spend(struct budget *b, int64_t cost);

#endif
