/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <unistd.h>

#include "netlink_parts.h"

/* Asked for without an answer, at present or of late. */
#define UNANSWERED (NUD_INCOMPLETE | NUD_FAILED)
#define KNOWN (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)

struct found {
	bool any, unanswered;
	struct netlink_neighbour neighbour;
};

/* The kernel tells it in clock ticks (USER_HZ). */
static unsigned age_of(const struct nlattr *attr)
{
	struct nda_cacheinfo info;

	if (mnl_attr_get_payload_len(attr) < sizeof(info))
		return 0;
	memcpy(&info, mnl_attr_get_payload(attr), sizeof(info));
	return info.ndm_confirmed / (unsigned)sysconf(_SC_CLK_TCK);
}

static int read_neighbour(const struct nlmsghdr *nlh, void *ctx)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;
	struct found *found = ctx;

	if (nlh->nlmsg_type != RTM_NEWNEIGH || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ndm))
		return MNL_CB_OK;
	found->unanswered = ndm->ndm_state & UNANSWERED;
	if (!(ndm->ndm_state & KNOWN))
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh, sizeof(*ndm))
	{
		if (mnl_attr_get_type(attr) == NDA_CACHEINFO)
			found->neighbour.age_s = age_of(attr);
		if (mnl_attr_get_type(attr) != NDA_LLADDR ||
		    mnl_attr_get_payload_len(attr) != sizeof(found->neighbour.mac))
			continue;
		memcpy(&found->neighbour.mac, mnl_attr_get_payload(attr),
		       sizeof(found->neighbour.mac));
		found->any = true;
	}
	return MNL_CB_OK;
}

int netlink_neighbour_get(struct netlink *nl, int index, const struct addr *ip,
			  struct netlink_neighbour *out)
{
	struct found found = { 0 };
	struct request r;
	struct ndmsg *ndm;
	int error;

	netlink_request_start(&r, RTM_GETNEIGH, 0);
	ndm = mnl_nlmsg_put_extra_header(r.nlh, sizeof(*ndm));
	ndm->ndm_family = ip->family == ADDR_IPV6 ? AF_INET6 : AF_INET;
	ndm->ndm_ifindex = index;
	mnl_attr_put(r.nlh, NDA_DST, ip->family == ADDR_IPV6 ? 16 : 4, ip->ip);
	error = netlink_ask(nl, &r, read_neighbour, &found);
	if (!error && !found.any)
		error = found.unanswered ? -EHOSTUNREACH : -ENOENT;
	if (!error)
		*out = found.neighbour;
	return error;
}
