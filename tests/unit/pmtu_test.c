/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/pmtu.h"

/* ---- a path on a virtual clock ---- */

#define ANSWERS 64

struct answer {
	struct instant at;
	uint32_t id;
	uint16_t size;
};

struct path {
	struct pmtu p;
	struct instant now;
	uint16_t mtu; /* larger probes vanish */
	int64_t rtt;
	uint32_t loss_there, loss_back; /* percent */
	bool duplicates;		/* each answer comes a second time, 300 ms later */
	bool data;
	uint32_t random;
	unsigned probes, probes_above_now;
	uint16_t last_probe;
	struct instant changed; /* when now_size changed last */
	struct answer answers[ANSWERS];
	size_t waiting;
};

static void path_init(struct path *s, uint16_t limit, uint16_t mtu, int64_t rtt)
{
	*s = (struct path){
		.now = { SECONDS(1000) }, .mtu = mtu, .rtt = rtt, .data = true, .random = 1
	};
	pmtu_init(&s->p, limit, s->now);
}

static bool strikes(struct path *s, uint32_t percent)
{
	s->random = s->random * 1664525 + 1013904223;
	return (s->random >> 8) % 100 < percent;
}

static void answer_later(struct path *s, int64_t wait, uint32_t id, uint16_t size)
{
	assert_true(s->waiting < ANSWERS);
	s->answers[s->waiting++] = (struct answer){ instant_add(s->now, wait), id, size };
}

static void probe(struct path *s)
{
	uint32_t before = s->p.probe_id;
	uint32_t id = 0;
	uint16_t size = pmtu_probe(&s->p, s->rtt, s->data, s->now, &id);

	assert_true(instant_before(s->now, pmtu_due(&s->p)));
	if (!size)
		return;
	assert_int_equal(id, before + 1);
	assert_true(size <= s->p.limit);
	s->probes++;
	s->probes_above_now += size > s->p.now_size;
	s->last_probe = size;
	if (size > s->mtu || strikes(s, s->loss_there) || strikes(s, s->loss_back))
		return;
	answer_later(s, s->rtt, id, size);
	if (s->duplicates)
		answer_later(s, s->rtt + MS(300), id, size);
}

static struct answer *first_answer(struct path *s)
{
	struct answer *first = NULL;
	size_t i;

	for (i = 0; i < s->waiting; i++) {
		if (!first || instant_before(s->answers[i].at, first->at))
			first = &s->answers[i];
	}
	return first;
}

static void step(struct path *s)
{
	struct answer *a = first_answer(s);
	struct answer taken;
	bool changed;
	uint16_t before = s->p.now_size;

	if (!a || instant_before(pmtu_due(&s->p), a->at)) {
		s->now = pmtu_due(&s->p);
		probe(s);
	} else {
		taken = *a;
		*a = s->answers[--s->waiting];
		s->now = taken.at;
		changed = pmtu_confirmed(&s->p, taken.id, taken.size, s->now);
		assert_int_equal(changed, before != s->p.now_size);
	}
	if (before != s->p.now_size)
		s->changed = s->now;
	assert_true(s->p.now_size <= s->p.limit);
}

/* Lets that much time go by. */
static void run(struct path *s, int64_t us)
{
	struct instant end = instant_add(s->now, us);

	for (;;) {
		struct answer *a = first_answer(s);
		struct instant next = pmtu_due(&s->p);

		if (a)
			next = instant_min(next, a->at);
		if (instant_before(end, next))
			break;
		step(s);
	}
	s->now = end;
}

/* How long it takes until the search is over. */
static int64_t run_until_done(struct path *s)
{
	struct instant begin = s->now;

	while (s->p.state != PMTU_STATE_DONE) {
		assert_true(instant_between(begin, s->now) < SECONDS(1000));
		step(s);
	}
	return instant_between(begin, s->now);
}

/* ---- search ---- */

