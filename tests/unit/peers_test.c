/* SPDX-License-Identifier: MIT */
/* Sessions between sites: how they begin, go on, move and end. */
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

static const struct pair_setup usual[PAIR_SITES] = { { 0 }, { 0 }, { 0 } };

static struct pair *connected(void)
{
	struct pair *p = pair_new(2, usual);

	pair_run(p, SECONDS(3));
	assert_true(pair_connected(p, 0, 1));
	return p;
}

static const struct keypair *current(const struct pair *p, unsigned a, unsigned b)
{
	return p->s[a].peer[b]->keys.current;
}

/* Both sides use one key, and a frame comes each way, once. */
static void assert_works(struct pair *p)
{
	static unsigned n = 1000;

	n += 2;
	pair_send(p, 0, 1, n, 100);
	pair_send(p, 1, 0, n + 1, 100);
	pair_run(p, MS(100));
	assert_int_equal(pair_got(p, 1, n), 1);
	assert_int_equal(pair_got(p, 0, n + 1), 1);
	assert_int_equal(current(p, 0, 1)->local_index, current(p, 1, 0)->remote_index);
	assert_int_equal(current(p, 1, 0)->local_index, current(p, 0, 1)->remote_index);
}

static void test_connect(void **state)
{
	struct pair *p = pair_new(2, usual);

	(void)state;
	pair_run(p, MS(100));
	assert_true(pair_connected(p, 0, 1));
	assert_works(p);
	assert_int_equal(p->s[0].events[PEER_UP], 1);
	assert_int_equal(p->s[1].events[PEER_UP], 1);
	assert_int_equal(p->s[0].peer[1]->remote_mtu, 1500);
	assert_string_equal(p->s[0].peer[1]->remote_name, "a site");
	pair_free(p);
}

static void test_one_address_is_enough(void **state)
{
	(void)state;
	for (unsigned blind = 0; blind < 2; blind++) {
		struct pair_setup setup[2] = { { 0 }, { 0 } };
		struct pair *p;

		setup[blind].no_address = true;
		p = pair_new(2, setup);
		pair_run(p, MS(100));
		assert_true(pair_connected(p, 0, 1));
		assert_works(p);
		pair_free(p);
	}
}

/* Both call at the same moment: the lower key stays the one that called. */
static void test_simultaneous_calls_settle(void **state)
{
	struct pair *p = pair_new(2, usual);
	unsigned low =
		memcmp(p->s[0].site.self.public_key, p->s[1].site.self.public_key, KEX_KEY) > 0;

	(void)state;
	pair_run(p, MS(5)); /* both INITIATIONs are under way */
	assert_int_equal(p->kinds[WIRE_INITIATION], 2);
	pair_run(p, SECONDS(2));
	assert_int_equal(p->kinds[WIRE_INITIATION], 2);
	assert_int_equal(p->kinds[WIRE_RESPONSE], 1);
	assert_int_equal(pair_drops(p, low, DROP_YIELD), 1);
	assert_true(current(p, low, !low)->initiator);
	assert_false(current(p, !low, low)->initiator);
	assert_works(p);
	pair_free(p);
}

static void test_first_messages_are_repeated(void **state)
{
	struct pair *p = pair_new(2, usual);

	(void)state;
	p->cut = true;
	pair_run(p, SECONDS(30));
	/* At once, after half a second, every second, then every other. */
	assert_in_range(p->kinds[WIRE_INITIATION], 2 * 17, 2 * 24);
	pair_run(p, SECONDS(120));
	p->kinds[WIRE_INITIATION] = 0;
	pair_run(p, SECONDS(60)); /* patient by now */
	assert_in_range(p->kinds[WIRE_INITIATION], 2 * 10, 2 * 13);
	p->cut = false;
	pair_run(p, SECONDS(7));
	assert_true(pair_connected(p, 0, 1));
	assert_works(p);
	pair_free(p);
}

static void assert_never_connects(const struct pair_setup setup[], unsigned answers)
{
	struct pair *p = pair_new(2, setup);

	pair_run(p, SECONDS(10));
	assert_false(peer_has_session(p->s[0].peer[1]));
	assert_true(!p->s[1].peer[0] || !peer_has_session(p->s[1].peer[0]));
	assert_int_equal(p->kinds[WIRE_RESPONSE] > 0, answers);
	assert_true(pair_drops(p, 0, DROP_HANDSHAKE) + pair_drops(p, 1, DROP_HANDSHAKE) > 0);
	pair_free(p);
}

