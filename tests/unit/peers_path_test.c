/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "unit/libnat.h"

/* Two sites, each behind a NAT of that kind or none, and a relay. */
static struct nat_world *two(enum nat_kind a, enum nat_kind b, unsigned relays)
{
	struct nat_world *w = nat_new(relays);

	nat_site_add(w, a == NAT_NONE ? -1 : nat_add(w, a, -1));
	nat_site_add(w, b == NAT_NONE ? -1 : nat_add(w, b, -1));
	return w;
}

static uint32_t next_number = 1;

/* Frames both ways each millisecond for that long; the longest time without one
 * at site 0 and 1. */
static int64_t longest_gap(struct nat_world *w, int64_t us)
{
	struct instant last[2] = { w->now, w->now }, end = instant_add(w->now, us);
	size_t had[2] = { w->s[0].n_got, w->s[1].n_got };
	int64_t gap = 0;

	while (instant_before(w->now, end)) {
		nat_send(w, 0, 1, next_number++);
		nat_send(w, 1, 0, next_number++);
		nat_run(w, MS(4));
		for (unsigned i = 0; i < 2; i++) {
			gap = MAX(gap, instant_between(last[i], w->now));
			if (w->s[i].n_got > had[i])
				last[i] = w->now;
			had[i] = w->s[i].n_got;
			if (had[i] > NAT_FRAMES - 64)
				had[i] = w->s[i].n_got = 0;
		}
	}
	return gap;
}

static bool may_go_direct(enum nat_kind a, enum nat_kind b)
{
	if (a == NAT_SYMMETRIC)
		return b != NAT_SYMMETRIC && b != NAT_RESTRICTED;
	if (b == NAT_SYMMETRIC)
		return a != NAT_RESTRICTED;
	return true;
}

/* Every pair of NATs: direct within 2 s where that can be, relayed where not, and
 * it stays so. */
static void test_every_pair(void **state)
{
	(void)state;
	for (enum nat_kind a = NAT_NONE; a <= NAT_SYMMETRIC; a++) {
		for (enum nat_kind b = NAT_NONE; b <= NAT_SYMMETRIC; b++) {
			struct nat_world *w = two(a, b, 1);
			bool direct = may_go_direct(a, b);
			unsigned changes;

			if (!nat_until(w, 0, 1, !direct, SECONDS(2)))
				fail_msg("NAT %d and %d: not %s", a, b,
					 direct ? "direct" : "relayed");
			nat_run(w, SECONDS(2));
			changes = w->s[0].events[PEER_PATH] + w->s[1].events[PEER_PATH];
			nat_run(w, SECONDS(300));
			assert_true(nat_is(w, 0, 1, !direct));
			assert_int_equal(w->s[0].events[PEER_PATH] + w->s[1].events[PEER_PATH],
					 changes);
			assert_int_equal(w->s[0].events[PEER_DOWN], 0);
			nat_send(w, 0, 1, 7);
			nat_run(w, MS(100));
			assert_int_equal(nat_got(w, 1, 7), 1);
			nat_free(w);
		}
	}
}

/* Behind one NAT: by the inside. */
static void test_same_nat(void **state)
{
	struct nat_world *w = nat_new(1);
	int box = nat_add(w, NAT_RESTRICTED, -1);

	(void)state;
	nat_site_add(w, box);
	nat_site_add(w, box);
	assert_true(nat_until(w, 0, 1, false, SECONDS(2)));
	assert_true(addr_equal(&w->s[0].peer[1]->endpoint.addr, &w->s[1].host.addr));
	nat_free(w);
}

static void test_nat_in_nat(void **state)
{
	struct nat_world *w = nat_new(1);
	int outer = nat_add(w, NAT_RESTRICTED, -1);

	(void)state;
	nat_site_add(w, nat_add(w, NAT_RESTRICTED, outer));
	nat_site_add(w, nat_add(w, NAT_RESTRICTED, -1));
	assert_true(nat_until(w, 0, 1, false, SECONDS(2)));
	nat_free(w);
}

static bool to_relays(const struct nat_packet *p)
{
	const uint8_t *from = p->from.ip, *to = p->to.ip;

	return (from[0] == 198 && from[3] >= 200) || (to[0] == 198 && to[3] >= 200);
}

