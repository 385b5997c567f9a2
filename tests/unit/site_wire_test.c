/* SPDX-License-Identifier: MIT */
/* Wire mode: two ends joined, and the carrier that follows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "sim/libsupers.h"
#include "unit/libpair.h"

static const struct pair_setup wire[PAIR_SITES] = { { .wire = true }, { .wire = true }, { 0 } };
static const struct pair_setup mixed[PAIR_SITES] = { { .wire = true }, { 0 }, { 0 } };

static struct pair *world; /* whose time it is */
static struct rand_seeded dice;
static unsigned loss; /* percent */

/* What the devices of both sites were told, and when. */
static struct seen {
	bool on;
	unsigned times;
	struct instant at;
} seen[2];

static void note_carrier(void *ctx, bool on)
{
	const struct pair_site *s = ctx;

	seen[s->number].on = on;
	seen[s->number].times++;
	seen[s->number].at = world->now;
}

static bool lose_some(struct pair *p, struct pair_packet *packet)
{
	struct rand_source rand = rand_source_seeded(&dice, dice.state);
	uint64_t v;

	(void)p;
	(void)packet;
	rand_fill(&rand, &v, sizeof(v));
	return v % 100 >= loss;
}

static struct pair *begin(const struct pair_setup *setup)
{
	struct pair *p = pair_new(2, setup);

	world = p;
	memset(seen, 0, sizeof(seen));
	for (unsigned i = 0; i < 2; i++)
		p->s[i].port.carrier = note_carrier;
	return p;
}

static struct pair *connected(const struct pair_setup *setup)
{
	struct pair *p = begin(setup);

	pair_run(p, SECONDS(3));
	assert_true(pair_connected(p, 0, 1));
	return p;
}

static void plug_out(struct pair *p, unsigned i, bool in)
{
	site_port_link(&p->s[i].site, 0, in, p->now);
	site_close(&p->s[i].site);
}

static void come_in(struct pair *p, unsigned site, unsigned port, const uint8_t *bytes, size_t len,
		    const struct vnet *vnet)
{
	uint8_t *buffer = malloc(SITE_HEADROOM + len);

	memcpy(buffer + SITE_HEADROOM, bytes, len);
	site_frame(&p->s[site].site, port, buffer + SITE_HEADROOM, len, vnet, p->now);
	site_close(&p->s[site].site);
	free(buffer);
}

/* Every frame passes, as it is. */
static void test_every_frame_passes(void **state)
{
	static const uint16_t lens[] = { 14, 15, 60, 1514, 1518, 9018, WIRE_FRAME_MAX };
	struct pair *p = connected(wire);
	static uint8_t frame[WIRE_FRAME_MAX];
	const struct vnet plain = { 0 };
	unsigned n = 0;

	(void)state;
	p->s[0].site.mss_clamp = 500;
	for (unsigned last = 0; last < 18; last++) {
		for (size_t i = 0; i < COUNT_OF(lens); i++) {
			const struct pair_frame *got = p->s[1].frames + n;

			memset(frame, (int)i, sizeof(frame));
			memcpy(frame, (uint8_t[]){ 1, 0x80, 0xc2, 0, 0, (uint8_t)last }, 6);
			if (last >= 16)
				memset(frame, 0xff, 6);
			come_in(p, 0, 0, frame, lens[i], &plain);
			pair_run(p, MS(20));
			assert_int_equal(p->s[1].n_frames, ++n);
			assert_int_equal(got->len, lens[i]);
			assert_memory_equal(got->data, frame, lens[i]);
		}
	}
	pair_forget(p);
	/* The same address at both ends is none of its business. */
	pair_send(p, 0, 1, 501, 100);
	pair_send(p, 1, 1, 502, 100);
	pair_send(p, 0, 1, 503, 100);
	pair_run(p, MS(20));
	assert_int_equal(pair_got(p, 1, 501) + pair_got(p, 0, 502) + pair_got(p, 1, 503), 3);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(p->s[i].site.switching.fdb.used, 0);
	pair_free(p);
}

static void test_super_frames_pass(void **state)
{
	size_t payload = 0;
	static const uint8_t to[6] = { 2, 1 }, from[6] = { 2, 2 };
	struct pair *p = connected(wire);
	struct super s;

	(void)state;
	assert_true(super_make(&s, 3, 0, 40000, to, from));
	come_in(p, 0, 0, s.bytes, s.len, &s.vnet);
	pair_run(p, MS(50));
	for (size_t i = 0; i < p->s[1].n_frames; i++) /* they come datagram by datagram here */
		payload += p->s[1].frames[i].len - s.headers;
	assert_int_equal(payload, s.len - s.headers);
	super_free(&s);
	pair_free(p);
}