static void test_what_must_agree(void **state)
{
	const struct pair_setup network[] = { { .network = "pair" }, { .network = "pain" } };
	const struct pair_setup longer[] = { { .network = "pair" }, { .network = "pair2" } };
	const struct pair_setup cipher[] = { { .cipher = CIPHER_AES_256_GCM },
					     { .cipher = CIPHER_CHACHA20_POLY1305 } };
	const struct pair_setup secret[] = { { .psk = 1 }, { .psk = 2 } };
	const struct pair_setup half[] = { { .psk = 1 }, { .psk = 0 } };

	(void)state;
	assert_never_connects(network, 0);
	assert_never_connects(longer, 0);
	assert_never_connects(cipher, 0);
	assert_never_connects(secret, 1); /* the secret comes in with the second message */
	assert_never_connects(half, 1);
}

static void test_refusal_is_told(void **state)
{
	const struct pair_setup secret[] = { { .psk = 1 }, { .psk = 2, .no_address = true } };
	struct pair *p = pair_new(2, secret);

	(void)state;
	pair_run(p, SECONDS(3));
	assert_true(p->s[0].events[PEER_REFUSED] > 0);
	assert_int_equal(p->s[0].events[PEER_UP] + p->s[1].events[PEER_UP], 0);
	/* Unanswered keys do not pile up. */
	for (unsigned i = 0, next = 0; i < KEYS_SLOTS; i++) {
		next += p->s[1].peer[0]->keys.slot[i].state == KEY_NEXT;
		assert_in_range(next, 0, KEYS_NEXT);
	}
	pair_free(p);
}

static void test_stranger_gets_no_answer(void **state)
{
	const struct pair_setup setup[] = { { .no_address = true }, { .stranger = true } };
	struct pair *p = pair_new(2, setup);

	(void)state;
	pair_run(p, SECONDS(5));
	assert_true(p->kinds[WIRE_INITIATION] >= 4);
	assert_int_equal(p->kinds[WIRE_RESPONSE] + p->kinds[WIRE_DATA], 0);
	assert_int_equal(pair_drops(p, 0, DROP_STRANGER), p->kinds[WIRE_INITIATION]);
	pair_free(p);
}

/* ---- replays and forgeries ---- */

static void test_replayed_handshakes(void **state)
{
	struct pair *p = pair_new(2, usual);
	const struct keypair *a, *b;
	uint64_t repeated;

	(void)state;
	p->keep = true;
	pair_run(p, SECONDS(2));
	p->keep = false;
	a = current(p, 0, 1);
	b = current(p, 1, 0);
	repeated = pair_drops(p, 0, DROP_REPEATED) + pair_drops(p, 1, DROP_REPEATED);
	for (size_t i = 0; i < p->n_kept; i++) {
		if (p->kept[i].data[0] == WIRE_DATA)
			continue;
		for (unsigned k = 0; k < 10; k++, repeated++)
			pair_inject(p, &p->kept[i]);
	}
	assert_int_equal(pair_drops(p, 0, DROP_REPEATED) + pair_drops(p, 1, DROP_REPEATED),
			 repeated);
	assert_int_equal(p->kinds[WIRE_RESPONSE], 1);
	assert_ptr_equal(current(p, 0, 1), a);
	assert_ptr_equal(current(p, 1, 0), b);
	assert_works(p);
	pair_free(p);
}

/* First messages from so long ago that they are forgotten are answered, and
 * change nothing. */
static void test_ancient_initiations(void **state)
{
	struct pair *p = connected();
	uint32_t index;
	unsigned n = 0;

	(void)state;
	p->keep = true;
	for (unsigned i = 0; i < PEERS_SEEN + 44; i++) {
		peers_rekey(&p->s[0].site.peers, p->s[1].peer[0] ? p->s[0].peer[1] : NULL, p->now);
		pair_run(p, MS(300));
	}
	p->keep = false;
	pair_run(p, SECONDS(3));
	index = current(p, 1, 0)->local_index;
	for (size_t i = 0; i < p->n_kept && n < 40; i++) {
		if (p->kept[i].data[0] != WIRE_INITIATION)
			continue;
		pair_inject(p, &p->kept[i]);
		pair_run(p, MS(20));
		n++;
	}
	assert_int_equal(n, 40);
	assert_int_equal(current(p, 1, 0)->local_index, index);
	assert_int_equal(p->s[1].events[PEER_DOWN], 0);
	assert_works(p);
	pair_free(p);
}

