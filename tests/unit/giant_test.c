/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/giant.h"
#include "core/superframe.h"
#include "lib/frames.h"

#define MTU 1500

static struct frame made, before;
static uint8_t segment[FRAME_ROOM];

static size_t check_at(const struct frame *f, bool udp)
{
	return f->l4 + (udp ? 6 : 16);
}

static void finish(struct frame *f)
{
	superframe_checksum(f->bytes, f->len, &f->vnet);
}

static void must_be_plain(struct frame *f)
{
	struct vnet vnet = { .flags = 0xff, .gso_size = 7 };

	before = *f;
	assert_true(giant_facts(f->bytes, f->len, MTU, &vnet));
	assert_memory_equal(&vnet, &(struct vnet){ 0 }, sizeof(vnet));
	assert_memory_equal(f->bytes, before.bytes, f->len);
}

/* All segments have right sums, the MTU's length, and the payload in its order. */
static void cut_all(const struct frame *f, const struct vnet *vnet)
{
	struct superframe_layout layout;
	struct superframe_cut cut;
	size_t n, got = 0, headers = f->headers;
	struct vnet facts;

	assert_true(superframe_valid(f->bytes, f->len, f->len, vnet, &layout));
	assert_int_equal(layout.payload, headers);
	superframe_cut_begin(&cut, f->bytes, f->len, vnet, &layout, true);
	while ((n = superframe_cut_next(&cut, segment, sizeof(segment), &facts)) > 0) {
		assert_true(frame_sums_right(f, segment, n));
		assert_memory_equal(segment + headers, before.bytes + headers + got, n - headers);
		got += n - headers;
		assert_true(n - f->l3 == MTU || (n - f->l3 < MTU && got == f->len - headers));
	}
	assert_int_equal(got, f->len - headers);
}

static void check_giant(const struct frame_spec *spec, bool merged)
{
	struct vnet vnet;

	frame_make(&made, spec);
	if (merged) /* by a NIC that leaves the first one's sum there */
		be16_put(made.bytes + check_at(&made, false), 0x1234);
	before = made;
	assert_true(giant_facts(made.bytes, made.len, MTU, &vnet));
	assert_int_equal(vnet.flags, VNET_F_NEEDS_CSUM);
	assert_int_equal(vnet.gso_type, (spec->v6 ? VNET_GSO_TCPV6 : VNET_GSO_TCPV4) |
						(spec->tcp_flags & FRAME_CWR ? VNET_GSO_ECN : 0));
	assert_int_equal(vnet.gso_size, MTU - (made.headers - made.l3));
	assert_int_equal(vnet.hdr_len, made.headers);
	assert_int_equal(vnet.csum_start, made.l4);
	assert_int_equal(vnet.csum_offset, 16);
	cut_all(&made, &vnet);
}

static void test_tcp_giants(void **state)
{
	const struct frame_spec specs[] = {
		{ .gso_size = 1000, .payload = 20500, .tcp_flags = FRAME_ACK },
		{ .gso_size = 1000, .payload = 1461, .tcp_flags = FRAME_ACK | FRAME_PSH },
		{ .gso_size = 1448,
		  .payload = 64000,
		  .v6 = true,
		  .tcp_flags = FRAME_ACK | FRAME_CWR,
		  .ecn = true },
		{ .gso_size = 1448,
		  .payload = 30000,
		  .tags = { 0x8100 },
		  .tcp_options = frame_timestamps,
		  .tcp_options_len = sizeof(frame_timestamps),
		  .tcp_flags = FRAME_ACK },
		{ .gso_size = 1448,
		  .payload = 30000,
		  .tags = { 0x88a8, 0x8100 },
		  .ip_options = 8,
		  .tcp_flags = FRAME_ACK },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(specs); i++) {
		check_giant(&specs[i], false);
		check_giant(&specs[i], true);
	}
}

/* One byte less is a frame of the link. */
static void test_border(void **state)
{
	struct frame_spec spec = { .payload = 1460, .tcp_flags = FRAME_ACK, .tags = { 0x8100 } };
	struct vnet vnet;

	(void)state;
	frame_make(&made, &spec);
	assert_int_equal(made.len - made.l3, MTU);
	finish(&made);
	must_be_plain(&made);
	spec.payload++;
	frame_make(&made, &spec);
	assert_true(giant_facts(made.bytes, made.len, MTU, &vnet));
	assert_int_equal(vnet.gso_type, VNET_GSO_TCPV4);
}

static void must_be_refused(const struct frame_spec *spec, unsigned mtu)
{
	struct vnet vnet;

	frame_make(&made, spec);
	assert_false(giant_facts(made.bytes, made.len, mtu, &vnet));
}

