/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "core/port.h"
#include "sim/libsupers.h"

#define EVERYTHING (VNET_CAN_CSUM | VNET_CAN_TSO4 | VNET_CAN_TSO6 | VNET_CAN_TSO_ECN | VNET_CAN_USO)

/* A device that keeps what it is given, and may refuse. */
struct device {
	struct port port;
	int answer;
	bool refuses_supers; /* as a kernel without that offload */
	bool keeps;	     /* for later */
	unsigned frames, supers, partial;
	size_t payload;
	const struct super *of; /* segments are held against it */
	uint8_t last[SUPERFRAME_MAX];
	size_t last_len;
};

static int take(void *ctx, const struct vnet *vnet, struct iovec *iov, size_t n)
{
	struct device *d = ctx;
	size_t offset, len;

	if (d->answer)
		return d->answer;
	if (d->refuses_supers && vnet->gso_type != VNET_GSO_NONE)
		return -EINVAL;
	d->last_len = 0;
	for (size_t i = 1; i < n; i++) {
		memcpy(d->last + d->last_len, iov[i].iov_base, iov[i].iov_len);
		d->last_len += iov[i].iov_len;
	}
	iov[0].iov_base = d->last;
	d->frames++;
	d->supers += vnet->gso_type != VNET_GSO_NONE;
	d->partial += (vnet->flags & VNET_F_NEEDS_CSUM) != 0;
	if (d->of && vnet->gso_type == VNET_GSO_NONE) {
		struct vnet facts = *vnet;

		superframe_checksum(d->last, d->last_len, &facts);
		assert_true(super_segment_right(d->of, d->last, d->last_len, &offset, &len));
		assert_int_equal(offset, d->payload); /* in order, nothing left out */
		d->payload += len;
	}
	return 0;
}

static void begin(struct device *d, uint32_t can)
{
	memset(d, 0, sizeof(*d));
	assert_true(port_init(&d->port, "a device", take, d));
	d->port.up = true;
	d->port.can = can;
}

/* In three pieces, the headers in one. */
static void deliver(struct device *d, const uint8_t *bytes, size_t len, size_t headers,
		    const struct vnet *vnet)
{
	uint8_t *copy = malloc(len);
	size_t half = headers + (len - headers) / 2;
	struct iovec iov[4] = { { 0 },
				{ copy, headers },
				{ copy + headers, half - headers },
				{ copy + half, len - half } };
	struct frame frame = { .vnet = *vnet, .len = len, .n = 4, .iov = iov };

	memcpy(copy, bytes, len);
	port_deliver(&d->port, &frame);
	free(copy);
}

static struct super draw_super(uint64_t i)
{
	static const uint8_t to[6] = { 2, 1 }, from[6] = { 2, 2 };
	struct super s;

	assert_true(super_make(&s, 5, hash_u64(i, 4), 60000, to, from));
	return s;
}

static uint32_t needs(const struct super *s)
{
	uint32_t need = VNET_CAN_CSUM;

	need |= s->udp ? VNET_CAN_USO : s->v6 ? VNET_CAN_TSO6 : VNET_CAN_TSO4;
	return need | (s->vnet.gso_type & VNET_GSO_ECN ? VNET_CAN_TSO_ECN : 0);
}

static void test_super_frames_pass_where_taken(void **state)
{
	static struct device d;

	(void)state;
	for (uint64_t i = 0; i < 100; i++) {
		struct super s = draw_super(i);

		begin(&d, needs(&s));
		deliver(&d, s.bytes, s.len, s.headers, &s.vnet);
		assert_int_equal(d.frames, 1);
		assert_int_equal(d.supers, 1);
		assert_int_equal(d.port.cut, 0);
		assert_int_equal(d.last_len, s.len);
		assert_memory_equal(d.last, s.bytes, s.len);
		super_free(&s);
		port_free(&d.port);
	}
}

/* One bit less, and it is cut; without VNET_CAN_CSUM it is summed as well. */
static void test_super_frames_are_cut(void **state)
{
	static struct device d;

	(void)state;
	for (uint64_t i = 0; i < 100; i++) {
		struct super s = draw_super(i);

		for (uint32_t bit = 1; bit <= VNET_CAN_USO; bit *= 2) {
			size_t total = s.len - s.headers;
			unsigned segments =
				(unsigned)((total + s.vnet.gso_size - 1) / s.vnet.gso_size);

			if (!(needs(&s) & bit))
				continue;
			begin(&d, EVERYTHING & ~bit);
			d.of = &s;
			deliver(&d, s.bytes, s.len, s.headers, &s.vnet);
			assert_int_equal(d.frames, segments);
			assert_int_equal(d.supers, 0);
			assert_int_equal(d.partial, bit == VNET_CAN_CSUM ? 0 : segments);
			assert_int_equal(d.payload, total);
			assert_int_equal(d.port.cut, 1);
			assert_int_equal(d.port.tx.frames, segments);
			port_free(&d.port);
		}
		super_free(&s);
	}
}

