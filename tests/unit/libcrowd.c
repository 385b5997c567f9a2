/* SPDX-License-Identifier: MIT */
#include "unit/libcrowd.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/hop.h"
#include "core/wire_relay.h"

#define PREFIX "lanspan relay\1"

/* ---- the wire ---- */

static void take_runs(void *ctx, struct run **runs, size_t n)
{
	struct crowd *c = ctx;

	c->calls++;
	c->runs += n;
	for (size_t i = 0; i < n; i++) {
		struct run *run = runs[i];

		run->error = c->error;
		c->widest = MAX(c->widest, (size_t)run->count);
		assert_int_equal(run->count,
				 (run->len + (unsigned)run->segment - 1) / run->segment);
		for (size_t at = 0; at < run->len && !c->error; at += run->segment) {
			size_t len = MIN((size_t)run->segment, run->len - at);
			struct crowd_packet *p = &c->wire[c->n_wire % CROWD_WIRE];

			c->sent++;
			c->sent_bytes += len;
			c->kinds[run->data[at]]++;
			if (c->cut)
				continue;
			assert_true(c->n_wire - c->at < CROWD_WIRE);
			*p = (struct crowd_packet){ run->to, run->socket, malloc(len), len };
			memcpy(p->data, run->data + at, len);
			c->n_wire++;
		}
	}
}

void crowd_inject(struct crowd *c, const struct addr *from, const void *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (len)
		memcpy(copy, data, len);
	relay_datagrams(c->relay, 3, from, copy, len, len, c->now);
	relay_close(c->relay);
	free(copy);
}

void crowd_forget(struct crowd *c)
{
	while (c->at < c->n_wire)
		free(c->wire[c->at++ % CROWD_WIRE].data);
}

/* ---- calling ---- */

static void write_name(uint8_t *out, const char *name)
{
	out[0] = (uint8_t)strlen(name);
	memcpy(out + 1, name, strlen(name));
}

void crowd_call(struct crowd_site *s, uint8_t out[WIRE_REGISTER_LEN])
{
	uint8_t hello[132] = { 1 }, ephemeral[KEX_KEY];
	struct crowd *c = s->crowd;

	write_name(hello + 4, s->name);
	write_name(hello + 68, s->network);
	rand_fill(&c->source, ephemeral, sizeof(ephemeral));
	rand_fill(&c->source, &s->calling, sizeof(s->calling));
	memset(out, 0, WIRE_REGISTER_LEN);
	out[0] = 7;
	be32_put(out + 4, s->calling);
	assert_true(noise_begin(&s->noise, NOISE_IKPSK2, NOISE_INITIATOR, CIPHER_AES_256_GCM,
				PREFIX, sizeof(PREFIX) - 1, s->private_key,
				relay_public_key(c->relay), s->psk));
	assert_int_equal(
		noise_write(&s->noise, ephemeral, hello, sizeof(hello), out + 8, WIRE_REGISTER_LEN),
		WIRE_REGISTER_LEN - 8 - 32);
	cookie_jar_sign(&s->jar, out, WIRE_REGISTER_LEN - 32, c->now);
}

void crowd_register(struct crowd_site *s)
{
	uint8_t packet[WIRE_REGISTER_LEN];

	crowd_call(s, packet);
	crowd_inject(s->crowd, &s->addr, packet, sizeof(packet));
}

static void session_free(struct crowd_session *session)
{
	if (session->made) {
		aead_free(&session->seal);
		aead_free(&session->open);
	}
	memset(session, 0, sizeof(*session));
}

static void take_response(struct crowd_site *s, const uint8_t *packet)
{
	uint8_t hello[72], send[AEAD_KEY], receive[AEAD_KEY];
	struct noise noise = s->noise;
	size_t len;

	s->responses++;
	if (be32_get(packet + 8) != s->calling || s->dumb ||
	    !noise_read(&noise, packet + 12, 120, hello, sizeof(hello), &len)) {
		s->bad++;
		return;
	}
	assert_int_equal(hello[0], 1);
	assert_int_equal(be16_get(hello + 2), 0);
	memcpy(s->relay_name, hello + 5, hello[4]);
	assert_true(noise_split(&noise, send, receive));
	session_free(&s->before);
	s->before = s->now;
	s->now = (struct crowd_session){
		.up = true, .made = true, .local = s->calling, .remote = be32_get(packet + 4)
	};
	assert_true(aead_init(&s->now.seal, CIPHER_AES_256_GCM, AEAD_SEAL));
	assert_true(aead_init(&s->now.open, CIPHER_AES_256_GCM, AEAD_OPEN));
	aead_set_key(&s->now.seal, send);
	aead_set_key(&s->now.open, receive);
	crowd_ping(s);
}

