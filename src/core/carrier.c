/* SPDX-License-Identifier: MIT */
#include "core/carrier.h"

#include "base/bytes.h"

void carrier_init(struct carrier *c)
{
	*c = (struct carrier){ .far = true, .next = INSTANT_NEVER, .trust = INSTANT_NEVER };
}

static void tell(struct carrier *c, struct instant now)
{
	c->sequence++;
	c->times = 0;
	c->next = now;
}

void carrier_begin(struct carrier *c, struct instant now)
{
	if (!c->session)
		c->far = true;
	c->session = true;
	c->heard = false;
	c->trust = c->far ? INSTANT_NEVER : instant_add(now, CARRIER_TRUST);
	tell(c, now);
}

void carrier_end(struct carrier *c)
{
	c->session = c->heard = false;
	c->next = c->trust = INSTANT_NEVER;
}

void carrier_set(struct carrier *c, bool on, struct instant now)
{
	if (c->on == on)
		return;
	c->on = on;
	if (c->session)
		tell(c, now);
}

void carrier_take(struct carrier *c, const uint8_t body[WIRE_CARRIER_LEN])
{
	uint32_t sequence = be32_get(body + 1);

	if (c->heard && (int32_t)(sequence - c->heard_sequence) <= 0)
		return;
	c->heard = true;
	c->heard_sequence = sequence;
	c->far = body[0];
	c->trust = INSTANT_NEVER;
}

void carrier_taken(struct carrier *c, const uint8_t body[WIRE_CARRIER_LEN])
{
	if (be32_get(body + 1) == c->sequence)
		c->next = INSTANT_NEVER;
}

bool carrier_tick(struct carrier *c, struct instant now, uint8_t body[WIRE_CARRIER_LEN])
{
	if (instant_reached(now, c->trust)) {
		c->far = true;
		c->trust = INSTANT_NEVER;
	}
	if (!instant_reached(now, c->next))
		return false;
	if (c->times == 0)
		c->since = now;
	if (instant_between(c->since, now) > CARRIER_MOST) {
		c->next = INSTANT_NEVER;
		return false;
	}
	c->times++;
	c->next = instant_add(now, c->times < CARRIER_SOON_TIMES ? CARRIER_SOON : CARRIER_AGAIN);
	body[0] = c->on;
	be32_put(body + 1, c->sequence);
	return true;
}

struct instant carrier_due(const struct carrier *c)
{
	return instant_min(c->next, c->trust);
}