static void test_replayed_data(void **state)
{
	struct pair *p = connected();
	uint64_t replayed;
	size_t data = 0;

	(void)state;
	p->keep = true;
	for (unsigned i = 0; i < 50; i++)
		pair_send(p, 0, 1, i, 700);
	pair_run(p, MS(50));
	p->keep = false;
	pair_forget(p);
	replayed = pair_drops(p, 1, DROP_REPLAYED);
	for (size_t i = p->n_kept; i-- > 0;) {
		if (!addr_equal(&p->kept[i].to, &p->s[1].addr))
			continue;
		pair_inject(p, &p->kept[i]);
		data++;
	}
	assert_true(data >= 50);
	assert_int_equal(pair_drops(p, 1, DROP_REPLAYED), replayed + data);
	assert_int_equal(p->s[1].n_frames, 0);
	pair_free(p);
}

/* A packet with any byte changed does nothing but count; and the true one is
 * taken after that all the same. */
static void test_damage(void **state)
{
	struct pair *p = connected();
	const struct pair_packet *data;

	(void)state;
	p->keep = p->cut = true;
	pair_send(p, 0, 1, 77, 200);
	p->keep = p->cut = false;
	data = pair_find(p, 0, WIRE_DATA);
	assert_non_null(data);
	for (size_t at = 0; at < data->len; at++) {
		data->data[at] ^= 1;
		pair_inject(p, data);
		data->data[at] ^= 1;
	}
	assert_int_equal(p->s[1].n_frames, 0);
	assert_true(pair_drops(p, 1, DROP_AUTH) >= data->len - 9);
	pair_inject(p, data);
	assert_int_equal(pair_got(p, 1, 77), 1);
	pair_free(p);
}

static void test_damaged_handshakes(void **state)
{
	static const uint8_t kinds[] = { WIRE_INITIATION, WIRE_RESPONSE };
	struct pair *p = pair_new(2, (const struct pair_setup[]){ { 0 }, { .no_address = true } });

	(void)state;
	p->keep = p->cut = true;
	pair_run(p, MS(1));
	p->cut = false;
	for (unsigned k = 0; k < COUNT_OF(kinds); k++) {
		const struct pair_packet *packet = pair_find(p, k, kinds[k]);

		assert_non_null(packet);
		for (size_t at = 0; at + COOKIE_MAC < packet->len; at++) {
			packet->data[at] ^= 4;
			pair_inject(p, packet);
			packet->data[at] ^= 4;
		}
		assert_int_equal(p->kinds[WIRE_RESPONSE], k);
		assert_false(peer_has_session(p->s[0].peer[1]));
		p->cut = true; /* the answer is kept, and damaged in the next round */
		pair_inject(p, packet);
		p->cut = false;
	}
	assert_true(peer_has_session(p->s[0].peer[1]));
	pair_free(p);
}

static void test_gate(void **state)
{
	static const struct {
		enum drop reason;
		size_t len;
		uint8_t bytes[9];
	} table[] = {
		{ DROP_SHORT, 0, { 0 } },
		{ DROP_KIND, 1, { 0 } },
		{ DROP_KIND, 100, { 5 } },
		{ DROP_SHORT, WIRE_HOP_MIN - 1, { WIRE_HOP } },
		{ DROP_HEADER, WIRE_HOP_MIN, { WIRE_HOP } },
		{ DROP_KIND, 100, { 255 } },
		{ DROP_SHORT, 1, { WIRE_DATA } },
		{ DROP_SHORT, WIRE_DATA_MIN - 1, { WIRE_DATA } },
		{ DROP_INDEX, WIRE_DATA_MIN, { WIRE_DATA } },
		{ DROP_INDEX, WIRE_DATA_MIN, { WIRE_DATA, 0, 0, 0, 0xff, 0xff, 0xff, 0xff } },
		{ DROP_INDEX, WIRE_DATA_MIN, { WIRE_DATA, WIRE_FLAG_PATH, [8] = 0x40 } },
		{ DROP_HEADER, WIRE_DATA_MIN, { WIRE_DATA, WIRE_FLAG_PATH } },
		{ DROP_HEADER, WIRE_DATA_MIN, { WIRE_DATA, [8] = 0x40 } },
		{ DROP_HEADER, WIRE_DATA_MIN, { WIRE_DATA, 2 } },
		{ DROP_HEADER, WIRE_DATA_MIN, { WIRE_DATA, 0, 1 } },
		{ DROP_INDEX, WIRE_DATA_MIN, { WIRE_DATA, 0, 0, 1 } },
		{ DROP_INDEX, WIRE_DATA_MIN, { WIRE_DATA, 0, 0, WIRE_LANES - 1 } },
		{ DROP_HEADER, WIRE_DATA_MIN, { WIRE_DATA, 0, 0, WIRE_LANES } },
		{ DROP_HEADER, WIRE_DATA_MIN, { WIRE_DATA, 0, 0, 255 } },
		{ DROP_SHORT, WIRE_INITIATION_LEN - 1, { WIRE_INITIATION } },
		{ DROP_HEADER, WIRE_INITIATION_LEN + 1, { WIRE_INITIATION } },
		{ DROP_HEADER, WIRE_INITIATION_LEN, { WIRE_INITIATION, 0, 1 } },
		{ DROP_HEADER, WIRE_INITIATION_LEN, { WIRE_INITIATION, 0, 0, 1 } },
		{ DROP_MAC1, WIRE_INITIATION_LEN, { WIRE_INITIATION } },
		{ DROP_SHORT, WIRE_RESPONSE_LEN - 1, { WIRE_RESPONSE } },
		{ DROP_HEADER, WIRE_RESPONSE_LEN + 1, { WIRE_RESPONSE } },
		{ DROP_MAC1, WIRE_RESPONSE_LEN, { WIRE_RESPONSE } },
		{ DROP_SHORT, WIRE_COOKIE_LEN - 1, { WIRE_COOKIE } },
		{ DROP_HEADER, WIRE_COOKIE_LEN + 1, { WIRE_COOKIE } },
		{ DROP_REPEATED, WIRE_COOKIE_LEN, { WIRE_COOKIE } },
	};
	struct pair *p = connected();
	uint8_t bytes[WIRE_INITIATION_LEN + 1];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		struct pair_packet packet = {
			.data = bytes, .len = table[i].len, .from = p->s[1].addr, .to = p->s[0].addr
		};
		uint64_t before = pair_drops(p, 0, table[i].reason);

		memset(bytes, 0, sizeof(bytes));
		memcpy(bytes, table[i].bytes, sizeof(table[i].bytes));
		pair_inject(p, &packet);
		if (pair_drops(p, 0, table[i].reason) != before + 1)
			fail_msg("row %zu: not counted as %s", i, drop_name(table[i].reason));
	}
	assert_works(p);
	pair_free(p);
}

