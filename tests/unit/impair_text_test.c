/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "app/impair_text.h"
#include "base/bytes.h"
#include "base/rand.h"

static bool same(const struct impair_setup *a, const struct impair_setup *b)
{
	return a->cut == b->cut && a->delay == b->delay && a->jitter == b->jitter &&
	       a->loss == b->loss && a->burst == b->burst && a->duplicate == b->duplicate &&
	       a->corrupt == b->corrupt && a->reorder == b->reorder && a->rate == b->rate &&
	       a->limit == b->limit;
}

static void test_what_is_right(void **state)
{
	static const struct {
		const char *text;
		struct impair_setup setup;
		const char *back; /* NULL: as it was */
	} rows[] = {
		{ "none", { 0 }, NULL },
		{ " cut ", { .cut = true }, "cut" },
		{ "delay 80ms", { .delay = MS(80) }, NULL },
		{ "delay\t1.5ms  jitter 20us", { .delay = 1500, .jitter = 20 }, "delay 1.5ms jitter 20us" },
		{ "delay 60s", { .delay = SECONDS(60) }, NULL },
		{ "delay 1000000us", { .delay = SECONDS(1) }, "delay 1s" },
		{ "delay 0ms", { 0 }, "none" },
		{ "loss 1% burst 3", { .loss = 10000, .burst = 3 }, NULL },
		{ "loss 0.0001%", { .loss = 1 }, "loss 0.0001%" },
		{ "loss 100%", { .loss = IMPAIR_MILLION }, NULL },
		{ "rate 10mbit", { .rate = 10000000 }, NULL },
		{ "rate 1.5kbit", { .rate = 1500 }, NULL },
		{ "rate 1000gbit", { .rate = UINT64_C(1000000000000) }, NULL },
		{ "delay 1ms limit 1.5M", { .delay = MS(1), .limit = 3 << 19 }, NULL },
		{ "rate 1mbit limit 4096", { .rate = 1000000, .limit = 4096 }, "rate 1mbit limit 4K" },
		{ "rate 10mbit limit 16M delay 80ms jitter 5ms loss 1% burst 3 duplicate 0.1% "
		  "reorder 1% corrupt 0.01%",
		  { false, MS(80), MS(5), 10000, 3, 1000, 100, 10000, 10000000, 16 << 20 },
		  "delay 80ms jitter 5ms loss 1% burst 3 duplicate 0.1% reorder 1% corrupt 0.01% "
		  "rate 10mbit limit 16M" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct impair_setup setup = { .delay = 77, .cut = true };
		char note[IMPAIR_TEXT_NOTE] = "", text[IMPAIR_TEXT];

		if (!impair_text_parse(&setup, rows[i].text, note) || !same(&setup, &rows[i].setup))
			fail_msg("row %zu: %s", i, note);
		impair_text_format(&setup, text);
		assert_string_equal(text, rows[i].back ? rows[i].back : rows[i].text);
	}
}

static void test_what_is_wrong(void **state)
{
	static const struct {
		const char *text, *note;
	} rows[] = {
		{ "", "nothing is said; there is delay, jitter, " },
		{ "  ", "nothing is said" },
		{ "latency 80ms", "\"latency\": there is delay, jitter, loss, burst, duplicate, reorder, "
				  "corrupt, rate, limit, cut, none" },
		{ "delay", "delay: behind it belongs a number and us, ms or s" },
		{ "delay 80", "delay \"80\": should be a number and us, ms or s" },
		{ "delay -1ms", "delay \"-1ms\": should be" },
		{ "delay 80 ms", "delay \"80\": should be" },
		{ "delay 80ms,", "delay \"80ms,\": should be" },
		{ "delay 1.ms", "delay \"1.ms\": should be" },
		{ "delay .5ms", "delay \".5ms\": should be" },
		{ "delay 0.5us", "delay \"0.5us\": should be" },
		{ "delay 61s", "delay 61s: 60s is the most" },
		{ "delay 9999999999ms", "delay \"9999999999ms\": should be" },
		{ "delay 80ms delay 90ms", "delay is said twice" },
		{ "delay 5ms jitter 6ms", "jitter is more than delay" },
		{ "jitter 6ms", "jitter needs delay" },
		{ "reorder 1%", "reorder needs delay" },
		{ "burst 3", "burst needs loss" },
		{ "limit 16M", "limit needs delay or rate" },
		{ "loss 1", "loss \"1\": should be a number and %" },
		{ "loss 101%", "loss 101%: 100% is the most" },
		{ "loss 1% burst 0", "burst 0: too little" },
		{ "loss 1% burst 1.5", "burst \"1.5\": should be a whole number" },
		{ "rate 10", "rate \"10\": should be a number and bit, kbit, mbit or gbit" },
		{ "rate 10Mbit", "rate \"10Mbit\": should be" },
		{ "rate 1bit", "rate 1bit: too little" },
		{ "rate 0mbit", "rate 0mbit: too little" },
		{ "rate 1mbit limit 1K", "limit 1K: too little" },
		{ "rate 1mbit limit 5G", "limit 5G: 4G is the most" },
		{ "delay 5ms cut", "cut stands alone" },
		{ "none delay 5ms", "none stands alone" },
		{ "cut cut", "cut stands alone" },
		{ "delay 5ms\n", "delay \"5ms?\": should be" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct impair_setup setup = { .delay = 77 };
		char note[IMPAIR_TEXT_NOTE] = "";

		if (impair_text_parse(&setup, rows[i].text, note))
			fail_msg("row %zu is taken", i);
		if (strncmp(note, rows[i].note, strlen(rows[i].note)) != 0)
			fail_msg("row %zu: %s", i, note);
		assert_int_equal(setup.delay, 77);
	}
}

/* Whatever can be set is written so that it is read as the same. */
static void test_there_and_back(void **state)
{
	struct rand_seeded seeded;
	struct rand_source rand = rand_source_seeded(&seeded, 1);

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct impair_setup setup = { 0 }, back;
		char note[IMPAIR_TEXT_NOTE], text[IMPAIR_TEXT];
		uint64_t v[9];

		rand_fill(&rand, v, sizeof(v));
		for (unsigned k = 0; k < COUNT_OF(v); k++)
			v[k] = v[k] % 3 ? v[k] >> 4 >> (v[k] & 15) * 3 : 0;
		setup.delay = (int64_t)(v[0] % (IMPAIR_DELAY_MAX + 1));
		setup.jitter = (int64_t)(v[1] % ((uint64_t)setup.delay + 1));
		setup.loss = (uint32_t)(v[2] % (IMPAIR_MILLION + 1));
		setup.burst = setup.loss ? (uint32_t)(v[3] % 1000001) : 0;
		setup.duplicate = (uint32_t)(v[4] % (IMPAIR_MILLION + 1));
		setup.corrupt = (uint32_t)(v[5] % (IMPAIR_MILLION + 1));
		setup.reorder = setup.delay ? (uint32_t)(v[6] % (IMPAIR_MILLION + 1)) : 0;
		setup.rate = v[7] ? 1000 + v[7] % UINT64_C(500000000) : 0;
		setup.limit = setup.delay ? 4096 + v[8] % 500000000 : 0;
		impair_text_format(&setup, text);
		if (!impair_text_parse(&back, text, note) || !same(&setup, &back))
			fail_msg("%s: %s", text, note);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_right),
		cmocka_unit_test(test_what_is_wrong),
		cmocka_unit_test(test_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
