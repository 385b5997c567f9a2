/* SPDX-License-Identifier: MIT */
#include <linux/rtnetlink.h>

#include "netlink_parts.h"

struct reading {
	struct netlink_link *out;
	unsigned room, n;
	int bridge;
};

/* An old kernel tells of every link, whatever it was asked for. */
static int read_port(const struct nlmsghdr *nlh, void *ctx)
{
	struct netlink_link link = { 0 };
	struct reading *r = ctx;

	if (nlh->nlmsg_type == RTM_NEWLINK && r->n < r->room) {
		netlink_read_link(nlh, &link);
		if (link.master == r->bridge)
			r->out[r->n++] = link;
	}
	return MNL_CB_OK;
}

int netlink_bridge_ports(struct netlink *nl, int bridge, struct netlink_link *out, unsigned room,
			 unsigned *n)
{
	struct reading reading = { out, room, 0, bridge };
	struct request r;
	int error;

	netlink_request_link(&r, RTM_GETLINK, NLM_F_DUMP, 0);
	mnl_attr_put_u32(r.nlh, IFLA_MASTER, (uint32_t)bridge);
	error = netlink_ask(nl, &r, read_port, &reading);
	*n = reading.n;
	return error;
}
