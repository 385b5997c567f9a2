/* SPDX-License-Identifier: MIT */
/* What a peer that means ill, or a recorder on the path, does not achieve. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/cookie.h"
#include "unit/libpair.h"

static struct pair *connected(void)
{
	static const struct pair_setup usual[2] = { { 0 }, { 0 } };
	struct pair *p = pair_new(2, usual);

	pair_run(p, SECONDS(3));
	assert_true(pair_connected(p, 0, 1));
	return p;
}

/* Seals what a broken peer might say, plaintext and all, from 0 to 1. */
static void say(struct pair *p, const uint8_t *plain, size_t len)
{
	uint8_t bytes[256];
	struct pair_packet packet = { .data = bytes,
				      .len = len + WIRE_DATA_OVERHEAD,
				      .from = p->s[0].addr,
				      .to = p->s[1].addr };

	keys_seal(&p->s[0].peer[1]->keys, 0, plain, len, bytes);
	pair_inject(p, &packet);
}

/* A PONG to the last PING, with a stamp that was never sent. */
static void test_stamps_of_no_time(void **state)
{
	static const int64_t stamps[] = { INT64_MIN, INT64_MIN + 1, -1, 0, INT64_MAX };
	struct pair *p = connected();
	struct peer *peer = p->s[1].peer[0];
	int64_t rtt = peer->rtt;
	uint8_t pong[18] = { 0, 0, WIRE_CONTROL, 0, 13, WIRE_PONG };

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(stamps); i++) {
		be32_put(pong + 6, peer->ping_id);
		be64_put(pong + 10, (uint64_t)stamps[i]);
		say(p, pong, sizeof(pong));
		assert_int_equal(peer->rtt, rtt);
	}
	be64_put(pong + 10, (uint64_t)p->now.us - MS(500));
	say(p, pong, sizeof(pong));
	assert_int_equal(peer->rtt, (7 * rtt + MS(500)) / 8);
	pair_free(p);
}

#define RECORDED 300 /* INITIATIONs: more than are remembered */

static struct pair_packet ancient[RECORDED];
static unsigned n_ancient, next_ancient;

/* Notes the INITIATIONs of 0 that were kept, and forgets the rest. */
static void record(struct pair *p)
{
	for (size_t i = 0; i < p->n_kept; i++) {
		if (n_ancient < RECORDED && p->kept[i].data[0] == WIRE_INITIATION &&
		    addr_equal(&p->kept[i].from, &p->s[0].addr))
			ancient[n_ancient++] = p->kept[i];
		else
			free(p->kept[i].data);
	}
	p->n_kept = 0;
}

/* After each RESPONSE of 1 to 0 come two INITIATIONs from long ago. */
static bool send_ancient(struct pair *p, struct pair_packet *packet)
{
	if (packet->data[0] != WIRE_RESPONSE || !addr_equal(&packet->to, &p->s[0].addr))
		return true;
	for (unsigned i = 0; i < 2; i++) {
		struct pair_packet again = ancient[next_ancient++ % RECORDED];

		again.from.port = 6666;
		again.at = instant_add(p->now, 1);
		again.data = malloc(again.len);
		memcpy(again.data, ancient[(next_ancient - 1) % RECORDED].data, again.len);
		p->wire[p->n_wire++] = again;
	}
	return true;
}

/* Who has recorded more INITIATIONs than a site remembers can have them answered,
 * but not have the answers push out that to an honest one before it is confirmed. */
