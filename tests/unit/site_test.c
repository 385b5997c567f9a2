/* SPDX-License-Identifier: MIT */
/* A site as a whole: frames between ports and peers; and that it takes no
 * memory once it runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "sim/libsupers.h"
#include "unit/libpair.h"

static const struct pair_setup usual[PAIR_SITES] = { { 0 }, { 0 }, { 0 } };

static struct pair *connected(unsigned n)
{
	struct pair *p = pair_new(n, usual);

	pair_run(p, SECONDS(3));
	for (unsigned a = 0; a < n; a++) {
		for (unsigned b = a + 1; b < n; b++)
			assert_true(pair_connected(p, a, b));
	}
	return p;
}

static void test_flood_then_unicast(void **state)
{
	struct pair *p = connected(3);

	(void)state;
	pair_send(p, 0, 1, 1, 100); /* nobody knows host 1: to all */
	pair_run(p, MS(50));
	assert_int_equal(pair_got(p, 1, 1), 1);
	assert_int_equal(pair_got(p, 2, 1), 1);
	pair_send(p, 1, 0, 2, 100); /* host 0 is known */
	pair_run(p, MS(50));
	assert_int_equal(pair_got(p, 0, 2), 1);
	assert_int_equal(pair_got(p, 2, 2), 0);
	pair_send(p, 0, 1, 3, 100);
	pair_run(p, MS(50));
	assert_int_equal(pair_got(p, 1, 3), 1);
	assert_int_equal(pair_got(p, 2, 3), 0);
	pair_send(p, 2, 2, 4, 100); /* to everybody */
	pair_run(p, MS(50));
	assert_int_equal(pair_got(p, 0, 4), 1);
	assert_int_equal(pair_got(p, 1, 4), 1);
	assert_int_equal(pair_got(p, 2, 4), 0);
	pair_free(p);
}

/* What came from a peer never goes to a peer: copies would go round for ever. */
static void test_split_horizon(void **state)
{
	struct pair *p = connected(3);
	unsigned before;

	(void)state;
	pair_send(p, 1, 1, 1, 100); /* all learn where host 1 is */
	pair_run(p, MS(50));
	pair_forget(p);
	p->cut = true;
	pair_send(p, 2, 1, 2, 100);
	p->cut = false;
	/* The same frame comes to site 0 by mistake: it goes nowhere. */
	before = p->kinds[WIRE_DATA];
	p->s[2].peer[0]->owner->pending(p->s[2].peer[0]->owner->ctx, p->s[2].peer[0]);
	pack_frame(&p->s[2].peer[0]->pack,
		   (const uint8_t[]){ 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5, 0, 0, 0, 2 },
		   18, &(struct vnet){ 0 });
	site_close(&p->s[2].site);
	pair_run(p, MS(50));
	assert_int_equal(pair_drops(p, 0, DROP_HORIZON), 1);
	assert_int_equal(pair_got(p, 0, 2) + pair_got(p, 1, 2), 0);
	assert_true(p->kinds[WIRE_DATA] > before);
	pair_free(p);
}

static void give(struct pair *p, const uint8_t *bytes, size_t len, const struct vnet *vnet)
{
	uint8_t *frame = malloc(SITE_HEADROOM + len);

	if (len)
		memcpy(frame + SITE_HEADROOM, bytes, len);
	site_frame(&p->s[0].site, 0, frame + SITE_HEADROOM, len, vnet, p->now);
	free(frame);
	site_close(&p->s[0].site);
}

static void test_frames_of_no_sense(void **state)
{
	struct pair *p = connected(2);
	const uint64_t *drops = p->s[0].port.drops.count;
	static uint8_t frame[WIRE_FRAME_MAX + 1] = {
		2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 7, 0x88, 0xb5
	};
	const struct vnet plain = { 0 }, outside = { .flags = VNET_F_NEEDS_CSUM, .csum_start = 99 };
	const struct vnet super = { .flags = VNET_F_NEEDS_CSUM, .gso_type = 1, .gso_size = 100 };

	(void)state;
	give(p, frame, 0, &plain);
	give(p, frame, 13, &plain);
	assert_int_equal(drops[DROP_RUNT], 2);
	give(p, frame, sizeof(frame), &plain);
	assert_int_equal(drops[DROP_OVERSIZE], 1);
	give(p, frame, 100, &outside);
	give(p, frame, 1000, &super);
	assert_int_equal(drops[DROP_OFFLOAD], 2);
	memcpy(frame, (uint8_t[]){ 1, 0x80, 0xc2, 0, 0, 0 }, 6);
	give(p, frame, 60, &plain);
	assert_int_equal(drops[DROP_RESERVED], 1);
	pair_run(p, MS(50));
	assert_int_equal(p->s[1].n_frames, 0);
	frame[5] = 0x10; /* no more reserved */
	give(p, frame, sizeof(frame) - 1, &plain);
	pair_run(p, MS(50));
	assert_int_equal(p->s[1].n_frames, 1);
	assert_int_equal(p->s[1].frames[0].len, WIRE_FRAME_MAX);
	assert_memory_equal(p->s[1].frames[0].data, frame, WIRE_FRAME_MAX);
	assert_int_equal(p->s[0].port.rx.frames, 7);
	pair_free(p);
}

