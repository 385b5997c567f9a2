/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "base/mac.h"

static void test_text_and_back(void **state)
{
	const struct mac m = { { 0x02, 0x00, 0x5e, 0xa0, 0x0b, 0xff } };
	struct mac got;
	char out[MAC_TEXT];

	(void)state;
	assert_ptr_equal(mac_format(m, out), out);
	assert_string_equal(out, "02:00:5e:a0:0b:ff");
	assert_true(mac_parse(&got, out));
	assert_true(mac_equal(got, m));
	assert_true(mac_parse(&got, "02-00-5E-A0-0B-FF"));
	assert_true(mac_equal(got, m));
}

static void test_anything_else_is_refused(void **state)
{
	static const char *const table[] = {
		"",
		"0",
		"02:00:5e:a0:0b",
		"02:00:5e:a0:0b:f",
		"02:00:5e:a0:0b:ff:",
		"02:00:5e:a0:0b:fff",
		"02:00:5e:a0:0b-ff",
		"02005ea00bff",
		"02.00.5e.a0.0b.ff",
		"0g:00:5e:a0:0b:ff",
		" 2:00:5e:a0:0b:ff",
		"02:00:5e:a0:0b:-1",
		"2:0:5e:a0:0b:ff",
		"02:00:5e:a0:0b: f",
		"02:00:5e:a0:0b:0x",
	};
	struct mac m = { { 1, 2, 3, 4, 5, 6 } };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		if (mac_parse(&m, table[i]))
			fail_msg("\"%s\" was taken", table[i]);
		assert_memory_equal(m.b, "\x01\x02\x03\x04\x05\x06", 6);
	}
}

static void test_equal_sees_every_byte(void **state)
{
	struct mac a = { { 0 } }, b = { { 0 } };

	(void)state;
	assert_true(mac_equal(a, b));
	assert_true(mac_is_zero(a));
	for (int i = 0; i < 6; i++) {
		b.b[i] = 0x10;
		assert_false(mac_equal(a, b));
		assert_false(mac_is_zero(b));
		b.b[i] = 0;
	}
}

static void test_group_bit(void **state)
{
	(void)state;
	assert_true(mac_is_group((struct mac){ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } }));
	assert_true(mac_is_group((struct mac){ { 0x01, 0x00, 0x5e } }));
	assert_false(mac_is_group((struct mac){ { 0x02, 0xff, 0xff, 0xff, 0xff, 0xff } }));
}

static void test_reserved_is_00_to_0f(void **state)
{
	struct mac m = { { 0x01, 0x80, 0xc2, 0x00, 0x00, 0x00 } };

	(void)state;
	assert_true(mac_is_reserved(m));
	m.b[5] = 0x0f;
	assert_true(mac_is_reserved(m));
	m.b[5] = 0x10;
	assert_false(mac_is_reserved(m));
	m.b[5] = 0x0e;
	m.b[4] = 0x01;
	assert_false(mac_is_reserved(m));
}

static void test_number_is_in_network_order(void **state)
{
	static const uint8_t wire[] = { 0xf1, 2, 3, 4, 5, 6, 7 };

	(void)state;
	assert_true(mac_u64(mac_get(wire)) == 0xf10203040506u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_and_back),
		cmocka_unit_test(test_anything_else_is_refused),
		cmocka_unit_test(test_equal_sees_every_byte),
		cmocka_unit_test(test_group_bit),
		cmocka_unit_test(test_reserved_is_00_to_0f),
		cmocka_unit_test(test_number_is_in_network_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