static void clean_path_takes_two_probes(void **state)
{
	static const uint16_t limits[] = { 1249, 1280, 1420, 1500, 9000, 65534 };
	struct path s;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(limits); i++) {
		path_init(&s, limits[i], 65535, MS(30));
		assert_int_equal(s.p.now_size, PMTU_BASE);
		run(&s, MS(29));
		assert_int_equal(s.last_probe, PMTU_BASE);
		assert_int_equal(s.p.now_size, PMTU_BASE);
		assert_int_equal(run_until_done(&s), MS(60 - 29));
		assert_int_equal(s.p.now_size, limits[i]);
		assert_int_equal(s.probes, 2);
	}
}

static void finds_any_size(void **state)
{
	struct path s;
	uint16_t mtu;

	(void)state;
	for (mtu = PMTU_BASE; mtu <= 1500; mtu++) {
		path_init(&s, 1500, mtu, MS(20));
		assert_true(run_until_done(&s) <= SECONDS(5));
		assert_true(s.p.now_size <= mtu);
		assert_true(mtu - s.p.now_size < PMTU_STEP);
		assert_true(s.probes <= 30);
		run(&s, SECONDS(30));
		assert_true(mtu - s.p.now_size < PMTU_STEP);
		assert_int_equal(s.p.shrunk, 0);
	}
}

static void finds_common_sizes_exactly(void **state)
{
	static const uint16_t mtus[] = { 1280, 1400, 1420, 1452, 1492, 1500 };
	struct path s;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(mtus); i++) {
		path_init(&s, 9000, mtus[i], MS(20));
		assert_true(run_until_done(&s) <= SECONDS(9));
		assert_int_equal(s.p.now_size, mtus[i]);
	}
}

/* What works is used while the search for more goes on. */
static void uses_what_it_has_found(void **state)
{
	struct path s;

	(void)state;
	path_init(&s, 9000, 1500, MS(20));
	run(&s, SECONDS(1));
	assert_int_equal(s.p.state, PMTU_STATE_SEARCH);
	assert_int_equal(s.p.now_size, 1500);
}

static void three_probes_make_a_size_too_large(void **state)
{
	struct path s;

	(void)state;
	path_init(&s, 1500, 1499, MS(20));
	run(&s, MS(20));
	assert_int_equal(s.last_probe, 1500);
	run(&s, MS(399));
	assert_int_equal(s.probes, 3);
	run(&s, MS(1));
	assert_int_equal(s.probes, 4);
	assert_int_equal(s.last_probe, 1500);
	run(&s, MS(199));
	assert_int_equal(s.last_probe, 1500);
	run(&s, MS(1));
	assert_int_equal(s.last_probe, 1280);
}

static void waits_by_the_round_trip(void **state)
{
	static const struct {
		int64_t rtt, wait;
	} table[] = {
		{ 0, MS(500) },		 { -5, MS(500) },
		{ 1, MS(200) },		 { MS(66), MS(200) },
		{ MS(100), MS(300) },	 { MS(333), MS(999) },
		{ MS(334), SECONDS(1) }, { MS(1900), SECONDS(1) },
		{ MS(2200), MS(1100) },	 { INT64_MAX, SECONDS(5) },
	};
	struct pmtu p;
	uint32_t id;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(table); i++) {
		struct instant now = { SECONDS(5) };

		pmtu_init(&p, 1500, now);
		assert_int_equal(pmtu_due(&p).us, now.us);
		assert_int_equal(pmtu_probe(&p, table[i].rtt, false, now, &id), PMTU_BASE);
		assert_int_equal(instant_between(now, pmtu_due(&p)), table[i].wait);
		now.us += table[i].wait - 1;
		assert_int_equal(pmtu_probe(&p, table[i].rtt, false, now, &id), 0);
	}
}

static void base_is_tried_for_ever(void **state)
{
	struct path s;

	(void)state;
	path_init(&s, 1500, 0, MS(20));
	run(&s, SECONDS(600));
	assert_int_equal(s.p.state, PMTU_STATE_BASE);
	assert_int_equal(s.p.now_size, PMTU_BASE);
	assert_in_range(s.probes, 595, 605);
	assert_int_equal(s.probes_above_now, 0);
	s.mtu = 1500;
	run(&s, MS(1000 + 40));
	assert_int_equal(s.p.now_size, 1500);
	assert_int_equal(s.p.shrunk, 0);
}

