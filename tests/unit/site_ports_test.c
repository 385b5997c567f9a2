/* SPDX-License-Identifier: MIT */
/* Local ports of a site: they come and go, and have VLANs. */
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

#define KEPT 64

/* A device that keeps the frames that it was given. */
struct device {
	struct port port;
	unsigned n;
	size_t len[KEPT];
	uint8_t bytes[KEPT][2000];
};

static const struct pair_setup usual[PAIR_SITES] = { { 0 }, { 0 }, { 0 } };
static struct device dev[3];

static int take(void *ctx, const struct vnet *vnet, struct iovec *iov, size_t n)
{
	struct device *d = ctx;
	size_t len = 0;

	(void)vnet;
	assert_true(d->n < KEPT);
	for (size_t i = 1; i < n; len += iov[i++].iov_len) {
		assert_true(iov[i].iov_len > 0);
		memcpy(d->bytes[d->n] + len, iov[i].iov_base, iov[i].iov_len);
	}
	d->len[d->n++] = len;
	iov[0].iov_len = 0;
	return 0;
}

static void plug(struct pair *p, unsigned i)
{
	memset(&dev[i], 0, sizeof(dev[i]));
	assert_true(port_init(&dev[i].port, "lab", take, &dev[i]));
	dev[i].port.up = true;
	assert_int_equal(site_add_port(&p->s[0].site, &dev[i].port), 1 + i);
}

/* Site 0 with its port 0 and two devices, and site 1 with its port. */
static struct pair *begin(void)
{
	struct pair *p = pair_new(2, usual);

	pair_run(p, SECONDS(3));
	assert_true(pair_connected(p, 0, 1));
	plug(p, 0);
	plug(p, 1);
	return p;
}

static void finish(struct pair *p)
{
	for (unsigned i = 0; i < 3; i++) {
		port_free(&dev[i].port);
		dev[i].n = 0;
	}
	pair_free(p);
}

static size_t make(uint8_t *out, uint8_t to, uint8_t from, uint16_t vlan)
{
	memset(out, 0x33, 80);
	memcpy(out, (uint8_t[]){ 2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, 0x88, 0xb5 }, 14);
	if (to == 0xff)
		memset(out, 0xff, 6);
	if (!vlan)
		return 80;
	memmove(out + 16, out + 12, 64);
	be16_put(out + 12, 0x8100);
	be16_put(out + 14, vlan);
	return 80;
}

static void come_in(struct pair *p, unsigned site, unsigned port, uint8_t to, uint8_t from,
		    uint16_t vlan)
{
	uint8_t buffer[SITE_HEADROOM + 80];
	size_t len = make(buffer + SITE_HEADROOM, to, from, vlan);

	site_frame(&p->s[site].site, port, buffer + SITE_HEADROOM, len, &(struct vnet){ 0 },
		   p->now);
	site_close(&p->s[site].site);
	pair_run(p, MS(50));
}

static void test_a_hole_is_filled(void **state)
{
	struct pair *p = begin();
	struct site *site = &p->s[0].site;

	(void)state;
	come_in(p, 0, 1, 0xff, 5, 0);
	assert_int_equal(fdb_flush_port(&site->switching.fdb, 1), 1);
	come_in(p, 0, 1, 0xff, 5, 0);
	site_remove_port(site, 1);
	assert_int_equal(site->switching.fdb.per_port[1], 0);
	come_in(p, 0, 2, 5, 6, 0); /* 5 is not known any more: flooded past the hole */
	assert_int_equal(dev[0].n, 0);
	assert_int_equal(p->s[0].n_frames, 3);
	come_in(p, 1, 0, 0xff, 7, 0); /* from the peer, too */
	assert_int_equal(dev[1].n, 3);
	site_tick(site, p->now);
	port_free(&dev[0].port);
	plug(p, 0);
	assert_int_equal(site->n_port, 3);
	come_in(p, 0, 2, 0xff, 6, 0);
	assert_int_equal(dev[0].n, 1);
	site_remove_port(site, 2);
	assert_int_equal(site->n_port, 2);
	finish(p);
}

