/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/relay_cache.h"

#define PLACES 4
#define KEYS 9

static struct relay_cache cache;
static uint8_t keys[KEYS][AEAD_KEY];
static uint16_t at[KEYS];

static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < KEYS; i++)
		keys[i][0] = (uint8_t)(i + 1);
	memset(at, 0, sizeof(at));
	return aead_start() && relay_cache_init(&cache, AEAD_SEAL, PLACES) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	relay_cache_free(&cache);
	return 0;
}

/* The context that the cache gives has that key. */
static void use(unsigned i)
{
	uint8_t wanted[AEAD_TAG], tag[AEAD_TAG];

	assert_true(aead_seal_once(CIPHER_AES_256_GCM, keys[i], 5, "x", 1, NULL, 0, wanted));
	assert_true(aead_seal(relay_cache_get(&cache, &at[i], keys[i]), 5, "x", 1, NULL, 0, tag));
	assert_memory_equal(tag, wanted, AEAD_TAG);
	assert_in_range(at[i], 1, PLACES);
}

static unsigned inside(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < KEYS; i++) {
		n += at[i] != 0;
		for (unsigned j = 0; j < i; j++)
			assert_true(at[i] == 0 || at[i] != at[j]);
	}
	return n;
}

static void test_more_keys_than_places(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < KEYS; i++) {
			use((i * 5 + round) % KEYS);
			use((i * 5 + round) % KEYS);
			assert_in_range(inside(), 1, PLACES);
		}
	}
	assert_int_equal(inside(), PLACES);
}

/* One that is used all the time stays; those that pass by do not. */
static void test_busy_one_stays(void **state)
{
	unsigned stays = 0;

	(void)state;
	use(0);
	for (unsigned i = 0; i < 40; i++) {
		use(1 + i % (KEYS - 1));
		stays += at[0] != 0;
		use(0);
	}
	assert_in_range(stays, 30, 40);
}

static void test_forget(void **state)
{
	uint8_t tag[AEAD_TAG];
	struct aead *aead;

	(void)state;
	aead = relay_cache_get(&cache, &at[0], keys[0]);
	relay_cache_forget(&cache, &at[0]);
	assert_int_equal(at[0], 0);
	assert_false(aead_seal(aead, 5, "x", 1, NULL, 0, tag));
	relay_cache_forget(&cache, &at[0]);
	for (unsigned i = 0; i < KEYS; i++)
		use(i);
	use(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_more_keys_than_places, setup, teardown),
		cmocka_unit_test_setup_teardown(test_busy_one_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forget, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
