/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/aead.h"
#include "unit/libvectors.h"

static const uint8_t key_one[AEAD_KEY] = { 1, 2, 3, 4, 5, 6, 7, 8 };
static const uint8_t key_none[AEAD_KEY];
static const uint8_t key_two[AEAD_KEY] = { 1, 2, 3, 4, 5, 6, 7, 9 };

/* Both directions with one key. */
struct pair {
	struct aead seal, open;
};

static void pair_init(struct pair *p, enum cipher cipher, const uint8_t key[AEAD_KEY])
{
	assert_true(aead_init(&p->seal, cipher, AEAD_SEAL));
	assert_true(aead_init(&p->open, cipher, AEAD_OPEN));
	aead_set_key(&p->seal, key);
	aead_set_key(&p->open, key);
}

static void pair_free(struct pair *p)
{
	aead_free(&p->seal);
	aead_free(&p->open);
}

static void check_valid(struct pair *p, const struct vector *iv, const struct vector *aad,
			const struct vector *msg, const uint8_t *sealed)
{
	size_t len = msg->len + AEAD_TAG;
	uint8_t *out = malloc(len), *in_place = malloc(len);

	assert_true(aead_seal_nonce(&p->seal, iv->p, aad->p, aad->len, msg->p, msg->len, out));
	assert_memory_equal(out, sealed, len);
	memcpy(in_place, msg->p, msg->len);
	assert_true(
		aead_seal_nonce(&p->seal, iv->p, aad->p, aad->len, in_place, msg->len, in_place));
	assert_memory_equal(in_place, sealed, len);
	assert_true(aead_open_nonce(&p->open, iv->p, aad->p, aad->len, in_place, len, in_place));
	assert_memory_equal(in_place, msg->p, msg->len);
	assert_true(aead_open_nonce(&p->open, iv->p, aad->p, aad->len, sealed, len, out));
	assert_memory_equal(out, msg->p, msg->len);
	free(in_place);
	free(out);
}

static void check_case(enum cipher cipher, const json_t *test)
{
	struct vector key = vector_get(test, "key"), iv = vector_get(test, "iv");
	struct vector aad = vector_get(test, "aad"), msg = vector_get(test, "msg");
	struct vector ct = vector_get(test, "ct"), tag = vector_get(test, "tag");
	uint8_t *sealed = malloc(ct.len + tag.len);
	struct pair p;

	assert_int_equal(tag.len, AEAD_TAG);
	memcpy(sealed, ct.p, ct.len);
	memcpy(sealed + ct.len, tag.p, tag.len);
	pair_init(&p, cipher, key.p);
	if (vector_is(test, "result", "valid"))
		check_valid(&p, &iv, &aad, &msg, sealed);
	else
		assert_false(aead_open_nonce(&p.open, iv.p, aad.p, aad.len, sealed,
					     ct.len + tag.len, sealed));
	pair_free(&p);
	free(sealed);
	vector_free(&key);
	vector_free(&iv);
	vector_free(&aad);
	vector_free(&msg);
	vector_free(&ct);
	vector_free(&tag);
}

static bool has_our_sizes(const json_t *group)
{
	return vector_number(group, "keySize") == 8 * AEAD_KEY &&
	       vector_number(group, "ivSize") == 8 * AEAD_NONCE &&
	       vector_number(group, "tagSize") == 8 * AEAD_TAG;
}

static bool check_aes_gcm(const json_t *group, const json_t *test)
{
	if (!has_our_sizes(group))
		return false;
	check_case(CIPHER_AES_256_GCM, test);
	return true;
}

static bool check_chacha(const json_t *group, const json_t *test)
{
	if (!has_our_sizes(group))
		return false;
	check_case(CIPHER_CHACHA20_POLY1305, test);
	return true;
}

static void test_wycheproof_aes_gcm(void **state)
{
	(void)state;
	vectors_each("wycheproof_aes_gcm_test.json", check_aes_gcm);
}

static void test_wycheproof_chacha20_poly1305(void **state)
{
	(void)state;
	vectors_each("wycheproof_chacha20_poly1305_test.json", check_chacha);
}

static void test_names(void **state)
{
	enum cipher cipher = CIPHER_COUNT;

	(void)state;
	assert_string_equal(cipher_name(CIPHER_AES_256_GCM), "aes-256-gcm");
	assert_string_equal(cipher_name(CIPHER_CHACHA20_POLY1305), "chacha20-poly1305");
	assert_false(cipher_parse("aes-128-gcm", &cipher));
	assert_false(cipher_parse("", &cipher));
	assert_false(cipher_parse("AES-256-GCM", &cipher));
	assert_int_equal(cipher, CIPHER_COUNT);
	for (unsigned i = 0; i < CIPHER_COUNT; i++) {
		assert_true(cipher_parse(cipher_name((enum cipher)i), &cipher));
		assert_int_equal(cipher, i);
	}
}

