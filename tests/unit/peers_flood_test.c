/* SPDX-License-Identifier: MIT */
/* Broadcast between sites, through real relays. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "sim/libsupers.h"
#include "unit/libnat.h"

#define A 0
#define B 1
#define C 2
#define D 3

static uint32_t number = 1;

static struct flood *own(struct nat_world *w, unsigned a)
{
	return &w->s[a].site.peers.flood;
}

static struct flood_peer *at(struct nat_world *w, unsigned a, unsigned b)
{
	return &w->s[a].peer[b]->flood;
}

static uint64_t drops(const struct nat_world *w, unsigned a, unsigned b, enum drop reason)
{
	return w->s[a].peer[b]->drops.count[reason];
}

static unsigned keys_kept(struct nat_world *w, unsigned a, unsigned b)
{
	const struct flood_key *key = at(w, a, b)->in.key;

	return key[0].open.keyed + key[1].open.keyed;
}

/* All have each other's keys. */
static bool all_hold(struct nat_world *w)
{
	for (unsigned a = 0; a < w->n_sites; a++) {
		for (unsigned b = 0; b < w->n_sites; b++) {
			if (a != b && !(at(w, a, b)->holds && own(w, a)->keys.current))
				return false;
		}
	}
	return true;
}

/* So many sites, no two of which can reach each other. */
static struct nat_world *apart(unsigned sites, unsigned relays)
{
	struct nat_world *w = nat_new(relays);

	for (unsigned i = 0; i < sites; i++)
		nat_site_add(w, nat_add(w, NAT_SYMMETRIC, -1));
	nat_run(w, SECONDS(4));
	assert_true(all_hold(w));
	for (unsigned i = 1; i < sites; i++)
		assert_true(nat_is(w, 0, i, true));
	return w;
}

/* A broadcast from a; how many datagrams left for it. */
static size_t broadcast(struct nat_world *w, unsigned a)
{
	size_t before = w->n_wire;

	nat_send(w, a, a, ++number);
	return w->n_wire - before;
}

/* The last one came out everywhere but at `from`, once. */
static void assert_all_got(struct nat_world *w, unsigned from)
{
	nat_run(w, MS(100));
	for (unsigned i = 0; i < w->n_sites; i++)
		assert_int_equal(nat_got(w, i, number), i != from);
}

/* Sends what a relay that lies could: the packet comes to site b as from a.  It
 * goes through the hop of d, whose number b takes for that of a. */
static void play(struct nat_world *w, unsigned d, unsigned b, unsigned a, const uint8_t *inner,
		 size_t len, uint32_t destination)
{
	struct link *hop = w->s[d].link[0], *seen = w->s[b].link[0];
	uint16_t honest = seen->who[hop->own];
	uint8_t packet[2048];

	memcpy(packet + WIRE_HOP_HEADER, inner, len);
	keys_hop(&hop->peer->keys, destination, len, packet);
	outbox_datagram(&w->s[d].site.outbox, &hop->peer->endpoint.addr, 0, hop->peer->number,
			packet, len + WIRE_HOP_OVERHEAD);
	site_close(&w->s[d].site);
	seen->who[hop->own] = (uint16_t)(w->s[b].peer[a]->number + 1);
	nat_run(w, MS(30));
	seen->who[hop->own] = honest;
}

/* The packet inside of the last HOP that was sent. */
static size_t inside_last(const struct nat_world *w, uint8_t inner[2048])
{
	const struct nat_packet *last = &w->wire[w->n_wire - 1];

	assert_int_equal(last->data[0], WIRE_HOP);
	memcpy(inner, last->data + WIRE_HOP_HEADER, last->len - WIRE_HOP_OVERHEAD);
	return last->len - WIRE_HOP_OVERHEAD;
}

static void test_leaves_once(void **state)
{
	struct nat_world *w = apart(4, 1);

	(void)state;
	for (unsigned a = 0; a < 4; a++) {
		assert_int_equal(broadcast(w, a), 1);
		assert_all_got(w, a);
		assert_true(own(w, a)->sent == 1 && own(w, a)->saved == 2);
	}
	assert_true(at(w, B, A)->frames == 1);
	assert_true(at(w, A, B)->again.us == INSTANT_NEVER.us); /* no more to say */
	/* What is for one goes to one. */
	nat_send(w, A, B, ++number);
	nat_run(w, MS(100));
	assert_int_equal(nat_got(w, B, number), 1);
	assert_true(own(w, A)->sent == 1);
	nat_free(w);
}

