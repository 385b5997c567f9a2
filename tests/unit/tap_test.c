/* SPDX-License-Identifier: MIT */
/*
 * A TAP in a real bridge; a veth pair is the host's cable:
 *
 *	tap0 -- br0 -- hport ==== host (packet socket)
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
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "host/netlink.h"
#include "host/tap.h"
#include "lib/own_netns.h"

#define ALL (VNET_CAN_CSUM | VNET_CAN_TSO4 | VNET_CAN_TSO6 | VNET_CAN_TSO_ECN)
#define PLAIN_TYPE 0x88b5 /* IEEE 802 local experimental */
#define MSS 1000
#define SUPER_PAYLOAD 20500
#define HEADERS 54 /* Ethernet, IPv4, TCP */

static struct netlink nl;
static int host = -1;
static uint8_t frame[65536];

static int netns_set_up(void **state)
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

static int netns_tear_down(void **state)
{
	(void)state;
	netlink_close(&nl);
	return 0;
}

static void need_netns(void)
{
	if (!nl.request)
		skip();
}

static int index_of(const char *name)
{
	return (int)if_nametoindex(name);
}

/* ---- the bridge and the host ------------------------------------------- */

static int host_open(void)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = index_of("host") };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), one = 1;

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ll, sizeof(ll)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), 0);
	return fd;
}

static void bridge_make(struct tap *tap)
{
	int bridge;

	assert_int_equal(netlink_bridge_add(&nl, "br0"), 0);
	bridge = index_of("br0");
	assert_int_equal(system("ip link add hport type veth peer name host"), 0);
	assert_int_equal(netlink_link_set_master(&nl, index_of("hport"), bridge), 0);
	assert_int_equal(netlink_link_set_master(&nl, tap->ifindex, bridge), 0);
	assert_int_equal(netlink_link_set_up(&nl, index_of("hport"), true), 0);
	assert_int_equal(netlink_link_set_up(&nl, index_of("host"), true), 0);
	assert_int_equal(netlink_link_set_up(&nl, tap->ifindex, true), 0);
	assert_int_equal(netlink_link_set_up(&nl, bridge, true), 0);
	host = host_open();
}

static void bridge_drop(void)
{
	close(host);
	host = -1;
	assert_int_equal(netlink_link_delete(&nl, index_of("host")), 0);
	assert_int_equal(netlink_link_delete(&nl, index_of("br0")), 0);
}

static bool wait_readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static void host_send(const struct vnet *vnet, size_t len)
{
	struct iovec iov[] = { { (void *)vnet, sizeof(*vnet) }, { frame, len } };

	assert_int_equal(writev(host, iov, 2), sizeof(*vnet) + len);
}

/* Not what the kernel's own IGMP says meanwhile. */
static bool is_ours(uint16_t type)
{
	return be16_get(frame + 12) == type && (type != ETHERTYPE_IP || frame[23] == IPPROTO_TCP);
}

/* The next frame of ours with that EtherType that came in at the host; 0 in vain. */
static int host_receive(uint16_t type, struct vnet *vnet)
{
	struct sockaddr_ll from;
	struct iovec iov[] = { { vnet, sizeof(*vnet) }, { frame, sizeof(frame) } };
	struct msghdr msg = { .msg_name = &from, .msg_iov = iov, .msg_iovlen = 2 };

	while (wait_readable(host, 100)) {
		ssize_t n;

		msg.msg_namelen = sizeof(from);
		n = recvmsg(host, &msg, 0);
		assert_true(n > (ssize_t)sizeof(*vnet) + 14);
		if (from.sll_pkttype != PACKET_OUTGOING && is_ours(type))
			return (int)(n - (ssize_t)sizeof(*vnet));
	}
	return 0;
}

static int tap_receive(struct tap *tap, uint16_t type, struct vnet *vnet)
{
	while (wait_readable(tap->fd, 100)) {
		int n = tap_read(tap, frame, sizeof(frame), vnet);

		assert_true(n >= 14);
		if (is_ours(type))
			return n;
	}
	return 0;
}

static size_t make_plain(uint8_t fill)
{
	memset(frame, 0xff, 6);
	memcpy(frame + 6, "\x02\0\0\0\0\x01", 6);
	be16_put(frame + 12, PLAIN_TYPE);
	memset(frame + 14, fill, 86);
	return 100;
}

