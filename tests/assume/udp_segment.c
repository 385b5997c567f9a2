/* SPDX-License-Identifier: MIT */
/* UDP_SEGMENT: up to 64 datagrams by one call, and how too large ones fail. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "assume/assume.h"
#include "lib/own_netns.h"

static char data[65536];

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

static ssize_t send_segments(int fd, const struct sockaddr_in *to, size_t len, uint16_t segment)
{
	struct iovec iov = { data, len };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(segment))];
	} control = { 0 };
	struct msghdr msg = { .msg_name = (void *)to,
			      .msg_namelen = sizeof(*to),
			      .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = IPPROTO_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(segment));
	memcpy(CMSG_DATA(c), &segment, sizeof(segment));
	return sendmsg(fd, &msg, 0);
}

static int count(int fd, ssize_t len)
{
	int n = 0;

	while (recv(fd, data, sizeof(data), MSG_DONTWAIT) == len)
		n++;
	return n;
}

static void over_loopback(int fd)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t len = sizeof(to);
	int receiver = socket(AF_INET, SOCK_DGRAM, 0);

	need(bind(receiver, (struct sockaddr *)&to, sizeof(to)) == 0, "bind");
	getsockname(receiver, (struct sockaddr *)&to, &len);
	assume(send_segments(fd, &to, 64 * 1000, 1000) == 64000, "64 segments go in one message");
	assume(count(receiver, 1000) == 64, "and arrive as 64 datagrams");
	assume(send_segments(fd, &to, 65000, 1400) == 65000, "65000 bytes go in one message");
	count(receiver, 1400);
	count(receiver, 65000 % 1400);
	set_int(fd, SOL_SOCKET, SO_NO_CHECK, 1);
	assume(send_segments(fd, &to, 3000, 1000) < 0 && (errno == EIO || errno == EINVAL),
	       "without checksums the whole message fails with EIO or EINVAL");
	set_int(fd, SOL_SOCKET, SO_NO_CHECK, 0);
	close(receiver);
}

static void over_mtu_1500(int fd)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };

	inet_pton(AF_INET, "192.0.2.2", &to.sin_addr);
	need(system("ip link add va type veth peer name vb && ip addr add 192.0.2.1/24 dev va && "
		    "ip link set va up && ip link set vb up") == 0,
	     "veth pair");
	assume(send_segments(fd, &to, 14720, 1472) == 14720, "segments of the MTU pass");
	assume(send_segments(fd, &to, 14730, 1473) < 0 && (errno == EMSGSIZE || errno == EINVAL),
	       "one byte more: the whole message fails with EMSGSIZE or EINVAL");
	assume(sendto(fd, data, 1473, 0, (struct sockaddr *)&to, sizeof(to)) < 0 &&
		       errno == EMSGSIZE,
	       "a single datagram of that size: EMSGSIZE with IP_PMTUDISC_PROBE");
}

int main(void)
{
	int fd;

	need(own_netns_enter(), "network namespace");
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	need(fd >= 0, "socket");
	assume(set_int(fd, IPPROTO_UDP, UDP_SEGMENT, 0) == 0, "UDP_SEGMENT is known");
	assume(set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE) == 0,
	       "IP_PMTUDISC_PROBE is known");
	over_loopback(fd);
	over_mtu_1500(fd);
	return assume_failed;
}
