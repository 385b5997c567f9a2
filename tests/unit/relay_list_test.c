/* SPDX-License-Identifier: MIT */
/* The member list as sites see it, and when they are told that it changed. */
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
#include "core/relay_network.h"
#include "unit/libcrowd.h"

static void want_list(struct crowd_site *s)
{
	if (!s->list)
		s->list = calloc(CROWD_LIST, sizeof(*s->list));
}

static void leave(struct crowd_site *s)
{
	crowd_control(s, WIRE_CLOSE, NULL, 0);
	s->now.up = false;
	s->number = 0;
}

/* What the site knows is what `show` tells. */
static void assert_in_sync(struct crowd_site *s)
{
	struct relay_member_view view;
	const uint8_t nobody[KEX_KEY] = { 0 };
	unsigned there = 0, known = 0;
	struct addr at_now;
	size_t at = 0;

	while (relay_next_member(s->crowd->relay, s->network, &at, &view)) {
		const struct crowd_entry *e = &s->list[view.number];

		there++;
		assert_true(e->there);
		assert_memory_equal(e->public_key, view.public_key, KEX_KEY);
		assert_string_equal(e->name, view.name);
		assert_true(relay_member_at(s->crowd->relay, s->network, view.public_key, &at_now));
		assert_true(addr_equal(&at_now, &view.addr));
		assert_false(relay_member_at(s->crowd->relay, "none", view.public_key, &at_now));
		assert_false(relay_member_at(s->crowd->relay, s->network, nobody, &at_now));
	}
	for (unsigned i = 0; i < CROWD_LIST; i++)
		known += s->list[i].there;
	assert_int_equal(known, there);
}

static void test_sync(void **state)
{
	struct crowd *c = crowd_new(NULL, 256);

	(void)state;
	for (unsigned i = 0; i < 256; i += 51)
		want_list(&c->sites[i]);
	crowd_join(c, 0, 256);
	crowd_run(c, SECONDS(3));
	for (unsigned i = 0; i < 256; i += 51) {
		struct crowd_site *s = &c->sites[i];

		assert_in_sync(s);
		assert_int_equal(s->reached, s->revision);
		assert_int_equal(s->resets, 1);
		assert_in_range(s->longest, 1000, WIRE_RELAY_DATAGRAM);
	}
	leave(&c->sites[10]);
	memcpy(c->sites[20].name, "another", 8);
	crowd_run(c, SECONDS(6));
	crowd_register(&c->sites[20]);
	crowd_run(c, SECONDS(1));
	for (unsigned i = 0; i < 256; i += 51) {
		assert_in_sync(&c->sites[i]);
		assert_int_equal(c->sites[i].resets, 1);
	}
	assert_string_equal(c->sites[51].list[21].name, "another");
	assert_false(c->sites[51].list[11].there);
	crowd_free(c);
}

/* Whoever missed more than the tombstones tell begins anew; and a list that was last
 * changed before the oldest tombstone is not begun anew with every part of it. */
static void test_reset(void **state)
{
	struct crowd *c = crowd_new(NULL, 250);
	struct crowd_site *first = &c->sites[0], *late = &c->sites[249];

	(void)state;
	want_list(first);
	crowd_join(c, 0, 200);
	crowd_run(c, SECONDS(2));
	assert_in_sync(first);
	first->lazy = true;
	for (unsigned i = 0; i < RELAY_GONE; i++) {
		leave(&c->sites[199]);
		crowd_join(c, 199, 1);
		crowd_run(c, MS(250));
		crowd_ping(first);
	}
	crowd_run(c, 0);
	first->lazy = false;
	crowd_ping(first);
	crowd_run(c, SECONDS(1));
	assert_in_sync(first);
	assert_int_equal(first->resets, 1);
	first->lazy = true;
	for (unsigned i = 0; i < RELAY_GONE + 1; i++) {
		leave(&c->sites[199]);
		crowd_join(c, 199, 1);
		crowd_run(c, MS(250));
		crowd_ping(first);
	}
	crowd_run(c, 0);
	first->lazy = false;
	crowd_ping(first);
	crowd_run(c, SECONDS(1));
	assert_in_sync(first);
	assert_int_equal(first->resets, 2);
	want_list(late);
	crowd_join(c, 249, 1);
	crowd_run(c, SECONDS(1));
	assert_in_sync(late);
	assert_int_equal(late->resets, 1);
	crowd_free(c);
}

/* Fetches the list, with every third answer lost, while members from *gone on leave,
 * so many with each question. */
