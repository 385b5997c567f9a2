/* SPDX-License-Identifier: MIT */
/* Datagrams that are lost, late, repeated or hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "unit/liblink.h"

#define FRAMES 600
#define DATAGRAM 1200

static size_t length_of(unsigned n)
{
	return 14 + hash_u64(n, 3) % (n % 3 ? 1500 : 5000);
}

/* FRAMES frames are packed; which datagrams hold frame n is first[n]..last[n]. */
struct stream {
	struct link *l;
	size_t first[FRAMES], last[FRAMES];
};

static void begin(struct stream *s)
{
	s->l = link_new(DATAGRAM);
	for (unsigned n = 0; n < FRAMES; n++) {
		struct pack *p = &s->l->pack;
		bool open = p->fill && DATAGRAM - WIRE_DATA_OVERHEAD - p->fill >= WIRE_CUT_MIN;
		size_t need = WIRE_RECORD_HEADER + length_of(n);

		if (p->fill && DATAGRAM - WIRE_DATA_OVERHEAD - p->fill >= need)
			open = true;
		s->first[n] = p->datagrams + (p->fill && !open);
		link_pack(s->l, n, length_of(n));
		s->last[n] = p->fill ? p->datagrams : p->datagrams - 1;
		if (p->fill == 2 + need) /* it began this one */
			s->first[n] = s->last[n];
	}
	link_flush(s->l);
}

/* Which frame a received one is: searched from *n on, as order is kept. */
static bool is_frame(const struct link *l, size_t i, unsigned *n)
{
	while (*n < FRAMES && !link_got(l, i, *n, length_of(*n)))
		++*n;
	return *n < FRAMES;
}

static void test_loss_costs_only_what_was_inside(void **state)
{
	struct stream s;

	(void)state;
	begin(&s);
	for (unsigned round = 0; round < 30; round++) {
		bool *lost = calloc(s.l->n_datagrams, sizeof(*lost));
		unsigned n = 0;
		size_t i = 0;

		for (size_t d = 0; d < s.l->n_datagrams; d++) {
			lost[d] = hash_u64(d, round) % 20 == 0;
			if (!lost[d])
				link_deliver(s.l, d);
		}
		for (n = 0; n < FRAMES; n++) {
			bool whole = true;

			for (size_t d = s.first[n]; d <= s.last[n]; d++)
				whole = whole && !lost[d];
			if (whole) {
				assert_true(link_got(s.l, i, n, length_of(n)));
				i++;
			}
		}
		assert_int_equal(i, s.l->n_frames);
		assert_int_equal(s.l->drops.count[DROP_RECORD], 0);
		while (s.l->n_frames > 0)
			free(s.l->frames[--s.l->n_frames].data);
		free(lost);
		/* The same counters come again: nothing may be left of them. */
		unpack_free(&s.l->unpack);
		assert_true(unpack_init(&s.l->unpack,
					&(struct unpack_sink){ s.l->unpack.sink.frame,
							       s.l->unpack.sink.control,
							       s.l->unpack.sink.drop, s.l }));
	}
	link_free(s.l);
}

/* Neighbours that change places cost nothing. */
static void test_overtaking(void **state)
{
	struct stream s;
	bool seen[FRAMES] = { 0 };

	(void)state;
	begin(&s);
	for (size_t d = 0; d + 1 < s.l->n_datagrams; d += 2) {
		link_deliver(s.l, d + 1);
		link_deliver(s.l, d);
	}
	if (s.l->n_datagrams % 2)
		link_deliver(s.l, s.l->n_datagrams - 1);
	assert_int_equal(s.l->n_frames, FRAMES);
	for (size_t i = 0; i < FRAMES; i++) {
		unsigned n = 0;

		assert_true(is_frame(s.l, i, &n));
		assert_false(seen[n]);
		seen[n] = true;
	}
	link_free(s.l);
}

/* A whole reach of datagrams backwards: what finds no room is counted, and
 * nothing else is harmed. */
static void test_reversed(void **state)
{
	struct stream s;

	(void)state;
	begin(&s);
	for (size_t d = s.l->n_datagrams; d-- > 0;)
		link_deliver(s.l, d);
	for (size_t i = 0; i < s.l->n_frames; i++) {
		unsigned n = 0;

		assert_true(is_frame(s.l, i, &n));
	}
	assert_int_equal(s.l->drops.count[DROP_RECORD], 0);
	assert_in_range(s.l->n_frames, FRAMES / 4, FRAMES);
	link_free(s.l);
}

