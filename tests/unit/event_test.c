/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/event.h"
#include "app/event_answer.h"
#include "base/bytes.h"

static struct loop loop;
static int kept_stderr;
static unsigned subject; /* each event of a test has another, so that no limit holds */

static int begin(void **state)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)state;
	kept_stderr = dup(STDERR_FILENO);
	dup2(null, STDERR_FILENO);
	close(null);
	log_set_level(LOG_LEVEL_INFO);
	return loop_init(&loop);
}

static int end(void **state)
{
	(void)state;
	event_stop();
	loop_free(&loop);
	dup2(kept_stderr, STDERR_FILENO);
	close(kept_stderr);
	return 0;
}

static void tell(enum event_kind kind)
{
	char name[16];

	snprintf(name, sizeof(name), "p%u", subject++);
	event_tell_fields(kind, (const struct log_field[]){ log_text("peer", name), LOG_END });
}

/* Five kinds in turns, each with its own limits. */
static void tell_many(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		tell((enum event_kind)(EVENT_PEER_UP + i % 5));
}

static json_t *next(uint64_t *seq)
{
	char line[EVENT_LINE];

	return event_next(seq, line) ? json_loads(line, 0, NULL) : NULL;
}

static void test_events_are_kept_in_order(void **state)
{
	uint64_t seq = event_last(), first = seq;
	json_t *event;

	(void)state;
	event_tell(EVENT_PEER_UP, log_text("peer", "paris"), log_number("n", 3));
	event_tell(EVENT_PEER_DOWN, log_text("peer", "paris"), log_text("reason", "silent"));
	assert_int_equal(event_last(), first + 2);
	event = next(&seq);
	assert_int_equal(seq, first + 1);
	assert_int_equal(json_integer_value(json_object_get(event, "seq")), seq);
	assert_string_equal(json_string_value(json_object_get(event, "event")), "peer-up");
	assert_string_equal(json_string_value(json_object_get(event, "peer")), "paris");
	json_decref(event);
	event = next(&seq);
	assert_string_equal(json_string_value(json_object_get(event, "event")), "peer-down");
	assert_string_equal(json_string_value(json_object_get(event, "reason")), "silent");
	json_decref(event);
	assert_null(next(&seq));
}

static void test_the_oldest_go(void **state)
{
	uint64_t seq = 0;

	(void)state;
	tell_many(EVENT_KEPT + 100);
	assert_true(event_last() > EVENT_KEPT);
	json_decref(next(&seq));
	assert_int_equal(seq, event_last() - EVENT_KEPT + 1);
}

static void test_debug_only_when_it_is_shown(void **state)
{
	uint64_t before = event_last();

	(void)state;
	event_tell(EVENT_REKEYED, log_text("peer", "paris"));
	assert_int_equal(event_last(), before);
	log_set_level(LOG_LEVEL_DEBUG);
	event_tell(EVENT_REKEYED, log_text("peer", "paris"));
	assert_int_equal(event_last(), before + 1);
	log_set_level(LOG_LEVEL_ERROR); /* the log is one thing, events are another */
	event_tell(EVENT_PEER_UP, log_text("peer", "lyon"));
	assert_int_equal(event_last(), before + 2);
}

static unsigned heard;

static void note(void *ctx, enum event_kind kind, const struct log_field *fields)
{
	assert_ptr_equal(ctx, &heard);
	assert_int_equal(kind, EVENT_PEER_MOVED);
	assert_string_equal(event_field(fields, "peer"), "rome");
	assert_null(event_field(fields, "at"));
	heard++;
}

/* Who listens hears of each one. */
static void test_a_flood_is_held_back(void **state)
{
	uint64_t before = event_last();

	(void)state;
	heard = 0;
	event_set_listener(note, &heard);
	for (unsigned i = 0; i < 1000; i++)
		event_tell(EVENT_PEER_MOVED, log_text("peer", "rome"));
	event_set_listener(NULL, NULL);
	assert_int_equal(event_last(), before + LOG_LIMIT_BURST);
	assert_int_equal(heard, 1000);
}

