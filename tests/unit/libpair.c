/* SPDX-License-Identifier: MIT */
#include "unit/libpair.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/sockets.h"

static struct pair_packet copy_of(const struct pair_packet *packet)
{
	struct pair_packet copy = *packet;

	copy.data = malloc(packet->len ? packet->len : 1);
	assert_non_null(copy.data);
	memcpy(copy.data, packet->data, packet->len);
	return copy;
}

static void put_on_wire(struct pair *p, struct pair_packet *packet)
{
	struct pair_packet copy = copy_of(packet);

	if (p->keep && p->n_kept < PAIR_WIRE)
		p->kept[p->n_kept++] = copy_of(packet);
	if (p->cut || (p->filter && !p->filter(p, &copy))) {
		free(copy.data);
		return;
	}
	assert_true(p->n_wire < PAIR_WIRE);
	p->wire[p->n_wire++] = copy;
}

static struct addr source(const struct pair_site *s, uint8_t socket)
{
	unsigned local = sockets_local(socket);
	bool second = local ? local == PAIR_SECOND : s->prefers_second;

	return second && s->second.family ? s->second : s->addr;
}

static void take_runs(void *ctx, struct run **runs, size_t n)
{
	struct pair_site *s = ctx;
	struct pair *p = s->pair;

	for (size_t i = 0; i < n; i++) {
		struct run *run = runs[i];

		if (MIN(run->len, run->segment) + addr_overhead(&run->to) > s->mtu) {
			run->error = PEERS_TOO_BIG;
			continue;
		}
		for (size_t at = 0; at < run->len; at += run->segment) {
			struct pair_packet packet = {
				.data = run->data + at,
				.len = MIN((size_t)run->segment, run->len - at),
				.from = source(s, run->socket),
				.to = run->to,
				.at = instant_add(p->now, PAIR_DELAY),
			};

			p->kinds[packet.data[0]]++;
			put_on_wire(p, &packet);
		}
	}
}

static void note_event(void *ctx, struct peer *peer, enum peer_event event)
{
	(void)peer;
	((struct pair_site *)ctx)->events[event]++;
}

static unsigned route_mtu(void *ctx, const struct addr *to)
{
	(void)to;
	return ((struct pair_site *)ctx)->mtu;
}

static int write_frame(void *ctx, const struct vnet *vnet, struct iovec *iov, size_t n)
{
	struct pair_site *s = ctx;
	struct pair_frame *f = &s->frames[s->n_frames++];

	assert_true(s->n_frames < PAIR_FRAMES);
	f->len = 0;
	for (size_t i = 1; i < n; i++)
		f->len += iov[i].iov_len;
	f->data = malloc(f->len);
	f->vnet = *vnet;
	for (size_t i = 1, at = 0; i < n; at += iov[i++].iov_len)
		memcpy(f->data + at, iov[i].iov_base, iov[i].iov_len);
	return 0;
}

static void start(struct pair_site *s, const struct pair_setup *setup)
{
	struct site_setup site = {
		.cipher = setup->cipher,
		.network = setup->network ? setup->network : "pair",
		.name = "a site",
		.mtu = 1500,
		.wire = setup->wire,
		.key_watch = setup->key_watch,
		.keepalive = setup->keepalive ? setup->keepalive : SECONDS(25),
		.macs = 256,
		.mac_quota = 64,
		.ageing = SECONDS(300),
		.families = { ADDR_IPV4 },
		.n_sockets = 1,
	};
	const struct site_events events = { take_runs, note_event, route_mtu, s };

	site.rand = rand_source_seeded(&s->rand, 100 + s->number);
	memset(site.private_key, (int)(0x40 + s->number), KEX_KEY);
	memset(site.psk, setup->psk, KEX_KEY);
	s->mtu = 1500;
	s->addr = (struct addr){ .family = ADDR_IPV4,
				 .ip = { 192, 0, 2, (uint8_t)(1 + s->number) },
				 .port = 7741 };
	assert_true(site_init(&s->site, &site, &events, s->pair->now));
	assert_true(port_init(&s->port, "port", write_frame, s));
	s->port.up = true;
	s->port.can =
		VNET_CAN_CSUM | VNET_CAN_TSO4 | VNET_CAN_TSO6 | VNET_CAN_TSO_ECN | VNET_CAN_USO;
	assert_int_equal(site_add_port(&s->site, &s->port), 0);
}

static void introduce(struct pair *p, unsigned a, unsigned b, const struct pair_setup *setup)
{
	static const char *const names[] = { "zero", "one", "two" };
	struct pair_site *s = &p->s[a], *other = &p->s[b];

	s->peer[b] = peers_add(&s->site.peers, names[b], other->site.self.public_key, p->now);
	assert_non_null(s->peer[b]);
	if (!setup->no_address)
		peers_set_addresses(&s->site.peers, s->peer[b], &other->addr, 1, p->now);
}

struct pair *pair_new(unsigned n, const struct pair_setup setup[])
{
	struct pair *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->n = n;
	p->now.us = SECONDS(100);
	for (unsigned i = 0; i < n; i++) {
		p->s[i].pair = p;
		p->s[i].number = i;
		start(&p->s[i], &setup[i]);
	}
	for (unsigned a = 0; a < n; a++) {
		for (unsigned b = 0; b < n; b++) {
			if (a != b && !setup[b].stranger)
				introduce(p, a, b, &setup[a]);
		}
	}
	return p;
}

