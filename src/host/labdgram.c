/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  The socket is not connected: then strangers are seen, and counted,
 * ICMP ends nothing, and a far end that comes back at its path is found without a word to
 * the kernel.  (A unix socket that is connected loses what it received when it
 * disconnects.)  So each datagram names its far end.
 *
 * Frames to be sent lie in a ring.  A far end that is full leaves them there; one that is
 * not there loses all, or each turn would ask for it as often as there are frames.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "host/labdgram.h"
#include "labdgram_end.h"

#define BUFFER_BYTES (4 << 20)
#define ETHERNET_LEN 14

struct inbox {
	struct mmsghdr messages[LABDGRAM_BATCH];
	struct iovec iov[LABDGRAM_BATCH];
	union labend_name names[LABDGRAM_BATCH];
	uint8_t slots[LABDGRAM_BATCH][LABDGRAM_HEADROOM + LABDGRAM_FRAME];
};

struct outbox {
	struct mmsghdr messages[LABDGRAM_BATCH];
	struct iovec frames[LABDGRAM_QUEUE];
	unsigned first;
	uint8_t slots[LABDGRAM_QUEUE][LABDGRAM_FRAME];
};

struct labdgram_memory {
	struct inbox in;
	struct outbox out;
	union labend_name remote;
	socklen_t remote_len;
	struct labend_file file;
};

/* ---- opening ----------------------------------------------------------- */

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

static void set_buffer(int fd, int forced, int plain)
{
	if (set_int(fd, SOL_SOCKET, forced, BUFFER_BYTES) < 0)
		set_int(fd, SOL_SOCKET, plain, BUFFER_BYTES);
}

/* A frame may be larger than the path's packets: then IP cuts it. */
static void set_options(int fd, int family, bool to_ipv4)
{
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
	if (family == AF_UNIX)
		return;
	set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	if (family != AF_INET6)
		return;
	set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, !to_ipv4);
	set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
}

static int learn_port(struct labdgram *port)
{
	union labend_name name;
	socklen_t len = sizeof(name);

	if (labend_is_path(&port->local))
		return 0;
	if (getsockname(port->fd, &name.any, &len) < 0)
		return -errno;
	port->local.addr.port = labend_addr(&name).port;
	return 0;
}

static int open_socket(struct labdgram *port)
{
	struct labdgram_memory *m = port->memory;
	int family = labend_family(&port->local, &port->remote), error;

	if (family < 0)
		return family;
	port->fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (port->fd < 0)
		return -errno;
	set_options(port->fd, family, port->remote.addr.family == ADDR_IPV4);
	m->remote_len = labend_name(&m->remote, &port->remote, family);
	error = labend_bind(port->fd, &port->local, family, &m->file);
	return error ? error : learn_port(port);
}

static void inbox_reset(struct inbox *in, int i)
{
	in->messages[i].msg_hdr.msg_namelen = sizeof(in->names[i]);
}

static struct labdgram_memory *memory_new(void)
{
	struct labdgram_memory *m = calloc(1, sizeof(*m));

	for (int i = 0; m && i < LABDGRAM_BATCH; i++) {
		struct inbox *in = &m->in;

		in->iov[i] = (struct iovec){ in->slots[i] + LABDGRAM_HEADROOM, LABDGRAM_FRAME };
		in->messages[i].msg_hdr = (struct msghdr){ .msg_name = &in->names[i],
							   .msg_iov = &in->iov[i],
							   .msg_iovlen = 1 };
		inbox_reset(in, i);
	}
	return m;
}

int labdgram_open(struct labdgram *port, const struct labend *local, const struct labend *remote)
{
	int error;

	*port = (struct labdgram){ .fd = -1, .local = *local, .remote = *remote };
	if (labend_is_none(local) || labend_is_none(remote))
		return -EINVAL;
	port->memory = memory_new();
	if (!port->memory)
		return -ENOMEM;
	error = open_socket(port);
	if (error)
		labdgram_close(port);
	return error;
}

