/* SPDX-License-Identifier: MIT */
/*
 * What may be spent at once, and again as time passes: questions to peers that nobody
 * asked for.  One that is answered is given back, so that where answers come at once nothing
 * is held up, and where they do not a site does not make it worse.
 */
#ifndef CORE_THRIFT_H
#define CORE_THRIFT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct thrift {
	struct instant until; /* when all that was spent is there again */
	int64_t each;	      /* microseconds until one more is there */
};

static inline struct thrift thrift_make(int64_t each)
{
	return (struct thrift){ .each = each };
}

/* False when as many as `most` are spent and not back. */
bool thrift_spend(struct thrift *t, unsigned most, struct instant now);

/* The same without spending. */
bool thrift_has(const struct thrift *t, unsigned most, struct instant now);

/* So many are given back. */
void thrift_return(struct thrift *t, unsigned n);

#endif
