/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

#include "base/bytes.h"
#include "udp_parts.h"

int udp_control_ask(int fd, uint8_t family)
{
	int on = 1;
	int error = family == ADDR_IPV6
			    ? setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on))
			    : setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));

	return error < 0 ? -errno : 0;
}

/* Bytes of each datagram in the message; never 0. */
static size_t read_segment(const struct cmsghdr *c, size_t len)
{
	int segment;

	memcpy(&segment, CMSG_DATA(c), sizeof(segment));
	return segment <= 0 || (size_t)segment > len ? MAX(len, (size_t)1) : (size_t)segment;
}

/* For what came to all of a net the kernel names the address to answer from. */
static void read_ipv4(const struct cmsghdr *c, struct addr *local)
{
	struct in_pktinfo info;

	memcpy(&info, CMSG_DATA(c), sizeof(info));
	if (info.ipi_spec_dst.s_addr == INADDR_ANY)
		return;
	local->family = ADDR_IPV4;
	memcpy(local->ip, &info.ipi_spec_dst, 4);
}

/* The scope of a link-local one is in the far end's address. */
static void read_ipv6(const struct cmsghdr *c, struct addr *local)
{
	struct in6_pktinfo info;

	memcpy(&info, CMSG_DATA(c), sizeof(info));
	if (IN6_IS_ADDR_MULTICAST(&info.ipi6_addr))
		return;
	local->family = ADDR_IPV6;
	memcpy(local->ip, &info.ipi6_addr, 16);
}

void udp_control_read(struct msghdr *msg, struct udp_received *got)
{
	got->segment = MAX(got->len, (size_t)1);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
			got->segment = read_segment(c, got->len);
		else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
			read_ipv4(c, &got->local);
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
			read_ipv6(c, &got->local);
	}
}

/* One more behind those that are there. */
static void put(struct msghdr *msg, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)((char *)msg->msg_control + msg->msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	msg->msg_controllen += CMSG_SPACE(len);
}

static void put_address(struct msghdr *msg, const struct addr *from)
{
	struct in6_pktinfo six = { .ipi6_ifindex = 0 };
	struct in_pktinfo four = { .ipi_ifindex = 0 };

	if (from->family == ADDR_IPV6) {
		memcpy(&six.ipi6_addr, from->ip, 16);
		put(msg, IPPROTO_IPV6, IPV6_PKTINFO, &six, sizeof(six));
	} else {
		memcpy(&four.ipi_spec_dst, from->ip, 4);
		put(msg, IPPROTO_IP, IP_PKTINFO, &four, sizeof(four));
	}
}

void udp_control_put(struct msghdr *msg, union udp_control *control, size_t segment,
		     const struct addr *from)
{
	uint16_t value = (uint16_t)segment;

	if (!segment && from->family == ADDR_NONE)
		return;
	msg->msg_control = control;
	msg->msg_controllen = 0;
	if (segment)
		put(msg, IPPROTO_UDP, UDP_SEGMENT, &value, sizeof(value));
	if (from->family != ADDR_NONE)
		put_address(msg, from);
}
