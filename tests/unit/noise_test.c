/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/noise.h"
#include "unit/libvectors.h"

#define ROOM 256

/* ---- public known answers ---- */

/* The fields of one side, which the file names with a prefix. */
struct side {
	struct vector prologue, psk, own, ephemeral, remote;
	struct noise noise;
	struct aead seal, open;
	uint64_t sent, got;
};

static struct vector first_psk(const json_t *v, const char *field)
{
	const json_t *psk = json_array_get(json_object_get(v, field), 0);
	json_t *object = json_pack("{s:O?}", "psk", psk);
	struct vector out = vector_get(object, "psk");

	json_decref(object);
	return out;
}

static const uint8_t *or_null(const struct vector *v)
{
	return v->len > 0 ? v->p : NULL;
}

static void side_begin(struct side *s, enum noise_pattern pattern, enum noise_role role,
		       enum cipher cipher, const json_t *v)
{
	bool first = role == NOISE_INITIATOR;

	*s = (struct side){
		.prologue = vector_get(v, first ? "init_prologue" : "resp_prologue"),
		.psk = first_psk(v, first ? "init_psks" : "resp_psks"),
		.own = vector_get(v, first ? "init_static" : "resp_static"),
		.ephemeral = vector_get(v, first ? "init_ephemeral" : "resp_ephemeral"),
		.remote = vector_get(v, first ? "init_remote_static" : "resp_remote_static"),
	};
	assert_int_equal(s->own.len, KEX_KEY);
	assert_int_equal(s->ephemeral.len, KEX_KEY);
	assert_true(noise_begin(&s->noise, pattern, role, cipher, s->prologue.p, s->prologue.len,
				s->own.p, or_null(&s->remote), or_null(&s->psk)));
	assert_true(aead_init(&s->seal, cipher, AEAD_SEAL));
	assert_true(aead_init(&s->open, cipher, AEAD_OPEN));
}

static void side_end(struct side *s)
{
	noise_wipe(&s->noise);
	aead_free(&s->seal);
	aead_free(&s->open);
	vector_free(&s->prologue);
	vector_free(&s->psk);
	vector_free(&s->own);
	vector_free(&s->ephemeral);
	vector_free(&s->remote);
}

static void side_split(struct side *s, const struct vector *hash)
{
	uint8_t send[AEAD_KEY], receive[AEAD_KEY];

	assert_true(noise_finished(&s->noise));
	assert_int_equal(hash->len, KEX_HASH);
	assert_memory_equal(s->noise.hash, hash->p, KEX_HASH);
	assert_true(noise_split(&s->noise, send, receive));
	aead_set_key(&s->seal, send);
	aead_set_key(&s->open, receive);
}

static void check_handshake(struct side *from, struct side *to, unsigned i,
			    const struct vector *payload, const struct vector *expected)
{
	uint8_t message[ROOM], out[ROOM];
	size_t len, out_len;

	len = noise_write(&from->noise, from->ephemeral.p, payload->p, payload->len, message,
			  sizeof(message));
	assert_int_equal(len, expected->len);
	assert_memory_equal(message, expected->p, len);
	assert_int_equal(len, payload->len + noise_overhead(from->noise.pattern, i));
	assert_true(noise_read(&to->noise, message, len, out, sizeof(out), &out_len));
	assert_int_equal(out_len, payload->len);
	assert_memory_equal(out, payload->p, out_len);
}

static void check_transport(struct side *from, struct side *to, const struct vector *payload,
			    const struct vector *expected)
{
	uint8_t message[ROOM], out[ROOM];

	assert_int_equal(payload->len + AEAD_TAG, expected->len);
	assert_true(
		aead_seal(&from->seal, from->sent++, NULL, 0, payload->p, payload->len, message));
	assert_memory_equal(message, expected->p, expected->len);
	assert_true(aead_open(&to->open, to->got++, NULL, 0, message, expected->len, out));
	assert_memory_equal(out, payload->p, payload->len);
}