static bool only_relayed(struct nat_world *w, const struct nat_packet *p)
{
	(void)w;
	return to_relays(p);
}

/* The direct path dies and comes back: relayed within 3 s, direct again later, and
 * no session is lost. */
static void test_change_over(void **state)
{
	struct nat_world *w = two(NAT_RESTRICTED, NAT_RESTRICTED, 1);
	int64_t gap;

	(void)state;
	assert_true(nat_until(w, 0, 1, false, SECONDS(2)));
	nat_run(w, SECONDS(3));
	assert_true(longest_gap(w, SECONDS(1)) < MS(50));
	w->filter = only_relayed;
	gap = longest_gap(w, SECONDS(5));
	print_message("direct path dead: gap of %d ms\n", (int)(gap / 1000));
	assert_true(gap < SECONDS(3));
	assert_true(nat_is(w, 0, 1, true));
	w->filter = NULL;
	gap = longest_gap(w, SECONDS(30));
	print_message("direct path back: gap of %d ms\n", (int)(gap / 1000));
	assert_true(gap < MS(100));
	assert_true(nat_is(w, 0, 1, false));
	assert_int_equal(w->s[0].peer[1]->path_changes, 3); /* the first: from relayed */
	assert_int_equal(w->s[0].events[PEER_DOWN], 0);
	assert_int_equal(w->s[0].events[PEER_UP], 1);
	nat_free(w);
}

/* A NAT forgets all and gives another port: direct again soon. */
static void test_other_port(void **state)
{
	struct nat_world *w = two(NAT_RESTRICTED, NAT_RESTRICTED, 1);
	int64_t gap;

	(void)state;
	assert_true(nat_until(w, 0, 1, false, SECONDS(2)));
	nat_run(w, SECONDS(3));
	memset(w->box[0].mapping, 0, sizeof(w->box[0].mapping));
	w->box[0].n = 0;
	gap = longest_gap(w, SECONDS(2));
	print_message("another port: gap of %d ms\n", (int)(gap / 1000));
	assert_true(nat_is(w, 0, 1, false));
	assert_int_equal(w->s[0].events[PEER_UP], 1);
	nat_free(w);
}

static bool one_way(struct nat_world *w, const struct nat_packet *p)
{
	return to_relays(p) || p->at == &w->s[0].host;
}

/* The direct path dies in one direction only. */
static void test_one_way_death(void **state)
{
	struct nat_world *w = two(NAT_NONE, NAT_RESTRICTED, 1);
	int64_t gap;

	(void)state;
	assert_true(nat_until(w, 0, 1, false, SECONDS(2)));
	nat_run(w, SECONDS(3));
	w->filter = one_way;
	gap = longest_gap(w, SECONDS(8));
	print_message("one way dead: gap of %d ms\n", (int)(gap / 1000));
	assert_true(gap < SECONDS(3));
	assert_true(nat_is(w, 0, 1, true));
	assert_true(longest_gap(w, SECONDS(60)) < MS(100));
	nat_free(w);
}

/* The relay dies: direct flows lose nothing. */
static void test_relay_killed_direct(void **state)
{
	struct nat_world *w = two(NAT_CONE, NAT_RESTRICTED, 1);

	(void)state;
	assert_true(nat_until(w, 0, 1, false, SECONDS(2)));
	nat_run(w, SECONDS(3));
	nat_relay_kill(w, 0);
	assert_true(longest_gap(w, SECONDS(60)) < MS(50));
	nat_relay_start(w, 0);
	assert_true(longest_gap(w, SECONDS(20)) < MS(50));
	assert_true(nat_is(w, 0, 1, false));
	nat_free(w);
}

/* Relayed flows: back soon after the restart, with the same sessions. */
static void test_relay_restarted(void **state)
{
	struct nat_world *w = two(NAT_SYMMETRIC, NAT_SYMMETRIC, 1);
	int64_t gap;

	(void)state;
	assert_true(nat_until(w, 0, 1, true, SECONDS(2)));
	assert_true(longest_gap(w, SECONDS(1)) < MS(50));
	nat_relay_kill(w, 0);
	longest_gap(w, SECONDS(2));
	nat_relay_start(w, 0);
	gap = longest_gap(w, SECONDS(10));
	print_message("relay restarted: gap of %d ms\n", (int)(gap / 1000));
	assert_true(gap < SECONDS(5));
	assert_int_equal(w->s[0].events[PEER_DOWN], 0);
	nat_free(w);
}

