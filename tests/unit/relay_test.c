/* SPDX-License-Identifier: MIT */
/* The relay: registering, admission, forwarding, limits, scale. */
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

static void set_network(struct crowd *c, const char *name, enum relay_access access)
{
	struct relay_network_setup setup = { .name = name, .access = access };

	assert_true(relay_network_set(c->relay, &setup, c->now));
}

static void test_words(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RELAY_DROP_COUNT; i++) {
		assert_true(strlen(relay_drop_text((enum relay_drop)i)) > 10);
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(relay_drop_name((enum relay_drop)i),
						relay_drop_name((enum relay_drop)j));
	}
}

/* ---- registering ---- */

static void test_register(void **state)
{
	struct crowd *c = crowd_new(NULL, 2);
	struct crowd_site *s = &c->sites[0];
	struct relay_member_view view;

	(void)state;
	crowd_register(s);
	assert_int_equal(c->kinds[WIRE_RESPONSE], 1);
	assert_false(crowd_view(s, &view)); /* nobody's member before it has shown up */
	assert_int_equal(relay_members(c->relay), 0);
	crowd_run(c, 0);
	assert_string_equal(s->relay_name, "hub");
	assert_int_equal(s->pongs, 1);
	assert_int_equal(s->notices, 1);
	assert_int_equal(s->number, 1);
	assert_int_equal(s->observed_port, 7741);
	assert_int_equal(s->observed_family, 4);
	assert_memory_equal(s->observed_ip, s->addr.ip, 16);
	assert_true(crowd_view(s, &view));
	assert_string_equal(view.name, "site-0");
	assert_memory_equal(view.public_key, s->public_key, KEX_KEY);
	assert_true(addr_equal(&view.addr, &s->addr));
	assert_int_equal(view.since.us, c->now.us);
	crowd_join(c, 1, 1);
	assert_int_equal(c->sites[1].number, 2);
	assert_int_equal(relay_members(c->relay), 2);
	crowd_free(c);
}

static void test_networks_are_told(void **state)
{
	struct crowd *c = crowd_new(NULL, 3);
	struct relay_network_view view;
	size_t at = 0;

	(void)state;
	set_network(c, "office", RELAY_OPEN);
	memcpy(c->sites[2].network, "other", 6);
	crowd_join(c, 0, 3);
	assert_true(relay_next_network(c->relay, &at, &view));
	assert_string_equal(view.name, "office");
	assert_true(view.configured);
	assert_int_equal(view.members, 0);
	assert_true(relay_next_network(c->relay, &at, &view));
	assert_string_equal(view.name, "lab");
	assert_false(view.configured);
	assert_int_equal(view.members, 2);
	assert_int_equal(view.revision, c->sites[1].revision);
	assert_true(relay_next_network(c->relay, &at, &view));
	assert_string_equal(view.name, "other");
	assert_int_equal(view.members, 1);
	assert_false(relay_next_network(c->relay, &at, &view));
	/* Members with numbers of their own in each. */
	assert_int_equal(c->sites[2].number, 1);
	crowd_free(c);
}

/* What a network was made by goes with its last member. */
static void test_network_of_strangers_goes(void **state)
{
	struct crowd *c = crowd_new(NULL, 1);
	struct relay_network_view view;
	size_t at = 0;

	(void)state;
	crowd_join(c, 0, 1);
	crowd_control(&c->sites[0], WIRE_CLOSE, NULL, 0);
	assert_false(relay_next_network(c->relay, &at, &view));
	at = 0;
	c->sites[0].dumb = true;
	crowd_register(&c->sites[0]); /* nor does one stay that nobody came to */
	assert_true(relay_next_network(c->relay, &at, &view));
	crowd_run(c, SECONDS(6));
	at = 0;
	assert_false(relay_next_network(c->relay, &at, &view));
	assert_int_equal(crowd_drops(c, RELAY_HANDSHAKE), 1);
	crowd_free(c);
}

