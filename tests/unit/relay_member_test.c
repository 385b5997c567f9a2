/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/relay_member.h"
#include "core/relay_network.h"

static const uint8_t relay_id[IDENTITY_ID] = { 1 };
static const struct instant now = { SECONDS(500) };
static struct rand_seeded rand_state;

static struct relay_members make(uint32_t n)
{
	struct relay_members ms;

	assert_true(aead_start());
	assert_true(relay_members_init(&ms, n, rand_source_seeded(&rand_state, 9)));
	return ms;
}

static struct relay_network net = { .id = 3 }, other = { .id = 4 };

static struct relay_member *add(struct relay_members *ms, struct relay_network *n, uint32_t i)
{
	uint8_t key[KEX_KEY] = { 0 };
	struct relay_member *m;

	be32_put(key + 28, i);
	m = relay_member_new(ms, n, n->id, key, relay_id);
	if (m)
		relay_member_set_number(ms, m, i + 1);
	return m;
}

static void test_find(void **state)
{
	struct relay_members ms = make(1000);
	struct relay_member *m[1000];
	uint8_t key[KEX_KEY] = { 0 };

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) /* the same keys and numbers in two networks */
		assert_non_null(m[i] = add(&ms, i % 2 ? &net : &other, i / 2));
	assert_null(add(&ms, &net, 1000));
	for (uint32_t i = 0; i < 1000; i++) {
		be32_put(key + 28, i / 2);
		assert_ptr_equal(relay_member_find(&ms, m[i]->network_id, key), m[i]);
		assert_ptr_equal(relay_member_numbered(&ms, m[i]->network_id, i / 2 + 1), m[i]);
		assert_null(relay_member_find(&ms, 5, key));
		assert_null(relay_member_numbered(&ms, 5, i / 2 + 1));
	}
	for (uint32_t i = 0; i < 1000; i += 3) {
		uint32_t id = m[i]->network_id;

		relay_member_forget(&ms, m[i]);
		assert_true(bytes_all_zero(m[i], offsetof(struct relay_member, key_chain)));
		be32_put(key + 28, i / 2);
		assert_null(relay_member_find(&ms, id, key));
		assert_null(relay_member_numbered(&ms, id, i / 2 + 1));
		m[i] = add(&ms, id == net.id ? &net : &other, i / 2);
		assert_non_null(m[i]); /* in the place that became free */
	}
	for (uint32_t i = 0; i < 1000; i++)
		assert_ptr_equal(relay_member_numbered(&ms, m[i]->network_id, i / 2 + 1), m[i]);
	relay_members_free(&ms);
}

/* Also when both stand in one chain. */
static void test_one_key_in_two_networks(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 100; seed++) {
		struct relay_members ms;
		struct relay_member *a, *b;

		assert_true(aead_start());
		assert_true(relay_members_init(&ms, 2, rand_source_seeded(&rand_state, seed)));
		a = add(&ms, &net, 0);
		b = add(&ms, &other, 0);
		assert_ptr_equal(relay_member_find(&ms, net.id, a->public_key), a);
		assert_ptr_equal(relay_member_find(&ms, other.id, a->public_key), b);
		assert_ptr_equal(relay_member_numbered(&ms, net.id, 1), a);
		assert_ptr_equal(relay_member_numbered(&ms, other.id, 1), b);
		relay_member_forget(&ms, b);
		assert_null(relay_member_find(&ms, other.id, a->public_key));
		relay_members_free(&ms);
	}
}

static unsigned longest_chain(const struct relay_members *ms, const uint32_t *table, bool by_key)
{
	unsigned longest = 0;

	for (uint32_t i = 0; i <= ms->mask; i++) {
		unsigned len = 0;

		for (uint32_t at = table[i]; at; len++)
			at = by_key ? ms->pool[at - 1].key_chain : ms->pool[at - 1].number_chain;
		longest = MAX(longest, len);
	}
	return longest;
}

/* A look costs the same among a hundred and among ten thousand. */
static void test_short_chains(void **state)
{
	static const uint32_t sizes[] = { 100, 1000, 10000 };

	(void)state;
	for (unsigned s = 0; s < COUNT_OF(sizes); s++) {
		struct relay_members ms = make(sizes[s]);

		for (uint32_t i = 0; i < sizes[s]; i++)
			assert_non_null(add(&ms, &net, i));
		assert_in_range(longest_chain(&ms, ms.by_key, true), 1, 10);
		assert_in_range(longest_chain(&ms, ms.by_number, false), 1, 10);
		relay_members_free(&ms);
	}
}

/* A key as relay_register makes it. */
static struct relay_key *make_key(struct relay_members *ms, struct relay_member *m, uint8_t byte)
{
	struct relay_key *key = relay_key_reserve(ms, m);
	uint8_t seal[AEAD_KEY] = { byte, 1 }, open[AEAD_KEY] = { byte, 2 };

