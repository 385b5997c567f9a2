/* SPDX-License-Identifier: MIT */
/* Between the files of the netlink room: requests and their answers. */
#ifndef HOST_NETLINK_PARTS_H
#define HOST_NETLINK_PARTS_H

#include <libmnl/libmnl.h>

#include "host/netlink.h"

#define REQUEST_ROOM 4096

struct request {
	char buf[REQUEST_ROOM];
	struct nlmsghdr *nlh;
};

void netlink_request_start(struct request *r, uint16_t type, uint16_t flags);

/* A request about that link, or about none when index is 0. */
struct ifinfomsg *netlink_request_link(struct request *r, uint16_t type, uint16_t flags, int index);

/* Sends it; `content` gets each message that comes before the acknowledgement,
 * or before the end of a dump. */
int netlink_ask(struct netlink *nl, struct request *r, mnl_cb_t content, void *ctx);

/* Of a message about a link, into the struct netlink_link `ctx`. */
int netlink_read_link(const struct nlmsghdr *nlh, void *ctx);

#endif
