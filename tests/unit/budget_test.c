/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "app/budget.h"

#define RATE 1000000
#define MOST 50000

static struct instant at(int64_t us)
{
	return (struct instant){ SECONDS(100) + us };
}

/* Spends pieces of that cost until nothing is left; how many. */
static unsigned spend_all(struct budget *b, int64_t cost, struct instant now)
{
	unsigned n = 0;

	for (; budget_left(b, now); n++)
		budget_spend(b, cost);
	return n;
}

static void test_at_once(void **state)
{
	struct budget b;

	(void)state;
	budget_init(&b, RATE, MOST, at(0));
	assert_int_equal(spend_all(&b, 1000, at(0)), 50);
	assert_false(budget_left(&b, at(0)));
	assert_int_equal(spend_all(&b, 1000, at(SECONDS(1000))), 50);
}

/* The long run: the rate, in steps of any size, and what one piece was too much is paid. */
static void test_rate(void **state)
{
	static const int64_t steps[] = { 1, 7, 100, 999, 40000 };

	(void)state;
	for (unsigned i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		struct budget b;
		int64_t spent = 0;

		budget_init(&b, RATE, MOST, at(0));
		for (int64_t t = 0; t <= SECONDS(1); t += steps[i])
			spent += 1500 * (int64_t)spend_all(&b, 1500, at(t));
		assert_in_range(spent, RATE - 45000, RATE + MOST + 1500);
	}
}

static void test_debt(void **state)
{
	struct budget b;

	(void)state;
	budget_init(&b, RATE, MOST, at(0));
	budget_spend(&b, MOST + 100000);
	assert_false(budget_left(&b, at(100000)));
	assert_true(budget_left(&b, at(100001)));
}

/* Threads' clocks: one is a little behind. */
static void test_clock_goes_back(void **state)
{
	struct budget b;

	(void)state;
	budget_init(&b, RATE, MOST, at(1000));
	assert_int_equal(spend_all(&b, 1000, at(1000)), 50);
	assert_false(budget_left(&b, at(0)));
	assert_false(budget_left(&b, at(1000)));
	assert_true(budget_left(&b, at(2000)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_debt),
		cmocka_unit_test(test_clock_goes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
