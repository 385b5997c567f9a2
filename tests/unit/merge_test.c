/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "core/merge.h"
#include "lib/frames.h"

#define MOST 200

/* Frames in the order they came out, super-frames cut back. */
struct heard {
	unsigned n, supers;
	size_t len[MOST];
	uint8_t *bytes[MOST];
};

static struct heard sent, heard;
static struct merge merge;

static void keep(struct heard *h, const uint8_t *frame, size_t len)
{
	assert_true(h->n < MOST);
	h->bytes[h->n] = malloc(len);
	assert_non_null(h->bytes[h->n]);
	memcpy(h->bytes[h->n], frame, len);
	h->len[h->n++] = len;
}

static void keep_final(struct heard *h, const uint8_t *frame, size_t len, const struct vnet *vnet)
{
	static uint8_t copy[FRAME_ROOM];
	struct vnet facts = *vnet;

	memcpy(copy, frame, len);
	superframe_checksum(copy, len, &facts);
	keep(h, copy, len);
}

static void out(void *ctx, unsigned port, uint8_t *frame, size_t len, const struct vnet *vnet,
		const struct superframe_layout *layout)
{
	static uint8_t segment[FRAME_ROOM];
	struct superframe_layout seen;
	struct superframe_cut cut;
	struct vnet facts;
	size_t n;

	(void)ctx;
	assert_int_equal(port, 3);
	assert_true(superframe_valid(frame, len, len, vnet, &seen));
	assert_memory_equal(&seen, layout, sizeof(seen));
	if (vnet->gso_type == VNET_GSO_NONE) {
		keep_final(&heard, frame, len, vnet);
		return;
	}
	heard.supers++;
	superframe_cut_begin(&cut, frame, len, vnet, layout, true);
	while ((n = superframe_cut_next(&cut, segment, sizeof(segment), &facts)))
		keep(&heard, segment, n);
}

static void forget(struct heard *h)
{
	for (unsigned i = 0; i < h->n; i++)
		free(h->bytes[i]);
	memset(h, 0, sizeof(*h));
}

static int setup(void **state)
{
	(void)state;
	memset(&sent, 0, sizeof(sent));
	memset(&heard, 0, sizeof(heard));
	return merge_init(&merge, 32, out, NULL) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	merge_free(&merge);
	forget(&sent);
	forget(&heard);
	return 0;
}

/* As from the TAP: what is not taken comes out by itself. */
static void give(const uint8_t *frame, size_t len, const struct vnet *vnet)
{
	static uint8_t copy[FRAME_ROOM];
	struct superframe_layout layout;

	keep_final(&sent, frame, len, vnet);
	memcpy(copy, frame, len);
	assert_true(superframe_valid(copy, len, len, vnet, &layout));
	if (!merge_take(&merge, 3, copy, len, vnet, &layout))
		out(NULL, 3, copy, len, vnet, &layout);
}

static const struct frame_spec specs[] = {
	{ .name = "TCP", .tcp_flags = FRAME_ACK, .gso_size = 1448, .payload = 14480, .id = 65530,
	  .seq = 0xfffff000, .tcp_options = frame_timestamps, .tcp_options_len = 12 },
	{ .name = "TCP, PSH", .tcp_flags = FRAME_ACK | FRAME_PSH, .gso_size = 500, .payload = 5001 },
	{ .name = "TCP, FIN", .tcp_flags = FRAME_ACK | FRAME_FIN, .gso_size = 1000, .payload = 2000 },
	{ .name = "TCP6", .v6 = true, .tcp_flags = FRAME_ACK, .gso_size = 1428, .payload = 15000 },
	{ .name = "TCP, tags", .tags = { 0x88a8, 0x8100 }, .tcp_flags = FRAME_ACK,
	  .gso_size = 1440, .payload = 10000 },
	{ .name = "UDP", .udp = true, .gso_size = 64, .payload = 64 * 40, .id = 65530 },
	{ .name = "UDP, short end", .udp = true, .gso_size = 1200, .payload = 6100 },
	{ .name = "UDP6", .udp = true, .v6 = true, .gso_size = 1400, .payload = 14000 },
};

