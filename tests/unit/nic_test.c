/* SPDX-License-Identifier: MIT */
/*
 * A NIC of the kind that every kernel has, and a host behind it:
 *
 *	nic: va ==== vb: host (packet socket, 192.0.2.2)
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
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/giant.h"
#include "core/superframe.h"
#include "core/vnet.h"
#include "host/nic.h"
#include "lib/frames.h"
#include "lib/own_netns.h"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

#define TYPE 0x88b5 /* IEEE 802 local experimental */
#define MOST 64
#define HEADROOM 40

struct seen {
	uint8_t *frame[MOST];
	size_t len[MOST];
	unsigned n;
};

static char error[NIC_ERROR];
static struct nic nic;
static struct seen seen;
static struct frame made;
static int host = -1, self = -1;
static bool in_netns;

static void shell(const char *command)
{
	if (system(command) != 0)
		fail_msg("%s", command);
}

static int packet_socket(const char *name)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex(name) };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), one = 1;

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ll, sizeof(ll)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), 0);
	return fd;
}

static int netns_set_up(void **state)
{
	(void)state;
	in_netns = own_netns_enter();
	if (in_netns && system("sysctl -qw net.ipv6.conf.default.disable_ipv6=1") != 0)
		fprintf(stderr, "no IPv6 to switch off\n");
	return 0;
}

static void plug(void)
{
	if (!in_netns)
		skip();
	shell("ip link add va type veth peer name vb && ip link set va up && ip link set vb up");
	shell("ip address add 192.0.2.2/24 dev vb");
	host = packet_socket("vb");
	self = packet_socket("va");
	seen = (struct seen){ 0 };
	assert_int_equal(nic_open(&nic, "va", error), 0);
	assert_string_equal(error, "");
}

static void unplug(void)
{
	nic_close(&nic);
	nic_close(&nic);
	assert_int_equal(nic.fd, -1);
	close(host);
	close(self);
	shell("ip link delete vb");
}

static bool readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static bool is_ours(const uint8_t *frame, size_t len)
{
	uint16_t type = be16_get(frame + 12);

	return len >= 14 && (type == TYPE || type == 0x8100 || type == 0x88a8 || frame[0] == 2);
}

static void take(void *ctx, uint8_t *frame, size_t len)
{
	struct seen *s = ctx;

	assert_true(s->n < MOST);
	memset(frame - HEADROOM, 0xee, HEADROOM);
	if (!is_ours(frame, len))
		return;
	s->frame[s->n] = frame;
	s->len[s->n++] = len;
}

/* Reads until n frames were seen in one call, or for a while when there are none. */
static void look(unsigned n)
{
	seen.n = 0;
	while (readable(nic.fd, n ? 1000 : 50) && seen.n < MAX(n, 1u)) {
		seen.n = 0;
		assert_true(nic_read(&nic, MOST, HEADROOM, take, &seen) >= 0);
	}
	assert_int_equal(seen.n, n);
}

static void send_from(int fd, const struct vnet *vnet, const uint8_t *frame, size_t len)
{
	struct iovec iov[] = { { (void *)vnet, sizeof(*vnet) }, { (void *)frame, len } };

	assert_int_equal(writev(fd, iov, 2), sizeof(*vnet) + len);
}

static const struct vnet plain;

static size_t make_plain(uint8_t *frame, size_t len, uint8_t fill)
{
	memset(frame, fill, len);
	memcpy(frame, "\x02\0\0\0\0\x77\x02\0\0\0\0\x01", 12);
	be16_put(frame + 12, TYPE);
	return len;
}

/* The next frame of ours that came in at the host, or 0. */
static size_t host_receive(uint8_t *frame, size_t room)
{
	struct sockaddr_ll from;
	struct vnet vnet;
	struct iovec iov[] = { { &vnet, sizeof(vnet) }, { frame, room } };
	struct msghdr msg = { .msg_name = &from, .msg_iov = iov, .msg_iovlen = 2 };

	while (readable(host, 200)) {
		ssize_t n;

		msg.msg_namelen = sizeof(from);
		n = recvmsg(host, &msg, 0);
		assert_true(n > (ssize_t)sizeof(vnet) + 14);
		if (from.sll_pkttype != PACKET_OUTGOING && be16_get(frame + 12) == TYPE)
			return (size_t)n - sizeof(vnet);
	}
	return 0;
}