static unsigned check_vector(enum noise_pattern pattern, enum cipher cipher, const json_t *v)
{
	struct vector hash = vector_get(v, "handshake_hash");
	const json_t *message;
	struct side side[2];
	unsigned transported = 0;
	size_t i;

	side_begin(&side[0], pattern, NOISE_INITIATOR, cipher, v);
	side_begin(&side[1], pattern, NOISE_RESPONDER, cipher, v);
	json_array_foreach(json_object_get(v, "messages"), i, message)
	{
		struct vector payload = vector_get(message, "payload");
		struct vector expected = vector_get(message, "ciphertext");
		struct side *from = &side[i % 2], *to = &side[1 - i % 2];

		if (noise_finished(&from->noise)) {
			check_transport(from, to, &payload, &expected);
			transported |= 1u << i % 2;
		} else {
			check_handshake(from, to, (unsigned)i, &payload, &expected);
			if (noise_finished(&from->noise)) {
				side_split(from, &hash);
				side_split(to, &hash);
			}
		}
		vector_free(&payload);
		vector_free(&expected);
	}
	side_end(&side[0]);
	side_end(&side[1]);
	vector_free(&hash);
	return transported;
}

static void test_public_vectors(void **state)
{
	json_t *root = vectors_load("noise_25519_sha256.json");
	unsigned seen[NOISE_PATTERN_COUNT][CIPHER_COUNT] = { 0 }, used = 0;
	const json_t *v;
	size_t at;

	(void)state;
	json_array_foreach(json_object_get(root, "vectors"), at, v)
	{
		for (unsigned i = 0; i < NOISE_PATTERN_COUNT * CIPHER_COUNT; i++) {
			enum noise_pattern pattern = (enum noise_pattern)(i / CIPHER_COUNT);
			enum cipher cipher = (enum cipher)(i % CIPHER_COUNT);

			if (!vector_is(v, "protocol_name", noise_protocol_name(pattern, cipher)))
				continue;
			/* Both directions carried something after the split. */
			assert_int_equal(check_vector(pattern, cipher, v), 3);
			seen[pattern][cipher]++;
			used++;
		}
	}
	for (unsigned i = 0; i < NOISE_PATTERN_COUNT; i++)
		for (unsigned j = 0; j < CIPHER_COUNT; j++)
			assert_true(seen[i][j] > 0);
	print_message("noise_25519_sha256.json: %u of %zu used\n", used,
		      json_array_size(json_object_get(root, "vectors")));
	json_decref(root);
}

/* ---- two sides of our own ---- */

static const uint8_t static_a[KEX_KEY] = { 0xa0, 1, 2 }, static_b[KEX_KEY] = { 0xb0, 3, 4 };
static const uint8_t fresh_a[KEX_KEY] = { 0xaf, 5, 6 }, fresh_b[KEX_KEY] = { 0xbf, 7, 8 };
static const uint8_t psk_good[KEX_KEY] = { 9 }, psk_bad[KEX_KEY] = { 10 };
static const uint8_t zero[KEX_KEY];
static const char *const payloads[] = { "first", "", "third" };

struct call {
	struct noise side[2]; /* initiator, responder */
};

static bool is_wiped(const struct noise *n)
{
	return bytes_all_zero(n, sizeof(*n));
}

static void begin_side(struct noise *n, enum noise_pattern pattern, enum noise_role role,
		       enum cipher cipher, const char *prologue, const uint8_t *psk)
{
	uint8_t public_b[KEX_KEY];

	assert_true(kex_public(public_b, static_b));
	assert_true(noise_begin(n, pattern, role, cipher, prologue, strlen(prologue),
				role == NOISE_INITIATOR ? static_a : static_b,
				role == NOISE_INITIATOR ? public_b : NULL, psk));
}

static void begin_call(struct call *c, enum noise_pattern pattern, enum cipher cipher)
{
	begin_side(&c->side[0], pattern, NOISE_INITIATOR, cipher, "lan", psk_good);
	begin_side(&c->side[1], pattern, NOISE_RESPONDER, cipher, "lan", psk_good);
}

static size_t write_turn(struct call *c, unsigned i, uint8_t out[ROOM])
{
	return noise_write(&c->side[i % 2], i % 2 ? fresh_b : fresh_a, payloads[i],
			   strlen(payloads[i]), out, ROOM);
}