	relay_key_install(key, byte, seal, open, now);
	return key;
}

static void test_keys(void **state)
{
	struct relay_members ms = make(3);
	struct relay_member *m, *found;
	uint32_t index[8];

	(void)state;
	add(&ms, &net, 0);
	m = add(&ms, &net, 1);
	assert_null(relay_member_current(m, now));
	for (uint8_t i = 0; i < 8; i++) {
		struct relay_key *key = make_key(&ms, m, i);

		index[i] = key->local_index;
		assert_ptr_equal(relay_key_next(m), key);
		key = make_key(&ms, m, i); /* takes the place of that which nobody used */
		assert_null(relay_key_find(&ms, index[i], &found));
		index[i] = key->local_index;
		assert_ptr_equal(relay_key_find(&ms, index[i], &found), key);
		assert_ptr_equal(found, m);
		if (i > 0)
			assert_int_equal(relay_member_current(m, now)->remote_index, i - 1);
		relay_key_confirm(&ms, m, key, now);
		assert_ptr_equal(relay_member_current(m, now), key);
		assert_null(relay_key_next(m));
		if (i > 0)
			assert_non_null(relay_key_find(&ms, index[i - 1], &found));
		if (i > 1)
			assert_null(relay_key_find(&ms, index[i - 2], &found));
	}
	relay_member_forget(&ms, m);
	for (unsigned i = 0; i < 8; i++)
		assert_null(relay_key_find(&ms, index[i], &found));
	for (uint32_t i = 0; i < 1000; i++)
		assert_null(relay_key_find(&ms, i * 0x01234567u, &found));
	relay_members_free(&ms);
}

static void test_ends_of_keys(void **state)
{
	struct relay_members ms = make(1);
	struct relay_member *m = add(&ms, &net, 0);
	struct relay_key *old = make_key(&ms, m, 1), *key;

	(void)state;
	relay_key_confirm(&ms, m, old, now);
	key = make_key(&ms, m, 2);
	relay_key_confirm(&ms, m, key, now);
	assert_false(relay_key_over(old, instant_add(now, SECONDS(60) - 1)));
	assert_true(relay_key_over(old, instant_add(now, SECONDS(60))));
	assert_false(relay_key_over(key, instant_add(now, SECONDS(180) - 1)));
	assert_true(relay_key_over(key, instant_add(now, SECONDS(180))));
	relay_member_expire_keys(&ms, m, instant_add(now, SECONDS(100)));
	assert_int_equal(old->state, RELAY_KEY_NONE);
	assert_true(bytes_all_zero(old, sizeof(*old)));
	assert_ptr_equal(relay_member_current(m, instant_add(now, SECONDS(180) - 1)), key);
	assert_null(relay_member_current(m, instant_add(now, SECONDS(180))));
	relay_members_free(&ms);
}

/* A key that goes leaves nothing in the caches that another could meet. */
static void test_contexts(void **state)
{
	struct relay_members ms = make(600);
	uint8_t tag[AEAD_TAG], wanted[AEAD_TAG];

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 600; i++) {
			struct relay_member *m = add(&ms, &net, i);
			struct relay_key *key = make_key(&ms, m, (uint8_t)i);

			relay_key_confirm(&ms, m, key, now);
		}
		for (uint32_t i = 0; i < 600; i++) {
			struct relay_member *m = &ms.pool[i * 7 % 600];
			struct relay_key *key = relay_member_current(m, now);

			assert_true(aead_seal_once(CIPHER_AES_256_GCM, key->seal, i, "x", 1, NULL,
						   0, wanted));
			assert_true(aead_seal(relay_key_seal(&ms, key), i, "x", 1, NULL, 0, tag));
			assert_memory_equal(tag, wanted, AEAD_TAG);
			assert_true(aead_seal_once(CIPHER_AES_256_GCM, key->open, i, "x", 1, NULL,
						   0, tag));
			assert_true(aead_open(relay_key_open(&ms, key), i, "x", 1, tag, AEAD_TAG,
					      wanted));
		}
		for (uint32_t i = 0; i < 600; i++)
			relay_member_forget(&ms, &ms.pool[i]);
		for (uint32_t i = 0; i < RELAY_CONTEXTS; i++) {
			assert_null(ms.seal.places[i].at);
			assert_null(ms.open.places[i].at);
			assert_false(ms.seal.places[i].aead.keyed);
			assert_false(ms.open.places[i].aead.keyed);
		}
	}
	relay_members_free(&ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),	     cmocka_unit_test(test_one_key_in_two_networks),
		cmocka_unit_test(test_short_chains), cmocka_unit_test(test_keys),
		cmocka_unit_test(test_ends_of_keys), cmocka_unit_test(test_contexts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
