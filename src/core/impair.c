/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "core/superframe.h"
#include "impair_parts.h"

#define ALWAYS ((uint64_t)1 << 32) /* a chance of one, out of 32 bits */

/* ---- chances ---- */

static uint64_t draw(struct impair *p)
{
	uint64_t v;

	rand_fill(&p->rand, &v, sizeof(v));
	return v;
}

static bool chance(struct impair *p, uint32_t millionths)
{
	return millionths && (draw(p) >> 32) * IMPAIR_MILLION >> 32 < millionths;
}

static bool loses(struct impair *p)
{
	if (p->setup.loss == 0)
		return false;
	if (p->setup.burst <= 1)
		return chance(p, p->setup.loss);
	p->losing = p->losing ? draw(p) >> 32 >= p->leave : draw(p) >> 32 < p->enter;
	return p->losing;
}

/* Runs of the mean length `burst`, and so many between that the share lost is right. */
static void set_runs(struct impair *p)
{
	uint64_t loss = p->setup.loss, kept = IMPAIR_MILLION - loss;

	p->losing = false;
	p->leave = p->enter = 0;
	if (loss == 0 || p->setup.burst <= 1)
		return;
	p->leave = ALWAYS / p->setup.burst;
	if (p->leave * loss <= ALWAYS * kept) {
		p->enter = p->leave * loss / kept;
	} else {
		p->enter = ALWAYS;
		p->leave = ALWAYS * kept / loss;
	}
}

/* One bit is wrong, and no device mends its sum. */
static bool damage(struct impair *p, struct impair_coming *c, struct iovec flat[2])
{
	struct superframe_layout layout;
	size_t at = 0;

	if (!chance(p, p->setup.corrupt) || c->len > sizeof(p->flat) || c->len == 0)
		return false;
	for (unsigned i = 1; i < c->n; at += c->iov[i++].iov_len)
		memcpy(p->flat + at, c->iov[i].iov_base, c->iov[i].iov_len);
	if (superframe_valid(p->flat, c->len, c->len, &c->vnet, &layout))
		superframe_checksum(p->flat, c->len, &c->vnet);
	at = draw(p) % (c->len * 8);
	p->flat[at / 8] ^= (uint8_t)(1u << at % 8);
	flat[1] = (struct iovec){ p->flat, c->len };
	c->iov = flat;
	c->n = 2;
	c->vnet = (struct vnet){ 0 };
	return true;
}

/* ---- what becomes of a frame ---- */

/* When the line has sent it, if that begins now or as soon as it is free. */
static int64_t sent_ns(const struct impair *p, const struct impair_coming *c, struct instant now)
{
	int64_t from = MAX(p->free_ns, now.us * 1000);

	return from + (int64_t)(c->wire * UINT64_C(8000000000) / p->setup.rate);
}

static int64_t draw_delay(struct impair *p)
{
	uint64_t jitter = (uint64_t)p->setup.jitter;

	if (!jitter)
		return p->setup.delay;
	return p->setup.delay - p->setup.jitter + (int64_t)(draw(p) % (2 * jitter + 1));
}

static void pass(struct impair *p, const struct impair_coming *c)
{
	struct iovec iov[IMPAIR_PIECES];
	struct frame frame = { .vnet = c->vnet, .len = c->len, .n = c->n, .iov = iov };

	memcpy(iov, c->iov, c->n * sizeof(*iov));
	p->counts.passed += c->frames;
	p->out(p->ctx, &frame);
}

static bool has_room(const struct impair *p, const struct impair_coming *c, int64_t sent,
		     struct instant now)
{
	size_t limit = impair_limit(&p->setup);

	return impair_memory_of(c->len) <= limit &&
	       p->counts.held <= limit - impair_memory_of(c->len) &&
	       sent / 1000 - now.us <= IMPAIR_BACKLOG;
}