/* ---- under load ---- */

/* An INITIATION with right macs and rubbish inside. */
static void inject_rubbish(struct pair *p, struct cookie_jar *jar, const struct addr *from,
			   uint32_t count)
{
	uint8_t bytes[WIRE_INITIATION_LEN] = { WIRE_INITIATION };
	struct pair_packet packet = {
		.data = bytes, .len = sizeof(bytes), .from = *from, .to = p->s[0].addr
	};

	be32_put(bytes + 8, count);
	cookie_jar_sign(jar, bytes, sizeof(bytes) - COOKIE_MACS, p->now);
	pair_inject(p, &packet);
}

/* From many addresses, without a cookie. */
static void flood(struct pair *p, unsigned n)
{
	static uint32_t count;
	struct addr from = { .family = ADDR_IPV4, .port = 99 };
	struct cookie_jar jar;

	cookie_jar_init(&jar, CIPHER_AES_256_GCM, p->s[0].site.self.public_key);
	while (n-- > 0) {
		be32_put(from.ip, ++count);
		inject_rubbish(p, &jar, &from, count);
	}
}

/* From one address, which has a cookie. */
static void flood_from_peer(struct pair *p, unsigned n)
{
	struct cookie_jar jar = p->s[1].peer[0]->jar;

	while (n-- > 0)
		inject_rubbish(p, &jar, &p->s[1].addr, 0xff000000 + n);
}

static void test_under_load(void **state)
{
	const struct pair_setup setup[] = { { .no_address = true }, { 0 } };
	struct pair *p = pair_new(2, setup);
	bool was_connected = false;

	(void)state;
	p->cut = true; /* nobody has a session before the flood */
	pair_run(p, MS(1));
	flood(p, 2 * PEERS_LOAD);
	p->cut = false;
	assert_true(p->s[0].site.peers.loaded);
	assert_int_equal(p->kinds[WIRE_COOKIE], PEERS_LOAD);
	for (unsigned i = 0; i < 30; i++) {
		flood(p, 20); /* 200 a second */
		pair_run(p, MS(100));
		was_connected = was_connected || pair_connected(p, 0, 1);
	}
	assert_true(was_connected);
	assert_true(p->s[1].peer[0]->jar.got.us > 0);
	/* The flood cost no more key agreements than the load that is allowed. */
	assert_in_range(pair_drops(p, 0, DROP_HANDSHAKE), 1, PEERS_LOAD);
	assert_true(pair_drops(p, 0, DROP_COOKIE) > 400);
	assert_works(p);
	/* A cookie lets in no more than an address may. */
	assert_int_equal(pair_drops(p, 0, DROP_RATE), 0);
	flood_from_peer(p, PEERS_BURST + 20);
	assert_in_range(pair_drops(p, 0, DROP_RATE), 20, PEERS_BURST);
	pair_run(p, SECONDS(3));
	flood(p, 1);
	pair_run(p, SECONDS(2));
	flood(p, 1);
	assert_false(p->s[0].site.peers.loaded);
	pair_free(p);
}

