/* SPDX-License-Identifier: MIT */
/* What strangers, recorders on the path and members that mean ill do not achieve. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/relay_member.h"
#include "unit/libcrowd.h"

static const struct addr elsewhere = { .family = ADDR_IPV4, .ip = { 10, 0, 0, 77 }, .port = 6 };

static uint64_t before[RELAY_DROP_COUNT];

/* One reason was counted so often since the last look, and no other. */
static void assert_only(struct crowd *c, enum relay_drop reason, uint64_t times)
{
	const uint64_t *now = relay_drops(c->relay);

	for (unsigned i = 0; i < RELAY_DROP_COUNT; i++) {
		if (now[i] - before[i] != (i == reason ? times : 0))
			fail_msg("%s: %ju", relay_drop_name((enum relay_drop)i),
				 (uintmax_t)(now[i] - before[i]));
		before[i] = now[i];
	}
}

/* The first of n sites are members; nothing was dropped yet. */
static struct crowd *fresh(uint32_t n, uint32_t members)
{
	struct crowd *c = crowd_new(NULL, n);

	crowd_join(c, 0, members);
	memset(before, 0, sizeof(before));
	assert_only(c, RELAY_SHORT, 0);
	return c;
}

/* ---- strangers ---- */

static void test_garbage(void **state)
{
	struct crowd *c = fresh(1, 1);
	uint8_t bytes[1500] = { 0 };

	(void)state;
	c->sent = 0;
	for (unsigned kind = 0; kind < 256; kind++) {
		bool known = kind == WIRE_REGISTER || kind == WIRE_DATA || kind == WIRE_HOP;

		for (size_t len = 0; len < 400; len++) {
			enum relay_drop reason = RELAY_INDEX;

			bytes[0] = (uint8_t)kind;
			crowd_inject(c, &elsewhere, bytes, len);
			if (len == 0)
				reason = RELAY_SHORT;
			else if (!known)
				reason = RELAY_KIND;
			else if (kind == WIRE_DATA)
				reason = len < 34 ? RELAY_SHORT : RELAY_INDEX;
			else if (kind == WIRE_HOP)
				reason = len < 74 ? RELAY_SHORT : RELAY_HEADER;
			else
				reason = len < 268   ? RELAY_SHORT
					 : len > 268 ? RELAY_HEADER
						     : RELAY_MAC1;
			assert_only(c, reason, 1);
		}
	}
	assert_int_equal(c->sent, 0);
	crowd_free(c);
}

static void test_headers(void **state)
{
	struct crowd *c = fresh(2, 1);
	uint8_t packet[400];
	size_t len;

	(void)state;
	memset(before, 0, sizeof(before));
	for (unsigned byte = 1; byte < 4; byte++) {
		crowd_call(&c->sites[1], packet);
		packet[byte] = 1;
		crowd_inject(c, &elsewhere, packet, WIRE_REGISTER_LEN);
		assert_only(c, RELAY_HEADER, 1);
		len = crowd_seal(&c->sites[0], "\0\0", 2, packet);
		packet[byte] = byte == 3 ? WIRE_LANES : 1;
		crowd_inject(c, &elsewhere, packet, len);
		assert_only(c, RELAY_HEADER, 1);
	}
	/* Any lane is good, and the tag binds it. */
	len = crowd_seal(&c->sites[0], "\0\0", 2, packet);
	packet[WIRE_LANE] ^= 1;
	crowd_inject(c, &c->sites[0].addr, packet, len);
	assert_only(c, RELAY_AUTH, 1);
	packet[WIRE_LANE] ^= 1;
	crowd_inject(c, &c->sites[0].addr, packet, len);
	assert_only(c, RELAY_AUTH, 0);
	crowd_free(c);
}

static void test_forged_registers(void **state)
{
	struct crowd *c = fresh(2, 0);
	uint8_t packet[WIRE_REGISTER_LEN];

	(void)state;
	memset(before, 0, sizeof(before));
	for (size_t at = 4; at < WIRE_REGISTER_LEN - 16; at += 7) {
		crowd_call(&c->sites[0], packet);
		packet[at] ^= 0x80;
		crowd_inject(c, &elsewhere, packet, sizeof(packet));
		assert_only(c, RELAY_MAC1, 1);
	}
	/* Signed again, what is inside does not open. */
	crowd_forget(c);
	for (size_t at = 8; at < WIRE_REGISTER_LEN - 32; at += 9) {
		struct cookie_jar jar = c->sites[0].jar;

		crowd_call(&c->sites[0], packet);
		packet[at] ^= 1;
		cookie_jar_sign(&jar, packet, WIRE_REGISTER_LEN - 32, c->now);
		crowd_inject(c, &elsewhere, packet, sizeof(packet));
		assert_only(c, RELAY_HANDSHAKE, 1);
	}
	assert_int_equal(relay_members(c->relay), 0);
	crowd_free(c);
}