/* A frame that is cut goes through as well. */
static void test_large_frame(void **state)
{
	struct nat_world *w = apart(4, 1);
	uint8_t buffer[SITE_HEADROOM + 5000] = { 0 }, *frame = buffer + SITE_HEADROOM;
	size_t before;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		memset(frame, 0xff, 6);
		memcpy(frame + 6, (uint8_t[]){ 2, 0, 0, 0, 0, 0, 0x88, 0xb5 }, 8);
		be32_put(frame + 14, ++number);
		before = w->n_wire;
		site_frame(&w->s[A].site, 0, frame, 5000, &(struct vnet){ 0 }, w->now);
		site_close(&w->s[A].site);
		assert_int_equal(w->n_wire - before, 5);
		for (size_t i = before; i < w->n_wire; i++)
			assert_true(w->wire[i].len <= PMTU_BASE - 48);
		assert_all_got(w, A);
	}
	nat_free(w);
}

/* What is told beforehand is what happens, and telling does nothing. */
static void assert_goes_by_relay(struct nat_world *w, bool relay)
{
	uint64_t sent = own(w, A)->sent;
	const struct link *link = peers_flood_link(&w->s[A].site.peers);

	assert_int_equal(link == w->s[A].link[0], relay);
	assert_true(own(w, A)->sent == sent);
	broadcast(w, A);
	assert_all_got(w, A);
	assert_true(own(w, A)->sent == sent + relay);
}

static void test_told_beforehand(void **state)
{
	struct nat_world *w = apart(2, 1);

	(void)state;
	assert_goes_by_relay(w, false);
	peers_set_broadcast(&w->s[A].site.peers, FLOOD_RELAY, w->now);
	assert_goes_by_relay(w, true);
	peers_set_broadcast(&w->s[A].site.peers, FLOOD_DIRECT, w->now);
	assert_goes_by_relay(w, false);
	nat_free(w);
}

static void test_modes(void **state)
{
	struct nat_world *w = apart(2, 1);

	(void)state;
	broadcast(w, A); /* one copy is saved by nothing */
	assert_all_got(w, A);
	assert_true(own(w, A)->sent == 0);
	peers_set_broadcast(&w->s[A].site.peers, FLOOD_RELAY, w->now);
	broadcast(w, A);
	assert_all_got(w, A);
	assert_true(own(w, A)->sent == 1 && own(w, A)->saved == 0);
	nat_free(w);

	w = apart(3, 1);
	peers_set_broadcast(&w->s[A].site.peers, FLOOD_DIRECT, w->now);
	assert_int_equal(broadcast(w, A), 2);
	assert_all_got(w, A);
	assert_true(own(w, A)->sent == 0);
	peers_set_broadcast(&w->s[A].site.peers, FLOOD_AUTO, w->now);
	assert_int_equal(broadcast(w, A), 1);
	assert_all_got(w, A);
	nat_free(w);
}

/* Where all reach each other, copies go directly; unless one wants it otherwise. */
static void test_direct_paths(void **state)
{
	struct nat_world *w = nat_new(1);

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		nat_site_add(w, -1);
	nat_run(w, SECONDS(4));
	assert_true(nat_is(w, A, B, false) && nat_is(w, A, C, false) && nat_is(w, A, D, false));
	assert_true(all_hold(w));
	assert_int_equal(broadcast(w, A), 3);
	assert_all_got(w, A);
	peers_set_broadcast(&w->s[A].site.peers, FLOOD_RELAY, w->now);
	assert_int_equal(broadcast(w, A), 1);
	assert_all_got(w, A);
	nat_free(w);
}

/* Many copies are worth it without anybody behind the relay. */
static void test_many_peers(void **state)
{
	struct nat_world *w = nat_new(1);

	(void)state;
	for (unsigned i = 0; i < 9; i++)
		nat_site_add(w, -1);
	nat_run(w, SECONDS(4));
	assert_true(all_hold(w));
	assert_int_equal(broadcast(w, A), 8);
	assert_all_got(w, A);
	nat_site_add(w, -1);
	nat_run(w, SECONDS(4));
	for (unsigned i = B; i < 10; i++)
		assert_true(nat_is(w, A, i, false));
	assert_int_equal(broadcast(w, A), 1);
	assert_all_got(w, A);
	nat_free(w);
}

/* Without a relay nobody makes a key, and with FLOOD_DIRECT nobody hands one over. */
static void test_no_key_for_nothing(void **state)
{
	struct nat_world *w = nat_new(1);

	(void)state;
	nat_site_add(w, -1);
	peers_set_broadcast(&w->s[A].site.peers, FLOOD_DIRECT, w->now);
	nat_site_add(w, -1);
	nat_run(w, SECONDS(4));
	assert_true(nat_is(w, A, B, false));
	assert_true(own(w, A)->now.id == 0 && own(w, A)->next.id == 0);
	assert_int_equal(at(w, B, A)->in.key[0].secret.id, 0);
	assert_true(at(w, B, A)->holds || at(w, B, A)->given); /* the other does */
	nat_free(w);
}

/* Frames each few milliseconds while a site comes; nobody gets one twice, and those
 * that were there before miss none. */
