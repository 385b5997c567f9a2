/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/handshake.h"

static const struct instant now = { SECONDS(10) };
static struct rand_seeded seeds[2];
static struct peer_owner owner; /* never asked here */

struct two {
	struct identity a, b;
	struct peer *b_at_a, *a_at_b;
};

static void begin(struct two *t, const char *name)
{
	const uint8_t key_a[KEX_KEY] = { 0, 1 }, key_b[KEX_KEY] = { 0, 2 }, psk[KEX_KEY] = { 3 };

	assert_true(aead_start());
	assert_true(identity_init(&t->a, key_a, psk, CIPHER_CHACHA20_POLY1305, "lab", name, 9000,
				  rand_source_seeded(&seeds[0], 1)));
	assert_true(identity_init(&t->b, key_b, psk, CIPHER_CHACHA20_POLY1305, "lab", "b", 1500,
				  rand_source_seeded(&seeds[1], 2)));
	t->b_at_a = peer_new(&owner, &t->a, 5, "b", t->b.public_key, SECONDS(25), now);
	t->a_at_b = peer_new(&owner, &t->b, 300, "a", t->a.public_key, SECONDS(25), now);
	assert_true(t->b_at_a && t->a_at_b);
}

static void end(struct two *t)
{
	peer_free(t->b_at_a);
	peer_free(t->a_at_b);
}

/* a calls, b answers: the RESPONSE is in out. */
static void call_and_answer(struct two *t, uint8_t out[WIRE_RESPONSE_LEN])
{
	uint8_t initiation[HANDSHAKE_CALL_MAX];
	struct handshake_call call;

	assert_int_equal(handshake_initiate(&t->a, t->b_at_a, now, initiation), WIRE_INITIATION_LEN);
	assert_int_equal(be32_get(initiation), WIRE_INITIATION << 24);
	assert_true(handshake_read(&t->b, initiation, &call));
	assert_memory_equal(call.public_key, t->a.public_key, KEX_KEY);
	assert_int_equal(call.remote_index, t->b_at_a->calling->local_index);
	assert_int_equal(handshake_respond(&t->b, t->a_at_b, &call, now, out), DROP_COUNT);
	handshake_call_wipe(&call);
	assert_true(bytes_all_zero(&call, sizeof(call)));
}

static void test_both_get_keys(void **state)
{
	uint8_t response[WIRE_RESPONSE_LEN], packet[60], plain[20] = "both ways";
	struct keypair *next = NULL;
	struct two t;

	(void)state;
	begin(&t, "a site with a name");
	call_and_answer(&t, response);
	assert_null(t.a_at_b->keys.current); /* not before it is confirmed */
	assert_int_equal(handshake_finish(t.b_at_a, response, now), DROP_COUNT);
	assert_null(t.b_at_a->calling);
	assert_false(t.b_at_a->noise.begun);
	assert_true(t.b_at_a->keys.current->initiator);
	assert_int_equal(t.b_at_a->keys.current->local_index >> KEYS_SLOT_BITS & 511, 5);
	assert_int_equal(t.b_at_a->keys.current->remote_index >> KEYS_SLOT_BITS & 511, 300);
	assert_string_equal(t.a_at_b->remote_name, "a site with a name");
	assert_int_equal(t.a_at_b->remote_mtu, 9000);
	assert_string_equal(t.b_at_a->remote_name, "b");
	assert_int_equal(t.b_at_a->remote_mtu, 1500);
	for (unsigned i = 0; i < KEYS_SLOTS; i++) {
		if (t.a_at_b->keys.slot[i].state == KEY_NEXT)
			next = &t.a_at_b->keys.slot[i];
	}
	assert_non_null(next);
	keys_seal(&t.b_at_a->keys, 0, plain, sizeof(plain), packet);
	assert_true(
		keys_open(&t.a_at_b->keys, next, packet, sizeof(plain) + WIRE_DATA_OVERHEAD, 0));
	keys_confirm(&t.a_at_b->keys, next, now);
	keys_seal(&t.a_at_b->keys, 0, plain, sizeof(plain), packet);
	assert_true(keys_open(&t.b_at_a->keys, t.b_at_a->keys.current, packet,
			      sizeof(plain) + WIRE_DATA_OVERHEAD, 0));
	assert_memory_equal(packet + WIRE_DATA_HEADER, plain, sizeof(plain));
	end(&t);
}