/* The segments of one super-frame, one by one. */
static void give_cut(const struct frame_spec *spec, bool final)
{
	static struct frame f;
	static uint8_t segment[FRAME_ROOM];
	struct superframe_layout layout;
	struct superframe_cut cut;
	struct vnet facts;
	size_t n;

	frame_make(&f, spec);
	assert_true(superframe_valid(f.bytes, f.len, f.len, &f.vnet, &layout));
	superframe_cut_begin(&cut, f.bytes, f.len, &f.vnet, &layout, final);
	while ((n = superframe_cut_next(&cut, segment, sizeof(segment), &facts)))
		give(segment, n, &facts);
}

static void check_same(void)
{
	assert_int_equal(heard.n, sent.n);
	for (unsigned i = 0; i < sent.n; i++) {
		assert_int_equal(heard.len[i], sent.len[i]);
		assert_memory_equal(heard.bytes[i], sent.bytes[i], sent.len[i]);
	}
}

static void test_merged_and_cut_is_the_same(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNT_OF(specs); i++) {
		for (int final = 0; final < 2; final++) {
			forget(&sent);
			forget(&heard);
			give_cut(&specs[i], final);
			assert_int_equal(heard.n, 0);
			merge_flush(&merge);
			check_same();
			assert_int_equal(heard.supers, 1);
		}
	}
}

static void test_a_single_frame_is_untouched(void **state)
{
	struct frame_spec spec = { .tcp_flags = FRAME_ACK, .gso_size = 1000, .payload = 900 };

	(void)state;
	give_cut(&spec, true);
	merge_flush(&merge);
	check_same();
	assert_int_equal(heard.supers, 0);
	assert_int_equal(merge.merged, 0);
}

/* Two pieces of a flow, the second changed in one way: no super-frame, the same
 * frames, in order. */
static void check_not_merged(void (*change)(uint8_t *frame, size_t l3, size_t l4))
{
	struct frame_spec spec = { .tcp_flags = FRAME_ACK, .gso_size = 700, .payload = 1400 };
	static struct frame f;
	static uint8_t segment[2][FRAME_ROOM];
	struct superframe_layout layout;
	struct superframe_cut cut;
	struct vnet facts[2];
	size_t n[2];

	frame_make(&f, &spec);
	assert_true(superframe_valid(f.bytes, f.len, f.len, &f.vnet, &layout));
	superframe_cut_begin(&cut, f.bytes, f.len, &f.vnet, &layout, true);
	for (unsigned i = 0; i < 2; i++)
		n[i] = superframe_cut_next(&cut, segment[i], FRAME_ROOM, &facts[i]);
	change(segment[1], layout.l3, layout.l4);
	forget(&sent);
	forget(&heard);
	give(segment[0], n[0], &facts[0]);
	give(segment[1], n[1], &facts[1]);
	merge_flush(&merge);
	check_same();
	assert_int_equal(heard.supers, 0);
}

/* Sums stay right, so that nothing but the change is in the way. */
static void add_at(uint8_t *frame, size_t at, size_t check, int by)
{
	uint16_t old = be16_get(frame + at), new = (uint16_t)(old + by);
	uint32_t sum = (uint16_t)~be16_get(frame + check) + (uint32_t)(uint16_t)~old + new;

	be16_put(frame + at, new);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	be16_put(frame + check, (uint16_t)~sum);
}

static void other_id(uint8_t *frame, size_t l3, size_t l4)
{
	(void)l4;
	add_at(frame, l3 + 4, l3 + 10, 1);
}

static void other_ttl(uint8_t *frame, size_t l3, size_t l4)
{
	(void)l4;
	add_at(frame, l3 + 8, l3 + 10, 0x100);
}