static void sum_ip(uint8_t *ip)
{
	uint32_t sum = 0;

	be16_put(ip + 10, 0);
	for (int i = 0; i < 20; i += 2)
		sum += be16_get(ip + i);
	be16_put(ip + 10, (uint16_t) ~((sum & 0xffff) + (sum >> 16)));
}

/* One TCP super-frame with a partial checksum, as a stack hands it down. */
static size_t make_super(struct vnet *vnet)
{
	uint8_t *ip = frame + 14, *tcp = ip + 20;

	make_plain(0);
	be16_put(frame + 12, ETHERTYPE_IP);
	memset(ip, 0, 40);
	ip[0] = 0x45;
	be16_put(ip + 2, 40 + SUPER_PAYLOAD);
	ip[8] = 64;
	ip[9] = IPPROTO_TCP;
	memcpy(ip + 12, "\x0a\0\0\x01\x0a\0\0\x02", 8);
	sum_ip(ip);
	be16_put(tcp, 1000);
	be16_put(tcp + 2, 2000);
	tcp[12] = 5 << 4;
	tcp[13] = 0x10;
	for (int i = 0; i < SUPER_PAYLOAD; i++)
		tcp[20 + i] = (uint8_t)(i / MSS + 1);
	*vnet = (struct vnet){ .flags = VNET_F_NEEDS_CSUM,
			       .gso_type = VNET_GSO_TCPV4,
			       .hdr_len = HEADERS,
			       .gso_size = MSS,
			       .csum_start = 34,
			       .csum_offset = 16 };
	return HEADERS + SUPER_PAYLOAD;
}

/* Frames pass from the host as soon as the ports have their carrier. */
static void wait_for_bridge(struct tap *tap)
{
	struct vnet vnet = { 0 };
	int n = 0;

	for (int i = 0; i < 50 && !n; i++) {
		host_send(&vnet, make_plain(7));
		n = tap_receive(tap, PLAIN_TYPE, &vnet);
	}
	assert_int_equal(n, 100);
}

static void in_bridge_open(struct tap *tap)
{
	assert_int_equal(tap_open(tap, "tap0", ALL), 0);
	bridge_make(tap);
	wait_for_bridge(tap);
}

static void in_bridge_close(struct tap *tap)
{
	tap_close(tap);
	bridge_drop();
}

static int write_frame(struct tap *tap, const struct vnet *vnet, size_t len)
{
	struct iovec iov[4] = { { 0 }, { frame, 20 }, { frame + 20, 1 }, { frame + 21, len - 21 } };

	return tap_write(tap, vnet, iov, 4);
}

/* ---- the tests --------------------------------------------------------- */