static void test_giants_that_can_not_be_cut(void **state)
{
	struct frame_spec tcp = { .payload = 3000, .tcp_flags = FRAME_ACK };
	struct vnet vnet;

	(void)state;
	must_be_refused(&(struct frame_spec){ .udp = true, .payload = 3000 }, MTU);
	must_be_refused(&(struct frame_spec){ .udp = true, .v6 = true, .payload = 3000 }, MTU);
	must_be_refused(&tcp, 39);
	must_be_refused(&tcp, 40); /* no room for a byte behind headers */
	must_be_refused(&tcp, 41); /* too many segments */

	/* What its headers claim is not what is there. */
	frame_make(&made, &tcp);
	be16_put(made.bytes + made.l3 + 2, (uint16_t)(made.len - made.l3 - 1));
	assert_false(giant_facts(made.bytes, made.len, MTU, &vnet));
	be16_put(made.bytes + made.l3 + 2, (uint16_t)(made.len - made.l3 + 1));
	assert_false(giant_facts(made.bytes, made.len, MTU, &vnet));

	/* Neither TCP nor UDP, and a fragment. */
	frame_make(&made, &tcp);
	made.bytes[made.l3 + 9] = 47;
	assert_false(giant_facts(made.bytes, made.len, MTU, &vnet));
	frame_make(&made, &tcp);
	made.bytes[made.l3 + 6] = 0x20;
	assert_false(giant_facts(made.bytes, made.len, MTU, &vnet));

	/* What is not IP is as long as it is. */
	frame_make(&made, &tcp);
	be16_put(made.bytes + made.l3 - 2, 0x88b5);
	must_be_plain(&made);
}

static void check_partial(const struct frame_spec *spec)
{
	struct frame final;
	struct vnet vnet;

	frame_make(&made, spec);
	assert_int_equal(made.vnet.flags, VNET_F_NEEDS_CSUM);
	final = made;
	finish(&final);
	assert_true(giant_facts(made.bytes, made.len, MTU, &vnet));
	assert_int_equal(vnet.flags, VNET_F_NEEDS_CSUM);
	assert_int_equal(vnet.gso_type, VNET_GSO_NONE);
	assert_int_equal(vnet.csum_start, made.vnet.csum_start);
	assert_int_equal(vnet.csum_offset, made.vnet.csum_offset);
	superframe_checksum(made.bytes, made.len, &vnet);
	assert_memory_equal(made.bytes, final.bytes, made.len);
	must_be_plain(&final);

	/* A sum that is wrong stays wrong: who gets it is to see that. */
	final.bytes[final.len - 1] ^= 0x55;
	must_be_plain(&final);
}

static void test_partial_checksums(void **state)
{
	const struct frame_spec specs[] = {
		{ .payload = 100, .tcp_flags = FRAME_ACK },
		{ .payload = 101, .v6 = true, .tcp_flags = FRAME_ACK },
		{ .payload = 100, .udp = true },
		{ .payload = 101, .udp = true, .v6 = true, .tags = { 0x8100 } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(specs); i++)
		check_partial(&specs[i]);
}

/* Padding may be anything, and is in no sum. */
static void test_padding(void **state)
{
	struct vnet vnet;
	size_t len;

	(void)state;
	frame_make(&made, &(struct frame_spec){ .udp = true, .payload = 4 });
	len = made.len;
	memset(made.bytes + len, 0xa5, 60 - len);
	assert_true(giant_facts(made.bytes, 60, MTU, &vnet));
	assert_memory_equal(&vnet, &(struct vnet){ 0 }, sizeof(vnet));
	assert_true(frame_sums_right(&made, made.bytes, len));
	assert_int_equal(made.bytes[len], 0xa5);
	made.len = 60;
	must_be_plain(&made);
}

static void test_left_alone(void **state)
{
	(void)state;
	/* UDP without a checksum. */
	frame_make(&made, &(struct frame_spec){ .udp = true, .payload = 100 });
	be16_put(made.bytes + check_at(&made, true), 0);
	must_be_plain(&made);

	/* A length that is not the packet's. */
	frame_make(&made, &(struct frame_spec){ .udp = true, .payload = 100 });
	be16_put(made.bytes + made.l4 + 4, 107);
	must_be_plain(&made);
	frame_make(&made, &(struct frame_spec){ .payload = 100 });
	be16_put(made.bytes + made.l3 + 2, 1000);
	be16_put(made.bytes + check_at(&made, false), frame_pseudo_sum(&made, 980));
	must_be_plain(&made);

	/* Fragments, ARP, and less than an Ethernet header. */
	frame_make(&made, &(struct frame_spec){ .payload = 100 });
	made.bytes[made.l3 + 6] = 0x20;
	must_be_plain(&made);
	frame_make(&made, &(struct frame_spec){ .payload = 100 });
	be16_put(made.bytes + made.l3 - 2, 0x0806);
	must_be_plain(&made);
	made.len = 13;
	must_be_plain(&made);
}

/* A sum that reads as both: the payload's own comes to nothing. */
static void test_right_as_both(void **state)
{
	uint16_t sum;

	(void)state;
	frame_make(&made, &(struct frame_spec){ .udp = true, .payload = 100 });
	sum = frame_sum(made.bytes + made.l4, made.len - made.l4, frame_pseudo_sum(&made, 108));
	be16_put(made.bytes + made.len - 2,
		 frame_sum(made.bytes + made.len - 2, 2, (uint16_t)~sum));
	assert_true(frame_sums_right(&made, made.bytes, made.len));
	must_be_plain(&made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_giants),
		cmocka_unit_test(test_border),
		cmocka_unit_test(test_giants_that_can_not_be_cut),
		cmocka_unit_test(test_partial_checksums),
		cmocka_unit_test(test_padding),
		cmocka_unit_test(test_left_alone),
		cmocka_unit_test(test_right_as_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