static int write_frame(const uint8_t *frame, size_t len)
{
	struct iovec iov[] = { { (void *)frame, 14 }, { (void *)(frame + 14), len - 14 } };

	return nic_write(&nic, iov, 2);
}

/* ---- the tests --------------------------------------------------------- */

static void test_plain_frames_both_ways(void **state)
{
	uint8_t frame[200], got[2000];

	(void)state;
	plug();
	assert_int_equal(nic.mtu, 1500);
	send_from(host, &plain, frame, make_plain(frame, sizeof(frame), 7));
	look(1);
	assert_int_equal(seen.len[0], sizeof(frame));
	assert_memory_equal(seen.frame[0], frame, sizeof(frame));

	make_plain(frame, sizeof(frame), 9);
	assert_int_equal(write_frame(frame, sizeof(frame)), 0);
	assert_int_equal(host_receive(got, sizeof(got)), sizeof(frame));
	assert_memory_equal(got, frame, sizeof(frame));
	assert_int_equal(nic_counts(&nic), 0);
	assert_int_equal(nic.too_long, 0);
	assert_int_equal(nic_read(&nic, MOST, NIC_HEADROOM + 1, take, &seen), -EINVAL);
	unplug();
}

/* A large frame beyond what is read is left out whole, and counted. */
static void test_too_long(void **state)
{
	enum { LONG = NIC_FRAME + 1000 };
	const struct vnet vnet = { .flags = VNET_F_NEEDS_CSUM,
				   .gso_type = VNET_GSO_TCPV6,
				   .hdr_len = 74,
				   .gso_size = 1400,
				   .csum_start = 54,
				   .csum_offset = 16 };
	uint8_t *frame = calloc(1, LONG), small[100];

	(void)state;
	plug();
	if (system("ip link set va gso_max_size 131072 2>/dev/null && "
		   "ip link set vb gso_max_size 131072 2>/dev/null") != 0) {
		fprintf(stderr, "skipped: large frames end at 64 KiB here\n");
	} else {
		make_plain(frame, LONG, 0);
		be16_put(frame + 12, 0x86dd);
		frame[14] = 0x60;
		frame[20] = 6; /* TCP */
		frame[54 + 12] = 0x50;
		send_from(host, &vnet, frame, LONG);
		send_from(host, &plain, small, make_plain(small, sizeof(small), 7));
		look(1);
		assert_int_equal(seen.len[0], sizeof(small));
		assert_int_equal(nic.too_long, 1);
	}
	free(frame);
	unplug();
}

static void send_out(void)
{
	uint8_t frame[100], got[2000];

	make_plain(frame, sizeof(frame), 9);
	assert_int_equal(write_frame(frame, sizeof(frame)), 0);
	send_from(self, &plain, frame, sizeof(frame));
	assert_int_equal(host_receive(got, sizeof(got)), sizeof(frame));
	assert_int_equal(host_receive(got, sizeof(got)), sizeof(frame));
}

/* What goes out is not seen, by whoever it was sent: it takes no room of the ring, and would
 * be left out of it besides. */
static void test_own_frames_are_not_seen(void **state)
{
	int ignores = 0, off = 0;
	socklen_t len = sizeof(ignores);

	(void)state;
	plug();
	assert_int_equal(getsockopt(nic.fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &ignores, &len), 0);
	assert_int_equal(ignores, 1);
	send_out();
	look(0);
	assert_int_equal(setsockopt(nic.fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &off, sizeof(off)),
			 0);
	send_out();
	assert_true(readable(nic.fd, 50));
	look(0);
	unplug();
}

static void test_promiscuous(void **state)
{
	(void)state;
	plug();
	shell("ip -d link show va | grep -q 'promiscuity 1'");
	unplug();
}

/* All frames of a call stay where they are until the next one. */
static void test_many(void **state)
{
	uint8_t frame[MOST][100];

	(void)state;
	plug();
	look(0);
	for (unsigned i = 0; i < MOST; i++)
		send_from(host, &plain, frame[i], make_plain(frame[i], 100, (uint8_t)i));
	assert_true(readable(nic.fd, 1000));
	assert_int_equal(nic_read(&nic, MOST - 1, HEADROOM, take, &seen), MOST - 1);
	for (unsigned i = 0; i < MOST - 1; i++)
		assert_memory_equal(seen.frame[i], frame[i], 100);
	look(1);
	assert_memory_equal(seen.frame[0], frame[MOST - 1], 100);
	unplug();
}