static void test_reserved_pass(void **state)
{
	struct pair *p = connected(2);
	uint8_t frame[60] = { 1, 0x80, 0xc2, 0, 0, 2, 2, 0, 0, 0, 0, 7, 0x88, 9 };

	(void)state;
	p->s[0].port.reserved_pass = true;
	give(p, frame, sizeof(frame), &(struct vnet){ 0 });
	pair_run(p, MS(50));
	assert_int_equal(p->s[1].n_frames, 0);
	assert_int_equal(pair_drops(p, 1, DROP_RESERVED), 1); /* both ways */
	p->s[1].port.reserved_pass = true;
	give(p, frame, sizeof(frame), &(struct vnet){ 0 });
	pair_run(p, MS(50));
	assert_int_equal(p->s[1].n_frames, 1);
	pair_free(p);
}

static void test_local_ports(void **state)
{
	struct pair *p = connected(2);
	struct port second;
	struct pair_site *s = &p->s[0];
	uint8_t to_second[60] = { 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 0, 0x88, 0xb5 };
	uint8_t to_first[60] = { 2, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 9, 0x88, 0xb5 };
	size_t before;

	(void)state;
	assert_true(port_init(&second, "lab", s->port.write, s->port.ctx));
	second.up = true;
	assert_int_equal(site_add_port(&s->site, &second), 1);
	give(p, to_second, 60, &(struct vnet){ 0 }); /* flooded: to the peer and the other port */
	assert_int_equal(second.tx.frames, 1);
	pair_run(p, MS(50));
	assert_int_equal(p->s[1].n_frames, 1);
	site_frame(&s->site, 1, to_first, 60, &(struct vnet){ 0 }, p->now);
	site_close(&s->site);
	assert_int_equal(s->port.tx.frames, 1);
	before = p->s[1].n_frames;
	give(p, to_second, 60, &(struct vnet){ 0 });
	pair_run(p, MS(50));
	assert_int_equal(second.tx.frames, 2);
	assert_int_equal(p->s[1].n_frames, before); /* known by now: not for the peer */
	give(p, to_first, 60,
	     &(struct vnet){ 0 }); /* its own address comes in elsewhere: it moved */
	second.up = false;
	memset(to_second, 0xff, 6);
	give(p, to_second, 60, &(struct vnet){ 0 });
	assert_int_equal(second.drops.count[DROP_PORT_DOWN], 1);
	site_remove_port(&s->site, 1);
	port_free(&second);
	pair_free(p);
}

static void test_no_more_than_64_ports(void **state)
{
	struct pair *p = pair_new(1, usual);

	(void)state;
	for (int i = 1; i < SWITCH_LOCALS; i++)
		assert_int_equal(site_add_port(&p->s[0].site, &p->s[0].port), i);
	assert_int_equal(site_add_port(&p->s[0].site, &p->s[0].port), -1);
	pair_free(p);
}

/* A peer that goes down is forgotten by the switch: its hosts may be elsewhere. */
static void test_down_forgets_addresses(void **state)
{
	struct pair *p = connected(3);

	(void)state;
	pair_send(p, 1, 1, 1, 100);
	pair_run(p, MS(50));
	assert_int_equal(p->s[0].site.switching.fdb.used, 1);
	peers_disconnect(&p->s[0].site.peers, p->s[0].peer[1], p->now);
	assert_int_equal(p->s[0].site.switching.fdb.used, 0);
	pair_send(p, 0, 1, 2, 100); /* so it is flooded to who is left, and who knows better */
	pair_run(p, MS(50));
	assert_int_equal(p->s[0].peer[2]->tx.frames, 1);
	assert_int_equal(pair_drops(p, 2, DROP_HORIZON), 1);
	pair_free(p);
}

/* Nothing is lost without a count: a flood that reaches nobody is one. */
static void test_flood_to_nobody_is_counted(void **state)
{
	struct pair *p = connected(2);
	const uint64_t *lost = &p->s[0].port.drops.count[DROP_NO_SESSION];

	(void)state;
	pair_send(p, 0, 0, 1, 100);
	assert_int_equal(*lost, 0);
	site_goodbye(&p->s[0].site, p->now);
	pair_send(p, 0, 0, 2, 100);
	assert_int_equal(*lost, 1);
	pair_free(p);
}

