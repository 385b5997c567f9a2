/* SPDX-License-Identifier: MIT */
/*
 * Token buckets per source address (/32 of IPv4, /64 of IPv6) in a table of
 * fixed size: a bucketed hash of LIMIT_WAYS places per set.  A full set gives
 * its least recently used place to a newcomer, so a flood from many addresses
 * costs no memory and bounded time.
 */
#ifndef CORE_LIMIT_H
#define CORE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"

#define LIMIT_SETS 256
#define LIMIT_WAYS 8
#define LIMIT_BURST_MAX 4000000 /* so that millitokens hold it */

struct limit_bucket {
	struct addr who; /* addr_group() of the source; ADDR_NONE: free */
	struct instant filled;
	uint32_t millitokens;
	uint32_t microtokens; /* what is left below one millitoken */
};

struct limit {
	uint32_t rate;	/* tokens per second */
	uint32_t burst; /* most tokens at once */
	uint64_t seed;
	struct limit_bucket buckets[LIMIT_SETS][LIMIT_WAYS];
};

/* burst above LIMIT_BURST_MAX counts as that. */
void limit_init(struct limit *l, uint32_t rate, uint32_t burst, uint64_t seed);

/* True when the source may pass now; takes one token.  A new address starts
 * with a full bucket; an empty address never passes. */
bool limit_pass(struct limit *l, const struct addr *source, struct instant now);

#endif
