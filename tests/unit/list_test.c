/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/list.h"

struct member {
	int number;
	struct list node;
};

static struct member members[3];
static struct list head;

static int fill(void **state)
{
	(void)state;
	list_init(&head);
	for (int i = 0; i < 3; i++) {
		members[i].number = i + 1;
		list_append(&head, &members[i].node);
	}
	return 0;
}

/* The members' numbers as digits of one, first to last. */
static int order(void)
{
	int digits = 0;

	list_for_each(pos, &head) digits =
		digits * 10 + container_of(pos, struct member, node)->number;
	return digits;
}

static int order_backwards(void)
{
	int digits = 0;

	for (struct list *pos = head.prev; pos != &head; pos = pos->prev)
		digits = digits * 10 + container_of(pos, struct member, node)->number;
	return digits;
}

static void test_appends_at_the_end(void **state)
{
	(void)state;
	assert_int_equal(order(), 123);
	assert_int_equal(order_backwards(), 321);
	assert_false(list_empty(&head));
}

static void test_removes_anywhere(void **state)
{
	(void)state;
	list_remove(&members[1].node);
	assert_int_equal(order(), 13);
	assert_int_equal(order_backwards(), 31);
	list_append(&head, &members[1].node);
	assert_int_equal(order(), 132);
	list_remove(&members[0].node);
	list_remove(&members[1].node);
	list_remove(&members[2].node);
	assert_true(list_empty(&head));
	assert_int_equal(order(), 0);
}

static void test_removing_twice_is_safe(void **state)
{
	(void)state;
	list_remove(&members[0].node);
	list_remove(&members[0].node);
	assert_true(list_empty(&members[0].node));
	assert_int_equal(order(), 23);
}

static void test_safe_walk_may_remove(void **state)
{
	int seen = 0;

	(void)state;
	list_for_each_safe(pos, &head)
	{
		seen++;
		list_remove(pos);
	}
	assert_int_equal(seen, 3);
	assert_true(list_empty(&head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_appends_at_the_end, fill),
		cmocka_unit_test_setup(test_removes_anywhere, fill),
		cmocka_unit_test_setup(test_removing_twice_is_safe, fill),
		cmocka_unit_test_setup(test_safe_walk_may_remove, fill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