/* ---- readers -------------------------------------------------------------- */

static void turn(unsigned times)
{
	while (times-- > 0)
		assert_int_equal(loop_turn(&loop, (struct instant){ 0 }), 0);
}

static int far_end;

static int follow_pair(void)
{
	int pair[2], small = 4096;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	far_end = pair[0];
	return pair[1];
}

static int follow(uint64_t after)
{
	int fd = follow_pair();

	assert_true(event_follow(&loop, far_end, after));
	return fd;
}

/* All that the reader gets now: how many events, how many were lost, and that their numbers
 * follow each other. */
static unsigned read_events(int fd, uint64_t *seq, uint64_t *lost)
{
	static char text[1 << 20];
	size_t used = 0;
	unsigned count = 0;

	for (unsigned idle = 0; idle < 10; idle++) {
		ssize_t n = recv(fd, text + used, sizeof(text) - 1 - used, MSG_DONTWAIT);

		if (n > 0) {
			used += (size_t)n;
			idle = 0;
		}
		turn(1);
	}
	text[used] = '\0';
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		json_t *event = json_loads(line, 0, NULL);
		uint64_t number = (uint64_t)json_integer_value(json_object_get(event, "seq"));
		uint64_t missing = (uint64_t)json_integer_value(json_object_get(event, "lost"));

		assert_non_null(event);
		*lost += missing;
		if (missing)
			*seq += missing;
		else
			assert_int_equal(number, ++*seq);
		count += !missing;
		json_decref(event);
	}
	return count;
}

static void test_a_reader_gets_what_is_kept_and_what_comes(void **state)
{
	uint64_t seq = event_last(), lost = 0;
	int fd;

	(void)state;
	tell_many(5);
	fd = follow(seq);
	assert_int_equal(read_events(fd, &seq, &lost), 5);
	tell_many(3);
	assert_int_equal(read_events(fd, &seq, &lost), 3);
	assert_int_equal(lost, 0);
	close(fd);
	turn(3);
}

static void test_a_reader_that_stalls_is_told_what_it_lost(void **state)
{
	uint64_t first = event_last(), seq = first, lost = 0, other = first, none = 0;
	int slow = follow(first), quick = follow(first);
	char padding[EVENT_LINE - 200] = "";
	unsigned n = 0;

	(void)state;
	memset(padding, 'x', sizeof(padding) - 1);
	for (unsigned i = 0; i < 40; i++) {
		log_tick((struct instant){ INT64_MAX / 2 });
		for (unsigned k = 0; k < 100; k++)
			event_tell(EVENT_DROPS, log_number("i", subject++),
				   log_text("padding", padding));
		n += read_events(quick, &other, &none);
	}
	assert_int_equal(none, 0);
	assert_int_equal(other, event_last());
	assert_in_range(n, 400, 4000);
	n = read_events(slow, &seq, &lost);
	event_tick(clock_now());
	n += read_events(slow, &seq, &lost);
	assert_true(lost > 0 && n > 0);
	assert_int_equal(n + lost, event_last() - first);
	close(slow);
	close(quick);
	turn(3);
}

static bool room_for(uid_t uid)
{
	return event_has_room(uid, loop.now);
}

static void test_so_many_may_follow(void **state)
{
	int fds[EVENT_READERS];

	(void)state;
	for (unsigned i = 0; i < EVENT_READERS; i++) {
		assert_true(room_for(geteuid()));
		fds[i] = follow(event_last());
	}
	assert_false(room_for(geteuid()));
	close(fds[3]);
	turn(3);
	assert_true(room_for(geteuid()));
	for (unsigned i = 0; i < EVENT_READERS; i++) {
		if (i != 3)
			close(fds[i]);
	}
	turn(3);
}

#define STRANGER 65531u /* and those after it */

static int follow_as(uid_t uid)
{
	int fd;

	assert_int_equal(seteuid(uid), 0);
	fd = follow_pair();
	assert_int_equal(seteuid(0), 0);
	assert_true(event_follow(&loop, far_end, 0));
	return fd;
}

