/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "core/replay.h"

#define W REPLAY_WINDOW
#define TOP UINT64_MAX

/* One step: what a look says, and then a commit of the counter. */
struct step {
	uint64_t counter;
	enum replay_verdict verdict;
};

#define NEW REPLAY_NEW
#define SEEN REPLAY_SEEN
#define OLD REPLAY_OLD

static void walk(const char *name, const struct step *steps, size_t n)
{
	struct replay r, before;

	replay_reset(&r);
	for (size_t i = 0; i < n; i++) {
		before = r;
		if (replay_check(&r, steps[i].counter) != steps[i].verdict)
			fail_msg("%s, step %zu: %d", name, i, replay_check(&r, steps[i].counter));
		assert_memory_equal(&r, &before, sizeof(r));
		assert_int_equal(replay_commit(&r, steps[i].counter), steps[i].verdict == NEW);
		/* What is not new leaves no trace. */
		if (steps[i].verdict != NEW)
			assert_memory_equal(&r, &before, sizeof(r));
	}
}

static void test_truth_tables(void **state)
{
	/* clang-format off */
	static const struct step in_order[] = {
		/* 0 */ { 0, NEW }, { 0, SEEN }, { 1, NEW }, { 1, SEEN },
		/* 4 */ { 2, NEW }, { 0, SEEN }, { 3, NEW }, { 2, SEEN },
	};
	static const struct step late[] = {
		/* 0 */ { 9, NEW }, { 8, NEW }, { 7, NEW }, { 7, SEEN },
		/* 4 */ { 0, NEW }, { 0, SEEN }, { 9, SEEN }, { 10, NEW },
	};
	static const struct step first_far[] = {
		/* 0 */ { 1000000, NEW }, { 1000000, SEEN }, { 999999, NEW }, { 0, OLD },
		/* 4 */ { 1000000 - W, NEW }, { 1000000 - W, SEEN }, { 1000000 - W - 1, OLD },
	};
	static const struct step edge[] = {
		/* 0 */ { W, NEW }, { 0, NEW }, { 0, SEEN }, { W + 1, NEW },
		/* 4 */ { 0, OLD }, { 1, NEW }, { 1, SEEN }, { W + 2, NEW },
		/* 8 */ { 1, OLD }, { 2, NEW }, { W + 65, NEW }, { 64, OLD },
		/* 12 */ { 65, NEW }, { 65, SEEN }, { W, SEEN }, { W + 1, SEEN },
	};
	static const struct step word_edges[] = {
		/* 0 */ { 63, NEW }, { 64, NEW }, { 63, SEEN }, { 64, SEEN },
		/* 4 */ { 62, NEW }, { 65, NEW }, { 127, NEW }, { 128, NEW },
		/* 8 */ { 126, NEW }, { 127, SEEN }, { 128, SEEN }, { 63, SEEN },
	};
	/* A jump by the whole ring lands on the word that it left. */
	static const struct step round_the_ring[] = {
		/* 0 */ { 5, NEW }, { 5 + 64 * REPLAY_WORDS, NEW },
		/* 2 */ { 4 + 64 * REPLAY_WORDS, NEW }, { 5, OLD },
		/* 4 */ { 5 + 128 * REPLAY_WORDS, NEW }, { 4 + 128 * REPLAY_WORDS, NEW },
		/* 6 */ { 5 + 64 * REPLAY_WORDS, OLD }, { 5 + 128 * REPLAY_WORDS, SEEN },
	};
	/* Just under it: all the window behind is unseen. */
	static const struct step far_jump[] = {
		/* 0 */ { 0, NEW }, { 1, NEW }, { 2 * W, NEW }, { 1, OLD },
		/* 4 */ { W, NEW }, { W, SEEN }, { W - 1, OLD }, { 2 * W - 1, NEW },
		/* 8 */ { (uint64_t)1 << 40, NEW }, { 2 * W, OLD }, { ((uint64_t)1 << 40) - W, NEW },
	};
	static const struct step top[] = {
		/* 0 */ { TOP, OLD }, { TOP - 2, NEW }, { TOP, OLD }, { TOP - 1, NEW },
		/* 4 */ { TOP - 1, SEEN }, { TOP, OLD }, { TOP - 2, SEEN }, { TOP - 1 - W, NEW },
		/* 8 */ { TOP - 2 - W, OLD }, { TOP - 1 - W, SEEN }, { 0, OLD }, { 1, OLD },
	};
	/* clang-format on */

	(void)state;
#define WALK(table) walk(#table, table, COUNT_OF(table))
	WALK(in_order);
	WALK(late);
	WALK(first_far);
	WALK(edge);
	WALK(word_edges);
	WALK(round_the_ring);
	WALK(far_jump);
	WALK(top);
#undef WALK
}

static void test_check_alone_marks_nothing(void **state)
{
	struct replay r;

	(void)state;
	replay_reset(&r);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(replay_check(&r, 42), NEW);
	assert_int_equal(r.next, 0);
}