static void long_round_trips(void **state)
{
	static const int64_t rtts[] = { MS(300), MS(600), MS(1000), MS(1400), MS(1700), MS(2500) };
	struct path s;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rtts); i++) {
		path_init(&s, 1500, 1500, rtts[i]);
		assert_int_equal(run_until_done(&s), 2 * rtts[i]);
		run(&s, SECONDS(300));
		assert_int_equal(s.p.now_size, 1500);
		assert_int_equal(s.p.shrunk, 0);
	}
}

/* ---- changes in mid-flight ---- */

static void black_hole_is_found(void **state)
{
	static const int64_t rtts[] = { 1, MS(20), MS(100), MS(200), MS(250) };
	struct path s;
	size_t i;
	int phase;

	(void)state;
	for (i = 0; i < COUNT_OF(rtts); i++) {
		for (phase = 0; phase < 40; phase++) {
			struct instant hole;

			path_init(&s, 1500, 1500, rtts[i]);
			run(&s, SECONDS(20) + phase * MS(33));
			assert_int_equal(s.p.now_size, 1500);
			s.mtu = 1280;
			hole = s.now;
			run(&s, SECONDS(3));
			assert_int_equal(s.p.shrunk, 1);
			assert_true(s.p.now_size <= 1280);
			assert_true(instant_between(hole, s.changed) <= SECONDS(3));
			assert_true(run_until_done(&s) <= SECONDS(16));
			assert_int_equal(s.p.now_size, 1280);
			run(&s, SECONDS(100));
			assert_int_equal(s.p.shrunk, 1);
		}
	}
}

static void black_hole_drops_to_base_and_probes_it_at_once(void **state)
{
	struct path s;

	(void)state;
	path_init(&s, 1500, 1500, MS(20));
	run(&s, SECONDS(5));
	s.mtu = 1300;
	while (s.p.now_size == 1500)
		step(&s);
	assert_int_equal(s.p.now_size, PMTU_BASE);
	assert_int_equal(s.p.state, PMTU_STATE_BASE);
	assert_int_equal(s.last_probe, PMTU_BASE);
}

/* Also while a search for more is going on. */
static void black_hole_in_search(void **state)
{
	struct path s;
	int phase;

	(void)state;
	for (phase = 0; phase < 40; phase++) {
		path_init(&s, 9000, 1500, MS(20));
		run(&s, MS(800) + phase * MS(100));
		assert_int_equal(s.p.now_size, 1500);
		assert_int_equal(s.p.state, PMTU_STATE_SEARCH);
		s.mtu = 1280;
		run(&s, SECONDS(3));
		assert_true(s.p.now_size <= 1280);
		assert_int_equal(s.p.shrunk, 1);
	}
}

static void grows_when_it_looks_again(void **state)
{
	struct path s;

	(void)state;
	path_init(&s, 1500, 1280, MS(20));
	run_until_done(&s);
	s.mtu = 1500;
	run(&s, PMTU_RAISE - MS(30));
	assert_int_equal(s.p.now_size, 1280);
	run(&s, MS(30) + MS(300));
	assert_int_equal(s.p.now_size, 1500);
	assert_int_equal(s.p.shrunk, 0);
	assert_int_equal(s.p.state, PMTU_STATE_DONE);
}

static void looks_again_and_again(void **state)
{
	struct path s;
	unsigned before;

	(void)state;
	path_init(&s, 9000, 1500, MS(20));
	run_until_done(&s);
	s.data = false;
	before = s.probes;
	run(&s, 4 * PMTU_RAISE);
	assert_int_equal(s.p.now_size, 1500);
	assert_in_range(s.probes - before, 3 * 3 * 10, 4 * 3 * 12);
	s.mtu = 9000;
	run(&s, PMTU_RAISE + SECONDS(10));
	assert_int_equal(s.p.now_size, 9000);
}

