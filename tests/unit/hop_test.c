/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/hop.h"

#define LONGEST (UINT16_MAX + WIRE_HOP_OVERHEAD)

static struct aead seal, open;
static const uint8_t context[HOP_CONTEXT] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
static uint8_t packet[LONGEST + 1];

static int setup(void **state)
{
	static const uint8_t key[AEAD_KEY] = { 9, 8, 7 };

	(void)state;
	if (!aead_start() || !aead_init(&seal, CIPHER_AES_256_GCM, AEAD_SEAL) ||
	    !aead_init(&open, CIPHER_AES_256_GCM, AEAD_OPEN))
		return -1;
	aead_set_key(&seal, key);
	aead_set_key(&open, key);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	aead_free(&seal);
	aead_free(&open);
	return 0;
}

/* Seals a packet with len bytes of that kind inside; returns its length. */
static size_t make(uint8_t kind, size_t len, uint32_t destination)
{
	struct hop hop = { .index = 0x11223344,
			   .counter = 0x0102030405060708,
			   .source = 5,
			   .destination = destination,
			   .inner_len = len };

	for (size_t i = 0; i < len; i++)
		packet[WIRE_HOP_HEADER + i] = (uint8_t)(i * 3);
	packet[WIRE_HOP_HEADER] = kind;
	assert_true(hop_seal(&seal, context, &hop, packet));
	return len + WIRE_HOP_OVERHEAD;
}

static void test_there_and_back(void **state)
{
	static const size_t lengths[] = { WIRE_HOP_INNER_MIN, 35, 100, 1400, UINT16_MAX };
	struct hop hop;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(lengths); i++) {
		size_t len = make(WIRE_DATA, lengths[i], 7);

		assert_true(hop_parse(&hop, packet, len));
		assert_int_equal(hop.index, 0x11223344);
		assert_int_equal(hop.counter, 0x0102030405060708);
		assert_int_equal(hop.source, 5);
		assert_int_equal(hop.destination, 7);
		assert_ptr_equal(hop.inner, packet + WIRE_HOP_HEADER);
		assert_int_equal(hop.inner_len, lengths[i]);
		assert_true(hop_verify(&open, context, &hop, packet, len));
	}
}

/* Written out once, so that both sides cannot err alike. */
static void test_layout(void **state)
{
	static const uint8_t header[WIRE_HOP_HEADER] = { 6, 0, 0, 40, 0x11, 0x22, 0x33, 0x44,
							 1, 2, 3, 4,  5,    6,	  7,	8,
							 0, 0, 0, 5,  0,    0,	  0,	7 };
	uint8_t aad[16 + 24 + 32], tag[AEAD_TAG];
	size_t len = make(WIRE_DATA, 40, 7);

	(void)state;
	assert_memory_equal(packet, header, sizeof(header));
	memcpy(aad, context, 16);
	memcpy(aad + 16, header, 24);
	memcpy(aad + 40, packet + 24, 16);
	memcpy(aad + 56, packet + 24 + 40 - 16, 16);
	assert_true(aead_seal(&seal, 0x0102030405060708, aad, sizeof(aad), NULL, 0, tag));
	assert_memory_equal(packet + len - AEAD_TAG, tag, AEAD_TAG);
}

/* Every bit of the header, of both ends of the inner packet and of the tag counts;
 * what lies between the ends has the inner packet's own authentication. */
static void test_what_the_tag_binds(void **state)
{
	size_t len = make(WIRE_DATA, 60, 7);
	struct hop hop;

	(void)state;
	assert_true(hop_parse(&hop, packet, len));
	for (size_t bit = 0; bit < 8 * len; bit++) {
		size_t at = bit / 8;
		bool between = at >= WIRE_HOP_HEADER + 16 && at < len - AEAD_TAG - 16;

		packet[at] ^= (uint8_t)(1 << bit % 8);
		if (hop_parse(&hop, packet, len))
			assert_int_equal(hop_verify(&open, context, &hop, packet, len), between);
		packet[at] ^= (uint8_t)(1 << bit % 8);
	}
	assert_true(hop_parse(&hop, packet, len));
	assert_true(hop_verify(&open, context, &hop, packet, len));
}

