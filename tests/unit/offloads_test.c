/* SPDX-License-Identifier: MIT */
/*
 * What is said of offloads, and when.  Where the kernel is to refuse, this
 * program's own writev and sendmsg come before the C library's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "app/node_io.h"
#include "app/offloads.h"
#include "host/netlink.h"
#include "lib/own_netns.h"

#define TSO (VNET_CAN_TSO4 | VNET_CAN_TSO6 | VNET_CAN_TSO_ECN)

static struct {
	uint8_t gso_type; /* what the TAP refuses, 0: nothing */
	int tap_error, batch_error;
	bool boundless; /* UDP_GRO does not tell the size of segments */
} kernel;

static int reader, kept_stderr;
static bool has_tap;
static struct netlink nl;
static struct tap tap;
static struct offloads offloads;

ssize_t writev(int fd, const struct iovec *iov, int n)
{
	const struct vnet *vnet = iov[0].iov_base;

	if (n == 2 && iov[0].iov_len == sizeof(*vnet) && kernel.tap_error &&
	    vnet->gso_type == kernel.gso_type) {
		errno = kernel.tap_error;
		return -1;
	}
	return syscall(SYS_writev, fd, iov, n);
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	if (msg->msg_controllen && kernel.batch_error) {
		errno = kernel.batch_error;
		return -1;
	}
	return syscall(SYS_sendmsg, fd, msg, flags);
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t n = syscall(SYS_recvmsg, fd, msg, flags);

	if (kernel.boundless)
		msg->msg_controllen = 0;
	return n;
}

static int begin(void **state)
{
	int ends[2];

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	memset(&offloads, 0, sizeof(offloads));
	tap.fd = -1;
	if (own_netns_enter() && netlink_open(&nl) == 0)
		has_tap = tap_open(&tap, "span0", TSO | VNET_CAN_CSUM) == 0;
	if (has_tap && netlink_link_set_up(&nl, tap.ifindex, true))
		return -1;
	offloads_reset(&offloads, "span0");
	if (pipe2(ends, O_NONBLOCK | O_CLOEXEC))
		return -1;
	reader = ends[0];
	kept_stderr = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	log_set_level(LOG_LEVEL_INFO);
	return 0;
}

static int end(void **state)
{
	(void)state;
	dup2(kept_stderr, STDERR_FILENO);
	close(kept_stderr);
	close(reader);
	tap_close(&tap);
	netlink_close(&nl);
	return 0;
}

