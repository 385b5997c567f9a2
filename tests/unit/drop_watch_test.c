/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "app/drop_watch.h"
#include "app/event.h"

static struct drop_watch watch;
static uint64_t all[DROP_COUNT];
static struct instant now = { SECONDS(1000) };
static char told[512];

static void note(void *ctx, enum event_kind kind, const struct log_field *fields)
{
	size_t used = strlen(told);
	const char *reason = event_field(fields, "reason");
	int64_t frames = 0;

	(void)ctx;
	for (; fields->key; fields++)
		frames = strcmp(fields->key, "frames") == 0 ? fields->number : frames;
	snprintf(told + used, sizeof(told) - used, "%s %s %d|", event_name(kind),
		 reason ? reason : "-", (int)frames);
}

static const char *second(void)
{
	told[0] = '\0';
	now = instant_add(now, SECONDS(1));
	drop_watch_look(&watch, all, now);
	return told;
}

static int begin(void **state)
{
	(void)state;
	memset(&watch, 0, sizeof(watch));
	memset(all, 0, sizeof(all));
	log_set_level(LOG_LEVEL_ERROR);
	event_set_listener(note, NULL);
	return 0;
}

static void test_kinds(void **state)
{
	(void)state;
	all[DROP_SELF] = 50; /* of before */
	assert_string_equal(second(), "");
	all[DROP_SELF] += 1;
	assert_string_equal(second(), "loop own tunnel 1|");
	all[DROP_HORIZON] += 9;
	assert_string_equal(second(), "");
	all[DROP_HORIZON] += 10;
	assert_string_equal(second(), "loop split horizon 10|");
	all[DROP_HELD] += 3;
	all[DROP_NOT_LEARNED] += 4;
	assert_string_equal(second(), "macs-full - 4|mac-moves - 3|");
	all[DROP_AUTH] += 99;
	assert_string_equal(second(), "");
	all[DROP_AUTH] += 100;
	assert_string_equal(second(), "drops auth 100|");
	all[DROP_FILTERED] += 100000;
	all[DROP_UNDERLAY] += 100000;
	assert_string_equal(second(), "");
}

static void test_once_a_minute(void **state)
{
	unsigned times = 0;

	(void)state;
	second();
	for (unsigned i = 0; i < 150; i++) {
		all[DROP_AUTH] += 1000;
		times += second()[0] != '\0';
	}
	assert_int_equal(times, 3);
}

/* A peer goes, and its counters with it. */
static void test_counters_may_sink(void **state)
{
	(void)state;
	all[DROP_AUTH] = 100000;
	second();
	all[DROP_AUTH] = 10;
	assert_string_equal(second(), "");
	all[DROP_AUTH] = 120;
	assert_string_equal(second(), "drops auth 110|");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_kinds, begin),
		cmocka_unit_test_setup(test_once_a_minute, begin),
		cmocka_unit_test_setup(test_counters_may_sink, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