/* ---- sessions ---- */

size_t crowd_seal(struct crowd_site *s, const void *plain, size_t len, uint8_t *out)
{
	uint8_t aad[32];

	memset(out, 0, 16);
	out[0] = 4;
	out[3] = s->i % 16;
	be32_put(out + 4, s->now.remote);
	be64_put(out + 8, s->now.counter);
	memcpy(aad, s->context_out, 16);
	memcpy(aad + 16, out, 16);
	assert_true(aead_seal(&s->now.seal, s->now.counter++, aad, 32, plain, len, out + 16));
	return len + 32;
}

void crowd_control(struct crowd_site *s, uint8_t type, const void *body, size_t len)
{
	uint8_t plain[1400] = { 0, 0, 4 }, packet[1500];

	be16_put(plain + 3, (uint16_t)(len + 1));
	plain[5] = type;
	if (len)
		memcpy(plain + 6, body, len);
	crowd_inject(s->crowd, &s->addr, packet, crowd_seal(s, plain, len + 6, packet));
}

void crowd_ping(struct crowd_site *s)
{
	crowd_control(s, 1, "twelve bytes", 12);
}

static void ask_members(struct crowd_site *s)
{
	uint8_t body[8];

	be32_put(body, s->reached);
	be32_put(body + 4, s->base);
	crowd_control(s, 17, body, sizeof(body));
}

static void take_notice(struct crowd_site *s, const uint8_t *body)
{
	s->notices++;
	s->revision = be32_get(body);
	s->number = be32_get(body + 4);
	s->observed_port = be16_get(body + 8);
	s->observed_family = body[10];
	memcpy(s->observed_ip, body + 11, 16);
	if (s->list && !s->lazy && s->reached != s->revision)
		ask_members(s);
}

static void take_entry(struct crowd_site *s, struct rd *r)
{
	uint32_t number = rd_u32(r);
	uint8_t flags = rd_u8(r), len;
	const uint8_t *key = rd_bytes(r, 32), *name;
	struct crowd_entry *e = &s->list[number];

	len = rd_u8(r);
	name = rd_bytes(r, len);
	assert_true(rd_ok(r));
	assert_in_range(number, 1, CROWD_LIST - 1);
	if (flags & 1) {
		memset(e, 0, sizeof(*e));
		return;
	}
	/* A number is not another's before its owner's end was told. */
	assert_true(!e->there || memcmp(e->public_key, key, 32) == 0);
	e->there = true;
	memcpy(e->public_key, key, 32);
	memcpy(e->name, name, len);
	e->name[len] = '\0';
}

static void take_members(struct crowd_site *s, struct rd r)
{
	uint32_t revision = rd_u32(&r), reached = rd_u32(&r);
	bool reset = rd_u8(&r) & 1;
	uint8_t count = rd_u8(&r);

	s->members++;
	s->resets += reset;
	if (!s->list)
		return;
	if (reset) {
		memset(s->list, 0, CROWD_LIST * sizeof(*s->list));
		s->base = revision;
	}
	while (count-- > 0)
		take_entry(s, &r);
	assert_true(rd_done(&r));
	assert_true(reset || reached >= s->reached);
	s->reached = reached;
	s->revision = revision;
	if (reached != revision && !s->lazy)
		ask_members(s);
}

static void take_control(struct crowd_site *s, uint8_t type, struct rd r)
{
	switch (type) {
	case 1:
		assert_int_equal(r.left, 12);
		s->pings++;
		if (!s->dumb)
			crowd_control(s, 2, r.p, r.left);
		break;
	case 2:
		assert_int_equal(r.left, 12);
		assert_memory_equal(r.p, "twelve bytes", 12);
		s->pongs++;
		break;
	case 4:
		s->probed++;
		break;
	case 5:
		s->closed = true;
		break;
	case 16:
		assert_int_equal(r.left, 27);
		take_notice(s, r.p);
		break;
	case 18:
		take_members(s, r);
		break;
	default:
		fail_msg("control %u from the relay", type);
	}
}

