/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/superframe.h"
#include "lib/frames.h"

/* Bytes of options that hold an MSS, at an even and at an odd offset. */
static const uint8_t mss_options[] = { 2, 4, 0xff, 0xff, 1, 2, 4, 0x05, 0xb4, 0, 0, 0 };

#define TS .tcp_options = frame_timestamps, .tcp_options_len = 12
#define ALL_FLAGS (FRAME_FIN | FRAME_PSH | FRAME_ACK | FRAME_ECE | FRAME_CWR)

static const struct frame_spec shapes[] = {
	{ .gso_size = 1000, .payload = 9100, .tcp_flags = ALL_FLAGS, .ecn = true, .id = 0xfffd },
	{ .gso_size = 1000,
	  .payload = 9100,
	  .tcp_flags = ALL_FLAGS,
	  TS,
	  .tags = { 0x8100 },
	  .ip_options = 8,
	  .seq = 0xfffffff0 },
	{ .gso_size = 999,
	  .payload = 9100,
	  .tcp_flags = ALL_FLAGS,
	  TS,
	  .v6 = true,
	  .tags = { 0x88a8, 0x8100 } },
	{ .gso_size = 999, .payload = 9100, .udp = true, .id = 3 },
	{ .gso_size = 1000, .payload = 9000, .udp = true, .v6 = true, .tags = { 0x8100 } },
	{ .gso_size = 1, .payload = 30, .tcp_flags = ALL_FLAGS, TS, .ip_options = 40 },
};

static struct frame frame;

static uint32_t next_random(uint32_t *x)
{
	*x = *x * 1664525 + 1013904223;
	return *x >> 8;
}

/* ---- layout ---- */

static struct superframe_layout layout_of(const struct frame *f, size_t have)
{
	struct superframe_layout l;
	uint8_t *copy = malloc(have ? have : 1); /* its end is watched */

	memcpy(copy, f->bytes, have);
	assert_int_equal(superframe_layout(copy, have, &l), have >= 14);
	free(copy);
	return l;
}

static void lays_out_every_shape(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(shapes); i++) {
		struct superframe_layout l;

		frame_make(&frame, &shapes[i]);
		l = layout_of(&frame, frame.len);
		assert_int_equal(l.l3, frame.l3);
		assert_int_equal(l.l4, frame.l4);
		assert_int_equal(l.payload, frame.headers);
		assert_int_equal(l.ip, shapes[i].v6 ? 6 : 4);
		assert_int_equal(l.proto, shapes[i].udp ? 17 : 6);
		assert_int_equal(l.vlan, shapes[i].tags[0] ? 100 : 0);
	}
}

static void lays_out_what_is_at_hand(void **state)
{
	size_t i, have;

	(void)state;
	for (i = 0; i < COUNT_OF(shapes); i++) {
		frame_make(&frame, &shapes[i]);
		for (have = 0; have <= frame.headers + 1; have++) {
			struct superframe_layout l = layout_of(&frame, have);

			assert_int_equal(l.ip != 0, have >= frame.l4);
			assert_int_equal(l.proto != 0, have >= frame.headers);
			assert_true(l.l3 <= l.l4 && l.l4 <= l.payload && l.payload <= have);
			assert_int_equal(l.vlan, shapes[i].tags[0] && have >= 18 ? 100 : 0);
		}
	}
}