static void test_made_and_gone(void **state)
{
	struct netlink_link link;
	struct tap tap;

	(void)state;
	need_netns();
	assert_int_equal(tap_open(&tap, "tap0", ALL), 0);
	assert_false(tap.existed);
	assert_string_equal(tap.name, "tap0");
	assert_int_equal(tap.ifindex, index_of("tap0"));
	assert_int_equal(tap.offloads, ALL);
	assert_int_equal(fcntl(tap.fd, F_GETFD), FD_CLOEXEC);
	assert_true(fcntl(tap.fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(netlink_link_get(&nl, "tap0", &link), 0);
	assert_string_equal(link.kind, "tun");
	tap_close(&tap);
	tap_close(&tap);
	assert_int_equal(tap.fd, -1);
	assert_int_equal(index_of("tap0"), 0);
}

static void test_offloads_are_what_the_kernel_takes(void **state)
{
	struct tap tap;
	int with_uso;

	(void)state;
	need_netns();
	assert_int_equal(tap_open(&tap, "tap0", VNET_CAN_TSO4), 0);
	assert_int_equal(tap.offloads, 0);
	assert_int_equal(tap_set_offloads(&tap, VNET_CAN_CSUM | VNET_CAN_TSO_ECN), VNET_CAN_CSUM);
	assert_int_equal(tap_set_offloads(&tap, ALL), ALL);
	with_uso = tap_set_offloads(&tap, ~0u);
	if (ioctl(tap.fd, TUNSETOFFLOAD, TUN_F_CSUM | 0x60ul) == 0)
		assert_int_equal(with_uso, ALL | VNET_CAN_USO);
	else
		assert_int_equal(with_uso, ALL);
	assert_int_equal(tap.offloads, with_uso);
	tap_close(&tap);
	assert_int_equal(tap_set_offloads(&tap, ALL), -EBADF);
}

static void test_plain_frames_both_ways(void **state)
{
	struct vnet vnet = { 0 };
	struct tap tap;

	(void)state;
	need_netns();
	in_bridge_open(&tap);
	assert_int_equal(write_frame(&tap, &vnet, make_plain(9)), 0);
	memset(frame, 0, sizeof(frame));
	assert_int_equal(host_receive(PLAIN_TYPE, &vnet), 100);
	for (int i = 14; i < 100; i++)
		assert_int_equal(frame[i], 9);

	vnet = (struct vnet){ 0 };
	host_send(&vnet, make_plain(3));
	memset(frame, 0, sizeof(frame));
	memset(&vnet, 0xff, sizeof(vnet));
	assert_int_equal(tap_receive(&tap, PLAIN_TYPE, &vnet), 100);
	assert_int_equal(frame[99], 3);
	assert_int_equal(vnet.gso_type, VNET_GSO_NONE);
	assert_int_equal(tap_read(&tap, frame, sizeof(frame), &vnet), 0);

	/* A frame that is larger than the room is not passed off as a whole one. */
	vnet = (struct vnet){ 0 };
	host_send(&vnet, make_plain(3));
	assert_true(wait_readable(tap.fd, 1000));
	assert_int_equal(tap_read(&tap, frame, 99, &vnet), -EMSGSIZE);
	host_send(&vnet, make_plain(3));
	assert_true(wait_readable(tap.fd, 1000));
	assert_int_equal(tap_read(&tap, frame, 100, &vnet), 100);
	in_bridge_close(&tap);
}

static void test_super_frames_stay_whole(void **state)
{
	struct vnet sent, got;
	struct tap tap;
	size_t len;

	(void)state;
	need_netns();
	in_bridge_open(&tap);
	len = make_super(&sent);
	host_send(&sent, len);
	memset(frame, 0, sizeof(frame));
	assert_int_equal(tap_receive(&tap, ETHERTYPE_IP, &got), len);
	assert_int_equal(got.flags, VNET_F_NEEDS_CSUM);
	assert_int_equal(got.gso_type, VNET_GSO_TCPV4);
	assert_int_equal(got.gso_size, MSS);
	assert_int_equal(got.csum_start, 34);
	assert_int_equal(got.csum_offset, 16);
	assert_int_equal(frame[len - 1], (SUPER_PAYLOAD - 1) / MSS + 1);

	len = make_super(&sent);
	assert_int_equal(write_frame(&tap, &sent, len), 0);
	memset(frame, 0, sizeof(frame));
	assert_int_equal(host_receive(ETHERTYPE_IP, &got), len);
	assert_int_equal(got.gso_type, VNET_GSO_TCPV4);
	assert_int_equal(got.gso_size, MSS);
	assert_int_equal(frame[len - 1], (SUPER_PAYLOAD - 1) / MSS + 1);
	in_bridge_close(&tap);
}

static void test_without_offloads_segments_come(void **state)
{
	struct vnet vnet;
	struct tap tap;
	int payload = 0, n;

	(void)state;
	need_netns();
	in_bridge_open(&tap);
	assert_int_equal(tap_set_offloads(&tap, 0), 0);
	host_send(&vnet, make_super(&vnet));
	while ((n = tap_receive(&tap, ETHERTYPE_IP, &vnet)) > 0) {
		assert_int_equal(vnet.gso_type, VNET_GSO_NONE);
		assert_int_equal(vnet.flags & VNET_F_NEEDS_CSUM, 0);
		assert_true(n <= HEADERS + MSS);
		payload += n - HEADERS;
	}
	assert_int_equal(payload, SUPER_PAYLOAD);
	in_bridge_close(&tap);
}

static void test_refused_facts(void **state)
{
	struct vnet vnet;
	struct tap tap;
	size_t len;

	(void)state;
	need_netns();
	in_bridge_open(&tap);
	len = make_super(&vnet);
	vnet.csum_start = 60000;
	assert_int_equal(write_frame(&tap, &vnet, len), -EINVAL);
	len = make_super(&vnet);
	vnet.gso_type = 77;
	assert_int_equal(write_frame(&tap, &vnet, len), -EINVAL);
	in_bridge_close(&tap);
}

static void test_link_down(void **state)
{
	struct vnet vnet = { 0 };
	struct tap tap;

	(void)state;
	need_netns();
	assert_int_equal(tap_open(&tap, "tap0", ALL), 0);
	assert_int_equal(write_frame(&tap, &vnet, make_plain(1)), -EIO);
	assert_int_equal(tap_read(&tap, frame, sizeof(frame), &vnet), 0);
	tap_close(&tap);
}

static void test_deleted(void **state)
{
	struct vnet vnet = { 0 };
	struct tap tap;

	(void)state;
	need_netns();
	assert_int_equal(tap_open(&tap, "tap0", ALL), 0);
	assert_int_equal(netlink_link_set_up(&nl, tap.ifindex, true), 0);
	assert_int_equal(netlink_link_delete(&nl, tap.ifindex), 0);
	assert_true(wait_readable(tap.fd, 0));
	assert_int_equal(tap_read(&tap, frame, sizeof(frame), &vnet), -EBADFD);
	assert_int_equal(write_frame(&tap, &vnet, make_plain(1)), -EBADFD);
	assert_int_equal(tap_set_offloads(&tap, 0), -EBADFD);
	tap_close(&tap);
	assert_int_equal(tap_open(&tap, "tap0", ALL), 0);
	tap_close(&tap);
}

/* Without a vnet header, or with one of another length, as others make it. */
static void persistent_make(const char *name, short flags)
{
	struct ifreq ifr = { .ifr_flags = flags };
	int fd = open("/dev/net/tun", O_RDWR), header = 12;

	assert_true(fd >= 0);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	if (flags & IFF_VNET_HDR)
		assert_int_equal(ioctl(fd, TUNSETVNETHDRSZ, &header), 0);
	assert_int_equal(ioctl(fd, TUNSETPERSIST, 1), 0);
	close(fd);
}

static unsigned tso_of(const char *name)
{
	struct ethtool_value value = { .cmd = ETHTOOL_GTSO };
	struct ifreq ifr = { .ifr_data = (char *)&value };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, SIOCETHTOOL, &ifr), 0);
	close(fd);
	return value.data;
}

