/* SPDX-License-Identifier: MIT */
/* superframe_clamp_mss. */
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

#define TS .tcp_options = frame_timestamps, .tcp_options_len = 12

static struct frame frame;

static const uint8_t mss_even[] = { 2, 4, 0x05, 0xb4, 4, 2, 1, 1 };
static const uint8_t mss_odd[] = { 1, 2, 4, 0x05, 0xb4, 1, 1, 0 };
static const uint8_t mss_low[] = { 2, 4, 0x01, 0x00 };
static const uint8_t mss_twice[] = { 2, 4, 0xff, 0xff, 1, 2, 4, 0x05, 0xb4, 0, 0, 0 };
static const uint8_t mss_last[] = { 3, 3, 7, 1, 2, 4, 0x05, 0xb4 };
static const uint8_t mss_behind_end[] = { 0, 4, 1, 1, 2, 4, 0x05, 0xb4 };
static const uint8_t mss_of_6[] = { 2, 6, 0x05, 0xb4, 0x05, 0xb4, 1, 1 };
static const uint8_t mss_length_0[] = { 3, 0, 2, 4, 0x05, 0xb4, 1, 1 };
static const uint8_t mss_length_1[] = { 3, 1, 2, 4, 0x05, 0xb4, 1, 1 };
static const uint8_t mss_too_long[] = { 1, 1, 1, 1, 2, 5, 0x05, 0xb4 };
static const uint8_t mss_cut[] = { 1, 1, 2, 4 };
static const uint8_t mss_only_kind[] = { 1, 1, 1, 2 };
static const uint8_t mss_past_a_long_one[] = { 3, 250, 2, 4, 0x05, 0xb4, 1, 1 };

#define OPTIONS(o) .tcp_options = (o), .tcp_options_len = sizeof(o)

/* In memory of that size, so that its end is watched. */
static bool clamp(struct frame *f, size_t have, uint16_t mss)
{
	uint8_t *copy = malloc(have ? have : 1);
	bool changed;

	memcpy(copy, f->bytes, have);
	changed = superframe_clamp_mss(copy, have, mss);
	memcpy(f->bytes, copy, have);
	free(copy);
	return changed;
}

/* The bytes that may differ are the value's, and the sum's when it is final. */
static void check_clamp(const struct frame_spec *spec, size_t payload, bool final, size_t value,
			uint16_t mss)
{
	static struct frame before, after;
	struct frame_spec s = *spec;
	bool changes = value != 0;

	s.payload = payload;
	s.tcp_flags |= FRAME_SYN;
	frame_make(&before, &s);
	if (final)
		superframe_checksum(before.bytes, before.len, &before.vnet);
	after = before;
	assert_int_equal(clamp(&after, after.len, mss), changes);
	if (changes) {
		assert_int_equal(be16_get(after.bytes + after.l4 + 20 + value), mss);
		memcpy(after.bytes + after.l4 + 20 + value, before.bytes + before.l4 + 20 + value,
		       2);
		be16_put(before.bytes + before.l4 + 20 + value, mss);
	}
	if (final) {
		memcpy(before.bytes + before.l4 + 16, after.bytes + after.l4 + 16, 2);
		assert_true(frame_sums_right(&before, before.bytes, before.len));
	}
	be16_put(before.bytes + before.l4 + 20 + value,
		 be16_get(after.bytes + after.l4 + 20 + value));
	assert_memory_equal(after.bytes, before.bytes, before.len);
}

static void clamps_the_mss(void **state)
{
	static const struct {
		struct frame_spec spec;
		size_t value; /* from the first option byte; 0: nothing changes */
		uint16_t mss;
	} table[] = {
		{ { OPTIONS(mss_even) }, 2, 1300 },
		{ { OPTIONS(mss_even) }, 2, 1459 },
		{ { OPTIONS(mss_even) }, 0, 1460 },
		{ { OPTIONS(mss_even), .tcp_flags = FRAME_ACK }, 2, 536 },
		{ { OPTIONS(mss_even), .ip_options = 12 }, 2, 536 },
		{ { OPTIONS(mss_even), .tags = { 0x8100 } }, 2, 1300 },
		{ { OPTIONS(mss_even), .v6 = true }, 2, 1220 },
		{ { OPTIONS(mss_odd) }, 3, 1300 },
		{ { OPTIONS(mss_odd), .v6 = true, .tags = { 0x88a8, 0x8100 } }, 3, 1300 },
		{ { OPTIONS(mss_last) }, 6, 1300 },
		{ { OPTIONS(mss_low) }, 0, 1300 },
		{ { OPTIONS(mss_behind_end) }, 0, 1300 },
		{ { OPTIONS(mss_of_6) }, 0, 1300 },
		{ { OPTIONS(mss_length_0) }, 0, 1300 },
		{ { OPTIONS(mss_length_1) }, 0, 1300 },
		{ { OPTIONS(mss_too_long) }, 0, 1300 },
		{ { OPTIONS(mss_cut) }, 0, 1300 },
		{ { OPTIONS(mss_only_kind) }, 0, 1300 },
		{ { OPTIONS(mss_past_a_long_one) }, 0, 1300 },
		{ { TS }, 0, 1300 },
		{ { .tcp_flags = FRAME_ACK }, 0, 1300 },
	};
	size_t i, payload;

	(void)state;
	for (i = 0; i < COUNT_OF(table); i++) {
		for (payload = 0; payload < 6; payload++) {
			check_clamp(&table[i].spec, payload, true, table[i].value, table[i].mss);
			check_clamp(&table[i].spec, payload, false, table[i].value, table[i].mss);
		}
	}
}

