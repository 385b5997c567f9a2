/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/drop.h"

/* Every reason has its own name, fit for programs, and words for people. */
static void test_words(void **state)
{
	(void)state;
	for (unsigned i = 0; i < DROP_COUNT; i++) {
		const char *name = drop_name((enum drop)i);

		assert_in_range(strlen(name), 3, 16);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-"),
				 strlen(name));
		assert_in_range(strlen(drop_text((enum drop)i)), 10, 79);
		for (unsigned k = 0; k < i; k++) {
			assert_string_not_equal(name, drop_name((enum drop)k));
			assert_string_not_equal(drop_text((enum drop)i), drop_text((enum drop)k));
		}
	}
}

static void test_names_that_programs_know(void **state)
{
	(void)state;
	assert_string_equal(drop_name(DROP_REPLAYED), "replayed");
	assert_string_equal(drop_name(DROP_AUTH), "auth");
	assert_string_equal(drop_name(DROP_STRANGER), "stranger");
	assert_string_equal(drop_name(DROP_TOO_BIG), "too-big");
}

static void test_newest(void **state)
{
	struct drops drops = { 0 };
	struct instant now = { 0 };

	(void)state;
	assert_int_equal(drop_newest(&drops, DROP_AT_PEER, true), DROP_COUNT);
	drop_note(&drops, DROP_SEND, (struct instant){ now.us + 1 });
	drop_note(&drops, DROP_NO_SESSION, (struct instant){ now.us + 2 });
	drop_note(&drops, DROP_AUTH, (struct instant){ now.us + 3 });
	assert_int_equal(drop_newest(&drops, DROP_AT_PEER, true), DROP_NO_SESSION);
	assert_int_equal(drop_newest(&drops, DROP_AT_PEER, false), DROP_AUTH);
	drop_note(&drops, DROP_SEND, (struct instant){ now.us + 4 });
	assert_int_equal(drop_newest(&drops, DROP_AT_PEER, true), DROP_SEND);
	assert_true(drops.count[DROP_SEND] == 2 && drops.last[DROP_SEND].us == now.us + 4);
}

/* A port counts a frame that came from there and that no peer could get; a peer one that
 * was for it. */
static void test_no_session_is_the_way_of_who_counts_it(void **state)
{
	struct drops drops = { 0 };

	(void)state;
	drop_note(&drops, DROP_NO_SESSION, (struct instant){ 1 });
	assert_int_equal(drop_newest(&drops, DROP_AT_PORT, true), DROP_COUNT);
	assert_int_equal(drop_newest(&drops, DROP_AT_PORT, false), DROP_NO_SESSION);
	assert_int_equal(drop_newest(&drops, DROP_AT_PEER, true), DROP_NO_SESSION);
	assert_int_equal(drop_newest(&drops, DROP_AT_PEER, false), DROP_COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_names_that_programs_know),
		cmocka_unit_test(test_newest),
		cmocka_unit_test(test_no_session_is_the_way_of_who_counts_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