static void test_newcomer(void **state)
{
	struct nat_world *w = apart(3, 1);
	uint32_t first = number + 1;
	uint8_t inner[2048];
	size_t len;

	(void)state;
	broadcast(w, A);
	len = inside_last(w, inner);
	assert_all_got(w, A);
	nat_site_add(w, nat_add(w, NAT_SYMMETRIC, -1));
	for (unsigned i = 0; i < 1000; i++) {
		broadcast(w, A);
		nat_run(w, MS(4));
	}
	nat_run(w, MS(100));
	assert_true(all_hold(w));
	for (uint32_t n = first + 1; n <= number; n++) {
		assert_int_equal(nat_got(w, B, n), 1);
		assert_int_equal(nat_got(w, C, n), 1);
		assert_int_equal(nat_got(w, D, n), n >= w->s[D].got[0]); /* no gap there either */
	}
	assert_true(w->s[D].got[0] < first + 300);
	assert_true(own(w, A)->sent > 500);
	play(w, C, D, A, inner, len, WIRE_HOP_FLOOD); /* from before it came */
	assert_true(drops(w, D, A, DROP_OLD) > 0);
	assert_int_equal(nat_got(w, D, first), 0);
	nat_free(w);
}

/* ---- new keys ---- */

static void wear_out(struct nat_world *w, unsigned a)
{
	own(w, a)->made.us -= FLOOD_LIFE;
	peers_set_broadcast(&w->s[a].site.peers, own(w, a)->mode, w->now);
}

static void test_renewed_hourly(void **state)
{
	struct nat_world *w = apart(4, 1);
	uint32_t before = own(w, A)->now.id;

	(void)state;
	assert_true(own(w, A)->due.us <= own(w, A)->made.us + FLOOD_LIFE);
	wear_out(w, A);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(broadcast(w, A), 1); /* never a gap */
		assert_all_got(w, A);
		if (i == 0)
			assert_int_not_equal(own(w, A)->now.id, before); /* all said so */
	}
	assert_true(all_hold(w));
	nat_free(w);
}

static void test_renewed_after_packets(void **state)
{
	struct nat_world *w = apart(4, 1);
	uint32_t before = own(w, A)->now.id;

	(void)state;
	own(w, A)->keys.current->counter = WIRE_REKEY_PACKETS;
	broadcast(w, A);
	assert_all_got(w, A);
	assert_int_not_equal(own(w, A)->now.id, before);
	broadcast(w, A);
	assert_all_got(w, A);
	assert_true(flood_counter(own(w, A)) == 1);
	nat_free(w);
}

/* One who does not answer holds up a new key for 2 s, and then gets copies. */
static void test_no_answer(void **state)
{
	struct nat_world *w = apart(4, 1);
	uint32_t before = own(w, A)->now.id;

	(void)state;
	w->s[C].host.dead = true;
	wear_out(w, A);
	nat_run(w, FLOOD_SWITCH - MS(10));
	assert_int_equal(own(w, A)->now.id, before);
	assert_true(at(w, A, B)->holds_next && !at(w, A, C)->holds_next);
	broadcast(w, A);
	nat_run(w, MS(50));
	assert_int_not_equal(own(w, A)->now.id, before);
	assert_int_equal(own(w, A)->next.id, 0);
	assert_int_equal(nat_got(w, B, number), 1);
	assert_true(at(w, A, B)->holds && !at(w, A, C)->holds);
	assert_int_equal(broadcast(w, A), 2); /* through the relay, and for C */
	w->s[C].host.dead = false;
	nat_run(w, MS(50));
	assert_int_equal(nat_got(w, B, number), 1);
	assert_int_equal(nat_got(w, C, number), 1);
	nat_run(w, FLOOD_LATER);
	assert_true(at(w, A, C)->holds);
	assert_int_equal(nat_got(w, C, number), 1); /* and not out of the relay's, late */
	assert_true(drops(w, C, A, DROP_OLD) == 1);
	assert_int_equal(broadcast(w, A), 1);
	assert_all_got(w, A);
	nat_free(w);
}

/* Nobody who had the key is there any more with it: another one, at once. */
static void assert_key_changes(struct nat_world *w, uint32_t before, const uint8_t key[AEAD_KEY])
{
	assert_int_not_equal(own(w, A)->now.id, before); /* it seals nothing any more */
	assert_memory_not_equal(own(w, A)->now.key, key, AEAD_KEY);
	broadcast(w, A);
	nat_run(w, MS(100));
	assert_int_equal(nat_got(w, B, number), 1);
	assert_int_not_equal(own(w, A)->now.id, 0);
	assert_int_not_equal(own(w, A)->now.id, before);
	assert_int_equal(broadcast(w, A), 1);
	nat_run(w, MS(100));
	assert_int_equal(nat_got(w, B, number), 1);
	assert_int_equal(nat_got(w, D, number), 1);
}

static void test_member_removed(void **state)
{
	struct nat_world *w = apart(4, 1);
	struct flood_secret before = own(w, A)->now;

	(void)state;
	site_remove_peer(&w->s[A].site, w->s[A].peer[C], w->now);
	w->s[A].peer[C] = NULL;
	assert_key_changes(w, before.id, before.key);
	assert_int_equal(nat_got(w, C, number), 0);
	nat_free(w);
}

