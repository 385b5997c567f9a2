/* SPDX-License-Identifier: MIT */
/* Between the files of the udp room: what goes with a message to and from the kernel. */
#ifndef HOST_UDP_PARTS_H
#define HOST_UDP_PARTS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "host/udp.h"

#define UDP_CONTROL_LOCAL CMSG_SPACE(sizeof(struct in6_pktinfo)) /* of IPv4 less */

union udp_control {
	struct cmsghdr align;
	char in[CMSG_SPACE(sizeof(int)) + UDP_CONTROL_LOCAL];
	char out[CMSG_SPACE(sizeof(uint16_t)) + UDP_CONTROL_LOCAL];
};

/* The kernel is to say of each message to which address it came.  0 or -errno. */
int udp_control_ask(int fd, uint8_t family);

/* What the kernel said: the segment, and the local address without its port. */
void udp_control_read(struct msghdr *msg, struct udp_received *got);

/* Tells the kernel the segment, unless it is 0, and the address, unless it is ADDR_NONE. */
void udp_control_put(struct msghdr *msg, union udp_control *control, size_t segment,
		     const struct addr *from);

#endif