/* Frames in hand for merging come out before their port goes. */
static void test_no_frame_is_left_behind(void **state)
{
	/* A TCP segment with data, which waits for its neighbours. */
	static const uint8_t head[] = { 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 5, 8, 0,
					0x45, 0, 0, 50, 0, 1, 0x40, 0, 64, 6, 0x26, 0xc3,
					10, 0, 0, 1, 10, 0, 0, 2,
					0, 1, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0,
					0, 0, 0, 0 };
	uint8_t buffer[SITE_HEADROOM + 64] = { 0 };
	struct pair *p = begin();

	(void)state;
	memcpy(buffer + SITE_HEADROOM, head, sizeof(head));
	site_frame(&p->s[0].site, 1, buffer + SITE_HEADROOM, 64, &(struct vnet){ 0 }, p->now);
	assert_int_equal(dev[1].n, 0);
	site_remove_port(&p->s[0].site, 1);
	assert_int_equal(dev[1].n, 1);
	finish(p);
}

static void test_link_lost_forgets(void **state)
{
	struct pair *p = begin();
	struct site *site = &p->s[0].site;

	(void)state;
	come_in(p, 0, 1, 0xff, 5, 0);
	assert_int_equal(site->switching.fdb.per_port[1], 1);
	site_port_link(site, 1, true, p->now);
	assert_int_equal(site->switching.fdb.per_port[1], 1);
	site_port_link(site, 1, false, p->now);
	assert_int_equal(site->switching.fdb.per_port[1], 0);
	assert_false(dev[0].port.link);
	finish(p);
}

static void come_in_reserved(struct pair *p, unsigned site, unsigned port)
{
	static const uint8_t stp[6] = { 1, 0x80, 0xc2, 0, 0, 0 };
	uint8_t buffer[SITE_HEADROOM + 80];
	size_t len = make(buffer + SITE_HEADROOM, 0, 5, 0);

	memcpy(buffer + SITE_HEADROOM, stp, 6);
	site_frame(&p->s[site].site, port, buffer + SITE_HEADROOM, len, &(struct vnet){ 0 },
		   p->now);
	site_close(&p->s[site].site);
	pair_run(p, MS(50));
}

/* Each port says for itself whether they pass, both ways. */
static void test_reserved_of_each_port(void **state)
{
	struct pair *p = begin();

	(void)state;
	for (unsigned last = 0; last < 2; last++)
		dev[last].port.reserved_pass = true;
	come_in_reserved(p, 0, 0);
	assert_int_equal(p->s[0].port.drops.count[DROP_RESERVED], 1);
	assert_int_equal(dev[0].n + dev[1].n, 0);
	assert_int_equal(p->s[0].site.switching.fdb.used, 0); /* nor learned */
	come_in_reserved(p, 0, 1);
	assert_int_equal(p->s[0].n_frames, 0);
	assert_int_equal(dev[1].n, 1);
	assert_int_equal(pair_drops(p, 1, DROP_RESERVED), 1);
	p->s[1].port.reserved_pass = true;
	come_in_reserved(p, 1, 0);
	assert_int_equal(dev[0].n, 1);
	assert_int_equal(dev[1].n, 2);
	assert_int_equal(p->s[0].n_frames, 0);
	assert_int_equal(pair_drops(p, 0, DROP_RESERVED), 0);
	finish(p);
}

static bool was_tagged(const struct device *d, unsigned i, uint16_t vlan)
{
	return be16_get(d->bytes[i] + 12) == 0x8100 && be16_get(d->bytes[i] + 14) == vlan;
}

/* Device 0: access 10; device 1: trunk of 10 and 20; port 0 takes all as it is. */
static struct pair *begin_vlans(void)
{
	struct pair *p = begin();
	struct port_vlans v;

	vlan_access(&v, 10);
	port_set_vlans(&dev[0].port, &v);
	vlan_trunk(&v);
	vlan_allow(&v, 10, 10);
	vlan_allow(&v, 20, 20);
	port_set_vlans(&dev[1].port, &v);
	return p;
}

