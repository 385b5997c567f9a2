/* SPDX-License-Identifier: MIT */
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink_parts.h"

struct reading {
	struct addr *out;
	unsigned room, n;
};

/* Of a link with a far end IFA_ADDRESS is that, and IFA_LOCAL ours. */
static const struct nlattr *find_ours(const struct nlmsghdr *nlh)
{
	const struct nlattr *attr, *ours = NULL;

	mnl_attr_for_each(attr, nlh, sizeof(struct ifaddrmsg))
	{
		if (mnl_attr_get_type(attr) == IFA_LOCAL)
			return attr;
		if (mnl_attr_get_type(attr) == IFA_ADDRESS)
			ours = attr;
	}
	return ours;
}

static int read_address(const struct nlmsghdr *nlh, void *ctx)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;
	struct reading *r = ctx;
	struct addr a = { 0 };
	size_t size;

	if (nlh->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifa) ||
	    (ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6))
		return MNL_CB_OK;
	attr = find_ours(nlh);
	size = ifa->ifa_family == AF_INET ? 4 : 16;
	if (!attr || mnl_attr_get_payload_len(attr) != size)
		return MNL_CB_OK;
	a.family = size == 4 ? ADDR_IPV4 : ADDR_IPV6;
	memcpy(a.ip, mnl_attr_get_payload(attr), size);
	if (r->n < r->room)
		r->out[r->n] = a;
	r->n++;
	return MNL_CB_OK;
}

int netlink_addresses(struct netlink *nl, struct addr *out, unsigned room, unsigned *n)
{
	struct reading reading = { out, room, 0 };
	struct ifaddrmsg *ifa;
	struct request r;
	int error;

	netlink_request_start(&r, RTM_GETADDR, NLM_F_DUMP);
	ifa = mnl_nlmsg_put_extra_header(r.nlh, sizeof(*ifa));
	ifa->ifa_family = AF_UNSPEC;
	error = netlink_ask(nl, &r, read_address, &reading);
	*n = reading.n;
	return error;
}