static void test_secret(void **state)
{
	struct relay_network_setup setup = { .name = "lab", .access = RELAY_SECRET };
	struct crowd *c = crowd_new(NULL, 2);

	(void)state;
	memset(setup.secret, 5, KEX_KEY);
	assert_true(relay_network_set(c->relay, &setup, c->now));
	memset(c->sites[0].psk, 5, KEX_KEY);
	memset(c->sites[1].psk, 6, KEX_KEY);
	crowd_join(c, 0, 1);
	crowd_register(&c->sites[1]);
	crowd_run(c, 0);
	assert_int_equal(c->sites[1].bad, 1); /* it cannot read the RESPONSE */
	crowd_run(c, SECONDS(6));
	assert_int_equal(relay_members(c->relay), 1);
	assert_int_equal(crowd_network_drops(c, "lab", RELAY_HANDSHAKE), 1);
	for (unsigned i = 0; i < 5; i++) { /* also while it calls again and again */
		crowd_register(&c->sites[1]);
		crowd_run(c, SECONDS(1));
	}
	assert_int_equal(crowd_network_drops(c, "lab", RELAY_HANDSHAKE), 5);
	/* The same secret keeps who is in, another does not. */
	assert_true(relay_network_set(c->relay, &setup, c->now));
	assert_int_equal(relay_members(c->relay), 1);
	setup.secret[0] = 9;
	assert_true(relay_network_set(c->relay, &setup, c->now));
	assert_int_equal(relay_members(c->relay), 0);
	relay_close(c->relay);
	crowd_run(c, 0);
	assert_true(c->sites[0].closed);
	/* Nor does one keep who came while there was none. */
	setup.access = RELAY_OPEN;
	assert_true(relay_network_set(c->relay, &setup, c->now));
	memset(c->sites[1].psk, 0, KEX_KEY);
	crowd_join(c, 1, 1);
	setup.access = RELAY_SECRET;
	assert_true(relay_network_set(c->relay, &setup, c->now));
	assert_int_equal(relay_members(c->relay), 0);
	crowd_free(c);
}

static void test_list_of_keys(void **state)
{
	struct relay_network_setup setup = { .name = "lab", .access = RELAY_LIST, .n_keys = 2 };
	struct crowd *c = crowd_new(NULL, 3);
	uint8_t keys[2][KEX_KEY];

	(void)state;
	memcpy(keys[0], c->sites[0].public_key, KEX_KEY);
	memcpy(keys[1], c->sites[1].public_key, KEX_KEY);
	setup.keys = keys;
	assert_true(relay_network_set(c->relay, &setup, c->now));
	crowd_join(c, 0, 2);
	crowd_register(&c->sites[2]);
	assert_int_equal(crowd_drops(c, RELAY_STRANGER), 1);
	assert_int_equal(crowd_network_drops(c, "lab", RELAY_STRANGER), 1);
	assert_int_equal(c->kinds[WIRE_RESPONSE], 2);
	/* One is taken off the list, and another waits to be confirmed. */
	memcpy(keys[1], c->sites[2].public_key, KEX_KEY);
	c->sites[2].dumb = true;
	assert_true(relay_network_set(c->relay, &setup, c->now));
	assert_int_equal(relay_members(c->relay), 1);
	relay_close(c->relay);
	crowd_run(c, 0);
	assert_true(c->sites[1].closed);
	crowd_register(&c->sites[2]);
	assert_int_equal(c->kinds[WIRE_RESPONSE], 3);
	setup.n_keys = 1;
	assert_true(relay_network_set(c->relay, &setup, c->now));
	c->sites[2].dumb = false;
	crowd_run(c, 0); /* its first packet is for nobody now */
	assert_int_equal(crowd_drops(c, RELAY_INDEX), 1);
	assert_int_equal(relay_members(c->relay), 1);
	crowd_free(c);
}

static void test_closed_relay(void **state)
{
	struct relay_setup setup = crowd_setup();
	struct crowd *c;

	(void)state;
	setup.open = false;
	c = crowd_new(&setup, 1);
	crowd_register(&c->sites[0]);
	assert_int_equal(crowd_drops(c, RELAY_NETWORK), 1);
	assert_int_equal(c->sent, 0);
	set_network(c, "lab", RELAY_OPEN);
	crowd_join(c, 0, 1);
	/* And gone again, with its member. */
	assert_true(relay_network_remove(c->relay, "lab", c->now));
	assert_false(relay_network_remove(c->relay, "lab", c->now));
	relay_close(c->relay);
	crowd_run(c, 0);
	assert_true(c->sites[0].closed);
	assert_int_equal(relay_members(c->relay), 0);
	crowd_free(c);
}

static void test_remove_a_network_of_strangers(void **state)
{
	struct crowd *c = crowd_new(NULL, 4);
	struct relay_network_view view;
	size_t at = 0;

	(void)state;
	crowd_join(c, 0, 3);
	c->sites[3].dumb = true;
	crowd_register(&c->sites[3]);
	assert_true(relay_network_remove(c->relay, "lab", c->now));
	assert_false(relay_next_network(c->relay, &at, &view));
	relay_close(c->relay);
	crowd_run(c, SECONDS(10));
	assert_true(c->sites[0].closed && c->sites[1].closed && c->sites[2].closed);
	crowd_join(c, 0, 2);
	crowd_free(c);
}

