/* SPDX-License-Identifier: MIT */
/* Ports at TCP on loopback and at unix sockets; plain sockets play QEMU, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "host/labstream.h"
#include "lib/own_netns.h"

#define HEADROOM 12
#define AT "127.0.0.1:10001"

/* What one port was told. */
struct ear {
	unsigned frames, calls, ups, downs;
	size_t bytes, last;
	uint64_t sum; /* of all frames, in their order */
};

static char folder[] = "/tmp/labstream_test.XXXXXX";
static uint8_t data[2 * LABSTREAM_FRAME];
static struct loop loop;
static struct ear here, there;

static int set_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	own_netns_enter();
	return mkdtemp(folder) ? loop_init(&loop) : -1;
}

static int tear_down(void **state)
{
	(void)state;
	loop_free(&loop);
	return rmdir(folder);
}

static int fresh_ears(void **state)
{
	(void)state;
	here = there = (struct ear){ 0 };
	return 0;
}

static uint64_t mixed(uint64_t sum, const uint8_t *frame, size_t len)
{
	sum = sum * 31 + len;
	for (size_t i = 0; i < len; i++)
		sum = sum * 31 + frame[i];
	return sum;
}

static void on_frames(void *ctx, struct iovec *frames, unsigned n, struct instant now)
{
	struct ear *ear = ctx;

	(void)now;
	ear->calls++;
	ear->frames += n;
	for (unsigned i = 0; i < n; i++)
		memset((uint8_t *)frames[i].iov_base - HEADROOM, 0xee, HEADROOM);
	for (unsigned i = 0; i < n; i++) {
		ear->last = frames[i].iov_len;
		ear->bytes += ear->last;
		ear->sum = mixed(ear->sum, frames[i].iov_base, ear->last);
	}
	for (unsigned i = 0; i < n; i++)
		memset(frames[i].iov_base, 0xee, frames[i].iov_len);
}

static void on_linked(void *ctx, bool up, struct instant now)
{
	struct ear *ear = ctx;

	(void)now;
	ear->ups += up;
	ear->downs += !up;
}

/* "NAME" is a path in our folder, "HOST:PORT" an address, NULL none. */
static struct labend end(const char *text)
{
	struct labend e = { 0 };

	if (text && !addr_parse(&e.addr, text, 0))
		snprintf(e.path, sizeof(e.path), "%s/%s", folder, text);
	return e;
}

static struct labstream *make(struct ear *ear, bool listens, const char *local, const char *remote,
			      int *error)
{
	struct labstream_events events = { on_frames, on_linked, ear };
	struct labend a = end(local), b = end(remote);

	return labstream_new(&loop, listens, &a, &b, HEADROOM, &events, loop.now, error);
}

static struct labstream *must_listen(struct ear *ear, const char *local, const char *remote)
{
	int error;
	struct labstream *s = make(ear, true, local, remote, &error);

	assert_int_equal(error, 0);
	assert_non_null(s);
	return s;
}

static struct labstream *must_connect(struct ear *ear, const char *remote)
{
	int error;
	struct labstream *s = make(ear, false, NULL, remote, &error);

	assert_int_equal(error, 0);
	assert_non_null(s);
	return s;
}

static void turn(int ms)
{
	assert_int_equal(loop_turn(&loop, instant_add(clock_now(), MS(ms))), 0);
}

/* Turns until *counter has come to n. */
static void turn_until(const unsigned *counter, unsigned n)
{
	for (int i = 0; i < 200 && *counter < n; i++)
		turn(10);
	assert_int_equal(*counter, n);
}

static void turn_some(void)
{
	for (int i = 0; i < 5; i++)
		turn(5);
}

static int write_frame(struct labstream *s, size_t offset, size_t len)
{
	size_t head = MIN(len, (size_t)14);
	struct iovec iov[] = { { data + offset, head },
			       { NULL, 0 },
			       { data + offset + head, len - head } };

	return labstream_write(s, iov, COUNT_OF(iov));
}

/* ---- a plain far end --------------------------------------------------- */

static int plain_at(const char *from, const char *to)
{
	struct labend a = end(from), b = end(to);
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(a.addr.port) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd, one = 1;

	if (!b.addr.family) {
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		memcpy(un.sun_path, b.path, sizeof(un.sun_path));
		assert_int_equal(connect(fd, (void *)&un, sizeof(un)), 0);
		return fd;
	}
	fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	memcpy(&in.sin_addr, a.addr.ip, 4);
	assert_int_equal(bind(fd, (void *)&in, sizeof(in)), 0);
	memcpy(&in.sin_addr, b.addr.ip, 4);
	in.sin_port = htons(b.addr.port);
	assert_int_equal(connect(fd, (void *)&in, sizeof(in)), 0);
	return fd;
}

