/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/keys.h"

static const uint8_t id_a[8] = "site  a", id_b[8] = "site  b";
static const uint8_t key_1[AEAD_KEY] = { 1 }, key_2[AEAD_KEY] = { 2 };

static struct instant at(int64_t seconds)
{
	return (struct instant){ SECONDS(1000 + seconds) };
}

static void begin(struct keys *k)
{
	assert_true(aead_start());
	assert_true(keys_init(k, CIPHER_AES_256_GCM, "net", id_a, id_b));
}

static unsigned count(const struct keys *k, enum key_state state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < KEYS_SLOTS; i++)
		n += k->slot[i].state == state;
	return n;
}

static struct keypair *make(struct keys *k, bool initiator, struct instant now)
{
	static uint32_t random;
	struct keypair *kp = keys_reserve(k, 40 << KEYS_SLOT_BITS, ++random, !initiator);

	assert_non_null(kp);
	keys_install(k, kp, initiator, 7, key_1, key_2, now);
	return kp;
}

static void test_index_names_its_slot(void **state)
{
	struct keys k;

	(void)state;
	begin(&k);
	for (unsigned i = 0; i < KEYS_SLOTS; i++) {
		struct keypair *kp = keys_reserve(&k, 40 << KEYS_SLOT_BITS, 0xabcde, false);

		assert_int_equal(kp->state, KEY_RESERVED);
		assert_int_equal(kp->local_index & (KEYS_SLOTS - 1), kp - k.slot);
		assert_int_equal(kp->local_index >> KEYS_SLOT_BITS & 511, 40);
		assert_int_equal(kp->local_index >> 12, 0xabcde);
	}
	assert_null(k.current);
	keys_free(&k);
}

static void test_initiator_sends_at_once(void **state)
{
	struct keys k;
	struct keypair *first, *second;

	(void)state;
	begin(&k);
	first = make(&k, true, at(0));
	assert_ptr_equal(k.current, first);
	assert_int_equal(first->state, KEY_CURRENT);
	assert_int_equal(first->counter, 0);
	second = make(&k, true, at(1));
	assert_ptr_equal(k.current, second);
	assert_int_equal(first->state, KEY_PREVIOUS);
	assert_int_equal(instant_between(at(1), first->retire), WIRE_OLD_KEY);
	keys_free(&k);
}

static void test_responder_waits_for_confirmation(void **state)
{
	struct keys k;
	struct keypair *old, *next;

	(void)state;
	begin(&k);
	old = make(&k, true, at(0));
	next = make(&k, false, at(1));
	assert_ptr_equal(k.current, old);
	assert_int_equal(next->state, KEY_NEXT);
	keys_confirm(&k, next, at(2));
	assert_ptr_equal(k.current, next);
	assert_int_equal(old->state, KEY_PREVIOUS);
	keys_confirm(&k, old, at(3)); /* not NEXT: nothing */
	assert_ptr_equal(k.current, next);
	keys_free(&k);
}

/* Calls that nobody confirms never cost more than KEYS_NEXT slots, nor the
 * session in use. */
static void test_unconfirmed_keys_are_few(void **state)
{
	struct keys k;
	struct keypair *current, *previous, *last = NULL, *before = NULL;

	(void)state;
	begin(&k);
	previous = make(&k, true, at(0));
	current = make(&k, true, at(1));
	for (int i = 0; i < 100; i++) {
		before = last;
		last = make(&k, false, at(2 + i));
		assert_in_range(count(&k, KEY_NEXT), 1, KEYS_NEXT);
	}
	assert_ptr_equal(k.current, current);
	assert_int_equal(previous->state, KEY_PREVIOUS);
	assert_int_equal(last->state, KEY_NEXT);
	assert_int_equal(before->state, KEY_NEXT);
	keys_free(&k);
}

/* However many sessions there were, there is a slot, and the key that was used
 * least recently goes for it. */