/* The same key in the same network is the same member, from wherever it calls. */
static void test_again(void **state)
{
	struct crowd *c = crowd_new(NULL, 3);
	struct crowd_site *s = &c->sites[1];
	struct relay_member_view view;
	uint32_t revision;

	(void)state;
	crowd_join(c, 0, 3);
	revision = c->sites[2].revision;
	crowd_run(c, SECONDS(1));
	s->addr.port = 999;
	c->cut = true;
	crowd_register(s); /* the answer is lost: the old session goes on */
	s->addr.port = 7741;
	c->cut = false;
	crowd_hop(&c->sites[0], 2, 100);
	crowd_hop(s, 1, 100);
	crowd_run(c, 0);
	assert_int_equal(s->n_hops, 1);
	assert_int_equal(c->sites[0].n_hops, 1);
	crowd_run(c, SECONDS(6));
	s->addr.port = 999;
	memcpy(s->name, "renamed", 8);
	crowd_register(s);
	crowd_view(s, &view);
	assert_string_equal(view.name, "site-1");
	crowd_run(c, 0);
	assert_int_equal(s->number, 2);
	assert_int_equal(s->observed_port, 999);
	assert_int_equal(relay_members(c->relay), 3);
	assert_true(crowd_view(s, &view));
	assert_string_equal(view.name, "renamed");
	assert_int_equal(view.addr.port, 999);
	assert_int_equal(s->revision, revision + 1); /* for the name alone */
	/* What came under the old key a moment ago is still good, in both ways. */
	crowd_hop(&c->sites[0], 2, 100);
	crowd_run(c, 0);
	assert_int_equal(s->n_hops, 2);
	crowd_register(s);
	crowd_run(c, 0);
	assert_int_equal(s->revision, revision + 1);
	crowd_free(c);
}

/* In another network it is another member. */
static void test_one_site_in_two_networks(void **state)
{
	struct crowd *c = crowd_new(NULL, 2);

	(void)state;
	memcpy(c->sites[1].network, "office", 7);
	memcpy(c->sites[1].private_key, c->sites[0].private_key, KEX_KEY);
	memcpy(c->sites[1].public_key, c->sites[0].public_key, KEX_KEY);
	memcpy(c->sites[1].context_in, c->sites[0].context_in, 16);
	memcpy(c->sites[1].context_out, c->sites[0].context_out, 16);
	crowd_join(c, 0, 2);
	assert_int_equal(relay_members(c->relay), 2);
	crowd_hop(&c->sites[0], 1, 100); /* to itself there, of all places */
	crowd_run(c, 0);
	assert_int_equal(c->sites[1].n_hops, 0);
	assert_int_equal(crowd_drops(c, RELAY_MEMBER), 1);
	crowd_free(c);
}

static void test_rekey(void **state)
{
	struct crowd *c = crowd_new(NULL, 2);
	struct crowd_site *s = &c->sites[1];
	uint8_t late[200];
	size_t len;

	(void)state;
	crowd_join(c, 0, 2);
	for (unsigned i = 0; i < 20; i++) {
		crowd_run(c, SECONDS(40));
		crowd_ping(&c->sites[0]);
		crowd_ping(s);
		len = crowd_hop_make(s, 0, 1, 50, late);
		if (i % 3 != 2)
			continue;
		crowd_register(&c->sites[0]);
		crowd_register(s);
		crowd_run(c, 0);
		crowd_inject(c, &s->addr, late, len);
		crowd_hop(s, 1, 50);
		crowd_run(c, 0);
		assert_int_equal(c->sites[0].n_hops, 2 * (i / 3 + 1));
	}
	assert_int_equal(s->number, 2);
	assert_int_equal(crowd_drops(c, RELAY_INDEX) + crowd_drops(c, RELAY_EXPIRED), 0);
	crowd_free(c);
}

