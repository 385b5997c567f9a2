/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/vlan.h"
#include "sim/libsupers.h"

#define NO 0xffff /* may not pass */
#define PRIORITY 0xe000
#define TAGGED 0x10000

/* TYPE of the outer tag and its TCI; 0: untagged. */
struct outside {
	uint16_t type, tci;
};

static struct port_vlans vlans_of(const char *kind)
{
	struct port_vlans v = { 0 };

	if (strcmp(kind, "access") == 0) {
		vlan_access(&v, 10);
	} else if (strcmp(kind, "none") != 0) {
		vlan_trunk(&v);
		if (strncmp(kind, "all", 3) == 0)
			vlan_allow_all(&v);
		else
			vlan_allow(&v, 20, 30);
		if (strstr(kind, "native"))
			vlan_native(&v, 7);
	}
	return v;
}

/* What the frame's tag is inside; TAGGED says that there is one. */
static unsigned inside(const struct port_vlans *v, struct outside o)
{
	uint8_t buffer[VLAN_TAG + 64] = { 0 };
	struct vlan_frame f = { .bytes = buffer + VLAN_TAG, .len = 60 };

	memset(f.bytes, 2, 12);
	be16_put(f.bytes + 12, o.type ? o.type : 0x88b5);
	be16_put(f.bytes + 14, o.tci);
	superframe_layout(f.bytes, f.len, &f.layout);
	if (!vlan_enter(v, &f))
		return NO;
	assert_memory_equal(f.bytes, "\2\2\2\2\2\2\2\2\2\2\2\2", 12);
	assert_int_equal(f.len, f.bytes == buffer ? 64 : 60);
	if (be16_get(f.bytes + 12) == 0x88b5) {
		assert_int_equal(f.layout.vlan, 0);
		return 0;
	}
	assert_int_equal(f.layout.vlan, be16_get(f.bytes + 14) & 0xfff);
	return TAGGED | be16_get(f.bytes + 14);
}

static void test_truth_table(void **state)
{
	static const struct {
		const char *kind;
		struct outside o;
		unsigned inside;
	} rows[] = {
		/*  0 */ { "none", { 0, 0 }, 0 },
		/*  1 */ { "none", { 0x8100, 4095 }, TAGGED | 4095 },
		/*  2 */ { "access", { 0, 0 }, TAGGED | 10 },
		/*  3 */ { "access", { 0x8100, PRIORITY }, TAGGED | PRIORITY | 10 },
		/*  4 */ { "access", { 0x8100, 10 }, NO },
		/*  5 */ { "access", { 0x88a8, 11 }, NO },
		/*  6 */ { "all", { 0, 0 }, 0 },
		/*  7 */ { "all", { 0x8100, PRIORITY }, TAGGED | PRIORITY },
		/*  8 */ { "all", { 0x8100, 4094 }, TAGGED | 4094 },
		/*  9 */ { "all", { 0x8100, 4095 }, NO },
		/* 10 */ { "all native", { 0, 0 }, TAGGED | 7 },
		/* 11 */ { "all native", { 0x8100, 9 }, TAGGED | 9 },
		/* 12 */ { "some", { 0, 0 }, NO },
		/* 13 */ { "some", { 0x8100, PRIORITY }, NO },
		/* 14 */ { "some", { 0x8100, 20 }, TAGGED | 20 },
		/* 15 */ { "some", { 0x88a8, PRIORITY | 30 }, TAGGED | PRIORITY | 30 },
		/* 16 */ { "some", { 0x8100, 19 }, NO },
		/* 17 */ { "some", { 0x8100, 31 }, NO },
		/* 18 */ { "some native", { 0, 0 }, TAGGED | 7 },
		/* 19 */ { "some native", { 0x8100, 7 }, TAGGED | 7 },
		/* 20 */ { "some native", { 0x8100, 8 }, NO },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct port_vlans v = vlans_of(rows[i].kind);
		unsigned got = inside(&v, rows[i].o);

		if (got != rows[i].inside)
			fail_msg("row %zu: 0x%x", i, got);
	}
}

