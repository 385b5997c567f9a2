/* SPDX-License-Identifier: MIT */
/* Who may come to a relay's network, and how much it may carry. */
#ifndef CORE_RELAY_LIMIT_H
#define CORE_RELAY_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define RELAY_NETWORKS 4096 /* of one relay */

enum relay_access { RELAY_OPEN, RELAY_LIST, RELAY_SECRET };

/* 0 is without limit, but for members, where it is WIRE_MEMBERS_MAX. */
struct relay_limits {
	uint32_t members;			/* of a network, at most WIRE_MEMBERS_MAX */
	uint32_t site_packets, network_packets; /* a second, that come in */
	uint64_t site_bytes, network_bytes;	/* a second, that go out */
};

/*
 * A token bucket that holds what its rate gives in a second, full at first
 * (zero memory).  What is larger than its content passes as long as there is any:
 * then it owes, and passes nothing until that is paid.
 */
struct relay_bucket {
	int64_t micro; /* millionths of a token */
	struct instant filled;
};

#define RELAY_RATE_MAX ((uint64_t)1 << 40) /* more counts as that */

/* True when something may pass now.  rate: tokens a second, 0 for no limit. */
bool relay_bucket_open(struct relay_bucket *b, uint64_t rate, struct instant now);

/* It passed, and takes so many tokens. */
void relay_bucket_charge(struct relay_bucket *b, uint64_t rate, uint64_t tokens);

#endif
