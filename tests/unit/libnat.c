/* SPDX-License-Identifier: MIT */
#include "unit/libnat.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"

#define PORT 7741

static const char *name_of(unsigned number)
{
	static char name[16];

	snprintf(name, sizeof(name), "site-%u", number);
	return name;
}

static struct addr public_addr(unsigned last)
{
	return (struct addr){ .family = ADDR_IPV4,
			      .ip = { 198, 51, 100, (uint8_t)last },
			      .port = PORT };
}

/* ---- NATs ---- */

static bool spoken_to(const struct nat_mapping *m, const struct addr *addr)
{
	for (unsigned i = 0; i < m->n_spoken; i++) {
		if (addr_equal(&m->spoken[i], addr))
			return true;
	}
	return false;
}

static bool is_live(const struct nat_world *w, const struct nat_mapping *m)
{
	return instant_between(m->used, w->now) < w->timeout;
}

/* The address that the packet has behind the NAT. */
static struct addr nat_out(struct nat_world *w, struct nat_box *box, const struct addr *from,
			   const struct addr *to)
{
	struct nat_mapping *m = NULL;

	for (unsigned i = 0; i < box->n && !m; i++) {
		struct nat_mapping *at = &box->mapping[i];

		if (addr_equal(&at->inside, from) && is_live(w, at) &&
		    (box->kind != NAT_SYMMETRIC || addr_equal(&at->to, to)))
			m = at;
	}
	for (unsigned i = 0; i < box->n && !m; i++) {
		if (!is_live(w, &box->mapping[i]))
			m = &box->mapping[i];
		if (m)
			*m = (struct nat_mapping){ .inside = { .family = ADDR_NONE } };
	}
	if (!m) {
		assert_true(box->n < NAT_MAPPINGS);
		m = &box->mapping[box->n++];
	}
	if (m->inside.family == ADDR_NONE) {
		m->inside = *from;
		m->outside = box->outside;
		m->outside.port = ++box->next_port;
		m->to = *to;
	}
	m->used = w->now;
	if (!spoken_to(m, to))
		m->spoken[m->n_spoken++ % COUNT_OF(m->spoken)] = *to;
	m->n_spoken = MIN(m->n_spoken, COUNT_OF(m->spoken));
	return m->outside;
}

/* The inside address that a packet for the NAT goes to, or NULL. */
static const struct addr *nat_in(struct nat_world *w, struct nat_box *box, const struct addr *from,
				 const struct addr *to)
{
	for (unsigned i = 0; i < box->n; i++) {
		struct nat_mapping *m = &box->mapping[i];

		if (!addr_equal(&m->outside, to) || !is_live(w, m))
			continue;
		if (box->kind != NAT_CONE && !spoken_to(m, from))
			return NULL;
		m->used = w->now;
		return &m->inside;
	}
	return NULL;
}

static struct nat_host *host_at(struct nat_world *w, const struct addr *addr, int behind)
{
	for (unsigned i = 0; i < w->n_sites; i++) {
		struct nat_host *h = &w->s[i].host;

		if (h->behind == behind && addr_equal(&h->addr, addr))
			return h;
	}
	for (unsigned i = 0; i < w->n_relays; i++) {
		if (behind == -1 && addr_equal(&w->r[i].host.addr, addr))
			return &w->r[i].host;
	}
	return NULL;
}

/* Goes out through NATs until somebody has the address, and in through others. */
static struct nat_host *route(struct nat_world *w, int level, struct addr *from, struct addr *to)
{
	for (unsigned hops = 0; hops < 2 * NAT_BOXES + 1; hops++) {
		struct nat_host *host = host_at(w, to, level);
		bool inside = false;

		if (host)
			return host;
		for (unsigned i = 0; i < w->n_boxes && !inside; i++) {
			struct nat_box *box = &w->box[i];
			const struct addr *next;

			if (box->behind != level || !addr_equal_host(&box->outside, to))
				continue;
			next = nat_in(w, box, from, to);
			if (!next)
				return NULL;
			*to = *next;
			level = (int)i;
			inside = true;
		}
		if (inside)
			continue;
		if (level < 0)
			return NULL;
		*from = nat_out(w, &w->box[level], from, to);
		level = w->box[level].behind;
	}
	return NULL;
}

