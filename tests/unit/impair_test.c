/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/impair.h"
#include "sim/libsupers.h"

#define KEPT 200000
#define START SECONDS(1000)

/* ---- memory that is counted, and may be short ---- */

/* Taken, here and by frames; that are there, of a slab's size. */
static unsigned pieces, pieces_for_frames, pieces_left = UINT32_MAX;

#define SLAB ((size_t)1 << 20)

void *malloc(size_t size)
{
	static void *(*real)(size_t);

	if (!real)
		real = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
	pieces++;
	if (size >= SLAB && pieces_left-- == 0)
		return NULL;
	return real(size);
}

/* A line, and what came out at its end: when, and which. */
struct end {
	struct impair *line;
	struct rand_seeded rand;
	struct instant now;
	unsigned n;
	uint32_t number[KEPT];
	int64_t at[KEPT];
	unsigned damaged;
	const uint8_t *like; /* what comes is held against it */
	size_t like_len;
};

static struct end end;

static uint8_t pattern(uint32_t number, size_t i)
{
	return (uint8_t)((size_t)number * 7 + i);
}

static void note(void *ctx, struct frame *frame)
{
	uint8_t bytes[SUPERFRAME_MAX];
	struct end *e = ctx;
	size_t len = 0;
	unsigned bits = 0;

	assert_true(e->n < KEPT);
	assert_true(frame->n >= 2 && frame->iov[1].iov_len >= MIN(frame->len, SUPERFRAME_HEADERS));
	for (unsigned i = 1; i < frame->n; len += frame->iov[i++].iov_len)
		memcpy(bytes + len, frame->iov[i].iov_base, frame->iov[i].iov_len);
	assert_int_equal(len, frame->len);
	frame->iov[0].iov_len = 10; /* it is ours */
	memset(frame->iov[1].iov_base, 0xee, frame->iov[1].iov_len);
	e->at[e->n] = e->now.us;
	e->number[e->n++] = be32_get(bytes);
	if (e->like) {
		assert_int_equal(len, e->like_len);
		assert_memory_equal(bytes, e->like, len);
		return;
	}
	for (size_t i = 4; i < len; i++)
		bits += (unsigned)__builtin_popcount(bytes[i] ^ pattern(be32_get(bytes), i));
	e->damaged += bits > 0;
}

static void begin(const struct impair_setup *wanted)
{
	struct impair_setup setup = *wanted;
	struct rand_source rand;

	if (!setup.limit)
		setup.limit = 32 << 20; /* sanitizers are slow with more */

	memset(&end, 0, sizeof(end));
	rand = rand_source_seeded(&end.rand, 42);
	end.now.us = START;
	end.line = impair_new(&setup, &rand, note, &end, end.now);
	assert_non_null(end.line);
}

static const struct impair_counts *counts(void)
{
	return impair_counts(end.line);
}

/* In two pieces. */
static void send(uint32_t number, size_t len)
{
	uint8_t *bytes = malloc(len);
	size_t half = len < 500 ? len : MAX(len / 2, 224);
	struct iovec iov[3] = { { 0 }, { bytes, half }, { bytes + half, len - half } };

	for (size_t i = 4; i < len; i++)
		bytes[i] = pattern(number, i);
	be32_put(bytes, number);
	pieces_for_frames -= pieces;
	impair_take(end.line, &(struct vnet){ 0 }, iov, half < len ? 3 : 2, len, end.now);
	pieces_for_frames += pieces;
	free(bytes);
}

/* Lets time pass, as its owner would: comes when it is due and not before. */
static void pass_time(int64_t us)
{
	struct instant until = instant_add(end.now, us);

	while (!instant_before(until, impair_due(end.line))) {
		assert_false(instant_before(impair_due(end.line), end.now));
		end.now = impair_due(end.line);
		impair_tick(end.line, end.now);
	}
	end.now = until;
}

static void finish(void)
{
	impair_free(end.line);
}

/* n frames, one each 100 us; what came of them. */
static void stream(const struct impair_setup *setup, unsigned n)
{
	begin(setup);
	for (unsigned i = 0; i < n; i++) {
		send(i, 100);
		pass_time(100);
	}
	pass_time(SECONDS(1));
}