/* One byte changed in the plain IPv4 (or IPv6) TCP frame, and what is left. */
static void lays_out_the_insane(void **state)
{
	static const struct {
		bool v6;
		size_t at;
		uint8_t value, ip, proto;
	} table[] = {
		{ false, 14, 0x55, 0, 0 }, /* version */
		{ false, 14, 0x65, 0, 0 },
		{ false, 14, 0x44, 0, 0 }, /* header length 16 */
		{ false, 14, 0x40, 0, 0 },
		{ false, 17, 19, 0, 0 }, /* total length below the header's */
		{ false, 17, 20, 4, 0 }, /* no room for TCP */
		{ false, 17, 39, 4, 0 },
		{ false, 17, 40, 4, 6 },
		{ false, 20, 0x20, 4, 0 }, /* more fragments */
		{ false, 20, 0x1f, 4, 0 }, /* a later fragment */
		{ false, 21, 0x01, 4, 0 },
		{ false, 20, 0x40, 4, 6 }, /* do not fragment */
		{ false, 20, 0x80, 4, 6 }, /* reserved bit */
		{ false, 23, 1, 4, 0 },	   /* ICMP */
		{ false, 23, 132, 4, 0 },
		{ false, 46, 0x40, 4, 0 }, /* TCP header of 16 */
		{ false, 46, 0x00, 4, 0 },
		{ false, 46, 0xf0, 4, 0 }, /* of 60: past the total length */
		{ false, 12, 0x86, 0, 0 }, /* not IP at all */
		{ true, 14, 0x40, 0, 0 },
		{ true, 14, 0x70, 0, 0 },
		{ true, 19, 19, 6, 0 }, /* payload length below TCP's */
		{ true, 19, 20, 6, 6 },
		{ true, 20, 0, 6, 0 },	/* hop-by-hop options */
		{ true, 20, 44, 6, 0 }, /* fragment header */
		{ true, 20, 59, 6, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(table); i++) {
		struct frame_spec spec = { .v6 = table[i].v6, .tcp_flags = FRAME_ACK };
		struct superframe_layout l;

		frame_make(&frame, &spec);
		frame.bytes[table[i].at] = table[i].value;
		l = layout_of(&frame, frame.len);
		if (l.ip != table[i].ip || l.proto != table[i].proto)
			fail_msg("row %zu: ip %u, proto %u", i, l.ip, l.proto);
		assert_int_equal(l.l3, 14);
		if (!l.ip)
			assert_int_equal(l.l4, 14);
		if (!l.proto)
			assert_int_equal(l.payload, l.l4);
	}
}

static void takes_two_tags_and_no_third(void **state)
{
	static const uint8_t three[] = { 2,    0,    0,	   0,	 0, 2, 2, 0,	0, 0, 0, 1, 0x88,
					 0xa8, 0xf1, 0x23, 0x81, 0, 0, 7, 0x81, 0, 0, 8, 8, 0 };
	struct superframe_layout l;

	(void)state;
	assert_true(superframe_layout(three, sizeof(three), &l));
	assert_int_equal(l.vlan, 0x123);
	assert_int_equal(l.l3, 22);
	assert_int_equal(l.payload, 22);
	assert_int_equal(l.ip, 0);
	assert_true(superframe_layout(three, 21, &l));
	assert_int_equal(l.l3, 18);
	assert_int_equal(l.vlan, 0x123);
}

/* ---- valid ---- */

enum wrong {
	RIGHT,
	OTHER_TYPE,
	NO_CSUM,
	NO_SIZE,
	CSUM_START,
	CSUM_OFFSET,
	HAVE_SHORT,
	NO_PAYLOAD,
	ECN_OF_NOTHING,
	WRONG_KINDS
};

static bool valid_with(const struct frame *f, enum wrong wrong)
{
	struct superframe_layout l;
	struct vnet v = f->vnet;
	size_t have = f->headers;
	size_t len = f->len;

	switch (wrong) {
	case OTHER_TYPE:
		v.gso_type = VNET_GSO_UDP;
		break;
	case NO_CSUM:
		v.flags = VNET_F_DATA_VALID;
		break;
	case NO_SIZE:
		v.gso_size = 0;
		break;
	case CSUM_START:
		v.csum_start++;
		break;
	case CSUM_OFFSET:
		v.csum_offset -= 2;
		break;
	case HAVE_SHORT:
		have--;
		break;
	case NO_PAYLOAD:
		len = f->headers;
		break;
	case ECN_OF_NOTHING:
		v.gso_type = VNET_GSO_ECN;
		break;
	case RIGHT:
	case WRONG_KINDS:
		break;
	}
	return superframe_valid(f->bytes, have, len, &v, &l);
}

static void validates_super_frames(void **state)
{
	size_t i;
	int wrong;

	(void)state;
	for (i = 0; i < COUNT_OF(shapes); i++) {
		frame_make(&frame, &shapes[i]);
		assert_true(valid_with(&frame, RIGHT));
		for (wrong = RIGHT + 1; wrong < WRONG_KINDS; wrong++) {
			if (valid_with(&frame, (enum wrong)wrong))
				fail_msg("shape %zu: wrong %d was taken", i, wrong);
		}
	}
}

static void validates_the_type_by_the_headers(void **state)
{
	static const uint8_t types[] = { VNET_GSO_TCPV4,
					 VNET_GSO_TCPV4 | VNET_GSO_ECN,
					 VNET_GSO_TCPV6,
					 VNET_GSO_TCPV6 | VNET_GSO_ECN,
					 VNET_GSO_UDP_L4,
					 VNET_GSO_UDP_L4 | VNET_GSO_ECN,
					 VNET_GSO_UDP,
					 2,
					 0x25,
					 0x7f };
	/* by IPv4 TCP, IPv6 TCP, IPv4 UDP, IPv6 UDP */
	static const uint16_t taken[4] = { 0x003, 0x00c, 0x010, 0x010 };
	size_t shape, type;

	(void)state;
	for (shape = 0; shape < 4; shape++) {
		struct frame_spec spec = {
			.v6 = shape & 1, .udp = shape & 2, .payload = 3000, .gso_size = 1000
		};
		struct superframe_layout l;

		frame_make(&frame, &spec);
		for (type = 0; type < COUNT_OF(types); type++) {
			frame.vnet.gso_type = types[type];
			assert_int_equal(superframe_valid(frame.bytes, frame.len, frame.len,
							  &frame.vnet, &l),
					 taken[shape] >> type & 1);
		}
	}
}

static void validates_the_length(void **state)
{
	struct frame_spec spec = { .gso_size = 1000, .payload = 65535 - 40 };
	struct superframe_layout l;

	(void)state;
	frame_make(&frame, &spec);
	assert_true(superframe_valid(frame.bytes, 200, frame.len, &frame.vnet, &l));
	assert_false(superframe_valid(frame.bytes, 200, frame.len + 1, &frame.vnet, &l));
	assert_int_equal(l.payload, 54);
}

/* 64 KiB in segments of a byte would be written as 65000 frames. */
static void validates_the_number_of_segments(void **state)
{
	struct frame_spec spec = { .gso_size = 32, .payload = 65535 - 40 };
	struct superframe_layout l;

	(void)state;
	frame_make(&frame, &spec);
	assert_true(superframe_valid(frame.bytes, 200, frame.len, &frame.vnet, &l));
	frame.vnet.gso_size = 31;
	assert_false(superframe_valid(frame.bytes, 200, frame.len, &frame.vnet, &l));
	frame.vnet.gso_size = 1;
	assert_false(
		superframe_valid(frame.bytes, 200, 54 + SUPERFRAME_SEGMENTS + 1, &frame.vnet, &l));
	assert_true(superframe_valid(frame.bytes, 200, 54 + SUPERFRAME_SEGMENTS, &frame.vnet, &l));
}

static void validates_plain_frames(void **state)
{
	static const struct {
		uint8_t flags;
		size_t have, len;
		uint16_t start, offset;
		bool valid;
	} table[] = {
		{ 0, 60, 60, 0, 0, true },
		{ 0, 60, 60, 65535, 65535, true },
		{ 0, 3, 3, 0, 0, true },
		{ VNET_F_DATA_VALID, 60, 60, 500, 0, true },
		{ VNET_F_NEEDS_CSUM, 60, 60, 34, 16, true },
		{ VNET_F_NEEDS_CSUM, 60, 60, 42, 16, true },
		{ VNET_F_NEEDS_CSUM, 60, 60, 43, 16, false },
		{ VNET_F_NEEDS_CSUM, 60, 90, 43, 16, false },
		{ VNET_F_NEEDS_CSUM, 90, 60, 43, 16, false },
		{ VNET_F_NEEDS_CSUM, 60, 60, 65535, 65535, false },
		{ VNET_F_NEEDS_CSUM, 60, 60, 65535, 1, false },
	};
	struct frame_spec spec = { .udp = true, .payload = 100 };
	struct superframe_layout l;
	size_t i;

	(void)state;
	frame_make(&frame, &spec);
	for (i = 0; i < COUNT_OF(table); i++) {
		struct vnet v = { .flags = table[i].flags,
				  .csum_start = table[i].start,
				  .csum_offset = table[i].offset };

		assert_int_equal(superframe_valid(frame.bytes, table[i].have, table[i].len, &v, &l),
				 table[i].valid);
		assert_int_equal(l.ip, table[i].len < 14 ? 0 : 4);
	}
}

/* ---- cut ---- */

static void cut_begin(struct superframe_cut *cut, const struct frame *f, bool final)
{
	struct superframe_layout l;

	assert_true(superframe_valid(f->bytes, f->len, f->len, &f->vnet, &l));
	superframe_cut_begin(cut, f->bytes, f->len, &f->vnet, &l, final);
}

static void partial_cut_is_final_cut_without_the_sum(void **state)
{
	static uint8_t partial[2000], final[2000];
	struct superframe_cut a, b;
	struct vnet va, vb;
	size_t i, len;

	(void)state;
	for (i = 0; i < COUNT_OF(shapes); i++) {
		frame_make(&frame, &shapes[i]);
		cut_begin(&a, &frame, false);
		cut_begin(&b, &frame, true);
		while ((len = superframe_cut_next(&a, partial, sizeof(partial), &va))) {
			assert_int_equal(superframe_cut_next(&b, final, sizeof(final), &vb), len);
			assert_true(frame_sums_right(&frame, final, len));
			assert_int_equal(vb.flags & VNET_F_NEEDS_CSUM, 0);
			assert_int_equal(va.flags & VNET_F_NEEDS_CSUM, VNET_F_NEEDS_CSUM);
			assert_int_equal(va.csum_start, frame.l4);
			assert_int_equal(va.gso_type, VNET_GSO_NONE);
			superframe_checksum(partial, len, &va);
			assert_memory_equal(partial, final, len);
		}
		assert_int_equal(superframe_cut_next(&b, final, sizeof(final), &vb), 0);
	}
}

static void cut_minds_the_room(void **state)
{
	struct frame_spec spec = { .gso_size = 100, .payload = 250 };
	struct superframe_cut cut;
	uint8_t out[154];
	struct vnet v;

	(void)state;
	frame_make(&frame, &spec);
	cut_begin(&cut, &frame, true);
	assert_int_equal(superframe_cut_next(&cut, out, 0, &v), 0);
	assert_int_equal(superframe_cut_next(&cut, out, 53, &v), 0);
	assert_int_equal(superframe_cut_next(&cut, out, 153, &v), 0);
	assert_int_equal(superframe_cut_next(&cut, out, 154, &v), 154);
	assert_int_equal(superframe_cut_next(&cut, out, 154, &v), 154);
	assert_int_equal(superframe_cut_next(&cut, out, 104, &v), 104);
	assert_int_equal(superframe_cut_next(&cut, out, 154, &v), 0);
}

/* ---- trim ---- */

static void trim(struct frame *piece, const struct frame *f, size_t offset, size_t len)
{
	struct superframe_layout l;

	assert_true(superframe_valid(f->bytes, f->len, f->len, &f->vnet, &l));
	*piece = *f;
	superframe_trim(piece->bytes, &l, &piece->vnet, offset, len, f->len - f->headers);
	memcpy(piece->bytes + f->headers, f->bytes + f->headers + offset, len);
	piece->len = f->headers + len;
	assert_true(superframe_valid(piece->bytes, piece->len, piece->len, &piece->vnet, &l));
	assert_int_equal(l.payload, f->headers);
	if (len <= f->vnet.gso_size)
		assert_int_equal(piece->vnet.gso_type, VNET_GSO_NONE);
	else
		assert_int_equal(piece->vnet.gso_type & 0x7f, f->vnet.gso_type & 0x7f);
}

/* All segments of a piece to the end of the row, each preceded by its length. */
static size_t cut_into(uint8_t *row, const struct frame *f)
{
	struct superframe_cut cut;
	struct frame plain = *f;
	size_t used = 0;
	uint16_t len;
	struct vnet v;

	if (f->vnet.gso_type == VNET_GSO_NONE) {
		superframe_checksum(plain.bytes, plain.len, &plain.vnet);
		len = (uint16_t)plain.len;
		memcpy(row, &len, 2);
		memcpy(row + 2, plain.bytes, len);
		return 2u + len;
	}
	cut_begin(&cut, f, true);
	while ((len = (uint16_t)superframe_cut_next(&cut, row + used + 2, 5000, &v))) {
		memcpy(row + used, &len, 2);
		used += 2u + len;
	}
	return used;
}

#define ROW_ROOM 40000

static void trimmed_at_segments_cuts_the_same(void **state)
{
	static uint8_t whole[ROW_ROOM], pieces[ROW_ROOM];
	static struct frame piece;
	uint32_t x = 1;
	size_t i, round;

	(void)state;
	for (i = 0; i < COUNT_OF(shapes); i++) {
		size_t total = shapes[i].payload;
		size_t whole_len;

		frame_make(&frame, &shapes[i]);
		whole_len = cut_into(whole, &frame);
		for (round = 0; round < 20; round++) {
			size_t used = 0;
			size_t offset, len;

			for (offset = 0; offset < total; offset += len) {
				len = (1 + next_random(&x) % 4) * shapes[i].gso_size;
				len = MIN(len, total - offset);
				trim(&piece, &frame, offset, len);
				used += cut_into(pieces + used, &piece);
			}
			assert_int_equal(used, whole_len);
			assert_memory_equal(pieces, whole, whole_len);
		}
	}
}

/* What a receiver of the segments sees: flags where they belong, the stream. */
static size_t check_stream(const struct frame *f, const uint8_t *row, size_t used, size_t at)
{
	size_t total = f->len - f->headers;
	const uint8_t *sent = f->bytes;
	uint32_t first = be32_get(sent + f->l4 + 4);
	size_t place;
	uint16_t len;

	for (place = 0; place < used; place += 2u + len) {
		const uint8_t *got = row + place + 2;
		uint8_t flags = got[f->l4 + 13];
		size_t bytes, offset;

		memcpy(&len, row + place, 2);
		bytes = len - f->headers;
		offset = be32_get(got + f->l4 + 4) - first;
		assert_int_equal(offset, at);
		assert_true(frame_sums_right(f, got, len));
		assert_memory_equal(got + f->headers, sent + f->headers + offset, bytes);
		assert_int_equal(flags & FRAME_CWR, offset ? 0 : FRAME_CWR);
		assert_int_equal(flags & (FRAME_FIN | FRAME_PSH),
				 offset + bytes == total ? FRAME_FIN | FRAME_PSH : 0);
		assert_int_equal(flags & (FRAME_ACK | FRAME_ECE), FRAME_ACK | FRAME_ECE);
		at += bytes;
	}
	return at;
}

static void trimmed_anywhere_is_the_same_stream(void **state)
{
	static uint8_t row[ROW_ROOM];
	static struct frame piece;
	uint32_t x = 7;
	size_t i, round;

	(void)state;
	for (i = 0; i < COUNT_OF(shapes); i++) {
		for (round = 0; round < 30 && !shapes[i].udp; round++) {
			size_t offset = 0;

			frame_make(&frame, &shapes[i]);
			while (offset < shapes[i].payload) {
				size_t len = 1 + next_random(&x) % (round % 2 ? 4000 : 1100);

				len = MIN(len, shapes[i].payload - offset);
				trim(&piece, &frame, offset, len);
				assert_int_equal(
					check_stream(&frame, row, cut_into(row, &piece), offset),
					offset + len);
				offset += len;
			}
		}
	}
}

static void trim_takes_ecn_with_cwr(void **state)
{
	static struct frame piece;

	(void)state;
	frame_make(&frame, &shapes[0]);
	trim(&piece, &frame, 0, 5000);
	assert_int_equal(piece.vnet.gso_type, VNET_GSO_TCPV4 | VNET_GSO_ECN);
	trim(&piece, &frame, 5000, 4100);
	assert_int_equal(piece.vnet.gso_type, VNET_GSO_TCPV4);
	assert_int_equal(be16_get(piece.bytes + frame.l3 + 4), 0xfffd + 5 - 0x10000);
	trim(&piece, &frame, 9000, 100);
	assert_int_equal(piece.vnet.gso_type, VNET_GSO_NONE);
	assert_int_equal(piece.vnet.gso_size, 0);
	trim(&piece, &frame, 0, 9100);
	assert_memory_equal(piece.bytes, frame.bytes, frame.len);
	assert_memory_equal(&piece.vnet, &frame.vnet, sizeof(frame.vnet));
}

/* ---- checksum ---- */

static void checksum_is_that_of_rfc_1071(void **state)
{
	static uint8_t bytes[3000], before[3000];
	uint32_t x = 3;
	size_t i, round;

	(void)state;
	for (round = 0; round < 3000; round++) {
		size_t len = 40 + next_random(&x) % (round % 10 ? 60 : 2900);
		struct vnet v = { .flags = VNET_F_NEEDS_CSUM | VNET_F_DATA_VALID };
		uint16_t want;

		v.csum_start = (uint16_t)(next_random(&x) % 20);
		v.csum_offset = (uint16_t)(next_random(&x) % 10 * 2);
		for (i = 0; i < len; i++)
			bytes[i] = (uint8_t)(round % 3 ? next_random(&x) : 0xff);
		memcpy(before, bytes, len);
		want = (uint16_t)~frame_sum(bytes + v.csum_start, len - v.csum_start, 0);
		if (want == 0 && v.csum_offset == 6)
			want = 0xffff;
		be16_put(before + v.csum_start + v.csum_offset, want);
		superframe_checksum(bytes, len, &v);
		assert_memory_equal(bytes, before, len);
		assert_int_equal(v.flags, VNET_F_DATA_VALID);
		superframe_checksum(bytes, len, &v);
		assert_memory_equal(bytes, before, len);
	}
}

static void checksum_of_zero(void **state)
{
	struct frame_spec spec = { .udp = true, .payload = 2 };
	struct superframe_layout l;
	uint16_t sum;

	(void)state;
	frame_make(&frame, &spec);
	be16_put(frame.bytes + frame.headers, 0);
	sum = frame_sum(frame.bytes + frame.l4, frame.len - frame.l4, 0);
	be16_put(frame.bytes + frame.headers, (uint16_t)~sum);
	assert_true(superframe_valid(frame.bytes, frame.len, frame.len, &frame.vnet, &l));
	superframe_checksum(frame.bytes, frame.len, &frame.vnet);
	assert_int_equal(be16_get(frame.bytes + frame.l4 + 6), 0xffff);
	assert_true(frame_sums_right(&frame, frame.bytes, frame.len));
}

/* ---- whatever comes ---- */

static void mutate(struct frame *f, uint32_t *x)
{
	static const uint8_t nasty[] = { 0,    1,    2,	   4,	 5,    6,    0x0f, 0x11, 0x40, 0x45,
					 0x4f, 0x50, 0x60, 0x7f, 0x80, 0x81, 0xf0, 0xfe, 0xff };
	uint8_t *v = (uint8_t *)&f->vnet;
	uint32_t n = next_random(x) % 5;

	while (n--) {
		size_t at = next_random(x) % (f->headers + 2);
		uint8_t value = nasty[next_random(x) % sizeof(nasty)];

		if (next_random(x) % 3 == 0)
			v[at % sizeof(f->vnet)] = value;
		else
			f->bytes[at] = value;
	}
}

/* Everything that may be done with a frame that was found valid, each time in
 * memory of exactly the size that the contract asks for. */
static void use_all(const uint8_t *bytes, size_t len, struct vnet vnet,
		    const struct superframe_layout *l, uint32_t *x)
{
	struct superframe_cut cut;
	size_t room = next_random(x) % 2 ? 4000 : next_random(x) % 400;
	uint8_t *out = malloc(room + 1);
	size_t total = len - l->payload;
	size_t offset, got, sum = 0;
	struct vnet v;

	superframe_cut_begin(&cut, bytes, len, &vnet, l, next_random(x) % 2);
	while ((got = superframe_cut_next(&cut, out, room, &v))) {
		assert_true(got <= room && got > l->payload);
		sum += got - l->payload;
	}
	if (room == 4000)
		assert_int_equal(sum, total);
	free(out);
	out = malloc(l->payload);
	memcpy(out, bytes, l->payload);
	offset = next_random(x) % total;
	superframe_trim(out, l, &vnet, offset, 1 + next_random(x) % (total - offset), total);
	free(out);
}

static bool try_all(const struct frame *f, uint32_t *x)
{
	size_t len = next_random(x) % 4 ? f->len : next_random(x) % (f->len + 1);
	size_t have = next_random(x) % 2 ? len : next_random(x) % (len + 1);
	uint8_t *bytes = malloc(len ? len : 1);
	struct superframe_layout l;
	struct vnet vnet = f->vnet;
	bool gso = false;

	memcpy(bytes, f->bytes, len);
	bytes = realloc(bytes, have ? have : 1);
	superframe_layout(bytes, have, &l);
	assert_true(l.payload <= have || have < 14);
	superframe_clamp_mss(bytes, have, (uint16_t)next_random(x));
	if (superframe_valid(bytes, have, len, &vnet, &l)) {
		gso = vnet.gso_type != VNET_GSO_NONE;
		bytes = realloc(bytes, len ? len : 1);
		memcpy(bytes + have, f->bytes + have, len - have);
		if (gso)
			use_all(bytes, len, vnet, &l, x);
		else
			superframe_checksum(bytes, len, &vnet);
	}
	free(bytes);
	return gso;
}

static void survives_whatever_comes(void **state)
{
	uint32_t x = 11;
	int taken = 0;
	int i;

	(void)state;
	for (i = 0; i < 60000; i++) {
		struct frame_spec spec = shapes[next_random(&x) % COUNT_OF(shapes)];

		spec.payload = next_random(&x) % 1000;
		spec.gso_size = (uint16_t)(next_random(&x) % 300);
		if (!spec.udp && next_random(&x) % 3 == 0) {
			spec.tcp_flags = FRAME_SYN;
			spec.tcp_options = mss_options;
			spec.tcp_options_len = sizeof(mss_options);
		}
		frame_make(&frame, &spec);
		mutate(&frame, &x);
		taken += try_all(&frame, &x);
	}
	assert_in_range(taken, 10000, 50000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lays_out_every_shape),
		cmocka_unit_test(lays_out_what_is_at_hand),
		cmocka_unit_test(lays_out_the_insane),
		cmocka_unit_test(takes_two_tags_and_no_third),
		cmocka_unit_test(validates_super_frames),
		cmocka_unit_test(validates_the_type_by_the_headers),
		cmocka_unit_test(validates_the_length),
		cmocka_unit_test(validates_the_number_of_segments),
		cmocka_unit_test(validates_plain_frames),
		cmocka_unit_test(partial_cut_is_final_cut_without_the_sum),
		cmocka_unit_test(cut_minds_the_room),
		cmocka_unit_test(trimmed_at_segments_cuts_the_same),
		cmocka_unit_test(trimmed_anywhere_is_the_same_stream),
		cmocka_unit_test(trim_takes_ecn_with_cwr),
		cmocka_unit_test(checksum_is_that_of_rfc_1071),
		cmocka_unit_test(checksum_of_zero),
		cmocka_unit_test(survives_whatever_comes),
	};

	return cmocka_run_group_tests_name("superframe", tests, NULL, NULL);
}
