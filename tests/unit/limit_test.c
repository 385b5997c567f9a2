/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/limit.h"

#define SEED 12345

static struct limit limit;
static const struct instant start = { SECONDS(1000) };

static struct addr ipv4(uint32_t host)
{
	struct addr a = { .port = 7741, .family = ADDR_IPV4 };

	be32_put(a.ip, host);
	return a;
}

static struct addr ipv6(uint64_t net, uint64_t host)
{
	struct addr a = { .port = 7741, .family = ADDR_IPV6 };

	be64_put(a.ip, net);
	be64_put(a.ip + 8, host);
	return a;
}

/* How many of n tries pass, one every step microseconds from *now on. */
static unsigned passes(const struct addr *a, unsigned n, int64_t step, struct instant *now)
{
	unsigned passed = 0;

	for (unsigned i = 0; i < n; i++) {
		passed += limit_pass(&limit, a, *now);
		*now = instant_add(*now, step);
	}
	return passed;
}

static void test_burst_then_nothing(void **state)
{
	struct addr a = ipv4(1);
	struct instant now = start;

	/* The clock does not move, so nothing comes back. */
	(void)state;
	limit_init(&limit, 20, 5, SEED);
	for (unsigned i = 0; i < 5; i++)
		assert_true(limit_pass(&limit, &a, now));
	assert_int_equal(passes(&a, 10000, 0, &now), 0);
}

/* The bucket is emptied first; then the rate, however often it is asked. */
static void test_rate(void **state)
{
	static const struct {
		uint32_t rate;
		int64_t step;
		unsigned tries, passed;
	} table[] = {
		/* 0 */ { 20, 1000, 1000, 19 },
		/* 1 */ { 20, 1000, 1001, 20 },
		/* 2 */ { 20, 1, 1000001, 20 },
		/* 3 */ { 7, 1, 1000001, 7 },
		/* 4 */ { 1, 3, 333334, 0 },
		/* 5 */ { 1, 3, 333335, 1 },
		/* 6 */ { 600, 2, 500001, 600 },
		/* 7 */ { 3, 333333, 4, 2 },
		/* 8 */ { 3, 333334, 4, 3 },
		/* 9 */ { 1000000, 1, 1001, 1000 },
		/* 10 */ { 20, 50000, 21, 20 },
		/* 11 */ { 20, 49999, 21, 19 },
		/* 12 */ { 0, 1000000, 1000, 0 },
	};
	struct addr a = ipv4(1);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		struct instant now = start;
		unsigned passed;

		limit_init(&limit, table[i].rate, 4, SEED);
		assert_int_equal(passes(&a, 4, 0, &now), 4);
		passed = passes(&a, table[i].tries, table[i].step, &now);
		if (passed != table[i].passed)
			fail_msg("row %zu: %u passed", i, passed);
	}
}

static void test_fills_to_the_burst_only(void **state)
{
	static const int64_t pauses[] = { SECONDS(1), SECONDS(3600), INT64_MAX / 2 };
	struct addr a = ipv4(1);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(pauses); i++) {
		struct instant now = start;

		limit_init(&limit, 10, 10, SEED);
		assert_int_equal(passes(&a, 50, 0, &now), 10);
		now = instant_add(now, pauses[i]);
		assert_int_equal(passes(&a, 50, 0, &now), 10);
		/* Half of it comes back in half the time. */
		now = instant_add(now, MS(500));
		assert_int_equal(passes(&a, 50, 0, &now), 5);
	}
}

static void test_extremes(void **state)
{
	struct addr a = ipv4(1);
	struct instant now = start;

	(void)state;
	limit_init(&limit, UINT32_MAX, UINT32_MAX, SEED);
	assert_int_equal(limit.burst, LIMIT_BURST_MAX);
	assert_int_equal(passes(&a, LIMIT_BURST_MAX + 10, 0, &now), LIMIT_BURST_MAX);
	now = instant_add(now, 1);
	assert_int_equal(passes(&a, 5000, 0, &now), 4294);
	now = instant_add(now, INT64_MAX / 2);
	assert_int_equal(passes(&a, LIMIT_BURST_MAX + 10, 0, &now), LIMIT_BURST_MAX);
	limit_init(&limit, 100, 0, SEED);
	assert_int_equal(passes(&a, 100, MS(100), &now), 0);
}

static void test_clock_that_goes_back(void **state)
{
	struct addr a = ipv4(1);
	struct instant now = start, earlier = { start.us - SECONDS(10) };

	(void)state;
	limit_init(&limit, 1, 3, SEED);
	assert_int_equal(passes(&a, 3, 0, &now), 3);
	assert_int_equal(passes(&a, 3, 0, &earlier), 0);
	/* The time gone through twice is not paid for twice. */
	assert_int_equal(passes(&a, 3, 0, &now), 0);
	now = instant_add(now, SECONDS(1));
	assert_int_equal(passes(&a, 3, 0, &now), 1);
}

static void test_who_shares_a_bucket(void **state)
{
	struct addr base4 = ipv4(0xc0000201), base6 = ipv6(0x20010db800000001u, 1);
	struct addr link = ipv6(0xfe80000000000000u, 1);
	struct {
		const char *what;
		struct addr one, two;
		bool shared;
	} table[] = {
		{ "the same", base4, base4, true },
		{ "another port", base4, base4, true },
		{ "another IPv4", base4, ipv4(0xc0000202), false },
		{ "the /24 only", base4, ipv4(0xc0000301), false },
		{ "same /64", base6, ipv6(0x20010db800000001u, UINT64_MAX), true },
		{ "other /64", base6, ipv6(0x20010db800000002u, 1), false },
		{ "other /32", base6, ipv6(0x20010db900000001u, 1), false },
		{ "another interface", link, link, false },
		{ "IPv4 and IPv6", ipv4(0x20010db8), ipv6(0x20010db800000000u, 0), false },
	};

	(void)state;
	table[1].two.port = 1;
	table[7].two.scope = 3;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		limit_init(&limit, 1, 1, SEED);
		assert_true(limit_pass(&limit, &table[i].one, start));
		if (limit_pass(&limit, &table[i].two, start) == table[i].shared)
			fail_msg("%s", table[i].what);
	}
}

