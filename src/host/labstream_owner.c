/* SPDX-License-Identifier: MIT */
#include "labstream_owner.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/ctlsock.h"
#include "labdgram_end.h"

#define NOBODY ((uid_t)-1)
#define LOOPBACK_IPV4 127

struct question {
	struct nlmsghdr head;
	struct inet_diag_req_v2 body;
};

struct answer {
	struct nlmsghdr head;
	struct inet_diag_msg body;
	uint8_t more[1024]; /* attributes, which are not asked for */
};

static bool is_within(const struct addr *far, const struct addr *here)
{
	static const struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;

	if (far->family == ADDR_IPV4 && far->ip[0] == LOOPBACK_IPV4)
		return true;
	if (far->family == ADDR_IPV6 && memcmp(far->ip, &loopback, sizeof(loopback)) == 0)
		return true;
	return addr_equal_host(far, here);
}

static void fill(struct question *q, const struct addr *far, const struct addr *here)
{
	*q = (struct question){
		.head = { .nlmsg_len = sizeof(*q),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST },
		.body = { .sdiag_family = far->family == ADDR_IPV6 ? AF_INET6 : AF_INET,
			  .sdiag_protocol = IPPROTO_TCP,
			  .idiag_states = ~0u,
			  .id = { .idiag_sport = htons(far->port),
				  .idiag_dport = htons(here->port),
				  .idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } } }
	};
	memcpy(q->body.id.idiag_src, far->ip, sizeof(far->ip));
	memcpy(q->body.id.idiag_dst, here->ip, sizeof(here->ip));
	q->body.id.idiag_if = far->scope;
}

/* One that nobody holds any more has no inode, and seems to be root's. */
static uid_t owner_in(const struct answer *a, ssize_t n)
{
	const ssize_t least = (ssize_t)(sizeof(a->head) + sizeof(a->body));

	if (n < least || a->head.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    a->body.idiag_state != TCP_ESTABLISHED || a->body.idiag_inode == 0)
		return NOBODY;
	return a->body.idiag_uid;
}

static uid_t owner_within(const struct addr *far, const struct addr *here)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	uid_t owner = NOBODY;
	struct question q;
	struct answer a;

	if (fd < 0)
		return NOBODY;
	fill(&q, far, here);
	if (send(fd, &q, sizeof(q), 0) == (ssize_t)sizeof(q))
		owner = owner_in(&a, recv(fd, &a, sizeof(a), MSG_DONTWAIT));
	close(fd);
	return owner;
}

static struct addr own_end(int fd)
{
	union labend_name name = { 0 };
	socklen_t len = sizeof(name);

	return getsockname(fd, &name.any, &len) < 0 ? (struct addr){ 0 } : labend_addr(&name);
}

bool labstream_owner_is_good(int fd, const struct addr *from)
{
	struct addr here;
	uid_t uid;
	pid_t pid;

	if (from) {
		here = own_end(fd);
		if (!is_within(from, &here))
			return here.family != ADDR_NONE;
		uid = owner_within(from, &here);
	} else {
		ctlsock_who(fd, &pid, &uid);
	}
	return uid == 0 || (uid != NOBODY && uid == geteuid());
}
