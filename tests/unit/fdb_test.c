/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "core/fdb.h"

#define AGEING SECONDS(300)

static struct instant at(int64_t seconds)
{
	return (struct instant){ SECONDS(1000 + seconds) };
}

static struct mac mac_of(uint64_t n)
{
	return (struct mac){ { 2, (uint8_t)(n >> 32), (uint8_t)(n >> 24), (uint8_t)(n >> 16),
			       (uint8_t)(n >> 8), (uint8_t)n } };
}

static void check_counts(const struct fdb *f)
{
	uint32_t per_port[FDB_PORTS] = { 0 };
	uint32_t used = 0;
	size_t i;

	for (i = 0; i < f->sets * FDB_WAYS; i++) {
		if (f->entries[i].port == FDB_PORT_NONE)
			continue;
		used++;
		per_port[f->entries[i].port]++;
	}
	assert_int_equal(f->used, used);
	assert_memory_equal(f->per_port, per_port, sizeof(per_port));
}

static uint32_t count_live(const struct fdb *f, struct instant now)
{
	uint32_t n = 0;
	size_t place = 0;

	while (fdb_next(f, &place, now))
		n++;
	return n;
}

/* One table of events: who was seen where and when, and what that meant. */
struct event {
	int64_t second;
	uint16_t vlan;
	uint8_t mac;
	uint16_t port;
	enum fdb_learned verdict;
	uint16_t port_after;
};

static void run_events(const struct event *e, size_t count, uint32_t quota)
{
	struct fdb f;
	size_t i;

	assert_true(fdb_init(&f, 64, quota, AGEING, 7));
	for (i = 0; i < count; i++) {
		enum fdb_learned got =
			fdb_learn(&f, e[i].vlan, mac_of(e[i].mac), e[i].port, 100, at(e[i].second));
		uint16_t port = fdb_lookup(&f, e[i].vlan, mac_of(e[i].mac), 100, at(e[i].second));

		if (got != e[i].verdict || port != e[i].port_after)
			fail_msg("event %zu: verdict %d, not %d; port %u, not %u", i, (int)got,
				 (int)e[i].verdict, port, e[i].port_after);
		check_counts(&f);
	}
	fdb_free(&f);
}

static void verdicts_of_learning(void **state)
{
	static const struct event events[] = {
		{ 0, 0, 1, 3, FDB_NEW, 3 },	    { 1, 0, 1, 3, FDB_KNOWN, 3 },
		{ 2, 0, 2, 3, FDB_NEW, 3 },	    { 3, 0, 1, 4, FDB_MOVED, 4 },
		{ 4, 0, 1, 4, FDB_KNOWN, 4 },	    { 4, 0, 2, 3, FDB_KNOWN, 3 },
		{ 5, 7, 1, 9, FDB_NEW, 9 },	    { 5, 0, 1, 4, FDB_KNOWN, 4 },
		{ 5, 4095, 1, 0, FDB_NEW, 0 },	    { 6, 7, 1, FDB_PORTS, FDB_REFUSED, 9 },
		{ 6, 7, 1, 1023, FDB_MOVED, 1023 },
	};

	(void)state;
	run_events(events, COUNT_OF(events), 100);
}

