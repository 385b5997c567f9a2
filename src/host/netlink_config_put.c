/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "host/netlink_config.h"
#include "netlink_config_parts.h"

/* Where a message goes. */
struct target {
	const struct netlink_link *link;
	unsigned age;
};

static const char *ip_text(uint8_t family, const struct nlattr *attr, char out[INET6_ADDRSTRLEN])
{
	static const uint8_t zero[16];
	size_t len = family == AF_INET6 ? 16 : 4;
	const void *ip =
		attr && mnl_attr_get_payload_len(attr) == len ? mnl_attr_get_payload(attr) : zero;

	return inet_ntop(family, ip, out, INET6_ADDRSTRLEN) ? out : "?";
}

void netlink_config_text(const struct nlmsghdr *nlh, char text[NETLINK_CONFIG_TEXT])
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *local = netlink_config_attr(nlh, IFA_LOCAL);
	char ip[INET6_ADDRSTRLEN];

	switch (nlh->nlmsg_type) {
	case RTM_NEWADDR:
		snprintf(text, NETLINK_CONFIG_TEXT, "address %s/%u",
			 ip_text(ifa->ifa_family,
				 local ? local : netlink_config_attr(nlh, IFA_ADDRESS), ip),
			 ifa->ifa_prefixlen);
		break;
	case RTM_NEWROUTE:
		snprintf(text, NETLINK_CONFIG_TEXT, "route %s/%u of table %u",
			 ip_text(rtm->rtm_family, netlink_config_attr(nlh, RTA_DST), ip),
			 rtm->rtm_dst_len, netlink_config_number(nlh, RTA_TABLE, rtm->rtm_table));
		break;
	case RTM_NEWNEIGH:
		snprintf(text, NETLINK_CONFIG_TEXT, "neighbour %s",
			 ip_text(rtm->rtm_family, netlink_config_attr(nlh, NDA_DST), ip));
		break;
	default:
		snprintf(text, NETLINK_CONFIG_TEXT, "rule of priority %u",
			 netlink_config_number(nlh, FRA_PRIORITY, 0));
	}
}

static void put_same(struct request *r, const struct nlattr *attr)
{
	mnl_attr_put(r->nlh, attr->nla_type, mnl_attr_get_payload_len(attr),
		     mnl_attr_get_payload(attr));
}

/* "eth0:1" becomes "br0:1"; a label must begin with the link's name. */
static void put_label(struct request *r, const struct nlattr *attr, const char *name)
{
	char old[IFNAMSIZ] = "", label[2 * IFNAMSIZ];
	const char *colon;

	memcpy(old, mnl_attr_get_payload(attr),
	       MIN(mnl_attr_get_payload_len(attr), sizeof(old) - 1));
	colon = strchr(old, ':');
	snprintf(label, sizeof(label), "%s%s", name, colon ? colon : "");
	if (strlen(label) >= IFNAMSIZ)
		snprintf(label, sizeof(label), "%s", name);
	mnl_attr_put_strz(r->nlh, IFA_LABEL, label);
}

/* For ever stays so; a lifetime of 0 would be none, but for what is deprecated. */
static uint32_t aged(uint32_t lifetime, uint32_t age, uint32_t least)
{
	if (lifetime == UINT32_MAX)
		return lifetime;
	return lifetime > age + least ? lifetime - age : least;
}

static void put_lifetimes(struct request *r, const struct nlattr *attr, unsigned age)
{
	struct ifa_cacheinfo info;

	if (mnl_attr_get_payload_len(attr) != sizeof(info))
		return;
	memcpy(&info, mnl_attr_get_payload(attr), sizeof(info));
	info.ifa_valid = aged(info.ifa_valid, age, 1);
	info.ifa_prefered = aged(info.ifa_prefered, age, 0);
	mnl_attr_put(r->nlh, IFA_CACHEINFO, sizeof(info), &info);
}

static void put_of_address(struct request *r, const struct nlattr *attr, const struct target *to)
{
	switch (mnl_attr_get_type(attr)) {
	case IFA_LABEL:
		put_label(r, attr, to->link->name);
		break;
	case IFA_CACHEINFO:
		put_lifetimes(r, attr, to->age);
		break;
	default:
		put_same(r, attr);
	}
}