/* ---- paths ---- */

static void test_roaming(void **state)
{
	struct pair *p = connected();
	struct addr old = p->s[0].addr;

	(void)state;
	p->keep = true;
	pair_send(p, 0, 1, 1, 100);
	pair_run(p, MS(50));
	p->keep = false;
	p->s[0].addr.port = 40000;
	p->s[0].addr.ip[3] = 99;
	pair_send(p, 0, 1, 2, 100);
	pair_run(p, MS(50));
	assert_true(addr_equal(&p->s[1].peer[0]->endpoint.addr, &p->s[0].addr));
	assert_int_equal(p->s[1].events[PEER_ROAMED], 1);
	assert_int_equal(p->s[1].peer[0]->roamed, 1);
	assert_works(p);
	/* An old packet from the old place does not move it back, nor a forged one. */
	for (size_t i = 0; i < p->n_kept; i++) {
		assert_true(addr_equal(&old, &p->kept[i].from) || addr_equal(&old, &p->kept[i].to));
		pair_inject(p, &p->kept[i]);
	}
	assert_true(addr_equal(&p->s[1].peer[0]->endpoint.addr, &p->s[0].addr));
	assert_works(p);
	pair_free(p);
}

/* A late packet is taken, but says nothing of where the peer is now. */
static void test_late_packet_does_not_roam(void **state)
{
	struct pair *p = connected();
	struct pair_packet late;

	(void)state;
	p->keep = p->cut = true;
	pair_send(p, 0, 1, 1, 100);
	p->keep = p->cut = false;
	late = *pair_find(p, 0, WIRE_DATA);
	pair_send(p, 0, 1, 2, 100);
	pair_run(p, MS(50));
	late.from.port = 12345;
	pair_inject(p, &late);
	assert_int_equal(pair_got(p, 1, 1), 1);
	assert_true(addr_equal(&p->s[1].peer[0]->endpoint.addr, &p->s[0].addr));
	pair_free(p);
}

/* Loses DATA of the session that site 0 first sends in. */
static bool lose_first_session(struct pair *p, struct pair_packet *packet)
{
	return packet->data[0] != WIRE_DATA || !addr_equal(&packet->from, &p->s[0].addr) ||
	       be32_get(packet->data + 4) != be32_get(p->kept[0].data + 4);
}

/* Nor does the newest packet of a key that was replaced. */
static void test_previous_key_does_not_roam(void **state)
{
	struct pair *p = connected();
	struct pair_packet *late = p->kept;

	(void)state;
	p->keep = p->cut = true;
	pair_send(p, 0, 1, 1, 100);
	p->cut = false;
	p->filter = lose_first_session;
	peers_rekey(&p->s[0].site.peers, p->s[0].peer[1], p->now);
	pair_run(p, MS(200));
	assert_int_equal(p->s[1].peer[0]->rekeys, 1);
	for (size_t i = 0; i < p->n_kept; i++) {
		if (!lose_first_session(p, &p->kept[i]))
			late = &p->kept[i];
	}
	late->from.port = 12345;
	pair_inject(p, late);
	assert_true(addr_equal(&p->s[1].peer[0]->endpoint.addr, &p->s[0].addr));
	assert_int_equal(p->s[1].peer[0]->roamed, 0);
	pair_free(p);
}