/* Two local ports; a third has no place, and peers are no end. */
static void test_two_local_ports(void **state)
{
	struct pair *p = connected(wire);
	struct site *site = &p->s[0].site;
	struct port second, third;

	(void)state;
	assert_true(port_init(&second, "lab", p->s[0].port.write, &p->s[0]));
	assert_true(port_init(&third, "more", p->s[0].port.write, &p->s[0]));
	second.carrier = note_carrier;
	seen[0] = (struct seen){ 0 };
	assert_int_equal(site_add_port(site, &second), 1);
	assert_false(p->s[0].port.carrier_on); /* the other is not up yet */
	assert_true(second.carrier_on);
	assert_int_equal(seen[0].times, 1);
	second.up = true;
	site_port_link(site, 1, true, p->now);
	assert_true(p->s[0].port.carrier_on);
	assert_int_equal(site_add_port(site, &third), -1);

	pair_send(p, 0, 1, 7, 100);
	assert_int_equal(second.tx.frames, 1);
	pair_send(p, 1, 0, 8, 100);
	pair_run(p, MS(20));
	assert_int_equal(pair_got(p, 0, 7), 1); /* both devices are here */
	assert_int_equal(pair_got(p, 1, 7) + pair_got(p, 0, 8), 0);
	assert_int_equal(pair_drops(p, 0, DROP_WIRE), 1);

	site_port_link(site, 0, false, p->now);
	assert_false(second.carrier_on);
	assert_true(p->s[0].port.carrier_on);
	site_remove_port(site, 0);
	assert_int_equal(site_add_port(site, &third), 0);
	site_remove_port(site, 0);
	site_remove_port(site, 1);
	port_free(&second);
	port_free(&third);
	pair_free(p);
}

static void test_no_other_end(void **state)
{
	struct pair *p = begin(wire);

	(void)state;
	pair_send(p, 0, 1, 7, 100); /* no session yet */
	assert_int_equal(p->s[0].peer[1]->drops.count[DROP_NO_SESSION], 1);
	site_remove_peer(&p->s[0].site, p->s[0].peer[1], p->now);
	pair_send(p, 0, 1, 7, 100);
	assert_int_equal(p->s[0].port.drops.count[DROP_WIRE], 1);
	pair_free(p);
}

/* Up with the session, and what is told is told once. */
static void test_carrier_follows_the_session(void **state)
{
	struct pair *p = begin(wire);

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		assert_false(p->s[i].port.carrier_on);
	pair_run(p, SECONDS(3));
	for (unsigned i = 0; i < 2; i++) {
		assert_true(seen[i].on);
		assert_int_equal(seen[i].times, 1);
	}
	site_goodbye(&p->s[0].site, p->now);
	site_close(&p->s[0].site);
	assert_false(seen[0].on);
	pair_run(p, PAIR_DELAY + MS(1));
	assert_false(seen[1].on);
	pair_run(p, SECONDS(20));
	assert_true(pair_connected(p, 0, 1));
	assert_true(seen[0].on && seen[1].on);
	pair_free(p);
}

/* What a device was told is no reason to say so to the other: both would wait for ever. */
static void test_comes_back_when_both_were_down(void **state)
{
	struct pair *p = connected(wire);

	(void)state;
	plug_out(p, 0, false);
	plug_out(p, 1, false);
	pair_run(p, MS(50));
	assert_false(seen[0].on || seen[1].on);
	plug_out(p, 0, true);
	pair_run(p, MS(50));
	assert_false(seen[0].on);
	assert_true(seen[1].on);
	plug_out(p, 1, true);
	pair_run(p, MS(50));
	assert_true(seen[0].on && seen[1].on);
	pair_free(p);
}

/* Under 100 ms although each fifth datagram is lost, many times, both ways. */
static void test_in_time_with_losses(void **state)
{
	struct pair *p = connected(wire);
	int64_t longest = 0;

	(void)state;
	p->filter = lose_some;
	loss = 20;
	for (unsigned i = 0; i < 300; i++) {
		unsigned near = i / 2 % 2, far = !near;
		struct instant then = p->now;
		bool up = i % 2;

		plug_out(p, near, up);
		pair_run(p, MS(100));
		if (seen[far].on != up)
			fail_msg("round %u", i);
		longest = MAX(longest, instant_between(then, seen[far].at));
		pair_run(p, MS(i % 7 * 10));
	}
	assert_in_range(longest, PAIR_DELAY + 1, MS(99)); /* it was not for want of losses */
	pair_free(p);
}