/* The nonce is 4 zero bytes and the counter in the cipher's own order. */
static void test_counter_order(void **state)
{
	static const uint8_t nonces[CIPHER_COUNT][AEAD_NONCE] = {
		[CIPHER_AES_256_GCM] = { 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8 },
		[CIPHER_CHACHA20_POLY1305] = { 0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1 },
	};
	uint8_t by_counter[5 + AEAD_TAG], by_nonce[5 + AEAD_TAG], plain[5];
	const uint64_t counter = 0x0102030405060708u;
	struct pair p;

	(void)state;
	for (unsigned i = 0; i < CIPHER_COUNT; i++) {
		pair_init(&p, (enum cipher)i, key_one);
		assert_true(aead_seal(&p.seal, counter, "ad", 2, "hello", 5, by_counter));
		assert_true(aead_seal_nonce(&p.seal, nonces[i], "ad", 2, "hello", 5, by_nonce));
		assert_memory_equal(by_counter, by_nonce, sizeof(by_nonce));
		assert_true(aead_open(&p.open, counter, "ad", 2, by_counter, sizeof(by_counter),
				      plain));
		assert_memory_equal(plain, "hello", 5);
		pair_free(&p);
	}
}

static void test_empty_pieces(void **state)
{
	uint8_t sealed[AEAD_TAG + 1], other[AEAD_TAG];
	uint8_t plain;
	struct pair p;

	(void)state;
	for (unsigned i = 0; i < CIPHER_COUNT; i++) {
		pair_init(&p, (enum cipher)i, key_one);
		assert_true(aead_seal(&p.seal, 0, NULL, 0, NULL, 0, sealed));
		assert_true(aead_open(&p.open, 0, NULL, 0, sealed, AEAD_TAG, &plain));
		assert_true(aead_seal(&p.seal, 0, "x", 1, NULL, 0, other));
		assert_memory_not_equal(sealed, other, AEAD_TAG);
		assert_false(aead_open(&p.open, 0, NULL, 0, other, AEAD_TAG, &plain));
		assert_true(aead_open(&p.open, 0, "x", 1, other, AEAD_TAG, &plain));
		assert_true(aead_seal(&p.seal, 1, NULL, 0, "x", 1, sealed));
		assert_true(aead_open(&p.open, 1, NULL, 0, sealed, AEAD_TAG + 1, &plain));
		assert_int_equal(plain, 'x');
		pair_free(&p);
	}
}

