/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  A request carries NLM_F_ACK, so the kernel's last word
 * is always one NLMSG_ERROR with the request's sequence number; what comes
 * before it with the same number is the content.  Answers to an earlier
 * request that ran into its time-out are known by their number and skipped.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "netlink_parts.h"

#define ANSWER_ROOM 32768
#define PATIENCE_S 2
#define DRAIN_MAX 1000 /* messages read in one go: the loop has other work too */

void netlink_request_start(struct request *r, uint16_t type, uint16_t flags)
{
	memset(r->buf, 0, sizeof(r->buf)); /* libmnl leaves what pads attributes as it is */
	r->nlh = mnl_nlmsg_put_header(r->buf);
	r->nlh->nlmsg_type = type;
	r->nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
}

struct ifinfomsg *netlink_request_link(struct request *r, uint16_t type, uint16_t flags, int index)
{
	struct ifinfomsg *ifi;

	netlink_request_start(r, type, flags);
	ifi = mnl_nlmsg_put_extra_header(r->nlh, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = index;
	return ifi;
}

/* Messages of one datagram.  True when the acknowledgement was among them;
 * *result is then 0 or -errno. */
static bool read_answer(const char *buf, int len, uint32_t sequence, mnl_cb_t content, void *ctx,
			int *result)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;

	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		if (nlh->nlmsg_seq != sequence)
			continue;
		if (nlh->nlmsg_type == NLMSG_DONE) { /* the end of a dump */
			*result = 0;
			return true;
		}
		if (nlh->nlmsg_type != NLMSG_ERROR) {
			if (content)
				content(nlh, ctx);
			continue;
		}
		if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct nlmsgerr))
			*result = -EBADMSG;
		else
			*result = ((const struct nlmsgerr *)mnl_nlmsg_get_payload(nlh))->error;
		return true;
	}
	return false;
}

static int exchange(const struct mnl_socket *socket, struct request *r, uint32_t sequence,
		    mnl_cb_t content, void *ctx)
{
	char answer[ANSWER_ROOM] __attribute__((aligned(NLMSG_ALIGNTO)));
	ssize_t n;
	int result;

	r->nlh->nlmsg_seq = sequence;
	if (mnl_socket_sendto(socket, r->nlh, r->nlh->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(socket, answer, sizeof(answer));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
	} while (n < 0 || !read_answer(answer, (int)n, sequence, content, ctx, &result));
	return result;
}

int netlink_ask(struct netlink *nl, struct request *r, mnl_cb_t content, void *ctx)
{
	return exchange(nl->request, r, ++nl->sequence, content, ctx);
}

/* A socket that gives up waiting; NULL with errno set. */
static struct mnl_socket *socket_open(int flags)
{
	struct timeval patience = { .tv_sec = PATIENCE_S };
	struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | flags);
	int saved;

	if (!s)
		return NULL;
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) == 0 &&
	    setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_RCVTIMEO, &patience,
		       sizeof(patience)) == 0)
		return s;
	saved = errno;
	mnl_socket_close(s);
	errno = saved;
	return NULL;
}

int netlink_open(struct netlink *nl)
{
	int group = RTNLGRP_LINK, error;

	*nl = (struct netlink){ .sequence = (uint32_t)getpid() };
	nl->request = socket_open(0);
	if (!nl->request)
		return -errno;
	nl->monitor = socket_open(SOCK_NONBLOCK);
	if (nl->monitor &&
	    mnl_socket_setsockopt(nl->monitor, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) == 0)
		return 0;
	error = -errno;
	netlink_close(nl);
	return error;
}

void netlink_close(struct netlink *nl)
{
	if (nl->request)
		mnl_socket_close(nl->request);
	if (nl->monitor)
		mnl_socket_close(nl->monitor);
	nl->request = nl->monitor = NULL;
}

/* The same rules as the kernel's dev_valid_name, and no pattern such as "br%d". */
static bool name_ok(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < IFNAMSIZ && strcspn(name, "/:% \t\n\v\f\r") == len &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static void copy_text(char *out, size_t room, const struct nlattr *attr)
{
	if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		snprintf(out, room, "%s", mnl_attr_get_str(attr));
}

static uint32_t attr_u32(const struct nlattr *attr)
{
	return mnl_attr_validate(attr, MNL_TYPE_U32) == 0 ? mnl_attr_get_u32(attr) : 0;
}

static unsigned count_queues(const struct nlattr *data)
{
	const struct nlattr *attr;
	unsigned n = 0;

	mnl_attr_for_each_nested(attr, data)
	{
		if (mnl_attr_get_type(attr) == IFLA_TUN_NUM_QUEUES ||
		    mnl_attr_get_type(attr) == IFLA_TUN_NUM_DISABLED_QUEUES)
			n += attr_u32(attr);
	}
	return n;
}

/* The kind stands before its data. */
static void read_kind(struct netlink_link *link, const struct nlattr *info)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, info)
	{
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			copy_text(link->kind, sizeof(link->kind), attr);
		else if (mnl_attr_get_type(attr) == IFLA_INFO_DATA &&
			 strcmp(link->kind, "tun") == 0)
			link->queues = count_queues(attr);
	}
}