void pair_second(struct pair *p, unsigned a)
{
	p->s[a].second = p->s[a].addr;
	memcpy(p->s[a].second.ip, (uint8_t[]){ 198, 51, 100 }, 3);
}

void pair_forget(struct pair *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		while (p->s[i].n_frames > 0)
			free(p->s[i].frames[--p->s[i].n_frames].data);
	}
}

void pair_free(struct pair *p)
{
	pair_forget(p);
	for (unsigned i = 0; i < p->n; i++) {
		site_free(&p->s[i].site);
		port_free(&p->s[i].port);
	}
	while (p->n_wire > 0)
		free(p->wire[--p->n_wire].data);
	while (p->n_kept > 0)
		free(p->kept[--p->n_kept].data);
	free(p);
}

void pair_inject(struct pair *p, const struct pair_packet *packet)
{
	for (unsigned i = 0; i < p->n; i++) {
		struct pair_site *s = &p->s[i];
		bool second = s->second.family && addr_equal(&s->second, &packet->to);
		unsigned local = second ? PAIR_SECOND : s->second.family ? PAIR_FIRST : 0;
		struct pair_packet copy;

		if (!second && !addr_equal(&s->addr, &packet->to))
			continue;
		copy = copy_of(packet);
		site_datagrams(&s->site, sockets_make(0, local), &copy.from, copy.data, copy.len,
			       copy.len, p->now);
		site_rx_end(&s->site, false);
		free(copy.data);
		site_close(&s->site);
		return;
	}
}

/* The packet that arrives first, taken off the wire; the oldest of equals. */
static bool take_first(struct pair *p, struct instant until, struct pair_packet *out)
{
	size_t first = 0;

	for (size_t i = 1; i < p->n_wire; i++) {
		if (instant_before(p->wire[i].at, p->wire[first].at))
			first = i;
	}
	if (p->n_wire == 0 || instant_before(until, p->wire[first].at))
		return false;
	*out = p->wire[first];
	p->n_wire--;
	memmove(&p->wire[first], &p->wire[first + 1], (p->n_wire - first) * sizeof(*out));
	return true;
}

static struct instant next_due(const struct pair *p)
{
	struct instant due = INSTANT_NEVER;

	for (unsigned i = 0; i < p->n; i++)
		due = instant_min(due, site_due(&p->s[i].site));
	return due;
}

void pair_run(struct pair *p, int64_t us)
{
	struct instant until = instant_add(p->now, us);
	struct pair_packet packet;

	for (;;) {
		struct instant due = next_due(p);

		if (take_first(p, instant_min(until, due), &packet)) {
			if (instant_before(p->now, packet.at))
				p->now = packet.at;
			pair_inject(p, &packet);
			free(packet.data);
			continue;
		}
		if (instant_before(until, due))
			break;
		if (instant_before(p->now, due))
			p->now = due;
		for (unsigned i = 0; i < p->n; i++) {
			if (!instant_reached(p->now, site_due(&p->s[i].site)))
				continue;
			site_tick(&p->s[i].site, p->now);
			site_close(&p->s[i].site);
		}
	}
	p->now = until;
}

static void fill(uint8_t *frame, unsigned a, unsigned b, unsigned n, size_t len)
{
	memset(frame, (int)n, len);
	memcpy(frame,
	       (uint8_t[]){ 2, 0, 0, 0, 0, (uint8_t)b, 2, 0, 0, 0, 0, (uint8_t)a, 0x88, 0xb5 }, 14);
	if (a == b)
		memset(frame, 0xff, 6);
	be32_put(frame + 14, n);
}

void pair_send(struct pair *p, unsigned a, unsigned b, unsigned n, size_t len)
{
	const struct vnet plain = { 0 };
	uint8_t *frame = malloc(SITE_HEADROOM + len);

	assert_true(len >= 18);
	fill(frame + SITE_HEADROOM, a, b, n, len);
	site_frame(&p->s[a].site, 0, frame + SITE_HEADROOM, len, &plain, p->now);
	free(frame);
	site_close(&p->s[a].site);
}

unsigned pair_got(const struct pair *p, unsigned b, unsigned n)
{
	unsigned count = 0;

	for (size_t i = 0; i < p->s[b].n_frames; i++)
		count += be32_get(p->s[b].frames[i].data + 14) == n;
	return count;
}

bool pair_connected(const struct pair *p, unsigned a, unsigned b)
{
	return peer_has_session(p->s[a].peer[b]) && peer_has_session(p->s[b].peer[a]);
}

uint64_t pair_drops(const struct pair *p, unsigned a, enum drop reason)
{
	const struct peers *peers = &p->s[a].site.peers;
	uint64_t count = peers->drops.count[reason];

	for (unsigned i = 0; i < peers->top; i++)
		count += peers->peer[i] ? peers->peer[i]->drops.count[reason] : 0;
	return count;
}

const struct pair_packet *pair_find(const struct pair *p, unsigned from, uint8_t kind)
{
	for (size_t i = 0; i < p->n_kept; i++) {
		if (p->kept[i].data[0] == kind && addr_equal(&p->kept[i].from, &p->s[from].addr))
			return &p->kept[i];
	}
	return NULL;
}