static void fetch(struct crowd_site *s, unsigned *gone, unsigned leaving)
{
	struct crowd *c = s->crowd;
	uint8_t body[8];

	s->reached = s->base = s->resets = 0;
	s->lazy = true;
	for (unsigned i = 0; i < 12 || s->reached != s->revision; i++) {
		be32_put(body, s->reached);
		be32_put(body + 4, s->base);
		c->cut = i % 3 == 1;
		crowd_control(s, WIRE_MEMBERS_ASK, body, sizeof(body));
		c->cut = false;
		crowd_run(c, MS(50));
		for (unsigned n = 0; n < leaving && i > 1 && i < 10; n++)
			leave(&c->sites[(*gone)++]);
		assert_in_range(i, 0, 100);
	}
	s->lazy = false;
}

/* Members that go while a long list is fetched, and answers that get lost. */
static void test_changes_meanwhile(void **state)
{
	struct crowd *c = crowd_new(NULL, 250);
	struct crowd_site *s = &c->sites[0];
	unsigned gone = 10;

	(void)state;
	want_list(s);
	s->lazy = true;
	crowd_join(c, 0, 250);
	crowd_run(c, SECONDS(2));
	for (unsigned leaving = 0; leaving < 3; leaving++) {
		memset(s->list, 0, CROWD_LIST * sizeof(*s->list));
		fetch(s, &gone, leaving);
		assert_in_sync(s);
		assert_int_equal(s->resets, 1);
	}
	memset(s->list, 0, CROWD_LIST * sizeof(*s->list));
	fetch(s, &gone, 15);
	assert_in_sync(s);
	assert_true(s->resets > 1); /* more went than the tombstones tell */
	crowd_free(c);
}

/* From a revision that is not this list's: before a restart, or made up. */
static void test_revision_from_elsewhere(void **state)
{
	struct crowd *c = crowd_new(NULL, 3);
	struct crowd_site *s = &c->sites[0];
	static const int32_t off[] = { 1, 1000, -1000, INT32_MIN };

	(void)state;
	want_list(s);
	crowd_join(c, 0, 3);
	crowd_run(c, SECONDS(1));
	for (unsigned i = 0; i < COUNT_OF(off); i++) {
		uint8_t body[8] = { 0 };

		be32_put(body, s->revision + (uint32_t)off[i]);
		crowd_control(s, WIRE_MEMBERS_ASK, body, sizeof(body));
		crowd_run(c, 0);
		assert_int_equal(s->resets, 2 + i);
		be32_put(body, s->revision - 1);
		be32_put(body + 4, s->revision + (uint32_t)off[i]);
		crowd_control(s, WIRE_MEMBERS_ASK, body, sizeof(body));
		crowd_run(c, 0);
		assert_int_equal(s->resets, 2 + i + (off[i] > 0 || off[i] == INT32_MIN));
		s->resets = 2 + i;
	}
	crowd_free(c);
}

/* Two relays, or one and itself after a restart, do not begin alike. */
static void test_revisions_begin_at_random(void **state)
{
	struct relay_setup setup = crowd_setup();
	uint32_t revisions[8];

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		struct crowd *c;

		setup.rand = rand_source_kernel();
		c = crowd_new(&setup, 1);
		crowd_join(c, 0, 1);
		revisions[i] = c->sites[0].revision;
		assert_true(revisions[i] > 0);
		for (unsigned j = 0; j < i; j++)
			assert_int_not_equal(revisions[i], revisions[j]);
		crowd_free(c);
	}
}

static void test_numbers(void **state)
{
	struct crowd *c = crowd_new(NULL, 80);

	(void)state;
	crowd_join(c, 0, 5);
	leave(&c->sites[1]);
	crowd_run(c, MS(10));
	for (unsigned i = 0; i < RELAY_GONE; i++) { /* its own tombstone among them */
		crowd_join(c, 5, 1);
		assert_int_equal(c->sites[5].number, 6 + i);
		crowd_hop(&c->sites[0], 2, 100); /* meanwhile that is nobody */
		leave(&c->sites[5]);
		crowd_run(c, MS(10));
	}
	assert_int_equal(crowd_drops(c, RELAY_MEMBER), RELAY_GONE);
	crowd_join(c, 5, 1);
	assert_int_equal(c->sites[5].number, 2);
	crowd_free(c);
}