static void test_partial_sums(void **state)
{
	static struct device d;
	struct super s = draw_super(3);
	struct vnet vnet = s.vnet, facts;
	struct superframe_layout layout;
	struct superframe_cut cut;
	uint8_t segment[2000];
	size_t len, offset, n;

	(void)state;
	/* A plain frame with a partial sum: the first segment. */
	superframe_valid(s.bytes, s.len, s.len, &vnet, &layout);
	superframe_cut_begin(&cut, s.bytes, s.len, &vnet, &layout, false);
	len = superframe_cut_next(&cut, segment, sizeof(segment), &facts);
	begin(&d, VNET_CAN_CSUM);
	deliver(&d, segment, len, s.headers, &facts);
	assert_int_equal(d.partial, 1);
	assert_memory_equal(d.last, segment, len);
	d.port.can = 0;
	deliver(&d, segment, len, s.headers, &facts);
	assert_int_equal(d.partial, 1);
	assert_true(super_segment_right(&s, d.last, d.last_len, &offset, &n));
	assert_int_equal(d.port.cut, 0);
	port_free(&d.port);
	super_free(&s);
}

static void test_facts_that_do_not_fit(void **state)
{
	static struct device d;
	uint8_t frame[1000] = { 2 };
	const struct vnet bad = { .flags = VNET_F_NEEDS_CSUM, .gso_type = 1, .gso_size = 100 };
	const struct vnet sum = { .flags = VNET_F_NEEDS_CSUM, .csum_start = 999 };

	(void)state;
	begin(&d, 0);
	deliver(&d, frame, sizeof(frame), 100, &bad);
	deliver(&d, frame, sizeof(frame), 100, &sum);
	assert_int_equal(d.frames, 0);
	assert_int_equal(d.port.drops.count[DROP_OFFLOAD], 2);
	port_free(&d.port);
}

/* A super-frame whose segments are longer than frames may be is lost, and counted. */
static void test_segments_too_long(void **state)
{
	static struct device d;
	static uint8_t frame[54 + 20000] = { [12] = 8, [14] = 0x45, [23] = 6, [46] = 0x50 };
	const struct vnet vnet = { .flags = VNET_F_NEEDS_CSUM,
				   .gso_type = VNET_GSO_TCPV4,
				   .gso_size = WIRE_FRAME_MAX - 54,
				   .csum_start = 34,
				   .csum_offset = 16 };
	struct vnet longer = vnet;

	(void)state;
	longer.gso_size++;
	be16_put(frame + 16, sizeof(frame) - 14);
	begin(&d, 0);
	deliver(&d, frame, sizeof(frame), 54, &longer);
	assert_int_equal(d.frames, 0);
	assert_int_equal(d.port.drops.count[DROP_OVERSIZE], 1);
	deliver(&d, frame, sizeof(frame), 54, &vnet);
	assert_int_equal(d.frames, 3);
	assert_int_equal(d.port.drops.count[DROP_OVERSIZE], 1);
	port_free(&d.port);
}

static void test_what_a_device_answers(void **state)
{
	static const struct {
		int answer;
		enum drop reason;
	} table[] = {
		{ -EIO, DROP_PORT_DOWN },	  { -ENETDOWN, DROP_PORT_DOWN },
		{ -EBADFD, DROP_PORT_DOWN },	  { -EAGAIN, DROP_PORT_FULL },
		{ -ENOBUFS, DROP_PORT_FULL },	  { -EINVAL, DROP_PORT_REFUSED },
		{ -EMSGSIZE, DROP_PORT_REFUSED },
	};
	static struct device d;
	const struct vnet plain = { 0 };
	uint8_t frame[60] = { 2 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		begin(&d, 0);
		d.answer = table[i].answer;
		deliver(&d, frame, sizeof(frame), 20, &plain);
		assert_int_equal(d.port.drops.count[table[i].reason], 1);
		assert_int_equal(d.port.tx.frames, 0);
		d.answer = 0;
		deliver(&d, frame, sizeof(frame), 20, &plain);
		assert_int_equal(d.port.tx.frames, 1);
		assert_int_equal(d.port.tx.bytes, 60);
		d.port.up = false;
		deliver(&d, frame, sizeof(frame), 20, &plain);
		assert_int_equal(d.port.drops.count[DROP_PORT_DOWN],
				 1 + (table[i].reason == DROP_PORT_DOWN));
		assert_int_equal(d.frames, 1);
		port_free(&d.port);
	}
}

/* Refused super-frames are cut at once and none is lost; the offload is given up
 * when it goes on, and not for a few. */
static void test_refused_super_frames_heal(void **state)
{
	static struct device d;
	struct super s = draw_super(1);
	size_t total = s.len - s.headers;
	unsigned before;

	(void)state;
	begin(&d, EVERYTHING);
	d.of = &s;
	for (unsigned i = 0; i < 3 * PORT_REFUSALS; i++) {
		d.refuses_supers = i % PORT_REFUSALS != 3;
		before = d.supers;
		d.payload = 0;
		deliver(&d, s.bytes, s.len, s.headers, &s.vnet);
		assert_true(d.supers > before || d.payload == total);
	}
	assert_int_equal(d.port.lost, 0);
	d.refuses_supers = true;
	for (unsigned i = 0; i < PORT_REFUSALS; i++) {
		d.payload = 0;
		deliver(&d, s.bytes, s.len, s.headers, &s.vnet);
		assert_int_equal(d.payload, total);
	}
	assert_int_equal(d.port.lost, needs(&s) & ~VNET_CAN_CSUM);
	assert_int_equal(d.port.can, EVERYTHING & ~d.port.lost);
	for (unsigned i = 0; i < DROP_COUNT; i++)
		assert_int_equal(d.port.drops.count[i], 0);
	super_free(&s);
	port_free(&d.port);
}