static void test_nobody_never_passes(void **state)
{
	struct addr none = { 0 };
	struct addr a = ipv4(1);

	(void)state;
	limit_init(&limit, 100, 100, SEED);
	assert_false(limit_pass(&limit, &none, start));
	assert_true(limit_pass(&limit, &a, start));
	assert_false(limit_pass(&limit, &none, start));
}

/* n addresses of one set, the set of the first. */
static void of_one_set(struct addr *out, unsigned n)
{
	uint64_t set = 0;
	unsigned found = 0;

	for (uint32_t host = 1; found < n; host++) {
		struct addr a = ipv4(host), group = addr_group(&a);
		uint64_t its = addr_hash(&group, SEED) % LIMIT_SETS;

		if (found == 0)
			set = its;
		if (its == set)
			out[found++] = a;
	}
}

static struct instant second(int64_t n)
{
	return instant_add(start, SECONDS(n));
}

/* With a rate of 0 a bucket that passes again is one that was made anew. */
static void test_least_recently_used_goes(void **state)
{
	struct addr a[LIMIT_WAYS + 2];

	(void)state;
	of_one_set(a, COUNT_OF(a));
	limit_init(&limit, 0, 1, SEED);
	for (unsigned i = 0; i < LIMIT_WAYS; i++)
		assert_true(limit_pass(&limit, &a[i], second(i)));
	/* All are known, and the first two are used anew, if in vain. */
	assert_false(limit_pass(&limit, &a[0], second(100)));
	assert_false(limit_pass(&limit, &a[1], second(101)));
	/* Two newcomers take the places of 2 and 3. */
	assert_true(limit_pass(&limit, &a[LIMIT_WAYS], second(102)));
	assert_true(limit_pass(&limit, &a[LIMIT_WAYS + 1], second(103)));
	assert_false(limit_pass(&limit, &a[LIMIT_WAYS], second(104)));
	assert_false(limit_pass(&limit, &a[LIMIT_WAYS + 1], second(104)));
	for (unsigned i = 0; i < LIMIT_WAYS; i++)
		if (i != 2 && i != 3)
			assert_false(limit_pass(&limit, &a[i], second(105)));
	assert_true(limit_pass(&limit, &a[2], second(106)));
	assert_true(limit_pass(&limit, &a[3], second(107)));
}

static void test_other_sets_are_left_alone(void **state)
{
	struct addr flood[100], calm = ipv6(1, 1), group = addr_group(&calm);

	(void)state;
	of_one_set(flood, COUNT_OF(flood));
	limit_init(&limit, 0, 1, SEED);
	assert_true(addr_hash(&group, SEED) % LIMIT_SETS !=
		    addr_hash(&(struct addr){ .family = ADDR_IPV4, .ip = { 0, 0, 0, 1 } }, SEED) %
			    LIMIT_SETS);
	assert_true(limit_pass(&limit, &calm, start));
	for (unsigned i = 0; i < COUNT_OF(flood); i++)
		assert_true(limit_pass(&limit, &flood[i], second(i)));
	assert_false(limit_pass(&limit, &calm, second(1000)));
}

/* As many as the table holds at half its size: hardly one is pushed out. */
static void test_many_addresses(void **state)
{
	const unsigned half = LIMIT_SETS * LIMIT_WAYS / 2;
	unsigned anew = 0;

	(void)state;
	limit_init(&limit, 0, 1, SEED);
	for (uint32_t i = 0; i < half; i++) {
		struct addr a = ipv4(0x0a000000 + i);

		assert_true(limit_pass(&limit, &a, second(i)));
	}
	for (uint32_t i = 0; i < half; i++) {
		struct addr a = ipv4(0x0a000000 + i);

		anew += limit_pass(&limit, &a, second(half + i));
	}
	assert_true(anew < half / 10);
	/* A flood of strangers passes once each, and nothing grows. */
	for (uint32_t i = 0; i < 100000; i++) {
		struct addr a = ipv6(i, i);

		assert_true(limit_pass(&limit, &a, second(2 * half + i)));
	}
}

/* A stranger who does not know the seed cannot aim at one set. */
static void test_seed_moves_sets(void **state)
{
	struct addr a[LIMIT_WAYS + 1];
	unsigned together = 0;

	(void)state;
	of_one_set(a, COUNT_OF(a));
	limit_init(&limit, 0, 1, SEED + 1);
	for (unsigned i = 0; i < COUNT_OF(a); i++)
		assert_true(limit_pass(&limit, &a[i], second(i)));
	for (unsigned i = 0; i < COUNT_OF(a); i++)
		together += limit_pass(&limit, &a[i], second(100 + i));
	assert_int_equal(together, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_then_nothing),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_fills_to_the_burst_only),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_clock_that_goes_back),
		cmocka_unit_test(test_who_shares_a_bucket),
		cmocka_unit_test(test_nobody_never_passes),
		cmocka_unit_test(test_least_recently_used_goes),
		cmocka_unit_test(test_other_sets_are_left_alone),
		cmocka_unit_test(test_many_addresses),
		cmocka_unit_test(test_seed_moves_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