static void plain_send(int fd, size_t claimed, size_t len)
{
	uint8_t prefix[4];

	be32_put(prefix, (uint32_t)claimed);
	assert_int_equal(send(fd, prefix, 4, 0), 4);
	assert_int_equal(send(fd, data, len, 0), len);
}

/* Whether the port closed it. */
static bool is_closed(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint8_t byte;

	return poll(&p, 1, 0) == 1 && recv(fd, &byte, 1, MSG_DONTWAIT) <= 0;
}

/* ---- the tests --------------------------------------------------------- */

static void check_pair(const char *at, const char *from)
{
	struct labstream *a = must_listen(&here, at, from), *b = must_connect(&there, at);
	const size_t lengths[] = { 14, 60, 1514, 9018, LABSTREAM_FRAME, 15 };
	uint64_t sum = 0;

	assert_false(labstream_up(a));
	assert_int_equal(write_frame(a, 0, 60), -ENETDOWN);
	turn_until(&here.ups, 1);
	turn_until(&there.ups, 1);
	assert_true(labstream_up(a) && labstream_up(b));
	assert_int_equal(labstream_due(b).us, INSTANT_NEVER.us);
	for (size_t i = 0; i < COUNT_OF(lengths); i++) {
		assert_int_equal(write_frame(a, i, lengths[i]), 0);
		assert_int_equal(write_frame(b, i, lengths[i]), 0);
		sum = mixed(sum, data + i, lengths[i]);
	}
	turn(10);
	assert_int_equal(here.frames + there.frames, 0);
	labstream_flush(a);
	labstream_flush(b);
	turn_until(&here.frames, COUNT_OF(lengths));
	turn_until(&there.frames, COUNT_OF(lengths));
	assert_true(here.sum == sum && there.sum == sum);
	labstream_free(b);
	turn_until(&here.downs, 1);
	assert_false(labstream_up(a));
	labstream_free(a);
	assert_int_equal(there.downs, 0);
	fresh_ears(NULL);
}

static void test_frames_pass_both_ways(void **state)
{
	(void)state;
	check_pair(AT, "127.0.0.1:1");
	check_pair("[::1]:10001", "[::1]:1");
	check_pair("a", NULL);
}

static void test_ends_that_do_not_fit(void **state)
{
	struct labstream *s;
	int error;

	(void)state;
	assert_null(make(&here, true, AT, NULL, &error));
	assert_int_equal(error, -EINVAL);
	assert_null(make(&here, true, NULL, NULL, &error));
	assert_int_equal(error, -EINVAL);
	assert_null(make(&here, false, AT, NULL, &error));
	assert_int_equal(error, -EINVAL);
	assert_null(make(&here, true, AT, "[::1]:1", &error));
	assert_int_equal(error, -EAFNOSUPPORT);
	assert_null(make(&here, true, "nowhere/a", NULL, &error));
	assert_int_equal(error, -ENOENT);
	s = must_listen(&here, AT, AT);
	assert_null(make(&here, true, AT, AT, &error));
	assert_int_equal(error, -EADDRINUSE);
	labstream_free(s);
	s = must_listen(&here, "a", NULL);
	assert_null(make(&here, true, "a", NULL, &error));
	assert_int_equal(error, -EADDRINUSE);
	labstream_free(s);
	labstream_free(NULL);
}

/* Frames cut anywhere arrive whole, and not before. */
static void test_partial_reads(void **state)
{
	struct labstream *a = must_listen(&here, "a", NULL);
	int fd = plain_at(NULL, "a");
	uint8_t bytes[4 + 100 + 4 + 200];
	uint64_t sum = mixed(mixed(0, data, 100), data + 1, 200);

	(void)state;
	be32_put(bytes, 100);
	memcpy(bytes + 4, data, 100);
	be32_put(bytes + 104, 200);
	memcpy(bytes + 108, data + 1, 200);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		assert_int_equal(send(fd, bytes + i, 1, 0), 1);
		turn(10);
		assert_int_equal(here.frames, i + 1 >= 104 ? 1 + (i + 1 == sizeof(bytes)) : 0);
	}
	turn_until(&here.frames, 2);
	assert_true(here.sum == sum);
	close(fd);
	labstream_free(a);
}

