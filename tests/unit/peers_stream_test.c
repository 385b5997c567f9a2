/* SPDX-License-Identifier: MIT */
/* Relays that are reached by a stream where no datagram passes, and the way back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "unit/libnat.h"

static bool udp_dead, udp_deaf; /* nothing passes; nothing comes from relays */
static unsigned at_udp;		/* datagrams that reached a relay by UDP */

static bool filter(struct nat_world *w, const struct nat_packet *packet)
{
	bool udp = packet->from.family != ADDR_STREAM;

	at_udp += udp && packet->at == &w->r[0].host && !udp_dead;
	return !udp || (!udp_dead && !(udp_deaf && packet->at != &w->r[0].host));
}

/* Two sites that no packet passes between, but through the relay. */
static struct nat_world *world(void)
{
	struct nat_world *w = nat_new(1);

	udp_dead = true;
	udp_deaf = false;
	w->filter = filter;
	for (unsigned i = 0; i < 2; i++)
		nat_site_add(w, nat_add(w, NAT_SYMMETRIC, -1));
	return w;
}

static struct peer *session(const struct nat_world *w, unsigned site)
{
	return w->s[site].link[0]->peer;
}

static void set_stream(struct nat_world *w, unsigned site, bool there)
{
	struct addr stream = nat_stream(site, 0);

	peers_set_stream(&w->s[site].site.peers, w->s[site].link[0], there ? &stream : NULL,
			 w->now);
}

static bool is_at(const struct nat_world *w, unsigned site, enum addr_family family)
{
	return peer_has_session(session(w, site)) &&
	       session(w, site)->endpoint.addr.family == family;
}

/* Where the relay has the site. */
static struct addr member_at(const struct nat_world *w, unsigned site)
{
	struct relay_member_view m;

	for (size_t at = 0; relay_next_member(w->r[0].relay, "nat", &at, &m);) {
		if (memcmp(m.public_key, w->s[site].site.self.public_key, KEX_KEY) == 0)
			return m.addr;
	}
	return (struct addr){ .family = ADDR_NONE };
}

static bool passes(struct nat_world *w, uint32_t number)
{
	nat_send(w, 0, 1, number);
	nat_send(w, 1, 0, number);
	nat_run(w, MS(100));
	return nat_got(w, 1, number) == 1 && nat_got(w, 0, number) == 1;
}

static struct nat_world *streamed(void)
{
	struct nat_world *w = world();

	nat_run(w, SECONDS(4));
	for (unsigned i = 0; i < 2; i++)
		set_stream(w, i, true);
	assert_true(nat_until(w, 0, 1, true, SECONDS(3)));
	return w;
}

static void test_by_stream(void **state)
{
	struct nat_world *w = world();

	(void)state;
	nat_run(w, SECONDS(5));
	assert_false(peer_has_session(session(w, 0)));
	set_stream(w, 0, true);
	nat_run(w, MS(200));
	assert_true(is_at(w, 0, ADDR_STREAM));
	assert_memory_equal(w->s[0].link[0]->mark, NAT_MARK, WIRE_STREAM_MARK);
	assert_int_equal(w->s[0].link[0]->observed.family, ADDR_NONE);
	set_stream(w, 1, true);
	assert_true(nat_until(w, 0, 1, true, SECONDS(2)));
	assert_true(passes(w, 1));
	nat_run(w, SECONDS(300)); /* keys are renewed on the way */
	assert_true(is_at(w, 0, ADDR_STREAM) && session(w, 0)->rekeys > 0);
	assert_true(passes(w, 2));
	nat_free(w);
}

