/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * Two sockets of the test's own: what is sent and how it must come out is known
 * byte for byte.  A plain datagram goes first; when not even that arrives nothing
 * is said about offloads.  Then a batch with UDP_SEGMENT is received singly, then
 * one with UDP_GRO, so that each of the two is seen by itself.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "host/offload.h"

#define SEGMENT 500
#define PAYLOAD (3 * SEGMENT + 100) /* the last segment is a short one */
#define WAIT_MS 30		    /* for what should be there at once */
#define TRIES 2

/* Two sockets on loopback, each the other's only partner. */
struct wire {
	int from, to;
	uint8_t sent[PAYLOAD];
};

static int bound(int family, struct sockaddr_storage *name, socklen_t *len)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	bool v6 = family == AF_INET6;
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	*len = sizeof(*name);
	if (fd < 0)
		return -errno;
	if (bind(fd, v6 ? (void *)&in6 : (void *)&in, v6 ? sizeof(in6) : sizeof(in)) == 0 &&
	    getsockname(fd, (struct sockaddr *)name, len) == 0)
		return fd;
	close(fd);
	return -EADDRNOTAVAIL;
}

static void wire_close(struct wire *w)
{
	if (w->from >= 0)
		close(w->from);
	if (w->to >= 0)
		close(w->to);
}

static int wire_open(struct wire *w, int family)
{
	struct sockaddr_storage from, to;
	socklen_t from_len, to_len;

	w->from = bound(family, &from, &from_len);
	w->to = bound(family, &to, &to_len);
	for (size_t i = 0; i < PAYLOAD; i++)
		w->sent[i] = (uint8_t)(i / SEGMENT * 7 + i);
	if (w->from >= 0 && w->to >= 0 && connect(w->from, (struct sockaddr *)&to, to_len) == 0 &&
	    connect(w->to, (struct sockaddr *)&from, from_len) == 0)
		return 0;
	wire_close(w);
	return -ENETUNREACH;
}

static int send_one(struct wire *w, size_t offset, size_t len, bool batch)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(uint16_t))];
	} control = { 0 };
	struct iovec iov = { w->sent + offset, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	uint16_t segment = SEGMENT;
	struct cmsghdr *c;

	if (batch) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = IPPROTO_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(segment));
		memcpy(CMSG_DATA(c), &segment, sizeof(segment));
	}
	return sendmsg(w->from, &msg, 0) < 0 ? errno : 0;
}

/* The first len bytes as datagrams of SEGMENT bytes: 0 or an error. */
static int wire_send(struct wire *w, size_t len, bool apart)
{
	int error = 0;

	if (!apart)
		return send_one(w, 0, len, len > SEGMENT);
	for (size_t offset = 0; offset < len && !error; offset += SEGMENT)
		error = send_one(w, offset, MIN((size_t)SEGMENT, len - offset), false);
	return error;
}

/* The segment size that UDP_GRO tells of a message, or its length. */
static size_t segment_of(struct msghdr *msg, size_t len)
{
	int segment;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&segment, CMSG_DATA(c), sizeof(segment));
			return (size_t)segment;
		}
	}
	return len;
}

/* Whether len bytes in datagrams of that size are what was sent from offset on,
 * of total bytes. */
static bool is_right(const struct wire *w, const uint8_t *data, size_t len, size_t segment,
		     size_t offset, size_t total)
{
	if (offset % SEGMENT || len > total - offset || memcmp(data, w->sent + offset, len) != 0)
		return false;
	if (len <= SEGMENT)
		return len == MIN((size_t)SEGMENT, total - offset) && segment == len;
	return segment == SEGMENT && (len % SEGMENT == 0 || offset + len == total);
}

/* Whether all of the first len bytes come out, as they were sent: 0 or an error. */
static int wire_receive(struct wire *w, size_t len)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct pollfd ready = { .fd = w->to, .events = POLLIN };
	uint8_t got[PAYLOAD + 1];
	size_t offset = 0;

	while (offset < len) {
		struct iovec iov = { got, sizeof(got) };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = &control,
				      .msg_controllen = sizeof(control) };
		ssize_t n = poll(&ready, 1, WAIT_MS) > 0 ? recvmsg(w->to, &msg, 0) : 0;

		if (n <= 0)
			return ETIMEDOUT;
		if (!is_right(w, got, (size_t)n, segment_of(&msg, (size_t)n), offset, len))
			return EBADMSG;
		offset += (size_t)n;
	}
	return 0;
}

static void wire_drain(struct wire *w)
{
	uint8_t byte;

	while (recv(w->to, &byte, sizeof(byte), 0) >= 0)
		continue;
}

/* Sends the first len bytes and looks at what arrives: 0 or an error. */
static int pass(struct wire *w, size_t len, bool apart)
{
	int error = ETIMEDOUT;

	for (unsigned i = 0; i < TRIES && error == ETIMEDOUT; i++) {
		wire_drain(w);
		error = wire_send(w, len, apart);
		if (!error)
			error = wire_receive(w, len);
	}
	return error;
}

/* What says nothing about an offload: memory is short, a buffer full. */
static int verdict(int error)
{
	return error == EAGAIN || error == ENOBUFS || error == ENOMEM ? 0 : error;
}

static int test_gro(struct wire *w, bool apart)
{
	int on = 1;

	if (setsockopt(w->to, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) < 0)
		return errno;
	return pass(w, PAYLOAD, apart);
}

int offload_test_udp(int family, struct offload_udp *out)
{
	struct wire w;
	int error = wire_open(&w, family);

	*out = (struct offload_udp){ 0 };
	if (error)
		return error;
	error = -pass(&w, SEGMENT, false);
	if (!error) {
		out->gso = verdict(pass(&w, PAYLOAD, false));
		out->gro = verdict(test_gro(&w, out->gso != 0));
	}
	wire_close(&w);
	return error;
}