int netlink_read_link(const struct nlmsghdr *nlh, void *ctx)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct netlink_link *link = ctx;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifi))
		return MNL_CB_OK;
	link->index = ifi->ifi_index;
	link->up = ifi->ifi_flags & IFF_UP;
	mnl_attr_for_each(attr, nlh, sizeof(*ifi))
	{
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			copy_text(link->name, sizeof(link->name), attr);
			break;
		case IFLA_ADDRESS:
			if (mnl_attr_get_payload_len(attr) == sizeof(link->mac))
				memcpy(&link->mac, mnl_attr_get_payload(attr), sizeof(link->mac));
			break;
		case IFLA_MTU:
			link->mtu = attr_u32(attr);
			break;
		case IFLA_MASTER:
			link->master = (int)attr_u32(attr);
			break;
		case IFLA_LINKINFO:
			read_kind(link, attr);
			break;
		}
	}
	return MNL_CB_OK;
}

int netlink_link_get(struct netlink *nl, const char *name, struct netlink_link *out)
{
	struct netlink_link link = { 0 };
	struct request r;
	int error;

	if (!name_ok(name))
		return -ENODEV;
	netlink_request_link(&r, RTM_GETLINK, 0, 0);
	mnl_attr_put_strz(r.nlh, IFLA_IFNAME, name);
	error = netlink_ask(nl, &r, netlink_read_link, &link);
	if (error)
		return error;
	if (!link.index)
		return -ENODEV;
	*out = link;
	return 0;
}

