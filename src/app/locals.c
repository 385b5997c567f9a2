/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * Threads that receive and send only read.  An entry's state counts what was written to
 * it, and has a bit for each of the things below.  Who reads it looks at the state
 * before and after; a writer marks it as being written, under the lock.  What a reader
 * cannot tell for sure the kernel chooses, for that one message.
 *
 * Numbers are handed out in order and kept.  When there are no more, the one that was
 * unused for longest is taken, for LOCALS_FORGET at least: by then no peer is left that
 * was heard by it.
 */
#include "app/locals.h"

#include <string.h>

#include "base/bytes.h"
#include "host/udp.h"

#define WRITING 1u
#define GONE 2u
#define IPV6 4u
#define STEP 8u /* less: never written */

#define REFRESH SECONDS(1) /* of `used` */

void locals_init(struct locals *l)
{
	memset(l, 0, sizeof(*l));
	pthread_mutex_init(&l->lock, NULL);
	locals_look(l);
}

void locals_free(struct locals *l)
{
	pthread_mutex_destroy(&l->lock);
}

struct words {
	uint64_t ip[2];
	unsigned family; /* IPV6 or 0 */
};

static struct words words_of(const struct addr *a)
{
	struct words w = { .family = a->family == ADDR_IPV6 ? IPV6 : 0 };

	memcpy(w.ip, a->ip, sizeof(w.ip));
	return w;
}

/* The entry holds that address, as of that state. */
static bool holds(const struct locals_entry *e, unsigned state, const struct words *w)
{
	return (state & (IPV6 | WRITING)) == w->family &&
	       atomic_load_explicit(&e->ip[0], memory_order_acquire) == w->ip[0] &&
	       atomic_load_explicit(&e->ip[1], memory_order_acquire) == w->ip[1] &&
	       atomic_load_explicit(&e->state, memory_order_relaxed) == state;
}

/* Number of the entry with that address, or 0. */
static unsigned find(const struct locals *l, const struct words *w, unsigned *state)
{
	unsigned n = atomic_load_explicit(&l->n, memory_order_acquire);

	for (unsigned i = 0; i < n; i++) {
		*state = atomic_load_explicit(&l->entry[i].state, memory_order_acquire);
		if (holds(&l->entry[i], *state, w))
			return i + 1;
	}
	return 0;
}

/* ---- writing, with the lock ---- */

/* An entry for another address: a fresh one, or the one unused for longest; or NULL. */
static struct locals_entry *take(struct locals *l, struct instant now)
{
	unsigned n = atomic_load_explicit(&l->n, memory_order_relaxed);
	struct locals_entry *oldest = &l->entry[0];

	if (n < SOCKETS_LOCALS)
		return &l->entry[n];
	for (unsigned i = 1; i < n; i++) {
		if (l->entry[i].used < oldest->used)
			oldest = &l->entry[i];
	}
	return now.us - oldest->used >= LOCALS_FORGET ? oldest : NULL;
}

static void put(struct locals_entry *e, const struct words *w, struct instant now)
{
	unsigned state =
		(atomic_load_explicit(&e->state, memory_order_relaxed) & ~(STEP - 1)) + STEP;

	atomic_store_explicit(&e->state, state | WRITING, memory_order_relaxed);
	atomic_store_explicit(&e->ip[0], w->ip[0], memory_order_release);
	atomic_store_explicit(&e->ip[1], w->ip[1], memory_order_release);
	atomic_store_explicit(&e->used, now.us, memory_order_relaxed);
	atomic_store_explicit(&e->state, state | w->family, memory_order_release);
}

/* The number of an address that has none, or is in use again; 0 when there is none. */
static unsigned enter(struct locals *l, const struct words *w, struct instant now)
{
	struct locals_entry *e;
	unsigned number, state;

	pthread_mutex_lock(&l->lock);
	number = find(l, w, &state);
	e = number ? &l->entry[number - 1] : take(l, now);
	if (number) {
		atomic_fetch_and(&e->state, ~GONE);
	} else if (e) {
		put(e, w, now);
		number = (unsigned)(e - l->entry) + 1;
		if (number > l->n)
			atomic_store_explicit(&l->n, number, memory_order_release);
	}
	pthread_mutex_unlock(&l->lock);
	return number;
}

/* ---- reading ---- */

uint8_t locals_socket(struct locals *l, unsigned index, const struct addr *local,
		      struct instant now)
{
	struct words w = words_of(local);
	struct locals_entry *e;
	unsigned number, state;

	if (local->family == ADDR_NONE)
		return sockets_make(index, 0);
	number = find(l, &w, &state);
	if (!number || state & GONE)
		return sockets_make(index, enter(l, &w, now));
	e = &l->entry[number - 1];
	if (now.us - atomic_load_explicit(&e->used, memory_order_relaxed) >= REFRESH)
		atomic_store_explicit(&e->used, now.us, memory_order_relaxed);
	return sockets_make(index, number);
}

struct addr locals_from(const struct locals *l, uint8_t socket)
{
	struct addr from = { .family = ADDR_NONE };
	unsigned number = sockets_local(socket), state;
	const struct locals_entry *e;
	struct words w;

	if (!number)
		return from;
	e = &l->entry[number - 1];
	state = atomic_load_explicit(&e->state, memory_order_acquire);
	w.ip[0] = atomic_load_explicit(&e->ip[0], memory_order_acquire);
	w.ip[1] = atomic_load_explicit(&e->ip[1], memory_order_acquire);
	if (state < STEP || state & (WRITING | GONE) ||
	    atomic_load_explicit(&e->state, memory_order_relaxed) != state)
		return from;
	from.family = state & IPV6 ? ADDR_IPV6 : ADDR_IPV4;
	memcpy(from.ip, w.ip, sizeof(from.ip));
	return from;
}

/* ---- what does not serve any more ---- */

void locals_sent(struct locals *l, uint8_t socket, const struct addr *from)
{
	unsigned number = sockets_local(socket);

	if (!number || from->family != ADDR_NONE ||
	    atomic_load_explicit(&l->entry[number - 1].state, memory_order_relaxed) & GONE)
		return;
	pthread_mutex_lock(&l->lock);
	atomic_fetch_or(&l->entry[number - 1].state, GONE);
	pthread_mutex_unlock(&l->lock);
}

static void release_all(struct locals *l)
{
	pthread_mutex_lock(&l->lock);
	for (unsigned i = 0; i < l->n; i++)
		atomic_fetch_or(&l->entry[i].state, GONE);
	pthread_mutex_unlock(&l->lock);
}

void locals_look(struct locals *l)
{
	static const struct addr anywhere[] = {
		{ .family = ADDR_IPV4, .port = 9, .ip = { 192, 0, 2, 1 } },
		{ .family = ADDR_IPV6, .port = 9, .ip = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } },
	};
	bool changed = false;

	for (unsigned i = 0; i < COUNT_OF(anywhere); i++) {
		struct addr choice = { .family = ADDR_NONE };

		udp_route_source(&anywhere[i], &choice);
		changed |= !addr_equal(&choice, &l->choice[i]);
		l->choice[i] = choice;
	}
	if (changed)
		release_all(l);
}