static void test_member_disconnected(void **state)
{
	struct nat_world *w = apart(4, 1);
	struct flood_secret before = own(w, A)->now;

	(void)state;
	peers_disconnect(&w->s[A].site.peers, w->s[A].peer[C], w->now);
	assert_key_changes(w, before.id, before.key);
	assert_int_equal(nat_got(w, C, number), 0);
	/* And what it floods is not taken. */
	broadcast(w, C);
	nat_run(w, MS(100));
	assert_int_equal(nat_got(w, A, number), 0);
	assert_int_equal(nat_got(w, B, number), 1);
	assert_int_equal(w->s[A].site.peers.hold.n, 0);
	nat_free(w);
}

static void test_member_leaves(void **state)
{
	struct nat_world *w = apart(4, 1);
	struct flood_secret before = own(w, A)->now;

	(void)state;
	site_goodbye(&w->s[C].site, w->now);
	w->s[C].host.dead = true;
	nat_run(w, SECONDS(1)); /* the relay says so */
	assert_key_changes(w, before.id, before.key);
	nat_free(w);
}

/* A session that is over for a while is no reason while the relay lists the member. */
static void test_member_pauses(void **state)
{
	struct nat_world *w = apart(4, 1);
	uint32_t before = own(w, A)->now.id;

	(void)state;
	w->s[C].host.dead = true;
	nat_run(w, SECONDS(30));
	assert_false(peer_has_session(w->s[A].peer[C]));
	assert_false(at(w, A, C)->holds);
	assert_int_equal(keys_kept(w, C, A), 0);
	assert_int_equal(own(w, A)->now.id, before);
	assert_int_equal(broadcast(w, A), 1);
	w->s[C].host.dead = false;
	nat_run(w, SECONDS(5));
	assert_true(all_hold(w));
	broadcast(w, A);
	assert_all_got(w, A);
	nat_free(w);
}

/* ---- keys that are not there ---- */