static void clamps_all_it_finds(void **state)
{
	struct frame_spec spec = { OPTIONS(mss_twice), .tcp_flags = FRAME_SYN };

	(void)state;
	frame_make(&frame, &spec);
	superframe_checksum(frame.bytes, frame.len, &frame.vnet);
	assert_true(superframe_clamp_mss(frame.bytes, frame.len, 1000));
	assert_int_equal(be16_get(frame.bytes + frame.l4 + 22), 1000);
	assert_int_equal(be16_get(frame.bytes + frame.l4 + 27), 1000);
	assert_true(frame_sums_right(&frame, frame.bytes, frame.len));
	assert_false(superframe_clamp_mss(frame.bytes, frame.len, 1000));
}

static void clamps_only_syn_of_tcp(void **state)
{
	struct frame_spec spec = { OPTIONS(mss_even), .tcp_flags = FRAME_ACK | FRAME_PSH };
	size_t have;

	(void)state;
	frame_make(&frame, &spec);
	assert_false(superframe_clamp_mss(frame.bytes, frame.len, 1000));
	frame.bytes[frame.l4 + 13] = FRAME_SYN;
	for (have = 0; have < frame.headers; have++)
		assert_false(clamp(&frame, have, 1000));
	frame.bytes[frame.l3 + 6] = 0x20; /* more fragments */
	assert_false(superframe_clamp_mss(frame.bytes, frame.len, 1000));
	frame.bytes[frame.l3 + 6] = 0x40;
	frame.bytes[frame.l3 + 9] = 17;
	for (have = 0; have <= frame.len; have++)
		assert_false(clamp(&frame, have, 1000));
	frame.bytes[frame.l3 + 9] = 6;
	assert_true(superframe_clamp_mss(frame.bytes, frame.len, 1000));
}

/* A SYN with data of which only the headers are at hand. */
static void clamps_with_the_payload_away(void **state)
{
	struct frame_spec spec = { OPTIONS(mss_even), .tcp_flags = FRAME_SYN, .payload = 900 };

	(void)state;
	frame_make(&frame, &spec);
	assert_true(clamp(&frame, frame.headers, 1000));
	superframe_checksum(frame.bytes, frame.len, &frame.vnet);
	assert_true(frame_sums_right(&frame, frame.bytes, frame.len));
	assert_true(clamp(&frame, frame.headers, 900));
	assert_true(frame_sums_right(&frame, frame.bytes, frame.len));
}

/* Both readings of the sum hold: whatever were done could be wrong. */
static void leaves_an_ambiguous_syn_alone(void **state)
{
	struct frame_spec spec = { OPTIONS(mss_even), .tcp_flags = FRAME_SYN };
	uint16_t sum;

	(void)state;
	frame_make(&frame, &spec);
	be16_put(frame.bytes + frame.l4 + 14, 0);
	sum = frame_sum(frame.bytes + frame.l4, frame.len - frame.l4,
			frame_pseudo_sum(&frame, frame.len - frame.l4));
	be16_put(frame.bytes + frame.l4 + 14, (uint16_t)~sum);
	assert_true(frame_sums_right(&frame, frame.bytes, frame.len));
	assert_false(superframe_clamp_mss(frame.bytes, frame.len, 1000));
	assert_true(frame_sums_right(&frame, frame.bytes, frame.len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clamps_the_mss),
		cmocka_unit_test(clamps_all_it_finds),
		cmocka_unit_test(clamps_only_syn_of_tcp),
		cmocka_unit_test(clamps_with_the_payload_away),
		cmocka_unit_test(leaves_an_ambiguous_syn_alone),
	};

	return cmocka_run_group_tests_name("superframe_mss", tests, NULL, NULL);
}