/* A REGISTER made by hand, with that payload. */
static void register_saying(struct crowd_site *s, const uint8_t hello[WIRE_REGISTER_HELLO])
{
	uint8_t packet[WIRE_REGISTER_LEN], ephemeral[KEX_KEY] = { 0 };
	static uint8_t turn;
	struct noise noise;

	ephemeral[5] = ++turn;
	memset(packet, 0, sizeof(packet));
	packet[0] = WIRE_REGISTER;
	assert_true(noise_begin(&noise, NOISE_IKPSK2, NOISE_INITIATOR, CIPHER_AES_256_GCM,
				"lanspan relay\1", 14, s->private_key,
				relay_public_key(s->crowd->relay), s->psk));
	noise_write(&noise, ephemeral, hello, WIRE_REGISTER_HELLO, packet + 8, sizeof(packet) - 8);
	cookie_jar_sign(&s->jar, packet, WIRE_REGISTER_LEN - 32, s->crowd->now);
	crowd_inject(s->crowd, &s->addr, packet, sizeof(packet));
}

static void test_names(void **state)
{
	static const struct {
		const char *what;
		bool good;
		uint8_t site_len, network_len;
		uint8_t at, value; /* one byte otherwise */
	} table[] = {
		{ "good", true, 3, 3, 0, 1 },
		{ "no site name", true, 0, 3, 0, 1 },
		{ "longest", true, 63, 63, 0, 1 },
		{ "flags and reserve are not looked at", true, 3, 3, 2, 9 },
		{ "version", false, 3, 3, 0, 2 },
		{ "no network name", false, 3, 0, 0, 1 },
		{ "site too long", false, 64, 3, 0, 1 },
		{ "network too long", false, 3, 64, 0, 1 },
		{ "zero in the site's name", false, 3, 3, 6, 0 },
		{ "zero in the network's name", false, 3, 3, 70, 0 },
		{ "something behind the site's name", false, 3, 3, 67, 1 },
		{ "something behind the network's name", false, 3, 3, 131, 1 },
	};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		struct crowd *c = fresh(1, 0);
		uint8_t hello[WIRE_REGISTER_HELLO] = { 1 };

		hello[4] = table[i].site_len;
		memset(hello + 5, 's', MIN(table[i].site_len, 63));
		hello[68] = table[i].network_len;
		memset(hello + 69, 'n', MIN(table[i].network_len, 63));
		hello[table[i].at] = table[i].value;
		register_saying(&c->sites[0], hello);
		if (c->kinds[WIRE_RESPONSE] != table[i].good ||
		    crowd_drops(c, RELAY_HELLO) != !table[i].good)
			fail_msg("%s", table[i].what);
		crowd_free(c);
	}
}

/* Recorded and sent again: not answered, or not of use. */
static void test_recorded_registers(void **state)
{
	struct crowd *c = fresh(2, 1);
	struct crowd_site *s = &c->sites[0];
	uint8_t packet[WIRE_REGISTER_LEN];
	struct relay_member_view view;

	(void)state;
	crowd_run(c, SECONDS(10));
	crowd_call(s, packet);
	crowd_inject(c, &s->addr, packet, sizeof(packet));
	crowd_run(c, 0);
	memset(before, 0, sizeof(before));
	for (unsigned i = 0; i < 3; i++) {
		crowd_inject(c, &elsewhere, packet, sizeof(packet));
		assert_only(c, RELAY_REPEATED, 1);
	}
	crowd_hop(s, 1, 100); /* the session stands */
	assert_only(c, RELAY_MEMBER, 1);
	crowd_view(s, &view);
	assert_true(addr_equal(&view.addr, &s->addr));
	crowd_free(c);
}

/* One that the relay does not remember, as from before its restart, gets an answer and
 * with it a place for some seconds; the member's session and address stay. */