/* A previous key lives 60 s after its last use, and no key longer than 180 s. */
static void test_keys_end(void **state)
{
	struct crowd *c = crowd_new(NULL, 2);
	struct crowd_site *s = &c->sites[0];
	uint8_t early[200], later[200], last[200];
	size_t len;

	(void)state;
	crowd_join(c, 0, 2);
	len = crowd_hop_make(s, 0, 2, 50, early);
	crowd_hop_make(s, 0, 2, 50, later);
	crowd_hop_make(s, 0, 2, 50, last);
	crowd_run(c, SECONDS(30));
	crowd_register(s);
	crowd_run(c, 0);
	crowd_ping(&c->sites[1]);
	crowd_run(c, SECONDS(50));
	crowd_ping(&c->sites[1]);
	crowd_inject(c, &s->addr, early, len);
	crowd_run(c, SECONDS(50));
	crowd_ping(&c->sites[1]);
	crowd_inject(c, &s->addr, later, len); /* 100 s old, used 50 s ago */
	crowd_run(c, 0);
	assert_int_equal(c->sites[1].n_hops, 2);
	crowd_run(c, SECONDS(50));
	crowd_inject(c, &s->addr, last, len); /* 180 s old */
	assert_int_equal(crowd_drops(c, RELAY_EXPIRED), 1);
	crowd_ping(s);
	crowd_inject(c, &s->addr, last, len); /* and now forgotten */
	assert_int_equal(crowd_drops(c, RELAY_INDEX), 1);
	crowd_hop(&c->sites[1], 1, 50); /* its key is over: it is not sent to either */
	assert_int_equal(crowd_drops(c, RELAY_EXPIRED), 2);
	assert_int_equal(crowd_member_drops(&c->sites[1], RELAY_EXPIRED), 1);
	crowd_hop(s, 2, 50);
	assert_int_equal(crowd_member_drops(s, RELAY_MEMBER), 1);
	crowd_free(c);
}

static void test_timeout(void **state)
{
	struct crowd *c = crowd_new(NULL, 3);

	(void)state;
	crowd_join(c, 0, 3);
	crowd_run(c, MS(900));
	crowd_ping(&c->sites[0]);
	crowd_run(c, MS(29100));
	crowd_ping(&c->sites[1]);
	crowd_run(c, MS(30899));
	assert_int_equal(relay_members(c->relay), 3);
	crowd_run(c, MS(101)); /* within a second of its time */
	assert_int_equal(relay_members(c->relay), 1);
	assert_true(crowd_view(&c->sites[1], &(struct relay_member_view){ 0 }));
	crowd_run(c, MS(29000));
	assert_int_equal(relay_members(c->relay), 1);
	crowd_run(c, MS(1000));
	assert_int_equal(relay_members(c->relay), 0);
	crowd_join(c, 0, 3);
	crowd_free(c);
}