/* What overtook others in one batch is put back into its place. */
static void test_a_batch_is_put_in_order(void **state)
{
	struct pair *p = connected();

	(void)state;
	pair_run(p, SECONDS(5)); /* the path's size is found: frames alone are under way */
	p->keep = p->cut = true;
	for (unsigned i = 0; i < 5; i++)
		pair_send(p, 0, 1, 100 + i, 100);
	assert_int_equal(p->n_kept, 5);
	for (size_t i = p->n_kept; i-- > 0;)
		site_datagrams(&p->s[1].site, 0, &p->kept[i].from, p->kept[i].data,
			       p->kept[i].len, p->kept[i].len, p->now);
	site_rx_end(&p->s[1].site, false);
	assert_int_equal(p->s[1].n_frames, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(be32_get(p->s[1].frames[i].data + 14), 100 + i);
	pair_free(p);
}

static void test_send_errors(void **state)
{
	struct pair *p = connected();
	unsigned before;

	(void)state;
	pair_run(p, SECONDS(5));
	before = p->s[0].peer[1]->pmtu.now_size;
	assert_int_equal(before, 1500);
	p->s[0].mtu = 1300; /* the interface shrank: EMSGSIZE */
	pair_send(p, 0, 1, 1, 1500);
	pair_run(p, SECONDS(1));
	assert_true(pair_drops(p, 0, DROP_TOO_BIG) > 0);
	assert_in_range(p->s[0].peer[1]->pmtu.now_size, PMTU_BASE, 1300);
	assert_works(p);
	pair_send(p, 0, 1, 3, 1500);
	pair_run(p, MS(50));
	assert_int_equal(pair_got(p, 1, 3), 1);
	pair_free(p);
}

/* ---- time ---- */

static void test_rekey_by_time_loses_nothing(void **state)
{
	struct pair *p = connected();
	uint32_t index = current(p, 0, 1)->local_index;

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		pair_send(p, 0, 1, 2 * i, 1000);
		pair_send(p, 1, 0, 2 * i + 1, 1000);
		pair_run(p, SECONDS(1));
		assert_int_equal(pair_got(p, 1, 2 * i), 1);
		assert_int_equal(pair_got(p, 0, 2 * i + 1), 1);
		pair_forget(p);
	}
	assert_true(current(p, 0, 1)->local_index != index);
	assert_int_equal(p->s[0].peer[1]->rekeys, 1);
	assert_int_equal(p->s[1].peer[0]->rekeys, 1);
	assert_int_equal(p->s[0].events[PEER_DOWN], 0);
	assert_int_equal(pair_drops(p, 0, DROP_INDEX) + pair_drops(p, 1, DROP_INDEX), 0);
	pair_free(p);
}

static void test_rekey_by_packets(void **state)
{
	struct pair *p = connected();
	struct peer *peer = p->s[0].peer[1];

	(void)state;
	peer->keys.current->counter = WIRE_REKEY_PACKETS - 2;
	for (unsigned i = 0; i < 20; i++) {
		pair_send(p, 0, 1, i, 100);
		pair_run(p, MS(200));
	}
	assert_int_equal(peer->rekeys, 1);
	assert_in_range(peer->keys.current->counter, 0, 1000);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(pair_got(p, 1, i), 1);
	pair_free(p);
}

/* Many rekeys at once from both sides; every frame comes. */
static void test_rekey_storm(void **state)
{
	struct pair *p = connected();

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		if (i % 3 == 0)
			peers_rekey(&p->s[0].site.peers, p->s[0].peer[1], p->now);
		if (i % 5 == 0)
			peers_rekey(&p->s[1].site.peers, p->s[1].peer[0], p->now);
		pair_send(p, 0, 1, 2 * i, 1400);
		pair_send(p, 1, 0, 2 * i + 1, 1400);
		pair_run(p, MS(7));
	}
	pair_run(p, SECONDS(1));
	for (unsigned i = 0; i < 300; i++) {
		assert_int_equal(pair_got(p, 1, 2 * i), 1);
		assert_int_equal(pair_got(p, 0, 2 * i + 1), 1);
	}
	pair_free(p);
}

/* Rekeys of one side soon after one of the other's are no ties: both go on with
 * the newest, whoever begins. */
static void test_rekeys_after_the_others(void **state)
{
	(void)state;
	for (unsigned first = 0; first < 2; first++) {
		struct pair *p = connected();

		peers_rekey(&p->s[first].site.peers, p->s[first].peer[!first], p->now);
		pair_run(p, MS(60));
		for (unsigned i = 0; i < 10; i++) {
			peers_rekey(&p->s[!first].site.peers, p->s[!first].peer[first], p->now);
			pair_run(p, MS(60));
		}
		assert_works(p);
		assert_int_equal(pair_drops(p, 0, DROP_INDEX) + pair_drops(p, 1, DROP_INDEX), 0);
		pair_free(p);
	}
}

static void test_key_past_its_time(void **state)
{
	struct pair *p = connected();
	const struct pair_packet *data;

	(void)state;
	p->keep = p->cut = true;
	pair_send(p, 0, 1, 1, 100);
	data = pair_find(p, 0, WIRE_DATA);
	p->now = instant_add(p->now, WIRE_REJECT_AFTER);
	pair_inject(p, data); /* before any timer ran */
	assert_int_equal(pair_drops(p, 1, DROP_EXPIRED), 1);
	assert_int_equal(p->s[1].n_frames, 0);
	pair_run(p, MS(1));
	assert_false(peer_has_session(p->s[0].peer[1]));
	assert_false(peer_has_session(p->s[1].peer[0]));
	assert_int_equal(p->s[1].events[PEER_DOWN], 1);
	pair_inject(p, data);
	assert_int_equal(p->s[1].n_frames, 0);
	pair_free(p);
}