/* ---- the wire ---- */

struct addr nat_stream(unsigned site, unsigned relay)
{
	return addr_stream(1 + site * NAT_RELAYS + relay);
}

/* Both ends call a stream by the same number. */
static struct nat_host *stream_end(const struct nat_host *host, struct addr *from,
				   const struct addr *to)
{
	unsigned number = addr_stream_number(to) - 1;
	struct nat_world *w = host->world;
	struct nat_host *site = &w->s[number / NAT_RELAYS].host;

	*from = *to;
	return host == site ? &w->r[number % NAT_RELAYS].host : site;
}

static void put_on_wire(struct nat_host *from, const uint8_t *data, size_t len, struct addr to)
{
	struct nat_world *w = from->world;
	struct nat_packet p = { .len = len, .from = from->addr, .to = to };

	if (from->dead)
		p.at = NULL;
	else if (to.family == ADDR_STREAM)
		p.at = stream_end(from, &p.from, &to);
	else
		p.at = route(w, from->behind, &p.from, &p.to);
	p.when = instant_add(w->now, NAT_DELAY);
	p.data = malloc(len);
	assert_non_null(p.data);
	memcpy(p.data, data, len);
	if (!p.at || (w->filter && !w->filter(w, &p)) || p.at->dead) {
		w->lost++;
		free(p.data);
		return;
	}
	assert_true(w->n_wire < NAT_WIRE);
	w->wire[w->n_wire++] = p;
}

static void take_runs(void *ctx, struct run **runs, size_t n)
{
	struct nat_host *host = ctx;

	for (size_t i = 0; i < n; i++) {
		struct run *run = runs[i];

		if (MIN(run->len, run->segment) + addr_overhead(&run->to) > host->mtu) {
			run->error = PEERS_TOO_BIG;
			continue;
		}
		for (size_t at = 0; at < run->len; at += run->segment)
			put_on_wire(host, run->data + at, MIN((size_t)run->segment, run->len - at),
				    run->to);
	}
}

static void relay_sends(void *ctx, struct run **runs, size_t n)
{
	struct nat_relay *r = ctx;

	for (size_t i = 0; i < n; i++)
		r->sent += runs[i]->count;
	take_runs(&r->host, runs, n);
}

/* ---- sites ---- */

static void note_event(void *ctx, struct peer *peer, enum peer_event event)
{
	struct nat_host *host = ctx;

	if (!peer->link)
		container_of(host, struct nat_site, host)->events[event]++;
}

static unsigned route_mtu(void *ctx, const struct addr *to)
{
	(void)to;
	return ((struct nat_host *)ctx)->mtu;
}

static int write_frame(void *ctx, const struct vnet *vnet, struct iovec *iov, size_t n)
{
	struct nat_site *s = ctx;
	uint8_t frame[64];
	size_t have = 0;

	(void)vnet;
	for (size_t i = 1; i < n && have < sizeof(frame); i++) {
		size_t part = MIN(iov[i].iov_len, sizeof(frame) - have);

		memcpy(frame + have, iov[i].iov_base, part);
		have += part;
	}
	assert_true(have >= 18 && s->n_got < NAT_FRAMES);
	s->got[s->n_got++] = be32_get(frame + 14);
	return 0;
}

static void site_start(struct nat_site *s, unsigned number)
{
	struct site_setup setup = {
		.cipher = CIPHER_AES_256_GCM,
		.network = "nat",
		.mtu = 1500,
		.keepalive = SECONDS(15),
		.macs = 256,
		.mac_quota = 64,
		.ageing = SECONDS(300),
		.families = { ADDR_IPV4 },
		.n_sockets = 1,
	};
	const struct site_events events = { take_runs, note_event, route_mtu, &s->host };
	setup.name = name_of(number);
	setup.rand = rand_source_seeded(&s->rand, 500 + number);
	memset(setup.private_key, (int)(0x51 + number), KEX_KEY);
	assert_true(site_init(&s->site, &setup, &events, s->host.world->now));
	assert_true(port_init(&s->port, "port", write_frame, s));
	s->port.up = true;
	assert_int_equal(site_add_port(&s->site, &s->port), 0);
}

