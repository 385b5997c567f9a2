/* SPDX-License-Identifier: MIT */
#include "core/pace.h"

#include <string.h>

#include "base/bytes.h"

void pace_init(struct pace *p)
{
	memset(p, 0, sizeof(*p));
	p->window = PACE_FIRST;
	p->stretch = 1;
}

static int64_t patience(const struct pace *p)
{
	return p->stretch * PACE_PATIENCE;
}

static struct pace_place *find(struct pace *p, uint16_t who)
{
	for (unsigned i = 0; i < PACE_MOST; i++) {
		if (p->place[i].held && p->place[i].who == who)
			return &p->place[i];
	}
	return NULL;
}

/* Places whose time is over; who is there and does not answer has too much to do. */
static void expire(struct pace *p, struct instant now)
{
	for (unsigned i = 0; i < PACE_MOST; i++) {
		struct pace_place *place = &p->place[i];

		if (!place->held || !instant_reached(now, place->until))
			continue;
		place->held = false;
		if (!place->alive || instant_between(p->narrowed, now) < patience(p))
			continue;
		p->window = MAX(p->window / 2, PACE_LEAST);
		p->stretch = MIN(p->stretch * 2, PACE_STRETCH);
		p->narrowed = now;
	}
}

static struct pace_place *room(struct pace *p)
{
	struct pace_place *room = NULL;
	unsigned held = 0;

	for (unsigned i = 0; i < PACE_MOST; i++) {
		held += p->place[i].held;
		if (!p->place[i].held)
			room = &p->place[i];
	}
	return held < p->window ? room : NULL;
}

bool pace_take(struct pace *p, uint16_t who, bool alive, struct instant now)
{
	struct pace_place *place;

	expire(p, now);
	place = find(p, who);
	if (!place)
		place = room(p);
	if (!place)
		return false;
	*place = (struct pace_place){ who, true, alive, now, instant_add(now, patience(p)) };
	return true;
}

void pace_forget(struct pace *p, uint16_t who)
{
	struct pace_place *place = find(p, who);

	if (place)
		place->held = false;
}

void pace_answered(struct pace *p, uint16_t who, struct instant now)
{
	struct pace_place *place = find(p, who);
	int64_t took = place ? MAX(instant_between(place->since, now), 1) : 0;

	if (!place)
		return;
	place->held = false;
	if (!p->best || took < p->best)
		p->best = took;
	if (took > 2 * p->best + PACE_SLOW) {
		p->window = MAX(p->window / 2, PACE_LEAST);
		return;
	}
	p->window = MIN(p->window + 1, PACE_MOST);
	p->stretch = MAX(p->stretch / 2, 1);
}
