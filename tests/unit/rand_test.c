/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/bytes.h"
#include "base/rand.h"

static void assert_fills(const struct rand_source *source)
{
	uint8_t a[50], b[50];

	memset(a, 0, sizeof(a));
	memset(b, 0, sizeof(b));
	rand_fill(source, a, 48);
	rand_fill(source, b, 48);
	assert_memory_not_equal(a, b, 48);
	for (int i = 0; i < 48; i += 16) {
		assert_false(bytes_all_zero(a + i, 16));
		assert_false(bytes_all_zero(b + i, 16));
	}
	assert_true(bytes_all_zero(a + 48, 2));
	assert_true(bytes_all_zero(b + 48, 2));
}

static void test_kernel_source_fills_just_what_was_asked(void **state)
{
	struct rand_source kernel = rand_source_kernel();

	(void)state;
	assert_fills(&kernel);
}

static void test_large_requests_are_filled_to_the_end(void **state)
{
	static uint8_t big[1 << 20];

	(void)state;
	rand_bytes(big, sizeof(big));
	assert_false(bytes_all_zero(big, 32));
	assert_false(bytes_all_zero(big + sizeof(big) - 32, 32));
}

static void test_seeded_source_fills_just_what_was_asked(void **state)
{
	struct rand_seeded seeded;
	struct rand_source source = rand_source_seeded(&seeded, 42);

	(void)state;
	assert_fills(&source);
}

/* The published first numbers of splitmix64 for this seed. */
static void test_seeded_source_is_splitmix64(void **state)
{
	static const uint64_t known[] = { 6457827717110365317u, 3203168211198807973u,
					  9817491932198370423u };
	struct rand_seeded seeded;
	struct rand_source source = rand_source_seeded(&seeded, 1234567);
	uint64_t got[3];

	(void)state;
	rand_fill(&source, got, sizeof(got));
	assert_memory_equal(got, known, sizeof(known));
}

static void test_seeded_sources_repeat_and_differ(void **state)
{
	struct rand_seeded s1, s2, s3;
	struct rand_source one = rand_source_seeded(&s1, 1), same = rand_source_seeded(&s2, 1);
	struct rand_source two = rand_source_seeded(&s3, 2);
	uint8_t a[13], b[13], c[13];

	(void)state;
	for (int i = 0; i < 3; i++) {
		rand_fill(&one, a, sizeof(a));
		rand_fill(&same, b, sizeof(b));
		rand_fill(&two, c, sizeof(c));
		assert_memory_equal(a, b, sizeof(a));
		assert_memory_not_equal(a, c, sizeof(a));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernel_source_fills_just_what_was_asked),
		cmocka_unit_test(test_large_requests_are_filled_to_the_end),
		cmocka_unit_test(test_seeded_source_fills_just_what_was_asked),
		cmocka_unit_test(test_seeded_source_is_splitmix64),
		cmocka_unit_test(test_seeded_sources_repeat_and_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