/* What one answer says, byte by byte. */
static void test_bytes(void **state)
{
	static const uint8_t zero[KEX_KEY];
	struct relay_networks ns;
	struct relay_members ms;
	struct rand_seeded rand;
	struct relay_network *net;
	struct relay_member *m[3];
	uint8_t key[KEX_KEY] = { 0 }, id[8] = { 0 }, list[WIRE_RELAY_DATAGRAM];
	uint32_t revision;

	(void)state;
	assert_true(aead_start());
	assert_true(relay_networks_init(&ns, rand_source_seeded(&rand, 4)));
	assert_true(relay_members_init(&ms, 5, ns.rand));
	net = relay_network_new(&ns, "bytes");
	revision = net->revision;
	for (uint32_t i = 0; i < 3; i++) {
		key[9] = (uint8_t)(i + 1);
		m[i] = relay_member_new(&ms, net, net->id, key, id);
		snprintf(m[i]->name, sizeof(m[i]->name), "m%u", i);
		relay_network_join(net, &ms, m[i]);
	}
	relay_network_leave(net, m[1]);
	/* From nothing: the members alone, and all is said. */
	assert_int_equal(relay_network_list(net, 0, 0, list, 500), 10 + 2 * (38 + 2));
	assert_int_equal(be32_get(list), revision + 4);
	assert_int_equal(be32_get(list + 4), revision + 4);
	assert_int_equal(list[8], WIRE_MEMBERS_RESET);
	assert_int_equal(list[9], 2);
	assert_int_equal(be32_get(list + 10), 1);
	assert_int_equal(list[14], 0);
	assert_memory_equal(list + 15, m[0]->public_key, KEX_KEY);
	assert_memory_equal(list + 47, "\2m0", 3);
	assert_int_equal(be32_get(list + 50), 3);
	/* From the second on: the third, and that the second went. */
	assert_int_equal(relay_network_list(net, revision + 2, 0, list, 500), 10 + 40 + 38);
	assert_int_equal(list[8], 0);
	assert_int_equal(be32_get(list + 10), 3);
	assert_int_equal(be32_get(list + 50), 2);
	assert_int_equal(list[54], WIRE_MEMBER_GONE);
	assert_memory_equal(list + 55, zero, KEX_KEY);
	assert_int_equal(list[87], 0);
	/* Nothing new; and room for one entry only. */
	assert_int_equal(relay_network_list(net, revision + 4, 0, list, 500), 10);
	assert_int_equal(relay_network_list(net, 0, 0, list, 10 + 38 + 63), 10 + 40);
	assert_int_equal(be32_get(list + 4), revision + 1);
	relay_members_free(&ms);
	relay_networks_free(&ns);
}

/* In a network of as many members as may be, numbers of those that went are given again
 * when there are no others; who asks for changes since then begins anew. */
static void test_a_full_network(void **state)
{
	struct relay_networks ns;
	struct relay_members ms;
	struct rand_seeded rand;
	struct relay_network *net;
	struct relay_member *m[WIRE_MEMBERS_MAX];
	uint8_t key[KEX_KEY] = { 0 }, id[8] = { 0 }, list[WIRE_RELAY_DATAGRAM];

	(void)state;
	assert_true(aead_start());
	assert_true(relay_networks_init(&ns, rand_source_seeded(&rand, 4)));
	assert_true(relay_members_init(&ms, 5000, ns.rand));
	net = relay_network_new(&ns, "full");
	for (uint32_t round = 0; round < 3; round++) {
		uint32_t before = net->revision;

		for (uint32_t i = 0; i < WIRE_MEMBERS_MAX; i++) {
			assert_false(relay_network_full(net));
			be32_put(key, i + round);
			m[i] = relay_member_new(&ms, net, net->id, key, id);
			relay_network_join(net, &ms, m[i]);
			assert_in_range(m[i]->number, 1, WIRE_MEMBERS_MAX);
			assert_ptr_equal(relay_member_numbered(&ms, net->id, m[i]->number), m[i]);
		}
		assert_true(relay_network_full(net));
		assert_true(relay_network_list(net, before - 1, 0, list, sizeof(list)) > 1000);
		assert_int_equal(list[8], WIRE_MEMBERS_RESET);
		for (uint32_t i = 0; i < WIRE_MEMBERS_MAX; i++) {
			relay_network_leave(net, m[i]);
			relay_member_forget(&ms, m[i]);
		}
	}
	assert_int_equal(net->members, 0);
	relay_members_free(&ms);
	relay_networks_free(&ns);
}

/* ---- notices ---- */

