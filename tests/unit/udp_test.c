/* SPDX-License-Identifier: MIT */
/*
 * Two sockets on loopback, and one that sends into a veth pair of MTU 1500
 * (va 192.0.2.1/24 -- vb) whose far end a packet socket watches.
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
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "host/udp.h"
#include "lib/own_netns.h"

static uint8_t data[UDP_SEND_MAX];
static struct udp_received got[UDP_BATCH];
static struct udp_inbox *inbox;
static bool in_netns;

static int set_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	inbox = udp_inbox_new();
	in_netns = own_netns_enter();
	return inbox ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	udp_inbox_free(inbox);
	return 0;
}

static struct addr address(const char *text)
{
	struct addr a;

	assert_true(addr_parse(&a, text, 0));
	return a;
}

static struct udp open_at(const char *text)
{
	struct addr a = address(text);
	struct udp u;

	assert_int_equal(udp_open(&u, &a), 0);
	return u;
}

static bool readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static struct udp_message message(const struct udp *to, size_t offset, size_t len, size_t segment)
{
	return (struct udp_message){
		.data = data + offset, .len = len, .segment = segment, .to = to->local, .error = -1
	};
}

static int send_all(struct udp *from, struct udp_message *m, size_t n)
{
	bool lost;

	udp_send(from, m, n, &lost);
	return lost;
}

/* Takes all that waits at u; it must be `len` bytes of data[] from `offset` in
 * datagrams of `segment` bytes.  The number of datagrams. */
static size_t expect(struct udp *u, size_t offset, size_t len, size_t segment)
{
	size_t count = 0, used = 0;
	int n;

	while (used < len && readable(u->fd, 1000)) {
		n = udp_receive(u, inbox, got);
		assert_true(n > 0);
		for (int i = 0; i < n; i++) {
			assert_true(got[i].len <= len - used);
			assert_memory_equal(got[i].data, data + offset + used, got[i].len);
			for (size_t at = 0; at < got[i].len; at += got[i].segment) {
				size_t left = len - used - at;

				assert_int_equal(MIN(got[i].segment, got[i].len - at),
						 MIN(segment, left));
				count++;
			}
			used += got[i].len;
		}
	}
	assert_int_equal(used, len);
	return count;
}