static void test_ask(void **state)
{
	struct nat_world *w = apart(4, 1);
	uint32_t first = number + 1;

	(void)state;
	flood_in_forget(&at(w, B, A)->in);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(broadcast(w, A), 1);
	nat_run(w, MS(15));
	assert_int_equal(w->s[B].site.peers.hold.n, 3);
	assert_int_equal(nat_got(w, C, first), 1);
	nat_run(w, MS(100));
	assert_int_equal(w->s[B].n_got, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(w->s[B].got[i], first + i); /* in their order, once */
	assert_int_equal(w->s[B].site.peers.hold.n, 0);
	assert_true(drops(w, B, A, DROP_FLOOD) == 0);
	assert_true(all_hold(w));
	assert_int_equal(broadcast(w, A), 1);
	assert_all_got(w, A);
	nat_free(w);
}

/* While it waits for the key again, it gets copies: it cannot hold everything. */
static void test_copies_after_ask(void **state)
{
	struct nat_world *w = apart(4, 1);

	(void)state;
	flood_in_forget(&at(w, B, A)->in);
	assert_int_equal(broadcast(w, A), 1);
	nat_run(w, 4 * NAT_DELAY + MS(2)); /* there, and asked */
	assert_false(at(w, A, B)->holds);
	assert_int_equal(broadcast(w, A), 3);
	assert_all_got(w, A);
	assert_int_equal(nat_got(w, B, number - 1), 1);
	assert_int_equal(broadcast(w, A), 1);
	assert_all_got(w, A);
	nat_free(w);
}

/* What was flooded between a new key and the question is for who asks, though it came when
 * the key before had been used for long. */
static void test_ask_after_renewal(void **state)
{
	struct nat_world *w = apart(3, 1);

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		broadcast(w, A);
	nat_run(w, MS(100));
	nat_site_add(w, nat_add(w, NAT_SYMMETRIC, -1));
	nat_run(w, SECONDS(4));
	assert_true(at(w, A, D)->from == 50);
	wear_out(w, A);
	nat_run(w, SECONDS(1));
	flood_in_forget(&at(w, D, A)->in);
	assert_int_equal(broadcast(w, A), 1);
	assert_all_got(w, A);
	nat_free(w);
}

static void test_asks_each_second(void **state)
{
	struct nat_world *w = apart(4, 1);
	unsigned asked = 0;
	struct instant last = at(w, B, A)->asked;

	(void)state;
	flood_in_forget(&at(w, B, A)->in);
	at(w, A, B)->given = 0; /* so it will not answer */
	for (unsigned i = 0; i < 25; i++) {
		broadcast(w, A);
		nat_run(w, MS(100));
		asked += at(w, B, A)->asked.us != last.us;
		last = at(w, B, A)->asked;
	}
	assert_int_equal(asked, 3);
	assert_int_equal(w->s[B].n_got, 0);
	nat_free(w);
}

/* A CONTROL from b arrives at a; how many datagrams leave for it. */
static size_t control(struct nat_world *w, unsigned a, unsigned b, uint8_t type, const void *body,
		      size_t len)
{
	size_t before = w->n_wire;

	peer_control(w->s[a].peer[b], type, body, len, w->now);
	site_close(&w->s[a].site);
	return w->n_wire - before;
}

static void test_answers_seldom(void **state)
{
	struct nat_world *w = apart(4, 1);
	uint8_t id[4];

	(void)state;
	be32_put(id, own(w, A)->now.id);
	assert_int_equal(control(w, A, B, WIRE_FLOOD_ASK, id, 4), 1);
	assert_int_equal(control(w, A, B, WIRE_FLOOD_ASK, id, 4), 0);
	nat_run(w, FLOOD_ANSWER);
	assert_int_equal(control(w, A, B, WIRE_FLOOD_ASK, id, 4), 1);
	/* Nor to somebody who was not to have it, nor for another key. */
	at(w, A, C)->given = 0;
	assert_int_equal(control(w, A, C, WIRE_FLOOD_ASK, id, 4), 0);
	id[0] ^= 1;
	assert_int_equal(control(w, A, D, WIRE_FLOOD_ASK, id, 4), 0);
	nat_free(w);
}

/* It asks for the key in force while it already has the next one: that is still the
 * one by which it is to be shut out. */
static void test_asks_for_the_older(void **state)
{
	struct nat_world *w = apart(4, 1);
	uint8_t id[4];

	(void)state;
	w->s[D].host.dead = true; /* so the next is not in force yet */
	wear_out(w, A);
	nat_run(w, SECONDS(1));
	assert_int_equal(at(w, A, C)->given, own(w, A)->next.id);
	be32_put(id, own(w, A)->now.id);
	assert_int_equal(control(w, A, C, WIRE_FLOOD_ASK, id, 4), 1);
	assert_int_equal(at(w, A, C)->given, own(w, A)->next.id);
	peers_disconnect(&w->s[A].site.peers, w->s[A].peer[C], w->now);
	assert_int_equal(own(w, A)->now.id, 0);
	assert_int_equal(own(w, A)->next.id, 0);
	nat_free(w);
}

static void test_controls_of_wrong_length(void **state)
{
	static const uint8_t types[] = { WIRE_FLOOD_KEY, WIRE_FLOOD_ACK, WIRE_FLOOD_ASK };
	static const size_t lengths[] = { FLOOD_KEY_LEN, FLOOD_ID_LEN, FLOOD_ID_LEN };
	struct nat_world *w = apart(2, 1);
	uint8_t body[FLOOD_KEY_LEN + 1] = { 1 };
	uint64_t wrong = 0;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(types); i++) {
		control(w, A, B, types[i], body, lengths[i] - 1);
		control(w, A, B, types[i], body, lengths[i] + 1);
		control(w, A, B, types[i], body, 0);
		assert_true(drops(w, A, B, DROP_RECORD) == (wrong += 3));
		control(w, A, B, types[i], body, lengths[i]);
		assert_true(drops(w, A, B, DROP_RECORD) == wrong);
	}
	memset(body, 0, sizeof(body)); /* no key has the id 0 */
	control(w, A, B, WIRE_FLOOD_KEY, body, FLOOD_KEY_LEN);
	assert_true(drops(w, A, B, DROP_RECORD) == wrong + 1);
	nat_free(w);
}

static void test_old_keys_are_forgotten(void **state)
{
	struct nat_world *w = apart(3, 1);

	(void)state;
	wear_out(w, A);
	nat_run(w, SECONDS(1));
	assert_int_equal(keys_kept(w, B, A), 2);
	nat_run(w, SECONDS(80));
	assert_int_equal(keys_kept(w, B, A), 1);
	broadcast(w, A);
	assert_all_got(w, A);
	nat_free(w);
}

/* Who was not handed the key yet may have it at any moment. */
static void test_not_yet_handed(void **state)
{
	struct nat_world *w = apart(4, 1);

	(void)state;
	at(w, A, C)->given = 0;
	at(w, A, C)->holds = false;
	assert_int_equal(broadcast(w, A), 3);
	nat_free(w);
}

/* ---- super-frames ---- */

struct supers {
	struct super super;
	size_t bytes; /* of its payload that came */
	unsigned frames;
};

