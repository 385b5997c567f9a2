/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  udp_send hands sendmmsg(2) the messages that are left.
 * It stops at the first one that fails, and the next call then starts with that
 * message and says why.  A refused UDP_SEGMENT message is cut up here and sent
 * as single datagrams by the same mechanism.  An error that the kernel had
 * kept for the socket (ICMP) is told instead of sending, so what failed is
 * tried a second time before it is given up.
 *
 * An address to send from that is this host's no more is refused with the same
 * errno as UDP_SEGMENT may be.  So what failed twice is tried without it before
 * anything else is concluded: when it then leaves, or fails otherwise, it was that.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "host/netlink.h"
#include "sockname.h"
#include "udp_parts.h"

#define BUFFER_BYTES (8 << 20)
#define SLOT_BYTES 65536
#define STALE_ERRORS 8 /* errors of the socket that one call clears away */
#define OUT_BATCH UDP_SEND_SEGMENTS

struct udp_inbox {
	struct mmsghdr messages[UDP_BATCH];
	struct iovec iov[UDP_BATCH];
	union sockname names[UDP_BATCH];
	union udp_control controls[UDP_BATCH];
	uint8_t slots[UDP_BATCH][SLOT_BYTES];
};

/* ---- opening ----------------------------------------------------------- */

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

static int set_never_fragment(int fd, uint8_t family)
{
	if (family == ADDR_IPV4)
		return set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
	if (set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) < 0 ||
	    set_int(fd, IPPROTO_IPV6, IPV6_DONTFRAG, 1) < 0)
		return -1;
	return set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
}

/* Beyond the system's limit when we may, up to it otherwise. */
static void set_buffer(int fd, int forced, int plain)
{
	if (set_int(fd, SOL_SOCKET, forced, BUFFER_BYTES) < 0)
		set_int(fd, SOL_SOCKET, plain, BUFFER_BYTES);
}

static bool is_wildcard(const struct addr *a)
{
	return bytes_all_zero(a->ip, sizeof(a->ip));
}

static int configure(struct udp *udp, const struct addr *listen, bool beside)
{
	union sockname name;
	socklen_t len;
	int error = is_wildcard(listen) ? udp_control_ask(udp->fd, listen->family) : 0;

	if (error)
		return error;
	if (set_never_fragment(udp->fd, listen->family) < 0)
		return -errno;
	set_buffer(udp->fd, SO_SNDBUFFORCE, SO_SNDBUF);
	set_buffer(udp->fd, SO_RCVBUFFORCE, SO_RCVBUF);
	len = sizeof(udp->receive_buffer);
	if (getsockopt(udp->fd, SOL_SOCKET, SO_RCVBUF, &udp->receive_buffer, &len) < 0)
		return -errno;
	udp->gso = set_int(udp->fd, IPPROTO_UDP, UDP_SEGMENT, 0) == 0;
	udp->gso_error = udp->gso ? 0 : errno;
	udp_set_gro(udp, true);

	if (beside && set_int(udp->fd, SOL_SOCKET, SO_REUSEPORT, 1) < 0)
		return -errno;
	len = sockname_from_addr(&name, listen);
	if (bind(udp->fd, &name.any, len) < 0)
		return -errno;
	len = sizeof(name);
	if (getsockname(udp->fd, &name.any, &len) < 0)
		return -errno;
	udp->local = sockname_to_addr(&name);
	return 0;
}

static int open_at(struct udp *udp, const struct addr *listen, bool beside)
{
	int family = listen->family == ADDR_IPV6 ? AF_INET6 : AF_INET, error;

	*udp = (struct udp){ .fd = -1 };
	if (listen->family == ADDR_NONE)
		return -EAFNOSUPPORT;
	udp->fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (udp->fd < 0)
		return -errno;
	error = configure(udp, listen, beside);
	if (error)
		udp_close(udp);
	return error;
}

int udp_open(struct udp *udp, const struct addr *listen)
{
	return open_at(udp, listen, false);
}

/* The first one was bound without SO_REUSEPORT, and so found that nobody else is
 * there; only now does it let others in. */
int udp_open_beside(struct udp *udp, struct udp *first)
{
	int error;

	if (set_int(first->fd, SOL_SOCKET, SO_REUSEPORT, 1) < 0)
		return -errno;
	error = open_at(udp, &first->local, true);
	if (error)
		return error;
	udp->gso = first->gso;
	udp->gso_error = first->gso_error;
	if (!first->gro)
		udp_set_gro(udp, false);
	return 0;
}

void udp_close(struct udp *udp)
{
	if (udp->fd >= 0)
		close(udp->fd);
	udp->fd = -1;
}

void udp_set_gro(struct udp *udp, bool on)
{
	udp->gro = set_int(udp->fd, IPPROTO_UDP, UDP_GRO, on) == 0 && on;
}

/* ---- receiving --------------------------------------------------------- */