static bool read_turn(struct call *c, unsigned i, const uint8_t *message, size_t len)
{
	size_t overhead = noise_overhead(c->side[1 - i % 2].pattern, i), payload_len;
	uint8_t *exact = malloc(len), payload[ROOM];
	bool ok;

	memcpy(exact, message, len);
	ok = noise_read(&c->side[1 - i % 2], exact, len, payload, sizeof(payload), &payload_len);
	free(exact);
	if (ok)
		assert_int_equal(payload_len, len - overhead);
	else
		assert_true(is_wiped(&c->side[1 - i % 2]));
	return ok;
}

/* Goes on from message i until a side refuses; true when none did. */
static bool finish_call(struct call *c, unsigned i)
{
	uint8_t message[ROOM];

	while (!noise_finished(&c->side[0]) || !noise_finished(&c->side[1])) {
		size_t len = write_turn(c, i, message);

		assert_true(len > 0);
		if (!read_turn(c, i, message, len))
			return false;
		i++;
	}
	return true;
}

/* A call with i messages done, and message i in hand. */
static size_t call_up_to(struct call *c, enum noise_pattern pattern, enum cipher cipher, unsigned i,
			 uint8_t message[ROOM])
{
	size_t len;

	begin_call(c, pattern, cipher);
	for (unsigned j = 0;; j++) {
		len = write_turn(c, j, message);
		assert_true(len > 0);
		if (j == i)
			return len;
		assert_true(read_turn(c, j, message, len));
	}
}

static unsigned messages_of(enum noise_pattern pattern)
{
	return pattern == NOISE_XX ? 3 : 2;
}

/* Each message of each pattern with each cipher. */
static void each_message(void (*check)(const struct call *at, unsigned i, uint8_t *message,
				       size_t len))
{
	uint8_t message[ROOM];
	struct call c;

	for (unsigned p = 0; p < NOISE_PATTERN_COUNT; p++) {
		for (unsigned k = 0; k < CIPHER_COUNT; k++) {
			for (unsigned i = 0; i < messages_of((enum noise_pattern)p); i++) {
				size_t len = call_up_to(&c, (enum noise_pattern)p, (enum cipher)k,
							i, message);

				check(&c, i, message, len);
			}
		}
	}
}