static void refuses_what_is_no_source(void **state)
{
	static const struct mac refused[] = {
		{ { 0 } },
		{ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
		{ { 0x01, 0x00, 0x5e, 0, 0, 1 } },
		{ { 0x33, 0x33, 0, 0, 0, 1 } },
	};
	struct fdb f;
	size_t i;

	(void)state;
	assert_true(fdb_init(&f, 8, 8, AGEING, 1));
	for (i = 0; i < COUNT_OF(refused); i++) {
		assert_int_equal(fdb_learn(&f, 0, refused[i], 1, 100, at(0)), FDB_REFUSED);
		assert_int_equal(fdb_lookup(&f, 0, refused[i], 100, at(0)), FDB_PORT_NONE);
	}
	assert_int_equal(fdb_learn(&f, 0, mac_of(1), FDB_PORT_NONE, 100, at(0)), FDB_REFUSED);
	assert_int_equal(f.used, 0);
	fdb_free(&f);
}

static void damps_an_address_that_moves(void **state)
{
	static const struct event events[] = {
		{ 0, 0, 1, 1, FDB_NEW, 1 },
		{ 10, 0, 1, 2, FDB_MOVED, 2 }, /* the window begins here */
		{ 11, 0, 1, 1, FDB_MOVED, 1 },
		{ 12, 0, 1, 2, FDB_MOVED, 2 },
		{ 13, 0, 1, 1, FDB_MOVED, 1 },
		{ 14, 0, 1, 2, FDB_MOVED, 2 }, /* the fifth */
		{ 15, 0, 1, 1, FDB_HELD, 2 },
		{ 16, 0, 1, 2, FDB_KNOWN, 2 },
		{ 189, 0, 1, 3, FDB_HELD, 2 },
		{ 190, 0, 1, 3, FDB_MOVED, 3 }, /* a new window */
		{ 191, 0, 1, 1, FDB_MOVED, 1 },
		{ 192, 0, 1, 3, FDB_MOVED, 3 },
		{ 193, 0, 1, 1, FDB_MOVED, 1 },
		{ 369, 0, 1, 3, FDB_MOVED, 3 },
		{ 369, 0, 1, 1, FDB_HELD, 3 },
		{ 370, 0, 1, 1, FDB_MOVED, 1 },
	};
	static const struct event slow[] = {
		{ 0, 0, 1, 1, FDB_NEW, 1 },	{ 50, 0, 1, 2, FDB_MOVED, 2 },
		{ 100, 0, 1, 1, FDB_MOVED, 1 }, { 150, 0, 1, 2, FDB_MOVED, 2 },
		{ 200, 0, 1, 1, FDB_MOVED, 1 }, { 250, 0, 1, 2, FDB_MOVED, 2 },
		{ 300, 0, 1, 1, FDB_MOVED, 1 }, { 350, 0, 1, 2, FDB_MOVED, 2 },
	};

	(void)state;
	run_events(events, COUNT_OF(events), 100);
	run_events(slow, COUNT_OF(slow), 100);
}

static void counts_moves_for_people(void **state)
{
	const struct fdb_entry *e;
	struct fdb f;
	size_t place = 0;
	int i;

	(void)state;
	assert_true(fdb_init(&f, 8, 8, AGEING, 1));
	for (i = 0; i <= 8; i++)
		fdb_learn(&f, 0, mac_of(1), (uint16_t)(i % 2), 100, at(i * 200));
	e = fdb_next(&f, &place, at(1600));
	assert_non_null(e);
	assert_int_equal(e->moves_total, 8);
	assert_int_equal(e->moves, 1);
	fdb_free(&f);
}

static void ages(void **state)
{
	struct fdb f;

	(void)state;
	assert_true(fdb_init(&f, 8, 8, AGEING, 1));
	assert_int_equal(fdb_learn(&f, 0, mac_of(1), 1, 100, at(0)), FDB_NEW);
	assert_int_equal(fdb_learn(&f, 0, mac_of(2), 1, 100, at(0)), FDB_NEW);
	assert_int_equal(fdb_learn(&f, 0, mac_of(2), 1, 100, at(200)), FDB_KNOWN);
	assert_int_equal(fdb_lookup(&f, 0, mac_of(1), 100, at(300)), 1);
	assert_int_equal(fdb_lookup(&f, 0, mac_of(1), 100, at(301)), FDB_PORT_NONE);
	assert_int_equal(fdb_lookup(&f, 0, mac_of(2), 100, at(500)), 1);
	assert_int_equal(count_live(&f, at(301)), 1);
	assert_int_equal(f.used, 2);
	fdb_age(&f, at(301));
	assert_int_equal(f.used, 1);
	check_counts(&f);
	assert_int_equal(fdb_learn(&f, 0, mac_of(2), 5, 100, at(501)), FDB_NEW);
	assert_int_equal(f.used, 1);
	assert_int_equal(fdb_lookup(&f, 0, mac_of(2), 100, at(501)), 5);
	check_counts(&f);
	fdb_free(&f);

	assert_true(fdb_init(&f, 8, 8, 0, 1));
	assert_int_equal(fdb_learn(&f, 0, mac_of(1), 1, 100, at(0)), FDB_NEW);
	fdb_age(&f, at(100000000));
	assert_int_equal(fdb_lookup(&f, 0, mac_of(1), 100, at(100000000)), 1);
	fdb_free(&f);
}

static void held_and_refused_moves_do_not_refresh(void **state)
{
	struct fdb f;
	int i;

	(void)state;
	assert_true(fdb_init(&f, 8, 8, SECONDS(20), 1));
	for (i = 0; i <= FDB_MOVES; i++)
		fdb_learn(&f, 0, mac_of(1), (uint16_t)(i % 2), 100, at(i));
	assert_int_equal(fdb_learn(&f, 0, mac_of(1), 0, 100, at(25)), FDB_HELD);
	assert_int_equal(fdb_lookup(&f, 0, mac_of(1), 100, at(26)), FDB_PORT_NONE);
	assert_int_equal(fdb_learn(&f, 0, mac_of(1), 0, 100, at(26)), FDB_NEW);
	fdb_free(&f);

	assert_true(fdb_init(&f, 8, 1, SECONDS(20), 1));
	assert_int_equal(fdb_learn(&f, 0, mac_of(1), 1, 100, at(0)), FDB_NEW);
	assert_int_equal(fdb_learn(&f, 0, mac_of(2), 2, 100, at(15)), FDB_NEW);
	assert_int_equal(fdb_learn(&f, 0, mac_of(1), 2, 100, at(20)), FDB_QUOTA);
	assert_int_equal(fdb_lookup(&f, 0, mac_of(1), 100, at(20)), 1);
	assert_int_equal(fdb_lookup(&f, 0, mac_of(1), 100, at(21)), FDB_PORT_NONE);
	fdb_free(&f);
}

static void keeps_to_the_quota(void **state)
{
	static const struct event events[] = {
		{ 0, 0, 1, 1, FDB_NEW, 1 },
		{ 0, 0, 2, 1, FDB_NEW, 1 },
		{ 0, 0, 3, 1, FDB_QUOTA, FDB_PORT_NONE },
		{ 0, 0, 1, 1, FDB_KNOWN, 1 },
		{ 0, 0, 3, 2, FDB_NEW, 2 },
		{ 0, 0, 3, 1, FDB_QUOTA, 2 }, /* a move into a full port */
		{ 1, 0, 2, 2, FDB_MOVED, 2 }, /* makes room */
		{ 1, 0, 4, 1, FDB_NEW, 1 },
		{ 1, 5, 4, 1, FDB_QUOTA, FDB_PORT_NONE },
	};
	struct fdb f;

	(void)state;
	run_events(events, COUNT_OF(events), 2);
	assert_true(fdb_init(&f, 8, 1, AGEING, 1));
	assert_int_equal(fdb_learn(&f, 0, mac_of(1), 1, 100, at(0)), FDB_NEW);
	fdb_age(&f, at(301));
	assert_int_equal(fdb_learn(&f, 0, mac_of(2), 1, 100, at(301)), FDB_NEW);
	fdb_free(&f);
}

static void full_set_keeps_the_living(void **state)
{
	struct fdb f;
	uint64_t n;

	(void)state;
	assert_true(fdb_init(&f, FDB_WAYS / 2, 100, AGEING, 1));
	assert_int_equal(f.sets, 1);
	for (n = 0; n < FDB_WAYS; n++)
		assert_int_equal(fdb_learn(&f, 0, mac_of(n), 1, 100, at((int64_t)n * 10)), FDB_NEW);
	assert_int_equal(fdb_learn(&f, 0, mac_of(100), 2, 100, at(300)), FDB_FULL);
	for (n = 0; n < FDB_WAYS; n++)
		assert_int_equal(fdb_lookup(&f, 0, mac_of(n), 100, at(300)), 1);
	assert_int_equal(fdb_learn(&f, 0, mac_of(100), 2, 100, at(301)), FDB_NEW);
	assert_int_equal(fdb_lookup(&f, 0, mac_of(0), 100, at(301)), FDB_PORT_NONE);
	assert_int_equal(fdb_learn(&f, 0, mac_of(0), 2, 100, at(301)), FDB_FULL);
	assert_int_equal(fdb_learn(&f, 0, mac_of(1), 3, 100, at(301)), FDB_MOVED);
	check_counts(&f);
	fdb_free(&f);
}

static void takes_as_many_as_asked_for(void **state)
{
	static const size_t sizes[] = { 1, 8, 9, 1000, 4096, 65536 };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(sizes); i++) {
		uint32_t learned = 0;
		struct fdb f;
		uint64_t n;

		assert_true(fdb_init(&f, sizes[i], UINT32_MAX, AGEING, 99));
		assert_int_equal(f.sets & (f.sets - 1), 0);
		assert_true(f.sets * FDB_WAYS >= sizes[i]);
		for (n = 0; n < sizes[i]; n++)
			learned += fdb_learn(&f, 0, mac_of(n), 1, 100, at(0)) == FDB_NEW;
		assert_true(learned >= sizes[i] - sizes[i] / 50);
		assert_int_equal(f.used, learned);
		fdb_free(&f);
	}
}