/* ---- plaintext by hand ---- */

struct hand {
	unsigned frames, controls, drops[DROP_COUNT];
	size_t bytes, last;
	struct vnet vnet;
	struct unpack unpack;
};

static void hand_frame(void *ctx, struct frame *frame)
{
	struct hand *h = ctx;

	h->frames++;
	h->last = frame->len;
	h->bytes += frame->len;
	h->vnet = frame->vnet;
}

static void hand_control(void *ctx, uint8_t type, const uint8_t *body, size_t len)
{
	(void)type;
	(void)body;
	(void)len;
	((struct hand *)ctx)->controls++;
}

static void hand_drop(void *ctx, enum drop reason)
{
	((struct hand *)ctx)->drops[reason]++;
}

static void hand_begin(struct hand *h)
{
	memset(h, 0, sizeof(*h));
	assert_true(unpack_init(&h->unpack,
				&(struct unpack_sink){ hand_frame, hand_control, hand_drop, h }));
}

static void hand_give(struct hand *h, uint64_t counter, const uint8_t *plain, size_t len)
{
	uint8_t *exact = malloc(len ? len : 1);

	memcpy(exact, plain, len);
	unpack_datagram(&h->unpack, 1, counter, exact, len);
	unpack_flush(&h->unpack);
	free(exact);
}

/* One plaintext alone: frames out of it, control records, and its drop. */
struct plain {
	const char *name;
	unsigned frames, controls;
	enum drop drop; /* DROP_COUNT: none */
	size_t len;
	uint8_t bytes[80]; /* zero behind what is given */
};

#define FRAME20 1, 0, 20, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5, 1, 2, 3, 4, 5, 6

static void test_plaintexts(void **state)
{
	/* clang-format off */
	static const struct plain table[] = {
		/* what is right */
		{ "nothing", 0, 0, DROP_COUNT, 2, { 0, 0 } },
		{ "padding", 0, 0, DROP_COUNT, 40, { 0, 0, 0 } },
		{ "a frame", 1, 0, DROP_COUNT, 25, { 0, 0, FRAME20 } },
		{ "two frames", 2, 0, DROP_COUNT, 48, { 0, 0, FRAME20, FRAME20 } },
		{ "a frame and padding", 1, 0, DROP_COUNT, 80, { 0, 0, FRAME20 } },
		{ "padding hides the rest", 1, 0, DROP_COUNT, 80, { 0, 0, FRAME20, 0, FRAME20 } },
		{ "shortest frame", 1, 0, DROP_COUNT, 19, { 0, 0, 1, 0, 14 } },
		{ "control", 0, 1, DROP_COUNT, 6, { 0, 0, 4, 0, 1, 5 } },
		{ "control with a body", 0, 1, DROP_COUNT, 8, { 0, 0, 4, 0, 3, 1, 2, 3 } },
		{ "continuation of nothing", 0, 0, DROP_COUNT, 12, { 0, 10 } },
		/* what is not */
		{ "empty", 0, 0, DROP_RECORD, 0, { 0 } },
		{ "one byte", 0, 0, DROP_RECORD, 1, { 0 } },
		{ "continuation past the end", 0, 0, DROP_RECORD, 12, { 0, 11 } },
		{ "continuation far past the end", 0, 0, DROP_RECORD, 12, { 0xff, 0xff } },
		{ "header cut", 0, 0, DROP_RECORD, 4, { 0, 0, 1, 0 } },
		{ "type alone", 0, 0, DROP_RECORD, 3, { 0, 0, 1 } },
		{ "cut too short", 0, 0, DROP_RECORD, 40, { 0, 0, 1, 4, 0 } },
		{ "longer than any record", 0, 0, DROP_RECORD, 80, { 0, 0, 1, 0xff, 0xff } },
		{ "segment may not be cut", 0, 0, DROP_RECORD, 80, { 0, 0, 3, 1, 0 } },
		{ "runt", 0, 0, DROP_RECORD, 18, { 0, 0, 1, 0, 13 } },
		{ "empty frame", 0, 0, DROP_RECORD, 5, { 0, 0, 1, 0, 0 } },
		{ "empty control", 0, 0, DROP_RECORD, 5, { 0, 0, 4, 0, 0 } },
		{ "empty segment", 0, 0, DROP_RECORD, 5, { 0, 0, 3, 0, 0 } },
		{ "short segment", 0, 0, DROP_RECORD, 22, { 0, 0, 3, 0, 17, 1, 1, 5 } },
		{ "partial without facts", 0, 0, DROP_RECORD, 8, { 0, 0, 2, 0, 3 } },
		{ "partial runt", 0, 0, DROP_RECORD, 22, { 0, 0, 2, 0, 17, 0, 0, 0, 0 } },
		{ "sum outside the frame", 0, 0, DROP_RECORD, 40, { 0, 0, 2, 0, 24, 0, 18, 0, 2 } },
		{ "sum far outside", 0, 0, DROP_RECORD, 40, { 0, 0, 2, 0, 24, 0xff, 0xff, 0xff, 0xff } },
		{ "unknown record", 0, 0, DROP_RECORD, 10, { 0, 0, 5, 0, 5 } },
		{ "unknown record, last of types", 0, 0, DROP_RECORD, 10, { 0, 0, 255, 0, 5 } },
		{ "good, then bad", 1, 0, DROP_RECORD, 30, { 0, 0, FRAME20, 5, 0, 2, 0, 0 } },
		{ "bad, then good", 1, 0, DROP_RECORD, 30, { 0, 0, 5, 0, 2, 0, 0, FRAME20 } },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		const struct plain *p = &table[i];
		struct hand h;
		unsigned drops = 0;

		hand_begin(&h);
		hand_give(&h, 7, p->bytes, p->len);
		for (unsigned d = 0; d < DROP_COUNT; d++)
			drops += h.drops[d];
		if (h.frames != p->frames || h.controls != p->controls ||
		    drops != (p->drop != DROP_COUNT) || (drops && !h.drops[p->drop]))
			fail_msg("%s: %u frames, %u controls, %u drops", p->name, h.frames,
				 h.controls, drops);
		unpack_free(&h.unpack);
	}
}