static void test_ancient_initiations_keep_nobody_out(void **state)
{
	static const struct pair_setup setup[] = { { 0 }, { .no_address = true } };
	struct pair *p = pair_new(2, setup);

	(void)state;
	pair_run(p, SECONDS(3));
	p->keep = true;
	while (n_ancient < RECORDED) {
		peers_rekey(&p->s[0].site.peers, p->s[0].peer[1], p->now);
		pair_run(p, MS(100));
		record(p);
	}
	p->keep = false;
	for (unsigned i = 0; i < 20; i++) {
		uint32_t index = p->s[1].peer[0]->keys.current->local_index;

		pair_run(p, SECONDS(6));
		p->filter = send_ancient;
		peers_rekey(&p->s[0].site.peers, p->s[0].peer[1], p->now);
		pair_run(p, MS(100));
		p->filter = NULL;
		assert_true(p->s[1].peer[0]->keys.current->local_index != index);
		pair_send(p, 0, 1, i, 100);
		pair_run(p, MS(50));
		assert_int_equal(pair_got(p, 1, i), 1);
	}
	assert_in_range(next_ancient, 40, 100);
	assert_true(pair_drops(p, 1, DROP_COOKIE) >= 20);
	while (n_ancient > 0)
		free(ancient[--n_ancient].data);
	pair_free(p);
}

/* Young NEXT keys that nobody will confirm do not keep an honest caller out. */
static void test_crowd_lets_a_caller_in(void **state)
{
	static const struct pair_setup setup[] = { { 0 }, { .no_address = true } };
	struct pair *p = pair_new(2, setup);
	struct keys *keys = &p->s[1].peer[0]->keys;

	(void)state;
	for (unsigned i = 0; i < KEYS_NEXT; i++) {
		struct keypair *kp = keys_reserve(keys, 0, i + 1, true);
		const uint8_t key[AEAD_KEY] = { 0 };

		assert_false(keys_crowded(keys, p->now));
		keys_install(keys, kp, false, 7, key, key, p->now);
	}
	assert_true(keys_crowded(keys, p->now));
	assert_false(keys_crowded(keys, instant_add(p->now, KEYS_YOUNG)));
	pair_run(p, MS(100)); /* call, cookie, call, answer, confirmation */
	assert_int_equal(p->kinds[WIRE_COOKIE], 1);
	assert_true(pair_connected(p, 0, 1));
	pair_free(p);
}

static bool lose_responses(struct pair *p, struct pair_packet *packet)
{
	(void)p;
	return packet->data[0] != WIRE_RESPONSE;
}

/* RESPONSEs to the last call with a right mac1 and rubbish inside. */
static void forge_responses(struct pair *p, unsigned n)
{
	uint8_t bytes[WIRE_RESPONSE_LEN] = { WIRE_RESPONSE };
	struct pair_packet packet = {
		.data = bytes, .len = sizeof(bytes), .from = p->s[1].addr, .to = p->s[0].addr
	};
	struct cookie_jar jar;

	assert_non_null(p->s[0].peer[1]->calling);
	be32_put(bytes + 8, p->s[0].peer[1]->calling->local_index);
	bytes[12] = 9; /* a point of the curve */
	cookie_jar_init(&jar, CIPHER_AES_256_GCM, p->s[0].site.self.public_key);
	cookie_jar_sign(&jar, bytes, sizeof(bytes) - COOKIE_MACS, p->now);
	while (n-- > 0)
		pair_inject(p, &packet);
}

/* They cost a bounded number of key agreements, and a few do not keep the right
 * one out. */
static void test_forged_responses(void **state)
{
	static const struct pair_setup setup[] = { { 0 }, { .no_address = true } };
	struct pair *p = pair_new(2, setup);

	(void)state;
	p->filter = lose_responses;
	pair_run(p, MS(100));
	forge_responses(p, PEERS_FORGED + 400);
	assert_int_equal(pair_drops(p, 0, DROP_HANDSHAKE), PEERS_FORGED);
	assert_int_equal(pair_drops(p, 0, DROP_RATE), 400);
	pair_run(p, MS(500)); /* the next call */
	p->filter = NULL;
	forge_responses(p, PEERS_FORGED - 1);
	pair_run(p, SECONDS(2));
	assert_int_equal(pair_drops(p, 0, DROP_HANDSHAKE), 2 * PEERS_FORGED - 1);
	assert_true(pair_connected(p, 0, 1));
	pair_free(p);
}

