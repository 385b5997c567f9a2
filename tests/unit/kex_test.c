/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/kex.h"
#include "unit/libvectors.h"

static const uint8_t zero[KEX_KEY];

static bool check_x25519(const json_t *group, const json_t *test)
{
	struct vector pub = vector_get(test, "public"), priv = vector_get(test, "private");
	struct vector shared = vector_get(test, "shared");
	uint8_t out[KEX_KEY], own[KEX_KEY];
	bool good = memcmp(shared.p, zero, KEX_KEY) != 0;

	(void)group;
	assert_int_equal(pub.len, KEX_KEY);
	assert_int_equal(priv.len, KEX_KEY);
	assert_int_equal(shared.len, KEX_KEY);
	memset(out, 0xa5, sizeof(out));
	/* "acceptable" is every odd public key; ours to refuse is the one that
	 * fixes the secret, and no other. */
	assert_int_equal(kex_shared(out, priv.p, pub.p), good);
	assert_memory_equal(out, shared.p, KEX_KEY);
	memset(out, 0xa5, sizeof(out));
	assert_true(kex_public(own, priv.p));
	assert_int_equal(kex_shared_known(out, priv.p, own, pub.p), good);
	assert_memory_equal(out, shared.p, KEX_KEY);
	vector_free(&pub);
	vector_free(&priv);
	vector_free(&shared);
	return true;
}

static void test_wycheproof_x25519(void **state)
{
	(void)state;
	vectors_each("wycheproof_x25519_test.json", check_x25519);
}

static bool check_hmac(const json_t *group, const json_t *test)
{
	struct vector key, msg, tag;
	uint8_t out[KEX_HASH];

	if (vector_number(group, "tagSize") != 8 * KEX_HASH)
		return false;
	key = vector_get(test, "key");
	msg = vector_get(test, "msg");
	tag = vector_get(test, "tag");
	kex_hmac(out, key.p, key.len, msg.p, msg.len);
	assert_int_equal(bytes_equal_secret(out, tag.p, KEX_HASH),
			 vector_is(test, "result", "valid"));
	vector_free(&key);
	vector_free(&msg);
	vector_free(&tag);
	return true;
}

static void test_wycheproof_hmac(void **state)
{
	(void)state;
	vectors_each("wycheproof_hmac_sha256_test.json", check_hmac);
}

/* HKDF with empty info and a salt of up to one hash is Noise's: HMAC fills a
 * shorter key with zeros. */
static bool check_hkdf(const json_t *group, const json_t *test)
{
	struct vector ikm = vector_get(test, "ikm"), salt = vector_get(test, "salt");
	struct vector okm = vector_get(test, "okm"), info = vector_get(test, "info");
	bool ours = info.len == 0 && salt.len <= KEX_HASH && okm.len > 0 &&
		    okm.len <= 3 * KEX_HASH && vector_is(test, "result", "valid");
	uint8_t chaining_key[KEX_HASH] = { 0 }, out[3][KEX_HASH];

	(void)group;
	if (ours) {
		memcpy(chaining_key, salt.p, salt.len);
		kex_hkdf(out, (unsigned)(okm.len + KEX_HASH - 1) / KEX_HASH, chaining_key, ikm.p,
			 ikm.len);
		assert_memory_equal(out, okm.p, okm.len);
	}
	vector_free(&ikm);
	vector_free(&salt);
	vector_free(&okm);
	vector_free(&info);
	return ours;
}

static void test_wycheproof_hkdf(void **state)
{
	(void)state;
	vectors_each("wycheproof_hkdf_sha256_test.json", check_hkdf);
}

/* RFC 7748, 6.1. */
static void test_public_key(void **state)
{
	static const uint8_t priv[KEX_KEY] = {
		0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1,
		0x72, 0x51, 0xb2, 0x66, 0x45, 0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0,
		0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a,
	};
	static const uint8_t pub[KEX_KEY] = {
		0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54, 0x74, 0x8b, 0x7d,
		0xdc, 0xb4, 0x3e, 0xf7, 0x5a, 0x0d, 0xbf, 0x3a, 0x0d, 0x26, 0x38,
		0x1a, 0xf4, 0xeb, 0xa4, 0xa9, 0x8e, 0xaa, 0x9b, 0x4e, 0x6a,
	};
	uint8_t out[KEX_KEY];

	(void)state;
	assert_true(kex_public(out, priv));
	assert_memory_equal(out, pub, KEX_KEY);
}

