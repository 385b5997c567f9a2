/* SPDX-License-Identifier: MIT */
/* A socket pair: the test reads what the loop's side puts in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "host/feed.h"

#define ROOM 65536

static struct loop loop;
static struct feed *feed;
static int reader;
static unsigned gone;

static void note_gone(void *ctx, struct feed *which)
{
	assert_ptr_equal(ctx, &gone);
	assert_ptr_equal(which, feed);
	gone++;
}

static int set_up(void **state)
{
	int pair[2], small = 4096;

	(void)state;
	gone = 0;
	if (loop_init(&loop) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair))
		return -1;
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	reader = pair[1];
	feed = feed_new(&loop, pair[0], ROOM, note_gone, &gone);
	return feed ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	feed_free(feed);
	if (reader >= 0)
		close(reader);
	loop_free(&loop);
	return 0;
}

static void turn(int times)
{
	for (int i = 0; i < times; i++)
		assert_int_equal(loop_turn(&loop, (struct instant){ 0 }), 0);
}

/* A record: length u32, number u32, and so many bytes of the number. */
static bool put(uint32_t number, uint32_t len)
{
	uint8_t head[8], body[ROOM];
	struct iovec pieces[] = { { head, 8 }, { body, len } };

	be32_put(head, len);
	be32_put(head + 4, number);
	memset(body, (int)number, len);
	return feed_put(feed, pieces, 2);
}

static void read_all(uint8_t *out, size_t len)
{
	size_t used = 0;

	for (unsigned tries = 0; used < len && tries < 10000; tries++) {
		ssize_t n = recv(reader, out + used, len - used, MSG_DONTWAIT);

		used += n > 0 ? (size_t)n : 0;
		turn(1);
	}
	assert_int_equal(used, len);
}

static void expect(uint32_t number, uint32_t len)
{
	uint8_t head[8], body[ROOM];

	read_all(head, 8);
	assert_int_equal(be32_get(head), len);
	assert_int_equal(be32_get(head + 4), number);
	read_all(body, len);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(body[i], (uint8_t)number);
}

/* Round the ring many times, with sizes that do not divide it. */
static void test_in_order(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 300; i++) {
		assert_true(put(2 * i, i * 37 % 9001));
		assert_true(put(2 * i + 1, i * 91 % 7919));
		expect(2 * i, i * 37 % 9001);
		expect(2 * i + 1, i * 91 % 7919);
	}
	assert_int_equal(feed_dropped(feed), 0);
}

static void test_a_stalled_reader(void **state)
{
	uint32_t taken = 0;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		taken += put(i, 992);
		turn(1);
	}
	assert_in_range(taken, ROOM / 1000, (ROOM + 20000) / 1000);
	assert_int_equal(feed_dropped(feed), 1000 - taken);
	assert_int_equal(gone, 0);
	for (uint32_t i = 0; i < taken; i++) /* whole ones, those that came first */
		expect(i, 992);
	assert_true(put(7, 10));
	expect(7, 10);
}

static void test_too_large(void **state)
{
	(void)state;
	assert_false(put(1, ROOM));
	assert_true(put(2, ROOM - 8));
	assert_int_equal(feed_dropped(feed), 1);
	expect(2, ROOM - 8);
}

static void test_reader_goes(void **state)
{
	(void)state;
	put(1, 100);
	turn(2);
	close(reader);
	reader = -1;
	turn(3);
	assert_int_equal(gone, 1);
	assert_false(put(2, 100));
	turn(3);
	assert_int_equal(gone, 1);
}

static void test_reader_speaks(void **state)
{
	(void)state;
	assert_int_equal(send(reader, "?", 1, 0), 1);
	turn(2);
	assert_int_equal(gone, 1);
	assert_string_equal(feed_word(feed), "?");
}

/* The goodbye is heard also when a record finds the reader gone first. */
static void test_goodbye(void **state)
{
	(void)state;
	assert_string_equal(feed_word(feed), "");
	put(1, 100); /* which is never read */
	turn(2);
	assert_int_equal(send(reader, "that is all for today, thank you very much", 42, 0), 42);
	close(reader);
	reader = -1;
	put(2, 100);
	turn(3);
	assert_int_equal(gone, 1);
	assert_string_equal(feed_word(feed), "that is all for today, thank yo");
}

static void test_behind(void **state)
{
	uint64_t taken;

	(void)state;
	assert_false(feed_is_behind(feed, &taken));
	assert_int_equal(taken, 0);
	put(1, 92);
	assert_true(feed_is_behind(feed, &taken));
	assert_int_equal(taken, 0);
	turn(2);
	assert_false(feed_is_behind(feed, &taken));
	assert_int_equal(taken, 100);
}

/* What waits is sent once more. */
static void test_end(void **state)
{
	uint8_t record[18];

	(void)state;
	put(3, 10);
	feed_free(feed);
	feed = NULL;
	assert_int_equal(recv(reader, record, sizeof(record), 0), sizeof(record));
	assert_int_equal(recv(reader, record, 1, 0), 0);
}

static void *put_many(void *arg)
{
	uint32_t *taken = arg;

	for (uint32_t i = 0; i < 5000; i++)
		*taken += put(9, 200);
	return NULL;
}

static void test_threads(void **state)
{
	uint32_t taken[2] = { 0 };
	pthread_t thread[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, put_many, &taken[i]), 0);
	for (unsigned i = 0; i < 50; i++)
		turn(1);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(feed_dropped(feed), 10000 - taken[0] - taken[1]);
	for (uint32_t i = 0; i < taken[0] + taken[1]; i++)
		expect(9, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_stalled_reader, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_too_large, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_reader_goes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_reader_speaks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_goodbye, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_behind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_threads, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
