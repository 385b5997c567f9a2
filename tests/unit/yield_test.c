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
static atomic_ulong rounds;

static int64_t thread_us(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return SECONDS(used.tv_sec) + used.tv_nsec / 1000;
}

static void *be_busy(void *used)
{
	while (!atomic_load(&enough))
		atomic_fetch_add(&rounds, 1);
	*(int64_t *)used = thread_us();
	return NULL;
}

/* This thread and those it starts are on one processor from now on. */
static void stay_here(cpu_set_t *before)
{
	cpu_set_t here;

	assert_int_equal(sched_getaffinity(0, sizeof(*before), before), 0);
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	assert_int_equal(sched_setaffinity(0, sizeof(here), &here), 0);
}

static pthread_t begin_busy(int64_t *used)
{
	pthread_t busy;

	atomic_store(&enough, false);
	assert_int_equal(pthread_create(&busy, NULL, be_busy, used), 0);
	return busy;
}

static void end_busy(pthread_t busy, const cpu_set_t *before)
{
	atomic_store(&enough, true);
	pthread_join(busy, NULL);
	sched_setaffinity(0, sizeof(*before), before);
}

static void test_others_run(void **state)
{
	struct yield y = { 0 };
	cpu_set_t before;
	pthread_t busy;
	int64_t used;
	unsigned ran = 0;

	(void)state;
	stay_here(&before);
	busy = begin_busy(&used);
	for (unsigned i = 0; i < 20; i++) {
		unsigned long then = atomic_load(&rounds);

		y.not_before = (struct instant){ 0 };
		yield_offer(&y, clock_now());
		ran += atomic_load(&rounds) != then;
	}
	end_busy(busy, &before);
	assert_in_range(ran, 5, 20);
}

static void test_the_busy_do_not_get_it_all(void **state)
{
	struct instant begin = clock_now();
	int64_t own = thread_us(), others = 0;
	struct yield y = { 0 };
	cpu_set_t before;
	pthread_t busy;

	(void)state;
	stay_here(&before);
	busy = begin_busy(&others);
	while (instant_between(begin, clock_now()) < MS(600))
		yield_after(&y, YIELD_FRAMES, clock_now());
	own = thread_us() - own;
	end_busy(busy, &before);
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
		cmocka_unit_test(test_others_run),
		cmocka_unit_test(test_the_busy_do_not_get_it_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