/* What was logged since the last look; "" when nothing. */
static const char *logged(void)
{
	static char text[4096];
	ssize_t n = read(reader, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void expect_line(const char *text)
{
	const char *line = logged();

	if (!strstr(line, text) || strchr(line, '\n') != line + strlen(line) - 1)
		fail_msg("logged \"%s\", not one line with \"%s\"", line, text);
}

static void need_tap(void)
{
	if (!has_tap)
		skip();
}

/* ---- the TAP ------------------------------------------------------------ */

static void test_nothing_to_say(void **state)
{
	(void)state;
	need_tap();
	assert_true(offloads_look(&offloads, &tap, true));
	assert_int_equal(offloads.refused | offloads.off, 0);
	assert_string_equal(offloads.note, "");
	assert_string_equal(logged(), "");
}

static void test_refused_until_it_is_tested_again(void **state)
{
	(void)state;
	need_tap();
	kernel.tap_error = EINVAL;
	kernel.gso_type = VNET_GSO_TCPV6;
	assert_true(offloads_look(&offloads, &tap, true));
	assert_int_equal(offloads.refused, VNET_CAN_TSO6);
	expect_line("offloads are not in use tap=span0 offloads=\"tso6: refused by the kernel in "
		    "the self-test (Invalid argument), such frames are cut here: `ip link set "
		    "span0 down` and `up` tests again\"\n");
	kernel.tap_error = 0;
	assert_true(offloads_look(&offloads, &tap, true));
	assert_int_equal(offloads.refused, VNET_CAN_TSO6); /* not tested each time */
	assert_string_equal(logged(), "");
	assert_true(offloads_look(&offloads, &tap, false));
	assert_int_equal(offloads.refused, VNET_CAN_TSO6);
	assert_true(offloads_look(&offloads, &tap, true));
	assert_int_equal(offloads.refused, 0);
	expect_line("offloads are all in use again tap=span0\n");
	assert_string_equal(offloads.note, "");
}

static void test_tried_again_when_it_said_nothing(void **state)
{
	(void)state;
	need_tap();
	kernel.tap_error = EAGAIN;
	kernel.gso_type = VNET_GSO_TCPV4;
	assert_false(offloads_look(&offloads, &tap, true));
	assert_false(offloads_look(&offloads, &tap, true));
	assert_int_equal(offloads.refused, 0);
	kernel.tap_error = EINVAL;
	assert_true(offloads_look(&offloads, &tap, true));
	assert_int_equal(offloads.refused, VNET_CAN_TSO4);
}

static void test_what_the_port_gave_up(void **state)
{
	(void)state;
	offloads_lost(&offloads, 0);
	assert_string_equal(logged(), "");
	offloads_lost(&offloads, VNET_CAN_TSO4);
	expect_line("offloads are not in use tap=span0 offloads=\"tso4: given up, for the kernel "
		    "refused such frames (Invalid argument) and took their segments: they are cut "
		    "here until span0 is made again\"\n");
	offloads_lost(&offloads, VNET_CAN_TSO4);
	assert_string_equal(logged(), "");
	offloads_lost(&offloads, VNET_CAN_TSO4 | VNET_CAN_USO);
	expect_line("offloads=\"tso4, uso: given up");
	offloads_lost(&offloads, 0);
	expect_line("are all in use again");
}

/* All reasons at once fit, and each offload is named where it belongs. */
static void test_several_reasons(void **state)
{
	(void)state;
	offloads_reset(&offloads, "a-name-of-15-by");
	offloads.off = TSO | VNET_CAN_CSUM | VNET_CAN_USO;
	offloads.undo = ~0u;
	offloads.refused = TSO;
	offloads.error = EIO;
	offloads_lost(&offloads, TSO | VNET_CAN_USO);
	assert_string_equal(
		offloads.note,
		"csum, tso4, tso6, ecn, uso: switched off on a-name-of-15-by, which makes the "
		"tunnel slow: `ethtool -K a-name-of-15-by tx on sg on tso on tx-udp-segmentation "
		"on`; tso4, tso6, ecn: refused by the kernel in the self-test (Input/output "
		"error), such frames are cut here: `ip link set a-name-of-15-by down` and `up` "
		"tests again; uso: given up, for the kernel refused such frames (Invalid "
		"argument) and took their segments: they are cut here until a-name-of-15-by is "
		"made again");
	expect_line("made again\"\n");
}

static void test_the_log_is_not_flooded(void **state)
{
	unsigned lines = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		offloads_lost(&offloads, i % 2 ? 0 : VNET_CAN_USO);
		lines += logged()[0] != '\0';
	}
	assert_in_range(lines, 1, 2 * LOG_LIMIT_BURST);
	log_tick(instant_add(clock_now(), LOG_LIMIT_EVERY));
	assert_non_null(strstr(logged(), "lines like this were left out"));
}

static void test_the_port_cuts_what_is_refused(void **state)
{
	static struct node node;

	(void)state;
	node.loop.epoll_fd = -1;
	node.attach.tap = (struct tap){ .fd = reader, .offloads = TSO | VNET_CAN_CSUM };
	node.attach.offloads.refused = VNET_CAN_TSO6;
	node.port.lost = VNET_CAN_TSO_ECN;
	node_io_watch_tap(&node);
	assert_int_equal(node.port.can, VNET_CAN_CSUM | VNET_CAN_TSO4);
}

/* ---- sockets ------------------------------------------------------------ */

static void open_socket(struct udp *udp)
{
	struct addr at;

	assert_true(addr_parse(&at, "127.0.0.1:0", 0));
	assert_int_equal(udp_open(udp, &at), 0);
	assert_true(udp->gso && udp->gro);
}

static void test_socket_without_trouble(void **state)
{
	struct udp udp;

	(void)state;
	open_socket(&udp);
	offloads_test_socket(&udp);
	assert_true(udp.gso && udp.gro);
	assert_int_equal(udp.gso_error, 0);
	assert_string_equal(logged(), "");
	udp_close(&udp);
}

static void test_socket_whose_batches_fail(void **state)
{
	char line[200], note[OFFLOADS_NOTE];
	struct udp udp;

	(void)state;
	open_socket(&udp);
	kernel.batch_error = EINVAL;
	offloads_test_socket(&udp);
	assert_false(udp.gso);
	assert_true(udp.gro);
	snprintf(line, sizeof(line),
		 "batches of datagrams are off listen=127.0.0.1:%u why=\"UDP_SEGMENT is off, "
		 "datagrams are sent one by one: the kernel refused it (Invalid argument)\"\n",
		 udp.local.port);
	expect_line(line);
	udp.gso_error = EIO;
	offloads_gso_note(&udp, note);
	assert_non_null(strstr(note, "(Input/output error): `ethtool -K INTERFACE tx on`"));
	udp.gso_error = EBADMSG;
	offloads_gso_note(&udp, note);
	assert_non_null(strstr(note, "the self-test found its datagrams damaged"));
	udp.gso_error = ETIMEDOUT;
	offloads_gso_note(&udp, note);
	assert_non_null(strstr(note, "the self-test lost its datagrams"));
	udp_close(&udp);
}

static void test_socket_whose_merging_fails(void **state)
{
	socklen_t len = sizeof(int);
	struct udp udp;
	int on = -1;

	(void)state;
	open_socket(&udp);
	kernel.boundless = true;
	offloads_test_socket(&udp);
	assert_true(udp.gso);
	assert_false(udp.gro);
	assert_int_equal(getsockopt(udp.fd, IPPROTO_UDP, UDP_GRO, &on, &len), 0);
	assert_int_equal(on, 0);
	expect_line("UDP_GRO is off, datagrams are received one by one listen=127.0.0.1:");
	udp_close(&udp);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_to_say),
		TEST(test_refused_until_it_is_tested_again),
		TEST(test_tried_again_when_it_said_nothing),
		TEST(test_what_the_port_gave_up),
		TEST(test_several_reasons),
		TEST(test_the_log_is_not_flooded),
		TEST(test_the_port_cuts_what_is_refused),
		TEST(test_socket_without_trouble),
		TEST(test_socket_whose_batches_fail),
		TEST(test_socket_whose_merging_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