static void test_second_relay(void **state)
{
	struct nat_world *w = two(NAT_SYMMETRIC, NAT_SYMMETRIC, 2);
	int64_t gap;

	(void)state;
	assert_true(nat_until(w, 0, 1, true, SECONDS(2)));
	nat_run(w, SECONDS(2));
	assert_true(longest_gap(w, SECONDS(1)) < MS(50));
	nat_relay_kill(w, w->s[0].peer[1]->endpoint.addr.port);
	gap = longest_gap(w, SECONDS(10));
	print_message("second relay: gap of %d ms\n", (int)(gap / 1000));
	assert_true(gap < SECONDS(3));
	assert_int_equal(w->s[0].events[PEER_DOWN], 0);
	nat_free(w);
}

/* Mappings that last 2 s: the path changes once, and then stays. */
static void test_short_mappings(void **state)
{
	struct nat_world *w = two(NAT_RESTRICTED, NAT_RESTRICTED, 1);
	unsigned changes;

	(void)state;
	w->timeout = SECONDS(2);
	assert_true(nat_until(w, 0, 1, false, SECONDS(2)));
	nat_run(w, SECONDS(60));
	changes = w->s[0].events[PEER_PATH] + w->s[1].events[PEER_PATH];
	nat_run(w, SECONDS(300));
	assert_in_range(w->s[0].events[PEER_PATH] + w->s[1].events[PEER_PATH], changes, changes);
	assert_int_equal(w->s[0].events[PEER_DOWN] + w->s[1].events[PEER_DOWN], 0);
	nat_send(w, 0, 1, 8);
	nat_run(w, SECONDS(1));
	nat_send(w, 0, 1, 9);
	nat_run(w, SECONDS(1));
	assert_int_equal(nat_got(w, 1, 9), 1);
	nat_free(w);
}

static uint8_t hop[2048];
static struct addr hop_from, hop_to;
static size_t hop_len;

static bool note_hop(struct nat_world *w, const struct nat_packet *p)
{
	if (addr_equal(&p->to, &w->r[0].host.addr) && p->data[0] == WIRE_HOP &&
	    p->len <= sizeof(hop)) {
		hop_len = p->len;
		memcpy(hop, p->data, p->len);
		hop_from = p->from;
		hop_to = p->to;
	}
	return true;
}

/* The site's own packets to a relay, in a frame that is to go through the tunnel. */
static void test_loop_through_relay(void **state)
{
	struct nat_world *w = two(NAT_NONE, NAT_SYMMETRIC, 1);
	uint8_t memory[SITE_HEADROOM + 42 + sizeof(hop)], *frame = memory + SITE_HEADROOM;
	struct site *site = &w->s[0].site;
	const uint64_t *dropped = &w->s[0].port.drops.count[DROP_SELF];
	struct vnet plain = { 0 };
	size_t len;

	(void)state;
	w->filter = note_hop;
	nat_run(w, SECONDS(2));
	assert_true(hop_len > 0);
	len = 42 + hop_len;
	memcpy(frame, (uint8_t[]){ 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, 0 }, 14);
	memcpy(frame + 14, (uint8_t[20]){ 0x45, [8] = 64, 17 }, 20);
	be16_put(frame + 16, (uint16_t)(len - 14));
	memcpy(frame + 26, hop_from.ip, 4);
	memcpy(frame + 30, hop_to.ip, 4);
	be16_put(frame + 34, hop_from.port);
	be16_put(frame + 36, hop_to.port);
	be16_put(frame + 38, (uint16_t)(8 + hop_len));
	be16_put(frame + 40, 0);
	memcpy(frame + 42, hop, hop_len);
	site_frame(site, 0, frame, len, &plain, w->now);
	assert_int_equal(*dropped, 1);
	frame[42 + 7] ^= 1; /* no session of this site */
	site_frame(site, 0, frame, len, &plain, w->now);
	assert_int_equal(*dropped, 1);
	site_close(site);
	nat_free(w);
}

