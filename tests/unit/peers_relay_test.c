/* SPDX-License-Identifier: MIT */
/* What a relay that means ill does not achieve.  It has all hop keys: what it changes
 * has a right hop tag. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../src/core/peers_parts.h"
#include "../../src/core/relay_parts.h"
#include "unit/libnat.h"

static bool to_relays(const struct nat_world *w, const struct nat_packet *p)
{
	return addr_equal(&p->from, &w->r[0].host.addr) || addr_equal(&p->to, &w->r[0].host.addr);
}

static bool only_relayed(struct nat_world *w, const struct nat_packet *p)
{
	return to_relays(w, p);
}

/* The member of the relay that site i is. */
static struct relay_member *member(struct nat_world *w, unsigned i)
{
	struct relay_members *ms = &w->r[0].relay->members;
	struct relay_network *net = relay_network_find(&w->r[0].relay->networks, "nat");

	return relay_member_find(ms, net->id, w->s[i].site.self.public_key);
}

/* Three sites that reach each other through the relay alone. */
static struct nat_world *three(void)
{
	struct nat_world *w = nat_new(1);

	for (unsigned i = 0; i < 3; i++)
		nat_site_add(w, -1);
	w->filter = only_relayed;
	for (unsigned i = 0; i < 3; i++)
		assert_true(nat_until(w, i, (i + 1) % 3, true, SECONDS(5)));
	nat_run(w, SECONDS(1));
	for (unsigned i = 0; i < 3; i++) /* addresses are learned */
		nat_send(w, i, i, 90000 + i);
	nat_run(w, MS(100));
	return w;
}

/* A HOP to member m under its key, whose inner packet is there already. */
static void tag(struct relay_member *m, uint8_t *packet, uint32_t source, size_t inner_len)
{
	struct relay_key *key = NULL;
	struct hop hop = { .source = source, .destination = m->number, .inner_len = inner_len };
	struct aead aead;

	for (unsigned i = 0; i < RELAY_KEYS; i++) {
		if (m->key[i].state == RELAY_KEY_CURRENT)
			key = &m->key[i];
	}
	assert_non_null(key);
	hop.index = key->remote_index;
	hop.counter = key->counter++;
	assert_true(aead_init(&aead, CIPHER_AES_256_GCM, AEAD_SEAL));
	aead_set_key(&aead, key->seal);
	assert_true(hop_seal(&aead, m->context_out, &hop, packet));
	aead_free(&aead);
}

static unsigned stamped;
static uint32_t stamp;

/* What goes to site 1 from site 0 is stamped with another number. */
static bool restamp(struct nat_world *w, const struct nat_packet *p)
{
	if (!to_relays(w, p))
		return false;
	if (p->at != &w->s[1].host || p->data[0] != WIRE_HOP ||
	    be32_get(p->data + 16) != member(w, 0)->number)
		return true;
	tag(member(w, 1), p->data, stamp, p->len - WIRE_HOP_OVERHEAD);
	stamped++;
	return true;
}

static uint64_t drops(const struct nat_world *w, unsigned i, enum drop reason)
{
	return w->s[i].link[0]->peer->drops.count[reason];
}

/* Site 1 takes nothing of site 0 that is stamped as another's, and stays with
 * where it knows it to be. */
static void test_wrong_stamps(void **state)
{
	struct nat_world *w = three();
	const uint32_t others[] = { member(w, 2)->number, member(w, 1)->number };
	struct addr before = w->s[1].peer[0]->endpoint.addr;
	uint32_t number = 1;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(others); i++) {
		stamp = others[i];
		stamped = 0;
		w->filter = restamp;
		for (unsigned k = 0; k < 20; k++, number++) {
			nat_send(w, 0, 1, number);
			nat_run(w, MS(20));
			assert_int_equal(nat_got(w, 1, number), 0);
		}
		assert_in_range(stamped, 20, 60);
		assert_true(drops(w, 1, DROP_SOURCE) >= 20);
		assert_true(addr_equal(&w->s[1].peer[0]->endpoint.addr, &before));
		w->s[1].link[0]->peer->drops.count[DROP_SOURCE] = 0;
		w->filter = only_relayed;
		nat_send(w, 0, 1, number);
		nat_run(w, MS(20));
		assert_int_equal(nat_got(w, 1, number++), 1);
		assert_int_equal(drops(w, 1, DROP_SOURCE), 0);
	}
	assert_int_equal(w->s[1].events[PEER_ROAMED], 0);
	nat_free(w);
}

/* Nor does a handshake move the peer, whoever began it. */
static void test_wrong_stamps_on_handshakes(void **state)
{
	struct nat_world *w = three();
	struct addr before = w->s[1].peer[0]->endpoint.addr;

	(void)state;
	for (unsigned caller = 0; caller < 2; caller++) {
		uint64_t handshakes = w->s[1].peer[0]->handshakes;

		stamp = member(w, 2)->number;
		w->s[1].link[0]->peer->drops.count[DROP_SOURCE] = 0;
		w->filter = restamp;
		peers_rekey(&w->s[caller].site.peers, w->s[caller].peer[!caller], w->now);
		nat_run(w, MS(100));
		assert_true(drops(w, 1, DROP_SOURCE) >= 1);
		assert_int_equal(w->s[1].peer[0]->handshakes, handshakes);
		assert_true(addr_equal(&w->s[1].peer[0]->endpoint.addr, &before));
		w->filter = only_relayed;
		nat_run(w, SECONDS(7));
		assert_true(w->s[1].peer[0]->handshakes > handshakes);
		assert_true(addr_equal(&w->s[1].peer[0]->endpoint.addr, &before));
	}
	nat_free(w);
}