static void check_persistent(short flags)
{
	struct vnet vnet = { 0 };
	struct tap tap;
	int index;

	persistent_make("keep0", flags);
	index = index_of("keep0");
	assert_int_equal(tap_open(&tap, "keep0", ALL), 0);
	assert_true(tap.existed);
	assert_int_equal(tap.ifindex, index);
	assert_int_equal(tap.offloads, ALL);
	assert_int_equal(tso_of("keep0"), 1);
	bridge_make(&tap);
	wait_for_bridge(&tap);
	assert_int_equal(write_frame(&tap, &vnet, make_plain(9)), 0);
	assert_int_equal(host_receive(PLAIN_TYPE, &vnet), 100);
	tap_close(&tap);
	bridge_drop();
	assert_int_equal(index_of("keep0"), index);
	assert_int_equal(tso_of("keep0"), 0);
	assert_int_equal(netlink_link_delete(&nl, index), 0);
}

static void test_persistent_is_left_there(void **state)
{
	(void)state;
	need_netns();
	check_persistent(IFF_TAP | IFF_NO_PI);
	check_persistent(IFF_TAP);
	check_persistent(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
}

#define QUEUES 3

static unsigned queues_of(const char *name)
{
	struct netlink_link link;

	assert_int_equal(netlink_link_get(&nl, name, &link), 0);
	return link.queues;
}

static void queues_open(struct tap queue[QUEUES], const char *name)
{
	assert_int_equal(tap_open_several(&queue[0], name, ALL), 0);
	assert_true(queue[0].several);
	for (int i = 1; i < QUEUES; i++) {
		assert_int_equal(tap_open_queue(&queue[i], &queue[0]), 0);
		assert_int_equal(queue[i].ifindex, queue[0].ifindex);
		assert_int_equal(queue[i].offloads, ALL);
	}
}

/* Frames of one flow, as its port says, come out of one queue; this one. */
static int queue_of_flow(struct tap queue[QUEUES], uint16_t port)
{
	struct vnet vnet = { 0 };
	int found = -1;

	make_super(&vnet);
	be16_put(frame + 34, port);
	be16_put(frame + 16, 60); /* of one small segment */
	sum_ip(frame + 14);
	vnet = (struct vnet){ 0 };
	host_send(&vnet, 74);
	for (int i = 0; i < QUEUES && found < 0; i++)
		found = tap_receive(&queue[i], ETHERTYPE_IP, &vnet) > 0 ? i : -1;
	return found;
}

static void test_queues(void **state)
{
	struct vnet vnet = { 0 };
	struct tap queue[QUEUES];
	unsigned seen = 0;

	(void)state;
	need_netns();
	queues_open(queue, "tap0");
	assert_int_equal(queues_of("tap0"), QUEUES);
	bridge_make(&queue[0]);
	for (int i = 0; i < QUEUES; i++) { /* any queue writes */
		for (int again = 0; again < 50; again++) {
			assert_int_equal(write_frame(&queue[i], &vnet, make_plain(9)), 0);
			if (host_receive(PLAIN_TYPE, &vnet) == 100)
				break;
			assert_true(again < 49);
		}
	}
	for (uint16_t port = 1; port < 20; port++) {
		int first = queue_of_flow(queue, port);

		assert_true(first >= 0);
		seen |= 1u << first;
		assert_int_equal(queue_of_flow(queue, port), first);
	}
	assert_true(seen & (seen - 1)); /* more than one */
	for (int i = QUEUES; i-- > 0;)
		tap_close(&queue[i]);
	assert_int_equal(index_of("tap0"), 0);
	bridge_drop();
}

/* Whatever a persistent TAP was made with, it is taken. */
static void test_queues_of_a_persistent_one(void **state)
{
	struct tap tap, queue[QUEUES];

	(void)state;
	need_netns();
	persistent_make("keep0", IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE);
	assert_int_equal(tap_open(&tap, "keep0", ALL), 0);
	assert_true(tap.several);
	assert_int_equal(queues_of("keep0"), 1);
	tap_close(&tap);
	queues_open(queue, "keep0");
	assert_true(queue[0].existed);
	for (int i = 0; i < QUEUES; i++)
		tap_close(&queue[i]);
	assert_int_equal(tso_of("keep0"), 0);
	assert_int_equal(netlink_link_delete(&nl, index_of("keep0")), 0);

	persistent_make("keep0", IFF_TAP | IFF_NO_PI);
	assert_int_equal(tap_open_several(&tap, "keep0", ALL), 0);
	assert_false(tap.several);
	assert_int_equal(tap_open_queue(&queue[1], &tap), -EINVAL);
	assert_int_equal(queue[1].fd, -1);
	tap_close(&tap);
	assert_int_equal(netlink_link_delete(&nl, index_of("keep0")), 0);
}

/* Deleted and made by somebody else between two queues. */
static void test_queue_of_another_device(void **state)
{
	struct tap first, queue, other;

	(void)state;
	need_netns();
	assert_int_equal(tap_open_several(&first, "tap0", ALL), 0);
	assert_int_equal(netlink_link_delete(&nl, first.ifindex), 0);
	assert_int_equal(tap_open_several(&other, "tap0", ALL), 0);
	assert_int_equal(tap_open_queue(&queue, &first), -ENODEV);
	assert_int_equal(queues_of("tap0"), 1);
	tap_close(&other);
	assert_int_equal(tap_open_queue(&queue, &first), -ENODEV);
	assert_int_equal(index_of("tap0"), 0);
	tap_close(&first);
}

static void test_name_taken(void **state)
{
	struct tap tap, second;

	(void)state;
	need_netns();
	assert_int_equal(netlink_bridge_add(&nl, "br1"), 0);
	assert_int_equal(system("ip link add ve0 type veth peer name ve1"), 0);
	persistent_make("tun9", IFF_TUN | IFF_NO_PI);
	assert_int_equal(tap_open(&tap, "br1", ALL), -EINVAL);
	assert_int_equal(tap.fd, -1);
	assert_int_equal(tap_open(&tap, "ve0", ALL), -EINVAL);
	assert_int_equal(tap_open(&tap, "tun9", ALL), -EINVAL);
	assert_int_equal(tap_open(&tap, "lo", ALL), -EINVAL);
	assert_int_equal(tap_open_several(&tap, "br1", ALL), -EINVAL);
	assert_int_equal(tap_open_several(&tap, "tun9", ALL), -EINVAL);

	assert_int_equal(tap_open(&tap, "tap0", ALL), 0);
	assert_int_equal(tap_open(&second, "tap0", ALL), -EBUSY);
	tap_close(&tap);
	assert_int_equal(netlink_link_delete(&nl, index_of("br1")), 0);
	assert_int_equal(netlink_link_delete(&nl, index_of("ve0")), 0);
	assert_int_equal(netlink_link_delete(&nl, index_of("tun9")), 0);
}

static void test_bad_names(void **state)
{
	const char *const names[] = { "", "tap%d", "sixteen_letters_", "a/b", "a b" };
	struct tap tap;

	(void)state;
	need_netns();
	for (size_t i = 0; i < COUNT_OF(names); i++)
		assert_int_equal(tap_open(&tap, names[i], ALL), -EINVAL);
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	return (int)syscall(SYS_capset, &header, none);
}

static void test_no_privilege(void **state)
{
	struct tap tap;
	int status;
	pid_t child;

	(void)state;
	need_netns();
	child = fork();
	if (child == 0)
		_exit(drop_capabilities() < 0 ? 1 : -tap_open(&tap, "tap0", ALL));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EPERM);
}