/* More than one call has room for comes in two. */
static void test_many_giants(void **state)
{
	const struct frame_spec spec = { .gso_size = 1448, .payload = 60000 };
	unsigned left = 40;

	(void)state;
	plug();
	frame_make(&made, &spec);
	for (unsigned i = 0; i < left; i++)
		send_from(host, &made.vnet, made.bytes, made.len);
	while (left && readable(nic.fd, 1000)) {
		seen.n = 0;
		assert_true(nic_read(&nic, MOST, HEADROOM, take, &seen) > 0);
		assert_true(seen.n <= left && seen.n < 40);
		for (unsigned i = 0; i < seen.n; i++)
			assert_memory_equal(seen.frame[i], made.bytes, made.len);
		left -= seen.n;
	}
	assert_int_equal(left, 0);
	unplug();
}

/* The kernel takes the outer tag off before anybody sees it. */
static void check_tags(uint16_t outer, uint16_t inner)
{
	uint8_t frame[100];

	make_plain(frame, sizeof(frame), 5);
	be16_put(frame + 12, outer);
	be16_put(frame + 14, 0x6123);
	be16_put(frame + 16, inner ? inner : TYPE);
	send_from(host, &plain, frame, sizeof(frame));
	look(1);
	assert_int_equal(seen.len[0], sizeof(frame));
	assert_memory_equal(seen.frame[0], frame, sizeof(frame));
}

static void test_tags_are_put_back(void **state)
{
	(void)state;
	plug();
	check_tags(0x8100, 0);
	check_tags(0x8100, 0x8100);
	check_tags(0x88a8, 0x8100);
	unplug();
}

/* A super-frame of a neighbour comes as it is, and can be cut. */
static void check_giant(const struct frame_spec *spec)
{
	struct superframe_layout layout;
	struct vnet vnet;

	frame_make(&made, spec);
	send_from(host, &made.vnet, made.bytes, made.len);
	look(1);
	assert_int_equal(seen.len[0], made.len);
	assert_true(giant_facts(seen.frame[0], seen.len[0], nic.mtu, &vnet));
	assert_int_equal(vnet.gso_type, made.vnet.gso_type);
	assert_int_equal(vnet.gso_size, 1500 - (made.headers - made.l3));
	assert_true(superframe_valid(seen.frame[0], made.len, made.len, &vnet, &layout));
}

static void test_giants(void **state)
{
	(void)state;
	plug();
	check_giant(&(struct frame_spec){ .gso_size = 1000, .payload = 20500 });
	check_giant(&(struct frame_spec){ .gso_size = 1448, .payload = 65000, .tags = { 0x8100 } });
	check_giant(&(struct frame_spec){ .gso_size = 1400, .payload = 30000, .v6 = true });
	unplug();
}

/* A socket's datagram, whose checksum the stack leaves to the NIC. */
static void test_checksum_is_left_to_the_nic(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct superframe_layout layout;
	struct vnet vnet;

	(void)state;
	plug();
	shell("ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev vb");
	inet_pton(AF_INET, "192.0.2.77", &to.sin_addr);
	assert_int_equal(sendto(fd, made.bytes, 501, 0, (void *)&to, sizeof(to)), 501);
	look(1);
	assert_true(superframe_layout(seen.frame[0], seen.len[0], &layout));
	assert_int_equal(layout.proto, 17);
	assert_false(superframe_sum_good(seen.frame[0], seen.len[0], &layout));
	assert_true(giant_facts(seen.frame[0], seen.len[0], nic.mtu, &vnet));
	assert_int_equal(vnet.flags, VNET_F_NEEDS_CSUM);
	superframe_checksum(seen.frame[0], seen.len[0], &vnet);
	assert_true(superframe_sum_good(seen.frame[0], seen.len[0], &layout));
	close(fd);
	unplug();
}

static void test_mtu(void **state)
{
	uint8_t frame[2000], got[2000];

	(void)state;
	plug();
	make_plain(frame, sizeof(frame), 1);
	assert_int_equal(write_frame(frame, 1514), 0);
	assert_int_equal(host_receive(got, sizeof(got)), 1514);
	assert_int_equal(write_frame(frame, 1515), -EMSGSIZE);
	be16_put(frame + 12, 0x8100);
	assert_int_equal(write_frame(frame, 1518), 0);
	assert_int_equal(write_frame(frame, 1519), -EMSGSIZE);
	shell("ip link set vb mtu 1600; ip link set va mtu 1600");
	assert_true(nic_running(&nic));
	assert_int_equal(nic.mtu, 1600);
	assert_int_equal(write_frame(frame, 1618), 0);
	unplug();
}