static void up_and_down_to_jumbo(void **state)
{
	struct path s;

	(void)state;
	path_init(&s, 9000, 9000, MS(20));
	run(&s, SECONDS(10));
	assert_int_equal(s.p.now_size, 9000);
	s.mtu = 1500;
	run(&s, SECONDS(3));
	assert_true(s.p.now_size <= 1500);
	run(&s, SECONDS(10));
	assert_int_equal(s.p.now_size, 1500);
	s.mtu = 9000;
	run(&s, PMTU_RAISE + SECONDS(10));
	assert_int_equal(s.p.now_size, 9000);
	assert_int_equal(s.p.shrunk, 1);
}

/* ---- confirmations of the size in force ---- */

static void confirms_as_often_as_told(void **state)
{
	struct path s;

	(void)state;
	path_init(&s, 1500, 1500, MS(20));
	run_until_done(&s);
	s.probes = 0;
	run(&s, SECONDS(100));
	assert_in_range(s.probes, 95, 100);
	assert_int_equal(s.last_probe, 1500);
	assert_int_equal(s.p.now_size, 1500);
}

static void is_silent_without_data(void **state)
{
	struct path s;

	(void)state;
	path_init(&s, 1500, 1500, MS(20));
	s.data = false;
	run_until_done(&s);
	assert_int_equal(s.p.now_size, 1500);
	s.probes = 0;
	s.mtu = 1280;
	run(&s, SECONDS(1000));
	assert_int_equal(s.probes, 0);
	assert_int_equal(s.p.now_size, 1500);
	s.data = true;
	run(&s, SECONDS(3));
	assert_true(s.p.now_size <= 1280);
}

/* Data that stops in the middle does not stop a confirmation that has begun. */
static void ends_what_it_began(void **state)
{
	struct path s;

	(void)state;
	path_init(&s, 1500, 1500, MS(20));
	run_until_done(&s);
	s.mtu = 1280;
	s.probes = 0;
	while (s.probes == 0)
		step(&s);
	s.data = false;
	run(&s, SECONDS(2));
	assert_int_equal(s.p.shrunk, 1);
	assert_int_equal(s.p.now_size, 1280);
}

/* The base itself is not confirmed again, however long the search takes. */
static void the_base_is_probed_once(void **state)
{
	struct path s;
	unsigned at_base = 0;
	unsigned before = 0;

	(void)state;
	path_init(&s, 9000, PMTU_BASE, MS(300));
	while (s.p.state != PMTU_STATE_DONE) {
		step(&s);
		at_base += s.probes > before && s.last_probe == PMTU_BASE;
		before = s.probes;
	}
	assert_int_equal(at_base, 1);
}

static void nothing_is_due_at_the_base(void **state)
{
	struct path s;

	(void)state;
	path_init(&s, PMTU_BASE, 1500, MS(20));
	run_until_done(&s);
	assert_int_equal(s.probes, 1);
	assert_int_equal(pmtu_due(&s.p).us, INSTANT_NEVER.us);

	path_init(&s, 1500, PMTU_BASE, MS(20));
	run_until_done(&s);
	assert_int_equal(instant_between(s.now, pmtu_due(&s.p)), PMTU_RAISE);
}

/* ---- loss ---- */

static void lossy(uint32_t there, uint32_t back, unsigned at_limit, unsigned holes)
{
	unsigned found = 0;
	uint64_t shrunk = 0;
	struct path s;
	uint32_t seed;

	for (seed = 1; seed <= 200; seed++) {
		path_init(&s, 1500, 1420, MS(40));
		s.random = seed * 7919;
		s.loss_there = there;
		s.loss_back = back;
		run(&s, SECONDS(60));
		assert_true(s.p.now_size <= 1420);
		found += s.p.now_size == 1420;
		shrunk += s.p.shrunk;
	}
	assert_true(found >= at_limit);
	assert_true(shrunk <= holes);
}

/* 200 minutes of data each.  Three losses in a row cost a size until it looks
 * again; five in a row look like a black hole. */
static void bears_loss(void **state)
{
	(void)state;
	lossy(0, 0, 200, 0);
	lossy(20, 0, 190, 10);
	lossy(0, 20, 190, 10);
	lossy(20, 20, 160, 200);
}