static int take_segment(void *ctx, const struct vnet *vnet, struct iovec *iov, size_t n)
{
	struct supers *s = ctx;
	uint8_t frame[WIRE_FRAME_MAX];
	size_t len = 0, offset, payload;

	(void)vnet;
	for (size_t i = 1; i < n; i++) {
		assert_true(len + iov[i].iov_len <= sizeof(frame));
		memcpy(frame + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	assert_true(super_segment_right(&s->super, frame, len, &offset, &payload));
	s->bytes += payload;
	s->frames++;
	return 0;
}

/* From A to all, seen by the others. */
static void send_super(struct nat_world *w, struct supers *s, uint64_t draw)
{
	static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 }, from[6] = { 2 };
	uint8_t *copy;

	assert_true(super_make(&s->super, 1, draw, 8000, all, from));
	s->bytes = s->frames = 0;
	for (unsigned i = B; i < w->n_sites; i++) {
		w->s[i].port.write = take_segment;
		w->s[i].port.ctx = s;
	}
	copy = malloc(SITE_HEADROOM + s->super.len);
	memcpy(copy + SITE_HEADROOM, s->super.bytes, s->super.len);
	site_frame(&w->s[A].site, 0, copy + SITE_HEADROOM, s->super.len, &s->super.vnet, w->now);
	free(copy);
	site_close(&w->s[A].site);
}

static void test_super_frames(void **state)
{
	struct nat_world *w = apart(4, 1);
	struct supers s;

	(void)state;
	for (uint64_t draw = 0; draw < 64; draw++) {
		bool copies = draw % 2;

		at(w, A, C)->holds = !copies;
		at(w, A, C)->since.us = 0;
		send_super(w, &s, draw * 977);
		nat_run(w, MS(50));
		/* The relay's come to C as well in this case, if they have to wait. */
		assert_true(s.bytes >= 3 * (s.super.len - s.super.headers));
		super_free(&s.super);
	}
	assert_true(own(w, A)->sent == 64);
	nat_free(w);
}

/* A super-frame in packets that were held, and the last of them is lost. */
static void test_held_super_frame(void **state)
{
	struct nat_world *w = apart(3, 1);
	struct supers s;
	size_t before, payload;

	(void)state;
	flood_in_forget(&at(w, B, A)->in);
	w->s[C].host.dead = true;
	before = w->n_wire;
	send_super(w, &s, 1 << 8 | 5 << 1 | 8); /* TCP */
	assert_false(s.super.udp);
	assert_true(w->n_wire - before > 2 && w->n_wire - before < FLOOD_HELD);
	free(w->wire[--w->n_wire].data);
	nat_run(w, MS(100));
	payload = s.super.len - s.super.headers;
	assert_true(s.bytes > payload / 2 && s.bytes < payload);
	super_free(&s.super);
	nat_free(w);
}

static void test_hold_is_bounded(void **state)
{
	struct nat_world *w = apart(4, 1);

	(void)state;
	flood_in_forget(&at(w, B, A)->in);
	for (unsigned i = 0; i < FLOOD_HELD + 3; i++)
		broadcast(w, A);
	nat_run(w, MS(100));
	assert_int_equal(w->s[B].n_got, FLOOD_HELD);
	assert_true(drops(w, B, A, DROP_FLOOD) == 3);
	nat_free(w);
}

static void test_replayed(void **state)
{
	struct nat_world *w = apart(4, 1);
	uint8_t inner[2048];
	size_t len;

	(void)state;
	broadcast(w, A);
	len = inside_last(w, inner);
	assert_int_equal(inner[0], WIRE_FLOOD);
	assert_all_got(w, A);
	play(w, D, B, A, inner, len, WIRE_HOP_FLOOD);
	assert_true(drops(w, B, A, DROP_REPLAYED) == 1);
	assert_int_equal(nat_got(w, B, number), 1);
	nat_free(w);
}

/* The hop has moved: to where it is now, and by that socket. */
static void test_aims_anew(void **state)
{
	struct nat_world *w = apart(3, 1);
	struct peer_candidate *endpoint = &w->s[A].link[0]->peer->endpoint;

	(void)state;
	broadcast(w, A);
	endpoint->socket = 3;
	broadcast(w, A);
	assert_int_equal(own(w, A)->pack.socket, 3);
	endpoint->addr.port++;
	broadcast(w, A);
	assert_true(addr_equal(&own(w, A)->pack.to, &endpoint->addr));
	nat_free(w);
}

/* That the stage works: what the relay brings late is taken. */
static void test_delayed(void **state)
{
	struct nat_world *w = apart(4, 1);
	uint8_t inner[2048];
	size_t len;

	(void)state;
	broadcast(w, A);
	len = inside_last(w, inner);
	free(w->wire[--w->n_wire].data);
	play(w, D, B, A, inner, len, WIRE_HOP_FLOOD);
	assert_int_equal(nat_got(w, B, number), 1);
	inner[len - 20] ^= 1;
	inner[15]++; /* another counter */
	play(w, D, B, A, inner, len, WIRE_HOP_FLOOD);
	assert_true(drops(w, B, A, DROP_AUTH) == 1);
	nat_free(w);
}

/* To a site that begins anew, what was flooded before its session is not played. */
static void test_replayed_to_a_new_session(void **state)
{
	struct nat_world *w = apart(4, 1);
	uint8_t inner[2048];
	size_t len;

	(void)state;
	broadcast(w, A);
	len = inside_last(w, inner);
	assert_all_got(w, A);
	flood_in_forget(&at(w, B, A)->in);
	peers_rekey(&w->s[B].site.peers, w->s[B].peer[A], w->now);
	nat_run(w, MS(200));
	play(w, D, B, A, inner, len, WIRE_HOP_FLOOD);
	assert_true(drops(w, B, A, DROP_OLD) == 1);
	assert_int_equal(nat_got(w, B, number), 1);
	broadcast(w, A);
	assert_all_got(w, A);
	nat_free(w);
}

/* What A floods is not taken as from C, whatever the relay says. */
static void test_wrong_source(void **state)
{
	struct nat_world *w = apart(4, 1);
	uint8_t inner[2048];
	size_t len;
	uint64_t dropped;

	(void)state;
	broadcast(w, A);
	len = inside_last(w, inner);
	free(w->wire[--w->n_wire].data);
	play(w, D, B, C, inner, len, WIRE_HOP_FLOOD);
	assert_int_equal(w->s[B].site.peers.hold.n, 1); /* C is asked, and has no such key */
	dropped = drops(w, B, C, DROP_FLOOD);
	nat_run(w, FLOOD_HOLD);
	assert_int_equal(w->s[B].site.peers.hold.n, 0);
	assert_true(drops(w, B, C, DROP_FLOOD) == dropped + 1);
	assert_int_equal(nat_got(w, B, number), 0);
	/* Not even when C has the key and hands it over as its own. */
	assert_true(flood_in_take(&at(w, B, C)->in, &own(w, A)->now, 0, w->now));
	play(w, D, B, C, inner, len, WIRE_HOP_FLOOD);
	assert_true(drops(w, B, C, DROP_AUTH) == 1);
	assert_int_equal(nat_got(w, B, number), 0);
	nat_free(w);
}

/* From a member that is no peer, or from none. */
static void test_stranger(void **state)
{
	struct nat_world *w = apart(4, 1);
	struct link *link = w->s[B].link[0];
	uint32_t stands_at = w->s[A].link[0]->own;
	uint16_t honest = link->who[stands_at];

	(void)state;
	link->who[stands_at] = LINK_STRANGER;
	broadcast(w, A);
	nat_run(w, MS(30));
	link->who[stands_at] = LINK_NOBODY;
	broadcast(w, A);
	nat_run(w, MS(30));
	assert_true(link->peer->drops.count[DROP_FLOOD] == 2);
	assert_int_equal(w->s[B].n_got, 0);
	link->who[stands_at] = honest;
	nat_free(w);
}

/* FLOOD goes to all and nothing else does; and it comes out of HOP only. */
static void test_unicast_and_flood_do_not_mix(void **state)
{
	struct nat_world *w = apart(4, 1);
	uint8_t inner[2048];
	size_t len, got;

	(void)state;
	broadcast(w, A);
	len = inside_last(w, inner);
	free(w->wire[--w->n_wire].data);
	play(w, A, B, A, inner, len, w->s[B].link[0]->own);
	site_datagrams(&w->s[B].site, 0, &w->s[B].link[0]->peer->endpoint.addr, inner, len, len,
		       w->now);
	assert_true(w->s[B].site.peers.drops.count[DROP_KIND] == 1);
	inner[0] = WIRE_DATA; /* as if it were for a session */
	play(w, A, B, A, inner, len, w->s[B].link[0]->own);
	assert_int_equal(nat_got(w, B, number), 0);

	nat_send(w, A, B, ++number); /* nobody knows B's host: floods */
	nat_run(w, MS(30));
	nat_send(w, B, A, ++number);
	nat_run(w, MS(30));
	nat_send(w, A, B, ++number);
	len = inside_last(w, inner);
	assert_int_equal(inner[0], WIRE_DATA);
	free(w->wire[--w->n_wire].data);
	play(w, A, B, A, inner, len, WIRE_HOP_FLOOD);
	inner[0] = WIRE_FLOOD;
	got = w->s[B].n_got;
	play(w, A, B, A, inner, len, WIRE_HOP_FLOOD);
	assert_int_equal(w->s[B].n_got, got);
	assert_int_equal(nat_got(w, B, number) + nat_got(w, C, number), 0);
	nat_free(w);
}

/* Many have the key: what ends or steers a session is not taken under it. */
static void test_control_inside(void **state)
{
	struct nat_world *w = apart(4, 1);
	struct flood *f = own(w, A);
	struct instant heard, frames;

	(void)state;
	frames = w->s[B].peer[A]->timers.frames;
	broadcast(w, A);
	nat_run(w, MS(100));
	assert_true(w->s[B].peer[A]->timers.frames.us == frames.us);
	heard = w->s[B].peer[A]->timers.heard;
	assert_true(pack_control(&f->pack, WIRE_CLOSE, NULL, 0));
	assert_true(pack_control(&f->pack, WIRE_FLOOD_ASK, "abcd", 4));
	site_close(&w->s[A].site);
	nat_run(w, MS(100));
	for (unsigned i = B; i <= D; i++) {
		assert_true(peer_has_session(w->s[i].peer[A]));
		assert_true(drops(w, i, A, DROP_RECORD) == 2);
	}
	assert_true(w->s[B].peer[A]->timers.heard.us == heard.us);
	nat_free(w);
}

/* ---- more than one relay ---- */

static void test_two_relays(void **state)
{
	struct nat_world *w = apart(4, 2);
	uint32_t first = number + 1;
	unsigned used;

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(broadcast(w, A), 1);
		assert_all_got(w, A);
	}
	used = own(w, A)->link;
	own(w, A)->link ^= 1; /* either is as good: it stays with the one that it has */
	broadcast(w, A);
	assert_all_got(w, A);
	assert_int_not_equal(own(w, A)->link, used);
	own(w, A)->link ^= 1;
	broadcast(w, A);
	assert_all_got(w, A);
	assert_int_equal(own(w, A)->link, used);
	nat_relay_kill(w, used);
	nat_run(w, SECONDS(15));
	assert_int_equal(broadcast(w, A), 1);
	assert_int_not_equal(own(w, A)->link, used);
	assert_all_got(w, A);
	peers_remove_link(&w->s[A].site.peers, w->s[A].link[used], w->now);
	assert_int_equal(broadcast(w, A), 1);
	assert_all_got(w, A);
	peers_remove_link(&w->s[A].site.peers, w->s[A].link[1 - used], w->now);
	assert_null(own(w, A)->pack.hop);
	broadcast(w, A);
	nat_run(w, MS(100));
	for (uint32_t n = first; n <= number; n++)
		assert_true(nat_got(w, B, n) <= 1);
	nat_free(w);
}

