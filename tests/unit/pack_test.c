/* SPDX-License-Identifier: MIT */
/* What a packer makes of frames, and that an unpacker makes frames of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "sim/libsupers.h"
#include "unit/liblink.h"

#define SIZE_1500 1472 /* a datagram over IPv4 and MTU 1500 */

static const uint16_t sizes[] = { 1200, 1220, 1372, 1432, SIZE_1500, 1500, 2000, 4052, 8972, 9200 };

static void test_every_length(void **state)
{
	struct link *l = link_new(SIZE_1500);

	(void)state;
	for (size_t s = 0; s < COUNT_OF(sizes); s++) {
		const struct addr to = { .family = ADDR_IPV4, .port = 1 };
		unsigned n = 0;

		pack_target(&l->pack, &to, 0, sizes[s]);
		for (size_t len = 14; len <= WIRE_FRAME_MAX; len += 1 + (s * 7 + len) % 23, n++)
			link_pack(l, n, len);
		link_flush(l);
		for (size_t i = 0; i < l->n_datagrams; i++)
			assert_true(l->datagrams[i].len <= sizes[s]);
		link_deliver_all(l);
		assert_int_equal(l->n_frames, n);
		n = 0;
		for (size_t len = 14; len <= WIRE_FRAME_MAX; len += 1 + (s * 7 + len) % 23, n++)
			assert_true(link_got(l, n, n, len));
		link_forget(l);
	}
	link_free(l);
}

/* Each length alone, at every size of a datagram near it. */
static void test_edges(void **state)
{
	static const struct addr to = { .family = ADDR_IPV6, .port = 1 };
	struct link *l = link_new(1200);

	(void)state;
	for (unsigned size = 1200; size < 1203; size++) {
		pack_target(&l->pack, &to, 0, (uint16_t)size);
		for (size_t len = 14; len < 2600; len += len < 1100 ? 97 : 1) {
			link_pack(l, 1, len);
			link_pack(l, 2, 60);
			link_flush(l);
			link_deliver_all(l);
			assert_int_equal(l->n_frames, 2);
			assert_true(link_got(l, 0, 1, len) && link_got(l, 1, 2, 60));
			link_forget(l);
		}
	}
	link_free(l);
}

static void test_full_frames_cost(void **state)
{
	struct link *l = link_new(SIZE_1500);

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		link_pack(l, i, 1514);
	link_flush(l);
	assert_in_range(l->n_datagrams, 1000, 1100);
	link_deliver_all(l);
	assert_int_equal(l->n_frames, 1000);
	link_free(l);
}

static void test_small_frames_are_bundled(void **state)
{
	struct link *l = link_new(SIZE_1500);

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		link_pack(l, i, 64);
	link_flush(l);
	/* 1438 bytes of records, each of 67. */
	assert_in_range(l->n_datagrams, 46, 50);
	link_deliver_all(l);
	assert_int_equal(l->n_frames, 1000);
	for (unsigned i = 0; i < 1000; i++)
		assert_true(link_got(l, i, i, 64));
	link_free(l);
}

/* The runs of many frames are few and full: one system call carries 64 KB. */
static void test_runs_are_full(void **state)
{
	struct link *l = link_new(SIZE_1500);
	unsigned short_ones = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		link_pack(l, i, 60 + i * 13 % 1400);
	link_flush(l);
	for (size_t i = 0; i < l->n_datagrams; i++) {
		bool last =
			i + 1 == l->n_datagrams || l->datagrams[i + 1].run != l->datagrams[i].run;

		if (l->datagrams[i].len < SIZE_1500) {
			assert_true(last);
			short_ones++;
		}
	}
	assert_in_range(short_ones, 0, 1);
	assert_int_equal(l->runs, (l->n_datagrams + 42) / 43); /* 43 * 1472 < RUN_BYTES */
	link_free(l);
}