static void sees_a_black_hole_through_loss(void **state)
{
	struct path s;
	uint32_t seed;

	(void)state;
	for (seed = 1; seed <= 200; seed++) {
		path_init(&s, 1500, 1500, MS(40));
		s.random = seed * 7919;
		run(&s, SECONDS(5));
		s.loss_there = 20;
		s.mtu = 1280;
		run(&s, SECONDS(3));
		assert_true(s.p.now_size <= 1280);
	}
}

/* ---- ids ---- */

static void takes_only_answers_to_its_probes(void **state)
{
	struct instant now = { SECONDS(5) };
	struct pmtu p;
	uint32_t id;

	(void)state;
	pmtu_init(&p, 1500, now);
	assert_false(pmtu_confirmed(&p, 0, PMTU_BASE, now));
	assert_false(pmtu_confirmed(&p, 0, 0, now));
	assert_int_equal(p.state, PMTU_STATE_BASE);
	assert_int_equal(pmtu_probe(&p, MS(20), true, now, &id), PMTU_BASE);
	pmtu_confirmed(&p, id + 1, PMTU_BASE, now);
	pmtu_confirmed(&p, id - 1, PMTU_BASE, now);
	pmtu_confirmed(&p, id, 1500, now);
	pmtu_confirmed(&p, id, PMTU_BASE - 1, now);
	pmtu_confirmed(&p, id, 0, now);
	assert_int_equal(p.state, PMTU_STATE_BASE);
	assert_false(pmtu_confirmed(&p, id, PMTU_BASE, now));
	assert_int_equal(p.state, PMTU_STATE_SEARCH);

	assert_false(pmtu_confirmed(&p, id + 1, 1500, now));
	assert_int_equal(pmtu_probe(&p, MS(20), true, now, &id), 1500);
	assert_false(pmtu_confirmed(&p, id - 1, 1500, now));
	assert_false(pmtu_confirmed(&p, id + 1, 1500, now));
	assert_false(pmtu_confirmed(&p, id, 1499, now));
	assert_int_equal(p.now_size, PMTU_BASE);
	assert_true(pmtu_confirmed(&p, id, 1500, now));
	assert_false(pmtu_confirmed(&p, id, 1500, now));
	assert_int_equal(p.now_size, 1500);
}

/* The answer to the last search is no answer to a confirmation. */
static void old_answers_confirm_nothing(void **state)
{
	struct instant now = { SECONDS(5) };
	uint32_t old, id;
	struct pmtu p;
	int i;

	(void)state;
	pmtu_init(&p, 1500, now);
	pmtu_probe(&p, MS(20), true, now, &old);
	pmtu_confirmed(&p, old, PMTU_BASE, now);
	pmtu_probe(&p, MS(20), true, now, &old);
	pmtu_confirmed(&p, old, 1500, now);
	for (i = 0; i <= PMTU_MISSES; i++) {
		assert_false(pmtu_confirmed(&p, old, 1500, now));
		now = pmtu_due(&p);
		assert_int_equal(pmtu_probe(&p, MS(20), true, now, &id),
				 i < PMTU_MISSES ? 1500 : PMTU_BASE);
	}
	assert_int_equal(p.now_size, PMTU_BASE);
	assert_false(pmtu_confirmed(&p, id - 1, 1500, now));
	assert_int_equal(p.now_size, PMTU_BASE);
}

static void a_late_answer_counts(void **state)
{
	struct instant now = { SECONDS(5) };
	uint32_t first, id;
	struct pmtu p;

	(void)state;
	pmtu_init(&p, 1500, now);
	p.probe_id = UINT32_MAX - 2; /* and ids may wrap */
	pmtu_probe(&p, MS(20), true, now, &id);
	pmtu_confirmed(&p, id, PMTU_BASE, now);
	assert_int_equal(pmtu_probe(&p, MS(20), true, now, &first), 1500);
	now = pmtu_due(&p);
	assert_int_equal(pmtu_probe(&p, MS(20), true, now, &id), 1500);
	assert_int_equal(id, 0);
	assert_true(pmtu_confirmed(&p, first, 1500, now));
	assert_int_equal(p.now_size, 1500);
}