/* A segment of a TCP super-frame with facts of one's choice. */
struct facts {
	uint8_t gso_type;
	uint16_t gso_size, csum_start, csum_offset, header_len, id, offset;
	uint32_t total;
	size_t piece;
};

static const struct facts good = { VNET_GSO_TCPV4, 500, 34, 16, 54, 1, 0, 2000, 1000 };

static void give_segment(struct hand *h, uint64_t counter, const struct facts *f)
{
	static const uint8_t headers[54] = { 2, 0, 0, 0, 0, 1, 2,  0, 0, 0, 0,	2, 8, 0, 0x45, 0,
					     8, 0, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10,   0,
					     0, 2, 1, 2, 3, 4, 0,  0, 0, 9, 0,	0, 0, 9, 0x50, 16 };
	uint8_t plain[1300] = { 0 };
	struct wr w = wr_make(plain, sizeof(plain));

	wr_u16(&w, 0);
	wr_u8(&w, WIRE_SEGMENT);
	wr_u16(&w, (uint16_t)(WIRE_SEGMENT_META + 54 + f->piece));
	wr_u8(&w, f->gso_type);
	wr_u8(&w, VNET_F_NEEDS_CSUM);
	wr_u16(&w, f->gso_size);
	wr_u16(&w, f->csum_start);
	wr_u16(&w, f->csum_offset);
	wr_u16(&w, f->header_len);
	wr_u16(&w, f->id);
	wr_u16(&w, f->offset);
	wr_u32(&w, f->total);
	wr_copy(&w, headers, 54);
	hand_give(h, counter, plain, w.used + f->piece);
}

static void test_segments_of_no_sense(void **state)
{
	struct facts f;
	struct hand h;

	(void)state;
	hand_begin(&h);
	give_segment(&h, 1, &good);
	assert_int_equal(h.frames, 1);
	assert_int_equal(h.last, 1054);
	assert_int_equal(h.vnet.gso_size, 500);
#define BAD(change)                                                                                \
	f = good;                                                                                  \
	f.change;                                                                                  \
	give_segment(&h, 1, &f);                                                                   \
	assert_int_equal(h.frames, 1);                                                             \
	assert_int_equal(h.drops[DROP_RECORD], 1);                                                 \
	h.drops[DROP_RECORD] = 0
	BAD(gso_type = VNET_GSO_NONE);
	BAD(gso_type = VNET_GSO_TCPV6);
	BAD(gso_type = VNET_GSO_UDP_L4);
	BAD(gso_type = VNET_GSO_UDP);
	BAD(gso_type = 0xff);
	BAD(gso_size = 0);
	BAD(csum_start = 0);
	BAD(csum_start = 0xffff);
	BAD(csum_offset = 0xffff);
	BAD(csum_offset = 6);
	BAD(header_len = 0);
	BAD(header_len = 13);
	BAD(header_len = 53);
	BAD(header_len = 55);
	BAD(header_len = 225);
	BAD(header_len = 0xffff);
	BAD(piece = 0);
	BAD(total = 0);
	BAD(total = 999);
	BAD(total = 65536);
	BAD(total = 0xffffffff);
	BAD(offset = 1001);
	BAD(offset = 0xffff);
	BAD(total = 65535); /* with its headers longer than IP allows */
#undef BAD
	unpack_free(&h.unpack);
}