static bool is_running(const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq ifr;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &ifr), 0);
	close(fd);
	return ifr.ifr_flags & IFF_RUNNING;
}

/* The kernel tells of it a moment later. */
static void wait_running(const char *name, bool running)
{
	for (int i = 0; i < 200 && is_running(name) != running; i++)
		usleep(5000);
	assert_int_equal(is_running(name), running);
}

static void test_carrier(void **state)
{
	struct vnet vnet = { 0 };
	struct tap tap;

	(void)state;
	need_netns();
	in_bridge_open(&tap);
	wait_running("tap0", true);
	assert_int_equal(tap_set_carrier(&tap, false), 0);
	wait_running("tap0", false);
	assert_int_equal(write_frame(&tap, &vnet, make_plain(9)), 0);
	assert_int_equal(tap_set_carrier(&tap, true), 0);
	wait_running("tap0", true);
	wait_for_bridge(&tap);
	in_bridge_close(&tap);
	assert_int_equal(tap_set_carrier(&tap, true), -EBADF);
}

static void test_loose_frames(void **state)
{
	struct vnet vnet = { 0 };

	(void)state;
	assert_int_equal(tap_loose(&vnet, 642), 1);
	vnet = (struct vnet){ .gso_type = VNET_GSO_UDP_L4, .gso_size = 100 };
	assert_int_equal(tap_loose(&vnet, 642), 7);
	vnet.gso_size = 0;
	assert_int_equal(tap_loose(&vnet, 642), 0);
	vnet = (struct vnet){ .gso_type = VNET_GSO_TCPV6 | VNET_GSO_ECN, .gso_size = 100 };
	assert_int_equal(tap_loose(&vnet, 642), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made_and_gone),
		cmocka_unit_test(test_offloads_are_what_the_kernel_takes),
		cmocka_unit_test(test_plain_frames_both_ways),
		cmocka_unit_test(test_super_frames_stay_whole),
		cmocka_unit_test(test_without_offloads_segments_come),
		cmocka_unit_test(test_refused_facts),
		cmocka_unit_test(test_link_down),
		cmocka_unit_test(test_deleted),
		cmocka_unit_test(test_persistent_is_left_there),
		cmocka_unit_test(test_queues),
		cmocka_unit_test(test_queues_of_a_persistent_one),
		cmocka_unit_test(test_queue_of_another_device),
		cmocka_unit_test(test_name_taken),
		cmocka_unit_test(test_bad_names),
		cmocka_unit_test(test_carrier),
		cmocka_unit_test(test_loose_frames),
		cmocka_unit_test(test_no_privilege),
	};

	return cmocka_run_group_tests(tests, netns_set_up, netns_tear_down);
}
