/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/carrier.h"

#define AT(ms) ((struct instant){ SECONDS(100) + MS(ms) })

static const uint8_t *body(uint8_t state, uint32_t sequence)
{
	static uint8_t bytes[WIRE_CARRIER_LEN];

	bytes[0] = state;
	be32_put(bytes + 1, sequence);
	return bytes;
}

/* Told at 0, 20, 40, 60, 80 and then each 50 ms up to 10 s, unless it is echoed. */
static void test_told_until_echoed(void **state)
{
	uint8_t out[WIRE_CARRIER_LEN];
	struct carrier c;
	unsigned times = 0;
	int64_t ms = 0;

	(void)state;
	carrier_init(&c);
	carrier_set(&c, true, AT(0)); /* no session: nobody to tell */
	assert_int_equal(carrier_due(&c).us, INSTANT_NEVER.us);
	carrier_begin(&c, AT(0));
	while (carrier_due(&c).us != INSTANT_NEVER.us) {
		assert_int_equal(carrier_due(&c).us, AT(ms).us);
		if (!carrier_tick(&c, carrier_due(&c), out))
			break;
		assert_memory_equal(out, body(1, 1), WIRE_CARRIER_LEN);
		times++;
		ms += times < 5 ? 20 : 50;
	}
	assert_int_equal(times, 4 + 1 + (10000 - 80) / 50);
	assert_int_equal(carrier_due(&c).us, INSTANT_NEVER.us);

	carrier_set(&c, false, AT(20000));
	assert_true(carrier_tick(&c, AT(20000), out));
	assert_memory_equal(out, body(0, 2), WIRE_CARRIER_LEN);
	carrier_taken(&c, body(1, 1)); /* late, of what was told before */
	assert_int_equal(carrier_due(&c).us, AT(20020).us);
	assert_false(carrier_tick(&c, AT(20019), out));
	carrier_taken(&c, body(0, 2));
	assert_int_equal(carrier_due(&c).us, INSTANT_NEVER.us);
	carrier_set(&c, false, AT(30000)); /* no change */
	assert_int_equal(carrier_due(&c).us, INSTANT_NEVER.us);
	carrier_begin(&c, AT(40000)); /* renewed */
	assert_true(carrier_tick(&c, AT(40000), out));
	assert_memory_equal(out, body(0, 3), WIRE_CARRIER_LEN);
	carrier_end(&c);
	assert_int_equal(carrier_due(&c).us, INSTANT_NEVER.us);
}

static void test_order(void **state)
{
	static const struct {
		uint8_t state;
		uint32_t sequence;
		bool far;
	} rows[] = {
		/* 0 */ { 0, 0xfffffffe, false }, /* the first counts whatever it is */
		/* 1 */ { 1, 0xfffffffd, false }, /* older */
		/* 2 */ { 1, 0xfffffffe, false }, /* the same again */
		/* 3 */ { 1, 0xffffffff, true },
		/* 4 */ { 0, 3, false }, /* round */
		/* 5 */ { 1, 0xffffffff, false },
		/* 6 */ { 1, 4, true },
	};
	struct carrier c;

	(void)state;
	carrier_init(&c);
	carrier_begin(&c, AT(0));
	assert_true(c.far); /* until something else is said */
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		carrier_take(&c, body(rows[i].state, rows[i].sequence));
		if (c.far != rows[i].far)
			fail_msg("row %zu", i);
	}
}

/* A renewed session: what was said holds, a peer that began anew is heard, and one that
 * knows nothing of it any more is trusted after a while. */
static void test_renewed(void **state)
{
	uint8_t out[WIRE_CARRIER_LEN];
	struct carrier c;

	(void)state;
	carrier_init(&c);
	carrier_begin(&c, AT(0));
	carrier_take(&c, body(0, 1000));
	carrier_begin(&c, AT(1000));
	carrier_taken(&c, body(0, 2));
	assert_false(c.far);
	carrier_take(&c, body(1, 1));
	assert_true(c.far);
	carrier_take(&c, body(0, 2));
	carrier_begin(&c, AT(2000));
	carrier_take(&c, body(0, 2));
	carrier_taken(&c, body(0, 3));
	assert_int_equal(carrier_due(&c).us, INSTANT_NEVER.us); /* it said so: no doubt */

	carrier_begin(&c, AT(3000));
	carrier_taken(&c, body(0, 4));
	assert_int_equal(carrier_due(&c).us, AT(5000).us);
	assert_false(carrier_tick(&c, AT(4999), out));
	assert_false(c.far);
	assert_false(carrier_tick(&c, AT(5000), out));
	assert_true(c.far);
	assert_int_equal(carrier_due(&c).us, INSTANT_NEVER.us);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_told_until_echoed),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_renewed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