#define CHALLENGE_LEN (WIRE_DATA_OVERHEAD + 14)
#define CHALLENGED_LEN (CHALLENGE_LEN + 7)

static unsigned answers;

static bool count_answers(struct nat_world *w, const struct nat_packet *p)
{
	answers += addr_equal(&p->to, &w->r[0].host.addr) && p->data[0] == WIRE_DATA &&
		   p->data[1] == WIRE_FLAG_PATH && p->len == CHALLENGED_LEN;
	return true;
}

/* A packet with PATH from site 0 to site 1, as if it came from the relay's address. */
static void send_path(struct nat_world *w, const uint8_t *plain, size_t len)
{
	uint8_t packet[WIRE_DATA_OVERHEAD + 64];

	keys_seal_path(&w->s[0].peer[1]->keys, plain, len, packet);
	site_datagrams(&w->s[1].site, 0, &w->r[0].host.addr, packet, len + WIRE_DATA_OVERHEAD,
		       len + WIRE_DATA_OVERHEAD, w->now);
	nat_run(w, MS(20));
}

/* They are answered where they came from, move nothing, and hold nothing else. */
/* Site 0 names a place; whether site 1 tries it. */
static bool is_tried(struct nat_world *w, const char *text)
{
	struct peer *teller = w->s[0].peer[1], *hearer = w->s[1].peer[0];
	uint8_t body[1 + 3 + 16];
	struct wr out = wr_make(body, sizeof(body));
	struct addr place;

	assert_true(addr_parse(&place, text, 0));
	wr_u8(&out, 1);
	wr_u8(&out, place.family);
	wr_u16(&out, place.port);
	wr_copy(&out, place.ip, place.family == ADDR_IPV4 ? 4 : 16);
	peer_send_control(teller, WIRE_CANDIDATES, body, out.used);
	nat_run(w, MS(100));
	return paths_find(&hearer->paths, &place, 0);
}

static void test_places_of_nobody(void **state)
{
	static const char *const none[] = {
		"0.0.0.0:7741",	  "0.1.2.3:7741",   "127.0.0.1:7741",	"127.9.9.9:22",
		"224.0.0.1:7741", "239.1.1.1:7741", "255.255.255.255:7741", "240.0.0.1:7741",
		"192.0.2.1:0",
	};
	struct nat_world *w = two(NAT_NONE, NAT_NONE, 1);

	(void)state;
	assert_true(nat_until(w, 0, 1, false, SECONDS(2)));
	nat_run(w, SECONDS(3));
	assert_true(is_tried(w, "192.0.2.1:7741"));
	assert_true(is_tried(w, "10.1.2.3:1"));
	for (unsigned i = 0; i < COUNT_OF(none); i++) {
		if (is_tried(w, none[i]))
			fail_msg("%s is tried", none[i]);
	}
	nat_free(w);
}

static void test_path_packets(void **state)
{
	static const uint8_t good[14] = { 0, 0, WIRE_CONTROL, 0, 9, WIRE_CHALLENGE, 1, 2 };
	static const struct {
		size_t len;
		uint8_t plain[20];
	} bad[] = {
		{ 14, { 0, 0, WIRE_CONTROL, 0, 9, WIRE_PING } },
		{ 14, { 0, 0, WIRE_CONTROL, 0, 9, WIRE_CLOSE } },
		{ 14, { 0, 0, WIRE_FRAME, 0, 9, WIRE_CHALLENGE } },
		{ 14, { 0, 1, WIRE_CONTROL, 0, 9, WIRE_CHALLENGE } },
		{ 14, { 0, 0, WIRE_CONTROL, 0, 8, WIRE_CHALLENGE } },
		{ 13, { 0, 0, WIRE_CONTROL, 0, 8, WIRE_CHALLENGE } },
		{ 15, { 0, 0, WIRE_CONTROL, 0, 9, WIRE_CHALLENGE } }, /* PAD behind it */
		{ 2, { 0 } },
	};
	struct nat_world *w = two(NAT_NONE, NAT_NONE, 1);
	struct peer *peer;
	struct addr before;
	uint64_t dropped;

	(void)state;
	assert_true(nat_until(w, 0, 1, false, SECONDS(2)));
	nat_run(w, SECONDS(3));
	peer = w->s[1].peer[0];
	before = peer->endpoint.addr;
	w->filter = count_answers;
	answers = 0;
	send_path(w, good, sizeof(good));
	assert_int_equal(answers, 1);
	dropped = peer->drops.count[DROP_RECORD];
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		send_path(w, bad[i].plain, bad[i].len);
		assert_int_equal(peer->drops.count[DROP_RECORD], ++dropped);
	}
	assert_int_equal(answers, 1);
	assert_true(addr_equal(&peer->endpoint.addr, &before));
	assert_int_equal(w->s[1].events[PEER_ROAMED] + w->s[1].events[PEER_DOWN], 0);
	nat_free(w);
}