static void init_refuses_the_impossible(void **state)
{
	struct fdb f;

	(void)state;
	assert_false(fdb_init(&f, SIZE_MAX, 1, 0, 0));
	assert_false(fdb_init(&f, SIZE_MAX / 8, 1, 0, 0));
}

/* Whoever does not know the seed cannot aim at one set. */
static void seed_moves_the_sets(void **state)
{
	struct fdb a, b;
	uint32_t in_a = 0;
	uint32_t in_b = 0;
	uint64_t n;

	(void)state;
	assert_true(fdb_init(&a, 512, 512, 0, 1));
	assert_true(fdb_init(&b, 512, 512, 0, 2));
	for (n = 0; n < 100000 && in_a + in_b < 64; n++) {
		if (hash_u64(mac_u64(mac_of(n)), a.seed) & (a.sets - 1))
			continue;
		in_a += fdb_learn(&a, 0, mac_of(n), 1, 100, at(0)) == FDB_NEW;
		in_b += fdb_learn(&b, 0, mac_of(n), 1, 100, at(0)) == FDB_NEW;
	}
	assert_int_equal(in_a, FDB_WAYS);
	assert_true(in_b > 4 * FDB_WAYS);
	fdb_free(&a);
	fdb_free(&b);
}

static void flushes_one_port(void **state)
{
	struct fdb f;
	uint64_t n;

	(void)state;
	assert_true(fdb_init(&f, 100, 100, AGEING, 1));
	for (n = 0; n < 30; n++)
		assert_int_equal(fdb_learn(&f, 0, mac_of(n), (uint16_t)(n % 3), 100, at(0)), FDB_NEW);
	assert_int_equal(fdb_flush_port(&f, 1), 10);
	assert_int_equal(fdb_flush_port(&f, 1), 0);
	assert_int_equal(fdb_flush_port(&f, FDB_PORT_NONE), 0);
	assert_int_equal(f.used, 20);
	check_counts(&f);
	for (n = 0; n < 30; n++)
		assert_int_equal(fdb_lookup(&f, 0, mac_of(n), 100, at(0)),
				 n % 3 == 1 ? FDB_PORT_NONE : n % 3);
	assert_int_equal(fdb_learn(&f, 0, mac_of(1), 2, 100, at(0)), FDB_NEW);
	fdb_free(&f);
}