static void test_goodbye(void **state)
{
	struct crowd *c = crowd_new(NULL, 4);

	(void)state;
	crowd_join(c, 0, 3);
	c->sites[3].dumb = true;
	crowd_register(&c->sites[3]);
	relay_goodbye(c->relay, c->now);
	crowd_run(c, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_true(c->sites[i].closed);
	assert_int_equal(relay_members(c->relay), 0);
	assert_int_equal(relay_due(c->relay).us, INSTANT_NEVER.us);
	crowd_free(c);
}

static void test_full(void **state)
{
	struct relay_setup setup = crowd_setup();
	struct relay_network_setup net = { .name = "lab", .limits = { .members = 2 } };
	struct relay_network_view view;
	struct crowd *c;
	size_t at = 0;

	(void)state;
	setup.max_members = 4;
	c = crowd_new(&setup, 8);
	assert_true(relay_network_set(c->relay, &net, c->now));
	crowd_join(c, 0, 2);
	crowd_register(&c->sites[2]);
	assert_int_equal(crowd_network_drops(c, "lab", RELAY_FULL), 1);
	/* Two that wait for one place: the second to come finds it taken. */
	net.limits.members = 3;
	assert_true(relay_network_set(c->relay, &net, c->now));
	crowd_register(&c->sites[2]);
	crowd_register(&c->sites[3]);
	crowd_run(c, 0);
	assert_int_equal(relay_members(c->relay), 3);
	assert_int_equal(crowd_network_drops(c, "lab", RELAY_FULL), 2);
	/* The pool: four at once, and one that only waits gives way after a second. */
	for (unsigned i = 4; i < 8; i++)
		memcpy(c->sites[i].network, "b", 2);
	c->sites[4].dumb = true;
	crowd_register(&c->sites[4]);
	crowd_register(&c->sites[5]);
	assert_int_equal(crowd_drops(c, RELAY_FULL), 3);
	crowd_run(c, SECONDS(1));
	crowd_register(&c->sites[5]);
	crowd_run(c, 0);
	assert_int_equal(c->sites[5].number, 1);
	assert_int_equal(crowd_drops(c, RELAY_HANDSHAKE), 1);
	crowd_run(c, SECONDS(2));
	crowd_register(&c->sites[6]); /* members do not give way */
	assert_int_equal(crowd_drops(c, RELAY_FULL), 4);
	memcpy(c->sites[7].network, "c", 2); /* and what was made for one that does not come goes */
	crowd_register(&c->sites[7]);
	assert_int_equal(crowd_drops(c, RELAY_FULL), 5);
	while (relay_next_network(c->relay, &at, &view))
		assert_string_not_equal(view.name, "c");
	crowd_control(&c->sites[5], WIRE_CLOSE, NULL, 0);
	crowd_join(c, 6, 1);
	crowd_free(c);
}

/* Some places are for configured networks, whoever else comes first. */
static void test_places_kept(void **state)
{
	struct relay_setup setup = crowd_setup();
	struct crowd *c;

	(void)state;
	setup.max_members = 8;
	c = crowd_new(&setup, 10);
	for (unsigned i = 0; i < 8; i++)
		memcpy(c->sites[i].network, "open", 5);
	set_network(c, "lab", RELAY_OPEN);
	crowd_join(c, 0, 6);
	crowd_register(&c->sites[6]);
	crowd_run(c, SECONDS(1));
	assert_int_equal(relay_members(c->relay), 6);
	assert_int_equal(crowd_drops(c, RELAY_FULL), 1);
	crowd_join(c, 8, 2);
	crowd_control(&c->sites[0], WIRE_CLOSE, NULL, 0);
	crowd_run(c, 0);
	crowd_join(c, 7, 1); /* its place is there again */
	assert_true(relay_network_remove(c->relay, "lab", c->now));
	crowd_run(c, 0);
	crowd_join(c, 6, 1); /* nobody to keep them for */
	crowd_free(c);
}

/* Those that never send a first packet make way for each other, not for members. */
static void test_callers_that_wait(void **state)
{
	struct relay_setup setup = crowd_setup();
	struct crowd *c;

	(void)state;
	setup.max_members = 8;
	c = crowd_new(&setup, 40);
	crowd_join(c, 0, 1);
	for (unsigned i = 1; i < 30; i++) {
		c->sites[i].dumb = true;
		crowd_register(&c->sites[i]);
	}
	assert_int_equal(crowd_drops(c, RELAY_HANDSHAKE), 29 - 6);
	assert_int_equal(crowd_drops(c, RELAY_FULL), 0);
	crowd_join(c, 30, 1);
	assert_int_equal(relay_members(c->relay), 2);
	crowd_free(c);
}

static void test_networks_full(void **state)
{
	struct crowd *c = crowd_new(NULL, 1);
	char name[16];

	(void)state;
	for (unsigned i = 0; i < RELAY_NETWORKS; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		set_network(c, name, RELAY_OPEN);
	}
	assert_false(relay_network_set(
		c->relay, &(struct relay_network_setup){ .name = "one more" }, c->now));
	crowd_register(&c->sites[0]);
	assert_int_equal(crowd_drops(c, RELAY_FULL), 1);
	for (unsigned i = 0; i < RELAY_NETWORKS; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		assert_true(relay_network_remove(c->relay, name, c->now));
	}
	crowd_join(c, 0, 1);
	crowd_free(c);
}

/* ---- forwarding ---- */

static void test_unicast(void **state)
{
	struct crowd *c = crowd_new(NULL, 3);
	struct relay_member_view view;
	const struct crowd_hop *got = &c->sites[2].hops[0];

	(void)state;
	crowd_join(c, 0, 3);
	crowd_hop(&c->sites[0], 3, 200);
	crowd_run(c, 0);
	assert_int_equal(c->sites[1].n_hops, 0);
	assert_int_equal(c->sites[2].n_hops, 1);
	assert_int_equal(got->source, 1);
	assert_int_equal(got->destination, 3);
	assert_int_equal(got->len, 200);
	assert_int_equal(got->inner[0], WIRE_DATA);
	for (unsigned i = 1; i < 64; i++) /* counter 0 was the PING's */
		assert_int_equal(got->inner[i], (uint8_t)(1 + i));
	crowd_view(&c->sites[0], &view);
	assert_int_equal(view.traffic.in_packets, 2);
	assert_int_equal(view.traffic.in_bytes, 240 + 50);
	crowd_view(&c->sites[2], &view);
	assert_int_equal(view.traffic.out_packets, 2);
	crowd_free(c);
}

static void test_nobody_there(void **state)
{
	struct crowd *c = crowd_new(NULL, 2);
	static const uint32_t wrong[] = { 0, 1, 3, 4096, 0x10001, UINT32_MAX - 1 };

	(void)state;
	crowd_join(c, 0, 2);
	c->sent = 0;
	for (unsigned i = 0; i < COUNT_OF(wrong); i++)
		crowd_hop(&c->sites[0], wrong[i], 100);
	assert_int_equal(crowd_drops(c, RELAY_MEMBER), COUNT_OF(wrong));
	assert_int_equal(crowd_member_drops(&c->sites[0], RELAY_MEMBER), COUNT_OF(wrong));
	crowd_hop(&c->sites[0], 2, 100);
	assert_int_equal(c->sent, 1);
	crowd_free(c);
}

/* Whatever number a member writes, what it sends stays in its network. */
static void test_networks_are_apart(void **state)
{
	struct crowd *c = crowd_new(NULL, 6);
	unsigned in_own = 0;

	(void)state;
	for (unsigned i = 3; i < 6; i++)
		memcpy(c->sites[i].network, "other", 6);
	crowd_join(c, 0, 6);
	for (uint32_t number = 0; number < 300; number++)
		crowd_hop(&c->sites[0], number, 100);
	crowd_hop(&c->sites[0], WIRE_HOP_FLOOD, 100);
	crowd_run(c, 0);
	for (unsigned i = 0; i < 3; i++)
		in_own += c->sites[i].n_hops;
	assert_int_equal(in_own, 4);
	for (unsigned i = 3; i < 6; i++)
		assert_int_equal(c->sites[i].n_hops, 0);
	crowd_free(c);
}

static void test_runs(void **state)
{
	static const struct {
		size_t len;
		unsigned count, runs;
	} table[] = {
		{ 500, 10, 1 }, { 500, 64, 1 }, { 500, 65, 2 }, { 1400, 64, 2 }, { 9000, 8, 2 }
	};
	static uint8_t batch[64 * 1500];
	struct crowd *c = crowd_new(NULL, 2);
	uint8_t packet[10000];

	(void)state;
	crowd_join(c, 0, 2);
	for (unsigned t = 0; t < COUNT_OF(table); t++) {
		c->runs = 0;
		for (unsigned i = 0; i < table[t].count; i++) {
			size_t len = crowd_hop_make(&c->sites[0], 0, 2, table[t].len, packet);

			relay_datagrams(c->relay, 3, &c->sites[0].addr, packet, len, len, c->now);
		}
		relay_close(c->relay);
		assert_int_equal(c->runs, table[t].runs);
		crowd_forget(c);
	}
	/* One message of equal ones and a shorter last, as it came. */
	c->runs = 0;
	for (size_t i = 0, at = 0; i < 5; i++)
		at += crowd_hop_make(&c->sites[0], 0, 2, i < 4 ? 600 : 70, batch + at);
	relay_datagrams(c->relay, 3, &c->sites[0].addr, batch, 4 * 640 + 110, 640, c->now);
	relay_close(c->relay);
	assert_int_equal(c->runs, 1);
	/* Nothing goes behind the shorter one, nor a longer one behind any. */
	for (size_t i = 0; i < 4; i++) {
		static const size_t lens[] = { 60, 50, 60, 70 };
		size_t len = crowd_hop_make(&c->sites[0], 0, 2, lens[i], packet);

		relay_datagrams(c->relay, 3, &c->sites[0].addr, packet, len, len, c->now);
	}
	relay_close(c->relay);
	assert_int_equal(c->runs, 4);
	crowd_run(c, 0);
	assert_int_equal(c->sites[1].n_hops, 9);
	assert_int_equal(c->sites[1].bad, 0);
	crowd_free(c);
}

static void test_flood(void **state)
{
	struct crowd *c = crowd_new(NULL, 257);
	struct relay_network_view view;
	size_t at = 0;

	(void)state;
	memcpy(c->sites[256].network, "other", 6);
	crowd_join(c, 0, 257);
	crowd_run(c, SECONDS(2));
	c->sent = c->calls = 0;
	crowd_hop(&c->sites[7], WIRE_HOP_FLOOD, 1400);
	assert_int_equal(c->sent, 255);
	assert_in_range(c->calls, 1, 8); /* not one for each */
	crowd_run(c, 0);
	for (unsigned i = 0; i < 256; i++) {
		assert_int_equal(c->sites[i].n_hops, i != 7);
		if (i == 7)
			continue;
		assert_int_equal(c->sites[i].hops[0].source, 8);
		assert_int_equal(c->sites[i].hops[0].destination, WIRE_HOP_FLOOD);
		assert_int_equal(c->sites[i].hops[0].inner[0], WIRE_FLOOD);
	}
	assert_int_equal(c->sites[256].n_hops, 0);
	assert_true(relay_next_network(c->relay, &at, &view));
	assert_int_equal(view.traffic.floods, 1);
	assert_int_equal(view.traffic.copies, 255);
	crowd_free(c);
}

/* The floods of one message: a run for each member, however many there are. */
static void test_flood_runs(void **state)
{
	static uint8_t batch[16 * 200];
	struct crowd *c = crowd_new(NULL, 100);

	(void)state;
	crowd_join(c, 0, 100);
	crowd_run(c, SECONDS(2));
	c->runs = c->sent = 0;
	for (size_t i = 0, at = 0; i < 16; i++)
		at += crowd_hop_make(&c->sites[5], 0, WIRE_HOP_FLOOD, 100, batch + at);
	relay_datagrams(c->relay, 3, &c->sites[5].addr, batch, 16 * 140, 140, c->now);
	relay_close(c->relay);
	assert_int_equal(c->sent, 16 * 99);
	assert_int_equal(c->runs, 99);
	/* A packet to one of them keeps its place among the floods. */
	c->runs = 0;
	for (size_t i = 0, at = 0; i < 3; i++)
		at += crowd_hop_make(&c->sites[5], 0, i == 1 ? 1 : WIRE_HOP_FLOOD, 100, batch + at);
	relay_datagrams(c->relay, 3, &c->sites[5].addr, batch, 3 * 140, 140, c->now);
	relay_close(c->relay);
	crowd_run(c, 0);
	assert_int_equal(c->sites[0].n_hops, 19);
	assert_int_equal(c->sites[0].hops[16].destination, WIRE_HOP_FLOOD);
	assert_int_equal(c->sites[0].hops[17].destination, 1);
	assert_int_equal(c->sites[0].hops[18].destination, WIRE_HOP_FLOOD);
	assert_int_equal(c->sites[1].n_hops, 18);
	assert_int_equal(c->sites[0].bad, 0);
	crowd_free(c);
}

/* Floods of one network in a turn are bounded; the next turn is free again, and
 * others lose nothing. */
static void test_floods_of_a_turn(void **state)
{
	struct crowd *c = crowd_new(NULL, 44);
	uint8_t packet[9100];
	uint64_t before;

	(void)state;
	for (unsigned i = 41; i < 44; i++)
		memcpy(c->sites[i].network, "other", 6);
	crowd_join(c, 0, 44);
	crowd_run(c, SECONDS(2));
	before = c->sent;
	for (unsigned i = 0; i < 40; i++) { /* 40 copies of 9040 bytes each */
		size_t len = crowd_hop_make(&c->sites[0], 0, WIRE_HOP_FLOOD, 9000, packet);

		relay_datagrams(c->relay, 3, &c->sites[0].addr, packet, len, len, c->now);
		len = crowd_hop_make(&c->sites[41], 0, WIRE_HOP_FLOOD, 100, packet);
		relay_datagrams(c->relay, 3, &c->sites[41].addr, packet, len, len, c->now);
	}
	relay_close(c->relay);
	assert_int_equal(crowd_network_drops(c, "lab", RELAY_BYTES), 40 - 24);
	assert_int_equal(crowd_network_drops(c, "other", RELAY_BYTES), 0);
	assert_int_equal(c->sent - before, 24 * 40 + 40 * 2);
	crowd_hop(&c->sites[0], WIRE_HOP_FLOOD, 9000);
	assert_int_equal(crowd_network_drops(c, "lab", RELAY_BYTES), 40 - 24);
	crowd_free(c);
}

static void test_sending_fails(void **state)
{
	struct crowd *c = crowd_new(NULL, 2);

	(void)state;
	crowd_join(c, 0, 2);
	c->error = 11;
	crowd_hop(&c->sites[0], 2, 100);
	crowd_hop(&c->sites[0], 2, 100);
	assert_int_equal(crowd_drops(c, RELAY_SEND), 2);
	assert_int_equal(crowd_network_drops(c, "lab", RELAY_SEND), 2);
	assert_int_equal(crowd_member_drops(&c->sites[1], RELAY_SEND), 2);
	crowd_control(&c->sites[0], WIRE_CLOSE, NULL, 0);
	crowd_register(&c->sites[0]);
	assert_int_equal(crowd_drops(c, RELAY_SEND), 3);
	assert_true(relay_network_remove(c->relay, "lab", c->now)); /* with a CLOSE to the other */
	relay_close(c->relay);
	assert_int_equal(crowd_drops(c, RELAY_SEND), 4);
	crowd_free(c);
}

/* ---- limits ---- */

static struct crowd *limited(struct relay_limits limits, uint32_t n)
{
	struct relay_setup setup = crowd_setup();
	struct crowd *c;

	setup.limits = limits;
	c = crowd_new(&setup, n);
	crowd_join(c, 0, n);
	return c;
}

static void test_packets_of_a_site(void **state)
{
	struct crowd *c = limited((struct relay_limits){ .site_packets = 10 }, 3);

	(void)state;
	for (unsigned i = 0; i < 25; i++)
		crowd_hop(&c->sites[0], 2, 100);
	assert_int_equal(crowd_drops(c, RELAY_FRAMES), 15);
	assert_int_equal(crowd_member_drops(&c->sites[0], RELAY_FRAMES), 15);
	crowd_hop(&c->sites[1], 3, 100); /* others have theirs */
	crowd_run(c, MS(500));
	assert_int_equal(c->sites[1].n_hops, 10);
	assert_int_equal(c->sites[2].n_hops, 1);
	for (unsigned i = 0; i < 25; i++)
		crowd_hop(&c->sites[0], 2, 100);
	crowd_ping(&c->sites[0]); /* signs of life pass */
	crowd_run(c, 0);
	assert_int_equal(c->sites[1].n_hops, 15);
	assert_int_equal(c->sites[0].pongs, 2);
	crowd_free(c);
}

static void test_packets_of_a_network(void **state)
{
	struct crowd *c = limited((struct relay_limits){ .network_packets = 10 }, 2);

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		crowd_hop(&c->sites[0], 2, 100);
		crowd_hop(&c->sites[1], 1, 100);
	}
	assert_int_equal(crowd_network_drops(c, "lab", RELAY_FRAMES), 6);
	crowd_free(c);
}

