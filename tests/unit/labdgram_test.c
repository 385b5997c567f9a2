/* SPDX-License-Identifier: MIT */
/* Ports on loopback and on unix sockets; plain sockets play far ends and strangers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "host/labdgram.h"
#include "lib/own_netns.h"

static char folder[] = "/tmp/labdgram_test.XXXXXX";
static uint8_t data[LABDGRAM_FRAME + 1];
static struct iovec frames[LABDGRAM_BATCH];

static int set_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	own_netns_enter();
	return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(folder);
}

/* "NAME" is a path in our folder, "HOST:PORT" an address. */
static struct labend end(const char *text)
{
	struct labend e = { 0 };

	if (!addr_parse(&e.addr, text, 0))
		snprintf(e.path, sizeof(e.path), "%s/%s", folder, text);
	return e;
}

static int open_between(struct labdgram *port, const char *local, const char *remote)
{
	struct labend here = end(local), there = end(remote);

	return labdgram_open(port, &here, &there);
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 1000) == 1;
}

static int write_frame(struct labdgram *port, size_t offset, size_t len)
{
	struct iovec iov[] = { { data + offset, MIN(len, (size_t)14) },
			       { NULL, 0 },
			       { data + offset + MIN(len, (size_t)14),
				 len - MIN(len, (size_t)14) } };

	return labdgram_write(port, iov, COUNT_OF(iov));
}

static void must_send(struct labdgram *port, size_t offset, size_t len)
{
	assert_int_equal(write_frame(port, offset, len), 0);
	assert_int_equal(labdgram_flush(port), 0);
	assert_int_equal(port->queued, 0);
}

static void must_get(struct labdgram *port, size_t offset, size_t len)
{
	assert_true(readable(port->fd));
	assert_int_equal(labdgram_read(port, frames, LABDGRAM_HEADROOM), 1);
	assert_int_equal(frames[0].iov_len, len);
	assert_memory_equal(frames[0].iov_base, data + offset, len);
	memset((uint8_t *)frames[0].iov_base - LABDGRAM_HEADROOM, 0xee, LABDGRAM_HEADROOM + len);
}