static void walks_each_living_entry_once(void **state)
{
	const struct fdb_entry *e;
	bool found[50] = { false };
	struct fdb f;
	size_t place = 0;
	uint64_t n;

	(void)state;
	assert_true(fdb_init(&f, 100, 100, AGEING, 1));
	for (n = 0; n < 50; n++)
		fdb_learn(&f, 3, mac_of(n), 1, 100, at(n % 2 ? 0 : 100));
	while ((e = fdb_next(&f, &place, at(350)))) {
		assert_int_equal(e->vlan, 3);
		assert_false(found[e->mac.b[5]]);
		found[e->mac.b[5]] = true;
	}
	for (n = 0; n < 50; n++)
		assert_int_equal(found[n], n % 2 == 0);
	fdb_free(&f);
}

/* ---- against a model ---- */

#define MACS 40
#define VLANS 3
#define PORTS 4
#define QUOTA 25

struct model {
	bool there;
	uint16_t port;
	uint16_t moves;
	struct instant seen;
	struct instant window;
};

static uint64_t next_random(uint64_t *s)
{
	*s += 0x9e3779b97f4a7c15u;
	return hash_u64(*s, 0);
}

static bool model_live(const struct model *m, struct instant now)
{
	return m->there && instant_between(m->seen, now) <= AGEING;
}