/* A continuation that no record can be so long for is not kept. */
static void test_continuation_longer_than_any_record(void **state)
{
	static uint8_t plain[2 + UNPACK_RECORD + 1];
	struct hand h;

	(void)state;
	hand_begin(&h);
	be16_put(plain, UNPACK_RECORD);
	hand_give(&h, 1, plain, 2 + UNPACK_RECORD);
	assert_int_equal(h.drops[DROP_RECORD], 0);
	be16_put(plain, UNPACK_RECORD + 1);
	hand_give(&h, 2, plain, sizeof(plain));
	assert_int_equal(h.drops[DROP_RECORD], 1);
	unpack_free(&h.unpack);
}

/* Many pieces and many joins: memory does not grow, and the oldest gives way. */
static void test_joins_are_bounded(void **state)
{
	uint8_t cut[100] = { 0, 0, 1, 1, 0 }; /* 98 bytes of a record of 259 */
	uint8_t rest[163] = { 0, 161 };
	struct hand h;

	(void)state;
	hand_begin(&h);
	for (uint64_t c = 0; c < 10 * UNPACK_JOINS; c++)
		hand_give(&h, 100 * c, cut, sizeof(cut));
	assert_int_equal(h.drops[DROP_JOIN], 9 * UNPACK_JOINS);
	assert_int_equal(h.frames, 0);
	hand_give(&h, 1, rest, sizeof(rest)); /* of one that gave way: kept in the stash */
	assert_int_equal(h.frames, 0);
	hand_give(&h, 100 * (10 * UNPACK_JOINS - 1) + 1, rest, sizeof(rest));
	assert_int_equal(h.frames, 1);
	assert_int_equal(h.last, 256);
	for (uint64_t c = 0; c < 10 * UNPACK_STASH; c++)
		hand_give(&h, 1000000 + 100 * c, rest, sizeof(rest));
	assert_int_equal(h.frames, 1);
	hand_give(&h, 1000000 + 100 * (10 * UNPACK_STASH - 1) - 1, cut, sizeof(cut));
	assert_int_equal(h.frames, 2);
	unpack_free(&h.unpack);
}

static void test_joins_that_do_not_fit(void **state)
{
	uint8_t cut[100] = { 0, 0, 1, 1, 0 };
	uint8_t more[163] = { 0, 161 }, less[162] = { 0, 159, 0 }, longer[170] = { 0, 165 };
	struct hand h;

	(void)state;
	hand_begin(&h);
	hand_give(&h, 1, cut, sizeof(cut));
	hand_give(&h, 2, longer, sizeof(longer));
	assert_int_equal(h.drops[DROP_RECORD], 1);
	hand_give(&h, 11, cut, sizeof(cut));
	hand_give(&h, 12, less, sizeof(less)); /* less than missing, though more follows */
	assert_int_equal(h.drops[DROP_RECORD], 2);
	assert_int_equal(h.frames, 0);
	hand_give(&h, 21, cut, sizeof(cut));
	hand_give(&h, 22, less, 161); /* less, and the whole datagram: it goes on */
	hand_give(&h, 23, (uint8_t[]){ 0, 2, 9, 9 }, 4);
	assert_int_equal(h.frames, 1);
	hand_give(&h, 31, cut, sizeof(cut));
	unpack_datagram(&h.unpack, 2, 32, more, sizeof(more)); /* of another key */
	assert_int_equal(h.frames, 1);
	unpack_datagram(&h.unpack, 1, 32, more, sizeof(more));
	assert_int_equal(h.frames, 2);
	unpack_free(&h.unpack);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loss_costs_only_what_was_inside),
		cmocka_unit_test(test_overtaking),
		cmocka_unit_test(test_reversed),
		cmocka_unit_test(test_plaintexts),
		cmocka_unit_test(test_segments_of_no_sense),
		cmocka_unit_test(test_continuation_longer_than_any_record),
		cmocka_unit_test(test_joins_are_bounded),
		cmocka_unit_test(test_joins_that_do_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