/* Nobody is there who could miss it. */
static void test_flood_without_peers_is_no_loss(void **state)
{
	struct pair *p = connected(1);

	(void)state;
	pair_send(p, 0, 0, 1, 100);
	assert_int_equal(p->s[0].port.drops.count[DROP_NO_SESSION], 0);
	pair_free(p);
}

static void test_addresses_age(void **state)
{
	struct pair *p = connected(2);

	(void)state;
	pair_send(p, 0, 0, 1, 100);
	pair_run(p, SECONDS(1));
	assert_int_equal(p->s[1].site.switching.fdb.used, 1);
	pair_run(p, SECONDS(320));
	assert_int_equal(p->s[1].site.switching.fdb.used, 0);
	pair_free(p);
}

/* ---- no memory once it runs ---- */

static volatile bool counting;
static volatile unsigned long allocations;

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

#ifdef SANITIZED
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
					      void (*on_free)(const volatile void *));

static void on_malloc(const volatile void *p, size_t n)
{
	(void)p;
	(void)n;
	allocations = allocations + counting;
}

static void on_free(const volatile void *p)
{
	(void)p;
	allocations = allocations + counting;
}

static void count_allocations(void)
{
	assert_true(__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free));
}
#else
/* Ours stand before the library's, for every caller in the process. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void __libc_free(void *p);

void *malloc(size_t n)
{
	allocations = allocations + counting;
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	allocations = allocations + counting;
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	allocations = allocations + counting;
	return __libc_realloc(p, n);
}

void free(void *p)
{
	allocations = allocations + counting;
	__libc_free(p);
}

static void count_allocations(void)
{
}
#endif

/* A wire without a heap: what one site sent, for the other. */
struct wire {
	uint8_t bytes[OUTBOX_RUNS * RUN_BYTES];
	size_t n;
	struct {
		size_t at, len, segment;
	} message[4 * OUTBOX_RUNS];
	size_t used;
};

static struct wire wires[2];
static uint64_t came[2];

static void wire_send(void *ctx, struct run **runs, size_t n)
{
	struct wire *w = ctx;

	for (size_t i = 0; i < n; i++) {
		assert_true(w->n < COUNT_OF(w->message));
		assert_true(w->used + runs[i]->len <= sizeof(w->bytes));
		w->message[w->n].at = w->used;
		w->message[w->n].len = runs[i]->len;
		w->message[w->n++].segment = runs[i]->segment;
		memcpy(w->bytes + w->used, runs[i]->data, runs[i]->len);
		w->used += runs[i]->len;
	}
}

static int count_write(void *ctx, const struct vnet *vnet, struct iovec *iov, size_t n)
{
	(void)vnet;
	(void)iov;
	(void)n;
	++*(uint64_t *)ctx;
	return 0;
}

static void carry(struct pair *p, unsigned from)
{
	struct wire *w = &wires[from];
	struct site *to = &p->s[!from].site;

	for (size_t i = 0; i < w->n; i++)
		site_datagrams(to, 0, &p->s[from].addr, w->bytes + w->message[i].at,
			       w->message[i].len, w->message[i].segment, p->now);
	w->n = w->used = 0;
	site_rx_end(to, false);
	site_close(to);
}

static void send_batch(struct pair *p, unsigned from, const struct super *s)
{
	static uint8_t buffer[SITE_HEADROOM + SUPERFRAME_MAX];
	uint8_t *frame = buffer + SITE_HEADROOM;
	const struct vnet plain = { 0 };

	for (unsigned i = 0; i < 20; i++) {
		memset(frame, (int)i, 1514);
		memcpy(frame,
		       (uint8_t[]){ 2, 0, 0, 0, 0, (uint8_t)!from, 2, 0, 0, 0, 0, (uint8_t)from },
		       12);
		site_frame(&p->s[from].site, 0, frame, 60 + i * 70, &plain, p->now);
	}
	memcpy(frame, s->bytes, s->len);
	site_frame(&p->s[from].site, 0, frame, s->len, &s->vnet, p->now);
	site_close(&p->s[from].site);
	carry(p, from);
}