/* A flood is charged with all of its copies, to the sender and to the network. */
static void test_bytes(void **state)
{
	static const struct relay_limits limits[] = { { .site_bytes = 2000 },
						      { .network_bytes = 2000 } };

	(void)state;
	for (unsigned l = 0; l < 2; l++) {
		struct crowd *c = limited(limits[l], 6);

		crowd_hop(&c->sites[0], WIRE_HOP_FLOOD, 960); /* 5000 bytes: 3000 owed */
		crowd_hop(&c->sites[0], 2, 960);
		assert_int_equal(crowd_network_drops(c, "lab", RELAY_BYTES), 1);
		crowd_hop(&c->sites[1], 1, 960);
		assert_int_equal(crowd_network_drops(c, "lab", RELAY_BYTES), 1 + l);
		crowd_run(c, MS(1499));
		crowd_hop(&c->sites[0], 2, 960);
		assert_int_equal(crowd_member_drops(&c->sites[0], RELAY_BYTES), 2);
		crowd_run(c, MS(501));
		crowd_hop(&c->sites[0], 2, 960);
		assert_int_equal(crowd_member_drops(&c->sites[0], RELAY_BYTES), 2);
		crowd_free(c);
	}
}

/* A limit that is set later finds no debts from before. */
static void test_limits_change(void **state)
{
	struct relay_network_setup net = { .name = "lab" };
	struct crowd *c = crowd_new(NULL, 2);

	(void)state;
	assert_true(relay_network_set(c->relay, &net, c->now));
	crowd_join(c, 0, 2);
	for (unsigned i = 0; i < 50; i++)
		crowd_hop(&c->sites[0], 2, 1000);
	net.limits = (struct relay_limits){ .site_packets = 2, .site_bytes = 10000 };
	assert_true(relay_network_set(c->relay, &net, c->now));
	for (unsigned i = 0; i < 3; i++)
		crowd_hop(&c->sites[0], 2, 1000);
	assert_int_equal(crowd_drops(c, RELAY_FRAMES), 1);
	assert_int_equal(crowd_drops(c, RELAY_BYTES), 0);
	crowd_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_register),
		cmocka_unit_test(test_networks_are_told),
		cmocka_unit_test(test_network_of_strangers_goes),
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_list_of_keys),
		cmocka_unit_test(test_closed_relay),
		cmocka_unit_test(test_remove_a_network_of_strangers),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_one_site_in_two_networks),
		cmocka_unit_test(test_rekey),
		cmocka_unit_test(test_keys_end),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_goodbye),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_places_kept),
		cmocka_unit_test(test_callers_that_wait),
		cmocka_unit_test(test_networks_full),
		cmocka_unit_test(test_unicast),
		cmocka_unit_test(test_nobody_there),
		cmocka_unit_test(test_networks_are_apart),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_flood_runs),
		cmocka_unit_test(test_floods_of_a_turn),
		cmocka_unit_test(test_sending_fails),
		cmocka_unit_test(test_packets_of_a_site),
		cmocka_unit_test(test_packets_of_a_network),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_limits_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