static void test_nothing_set(void **state)
{
	const struct impair_setup none = { 0 };

	(void)state;
	assert_true(impair_is_none(&none));
	begin(&none);
	for (unsigned i = 0; i < 10; i++)
		send(i, 60 + i * 900);
	assert_int_equal(end.n, 10); /* at once */
	assert_int_equal(end.damaged, 0);
	assert_int_equal(counts()->passed, 10);
	assert_int_equal(counts()->held, 0);
	assert_int_equal(impair_due(end.line).us, INSTANT_NEVER.us);
	finish();
}

static void test_cut(void **state)
{
	(void)state;
	stream(&(struct impair_setup){ .cut = true }, 100);
	assert_int_equal(end.n, 0);
	assert_int_equal(counts()->lost, 100);
	assert_false(impair_wants_single(end.line));
	finish();
}

/* Each comes once its delay is over, within a tick, whatever the time of day. */
static void test_delay(void **state)
{
	static const int64_t delays[] = { 1,	    99,		100,	    101,	   25600, 25601,
					  MS(100), SECONDS(7), SECONDS(60) };

	(void)state;
	for (size_t k = 0; k < COUNT_OF(delays); k++) {
		begin(&(struct impair_setup){ .delay = delays[k] });
		for (unsigned i = 0; i < 3000; i++) {
			send(i, 60 + i % 3 * 3000);
			pass_time(37 + (i % 100 == 0) * 30000);
		}
		pass_time(delays[k] + IMPAIR_TICK);
		assert_int_equal(end.n, 3000);
		assert_int_equal(counts()->frames, 0);
		assert_int_equal(counts()->held, 0);
		assert_int_equal(end.damaged, 0);
		for (unsigned i = 0, sent = 0; i < 3000; i++) {
			int64_t late = end.at[i] - START - sent - delays[k];

			assert_int_equal(end.number[i], i);
			assert_in_range(late, 0, IMPAIR_TICK - 1);
			sent += 37 + (i % 100 == 0) * 30000;
		}
		finish();
	}
}

/* It asks for little more than one call a frame. */
static void test_due_is_not_now(void **state)
{
	unsigned calls = 0;

	(void)state;
	begin(&(struct impair_setup){ .delay = SECONDS(30) });
	send(1, 100);
	while (end.n == 0) {
		assert_true(instant_before(end.now, impair_due(end.line)));
		end.now = impair_due(end.line);
		impair_tick(end.line, end.now);
		calls++;
	}
	assert_in_range(calls, 1, 4);
	finish();
}

static void test_jitter(void **state)
{
	unsigned least = 0, most = 0, out_of_order = 0;
	int64_t sum = 0;

	(void)state;
	stream(&(struct impair_setup){ .delay = MS(10), .jitter = MS(4) }, 20000);
	assert_int_equal(end.n, 20000);
	for (unsigned i = 0; i < end.n; i++) {
		int64_t took = end.at[i] - START - (int64_t)end.number[i] * 100;

		assert_in_range(took, MS(6), MS(14) + IMPAIR_TICK);
		sum += took;
		least += took < MS(7);
		most += took > MS(13);
		out_of_order += i > 0 && end.number[i] < end.number[i - 1];
	}
	assert_in_range(sum / 20000, MS(10) - 50, MS(10) + 150);
	assert_in_range(least, 2200, 2800); /* an eighth each */
	assert_in_range(most, 2200, 2800);
	assert_true(out_of_order > 1000);
	finish();
}

static void test_loss(void **state)
{
	(void)state;
	stream(&(struct impair_setup){ .loss = 10000 }, 100000);
	assert_in_range(counts()->lost, 900, 1100);
	assert_int_equal(counts()->lost + end.n, 100000);
	assert_true(impair_wants_single(end.line));
	finish();
	stream(&(struct impair_setup){ .loss = IMPAIR_MILLION }, 1000);
	assert_int_equal(end.n, 0);
	finish();
}