static void test_access_and_trunk(void **state)
{
	struct pair *p = begin_vlans();
	uint8_t sent[84];

	(void)state;
	come_in(p, 0, 1, 0xff, 5, 0);
	assert_int_equal(dev[1].n, 1);
	assert_true(was_tagged(&dev[1], 0, 10));
	assert_int_equal(p->s[0].n_frames, 1);
	assert_int_equal(p->s[1].n_frames, 1);
	assert_int_equal(p->s[1].frames[0].len, 84);
	assert_int_equal(be16_get(p->s[1].frames[0].data + 14), 10);

	come_in(p, 1, 0, 5, 6, 10); /* the answer, to the access port alone */
	assert_int_equal(dev[0].n, 1);
	assert_int_equal(dev[0].len[0], 76);
	make(sent, 5, 6, 0);
	assert_memory_equal(dev[0].bytes[0], sent, 76);
	assert_int_equal(dev[1].n, 1);

	come_in(p, 1, 0, 0xff, 6, 20); /* flooded to the trunk, not to the access port */
	assert_int_equal(dev[0].n, 1);
	assert_int_equal(dev[1].n, 2);
	assert_true(was_tagged(&dev[1], 1, 20));
	come_in(p, 0, 0, 0xff, 7, 10); /* flooded to both, untagged only where it shall be */
	assert_int_equal(dev[0].n, 2);
	assert_int_equal(dev[0].len[1], 76);
	assert_int_equal(dev[1].n, 3);
	assert_true(was_tagged(&dev[1], 2, 10));
	assert_int_equal(p->s[1].n_frames, 2);
	assert_int_equal(be16_get(p->s[1].frames[1].data + 14), 10);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(dev[i].port.drops.count[DROP_VLAN], 0);
	finish(p);
}

static void test_what_may_not_pass(void **state)
{
	struct pair *p = begin_vlans();

	(void)state;
	come_in(p, 0, 1, 0xff, 5, 10);
	assert_int_equal(dev[0].port.drops.count[DROP_VLAN], 1);
	come_in(p, 0, 2, 0xff, 5, 11);
	come_in(p, 0, 2, 0xff, 5, 0);
	assert_int_equal(dev[1].port.drops.count[DROP_VLAN], 2);
	assert_int_equal(p->s[0].n_frames + p->s[1].n_frames, 0);
	come_in(p, 0, 2, 0xff, 5, 20);
	dev[1].port.vlans.allowed[20 / 8] = 0; /* learned there before it was taken away */
	come_in(p, 0, 0, 5, 6, 20);
	assert_int_equal(dev[1].port.drops.count[DROP_VLAN], 3);
	assert_int_equal(dev[1].n, 0);
	finish(p);
}

/* Two VLANs with the same addresses do not meet. */
static void test_same_address_in_two_vlans(void **state)
{
	struct pair *p = begin_vlans();

	(void)state;
	come_in(p, 0, 1, 0xff, 5, 0);  /* VLAN 10, device 0 */
	come_in(p, 0, 2, 0xff, 5, 20); /* VLAN 20, device 1 */
	dev[0].n = dev[1].n = 0;
	come_in(p, 1, 0, 5, 6, 20);
	assert_int_equal(dev[0].n, 0);
	assert_int_equal(dev[1].n, 1);
	come_in(p, 1, 0, 5, 6, 10);
	assert_int_equal(dev[0].n, 1);
	assert_int_equal(dev[1].n, 1);
	finish(p);
}

static void come_in_stacked(struct pair *p, unsigned port, uint16_t type, uint16_t outer)
{
	uint8_t buffer[SITE_HEADROOM + 80];
	size_t len = make(buffer + SITE_HEADROOM, 0xff, 5, outer ? outer : 1);

	be16_put(buffer + SITE_HEADROOM + 12, type);
	be16_put(buffer + SITE_HEADROOM + 14, outer);
	be16_put(buffer + SITE_HEADROOM + 16, 0x8100);
	be16_put(buffer + SITE_HEADROOM + 18, 20);
	site_frame(&p->s[0].site, port, buffer + SITE_HEADROOM, len, &(struct vnet){ 0 }, p->now);
	site_close(&p->s[0].site);
	pair_run(p, MS(50));
}

/* From VLAN 10 into VLAN 20, by a second tag that shows where the first is taken off. */
static void test_no_hop_between_vlans(void **state)
{
	static const uint16_t types[] = { 0x8100, 0x88a8 };
	struct pair *p = begin_vlans();

	(void)state;
	vlan_native(&dev[1].port.vlans, 10);
	for (unsigned i = 0; i < COUNT_OF(types); i++) {
		come_in_stacked(p, 1, types[i], 0);
		assert_int_equal(dev[0].port.drops.count[DROP_VLAN], 2 * i + 1);
		come_in_stacked(p, 0, types[i], 10);
		assert_int_equal(dev[0].port.drops.count[DROP_VLAN], 2 * i + 2);
		assert_int_equal(dev[1].port.drops.count[DROP_VLAN], i + 1);
		assert_int_equal(p->s[1].n_frames, i + 1); /* as it was, which has VLAN 10 */
	}
	come_in_stacked(p, 0, 0x8100, 20);
	assert_int_equal(dev[0].n, 0);
	assert_int_equal(dev[1].n, 1);
	assert_true(was_tagged(&dev[1], 0, 20));
	finish(p);
}

