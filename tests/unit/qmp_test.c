/* SPDX-License-Identifier: MIT */
/* The client of QEMU's machine protocol, beside a QEMU that this file plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/qmp.h"
#include "base/log.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n"
#define EVENT "{\"event\": \"X\"}\r\n"
#define DONE "{\"return\": {}}\r\n"
#define LINK_DOWN                                                                                  \
	"{\"execute\":\"set_link\",\"arguments\":{\"name\":\"net0\",\"up\":false}}\n"
#define LINK_UP "{\"execute\":\"set_link\",\"arguments\":{\"name\":\"net0\",\"up\":true}}\n"

static char folder[] = "/tmp/lanspan-qmp-XXXXXX";
static char path[64];
static struct loop loop;
static struct qmp *qmp;
static int listener = -1, client = -1;

static void play_qemu(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	unlink(path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 4), 0);
}

static void turn(void)
{
	assert_int_equal(loop_turn(&loop, loop.now), 0);
	qmp_tick(qmp, loop.now);
}

static void say(const char *text)
{
	assert_int_equal(write(client, text, strlen(text)), strlen(text));
	turn();
}

/* For turns to come. */
static void say_many(const char *text, unsigned n)
{
	while (n-- > 0)
		assert_int_equal(write(client, text, strlen(text)), strlen(text));
}

/* All that the client said since. */
static void assert_heard(const char *expected)
{
	char got[512] = "";
	ssize_t n = recv(client, got, sizeof(got) - 1, MSG_DONTWAIT);

	got[n > 0 ? n : 0] = '\0';
	assert_string_equal(got, expected);
}

static int setup(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "%s/qmp", folder);
	assert_int_equal(loop_init(&loop), 0);
	play_qemu();
	qmp = qmp_new(&loop, path, "net0", loop.now);
	assert_non_null(qmp);
	client = accept(listener, NULL, NULL);
	assert_true(client >= 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	qmp_free(qmp);
	loop_free(&loop);
	close(client);
	close(listener);
	unlink(path);
	return 0;
}

static void greet(void)
{
	say(GREETING);
	assert_heard("{\"execute\":\"qmp_capabilities\"}\n");
	say(DONE);
}

static void test_link(void **state)
{
	(void)state;
	assert_heard(""); /* nothing before the greeting */
	greet();
	assert_heard(LINK_UP); /* as it is wanted, whatever it was */
	qmp_set_link(qmp, false);
	assert_heard(""); /* one command at a time */
	say("{\"event\": \"NIC_RX_FILTER_CHANGED\", \"data\": {}}\r\n");
	assert_heard("");
	say(DONE);
	assert_heard(LINK_DOWN);
	say(DONE);
	qmp_set_link(qmp, false);
	assert_heard(""); /* it is that already */
	qmp_set_link(qmp, true);
	assert_heard(LINK_UP);
	assert_string_equal(qmp_state(qmp), "ready");
}

static void test_pieces(void **state)
{
	(void)state;
	say("{\"QMP\": {\"ver");
	say("sion\": {}}}\r");
	assert_heard("");
	say("\n");
	assert_heard("{\"execute\":\"qmp_capabilities\"}\n");
	say(DONE "{\"event\": \"X\"}\r\n" DONE);
	assert_heard(LINK_UP);
}

static void test_refused(void **state)
{
	(void)state;
	greet();
	assert_heard(LINK_UP);
	say("{\"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"Device 'net0' not found\"}}\r\n");
	assert_string_equal(qmp_state(qmp), "Device 'net0' not found");
}

/* One that went away is looked for a second later, and told anew. */
static void test_restart(void **state)
{
	struct instant now;

	(void)state;
	greet();
	assert_heard(LINK_UP);
	say(DONE);
	close(client);
	turn();
	assert_string_equal(qmp_state(qmp), "the connection ended");
	qmp_set_link(qmp, false);
	now = qmp_due(qmp);
	assert_int_equal(instant_between(loop.now, now), QMP_AGAIN);
	close(listener);
	qmp_tick(qmp, now);
	assert_non_null(strstr(qmp_state(qmp), "refused"));
	play_qemu();
	qmp_tick(qmp, qmp_due(qmp));
	client = accept(listener, NULL, NULL);
	assert_true(client >= 0);
	greet();
	assert_heard(LINK_DOWN);
}

static bool has_left(int64_t us)
{
	return qmp_left(qmp, instant_add(loop.now, us));
}

/* What was wanted is over, and the answer is waited for. */
static void test_leave(void **state)
{
	(void)state;
	greet();
	assert_heard(LINK_UP);
	qmp_leave(qmp, loop.now);
	assert_heard("");
	assert_false(has_left(0));
	assert_int_equal(instant_between(loop.now, qmp_due(qmp)), QMP_LEAVE);
	say(DONE);
	assert_heard(LINK_DOWN);
	assert_false(has_left(0));
	say(DONE);
	assert_true(has_left(0));
}