static void go(struct impair *p, const struct impair_coming *c, struct instant now)
{
	bool hurries = chance(p, p->setup.reorder), in_order = !p->setup.jitter && !hurries;
	int64_t sent = p->setup.rate ? sent_ns(p, c, now) : 0;
	struct instant due = now;

	if (!has_room(p, c, sent, now)) {
		p->counts.overflowed += c->frames;
		return;
	}
	p->free_ns = sent;
	due.us = MAX(due.us, (sent + 999) / 1000);
	if (!hurries)
		due.us = MAX(due.us + draw_delay(p), now.us);
	if (in_order && p->counts.frames > 0 && instant_before(due, p->newest))
		due = p->newest;
	if (in_order)
		p->newest = due;
	p->counts.reordered += hurries;
	if (instant_reached(now, due) && (!in_order || p->counts.frames == 0))
		pass(p, c);
	else
		impair_hold(p, c, due, now);
}

/* How many frames, and bytes of them, a super-frame stands for. */
static void size_up(struct impair_coming *c)
{
	const struct iovec *first = &c->iov[1];
	struct superframe_layout layout;
	size_t payload;

	if (c->vnet.gso_type == VNET_GSO_NONE || c->vnet.gso_size == 0 ||
	    !superframe_layout(first->iov_base, first->iov_len, &layout) ||
	    layout.payload >= c->len)
		return;
	payload = c->len - layout.payload;
	c->frames = (uint32_t)((payload + c->vnet.gso_size - 1) / c->vnet.gso_size);
	c->wire = payload + (size_t)c->frames * layout.payload;
}

void impair_take(struct impair *p, const struct vnet *vnet, const struct iovec *iov, unsigned n,
		 size_t len, struct instant now)
{
	struct impair_coming c = { *vnet, iov, n, len, len, 1 };
	struct iovec flat[2] = { { 0 } };
	bool twice;

	size_up(&c);
	if (p->setup.cut || loses(p)) {
		p->counts.lost += c.frames;
		return;
	}
	if (n > IMPAIR_PIECES || len > SUPERFRAME_MAX) {
		p->counts.overflowed += c.frames;
		return;
	}
	p->counts.corrupted += damage(p, &c, flat);
	twice = chance(p, p->setup.duplicate);
	p->counts.duplicated += twice;
	go(p, &c, now);
	if (twice)
		go(p, &c, now);
}

/* ---- set-up ---- */

bool impair_is_none(const struct impair_setup *s)
{
	return !s->cut && !s->delay && !s->jitter && !s->rate && !s->loss && !s->duplicate &&
	       !s->corrupt && !s->reorder;
}

bool impair_wants_single(const struct impair *p)
{
	const struct impair_setup *s = &p->setup;

	return s->loss || s->duplicate || s->corrupt || s->reorder;
}

bool impair_change(struct impair *p, const struct impair_setup *setup, struct instant now)
{
	impair_tick(p, now);
	if (!impair_slabs_reserve(p, setup))
		return false;
	p->setup = *setup;
	impair_slabs_trim(p);
	set_runs(p);
	return true;
}

struct impair *impair_new(const struct impair_setup *setup, const struct rand_source *rand,
			  impair_out out, void *ctx, struct instant now)
{
	struct impair *p = calloc(1, sizeof(*p));
	uint64_t seed;

	if (!p)
		return NULL;
	impair_slabs_init(p);
	p->out = out;
	p->ctx = ctx;
	rand_fill(rand, &seed, sizeof(seed));
	p->rand = rand_source_seeded(&p->seeded, seed);
	if (!impair_change(p, setup, now)) {
		impair_free(p);
		return NULL;
	}
	return p;
}

void impair_free(struct impair *p)
{
	if (!p)
		return;
	impair_slabs_free(p);
	free(p);
}

const struct impair_setup *impair_setup(const struct impair *p)
{
	return &p->setup;
}

const struct impair_counts *impair_counts(const struct impair *p)
{
	return &p->counts;
}