/* One that is too long with its tag. */
static void test_long_frames(void **state)
{
	struct pair *p = begin_vlans();
	uint8_t *buffer = calloc(1, SITE_HEADROOM + WIRE_FRAME_MAX);

	(void)state;
	make(buffer + SITE_HEADROOM, 0xff, 5, 0);
	site_frame(&p->s[0].site, 1, buffer + SITE_HEADROOM, WIRE_FRAME_MAX, &(struct vnet){ 0 },
		   p->now);
	assert_int_equal(dev[0].port.drops.count[DROP_OVERSIZE], 1);
	free(buffer);
	finish(p);
}

/* ---- bad lines ---- */

static void set_line(unsigned i, enum port_way way, const struct impair_setup *setup,
		     const struct pair *p)
{
	assert_int_equal(port_set_impair(&dev[i].port, way, setup, p->now), 0);
}

/* Delay both ways; held frames are as they were, tagged on the way. */
static void test_delay_both_ways(void **state)
{
	const struct impair_setup slow = { .delay = MS(200) };
	struct pair *p = begin_vlans();
	uint8_t sent[84];

	(void)state;
	set_line(0, PORT_IN, &slow, p);
	set_line(1, PORT_OUT, &slow, p);
	come_in(p, 0, 1, 0xff, 5, 0); /* 50 ms */
	assert_int_equal(p->s[1].n_frames, 0);
	assert_int_equal(impair_counts(dev[0].port.impair[PORT_IN])->frames, 1);
	pair_run(p, MS(145));
	assert_int_equal(p->s[0].n_frames, 0);
	pair_run(p, MS(6));
	assert_int_equal(p->s[0].n_frames, 1); /* into the switch, and over to the peer */
	make(sent, 0xff, 5, 10);
	assert_memory_equal(p->s[0].frames[0].data, sent, 80);
	pair_run(p, MS(20));
	assert_int_equal(p->s[1].n_frames, 1);
	assert_int_equal(dev[1].n, 0);
	pair_run(p, MS(180));
	assert_int_equal(dev[1].n, 1);
	assert_true(was_tagged(&dev[1], 0, 10));
	come_in(p, 1, 0, 5, 6, 10); /* the other way is good */
	assert_int_equal(dev[0].n, 1);
	finish(p);
}

/* Good again: what was held comes at once, and nothing is left of the line. */
static void test_good_again(void **state)
{
	const struct impair_setup slow = { .delay = SECONDS(5) }, none = { 0 };
	struct pair *p = begin();

	(void)state;
	for (unsigned way = 0; way < PORT_WAYS; way++)
		set_line(0, (enum port_way)way, &slow, p);
	come_in(p, 0, 1, 0xff, 5, 0);
	come_in(p, 0, 0, 5, 6, 0);
	assert_int_equal(dev[0].n, 0);
	set_line(0, PORT_OUT, NULL, p);
	assert_int_equal(dev[0].n, 1);
	set_line(0, PORT_IN, &none, p);
	site_close(&p->s[0].site);
	pair_run(p, MS(50));
	assert_int_equal(p->s[0].n_frames, 1);
	assert_int_equal(pair_got(p, 1, 0x33333333), 2);
	assert_null(dev[0].port.impair[PORT_IN]);
	assert_null(dev[0].port.impair[PORT_OUT]);
	finish(p);
}

static void test_cut_one_way(void **state)
{
	const struct impair_setup cut = { .cut = true };
	struct pair *p = begin();

	(void)state;
	set_line(0, PORT_IN, &cut, p);
	come_in(p, 0, 1, 0xff, 5, 0);
	assert_int_equal(p->s[0].n_frames, 0);
	assert_int_equal(p->s[0].site.switching.fdb.used, 0);
	come_in(p, 0, 0, 0xff, 6, 0);
	assert_int_equal(dev[0].n, 1);
	finish(p);
}

