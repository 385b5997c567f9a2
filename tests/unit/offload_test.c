/* SPDX-License-Identifier: MIT */
/*
 * The self-tests among real TAPs and sockets.  Where the kernel is to refuse, this
 * program's own writev, sendmsg, recvmsg and setsockopt come before the C library's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "host/netlink.h"
#include "host/offload.h"
#include "lib/own_netns.h"

#define TSO (VNET_CAN_TSO4 | VNET_CAN_TSO6 | VNET_CAN_TSO_ECN)
#define ALL (VNET_CAN_CSUM | TSO | VNET_CAN_USO)

static struct netlink nl;

/* ---- a kernel that refuses ---------------------------------------------- */

static struct {
	bool (*refuses)(const struct vnet *vnet); /* frames; NULL: none */
	int error;
	unsigned written; /* frames that were tried */
	bool strange;	  /* one of them could leave the TAP's bridge, or is not ours */

	int batch, plain, gro; /* errno for batches, single datagrams, UDP_GRO */
	bool swallow_batch, swallow_plain, damage, boundless;
	unsigned sent;
} kernel;

ssize_t writev(int fd, const struct iovec *iov, int n)
{
	const struct vnet *vnet = iov[0].iov_base;
	const uint8_t *frame = n == 2 ? iov[1].iov_base : NULL;

	if (!frame || iov[0].iov_len != sizeof(*vnet))
		return syscall(SYS_writev, fd, iov, n);
	kernel.written++;
	kernel.strange |= memcmp(frame, "\x01\x80\xc2\0\0\x01", 6) != 0 || !(frame[6] & 2);
	if (kernel.refuses && kernel.refuses(vnet)) {
		errno = kernel.error;
		return -1;
	}
	return syscall(SYS_writev, fd, iov, n);
}

static ssize_t refuse(int error)
{
	errno = error;
	return -1;
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	bool batch = msg->msg_controllen > 0;
	struct iovec iov = msg->msg_iov[0];
	static uint8_t spoilt[65536];
	struct msghdr copy = *msg;

	kernel.sent++;
	if (batch ? kernel.batch : kernel.plain)
		return refuse(batch ? kernel.batch : kernel.plain);
	if (batch ? kernel.swallow_batch : kernel.swallow_plain)
		return (ssize_t)iov.iov_len;
	if (batch && kernel.damage) {
		memcpy(spoilt, iov.iov_base, iov.iov_len);
		spoilt[iov.iov_len / 2] ^= 1;
		iov.iov_base = spoilt;
		copy.msg_iov = &iov;
	}
	return syscall(SYS_sendmsg, fd, &copy, flags);
}

/* boundless: the kernel merges, but keeps the size of a segment to itself. */
ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t n = syscall(SYS_recvmsg, fd, msg, flags);

	if (kernel.boundless)
		msg->msg_controllen = 0;
	return n;
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	if (level == IPPROTO_UDP && option == UDP_GRO && kernel.gro)
		return (int)refuse(kernel.gro);
	return (int)syscall(SYS_setsockopt, fd, level, option, value, len);
}

static bool refuses_gso(const struct vnet *vnet)
{
	return vnet->gso_type != VNET_GSO_NONE;
}

static bool refuses_tcp6(const struct vnet *vnet)
{
	return vnet->gso_type == VNET_GSO_TCPV6;
}

static bool refuses_ecn(const struct vnet *vnet)
{
	return vnet->gso_type & VNET_GSO_ECN;
}

static bool refuses_udp(const struct vnet *vnet)
{
	return vnet->gso_type == VNET_GSO_UDP_L4;
}

static bool refuses_sums(const struct vnet *vnet)
{
	return vnet->flags & VNET_F_NEEDS_CSUM && vnet->gso_type == VNET_GSO_NONE;
}

static bool refuses_all(const struct vnet *vnet)
{
	(void)vnet;
	return true;
}

/* The link goes down after the first two frames. */
static bool refuses_later(const struct vnet *vnet)
{
	(void)vnet;
	return kernel.written > 2;
}

