/* SPDX-License-Identifier: MIT */
/* Who watches the keys can open what is on the wire, and is told of nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/flood.h"
#include "core/keys.h"
#include "libpair.h"

#define KEPT 32

/* What a watcher was told. */
struct told {
	unsigned n;
	struct told_key {
		struct key_news news;
		uint8_t key[AEAD_KEY], context[KEYS_CONTEXT], source[8], destination[8];
	} keys[KEPT];
};

static void take(void *ctx, const struct key_news *news)
{
	struct told *told = ctx;
	struct told_key *k = &told->keys[told->n++];

	assert_true(told->n <= KEPT);
	k->news = *news;
	memcpy(k->key, news->key, AEAD_KEY);
	memcpy(k->context, news->context, KEYS_CONTEXT);
	memcpy(k->source, news->source, 8);
	if (news->destination)
		memcpy(k->destination, news->destination, 8);
}

static const struct told_key *find(const struct told *told, uint8_t kind, uint32_t index)
{
	for (unsigned i = 0; i < told->n; i++) {
		if (told->keys[i].news.kind == kind && told->keys[i].news.index == index)
			return &told->keys[i];
	}
	return NULL;
}

static bool opens(const struct told_key *k, const uint8_t *packet, size_t len)
{
	uint8_t aad[KEYS_AAD], plain[9216];
	struct aead aead;
	bool ok;

	assert_non_null(k);
	if (!k)
		return false;
	memcpy(aad, k->context, KEYS_CONTEXT);
	memcpy(aad + KEYS_CONTEXT, packet, WIRE_DATA_HEADER);
	assert_true(aead_init(&aead, k->news.cipher, AEAD_OPEN));
	aead_set_key(&aead, k->key);
	ok = aead_open(&aead, be64_get(packet + 8), aad, sizeof(aad), packet + WIRE_DATA_HEADER,
		       len - WIRE_DATA_HEADER, plain);
	aead_free(&aead);
	return ok;
}

static unsigned number_of(const struct pair *p, const struct addr *addr)
{
	return addr_equal(addr, &p->s[0].addr) ? 0 : 1;
}

/* Every DATA packet that was kept opens with the key that a watcher was told of. */
static unsigned open_all(const struct pair *p, const struct told *told)
{
	unsigned n = 0;

	for (size_t i = 0; i < p->n_kept; i++) {
		const struct pair_packet *packet = &p->kept[i];
		const struct told_key *k;
		unsigned from = number_of(p, &packet->from);

		if (packet->data[0] != WIRE_DATA)
			continue;
		k = find(told, WIRE_DATA, be32_get(packet->data + 4));
		assert_non_null(k);
		assert_true(opens(k, packet->data, packet->len));
		assert_memory_equal(k->source, p->s[from].site.self.id, 8);
		assert_memory_equal(k->destination, p->s[!from].site.self.id, 8);
		n++;
	}
	return n;
}

static void sessions(enum cipher cipher)
{
	struct told told[2] = { 0 };
	struct key_watch watch[2] = { { take, &told[0] }, { take, &told[1] } };
	struct pair_setup setup[2] = { { .cipher = cipher, .key_watch = &watch[0] },
				       { .cipher = cipher, .no_address = true,
					 .key_watch = &watch[1] } };
	struct pair *p = pair_new(2, setup);

	p->keep = true;
	pair_run(p, SECONDS(2));
	assert_true(pair_connected(p, 0, 1));
	pair_send(p, 0, 1, 1, 600);
	pair_send(p, 1, 0, 2, 600);
	pair_run(p, SECONDS(130)); /* and the next session */
	assert_true(told[0].n >= 4);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(open_all(p, &told[i]) > 10);
		for (unsigned k = 0; k < told[i].n; k++)
			assert_int_equal(told[i].keys[k].news.out,
					 memcmp(told[i].keys[k].source, p->s[i].site.self.id, 8) ==
						 0);
	}
	pair_free(p);
}

static void test_sessions(void **state)
{
	(void)state;
	sessions(CIPHER_AES_256_GCM);
	sessions(CIPHER_CHACHA20_POLY1305);
}

/* One of the two watches: nobody is told of anything through the other. */
static void test_each_for_itself(void **state)
{
	struct told told = { 0 };
	struct key_watch watch = { take, &told };
	struct pair_setup setup[2] = { { .key_watch = &watch }, { .no_address = true } };
	struct pair *p = pair_new(2, setup);

	(void)state;
	pair_run(p, SECONDS(2));
	assert_true(pair_connected(p, 0, 1));
	assert_int_equal(told.n, 2);
	assert_true(told.keys[0].news.out != told.keys[1].news.out);
	assert_null(p->s[1].site.peers.flood.keys.watch);
	assert_null(p->s[1].peer[0]->keys.watch);
	assert_null(p->s[1].peer[0]->flood.in.watch);
	pair_free(p);
}