/* A super-frame whose pieces are refused as well says nothing of the offload. */
static void test_a_bad_super_frame_heals_nothing(void **state)
{
	static struct device d;
	struct super s = draw_super(1);

	(void)state;
	begin(&d, EVERYTHING);
	d.answer = -EINVAL;
	for (unsigned i = 0; i < 2 * PORT_REFUSALS; i++)
		deliver(&d, s.bytes, s.len, s.headers, &s.vnet);
	assert_int_equal(d.port.lost, 0);
	assert_true(d.port.drops.count[DROP_PORT_REFUSED] > 0);
	super_free(&s);
	port_free(&d.port);
}

/* A device that keeps each frame, and whoever writes them later. */
static int keep(void *ctx, const struct vnet *vnet, struct iovec *iov, size_t n)
{
	struct device *d = ctx;

	return d->keeps ? PORT_LATER : take(ctx, vnet, iov, n);
}

static void write_kept(struct device *d, const struct super *s, int error)
{
	struct iovec iov[2] = { { 0 }, { s->bytes, s->len } };
	struct frame frame = { .vnet = s->vnet, .len = s->len, .n = 2, .iov = iov };

	d->keeps = false;
	port_written(&d->port, &frame, error);
	d->keeps = true;
}

/* A frame that was kept counts once, whatever becomes of it. */
static void test_written_later(void **state)
{
	static struct device d;
	struct super s = draw_super(1);

	(void)state;
	begin(&d, EVERYTHING);
	d.port.write = keep;
	d.keeps = true;
	deliver(&d, s.bytes, s.len, s.headers, &s.vnet);
	deliver(&d, s.bytes, s.len, s.headers, &s.vnet);
	assert_int_equal(d.port.tx.frames, 2);
	assert_int_equal(d.port.tx.bytes, 2 * s.len);
	write_kept(&d, &s, 0);
	assert_int_equal(d.port.tx.frames, 2);
	write_kept(&d, &s, -EAGAIN);
	assert_int_equal(d.port.tx.frames, 1);
	assert_int_equal(d.port.tx.bytes, s.len);
	assert_int_equal(d.port.drops.count[DROP_PORT_FULL], 1);
	assert_int_equal(d.frames, 0);
	super_free(&s);
	port_free(&d.port);
}

/* Refused later: cut then, and given up when it goes on, but not for a few. */
static void test_refused_later(void **state)
{
	static struct device d;
	struct super s = draw_super(1);
	size_t total = s.len - s.headers;

	(void)state;
	begin(&d, EVERYTHING);
	d.port.write = keep;
	d.keeps = d.refuses_supers = true;
	d.of = &s;
	for (unsigned i = 1; i <= 2 * PORT_REFUSALS; i++) {
		d.payload = d.frames = 0;
		deliver(&d, s.bytes, s.len, s.headers, &s.vnet);
		assert_int_equal(d.port.lost, 0);
		write_kept(&d, &s, -EINVAL);
		assert_int_equal(d.payload, total);
		assert_int_equal(d.port.tx.bytes, d.frames * s.headers + total);
		d.port.tx = (struct port_traffic){ 0 };
		if (i != PORT_REFUSALS - 1)
			continue;
		deliver(&d, s.bytes, s.len, s.headers, &s.vnet);
		write_kept(&d, &s, 0); /* one in between: begun anew */
		d.port.tx = (struct port_traffic){ 0 };
		i = PORT_REFUSALS;
	}
	assert_int_equal(d.port.lost, needs(&s) & ~VNET_CAN_CSUM);
	for (unsigned i = 0; i < DROP_COUNT; i++)
		assert_int_equal(d.port.drops.count[i], 0);
	super_free(&s);
	port_free(&d.port);
}

static void test_name_is_cut(void **state)
{
	struct port port;
	char name[2 * PORT_NAME];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_true(port_init(&port, name, take, NULL));
	assert_int_equal(strlen(port.name), PORT_NAME - 1);
	assert_false(port.up);
	port_free(&port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_super_frames_pass_where_taken),
		cmocka_unit_test(test_super_frames_are_cut),
		cmocka_unit_test(test_partial_sums),
		cmocka_unit_test(test_facts_that_do_not_fit),
		cmocka_unit_test(test_segments_too_long),
		cmocka_unit_test(test_what_a_device_answers),
		cmocka_unit_test(test_refused_super_frames_heal),
		cmocka_unit_test(test_a_bad_super_frame_heals_nothing),
		cmocka_unit_test(test_written_later),
		cmocka_unit_test(test_refused_later),
		cmocka_unit_test(test_name_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