/* ---- surroundings ------------------------------------------------------- */

static int set_up(void **state)
{
	(void)state;
	if (!own_netns_enter())
		return 0;
	if (access("/dev/net/tun", R_OK | W_OK) < 0) {
		fprintf(stderr, "skipped: /dev/net/tun can not be opened here\n");
		return 0;
	}
	if (system("sysctl -qw net.ipv6.conf.default.disable_ipv6=1") != 0)
		fprintf(stderr, "no IPv6 to switch off\n");
	return netlink_open(&nl);
}

static int tear_down(void **state)
{
	(void)state;
	netlink_close(&nl);
	return 0;
}

static int fresh(void **state)
{
	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	return 0;
}

static void tap_up(struct tap *tap)
{
	if (!nl.request)
		skip();
	assert_int_equal(tap_open(tap, "tap0", ALL), 0);
	assert_int_equal(tap->offloads & ~VNET_CAN_USO, ALL & ~VNET_CAN_USO);
	assert_int_equal(netlink_link_set_up(&nl, tap->ifindex, true), 0);
}

/* ---- the TAP ------------------------------------------------------------ */

static void test_all_is_taken(void **state)
{
	struct offload_tap got;
	struct tap tap;

	(void)state;
	tap_up(&tap);
	assert_int_equal(offload_test_tap(&tap, &got), 0);
	assert_int_equal(got.refused, 0);
	assert_int_equal(got.error, 0);
	/* A plain one; checksum, TCP three times, and UDP twice. */
	assert_int_equal(kernel.written, tap.offloads & VNET_CAN_USO ? 7 : 5);
	assert_false(kernel.strange);

	/* What the TAP does not do anyway is not tried. */
	kernel.written = 0;
	assert_int_equal(tap_set_offloads(&tap, VNET_CAN_CSUM | VNET_CAN_TSO4),
			 VNET_CAN_CSUM | VNET_CAN_TSO4);
	assert_int_equal(offload_test_tap(&tap, &got), 0);
	assert_int_equal(kernel.written, 3);
	tap_close(&tap);
}

static void test_refusals_name_the_offload(void **state)
{
	static const struct {
		bool (*refuses)(const struct vnet *vnet);
		int error;
		uint32_t refused;
	} cases[] = {
		{ refuses_gso, EINVAL, TSO | VNET_CAN_USO },
		{ refuses_tcp6, EINVAL, VNET_CAN_TSO6 },
		{ refuses_tcp6, EIO, VNET_CAN_TSO6 }, /* the link is up */
		{ refuses_ecn, EINVAL, VNET_CAN_TSO_ECN },
		{ refuses_udp, EIO, VNET_CAN_USO },
		{ refuses_sums, EINVAL, ALL },
	};
	struct offload_tap got;
	struct tap tap;

	(void)state;
	tap_up(&tap);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		uint32_t refused = cases[i].refused & tap.offloads;

		kernel.refuses = cases[i].refuses;
		kernel.error = cases[i].error;
		assert_int_equal(offload_test_tap(&tap, &got), 0);
		assert_int_equal(got.refused, refused);
		assert_int_equal(got.error, refused ? cases[i].error : 0);
	}
	tap_close(&tap);
}

static void test_says_nothing_without_a_link(void **state)
{
	struct offload_tap got;
	struct tap tap;

	(void)state;
	tap_up(&tap);
	kernel.refuses = refuses_all;
	kernel.error = EAGAIN;
	assert_int_equal(offload_test_tap(&tap, &got), -EAGAIN);
	assert_int_equal(kernel.written, 1);
	assert_int_equal(got.refused, 0);

	kernel.refuses = refuses_later;
	kernel.error = EIO;
	kernel.written = 0;
	assert_int_equal(offload_test_tap(&tap, &got), -EIO);

	kernel.refuses = refuses_gso;
	kernel.error = EAGAIN;
	assert_int_equal(offload_test_tap(&tap, &got), -EAGAIN);
	assert_int_equal(got.refused, 0);

	kernel.refuses = NULL;
	assert_int_equal(netlink_link_set_up(&nl, tap.ifindex, false), 0);
	assert_int_equal(offload_test_tap(&tap, &got), -EIO);
	assert_int_equal(got.refused, 0);
	assert_int_equal(netlink_link_delete(&nl, tap.ifindex), 0);
	assert_int_equal(offload_test_tap(&tap, &got), -EBADFD);
	tap_close(&tap);
}