static void test_ancient_register(void **state)
{
	struct crowd *c = fresh(2, 1), *old = crowd_new(NULL, 1);
	struct crowd_site *s = &c->sites[0];
	uint8_t packet[WIRE_REGISTER_LEN];
	struct relay_member_view view;

	(void)state;
	memcpy(old->sites[0].name, "older", 6);
	old->rand.state ^= 0x5555; /* an ephemeral key of its own */
	crowd_run(c, SECONDS(10));
	crowd_run(old, SECONDS(10));
	crowd_call(&old->sites[0], packet); /* of the same keys */
	crowd_inject(c, &elsewhere, packet, sizeof(packet));
	crowd_run(c, 0);
	assert_int_equal(c->kinds[WIRE_RESPONSE], 2);
	crowd_ping(s);
	crowd_run(c, 0);
	assert_int_equal(s->pongs, 2);
	crowd_view(s, &view);
	assert_true(addr_equal(&view.addr, &s->addr));
	assert_string_equal(view.name, "site-0");
	/* An honest call meanwhile needs a cookie, and gets through. */
	crowd_register(s);
	assert_int_equal(crowd_drops(c, RELAY_COOKIE), 1);
	assert_int_equal(crowd_member_drops(s, RELAY_COOKIE), 1);
	crowd_run(c, 0);
	assert_int_equal(s->cookies, 1);
	assert_int_equal(s->pongs, 3);
	crowd_free(c);
	crowd_free(old);
}

/* While the answer of an honest call is under way, others cannot push it out. */
static void test_answers_are_not_pushed_out(void **state)
{
	struct crowd *c = fresh(1, 0);
	struct crowd *old = crowd_new(NULL, 1);
	uint8_t packets[20][WIRE_REGISTER_LEN];

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		crowd_call(&old->sites[0], packets[i]);
	c->rand.state ^= 0x5555; /* ephemeral keys of its own */
	crowd_register(&c->sites[0]);
	for (unsigned i = 0; i < 20; i++)
		crowd_inject(c, &elsewhere, packets[i], WIRE_REGISTER_LEN);
	assert_int_equal(crowd_drops(c, RELAY_COOKIE), 20);
	crowd_run(c, 0);
	assert_int_equal(c->sites[0].number, 1);
	crowd_free(c);
	crowd_free(old);
}

/* Above a thousand calls in a second callers have to show that they are where they
 * say, and from one address come a thousand more a second, and two at once. */
static void test_under_load(void **state)
{
	const unsigned n = 2500;
	struct crowd *c = crowd_new(NULL, n);
	unsigned in = 0;

	(void)state;
	for (unsigned i = 0; i < n; i++)
		crowd_register(&c->sites[i]);
	assert_int_equal(c->kinds[WIRE_RESPONSE], 1000);
	assert_int_equal(c->kinds[WIRE_COOKIE], 1500);
	assert_int_equal(crowd_drops(c, RELAY_COOKIE), 1500);
	crowd_run(c, 0); /* with the cookie */
	for (unsigned i = 0; i < n; i++)
		in += c->sites[i].number > 0;
	assert_int_equal(in, n); /* each has an address of its own here */
	crowd_free(c);
}

/* Cookies are asked for until a second with fewer calls has passed. */
static void test_load_ends(void **state)
{
	struct crowd *c = crowd_new(NULL, 1010);

	(void)state;
	for (unsigned i = 0; i < 1003; i++)
		crowd_register(&c->sites[i]);
	crowd_forget(c);
	assert_int_equal(c->kinds[WIRE_COOKIE], 3);
	for (unsigned i = 0; i < 3; i++) {
		crowd_run(c, SECONDS(1));
		crowd_register(&c->sites[1003 + i]);
		crowd_forget(c);
		assert_int_equal(c->kinds[WIRE_COOKIE], 4);
	}
	crowd_free(c);
}

