/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bytes.h"

static void test_order_is_big_endian(void **state)
{
	uint8_t b[8];

	(void)state;
	be16_put(b, 0x0102);
	assert_memory_equal(b, "\x01\x02", 2);
	be32_put(b, 0x01020304);
	assert_memory_equal(b, "\x01\x02\x03\x04", 4);
	be64_put(b, 0xf102030405060708u);
	assert_memory_equal(b, "\xf1\x02\x03\x04\x05\x06\x07\x08", 8);
	assert_int_equal(be16_get(b), 0xf102);
	assert_int_equal(be32_get(b + 1), 0x02030405);
	assert_true(be64_get(b) == 0xf102030405060708u);
}

static void test_reader_reads_all(void **state)
{
	static const uint8_t src[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
	struct rd r = rd_make(src, sizeof(src));
	uint8_t copy = 0;

	(void)state;
	assert_int_equal(rd_u8(&r), 0x01);
	assert_int_equal(rd_u16(&r), 0x0203);
	assert_int_equal(rd_u32(&r), 0x04050607);
	assert_true(rd_u64(&r) == 0x08090a0b0c0d0e0fu);
	assert_false(rd_done(&r));
	rd_copy(&r, &copy, 1);
	assert_int_equal(copy, 0x10);
	assert_true(rd_ok(&r));
	assert_true(rd_done(&r));
}

static void test_reader_fails_closed(void **state)
{
	static const uint8_t src[] = { 1, 2, 3 };
	struct rd r = rd_make(src, sizeof(src));
	uint8_t out[4] = { 9, 9, 9, 9 };

	(void)state;
	assert_int_equal(rd_u32(&r), 0);
	assert_false(rd_ok(&r));
	/* Three bytes are left, and still nothing is read. */
	assert_int_equal(rd_u8(&r), 0);
	assert_null(rd_bytes(&r, 1));
	rd_copy(&r, out, 1);
	assert_int_equal(out[0], 9);
	assert_false(rd_done(&r));
}

static void test_reader_takes_no_huge_length(void **state)
{
	static const uint8_t src[] = { 1, 2, 3 };
	struct rd r = rd_make(src, sizeof(src));

	(void)state;
	assert_int_equal(rd_u8(&r), 1);
	assert_null(rd_bytes(&r, SIZE_MAX));
	assert_false(rd_ok(&r));
}

static void test_sub_reader_is_bounded(void **state)
{
	static const uint8_t src[] = { 1, 2, 3, 4 };
	struct rd r = rd_make(src, sizeof(src));
	struct rd sub = rd_sub(&r, 2);

	(void)state;
	assert_int_equal(rd_u16(&sub), 0x0102);
	assert_true(rd_done(&sub));
	assert_int_equal(rd_u8(&sub), 0);
	assert_false(rd_ok(&sub));
	assert_true(rd_ok(&r));

	sub = rd_sub(&r, 3);
	assert_false(rd_ok(&sub));
	assert_false(rd_ok(&r));
	assert_int_equal(rd_u8(&sub), 0);
}

static void test_writer_writes_what_reader_reads(void **state)
{
	uint8_t b[20];
	struct wr w = wr_make(b, sizeof(b));
	struct rd r = rd_make(b, sizeof(b));

	(void)state;
	memset(b, 0xff, sizeof(b));
	wr_u8(&w, 1);
	wr_u16(&w, 2);
	wr_u32(&w, 3);
	wr_u64(&w, 4);
	wr_copy(&w, "abc", 3);
	wr_zero(&w, 2);
	assert_false(w.bad);
	assert_int_equal(w.used, 20);
	assert_int_equal(w.left, 0);
	assert_int_equal(rd_u8(&r), 1);
	assert_int_equal(rd_u16(&r), 2);
	assert_int_equal(rd_u32(&r), 3);
	assert_true(rd_u64(&r) == 4);
	assert_memory_equal(rd_bytes(&r, 3), "abc", 3);
	assert_int_equal(rd_u16(&r), 0);
	assert_true(rd_done(&r));
}

static void test_writer_fails_closed(void **state)
{
	uint8_t b[4] = { 7, 7, 7, 7 };
	struct wr w = wr_make(b, 3);

	(void)state;
	wr_u16(&w, 1);
	wr_u16(&w, 2);
	assert_true(w.bad);
	wr_u8(&w, 3);
	wr_copy(&w, "x", 1);
	wr_zero(&w, 1);
	wr_u32(&w, 4);
	wr_u64(&w, 5);
	assert_int_equal(w.used, 2);
	assert_memory_equal(b, "\x00\x01\x07\x07", 4);
}

static void test_wipe_leaves_zeroes(void **state)
{
	uint8_t b[5] = { 1, 2, 3, 4, 5 };

	(void)state;
	bytes_wipe(b, 4);
	assert_memory_equal(b, "\0\0\0\0\x05", 5);
}

static void test_secret_compare_sees_every_byte(void **state)
{
	uint8_t a[33], b[33];

	(void)state;
	memset(a, 0x5a, sizeof(a));
	memcpy(b, a, sizeof(a));
	assert_true(bytes_equal_secret(a, b, sizeof(a)));
	for (size_t i = 0; i < sizeof(a); i++) {
		b[i] ^= 0x80;
		assert_false(bytes_equal_secret(a, b, sizeof(a)));
		b[i] ^= 0x80;
	}
	assert_true(bytes_equal_secret("x", "y", 0));
}

static void test_all_zero_sees_every_byte(void **state)
{
	uint8_t a[33] = { 0 };

	(void)state;
	assert_true(bytes_all_zero(a, sizeof(a)));
	for (size_t i = 0; i < sizeof(a); i++) {
		a[i] = 0x40;
		assert_false(bytes_all_zero(a, sizeof(a)));
		a[i] = 0;
	}
	assert_true(bytes_all_zero("x", 0));
}

static void test_hex(void **state)
{
	char out[9] = "xxxxxxxx";

	(void)state;
	bytes_to_hex(out, "\x00\x9f\xa0\xff", 4);
	assert_string_equal(out, "009fa0ff");
	bytes_to_hex(out, "", 0);
	assert_string_equal(out, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_is_big_endian),
		cmocka_unit_test(test_reader_reads_all),
		cmocka_unit_test(test_reader_fails_closed),
		cmocka_unit_test(test_reader_takes_no_huge_length),
		cmocka_unit_test(test_sub_reader_is_bounded),
		cmocka_unit_test(test_writer_writes_what_reader_reads),
		cmocka_unit_test(test_writer_fails_closed),
		cmocka_unit_test(test_wipe_leaves_zeroes),
		cmocka_unit_test(test_secret_compare_sees_every_byte),
		cmocka_unit_test(test_all_zero_sees_every_byte),
		cmocka_unit_test(test_hex),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
