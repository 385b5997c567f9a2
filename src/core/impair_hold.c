/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * What becomes of a frame is decided when it comes, and so is the tick (IMPAIR_TICK)
 * at which it leaves.  Until then it is held in a wheel of two levels that both go round: a
 * slot of the lower one is a tick, one of the higher TURN ticks.  The lower one holds what is due
 * in the present turn and the next; when a turn begins, what is due in the one after it
 * moves down, before any that come later can stand beside it: frames of one tick leave in
 * the order in which they came.  To move a frame costs a look at memory that is in no cache
 * any more, so the lower level is large enough for common delays.
 *
 * A rate is the time when the line is free again: each frame moves it on by its length.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/list.h"
#include "core/superframe.h"
#include "impair_parts.h"

#define SLOTS IMPAIR_SLOTS
#define TURN_BITS 11
#define TURN ((uint64_t)1 << TURN_BITS) /* ticks */
#define SMALL IMPAIR_SMALL
#define BIG IMPAIR_BIG
#define CACHE_LINE 64

_Static_assert(SLOTS == 2 * TURN, "the lower level holds two turns");
_Static_assert(2 * IMPAIR_DELAY_MAX + IMPAIR_BACKLOG <
		       (int64_t)(SLOTS - 2) * (int64_t)TURN * IMPAIR_TICK,
	       "the wheel is large enough");

/* The first chunk of a frame. */
struct impair_held {
	struct impair_chunk chunk;
	struct impair_held *next; /* in its slot */
	uint64_t tick;
	uint32_t len, frames; /* frames: that it stands for */
	struct vnet vnet;
	uint16_t size; /* of its chunks */
};

_Static_assert(SUPERFRAME_MAX / (BIG - sizeof(struct impair_chunk)) + 3 < IMPAIR_PIECES,
	       "pieces of a held frame");
_Static_assert(SMALL - sizeof(struct impair_held) >= 128, "a small frame fits");
_Static_assert(BIG - sizeof(struct impair_held) >= SUPERFRAME_HEADERS, "all headers in one piece");

/* ---- frames ---- */

static void give_back(struct impair *p, struct impair_held *held)
{
	struct impair_chunk *chunk = &held->chunk, *next;

	for (; chunk; chunk = next) {
		next = chunk->next;
		impair_chunk_give(p, chunk);
	}
}

/* What a frame of that length takes. */
size_t impair_memory_of(size_t len)
{
	size_t first = BIG - sizeof(struct impair_held), more = BIG - sizeof(struct impair_chunk);

	if (len <= SMALL - sizeof(struct impair_held))
		return SMALL;
	return len <= first ? BIG : BIG * (1 + (len - first + more - 1) / more);
}

/* Copies the frame into chunks; NULL when memory is short. */
static struct impair_held *store(struct impair *p, const struct impair_coming *c)
{
	size_t size = impair_memory_of(c->len) == SMALL ? SMALL : BIG,
	       room = size - sizeof(struct impair_held);
	struct impair_held *held = (struct impair_held *)(void *)impair_chunk_take(p, size);
	struct impair_chunk *last = (struct impair_chunk *)held;
	uint8_t *at;

	if (!held)
		return NULL;
	at = (uint8_t *)(held + 1);
	held->size = (uint16_t)size;
	held->len = (uint32_t)c->len;
	held->frames = c->frames;
	held->vnet = c->vnet;
	for (unsigned i = 1; i < c->n; i++) {
		const uint8_t *from = c->iov[i].iov_base;
		size_t left = c->iov[i].iov_len;

		while (left > 0) {
			size_t part;

			if (room == 0) {
				last->next = impair_chunk_take(p, size);
				if (!last->next) {
					give_back(p, held);
					return NULL;
				}
				last = last->next;
				at = (uint8_t *)(last + 1);
				room = size - sizeof(*last);
			}
			part = MIN(left, room);
			memcpy(at, from, part);
			at += part;
			from += part;
			left -= part;
			room -= part;
		}
	}
	return held;
}

/* ---- the wheel ---- */

enum { TICKS, TURNS };