static void check_flips(const struct call *at, unsigned i, uint8_t *message, size_t len)
{
	for (size_t bit = 0; bit < 8 * len; bit++) {
		struct call c = *at;

		message[bit / 8] ^= (uint8_t)(1 << bit % 8);
		/* XX begins in the clear: there the answer is what fails. */
		if (read_turn(&c, i, message, len)) {
			assert_int_equal(c.side[0].pattern, NOISE_XX);
			assert_int_equal(i, 0);
			assert_false(finish_call(&c, i + 1));
		}
		message[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void test_every_bit_counts(void **state)
{
	(void)state;
	each_message(check_flips);
}

static void check_lengths(const struct call *at, unsigned i, uint8_t *message, size_t len)
{
	size_t overhead = noise_overhead(at->side[0].pattern, i);

	message[len] = 0;
	for (size_t cut = 0; cut <= len + 1; cut++) {
		struct call c = *at;
		bool in_clear = at->side[0].pattern == NOISE_XX && i == 0 && cut >= overhead;

		if (cut == len)
			assert_true(read_turn(&c, i, message, cut) && finish_call(&c, i + 1));
		else if (in_clear)
			assert_true(read_turn(&c, i, message, cut) && !finish_call(&c, i + 1));
		else
			assert_false(read_turn(&c, i, message, cut));
	}
}

static void test_every_length_counts(void **state)
{
	(void)state;
	each_message(check_lengths);
}

static void check_small_rooms(const struct call *at, unsigned i, uint8_t *message, size_t len)
{
	size_t plain = len - noise_overhead(at->side[0].pattern, i), out_len;
	struct noise reader;

	for (size_t room = 0; room <= plain; room++) {
		uint8_t *exact = malloc(room);

		reader = at->side[1 - i % 2];
		assert_int_equal(noise_read(&reader, message, len, exact, room, &out_len),
				 room == plain);
		assert_int_equal(is_wiped(&reader), room < plain);
		if (room == plain)
			assert_memory_equal(exact, payloads[i], plain);
		free(exact);
	}
	assert_int_equal(out_len, plain);
}

static void test_read_needs_room(void **state)
{
	(void)state;
	each_message(check_small_rooms);
}

static void test_write_needs_room(void **state)
{
	uint8_t message[ROOM], *exact;
	struct noise before;
	struct call c;
	size_t len;

	(void)state;
	for (unsigned p = 0; p < NOISE_PATTERN_COUNT; p++) {
		len = call_up_to(&c, (enum noise_pattern)p, CIPHER_AES_256_GCM, 0, message);
		begin_call(&c, (enum noise_pattern)p, CIPHER_AES_256_GCM);
		before = c.side[0];
		for (size_t room = 0; room < len; room++) {
			exact = malloc(room);
			assert_int_equal(noise_write(&c.side[0], fresh_a, "first", 5, exact, room),
					 0);
			assert_memory_equal(&c.side[0], &before, sizeof(before));
			free(exact);
		}
		exact = malloc(len);
		assert_int_equal(noise_write(&c.side[0], fresh_a, "first", 5, exact, len), len);
		assert_memory_equal(exact, message, len);
		free(exact);
	}
}

/* The specification's bound on every message. */
static void test_longest_message(void **state)
{
	const size_t longest = 65535, plain = longest - noise_overhead(NOISE_IK, 0);
	uint8_t *payload = calloc(1, longest), *message = malloc(2 * longest);
	struct call c;
	size_t out_len;

	(void)state;
	begin_call(&c, NOISE_IK, CIPHER_AES_256_GCM);
	assert_int_equal(noise_write(&c.side[0], fresh_a, payload, plain + 1, message, 2 * longest),
			 0);
	assert_int_equal(noise_write(&c.side[0], fresh_a, payload, SIZE_MAX, message, 2 * longest),
			 0);
	assert_int_equal(noise_write(&c.side[0], fresh_a, payload, plain, message, 2 * longest),
			 longest);
	assert_true(noise_read(&c.side[1], message, longest, payload, longest, &out_len));
	assert_int_equal(out_len, plain);
	begin_call(&c, NOISE_XX, CIPHER_AES_256_GCM);
	memset(message, 1, 2 * longest);
	assert_false(noise_read(&c.side[1], message, longest + 1, payload, longest, &out_len));
	free(payload);
	free(message);
}

static void test_must_agree_on_all(void **state)
{
	static const struct {
		const char *what;
		enum noise_pattern pattern;
		enum cipher cipher;
		const char *prologue;
		const uint8_t *psk;
		bool agrees[NOISE_PATTERN_COUNT];
	} table[] = {
		{ "IK", NOISE_IK, CIPHER_AES_256_GCM, "lan", psk_good, { true, false, false } },
		{ "IKpsk2", NOISE_IKPSK2, CIPHER_AES_256_GCM, "lan", psk_good, { 0, true, 0 } },
		{ "XX", NOISE_XX, CIPHER_AES_256_GCM, "lan", psk_good, { 0, 0, true } },
		{ "IK cipher", NOISE_IK, CIPHER_CHACHA20_POLY1305, "lan", psk_good, { 0 } },
		{ "IKpsk2 cipher", NOISE_IKPSK2, CIPHER_CHACHA20_POLY1305, "lan", psk_good, { 0 } },
		{ "XX cipher", NOISE_XX, CIPHER_CHACHA20_POLY1305, "lan", psk_good, { 0 } },
		{ "IK prologue", NOISE_IK, CIPHER_AES_256_GCM, "laN", psk_good, { 0 } },
		{ "IKpsk2 prologue", NOISE_IKPSK2, CIPHER_AES_256_GCM, "laN", psk_good, { 0 } },
		{ "XX prologue", NOISE_XX, CIPHER_AES_256_GCM, "laN", psk_good, { 0 } },
		{ "empty prologue", NOISE_IKPSK2, CIPHER_AES_256_GCM, "", psk_good, { 0 } },
		{ "longer prologue", NOISE_IKPSK2, CIPHER_AES_256_GCM, "lan1", psk_good, { 0 } },
		{ "psk", NOISE_IKPSK2, CIPHER_AES_256_GCM, "lan", psk_bad, { 0 } },
		{ "IK, no psk", NOISE_IK, CIPHER_AES_256_GCM, "lan", psk_bad, { true, 0, 0 } },
	};
	struct call c;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		for (unsigned p = 0; p < NOISE_PATTERN_COUNT; p++) {
			begin_side(&c.side[0], (enum noise_pattern)p, NOISE_INITIATOR,
				   CIPHER_AES_256_GCM, "lan", psk_good);
			begin_side(&c.side[1], table[i].pattern, NOISE_RESPONDER, table[i].cipher,
				   table[i].prologue, table[i].psk);
			if (messages_of(table[i].pattern) != messages_of((enum noise_pattern)p))
				continue;
			if (finish_call(&c, 0) != table[i].agrees[p])
				fail_msg("%s with pattern %u", table[i].what, p);
		}
	}
}

static void test_wrong_responder(void **state)
{
	static const uint8_t other[KEX_KEY] = { 0xcc };
	uint8_t other_public[KEX_KEY];
	struct call c;

	(void)state;
	assert_true(kex_public(other_public, other));
	for (unsigned k = 0; k < CIPHER_COUNT; k++) {
		begin_call(&c, NOISE_IKPSK2, (enum cipher)k);
		assert_true(noise_begin(&c.side[0], NOISE_IKPSK2, NOISE_INITIATOR, (enum cipher)k,
					"lan", 3, static_a, other_public, psk_good));
		assert_false(finish_call(&c, 0));
		assert_true(is_wiped(&c.side[1]));
	}
}

static void test_both_learn_who(void **state)
{
	uint8_t public_a[KEX_KEY], public_b[KEX_KEY];
	uint8_t send[2][AEAD_KEY], receive[2][AEAD_KEY];
	struct call c;

	(void)state;
	assert_true(kex_public(public_a, static_a) && kex_public(public_b, static_b));
	for (unsigned p = 0; p < NOISE_PATTERN_COUNT; p++) {
		begin_call(&c, (enum noise_pattern)p, CIPHER_AES_256_GCM);
		assert_false(c.side[1].has_remote);
		assert_int_equal(c.side[0].has_remote, p != NOISE_XX);
		assert_true(finish_call(&c, 0));
		assert_true(c.side[0].has_remote && c.side[1].has_remote);
		assert_memory_equal(c.side[0].remote_static, public_b, KEX_KEY);
		assert_memory_equal(c.side[1].remote_static, public_a, KEX_KEY);
		assert_memory_equal(c.side[0].hash, c.side[1].hash, KEX_HASH);
		noise_split(&c.side[0], send[0], receive[0]);
		noise_split(&c.side[1], send[1], receive[1]);
		assert_memory_equal(send[0], receive[1], AEAD_KEY);
		assert_memory_equal(send[1], receive[0], AEAD_KEY);
		assert_memory_not_equal(send[0], send[1], AEAD_KEY);
	}
}

static void test_out_of_turn(void **state)
{
	uint8_t message[ROOM], out[ROOM];
	struct noise before;
	struct call c;
	size_t len, out_len;

	(void)state;
	for (unsigned p = 0; p < NOISE_PATTERN_COUNT; p++) {
		enum noise_pattern pattern = (enum noise_pattern)p;

		/* The responder does not begin, and may wait on after trying. */
		begin_call(&c, pattern, CIPHER_AES_256_GCM);
		assert_int_equal(noise_write(&c.side[1], fresh_b, "", 0, message, ROOM), 0);
		len = write_turn(&c, 0, message);
		before = c.side[0];
		assert_int_equal(noise_write(&c.side[0], fresh_a, "", 0, out, ROOM), 0);
		assert_memory_equal(&c.side[0], &before, sizeof(before));
		assert_true(read_turn(&c, 0, message, len) && finish_call(&c, 1));
		/* Afterwards nobody has a turn. */
		assert_int_equal(noise_write(&c.side[0], fresh_a, "", 0, out, ROOM), 0);
		assert_int_equal(noise_write(&c.side[1], fresh_b, "", 0, out, ROOM), 0);
		assert_false(noise_read(&c.side[0], message, len, out, ROOM, &out_len));
		assert_false(noise_read(&c.side[1], message, len, out, ROOM, &out_len));
		/* The initiator does not read first, its own message least. */
		len = call_up_to(&c, pattern, CIPHER_AES_256_GCM, 0, message);
		begin_call(&c, pattern, CIPHER_AES_256_GCM);
		assert_false(noise_read(&c.side[0], message, len, out, ROOM, &out_len));
		assert_true(is_wiped(&c.side[0]));
		/* The responder does not read twice. */
		assert_true(read_turn(&c, 0, message, len));
		assert_false(read_turn(&c, 0, message, len));
	}
}

/* A state that failed must not begin anew with keys of zeros. */
static void test_wiped_is_of_no_use(void **state)
{
	uint8_t message[ROOM];
	struct call c;
	size_t out_len;

	(void)state;
	begin_call(&c, NOISE_IK, CIPHER_AES_256_GCM);
	noise_wipe(&c.side[0]);
	assert_true(is_wiped(&c.side[0]));
	assert_int_equal(noise_write(&c.side[0], fresh_a, "", 0, message, ROOM), 0);
	c.side[0].role = NOISE_RESPONDER;
	assert_false(noise_read(&c.side[0], message, 96, message, ROOM, &out_len));
	c.side[0].message = 2;
	assert_false(noise_finished(&c.side[0]));
	/* XX needs no key for its first message: the mark alone refuses it. */
	noise_wipe(&c.side[0]);
	c.side[0].pattern = NOISE_XX;
	assert_int_equal(noise_write(&c.side[0], fresh_a, "", 0, message, ROOM), 0);
	noise_wipe(&c.side[0]);
	c.side[0].pattern = NOISE_XX;
	c.side[0].role = NOISE_RESPONDER;
	assert_false(noise_read(&c.side[0], fresh_a, KEX_KEY, message, ROOM, &out_len));
}

/* Keys come out when it is finished, and nothing is written before. */
static void check_split(const struct noise *n, bool finished)
{
	static const uint8_t untouched[AEAD_KEY] = { 7 };
	uint8_t send[AEAD_KEY] = { 7 }, receive[AEAD_KEY] = { 7 };

	assert_int_equal(noise_finished(n), finished);
	assert_int_equal(noise_split(n, send, receive), finished);
	assert_int_equal(memcmp(send, untouched, AEAD_KEY) != 0, finished);
	assert_int_equal(memcmp(receive, untouched, AEAD_KEY) != 0, finished);
}

static void test_finished_at_the_end_only(void **state)
{
	uint8_t message[ROOM];
	struct call c;

	(void)state;
	for (unsigned p = 0; p < NOISE_PATTERN_COUNT; p++) {
		unsigned n = messages_of((enum noise_pattern)p);

		begin_call(&c, (enum noise_pattern)p, CIPHER_AES_256_GCM);
		for (unsigned i = 0; i < n; i++) {
			size_t len;

			check_split(&c.side[i % 2], false);
			len = write_turn(&c, i, message);
			check_split(&c.side[i % 2], i == n - 1);
			assert_true(read_turn(&c, i, message, len));
			check_split(&c.side[1 - i % 2], i == n - 1);
		}
	}
}

static void test_small_order_keys(void **state)
{
	uint8_t message[ROOM], out[ROOM];
	struct call c;
	size_t len, out_len;

	(void)state;
	for (unsigned p = 0; p < NOISE_XX; p++) {
		enum noise_pattern pattern = (enum noise_pattern)p;

		begin_call(&c, pattern, CIPHER_AES_256_GCM);
		assert_true(noise_begin(&c.side[0], pattern, NOISE_INITIATOR, CIPHER_AES_256_GCM,
					"lan", 3, static_a, zero, psk_good));
		assert_int_equal(write_turn(&c, 0, message), 0);
		assert_true(is_wiped(&c.side[0]));
	}
	/* An ephemeral of small order: XX reads it in the clear and cannot answer. */
	begin_call(&c, NOISE_XX, CIPHER_AES_256_GCM);
	memset(message, 0, KEX_KEY);
	assert_true(noise_read(&c.side[1], message, KEX_KEY, out, ROOM, &out_len));
	assert_int_equal(noise_write(&c.side[1], fresh_b, "", 0, out, ROOM), 0);
	assert_true(is_wiped(&c.side[1]));
	len = call_up_to(&c, NOISE_IK, CIPHER_AES_256_GCM, 0, message);
	memset(message, 0, KEX_KEY);
	assert_false(read_turn(&c, 0, message, len));
}

/* A responder that learns from message 1 which psk it is. */
static void test_psk_chosen_after_message_1(void **state)
{
	uint8_t message[ROOM], out[ROOM], answer[ROOM];
	struct call c, usual;
	size_t len, out_len;

	(void)state;
	for (unsigned good = 0; good < 2; good++) {
		len = call_up_to(&usual, NOISE_IKPSK2, CIPHER_AES_256_GCM, 1, answer);
		begin_call(&c, NOISE_IKPSK2, CIPHER_AES_256_GCM);
		begin_side(&c.side[1], NOISE_IKPSK2, NOISE_RESPONDER, CIPHER_AES_256_GCM, "lan",
			   psk_bad);
		out_len = write_turn(&c, 0, message);
		assert_true(read_turn(&c, 0, message, out_len));
		if (good)
			noise_set_psk(&c.side[1], psk_good);
		assert_int_equal(write_turn(&c, 1, out), len);
		assert_int_equal(memcmp(out, answer, len) == 0, good);
		assert_int_equal(read_turn(&c, 1, out, len), good);
	}
}

static void test_begin_needs_its_keys(void **state)
{
	uint8_t pub[KEX_KEY];
	struct noise n;

	(void)state;
	assert_true(kex_public(pub, static_b));
	for (unsigned p = 0; p < NOISE_PATTERN_COUNT; p++) {
		enum noise_pattern pattern = (enum noise_pattern)p;
		bool psk = pattern == NOISE_IKPSK2, knows = pattern != NOISE_XX;

		assert_false(noise_begin(&n, pattern, NOISE_INITIATOR, CIPHER_AES_256_GCM, NULL, 0,
					 NULL, pub, psk_good));
		assert_int_equal(noise_begin(&n, pattern, NOISE_INITIATOR, CIPHER_AES_256_GCM, NULL,
					     0, static_a, NULL, psk_good),
				 !knows);
		assert_int_equal(noise_begin(&n, pattern, NOISE_INITIATOR, CIPHER_AES_256_GCM, NULL,
					     0, static_a, pub, NULL),
				 !psk);
		assert_int_equal(noise_begin(&n, pattern, NOISE_RESPONDER, CIPHER_AES_256_GCM, NULL,
					     0, static_a, NULL, NULL),
				 !psk);
	}
}

static void test_long_prologue(void **state)
{
	char prologue[10001];
	struct call c;

	(void)state;
	memset(prologue, 'p', sizeof(prologue));
	prologue[10000] = '\0';
	begin_side(&c.side[0], NOISE_IK, NOISE_INITIATOR, CIPHER_AES_256_GCM, prologue, NULL);
	begin_side(&c.side[1], NOISE_IK, NOISE_RESPONDER, CIPHER_AES_256_GCM, prologue, NULL);
	assert_true(finish_call(&c, 0));
	begin_side(&c.side[0], NOISE_IK, NOISE_INITIATOR, CIPHER_AES_256_GCM, prologue, NULL);
	prologue[9999] = 'q';
	begin_side(&c.side[1], NOISE_IK, NOISE_RESPONDER, CIPHER_AES_256_GCM, prologue, NULL);
	assert_false(finish_call(&c, 0));
}

static void test_overhead(void **state)
{
	static const size_t table[NOISE_PATTERN_COUNT][4] = {
		[NOISE_IK] = { 96, 48, 0, 0 },
		[NOISE_IKPSK2] = { 96, 48, 0, 0 },
		[NOISE_XX] = { 32, 96, 64, 0 },
	};

	(void)state;
	for (unsigned p = 0; p < NOISE_PATTERN_COUNT; p++)
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(noise_overhead((enum noise_pattern)p, i), table[p][i]);
}

static int start(void **state)
{
	(void)state;
	return aead_start() ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_public_vectors),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_every_length_counts),
		cmocka_unit_test(test_read_needs_room),
		cmocka_unit_test(test_write_needs_room),
		cmocka_unit_test(test_longest_message),
		cmocka_unit_test(test_must_agree_on_all),
		cmocka_unit_test(test_wrong_responder),
		cmocka_unit_test(test_both_learn_who),
		cmocka_unit_test(test_out_of_turn),
		cmocka_unit_test(test_wiped_is_of_no_use),
		cmocka_unit_test(test_finished_at_the_end_only),
		cmocka_unit_test(test_small_order_keys),
		cmocka_unit_test(test_psk_chosen_after_message_1),
		cmocka_unit_test(test_begin_needs_its_keys),
		cmocka_unit_test(test_long_prologue),
		cmocka_unit_test(test_overhead),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
