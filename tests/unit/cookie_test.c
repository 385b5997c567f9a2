/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/cookie.h"

#define BODY 40
#define WHOLE (BODY + COOKIE_MACS)
#define KIND 3
#define INDEX 0x01020304u

static const struct instant start = { SECONDS(1000) };
static const uint8_t own[KEX_KEY] = { 'o', 'w', 'n' }, other[KEX_KEY] = { 'o', 't', 'h' };
static const struct addr place = { .ip = { 192, 0, 2, 1 }, .port = 7741, .family = ADDR_IPV4 };

/* A caller, and the guard that it calls. */
struct scene {
	struct rand_seeded seeded;
	struct cookie_guard guard;
	struct cookie_jar jar;
	uint8_t message[WHOLE], answer[COOKIE_PACKET];
};

static void scene_begin(struct scene *s, enum cipher cipher)
{
	struct rand_source rand = rand_source_seeded(&s->seeded, 7);

	cookie_guard_init(&s->guard, cipher, own, rand, start);
	cookie_jar_init(&s->jar, cipher, own);
	for (unsigned i = 0; i < BODY; i++)
		s->message[i] = (uint8_t)i;
}

static struct instant at(int64_t seconds)
{
	return instant_add(start, SECONDS(seconds));
}

static void sign(struct scene *s, int64_t seconds)
{
	cookie_jar_sign(&s->jar, s->message, BODY, at(seconds));
}

static enum cookie_verdict check(struct scene *s, int64_t seconds)
{
	return cookie_guard_check(&s->guard, s->message, WHOLE, &place, at(seconds));
}

static void answer(struct scene *s, int64_t seconds)
{
	cookie_guard_answer(&s->guard, KIND, INDEX, s->message, WHOLE, &place, at(seconds),
			    s->answer);
}

/* The caller gets a cookie at that second. */
static void give_cookie(struct scene *s, int64_t seconds)
{
	sign(s, seconds);
	answer(s, seconds);
	assert_true(cookie_jar_open(&s->jar, s->answer, at(seconds)));
}

static void test_mac1_without_cookie(void **state)
{
	struct scene s;

	(void)state;
	scene_begin(&s, CIPHER_AES_256_GCM);
	sign(&s, 0);
	assert_true(bytes_all_zero(s.message + WHOLE - COOKIE_MAC, COOKIE_MAC));
	assert_int_equal(check(&s, 0), COOKIE_MAC1_ONLY);
}

/* The construction that the header states, done by hand. */
static void test_macs_as_written(void **state)
{
	uint8_t key[KEX_HASH], mac[KEX_HASH];
	struct scene s;

	(void)state;
	scene_begin(&s, CIPHER_AES_256_GCM);
	give_cookie(&s, 0);
	sign(&s, 1);
	kex_hash(key, "lanspan mac1", 12, own, KEX_KEY);
	kex_hmac(mac, key, sizeof(key), s.message, BODY);
	assert_memory_equal(s.message + BODY, mac, COOKIE_MAC);
	kex_hmac(mac, s.jar.cookie, COOKIE_MAC, s.message, BODY + COOKIE_MAC);
	assert_memory_equal(s.message + BODY + COOKIE_MAC, mac, COOKIE_MAC);
}

static void test_packet_as_written(void **state)
{
	static const uint8_t head[8] = { KIND, 0, 0, 0, 1, 2, 3, 4 };
	uint8_t seal_key[KEX_HASH], key[KEX_HASH], cookie[COOKIE_MAC];
	struct scene s;

	(void)state;
	for (unsigned k = 0; k < CIPHER_COUNT; k++) {
		scene_begin(&s, (enum cipher)k);
		give_cookie(&s, 0);
		assert_memory_equal(s.answer, head, sizeof(head));
		kex_hash(seal_key, "lanspan cookie", 14, own, KEX_KEY);
		kex_hmac(key, seal_key, sizeof(seal_key), s.answer + 8, COOKIE_SALT);
		assert_true(aead_open_once((enum cipher)k, key, 0, s.message + BODY, COOKIE_MAC,
					   s.answer + 8 + COOKIE_SALT, COOKIE_MAC + AEAD_TAG,
					   cookie));
		assert_memory_equal(cookie, s.jar.cookie, COOKIE_MAC);
		assert_true(COOKIE_PACKET < WHOLE);
	}
}