static void test_leave_early(void **state)
{
	(void)state;
	qmp_leave(qmp, loop.now);
	assert_false(has_left(0));
	greet();
	assert_heard(LINK_DOWN);
	assert_false(has_left(0));
	say(DONE);
	assert_true(has_left(0));
}

static void test_leave_nobody(void **state)
{
	(void)state;
	close(client);
	turn();
	close(listener);
	qmp_leave(qmp, loop.now);
	assert_true(has_left(0));
}

static void test_leave_unanswered(void **state)
{
	(void)state;
	qmp_leave(qmp, loop.now);
	assert_false(has_left(QMP_LEAVE - 1));
	assert_true(has_left(QMP_LEAVE));
}

/* Without the loop. */
static void test_wait_left(void **state)
{
	struct instant start;

	(void)state;
	greet();
	assert_heard(LINK_UP);
	say_many(EVENT, 20);
	assert_int_equal(write(client, DONE DONE, 2 * strlen(DONE)), 2 * strlen(DONE));
	qmp_leave(qmp, instant_add(loop.now, SECONDS(3600)));
	qmp_wait_left(&qmp, 1);
	assert_heard(LINK_DOWN);

	qmp_set_link(qmp, true);
	start = clock_now();
	qmp_leave(qmp, start);
	qmp_wait_left(&qmp, 1);
	assert_in_range(instant_between(start, clock_now()), QMP_LEAVE, SECONDS(10));
}

static void test_endless_line(void **state)
{
	char text[4096];

	(void)state;
	memset(text, ' ', sizeof(text));
	for (int i = 0; i < 4; i++) {
		assert_int_equal(write(client, text, sizeof(text)), sizeof(text));
		turn();
	}
	assert_string_equal(qmp_state(qmp), "a line of an answer is too long");
}

/* Others have their turns between them. */
static void test_lines_of_a_turn(void **state)
{
	(void)state;
	say_many("\n", 40);
	say(GREETING);
	assert_heard("");
	turn();
	assert_heard("");
	for (unsigned i = 0; i < 8; i++)
		turn(); /* nothing more came */
	assert_heard("{\"execute\":\"qmp_capabilities\"}\n");
}

static unsigned logged;

static size_t count_line(const struct log_record *record, char *out, size_t room)
{
	(void)out;
	(void)room;
	if (record->level == LOG_LEVEL_WARN &&
	    strcmp(record->message, "the connection to QEMU is ended") == 0)
		logged++;
	return 0;
}

/* It is cut, and looked for a second later. */
static void check_flood(const char *line, unsigned n)
{
	unsigned turns = 0;

	greet();
	assert_heard(LINK_UP);
	log_set_form(count_line);
	logged = 0;
	for (unsigned i = 0; i < n && qmp_due(qmp).us == INSTANT_NEVER.us; i++) {
		if (send(client, line, strlen(line), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			turn();
	}
	while (qmp_due(qmp).us == INSTANT_NEVER.us && turns++ < 50)
		turn();
	log_set_form(NULL);
	assert_string_equal(qmp_state(qmp), "sends too much");
	assert_int_equal(logged, 1);
	assert_int_equal(instant_between(loop.now, qmp_due(qmp)), QMP_AGAIN);
	close(client);
	qmp_tick(qmp, qmp_due(qmp));
	client = accept(listener, NULL, NULL);
	assert_true(client >= 0);
}

static void test_flood(void **state)
{
	static char long_line[10000];

	(void)state;
	check_flood("\n", 2000);
	check_flood("{}\n", 2000);
	memset(long_line, ' ', sizeof(long_line) - 2);
	long_line[sizeof(long_line) - 2] = '\n';
	check_flood(long_line, 10);
	greet(); /* as if nothing had been */
	assert_heard(LINK_UP);
}

/* Many, but each in its time. */
static void test_events(void **state)
{
	(void)state;
	greet();
	for (unsigned second = 0; second < 2; second++) {
		if (second)
			usleep(SECONDS(1));
		say_many(EVENT, 200);
		for (unsigned i = 0; i < 30; i++)
			turn();
	}
	assert_int_equal(qmp_due(qmp).us, INSTANT_NEVER.us);
	assert_string_equal(qmp_state(qmp), "ready");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leave, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leave_early, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leave_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leave_unanswered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wait_left, setup, teardown),
		cmocka_unit_test_setup_teardown(test_endless_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lines_of_a_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
		cmocka_unit_test_setup_teardown(test_events, setup, teardown),
	};
	int failed;

	if (!mkdtemp(folder))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	return failed;
}
