/* SPDX-License-Identifier: MIT */
/* What a relay tells of its members, and what the log and events make of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/event.h"
#include "app/hub_events.h"
#include "app/hub_state.h"
#include "base/bytes.h"
#include "libcrowd.h"

static char told[4096];

static void note(void *ctx, const struct relay_news *news)
{
	static const char *const words[] = { "came", "went", "moved", "new", "gone", "limit" };
	size_t used = strlen(told);

	(void)ctx;
	if (news->event == RELAY_LIMIT)
		snprintf(told + used, sizeof(told) - used, "limit %s %s %d|",
			 news->network ? news->network : "-", relay_drop_name(news->reason),
			 (int)news->count);
	else
		snprintf(told + used, sizeof(told) - used, "%s %s %s|", words[news->event],
			 news->network, news->name ? news->name : "-");
}

static void expect(const char *text)
{
	assert_string_equal(told, text);
	told[0] = '\0';
}

static void test_members_come_move_and_go(void **state)
{
	struct crowd *c = crowd_new(NULL, 2);

	(void)state;
	relay_watch(c->relay, note, NULL);
	crowd_join(c, 0, 1);
	expect("new lab -|came lab site-0|");
	crowd_join(c, 1, 1);
	expect("came lab site-1|");
	crowd_run(c, SECONDS(1));
	crowd_register(&c->sites[0]); /* new keys are no news */
	crowd_run(c, 0);
	expect("");
	c->sites[0].addr.port++;
	crowd_ping(&c->sites[0]);
	crowd_run(c, MS(100));
	expect("moved lab site-0|");
	crowd_control(&c->sites[0], WIRE_CLOSE, NULL, 0);
	expect("went lab site-0|");
	crowd_run(c, SECONDS(62));
	expect("went lab site-1|gone lab -|");
	crowd_free(c);
}

/* One that only calls is no member, and of its network nothing is told. */
static void test_strangers_are_no_news(void **state)
{
	struct crowd *c = crowd_new(NULL, 1);

	(void)state;
	relay_watch(c->relay, note, NULL);
	c->sites[0].dumb = true;
	crowd_register(&c->sites[0]);
	crowd_run(c, SECONDS(10));
	expect("");
	crowd_free(c);
}

static void test_configured_networks_stay(void **state)
{
	struct relay_network_setup net = { .name = "lab" };
	struct crowd *c = crowd_new(NULL, 1);

	(void)state;
	assert_true(relay_network_set(c->relay, &net, c->now));
	relay_watch(c->relay, note, NULL);
	crowd_join(c, 0, 1);
	crowd_control(&c->sites[0], WIRE_CLOSE, NULL, 0);
	expect("came lab site-0|went lab site-0|");
	relay_watch(c->relay, NULL, NULL);
	crowd_join(c, 0, 1);
	expect("");
	crowd_free(c);
}

static void test_limits_once_a_minute(void **state)
{
	struct relay_network_setup net = { .name = "lab",
					   .limits = { .site_packets = 10, .members = 2 } };
	struct crowd *c = crowd_new(NULL, 3);

	(void)state;
	assert_true(relay_network_set(c->relay, &net, c->now));
	crowd_join(c, 0, 2);
	relay_watch(c->relay, note, NULL);
	relay_tell_limits(c->relay, c->now);
	expect("");
	crowd_register(&c->sites[2]);
	for (unsigned i = 0; i < 25; i++)
		crowd_hop(&c->sites[0], 2, 100);
	relay_tell_limits(c->relay, c->now);
	expect("limit lab full 1|limit lab frames 15|");
	for (unsigned minute = 0; minute < 2; minute++) {
		for (unsigned i = 0; i < 60; i++) {
			crowd_run(c, SECONDS(1));
			crowd_ping(&c->sites[0]);
			crowd_ping(&c->sites[1]);
			for (unsigned k = 0; k < 25; k++)
				crowd_hop(&c->sites[0], 2, 100);
			relay_tell_limits(c->relay, c->now);
		}
		expect("limit lab frames 15|");
	}
	crowd_free(c);
}

/* A site may call itself anything. */
static void test_a_name_of_any_bytes(void **state)
{
	static const char evil[] = "x\n<3>error: forged=\"1\"\033[2J\xff\xc2\x9b";
	static struct hub hub;
	struct crowd *c = crowd_new(NULL, 1);
	int ends[2], kept = dup(STDERR_FILENO);
	char text[2048], line[EVENT_LINE];
	uint64_t seq = event_last();
	json_t *event;
	ssize_t n;

	(void)state;
	memcpy(c->sites[0].name, evil, sizeof(evil));
	relay_watch(c->relay, hub_events_tell, &hub);
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	dup2(ends[1], STDERR_FILENO);
	crowd_join(c, 0, 1);
	dup2(kept, STDERR_FILENO);
	n = read(ends[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	assert_non_null(strstr(text, "info: network appeared network=lab\n"));
	assert_non_null(strstr(text, "info: member came member=\"x\\x0a<3>error: forged=\\\"1\\\""
				     "\\x1b[2J\\xff\\xc2\\x9b\" site_id="));
	assert_non_null(strstr(text, " network=lab at=10.0.0.0:7741\n"));
	assert_true(event_next(&seq, line) && event_next(&seq, line));
	event = json_loads(line, 0, NULL);
	assert_non_null(event);
	assert_string_equal(json_string_value(json_object_get(event, "event")), "member-came");
	assert_string_equal(json_string_value(json_object_get(event, "member")),
			    "x\n<3>error: forged=\"1\"\033[2J\\xff\\xc2\\x9b");
	json_decref(event);
	close(ends[0]);
	close(ends[1]);
	close(kept);
	crowd_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members_come_move_and_go),
		cmocka_unit_test(test_strangers_are_no_news),
		cmocka_unit_test(test_configured_networks_stay),
		cmocka_unit_test(test_limits_once_a_minute),
		cmocka_unit_test(test_a_name_of_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
