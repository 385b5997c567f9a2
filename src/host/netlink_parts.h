/* SPDX-License-Identifier: MIT */
/* Between the files of the netlink room: requests and their answers. */
#ifndef HOST_NETLINK_PARTS_H
#define HOST_NETLINK_PARTS_H

#include <libmnl/libmnl.h>

#include "host/netlink.h"

#define REQUEST_ROOM 1024

struct request {
	char buf[REQUEST_ROOM];
	struct nlmsghdr *nlh;
};

void netlink_request_start(struct request *r, uint16_t type, uint16_t flags);

/* Sends it; `content` gets each message that comes before the acknowledgement. */
int netlink_ask(struct netlink *nl, struct request *r, mnl_cb_t content, void *ctx);

#endif