/* Share lost, and mean length of a run, in hundredths. */
static void runs_of(uint32_t loss, uint32_t burst, unsigned *share, unsigned *mean)
{
	unsigned runs = 0, next = 0;

	stream(&(struct impair_setup){ .loss = loss, .burst = burst }, 100000);
	for (unsigned i = 0; i < end.n; i++) {
		runs += end.number[i] != next;
		next = end.number[i] + 1;
	}
	*share = (unsigned)counts()->lost / 10;
	*mean = runs ? (unsigned)counts()->lost * 100 / runs : 0;
	finish();
}

static void test_bursts(void **state)
{
	unsigned share, mean;

	(void)state;
	runs_of(50000, 1, &share, &mean);
	assert_in_range(share, 475, 525);
	assert_in_range(mean, 100, 110);
	runs_of(50000, 5, &share, &mean);
	assert_in_range(share, 450, 550);
	assert_in_range(mean, 470, 530);
	runs_of(100000, 20, &share, &mean);
	assert_in_range(share, 800, 1200);
	assert_in_range(mean, 1700, 2300);
	runs_of(900000, 3, &share, &mean); /* runs of 9 in the mean, or it could not be so much */
	assert_in_range(share, 8900, 9100);
	assert_in_range(mean, 850, 950);
	runs_of(IMPAIR_MILLION, 3, &share, &mean);
	assert_int_equal(share, 10000);
}

static void test_duplicates(void **state)
{
	unsigned twice = 0;

	(void)state;
	stream(&(struct impair_setup){ .duplicate = 100000, .delay = MS(1) }, 10000);
	for (unsigned i = 1; i < end.n; i++)
		twice += end.number[i] == end.number[i - 1];
	assert_in_range(twice, 900, 1100);
	assert_int_equal(end.n, 10000 + twice);
	assert_int_equal(counts()->duplicated, twice);
	assert_int_equal(counts()->passed, end.n);
	finish();
}

/* One bit each. */
static void test_corruption(void **state)
{
	(void)state;
	stream(&(struct impair_setup){ .corrupt = 200000 }, 10000);
	assert_int_equal(end.n, 10000);
	assert_in_range(counts()->corrupted, 1850, 2150);
	/* In the number itself the test does not see it as one. */
	assert_in_range(end.damaged, counts()->corrupted * 90 / 100, counts()->corrupted);
	finish();
}

static struct vnet handed;
static uint8_t handed_bytes[WIRE_FRAME_MAX];
static size_t handed_len;

static void keep(void *ctx, struct frame *frame)
{
	(void)ctx;
	handed = frame->vnet;
	handed_len = 0;
	for (unsigned i = 1; i < frame->n; handed_len += frame->iov[i++].iov_len)
		memcpy(handed_bytes + handed_len, frame->iov[i].iov_base, frame->iov[i].iov_len);
}

static unsigned bits_between(const uint8_t *a, const uint8_t *b, size_t len)
{
	unsigned bits = 0;

	for (size_t i = 0; i < len; i++)
		bits += (unsigned)__builtin_popcount(a[i] ^ b[i]);
	return bits;
}

/* A sum that was left to the device must not come out right after the damage: it is made
 * before, and one bit is other. */