/* All hops that left by the old link leave by the new one. */
static void put_hops(struct request *r, const struct nlattr *attr, int from, int to)
{
	uint8_t bytes[NETLINK_CONFIG_MESSAGE] __attribute__((aligned(NLMSG_ALIGNTO)));
	int len = mnl_attr_get_payload_len(attr), left = len;
	struct rtnexthop *hop = (struct rtnexthop *)bytes;

	memcpy(bytes, mnl_attr_get_payload(attr), (size_t)len);
	for (; RTNH_OK(hop, left); hop = RTNH_NEXT(hop)) {
		if (hop->rtnh_ifindex == from)
			hop->rtnh_ifindex = to;
		hop->rtnh_flags &= RTNH_F_ONLINK;
		left -= (int)RTNH_ALIGN(hop->rtnh_len);
	}
	mnl_attr_put(r->nlh, RTA_MULTIPATH, (size_t)len, bytes);
}

/* Told in clock ticks (USER_HZ), set in seconds, and of IPv6 only. */
static void put_expiry(struct request *r, const struct nlattr *attr, unsigned age)
{
	long hz = sysconf(_SC_CLK_TCK);
	struct rta_cacheinfo info;

	if (mnl_attr_get_payload_len(attr) != sizeof(info))
		return;
	memcpy(&info, mnl_attr_get_payload(attr), sizeof(info));
	if (info.rta_expires > 0 && hz > 0)
		mnl_attr_put_u32(r->nlh, RTA_EXPIRES,
				 aged((uint32_t)(info.rta_expires / hz), age, 1));
}

static void put_of_route(struct request *r, const struct nlattr *attr, const struct target *to,
			 int from)
{
	switch (mnl_attr_get_type(attr)) {
	case RTA_OIF:
		mnl_attr_put_u32(r->nlh, RTA_OIF, (uint32_t)to->link->index);
		break;
	case RTA_MULTIPATH:
		put_hops(r, attr, from, to->link->index);
		break;
	case RTA_CACHEINFO:
		put_expiry(r, attr, to->age);
		break;
	default:
		put_same(r, attr);
	}
}

/* from: the name of the link that the rule was read for. */
static void put_of_rule(struct request *r, const struct nlattr *attr, const struct target *to,
			const char *from)
{
	uint16_t type = mnl_attr_get_type(attr);

	if ((type == FRA_IIFNAME || type == FRA_OIFNAME) &&
	    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0 &&
	    strcmp(mnl_attr_get_str(attr), from) == 0)
		mnl_attr_put_strz(r->nlh, type, to->link->name);
	else
		put_same(r, attr);
}

static void put_fixed(struct request *r, const struct nlmsghdr *nlh, int index)
{
	size_t header = netlink_config_header(nlh->nlmsg_type);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(r->nlh, header);
	struct fib_rule_hdr *rule = (struct fib_rule_hdr *)ifa;
	struct rtmsg *rtm = (struct rtmsg *)ifa;
	struct ndmsg *ndm = (struct ndmsg *)ifa;

	memcpy(ifa, mnl_nlmsg_get_payload(nlh), header);
	switch (nlh->nlmsg_type) {
	case RTM_NEWADDR:
		ifa->ifa_index = (unsigned)index;
		break;
	case RTM_NEWROUTE:
		rtm->rtm_flags &= RTNH_F_ONLINK;
		break;
	case RTM_NEWNEIGH:
		ndm->ndm_ifindex = index;
		break;
	default:
		rule->flags &= FIB_RULE_INVERT;
	}
}

static void rewrite(struct request *r, const struct nlmsghdr *nlh, uint16_t type, uint16_t flags,
		    const struct netlink_config *from, const struct target *to)
{
	const struct nlattr *attr;

	netlink_request_start(r, type, flags);
	put_fixed(r, nlh, to->link->index);
	mnl_attr_for_each(attr, nlh, netlink_config_header(nlh->nlmsg_type))
	{
		switch (nlh->nlmsg_type) {
		case RTM_NEWADDR:
			put_of_address(r, attr, to);
			break;
		case RTM_NEWROUTE:
			put_of_route(r, attr, to, from->index);
			break;
		case RTM_NEWRULE:
			put_of_rule(r, attr, to, from->name);
			break;
		default:
			if (mnl_attr_get_type(attr) == NDA_DST ||
			    mnl_attr_get_type(attr) == NDA_LLADDR)
				put_same(r, attr);
		}
	}
}

/* What the kernel makes for itself where it speaks IPv6: no loss where it does not. */
static bool is_kernels(const struct nlmsghdr *nlh)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_type == RTM_NEWADDR)
		return ifa->ifa_family == AF_INET6 && ifa->ifa_scope == RT_SCOPE_LINK;
	return nlh->nlmsg_type == RTM_NEWROUTE && rtm->rtm_family == AF_INET6 &&
	       rtm->rtm_protocol == RTPROT_KERNEL;
}