/* Small frames come many in a call, each with headroom of its own. */
static void test_batches(void **state)
{
	struct labstream *a = must_listen(&here, "a", NULL), *b = must_connect(&there, "a");
	uint64_t sum = 0;

	(void)state;
	turn_until(&there.ups, 1);
	for (size_t i = 0; i < 1000; i++) {
		assert_int_equal(write_frame(b, i, 60 + i % 50), 0);
		sum = mixed(sum, data + i, 60 + i % 50);
	}
	labstream_flush(b);
	turn_until(&here.frames, 1000);
	assert_true(here.calls <= 40);
	assert_true(here.sum == sum);
	labstream_free(a);
	labstream_free(b);
}

static void check_length(size_t claimed, bool believed)
{
	struct labstream *a = must_listen(&here, "a", NULL);
	int fd = plain_at(NULL, "a");

	plain_send(fd, 60, 60);
	turn_until(&here.frames, 1);
	plain_send(fd, claimed, 1);
	turn_some();
	assert_int_equal(labstream_counts(a)->garbled, !believed);
	assert_int_equal(here.downs, !believed);
	assert_int_equal(is_closed(fd), !believed);
	close(fd);
	labstream_free(a);
	fresh_ears(NULL);
}

static void test_lengths(void **state)
{
	struct labstream *a;
	int fd;

	(void)state;
	check_length(0, false);
	check_length(LABSTREAM_FRAME + 1, false);
	check_length(0xffffffff, false);
	check_length(LABSTREAM_FRAME, true);

	a = must_listen(&here, "a", NULL);
	fd = plain_at(NULL, "a");
	plain_send(fd, 13, 13);
	turn_until(&here.frames, 1);
	assert_int_equal(here.last, 13); /* a runt, which is the site's to count */
	plain_send(fd, 14, 14);
	turn_until(&here.frames, 2);
	assert_int_equal(here.last, 14);
	assert_int_equal(write_frame(a, 0, 0), -EMSGSIZE);
	assert_int_equal(write_frame(a, 0, LABSTREAM_FRAME + 1), -EMSGSIZE);
	close(fd);
	labstream_free(a);
}

/* n frames of 14 bytes, of which a turn takes so many. */
#define TINY ((size_t)14)
#define OF_A_TURN 256

static void plain_send_tiny(int fd, size_t n)
{
	static uint8_t bytes[3000 * (4 + TINY)];
	uint8_t *at = bytes;

	for (size_t i = 0; i < n; i++, at += 4 + TINY) {
		be32_put(at, TINY);
		memcpy(at + 4, data + i, TINY);
	}
	assert_int_equal(send(fd, bytes, n * (4 + TINY), 0), n * (4 + TINY));
}

/* Who sends many short frames gets turns as the others do.  Nothing wakes the port for those
 * that it has read: it comes back for them by itself, also when its far end reads nothing. */
static void test_turns_of_tiny_frames(void **state)
{
	struct labstream *a = must_listen(&here, "a", NULL);
	int fd = plain_at(NULL, "a");
	struct instant start = clock_now();
	uint64_t sum = 0;

	(void)state;
	for (size_t i = 0; i < 2000; i++)
		sum = mixed(sum, data + i, TINY);
	turn_until(&here.ups, 1);
	while (write_frame(a, 0, 1000) == 0)
		labstream_flush(a);
	plain_send_tiny(fd, 2000);
	for (unsigned came = 0; came < 2000; came = here.frames) {
		turn(60000);
		assert_in_range(here.frames, came + 1, came + OF_A_TURN);
	}
	assert_true(instant_between(start, clock_now()) < SECONDS(30));
	assert_int_equal(here.frames, 2000);
	assert_true(here.sum == sum);
	close(fd);
	labstream_free(a);
}

/* What came before the end counts, and before what is not believed; nothing of it is for the
 * next one, nor for a port that goes. */
static void test_end_behind_tiny_frames(void **state)
{
	struct labstream *a = must_listen(&here, "a", NULL);
	int fd = plain_at(NULL, "a");

	(void)state;
	plain_send_tiny(fd, 1000);
	close(fd);
	turn_until(&here.downs, 1);
	assert_int_equal(here.frames, 1000);

	fd = plain_at(NULL, "a");
	plain_send_tiny(fd, 1000);
	plain_send(fd, 0, 1);
	turn_until(&here.downs, 2);
	assert_int_equal(here.frames, 2000);
	assert_int_equal(labstream_counts(a)->garbled, 1);
	close(fd);

	fd = plain_at(NULL, "a");
	plain_send_tiny(fd, 1000);
	turn_until(&here.ups, 3);
	turn_until(&here.frames, 2000 + OF_A_TURN);
	labstream_free(a);
	turn_some();
	assert_int_equal(here.frames, 2000 + OF_A_TURN);
	close(fd);
}

