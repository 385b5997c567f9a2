/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "core/pace.h"

static struct pace p;
static struct instant now;

static int begin(void **state)
{
	(void)state;
	pace_init(&p);
	now.us = SECONDS(100);
	return 0;
}

static void pass(int64_t us)
{
	now = instant_add(now, us);
}

/* How many of the peers from first on get a place now. */
static unsigned take(uint16_t first, unsigned n, bool alive)
{
	unsigned got = 0;

	for (unsigned i = 0; i < n; i++)
		got += pace_take(&p, (uint16_t)(first + i), alive, now);
	return got;
}

static void test_a_few_are_not_held_up(void **state)
{
	(void)state;
	assert_int_equal(take(0, PACE_FIRST, true), PACE_FIRST);
	assert_false(pace_take(&p, 77, true, now));
	/* Who has a place may call again. */
	assert_true(pace_take(&p, 0, true, now));
	pace_forget(&p, 1);
	pace_forget(&p, 55);
	assert_true(pace_take(&p, 77, true, now));
	assert_false(pace_take(&p, 1, true, now));
}

/* With answers that come soon: one place more for each, up to the most. */
static void test_answers_open(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < 40; i++) {
		assert_true(pace_take(&p, i, true, now));
		pass(MS(20));
		pace_answered(&p, i, now);
		pace_answered(&p, i, now); /* counts once */
		assert_int_equal(p.window, i + 1 < PACE_MOST - PACE_FIRST ? PACE_FIRST + i + 1
									  : PACE_MOST);
	}
	assert_int_equal(take(100, 100, true), PACE_MOST);
	pace_answered(&p, 99, now); /* nobody called it */
	assert_int_equal(take(200, 1, true), 0);
}

/* Answers that take much longer than the quickest did. */
static void test_slow_answers_narrow(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < 8; i++) {
		assert_true(pace_take(&p, i, true, now));
		pass(MS(40));
		pace_answered(&p, i, now);
	}
	assert_int_equal(p.window, PACE_FIRST + 8);
	assert_true(pace_take(&p, 8, true, now));
	pass(2 * MS(40) + PACE_SLOW + 1);
	pace_answered(&p, 8, now);
	assert_int_equal(p.window, (PACE_FIRST + 8) / 2);
	assert_int_equal(p.stretch, 1);
	/* A long way alone is no reason. */
	pace_init(&p);
	for (uint16_t i = 0; i < 8; i++) {
		assert_true(pace_take(&p, i, true, now));
		pass(MS(450));
		pace_answered(&p, i, now);
	}
	assert_int_equal(p.window, PACE_FIRST + 8);
}

/* No answer from who is there: fewer places, and longer waits, once in such a wait. */
static void test_silence_narrows(void **state)
{
	int64_t wait = PACE_PATIENCE;

	(void)state;
	for (unsigned stretch = 1; stretch < PACE_STRETCH; stretch *= 2) {
		assert_int_equal(p.stretch, stretch);
		assert_true(take(0, 100, true) >= PACE_LEAST);
		pass(wait - 1);
		assert_int_equal(take(200, 100, true), 0);
		pass(1);
		assert_int_equal(take(300, 100, true), PACE_LEAST);
		pass(8 * wait);
		for (uint16_t i = 0; i < 500; i++)
			pace_forget(&p, i);
		wait *= 2;
	}
	assert_int_equal(p.window, PACE_LEAST);
	/* Answers make up for it. */
	for (uint16_t i = 0; i < 20; i++) {
		assert_true(pace_take(&p, i, true, now));
		pass(MS(20));
		pace_answered(&p, i, now);
	}
	assert_int_equal(p.stretch, 1);
	assert_int_equal(p.window, PACE_MOST);
}

/* Peers that may be away for days do not slow the others down. */
static void test_the_absent_do_not_count(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(take((uint16_t)(i * 10), 10, false), PACE_FIRST);
		pass(PACE_PATIENCE);
	}
	assert_int_equal(p.window, PACE_FIRST);
	assert_int_equal(p.stretch, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_few_are_not_held_up, begin),
		cmocka_unit_test_setup(test_answers_open, begin),
		cmocka_unit_test_setup(test_slow_answers_narrow, begin),
		cmocka_unit_test_setup(test_silence_narrows, begin),
		cmocka_unit_test_setup(test_the_absent_do_not_count, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
