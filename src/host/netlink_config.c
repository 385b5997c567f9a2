/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  A dump of addresses, routes, neighbours or rules consists of the
 * same messages that make them, but for what only the kernel sets: flags of state, and an
 * expiry in another attribute.  So what is read is kept as it came, and rewritten when it
 * is sent: the index or name of the link, the label of an IPv4 address, these flags.
 *
 * Order: addresses, from which the kernel makes the routes to their networks; routes
 * without a gateway; those with one, which need the first; neighbours; rules.  A change of
 * the tables in the middle of a dump is told by the kernel, and all is read again.
 */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "host/netlink_config.h"
#include "netlink_config_parts.h"

#define TRIES 10
#define CONFIG_MAX (64u << 20) /* bytes: a full table of the Internet's routes fits */

struct reading {
	const struct netlink_link *link;
	struct netlink_config *config;
	bool gateways;	  /* routes with one, or those without */
	bool interrupted; /* the dump is not of one moment */
	int error;
};

/* Whether what was found can be moved. */
struct judging {
	int index;
	struct netlink_config seen; /* routes of the link, so far */
	bool interrupted;
	int error;
	char *what;
};

size_t netlink_config_header(uint16_t type)
{
	switch (type) {
	case RTM_NEWADDR:
		return sizeof(struct ifaddrmsg);
	case RTM_NEWROUTE:
		return sizeof(struct rtmsg);
	case RTM_NEWNEIGH:
		return sizeof(struct ndmsg);
	case RTM_NEWRULE:
		return sizeof(struct fib_rule_hdr);
	default:
		return 0;
	}
}

const struct nlattr *netlink_config_attr(const struct nlmsghdr *nlh, uint16_t type)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, netlink_config_header(nlh->nlmsg_type))
	{
		if (mnl_attr_get_type(attr) == type)
			return attr;
	}
	return NULL;
}

uint32_t netlink_config_number(const struct nlmsghdr *nlh, uint16_t type, uint32_t none)
{
	const struct nlattr *attr = netlink_config_attr(nlh, type);

	return attr && mnl_attr_validate(attr, MNL_TYPE_U32) == 0 ? mnl_attr_get_u32(attr) : none;
}

static bool names_link(const struct nlmsghdr *nlh, uint16_t type, const char *name)
{
	const struct nlattr *attr = netlink_config_attr(nlh, type);

	return attr && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0 &&
	       strcmp(mnl_attr_get_str(attr), name) == 0;
}

static bool hops_leave_by(const struct nlmsghdr *nlh, int index)
{
	const struct nlattr *attr = netlink_config_attr(nlh, RTA_MULTIPATH);
	const struct rtnexthop *hop = attr ? mnl_attr_get_payload(attr) : NULL;
	int left = attr ? mnl_attr_get_payload_len(attr) : 0;

	for (; hop && RTNH_OK(hop, left); hop = RTNH_NEXT(hop)) {
		if (hop->rtnh_ifindex == index)
			return true;
		left -= (int)RTNH_ALIGN(hop->rtnh_len);
	}
	return false;
}

static bool has_gateway(const struct nlmsghdr *nlh)
{
	return netlink_config_attr(nlh, RTA_GATEWAY) || netlink_config_attr(nlh, RTA_VIA) ||
	       netlink_config_attr(nlh, RTA_MULTIPATH);
}

static uint32_t table_of(const struct nlmsghdr *nlh)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);

	return netlink_config_number(nlh, RTA_TABLE, rtm->rtm_table);
}

/* Not made by the kernel alone. */
static bool is_ours(const struct nlmsghdr *nlh)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);

	return !(rtm->rtm_flags & RTM_F_CLONED) &&
	       (rtm->rtm_protocol != RTPROT_KERNEL ||
		(table_of(nlh) != RT_TABLE_LOCAL && rtm->rtm_type != RTN_MULTICAST));
}

