/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/flood.h"

static const struct instant start = { SECONDS(100) };

static const uint8_t id_a[8] = "site  a", id_b[8] = "site  b";

struct both {
	struct outbox outbox;
	struct flood out;
	struct flood_in in;
	struct rand_seeded seed;
	struct rand_source rand;
};

static void sink_send(void *ctx, struct run **runs, size_t n)
{
	(void)ctx;
	(void)runs;
	(void)n;
}

static void sink_sent(void *ctx, const struct run *run)
{
	(void)ctx;
	(void)run;
}

static void both_begin(struct both *b, const char *network, const uint8_t id[8])
{
	assert_true(aead_start());
	b->rand = rand_source_seeded(&b->seed, 4);
	assert_true(outbox_init(&b->outbox, 1, sink_send, NULL, sink_sent, NULL));
	assert_true(flood_init(&b->out, CIPHER_AES_256_GCM, "net", id_a, &b->outbox));
	assert_true(flood_in_init(&b->in, CIPHER_AES_256_GCM, network, id));
}

static void both_end(struct both *b)
{
	flood_free(&b->out);
	flood_in_free(&b->in);
	outbox_free(&b->outbox);
}

/* The next key, handed over and in force. */
static void both_renew(struct both *b, uint64_t from, struct instant now)
{
	flood_renew(&b->out, &b->rand, now);
	assert_true(flood_in_take(&b->in, &b->out.next, from, now));
	flood_switch(&b->out, now);
}

static const uint8_t said[] = "to whom it may concern";
#define PACKET (sizeof(said) + WIRE_DATA_OVERHEAD)

static void seal(struct both *b, uint8_t packet[PACKET])
{
	keys_seal(&b->out.keys, 7, said, sizeof(said), packet);
}

static enum drop opened(struct both *b, const uint8_t packet[PACKET], struct instant now)
{
	uint8_t copy[PACKET];
	unsigned key;
	enum drop reason;

	memcpy(copy, packet, PACKET);
	reason = flood_in_open(&b->in, copy, PACKET, now, &key);
	if (reason == DROP_COUNT)
		assert_memory_equal(copy + WIRE_DATA_HEADER, said, sizeof(said));
	return reason;
}