static void test_damage_is_not_mended(void **state)
{
	static const uint8_t to[6] = { 2, 1 }, from[6] = { 2, 2 };
	const struct impair_setup setup = { .corrupt = IMPAIR_MILLION };
	struct superframe_layout layout;
	struct superframe_cut cut;
	struct rand_seeded seeded;
	struct rand_source rand = rand_source_seeded(&seeded, 5);
	struct impair *line = impair_new(&setup, &rand, keep, NULL, (struct instant){ START });
	uint8_t piece[WIRE_FRAME_MAX], whole[WIRE_FRAME_MAX];
	struct iovec iov[2] = { { 0 }, { piece, 0 } };
	struct super s;
	struct vnet vnet;
	unsigned wrong = 0, all = 0;

	(void)state;
	assert_true(super_make(&s, 3, 0, 60000, to, from));
	assert_true(superframe_valid(s.bytes, s.len, s.len, &s.vnet, &layout));
	superframe_cut_begin(&cut, s.bytes, s.len, &s.vnet, &layout, false);
	while ((iov[1].iov_len = superframe_cut_next(&cut, piece, sizeof(piece), &vnet))) {
		assert_true(vnet.flags & VNET_F_NEEDS_CSUM);
		impair_take(line, &vnet, iov, 2, iov[1].iov_len, (struct instant){ START });
		assert_int_equal(handed.flags, 0);
		assert_int_equal(handed_len, iov[1].iov_len);
		memcpy(whole, piece, handed_len);
		superframe_checksum(whole, handed_len, &vnet);
		assert_int_equal(bits_between(whole, handed_bytes, handed_len), 1);
		assert_true(superframe_layout(handed_bytes, handed_len, &layout));
		all++;
		wrong += layout.proto != (s.udp ? 17 : 6) ||
			 !superframe_sum_good(handed_bytes, handed_len, &layout);
	}
	assert_true(all > 20);
	assert_in_range(wrong, all * 9 / 10, all); /* but for Ethernet's and part of IP's header */
	super_free(&s);
	impair_free(line);
}

static void test_reordering(void **state)
{
	unsigned early = 0;

	(void)state;
	stream(&(struct impair_setup){ .delay = MS(5), .reorder = 50000 }, 20000);
	assert_int_equal(end.n, 20000);
	assert_in_range(counts()->reordered, 900, 1100);
	for (unsigned i = 0; i < end.n; i++) {
		int64_t took = end.at[i] - START - (int64_t)end.number[i] * 100;

		early += took == 0;
		assert_true(took == 0 || took >= MS(5));
	}
	assert_int_equal(early, counts()->reordered);
	finish();
}

static void test_rate(void **state)
{
	(void)state;
	begin(&(struct impair_setup){ .rate = 8000000 }); /* 1000 bytes a millisecond */
	for (unsigned i = 0; i < 100; i++)
		send(i, 1000);
	pass_time(MS(50));
	assert_int_equal(end.n, 50);
	pass_time(MS(60));
	assert_int_equal(end.n, 100);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(end.number[i], i);
		assert_in_range(end.at[i], START + MS(i + 1), START + MS(i + 1) + IMPAIR_TICK);
	}
	send(100, 100); /* the line was idle: nothing is saved up */
	pass_time(MS(1));
	assert_int_equal(end.at[100], START + MS(110) + 100);
	finish();
	/* Lengths count, and parts of a microsecond are not lost. */
	begin(&(struct impair_setup){ .rate = UINT64_C(10000000000), .limit = 256 << 20 });
	for (unsigned i = 0; i < 125000; i++)
		send(i, 100);
	pass_time(MS(11));
	assert_in_range(end.at[end.n - 1], START + MS(10), START + MS(10) + IMPAIR_TICK);
	finish();
}

/* What is held is bounded, in bytes and in time; the rest is lost at the end of the queue. */
static void test_limit(void **state)
{
	(void)state;
	begin(&(struct impair_setup){ .delay = MS(10), .limit = 20480 });
	for (unsigned i = 0; i < 20; i++)
		send(i, 1000);
	assert_int_equal(counts()->frames, 10);
	assert_int_equal(counts()->held, 20480);
	assert_int_equal(counts()->overflowed, 10);
	pass_time(MS(11));
	assert_int_equal(end.n, 10);
	assert_int_equal(end.number[9], 9);
	for (unsigned i = 0; i < 100; i++)
		send(i, 60); /* small ones take less */
	assert_int_equal(counts()->frames, 80);
	pass_time(MS(11));
	send(7, 9000);
	assert_int_equal(counts()->held, 5 * 2048);
	finish();
	begin(&(struct impair_setup){ .rate = 8 });
	for (unsigned i = 0; i < 20; i++)
		send(i, 100);
	assert_int_equal(counts()->frames, 6); /* 100 s each, 600 s at most */
	finish();
	begin(&(struct impair_setup){ .delay = MS(10), .limit = IMPAIR_LIMIT_MIN });
	send(1, 60000);
	assert_int_equal(counts()->overflowed, 1);
	finish();
}

