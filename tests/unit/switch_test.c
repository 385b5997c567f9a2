/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/switch.h"

#define PEER(n) (SWITCH_PEER + (n))
#define ALL 0xff

static const struct instant now = { SECONDS(10) };

/* A frame from host `from` to host `to` (ALL: broadcast) that came in at port,
 * and what becomes of it. */
struct step {
	uint16_t port;
	uint16_t vlan;
	uint8_t to, from;
	enum switch_way way;
	uint16_t where; /* port of SWITCH_ONE, reason of SWITCH_DROP */
};

static struct switch_verdict decide(struct switching *s, const struct step *step)
{
	const struct superframe_layout layout = { .vlan = step->vlan };
	uint8_t frame[14] = { 2, 0, 0, 0, 0, step->to, 2, 0, 0, 0, 0, step->from, 8, 0 };

	if (step->to == ALL)
		memset(frame, 0xff, 6);
	return switch_decide(s, step->port, frame, sizeof(frame), &layout, now);
}

static void walk(bool hub, const struct step *steps, size_t n)
{
	struct switching s = { .hub = hub };

	assert_true(fdb_init(&s.fdb, 64, 64, SECONDS(300), 1));
	for (size_t i = 0; i < n; i++) {
		struct switch_verdict v = decide(&s, &steps[i]);

		if (v.way != steps[i].way || (v.way == SWITCH_ONE && v.port != steps[i].where) ||
		    (v.way == SWITCH_DROP && v.reason != steps[i].where))
			fail_msg("step %zu: way %d, port %u, reason %d", i, v.way, v.port,
				 v.reason);
	}
	fdb_free(&s.fdb);
}

static void test_truth_table(void **state)
{
	/* clang-format off */
	static const struct step steps[] = {
		/*  0 */ { 0, 0, 2, 1, SWITCH_FLOOD, 0 },		/* nobody known */
		/*  1 */ { PEER(0), 0, 1, 2, SWITCH_ONE, 0 },		/* back to 1 */
		/*  2 */ { 0, 0, 2, 1, SWITCH_ONE, PEER(0) },
		/*  3 */ { 1, 0, 2, 3, SWITCH_ONE, PEER(0) },		/* of another local port */
		/*  4 */ { 0, 0, 3, 1, SWITCH_ONE, 1 },			/* local to local */
		/*  5 */ { 0, 0, ALL, 1, SWITCH_FLOOD, 0 },
		/*  6 */ { PEER(1), 0, ALL, 4, SWITCH_FLOOD, 0 },
		/*  7 */ { PEER(1), 0, 2, 4, SWITCH_DROP, DROP_HORIZON }, /* peer to peer */
		/*  8 */ { PEER(0), 0, 2, 5, SWITCH_DROP, DROP_FILTERED }, /* where it came from */
		/*  9 */ { 0, 0, 6, 1, SWITCH_FLOOD, 0 },
		/* 10 */ { 0, 0, 1, 7, SWITCH_DROP, DROP_FILTERED },
		/* 11 */ { 1, 9, 1, 3, SWITCH_FLOOD, 0 },		/* another VLAN, another table */
		/* 12 */ { 0, 9, 3, 1, SWITCH_ONE, 1 },
		/* 13 */ { 1, 0, 4, 1, SWITCH_ONE, PEER(1) },		/* host 1 moves to port 1 */
		/* 14 */ { PEER(0), 0, 1, 2, SWITCH_ONE, 1 },
	};
	/* clang-format on */

	(void)state;
	walk(false, steps, COUNT_OF(steps));
}

static void test_hub_learns_nothing(void **state)
{
	static const struct step steps[] = {
		{ 0, 0, 2, 1, SWITCH_FLOOD, 0 },
		{ PEER(0), 0, 1, 2, SWITCH_FLOOD, 0 },
		{ 0, 0, 2, 1, SWITCH_FLOOD, 0 },
		{ 0, 0, 1, 1, SWITCH_FLOOD, 0 },
	};

	(void)state;
	walk(true, steps, COUNT_OF(steps));
}

static void test_full_table_floods(void **state)
{
	struct switching s = { 0 };
	struct step step = { .port = 0, .to = 200, .from = 1 };

	(void)state;
	assert_true(fdb_init(&s.fdb, 64, 1, SECONDS(300), 1));
	assert_int_equal(decide(&s, &step).learned, FDB_NEW);
	step.from = 2;
	assert_int_equal(decide(&s, &step).learned, FDB_QUOTA);
	assert_int_equal(decide(&s, &step).way, SWITCH_FLOOD);
	fdb_free(&s.fdb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_truth_table),
		cmocka_unit_test(test_hub_learns_nothing),
		cmocka_unit_test(test_full_table_floods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