/* ---- where the frames of the test go ------------------------------------- */

static int listen_on(const char *name)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex(name) };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ll, sizeof(ll)), 0);
	return fd;
}

/* Frames of the test that were seen there, and of another one from the TAP. */
static unsigned seen(int fd, bool other)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	static uint8_t frame[65536];
	unsigned n = 0;

	while (poll(&ready, 1, 50) == 1 && recv(fd, frame, sizeof(frame), 0) > 14)
		n += memcmp(frame + 6, other ? "\x02\0\0\0\0\x77" : "\x02\0\0\0\0\x01", 6) == 0;
	return n;
}

static void write_other(struct tap *tap)
{
	uint8_t frame[60] = "\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x77\x88\xb5";
	struct iovec iov[3] = { { 0 }, { frame, 20 }, { frame + 20, 40 } };
	struct vnet vnet = { 0 };

	assert_int_equal(tap_write(tap, &vnet, iov, 3), 0);
}

static bool run(const char *command)
{
	return system(command) == 0;
}

/* Everything that a bridge may be told to let through is let through. */
static void test_no_bridge_forwards_it(void **state)
{
	static const char *const places[] = { "br0", "hport", "host" };
	struct offload_tap got;
	int fd[COUNT_OF(places)], at_tap;
	struct tap tap;

	(void)state;
	tap_up(&tap);
	assert_true(run("ip link add br0 type bridge group_fwd_mask 65528 forward_delay 0 && "
			"ip link add hport type veth peer name host && "
			"ip link set hport master br0 up && ip link set tap0 master br0 && "
			"ip link set host up && ip link set br0 up promisc on"));
	for (size_t i = 0; i < COUNT_OF(places); i++)
		fd[i] = listen_on(places[i]);
	for (unsigned n = 0; n < 50 && !seen(fd[2], true); n++)
		write_other(&tap); /* the ports forward from now on */
	at_tap = listen_on("tap0");
	assert_int_equal(offload_test_tap(&tap, &got), 0);
	write_other(&tap);
	assert_int_equal(seen(at_tap, false), kernel.written);
	for (size_t i = 0; i < COUNT_OF(places); i++)
		assert_int_equal(seen(fd[i], false), 0);
	write_other(&tap);
	assert_int_equal(seen(fd[2], true), 1); /* they did listen */
	assert_true(run("! bridge fdb show | grep -q 02:00:00:00:00:01"));
	for (size_t i = 0; i < COUNT_OF(places); i++)
		close(fd[i]);
	close(at_tap);
	tap_close(&tap);
	assert_true(run("ip link del br0 && ip link del host"));
}

