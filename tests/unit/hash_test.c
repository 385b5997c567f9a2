/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/hash.h"

#define BUCKETS 64
#define PER_BUCKET 256

static void test_every_byte_and_the_length_count(void **state)
{
	uint8_t b[40];

	(void)state;
	memset(b, 0, sizeof(b));
	for (size_t n = 0; n < sizeof(b); n++) {
		uint64_t h = hash_bytes(b, n, 1);

		assert_true(h != hash_bytes(b, n + 1, 1));
		assert_true(h != hash_bytes(b, n, 2));
		for (size_t i = 0; i < n; i++) {
			b[i] = 1;
			assert_true(h != hash_bytes(b, n, 1));
			b[i] = 0;
		}
		b[n] = 1;
		assert_true(h == hash_bytes(b, n, 1));
		b[n] = 0;
	}
}

static void test_alignment_does_not_count(void **state)
{
	uint8_t b[32] = { 0 };

	(void)state;
	memcpy(b, "some eleven", 11);
	memcpy(b + 13, "some eleven", 11);
	assert_true(hash_bytes(b, 11, 3) == hash_bytes(b + 13, 11, 3));
}

/* Neighbours, as addresses in one network are, fill low bits evenly. */
static void assert_even(const unsigned counts[BUCKETS])
{
	for (int i = 0; i < BUCKETS; i++) {
		assert_true(counts[i] > PER_BUCKET * 6 / 10);
		assert_true(counts[i] < PER_BUCKET * 14 / 10);
	}
}

static void test_neighbours_spread(void **state)
{
	unsigned numbers[BUCKETS] = { 0 }, bytes[BUCKETS] = { 0 }, high[BUCKETS] = { 0 };

	(void)state;
	for (uint64_t i = 0; i < BUCKETS * PER_BUCKET; i++) {
		uint64_t shifted = i << 40;

		bytes[hash_bytes(&i, 6, 5) % BUCKETS]++;
		numbers[hash_u64(i, 5) % BUCKETS]++;
		high[hash_u64(shifted, 5) % BUCKETS]++;
	}
	assert_even(numbers);
	assert_even(high);
	assert_even(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_byte_and_the_length_count),
		cmocka_unit_test(test_alignment_does_not_count),
		cmocka_unit_test(test_neighbours_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
