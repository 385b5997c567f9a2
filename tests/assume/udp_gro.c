/* SPDX-License-Identifier: MIT */
/* UDP_GRO: what was sent with UDP_SEGMENT comes as one message, with its size. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "assume/assume.h"
#include "lib/own_netns.h"

static char data[65536];

static int receive(int fd, int *segment, size_t *control_len)
{
	struct iovec iov = { data, sizeof(data) };
	union {
		struct cmsghdr align;
		char bytes[64];
	} control;
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &msg, 0);

	*segment = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			*control_len = c->cmsg_len;
			memcpy(segment, CMSG_DATA(c), sizeof(*segment));
		}
	}
	return (int)n;
}

int main(void)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	int sender, receiver, segment, on = 1, size = 700;
	socklen_t len = sizeof(name);
	size_t control_len = 0;

	need(own_netns_enter(), "network namespace");
	sender = socket(AF_INET, SOCK_DGRAM, 0);
	receiver = socket(AF_INET, SOCK_DGRAM, 0);
	need(bind(receiver, (struct sockaddr *)&name, sizeof(name)) == 0, "bind");
	getsockname(receiver, (struct sockaddr *)&name, &len);
	need(connect(sender, (struct sockaddr *)&name, sizeof(name)) == 0, "connect");
	assume(setsockopt(receiver, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) == 0,
	       "UDP_GRO is known");

	send(sender, data, 100, 0);
	assume(receive(receiver, &segment, &control_len) == 100 && segment == 0,
	       "a single datagram comes without the control message");
	need(setsockopt(sender, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)) == 0, "UDP_SEGMENT");
	send(sender, data, 7005, 0);
	assume(receive(receiver, &segment, &control_len) == 7005, "eleven come as one message");
	assume(segment == 700, "with the size of one");
	assume(control_len == CMSG_LEN(sizeof(int)), "which is an int");
	return assume_failed;
}