/* A side that is down when the session begins says so. */
static void test_said_with_a_new_session(void **state)
{
	struct pair *p = begin(wire);

	(void)state;
	plug_out(p, 1, false);
	pair_run(p, SECONDS(3));
	assert_true(pair_connected(p, 0, 1));
	assert_false(seen[0].on);
	assert_true(seen[1].on);
	peers_rekey(&p->s[1].site.peers, p->s[1].peer[0], p->now);
	pair_run(p, SECONDS(5));
	assert_true(p->s[0].events[PEER_REKEYED] > 0);
	assert_false(seen[0].on);
	/* A peer that began anew counts from 1 again, and is believed. */
	for (uint32_t i = 0; i < 50; i++) {
		plug_out(p, 1, i % 2 == 0);
		pair_run(p, MS(50));
	}
	assert_false(seen[0].on);
	carrier_init(&p->s[1].site.carrier);
	carrier_set(&p->s[1].site.carrier, true, p->now);
	p->s[1].port.link = true;
	peers_rekey(&p->s[1].site.peers, p->s[1].peer[0], p->now);
	pair_run(p, MS(200));
	assert_true(seen[0].on);
	pair_free(p);
}

static bool knows_nothing(void *ctx, struct peer *peer, uint8_t type, const uint8_t *body,
			  size_t len)
{
	(void)ctx;
	(void)peer;
	(void)type;
	(void)body;
	(void)len;
	return false;
}

/* A peer that does not know the record: it is told for 10 s, and its end counts as up. */
static void test_old_peer(void **state)
{
	struct pair *p = begin(mixed);

	(void)state;
	p->s[1].site.peers.events.carrier = knows_nothing;
	pair_run(p, SECONDS(20));
	assert_true(seen[0].on);
	assert_in_range(pair_drops(p, 1, DROP_RECORD), 200, 205);
	plug_out(p, 1, false);
	pair_run(p, SECONDS(20));
	assert_true(seen[0].on);
	assert_int_equal(seen[0].times, 1);
	assert_in_range(pair_drops(p, 1, DROP_RECORD), 200, 205);
	pair_free(p);
}

/* A switch at the other end answers, and has nothing to say. */
static void test_peer_that_is_a_switch(void **state)
{
	struct pair *p = connected(mixed);

	(void)state;
	assert_true(seen[0].on);
	assert_int_equal(p->s[0].site.carrier.next.us, INSTANT_NEVER.us);
	assert_in_range(p->s[0].site.carrier.times, 1, 3);
	plug_out(p, 0, false);
	pair_run(p, MS(100));
	assert_int_equal(p->s[0].site.carrier.next.us, INSTANT_NEVER.us);
	assert_int_equal(seen[1].times, 0);
	assert_int_equal(pair_drops(p, 1, DROP_RECORD), 0);
	pair_free(p);
}

/* Another peer has no say, whatever it is. */
static void test_carrier_of_another_peer(void **state)
{
	static const uint8_t off[WIRE_CARRIER_LEN] = { 0, 0x7f, 0, 0, 0 };
	struct pair *p = world = pair_new(3, wire);

	(void)state;
	memset(seen, 0, sizeof(seen));
	p->s[0].port.carrier = note_carrier;
	pair_run(p, SECONDS(3));
	assert_true(pair_connected(p, 0, 1) && pair_connected(p, 0, 2));
	assert_true(seen[0].on);
	peer_send_control(p->s[2].peer[0], WIRE_CARRIER, off, sizeof(off));
	site_close(&p->s[2].site);
	pair_run(p, MS(50));
	assert_true(seen[0].on);
	peer_send_control(p->s[1].peer[0], WIRE_CARRIER, off, sizeof(off));
	site_close(&p->s[1].site);
	pair_run(p, MS(50));
	assert_false(seen[0].on);
	pair_free(p);
}

static void test_records_of_no_sense(void **state)
{
	static const struct {
		uint8_t body[6];
		size_t len;
	} rows[] = {
		{ { 2, 0, 0, 0, 9 }, 5 },
		{ { 0, 0, 0, 9 }, 4 },
		{ { 0, 0, 0, 0, 9, 0 }, 6 },
		{ { 0 }, 0 },
	};
	struct pair *p = connected(wire);

	(void)state;
	for (unsigned i = 0; i < 2 * COUNT_OF(rows); i++) {
		peer_send_control(p->s[0].peer[1], i % 2 ? WIRE_CARRIER : WIRE_CARRIED,
				  rows[i / 2].body, rows[i / 2].len);
		site_close(&p->s[0].site);
		pair_run(p, MS(50));
		assert_int_equal(pair_drops(p, 1, DROP_RECORD), i + 1);
	}
	assert_true(seen[1].on);
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_frame_passes),
		cmocka_unit_test(test_super_frames_pass),
		cmocka_unit_test(test_two_local_ports),
		cmocka_unit_test(test_no_other_end),
		cmocka_unit_test(test_carrier_follows_the_session),
		cmocka_unit_test(test_comes_back_when_both_were_down),
		cmocka_unit_test(test_in_time_with_losses),
		cmocka_unit_test(test_said_with_a_new_session),
		cmocka_unit_test(test_old_peer),
		cmocka_unit_test(test_peer_that_is_a_switch),
		cmocka_unit_test(test_carrier_of_another_peer),
		cmocka_unit_test(test_records_of_no_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