/* Sends nothing of what is under way under a hop that goes. */
/* Nothing but broadcast from one site, and the relay that copies it dies. */
static void test_relay_dies(void **state)
{
	struct nat_world *w = apart(3, 2);
	struct instant last;
	uint32_t first = number;
	int64_t longest = 0;

	(void)state;
	nat_send(w, A, A, number++);
	nat_run(w, SECONDS(20)); /* quiet */
	nat_relay_kill(w, own(w, A)->link);
	last = w->now;
	for (unsigned i = 0; i < 60; i++) {
		nat_send(w, A, A, number);
		nat_run(w, MS(100));
		if (nat_got(w, B, number++) == 0)
			continue;
		longest = MAX(longest, instant_between(last, w->now));
		last = w->now;
	}
	assert_in_range(longest, MS(100), SECONDS(3));
	assert_true(instant_between(last, w->now) < MS(200));
	for (uint32_t i = first; i < number; i++)
		assert_in_range(nat_got(w, C, i), 0, 1);
	nat_free(w);
}

static void test_relay_restarts(void **state)
{
	struct nat_world *w = apart(4, 1);

	(void)state;
	nat_relay_kill(w, 0);
	nat_run(w, SECONDS(2));
	nat_relay_start(w, 0);
	nat_run(w, SECONDS(20));
	assert_true(all_hold(w));
	for (unsigned a = 0; a < 4; a++) {
		assert_int_equal(broadcast(w, a), 1);
		assert_all_got(w, a);
	}
	nat_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leaves_once),
		cmocka_unit_test(test_large_frame),
		cmocka_unit_test(test_told_beforehand),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_direct_paths),
		cmocka_unit_test(test_many_peers),
		cmocka_unit_test(test_no_key_for_nothing),
		cmocka_unit_test(test_newcomer),
		cmocka_unit_test(test_renewed_hourly),
		cmocka_unit_test(test_renewed_after_packets),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_member_removed),
		cmocka_unit_test(test_member_disconnected),
		cmocka_unit_test(test_member_leaves),
		cmocka_unit_test(test_member_pauses),
		cmocka_unit_test(test_ask),
		cmocka_unit_test(test_copies_after_ask),
		cmocka_unit_test(test_ask_after_renewal),
		cmocka_unit_test(test_asks_each_second),
		cmocka_unit_test(test_answers_seldom),
		cmocka_unit_test(test_asks_for_the_older),
		cmocka_unit_test(test_controls_of_wrong_length),
		cmocka_unit_test(test_old_keys_are_forgotten),
		cmocka_unit_test(test_not_yet_handed),
		cmocka_unit_test(test_super_frames),
		cmocka_unit_test(test_held_super_frame),
		cmocka_unit_test(test_hold_is_bounded),
		cmocka_unit_test(test_replayed),
		cmocka_unit_test(test_delayed),
		cmocka_unit_test(test_aims_anew),
		cmocka_unit_test(test_replayed_to_a_new_session),
		cmocka_unit_test(test_wrong_source),
		cmocka_unit_test(test_stranger),
		cmocka_unit_test(test_unicast_and_flood_do_not_mix),
		cmocka_unit_test(test_control_inside),
		cmocka_unit_test(test_two_relays),
		cmocka_unit_test(test_relay_dies),
		cmocka_unit_test(test_relay_restarts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