static void test_rate_of_an_address(void **state)
{
	const unsigned n = 4000;
	struct crowd *c = crowd_new(NULL, n);
	uint8_t packet[WIRE_REGISTER_LEN];
	struct addr shared = { .family = ADDR_IPV4, .ip = { 203, 0, 113, 1 } };
	unsigned answered;

	(void)state;
	for (unsigned i = 0; i < n; i++) {
		shared.port = (uint16_t)(1000 + i);
		crowd_call(&c->sites[i], packet);
		crowd_inject(c, &shared, packet, sizeof(packet));
	}
	assert_int_equal(c->kinds[WIRE_COOKIE], 3000);
	answered = c->kinds[WIRE_RESPONSE];
	/* Each takes its cookie, though it does not come by its own address. */
	for (; c->at < c->n_wire; c->at++) {
		struct crowd_packet *p = &c->wire[c->at % CROWD_WIRE];
		struct crowd_site *s = &c->sites[p->to.port - 1000];

		if (p->data[0] == WIRE_COOKIE)
			assert_true(cookie_jar_open(&s->jar, p->data, c->now));
		free(p->data);
	}
	for (unsigned i = 1000; i < n; i++) {
		shared.port = (uint16_t)(1000 + i);
		crowd_call(&c->sites[i], packet);
		crowd_inject(c, &shared, packet, sizeof(packet));
	}
	assert_int_equal(c->kinds[WIRE_RESPONSE] - answered, 2000);
	assert_int_equal(crowd_drops(c, RELAY_RATE), 1000);
	/* Another's cookie is of no use, and neither is one from another port. */
	shared.port = 7;
	crowd_call(&c->sites[2000], packet);
	crowd_inject(c, &shared, packet, sizeof(packet));
	assert_int_equal(c->kinds[WIRE_COOKIE], 3001);
	crowd_free(c);
}

/* ---- sessions ---- */

static void test_forged_packets(void **state)
{
	struct crowd *c = fresh(2, 2);
	struct crowd_site *s = &c->sites[0];
	uint8_t packet[400];
	struct relay_member_view view;
	size_t len;

	(void)state;
	memset(before, 0, sizeof(before));
	len = crowd_hop_make(s, 0, 2, 100, packet);
	packet[len - 1] ^= 1;
	crowd_inject(c, &elsewhere, packet, len);
	assert_only(c, RELAY_AUTH, 1);
	packet[len - 1] ^= 1;
	packet[23] ^= 3; /* to another */
	crowd_inject(c, &elsewhere, packet, len);
	assert_only(c, RELAY_AUTH, 1);
	packet[23] ^= 3;
	packet[7] ^= 8; /* in another's session */
	crowd_inject(c, &elsewhere, packet, len);
	packet[7] ^= 8;
	assert_int_equal(crowd_drops(c, RELAY_INDEX) + crowd_drops(c, RELAY_AUTH), 3);
	assert_int_equal(crowd_member_drops(s, RELAY_AUTH), 2);
	crowd_view(s, &view);
	assert_int_equal(view.traffic.in_packets, 1);
	assert_true(addr_equal(&view.addr, &s->addr));
	crowd_inject(c, &s->addr, packet, len); /* none of it moved the window */
	crowd_run(c, 0);
	assert_int_equal(c->sites[1].n_hops, 1);
	crowd_free(c);
}

static void test_replay(void **state)
{
	struct crowd *c = fresh(2, 2);
	struct crowd_site *s = &c->sites[0];
	static uint8_t packets[3000][80];
	uint8_t data[100];
	size_t len = 0, data_len;

	(void)state;
	for (unsigned i = 0; i < 3000; i++)
		len = crowd_hop_make(s, 0, 2, 34, packets[i]);
	data_len = crowd_seal(s, "\0\0", 2, data);
	memset(before, 0, sizeof(before));
	for (unsigned i = 1000; i < 2999; i++)
		crowd_inject(c, &s->addr, packets[i], len);
	assert_only(c, RELAY_OLD, 0);
	for (unsigned i = 1000; i < 2999; i++)
		crowd_inject(c, &s->addr, packets[i], len);
	assert_only(c, RELAY_REPLAYED, 1999);
	/* 2048 behind the newest may still come; DATA and HOP have one window. */
	crowd_inject(c, &s->addr, data, data_len);
	crowd_inject(c, &s->addr, packets[2999], len);
	assert_only(c, RELAY_REPLAYED, 0);
	crowd_inject(c, &s->addr, data, data_len);
	assert_only(c, RELAY_REPLAYED, 1);
	for (unsigned i = 0; i < 1000; i++)
		crowd_inject(c, &s->addr, packets[i], len);
	assert_only(c, RELAY_OLD, 3000 - 2048);
	assert_int_equal(crowd_member_drops(s, RELAY_OLD), 3000 - 2048);
	crowd_run(c, 0);
	assert_int_equal(c->sites[1].n_hops, 2048);
	crowd_free(c);
}