static void test_mac1_under_another_key(void **state)
{
	struct scene s;

	(void)state;
	scene_begin(&s, CIPHER_AES_256_GCM);
	cookie_jar_init(&s.jar, CIPHER_AES_256_GCM, other);
	sign(&s, 0);
	assert_int_equal(check(&s, 0), COOKIE_BAD_MAC1);
}

static void test_every_bit_counts(void **state)
{
	struct scene s;

	(void)state;
	scene_begin(&s, CIPHER_AES_256_GCM);
	give_cookie(&s, 0);
	sign(&s, 0);
	assert_int_equal(check(&s, 0), COOKIE_MAC2_GOOD);
	for (size_t bit = 0; bit < 8 * WHOLE; bit++) {
		bool in_mac2 = bit / 8 >= BODY + COOKIE_MAC;

		s.message[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(check(&s, 0), in_mac2 ? COOKIE_MAC1_ONLY : COOKIE_BAD_MAC1);
		s.message[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void test_every_length_counts(void **state)
{
	struct scene s;

	(void)state;
	scene_begin(&s, CIPHER_AES_256_GCM);
	give_cookie(&s, 0);
	sign(&s, 0);
	for (size_t len = 0; len < WHOLE; len++) {
		uint8_t *exact = malloc(len);

		memcpy(exact, s.message, len);
		assert_int_equal(cookie_guard_check(&s.guard, exact, len, &place, start),
				 COOKIE_BAD_MAC1);
		free(exact);
	}
}

static void test_macs_alone_are_a_message(void **state)
{
	uint8_t macs[COOKIE_MACS];
	struct scene s;

	(void)state;
	scene_begin(&s, CIPHER_AES_256_GCM);
	cookie_jar_sign(&s.jar, macs, 0, start);
	assert_int_equal(cookie_guard_check(&s.guard, macs, sizeof(macs), &place, start),
			 COOKIE_MAC1_ONLY);
}

static void test_cookie_is_for_one_place(void **state)
{
	const struct addr places[] = {
		{ .ip = { 192, 0, 2, 1 }, .port = 7742, .family = ADDR_IPV4 },
		{ .ip = { 192, 0, 2, 2 }, .port = 7741, .family = ADDR_IPV4 },
		{ .ip = { 192, 0, 2, 1 }, .port = 7741, .family = ADDR_IPV6 },
		{ .ip = { 192, 0, 2, 1, [15] = 1 }, .port = 7741, .family = ADDR_IPV6 },
		{ .ip = { 192, 0, 2, 1 }, .scope = 2, .port = 7741, .family = ADDR_IPV4 },
	};
	struct scene s;

	(void)state;
	scene_begin(&s, CIPHER_AES_256_GCM);
	give_cookie(&s, 0);
	sign(&s, 1);
	assert_int_equal(check(&s, 1), COOKIE_MAC2_GOOD);
	for (size_t i = 0; i < COUNT_OF(places); i++)
		assert_int_equal(cookie_guard_check(&s.guard, s.message, WHOLE, &places[i], at(1)),
				 COOKIE_MAC1_ONLY);
	assert_int_equal(check(&s, 1), COOKIE_MAC2_GOOD);
}

static void test_cookie_is_of_one_guard(void **state)
{
	struct cookie_guard restarted;
	struct scene s;

	(void)state;
	scene_begin(&s, CIPHER_AES_256_GCM);
	give_cookie(&s, 0);
	sign(&s, 0);
	/* Other randomness, other secrets, the same key. */
	cookie_guard_init(&restarted, CIPHER_AES_256_GCM, own, rand_source_seeded(&s.seeded, 8),
			  start);
	assert_int_equal(cookie_guard_check(&restarted, s.message, WHOLE, &place, start),
			 COOKIE_MAC1_ONLY);
}

static void test_jar_drops_an_old_cookie(void **state)
{
	struct scene s;

	(void)state;
	scene_begin(&s, CIPHER_AES_256_GCM);
	give_cookie(&s, 0);
	cookie_jar_sign(&s.jar, s.message, BODY, (struct instant){ at(120).us - 1 });
	assert_false(bytes_all_zero(s.message + BODY + COOKIE_MAC, COOKIE_MAC));
	sign(&s, 120);
	assert_true(bytes_all_zero(s.message + BODY + COOKIE_MAC, COOKIE_MAC));
	assert_true(bytes_all_zero(s.jar.cookie, COOKIE_MAC));
	assert_int_equal(check(&s, 120), COOKIE_MAC1_ONLY);
	/* And it does not come back with the clock of an earlier call. */
	sign(&s, 1);
	assert_true(bytes_all_zero(s.message + BODY + COOKIE_MAC, COOKIE_MAC));
}

/* Given at `given`, checked at `checked`: good until its secret is two lives
 * old, in whatever steps the guard turns. */
static void test_secrets_turn(void **state)
{
	static const struct {
		int64_t given, between, checked;
		enum cookie_verdict verdict;
	} table[] = {
		/* 0 */ { 0, 0, 119, COOKIE_MAC2_GOOD },
		/* 1 */ { 0, 0, 120, COOKIE_MAC2_GOOD },
		/* 2 */ { 0, 120, 239, COOKIE_MAC2_GOOD },
		/* 3 */ { 0, 120, 240, COOKIE_MAC1_ONLY },
		/* 4 */ { 0, 0, 239, COOKIE_MAC2_GOOD },
		/* 5 */ { 0, 0, 240, COOKIE_MAC1_ONLY },
		/* 6 */ { 119, 0, 239, COOKIE_MAC2_GOOD },
		/* 7 */ { 119, 239, 240, COOKIE_MAC1_ONLY },
		/* 8 */ { 120, 0, 240, COOKIE_MAC2_GOOD },
		/* 9 */ { 230, 0, 359, COOKIE_MAC2_GOOD },
		/* 10 */ { 230, 240, 360, COOKIE_MAC1_ONLY },
		/* 11 */ { 0, 0, 100000, COOKIE_MAC1_ONLY },
		/* 12 */ { 100000, 0, 100119, COOKIE_MAC2_GOOD },
	};
	uint8_t unused[COOKIE_PACKET];
	struct scene s;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		scene_begin(&s, CIPHER_AES_256_GCM);
		give_cookie(&s, table[i].given);
		sign(&s, table[i].given);
		if (table[i].between > 0)
			cookie_guard_answer(&s.guard, KIND, INDEX, s.message, WHOLE, &place,
					    at(table[i].between), unused);
		if (check(&s, table[i].checked) != table[i].verdict)
			fail_msg("row %zu", i);
	}
}

/* Neither secret is ever one that a stranger can know. */
static void test_secrets_are_random(void **state)
{
	uint8_t first[2][KEX_KEY];
	struct scene s;

	(void)state;
	scene_begin(&s, CIPHER_AES_256_GCM);
	memcpy(first, s.guard.secret, sizeof(first));
	assert_false(bytes_all_zero(first[0], KEX_KEY) || bytes_all_zero(first[1], KEX_KEY));
	assert_memory_not_equal(first[0], first[1], KEX_KEY);
	sign(&s, 0);
	check(&s, 119);
	assert_memory_equal(s.guard.secret, first, sizeof(first));
	check(&s, 120);
	assert_memory_equal(s.guard.secret[1], first[0], KEX_KEY);
	assert_memory_not_equal(s.guard.secret[0], first[0], KEX_KEY);
	memcpy(first, s.guard.secret, sizeof(first));
	check(&s, 1000);
	assert_memory_not_equal(s.guard.secret[0], first[0], KEX_KEY);
	assert_memory_not_equal(s.guard.secret[1], first[0], KEX_KEY);
	assert_memory_not_equal(s.guard.secret[1], first[1], KEX_KEY);
}

static void test_bad_mac1_costs_no_randomness(void **state)
{
	struct rand_seeded before;
	struct scene s;

	(void)state;
	scene_begin(&s, CIPHER_AES_256_GCM);
	sign(&s, 0);
	s.message[0] ^= 1;
	before = s.seeded;
	assert_int_equal(check(&s, 1000), COOKIE_BAD_MAC1);
	assert_memory_equal(&s.seeded, &before, sizeof(before));
}

static void test_one_answer_per_message(void **state)
{
	uint8_t again[COOKIE_PACKET];
	struct scene s;

	(void)state;
	scene_begin(&s, CIPHER_AES_256_GCM);
	sign(&s, 0);
	answer(&s, 0);
	memcpy(again, s.answer, sizeof(again));
	answer(&s, 1);
	assert_memory_not_equal(again, s.answer, sizeof(again)); /* a fresh salt */
	assert_true(cookie_jar_open(&s.jar, s.answer, at(1)));
	assert_false(cookie_jar_open(&s.jar, s.answer, at(50)));
	assert_false(cookie_jar_open(&s.jar, again, at(50)));
	assert_int_equal(s.jar.got.us, at(1).us);
}

static void test_answer_to_nothing(void **state)
{
	struct scene s, t;

	(void)state;
	scene_begin(&s, CIPHER_AES_256_GCM);
	scene_begin(&t, CIPHER_AES_256_GCM);
	sign(&t, 0);
	memcpy(s.message, t.message, WHOLE);
	answer(&s, 0);
	assert_false(cookie_jar_open(&s.jar, s.answer, start));
	/* What answers a message before the last comes too late. */
	sign(&s, 0);
	answer(&s, 0);
	s.message[0] ^= 1;
	sign(&s, 0);
	assert_false(cookie_jar_open(&s.jar, s.answer, start));
	assert_int_equal(s.jar.got.us, 0);
}

static void test_forged_answer(void **state)
{
	struct cookie_jar before;
	struct scene s;

	(void)state;
	for (unsigned k = 0; k < CIPHER_COUNT; k++) {
		scene_begin(&s, (enum cipher)k);
		sign(&s, 0);
		answer(&s, 0);
		before = s.jar;
		for (size_t bit = 8 * 8; bit < 8 * COOKIE_PACKET; bit++) {
			s.answer[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(cookie_jar_open(&s.jar, s.answer, start));
			assert_memory_equal(&s.jar, &before, sizeof(before));
			s.answer[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		/* The forgeries did not use up the one answer. */
		assert_true(cookie_jar_open(&s.jar, s.answer, start));
	}
}

static void test_answer_of_another_responder(void **state)
{
	struct cookie_guard guard;
	struct scene s;

	(void)state;
	scene_begin(&s, CIPHER_AES_256_GCM);
	sign(&s, 0);
	cookie_guard_init(&guard, CIPHER_AES_256_GCM, other, rand_source_seeded(&s.seeded, 9),
			  start);
	cookie_guard_answer(&guard, KIND, INDEX, s.message, WHOLE, &place, start, s.answer);
	assert_false(cookie_jar_open(&s.jar, s.answer, start));
	cookie_guard_init(&guard, CIPHER_CHACHA20_POLY1305, own, rand_source_seeded(&s.seeded, 9),
			  start);
	cookie_guard_answer(&guard, KIND, INDEX, s.message, WHOLE, &place, start, s.answer);
	assert_false(cookie_jar_open(&s.jar, s.answer, start));
}

static int before_all(void **state)
{
	(void)state;
	return aead_start() ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mac1_without_cookie),
		cmocka_unit_test(test_macs_as_written),
		cmocka_unit_test(test_packet_as_written),
		cmocka_unit_test(test_mac1_under_another_key),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_every_length_counts),
		cmocka_unit_test(test_macs_alone_are_a_message),
		cmocka_unit_test(test_cookie_is_for_one_place),
		cmocka_unit_test(test_cookie_is_of_one_guard),
		cmocka_unit_test(test_jar_drops_an_old_cookie),
		cmocka_unit_test(test_secrets_turn),
		cmocka_unit_test(test_secrets_are_random),
		cmocka_unit_test(test_bad_mac1_costs_no_randomness),
		cmocka_unit_test(test_one_answer_per_message),
		cmocka_unit_test(test_answer_to_nothing),
		cmocka_unit_test(test_forged_answer),
		cmocka_unit_test(test_answer_of_another_responder),
	};

	return cmocka_run_group_tests(tests, before_all, NULL);
}