static void test_back_to_udp(void **state)
{
	struct nat_world *w = streamed();
	uint64_t handshakes = w->s[0].peer[1]->handshakes;

	(void)state;
	udp_dead = false;
	nat_run(w, SECONDS(11));
	for (unsigned i = 0; i < 2; i++) {
		assert_true(is_at(w, i, ADDR_IPV4));
		assert_int_equal(member_at(w, i).family, ADDR_IPV4);
		assert_int_equal(w->s[i].link[0]->observed.family, ADDR_IPV4);
	}
	assert_true(passes(w, 1));
	for (unsigned i = 0; i < 60; i++) {
		nat_run(w, SECONDS(1));
		assert_true(is_at(w, 0, ADDR_IPV4));
	}
	assert_int_equal(w->s[0].peer[1]->handshakes, handshakes);
	nat_free(w);
}

/* With the stream still there. */
static void test_udp_fails_again(void **state)
{
	struct nat_world *w = streamed();
	uint64_t handshakes = w->s[0].peer[1]->handshakes;

	(void)state;
	udp_dead = false;
	nat_run(w, SECONDS(11));
	assert_true(is_at(w, 0, ADDR_IPV4));
	udp_dead = true;
	for (uint32_t i = 0; i < 30; i++) {
		nat_send(w, 0, 1, i);
		nat_run(w, MS(100));
	}
	assert_true(is_at(w, 0, ADDR_STREAM));
	nat_run(w, SECONDS(20));
	assert_true(passes(w, 100));
	assert_int_equal(w->s[0].peer[1]->handshakes, handshakes);
	nat_free(w);
}

static void test_stream_ends(void **state)
{
	struct nat_world *w = streamed();

	(void)state;
	set_stream(w, 0, false);
	nat_run(w, SECONDS(2));
	assert_false(is_at(w, 0, ADDR_STREAM));
	assert_false(passes(w, 1));
	set_stream(w, 0, true);
	nat_run(w, SECONDS(2));
	assert_true(is_at(w, 0, ADDR_STREAM));
	assert_true(passes(w, 2));
	udp_dead = false; /* and there is no other way any more */
	set_stream(w, 0, false);
	nat_run(w, SECONDS(2));
	assert_true(is_at(w, 0, ADDR_IPV4));
	assert_true(passes(w, 3));
	nat_free(w);
}

/* Datagrams reach the relay, and its own get lost: nothing moves. */
static void test_one_way(void **state)
{
	struct nat_world *w = streamed();

	(void)state;
	udp_dead = false;
	udp_deaf = true;
	at_udp = 0;
	for (uint32_t i = 0; i < 60; i++) {
		nat_run(w, SECONDS(1));
		assert_true(is_at(w, 0, ADDR_STREAM));
		assert_int_equal(member_at(w, 0).family, ADDR_STREAM);
		assert_true(passes(w, i));
	}
	assert_in_range(at_udp, 2, 40);
	nat_free(w);
}

static uint32_t drops(const struct nat_world *w, unsigned site, enum drop reason)
{
	return (uint32_t)w->s[site].site.peers.drops.count[reason];
}

/* A relay's stream brings what relays send, and nothing from sites directly. */
static void test_only_relays(void **state)
{
	struct nat_world *w = streamed();
	struct site *site = &w->s[1].site;
	struct addr from = nat_stream(1, 0);
	uint8_t packet[WIRE_INITIATION_LEN] = { WIRE_INITIATION };
	uint32_t before = drops(w, 1, DROP_KIND);

	(void)state;
	site_datagrams(site, 0, &from, packet, sizeof(packet), sizeof(packet), w->now);
	assert_int_equal(drops(w, 1, DROP_KIND), before + 1);

	before = drops(w, 1, DROP_INDEX);
	memset(packet, 0, sizeof(packet));
	packet[0] = WIRE_DATA;
	be32_put(packet + 4, w->s[1].peer[0]->keys.current->local_index);
	be64_put(packet + 8, 1000);
	site_datagrams(site, 0, &from, packet, 100, 100, w->now);
	assert_int_equal(drops(w, 1, DROP_INDEX), before + 1);
	nat_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_stream),
		cmocka_unit_test(test_back_to_udp),
		cmocka_unit_test(test_udp_fails_again),
		cmocka_unit_test(test_stream_ends),
		cmocka_unit_test(test_one_way),
		cmocka_unit_test(test_only_relays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