/* A number of /proc/net/snmp. */
static unsigned long ip_count(const char *name)
{
	char command[160];
	unsigned long n = 0;
	FILE *f;

	snprintf(command, sizeof(command),
		 "awk '/^Ip:/ { if (!k) { for (i = 2; i <= NF; i++) if ($i == \"%s\") k = i } "
		 "else print $k }' /proc/net/snmp",
		 name);
	f = popen(command, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu", &n), 1);
	pclose(f);
	return n;
}

/* Without a bridge the host gets them, and drops them before it routes. */
static void test_no_host_routes_it(void **state)
{
	unsigned long received, delivered, forwarded;
	struct offload_tap got;
	struct vnet vnet;
	struct tap tap;
	uint8_t frame[2000];

	(void)state;
	tap_up(&tap);
	assert_true(run("ip addr add 192.0.2.2/24 dev tap0 && ip route add default dev tap0 && "
			"sysctl -qw net.ipv4.ip_forward=1"));
	received = ip_count("InReceives");
	delivered = ip_count("InDelivers");
	forwarded = ip_count("ForwDatagrams");
	assert_int_equal(offload_test_tap(&tap, &got), 0);
	assert_true(ip_count("InReceives") > received);
	assert_int_equal(ip_count("InDelivers"), delivered);
	assert_int_equal(ip_count("ForwDatagrams"), forwarded);
	while (tap_read(&tap, frame, sizeof(frame), &vnet) > 0)
		assert_memory_not_equal(frame + 6, "\x02\0\0\0\0\x01", 6);
	assert_true(run("sysctl -qw net.ipv4.ip_forward=0"));
	tap_close(&tap);
}

/* ---- what ethtool says --------------------------------------------------- */

static void expect_features(const char *command, uint32_t active, uint32_t off, const char *advice)
{
	struct offload_features got;
	char text[OFFLOAD_ADVICE], line[120];

	snprintf(line, sizeof(line), "ethtool -K tap0 %s >/dev/null 2>&1", command);
	assert_true(run(line));
	assert_int_equal(offload_features("tap0", &got), 0);
	assert_int_equal(got.active, active);
	assert_int_equal(got.off, off);
	offload_advice(got.off, text);
	assert_string_equal(text, advice);
}

static void test_features(void **state)
{
	struct offload_features got;
	struct tap tap;
	uint32_t all;

	(void)state;
	tap_up(&tap);
	if (!run("command -v ethtool >/dev/null"))
		skip();
	all = tap.offloads;
	assert_int_equal(offload_features("tap0", &got), 0);
	assert_int_equal(got.active, all);
	assert_int_equal(got.off & ~OFFLOAD_USO, 0);
	expect_features("tso off", all & ~TSO, OFFLOAD_TSO, "tso on");
	expect_features("tso on", all, 0, "");
	expect_features("tx-tcp6-segmentation off", all & ~VNET_CAN_TSO6, OFFLOAD_TSO, "tso on");
	expect_features("tso on", all, 0, "");
	/* Segmentation goes with what it needs, and comes back with it. */
	expect_features("tx off", 0, OFFLOAD_TX, "tx on");
	expect_features("tx on", all, 0, "");
	expect_features("sg off", all & ~TSO, OFFLOAD_SG, "sg on");
	expect_features("tso off tx off", 0, OFFLOAD_TX | OFFLOAD_SG | OFFLOAD_TSO,
			"tx on sg on tso on");
	expect_features("tx on sg on tso on", all, 0, "");
	if (all & VNET_CAN_USO)
		expect_features("tx-udp-segmentation off", all & ~VNET_CAN_USO, OFFLOAD_USO,
				"tx-udp-segmentation on");
	tap_close(&tap);
	assert_int_equal(offload_features("tap0", &got), -ENODEV);
	assert_int_equal(got.active, 0);
}

static bool ethtool_says(const char *words)
{
	char line[120];

	snprintf(line, sizeof(line), "ethtool -k tap0 | grep -q '^%s'", words);
	return run(line);
}

static void test_merging(void **state)
{
	struct offload_merging before;
	char text[OFFLOAD_ADVICE];
	struct tap tap;

	(void)state;
	tap_up(&tap);
	if (!run("ethtool -K tap0 rx-gro-list on rx-udp-gro-forwarding on"))
		skip();
	assert_int_equal(offload_merging_off("tap0", &before), 0);
	offload_merging_advice(&before, text);
	assert_string_equal(text, "rx-udp-gro-forwarding off rx-gro-list off");
	assert_true(ethtool_says("rx-gro-list: off"));
	assert_true(ethtool_says("rx-udp-gro-forwarding: off"));
	assert_true(ethtool_says("generic-receive-offload: on"));
	offload_merging_restore(&before);
	assert_true(ethtool_says("rx-gro-list: on"));
	assert_true(ethtool_says("rx-udp-gro-forwarding: on"));

	assert_true(run("ethtool -K tap0 rx-gro-list off"));
	assert_int_equal(offload_merging_off("tap0", &before), 0);
	offload_merging_restore(&before);
	assert_true(ethtool_says("rx-gro-list: off"));
	assert_true(ethtool_says("rx-udp-gro-forwarding: on"));
	before.ifindex++;
	before.on = 2;
	offload_merging_restore(&before); /* another device has the name */
	assert_true(ethtool_says("rx-gro-list: off"));
	assert_true(run("ethtool -K tap0 rx-udp-gro-forwarding off"));
	assert_int_equal(offload_merging_off("tap0", &before), 0);
	assert_int_equal(before.on, 0);
	tap_close(&tap);
	assert_int_equal(offload_merging_off("tap0", &before), -ENODEV);
	assert_int_equal(before.on, 0);
}

static void test_longest_advice(void **state)
{
	char text[OFFLOAD_ADVICE];

	(void)state;
	offload_advice(~0u, text);
	assert_string_equal(text, "tx on sg on tso on tx-udp-segmentation on");
}

/* ---- UDP ----------------------------------------------------------------- */

static void expect_udp(int gso, int gro)
{
	struct offload_udp got;

	assert_int_equal(offload_test_udp(AF_INET, &got), 0);
	assert_int_equal(got.gso, gso);
	assert_int_equal(got.gro, gro);
	memset(&kernel, 0, sizeof(kernel));
}

static void test_udp_works(void **state)
{
	struct offload_udp got;

	(void)state;
	expect_udp(0, 0);
	if (access("/proc/sys/net/ipv6", F_OK) < 0 || !nl.request)
		return;
	assert_true(run("sysctl -qw net.ipv6.conf.lo.disable_ipv6=0"));
	assert_int_equal(offload_test_udp(AF_INET6, &got), 0);
	assert_int_equal(got.gso | got.gro, 0);
	assert_int_equal(kernel.sent, 3);
}

static void test_udp_batches_that_fail(void **state)
{
	(void)state;
	kernel.batch = EIO;
	expect_udp(EIO, 0);
	kernel.batch = EINVAL;
	expect_udp(EINVAL, 0);
	kernel.damage = true;
	expect_udp(EBADMSG, 0);
	kernel.swallow_batch = true;
	expect_udp(ETIMEDOUT, 0);
	kernel.batch = ENOBUFS;
	expect_udp(0, 0);
}

static void test_udp_merging_that_fails(void **state)
{
	(void)state;
	kernel.gro = ENOPROTOOPT;
	expect_udp(0, ENOPROTOOPT);
	kernel.boundless = true;
	expect_udp(0, EBADMSG);
}

static void test_udp_says_nothing_without_loopback(void **state)
{
	struct instant before = clock_now();
	struct offload_udp got;

	(void)state;
	kernel.swallow_plain = true;
	assert_int_equal(offload_test_udp(AF_INET, &got), -ETIMEDOUT);
	assert_int_equal(got.gso | got.gro, 0);
	kernel.swallow_plain = false;
	kernel.plain = EPERM;
	assert_int_equal(offload_test_udp(AF_INET, &got), -EPERM);
	assert_int_equal(got.gso | got.gro, 0);
	kernel.plain = 0;
	assert_true(instant_between(before, clock_now()) < SECONDS(2));
	assert_int_equal(offload_test_udp(AF_UNIX, &got), -ENETUNREACH);
	if (!nl.request)
		skip();
	assert_true(run("ip link set lo down"));
	assert_true(offload_test_udp(AF_INET, &got) < 0);
	assert_true(offload_test_udp(AF_INET6, &got) < 0);
	assert_int_equal(got.gso | got.gro, 0);
	assert_true(run("ip link set lo up"));
	expect_udp(0, 0);
}

#define TEST(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_is_taken),
		TEST(test_refusals_name_the_offload),
		TEST(test_says_nothing_without_a_link),
		TEST(test_no_bridge_forwards_it),
		TEST(test_no_host_routes_it),
		TEST(test_features),
		TEST(test_merging),
		TEST(test_longest_advice),
		TEST(test_udp_works),
		TEST(test_udp_batches_that_fail),
		TEST(test_udp_merging_that_fails),
		TEST(test_udp_says_nothing_without_loopback),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
