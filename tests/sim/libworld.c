/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * The clock jumps to whatever comes first: a datagram that arrives, a site that
 * is due.  Datagrams that arrive at one site at one time are handed over as a
 * socket would: in messages of equal datagrams, in rounds over two inboxes that
 * take turns.  An inbox whose round is over is filled with rubbish, so that
 * whoever still reads from it is found out.
 */
#include "sim/libworld.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define INBOX 131072
#define MESSAGE_MAX 65507
#define BATCH_MAX 512

uint64_t world_draw(struct world *w, uint64_t n)
{
	uint64_t v;

	rand_fill(&w->rand, &v, sizeof(v));
	return v % n;
}

void world_fail(struct world *w, const char *fmt, ...)
{
	va_list args;

	if (w->failed)
		return;
	w->failed = true;
	va_start(args, fmt);
	vsnprintf(w->why, sizeof(w->why), fmt, args);
	va_end(args);
	world_trace(w, "FAILED: %s", w->why);
}

void world_trace(struct world *w, const char *fmt, ...)
{
	va_list args;

	if (!w->trace)
		return;
	printf("%10.6f ", (double)w->now.us / 1e6);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

static void node_event(void *ctx, struct peer *peer, enum peer_event event)
{
	static const char *const names[] = { "up",   "down",	"rekeyed",    "roamed",
					     "pmtu", "refused", "mtu differs" };
	struct node *node = ctx;

	world_trace(node->world, "site %u: peer %s %s", node->number, peer->name, names[event]);
}

static unsigned node_route_mtu(void *ctx, const struct addr *to)
{
	(void)to;
	return ((struct node *)ctx)->mtu;
}

static void fresh_address(struct world *w, struct addr *a)
{
	uint8_t family = a->family;

	memset(a, 0, sizeof(*a));
	a->family = family;
	a->port = (uint16_t)(1024 + world_draw(w, 60000));
	rand_fill(&w->rand, a->ip, family == ADDR_IPV6 ? 16 : 4);
}

void node_roam(struct node *node)
{
	bool all = world_draw(node->world, 2);

	for (unsigned s = 0; s < node->n_sockets; s++) {
		if (all)
			fresh_address(node->world, &node->addr[s]);
		else
			node->addr[s].port++;
	}
	world_trace(node->world, "site %u: moves", node->number);
}

static void add_peers(struct node *node)
{
	struct world *w = node->world;

	for (unsigned i = 0; i < w->n; i++) {
		const struct node *other = &w->node[i];
		char name[16];

		if (i == node->number)
			continue;
		snprintf(name, sizeof(name), "n%u", i);
		node->peer[i] = peers_add(&node->site.peers, name, other->public_key, w->now);
		if (node->knows[i])
			peers_set_addresses(&node->site.peers, node->peer[i], other->addr,
					    other->n_sockets, w->now);
	}
}

void node_start(struct node *node)
{
	struct world *w = node->world;
	struct site_setup setup = {
		.cipher = w->cipher,
		.network = "sim",
		.name = "site",
		.mtu = 1500,
		.keepalive = w->keepalive,
		.macs = 64,
		.mac_quota = 16,
		.ageing = SECONDS(300),
		.n_sockets = node->n_sockets,
	};
	struct site_events events = { net_send, node_event, node_route_mtu, node };

	node->life++;
	setup.rand =
		rand_source_seeded(&node->rand, w->seed * 1000 + node->number * 100 + node->life);
	memcpy(setup.private_key, node->private_key, KEX_KEY);
	memset(setup.psk, 7, KEX_KEY);
	for (unsigned s = 0; s < node->n_sockets; s++)
		setup.families[s] = node->addr[s].family;
	if (!site_init(&node->site, &setup, &events, w->now) ||
	    !port_init(&node->port, "hosts", hosts_receive, node)) {
		fprintf(stderr, "out of memory\n");
		exit(1);
	}
	site_add_port(&node->site, &node->port);
	node->port.up = true;
	if (node->number % 2 == 0)
		node->port.can = VNET_CAN_CSUM | VNET_CAN_TSO4 | VNET_CAN_TSO6 | VNET_CAN_TSO_ECN |
				 VNET_CAN_USO;
	node->running = true;
	add_peers(node);
	world_trace(w, "site %u: starts, life %u", node->number, node->life);
}

void node_stop(struct node *node)
{
	site_free(&node->site);
	port_free(&node->port);
	node->running = false;
	world_trace(node->world, "site %u: gone", node->number);
}

/* At least one of two knows where the other is; nobody knows one that roams. */
static void make_acquainted(struct world *w, unsigned a, unsigned b)
{
	bool both = world_draw(w, 2), first = world_draw(w, 2);
	static const unsigned paths[] = { 1280, 1280, 1400, 1492, 1500, 1500, 1500, 4000, 9000 };

	w->node[a].knows[b] = !w->node[b].roams && (both || first || w->node[a].roams);
	w->node[b].knows[a] = !w->node[a].roams && (both || !first || w->node[b].roams);
	w->path[a][b] = w->path[b][a] = paths[world_draw(w, COUNT_OF(paths))];
	w->distance[a][b] = w->distance[b][a] =
		(int64_t)(200 + world_draw(w, world_draw(w, 4) ? 5000 : 60000));
}

static void make_node(struct world *w, unsigned i)
{
	struct node *node = &w->node[i];

	node->world = w;
	node->number = i;
	node->n_sockets = 1;
	node->mtu = world_draw(w, 4) ? 1500 : 9000;
	rand_fill(&w->rand, node->private_key, KEX_KEY);
	kex_public(node->public_key, node->private_key);
	node->inbox[0] = malloc(INBOX);
	node->inbox[1] = malloc(INBOX);
}

/* All sites have sockets of the same families, so all can call all. */
static void give_addresses(struct world *w)
{
	unsigned n_sockets = 1 + (unsigned)world_draw(w, 2);
	uint8_t first = world_draw(w, 2) ? ADDR_IPV4 : ADDR_IPV6;

	for (unsigned i = 0; i < w->n; i++) {
		for (unsigned s = 0; s < n_sockets; s++) {
			w->node[i].addr[s].family = s == 0 ? first : ADDR_IPV4;
			fresh_address(w, &w->node[i].addr[s]);
		}
		w->node[i].n_sockets = n_sockets;
	}
}

bool world_init(struct world *w, uint64_t seed, bool trace)
{
	static const int64_t keepalives[] = { SECONDS(2), SECONDS(5), SECONDS(25) };

	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->trace = trace;
	w->rand = rand_source_seeded(&w->rand_state, seed);
	w->now.us = SECONDS(1000);
	w->n = 2 + (unsigned)world_draw(w, 8) % (WORLD_NODES - 1);
	if (w->n > 3 && world_draw(w, 2))
		w->n = 2 + (unsigned)world_draw(w, 2);
	w->cipher = world_draw(w, 2) ? CIPHER_AES_256_GCM : CIPHER_CHACHA20_POLY1305;
	w->gro = world_draw(w, 2) ? RUN_SEGMENTS : 1 + world_draw(w, 8);
	w->keepalive = keepalives[world_draw(w, COUNT_OF(keepalives))];
	if (!aead_start())
		return false;
	for (unsigned i = 0; i < w->n; i++)
		make_node(w, i);
	give_addresses(w);
	w->node[world_draw(w, w->n)].roams = world_draw(w, 2);
	for (unsigned a = 0; a < w->n; a++) {
		for (unsigned b = a + 1; b < w->n; b++)
			make_acquainted(w, a, b);
	}
	world_trace(w, "%u sites, %s, keepalive %d s", w->n, cipher_name(w->cipher),
		    (int)(w->keepalive / SECONDS(1)));
	for (unsigned i = 0; i < w->n; i++)
		node_start(&w->node[i]);
	return true;
}

void world_free(struct world *w)
{
	for (unsigned i = 0; i < w->n; i++) {
		if (w->node[i].running)
			node_stop(&w->node[i]);
		free(w->node[i].inbox[0]);
		free(w->node[i].inbox[1]);
	}
	hosts_free(w);
	net_free(w);
}

bool world_connected(const struct world *w, unsigned a, unsigned b)
{
	return w->node[a].running && w->node[b].running && peer_has_session(w->node[a].peer[b]) &&
	       peer_has_session(w->node[b].peer[a]);
}

/* Says in the trace what was dropped since it was last asked. */
static void trace_drops(struct node *node)
{
	const struct peers *peers = &node->site.peers;

	for (unsigned reason = 0; reason < DROP_COUNT; reason++) {
		uint64_t count = peers->drops.count[reason] + node->port.drops.count[reason];

		for (unsigned i = 0; i < peers->top; i++)
			count += peers->peer[i]->drops.count[reason];
		if (count > node->told.count[reason])
			world_trace(node->world, "site %u: drops %s", node->number,
				    drop_name((enum drop)reason));
		node->told.count[reason] = count;
	}
}

void node_close(struct node *node)
{
	struct site *site = &node->site;

	site_close(site);
	if (node->world->trace)
		trace_drops(node);
	if (site->outbox.n_idle != OUTBOX_RUNS || site->outbox.n_ready || site->peers.n_opened ||
	    !list_empty(&site->peers.to_close) || !list_empty(&site->peers.to_flush))
		world_fail(node->world, "site %u: something stays behind at the end of a turn",
			   node->number);
}

static void poison(struct node *node, unsigned which)
{
	memset(node->inbox[which], 0xdd, node->filled[which]);
	node->filled[which] = 0;
}

/* How many of the packets make one message: equal ones of one sender to one
 * socket, the last may be shorter. */
static size_t message_of(struct packet **packets, size_t n, size_t room, size_t most)
{
	size_t bytes = packets[0]->len, count = 1;

	while (count < n && count < most && addr_equal(&packets[count]->from, &packets[0]->from) &&
	       addr_equal(&packets[count]->to, &packets[0]->to) &&
	       packets[count]->len <= packets[0]->len && packets[count]->len > 0 &&
	       bytes + packets[count]->len <= MIN(room, (size_t)MESSAGE_MAX)) {
		bytes += packets[count++]->len;
		if (packets[count - 1]->len < packets[0]->len)
			break;
	}
	return count;
}

static unsigned socket_of(const struct node *node, const struct addr *to)
{
	unsigned s = 0;

	while (s < node->n_sockets && !addr_equal(&node->addr[s], to))
		s++;
	return s;
}

/* A message into the inbox and into the site. */
static size_t hand_over(struct node *node, unsigned which, struct packet **packets, size_t n)
{
	uint8_t *data = node->inbox[which] + node->filled[which], *end = data;
	size_t count = message_of(packets, n, INBOX - node->filled[which], node->world->gro);
	unsigned socket = socket_of(node, &packets[0]->to);

	for (size_t i = 0; i < count; i++) {
		memcpy(end, packets[i]->data, packets[i]->len);
		end += packets[i]->len;
	}
	node->filled[which] += (size_t)(end - data);
	if (socket < node->n_sockets)
		site_datagrams(&node->site, (uint8_t)socket, &packets[0]->from, data,
			       (size_t)(end - data), packets[0]->len, node->world->now);
	return count;
}

void node_receive(struct node *node, struct packet **packets, size_t n)
{
	unsigned which = 0;
	size_t at = 0;

	while (at < n) {
		uint64_t messages = 1 + world_draw(node->world, 8);

		while (at < n && messages-- > 0 && INBOX - node->filled[which] >= packets[at]->len)
			at += hand_over(node, which, packets + at, n - at);
		site_rx_end(&node->site, true);
		which ^= 1;
		poison(node, which);
	}
	site_rx_end(&node->site, false);
	poison(node, 0);
	poison(node, 1);
	node_close(node);
}

static struct node *node_at(struct world *w, const struct addr *to)
{
	for (unsigned i = 0; i < w->n; i++) {
		if (socket_of(&w->node[i], to) < w->node[i].n_sockets)
			return &w->node[i];
	}
	return NULL;
}

/* All that arrives by now, site by site. */
static void deliver(struct world *w)
{
	struct packet *batch[BATCH_MAX], *mine[BATCH_MAX];
	size_t n = 0;

	while (n < BATCH_MAX && (batch[n] = net_next(w, w->now)))
		n++;
	for (unsigned i = 0; i < w->n; i++) {
		struct node *node = &w->node[i];
		size_t m = 0;

		for (size_t k = 0; k < n; k++) {
			if (node_at(w, &batch[k]->to) == node && node->running)
				mine[m++] = batch[k];
		}
		if (m)
			node_receive(node, mine, m);
	}
	for (size_t k = 0; k < n; k++)
		free(batch[k]);
}

static struct instant next_thing(const struct world *w)
{
	struct instant next = w->n_heap ? w->heap[0]->at : INSTANT_NEVER;

	for (unsigned i = 0; i < w->n; i++) {
		if (w->node[i].running)
			next = instant_min(next, site_due(&w->node[i].site));
	}
	return next;
}

void world_run(struct world *w, struct instant until)
{
	unsigned same = 0;

	while (!w->failed) {
		struct instant next = next_thing(w);

		if (instant_before(until, next))
			break;
		same = next.us <= w->now.us ? same + 1 : 0;
		if (same > 2000)
			world_fail(w, "something is due again and again");
		if (instant_before(w->now, next))
			w->now = next;
		deliver(w);
		for (unsigned i = 0; i < w->n; i++) {
			struct node *node = &w->node[i];

			if (!node->running || !instant_reached(w->now, site_due(&node->site)))
				continue;
			site_tick(&node->site, w->now);
			node_close(node);
		}
	}
	if (instant_before(w->now, until))
		w->now = until;
}