/* Memory is taken when the line is set, and never for a frame. */
static void test_no_allocation(void **state)
{
	(void)state;
	begin(&(struct impair_setup){ .loss = 10 });
	assert_int_equal(counts()->memory, 0);
	finish();
	begin(&(struct impair_setup){ .delay = MS(10), .limit = 8 << 20 });
	assert_int_equal(counts()->memory, 9 * SLAB);
	pieces_for_frames = 0;
	for (unsigned i = 0; i < 3000; i++)
		send(i, i % 2 ? 60 : 9000);
	assert_true(counts()->held > 6 << 20);
	pass_time(MS(11));
	assert_int_equal(end.n + counts()->overflowed, 3000);
	assert_int_equal(pieces_for_frames, 0);
	finish();
}

/* A line that there is no memory for is not set, and one that is stays as it was. */
static void test_memory_is_short(void **state)
{
	const struct impair_setup large = { .delay = MS(20), .limit = 8 << 20 };
	struct rand_source rand = rand_source_seeded(&end.rand, 42);

	(void)state;
	pieces_left = 5;
	assert_null(impair_new(&large, &rand, note, &end, end.now));
	pieces_left = UINT32_MAX;
	begin(&(struct impair_setup){ .delay = MS(10), .limit = 2 << 20 });
	send(1, 100);
	pieces_left = 5;
	assert_false(impair_change(end.line, &large, end.now));
	pieces_left = UINT32_MAX;
	assert_int_equal(impair_setup(end.line)->delay, MS(10));
	assert_int_equal(counts()->memory, 3 * SLAB);
	pass_time(MS(11));
	assert_int_equal(end.n, 1);
	assert_true(impair_change(end.line, &large, end.now));
	assert_int_equal(counts()->memory, 9 * SLAB);
	finish();
}

/* So is the memory, whatever lengths come one after the other; what a lower limit does not
 * allow goes when it is empty. */
static void test_limit_of_memory(void **state)
{
	enum { LIMIT = 4 << 20 };
	const struct impair_setup large = { .delay = MS(10), .limit = LIMIT },
				  little = { .delay = MS(10), .limit = LIMIT / 4 };

	(void)state;
	begin(&large);
	for (unsigned round = 0; round < 6; round++) {
		for (unsigned i = 0; counts()->overflowed == round; i++)
			send(i, round % 2 ? 60 : 1500);
		assert_int_equal(counts()->held, LIMIT);
		assert_in_range(counts()->memory, LIMIT, LIMIT + SLAB);
		pass_time(MS(11));
		assert_int_equal(counts()->held, 0);
	}
	for (unsigned i = 0; i < 20000; i++) {
		send(i, i % 3 ? 60 : 60 + i * 7 % 9000);
		assert_true(counts()->memory <= LIMIT + SLAB);
		pass_time(i / 1000 % 2 ? 10 : 50);
	}
	send(1, 60);
	send(2, 1500);
	impair_change(end.line, &little, end.now);
	pass_time(MS(11));
	assert_int_equal(counts()->held, 0);
	assert_true(counts()->memory <= LIMIT / 4 + SLAB);
	for (unsigned i = 0; i < 2000; i++)
		send(i, 1500);
	assert_int_equal(counts()->held, LIMIT / 4);
	assert_int_equal(end.damaged, 0);
	finish();
}

/* While it runs: held frames keep their time and their place. */
static void test_change(void **state)
{
	(void)state;
	begin(&(struct impair_setup){ .delay = MS(100) });
	send(0, 100);
	pass_time(MS(10));
	impair_change(end.line, &(struct impair_setup){ .delay = MS(10) }, end.now);
	assert_int_equal(impair_setup(end.line)->delay, MS(10));
	send(1, 100);
	pass_time(MS(80));
	assert_int_equal(end.n, 0);
	pass_time(MS(10));
	assert_int_equal(end.n, 2);
	assert_int_equal(end.number[0], 0);
	send(2, 100);
	pass_time(MS(11));
	assert_int_equal(end.n, 3);
	impair_change(end.line, &(struct impair_setup){ .cut = true }, end.now);
	send(3, 100);
	impair_change(end.line, &(struct impair_setup){ .delay = MS(500) }, end.now);
	send(4, 100);
	send(5, 9000);
	impair_tick(end.line, INSTANT_NEVER); /* all at once */
	assert_int_equal(end.n, 5);
	assert_int_equal(end.number[4], 5);
	assert_int_equal(counts()->frames, 0);
	send(6, 100);
	pass_time(MS(499));
	assert_int_equal(end.n, 5);
	pass_time(MS(2));
	assert_int_equal(end.n, 6);
	send(7, 100);
	end.now.us += MS(501); /* nobody has looked since it was due */
	impair_change(end.line, &(struct impair_setup){ .delay = MS(1) }, end.now);
	assert_int_equal(end.n, 7);
	finish();
}