/* Who says that it is another is heard by the relay alone. */
static void test_spoofed_source(void **state)
{
	struct crowd *c = fresh(3, 3);
	uint8_t packet[400];

	(void)state;
	for (uint32_t source = 1; source < 4; source++)
		crowd_inject(c, &c->sites[0].addr, packet,
			     crowd_hop_make(&c->sites[0], source, 3, 100, packet));
	crowd_run(c, 0);
	assert_int_equal(c->sites[2].n_hops, 0);
	assert_int_equal(crowd_member_drops(&c->sites[0], RELAY_HEADER), 3);
	crowd_free(c);
}

/* The site's context binds both ends and the direction: what the relay sent to one is
 * nothing that another, or the relay itself, takes. */
static void test_reflection(void **state)
{
	struct crowd *c = fresh(2, 2);
	struct crowd_packet *p;

	(void)state;
	crowd_hop(&c->sites[0], 2, 100);
	p = &c->wire[c->at];
	be32_put(p->data + 4, c->sites[1].now.remote);
	be32_put(p->data + 16, 0);
	crowd_inject(c, &c->sites[1].addr, p->data, p->len);
	assert_int_equal(crowd_drops(c, RELAY_AUTH), 1);
	crowd_free(c);
}

static void test_records(void **state)
{
	static const struct {
		const char *what;
		unsigned bad, answers;
		size_t len;
		uint8_t plain[48];
	} table[] = {
		{ "nothing", 0, 0, 2, { 0, 0 } },
		{ "padding", 0, 0, 6, { 0, 0, 0, 9, 9, 9 } },
		{ "cut", 1, 0, 3, { 0, 1, 4 } },
		{ "continued", 1, 0, 12, { 0, 1, 4, 0, 7, 3 } },
		{ "a frame", 1, 0, 19, { 0, 0, 1, 0, 14 } },
		{ "a segment", 1, 0, 6, { 0, 0, 3, 0, 1, 0 } },
		{ "unknown record", 1, 0, 6, { 0, 0, 77, 0, 1, 0 } },
		{ "empty control", 1, 0, 5, { 0, 0, 4, 0, 0 } },
		{ "half a header", 1, 0, 4, { 0, 0, 4, 0 } },
		{ "beyond the end", 1, 0, 6, { 0, 0, 4, 0, 9, 1 } },
		{ "unknown control", 1, 0, 6, { 0, 0, 4, 0, 1, 99 } },
		{ "flood key", 1, 0, 42, { 0, 0, 4, 0, 37, 35 } },
		{ "notice", 1, 0, 33, { 0, 0, 4, 0, 28, 16 } },
		{ "members", 1, 0, 16, { 0, 0, 4, 0, 11, 18 } },
		{ "short ping", 1, 0, 17, { 0, 0, 4, 0, 12, 1 } },
		{ "long ping", 1, 0, 19, { 0, 0, 4, 0, 14, 1 } },
		{ "ping",
		  0,
		  1,
		  18,
		  { 0, 0, 4, 0, 13, 1, 't', 'w', 'e', 'l', 'v', 'e', ' ', 'b', 'y', 't', 'e',
		    's' } },
		{ "a pong that nobody asked for", 0, 0, 18, { 0, 0, 4, 0, 13, 2 } },
		{ "short pong", 1, 0, 17, { 0, 0, 4, 0, 12, 2 } },
		{ "probe", 0, 1, 12, { 0, 0, 4, 0, 7, 3 } },
		{ "short probe", 1, 0, 11, { 0, 0, 4, 0, 6, 3 } },
		{ "probed", 1, 0, 12, { 0, 0, 4, 0, 7, 4 } },
		{ "ask", 0, 1, 14, { 0, 0, 4, 0, 9, 17 } },
		{ "short ask", 1, 0, 10, { 0, 0, 4, 0, 5, 17 } },
		{ "long close", 1, 0, 7, { 0, 0, 4, 0, 2, 5, 0 } },
		{ "bad, then good", 1, 1, 18, { 0, 0, 9, 0, 1, 0, 4, 0, 7, 3 } },
		{ "two", 0, 2, 24, { 0, 0, 4, 0, 7, 3, 1, 2, 3, 4, 5,
				     6, 4, 0, 7, 3, 1, 2, 3, 4, 5, 6 } },
	};
	struct crowd *c = fresh(1, 1);
	struct crowd_site *s = &c->sites[0];
	uint8_t packet[200];

	(void)state;
	s->lazy = true;
	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		uint64_t bad = crowd_drops(c, RELAY_RECORD), sent = c->sent;

		crowd_inject(c, &s->addr, packet,
			     crowd_seal(s, table[i].plain, table[i].len, packet));
		if (crowd_drops(c, RELAY_RECORD) - bad != table[i].bad ||
		    c->sent - sent != table[i].answers)
			fail_msg("%s: %ju bad, %ju answers", table[i].what,
				 (uintmax_t)(crowd_drops(c, RELAY_RECORD) - bad),
				 (uintmax_t)(c->sent - sent));
		crowd_run(c, MS(100));
		if (crowd_drops(c, RELAY_RECORD) == bad)
			continue;
		assert_int_equal(crowd_member_drops(s, RELAY_RECORD), bad + table[i].bad);
	}
	assert_int_equal(s->probed, 4);
	assert_int_equal(s->pongs, 2);
	assert_int_equal(relay_members(c->relay), 1);
	crowd_control(s, WIRE_CLOSE, NULL, 0);
	assert_int_equal(relay_members(c->relay), 0);
	crowd_free(c);
}