/* A port goes while its lines hold frames; its memory goes with them. */
static void test_port_goes_with_its_lines(void **state)
{
	const struct impair_setup slow = { .delay = SECONDS(1) };
	struct pair *p = begin();

	(void)state;
	set_line(0, PORT_IN, &slow, p);
	set_line(0, PORT_OUT, &slow, p);
	come_in(p, 0, 1, 0xff, 5, 0);
	come_in(p, 0, 0, 0xff, 6, 0);
	site_remove_port(&p->s[0].site, 1);
	pair_run(p, SECONDS(2));
	assert_int_equal(dev[0].n, 0);
	assert_int_equal(p->s[0].n_frames, 0);
	finish(p);
}

static unsigned segments, segment_bytes;

static int count_segments(void *ctx, const struct vnet *vnet, struct iovec *iov, size_t n)
{
	(void)ctx;
	assert_int_equal(vnet->gso_type, VNET_GSO_NONE);
	segments++;
	for (size_t i = 1; i < n; i++)
		segment_bytes += (unsigned)iov[i].iov_len;
	return 0;
}

/* Super-frames are cut before a line that treats each frame by itself, and only there. */
static void test_super_frames_by_a_line(void **state)
{
	const struct impair_setup lossy = { .loss = 1 }, cut = { .delay = MS(1) };
	static const uint8_t to[6] = { 2, 1 }, from[6] = { 2, 2 };
	struct pair *p = begin();
	size_t frames;
	struct super s;
	uint8_t *buffer;

	(void)state;
	assert_true(super_make(&s, 3, 5, 30000, to, from));
	frames = (s.len - s.headers + s.vnet.gso_size - 1) / s.vnet.gso_size;
	assert_true(frames > 3);
	buffer = malloc(SITE_HEADROOM + s.len);
	for (unsigned way = 0; way < PORT_WAYS; way++) {
		unsigned number = way == PORT_IN ? 1 : 0, passed;

		segments = segment_bytes = 0;
		dev[0].port.write = count_segments;
		dev[0].port.can = 0;
		set_line(0, (enum port_way)way, &lossy, p);
		memcpy(buffer + SITE_HEADROOM, s.bytes, s.len);
		site_frame(&p->s[0].site, number, buffer + SITE_HEADROOM, s.len, &s.vnet, p->now);
		site_close(&p->s[0].site);
		passed = (unsigned)impair_counts(dev[0].port.impair[way])->passed;
		assert_int_equal(passed, frames);
		assert_int_equal(segments, way == PORT_OUT ? frames : 0);
		assert_int_equal(segment_bytes,
				 way == PORT_OUT ? s.len + (frames - 1) * s.headers : 0);
		set_line(0, (enum port_way)way, &cut, p);
		memcpy(buffer + SITE_HEADROOM, s.bytes, s.len);
		site_frame(&p->s[0].site, number, buffer + SITE_HEADROOM, s.len, &s.vnet, p->now);
		assert_int_equal(impair_counts(dev[0].port.impair[way])->frames, 1); /* whole */
		set_line(0, (enum port_way)way, NULL, p);
	}
	free(buffer);
	super_free(&s);
	finish(p);
}

/* What is held when the device goes down is dropped when it is due, and counted. */
static void test_down_while_held(void **state)
{
	const struct impair_setup slow = { .delay = MS(100) };
	struct pair *p = begin();

	(void)state;
	set_line(0, PORT_OUT, &slow, p);
	come_in(p, 0, 0, 0xff, 6, 0);
	dev[0].port.up = false;
	pair_run(p, MS(100));
	assert_int_equal(dev[0].port.drops.count[DROP_PORT_DOWN], 1);
	finish(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_hole_is_filled),
		cmocka_unit_test(test_no_frame_is_left_behind),
		cmocka_unit_test(test_link_lost_forgets),
		cmocka_unit_test(test_reserved_of_each_port),
		cmocka_unit_test(test_access_and_trunk),
		cmocka_unit_test(test_what_may_not_pass),
		cmocka_unit_test(test_same_address_in_two_vlans),
		cmocka_unit_test(test_no_hop_between_vlans),
		cmocka_unit_test(test_long_frames),
		cmocka_unit_test(test_delay_both_ways),
		cmocka_unit_test(test_good_again),
		cmocka_unit_test(test_cut_one_way),
		cmocka_unit_test(test_port_goes_with_its_lines),
		cmocka_unit_test(test_super_frames_by_a_line),
		cmocka_unit_test(test_down_while_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
