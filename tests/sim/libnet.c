/* SPDX-License-Identifier: MIT */
/*
 * The network of the simulated world.  Every datagram that a site hands over is
 * looked at first: shape of its run, no nonce twice, nothing readable.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "sim/libworld.h"

#define TICK 50 /* microseconds: what arrives within arrives together */
#define ENOBUFS_NUMBER 105
#define REPLAY_LATER MS(70) /* above the longest distance */

static void *must(void *p)
{
	if (!p) {
		fprintf(stderr, "out of memory\n");
		exit(1);
	}
	return p;
}

/* ---- packets under way: a heap by time of arrival ---- */

static bool before(const struct packet *a, const struct packet *b)
{
	return a->at.us != b->at.us ? a->at.us < b->at.us : a->order < b->order;
}

static void heap_swap(struct world *w, size_t a, size_t b)
{
	struct packet *p = w->heap[a];

	w->heap[a] = w->heap[b];
	w->heap[b] = p;
}

static void heap_push(struct world *w, struct packet *p)
{
	size_t i = w->n_heap++;

	if (w->n_heap > w->room_heap) {
		w->room_heap = 2 * w->n_heap + 64;
		w->heap = must(realloc(w->heap, w->room_heap * sizeof(*w->heap)));
	}
	w->heap[i] = p;
	for (; i > 0 && before(w->heap[i], w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap_swap(w, i, (i - 1) / 2);
}

struct packet *net_next(struct world *w, struct instant until)
{
	struct packet *top = w->n_heap ? w->heap[0] : NULL;
	size_t i = 0;

	if (!top || instant_before(until, top->at))
		return NULL;
	w->heap[0] = w->heap[--w->n_heap];
	for (;;) {
		size_t least = i;

		for (size_t child = 2 * i + 1; child <= 2 * i + 2; child++) {
			if (child < w->n_heap && before(w->heap[child], w->heap[least]))
				least = child;
		}
		if (least == i)
			return top;
		heap_swap(w, i, least);
		i = least;
	}
}

void net_free(struct world *w)
{
	for (size_t i = 0; i < w->n_heap; i++)
		free(w->heap[i]);
	for (unsigned i = 0; i < w->n_captured; i++)
		free(w->captured[i]);
	free(w->heap);
	free(w->nonces);
}

static struct packet *packet_new(const struct addr *from, const struct addr *to,
				 const uint8_t *data, size_t len)
{
	struct packet *p = must(malloc(sizeof(*p) + len));

	*p = (struct packet){ .from = *from, .to = *to, .len = len };
	memcpy(p->data, data, len);
	return p;
}

static void launch(struct world *w, struct packet *p, int64_t delay)
{
	int64_t at = w->now.us + delay;

	p->at.us = at - at % TICK + TICK;
	p->order = w->order++;
	heap_push(w, p);
}

/* ---- what a stranger on the wire looks for ---- */

static void nonces_grow(struct world *w)
{
	uint64_t *old = w->nonces;
	size_t n = w->room_nonces;

	w->room_nonces = n ? 2 * n : 1024;
	w->nonces = must(calloc(w->room_nonces, sizeof(*w->nonces)));
	for (size_t i = 0; i < n; i++) {
		size_t at = old[i] & (w->room_nonces - 1);

		if (!old[i])
			continue;
		while (w->nonces[at])
			at = (at + 1) & (w->room_nonces - 1);
		w->nonces[at] = old[i];
	}
	free(old);
}

/* Notes (key, counter); a key is told by its owner and the receiver's index. */
static void note_nonce(struct node *node, const uint8_t *data)
{
	struct world *w = node->world;
	uint64_t owner = (uint64_t)node->number << 48 | (uint64_t)node->life << 32;
	uint64_t mark = hash_u64(be64_get(data + 8), hash_u64(owner | be32_get(data + 4), 3)) | 1;
	size_t at;

	if (2 * w->n_nonces >= w->room_nonces)
		nonces_grow(w);
	for (at = mark & (w->room_nonces - 1); w->nonces[at];
	     at = (at + 1) & (w->room_nonces - 1)) {
		if (w->nonces[at] == mark) {
			world_fail(w, "site %u: nonce %llu twice under one key", node->number,
				   (unsigned long long)be64_get(data + 8));
			return;
		}
	}
	w->nonces[at] = mark;
	w->n_nonces++;
}

static void look_at(struct node *node, const uint8_t *data, size_t len)
{
	struct world *w = node->world;

	w->datagrams++;
	if (len > PEER_DATAGRAM_MAX)
		world_fail(w, "site %u: datagram of %zu bytes", node->number, len);
	if (memmem(data, len, hosts_mark, sizeof(hosts_mark)))
		world_fail(w, "site %u: plaintext on the wire", node->number);
	if (len >= WIRE_DATA_MIN && data[0] == WIRE_DATA)
		note_nonce(node, data);
	else if (data[0] == WIRE_DATA || data[0] == 0 || data[0] > WIRE_DATA)
		world_fail(w, "site %u: sends what is no packet", node->number);
}

static void capture(struct world *w, const struct packet *p)
{
	struct packet *copy = packet_new(&p->from, &p->to, p->data, p->len);
	unsigned at = w->n_captured;

	if (w->n_captured < WORLD_CAPTURED)
		w->n_captured++;
	else
		free(w->captured[at = (unsigned)world_draw(w, WORLD_CAPTURED)]);
	w->captured[at] = copy;
}

/* ---- its work ---- */

static bool happens(struct world *w, unsigned thousandths)
{
	return thousandths && world_draw(w, 1000) < thousandths;
}

static struct node *owner_of(struct world *w, const struct addr *to)
{
	for (unsigned i = 0; i < w->n; i++) {
		for (unsigned s = 0; s < w->node[i].n_sockets; s++) {
			if (addr_equal(&w->node[i].addr[s], to))
				return &w->node[i];
		}
	}
	return NULL;
}

static void damage(struct world *w, struct packet *p)
{
	if (happens(w, w->fate.flip)) {
		for (uint64_t i = 1 + world_draw(w, 3); i > 0; i--)
			p->data[world_draw(w, p->len)] ^= (uint8_t)(1u << world_draw(w, 8));
	}
	if (happens(w, w->fate.cut))
		p->len = world_draw(w, p->len);
}

static void carry(struct node *node, const struct run *run, const uint8_t *data, size_t len)
{
	struct world *w = node->world;
	const struct addr *from = &node->addr[run->socket];
	struct node *to = owner_of(w, &run->to);
	struct packet *p;
	int64_t delay;

	if (!to || w->apart[node->number][to->number] ||
	    len + addr_overhead(&run->to) > w->path[node->number][to->number] ||
	    happens(w, w->fate.loss))
		return;
	for (unsigned copies = happens(w, w->fate.twice) ? 2 : 1; copies > 0; copies--) {
		p = packet_new(from, &run->to, data, len);
		if (world_draw(w, 32) == 0 || data[0] != WIRE_DATA)
			capture(w, p);
		damage(w, p);
		delay = w->distance[node->number][to->number];
		if (happens(w, w->fate.late))
			delay += (int64_t)world_draw(w, (uint64_t)w->fate.jitter);
		launch(w, p, delay);
	}
}

static void send_run(struct node *node, struct run *run)
{
	struct world *w = node->world;
	size_t at, n = 0, most = MIN(run->len, run->segment);

	if (run->count == 0 || run->count > RUN_SEGMENTS || run->len > 65507 ||
	    run->socket >= node->n_sockets || run->to.family != node->addr[run->socket].family) {
		world_fail(w, "site %u: a run of no sense: %u datagrams, %u bytes, family %u",
			   node->number, run->count, run->len, run->to.family);
		return;
	}
	for (at = 0; at < run->len; at += run->segment, n++)
		look_at(node, run->data + at, MIN((size_t)run->segment, run->len - at));
	if (n != run->count)
		world_fail(w, "site %u: a run's datagrams are not of one size", node->number);
	if (most + addr_overhead(&run->to) > node->mtu) {
		run->error = PEERS_TOO_BIG;
		return;
	}
	if (happens(w, w->fate.refused)) {
		run->error = ENOBUFS_NUMBER;
		return;
	}
	for (at = 0; at < run->len; at += run->segment)
		carry(node, run, run->data + at, MIN((size_t)run->segment, run->len - at));
}

void net_send(void *ctx, struct run **runs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		send_run(ctx, runs[i]);
}

/* A packet that was sent once, again, perhaps from elsewhere. */
void net_replay(struct world *w)
{
	const struct packet *old;
	struct packet *p;

	if (w->n_captured == 0)
		return;
	old = w->captured[world_draw(w, w->n_captured)];
	p = packet_new(&old->from, &old->to, old->data, old->len);
	if (world_draw(w, 2))
		p->from.port ^= 1;
	/* Not before it came: who overtakes from elsewhere makes a site roam, as must be. */
	launch(w, p, REPLAY_LATER + (int64_t)world_draw(w, 20000));
}

/* A packet that nobody sent: rubbish, or a captured one with something changed. */
void net_invent(struct world *w)
{
	struct node *to = &w->node[world_draw(w, w->n)];
	uint8_t data[1600];
	size_t len = world_draw(w, sizeof(data));
	struct addr from = to->addr[0];

	rand_fill(&w->rand, data, len);
	if (w->n_captured && world_draw(w, 2)) {
		const struct packet *old = w->captured[world_draw(w, w->n_captured)];

		len = MIN(old->len, sizeof(data));
		memcpy(data, old->data, len);
		if (len)
			data[world_draw(w, MIN(len, (size_t)200))] ^=
				(uint8_t)(1 + world_draw(w, 255));
		if (old->from.family == from.family)
			from = old->from;
	} else if (len > 4) {
		be32_put(data, (uint32_t)(1 + world_draw(w, 6)) << 24);
	}
	if (world_draw(w, 2))
		from.ip[3] ^= 1;
	launch(w, packet_new(&from, &to->addr[0], data, len), REPLAY_LATER);
}