static bool leaves_by(const struct nlmsghdr *nlh, int index)
{
	return is_ours(nlh) &&
	       ((int)netlink_config_number(nlh, RTA_OIF, 0) == index || hops_leave_by(nlh, index));
}

static bool want_route(const struct nlmsghdr *nlh, const struct reading *reading)
{
	return has_gateway(nlh) == reading->gateways && leaves_by(nlh, reading->link->index);
}

static bool want(const struct nlmsghdr *nlh, const struct reading *reading)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);

	switch (nlh->nlmsg_type) {
	case RTM_NEWADDR:
		return (int)ifa->ifa_index == reading->link->index &&
		       !(netlink_config_number(nlh, IFA_FLAGS, ifa->ifa_flags) & IFA_F_DADFAILED);
	case RTM_NEWROUTE:
		return want_route(nlh, reading);
	case RTM_NEWNEIGH:
		return ndm->ndm_ifindex == reading->link->index &&
		       (ndm->ndm_state & NUD_PERMANENT) && !(ndm->ndm_flags & NTF_PROXY);
	case RTM_NEWRULE:
		return names_link(nlh, FRA_IIFNAME, reading->link->name) ||
		       names_link(nlh, FRA_OIFNAME, reading->link->name);
	}
	return false;
}

/* The kernel puts the newest IPv6 address of a link first, so they are added from the last;
 * all else in the order that it came. */
static size_t place(const struct netlink_config *config, const struct nlmsghdr *nlh)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	const struct nlmsghdr *other = (const struct nlmsghdr *)config->bytes;
	int left = (int)config->len;

	if (nlh->nlmsg_type != RTM_NEWADDR || ifa->ifa_family != AF_INET6)
		return config->len;
	for (; mnl_nlmsg_ok(other, left); other = mnl_nlmsg_next(other, &left)) {
		ifa = mnl_nlmsg_get_payload(other);
		if (ifa->ifa_family == AF_INET6)
			break;
	}
	return config->len - (size_t)left;
}

static int insert(struct netlink_config *config, const struct nlmsghdr *nlh, size_t offset)
{
	size_t len = NLMSG_ALIGN(nlh->nlmsg_len), room = config->room;
	uint8_t *bytes = config->bytes, *at;

	if (len > NETLINK_CONFIG_MESSAGE || config->len + len > CONFIG_MAX)
		return -EMSGSIZE;
	if (!bytes || config->len + len > room) {
		room = 2 * room + NETLINK_CONFIG_MESSAGE;
		bytes = realloc(bytes, room);
		if (!bytes)
			return -ENOMEM;
		config->bytes = bytes;
		config->room = room;
	}
	at = bytes + offset;
	memmove(at + len, at, (size_t)(bytes + config->len - at));
	memset(at, 0, len);
	memcpy(at, nlh, nlh->nlmsg_len);
	config->len += len;
	config->addresses += nlh->nlmsg_type == RTM_NEWADDR;
	config->routes += nlh->nlmsg_type == RTM_NEWROUTE;
	config->others += nlh->nlmsg_type != RTM_NEWADDR && nlh->nlmsg_type != RTM_NEWROUTE;
	return 0;
}

static int keep(const struct nlmsghdr *nlh, void *ctx)
{
	size_t header = netlink_config_header(nlh->nlmsg_type);
	struct reading *reading = ctx;

	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		reading->interrupted = true;
	if (!header || mnl_nlmsg_get_payload_len(nlh) < header || !want(nlh, reading))
		return MNL_CB_OK;
	if (!reading->error)
		reading->error = insert(reading->config, nlh, place(reading->config, nlh));
	return MNL_CB_OK;
}

