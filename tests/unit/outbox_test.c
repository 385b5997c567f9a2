/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/outbox.h"

struct seen {
	unsigned batches, runs, told;
	int fail;
	size_t bytes;
};

static void send_runs(void *ctx, struct run **runs, size_t n)
{
	struct seen *s = ctx;

	s->batches++;
	s->runs += (unsigned)n;
	for (size_t i = 0; i < n; i++) {
		s->bytes += runs[i]->len;
		runs[i]->error = s->fail;
	}
}

static void told(void *ctx, const struct run *run)
{
	struct seen *s = ctx;

	assert_int_equal(run->error, s->fail);
	s->told++;
}

static const struct addr place = { .family = ADDR_IPV4, .port = 9 };

static void test_runs_go_round(void **state)
{
	struct seen s = { 0 };
	struct outbox o;

	(void)state;
	assert_true(outbox_init(&o, 1, send_runs, &s, told, &s));
	for (unsigned i = 0; i < 1000; i++) {
		struct run *run = outbox_take(&o);

		assert_non_null(run);
		assert_int_equal(run->count + run->len, 0);
		memset(run->data, 1, RUN_BYTES);
		run->segment = 1000;
		run->count = 2;
		run->len = 2000;
		outbox_ready(&o, run);
		assert_int_equal(o.bytes, 2000 * (i % OUTBOX_RUNS + 1));
	}
	outbox_flush(&o);
	assert_int_equal(s.runs, 1000);
	assert_int_equal(s.told, 1000);
	assert_int_equal(s.bytes, 2000000);
	assert_int_equal(s.batches, (1000 + OUTBOX_RUNS - 1) / OUTBOX_RUNS);
	assert_int_equal(o.bytes, 0);
	outbox_flush(&o); /* nothing: no call */
	assert_int_equal(s.batches, (1000 + OUTBOX_RUNS - 1) / OUTBOX_RUNS);
	outbox_free(&o);
}

static void test_all_taken(void **state)
{
	struct run *runs[OUTBOX_RUNS];
	struct seen s = { 0 };
	struct outbox o;

	(void)state;
	assert_true(outbox_init(&o, 1, send_runs, &s, told, &s));
	for (unsigned i = 0; i < OUTBOX_RUNS; i++) {
		runs[i] = outbox_take(&o);
		memset(runs[i]->data, (int)i, 65536); /* each its own */
	}
	assert_null(outbox_take(&o));
	for (unsigned i = 0; i < OUTBOX_RUNS; i++)
		assert_int_equal(runs[i]->data[65535], i);
	outbox_give_back(&o, runs[0]);
	assert_ptr_equal(outbox_take(&o), runs[0]);
	assert_int_equal(s.batches, 0);
	outbox_free(&o);
}

static void test_empty_run_is_not_sent(void **state)
{
	struct seen s = { 0 };
	struct outbox o;

	(void)state;
	assert_true(outbox_init(&o, 1, send_runs, &s, told, &s));
	outbox_ready(&o, outbox_take(&o));
	outbox_flush(&o);
	assert_int_equal(s.runs, 0);
	assert_int_equal(o.n_idle, OUTBOX_RUNS);
	outbox_free(&o);
}

static const struct run *last;
static uint8_t last_bytes[64];

static void look(void *ctx, struct run **runs, size_t n)
{
	(void)ctx;
	last = runs[n - 1];
	memcpy(last_bytes, last->data, MIN(last->len, (uint32_t)sizeof(last_bytes)));
}

static void test_datagram(void **state)
{
	struct seen s = { 0 };
	uint8_t data[50] = "a datagram";
	struct outbox o;

	(void)state;
	assert_true(outbox_init(&o, 1, look, NULL, told, &s));
	outbox_datagram(&o, &place, 3, RUN_NOBODY, data, sizeof(data));
	memset(data, 0, sizeof(data)); /* it was copied */
	outbox_flush(&o);
	assert_int_equal(last->len, 50);
	assert_int_equal(last->segment, 50);
	assert_int_equal(last->count, 1);
	assert_int_equal(last->socket, 3);
	assert_int_equal(last->owner, RUN_NOBODY);
	assert_true(addr_equal(&last->to, &place));
	assert_string_equal((const char *)last_bytes, "a datagram");
	assert_int_equal(s.told, 1);
	outbox_free(&o);
}