/* A CLOSE with something behind it, which nobody reads any more. */
static void test_close_and_more(void **state)
{
	static const uint8_t plain[] = { 0, 0, 4, 0, 1, 5, 4, 0, 7, 3, 1, 2, 3, 4, 5, 6 };
	struct crowd *c = fresh(1, 1);
	uint8_t packet[200];

	(void)state;
	c->sent = 0;
	crowd_inject(c, &c->sites[0].addr, packet,
		     crowd_seal(&c->sites[0], plain, sizeof(plain), packet));
	assert_int_equal(relay_members(c->relay), 0);
	assert_int_equal(c->sent, 0);
	assert_only(c, RELAY_RECORD, 0);
	crowd_free(c);
}

/* A CLOSE of an earlier session, held back, does not end the present one. */
static void test_late_close(void **state)
{
	static const uint8_t plain[] = { 0, 0, 4, 0, 1, 5 };
	struct crowd *c = fresh(1, 1);
	struct crowd_site *s = &c->sites[0];
	uint8_t packet[200], other[200];
	size_t len = crowd_seal(s, plain, sizeof(plain), packet);
	size_t other_len = crowd_hop_make(s, 0, 2, 100, other);

	(void)state;
	crowd_run(c, SECONDS(10));
	crowd_register(s);
	crowd_run(c, 0);
	crowd_inject(c, &s->addr, packet, len);
	assert_int_equal(relay_members(c->relay), 1);
	crowd_inject(c, &s->addr, other, other_len); /* but its own */
	assert_only(c, RELAY_INDEX, 1);
	crowd_ping(s);
	crowd_run(c, 0);
	assert_int_equal(s->pongs, 3);
	crowd_free(c);
}

static void test_answers_are_limited(void **state)
{
	struct crowd *c = fresh(1, 1);

	(void)state;
	crowd_run(c, SECONDS(2));
	c->sent = 0;
	for (unsigned i = 0; i < 200; i++)
		crowd_ping(&c->sites[0]);
	assert_int_equal(c->sent, 50);
	assert_int_equal(crowd_member_drops(&c->sites[0], RELAY_FRAMES), 150);
	crowd_run(c, MS(500));
	for (unsigned i = 0; i < 200; i++)
		crowd_ping(&c->sites[0]);
	assert_int_equal(c->sent, 75);
	crowd_free(c);
}

/* ---- where members are ---- */

static void assert_at(struct crowd_site *s, uint16_t port)
{
	struct relay_member_view view;

	assert_true(crowd_view(s, &view));
	assert_int_equal(view.addr.port, port);
}

static void test_roaming(void **state)
{
	struct crowd *c = fresh(2, 2);
	struct crowd_site *s = &c->sites[0];

	(void)state;
	crowd_run(c, SECONDS(2));
	s->addr.port = 4000;
	crowd_hop(s, 2, 100); /* carried; and it is asked whether it is there */
	assert_at(s, 7741);
	crowd_run(c, 0);
	assert_int_equal(c->sites[1].n_hops, 1);
	assert_int_equal(s->pings, 1);
	assert_at(s, 4000);
	crowd_hop(&c->sites[1], 1, 100);
	crowd_ping(s);
	crowd_run(c, 0);
	assert_int_equal(s->n_hops, 1);
	assert_int_equal(s->observed_port, 4000);
	crowd_free(c);
}