static void introduce(struct nat_world *w, unsigned a, unsigned b)
{
	w->s[a].peer[b] =
		peers_add(&w->s[a].site.peers, name_of(b), w->s[b].site.self.public_key, w->now);
	assert_non_null(w->s[a].peer[b]);
}

unsigned nat_site_add(struct nat_world *w, int behind)
{
	static const uint8_t no_secret[KEX_KEY];
	unsigned number = w->n_sites++;
	struct nat_site *s = &w->s[number];
	uint8_t key[KEX_KEY];

	assert_true(number < NAT_SITES);
	s->host = (struct nat_host){
		.world = w, .behind = behind, .mtu = 1500, .is_site = true, .number = number
	};
	s->host.addr = public_addr(10 + number);
	if (behind >= 0)
		s->host.addr =
			(struct addr){ .family = ADDR_IPV4,
				       .ip = { 10, (uint8_t)behind, 0, (uint8_t)(10 + number) },
				       .port = PORT };
	site_start(s, number);
	for (unsigned i = 0; i < number; i++) {
		introduce(w, number, i);
		introduce(w, i, number);
	}
	peers_set_local(&s->site.peers, &s->host.addr, 1, w->now);
	for (unsigned i = 0; i < w->n_relays; i++) {
		assert_true(kex_public(key, w->r[i].private_key));
		s->link[i] = peers_add_link(&s->site.peers, "hub", key, no_secret, w->now);
		assert_non_null(s->link[i]);
		peers_set_addresses(&s->site.peers, s->link[i]->peer, &w->r[i].host.addr, 1,
				    w->now);
	}
	return number;
}

/* ---- the world ---- */

int nat_add(struct nat_world *w, enum nat_kind kind, int behind)
{
	struct nat_box *box = &w->box[w->n_boxes];

	assert_true(w->n_boxes < NAT_BOXES);
	*box = (struct nat_box){ .kind = kind, .behind = behind, .next_port = 20000 };
	box->outside = public_addr(100 + w->n_boxes);
	if (behind >= 0)
		box->outside =
			(struct addr){ .family = ADDR_IPV4, .ip = { 10, (uint8_t)behind, 1, 1 } };
	return (int)w->n_boxes++;
}

void nat_relay_start(struct nat_world *w, unsigned i)
{
	struct nat_relay *r = &w->r[i];
	struct relay_setup setup = { .name = "hub",
				     .max_members = 64,
				     .open = true,
				     .limits = { .members = 64 },
				     .timeout = SECONDS(60),
				     .stream_mark = NAT_MARK };

	setup.rand = rand_source_seeded(&r->rand, 900 + (uint64_t)w->now.us + i);
	memcpy(setup.private_key, r->private_key, KEX_KEY);
	r->host.dead = false;
	r->relay = relay_new(&setup, relay_sends, r, w->now);
	assert_non_null(r->relay);
}

void nat_relay_kill(struct nat_world *w, unsigned i)
{
	w->r[i].host.dead = true;
	relay_free(w->r[i].relay);
	w->r[i].relay = NULL;
}

struct nat_world *nat_new(unsigned relays)
{
	struct nat_world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->now.us = SECONDS(100);
	w->timeout = SECONDS(30);
	w->n_relays = relays;
	for (unsigned i = 0; i < relays; i++) {
		w->r[i].host = (struct nat_host){ .world = w, .behind = -1, .mtu = 1500 };
		w->r[i].host.addr = public_addr(200 + i);
		memset(w->r[i].private_key, (int)(0x70 + i), KEX_KEY);
		nat_relay_start(w, i);
	}
	return w;
}

void nat_free(struct nat_world *w)
{
	while (w->n_wire > 0)
		free(w->wire[--w->n_wire].data);
	for (unsigned i = 0; i < w->n_sites; i++) {
		site_free(&w->s[i].site);
		port_free(&w->s[i].port);
	}
	for (unsigned i = 0; i < w->n_relays; i++)
		relay_free(w->r[i].relay);
	free(w);
}