static struct crowd_session *session_of(struct crowd_site *s, uint32_t index)
{
	if (s->now.up && s->now.local == index)
		return &s->now;
	return s->before.up && s->before.local == index ? &s->before : NULL;
}

/* No counter is used twice, by DATA and HOP together. */
static void assert_new(struct crowd_session *session, const uint8_t *packet)
{
	assert_true(replay_ring_commit(&session->next, session->seen, REPLAY_WORDS_FOR(256),
				       be64_get(packet + 8)));
}

static void take_data(struct crowd_site *s, uint8_t *packet, size_t len)
{
	struct crowd_session *session = session_of(s, be32_get(packet + 4));
	uint8_t aad[32];
	struct rd r;

	memcpy(aad, s->context_in, 16);
	memcpy(aad + 16, packet, 16);
	if (!session || !aead_open(&session->open, be64_get(packet + 8), aad, 32, packet + 16,
				   len - 16, packet + 16)) {
		s->bad++;
		return;
	}
	assert_new(session, packet);
	s->longest = MAX(s->longest, len);
	r = rd_make(packet + 16, len - 32);
	assert_int_equal(rd_u16(&r), 0);
	while (r.left > 0) {
		uint8_t type = rd_u8(&r);
		struct rd body = rd_sub(&r, rd_u16(&r));

		assert_int_equal(type, 4);
		type = rd_u8(&body);
		assert_true(rd_ok(&body) && rd_ok(&r));
		take_control(s, type, body);
	}
}

static void take_hop(struct crowd_site *s, const uint8_t *packet, size_t len)
{
	struct crowd_session *session;
	struct crowd_hop *got = &s->hops[s->n_hops % CROWD_HOPS];
	struct hop hop;

	assert_true(hop_parse(&hop, packet, len));
	session = session_of(s, hop.index);
	if (!session || !hop_verify(&session->open, s->context_in, &hop, packet, len)) {
		s->bad++;
		return;
	}
	assert_new(session, packet);
	s->n_hops++;
	*got = (struct crowd_hop){ hop.source, hop.destination, hop.inner_len, { 0 } };
	memcpy(got->inner, hop.inner, MIN(hop.inner_len, sizeof(got->inner)));
}

static void take(struct crowd_site *s, struct crowd_packet *p)
{
	switch (p->data[0]) {
	case WIRE_RESPONSE:
		assert_int_equal(p->len, WIRE_RESPONSE_LEN);
		take_response(s, p->data);
		break;
	case WIRE_COOKIE:
		s->cookies++;
		if (cookie_jar_open(&s->jar, p->data, s->crowd->now) && !s->dumb)
			crowd_register(s);
		break;
	case WIRE_DATA:
		take_data(s, p->data, p->len);
		break;
	case WIRE_HOP:
		take_hop(s, p->data, p->len);
		break;
	default:
		fail_msg("kind %u from the relay", p->data[0]);
	}
}

static void deliver(struct crowd *c)
{
	while (c->at < c->n_wire) {
		struct crowd_packet p = c->wire[c->at++ % CROWD_WIRE];
		uint32_t i = be32_get(p.to.ip) & 0xffffff;

		assert_int_equal(p.socket, 3);
		if (i < c->n && addr_equal(&c->sites[i].addr, &p.to))
			take(&c->sites[i], &p);
		free(p.data);
	}
}

void crowd_run(struct crowd *c, int64_t us)
{
	struct instant until = instant_add(c->now, us);

	for (;;) {
		struct instant due = relay_due(c->relay);

		deliver(c);
		due = relay_due(c->relay);
		if (instant_before(until, due))
			break;
		if (instant_before(c->now, due))
			c->now = due;
		relay_tick(c->relay, c->now);
		relay_close(c->relay);
	}
	c->now = until;
}

/* ---- life ---- */

struct relay_setup crowd_setup(void)
{
	return (struct relay_setup){ .private_key = { 0, 7 },
				     .name = "hub",
				     .max_members = 10000,
				     .open = true,
				     .timeout = SECONDS(60) };
}

static void make_context(uint8_t out[16], const uint8_t src[KEX_KEY], const uint8_t dst[KEX_KEY])
{
	uint8_t data[29] = "lanspan data\1", hash[KEX_HASH];

	kex_hash(hash, src, KEX_KEY, NULL, 0);
	memcpy(data + 13, hash, 8);
	kex_hash(hash, dst, KEX_KEY, NULL, 0);
	memcpy(data + 21, hash, 8);
	kex_hash(hash, data, sizeof(data), "relay", 5);
	memcpy(out, hash, 16);
}