static void test_reset_forgets(void **state)
{
	struct replay r;

	(void)state;
	memset(&r, 0xff, sizeof(r));
	replay_reset(&r);
	for (uint64_t i = 0; i < 3 * W; i++)
		assert_true(replay_commit(&r, i));
	replay_reset(&r);
	assert_int_equal(replay_check(&r, 0), NEW);
	assert_true(replay_commit(&r, 3 * W));
	assert_int_equal(replay_check(&r, 3 * W - 1), NEW);
}

/* Packets that come in reverse: all that the window covers, once each. */
static void test_reversed(void **state)
{
	const uint64_t newest = 5 * W + 17;
	uint64_t taken = 0;
	struct replay r;

	(void)state;
	replay_reset(&r);
	for (unsigned round = 0; round < 2; round++)
		for (uint64_t i = 0; i <= newest; i++)
			taken += replay_commit(&r, newest - i);
	assert_int_equal(taken, W + 1);
}

/* The model keeps a byte for each counter from base on. */
struct model {
	uint64_t base, newest;
	bool any;
	uint8_t *seen;
};

static enum replay_verdict model_check(const struct model *m, uint64_t counter)
{
	if (counter == TOP)
		return OLD;
	if (m->any && counter < m->newest && m->newest - counter > W)
		return OLD;
	return m->seen[counter - m->base] ? SEEN : NEW;
}

static void model_commit(struct model *m, uint64_t counter)
{
	m->seen[counter - m->base] = 1;
	if (!m->any || counter > m->newest)
		m->newest = counter;
	m->any = true;
}

/* A step from the newest: mostly near, now and then around the window or the
 * ring, and rarely far ahead. */
static uint64_t next_counter(const struct model *m, uint64_t random, uint64_t end)
{
	uint64_t way = random % 1000, step = random >> 32, from = m->any ? m->newest : m->base;

	if (way < 600)
		from += step % 4;
	else if (way < 900)
		from -= MIN(step % 70, from - m->base);
	else if (way < 990)
		from -= MIN(W - 100 + step % 200, from - m->base);
	else if (way < 998)
		from += step % 300;
	else
		from += step % (64 * REPLAY_WORDS * 2);
	return MIN(from, end);
}

static void compare(uint64_t base, uint64_t span, unsigned steps, uint64_t seed)
{
	struct model m = { .base = base, .seen = calloc(1, span + 1) };
	unsigned count[3] = { 0 };
	struct replay r;

	replay_reset(&r);
	if (base > 0) { /* as if all had begun there */
		assert_true(replay_commit(&r, base));
		model_commit(&m, base);
	}
	for (unsigned i = 0; i < steps; i++) {
		uint64_t counter = next_counter(&m, hash_u64(i, seed), base + span);
		enum replay_verdict verdict = model_check(&m, counter);

		if (replay_check(&r, counter) != verdict ||
		    replay_commit(&r, counter) != (verdict == NEW))
			fail_msg("step %u, counter %ju", i, (uintmax_t)counter);
		if (verdict == NEW)
			model_commit(&m, counter);
		count[verdict]++;
	}
	print_message("%u steps: %u new, %u seen, %u old\n", steps, count[NEW], count[SEEN],
		      count[OLD]);
	assert_true(count[NEW] > 0 && count[SEEN] > 0 && count[OLD] > 0);
	free(m.seen);
}

static void test_like_the_model(void **state)
{
	(void)state;
	compare(0, 100000000, 1000000, 1);
	compare((uint64_t)1 << 32, 10000000, 100000, 2);
	compare(TOP - 200000, 200000, 100000, 3);
}

/* A small window beside the model's rule: it remembers what it can, and no more. */
static void test_ring_of_another_size(void **state)
{
	static const size_t windows[] = { 64, 128, 2048 };

	(void)state;
	for (unsigned w = 0; w < COUNT_OF(windows); w++) {
		uint64_t window = windows[w], next = 0;
		size_t words = REPLAY_WORDS_FOR(window);
		uint64_t *bits = calloc(words, sizeof(*bits));

		for (uint64_t i = 0; i < 5 * window; i += 2)
			assert_true(replay_ring_commit(&next, bits, words, i));
		assert_int_equal(next, 5 * window - 1);
		for (uint64_t i = 0; i < 5 * window; i++) {
			bool old = i + window < next - 1;
			enum replay_verdict verdict = old ? OLD : i % 2 == 0 ? SEEN : NEW;

			assert_int_equal(replay_ring_check(next, bits, words, i), verdict);
			assert_int_equal(replay_ring_commit(&next, bits, words, i), verdict == NEW);
		}
		assert_int_equal(replay_ring_check(next, bits, words, TOP), OLD);
		free(bits); /* of just that size: the sanitizer watches its ends */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_truth_tables),
		cmocka_unit_test(test_check_alone_marks_nothing),
		cmocka_unit_test(test_reset_forgets),
		cmocka_unit_test(test_reversed),
		cmocka_unit_test(test_like_the_model),
		cmocka_unit_test(test_ring_of_another_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
