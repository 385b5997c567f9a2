/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/thrift.h"

static unsigned spend(struct thrift *t, unsigned most, struct instant now)
{
	unsigned n = 0;

	while (n < 100 && thrift_spend(t, most, now))
		n++;
	return n;
}

static void test_at_once_and_again(void **state)
{
	struct thrift t = thrift_make(MS(100));
	struct instant now = { SECONDS(50) };

	(void)state;
	assert_int_equal(spend(&t, 8, now), 8);
	assert_false(thrift_has(&t, 8, now));
	assert_true(thrift_has(&t, 9, now));
	now = instant_add(now, MS(350));
	assert_int_equal(spend(&t, 8, now), 3);
	assert_int_equal(spend(&t, 12, now), 4);
	now = instant_add(now, SECONDS(100));
	assert_int_equal(spend(&t, 8, now), 8);
}

static void test_given_back(void **state)
{
	struct thrift t = thrift_make(MS(100));
	struct instant now = { SECONDS(50) };

	(void)state;
	assert_int_equal(spend(&t, 8, now), 8);
	thrift_return(&t, 3);
	assert_int_equal(spend(&t, 8, now), 3);
	thrift_return(&t, 50);
	assert_int_equal(spend(&t, 8, now), 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_at_once_and_again),
		cmocka_unit_test(test_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
