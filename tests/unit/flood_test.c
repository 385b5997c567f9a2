/* SPDX-License-Identifier: MIT */
/* Flood keys by themselves, and broadcast between sites through real relays. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "unit/libnat.h"

#define A 0
#define B 1
#define C 2
#define D 3

static const struct instant start = { SECONDS(100) };

/* ---- keys by themselves ---- */

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

/* ---- sites and relays ---- */

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

	(void)state;
	nat_site_add(w, nat_add(w, NAT_SYMMETRIC, -1));
	for (unsigned i = 0; i < 1000; i++) {
		broadcast(w, A);
		nat_run(w, MS(4));
	}
	nat_run(w, MS(100));
	assert_true(all_hold(w));
	for (uint32_t n = first; n <= number; n++) {
		assert_int_equal(nat_got(w, B, n), 1);
		assert_int_equal(nat_got(w, C, n), 1);
		assert_int_equal(nat_got(w, D, n), n >= w->s[D].got[0]); /* no gap there either */
	}
	assert_true(w->s[D].got[0] < first + 300);
	assert_true(own(w, A)->sent > 500);
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
	uint64_t heard;

	(void)state;
	broadcast(w, A);
	nat_run(w, MS(100));
	heard = (uint64_t)w->s[B].peer[A]->timers.heard.us;
	assert_true(pack_control(&f->pack, WIRE_CLOSE, NULL, 0));
	assert_true(pack_control(&f->pack, WIRE_FLOOD_ASK, "abcd", 4));
	site_close(&w->s[A].site);
	nat_run(w, MS(100));
	for (unsigned i = B; i <= D; i++) {
		assert_true(peer_has_session(w->s[i].peer[A]));
		assert_true(drops(w, i, A, DROP_RECORD) == 2);
	}
	assert_true((uint64_t)w->s[B].peer[A]->timers.heard.us == heard);
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
	for (unsigned i = 0; i < 4; i++)
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
	broadcast(w, A);
	nat_run(w, MS(100));
	for (uint32_t n = first; n <= number; n++)
		assert_true(nat_got(w, B, n) <= 1);
	nat_free(w);
}

/* Sends nothing of what is under way under a hop that goes. */
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
		cmocka_unit_test(test_packet),
		cmocka_unit_test(test_context),
		cmocka_unit_test(test_known_context),
		cmocka_unit_test(test_two_keys_at_most),
		cmocka_unit_test(test_keys_end),
		cmocka_unit_test(test_handed_over_again),
		cmocka_unit_test(test_own_key),
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_known_packet),
		cmocka_unit_test(test_leaves_once),
		cmocka_unit_test(test_large_frame),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_direct_paths),
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
		cmocka_unit_test(test_hold_is_bounded),
		cmocka_unit_test(test_replayed),
		cmocka_unit_test(test_delayed),
		cmocka_unit_test(test_replayed_to_a_new_session),
		cmocka_unit_test(test_wrong_source),
		cmocka_unit_test(test_stranger),
		cmocka_unit_test(test_unicast_and_flood_do_not_mix),
		cmocka_unit_test(test_control_inside),
		cmocka_unit_test(test_two_relays),
		cmocka_unit_test(test_relay_restarts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