static void bears_duplicates(void **state)
{
	struct path s;

	(void)state;
	path_init(&s, 1500, 1500, MS(20));
	s.duplicates = true;
	assert_int_equal(run_until_done(&s), MS(40));
	s.probes = 0;
	run(&s, SECONDS(100));
	assert_in_range(s.probes, 95, 100);
	s.mtu = 1280;
	run(&s, SECONDS(3));
	assert_true(s.p.now_size <= 1280);
	run(&s, SECONDS(5));
	assert_int_equal(s.p.now_size, 1280);
}

/* ---- limits and hints ---- */

static void a_lower_limit_holds_at_once(void **state)
{
	struct path s;

	(void)state;
	path_init(&s, 1500, 1500, MS(20));
	run_until_done(&s);
	pmtu_local_limit(&s.p, 1400, s.now);
	assert_int_equal(s.p.now_size, 1400);
	assert_int_equal(s.p.state, PMTU_STATE_DONE);
	run(&s, PMTU_RAISE + SECONDS(5));
	assert_int_equal(s.p.now_size, 1400);
	assert_int_equal(s.p.shrunk, 0);
	pmtu_local_limit(&s.p, 1000, s.now);
	assert_int_equal(s.p.now_size, 1000);
	pmtu_local_limit(&s.p, 3, s.now);
	assert_int_equal(s.p.now_size, PMTU_LEAST);
}

static void a_lower_limit_in_search(void **state)
{
	struct path s;

	(void)state;
	path_init(&s, 9000, 1452, MS(20));
	run(&s, SECONDS(2));
	assert_int_equal(s.p.state, PMTU_STATE_SEARCH);
	assert_int_equal(s.p.now_size, 1452);
	pmtu_local_limit(&s.p, 1460, s.now);
	assert_int_equal(s.p.now_size, 1452);
	s.probes_above_now = 0;
	run_until_done(&s);
	assert_int_equal(s.p.now_size, 1452);
	assert_int_equal(s.probes_above_now, PMTU_PROBES);
	pmtu_local_limit(&s.p, 1452, s.now);
	assert_int_equal(s.p.now_size, 1452);
}

static void a_lower_limit_in_base(void **state)
{
	struct path s;

	(void)state;
	path_init(&s, 1500, 1500, MS(20));
	run(&s, MS(10));
	pmtu_local_limit(&s.p, 1000, s.now);
	assert_int_equal(s.p.now_size, 1000);
	run_until_done(&s);
	assert_int_equal(s.p.now_size, 1000);
	assert_int_equal(pmtu_due(&s.p).us, INSTANT_NEVER.us);
}

static void a_higher_limit_starts_a_search(void **state)
{
	struct path s;

	(void)state;
	path_init(&s, 1500, 9000, MS(20));
	run(&s, SECONDS(3));
	pmtu_local_limit(&s.p, 1500, s.now);
	assert_int_equal(s.p.state, PMTU_STATE_DONE);
	pmtu_local_limit(&s.p, 9000, s.now);
	assert_int_equal(s.p.now_size, 1500);
	assert_int_equal(run_until_done(&s), MS(20));
	assert_int_equal(s.p.now_size, 9000);
	pmtu_local_limit(&s.p, UINT16_MAX, s.now);
	run_until_done(&s);
	assert_true(s.p.now_size <= 9000 && s.p.now_size > 9000 - PMTU_STEP);
}

/* What the limit's change has cancelled is not counted as unanswered. */
static void a_limit_misses_nothing(void **state)
{
	struct path s;

	(void)state;
	path_init(&s, 1500, 1500, MS(20));
	run_until_done(&s);
	s.mtu = 1280;
	while (s.p.misses < PMTU_MISSES - 1)
		step(&s);
	s.mtu = 1500;
	pmtu_local_limit(&s.p, 1600, s.now);
	run(&s, SECONDS(1));
	assert_int_equal(s.p.now_size, 1500);
	assert_int_equal(s.p.shrunk, 0);
}

static void a_limit_beyond_all_packets(void **state)
{
	struct path s;

	(void)state;
	path_init(&s, UINT16_MAX, 9000, MS(20));
	run_until_done(&s);
	assert_true(s.p.now_size <= 9000 && s.p.now_size > 9000 - PMTU_STEP);
}