/* Somebody on the path sends the member's packets on from elsewhere, first. */
static void test_stolen_packets(void **state)
{
	struct crowd *c = fresh(3, 2);
	struct crowd_site *s = &c->sites[0];
	uint8_t packet[200];
	size_t len;

	(void)state;
	crowd_run(c, SECONDS(2));
	c->sent = 0;
	for (unsigned i = 0; i < 50; i++) {
		len = crowd_hop_make(s, 0, 2, 100, packet);
		crowd_inject(c, &elsewhere, packet, len);
		crowd_hop(&c->sites[1], 1, 100);
		crowd_run(c, MS(100));
		assert_at(s, 7741);
	}
	assert_int_equal(s->n_hops, 50); /* all of it went where the member is */
	assert_int_equal(c->sites[1].n_hops, 50);
	assert_int_equal(c->sent, 100 + 5); /* and a question a second to that place */
	/* An answer from another place than the one asked is none. */
	s->addr.port = 4000;
	c->cut = true;
	crowd_run(c, SECONDS(1));
	crowd_hop(s, 2, 100);
	c->cut = false;
	crowd_control(s, WIRE_PONG, "twelve bytes", 12);
	crowd_run(c, 0);
	assert_at(s, 7741);
	crowd_free(c);
}

/* The answer has to come from the place that was asked, and counts once. */
static void test_answers_from_elsewhere(void **state)
{
	struct crowd *c = fresh(1, 1);
	struct crowd_site *s = &c->sites[0];
	static const uint8_t nothing[12];

	(void)state;
	crowd_run(c, SECONDS(2));
	s->addr.port = 4000;
	crowd_control(s, WIRE_PONG, nothing, 12);
	s->addr.port = 5000;
	c->wire[c->at].to.port = 5000; /* it hears the question, and answers by another way */
	crowd_run(c, 0);
	assert_int_equal(s->pings, 1);
	assert_at(s, 7741);
	crowd_run(c, SECONDS(1));
	crowd_ping(s);
	crowd_run(c, 0);
	assert_at(s, 5000);
	s->addr.port = 4000;
	crowd_run(c, SECONDS(1));
	crowd_ping(s);
	crowd_run(c, 0);
	assert_at(s, 4000);
	/* A question that was answered is not one any more. */
	s->addr.port = 5000;
	crowd_register(s);
	crowd_run(c, 0);
	s->addr.port = 4000;
	crowd_control(s, WIRE_PONG, nothing, 12);
	assert_at(s, 5000);
	crowd_free(c);
}

/* Copies to a member that moves within a turn go each to where it was then. */
static void test_move_within_a_turn(void **state)
{
	struct crowd *c = fresh(2, 2);
	struct crowd_site *s = &c->sites[0];
	uint8_t hops[2][200], pong[200], plain[18] = { 0, 0, 4, 0, 13, 2 };
	size_t len = 0;

	(void)state;
	crowd_run(c, SECONDS(2));
	for (unsigned i = 0; i < 2; i++)
		len = crowd_hop_make(&c->sites[1], 0, 1, 100, hops[i]);
	s->dumb = true;
	s->addr.port = 4000;
	crowd_ping(s);
	/* The PING is the only one on its way there: it is opened by hand. */
	for (; c->wire[c->at].to.port != 4000; c->at++)
		free(c->wire[c->at].data);
	memcpy(pong, c->wire[c->at].data, c->wire[c->at].len);
	assert_int_equal(c->wire[c->at].len, 50);
	{
		uint8_t aad[32], *body = pong + 16;

		memcpy(aad, s->context_in, 16);
		memcpy(aad + 16, pong, 16);
		assert_true(aead_open(&s->now.open, be64_get(pong + 8), aad, 32, body, 34, body));
		memcpy(plain + 6, body + 6, 12);
	}
	crowd_forget(c);
	relay_datagrams(c->relay, 3, &c->sites[1].addr, hops[0], len, len, c->now);
	relay_datagrams(c->relay, 3, &s->addr, pong, crowd_seal(s, plain, 18, pong), 50, c->now);
	relay_datagrams(c->relay, 3, &c->sites[1].addr, hops[1], len, len, c->now);
	relay_close(c->relay);
	assert_int_equal(c->n_wire - c->at, 3);
	assert_int_equal(c->wire[c->at].to.port, 7741);
	assert_int_equal(c->wire[c->at + 1].to.port, 4000); /* NOTICE: it is seen there now */
	assert_int_equal(c->wire[c->at + 2].to.port, 4000);
	crowd_free(c);
}