static void inbox_reset(struct udp_inbox *inbox, int i)
{
	struct msghdr *msg = &inbox->messages[i].msg_hdr;

	msg->msg_namelen = sizeof(inbox->names[i]);
	msg->msg_controllen = sizeof(inbox->controls[i]);
}

struct udp_inbox *udp_inbox_new(void)
{
	struct udp_inbox *inbox = calloc(1, sizeof(*inbox));

	if (!inbox)
		return NULL;
	for (int i = 0; i < UDP_BATCH; i++) {
		inbox->iov[i] = (struct iovec){ inbox->slots[i], SLOT_BYTES };
		inbox->messages[i].msg_hdr = (struct msghdr){ .msg_name = &inbox->names[i],
							      .msg_iov = &inbox->iov[i],
							      .msg_iovlen = 1,
							      .msg_control = &inbox->controls[i] };
		inbox_reset(inbox, i);
	}
	return inbox;
}

void udp_inbox_free(struct udp_inbox *inbox)
{
	free(inbox);
}

bool udp_inbox_holds(const struct udp_inbox *inbox, const void *p)
{
	return (uintptr_t)p - (uintptr_t)inbox->slots < sizeof(inbox->slots);
}

/* What ICMP may leave on a socket (icmp(7)): told once, then forgotten. */
static bool is_stale_error(int error)
{
	switch (error) {
	case ECONNREFUSED:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENONET:
	case ENOPROTOOPT:
	case EOPNOTSUPP:
	case EPROTO:
	case EACCES:
	case EMSGSIZE:
	case EINTR:
		return true;
	}
	return false;
}

static int receive_batch(struct udp *udp, struct udp_inbox *inbox)
{
	for (int i = 0; i < STALE_ERRORS; i++) {
		int n = recvmmsg(udp->fd, inbox->messages, UDP_BATCH, MSG_DONTWAIT, NULL);

		udp->received_calls++;
		if (n >= 0)
			return n;
		if (errno == EAGAIN)
			return 0;
		if (!is_stale_error(errno))
			return -errno;
	}
	return 0;
}

int udp_receive(struct udp *udp, struct udp_inbox *inbox, struct udp_received out[UDP_BATCH])
{
	int n = receive_batch(udp, inbox);

	for (int i = 0; i < n; i++) {
		out[i] = (struct udp_received){ .data = inbox->slots[i],
						.len = inbox->messages[i].msg_len,
						.from = sockname_to_addr(&inbox->names[i]) };
		udp_control_read(&inbox->messages[i].msg_hdr, &out[i]);
		out[i].local.port = out[i].local.family ? udp->local.port : 0;
		inbox_reset(inbox, i);
	}
	return n;
}

/* ---- sending ----------------------------------------------------------- */

struct batch {
	struct mmsghdr messages[OUT_BATCH];
	struct iovec iov[OUT_BATCH];
	union sockname names[OUT_BATCH];
	union udp_control controls[OUT_BATCH];
};

/* What became of one sendmmsg: messages sent, or errno. */
struct outcome {
	size_t sent;
	int error;
};

/* A sending under way. */
struct sending {
	struct udp *udp;
	struct batch *batch;
	bool *gso_lost;
	bool again; /* the next message failed once */
	int full;   /* errno when the socket takes no more now */
};

static size_t datagrams(const struct udp_message *m)
{
	return m->segment && m->len > m->segment ? (m->len + m->segment - 1) / m->segment : 1;
}

static void put_message(struct batch *batch, size_t i, const struct udp_message *m)
{
	struct msghdr *msg = &batch->messages[i].msg_hdr;

	batch->iov[i] = (struct iovec){ (void *)m->data, m->len };
	*msg = (struct msghdr){ .msg_name = &batch->names[i],
				.msg_namelen = sockname_from_addr(&batch->names[i], &m->to),
				.msg_iov = &batch->iov[i],
				.msg_iovlen = 1 };
	udp_control_put(msg, &batch->controls[i], datagrams(m) > 1 ? m->segment : 0, &m->from);
}

static struct outcome send_batch(struct sending *s, size_t n)
{
	int sent;

	do {
		sent = sendmmsg(s->udp->fd, s->batch->messages, (unsigned)n, MSG_DONTWAIT);
		s->udp->sent_calls++;
	} while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return (struct outcome){ .error = errno };
	return (struct outcome){ .sent = (size_t)sent };
}

/* Whether what comes next is to be tried a second time after this outcome. */
static bool try_again(struct sending *s, const struct outcome *o)
{
	s->again = o->error && !s->again;
	return s->again;
}

static bool is_full(int error)
{
	return error == EAGAIN || error == ENOBUFS || error == ENOMEM;
}

/* That datagram of a message, by itself. */
static struct udp_message piece_of(const struct udp_message *m, size_t number)
{
	struct udp_message piece = *m;