static void arrive(struct nat_world *w, struct nat_packet *p)
{
	for (unsigned i = 0; i < w->n_sites; i++) {
		struct nat_site *s = &w->s[i];

		if (p->at != &s->host)
			continue;
		site_datagrams(&s->site, 0, &p->from, p->data, p->len, p->len, w->now);
		site_rx_end(&s->site, false);
		site_close(&s->site);
	}
	for (unsigned i = 0; i < w->n_relays; i++) {
		struct nat_relay *r = &w->r[i];

		if (p->at != &r->host || !r->relay)
			continue;
		relay_datagrams(r->relay, 0, &p->from, p->data, p->len, p->len, w->now);
		relay_close(r->relay);
	}
}

static bool has_turn(const struct nat_world *w, unsigned site)
{
	return !w->turn || (unsigned)(w->now.us / MS(1) + site) % w->turn == 0;
}

/* The packet stays, or is lost: the site has no time for it now. */
static bool must_wait(struct nat_world *w, struct nat_host *at)
{
	if (!at->is_site)
		return false;
	if (has_turn(w, at->number) && (!w->handles || at->taken < w->handles)) {
		at->taken++;
		return false;
	}
	at->waiting++;
	return true;
}

static void deliver(struct nat_world *w)
{
	size_t n = w->n_wire, kept = 0;

	for (unsigned i = 0; i < w->n_sites; i++)
		w->s[i].host.taken = w->s[i].host.waiting = 0;
	for (size_t i = 0; i < n; i++) {
		struct nat_packet p = w->wire[i];

		if (!instant_reached(w->now, p.when) ||
		    (must_wait(w, p.at) && p.at->waiting <= NAT_QUEUE)) {
			w->wire[kept++] = p;
			continue;
		}
		if (p.at->waiting > NAT_QUEUE)
			w->lost++;
		else if (!p.at->dead)
			arrive(w, &p);
		free(p.data);
	}
	memmove(w->wire + kept, w->wire + n, (w->n_wire - n) * sizeof(w->wire[0]));
	w->n_wire -= n - kept;
}

void nat_run(struct nat_world *w, int64_t us)
{
	struct instant end = instant_add(w->now, us);

	for (; instant_before(w->now, end); w->now = instant_add(w->now, MS(1))) {
		deliver(w);
		for (unsigned i = 0; i < w->n_sites; i++) {
			if (!has_turn(w, i))
				continue;
			site_tick(&w->s[i].site, w->now);
			site_close(&w->s[i].site);
		}
		for (unsigned i = 0; i < w->n_relays; i++) {
			if (!w->r[i].relay)
				continue;
			relay_tick(w->r[i].relay, w->now);
			relay_close(w->r[i].relay);
		}
	}
}

bool nat_is(const struct nat_world *w, unsigned a, unsigned b, bool relayed)
{
	const struct peer *to_b = w->s[a].peer[b], *to_a = w->s[b].peer[a];

	return peer_has_session(to_b) && peer_has_session(to_a) &&
	       (to_b->endpoint.addr.family == ADDR_RELAY) == relayed &&
	       (to_a->endpoint.addr.family == ADDR_RELAY) == relayed;
}

bool nat_until(struct nat_world *w, unsigned a, unsigned b, bool relayed, int64_t us)
{
	struct instant end = instant_add(w->now, us);

	while (!nat_is(w, a, b, relayed) && instant_before(w->now, end))
		nat_run(w, MS(10));
	return nat_is(w, a, b, relayed);
}

void nat_send(struct nat_world *w, unsigned a, unsigned b, uint32_t number)
{
	uint8_t buffer[SITE_HEADROOM + 60] = { 0 }, *frame = buffer + SITE_HEADROOM;
	struct vnet plain = { 0 };

	memcpy(frame, (uint8_t[]){ 2, 0, 0, 0, 0, (uint8_t)b }, 6);
	if (a == b)
		memset(frame, 0xff, 6);
	memcpy(frame + 6, (uint8_t[]){ 2, 0, 0, 0, 0, (uint8_t)a }, 6);
	be16_put(frame + 12, 0x88b5);
	be32_put(frame + 14, number);
	site_frame(&w->s[a].site, 0, frame, 60, &plain, w->now);
	site_close(&w->s[a].site);
}

unsigned nat_got(const struct nat_world *w, unsigned b, uint32_t number)
{
	unsigned n = 0;

	for (size_t i = 0; i < w->s[b].n_got; i++)
		n += w->s[b].got[i] == number;
	return n;
}