/* A relay's session, told apart; its packets have the relay's word for the network. */
static void test_hop(void **state)
{
	static const uint8_t relay[KEX_KEY] = { 9 }, psk[KEX_KEY];
	static const uint8_t send[AEAD_KEY] = { 1 }, receive[AEAD_KEY] = { 2 };
	struct told told = { 0 };
	struct key_watch watch = { take, &told };
	struct pair_setup setup[2] = { { .key_watch = &watch }, { .no_address = true } };
	struct pair *p = pair_new(2, setup);
	struct peers *peers = &p->s[0].site.peers;
	struct link *link = peers_add_link(peers, "hub", relay, psk, p->now);
	uint8_t context[KEYS_CONTEXT];
	struct keypair *kp;

	(void)state;
	assert_non_null(link);
	kp = keys_reserve(&link->peer->keys, 0, 1, false);
	keys_install(&link->peer->keys, kp, true, 77, send, receive, p->now);
	assert_int_equal(told.n, 2);
	assert_int_equal(told.keys[0].news.kind, WIRE_HOP);
	assert_int_equal(told.keys[0].news.index, 77);
	assert_true(told.keys[0].news.out);
	assert_memory_equal(told.keys[0].key, send, AEAD_KEY);
	keys_context(context, IDENTITY_HOP, p->s[0].site.self.id, link->peer->id);
	assert_memory_equal(told.keys[0].context, context, KEYS_CONTEXT);
	assert_int_equal(told.keys[1].news.kind, WIRE_HOP);
	assert_int_equal(told.keys[1].news.index, kp->local_index);
	assert_false(told.keys[1].news.out);
	assert_memory_equal(told.keys[1].key, receive, AEAD_KEY);
	pair_free(p);
}

static void no_runs(void *ctx, struct run **runs, size_t n)
{
	(void)ctx;
	(void)runs;
	(void)n;
}

static void nothing_sent(void *ctx, const struct run *run)
{
	(void)ctx;
	(void)run;
}

/* The own flood key when it is in force, a peer's when it is taken: once each. */
static void test_floods(void **state)
{
	static const uint8_t id[8] = "site  a", said[] = "to whom it may concern";
	const struct instant now = { SECONDS(5) };
	struct told own = { 0 }, other = { 0 };
	struct key_watch watch[2] = { { take, &own }, { take, &other } };
	uint8_t packet[sizeof(said) + WIRE_DATA_OVERHEAD];
	struct rand_seeded seed;
	struct rand_source rand = rand_source_seeded(&seed, 4);
	struct outbox *outbox = calloc(1, sizeof(*outbox));
	struct flood out;
	struct flood_in in;

	(void)state;
	assert_true(aead_start());
	assert_true(outbox_init(outbox, 1, no_runs, NULL, nothing_sent, NULL));
	assert_true(flood_init(&out, CIPHER_AES_256_GCM, "net", id, outbox));
	assert_true(flood_in_init(&in, CIPHER_AES_256_GCM, "net", id));
	out.keys.watch = &watch[0];
	in.watch = &watch[1];
	flood_renew(&out, &rand, now);
	assert_int_equal(own.n, 0);
	for (unsigned i = 0; i < 2; i++) /* the second time it has it already */
		assert_true(flood_in_take(&in, &out.next, 0, now));
	flood_switch(&out, now);
	keys_seal(&out.keys, 0, said, sizeof(said), packet);
	assert_int_equal(own.n, 1);
	assert_int_equal(other.n, 1);
	assert_true(own.keys[0].news.out);
	assert_false(other.keys[0].news.out);
	assert_null(own.keys[0].news.destination);
	assert_null(other.keys[0].news.destination);
	assert_memory_equal(other.keys[0].source, id, 8);
	assert_true(opens(find(&own, WIRE_FLOOD, out.now.id), packet, sizeof(packet)));
	assert_true(opens(find(&other, WIRE_FLOOD, out.now.id), packet, sizeof(packet)));
	flood_free(&out);
	flood_in_free(&in);
	outbox_free(outbox);
	free(outbox);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_each_for_itself),
		cmocka_unit_test(test_hop),
		cmocka_unit_test(test_floods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
