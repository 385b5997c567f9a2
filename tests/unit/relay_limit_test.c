/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/relay_limit.h"

static const struct instant start = { SECONDS(5) };

/* Takes one token at a time until there is none. */
static unsigned drain(struct relay_bucket *b, uint64_t rate, struct instant now)
{
	unsigned n = 0;

	while (n < 10000 && relay_bucket_open(b, rate, now)) {
		relay_bucket_charge(b, rate, 1);
		n++;
	}
	return n;
}

static void test_a_second_at_once(void **state)
{
	struct relay_bucket b = { 0 };

	(void)state;
	assert_int_equal(drain(&b, 100, start), 100);
	assert_int_equal(drain(&b, 100, instant_add(start, MS(500))), 50);
	assert_int_equal(drain(&b, 100, instant_add(start, SECONDS(60))), 100);
}

static void test_no_limit(void **state)
{
	struct relay_bucket b = { 0 };

	(void)state;
	assert_int_equal(drain(&b, 0, start), 10000);
	assert_int_equal(drain(&b, 3, start), 3); /* nothing was owed */
}

/* What is larger than the bucket passes, and is paid off. */
static void test_debt(void **state)
{
	struct relay_bucket b = { 0 };

	(void)state;
	assert_true(relay_bucket_open(&b, 1000, start));
	relay_bucket_charge(&b, 1000, 4000);
	assert_false(relay_bucket_open(&b, 1000, start));
	assert_false(relay_bucket_open(&b, 1000, instant_add(start, SECONDS(3))));
	assert_true(relay_bucket_open(&b, 1000, instant_add(start, SECONDS(3) + 1)));
	assert_int_equal(drain(&b, 1000, instant_add(start, SECONDS(90))), 1000);
}

/* Asked every few microseconds, a slow rate gains what it should. */
static void test_no_rounding(void **state)
{
	struct relay_bucket b = { 0 };
	unsigned n = drain(&b, 7, start);

	(void)state;
	for (int64_t us = 3; us <= SECONDS(3); us += 3)
		n += drain(&b, 7, instant_add(start, us));
	assert_in_range(n, 7 + 20, 7 + 21);
}

static void test_far_ends(void **state)
{
	struct relay_bucket b = { 0 };

	(void)state;
	assert_true(relay_bucket_open(&b, UINT64_MAX, start));
	relay_bucket_charge(&b, UINT64_MAX, (uint64_t)1 << 40);
	assert_false(relay_bucket_open(&b, UINT64_MAX, start));
	assert_true(relay_bucket_open(&b, UINT64_MAX, instant_add(start, SECONDS(1000000))));
	assert_true(relay_bucket_open(&b, UINT64_MAX, start)); /* time does not go back */
	/* A rate that is lowered does not keep what it had. */
	assert_int_equal(drain(&b, 10, instant_add(start, SECONDS(1000001))), 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_second_at_once),
		cmocka_unit_test(test_no_limit),
		cmocka_unit_test(test_debt),
		cmocka_unit_test(test_no_rounding),
		cmocka_unit_test(test_far_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