static void check_pair(const char *a_at, const char *b_at)
{
	struct labdgram a, b;

	assert_int_equal(open_between(&a, a_at, b_at), 0);
	assert_int_equal(open_between(&b, b_at, a_at), 0);
	assert_int_equal(fcntl(a.fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(labdgram_read(&a, frames, 0), 0);
	must_send(&a, 0, 60);
	must_get(&b, 0, 60);
	must_send(&b, 5, 14);
	must_get(&a, 5, 14);
	must_send(&a, 1, LABDGRAM_FRAME);
	must_get(&b, 1, LABDGRAM_FRAME);
	assert_int_equal(a.strangers + b.strangers + a.garbled + b.garbled, 0);
	assert_int_equal(a.refused + b.refused, 0);
	labdgram_close(&a);
	labdgram_close(&b);
	labdgram_close(&b);
	assert_int_equal(b.fd, -1);
}

static void test_frames_pass_both_ways(void **state)
{
	(void)state;
	check_pair("127.0.0.1:10001", "127.0.0.1:10002");
	check_pair("[::1]:10001", "[::1]:10002");
	check_pair("a", "b");
}

/* One socket serves both families: its far end of IPv4 comes as ::ffff:127.0.0.1. */
static void test_mapped_far_end(void **state)
{
	struct labdgram six, four;

	(void)state;
	assert_int_equal(open_between(&six, "[::]:10001", "127.0.0.1:10002"), 0);
	assert_int_equal(open_between(&four, "127.0.0.1:10002", "127.0.0.1:10001"), 0);
	must_send(&four, 0, 100);
	must_get(&six, 0, 100);
	must_send(&six, 1, 100);
	must_get(&four, 1, 100);
	assert_int_equal(six.strangers, 0);
	labdgram_close(&six);
	labdgram_close(&four);

	/* Without need IPv4 stays free for others. */
	assert_int_equal(open_between(&six, "[::]:10001", "[::1]:10002"), 0);
	assert_int_equal(open_between(&four, "0.0.0.0:10001", "127.0.0.1:10002"), 0);
	labdgram_close(&six);
	labdgram_close(&four);
}

static void test_ends_that_do_not_fit(void **state)
{
	struct labdgram port;

	(void)state;
	assert_int_equal(open_between(&port, "a", "127.0.0.1:10002"), -EINVAL);
	assert_int_equal(open_between(&port, "127.0.0.1:10002", "a"), -EINVAL);
	assert_int_equal(open_between(&port, "127.0.0.1:10001", "[::1]:10002"), -EAFNOSUPPORT);
	assert_int_equal(open_between(&port, "[::1]:10001", "127.0.0.1:1"), -EAFNOSUPPORT);
	assert_int_equal(open_between(&port, "192.0.2.1:10001", "192.0.2.2:1"), -EADDRNOTAVAIL);
	assert_int_equal(labdgram_open(&port, &(struct labend){ 0 }, &(struct labend){ 0 }),
			 -EINVAL);
	assert_int_equal(port.fd, -1);
	labdgram_close(&port);
}

static void test_any_port(void **state)
{
	struct labend here = end("127.0.0.1:1"), there = end("127.0.0.1:10002");
	struct labdgram port;

	(void)state;
	here.addr.port = 0;
	assert_int_equal(labdgram_open(&port, &here, &there), 0);
	assert_true(port.local.addr.port > 0);
	labdgram_close(&port);
}

/* What others send is not taken, whatever lies between. */
static void check_strangers(const char *local, const char *remote, const char *elsewhere)
{
	struct labdgram port, far, stranger;

	assert_int_equal(open_between(&port, local, remote), 0);
	assert_int_equal(open_between(&far, remote, local), 0);
	assert_int_equal(open_between(&stranger, elsewhere, local), 0);
	must_send(&stranger, 0, 100);
	must_send(&far, 7, 100);
	must_send(&stranger, 0, 100);
	must_get(&port, 7, 100);
	assert_int_equal(port.strangers, 2);
	must_send(&stranger, 0, 100);
	assert_true(readable(port.fd));
	assert_int_equal(labdgram_read(&port, frames, 0), 0);
	assert_int_equal(port.strangers, 3);
	labdgram_close(&port);
	labdgram_close(&far);
	labdgram_close(&stranger);
}

static void test_strangers(void **state)
{
	(void)state;
	check_strangers("127.0.0.1:10001", "127.0.0.1:10002", "127.0.0.1:10003");
	check_strangers("127.0.0.1:10001", "127.0.0.1:10002", "127.0.0.2:10002");
	check_strangers("[::1]:10001", "[::1]:10002", "[::1]:10003");
	check_strangers("a", "b", "c");
	check_strangers("a", "b", "bb");
	check_strangers("a", "bb", "b");
}

/* A unix socket that has no name is nobody. */
static void test_nameless(void **state)
{
	struct labend here = end("a");
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	struct labdgram port;
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	(void)state;
	assert_int_equal(open_between(&port, "a", "b"), 0);
	memcpy(name.sun_path, here.path, sizeof(name.sun_path));
	assert_int_equal(sendto(fd, data, 60, 0, (void *)&name, sizeof(name)), 60);
	assert_int_equal(labdgram_read(&port, frames, 0), 0);
	assert_int_equal(port.strangers, 1);
	close(fd);
	labdgram_close(&port);
}

static int plain_socket(uint16_t at, uint16_t to)
{
	struct sockaddr_in name = { .sin_family = AF_INET,
				    .sin_port = htons(at),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(bind(fd, (void *)&name, sizeof(name)), 0);
	name.sin_port = htons(to);
	assert_int_equal(connect(fd, (void *)&name, sizeof(name)), 0);
	return fd;
}

static void test_lengths(void **state)
{
	struct labdgram port;
	int fd;

	(void)state;
	assert_int_equal(open_between(&port, "127.0.0.1:10001", "127.0.0.1:10002"), 0);
	fd = plain_socket(10002, 10001);
	assert_int_equal(send(fd, data, 0, 0), 0);
	assert_int_equal(send(fd, data, 13, 0), 13);
	assert_int_equal(send(fd, data, LABDGRAM_FRAME + 1, 0), LABDGRAM_FRAME + 1);
	assert_int_equal(send(fd, data, LABDGRAM_FRAME, 0), LABDGRAM_FRAME);
	must_get(&port, 0, LABDGRAM_FRAME);
	assert_int_equal(port.garbled, 3);
	assert_int_equal(labdgram_read(&port, frames, LABDGRAM_HEADROOM + 1), -EINVAL);
	assert_int_equal(write_frame(&port, 0, LABDGRAM_FRAME + 1), -EMSGSIZE);
	assert_int_equal(port.queued, 0);
	close(fd);
	labdgram_close(&port);
}

/* Frames are copied when they are written, and go in their order. */
static void test_many_in_order(void **state)
{
	struct labdgram a, b;
	uint8_t frame[60] = { 0 };
	struct iovec iov = { frame, sizeof(frame) };
	int n, got = 0;

	(void)state;
	assert_int_equal(open_between(&a, "127.0.0.1:10001", "127.0.0.1:10002"), 0);
	assert_int_equal(open_between(&b, "127.0.0.1:10002", "127.0.0.1:10001"), 0);
	for (int i = 0; i < LABDGRAM_QUEUE + 40; i++) {
		frame[20] = (uint8_t)i;
		assert_int_equal(labdgram_write(&a, &iov, 1), 0);
		frame[20] = 0xaa;
	}
	assert_int_equal(a.queued, 40);
	assert_int_equal(labdgram_flush(&a), 0);
	while ((n = labdgram_read(&b, frames, 0)) > 0) {
		for (int i = 0; i < n; i++, got++)
			assert_int_equal(((uint8_t *)frames[i].iov_base)[20], (uint8_t)got);
	}
	assert_int_equal(got, LABDGRAM_QUEUE + 40);
	labdgram_close(&a);
	labdgram_close(&b);
}

/* Nobody there is no end: the next frame arrives when somebody is. */
static void test_far_end_comes_and_goes(void **state)
{
	struct labdgram a, b;

	(void)state;
	assert_int_equal(open_between(&a, "127.0.0.1:10001", "127.0.0.1:10002"), 0);
	for (int i = 0; i < 10; i++)
		must_send(&a, 0, 60);
	assert_int_equal(labdgram_read(&a, frames, 0), 0);
	assert_int_equal(open_between(&b, "127.0.0.1:10002", "127.0.0.1:10001"), 0);
	must_send(&a, 1, 60);
	must_get(&b, 1, 60);
	labdgram_close(&b);
	labdgram_close(&a);
}

static void test_unix_far_end_comes_and_goes(void **state)
{
	struct labdgram a, b;

	(void)state;
	assert_int_equal(open_between(&a, "a", "b"), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(write_frame(&a, 0, 60), 0);
	assert_int_equal(labdgram_flush(&a), -ENOENT);
	assert_int_equal(a.queued, 0);
	assert_int_equal(a.refused, 3);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(open_between(&b, "b", "a"), 0);
		must_send(&b, 2, 60);
		must_get(&a, 2, 60);
		must_send(&a, 1, 60);
		must_get(&b, 1, 60);
		labdgram_close(&b);
	}
	assert_int_equal(a.refused, 3);
	labdgram_close(&a);
}

/* A unix socket takes a few datagrams only: the rest waits, and none is lost that has
 * room in the queue. */
static void test_full_far_end(void **state)
{
	struct labdgram a, b;
	unsigned waited;
	int n, got = 0;

	(void)state;
	assert_int_equal(open_between(&a, "a", "b"), 0);
	assert_int_equal(open_between(&b, "b", "a"), 0);
	for (int i = 0; i < LABDGRAM_QUEUE; i++)
		assert_int_equal(write_frame(&a, (size_t)i, 60), 0);
	assert_int_equal(labdgram_flush(&a), -EAGAIN);
	waited = a.queued;
	assert_true(waited > 0 && waited < LABDGRAM_QUEUE);
	for (unsigned i = waited; i < LABDGRAM_QUEUE; i++)
		assert_int_equal(write_frame(&a, i + LABDGRAM_QUEUE - waited, 60), 0);
	assert_int_equal(write_frame(&a, 0, 60), -EAGAIN);
	assert_int_equal(a.refused, 1);
	while ((n = labdgram_read(&b, frames, 0)) > 0) {
		for (int i = 0; i < n; i++, got++)
			assert_memory_equal(frames[i].iov_base, data + got, 60);
		labdgram_flush(&a);
	}
	assert_int_equal(a.queued, 0);
	assert_int_equal(got, 2 * LABDGRAM_QUEUE - (int)waited);
	assert_int_equal(a.refused, 1);
	labdgram_close(&a);
	labdgram_close(&b);
}

static void test_files(void **state)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	struct labend here = end("a");
	struct labdgram a, again;
	struct stat st;
	int fd;

	(void)state;
	umask(0);
	assert_int_equal(open_between(&a, "a", "b"), 0);
	assert_int_equal(stat(here.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(open_between(&again, "a", "b"), -EADDRINUSE);
	assert_int_equal(stat(here.path, &st), 0);

	/* A file that is another's by now is not taken away. */
	assert_int_equal(unlink(here.path), 0);
	assert_int_equal(open_between(&again, "a", "b"), 0);
	labdgram_close(&a);
	assert_int_equal(stat(here.path, &st), 0);
	labdgram_close(&again);
	assert_int_equal(stat(here.path, &st), -1);

	/* What is left of one that died is replaced. */
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	memcpy(name.sun_path, here.path, sizeof(name.sun_path));
	assert_int_equal(bind(fd, (void *)&name, sizeof(name)), 0);
	close(fd);
	assert_int_equal(open_between(&a, "a", "b"), 0);
	labdgram_close(&a);

	/* A file of another kind is somebody's. */
	fd = open(here.path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_int_equal(open_between(&a, "a", "b"), -ENOTSOCK);
	assert_int_equal(unlink(here.path), 0);
	assert_int_equal(open_between(&a, "nowhere/a", "b"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_pass_both_ways),
		cmocka_unit_test(test_mapped_far_end),
		cmocka_unit_test(test_ends_that_do_not_fit),
		cmocka_unit_test(test_any_port),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_nameless),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_many_in_order),
		cmocka_unit_test(test_far_end_comes_and_goes),
		cmocka_unit_test(test_unix_far_end_comes_and_goes),
		cmocka_unit_test(test_full_far_end),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