static int add(struct netlink *nl, const struct nlmsghdr *nlh, const struct netlink_config *from,
	       const struct target *to)
{
	uint16_t flags = NLM_F_CREATE;
	struct request r;
	int error;

	/* Routes may differ by their gateway alone: the kernel knows an equal one anyway. */
	if (nlh->nlmsg_type == RTM_NEWROUTE)
		flags |= NLM_F_APPEND;
	else
		flags |= nlh->nlmsg_type == RTM_NEWNEIGH ? NLM_F_REPLACE : NLM_F_EXCL;
	rewrite(&r, nlh, nlh->nlmsg_type, flags, from, to);
	error = netlink_ask(nl, &r, NULL, NULL);
	return error == -EEXIST || (error == -EACCES && is_kernels(nlh)) ? 0 : error;
}

static int add_all(struct netlink *nl, const struct netlink_config *config, bool addresses,
		   const struct target *to, char what[NETLINK_CONFIG_TEXT])
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)config->bytes;
	int left = (int)config->len, error = 0;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		if ((nlh->nlmsg_type == RTM_NEWADDR) != addresses)
			continue;
		error = add(nl, nlh, config, to);
		if (!error)
			continue;
		netlink_config_text(nlh, what);
		break;
	}
	return error;
}

int netlink_config_add_addresses(struct netlink *nl, const struct netlink_config *config,
				 const struct netlink_link *link, unsigned age,
				 char what[NETLINK_CONFIG_TEXT])
{
	return add_all(nl, config, true, &(struct target){ link, age }, what);
}

int netlink_config_add_routes(struct netlink *nl, const struct netlink_config *config,
			      const struct netlink_link *link, unsigned age,
			      char what[NETLINK_CONFIG_TEXT])
{
	return add_all(nl, config, false, &(struct target){ link, age }, what);
}

/* Addresses go last: the kernel takes routes with them. */
static int remove_all(struct netlink *nl, const struct netlink_config *config, bool addresses,
		      const struct target *from, char what[NETLINK_CONFIG_TEXT])
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)config->bytes;
	int left = (int)config->len, error, first = 0;
	struct request r;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		if ((nlh->nlmsg_type == RTM_NEWADDR) != addresses)
			continue;
		rewrite(&r, nlh, nlh->nlmsg_type + (RTM_DELADDR - RTM_NEWADDR), 0, config, from);
		error = netlink_ask(nl, &r, NULL, NULL);
		if (!error || error == -ESRCH || error == -ENOENT || error == -EADDRNOTAVAIL ||
		    first)
			continue;
		netlink_config_text(nlh, what);
		first = error;
	}
	return first;
}

int netlink_config_remove(struct netlink *nl, const struct netlink_config *config,
			  const struct netlink_link *link, char what[NETLINK_CONFIG_TEXT])
{
	const struct target from = { link, 0 };
	char other[NETLINK_CONFIG_TEXT];
	int error = remove_all(nl, config, false, &from, what);
	int last = remove_all(nl, config, true, &from, error ? other : what);

	return error ? error : last;
}

static int set_bridge(struct netlink *nl, int index, uint16_t attr, uint32_t value)
{
	struct nlattr *info, *data;
	struct request r;

	netlink_request_link(&r, RTM_NEWLINK, 0, index);
	info = mnl_attr_nest_start(r.nlh, IFLA_LINKINFO);
	mnl_attr_put_str(r.nlh, IFLA_INFO_KIND, "bridge");
	data = mnl_attr_nest_start(r.nlh, IFLA_INFO_DATA);
	mnl_attr_put_u32(r.nlh, attr, value);
	mnl_attr_nest_end(r.nlh, data);
	mnl_attr_nest_end(r.nlh, info);
	return index > 0 ? netlink_ask(nl, &r, NULL, NULL) : -ENODEV;
}

/* In this order: with spanning tree there is no delay of 0. */
int netlink_bridge_set_plain(struct netlink *nl, int index)
{
	int error = set_bridge(nl, index, IFLA_BR_STP_STATE, 0);

	return error ? error : set_bridge(nl, index, IFLA_BR_FORWARD_DELAY, 0);
}

int netlink_link_set_mac(struct netlink *nl, int index, struct mac mac)
{
	struct request r;

	netlink_request_link(&r, RTM_NEWLINK, 0, index);
	mnl_attr_put(r.nlh, IFLA_ADDRESS, sizeof(mac), &mac);
	return index > 0 ? netlink_ask(nl, &r, NULL, NULL) : -ENODEV;
}