static bool same_attr(const struct nlmsghdr *a, const struct nlmsghdr *b, uint16_t type)
{
	const struct nlattr *x = netlink_config_attr(a, type), *y = netlink_config_attr(b, type);

	if (!x || !y)
		return !x && !y;
	return mnl_attr_get_payload_len(x) == mnl_attr_get_payload_len(y) &&
	       memcmp(mnl_attr_get_payload(x), mnl_attr_get_payload(y),
		      mnl_attr_get_payload_len(x)) == 0;
}

/* To the same place, by another way: the first one of them is used. */
static bool compete(const struct nlmsghdr *a, const struct nlmsghdr *b)
{
	const struct rtmsg *x = mnl_nlmsg_get_payload(a), *y = mnl_nlmsg_get_payload(b);

	return x->rtm_family == y->rtm_family && x->rtm_dst_len == y->rtm_dst_len &&
	       x->rtm_src_len == y->rtm_src_len && x->rtm_tos == y->rtm_tos &&
	       table_of(a) == table_of(b) && same_attr(a, b, RTA_DST) && same_attr(a, b, RTA_SRC) &&
	       same_attr(a, b, RTA_PRIORITY);
}

/* Link-local networks are everywhere, and who uses them names the link. */
static bool is_link_local(const struct nlmsghdr *nlh)
{
	const struct nlattr *dst = netlink_config_attr(nlh, RTA_DST);
	const uint8_t *ip = dst ? mnl_attr_get_payload(dst) : NULL;

	return ip && mnl_attr_get_payload_len(dst) == 16 && ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80;
}

static void judge_rival(struct judging *judging, const struct nlmsghdr *nlh)
{
	const struct nlmsghdr *mine = (const struct nlmsghdr *)judging->seen.bytes;
	int left = (int)judging->seen.len;

	for (; mnl_nlmsg_ok(mine, left); mine = mnl_nlmsg_next(mine, &left)) {
		if (!compete(mine, nlh))
			continue;
		netlink_config_text(nlh, judging->what);
		judging->error = -ENOTUNIQ;
	}
}

static int judge(const struct nlmsghdr *nlh, void *ctx)
{
	struct judging *judging = ctx;

	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		judging->interrupted = true;
	if (nlh->nlmsg_type != RTM_NEWROUTE || judging->error ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(struct rtmsg) || !is_ours(nlh) ||
	    is_link_local(nlh))
		return MNL_CB_OK;
	if (!leaves_by(nlh, judging->index)) {
		judge_rival(judging, nlh);
	} else if (netlink_config_attr(nlh, RTA_NH_ID)) {
		netlink_config_text(nlh, judging->what);
		judging->error = -EOPNOTSUPP;
	} else {
		judging->error = insert(&judging->seen, nlh, judging->seen.len);
	}
	return MNL_CB_OK;
}

static int judge_family(struct netlink *nl, uint8_t family, struct judging *judging)
{
	struct request r;
	struct rtmsg *rtm;
	int error;

	netlink_request_start(&r, RTM_GETROUTE, NLM_F_DUMP);
	rtm = mnl_nlmsg_put_extra_header(r.nlh, sizeof(*rtm));
	rtm->rtm_family = family;
	error = netlink_ask(nl, &r, judge, judging);
	netlink_config_free(&judging->seen);
	if (judging->error)
		return judging->error;
	return !error && judging->interrupted ? -EAGAIN : error;
}

int netlink_config_movable(struct netlink *nl, const struct netlink_link *link,
			   char what[NETLINK_CONFIG_TEXT])
{
	int error = -EAGAIN;

	for (int i = 0; i < TRIES && error == -EAGAIN; i++) {
		struct judging judging = { .index = link->index, .what = what };

		error = judge_family(nl, AF_INET, &judging);
		if (!error)
			error = judge_family(nl, AF_INET6, &judging);
	}
	return error;
}