static bool is_closed(int fd)
{
	char text[65536];
	ssize_t n;

	do
		n = recv(fd, text, sizeof(text), MSG_DONTWAIT);
	while (n > 0);
	return n == 0;
}

static void test_others_do_not_take_all_places(void **state)
{
	int own[EVENT_READERS], others[EVENT_OTHERS];

	(void)state;
	if (geteuid() != 0)
		skip();
	for (unsigned i = 0; i < EVENT_OTHERS; i++) {
		assert_true(room_for(STRANGER + i / EVENT_EACH));
		others[i] = follow_as(STRANGER + i / EVENT_EACH);
		if (i == EVENT_EACH - 1)
			assert_false(room_for(STRANGER));
	}
	assert_false(room_for(STRANGER + 9));
	assert_false(room_for((uid_t)-1));
	for (unsigned i = 0; i < EVENT_READERS; i++) {
		assert_true(room_for(0));
		own[i] = follow(event_last());
	}
	assert_false(room_for(0)); /* never one of root's */
	for (unsigned i = 0; i < EVENT_OTHERS; i++) {
		assert_true(is_closed(others[i]));
		close(others[i]);
	}
	for (unsigned i = 0; i < EVENT_READERS; i++)
		close(own[i]);
	turn(3);
}

/* Six, of whom the fifth does not read. */
static void test_who_stalls_makes_way(void **state)
{
	int others[EVENT_OTHERS], own;
	uint64_t seq, lost;

	(void)state;
	if (geteuid() != 0)
		skip();
	tell_many(EVENT_KEPT); /* more than a socket takes */
	for (unsigned i = 0; i < EVENT_OTHERS; i++)
		others[i] = follow_as(STRANGER + i / EVENT_EACH);
	for (unsigned i = 0; i < EVENT_OTHERS; i++) {
		lost = 0;
		seq = event_last() - EVENT_KEPT;
		if (i != 4)
			assert_int_equal(read_events(others[i], &seq, &lost), EVENT_KEPT);
	}
	event_tick(loop.now);
	assert_false(room_for(STRANGER + 9));
	loop.now = instant_add(loop.now, EVENT_PATIENCE);
	assert_true(room_for(STRANGER + 9));
	assert_true(room_for(STRANGER + 1)); /* who has EVENT_EACH, but that one among them */
	assert_false(room_for(STRANGER));
	own = follow_as(STRANGER + 9);
	for (unsigned i = 0; i < EVENT_OTHERS; i++) {
		assert_int_equal(is_closed(others[i]), i == 4);
		close(others[i]);
	}
	close(own);
	turn(3);
}

/* Workers tell while the loop's thread sends. */
static void *tell_from_a_thread(void *arg)
{
	for (unsigned i = 0; i < 500; i++)
		event_tell((enum event_kind)(EVENT_PEER_UP + i % 5), log_number("i", i),
			   log_text("by", arg));
	return NULL;
}

static void test_any_thread_may_tell(void **state)
{
	static char a[] = "a", b[] = "b";
	uint64_t seq = event_last(), lost = 0;
	pthread_t threads[2];
	unsigned n = 0;
	int fd = follow(seq);

	(void)state;
	assert_int_equal(pthread_create(&threads[0], NULL, tell_from_a_thread, a), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, tell_from_a_thread, b), 0);
	for (unsigned i = 0; i < 20; i++)
		n += read_events(fd, &seq, &lost);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	n += read_events(fd, &seq, &lost);
	assert_true(n > 100);
	assert_int_equal(seq, event_last());
	close(fd);
	turn(3);
}

/* ---- the answer ----------------------------------------------------------- */

static void test_the_last_ones_are_answered(void **state)
{
	json_t *request = json_pack("{s:i}", "last", 3), *answer, *list;

	(void)state;
	tell_many(5);
	answer = event_answer(request, &loop, NULL, NULL, NULL);
	list = json_object_get(answer, "events");
	assert_true(json_is_true(json_object_get(answer, "ok")));
	assert_int_equal(json_array_size(list), 3);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 2), "seq")),
			 event_last());
	json_decref(answer);
	json_object_del(request, "last");
	answer = event_answer(request, &loop, NULL, NULL, NULL);
	assert_int_equal(json_array_size(json_object_get(answer, "events")),
			 MIN(event_last(), EVENT_KEPT));
	json_decref(answer);
	json_decref(request);
}

