/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/addr.h"
#include "base/bytes.h"

static struct addr parsed(const char *text)
{
	struct addr a;

	assert_true(addr_parse(&a, text, 7741));
	return a;
}

static void assert_round(const char *text, const char *expected)
{
	struct addr a = parsed(text);
	char out[ADDR_TEXT];

	assert_ptr_equal(addr_format(&a, out), out);
	assert_string_equal(out, expected);
}

static void test_text_and_back(void **state)
{
	static const char *const table[][2] = {
		{ "192.0.2.1:9", "192.0.2.1:9" },
		{ "192.0.2.1", "192.0.2.1:7741" },
		{ "0.0.0.0:0", "0.0.0.0:0" },
		{ "255.255.255.255:65535", "255.255.255.255:65535" },
		{ "[2001:db8::1]:9", "[2001:db8::1]:9" },
		{ "[2001:DB8:0:0::1]", "[2001:db8::1]:7741" },
		{ "[::]:0", "[::]:0" },
		{ "[fe80::1%3]:9", "[fe80::1%3]:9" },
		{ "[fe80::1]:9", "[fe80::1]:9" },
		{ "[febf:ffff:ffff:ffff:ffff:ffff:255.255.255.255%4294967295]:65535",
		  "[febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535" },
		{ "[::ffff:192.0.2.1]:9", "192.0.2.1:9" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(table); i++)
		assert_round(table[i][0], table[i][1]);
}

static void test_fields(void **state)
{
	struct addr a = parsed("[fe80::102%258]:772");

	(void)state;
	assert_int_equal(a.family, ADDR_IPV6);
	assert_memory_equal(a.ip, "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\x01\x02", 16);
	assert_int_equal(a.scope, 258);
	assert_int_equal(a.port, 772);
	a = parsed("10.1.2.3:1");
	assert_int_equal(a.family, ADDR_IPV4);
	assert_memory_equal(a.ip, "\x0a\x01\x02\x03\0\0\0\0\0\0\0\0\0\0\0\0", 16);
}

static void test_anything_else_is_refused(void **state)
{
	static const char *const table[] = {
		"",
		":7741",
		"192.0.2.1:",
		"192.0.2.1:65536",
		"192.0.2.1:99999999999999999999",
		"192.0.2.1:+1",
		"192.0.2.1: 1",
		"192.0.2.1:1x",
		"192.0.2:1",
		"192.0.2.256:1",
		"host.example:1",
		"2001:db8::1",
		"[2001:db8::1",
		"[2001:db8::1]7741",
		"[2001:db8::1]:",
		"[2001:db8::1]x:1",
		"[192.0.2.1]:1",
		"[]:1",
		"[fe80::1%]:1",
		"[fe80::1%0]:1",
		"[fe80::1%eth0]:1",
		"[fe80::1%4294967296]:1",
		"[2001:db8::1%3]:1",
		"[::ffff:192.0.2.1%3]:1",
		" 192.0.2.1:1",
		"111111111111111111111111111111111111111111111111111111111111111111111:1",
		"[1111111111111111111111111111111111111111111111111111111111111111111]:1",
	};
	struct addr a, untouched;

	(void)state;
	memset(&untouched, 0xa5, sizeof(untouched));
	a = untouched;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		if (addr_parse(&a, table[i], 7741))
			fail_msg("\"%s\" was taken", table[i]);
		assert_memory_equal(&a, &untouched, sizeof(a));
	}
}

static void test_port_is_mandatory_without_default(void **state)
{
	struct addr a;

	(void)state;
	assert_false(addr_parse(&a, "192.0.2.1", 0));
	assert_false(addr_parse(&a, "[::1]", 0));
	assert_true(addr_parse(&a, "192.0.2.1:0", 0));
	assert_int_equal(a.port, 0);
}

static void test_empty_address_is_none(void **state)
{
	const struct addr none = { .family = ADDR_NONE };
	char out[ADDR_TEXT];

	(void)state;
	assert_string_equal(addr_format(&none, out), "none");
}

static void test_equality(void **state)
{
	struct addr a = parsed("192.0.2.1:1"), b = parsed("192.0.2.1:2");
	struct addr mapped = parsed("[::ffff:192.0.2.1]:1"), v6 = parsed("[c000:201::]:1");
	struct addr link1 = parsed("[fe80::1%1]:1"), link2 = parsed("[fe80::1%2]:1");

	(void)state;
	assert_true(addr_equal(&a, &a));
	assert_false(addr_equal(&a, &b));
	assert_true(addr_equal_host(&a, &b));
	assert_true(addr_equal(&a, &mapped));
	assert_false(addr_equal_host(&a, &v6));
	assert_false(addr_equal_host(&link1, &link2));
	b = parsed("192.0.2.2:1");
	assert_false(addr_equal(&a, &b));
	assert_false(addr_equal_host(&a, &b));
}

static void test_stream(void **state)
{
	struct addr a = addr_stream(0x12345678);
	char text[ADDR_TEXT];

	(void)state;
	assert_int_equal(addr_stream_number(&a), 0x12345678);
	assert_string_equal(addr_format(&a, text), "stream 305419896");
}

static void test_group_is_host_or_slash_64(void **state)
{
	struct addr want = parsed("192.0.2.1:0"), got = parsed("192.0.2.1:5");

	(void)state;
	got = addr_group(&got);
	assert_true(addr_equal(&got, &want));

	got = parsed("[2001:db8:1:2:3:4:5:6]:7");
	want = parsed("[2001:db8:1:2::]:0");
	got = addr_group(&got);
	assert_true(addr_equal(&got, &want));

	got = addr_stream(7); /* streams of one host */
	want = addr_stream(8);
	got.ip[4] = want.ip[4] = 1;
	got = addr_group(&got);
	want = addr_group(&want);
	assert_true(addr_equal(&got, &want));
	want.ip[4] = 2;
	assert_false(addr_equal(&got, &want));
}

static void test_hash_follows_equality(void **state)
{
	struct addr a = parsed("192.0.2.1:1"), same = parsed("[::ffff:192.0.2.1]:1");
	struct addr other = parsed("192.0.2.1:2"), v6 = parsed("[2001:db8::1]:1");
	struct addr last = parsed("[2001:db8::2]:1");

	(void)state;
	assert_true(addr_hash(&a, 7) == addr_hash(&same, 7));
	assert_true(addr_hash(&a, 7) != addr_hash(&a, 8));
	assert_true(addr_hash(&a, 7) != addr_hash(&other, 7));
	assert_true(addr_hash(&v6, 7) != addr_hash(&last, 7));
}

static void test_overhead_is_ip_and_udp(void **state)
{
	struct addr v4 = parsed("192.0.2.1:1"), v6 = parsed("[::1]:1");

	(void)state;
	assert_int_equal(addr_overhead(&v4), 20 + 8);
	assert_int_equal(addr_overhead(&v6), 40 + 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_and_back),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_anything_else_is_refused),
		cmocka_unit_test(test_port_is_mandatory_without_default),
		cmocka_unit_test(test_empty_address_is_none),
		cmocka_unit_test(test_equality),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_group_is_host_or_slash_64),
		cmocka_unit_test(test_hash_follows_equality),
		cmocka_unit_test(test_overhead_is_ip_and_udp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