void labdgram_close(struct labdgram *port)
{
	if (port->memory)
		labend_remove(&port->local, &port->memory->file);
	if (port->fd >= 0)
		close(port->fd);
	free(port->memory);
	port->memory = NULL;
	port->queued = 0;
	port->fd = -1;
}

/* ---- reading ----------------------------------------------------------- */

static bool is_ours(struct labdgram *port, int i)
{
	const struct mmsghdr *m = &port->memory->in.messages[i];

	if (!labend_is_name(&port->remote, &port->memory->in.names[i], m->msg_hdr.msg_namelen)) {
		port->strangers++;
		return false;
	}
	if (m->msg_hdr.msg_flags & MSG_TRUNC || m->msg_len < ETHERNET_LEN) {
		port->garbled++;
		return false;
	}
	return true;
}

int labdgram_read(struct labdgram *port, struct iovec frames[LABDGRAM_BATCH], size_t headroom)
{
	struct inbox *in = &port->memory->in;
	int n, taken = 0;

	if (headroom > LABDGRAM_HEADROOM)
		return -EINVAL;
	n = recvmmsg(port->fd, in->messages, LABDGRAM_BATCH, MSG_DONTWAIT, NULL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR || errno == ECONNREFUSED ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		if (is_ours(port, i))
			frames[taken++] =
				(struct iovec){ in->iov[i].iov_base, in->messages[i].msg_len };
		inbox_reset(in, i);
	}
	return taken;
}

/* ---- writing ----------------------------------------------------------- */

static size_t length_of(const struct iovec *iov, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (iov[i].iov_len > LABDGRAM_FRAME - len)
			return SIZE_MAX;
		len += iov[i].iov_len;
	}
	return len;
}

int labdgram_write(struct labdgram *port, const struct iovec *iov, size_t n)
{
	struct outbox *out = &port->memory->out;
	unsigned at;
	uint8_t *to;

	if (length_of(iov, n) == SIZE_MAX)
		return -EMSGSIZE;
	if (port->queued == LABDGRAM_QUEUE)
		labdgram_flush(port);
	if (port->queued == LABDGRAM_QUEUE) {
		port->refused++;
		return -EAGAIN;
	}
	at = (out->first + port->queued++) % LABDGRAM_QUEUE;
	to = out->slots[at];
	for (size_t i = 0; i < n; to += iov[i++].iov_len) {
		if (iov[i].iov_len)
			memcpy(to, iov[i].iov_base, iov[i].iov_len);
	}
	out->frames[at] = (struct iovec){ out->slots[at], (size_t)(to - out->slots[at]) };
	return 0;
}

static void forget(struct labdgram *port, unsigned n)
{
	struct outbox *out = &port->memory->out;

	out->first = (out->first + n) % LABDGRAM_QUEUE;
	port->queued -= n;
}

static void lose(struct labdgram *port, unsigned n)
{
	port->refused += n;
	forget(port, n);
}

/* How many went, or -errno why the first one did not. */
static int send_batch(struct labdgram *port)
{
	struct labdgram_memory *m = port->memory;
	unsigned n;
	int sent;

	for (n = 0; n < LABDGRAM_BATCH && n < port->queued; n++) {
		struct iovec *frame = &m->out.frames[(m->out.first + n) % LABDGRAM_QUEUE];

		m->out.messages[n].msg_hdr = (struct msghdr){ .msg_name = &m->remote,
							      .msg_namelen = m->remote_len,
							      .msg_iov = frame,
							      .msg_iovlen = 1 };
	}
	do {
		sent = sendmmsg(port->fd, m->out.messages, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

static bool is_nobody(int error)
{
	return error == -ENOENT || error == -ECONNREFUSED || error == -ENOTDIR;
}

int labdgram_flush(struct labdgram *port)
{
	int error = 0;

	while (port->queued) {
		int n = send_batch(port);

		if (n == -EAGAIN)
			return n;
		if (n >= 0) {
			forget(port, (unsigned)n);
			continue;
		}
		error = n;
		lose(port, is_nobody(n) ? port->queued : 1);
	}
	return error;
}