static void test_longest_name(void **state)
{
	uint8_t response[WIRE_RESPONSE_LEN];
	char name[WIRE_NAME + 1];
	struct two t;

	(void)state;
	memset(name, 'z', WIRE_NAME);
	name[WIRE_NAME] = '\0';
	begin(&t, name);
	call_and_answer(&t, response);
	assert_string_equal(t.a_at_b->remote_name, name);
	end(&t);
}

/* A forged answer must not end the real one. */
static void test_forged_answer(void **state)
{
	uint8_t response[WIRE_RESPONSE_LEN];
	struct two t;

	(void)state;
	begin(&t, "a");
	call_and_answer(&t, response);
	for (size_t at = 12; at < WIRE_RESPONSE_LEN - COOKIE_MACS; at++) {
		response[at] ^= 0x20;
		assert_int_equal(handshake_finish(t.b_at_a, response, now), DROP_HANDSHAKE);
		response[at] ^= 0x20;
		assert_non_null(t.b_at_a->calling);
		assert_null(t.b_at_a->keys.current);
	}
	assert_int_equal(handshake_finish(t.b_at_a, response, now), DROP_COUNT);
	end(&t);
}

static void test_damaged_call(void **state)
{
	uint8_t initiation[HANDSHAKE_CALL_MAX];
	struct handshake_call call;
	struct two t;

	(void)state;
	begin(&t, "a");
	assert_int_equal(handshake_initiate(&t.a, t.b_at_a, now, initiation), WIRE_INITIATION_LEN);
	for (size_t at = 8; at < WIRE_INITIATION_LEN - COOKIE_MACS; at += 3) {
		initiation[at] ^= 1;
		assert_false(handshake_read(&t.b, initiation, &call));
		initiation[at] ^= 1;
	}
	assert_true(handshake_read(&t.b, initiation, &call));
	assert_false(handshake_read(&t.a, initiation, &call)); /* not for its own sender */
	handshake_call_wipe(&call);
	end(&t);
}

/* A new call gives up the one before; the answer to that is of no use. */
static void test_only_the_last_call_counts(void **state)
{
	uint8_t first[WIRE_RESPONSE_LEN], second[WIRE_RESPONSE_LEN];
	unsigned reserved = 0;
	struct two t;

	(void)state;
	begin(&t, "a");
	call_and_answer(&t, first);
	call_and_answer(&t, second);
	for (unsigned i = 0; i < KEYS_SLOTS; i++)
		reserved += t.b_at_a->keys.slot[i].state == KEY_RESERVED;
	assert_int_equal(reserved, 1);
	assert_int_equal(handshake_finish(t.b_at_a, first, now), DROP_HANDSHAKE);
	assert_int_equal(handshake_finish(t.b_at_a, second, now), DROP_COUNT);
	end(&t);
}

static void test_abandon(void **state)
{
	uint8_t initiation[HANDSHAKE_CALL_MAX];
	struct two t;

	(void)state;
	begin(&t, "a");
	assert_int_equal(handshake_initiate(&t.a, t.b_at_a, now, initiation), WIRE_INITIATION_LEN);
	handshake_abandon(t.b_at_a);
	handshake_abandon(t.b_at_a); /* safe to repeat */
	assert_null(t.b_at_a->calling);
	assert_true(bytes_all_zero(&t.b_at_a->noise, sizeof(t.b_at_a->noise)));
	for (unsigned i = 0; i < KEYS_SLOTS; i++)
		assert_int_equal(t.b_at_a->keys.slot[i].state, KEY_FREE);
	end(&t);
}

/* No two calls are alike: fresh ephemeral keys and indices. */
static void test_calls_differ(void **state)
{
	uint8_t one[HANDSHAKE_CALL_MAX], other[HANDSHAKE_CALL_MAX];
	struct two t;

	(void)state;
	begin(&t, "a");
	assert_int_equal(handshake_initiate(&t.a, t.b_at_a, now, one), WIRE_INITIATION_LEN);
	assert_int_equal(handshake_initiate(&t.a, t.b_at_a, now, other), WIRE_INITIATION_LEN);
	assert_memory_not_equal(one + 4, other + 4, 4);
	assert_memory_not_equal(one + 8, other + 8, KEX_KEY);
	assert_memory_not_equal(one + 40, other + 40, 48);
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_get_keys),
		cmocka_unit_test(test_longest_name),
		cmocka_unit_test(test_forged_answer),
		cmocka_unit_test(test_damaged_call),
		cmocka_unit_test(test_only_the_last_call_counts),
		cmocka_unit_test(test_abandon),
		cmocka_unit_test(test_calls_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