static void test_partial_checksum_travels(void **state)
{
	struct link *l = link_new(1200);
	uint8_t frame[1000];
	struct vnet vnet = { .flags = VNET_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16 };

	(void)state;
	link_fill(frame, sizeof(frame), 5);
	for (unsigned i = 0; i < 3; i++)
		assert_true(pack_frame(&l->pack, frame, sizeof(frame), &vnet));
	link_flush(l);
	link_deliver_all(l);
	assert_int_equal(l->n_frames, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(l->frames[i].vnet.flags, VNET_F_NEEDS_CSUM);
		assert_int_equal(l->frames[i].vnet.csum_start, 34);
		assert_int_equal(l->frames[i].vnet.csum_offset, 16);
		assert_int_equal(l->frames[i].vnet.gso_type, VNET_GSO_NONE);
		assert_int_equal(l->frames[i].len, sizeof(frame));
		assert_memory_equal(l->frames[i].data, frame, sizeof(frame));
	}
	link_free(l);
}

static void test_control(void **state)
{
	struct link *l = link_new(1200);
	const uint8_t body[12] = "hello there";

	(void)state;
	link_pack(l, 1, 100);
	assert_true(pack_control(&l->pack, WIRE_PING, body, sizeof(body)));
	assert_true(pack_control(&l->pack, WIRE_CLOSE, NULL, 0));
	link_pack(l, 2, 100);
	link_flush(l);
	assert_int_equal(l->n_datagrams, 1);
	link_deliver_all(l);
	assert_int_equal(l->n_frames, 2);
	assert_int_equal(l->n_controls, 2);
	assert_int_equal(l->controls[0].type, WIRE_PING);
	assert_int_equal(l->controls[0].len, sizeof(body));
	assert_memory_equal(l->controls[0].body, body, sizeof(body));
	assert_int_equal(l->controls[1].type, WIRE_CLOSE);
	assert_int_equal(l->controls[1].len, 0);
	link_free(l);
}

/* However full the datagram is, a control record is never cut. */
static void test_control_is_never_cut(void **state)
{
	struct link *l = link_new(1200);
	const uint8_t body[60] = { 9 };

	(void)state;
	for (size_t len = 1000; len < 1200; len++) {
		link_pack(l, 1, len);
		assert_true(pack_control(&l->pack, WIRE_PONG, body, sizeof(body)));
		link_flush(l);
		for (size_t i = l->n_datagrams; i-- > 0;)
			link_deliver(l, i); /* last first: what is cut would need its head */
		assert_int_equal(l->n_controls, 1);
		assert_int_equal(l->n_frames, 1);
		link_forget(l);
	}
	link_free(l);
}

static void test_padded_control_has_its_size(void **state)
{
	struct link *l = link_new(1200);
	const uint8_t body[6] = { 1, 2, 3, 4, 5, 6 };

	(void)state;
	link_pack(l, 1, 100);
	for (uint16_t size = 1200; size <= 9200; size += 500)
		assert_true(pack_control_padded(&l->pack, WIRE_PROBE, body, sizeof(body), size));
	link_pack(l, 2, 100);
	link_flush(l);
	assert_int_equal(l->n_datagrams, 19);
	for (unsigned i = 0; i < 17; i++)
		assert_int_equal(l->datagrams[1 + i].len, 1200 + 500 * i);
	link_deliver_all(l);
	assert_int_equal(l->n_frames, 2);
	assert_int_equal(l->n_controls, 17);
	assert_int_equal(l->controls[3].type, WIRE_PROBE);
	assert_memory_equal(l->controls[3].body, body, sizeof(body));
	link_free(l);
}

static void test_nothing_without_a_key(void **state)
{
	struct link *l = link_new(1200);
	const struct vnet plain = { 0 };
	uint8_t frame[100] = { 0 };

	(void)state;
	link_pack(l, 1, 100);
	keys_drop_all(&l->send);
	link_flush(l);
	assert_int_equal(l->n_datagrams, 0);
	assert_false(pack_frame(&l->pack, frame, sizeof(frame), &plain));
	assert_false(pack_control(&l->pack, WIRE_PING, NULL, 0));
	assert_false(pack_control_padded(&l->pack, WIRE_PROBE, frame, 6, 1300));
	link_flush(l);
	assert_int_equal(l->n_datagrams, 0);
	link_free(l);
}

/* A key that changes between frames of one batch costs no frame, when what is
 * open is closed under the old key. */