static void test_a_slot_can_always_be_had(void **state)
{
	struct keys k;
	struct keypair *used;

	(void)state;
	begin(&k);
	used = make(&k, true, at(0));
	for (int i = 1; i < 100; i++) {
		make(&k, true, at(i));
		keys_still_used(used, at(i));
		assert_non_null(keys_reserve(&k, 0, 1, false));
		keys_drop(&k, &k.slot[0] == used ? &k.slot[1] : &k.slot[0]);
		assert_int_equal(used->state, KEY_PREVIOUS);
		for (unsigned s = 0; s < KEYS_SLOTS; s++) {
			if (k.slot[s].state == KEY_RESERVED)
				keys_drop(&k, &k.slot[s]);
		}
	}
	keys_free(&k);
}

static void test_previous_retires(void **state)
{
	struct keys k;
	struct keypair *old;

	(void)state;
	begin(&k);
	old = make(&k, true, at(0));
	make(&k, true, at(10));
	assert_false(keys_expire(&k, at(69)));
	assert_int_equal(old->state, KEY_PREVIOUS);
	assert_false(keys_expire(&k, at(70)));
	assert_int_equal(old->state, KEY_FREE);
	assert_int_equal(old->local_index, 0);
	assert_non_null(k.current);
	keys_free(&k);
}

static void test_use_keeps_previous_within_its_life(void **state)
{
	struct keys k;
	struct keypair *old;

	(void)state;
	begin(&k);
	old = make(&k, true, at(0));
	make(&k, true, at(100));
	keys_still_used(old, at(150));
	keys_expire(&k, at(179));
	assert_int_equal(old->state, KEY_PREVIOUS);
	keys_expire(&k, at(180));
	assert_int_equal(old->state, KEY_FREE);
	keys_free(&k);
}

static void test_all_end_at_reject_after(void **state)
{
	struct keys k;

	(void)state;
	begin(&k);
	make(&k, true, at(0));
	make(&k, false, at(0));
	assert_false(keys_expire(&k, at(179)));
	assert_non_null(k.current);
	assert_true(keys_expire(&k, at(180)));
	assert_null(k.current);
	assert_int_equal(count(&k, KEY_FREE), KEYS_SLOTS);
	assert_false(keys_expire(&k, at(181)));
	keys_free(&k);
}

static void test_drop_all(void **state)
{
	struct keys k;

	(void)state;
	begin(&k);
	make(&k, true, at(0));
	make(&k, false, at(0));
	keys_reserve(&k, 0, 1, false);
	keys_drop_all(&k);
	assert_null(k.current);
	assert_int_equal(count(&k, KEY_FREE), KEYS_SLOTS);
	keys_free(&k);
}

/* ---- packets ---- */

struct ends {
	struct keys a, b;
	struct keypair *ka, *kb;
};

static void join(struct ends *e, const char *net_a, const char *net_b, const uint8_t *from,
		 const uint8_t *to)
{
	assert_true(aead_start());
	assert_true(keys_init(&e->a, CIPHER_CHACHA20_POLY1305, net_a, id_a, id_b));
	assert_true(keys_init(&e->b, CIPHER_CHACHA20_POLY1305, net_b, from, to));
	e->ka = keys_reserve(&e->a, 8, 1, false);
	e->kb = keys_reserve(&e->b, 16, 2, true);
	keys_install(&e->a, e->ka, true, e->kb->local_index, key_1, key_2, at(0));
	keys_install(&e->b, e->kb, false, e->ka->local_index, key_2, key_1, at(0));
}

static void part(struct ends *e)
{
	keys_free(&e->a);
	keys_free(&e->b);
}

static void test_seal_and_open(void **state)
{
	struct ends e;
	uint8_t packet[200], plain[100];

	(void)state;
	join(&e, "net", "net", id_b, id_a);
	for (unsigned i = 0; i < 100; i++) {
		memset(plain, (int)i, sizeof(plain));
		keys_seal(&e.a, 0, plain, i, packet);
		assert_int_equal(be32_get(packet), WIRE_DATA << 24);
		assert_int_equal(be32_get(packet + 4), e.kb->local_index);
		assert_int_equal(be64_get(packet + 8), i); /* no nonce twice */
		assert_true(i < 16 || memcmp(packet + WIRE_DATA_HEADER, plain, i) != 0);
		assert_true(keys_open(&e.b, e.kb, packet, i + WIRE_DATA_OVERHEAD, i));
		assert_memory_equal(packet + WIRE_DATA_HEADER, plain, i);
	}
	part(&e);
}