static void put(struct impair *p, struct impair_held *held)
{
	bool soon = held->tick >> TURN_BITS <= (p->tick >> TURN_BITS) + 1;
	unsigned level = soon ? TICKS : TURNS;
	unsigned at = (soon ? held->tick : held->tick >> TURN_BITS) % SLOTS;
	struct impair_slot *slot = &p->slot[level][at];

	held->next = NULL;
	if (slot->first)
		slot->last->next = held;
	else
		slot->first = held;
	slot->last = held;
	p->used[level][at / 64] |= (uint64_t)1 << at % 64;
}

static struct impair_held *empty(struct impair *p, unsigned level, unsigned at)
{
	struct impair_held *first = p->slot[level][at].first;

	p->slot[level][at] = (struct impair_slot){ NULL, NULL };
	p->used[level][at / 64] &= ~((uint64_t)1 << at % 64);
	return first;
}

/* How far it is, round, from that slot to the first that is not empty, or SLOTS. */
static unsigned far(const uint64_t used[SLOTS / 64], unsigned from)
{
	uint64_t bits = used[from / 64] & ~(uint64_t)0 << from % 64;

	for (unsigned n = 0; n <= SLOTS / 64; n++) {
		unsigned word = (from / 64 + n) % (SLOTS / 64);

		if (n > 0)
			bits = used[word];
		if (bits)
			return (word * 64 + (unsigned)__builtin_ctzll(bits) - from) % SLOTS;
	}
	return SLOTS;
}

/* The next tick at which something leaves or moves down; something is held. */
static uint64_t next_tick(const struct impair *p)
{
	uint64_t turn = p->tick >> TURN_BITS;
	unsigned ticks = far(p->used[TICKS], (p->tick + 1) % SLOTS);
	unsigned turns = far(p->used[TURNS], (turn + 2) % SLOTS);
	uint64_t down = (turn + 1 + turns) << TURN_BITS;

	if (ticks == SLOTS)
		return down;
	return turns == SLOTS ? p->tick + 1 + ticks : MIN(p->tick + 1 + ticks, down);
}

/* When a turn begins. */
static void move_down(struct impair *p)
{
	struct impair_held *held, *next;

	if (p->tick % TURN)
		return;
	for (held = empty(p, TURNS, ((p->tick >> TURN_BITS) + 1) % SLOTS); held; held = next) {
		next = held->next;
		put(p, held);
	}
}

static void hand_out(struct impair *p, struct impair_held *held)
{
	struct iovec iov[IMPAIR_PIECES];
	struct frame frame = { .vnet = held->vnet, .len = held->len, .n = 1, .iov = iov };
	size_t left = held->len, header = sizeof(*held);

	iov[0] = (struct iovec){ 0 };
	for (struct impair_chunk *chunk = &held->chunk; chunk; chunk = chunk->next) {
		size_t part = MIN(left, held->size - header);

		iov[frame.n++] = (struct iovec){ (uint8_t *)chunk + header, part };
		left -= part;
		header = sizeof(*chunk);
	}
	p->counts.frames--;
	p->counts.passed += held->frames;
	p->out(p->ctx, &frame);
	give_back(p, held);
}

/* It was put there long ago, and is in no cache any more. */
static void fetch_ahead(const struct impair_held *held)
{
	for (size_t at = 0; held && at < SMALL; at += CACHE_LINE)
		__builtin_prefetch((const uint8_t *)held + at);
}

void impair_tick(struct impair *p, struct instant now)
{
	uint64_t until = (uint64_t)now.us / IMPAIR_TICK;

	while (p->counts.frames > 0 && p->tick < until) {
		struct impair_held *held, *next;

		p->tick = MIN(next_tick(p), until);
		move_down(p);
		for (held = empty(p, TICKS, p->tick % SLOTS); held; held = next) {
			next = held->next;
			fetch_ahead(next);
			hand_out(p, held);
		}
	}
}

struct instant impair_due(const struct impair *p)
{
	if (p->counts.frames == 0)
		return INSTANT_NEVER;
	return (struct instant){ (int64_t)next_tick(p) * IMPAIR_TICK };
}

void impair_hold(struct impair *p, const struct impair_coming *c, struct instant due,
		 struct instant now)
{
	struct impair_held *held = store(p, c);

	if (!held) {
		p->counts.overflowed += c->frames;
		return;
	}
	if (p->counts.frames++ == 0)
		p->tick = (uint64_t)now.us / IMPAIR_TICK;
	held->tick = MAX(((uint64_t)due.us + IMPAIR_TICK - 1) / IMPAIR_TICK, p->tick + 1);
	put(p, held);
}