static void test_key_change_in_a_batch(void **state)
{
	struct link *l = link_new(1200);

	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		if (i % 20 == 10) {
			pack_close(&l->pack);
			link_rekey(l);
		}
		link_pack(l, i, 900);
	}
	link_flush(l);
	link_deliver_all(l);
	assert_int_equal(l->n_frames, 60);
	for (unsigned i = 0; i < 60; i++)
		assert_true(link_got(l, i, i, 900));
	assert_int_equal(l->drops.count[DROP_JOIN], 0);
	link_free(l);
}

/* ---- super-frames ---- */

struct seen {
	uint8_t *bytes;
	size_t covered, total;
};

/* Every segment that any received frame holds is one of s; none twice. */
static void take_segments(const struct link *l, const struct super *s, struct seen *seen)
{
	static uint8_t segment[WIRE_FRAME_MAX], whole[SUPERFRAME_MAX];

	for (size_t i = 0; i < l->n_frames; i++) {
		const struct link_frame *f = &l->frames[i];
		struct superframe_layout layout;
		struct superframe_cut cut;
		struct vnet facts = f->vnet;
		size_t n, offset, len;

		memcpy(whole, f->data, f->len);
		assert_true(superframe_valid(whole, f->len, f->len, &facts, &layout));
		if (facts.gso_type == VNET_GSO_NONE) { /* one segment: may be mended in place */
			superframe_checksum(whole, f->len, &facts);
			assert_true(super_segment_right(s, whole, f->len, &offset, &n));
			assert_null(memchr(seen->bytes + offset, 1, n));
			memset(seen->bytes + offset, 1, n);
			seen->covered += n;
			continue;
		}
		superframe_cut_begin(&cut, whole, f->len, &facts, &layout, true);
		while ((len = superframe_cut_next(&cut, segment, sizeof(segment), &facts)) > 0) {
			assert_true(super_segment_right(s, segment, len, &offset, &n));
			assert_null(memchr(seen->bytes + offset, 1, n));
			memset(seen->bytes + offset, 1, n);
			seen->covered += n;
		}
	}
}

static void pack_one_super(struct link *l, const struct super *s, bool spoil)
{
	uint8_t *buffer = malloc(PACK_HEADROOM + s->len), *frame = buffer + PACK_HEADROOM;
	struct superframe_layout layout;

	memcpy(frame, s->bytes, s->len);
	assert_true(superframe_valid(frame, s->len, s->len, &s->vnet, &layout));
	assert_true(pack_super(&l->pack, frame, s->len, &s->vnet, &layout, spoil));
	if (!spoil)
		assert_memory_equal(frame, s->bytes, s->len);
	free(buffer);
}

/* lose: of 16 datagrams how many do not come; swap: neighbours overtake. */
static void carry_super(struct link *l, uint64_t draw, bool spoil, unsigned lose, bool swap)
{
	static const uint8_t to[6] = { 2, 0, 0, 0, 0, 1 }, from[6] = { 2, 0, 0, 0, 0, 2 };
	struct super s;
	struct seen seen;
	size_t lost = 0, kept = 0;

	assert_true(super_make(&s, 4711, draw, 64000, to, from));
	seen = (struct seen){ .bytes = calloc(1, s.len), .total = s.len - s.headers };
	if (draw & 64)
		link_pack(l, 1, 300); /* something before it in the datagram */
	pack_one_super(l, &s, spoil);
	link_flush(l);
	for (size_t i = 0; i < l->n_datagrams; i++) {
		if (hash_u64(draw, i) % 16 < lose) {
			free(l->datagrams[i].data);
			lost++;
		} else {
			l->datagrams[kept++] = l->datagrams[i];
		}
	}
	l->n_datagrams = kept;
	for (size_t i = 0; swap && i + 1 < kept; i += 2) {
		struct link_datagram d = l->datagrams[i];

		l->datagrams[i] = l->datagrams[i + 1];
		l->datagrams[i + 1] = d;
	}
	link_deliver_all(l);
	if (draw & 64) { /* not a part of it; lost with its datagram only */
		for (size_t i = 0; i < l->n_frames; i++) {
			if (!link_got(l, i, 1, 300))
				continue;
			free(l->frames[i].data);
			l->frames[i] = l->frames[--l->n_frames];
			break;
		}
	}
	take_segments(l, &s, &seen);
	/* What is lost is what was in the lost datagrams, and no more. */
	assert_true(seen.covered <= seen.total);
	if (lost == 0)
		assert_int_equal(seen.covered, seen.total);
	else
		assert_true(seen.covered + lost * 9200 >= seen.total);
	if (lost == 0 && !swap && !(draw & 64) && s.len - s.headers > s.vnet.gso_size && !s.udp)
		assert_int_equal(l->n_frames, 1); /* rebuilt as one */
	assert_int_equal(l->drops.count[DROP_RECORD], 0);
	free(seen.bytes);
	super_free(&s);
	link_forget(l);
}