/* A session of which nothing is heard is given up, and comes back. */
static void test_silence(void **state)
{
	struct pair *p = connected();
	int64_t gone = 0;

	(void)state;
	pair_send(p, 0, 1, 1, 100);
	pair_run(p, MS(100));
	p->cut = true;
	for (unsigned i = 0; i < 200 && pair_connected(p, 0, 1); i++) {
		pair_send(p, 0, 1, 5, 100);
		pair_run(p, MS(100));
		gone += MS(100);
	}
	assert_in_range(gone, SECONDS(9), SECONDS(13));
	pair_run(p, SECONDS(3));
	assert_int_equal(p->s[0].events[PEER_DOWN], 1);
	assert_int_equal(p->s[1].events[PEER_DOWN], 1);
	pair_send(p, 0, 1, 6, 100);
	assert_true(pair_drops(p, 0, DROP_NO_SESSION) == 0); /* flooded: to nobody */
	p->cut = false;
	pair_run(p, SECONDS(2));
	assert_works(p);
	pair_free(p);
}

/* An idle session costs next to nothing and stays. */
static void test_idle(void **state)
{
	struct pair *p = connected();
	unsigned before;

	(void)state;
	pair_run(p, SECONDS(60));
	before = p->kinds[WIRE_DATA];
	pair_run(p, SECONDS(100));
	assert_in_range(p->kinds[WIRE_DATA] - before, 4, 60);
	assert_int_equal(p->s[0].events[PEER_DOWN], 0);
	assert_works(p);
	pair_free(p);
}

/* ---- by command ---- */

static void test_disconnect_and_connect(void **state)
{
	struct pair *p = connected();
	struct peers *peers = &p->s[0].site.peers;

	(void)state;
	peers_disconnect(peers, p->s[0].peer[1], p->now);
	assert_false(peer_has_session(p->s[0].peer[1]));
	pair_run(p, MS(50));
	assert_false(peer_has_session(p->s[1].peer[0]));
	assert_int_equal(p->s[1].events[PEER_DOWN], 1);
	pair_run(p, SECONDS(60));
	assert_false(pair_connected(p, 0, 1));
	assert_true(pair_drops(p, 0, DROP_DISCONNECTED) > 5);
	peers_connect(peers, p->s[0].peer[1], p->now);
	pair_run(p, SECONDS(1));
	assert_works(p);
	pair_free(p);
}

static void test_goodbye(void **state)
{
	struct pair *p = connected();

	(void)state;
	p->kinds[WIRE_INITIATION] = 0;
	site_goodbye(&p->s[0].site, p->now);
	p->s[0].peer[1]->timers.greet = p->s[0].peer[1]->timers.due = INSTANT_NEVER;
	pair_run(p, MS(50));
	assert_false(peer_has_session(p->s[1].peer[0]));
	assert_int_equal(p->kinds[WIRE_INITIATION], 0); /* not in its face */
	pair_run(p, SECONDS(3));
	assert_works(p);
	pair_free(p);
}

static void test_remove_and_add(void **state)
{
	struct pair *p = connected();
	uint8_t key[KEX_KEY];

	(void)state;
	memcpy(key, p->s[1].site.self.public_key, KEX_KEY);
	assert_ptr_equal(peers_find_key(&p->s[0].site.peers, key), p->s[0].peer[1]);
	assert_ptr_equal(peers_find_name(&p->s[0].site.peers, "one"), p->s[0].peer[1]);
	pair_send(p, 0, 1, 1, 100); /* something is learned */
	site_remove_peer(&p->s[0].site, p->s[0].peer[1], p->now);
	assert_null(peers_find_key(&p->s[0].site.peers, key));
	assert_null(peers_find_name(&p->s[0].site.peers, "one"));
	assert_int_equal(p->s[0].site.peers.n_peer, 0);
	pair_run(p, SECONDS(5));
	assert_false(peer_has_session(p->s[1].peer[0]));
	assert_true(pair_drops(p, 0, DROP_STRANGER) > 0);
	p->s[0].peer[1] = peers_add(&p->s[0].site.peers, "one", key, p->now);
	pair_run(p, SECONDS(3));
	assert_works(p);
	pair_free(p);
}

static void test_peers_are_limited(void **state)
{
	struct pair *p = pair_new(1, usual);
	struct peers *peers = &p->s[0].site.peers;
	uint8_t key[KEX_KEY] = { 0 };

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		be32_put(key, i + 1);
		assert_non_null(peers_add(peers, "many", key, p->now));
	}
	assert_int_equal(peers->n_peer, 40);
	assert_int_equal(peers->top, 40);
	peers_remove(peers, peers->peer[39], p->now);
	peers_remove(peers, peers->peer[7], p->now);
	assert_int_equal(peers->top, 39);
	be32_put(key, 1000);
	assert_int_equal(peers_add(peers, "again", key, p->now)->number, 7);
	pair_free(p);
}