static void wait_running(bool running)
{
	for (int i = 0; i < 200 && nic_running(&nic) != running; i++)
		usleep(5000);
	assert_int_equal(nic_running(&nic), running);
}

static void test_link(void **state)
{
	uint8_t frame[100];
	struct iovec iov[] = { { (void *)&plain, sizeof(plain) }, { frame, sizeof(frame) } };

	(void)state;
	plug();
	wait_running(true);
	shell("ip link set vb down");
	wait_running(false);
	assert_int_equal(nic_read(&nic, MOST, 0, take, &seen), 0);
	shell("ip link set vb up");
	wait_running(true);

	shell("ip link set va down");
	wait_running(false);
	assert_true(readable(nic.fd, 0));
	assert_int_equal(nic_read(&nic, MOST, 0, take, &seen), -ENETDOWN);
	assert_false(readable(nic.fd, 0));
	assert_int_equal(write_frame(frame, make_plain(frame, sizeof(frame), 1)), -ENETDOWN);
	shell("ip link set va up");
	wait_running(true);
	make_plain(frame, sizeof(frame), 7);
	for (int i = 0; i < 100 && !readable(nic.fd, 20); i++) /* the queue opens a moment later */
		assert_true(writev(host, iov, 2) > 0 || errno == ENETDOWN);
	look(1);
	unplug();
}

static void test_gone(void **state)
{
	uint8_t frame[100];

	(void)state;
	plug();
	shell("ip link delete va");
	assert_true(readable(nic.fd, 1000));
	assert_int_equal(nic_read(&nic, MOST, 0, take, &seen), -ENODEV);
	assert_false(nic_running(&nic));
	assert_int_equal(write_frame(frame, make_plain(frame, sizeof(frame), 1)), -ENXIO);

	/* Another one of its name is not it. */
	shell("ip link add va type veth peer name vb && ip link set va up && ip link set vb up");
	assert_int_equal(nic_read(&nic, MOST, 0, take, &seen), -ENODEV);
	assert_false(nic_running(&nic));
	unplug();
}

static void test_what_can_not_be_opened(void **state)
{
	struct nic none;

	(void)state;
	if (!in_netns)
		skip();
	assert_int_equal(nic_open(&none, "va", error), -ENODEV);
	assert_string_equal(error, "va: there is no such interface");
	assert_int_equal(none.fd, -1);
	assert_int_equal(nic_open(&none, "any", error), -ENODEV);
	assert_int_equal(nic_open(&none, "", error), -ENODEV);
	assert_int_equal(nic_open(&none, "a-name-that-is-too-long", error), -EINVAL);
	nic_close(&none);
	shell("ip link set lo up");
	assert_int_equal(nic_open(&none, "lo", error), -EINVAL);
	assert_string_equal(error, "lo: loopback, where each frame comes back: must be the NIC of "
				   "a wire");
	assert_int_equal(none.fd, -1);

	shell("ip link add va type veth peer name vb");
	assert_int_equal(nic_open(&none, "va", error), -ENETDOWN);
	assert_string_equal(error, "va: the interface is down");
	shell("ip link delete va");
	if (system("ip tuntap add tun9 mode tun 2>/dev/null && ip link set tun9 up") == 0) {
		assert_int_equal(nic_open(&none, "tun9", error), -EINVAL);
		assert_string_equal(error, "tun9: not an Ethernet interface");
		shell("ip link delete tun9");
	}
}

static void test_no_privilege(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (!in_netns || geteuid() != 0)
		skip();
	shell("ip link add va type veth peer name vb && ip link set va up");
	pid = fork();
	if (pid == 0)
		_exit(setresuid(65534, 65534, 65534) < 0 ? 77 : -nic_open(&nic, "va", error));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) != 77)
		assert_int_equal(WEXITSTATUS(status), EPERM);
	shell("ip link delete va");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_frames_both_ways),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_own_frames_are_not_seen),
		cmocka_unit_test(test_promiscuous),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_many_giants),
		cmocka_unit_test(test_tags_are_put_back),
		cmocka_unit_test(test_giants),
		cmocka_unit_test(test_checksum_is_left_to_the_nic),
		cmocka_unit_test(test_mtu),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_what_can_not_be_opened),
		cmocka_unit_test(test_no_privilege),
	};

	return cmocka_run_group_tests(tests, netns_set_up, NULL);
}