static void test_open(void **state)
{
	struct addr taken, elsewhere = address("203.0.113.77:0"), none = { 0 };
	int value, flags;
	struct udp u, v;
	socklen_t len = sizeof(value);

	(void)state;
	u = open_at("127.0.0.1:0");
	assert_int_not_equal(u.local.port, 0);
	assert_true(u.gso);
	assert_true(u.gro);
	assert_true(u.receive_buffer > 0);
	flags = fcntl(u.fd, F_GETFL);
	assert_true(flags & O_NONBLOCK);
	assert_int_equal(fcntl(u.fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(getsockopt(u.fd, IPPROTO_IP, IP_MTU_DISCOVER, &value, &len), 0);
	assert_int_equal(value, IP_PMTUDISC_PROBE);
	taken = u.local;
	assert_int_equal(udp_open(&v, &taken), -EADDRINUSE);
	assert_int_equal(v.fd, -1);
	assert_int_equal(udp_open(&v, &elsewhere), -EADDRNOTAVAIL);
	assert_int_equal(udp_open(&v, &none), -EAFNOSUPPORT);
	udp_close(&u);
	udp_close(&u);
	u = open_at("127.0.0.1:0");
	if (geteuid() == 0 && u.receive_buffer < 16 << 20)
		print_message("SO_RCVBUFFORCE gave %d bytes\n", u.receive_buffer);
	udp_close(&u);
}

static void test_open_ipv6(void **state)
{
	struct udp four, six;
	socklen_t len = sizeof(int);
	char text[32];
	int value;

	(void)state;
	if (access("/proc/sys/net/ipv6", F_OK) < 0)
		skip();
	six = open_at("[::]:0");
	assert_int_equal(getsockopt(six.fd, IPPROTO_IPV6, IPV6_DONTFRAG, &value, &len), 0);
	assert_int_equal(value, 1);
	assert_int_equal(getsockopt(six.fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &value, &len), 0);
	assert_int_equal(value, IPV6_PMTUDISC_PROBE);
	snprintf(text, sizeof(text), "0.0.0.0:%u", six.local.port);
	four = open_at(text); /* the same port is free: the other one is v6 only */
	udp_close(&four);
	udp_close(&six);
}

static void round_trip(const char *at)
{
	struct udp a = open_at(at), b = open_at(at);
	struct udp_message m = message(&b, 3, 1000, 1000);

	assert_int_equal(send_all(&a, &m, 1), 0);
	assert_int_equal(m.error, 0);
	assert_true(readable(b.fd, 1000));
	assert_int_equal(udp_receive(&b, inbox, got), 1);
	assert_int_equal(got[0].len, 1000);
	assert_int_equal(got[0].segment, 1000);
	assert_memory_equal(got[0].data, data + 3, 1000);
	assert_true(udp_inbox_holds(inbox, got[0].data));
	assert_true(udp_inbox_holds(inbox, got[0].data + 65535));
	assert_false(udp_inbox_holds(inbox, data));
	assert_true(addr_equal(&got[0].from, &a.local));
	assert_int_equal(udp_receive(&b, inbox, got), 0);
	assert_int_equal(a.sent_calls, 1);
	assert_int_equal(b.received_calls, 2); /* one in vain */
	udp_close(&a);
	udp_close(&b);
}

static void test_round_trip(void **state)
{
	(void)state;
	round_trip("127.0.0.1:0");
	if (access("/proc/sys/net/ipv6", F_OK) == 0)
		round_trip("[::1]:0");
}

/* ---- sockets that share a place ---- */

#define GROUP 3

static void group_open(struct udp group[GROUP], const char *text)
{
	group[0] = open_at(text);
	for (int i = 1; i < GROUP; i++) {
		assert_int_equal(udp_open_beside(&group[i], &group[0]), 0);
		assert_true(addr_equal(&group[i].local, &group[0].local));
	}
}

static void group_close(struct udp group[GROUP])
{
	for (int i = 0; i < GROUP; i++)
		udp_close(&group[i]);
}

/* The number of the one that a datagram of these bytes comes to. */
static int comes_to(struct udp group[GROUP], struct udp *from, const uint8_t *bytes, size_t len)
{
	struct udp_message m = {
		.data = bytes, .len = len, .segment = len, .to = group[0].local, .error = -1
	};
	struct pollfd p[GROUP];

	send_all(from, &m, 1);
	assert_int_equal(m.error, 0);
	for (int i = 0; i < GROUP; i++)
		p[i] = (struct pollfd){ .fd = group[i].fd, .events = POLLIN };
	assert_int_equal(poll(p, GROUP, 1000), 1);
	for (int i = 0; i < GROUP; i++) {
		if (!p[i].revents)
			continue;
		assert_int_equal(udp_receive(&group[i], inbox, got), 1);
		assert_int_equal(got[0].len, len);
		return i;
	}
	return -1;
}

static void steer_at(const char *text)
{
	struct udp group[GROUP], from[4];
	uint8_t bytes[40] = { 0 };

	group_open(group, text);
	assert_int_equal(udp_steer(&group[GROUP - 1], GROUP, 4, 3), 0);
	for (size_t f = 0; f < COUNT_OF(from); f++) {
		from[f] = open_at(text);
		bytes[0] = 4;
		for (uint8_t lane = 0; lane < 16; lane++) {
			bytes[3] = lane;
			assert_int_equal(comes_to(group, &from[f], bytes, 40), lane % GROUP);
			assert_int_equal(comes_to(group, &from[f], bytes, 4), lane % GROUP);
		}
		for (int kind = 0; kind < 256; kind++) { /* handshakes, and what is none of ours */
			bytes[0] = (uint8_t)kind;
			bytes[3] = 1;
			if (kind != 4)
				assert_int_equal(comes_to(group, &from[f], bytes, 40), 0);
		}
		bytes[0] = 4; /* too short for a lane, or for anything */
		assert_int_equal(comes_to(group, &from[f], bytes, 3), 0);
		assert_int_equal(comes_to(group, &from[f], bytes, 0), 0);
		udp_close(&from[f]);
	}
	group_close(group);
}

static void test_steering(void **state)
{
	(void)state;
	steer_at("127.0.0.1:0");
	steer_at("[::1]:0");
}

/* Each of the group sends from the place that they share. */
static void test_group_sends_from_one_place(void **state)
{
	struct udp group[GROUP], to = open_at("127.0.0.1:0");
	struct udp_message m = { .data = data, .len = 9, .segment = 9, .to = to.local };

	(void)state;
	group_open(group, "127.0.0.1:0");
	for (int i = 0; i < GROUP; i++) {
		send_all(&group[i], &m, 1);
		assert_true(readable(to.fd, 1000));
		assert_int_equal(udp_receive(&to, inbox, got), 1);
		assert_true(addr_equal(&got[0].from, &group[0].local));
	}
	group_close(group);
	udp_close(&to);
}

/* What was found not to work of the first is not tried again. */
static void test_group_has_the_same_offloads(void **state)
{
	struct udp first = open_at("127.0.0.1:0"), second;

	(void)state;
	first.gso = false;
	first.gso_error = EIO;
	udp_set_gro(&first, false);
	assert_int_equal(udp_open_beside(&second, &first), 0);
	assert_false(second.gso);
	assert_int_equal(second.gso_error, EIO);
	assert_false(second.gro);
	udp_close(&first);
	udp_close(&second);
}

/* A group does not let a stranger's first socket in, nor opens at a stranger's. */
static void test_group_keeps_its_place(void **state)
{
	struct udp group[GROUP], other;

	(void)state;
	group_open(group, "127.0.0.1:0");
	assert_int_equal(udp_open(&other, &group[0].local), -EADDRINUSE);
	group_close(group);
	other = open_at("127.0.0.1:0");
	assert_int_equal(udp_open(&group[0], &other.local), -EADDRINUSE);
	assert_int_equal(udp_steer(&other, GROUP, 4, 3), -EINVAL); /* no group */
	udp_close(&other);
}

static void test_many_segments_one_call(void **state)
{
	struct udp a = open_at("127.0.0.1:0"), b = open_at("127.0.0.1:0");
	struct udp_message m[] = { message(&b, 0, 44 * 1472, 1472),
				   message(&b, 44 * 1472, 100, 1472) };

	(void)state;
	send_all(&a, m, 2);
	assert_int_equal(a.sent_calls, 1);
	assert_int_equal(expect(&b, 0, 44 * 1472 + 100, 1472), 45);
	m[0] = message(&b, 0, 64 * 1000 - 1, 1000);
	send_all(&a, m, 1);
	assert_int_equal(expect(&b, 0, 64 * 1000 - 1, 1000), 64);
	assert_int_equal(a.sent_calls, 2);
	assert_int_equal(a.gso_refused, 0);
	if (b.received_calls > 20) /* GRO gives 44 datagrams as one */
		fail_msg("%u calls to receive", (unsigned)b.received_calls);
	udp_close(&a);
	udp_close(&b);
}

static void test_gro_segment_size(void **state)
{
	struct udp a = open_at("127.0.0.1:0"), b = open_at("127.0.0.1:0");
	struct udp_message m = message(&b, 0, 10 * 700 + 5, 700);

	(void)state;
	send_all(&a, &m, 1);
	assert_true(readable(b.fd, 1000));
	assert_int_equal(udp_receive(&b, inbox, got), 1);
	assert_int_equal(got[0].len, 7005);
	assert_int_equal(got[0].segment, 700);

	/* The next plain message in the same slot has a size of its own. */
	m = message(&b, 0, 30, 30);
	send_all(&a, &m, 1);
	assert_true(readable(b.fd, 1000));
	assert_int_equal(udp_receive(&b, inbox, got), 1);
	assert_int_equal(got[0].len, 30);
	assert_int_equal(got[0].segment, 30);
	assert_true(addr_equal(&got[0].from, &a.local));
	udp_close(&a);
	udp_close(&b);
}

static void test_empty_datagram(void **state)
{
	struct udp a = open_at("127.0.0.1:0"), b = open_at("127.0.0.1:0");
	struct udp_message m = message(&b, 0, 0, 0);

	(void)state;
	send_all(&a, &m, 1);
	assert_int_equal(m.error, 0);
	assert_true(readable(b.fd, 1000));
	assert_int_equal(udp_receive(&b, inbox, got), 1);
	assert_int_equal(got[0].len, 0);
	assert_int_equal(got[0].segment, 1);
	udp_close(&a);
	udp_close(&b);
}

static void test_several_destinations(void **state)
{
	struct udp a = open_at("127.0.0.1:0"), b[3];
	struct udp_message m[150];

	(void)state;
	for (int i = 0; i < 3; i++)
		b[i] = open_at("127.0.0.1:0");
	for (size_t i = 0; i < COUNT_OF(m); i++)
		m[i] = message(&b[i % 3], 10 * (i / 3), 10, 10);
	send_all(&a, m, COUNT_OF(m));
	assert_int_equal(a.sent_calls, 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(expect(&b[i], 0, 500, 10), 50);
		udp_close(&b[i]);
	}
	udp_close(&a);
}

static void test_without_gso(void **state)
{
	struct udp a = open_at("127.0.0.1:0"), b = open_at("127.0.0.1:0");
	struct udp_message m[] = { message(&b, 0, 50, 50), message(&b, 50, 3050, 100),
				   message(&b, 3100, 70, 100) };

	(void)state;
	a.gso = false;
	assert_int_equal(send_all(&a, m, 3), 0);
	assert_int_equal(m[1].error, 0);
	for (int i = 0; i < 33; i += udp_receive(&b, inbox, got))
		assert_true(readable(b.fd, 1000));
	assert_int_equal(udp_receive(&b, inbox, got), 0);
	assert_int_equal(a.sent_calls, 3);
	assert_int_equal(a.gso_refused, 0);
	udp_close(&a);
	udp_close(&b);
}

/* The kernel refuses UDP_SEGMENT on a socket without checksums with EIO. */
static void test_gso_that_is_refused_is_given_up(void **state)
{
	struct udp a = open_at("127.0.0.1:0"), b = open_at("127.0.0.1:0");
	struct udp_message m[] = { message(&b, 0, 100, 100), message(&b, 100, 950, 100),
				   message(&b, 1000, 500, 100) };
	int one = 1;
	size_t n = 0;

	(void)state;
	assert_int_equal(setsockopt(a.fd, SOL_SOCKET, SO_NO_CHECK, &one, sizeof(one)), 0);
	assert_int_equal(send_all(&a, m, 3), 1);
	assert_false(a.gso);
	assert_true(a.gso_error == EIO || a.gso_error == EINVAL);
	assert_int_equal(a.gso_refused, 1);
	assert_int_equal(a.sent_dropped, 0);
	assert_int_equal(m[0].error | m[1].error | m[2].error, 0);
	while (n < 16 && readable(b.fd, 1000))
		n += (size_t)udp_receive(&b, inbox, got);
	assert_int_equal(n, 16);
	assert_int_equal(send_all(&a, m, 3), 0);
	udp_close(&a);
	udp_close(&b);
}

/* ---- errors of the socket ---------------------------------------------- */

/* Leaves ECONNREFUSED on the socket: something is sent to a closed port. */
static void provoke_icmp(struct udp *u)
{
	struct udp closed = open_at("127.0.0.1:0");
	struct udp_message m = message(&closed, 0, 10, 10);
	struct pollfd p = { .fd = u->fd, .events = 0 };
	int one = 1;

	udp_close(&closed);
	assert_int_equal(setsockopt(u->fd, IPPROTO_IP, IP_RECVERR, &one, sizeof(one)), 0);
	send_all(u, &m, 1);
	assert_int_equal(poll(&p, 1, 1000), 1);
	assert_true(p.revents & POLLERR);
}

static void test_pending_error_loses_nothing(void **state)
{
	struct udp a = open_at("127.0.0.1:0"), b = open_at("127.0.0.1:0");
	struct udp_message m[] = { message(&b, 0, 3000, 1000), message(&b, 3000, 50, 50) };

	(void)state;
	provoke_icmp(&a);
	send_all(&a, m, 2);
	assert_int_equal(m[0].error | m[1].error, 0);
	assert_int_equal(a.sent_dropped, 0);
	assert_int_equal(expect(&b, 0, 3050, 1000), 4);
	provoke_icmp(&a);
	a.gso = false;
	send_all(&a, m, 1);
	assert_int_equal(m[0].error, 0);
	udp_close(&a);
	udp_close(&b);
}

static void test_pending_error_does_not_hide_what_came(void **state)
{
	struct udp a = open_at("127.0.0.1:0"), b = open_at("127.0.0.1:0");
	struct udp_message m = message(&a, 0, 50, 50);

	(void)state;
	provoke_icmp(&a);
	send_all(&b, &m, 1);
	assert_int_equal(udp_receive(&a, inbox, got), 1);
	provoke_icmp(&a);
	assert_int_equal(udp_receive(&a, inbox, got), 0);
	close(b.fd);
	assert_int_equal(udp_receive(&b, inbox, got), -EBADF);
	udp_close(&a);
}

/* ---- a real MTU -------------------------------------------------------- */

static int wire_make(void)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	int fd, big = 16 << 20;

	if (!in_netns)
		skip();
	assert_int_equal(system("ip link add va type veth peer name vb && "
				"ip addr add 192.0.2.1/24 dev va && ip link set va up && "
				"ip link set vb up && "
				"ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev va && "
				"ip neigh add 192.0.2.3 lladdr 02:00:00:00:00:03 dev va"),
			 0);
	fd = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
	ll.sll_ifindex = (int)if_nametoindex("vb");
	assert_int_equal(bind(fd, (struct sockaddr *)&ll, sizeof(ll)), 0);
	return fd;
}

static void wire_drop(int fd)
{
	close(fd);
	assert_int_equal(system("ip link del va"), 0);
}

/* UDP payload bytes that arrived at the far end for that port; a packet that
 * is an IP fragment, or may become one, fails. */
static size_t wire_payload(int fd, uint16_t port)
{
	static uint8_t ip[65536];
	size_t sum = 0;
	ssize_t n;

	while ((n = recv(fd, ip, sizeof(ip), MSG_DONTWAIT)) > 0) {
		if (ip[9] != IPPROTO_UDP)
			continue;
		assert_int_equal(be16_get(ip + 6), 0x4000);
		if (be16_get(ip + 22) == port)
			sum += (size_t)n - 28;
	}
	return sum;
}

static void test_oversize_in_the_middle(void **state)
{
	struct udp a, to = { .fd = -1 };
	struct udp_message m[5];
	int wire = wire_make();

	(void)state;
	a = open_at("192.0.2.1:0");
	to.local = address("192.0.2.2:9");
	m[0] = message(&to, 0, 14720, 1472);
	m[1] = message(&to, 0, 6000, 1473); /* four too large, the rest fits */
	m[2] = message(&to, 0, 1473, 1473);
	m[3] = message(&to, 0, 14720, 1472);
	m[4] = message(&to, 0, 20, 20);
	assert_int_equal(send_all(&a, m, 5), 0);
	assert_int_equal(m[0].error, 0);
	assert_int_equal(m[1].error, EMSGSIZE);
	assert_int_equal(m[2].error, EMSGSIZE);
	assert_int_equal(m[3].error | m[4].error, 0);
	assert_int_equal(a.gso_refused, 1);
	assert_int_equal(a.sent_dropped, 5);
	assert_true(a.gso);
	assert_int_equal(wire_payload(wire, 9), 14720 + (6000 - 4 * 1473) + 14720 + 20);

	/* The same, cut up by ourselves from the start. */
	a.gso = false;
	send_all(&a, m, 5);
	assert_int_equal(m[1].error, EMSGSIZE);
	assert_int_equal(m[3].error | m[4].error, 0);
	assert_int_equal(wire_payload(wire, 9), 14720 + (6000 - 4 * 1473) + 14720 + 20);
	udp_close(&a);
	wire_drop(wire);
}

static void test_no_route_for_one(void **state)
{
	struct udp a, to = { .fd = -1 }, nowhere = { .fd = -1 };
	int wire = wire_make();
	struct udp_message m[3];

	(void)state;
	a = open_at("192.0.2.1:0");
	to.local = address("192.0.2.2:9");
	nowhere.local = address("198.51.100.1:9");
	m[0] = message(&to, 0, 100, 100);
	m[1] = message(&nowhere, 0, 250, 100);
	m[2] = message(&to, 0, 300, 100);
	send_all(&a, m, 3);
	assert_int_equal(m[0].error, 0);
	assert_int_equal(m[1].error, ENETUNREACH);
	assert_int_equal(m[2].error, 0);
	assert_int_equal(a.sent_dropped, 3);
	assert_int_equal(udp_route_mtu(&nowhere.local), 0);
	assert_int_equal(udp_route_mtu(&to.local), 1500);
	udp_close(&a);
	wire_drop(wire);
}

/* The far end's queue stands still, so what is sent stays in our buffer. */
static void test_full_buffer_drops_the_rest(void **state)
{
	struct udp a, to = { .fd = -1 };
	int wire = wire_make(), small = 1;
	struct udp_message m[100];
	uint64_t dropped = 0;

	(void)state;
	a = open_at("192.0.2.1:0");
	to.local = address("192.0.2.77:9"); /* no such neighbour: packets wait for ARP */
	assert_int_equal(setsockopt(a.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	for (size_t i = 0; i < COUNT_OF(m); i++)
		m[i] = message(&to, 0, 2500, 1000);
	send_all(&a, m, COUNT_OF(m));
	assert_int_equal(m[COUNT_OF(m) - 1].error, EAGAIN);
	for (size_t i = 0; i < COUNT_OF(m); i++)
		dropped += m[i].error ? 3 : 0;
	assert_int_equal(a.sent_dropped, dropped);
	assert_true(dropped > 0);
	a.gso = false;
	a.sent_dropped = 0;
	send_all(&a, m, COUNT_OF(m));
	assert_int_equal(a.sent_dropped, 3 * COUNT_OF(m));
	assert_true(a.gso == false);
	udp_close(&a);
	wire_drop(wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_open_ipv6),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_steering),
		cmocka_unit_test(test_group_sends_from_one_place),
		cmocka_unit_test(test_group_has_the_same_offloads),
		cmocka_unit_test(test_group_keeps_its_place),
		cmocka_unit_test(test_many_segments_one_call),
		cmocka_unit_test(test_gro_segment_size),
		cmocka_unit_test(test_empty_datagram),
		cmocka_unit_test(test_several_destinations),
		cmocka_unit_test(test_without_gso),
		cmocka_unit_test(test_gso_that_is_refused_is_given_up),
		cmocka_unit_test(test_pending_error_loses_nothing),
		cmocka_unit_test(test_pending_error_does_not_hide_what_came),
		cmocka_unit_test(test_oversize_in_the_middle),
		cmocka_unit_test(test_no_route_for_one),
		cmocka_unit_test(test_full_buffer_drops_the_rest),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
