/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "host/yield.h"

static void test_after_so_many_frames(void **state)
{
	struct yield y = { 0 };
	struct instant now = clock_now();

	(void)state;
	for (unsigned i = 1; i < YIELD_FRAMES; i++)
		yield_after(&y, 1, now);
	assert_int_equal(y.calls, 0);
	yield_after(&y, 1, now);
	assert_int_equal(y.calls, 1);
	assert_int_equal(y.frames, 0);
	yield_after(&y, 10 * YIELD_FRAMES, now);
	assert_int_equal(y.frames, 0);
}

static void test_not_before_its_time(void **state)
{
	struct instant now = clock_now();
	struct yield y = { .not_before = instant_add(now, SECONDS(10)) };

	(void)state;
	yield_after(&y, YIELD_FRAMES, now);
	assert_int_equal(y.calls, 0);
	yield_after(&y, YIELD_FRAMES - 1, instant_add(now, SECONDS(10)));
	assert_int_equal(y.calls, 0); /* what came before does not count again */
	yield_after(&y, 1, instant_add(now, SECONDS(10)));
	assert_int_equal(y.calls, 1);
}

/* ---- with one that is always busy on the same processor ------------------ */

static atomic_bool enough;

static int64_t thread_us(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return SECONDS(used.tv_sec) + used.tv_nsec / 1000;
}

static void *be_busy(void *used)
{
	while (!atomic_load(&enough))
		;
	*(int64_t *)used = thread_us();
	return NULL;
}

static void test_the_busy_do_not_get_it_all(void **state)
{
	struct instant begin = clock_now();
	int64_t own = thread_us(), others = 0;
	cpu_set_t before, here;
	struct yield y = { 0 };
	pthread_t busy;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	assert_int_equal(sched_setaffinity(0, sizeof(here), &here), 0);
	assert_int_equal(pthread_create(&busy, NULL, be_busy, &others), 0);
	while (instant_between(begin, clock_now()) < MS(600))
		yield_after(&y, YIELD_FRAMES, clock_now());
	own = thread_us() - own;
	atomic_store(&enough, true);
	pthread_join(busy, NULL);
	sched_setaffinity(0, sizeof(before), &before);
	assert_true(y.calls > 0);
	if (own < others / 4)
		fail_msg("had the processor for %lld us, the other for %lld", (long long)own,
			 (long long)others);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_after_so_many_frames),
		cmocka_unit_test(test_not_before_its_time),
		cmocka_unit_test(test_the_busy_do_not_get_it_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