static uint32_t model_at_port(struct model m[MACS * VLANS], uint16_t port, struct instant now)
{
	uint32_t n = 0;
	int i;

	for (i = 0; i < MACS * VLANS; i++)
		n += model_live(&m[i], now) && m[i].port == port;
	return n;
}

static enum fdb_learned model_learn(struct model all[MACS * VLANS], struct model *m, uint16_t port,
				    struct instant now)
{
	bool room = model_at_port(all, port, now) < QUOTA;

	if (!model_live(m, now)) {
		if (!room)
			return FDB_QUOTA;
		*m = (struct model){ .there = true, .port = port, .seen = now };
		return FDB_NEW;
	}
	if (m->port == port) {
		m->seen = now;
		return FDB_KNOWN;
	}
	if (m->moves && instant_between(m->window, now) >= SECONDS(180))
		m->moves = 0;
	if (m->moves >= 5)
		return FDB_HELD;
	if (!room)
		return FDB_QUOTA;
	if (!m->moves)
		m->window = now;
	m->moves++;
	m->port = port;
	m->seen = now;
	return FDB_MOVED;
}

static void model_flush(struct model m[MACS * VLANS], uint16_t port)
{
	int i;

	for (i = 0; i < MACS * VLANS; i++)
		m[i].there = m[i].there && m[i].port != port;
}

static void agrees_with_a_model(void **state)
{
	uint32_t seen[FDB_REFUSED] = { 0 };
	struct model model[MACS * VLANS] = { 0 };
	struct instant now = at(0);
	uint64_t rng = 42;
	struct fdb f;
	int i;

	(void)state;
	assert_true(fdb_init(&f, 4096, QUOTA, AGEING, 5));
	for (i = 0; i < 60000; i++) {
		uint64_t r = next_random(&rng);
		uint16_t vlan = (uint16_t)(r % VLANS);
		uint64_t n = (r >> 8) % MACS;
		uint16_t port = (uint16_t)((r >> 16) % PORTS);
		struct model *m = &model[vlan * MACS + n];
		enum fdb_learned got;

		if ((r >> 24) % 8 == 0) {
			now = instant_add(now, SECONDS((r >> 32) % ((r >> 40) % 50 ? 10 : 400)));
			fdb_age(&f, now);
		}
		if ((r >> 44) % 500 == 0) {
			assert_int_equal(fdb_flush_port(&f, port), model_at_port(model, port, now));
			model_flush(model, port);
		}
		if ((r >> 54) % 4) /* most stay at home, or all would be held */
			port = (uint16_t)(n % PORTS);
		got = fdb_learn(&f, vlan, mac_of(n), port, 100, now);
		assert_int_equal(got, model_learn(model, m, port, now));
		assert_int_equal(fdb_lookup(&f, vlan, mac_of(n), 100, now),
				 model_live(m, now) ? m->port : FDB_PORT_NONE);
		seen[got]++;
		if (i % 100 == 0)
			check_counts(&f);
	}
	assert_true(seen[FDB_KNOWN] && seen[FDB_NEW] && seen[FDB_MOVED] && seen[FDB_HELD] &&
		    seen[FDB_QUOTA]);
	fdb_free(&f);
}

