/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "host/capture.h"

/* An ARP request, and UDP 10.0.0.1:53 to 10.0.0.2:5000 with 4 bytes. */
static const uint8_t arp[42] = { 255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8 };
static const uint8_t udp[46] = { 2,    0,  0, 0, 0, 2, 2,  0,  0, 0, 0,    1,    8, 0,  0x45,
				 0,    0,  32, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0,  1,
				 10,   0,  0, 2, 0, 53, 0x13, 0x88, 0, 12, 0, 0, 'a', 'b', 'c', 'd' };
#define ETHERNET 14

static bool takes(enum capture_link link, const char *expression, const uint8_t *packet, size_t have,
		  size_t len)
{
	char why[CAPTURE_WHY];
	char *program = capture_compile(link, expression, why);
	struct capture_filter *filter;
	bool taken;

	assert_non_null(program);
	filter = capture_filter_new(program);
	assert_non_null(filter);
	taken = capture_filter_takes(filter, packet, have, len);
	capture_filter_free(filter);
	free(program);
	return taken;
}

static void test_takes(void **state)
{
	static const struct {
		const char *expression;
		bool arp, udp;
	} rows[] = {
		{ "", true, true },
		{ "arp", true, false },
		{ "udp port 53", false, true },
		{ "udp port 54", false, false },
		{ "host 10.0.0.2 or arp", true, true },
		{ "ether src 02:00:00:00:00:01", true, true },
		{ "ether src 02:00:00:00:00:02", false, false },
		{ "greater 46", false, true },
		{ "udp[8:4] = 0x61626364", false, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(takes(CAPTURE_ETHERNET, rows[i].expression, arp, sizeof(arp),
				       sizeof(arp)),
				 rows[i].arp);
		assert_int_equal(takes(CAPTURE_ETHERNET, rows[i].expression, udp, sizeof(udp),
				       sizeof(udp)),
				 rows[i].udp);
	}
}

static void test_ip(void **state)
{
	const uint8_t *ip = udp + ETHERNET;
	size_t len = sizeof(udp) - ETHERNET;

	(void)state;
	assert_true(takes(CAPTURE_IP, "src host 10.0.0.1 and udp dst port 5000", ip, len, len));
	assert_false(takes(CAPTURE_IP, "dst host 10.0.0.1", ip, len, len));
}

/* What is not at hand is not read, and never matches. */
static void test_a_part_at_hand(void **state)
{
	uint8_t *exact = malloc(42);

	(void)state;
	memcpy(exact, udp, 42);
	assert_true(takes(CAPTURE_ETHERNET, "udp port 53 and greater 1000", exact, 42, 1500));
	assert_false(takes(CAPTURE_ETHERNET, "udp[8] = 0x61", exact, 42, 1500));
	assert_false(takes(CAPTURE_ETHERNET, "ip[2000] = 0", exact, 42, 1500));
	free(exact);
}

static void test_refused(void **state)
{
	char why[CAPTURE_WHY], text[40000] = "tcp port 1";

	(void)state;
	assert_null(capture_compile(CAPTURE_ETHERNET, "tcp prot 80", why));
	assert_non_null(strstr(why, "syntax error"));
	assert_null(capture_compile(CAPTURE_IP, "vlan 7", why));
	assert_non_null(strstr(why, "VLAN"));
	assert_null(capture_compile(CAPTURE_ETHERNET, "ip6 protochain 17", why));
	assert_non_null(strstr(why, "protochain"));
	for (unsigned i = 0; i < 600; i++)
		snprintf(text + strlen(text), 40, " or udp[%u] = %u", i, i);
	assert_null(capture_compile(CAPTURE_ETHERNET, text, why));
	assert_non_null(strstr(why, "too long"));
}

/* Programs of strangers: what could run away, read elsewhere or never return. */
static void test_bad_programs(void **state)
{
	static const char *const bad[] = {
		"",
		"0",
		"000600000000000",
		"00060000000000010",
		"0006000000000001 006000000000000",
		"000600000000000g",
		"-006000000000001",
		"0000000000000000",		    /* no return at the end */
		"00050000ffffffff0006000000000001", /* a jump backwards */
		"0005000000000007" "0006000000000001", /* a jump beyond the end */
		"0060000000000010" "0006000000000001", /* memory that is not there */
		"0034000000000000" "0006000000000001", /* divided by 0 */
		"ffff000000000000" "0006000000000001",
	};
	size_t len = (CAPTURE_INSTRUCTIONS + 1) * 16;
	char *longest = calloc(len + 1, 1);
	struct capture_filter *filter;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_null(capture_filter_new(bad[i]));
	for (size_t i = 0; i < len; i += 16)
		memcpy(longest + i, "0006000000000001", 16);
	assert_null(capture_filter_new(longest));
	longest[len - 16] = '\0';
	filter = capture_filter_new(longest);
	assert_non_null(filter);
	capture_filter_free(filter);
	free(longest);
}

/* Every code there is: what loads, runs. */
static void test_all_codes(void **state)
{
	char program[33];

	(void)state;
	for (unsigned code = 0; code <= UINT16_MAX; code++) {
		struct capture_filter *filter;

		snprintf(program, sizeof(program), "%04x0000000000010006000000000001", code);
		filter = capture_filter_new(program);
		if (filter)
			capture_filter_takes(filter, udp, sizeof(udp), sizeof(udp));
		capture_filter_free(filter);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes),	  cmocka_unit_test(test_ip),
		cmocka_unit_test(test_a_part_at_hand), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bad_programs),   cmocka_unit_test(test_all_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