/* Super-frames stay whole, and weigh what their frames weigh. */
static void test_super_frames(void **state)
{
	static const uint8_t to[6] = { 2, 1 }, from[6] = { 2, 2 };
	size_t frames, wire;
	struct super s;

	(void)state;
	begin(&(struct impair_setup){ .rate = 8000000, .delay = MS(3) });
	assert_false(impair_wants_single(end.line));
	for (uint64_t i = 0; i < 20; i++) {
		int64_t before = end.now.us, took;
		struct iovec iov[2] = { { 0 } };

		assert_true(super_make(&s, 3, i * 31, 60000, to, from));
		frames = (s.len - s.headers + s.vnet.gso_size - 1) / s.vnet.gso_size;
		wire = s.len + (frames - 1) * s.headers;
		iov[1] = (struct iovec){ s.bytes, s.len };
		end.like = s.bytes;
		end.like_len = s.len;
		impair_take(end.line, &s.vnet, iov, 2, s.len, end.now);
		pass_time(MS(300));
		assert_int_equal(end.n, i + 1);
		took = end.at[i] - before;
		assert_in_range(took, (int64_t)wire + MS(3), (int64_t)wire + MS(3) + IMPAIR_TICK);
		super_free(&s);
	}
	assert_true(counts()->passed > 20);
	finish();
}

/* A thousand lines' lives: nothing is lost or kept, whatever the order of calls. */
static void test_any_order_of_calls(void **state)
{
	struct rand_seeded seeded;
	struct rand_source rand = rand_source_seeded(&seeded, 77);

	(void)state;
	for (unsigned life = 0; life < 300; life++) {
		struct impair_setup setup = { .delay = MS(life % 7) * (life % 50), .jitter = life % 5 };
		unsigned sent = 0;
		uint64_t v;

		if (life % 3 == 0)
			setup.jitter = setup.delay;
		begin(&setup);
		for (unsigned step = 0; step < 300; step++) {
			rand_fill(&rand, &v, sizeof(v));
			if (v % 3)
				send(sent++, 60 + (v >> 8) % 3000);
			v >>= 32;
			if (v % 4 == 0)
				pass_time((int64_t)(v >> 8) % MS(50));
			else if (v % 4 == 1)
				end.now.us += (int64_t)(v >> 8) % 1000; /* late: not ticked */
			if (v % 64 == 5)
				end.now.us += SECONDS(30);
			impair_tick(end.line, end.now);
		}
		pass_time(SECONDS(10));
		assert_int_equal(end.n, sent);
		assert_int_equal(counts()->held, 0);
		for (unsigned i = 0; i < end.n && !setup.jitter; i++)
			assert_int_equal(end.number[i], i);
		assert_int_equal(end.damaged, 0);
		finish();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_set),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_delay),
		cmocka_unit_test(test_due_is_not_now),
		cmocka_unit_test(test_jitter),
		cmocka_unit_test(test_loss),
		cmocka_unit_test(test_bursts),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_corruption),
		cmocka_unit_test(test_damage_is_not_mended),
		cmocka_unit_test(test_reordering),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_no_allocation),
		cmocka_unit_test(test_memory_is_short),
		cmocka_unit_test(test_limit_of_memory),
		cmocka_unit_test(test_change),
		cmocka_unit_test(test_super_frames),
		cmocka_unit_test(test_any_order_of_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
