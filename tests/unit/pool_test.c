/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/pool.h"

static void test_lends_each_object_once(void **state)
{
	uint8_t *lent[5];
	struct pool pool;

	(void)state;
	assert_true(pool_init(&pool, 5, 100));
	for (int i = 0; i < 5; i++) {
		lent[i] = pool_take(&pool);
		assert_non_null(lent[i]);
		assert_int_equal((uintptr_t)lent[i] % 64, 0);
		memset(lent[i], i, 100);
	}
	assert_null(pool_take(&pool));
	/* Had two objects one place, one would have lost its content. */
	for (int i = 0; i < 5; i++) {
		for (int k = 0; k < 100; k++)
			assert_int_equal(lent[i][k], i);
	}
	pool_free(&pool);
}

static void test_what_is_given_back_is_lent_again(void **state)
{
	struct pool pool;
	void *a, *b;

	(void)state;
	assert_true(pool_init(&pool, 2, 1));
	a = pool_take(&pool);
	b = pool_take(&pool);
	assert_int_equal(pool.n_idle, 0);
	pool_give(&pool, a);
	assert_int_equal(pool.n_idle, 1);
	assert_ptr_equal(pool_take(&pool), a);
	assert_null(pool_take(&pool));
	pool_give(&pool, b);
	pool_give(&pool, a);
	assert_int_equal(pool.n_idle, 2);
	pool_free(&pool);
}

static void test_impossible_sizes_are_refused(void **state)
{
	struct pool pool;

	(void)state;
	assert_false(pool_init(&pool, 1, SIZE_MAX));
	assert_null(pool_take(&pool));
	assert_false(pool_init(&pool, SIZE_MAX / 32, 64));
	assert_null(pool_take(&pool));
}

static void test_an_empty_pool_lends_nothing(void **state)
{
	struct pool pool;

	(void)state;
	assert_true(pool_init(&pool, 0, 64));
	assert_null(pool_take(&pool));
	pool_free(&pool);
}

static void test_free_leaves_an_empty_pool(void **state)
{
	struct pool pool;

	(void)state;
	assert_true(pool_init(&pool, 3, 64));
	pool_free(&pool);
	assert_null(pool_take(&pool));
	pool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lends_each_object_once),
		cmocka_unit_test(test_what_is_given_back_is_lent_again),
		cmocka_unit_test(test_impossible_sizes_are_refused),
		cmocka_unit_test(test_an_empty_pool_lends_nothing),
		cmocka_unit_test(test_free_leaves_an_empty_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