/* The lane stands in the header and cannot be changed on the way. */
static void test_lane(void **state)
{
	uint8_t packet[80], copy[80], plain[30] = { 9 };
	size_t len = sizeof(plain) + WIRE_DATA_OVERHEAD;
	struct ends e;

	(void)state;
	join(&e, "net", "net", id_b, id_a);
	for (uint8_t lane = 0; lane < WIRE_LANES; lane++) {
		keys_seal(&e.a, lane, plain, sizeof(plain), packet);
		assert_int_equal(be32_get(packet), WIRE_DATA << 24 | lane);
		memcpy(copy, packet, len);
		copy[WIRE_LANE] ^= 1;
		assert_false(keys_open(&e.b, e.kb, copy, len, lane));
		assert_true(keys_open(&e.b, e.kb, packet, len, lane));
	}
	part(&e);
}

static void assert_arrivals(const struct keys *k, uint64_t received, uint64_t lost, uint64_t late)
{
	struct keys_arrivals a = keys_arrivals(k);

	assert_int_equal(a.received, received);
	assert_int_equal(a.lost, lost);
	assert_int_equal(a.late, late);
}

static void test_arrivals(void **state)
{
	struct ends e;

	(void)state;
	join(&e, "net", "net", id_b, id_a);
	assert_arrivals(&e.b, 0, 0, 0);
	keys_commit(e.kb, 0, 0);
	keys_commit(e.kb, 0, 3); /* 1 and 2 are missing, */
	assert_arrivals(&e.b, 2, 2, 0);
	keys_commit(e.kb, 0, 1); /* one of them was only late, */
	assert_arrivals(&e.b, 3, 1, 1);
	keys_commit(e.kb, 0, 1); /* and counts once. */
	assert_arrivals(&e.b, 3, 1, 1);
	/* Each lane has an order of its own. */
	keys_commit(e.kb, 2, 9);
	keys_commit(e.kb, 1, 5);
	keys_commit(e.kb, 1, 6);
	assert_arrivals(&e.b, 6, 4, 1);
	keys_commit(e.kb, 2, 8);
	assert_arrivals(&e.b, 7, 3, 2);
	/* Far away, as far as the window and farther. */
	keys_commit(e.kb, 0, 9 + 3 * REPLAY_WINDOW);
	assert_arrivals(&e.b, 8, 3 + 3 * REPLAY_WINDOW - 1, 2);
	/* What was lost under a key stays lost, and the next begins anew. */
	keys_drop(&e.b, e.kb);
	assert_arrivals(&e.b, 8, 3 + 3 * REPLAY_WINDOW - 1, 2);
	e.kb = keys_reserve(&e.b, 16, 3, true);
	keys_install(&e.b, e.kb, false, e.ka->local_index, key_2, key_1, at(0));
	keys_commit(e.kb, 1, 1);
	assert_arrivals(&e.b, 9, 3 + 3 * REPLAY_WINDOW, 2);
	part(&e);
}