static void test_notices_gather(void **state)
{
	struct crowd *c = crowd_new(NULL, 60);
	unsigned before;

	(void)state;
	memcpy(c->sites[59].network, "other", 6);
	crowd_join(c, 59, 1);
	crowd_join(c, 0, 8);
	crowd_run(c, SECONDS(1));
	before = c->sites[0].notices;
	crowd_join(c, 8, 50); /* at once */
	assert_int_equal(c->sites[0].notices, before);
	crowd_run(c, MS(199));
	assert_int_equal(c->sites[0].notices, before);
	crowd_run(c, MS(11));
	assert_int_equal(c->sites[0].notices, before + 1);
	assert_int_equal(c->sites[0].revision, c->sites[57].revision);
	crowd_run(c, SECONDS(5));
	assert_int_equal(c->sites[0].notices, before + 1);
	assert_int_equal(c->sites[8].notices, 2); /* with its PONG, and of those behind it */
	assert_int_equal(c->sites[57].notices, 1);
	assert_int_equal(c->sites[59].notices, 1);
	/* A change every 20 ms: five NOTICEs a second at most. */
	before = c->sites[0].notices;
	for (unsigned i = 0; i < 50; i++) {
		leave(&c->sites[57 - i]);
		crowd_run(c, MS(20));
	}
	assert_in_range(c->sites[0].notices - before, 4, 5);
	crowd_run(c, SECONDS(1));
	assert_in_range(c->sites[0].notices - before, 5, 6);
	crowd_free(c);
}

/* Sixty-four in a step of 10 ms, in all networks together, and all in the end. */
static void test_notices_are_spread(void **state)
{
	struct crowd *c = crowd_new(NULL, 402);
	uint64_t sent, most = 0;

	(void)state;
	for (unsigned i = 1; i < 402; i += 2)
		memcpy(c->sites[i].network, "other", 6);
	crowd_join(c, 0, 400);
	crowd_run(c, SECONDS(2));
	for (unsigned i = 0; i < 402; i++)
		c->sites[i].notices = 0;
	crowd_join(c, 400, 2);
	sent = c->sent;
	for (unsigned i = 0; i < 300; i++) {
		uint64_t before = c->sent;

		crowd_run(c, MS(1));
		most = MAX(most, c->sent - before);
	}
	assert_int_equal(most, 64);
	assert_int_equal(c->sent - sent, 400);
	for (unsigned i = 0; i < 402; i++)
		assert_int_equal(c->sites[i].notices, 1);
	assert_true(instant_before(instant_add(c->now, SECONDS(1)), relay_due(c->relay)));
	crowd_free(c);
}

/* What changes while members are told of a change is told by and by as well. */
static void test_change_in_a_round(void **state)
{
	struct crowd *c = crowd_new(NULL, 203);

	(void)state;
	crowd_join(c, 0, 200);
	crowd_run(c, SECONDS(2));
	for (unsigned i = 0; i < 203; i++)
		c->sites[i].notices = 0;
	crowd_join(c, 200, 1);
	crowd_run(c, MS(205)); /* 64 of them know */
	crowd_join(c, 201, 1);
	crowd_run(c, MS(20));
	crowd_join(c, 202, 1);
	crowd_run(c, SECONDS(1));
	for (unsigned i = 0; i < 203; i++) {
		assert_int_equal(c->sites[i].revision, c->sites[202].revision);
		assert_in_range(c->sites[i].notices, 1, 2);
	}
	crowd_free(c);
}

/* A member's own PING brings it what is new, and it is not told twice. */
static void test_told_with_the_pong(void **state)
{
	struct crowd *c = crowd_new(NULL, 3);

	(void)state;
	crowd_join(c, 0, 2);
	crowd_run(c, SECONDS(1));
	c->sites[0].notices = c->sites[1].notices = 0;
	crowd_join(c, 2, 1);
	crowd_run(c, MS(100));
	crowd_ping(&c->sites[0]);
	crowd_run(c, SECONDS(1));
	assert_int_equal(c->sites[0].notices, 1);
	assert_int_equal(c->sites[1].notices, 1);
	assert_int_equal(c->sites[0].revision, c->sites[2].revision);
	crowd_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sync),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_changes_meanwhile),
		cmocka_unit_test(test_revision_from_elsewhere),
		cmocka_unit_test(test_revisions_begin_at_random),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_a_full_network),
		cmocka_unit_test(test_notices_gather),
		cmocka_unit_test(test_notices_are_spread),
		cmocka_unit_test(test_change_in_a_round),
		cmocka_unit_test(test_told_with_the_pong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