/* The tunnel's own packets, caught on their way into the tunnel. */
static void test_loop_is_seen(void **state)
{
	struct pair *p = connected();
	struct vnet plain = { 0 };
	const struct pair_packet *own;
	uint8_t *buffer, *frame;
	size_t len;

	(void)state;
	p->keep = true;
	p->s[0].site.outbox.lane = 3; /* of whatever worker */
	pair_send(p, 0, 1, 1, 300);
	p->keep = false;
	own = pair_find(p, 0, WIRE_DATA);
	assert_int_equal(own->data[WIRE_LANE], 3);
	len = 14 + 28 + own->len;
	buffer = calloc(1, SITE_HEADROOM + len);
	frame = buffer + SITE_HEADROOM;
	memcpy(frame, (uint8_t[]){ 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, 0 }, 14);
	memcpy(frame + 14, (uint8_t[]){ 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17 }, 10);
	be16_put(frame + 16, (uint16_t)(len - 14));
	memcpy(frame + 26, own->from.ip, 4);
	memcpy(frame + 30, own->to.ip, 4);
	be16_put(frame + 34, own->from.port);
	be16_put(frame + 36, own->to.port);
	be16_put(frame + 38, (uint16_t)(8 + own->len));
	memcpy(frame + 42, own->data, own->len);
	site_frame(&p->s[0].site, 0, frame, len, &plain, p->now);
	assert_int_equal(p->s[0].port.drops.count[DROP_SELF], 1);
	be16_put(frame + 36, 53); /* to elsewhere */
	site_frame(&p->s[0].site, 0, frame, len, &plain, p->now);
	assert_int_equal(p->s[0].port.drops.count[DROP_SELF], 1);
	free(buffer);
	site_close(&p->s[0].site);
	pair_free(p);
}

/* Rates are of the last looks, and what was missing then may come later. */
static void test_recent_arrivals(void **state)
{
	static struct peer peer;
	struct keys_arrivals a;

	(void)state;
	peer.looked_at = (struct instant){ SECONDS(5) };
	peer.keys.past = (struct keys_arrivals){ .received = 100, .lost = 10, .late = 1 };
	peer_look(&peer, (struct instant){ SECONDS(20) }); /* the first look */
	peer_look(&peer, (struct instant){ SECONDS(29) }); /* too early for another */
	a = peer_recent(&peer);
	assert_true(a.received == 100 && a.lost == 10 && a.late == 1);
	peer.keys.past = (struct keys_arrivals){ .received = 150, .lost = 12, .late = 1 };
	peer_look(&peer, (struct instant){ SECONDS(30) });
	a = peer_recent(&peer); /* since the first */
	assert_true(a.received == 50 && a.lost == 2 && a.late == 0);
	peer.keys.past = (struct keys_arrivals){ .received = 160, .lost = 5, .late = 8 };
	peer_look(&peer, (struct instant){ SECONDS(40) });
	a = peer_recent(&peer);
	assert_true(a.received == 10 && a.lost == 0 && a.late == 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_one_address_is_enough),
		cmocka_unit_test(test_simultaneous_calls_settle),
		cmocka_unit_test(test_first_messages_are_repeated),
		cmocka_unit_test(test_what_must_agree),
		cmocka_unit_test(test_refusal_is_told),
		cmocka_unit_test(test_stranger_gets_no_answer),
		cmocka_unit_test(test_replayed_handshakes),
		cmocka_unit_test(test_ancient_initiations),
		cmocka_unit_test(test_replayed_data),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_damaged_handshakes),
		cmocka_unit_test(test_gate),
		cmocka_unit_test(test_under_load),
		cmocka_unit_test(test_roaming),
		cmocka_unit_test(test_late_packet_does_not_roam),
		cmocka_unit_test(test_previous_key_does_not_roam),
		cmocka_unit_test(test_a_batch_is_put_in_order),
		cmocka_unit_test(test_send_errors),
		cmocka_unit_test(test_rekey_by_time_loses_nothing),
		cmocka_unit_test(test_rekey_by_packets),
		cmocka_unit_test(test_rekey_storm),
		cmocka_unit_test(test_rekeys_after_the_others),
		cmocka_unit_test(test_key_past_its_time),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_disconnect_and_connect),
		cmocka_unit_test(test_goodbye),
		cmocka_unit_test(test_remove_and_add),
		cmocka_unit_test(test_peers_are_limited),
		cmocka_unit_test(test_loop_is_seen),
		cmocka_unit_test(test_recent_arrivals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