/* Packets about paths count apart: in their counters, their window, and not as lost. */
static void test_paths_count_apart(void **state)
{
	uint8_t packet[80], plain[30] = { 9 };
	size_t len = sizeof(plain) + WIRE_DATA_OVERHEAD;
	struct ends e;

	(void)state;
	join(&e, "net", "net", id_b, id_a);
	for (unsigned i = 0; i < 3; i++) {
		keys_seal_path(&e.a, plain, sizeof(plain), packet);
		assert_int_equal(be32_get(packet), WIRE_DATA << 24 | WIRE_FLAG_PATH << 16);
		assert_int_equal(be64_get(packet + 8), WIRE_PATH_COUNTER + i);
		assert_true(keys_open(&e.b, e.kb, packet, len, WIRE_PATH_COUNTER + i));
	}
	keys_seal(&e.a, 0, plain, sizeof(plain), packet);
	assert_int_equal(be64_get(packet + 8), 0);
	assert_int_equal(keys_check(e.kb, WIRE_PATH_COUNTER + 300), REPLAY_NEW);
	keys_commit(e.kb, 0, WIRE_PATH_COUNTER + 300);
	assert_int_equal(keys_check(e.kb, WIRE_PATH_COUNTER + 300), REPLAY_SEEN);
	assert_int_equal(keys_check(e.kb, WIRE_PATH_COUNTER + 300 - KEYS_PATHS), REPLAY_NEW);
	assert_int_equal(keys_check(e.kb, WIRE_PATH_COUNTER + 299 - KEYS_PATHS), REPLAY_OLD);
	assert_int_equal(keys_check(e.kb, 0), REPLAY_NEW);
	assert_arrivals(&e.b, 0, 0, 0);
	keys_commit(e.kb, 0, 0);
	assert_int_equal(keys_check(e.kb, 0), REPLAY_SEEN);
	assert_arrivals(&e.b, 1, 0, 0);
	part(&e);
}

static void test_seal_in_place(void **state)
{
	struct ends e;
	uint8_t packet[200], plain[100] = "in place";

	(void)state;
	join(&e, "net", "net", id_b, id_a);
	memcpy(packet + WIRE_DATA_HEADER, plain, sizeof(plain));
	keys_seal(&e.a, 0, packet + WIRE_DATA_HEADER, sizeof(plain), packet);
	assert_true(keys_open(&e.b, e.kb, packet, sizeof(plain) + WIRE_DATA_OVERHEAD, 0));
	assert_memory_equal(packet + WIRE_DATA_HEADER, plain, sizeof(plain));
	part(&e);
}

/* Every bit of the packet is bound, and so are network, source, destination. */
static void test_what_is_bound(void **state)
{
	static const uint8_t other[8] = "site  c";
	uint8_t packet[80], copy[80], plain[30] = { 9 };
	size_t len = sizeof(plain) + WIRE_DATA_OVERHEAD;
	struct ends e;

	(void)state;
	join(&e, "net", "net", id_b, id_a);
	keys_seal(&e.a, 0, plain, sizeof(plain), packet);
	for (size_t i = 0; i < len; i++) {
		memcpy(copy, packet, len);
		copy[i] ^= 0x10;
		assert_false(keys_open(&e.b, e.kb, copy, len, be64_get(copy + 8)));
	}
	memcpy(copy, packet, len);
	assert_false(keys_open(&e.b, e.kb, copy, len - 1, 0));
	part(&e);
	join(&e, "net", "nets", id_b, id_a);
	assert_false(keys_open(&e.b, e.kb, packet, len, 0));
	part(&e);
	join(&e, "net", "net", other, id_a);
	assert_false(keys_open(&e.b, e.kb, packet, len, 0));
	part(&e);
	join(&e, "net", "net", id_b, other);
	assert_false(keys_open(&e.b, e.kb, packet, len, 0));
	part(&e);
	join(&e, "net", "net", id_a, id_b); /* a packet sent back to its sender */
	assert_false(keys_open(&e.b, e.kb, packet, len, 0));
	part(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index_names_its_slot),
		cmocka_unit_test(test_initiator_sends_at_once),
		cmocka_unit_test(test_responder_waits_for_confirmation),
		cmocka_unit_test(test_unconfirmed_keys_are_few),
		cmocka_unit_test(test_a_slot_can_always_be_had),
		cmocka_unit_test(test_previous_retires),
		cmocka_unit_test(test_use_keeps_previous_within_its_life),
		cmocka_unit_test(test_all_end_at_reject_after),
		cmocka_unit_test(test_drop_all),
		cmocka_unit_test(test_seal_and_open),
		cmocka_unit_test(test_lane),
		cmocka_unit_test(test_arrivals),
		cmocka_unit_test(test_paths_count_apart),
		cmocka_unit_test(test_seal_in_place),
		cmocka_unit_test(test_what_is_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