static void test_super_frames(void **state)
{
	(void)state;
	for (size_t s = 0; s < COUNT_OF(sizes); s++) {
		struct link *l = link_new(sizes[s]);

		for (uint64_t i = 0; i < 40; i++) {
			uint64_t draw = hash_u64(i, s);

			carry_super(l, draw, i % 2, 0, false);
			carry_super(l, draw, i % 2, 3, false);
			carry_super(l, draw, i % 2, 0, true);
			carry_super(l, draw, i % 2, 2, true);
		}
		link_free(l);
	}
}

/* A whole super-frame over an ideal path is what went in, bit for bit, but for
 * the hint of the headers' length. */
static void test_super_frame_is_the_same(void **state)
{
	static const uint8_t to[6] = { 2, 0, 0, 0, 0, 1 }, from[6] = { 2, 0, 0, 0, 0, 2 };
	struct link *l = link_new(SIZE_1500);

	(void)state;
	for (uint64_t i = 0; i < 200; i++) {
		struct super s;

		assert_true(super_make(&s, 7, hash_u64(i, 99), 60000, to, from));
		pack_one_super(l, &s, i & 1);
		link_flush(l);
		link_deliver_all(l);
		if (l->n_frames == 1) { /* USO of large segments goes as frames */
			bool one = s.len - s.headers <= s.vnet.gso_size;

			assert_int_equal(l->frames[0].len, s.len);
			assert_memory_equal(l->frames[0].data, s.bytes, s.len);
			/* The kernel refuses a super-frame of one segment. */
			assert_int_equal(l->frames[0].vnet.gso_size, one ? 0 : s.vnet.gso_size);
			assert_int_equal(l->frames[0].vnet.gso_type, one ? 0 : s.vnet.gso_type);
			assert_int_equal(l->frames[0].vnet.csum_start, s.vnet.csum_start);
		} else {
			assert_true(s.udp);
		}
		link_forget(l);
		super_free(&s);
	}
	link_free(l);
}

/* 64 KB of TCP take no more datagrams than their bytes need, and 4 %. */
static void test_super_frame_cost(void **state)
{
	static const uint8_t to[6] = { 2, 0, 0, 0, 0, 1 }, from[6] = { 2, 0, 0, 0, 0, 2 };
	struct link *l = link_new(SIZE_1500);
	size_t bytes = 0;

	(void)state;
	for (uint64_t i = 0; bytes < 1000000; i++) {
		struct super s;

		assert_true(super_make(&s, 7, hash_u64(i, 5), 65000, to, from));
		if (!s.udp && s.len > 50000) {
			bytes += s.len;
			pack_one_super(l, &s, true);
		}
		super_free(&s);
	}
	link_flush(l);
	assert_in_range(l->n_datagrams, bytes / SIZE_1500, bytes / SIZE_1500 * 115 / 100);
	link_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_full_frames_cost),
		cmocka_unit_test(test_small_frames_are_bundled),
		cmocka_unit_test(test_runs_are_full),
		cmocka_unit_test(test_partial_checksum_travels),
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_control_is_never_cut),
		cmocka_unit_test(test_padded_control_has_its_size),
		cmocka_unit_test(test_nothing_without_a_key),
		cmocka_unit_test(test_key_change_in_a_batch),
		cmocka_unit_test(test_super_frames),
		cmocka_unit_test(test_super_frame_is_the_same),
		cmocka_unit_test(test_super_frame_cost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