/* Who does not read costs a queue and no more; when it reads, whole frames come. */
static void test_backpressure(void **state)
{
	struct labstream *a = must_listen(&here, "a", NULL);
	static uint8_t got[1000 + 4];
	unsigned taken = 0, arrived = 0;
	int fd = plain_at(NULL, "a"), error;

	(void)state;
	turn_until(&here.ups, 1);
	while ((error = write_frame(a, taken % 100, 1000)) == 0) {
		labstream_flush(a);
		taken++;
		assert_true(taken < 20000);
	}
	assert_int_equal(error, -EAGAIN);
	assert_int_equal(labstream_counts(a)->full, 1);
	assert_true(taken >= LABSTREAM_QUEUE / 1004);
	while (arrived < taken) {
		turn(10);
		while (arrived < taken && recv(fd, got, sizeof(got), MSG_PEEK | MSG_DONTWAIT) ==
						  (ssize_t)sizeof(got)) {
			assert_int_equal(recv(fd, got, sizeof(got), 0), sizeof(got));
			assert_int_equal(be32_get(got), 1000);
			assert_memory_equal(got + 4, data + arrived++ % 100, 1000);
		}
	}
	assert_int_equal(here.downs, 0);
	close(fd);
	labstream_free(a);
}

/* What waited for one far end is not for the next. */
static void test_queue_ends_with_its_connection(void **state)
{
	struct labstream *a = must_listen(&here, "a", NULL);
	int fd = plain_at(NULL, "a");
	uint8_t byte;

	(void)state;
	turn_until(&here.ups, 1);
	while (write_frame(a, 0, 1000) == 0)
		labstream_flush(a);
	plain_send(fd, 60, 30);
	turn_some();
	close(fd);
	turn_until(&here.downs, 1);
	fd = plain_at(NULL, "a");
	plain_send(fd, 60, 60);
	turn_until(&here.frames, 1);
	assert_int_equal(here.last, 60);
	labstream_flush(a);
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	close(fd);
	labstream_free(a);
}

static void test_strangers(void **state)
{
	struct labstream *a = must_listen(&here, AT, "127.0.0.2:1");
	int stranger = plain_at("127.0.0.3:0", AT), fd, second;

	(void)state;
	turn_some();
	assert_true(is_closed(stranger));
	assert_int_equal(here.ups, 0);
	assert_int_equal(labstream_counts(a)->strangers, 1);

	fd = plain_at("127.0.0.2:0", AT);
	turn_until(&here.ups, 1);
	second = plain_at("127.0.0.2:0", AT);
	turn_some();
	assert_true(is_closed(second));
	assert_false(is_closed(fd));
	assert_int_equal(labstream_counts(a)->strangers, 2);
	plain_send(fd, 60, 60);
	turn_until(&here.frames, 1);

	close(second);
	close(fd);
	turn_until(&here.downs, 1);
	second = plain_at("127.0.0.2:0", AT);
	turn_until(&here.ups, 2);
	close(second);
	close(stranger);
	labstream_free(a);
}