static void test_error_is_told_and_forgotten(void **state)
{
	struct seen s = { .fail = 90 };
	struct outbox o;

	(void)state;
	assert_true(outbox_init(&o, 1, send_runs, &s, told, &s));
	outbox_datagram(&o, &place, 0, 1, (const uint8_t *)"x", 1);
	outbox_flush(&o);
	assert_int_equal(s.told, 1);
	assert_int_equal(outbox_take(&o)->error, 0);
	outbox_free(&o);
}

static void put(struct outbox *o, uint8_t n)
{
	outbox_datagram(o, &place, 0, n, &n, 1);
}

/* What is collected is neither idle nor sent until it comes back. */
static void test_collect(void **state)
{
	struct run *mine[OUTBOX_AWAY], *others[OUTBOX_AWAY];
	struct seen s = { 0 };
	struct outbox o;

	(void)state;
	assert_true(outbox_init(&o, 2, send_runs, &s, told, &s));
	assert_int_equal(outbox_collect(&o, mine), 0);
	put(&o, 1);
	put(&o, 2);
	assert_int_equal(outbox_collect(&o, mine), 2);
	assert_int_equal(mine[0]->data[0], 1);
	assert_int_equal(mine[1]->data[0], 2);
	assert_int_equal(o.bytes, 0);
	put(&o, 3);
	assert_int_equal(outbox_collect(&o, others), 1);
	assert_int_equal(others[0]->data[0], 3);
	assert_int_equal(o.n_idle, o.n_runs - 3);
	outbox_flush(&o);
	assert_int_equal(s.runs + s.told, 0);

	outbox_sent(&o, others, 1);
	assert_int_equal(s.told, 1);
	assert_int_equal(o.n_idle, o.n_runs - 2);
	s.fail = mine[0]->error = mine[1]->error = 90;
	outbox_sent(&o, mine, 2);
	assert_int_equal(s.told, 3);
	assert_int_equal(o.n_idle, o.n_runs);
	outbox_free(&o);
}

/* More than one worker takes along: all goes at once, nothing stays behind. */
static void test_more_than_can_be_collected(void **state)
{
	struct run *mine[OUTBOX_AWAY];
	struct seen s = { 0 };
	struct outbox o;

	(void)state;
	assert_true(outbox_init(&o, 2, send_runs, &s, told, &s));
	for (unsigned i = 0; i < OUTBOX_AWAY; i++)
		put(&o, (uint8_t)i);
	assert_int_equal(outbox_collect(&o, mine), OUTBOX_AWAY);
	outbox_sent(&o, mine, OUTBOX_AWAY);
	assert_int_equal(s.batches, 0);
	for (unsigned i = 0; i <= OUTBOX_AWAY; i++)
		put(&o, (uint8_t)i);
	assert_int_equal(outbox_collect(&o, mine), 0);
	assert_int_equal(s.runs, OUTBOX_AWAY + 1);
	assert_int_equal(o.n_idle, o.n_runs);
	outbox_free(&o);
}

/* All workers but one are away with all they may collect: the last still has what
 * one worker alone would have. */
static void test_runs_for_each_worker(void **state)
{
	struct run *away[16][OUTBOX_AWAY];
	struct seen s = { 0 };
	struct outbox o;

	(void)state;
	assert_true(outbox_init(&o, 16, send_runs, &s, told, &s));
	for (unsigned w = 0; w < 15; w++) {
		for (unsigned i = 0; i < OUTBOX_AWAY; i++)
			put(&o, (uint8_t)i);
		assert_int_equal(outbox_collect(&o, away[w]), OUTBOX_AWAY);
	}
	for (unsigned i = 0; i < OUTBOX_RUNS; i++)
		assert_non_null(outbox_take(&o));
	assert_int_equal(s.batches, 0);
	outbox_free(&o);
	assert_true(outbox_init(&o, 1, send_runs, &s, told, &s));
	assert_int_equal(o.n_runs, OUTBOX_RUNS);
	outbox_free(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs_go_round),
		cmocka_unit_test(test_all_taken),
		cmocka_unit_test(test_empty_run_is_not_sent),
		cmocka_unit_test(test_datagram),
		cmocka_unit_test(test_error_is_told_and_forgotten),
		cmocka_unit_test(test_collect),
		cmocka_unit_test(test_more_than_can_be_collected),
		cmocka_unit_test(test_runs_for_each_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