#define CALLERS 11

static unsigned calls[CALLERS];

/* Sites' calls through the relay, as they leave. */
static bool count_calls(struct nat_world *w, const struct nat_packet *p)
{
	for (unsigned i = 0; i < w->n_sites; i++)
		calls[i] += addr_equal(&p->from, &w->s[i].host.addr) && p->data[0] == WIRE_HOP &&
			    p->data[WIRE_HOP_HEADER] == WIRE_INITIATION;
	return to_relays(p);
}

/* Of two that a relay lists to each other at once the one with the lower key calls, and
 * of many a few at a time. */
static void test_who_calls_whom(void **state)
{
	struct nat_world *w = nat_new(1);
	unsigned all = 0;

	(void)state;
	memset(calls, 0, sizeof(calls));
	w->filter = count_calls;
	for (unsigned i = 0; i < CALLERS; i++)
		nat_site_add(w, -1);
	for (unsigned i = 0; i < CALLERS; i++) {
		for (unsigned k = 0; k < i; k++)
			assert_true(nat_until(w, i, k, true, SECONDS(2)));
	}
	for (unsigned i = 0; i < CALLERS; i++)
		all += calls[i];
	assert_int_equal(all, CALLERS * (CALLERS - 1) / 2);
	for (unsigned i = 0; i < CALLERS; i++) {
		unsigned higher = 0;

		for (unsigned k = 0; k < CALLERS; k++)
			higher += k != i && !w->s[i].peer[k]->lower;
		assert_int_equal(calls[i], higher);
	}
	nat_free(w);
}

/* Nobody answers: a few calls are under way, and not again before their time. */
static bool lose_calls(struct nat_world *w, const struct nat_packet *p)
{
	return count_calls(w, p) &&
	       (p->data[0] != WIRE_HOP || p->data[WIRE_HOP_HEADER] != WIRE_INITIATION);
}

static void test_calls_to_a_crowd(void **state)
{
	struct nat_world *w = nat_new(1);

	(void)state;
	w->filter = lose_calls;
	for (unsigned i = 0; i < CALLERS; i++)
		nat_site_add(w, -1);
	nat_run(w, MS(400));
	for (unsigned i = 0; i < CALLERS; i++)
		assert_true(w->s[i].link[0]->whole);
	memset(calls, 0, sizeof(calls));
	nat_run(w, SECONDS(10));
	for (unsigned i = 0; i < CALLERS; i++)
		assert_in_range(calls[i], 0, 3 * PACE_FIRST + 2 * 10);
	w->filter = only_relayed;
	for (unsigned i = 0; i < CALLERS; i++) {
		for (unsigned k = 0; k < i; k++)
			assert_true(nat_until(w, i, k, true, SECONDS(30)));
	}
	nat_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_pair),	    cmocka_unit_test(test_same_nat),
		cmocka_unit_test(test_nat_in_nat),	    cmocka_unit_test(test_change_over),
		cmocka_unit_test(test_other_port),	    cmocka_unit_test(test_one_way_death),
		cmocka_unit_test(test_relay_killed_direct), cmocka_unit_test(test_relay_restarted),
		cmocka_unit_test(test_second_relay),	    cmocka_unit_test(test_short_mappings),
		cmocka_unit_test(test_loop_through_relay),  cmocka_unit_test(test_path_packets),
		cmocka_unit_test(test_places_of_nobody),
		cmocka_unit_test(test_who_calls_whom),	    cmocka_unit_test(test_calls_to_a_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