static void other_tos(uint8_t *frame, size_t l3, size_t l4)
{
	(void)l4;
	add_at(frame, l3, l3 + 10, 1);
}

static void bad_ip_sum(uint8_t *frame, size_t l3, size_t l4)
{
	(void)l4;
	frame[l3 + 10] ^= 1;
}

static void other_seq(uint8_t *frame, size_t l3, size_t l4)
{
	(void)l3;
	add_at(frame, l4 + 6, l4 + 16, 1);
}

static void other_ack(uint8_t *frame, size_t l3, size_t l4)
{
	(void)l3;
	add_at(frame, l4 + 10, l4 + 16, 1);
}

static void other_window(uint8_t *frame, size_t l3, size_t l4)
{
	(void)l3;
	add_at(frame, l4 + 14, l4 + 16, 1);
}

static void with_cwr(uint8_t *frame, size_t l3, size_t l4)
{
	(void)l3;
	add_at(frame, l4 + 12, l4 + 16, FRAME_CWR);
}

static void bad_sum(uint8_t *frame, size_t l3, size_t l4)
{
	(void)l3;
	frame[l4 + 16] ^= 1;
}

static void other_mac(uint8_t *frame, size_t l3, size_t l4)
{
	(void)l3;
	(void)l4;
	frame[5] ^= 1;
}

static void test_what_differs_is_not_merged(void **state)
{
	(void)state;
	check_not_merged(other_id);
	check_not_merged(other_ttl);
	check_not_merged(other_tos);
	check_not_merged(bad_ip_sum);
	check_not_merged(other_seq);
	check_not_merged(other_ack);
	check_not_merged(other_window);
	check_not_merged(with_cwr);
	check_not_merged(bad_sum);
	check_not_merged(other_mac);
}

/* A frame of the flow that cannot be merged does not overtake. */
static void test_order_in_a_flow(void **state)
{
	struct frame_spec data = { .tcp_flags = FRAME_ACK, .gso_size = 500, .payload = 2000 };
	struct frame_spec syn = { .tcp_flags = FRAME_SYN, .payload = 1, .seq = 7 };
	static struct frame f;

	(void)state;
	give_cut(&data, true);
	frame_make(&f, &syn);
	give(f.bytes, f.len, &f.vnet);
	assert_int_equal(heard.n, 5);
	give_cut(&data, false);
	merge_flush(&merge);
	check_same();
	assert_int_equal(heard.supers, 2);
}

/* More flows than places: all come out, each in its order. */
static void test_many_flows(void **state)
{
	static struct frame f;
	static uint8_t segment[FRAME_ROOM];
	unsigned next[3 * MERGE_FLOWS] = { 0 };

	(void)state;
	for (unsigned round = 0; round < 4; round++) {
		for (unsigned flow = 0; flow < 3 * MERGE_FLOWS; flow++) {
			struct frame_spec spec = { .udp = true, .payload = 100,
						   .id = (uint16_t)round };

			frame_make(&f, &spec);
			memcpy(segment, f.bytes, f.len);
			add_at(segment, f.l4, f.l4 + 6, 0);
			be16_put(segment + f.l4, (uint16_t)(1000 + flow));
			segment[f.headers] = (uint8_t)round;
			give(segment, f.len, &f.vnet);
		}
	}
	merge_flush(&merge);
	assert_int_equal(heard.n, sent.n);
	for (unsigned i = 0; i < heard.n; i++) {
		unsigned flow = be16_get(heard.bytes[i] + f.l4) - 1000u;

		assert_true(flow < COUNT_OF(next));
		assert_int_equal(heard.bytes[i][f.headers], next[flow]++);
	}
	assert_int_equal(merge.used, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_merged_and_cut_is_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_single_frame_is_untouched, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_differs_is_not_merged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order_in_a_flow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_flows, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