static void test_on_the_way_out(void **state)
{
	static const struct {
		const char *kind;
		uint16_t vlan;
		bool carries, untags;
	} rows[] = {
		{ "none", 0, true, false },	    { "none", 4095, true, false },
		{ "access", 10, true, true },	    { "access", 0, false, false },
		{ "access", 11, false, false },	    { "all", 0, true, false },
		{ "all", 5, true, false },	    { "all native", 0, false, false },
		{ "all native", 7, true, true },    { "some", 25, true, false },
		{ "some", 0, false, false },	    { "some", 31, false, false },
		{ "some native", 7, true, true },   { "some native", 30, true, false },
		{ "some native", 0, false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct port_vlans v = vlans_of(rows[i].kind);

		if (vlan_carries(&v, rows[i].vlan) != rows[i].carries ||
		    vlan_untags(&v, rows[i].vlan) != rows[i].untags)
			fail_msg("row %zu", i);
	}
}

/* A priority and a VLAN behind it: as a frame of the port's VLAN, it would be in that other
 * one as soon as the port's tag is taken off. */
static void test_two_tags(void **state)
{
	static const struct {
		const char *kind;
		uint16_t type, tci, type2;
		bool enters, stacked;
	} rows[] = {
		/*  0 */ { "access", 0x8100, 0, 0x8100, false, true },
		/*  1 */ { "access", 0x88a8, PRIORITY, 0x8100, false, true },
		/*  2 */ { "access", 0x8100, 0, 0x88a8, false, true },
		/*  3 */ { "access", 0x8100, 0, 0x88b5, true, false },
		/*  4 */ { "some native", 0x8100, 0, 0x8100, false, true },
		/*  5 */ { "some native", 0x8100, 20, 0x8100, true, true },
		/*  6 */ { "all", 0x8100, 0, 0x8100, true, true },
		/*  7 */ { "none", 0x8100, 0, 0x8100, true, true },
		/*  8 */ { "access", 0x88b5, 0, 0x8100, true, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct port_vlans v = vlans_of(rows[i].kind);
		uint8_t buffer[VLAN_TAG + 64] = { 0 };
		struct vlan_frame f = { .bytes = buffer + VLAN_TAG, .len = 60 };

		be16_put(f.bytes + 12, rows[i].type);
		be16_put(f.bytes + 14, rows[i].tci);
		be16_put(f.bytes + 16, rows[i].type2);
		be16_put(f.bytes + 18, 20);
		superframe_layout(f.bytes, f.len, &f.layout);
		if (vlan_is_stacked(f.bytes, f.len) != rows[i].stacked ||
		    vlan_enter(&v, &f) != rows[i].enters)
			fail_msg("row %zu", i);
	}
}

/* A frame with 0x8100 and nothing behind is no tagged one. */
static void test_runts(void **state)
{
	struct port_vlans v = vlans_of("access");

	(void)state;
	for (size_t len = 14; len < 20; len++) {
		uint8_t *buffer = calloc(1, VLAN_TAG + len);
		struct vlan_frame f = { .bytes = buffer + VLAN_TAG, .len = len };

		be16_put(f.bytes + 12, 0x8100);
		superframe_layout(f.bytes, len, &f.layout);
		assert_true(vlan_enter(&v, &f));
		assert_int_equal(f.len, len < 18 ? len + 4 : len);
		assert_int_equal(be16_get(f.bytes + 14), 10);
		free(buffer);
	}
}

/* The tag that was put on a super-frame comes off again, and nothing else changed. */
static void test_super_frames(void **state)
{
	static const uint8_t to[6] = { 2, 1 }, from[6] = { 2, 2 };
	struct port_vlans v = vlans_of("access");

	(void)state;
	for (uint64_t i = 0; i < 200; i++) {
		uint8_t *buffer, head[SUPERFRAME_HEADERS];
		struct superframe_layout layout;
		struct vlan_frame f;
		struct super s;
		size_t have;

		assert_true(super_make(&s, 3, i * 77, 20000, to, from));
		buffer = malloc(VLAN_TAG + s.len);
		memcpy(buffer + VLAN_TAG, s.bytes, s.len);
		f = (struct vlan_frame){ buffer + VLAN_TAG, s.len, s.vnet, { 0 } };
		assert_true(superframe_valid(f.bytes, f.len, f.len, &f.vnet, &f.layout));
		if (f.layout.vlan == 0) {
			assert_true(vlan_enter(&v, &f));
			assert_true(superframe_valid(f.bytes, f.len, f.len, &f.vnet, &layout));
			assert_memory_equal(&layout, &f.layout, sizeof(layout));
			assert_int_equal(layout.vlan, 10);
			have = MIN(f.len, sizeof(head));
			vlan_take_off(f.bytes, have, head, &f.vnet);
			assert_memory_equal(head, s.bytes, have - VLAN_TAG);
			assert_memory_equal(&f.vnet, &s.vnet, sizeof(f.vnet));
		}
		free(buffer);
		super_free(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_truth_table),
		cmocka_unit_test(test_on_the_way_out),
		cmocka_unit_test(test_two_tags),
		cmocka_unit_test(test_runts),
		cmocka_unit_test(test_super_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