/* FIPS 180-2, B.1: "abc", in one piece and in two. */
static void test_hash_of_pieces(void **state)
{
	static const uint8_t abc[KEX_HASH] = {
		0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
		0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
		0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
	};
	static const char *const text = "abc";
	uint8_t out[KEX_HASH];

	(void)state;
	for (size_t cut = 0; cut <= 3; cut++) {
		kex_hash(out, text, cut, text + cut, 3 - cut);
		assert_memory_equal(out, abc, KEX_HASH);
	}
	kex_hash(out, text, 3, NULL, 0);
	assert_memory_equal(out, abc, KEX_HASH);
	kex_hash(out, NULL, 0, text, 3);
	assert_memory_equal(out, abc, KEX_HASH);
}

/* The result may take the place of an input, as noise and cookie do it. */
static void test_hash_over_its_input(void **state)
{
	uint8_t apart[KEX_HASH], own[KEX_HASH] = { 7 };

	(void)state;
	kex_hash(apart, own, sizeof(own), "x", 1);
	kex_hash(own, own, sizeof(own), "x", 1);
	assert_memory_equal(own, apart, KEX_HASH);
}

static void test_hmac_of_nothing(void **state)
{
	static const uint8_t expected[] = { 0xb6, 0x13, 0x67, 0x9a, 0x08, 0x14, 0xd9, 0xec };
	uint8_t out[KEX_HASH];

	(void)state;
	kex_hmac(out, NULL, 0, NULL, 0);
	assert_memory_equal(out, expected, sizeof(expected));
	/* The context that calls copy has kept nothing of another key. */
	kex_hmac(out, "key", 3, "data", 4);
	kex_hmac(out, NULL, 0, NULL, 0);
	assert_memory_equal(out, expected, sizeof(expected));
}

static void test_text_both_ways(void **state)
{
	uint8_t key[KEX_KEY], back[KEX_KEY];
	char text[KEX_TEXT];

	(void)state;
	kex_to_text(text, zero);
	assert_string_equal(text, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
	memset(key, 0xff, sizeof(key));
	kex_to_text(text, key);
	assert_string_equal(text, "//////////////////////////////////////////8=");
	for (unsigned seed = 0; seed < 256; seed++) {
		for (unsigned i = 0; i < KEX_KEY; i++)
			key[i] = (uint8_t)(seed * 31 + i * 17 + (seed ^ i));
		kex_to_text(text, key);
		assert_int_equal(strlen(text), KEX_TEXT - 1);
		assert_true(kex_from_text(back, text));
		assert_memory_equal(back, key, KEX_KEY);
	}
}

static void test_text_is_strict(void **state)
{
	static const char *const bad[] = {
		"",
		"=",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
		" AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		" AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		" AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=A",
		"AAAA=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"AAAA-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"AAAA_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"AAAA\303\244AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	};
	uint8_t out[KEX_KEY], before[KEX_KEY];

	(void)state;
	memset(out, 0x5a, sizeof(out));
	memcpy(before, out, sizeof(out));
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		if (kex_from_text(out, bad[i]))
			fail_msg("taken: \"%s\"", bad[i]);
		assert_memory_equal(out, before, sizeof(out));
	}
	assert_true(kex_from_text(out, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="));
	assert_memory_equal(out, zero, KEX_KEY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wycheproof_x25519),
		cmocka_unit_test(test_wycheproof_hmac),
		cmocka_unit_test(test_wycheproof_hkdf),
		cmocka_unit_test(test_public_key),
		cmocka_unit_test(test_hash_of_pieces),
		cmocka_unit_test(test_hash_over_its_input),
		cmocka_unit_test(test_hmac_of_nothing),
		cmocka_unit_test(test_text_both_ways),
		cmocka_unit_test(test_text_is_strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