static int dump(struct netlink *nl, uint16_t type, uint8_t family, struct reading *reading)
{
	struct request r;
	struct rtmsg *rtm; /* the others begin with the family as well, and are not longer */
	int error;

	netlink_request_start(&r, type, NLM_F_DUMP);
	rtm = mnl_nlmsg_put_extra_header(r.nlh, sizeof(*rtm));
	rtm->rtm_family = family;
	error = netlink_ask(nl, &r, keep, reading);
	if (error == -EAFNOSUPPORT || error == -EOPNOTSUPP) /* a kernel without that */
		error = 0;
	return error ? error : reading->error;
}

static int read_once(struct netlink *nl, struct reading *reading)
{
	static const struct {
		uint16_t type;
		bool gateways;
	} parts[] = { { RTM_GETADDR, false },
		      { RTM_GETROUTE, false },
		      { RTM_GETROUTE, true },
		      { RTM_GETNEIGH, false },
		      { RTM_GETRULE, false } };
	int error = 0;

	for (size_t i = 0; i < COUNT_OF(parts) && !error; i++) {
		reading->gateways = parts[i].gateways;
		error = dump(nl, parts[i].type, AF_INET, reading);
		if (!error)
			error = dump(nl, parts[i].type, AF_INET6, reading);
	}
	return error;
}

static void name_origin(struct netlink_config *config, const struct netlink_link *link)
{
	config->index = link->index;
	memcpy(config->name, link->name, sizeof(config->name));
}

int netlink_config_read(struct netlink *nl, const struct netlink_link *link,
			struct netlink_config *out)
{
	int error = -EAGAIN;

	*out = (struct netlink_config){ 0 };
	for (int i = 0; i < TRIES && error == -EAGAIN; i++) {
		struct reading reading = { .link = link, .config = out };

		netlink_config_free(out);
		error = read_once(nl, &reading);
		if (!error && reading.interrupted)
			error = -EAGAIN;
	}
	if (error)
		netlink_config_free(out);
	else
		name_origin(out, link);
	return error;
}

int netlink_config_load(struct netlink_config *out, const struct netlink_link *link,
			const void *bytes, size_t len)
{
	struct netlink_config config = { 0 };
	uint8_t *copy = malloc(len + 1);
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)copy;
	int left = (int)len, error = 0;

	if (!copy || len > CONFIG_MAX) {
		free(copy);
		return copy ? -EBADMSG : -ENOMEM;
	}
	memcpy(copy, bytes, len);
	for (; !error && mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		size_t header = netlink_config_header(nlh->nlmsg_type);

		error = header && mnl_nlmsg_get_payload_len(nlh) >= header
				? insert(&config, nlh, config.len)
				: -EBADMSG;
	}
	free(copy);
	if (!error && left)
		error = -EBADMSG;
	if (error) {
		netlink_config_free(&config);
		return error;
	}
	name_origin(&config, link);
	*out = config;
	return 0;
}

void netlink_config_free(struct netlink_config *config)
{
	free(config->bytes);
	*config = (struct netlink_config){ 0 };
}

struct checking {
	int index;
	bool tentative;
};

static int see_tentative(const struct nlmsghdr *nlh, void *ctx)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct checking *checking = ctx;
	uint32_t flags;

	if (nlh->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifa))
		return MNL_CB_OK;
	flags = netlink_config_number(nlh, IFA_FLAGS, ifa->ifa_flags);
	if ((int)ifa->ifa_index == checking->index && (flags & IFA_F_TENTATIVE) &&
	    !(flags & IFA_F_DADFAILED))
		checking->tentative = true;
	return MNL_CB_OK;
}

bool netlink_config_settled(struct netlink *nl, const struct netlink_link *link)
{
	struct checking checking = { .index = link->index };
	struct ifaddrmsg *ifa;
	struct request r;

	netlink_request_start(&r, RTM_GETADDR, NLM_F_DUMP);
	ifa = mnl_nlmsg_put_extra_header(r.nlh, sizeof(*ifa));
	ifa->ifa_family = AF_INET6;
	return netlink_ask(nl, &r, see_tentative, &checking) != 0 || !checking.tentative;
}