/* Late packets from where it was do not ask it back. */
static void test_old_packets_ask_nothing(void **state)
{
	struct crowd *c = fresh(2, 2);
	struct crowd_site *s = &c->sites[0];
	uint8_t late[200];
	size_t len = crowd_hop_make(s, 0, 2, 100, late);

	(void)state;
	crowd_ping(s);
	crowd_run(c, SECONDS(2));
	c->sent = 0;
	crowd_inject(c, &elsewhere, late, len);
	assert_int_equal(c->sent, 1); /* the copy */
	crowd_free(c);
}

/* The first packet under a new key comes from where the RESPONSE did not go: the
 * member gets nothing before it has answered there. */
static void test_confirmed_from_elsewhere(void **state)
{
	struct crowd *c = fresh(2, 1);
	struct crowd_site *s = &c->sites[1];
	struct crowd_packet *p;

	(void)state;
	crowd_register(s);
	s->addr.port = 4000;
	p = &c->wire[c->at];
	p->to.port = 4000; /* the RESPONSE finds it there nevertheless */
	s->dumb = false;
	c->sent = 0;
	c->sent_bytes = 0;
	c->cut = true;
	crowd_run(c, 0);
	assert_int_equal(relay_members(c->relay), 2);
	assert_int_equal(c->sent, 1); /* one PING of 50 bytes for a PING of 50 */
	assert_int_equal(c->sent_bytes, 50);
	assert_int_equal(crowd_member_drops(s, RELAY_UNCONFIRMED), 1);
	crowd_hop(s, 1, 100);
	assert_int_equal(crowd_member_drops(s, RELAY_UNCONFIRMED), 2);
	crowd_hop(&c->sites[0], 2, 100);
	crowd_hop(&c->sites[0], WIRE_HOP_FLOOD, 100);
	assert_int_equal(crowd_member_drops(&c->sites[0], RELAY_MEMBER), 1);
	assert_int_equal(c->sent, 1);
	crowd_run(c, SECONDS(1));
	c->cut = false;
	crowd_ping(s);
	crowd_run(c, 0);
	assert_at(s, 4000);
	crowd_hop(&c->sites[0], 2, 100);
	crowd_run(c, 0);
	assert_int_equal(s->n_hops, 1);
	crowd_free(c);
}

/* A register from a place that never answers makes one datagram, and no member. */
static void test_silent_place(void **state)
{
	struct crowd *c = fresh(1, 0);

	(void)state;
	c->sites[0].dumb = true;
	crowd_register(&c->sites[0]);
	crowd_run(c, SECONDS(20));
	assert_int_equal(c->sent, 1);
	assert_int_equal(crowd_network_drops(c, "lab", RELAY_HANDSHAKE), 0); /* gone as well */
	assert_int_equal(crowd_drops(c, RELAY_HANDSHAKE), 1);
	assert_int_equal(relay_due(c->relay).us, INSTANT_NEVER.us);
	crowd_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_forged_registers),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_recorded_registers),
		cmocka_unit_test(test_ancient_register),
		cmocka_unit_test(test_answers_are_not_pushed_out),
		cmocka_unit_test(test_under_load),
		cmocka_unit_test(test_load_ends),
		cmocka_unit_test(test_rate_of_an_address),
		cmocka_unit_test(test_forged_packets),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_spoofed_source),
		cmocka_unit_test(test_reflection),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_close_and_more),
		cmocka_unit_test(test_late_close),
		cmocka_unit_test(test_answers_are_limited),
		cmocka_unit_test(test_roaming),
		cmocka_unit_test(test_stolen_packets),
		cmocka_unit_test(test_answers_from_elsewhere),
		cmocka_unit_test(test_move_within_a_turn),
		cmocka_unit_test(test_old_packets_ask_nothing),
		cmocka_unit_test(test_confirmed_from_elsewhere),
		cmocka_unit_test(test_silent_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