/* A number that the list does not have, or not yet, may be the peer's new one. */
static void test_unknown_stamps(void **state)
{
	struct nat_world *w = three();

	(void)state;
	stamp = 77;
	w->filter = restamp;
	nat_send(w, 0, 1, 1);
	nat_run(w, MS(20));
	assert_int_equal(nat_got(w, 1, 1), 1);
	stamp = member(w, 2)->number;
	w->s[1].link[0]->whole = false;
	nat_send(w, 0, 1, 2);
	nat_run(w, MS(20));
	assert_int_equal(nat_got(w, 1, 2), 1);
	assert_int_equal(drops(w, 1, DROP_SOURCE), 0);
	nat_free(w);
}

/* The relay's own DATA inside of a HOP does not make a relay of a member. */
static bool wrap(struct nat_world *w, const struct nat_packet *p)
{
	uint8_t packet[2000];
	size_t len = p->len + WIRE_HOP_OVERHEAD;
	struct nat_site *s = &w->s[1];

	if (!to_relays(w, p))
		return false;
	if (p->at != &s->host || p->data[0] != WIRE_DATA)
		return true;
	memcpy(packet + WIRE_HOP_HEADER, p->data, p->len);
	tag(member(w, 1), packet, member(w, 2)->number, p->len);
	site_datagrams(&s->site, 0, &p->from, packet, len, len, w->now);
	site_rx_end(&s->site, false);
	stamped++;
	return false;
}

static void test_relay_behind_itself(void **state)
{
	struct nat_world *w = three();
	const struct peer *hub = w->s[1].link[0]->peer;

	(void)state;
	stamped = 0;
	w->filter = wrap;
	peers_rekey(&w->s[1].site.peers, w->s[1].link[0]->peer, w->now);
	nat_run(w, SECONDS(40));
	assert_in_range(stamped, 1, 1000);
	assert_int_equal(hub->endpoint.addr.family, ADDR_IPV4);
	assert_int_equal(drops(w, 1, DROP_SOURCE), stamped);
	w->filter = only_relayed;
	nat_run(w, SECONDS(3));
	assert_true(nat_is(w, 0, 1, true));
	nat_free(w);
}

/* ---- reflection ---- */

#define CROWD 11

static unsigned at_victim, sent;

/* The last site is the victim. */
static bool count(struct nat_world *w, const struct nat_packet *p)
{
	at_victim += p->at == &w->s[w->n_sites - 1].host;
	sent += addr_equal(&p->from, &w->s[0].host.addr);
	return to_relays(w, p) && p->at != &w->s[w->n_sites - 1].host;
}

/* Ten sites, and a victim that none of them ever hears of. */
static struct nat_world *crowd(void)
{
	struct nat_world *w = nat_new(1);

	for (unsigned i = 0; i < CROWD; i++)
		nat_site_add(w, -1);
	w->s[CROWD - 1].host.dead = true;
	w->filter = count;
	for (unsigned i = 1; i < CROWD - 1; i++)
		assert_true(nat_until(w, 0, i, true, SECONDS(5)));
	nat_run(w, SECONDS(5));
	at_victim = 0;
	return w;
}

/* What all peers say, that they are at one address, costs that one little. */
static void test_one_victim(void **state)
{
	struct nat_world *w = crowd();
	uint64_t held = 0;

	(void)state;
	for (unsigned i = 1; i < CROWD - 1; i++)
		peers_set_local(&w->s[i].site.peers, &w->s[CROWD - 1].host.addr, 1, w->now);
	nat_run(w, SECONDS(60));
	/* Each of the ten sites on its own. */
	assert_in_range(at_victim, 100, 10 * (PEERS_PLACE_BURST + 60 * PEERS_PLACE_RATE + 1));
	for (unsigned i = 1; i < CROWD - 1; i++)
		held += w->s[0].peer[i]->drops.count[DROP_PLACE];
	assert_true(held > 50);
	nat_free(w);
}

/* A relay that sees a site elsewhere all the time does not make it talk. */
static void test_restless_notice(void **state)
{
	struct nat_world *w = crowd();
	struct peers *p = &w->s[0].site.peers;
	uint8_t body[WIRE_NOTICE_LEN] = { 0 };
	unsigned quiet;

	(void)state;
	nat_run(w, SECONDS(20));
	sent = 0;
	nat_run(w, SECONDS(20));
	quiet = sent;
	sent = 0;
	be32_put(body, p->link[0]->head);
	be32_put(body + 4, p->link[0]->own);
	body[10] = ADDR_IPV4;
	memcpy(body + 11, w->s[CROWD - 1].host.addr.ip, 4);
	for (unsigned i = 0; i < 2000; i++) {
		be16_put(body + 8, (uint16_t)(1024 + i));
		assert_true(peers_link_control(p, p->link[0]->peer, WIRE_NOTICE, body, sizeof(body),
					       w->now));
		nat_run(w, MS(10));
	}
	/* CANDIDATES once a second to nine peers, and what those bring with them. */
	assert_in_range(sent, 1, quiet + 20 * 9 * 3);
	nat_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrong_stamps),
		cmocka_unit_test(test_wrong_stamps_on_handshakes),
		cmocka_unit_test(test_unknown_stamps),
		cmocka_unit_test(test_relay_behind_itself),
		cmocka_unit_test(test_one_victim),
		cmocka_unit_test(test_restless_notice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