static void test_packet(void **state)
{
	uint8_t packet[PACKET];
	struct both b;

	(void)state;
	both_begin(&b, "net", id_a);
	both_renew(&b, 0, start);
	seal(&b, packet);
	assert_int_equal(be32_get(packet), WIRE_FLOOD << 24); /* no lane */
	assert_int_equal(be32_get(packet + 4), b.out.now.id);
	assert_true(be64_get(packet + 8) == 0);
	assert_int_equal(opened(&b, packet, start), DROP_COUNT);
	assert_int_equal(opened(&b, packet, start), DROP_REPLAYED);
	seal(&b, packet);
	assert_true(be64_get(packet + 8) == 1);
	for (size_t i = 0; i < 8 * PACKET; i++) {
		packet[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_not_equal(opened(&b, packet, start), DROP_COUNT);
		packet[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	assert_int_equal(opened(&b, packet, start), DROP_COUNT);
	both_end(&b);
}

/* The key alone is not enough: the packets are of one site in one network. */
static void test_context(void **state)
{
	uint8_t packet[PACKET];
	struct both b;

	(void)state;
	both_begin(&b, "net", id_b);
	both_renew(&b, 0, start);
	seal(&b, packet);
	assert_int_equal(opened(&b, packet, start), DROP_AUTH);
	both_end(&b);
	both_begin(&b, "nut", id_a);
	both_renew(&b, 0, start);
	seal(&b, packet);
	assert_int_equal(opened(&b, packet, start), DROP_AUTH);
	both_end(&b);
}

static void test_known_context(void **state)
{
	/* SHA-256("lanspan flood" | 01 | "site  a" 00 | "net")[0..16] */
	static const char text[] = "lanspan flood\x01site  a\0net";
	uint8_t hash[KEX_HASH];
	struct both b;

	(void)state;
	both_begin(&b, "net", id_a);
	kex_hash(hash, text, sizeof(text) - 1, NULL, 0);
	assert_memory_equal(b.out.keys.context_out, hash, KEYS_CONTEXT);
	assert_memory_equal(b.in.context, hash, KEYS_CONTEXT);
	both_end(&b);
}

static void test_two_keys_at_most(void **state)
{
	uint8_t packet[3][PACKET];
	struct both b;
	unsigned in_use = 0;

	(void)state;
	both_begin(&b, "net", id_a);
	for (unsigned i = 0; i < 3; i++) {
		both_renew(&b, 0, start);
		seal(&b, packet[i]);
	}
	assert_int_equal(opened(&b, packet[0], start), DROP_FLOOD);
	assert_int_equal(opened(&b, packet[1], start), DROP_COUNT);
	assert_int_equal(opened(&b, packet[2], start), DROP_COUNT);
	for (unsigned i = 0; i < 1000; i++)
		both_renew(&b, 0, start);
	for (unsigned i = 0; i < FLOOD_KEYS; i++)
		in_use += b.in.key[i].open.keyed;
	assert_int_equal(in_use, FLOOD_KEYS);
	flood_in_forget(&b.in);
	seal(&b, packet[0]);
	assert_int_equal(opened(&b, packet[0], start), DROP_FLOOD);
	assert_false(b.in.key[0].open.keyed || b.in.key[1].open.keyed);
	both_end(&b);
}

/* The older key ends soon after the newer came, the newer some time after its owner has
 * to have another. */
static void test_keys_end(void **state)
{
	uint8_t old[2][PACKET], new[2][PACKET];
	struct instant minute = instant_add(start, WIRE_OLD_KEY);
	struct instant long_after = instant_add(start, FLOOD_LIFE + WIRE_REJECT_AFTER);
	struct both b;

	(void)state;
	both_begin(&b, "net", id_a);
	both_renew(&b, 0, start);
	seal(&b, old[0]);
	seal(&b, old[1]);
	both_renew(&b, 0, start);
	seal(&b, new[0]);
	seal(&b, new[1]);
	assert_int_equal(opened(&b, old[0], instant_add(minute, -1)), DROP_COUNT);
	assert_int_equal(opened(&b, old[1], minute), DROP_EXPIRED);
	assert_int_equal(opened(&b, new[0], instant_add(long_after, -1)), DROP_COUNT);
	assert_int_equal(opened(&b, new[1], long_after), DROP_EXPIRED);
	flood_in_expire(&b.in, minute);
	assert_int_equal(b.in.key[0].open.keyed + b.in.key[1].open.keyed, 1);
	flood_in_expire(&b.in, long_after);
	assert_int_equal(b.in.key[0].open.keyed + b.in.key[1].open.keyed, 0);
	both_end(&b);
}

/* Handed over again it is the key that it was, its window too; another key of that
 * id is another key. */
static void test_handed_over_again(void **state)
{
	struct flood_secret other = { .key = { 9 } };
	uint8_t packet[PACKET], early[PACKET];
	struct both b;

	(void)state;
	both_begin(&b, "net", id_a);
	both_renew(&b, 1, start);
	seal(&b, early);
	seal(&b, packet);
	assert_int_equal(opened(&b, packet, start), DROP_COUNT);
	assert_true(flood_in_take(&b.in, &b.out.now, 0, start));
	assert_int_equal(opened(&b, packet, start), DROP_REPLAYED);
	assert_int_equal(opened(&b, early, start), DROP_OLD); /* from 1 on, still */
	other.id = b.out.now.id;
	assert_true(flood_in_take(&b.in, &other, 0, start));
	assert_int_equal(opened(&b, early, start), DROP_AUTH);
	other.id = 0;
	assert_false(flood_in_take(&b.in, &other, 0, start));
	both_end(&b);
}

static void test_own_key(void **state)
{
	static const struct flood_secret none;
	struct instant later = instant_add(start, FLOOD_LIFE);
	struct flood_secret first;
	struct both b;

	(void)state;
	both_begin(&b, "net", id_a);
	assert_null(b.out.keys.current);
	assert_false(flood_worn(&b.out, later));
	flood_renew(&b.out, &b.rand, start);
	first = b.out.next;
	assert_int_not_equal(first.id, 0);
	flood_switch(&b.out, start);
	assert_memory_equal(&b.out.now, &first, sizeof(first));
	assert_memory_equal(&b.out.next, &none, sizeof(none));
	assert_false(flood_worn(&b.out, instant_add(later, -1)));
	assert_true(flood_worn(&b.out, later));
	b.out.keys.current->counter = WIRE_REKEY_PACKETS;
	assert_true(flood_worn(&b.out, start));
	flood_renew(&b.out, &b.rand, later);
	flood_forget(&b.out, false);
	assert_null(b.out.keys.current);
	assert_memory_equal(&b.out.now, &none, sizeof(none));
	assert_int_not_equal(b.out.next.id, 0);
	flood_forget(&b.out, true);
	assert_memory_equal(&b.out.next, &none, sizeof(none));
	for (unsigned i = 0; i < KEYS_SLOTS; i++)
		assert_false(b.out.keys.slot[i].seal.keyed || b.out.keys.slot[i].open.keyed);
	both_end(&b);
}

static void test_hold(void **state)
{
	static struct flood_hold h;
	uint8_t packet[FLOOD_PACKET + 1] = { 0 };
	struct flood_held *first;

	(void)state;
	flood_hold_init(&h);
	assert_true(flood_hold_due(&h).us == INSTANT_NEVER.us);
	assert_false(flood_hold_put(&h, 3, packet, FLOOD_PACKET + 1, start));
	for (unsigned i = 0; i < FLOOD_HELD; i++) {
		be32_put(packet + 4, 100 + i % 2);
		packet[20] = (uint8_t)i;
		assert_true(flood_hold_put(&h, (uint16_t)(3 + i / 4), packet, FLOOD_PACKET - i,
					   instant_add(start, i)));
	}
	assert_false(flood_hold_put(&h, 3, packet, 100, start));
	assert_true(flood_hold_due(&h).us == start.us + FLOOD_HOLD);
	flood_hold_ready(&h, 3, 101);
	for (unsigned i = 0; i < FLOOD_HELD; i++)
		assert_int_equal(h.held[i]->ready, i == 1 || i == 3);
	first = flood_hold_remove(&h, 1);
	assert_int_equal(first->packet[20], 1);
	assert_int_equal(first->len, FLOOD_PACKET - 1);
	assert_int_equal(h.held[1]->packet[20], 2);
	assert_int_equal(h.held[6]->packet[20], 7);
	assert_int_equal(h.n, FLOOD_HELD - 1);
	assert_true(flood_hold_put(&h, 9, packet, 100, start));
	assert_ptr_equal(h.held[7], first);
}

/* lanspan-protocol(7), "TEST VECTORS". */
static void test_known_packet(void **state)
{
	static const uint8_t id[8] = { 0xee, 0xdd, 0x88, 0x3d, 0xa0, 0xa9, 0x45, 0x15 };
	static const char *const expected[CIPHER_COUNT] = {
		"0500000099aabbcc0000000000000000bea17ac3036a1fd99d07761e70ccd428311b",
		"0500000099aabbcc000000000000000089e735dd151e92b59da9fd5faa870a123af6",
	};
	uint8_t packet[WIRE_DATA_MIN];
	char text[2 * WIRE_DATA_MIN + 1];

	(void)state;
	for (enum cipher c = 0; c < CIPHER_COUNT; c++) {
		struct flood f;
		struct outbox outbox;

		assert_true(outbox_init(&outbox, 1, sink_send, NULL, sink_sent, NULL));
		assert_true(flood_init(&f, c, "lab", id, &outbox));
		f.next.id = 0x99aabbcc;
		for (unsigned i = 0; i < AEAD_KEY; i++)
			f.next.key[i] = (uint8_t)(0xa0 + i);
		flood_switch(&f, start);
		keys_seal(&f.keys, 0, (const uint8_t[2]){ 0, 0 }, 2, packet);
		bytes_to_hex(text, packet, sizeof(packet));
		assert_string_equal(text, expected[c]);
		flood_free(&f);
		outbox_free(&outbox);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packet),	      cmocka_unit_test(test_context),
		cmocka_unit_test(test_known_context), cmocka_unit_test(test_two_keys_at_most),
		cmocka_unit_test(test_keys_end),      cmocka_unit_test(test_handed_over_again),
		cmocka_unit_test(test_own_key),	      cmocka_unit_test(test_hold),
		cmocka_unit_test(test_known_packet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