	piece.data += number * m->segment;
	piece.len = MIN(m->segment, m->len - number * m->segment);
	return piece;
}

/* Datagrams first to first + n of a message, each by itself. */
static struct outcome send_pieces(struct sending *s, const struct udp_message *m, size_t first,
				  size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct udp_message piece = piece_of(m, first + i);

		put_message(s->batch, i, &piece);
	}
	return send_batch(s, n);
}

/* What the kernel says of an address that is not this host's. */
static bool may_be_source(const struct udp_message *m, int error)
{
	return m->from.family != ADDR_NONE &&
	       (error == EINVAL || error == EADDRNOTAVAIL || error == ENETUNREACH);
}

/* Sends what met that error, m or a piece of it, without m's address, which m loses if
 * that makes a difference. */
static struct outcome send_freely(struct sending *s, struct udp_message *m,
				  struct udp_message piece, int error)
{
	struct outcome o;

	piece.from.family = ADDR_NONE;
	put_message(s->batch, 0, &piece);
	o = send_batch(s, 1);
	if (o.error != error && !is_full(o.error))
		m->from.family = ADDR_NONE;
	return o;
}

/* Sends a message as single datagrams.  Its error is the first one that a
 * datagram met, EMSGSIZE before others. */
static void send_apart(struct sending *s, struct udp_message *m)
{
	size_t first = 0, count = datagrams(m);

	s->again = false;
	while (first < count) {
		struct outcome o = send_pieces(s, m, first, MIN(count - first, OUT_BATCH));

		if (s->again && may_be_source(m, o.error))
			o = send_freely(s, m, piece_of(m, first), o.error);
		first += o.sent;
		if (is_full(o.error)) {
			s->full = o.error;
			s->udp->sent_dropped += count - first;
			m->error = m->error ? m->error : o.error;
			return;
		}
		if (try_again(s, &o) || !o.error)
			continue;
		first++;
		s->udp->sent_dropped++;
		if (!m->error || o.error == EMSGSIZE)
			m->error = o.error;
	}
}

static bool is_refusal(const struct udp_message *m, int error)
{
	return datagrams(m) > 1 && (error == EINVAL || error == EIO || error == EMSGSIZE);
}

static void send_refused(struct sending *s, struct udp_message *m, int error)
{
	s->udp->gso_refused++;
	send_apart(s, m);
	if (error == EMSGSIZE || m->error)
		return;
	s->udp->gso = false;
	s->udp->gso_error = error;
	*s->gso_lost = true;
}

/* Puts up to n messages into the outbox: as many as one call may take whole. */
static size_t fill(struct sending *s, const struct udp_message *m, size_t n)
{
	size_t i;

	for (i = 0; i < MIN(n, OUT_BATCH); i++) {
		if (!s->udp->gso && datagrams(&m[i]) > 1)
			break;
		put_message(s->batch, i, &m[i]);
	}
	return i;
}

/* The number of messages that are done with, one way or the other. */
static size_t send_some(struct sending *s, struct udp_message *m, size_t n)
{
	size_t count = fill(s, m, n);
	struct outcome o;

	if (count == 0) {
		send_apart(s, m);
		return 1;
	}
	o = send_batch(s, count);
	if (s->again && may_be_source(m, o.error))
		o = send_freely(s, m, *m, o.error);
	if (is_full(o.error)) {
		s->full = o.error;
		return 0;
	}
	if (is_refusal(m, o.error) && (s->again || !may_be_source(m, o.error))) {
		send_refused(s, m, o.error);
		return 1;
	}
	if (try_again(s, &o) || !o.error)
		return o.sent;
	m->error = o.error;
	s->udp->sent_dropped += datagrams(m);
	return 1;
}

void udp_send(struct udp *udp, struct udp_message *messages, size_t n, bool *gso_lost)
{
	struct batch batch;
	struct sending s = { .udp = udp, .batch = &batch, .gso_lost = gso_lost };
	size_t done = 0;

	*gso_lost = false;
	for (size_t i = 0; i < n; i++)
		messages[i].error = 0;
	while (done < n && !s.full)
		done += send_some(&s, &messages[done], n - done);
	for (; done < n; done++) {
		messages[done].error = s.full;
		udp->sent_dropped += datagrams(&messages[done]);
	}
}

unsigned udp_route_mtu(const struct addr *to)
{
	unsigned mtu;

	return netlink_route_mtu(to, &mtu) == 0 ? mtu : 0;
}

bool udp_route_source(const struct addr *to, struct addr *source)
{
	union sockname name;
	socklen_t len = sockname_from_addr(&name, to);
	int fd = socket(name.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool known = fd >= 0 && connect(fd, &name.any, len) == 0;

	len = sizeof(name);
	known = known && getsockname(fd, &name.any, &len) == 0;
	if (known) {
		*source = sockname_to_addr(&name);
		source->port = 0;
	}
	if (fd >= 0)
		close(fd);
	return known;
}
