/* SPDX-License-Identifier: MIT */
/* What a network of many sites asks of each. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "unit/libnat.h"

enum kind { KIND_CALL, KIND_ANSWER, KIND_PATH, KIND_DATA, KIND_LARGE, KINDS };

static const char *const kind_names[KINDS] = { "calls", "answers", "path", "data", "large" };
static unsigned counts[KINDS];

static enum kind kind_of(const uint8_t *data, size_t len)
{
	if (data[0] == WIRE_HOP && len > WIRE_HOP_HEADER) {
		data += WIRE_HOP_HEADER;
		len -= WIRE_HOP_OVERHEAD;
	}
	if (data[0] == WIRE_INITIATION)
		return KIND_CALL;
	if (data[0] == WIRE_RESPONSE || data[0] == WIRE_COOKIE)
		return KIND_ANSWER;
	if (data[0] == WIRE_DATA && data[1] & WIRE_FLAG_PATH)
		return KIND_PATH;
	return len > 1000 ? KIND_LARGE : KIND_DATA;
}

static bool is_relay(const struct nat_world *w, const struct addr *a)
{
	return addr_equal_host(a, &w->r[0].host.addr);
}

/* What sites send to each other, also through the relay. */
static bool count(struct nat_world *w, const struct nat_packet *p)
{
	bool to_relay = is_relay(w, &p->to) && p->data[0] != WIRE_HOP;

	if (!to_relay && !is_relay(w, &p->from))
		counts[kind_of(p->data, p->len)]++;
	return true;
}

static bool count_and_lose(struct nat_world *w, const struct nat_packet *p)
{
	count(w, p);
	return false;
}

static unsigned all_counts(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < KINDS; i++)
		n += counts[i];
	return n;
}

static void tell_counts(const char *what)
{
	print_message("%s:", what);
	for (unsigned i = 0; i < KINDS; i++)
		print_message(" %s %u", kind_names[i], counts[i]);
	print_message(", all %u\n", all_counts());
}

static struct nat_world *crowd(unsigned n)
{
	struct nat_world *w = nat_new(1);

	for (unsigned i = 0; i < n; i++)
		nat_site_add(w, -1);
	w->filter = count;
	memset(counts, 0, sizeof(counts));
	return w;
}

/* Ends of sessions. */
static unsigned ends(const struct nat_world *w)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->n_sites; i++) {
		for (unsigned k = 0; k < w->n_sites; k++)
			n += i != k && peer_has_session(w->s[i].peer[k]);
	}
	return n;
}

static int64_t until_up(struct nat_world *w, int64_t most)
{
	struct instant began = w->now;

	while (ends(w) < w->n_sites * (w->n_sites - 1) && instant_between(began, w->now) < most)
		nat_run(w, MS(100));
	return instant_between(began, w->now);
}

static unsigned all_ends(const struct nat_world *w)
{
	return w->n_sites * (w->n_sites - 1);
}

static unsigned count_hurried(const struct nat_world *w)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->n_sites; i++) {
		for (unsigned k = 0; k < w->n_sites; k++)
			n += i != k && w->s[i].peer[k]->timers.keepalive < SECONDS(15);
	}
	return n;
}

/* 50 packets a second are all that a site has time for: it comes up nevertheless. */
static void test_starved(void **state)
{
	struct nat_world *w = crowd(NAT_SITES);
	int64_t took;

	(void)state;
	w->turn = 40;
	w->handles = 2;
	took = until_up(w, SECONDS(45));
	print_message("%u of %u after %d ms, lost %u\n", ends(w), all_ends(w), (int)(took / 1000),
		      w->lost);
	tell_counts("starved");
	assert_true(ends(w) > all_ends(w) * 9 / 10);
	assert_true(w->lost < 30000);
	nat_free(w);
}

/* Nothing is said: signs of life and new keys, and sizes are searched where frames pass. */
static void test_at_rest(void **state)
{
	struct nat_world *w = crowd(NAT_SITES);
	unsigned pairs = all_ends(w) / 2;

	(void)state;
	assert_true(until_up(w, SECONDS(10)) < SECONDS(10));
	nat_run(w, SECONDS(20));
	memset(counts, 0, sizeof(counts));
	nat_run(w, SECONDS(130));
	tell_counts("130 s at rest");
	assert_in_range(counts[KIND_CALL], pairs, pairs * 5 / 2);
	assert_int_equal(counts[KIND_PATH], 0);
	assert_int_equal(counts[KIND_LARGE], 0);
	assert_in_range(counts[KIND_DATA], pairs * 2 * 130 / 20, pairs * 2 * 130 / 15 + pairs * 8);
	assert_int_equal(ends(w), all_ends(w));
	nat_send(w, 1, 1, 1);
	nat_run(w, MS(50));
	assert_int_equal(nat_got(w, 0, 1), 1);
	for (unsigned i = 0; i < 20; i++) {
		nat_send(w, 0, 1, 2 + i);
		nat_run(w, MS(50));
	}
	assert_int_equal(nat_got(w, 1, 21), 1);
	assert_int_equal(w->s[0].peer[1]->pmtu.now_size, 1500);
	assert_int_equal(w->s[0].peer[2]->pmtu.now_size, PMTU_BASE);
	nat_free(w);
}

/* Nothing arrives anywhere: that is nobody's NAT, and asking the more does not help. */
static void test_own_trouble(void **state)
{
	struct nat_world *w = crowd(NAT_SITES);

	(void)state;
	until_up(w, SECONDS(10));
	nat_run(w, SECONDS(20));
	memset(counts, 0, sizeof(counts));
	w->filter = count_and_lose;
	nat_run(w, SECONDS(30));
	tell_counts("30 s without an answer");
	assert_true(counts[KIND_PATH] <
		    NAT_SITES * (PEERS_CHALLENGES + 30 * SECONDS(1) / PEERS_ASK));
	assert_true(counts[KIND_PATH] > 0);
	assert_true(counts[KIND_DATA] < 8 * all_ends(w));
	assert_true(count_hurried(w) <= all_ends(w) / 5);
	w->filter = count;
	assert_true(until_up(w, SECONDS(30)) < SECONDS(30));
	nat_run(w, SECONDS(240));
	assert_int_equal(count_hurried(w), 0);
	nat_free(w);
}

/* Many peers may be quiet for longer, but not one behind a NAT that forgets. */
static void test_time_to_spare(void **state)
{
	struct nat_world *w = nat_new(1);
	struct peer *peer;
	uint32_t before;

	(void)state;
	nat_site_add(w, -1);
	nat_site_add(w, -1);
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned k = 0; k < 199; k++) {
			uint8_t key[KEX_KEY] = { (uint8_t)k, 1, 2, 3 };
			char name[16];

			snprintf(name, sizeof(name), "other-%u", k);
			assert_non_null(peers_add(&w->s[i].site.peers, name, key, w->now));
		}
	}
	assert_true(nat_until(w, 0, 1, false, SECONDS(2)));
	peer = w->s[0].peer[1];
	nat_run(w, SECONDS(20));
	assert_int_equal(peer->timers.spare, SECONDS(5));
	before = peer->ping_id + w->s[1].peer[0]->ping_id;
	nat_run(w, SECONDS(81));
	assert_in_range(peer->ping_id + w->s[1].peer[0]->ping_id - before, 3, 5);
	peer->timers.keepalive = SECONDS(4);
	nat_run(w, SECONDS(21));
	assert_int_equal(peer->timers.spare, 0);
	nat_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_starved),
		cmocka_unit_test(test_at_rest),
		cmocka_unit_test(test_own_trouble),
		cmocka_unit_test(test_time_to_spare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