/* Frees the request. */
static json_t *ask(json_t *request, event_knows *knows)
{
	json_t *answer = event_answer(request, &loop, NULL, knows, &heard);

	json_decref(request);
	return answer;
}

static const char *event_at(const json_t *answer, size_t i, const char *key)
{
	const json_t *event = json_array_get(json_object_get(answer, "events"), i);

	return json_string_value(json_object_get(event, key));
}

/* Not those of the last ones that happen to match. */
static void test_the_last_ones_of_a_kind_are_answered(void **state)
{
	json_t *answer;

	(void)state;
	event_tell(EVENT_MTU_DIFFERS, log_text("peer", "oslo"), log_number("n", 1));
	event_tell(EVENT_MTU_DIFFERS, log_text("peer", "rome"), log_number("n", 2));
	event_tell(EVENT_MTU_DIFFERS, log_text("peer", "oslo"), log_number("n", 3));
	tell_many(9);
	answer = ask(json_pack("{s:i,s:s}", "last", 2, "kind", "mtu-differs"), NULL);
	assert_int_equal(json_array_size(json_object_get(answer, "events")), 2);
	assert_string_equal(event_at(answer, 0, "peer"), "rome");
	assert_string_equal(event_at(answer, 1, "peer"), "oslo");
	json_decref(answer);
	answer = ask(json_pack("{s:i,s:s,s:s}", "last", 1, "kind", "mtu-differs", "peer", "rome"),
		     NULL);
	assert_int_equal(json_array_size(json_object_get(answer, "events")), 1);
	assert_string_equal(event_at(answer, 0, "peer"), "rome");
	json_decref(answer);
	answer = ask(json_pack("{s:i,s:s}", "last", 0, "kind", "mtu-differs"), NULL);
	assert_int_equal(json_array_size(json_object_get(answer, "events")), 0);
	json_decref(answer);
}

static bool knows_madrid(void *ctx, const char *name)
{
	assert_ptr_equal(ctx, &heard);
	return strcmp(name, "madrid") == 0;
}

static void test_a_name_that_nobody_has_is_refused(void **state)
{
	json_t *answer = ask(json_pack("{s:s}", "peer", "atlantis"), knows_madrid);

	(void)state;
	assert_true(json_is_false(json_object_get(answer, "ok")));
	assert_int_equal(json_integer_value(json_object_get(answer, "status")), 2);
	assert_non_null(strstr(json_string_value(json_object_get(answer, "error")), "atlantis"));
	json_decref(answer);
	answer = ask(json_pack("{s:s}", "peer", "madrid"), knows_madrid);
	assert_true(json_is_true(json_object_get(answer, "ok")));
	assert_int_equal(json_array_size(json_object_get(answer, "events")), 0);
	json_decref(answer);
	event_tell(EVENT_PEER_REVOKED, log_text("peer", "atlantis")); /* it was there once */
	answer = ask(json_pack("{s:s}", "peer", "atlantis"), knows_madrid);
	assert_string_equal(event_at(answer, 0, "event"), "peer-revoked");
	json_decref(answer);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_events_are_kept_in_order),
		TEST(test_debug_only_when_it_is_shown),
		TEST(test_a_flood_is_held_back),
		TEST(test_a_reader_gets_what_is_kept_and_what_comes),
		TEST(test_so_many_may_follow),
		TEST(test_others_do_not_take_all_places),
		TEST(test_who_stalls_makes_way),
		TEST(test_the_last_ones_are_answered),
		TEST(test_the_last_ones_of_a_kind_are_answered),
		TEST(test_a_name_that_nobody_has_is_refused),
		TEST(test_the_oldest_go),
		TEST(test_a_reader_that_stalls_is_told_what_it_lost),
		TEST(test_any_thread_may_tell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
