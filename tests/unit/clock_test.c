/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <time.h>

#include "base/clock.h"

static void test_clock_is_monotonic_time(void **state)
{
	struct timespec before, after;
	struct instant now;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &before);
	now = clock_now();
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true(now.us >= SECONDS(before.tv_sec) + before.tv_nsec / 1000);
	assert_true(now.us <= SECONDS(after.tv_sec) + after.tv_nsec / 1000);
	assert_true(now.us > 0);
}

static void test_clock_runs(void **state)
{
	const struct timespec nap = { .tv_nsec = 2000000 };
	struct instant before = clock_now();

	(void)state;
	nanosleep(&nap, NULL);
	assert_true(instant_between(before, clock_now()) >= MS(2));
}

static void test_wall_clock_is_the_epochs(void **state)
{
	int64_t before = time(NULL), wall = clock_wall_seconds();

	(void)state;
	assert_true(wall >= before && wall <= before + 5);
	wall = clock_wall_us();
	assert_true(wall >= SECONDS(before) && wall <= SECONDS(before + 5));
}

static void test_add_saturates_at_never(void **state)
{
	struct instant late = { INT64_MAX - 5 };

	(void)state;
	assert_true(instant_add(late, 4).us == INT64_MAX - 1);
	assert_true(instant_add(late, 6).us == INSTANT_NEVER.us);
	assert_true(instant_add(INSTANT_NEVER, SECONDS(1)).us == INSTANT_NEVER.us);
	assert_true(instant_add((struct instant){ 10 }, MS(2)).us == 2010);
	assert_true(instant_add((struct instant){ 10 }, -4).us == 6);
}

static void test_order(void **state)
{
	struct instant a = { 100 }, b = { 250 };

	(void)state;
	assert_true(instant_between(a, b) == 150);
	assert_true(instant_between(b, a) == -150);
	assert_true(instant_before(a, b));
	assert_false(instant_before(a, a));
	assert_false(instant_before(b, a));
	assert_true(instant_reached(b, a));
	assert_true(instant_reached(a, a));
	assert_false(instant_reached(a, b));
	assert_false(instant_reached(b, INSTANT_NEVER));
	assert_true(instant_min(a, b).us == 100);
	assert_true(instant_min(b, a).us == 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clock_is_monotonic_time),
		cmocka_unit_test(test_clock_runs),
		cmocka_unit_test(test_wall_clock_is_the_epochs),
		cmocka_unit_test(test_add_saturates_at_never),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