static void a_hint_only_hurries(void **state)
{
	struct path s;
	unsigned before;

	(void)state;
	path_init(&s, 1500, 1500, MS(20));
	s.data = false;
	run_until_done(&s);
	before = s.probes;
	pmtu_hint(&s.p, s.now); /* just confirmed */
	run(&s, MS(500));
	assert_int_equal(s.probes, before);
	pmtu_hint(&s.p, s.now);
	assert_int_equal(s.p.now_size, 1500);
	run(&s, 0);
	assert_int_equal(s.probes, before + 1);
	assert_int_equal(s.last_probe, 1500);
	pmtu_hint(&s.p, s.now); /* while the answer is awaited */
	run(&s, 0);
	assert_int_equal(s.probes, before + 1);
	run(&s, SECONDS(5));
	assert_int_equal(s.probes, before + 1);
	assert_int_equal(s.p.now_size, 1500);

	s.mtu = 1280;
	pmtu_hint(&s.p, s.now);
	run(&s, SECONDS(2));
	assert_int_equal(s.p.shrunk, 1);
	assert_int_equal(s.p.now_size, 1280);
}

static void hints_at_the_base_do_nothing(void **state)
{
	struct path s;
	unsigned before;

	(void)state;
	path_init(&s, 1500, PMTU_BASE, MS(20));
	pmtu_hint(&s.p, s.now);
	run_until_done(&s);
	before = s.probes;
	pmtu_hint(&s.p, s.now);
	run(&s, SECONDS(10));
	assert_int_equal(s.probes, before);
}

/* However many hints are forged, probes stay few. */
static void a_flood_of_hints(void **state)
{
	struct path s;
	int i;

	(void)state;
	path_init(&s, 1500, 1500, MS(20));
	run_until_done(&s);
	s.probes = 0;
	for (i = 0; i < 10000; i++) {
		pmtu_hint(&s.p, s.now);
		run(&s, MS(1));
	}
	assert_true(s.probes <= 10 * 5);
	assert_int_equal(s.p.now_size, 1500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean_path_takes_two_probes),
		cmocka_unit_test(finds_any_size),
		cmocka_unit_test(finds_common_sizes_exactly),
		cmocka_unit_test(uses_what_it_has_found),
		cmocka_unit_test(three_probes_make_a_size_too_large),
		cmocka_unit_test(waits_by_the_round_trip),
		cmocka_unit_test(base_is_tried_for_ever),
		cmocka_unit_test(long_round_trips),
		cmocka_unit_test(black_hole_is_found),
		cmocka_unit_test(black_hole_drops_to_base_and_probes_it_at_once),
		cmocka_unit_test(black_hole_in_search),
		cmocka_unit_test(grows_when_it_looks_again),
		cmocka_unit_test(looks_again_and_again),
		cmocka_unit_test(up_and_down_to_jumbo),
		cmocka_unit_test(confirms_as_often_as_told),
		cmocka_unit_test(is_silent_without_data),
		cmocka_unit_test(ends_what_it_began),
		cmocka_unit_test(the_base_is_probed_once),
		cmocka_unit_test(nothing_is_due_at_the_base),
		cmocka_unit_test(bears_loss),
		cmocka_unit_test(sees_a_black_hole_through_loss),
		cmocka_unit_test(takes_only_answers_to_its_probes),
		cmocka_unit_test(old_answers_confirm_nothing),
		cmocka_unit_test(a_late_answer_counts),
		cmocka_unit_test(bears_duplicates),
		cmocka_unit_test(a_lower_limit_holds_at_once),
		cmocka_unit_test(a_lower_limit_in_search),
		cmocka_unit_test(a_lower_limit_in_base),
		cmocka_unit_test(a_higher_limit_starts_a_search),
		cmocka_unit_test(a_limit_misses_nothing),
		cmocka_unit_test(a_limit_beyond_all_packets),
		cmocka_unit_test(a_hint_only_hurries),
		cmocka_unit_test(hints_at_the_base_do_nothing),
		cmocka_unit_test(a_flood_of_hints),
	};

	return cmocka_run_group_tests_name("pmtu", tests, NULL, NULL);
}