static void site_start(struct crowd *c, uint32_t i)
{
	struct crowd_site *s = &c->sites[i];

	s->crowd = c;
	s->i = i;
	s->addr = (struct addr){ .family = ADDR_IPV4, .port = 7741 };
	be32_put(s->addr.ip, 0x0a000000 | i);
	be32_put(s->private_key + 4, i + 1);
	assert_true(kex_public(s->public_key, s->private_key));
	memcpy(s->network, "lab", 4);
	snprintf(s->name, sizeof(s->name), "site-%u", i);
	make_context(s->context_out, s->public_key, relay_public_key(c->relay));
	make_context(s->context_in, relay_public_key(c->relay), s->public_key);
	cookie_jar_init(&s->jar, CIPHER_AES_256_GCM, relay_public_key(c->relay));
}

struct crowd *crowd_new(const struct relay_setup *setup, uint32_t n)
{
	struct crowd *c = calloc(1, sizeof(*c));
	struct relay_setup usual = setup ? *setup : crowd_setup();

	c->now.us = SECONDS(100);
	c->source = rand_source_seeded(&c->rand, 1);
	if (!usual.rand.fill)
		usual.rand = c->source;
	c->relay = relay_new(&usual, take_runs, c, c->now);
	assert_non_null(c->relay);
	c->wire = calloc(CROWD_WIRE, sizeof(*c->wire));
	c->sites = calloc(n, sizeof(*c->sites));
	c->n = n;
	for (uint32_t i = 0; i < n; i++)
		site_start(c, i);
	return c;
}

void crowd_free(struct crowd *c)
{
	crowd_forget(c);
	for (uint32_t i = 0; i < c->n; i++) {
		session_free(&c->sites[i].now);
		session_free(&c->sites[i].before);
		free(c->sites[i].list);
	}
	relay_free(c->relay);
	free(c->sites);
	free(c->wire);
	free(c);
}

void crowd_join(struct crowd *c, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++) {
		crowd_register(&c->sites[i]);
		crowd_run(c, 0);
		assert_true(c->sites[i].now.up);
		assert_true(c->sites[i].number > 0);
	}
}

/* ---- hops ---- */

size_t crowd_hop_make(struct crowd_site *s, uint32_t source, uint32_t destination, size_t len,
		      uint8_t *out)
{
	struct hop hop = { .index = s->now.remote,
			   .counter = s->now.counter++,
			   .source = source,
			   .destination = destination,
			   .inner_len = len };

	for (size_t i = 0; i < len; i++)
		out[WIRE_HOP_HEADER + i] = (uint8_t)(hop.counter + i);
	out[WIRE_HOP_HEADER] = destination == WIRE_HOP_FLOOD ? WIRE_FLOOD : WIRE_DATA;
	assert_true(hop_seal(&s->now.seal, s->context_out, &hop, out));
	return len + WIRE_HOP_OVERHEAD;
}

void crowd_hop(struct crowd_site *s, uint32_t destination, size_t len)
{
	uint8_t packet[10000];

	crowd_inject(s->crowd, &s->addr, packet, crowd_hop_make(s, 0, destination, len, packet));
}

/* ---- what the relay tells ---- */

uint64_t crowd_drops(const struct crowd *c, enum relay_drop reason)
{
	return relay_drops(c->relay)[reason];
}

uint64_t crowd_network_drops(const struct crowd *c, const char *network, enum relay_drop reason)
{
	struct relay_network_view view;
	size_t at = 0;

	while (relay_next_network(c->relay, &at, &view)) {
		if (strcmp(view.name, network) == 0)
			return view.drops[reason];
	}
	return 0;
}

bool crowd_view(const struct crowd_site *s, struct relay_member_view *out)
{
	size_t at = 0;

	while (relay_next_member(s->crowd->relay, s->network, &at, out)) {
		if (memcmp(out->public_key, s->public_key, KEX_KEY) == 0)
			return true;
	}
	return false;
}

uint32_t crowd_member_drops(const struct crowd_site *s, enum relay_drop reason)
{
	struct relay_member_view view;

	return crowd_view(s, &view) ? view.drops[reason] : 0;
}