/* Another user, who got at the path by a folder's and a file's mode. */
static void test_other_users(void **state)
{
	struct labstream *a;
	struct labend at = end("a");
	struct stat st;
	int status = 0;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	umask(0);
	a = must_listen(&here, "a", NULL);
	assert_int_equal(stat(at.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(chmod(at.path, 0666), 0);
	assert_int_equal(chmod(folder, 0755), 0);
	pid = fork();
	if (pid == 0)
		_exit(setresuid(65534, 65534, 65534) < 0 ? 1 : plain_at(NULL, "a") < 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		turn_some();
		assert_int_equal(here.ups, 0);
		assert_int_equal(labstream_counts(a)->strangers, 1);
	} else {
		fprintf(stderr, "skipped: no second user here\n");
	}
	labstream_free(a);
	assert_int_equal(stat(at.path, &st), -1);
}

/* Another user of this host, at each way to come from within it. */
static void test_other_users_of_tcp(void **state)
{
	static const char *const ends[][2] = {
		{ "127.0.0.1:10001", "127.0.0.1:0" },
		{ "127.0.0.1:10001", "127.0.0.2:0" },
		{ "0.0.0.0:10001", "192.0.2.1:0" },
		{ "[::]:10001", "127.0.0.1:0" },
	};

	(void)state;
	if (geteuid() != 0 || !own_netns_enter())
		skip();
	if (system("ip address add 192.0.2.1/32 dev lo") != 0)
		skip();
	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		struct labstream *a = must_listen(&here, ends[i][0], ends[i][1]);
		const char *to = i == 2 ? "192.0.2.1:10001" : AT;
		int fd = plain_at(ends[i][1], to), back[2], status;
		pid_t pid;
		char byte;

		turn_until(&here.ups, 1);
		close(fd);
		turn_until(&here.downs, 1);
		assert_int_equal(pipe(back), 0);
		pid = fork();
		if (pid == 0) {
			close(back[1]);
			if (setresuid(65534, 65534, 65534) < 0)
				_exit(1);
			fd = plain_at(ends[i][1], to);
			if (i == 1) /* gone before it is looked at, and nobody's */
				close(fd);
			_exit(read(back[0], &byte, 1) != 0);
		}
		close(back[0]);
		for (unsigned k = 0; k < 100 && labstream_counts(a)->strangers == 0; k++)
			turn(10);
		assert_int_equal(labstream_counts(a)->strangers, 1);
		assert_int_equal(here.ups, 1);
		close(back[1]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		labstream_free(a);
		fresh_ears(NULL);
	}
	assert_int_equal(system("ip address del 192.0.2.1/32 dev lo"), 0);
}

/* One that is there, and has never said anything, does not keep others out. */
static void check_silent(const char *at, const char *from)
{
	struct labstream *a = must_listen(&here, at, from);
	int silent = plain_at(from, at), fd;

	turn_until(&here.ups, 1);
	plain_send(silent, 5, 5); /* no frame */
	fd = plain_at(from, at);
	turn_some();
	assert_true(is_closed(fd));
	close(fd);
	usleep(LABSTREAM_DEAD + MS(50));
	fd = plain_at(from, at);
	turn_until(&here.ups, 2);
	assert_true(is_closed(silent));
	plain_send(fd, 60, 60);
	turn_until(&here.frames, 1);
	close(silent);
	close(fd);
	labstream_free(a);
	fresh_ears(NULL);
}

static void test_silent_is_replaced(void **state)
{
	(void)state;
	check_silent(AT, "127.0.0.1:0");
	check_silent("a", NULL);
}

/* The far end comes later, goes, and comes again. */
static void check_reconnect(const char *at, const char *from)
{
	struct labstream *b = must_connect(&there, at), *a;
	struct instant now;

	turn_some();
	now = loop.now;
	assert_false(labstream_up(b));
	assert_true(instant_between(now, labstream_due(b)) > MS(500));
	assert_true(instant_between(now, labstream_due(b)) <= LABSTREAM_AGAIN);
	a = must_listen(&here, at, from);
	labstream_tick(b, now);
	turn_some();
	assert_int_equal(there.ups, 0);
	labstream_tick(b, instant_add(now, LABSTREAM_AGAIN));
	turn_until(&there.ups, 1);

	labstream_free(a);
	turn_until(&there.downs, 1);
	now = loop.now;
	assert_false(labstream_up(b));
	a = must_listen(&here, at, from);
	labstream_tick(b, instant_add(now, LABSTREAM_AGAIN));
	turn_until(&there.ups, 2);
	assert_int_equal(labstream_counts(b)->connects, 2);
	labstream_free(a);
	labstream_free(b);
	fresh_ears(NULL);
}

static void test_reconnect(void **state)
{
	(void)state;
	check_reconnect(AT, "127.0.0.1:1");
	check_reconnect("a", NULL);
}

static void shell(const char *command)
{
	assert_int_equal(system(command), 0);
}

/* A socket that draws the port that it connects to meets itself. */
static void test_own_reflection(void **state)
{
	struct labstream *b;

	(void)state;
	if (!own_netns_enter())
		skip();
	shell("sysctl -qw net.ipv4.ip_local_port_range='10020 10020'");
	b = must_connect(&there, "127.0.0.1:10020"); /* a port that no other test has bound */
	turn_some();
	assert_false(labstream_up(b));
	assert_int_equal(there.ups + there.downs, 0);
	assert_int_equal(labstream_counts(b)->connects, 0);
	labstream_free(b);
	shell("sysctl -qw net.ipv4.ip_local_port_range='32768 60999'");
}

/* A far end that does not even refuse is given up. */
static void test_no_answer(void **state)
{
	struct labstream *b;

	(void)state;
	if (!own_netns_enter() || system("nft -v >/dev/null 2>&1") != 0)
		skip();
	shell("nft 'add table ip t; add chain ip t o { type filter hook input priority 0; };"
	      "add rule ip t o tcp dport 10001 drop'");
	b = must_connect(&there, AT);
	turn_some();
	assert_int_equal(there.ups + there.downs, 0);
	assert_true(instant_between(loop.now, labstream_due(b)) > LABSTREAM_AGAIN);
	labstream_tick(b, labstream_due(b));
	assert_true(instant_between(loop.now, labstream_due(b)) > LABSTREAM_PATIENCE);
	assert_int_equal(there.ups + there.downs, 0);
	shell("nft delete table ip t");
	labstream_tick(b, labstream_due(b));
	labstream_free(b);
}

/* One that answers nothing any more gives its place to a newcomer. */
static void test_dead_is_replaced(void **state)
{
	struct labstream *a;
	int dead, fd;

	(void)state;
	if (!own_netns_enter() || system("nft -v >/dev/null 2>&1") != 0)
		skip();
	a = must_listen(&here, AT, "127.0.0.1:1");
	dead = plain_at("127.0.0.1:10007", AT);
	turn_until(&here.ups, 1);
	shell("nft 'add table ip t; add chain ip t o { type filter hook input priority 0; };"
	      "add rule ip t o tcp sport 10007 drop; add rule ip t o tcp dport 10007 drop'");
	fd = plain_at("127.0.0.1:0", AT);
	turn_some();
	assert_true(is_closed(fd));
	close(fd);
	usleep(LABSTREAM_DEAD + MS(50));
	fd = plain_at("127.0.0.1:0", AT);
	turn_until(&here.ups, 2);
	assert_int_equal(here.downs, 1);
	plain_send(fd, 60, 60);
	turn_until(&here.frames, 1);

	/* A quiet one that answers is not dead. */
	shell("nft delete table ip t");
	usleep(LABSTREAM_DEAD + MS(50));
	close(dead);
	dead = plain_at("127.0.0.1:0", AT);
	turn_some();
	assert_true(is_closed(dead));
	assert_false(is_closed(fd));
	close(dead);
	close(fd);
	labstream_free(a);
}

/* Short of descriptors it looks again a second later. */
static void test_short_of_descriptors(void **state)
{
	struct labstream *a = must_listen(&here, "a", NULL);
	int fd = plain_at(NULL, "a");
	struct rlimit before, few;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){ (rlim_t)fd, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	turn(10);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	turn_some();
	assert_int_equal(here.ups, 0);
	assert_true(instant_between(loop.now, labstream_due(a)) <= LABSTREAM_AGAIN);
	labstream_tick(a, instant_add(loop.now, LABSTREAM_AGAIN));
	turn_until(&here.ups, 1);
	assert_int_equal(labstream_due(a).us, INSTANT_NEVER.us);
	close(fd);
	labstream_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_frames_pass_both_ways, fresh_ears),
		cmocka_unit_test_setup(test_ends_that_do_not_fit, fresh_ears),
		cmocka_unit_test_setup(test_partial_reads, fresh_ears),
		cmocka_unit_test_setup(test_batches, fresh_ears),
		cmocka_unit_test_setup(test_lengths, fresh_ears),
		cmocka_unit_test_setup(test_turns_of_tiny_frames, fresh_ears),
		cmocka_unit_test_setup(test_end_behind_tiny_frames, fresh_ears),
		cmocka_unit_test_setup(test_backpressure, fresh_ears),
		cmocka_unit_test_setup(test_queue_ends_with_its_connection, fresh_ears),
		cmocka_unit_test_setup(test_strangers, fresh_ears),
		cmocka_unit_test_setup(test_other_users, fresh_ears),
		cmocka_unit_test_setup(test_other_users_of_tcp, fresh_ears),
		cmocka_unit_test_setup(test_silent_is_replaced, fresh_ears),
		cmocka_unit_test_setup(test_reconnect, fresh_ears),
		cmocka_unit_test_setup(test_own_reflection, fresh_ears),
		cmocka_unit_test_setup(test_no_answer, fresh_ears),
		cmocka_unit_test_setup(test_dead_is_replaced, fresh_ears),
		cmocka_unit_test_setup(test_short_of_descriptors, fresh_ears),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