static void test_no_allocation_while_frames_pass(void **state)
{
	struct pair *p = connected(2);
	void *volatile something;
	struct super s[2];

	(void)state;
	count_allocations();
	for (unsigned i = 0; i < 2; i++) {
		uint8_t to[6] = { 2, 0, 0, 0, 0, (uint8_t)!i },
			from[6] = { 2, 0, 0, 0, 0, (uint8_t)i };

		assert_true(super_make(&s[i], i, i ? 0x700 : 0, 30000, to, from));
		p->s[i].site.outbox.send = wire_send;
		p->s[i].site.outbox.ctx = &wires[i];
		p->s[i].port.write = count_write;
		p->s[i].port.ctx = &came[i];
	}
	p->s[1].port.can = 0; /* and it is cut and summed on one side */
	came[0] = came[1] = 0;
	counting = true;
	for (unsigned round = 0; round < 5000; round++) {
		p->now = instant_add(p->now, MS(10));
		for (unsigned i = 0; i < 2; i++) {
			send_batch(p, i, &s[i]);
			site_tick(&p->s[i].site, p->now);
			carry(p, 0);
			carry(p, 1);
		}
	}
	counting = false;
	assert_int_equal(allocations, 0);
	assert_in_range(came[0], 5000 * 21, 5000 * 21);
	assert_true(came[1] > 5000 * 21);
	counting = true;
	something = malloc(10);
	free(something);
	counting = false;
	assert_true(allocations >= 2); /* it does count */
	super_free(&s[0]);
	super_free(&s[1]);
	pair_free(p);
}

/* Frames that worker `lane` of site 0 brings, what it takes along, and what arrives. */
static unsigned work(struct pair *p, uint8_t lane, unsigned n, struct run *runs[OUTBOX_AWAY])
{
	uint8_t buffer[SITE_HEADROOM + 1000], *frame = buffer + SITE_HEADROOM;
	const struct vnet plain = { 0 };

	memset(frame, 0, 1000);
	memcpy(frame, (uint8_t[]){ 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0x88, 0xb5 }, 14);
	be32_put(frame + 14, n);
	p->s[0].site.outbox.lane = lane;
	site_frame(&p->s[0].site, 0, frame, 1000, &plain, p->now);
	return site_collect(&p->s[0].site, runs);
}

static void arrive(struct pair *p, struct run **runs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct pair_packet packet = { .data = runs[i]->data,
					      .len = runs[i]->len,
					      .from = p->s[0].addr,
					      .to = p->s[1].addr };

		assert_int_equal(runs[i]->count, 1);
		pair_inject(p, &packet);
	}
	site_sent(&p->s[0].site, runs, n);
}

/* Two workers take turns: each has its lane, and one that is slow with sending
 * disturbs nobody. */
static void test_workers_take_turns(void **state)
{
	struct run *mine[OUTBOX_AWAY], *others[OUTBOX_AWAY];
	struct pair *p = connected(2);
	unsigned idle, n;

	(void)state;
	pair_send(p, 1, 0, 1, 100); /* site 0 learns where host 1 is */
	pair_run(p, SECONDS(1));
	idle = p->s[0].site.outbox.n_idle;
	n = work(p, 2, 7, mine);
	assert_int_equal(n, 1);
	assert_int_equal(mine[0]->data[WIRE_LANE], 2);
	assert_int_equal(pair_got(p, 1, 7), 0);
	assert_int_equal(work(p, 1, 8, others), 1);
	assert_int_equal(others[0]->data[WIRE_LANE], 1);
	arrive(p, others, 1);
	arrive(p, mine, n);
	assert_int_equal(pair_got(p, 1, 8), 1);
	assert_int_equal(pair_got(p, 1, 7), 1);
	assert_int_equal(p->s[0].site.outbox.n_idle, idle);
	pair_free(p);
}

/* The kernel's word that a datagram is too large comes back with the run. */
static void test_error_comes_back_with_the_run(void **state)
{
	struct run *runs[OUTBOX_AWAY];
	struct pair *p = connected(2);
	struct peer *peer = p->s[0].peer[1];

	(void)state;
	pair_send(p, 1, 0, 1, 100);
	pair_run(p, SECONDS(1));
	assert_int_equal(work(p, 0, 7, runs), 1);
	assert_false(peer->path_shrunk);
	runs[0]->error = PEERS_TOO_BIG;
	site_sent(&p->s[0].site, runs, 1);
	assert_true(peer->path_shrunk);
	assert_int_equal(peer->drops.count[DROP_TOO_BIG], 1);
	assert_true(instant_reached(p->now, site_due(&p->s[0].site)));
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flood_then_unicast),
		cmocka_unit_test(test_split_horizon),
		cmocka_unit_test(test_frames_of_no_sense),
		cmocka_unit_test(test_reserved_pass),
		cmocka_unit_test(test_local_ports),
		cmocka_unit_test(test_no_more_than_64_ports),
		cmocka_unit_test(test_down_forgets_addresses),
		cmocka_unit_test(test_flood_to_nobody_is_counted),
		cmocka_unit_test(test_flood_without_peers_is_no_loss),
		cmocka_unit_test(test_addresses_age),
		cmocka_unit_test(test_workers_take_turns),
		cmocka_unit_test(test_error_comes_back_with_the_run),
		cmocka_unit_test(test_no_allocation_while_frames_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