static struct pair_packet held;

/* Nothing but handshakes comes through from 0; its first DATA is held. */
static bool hold_data(struct pair *p, struct pair_packet *packet)
{
	if (packet->data[0] != WIRE_DATA || !addr_equal(&packet->from, &p->s[0].addr))
		return true;
	if (!held.data) {
		held = *packet;
		held.data = malloc(held.len);
		memcpy(held.data, packet->data, held.len);
	}
	return false;
}

/* The first packet under a key, held until the peers have gone on to another
 * one, and sent then from elsewhere, brings neither that key nor the endpoint
 * there. */
static void test_held_confirmation(void **state)
{
	static const struct pair_setup setup[] = { { 0 }, { .no_address = true } };

	(void)state;
	for (unsigned caller = 0; caller < 2; caller++) {
		struct pair *p = pair_new(2, setup);
		const struct keypair *current;
		struct peer *peer = p->s[1].peer[0];

		p->filter = hold_data;
		pair_run(p, MS(400));
		assert_non_null(held.data);
		assert_false(peer_has_session(peer));
		p->filter = NULL;
		if (caller == 1) /* it knows where the other is, by command so to say */
			peers_set_addresses(&p->s[1].site.peers, peer, &p->s[0].addr, 1, p->now);
		else
			peers_rekey(&p->s[0].site.peers, p->s[0].peer[1], p->now);
		pair_run(p, SECONDS(6));
		assert_true(pair_connected(p, 0, 1));
		current = peer->keys.current;
		assert_int_equal(current->initiator, caller);
		held.from.port = 6666;
		pair_inject(p, &held);
		assert_ptr_equal(peer->keys.current, current);
		assert_true(addr_equal(&peer->endpoint.addr, &p->s[0].addr));
		pair_send(p, 1, 0, 5, 100);
		pair_run(p, MS(50));
		assert_int_equal(pair_got(p, 0, 5), 1);
		free(held.data);
		held.data = NULL;
		pair_free(p);
	}
}

/* Between the two stands somebody who lets packets of 0 come from one port and
 * another in turn, as an address translator with two of them would. */
static bool other_port(struct pair *p, struct pair_packet *packet)
{
	static uint16_t turn;

	if (addr_equal(&packet->from, &p->s[0].addr))
		packet->from.port = 20000 + (turn++ & 1);
	else
		packet->to = p->s[0].addr;
	return true;
}

/* Every packet moves the endpoint, and that alone makes no packets: a search of
 * the path's size begun by each move would have its answer move it again. */
static void test_restless_endpoint(void **state)
{
	struct pair *p = connected();

	(void)state;
	p->filter = other_port;
	pair_run(p, SECONDS(60));
	p->kinds[WIRE_DATA] = 0;
	for (unsigned i = 0; i < 50; i++) {
		pair_send(p, 0, 1, i, 100);
		pair_send(p, 1, 0, 100 + i, 100);
		pair_run(p, MS(100));
		assert_int_equal(pair_got(p, 1, i), 1);
		assert_int_equal(pair_got(p, 0, 100 + i), 1);
	}
	assert_true(p->s[1].peer[0]->roamed > 40);
	assert_in_range(p->kinds[WIRE_DATA], 100, 160);
	/* When that is over the size is found as always. */
	p->filter = NULL;
	pair_send(p, 0, 1, 200, 100);
	pair_run(p, SECONDS(10));
	assert_int_equal(p->s[1].peer[0]->pmtu.now_size, 1500);
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stamps_of_no_time),
		cmocka_unit_test(test_ancient_initiations_keep_nobody_out),
		cmocka_unit_test(test_crowd_lets_a_caller_in),
		cmocka_unit_test(test_forged_responses),
		cmocka_unit_test(test_held_confirmation),
		cmocka_unit_test(test_restless_endpoint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