int netlink_bridge_add(struct netlink *nl, const char *name)
{
	struct nlattr *info;
	struct request r;

	if (!name_ok(name))
		return -EINVAL;
	netlink_request_link(&r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
	mnl_attr_put_strz(r.nlh, IFLA_IFNAME, name);
	info = mnl_attr_nest_start(r.nlh, IFLA_LINKINFO);
	mnl_attr_put_str(r.nlh, IFLA_INFO_KIND, "bridge");
	mnl_attr_nest_end(r.nlh, info);
	return netlink_ask(nl, &r, NULL, NULL);
}

/* Without an index the kernel would take the request for another one. */
static int change(struct netlink *nl, uint16_t type, int index, uint16_t attr, uint32_t value)
{
	struct request r;

	if (index <= 0)
		return -ENODEV;
	netlink_request_link(&r, type, 0, index);
	if (attr)
		mnl_attr_put_u32(r.nlh, attr, value);
	return netlink_ask(nl, &r, NULL, NULL);
}

int netlink_link_delete(struct netlink *nl, int index)
{
	return change(nl, RTM_DELLINK, index, 0, 0);
}

int netlink_link_set_up(struct netlink *nl, int index, bool up)
{
	struct ifinfomsg *ifi;
	struct request r;

	if (index <= 0)
		return -ENODEV;
	ifi = netlink_request_link(&r, RTM_NEWLINK, 0, index);
	ifi->ifi_change = IFF_UP;
	ifi->ifi_flags = up ? IFF_UP : 0;
	return netlink_ask(nl, &r, NULL, NULL);
}

int netlink_link_set_mtu(struct netlink *nl, int index, unsigned mtu)
{
	return change(nl, RTM_NEWLINK, index, IFLA_MTU, mtu);
}

int netlink_link_set_master(struct netlink *nl, int index, int master)
{
	return change(nl, RTM_NEWLINK, index, IFLA_MASTER, (uint32_t)master);
}

int netlink_link_set_txqlen(struct netlink *nl, int index, unsigned frames)
{
	return change(nl, RTM_NEWLINK, index, IFLA_TXQLEN, frames);
}

static int set_addr_gen_none(struct netlink *nl, int index)
{
	struct nlattr *spec, *inet6;
	struct request r;
	int error;

	netlink_request_link(&r, RTM_NEWLINK, 0, index);
	spec = mnl_attr_nest_start(r.nlh, IFLA_AF_SPEC);
	inet6 = mnl_attr_nest_start(r.nlh, AF_INET6);
	mnl_attr_put_u8(r.nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(r.nlh, inet6);
	mnl_attr_nest_end(r.nlh, spec);
	error = netlink_ask(nl, &r, NULL, NULL);
	/* A kernel without IPv6, or an MTU too small for it, is silent already. */
	return error == -EAFNOSUPPORT || error == -EOPNOTSUPP ? 0 : error;
}

static int set_ipv6_off(const char *name)
{
	char path[64];
	int fd, error = 0;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (write(fd, "1", 1) != 1)
		error = -errno;
	close(fd);
	return error;
}

int netlink_link_set_silent(struct netlink *nl, int index, const char *name)
{
	int error;

	if (index <= 0 || !name_ok(name))
		return -ENODEV;
	error = set_addr_gen_none(nl, index);
	return error ? error : set_ipv6_off(name);
}

int netlink_monitor_fd(const struct netlink *nl)
{
	return mnl_socket_get_fd(nl->monitor);
}

bool netlink_monitor_drain(struct netlink *nl)
{
	char buf[ANSWER_ROOM] __attribute__((aligned(NLMSG_ALIGNTO)));
	bool changed = false;

	for (int i = 0; i < DRAIN_MAX; i++) {
		ssize_t n = mnl_socket_recvfrom(nl->monitor, buf, sizeof(buf));

		if (n < 0 && errno == EAGAIN)
			break;
		/* A link's message, or a loss (ENOBUFS, a message too large). */
		changed = true;
	}
	return changed;
}

/* A route: the link it leaves by, the address that it leaves with, and who takes it on. */
struct route {
	int index;
	struct addr source, router;
};

static void read_address(const struct nlattr *attr, struct addr *out)
{
	uint16_t len = mnl_attr_get_payload_len(attr);

	if (len != 4 && len != 16)
		return;
	out->family = len == 4 ? ADDR_IPV4 : ADDR_IPV6;
	memcpy(out->ip, mnl_attr_get_payload(attr), len);
}

static int read_route(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *attr;
	struct route *route = ctx;

	if (nlh->nlmsg_type != RTM_NEWROUTE ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(struct rtmsg))
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh, sizeof(struct rtmsg))
	{
		uint16_t type = mnl_attr_get_type(attr);

		if (type == RTA_OIF)
			route->index = (int)attr_u32(attr);
		if (type == RTA_PREFSRC)
			read_address(attr, &route->source);
		if (type == RTA_GATEWAY)
			read_address(attr, &route->router);
	}
	return MNL_CB_OK;
}

static int find_route(struct mnl_socket *s, const struct addr *to, struct route *route)
{
	size_t len = to->family == ADDR_IPV6 ? 16 : 4;
	struct rtmsg *rtm;
	struct request r;
	int error;

	netlink_request_start(&r, RTM_GETROUTE, 0);
	rtm = mnl_nlmsg_put_extra_header(r.nlh, sizeof(*rtm));
	rtm->rtm_family = to->family == ADDR_IPV6 ? AF_INET6 : AF_INET;
	rtm->rtm_dst_len = (unsigned char)(len * 8);
	mnl_attr_put(r.nlh, RTA_DST, len, to->ip);
	if (to->scope)
		mnl_attr_put_u32(r.nlh, RTA_OIF, to->scope);
	error = exchange(s, &r, 1, read_route, route);
	return !error && !route->index ? -ENETUNREACH : error;
}

static int look_up_route(const struct addr *to, struct route *route)
{
	struct mnl_socket *s = socket_open(0);
	int error;

	*route = (struct route){ 0 };
	if (!s)
		return -errno;
	error = find_route(s, to, route);
	mnl_socket_close(s);
	return error;
}

int netlink_route_link(const struct addr *to, int *index)
{
	struct route route;
	int error = look_up_route(to, &route);

	if (!error)
		*index = route.index;
	return error;
}

int netlink_route_source(const struct addr *to, struct addr *source)
{
	struct addr router;

	return netlink_route_router(to, source, &router);
}

int netlink_route_router(const struct addr *to, struct addr *source, struct addr *router)
{
	struct route route;
	int error = look_up_route(to, &route);

	if (!error && route.source.family != to->family)
		error = -EADDRNOTAVAIL;
	if (!error) {
		*source = route.source;
		*router = route.router;
	}
	return error;
}

int netlink_route_mtu(const struct addr *to, unsigned *mtu)
{
	struct netlink_link link = { 0 };
	struct mnl_socket *s = socket_open(0);
	struct route route = { 0 };
	struct request r;
	int error;

	if (!s)
		return -errno;
	error = find_route(s, to, &route);
	if (!error) {
		netlink_request_link(&r, RTM_GETLINK, 0, route.index);
		error = exchange(s, &r, 2, netlink_read_link, &link);
	}
	mnl_socket_close(s);
	if (!error)
		*mtu = link.mtu;
	return error;
}