static void test_every_bit_counts(void **state)
{
	uint8_t sealed[9 + AEAD_TAG], plain[9], aad[4] = { 1, 2, 3, 4 };
	struct pair p;

	(void)state;
	for (unsigned i = 0; i < CIPHER_COUNT; i++) {
		pair_init(&p, (enum cipher)i, key_one);
		assert_true(aead_seal(&p.seal, 7, aad, sizeof(aad), "nine byte", 9, sealed));
		for (size_t bit = 0; bit < 8 * sizeof(sealed); bit++) {
			sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(aead_open(&p.open, 7, aad, 4, sealed, sizeof(sealed), plain));
			sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (size_t bit = 0; bit < 8 * sizeof(aad); bit++) {
			aad[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(aead_open(&p.open, 7, aad, 4, sealed, sizeof(sealed), plain));
			aad[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (unsigned bit = 0; bit < 64; bit++)
			assert_false(aead_open(&p.open, 7 ^ (uint64_t)1 << bit, aad, 4, sealed,
					       sizeof(sealed), plain));
		for (size_t len = 0; len < sizeof(sealed); len++)
			assert_false(aead_open(&p.open, 7, aad, 4, sealed, len, plain));
		/* After all these failures the context still serves. */
		assert_true(aead_open(&p.open, 7, aad, 4, sealed, sizeof(sealed), plain));
		assert_memory_equal(plain, "nine byte", 9);
		pair_free(&p);
	}
}

static void test_key_changes(void **state)
{
	uint8_t one[4 + AEAD_TAG], two[4 + AEAD_TAG], plain[4];
	struct pair p;

	(void)state;
	for (unsigned i = 0; i < CIPHER_COUNT; i++) {
		pair_init(&p, (enum cipher)i, key_one);
		assert_true(aead_seal(&p.seal, 0, NULL, 0, "data", 4, one));
		aead_set_key(&p.seal, key_two);
		assert_true(aead_seal(&p.seal, 0, NULL, 0, "data", 4, two));
		assert_memory_not_equal(one, two, sizeof(one));
		assert_false(aead_open(&p.open, 0, NULL, 0, two, sizeof(two), plain));
		aead_set_key(&p.open, key_two);
		assert_false(aead_open(&p.open, 0, NULL, 0, one, sizeof(one), plain));
		assert_true(aead_open(&p.open, 0, NULL, 0, two, sizeof(two), plain));
		pair_free(&p);
	}
}

static void test_without_a_key(void **state)
{
	uint8_t sealed[4 + AEAD_TAG], none[4 + AEAD_TAG], plain[4];
	struct aead fresh;
	struct pair p;

	(void)state;
	for (unsigned i = 0; i < CIPHER_COUNT; i++) {
		assert_true(aead_init(&fresh, (enum cipher)i, AEAD_SEAL));
		assert_false(aead_seal(&fresh, 0, NULL, 0, "data", 4, sealed));
		aead_free(&fresh);
		pair_init(&p, (enum cipher)i, key_one);
		assert_true(aead_seal(&p.seal, 0, NULL, 0, "data", 4, sealed));
		aead_forget(&p.seal);
		aead_forget(&p.open);
		assert_false(aead_seal(&p.seal, 1, NULL, 0, "data", 4, sealed));
		assert_false(aead_open(&p.open, 0, NULL, 0, sealed, sizeof(sealed), plain));
		/* What stands in the key's place opens nothing either. */
		assert_true(aead_seal_once((enum cipher)i, key_none, 0, NULL, 0, "data", 4, none));
		assert_false(aead_open(&p.open, 0, NULL, 0, none, sizeof(none), plain));
		aead_set_key(&p.open, key_one);
		assert_true(aead_open(&p.open, 0, NULL, 0, sealed, sizeof(sealed), plain));
		pair_free(&p);
	}
}

static void test_wrong_direction(void **state)
{
	uint8_t sealed[4 + AEAD_TAG], plain[4];
	struct pair p;

	(void)state;
	for (unsigned i = 0; i < CIPHER_COUNT; i++) {
		pair_init(&p, (enum cipher)i, key_one);
		assert_false(aead_seal(&p.open, 0, NULL, 0, "data", 4, sealed));
		assert_true(aead_seal(&p.seal, 0, NULL, 0, "data", 4, sealed));
		assert_false(aead_open(&p.seal, 0, NULL, 0, sealed, sizeof(sealed), plain));
		assert_true(aead_open(&p.open, 0, NULL, 0, sealed, sizeof(sealed), plain));
		pair_free(&p);
	}
}

static void test_once_is_the_same(void **state)
{
	uint8_t once[4 + AEAD_TAG], kept[4 + AEAD_TAG], plain[4];
	struct pair p;

	(void)state;
	for (unsigned i = 0; i < CIPHER_COUNT; i++) {
		enum cipher cipher = (enum cipher)i;

		pair_init(&p, cipher, key_one);
		assert_true(aead_seal_once(cipher, key_one, 9, "ad", 2, "data", 4, once));
		assert_true(aead_seal(&p.seal, 9, "ad", 2, "data", 4, kept));
		assert_memory_equal(once, kept, sizeof(once));
		assert_true(aead_open_once(cipher, key_one, 9, "ad", 2, once, sizeof(once), plain));
		assert_memory_equal(plain, "data", 4);
		assert_false(
			aead_open_once(cipher, key_two, 9, "ad", 2, once, sizeof(once), plain));
		pair_free(&p);
	}
}

/* A super-frame is the longest that one call seals. */
static void test_long_in_place(void **state)
{
	const size_t len = 65536;
	uint8_t *buffer = malloc(len + AEAD_TAG);
	struct pair p;

	(void)state;
	for (unsigned i = 0; i < CIPHER_COUNT; i++) {
		pair_init(&p, (enum cipher)i, key_one);
		for (size_t at = 0; at < len; at++)
			buffer[at] = (uint8_t)(at * 7 >> 3);
		assert_true(aead_seal(&p.seal, 3, "ad", 2, buffer, len, buffer));
		assert_true(aead_open(&p.open, 3, "ad", 2, buffer, len + AEAD_TAG, buffer));
		for (size_t at = 0; at < len; at++)
			assert_int_equal(buffer[at], (uint8_t)(at * 7 >> 3));
		pair_free(&p);
	}
	free(buffer);
}

/* Of the sanitisers; absent in a plain build. */
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
					      void (*on_free)(const volatile void *))
	__attribute__((weak));

static volatile bool watching;
static volatile unsigned heap_calls; /* the compiler thinks that malloc changes nothing of ours */

static void on_malloc(const volatile void *p, size_t n)
{
	(void)p;
	(void)n;
	heap_calls = heap_calls + watching;
}

static void on_free(const volatile void *p)
{
	(void)p;
	heap_calls = heap_calls + watching;
}

static void test_no_heap_per_packet(void **state)
{
	uint8_t packet[64 + AEAD_TAG] = { 0 };
	bool ok = true;
	struct pair p;

	(void)state;
	if (!__sanitizer_install_malloc_and_free_hooks ||
	    __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) == 0) {
		print_message("needs a sanitiser's allocator: skipped\n");
		skip();
	}
	for (unsigned i = 0; i < CIPHER_COUNT; i++) {
		void *volatile heard;

		pair_init(&p, (enum cipher)i, key_one);
		heap_calls = 0;
		watching = true;
		heard = malloc(1); /* not an aligned one: TSan's hooks are deaf to those */
		free(heard);
		assert_true(heap_calls > 0);
		heap_calls = 0;
		for (unsigned turn = 0; turn < 10; turn++) {
			ok &= aead_seal(&p.seal, turn, "ad", 2, packet, 64, packet);
			ok &= aead_open(&p.open, turn, "ad", 2, packet, sizeof(packet), packet);
			aead_set_key(&p.seal, turn % 2 ? key_one : key_two);
			aead_set_key(&p.open, turn % 2 ? key_one : key_two);
		}
		watching = false;
		assert_true(ok);
		assert_int_equal(heap_calls, 0);
		pair_free(&p);
	}
}

static int before_start(void **state)
{
	struct aead aead;

	/* Without its cipher a context is refused, and may still be freed. */
	(void)state;
	if (aead_init(&aead, CIPHER_AES_256_GCM, AEAD_SEAL) || aead.ctx)
		return -1;
	aead_free(&aead);
	return aead_start() && aead_start() ? 0 : -1;
}

static bool has_second;

/* The same tests again; where it is not built in, OpenSSL is tested twice. */
static int second_engine(void **state)
{
	(void)state;
	has_second = aead_force(CIPHER_AES_256_GCM, AEAD_IPSEC_MB);
	if (!has_second)
		print_message("ipsec-mb is not built in\n");
	return 0;
}

static int first_engine(void **state)
{
	(void)state;
	return aead_force(CIPHER_AES_256_GCM, AEAD_OPENSSL) ? 0 : -1;
}

static unsigned reads;
static int64_t step;

/* A clock by which whoever is timed second takes `step` less a reading. */
static struct instant fake_clock(void)
{
	static int64_t us = 1000000;

	us += 1000 - step * reads++;
	return (struct instant){ us };
}

static void test_choice(void **state)
{
	enum aead_engine wanted;

	/* The second engine is timed first: it wins when the later one is slower. */
	(void)state;
	for (step = -10; step <= 10; step += 20) {
		reads = 0;
		wanted = has_second && step < 0 ? AEAD_IPSEC_MB : AEAD_OPENSSL;
		assert_int_equal(aead_choose(CIPHER_AES_256_GCM, fake_clock), wanted);
		assert_string_equal(aead_engine_name(CIPHER_AES_256_GCM),
				    wanted == AEAD_IPSEC_MB ? "ipsec-mb" : "openssl");
	}
	assert_int_equal(aead_choose(CIPHER_CHACHA20_POLY1305, fake_clock), AEAD_OPENSSL);
	assert_false(aead_force(CIPHER_CHACHA20_POLY1305, AEAD_IPSEC_MB));
	assert_true(aead_force(CIPHER_AES_256_GCM, AEAD_OPENSSL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_wycheproof_aes_gcm),
		cmocka_unit_test(test_wycheproof_chacha20_poly1305),
		cmocka_unit_test(test_counter_order),
		cmocka_unit_test(test_empty_pieces),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_key_changes),
		cmocka_unit_test(test_without_a_key),
		cmocka_unit_test(test_wrong_direction),
		cmocka_unit_test(test_once_is_the_same),
		cmocka_unit_test(test_long_in_place),
		cmocka_unit_test(test_no_heap_per_packet),
	};

	const struct CMUnitTest choice[] = {
		cmocka_unit_test(test_choice),
	};
	int failed = cmocka_run_group_tests_name("openssl", tests, before_start, NULL);

	failed += cmocka_run_group_tests_name("ipsec-mb", tests, second_engine, first_engine);
	return failed + cmocka_run_group_tests_name("choice", choice, NULL, NULL);
}