static void test_another_context(void **state)
{
	static const uint8_t other[HOP_CONTEXT] = { 1, 2, 3, 4, 5, 6, 7, 8, 8 };
	size_t len = make(WIRE_DATA, 60, 7);
	struct hop hop;

	(void)state;
	assert_true(hop_parse(&hop, packet, len));
	assert_false(hop_verify(&open, other, &hop, packet, len));
}

static void test_lengths(void **state)
{
	size_t len = make(WIRE_DATA, 60, 7);
	struct hop hop = { .index = 1 };

	(void)state;
	for (size_t cut = 0; cut <= len + 1; cut++)
		assert_int_equal(hop_parse(&hop, packet, cut), cut == len);
	make(WIRE_DATA, WIRE_HOP_INNER_MIN - 1, 7);
	hop.index = 1;
	assert_false(hop_parse(&hop, packet, WIRE_HOP_MIN - 1));
	assert_int_equal(hop.index, 1); /* untouched */
	assert_false(hop_parse(&hop, packet, LONGEST + 1));
}

static void test_header(void **state)
{
	size_t len = make(WIRE_DATA, 60, 7);
	struct hop hop;

	(void)state;
	for (unsigned flags = 0; flags < 256; flags++) {
		packet[1] = (uint8_t)flags;
		assert_int_equal(hop_parse(&hop, packet, len), flags == 0);
	}
	packet[1] = 0;
	for (unsigned kind = 0; kind < 256; kind++) {
		packet[0] = (uint8_t)kind;
		assert_int_equal(hop_parse(&hop, packet, len), kind == WIRE_HOP);
	}
}

/* Which kinds may be inside, and how long they are then. */
static void test_inner_kinds(void **state)
{
	static const size_t exact[] = { [WIRE_INITIATION] = WIRE_INITIATION_LEN,
					[WIRE_RESPONSE] = WIRE_RESPONSE_LEN,
					[WIRE_COOKIE] = WIRE_COOKIE_LEN };
	struct hop hop;

	(void)state;
	for (unsigned kind = 0; kind < 256; kind++) {
		for (size_t inner = WIRE_HOP_INNER_MIN; inner < 300; inner++) {
			bool flood = kind == WIRE_FLOOD;
			size_t len = make((uint8_t)kind, inner, flood ? WIRE_HOP_FLOOD : 7);
			bool fits = kind == WIRE_DATA || flood ||
				    (kind < COUNT_OF(exact) && kind > 0 && inner == exact[kind]);

			assert_int_equal(hop_parse(&hop, packet, len), fits);
		}
	}
}

static void test_floods_go_to_all(void **state)
{
	struct hop hop;
	size_t len = make(WIRE_FLOOD, 60, WIRE_HOP_FLOOD);

	(void)state;
	assert_true(hop_parse(&hop, packet, len));
	assert_true(hop_verify(&open, context, &hop, packet, len));
	len = make(WIRE_FLOOD, 60, 7);
	assert_false(hop_parse(&hop, packet, len));
	len = make(WIRE_DATA, 60, WIRE_HOP_FLOOD);
	assert_false(hop_parse(&hop, packet, len));
	len = make(WIRE_INITIATION, WIRE_INITIATION_LEN, WIRE_HOP_FLOOD);
	assert_false(hop_parse(&hop, packet, len));
}

/* A key that is not there seals nothing and verifies nothing. */
static void test_no_key(void **state)
{
	struct aead none;
	struct hop hop;
	size_t len = make(WIRE_DATA, 60, 7);

	(void)state;
	assert_true(hop_parse(&hop, packet, len));
	assert_true(aead_init(&none, CIPHER_AES_256_GCM, AEAD_OPEN));
	assert_false(hop_verify(&none, context, &hop, packet, len));
	aead_free(&none);
	assert_true(aead_init(&none, CIPHER_AES_256_GCM, AEAD_SEAL));
	assert_false(hop_seal(&none, context, &hop, packet));
	aead_free(&none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_what_the_tag_binds),
		cmocka_unit_test(test_another_context),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_inner_kinds),
		cmocka_unit_test(test_floods_go_to_all),
		cmocka_unit_test(test_no_key),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