static void counts_frames_of_each(void **state)
{
	const struct fdb_entry *e;
	const struct fdb_traffic *t;
	struct fdb f;

	(void)state;
	assert_true(fdb_init(&f, 64, 64, AGEING, 1));
	assert_int_equal(fdb_learn(&f, 0, mac_of(1), 1, 60, at(0)), FDB_NEW);
	assert_int_equal(fdb_learn(&f, 9, mac_of(1), 2, 1000, at(0)), FDB_NEW);
	assert_int_equal(fdb_learn(&f, 0, mac_of(1), 1, 40, at(5)), FDB_KNOWN);
	assert_int_equal(fdb_lookup(&f, 0, mac_of(1), 7, at(5)), 1);
	assert_null(fdb_find(&f, 0, mac_of(2), at(5)));
	e = fdb_find(&f, 0, mac_of(1), at(5));
	t = fdb_traffic_of(&f, e);
	assert_true(e->vlan == 0 && e->port == 1 && t->since.us == at(0).us);
	assert_true(t->rx_frames == 2 && t->rx_bytes == 100);
	assert_true(t->tx_frames == 1 && t->tx_bytes == 7); /* finding counts nothing */
	/* At another port it is the same address, and new there. */
	assert_int_equal(fdb_learn(&f, 0, mac_of(1), 3, 1, at(6)), FDB_MOVED);
	assert_true(t->rx_frames == 3 && t->rx_bytes == 101 && t->since.us == at(6).us);
	assert_false(fdb_is_held(e, at(6)));
	for (uint16_t i = 0; i < FDB_MOVES; i++)
		fdb_learn(&f, 0, mac_of(1), i, 1, at(7));
	assert_true(fdb_is_held(e, at(7)));
	t = fdb_traffic_of(&f, e);
	assert_int_equal(t->rx_frames, 3 + FDB_MOVES - 1); /* not what was held */
	/* Who comes back after it was forgotten begins anew. */
	assert_false(fdb_is_held(e, at(1000)));
	assert_int_equal(fdb_learn(&f, 0, mac_of(1), 1, 5, at(1000)), FDB_NEW);
	t = fdb_traffic_of(&f, fdb_find(&f, 0, mac_of(1), at(1000)));
	assert_true(t->rx_frames == 1 && t->rx_bytes == 5 && t->tx_frames == 0);
	fdb_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts_of_learning),
		cmocka_unit_test(refuses_what_is_no_source),
		cmocka_unit_test(damps_an_address_that_moves),
		cmocka_unit_test(counts_moves_for_people),
		cmocka_unit_test(ages),
		cmocka_unit_test(held_and_refused_moves_do_not_refresh),
		cmocka_unit_test(keeps_to_the_quota),
		cmocka_unit_test(full_set_keeps_the_living),
		cmocka_unit_test(takes_as_many_as_asked_for),
		cmocka_unit_test(init_refuses_the_impossible),
		cmocka_unit_test(seed_moves_the_sets),
		cmocka_unit_test(flushes_one_port),
		cmocka_unit_test(walks_each_living_entry_once),
		cmocka_unit_test(agrees_with_a_model),
		cmocka_unit_test(counts_frames_of_each),
	};

	return cmocka_run_group_tests_name("fdb", tests, NULL, NULL);
}
