/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  There is one connection at most:
 *
 *   state       its socket       `due`               leaves it by
 *   WAITING     none             when to try again   a tick; an accepted connection
 *   CONNECTING  being connected  when to give up     the loop (up, or refused); a tick
 *   UP          connected        never               the loop: read or write fails
 *
 * A port that listens waits without trying; for it `due` is when to look at the listening
 * socket again after descriptors were short.
 *
 * What is read lies in the inbox, and is handed out as whole frames, each copied behind its
 * headroom: so many a turn, however short they are, that others get theirs.  Nothing is read
 * before the rest has gone, in turns that the loop is asked for.  What is written waits in a
 * ring until the end of the turn.  A write that stops half way asks the loop for
 * LOOP_WRITE, and until that comes nothing else is tried; one that fails shuts the socket
 * down, and the loop finds that.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/list.h"
#include "host/labstream.h"
#include "labdgram_end.h"
#include "labstream_inbox.h"
#include "labstream_owner.h"
#include "labstream_ring.h"

#define ETHERNET_LEN 14
#define BACKLOG 8
#define BATCHES 4      /* of a turn of the loop */
#define KEEP_SECONDS 1 /* of quiet, after which the far end is asked */

enum state { WAITING, CONNECTING, UP };

struct labstream {
	struct loop *loop;
	bool listens;
	struct labend local, remote;
	struct labend_file file;
	int family;
	struct labstream_events events;
	struct labstream_counts counts;

	enum state state;
	struct instant since; /* it is UP */
	bool heard;	      /* a frame came since */
	struct instant due;
	struct loop_source listener, source; /* fd -1: none */

	bool more; /* the inbox may have whole frames */
	struct labstream_inbox in;
	struct labstream_ring out;
};

static void set_int(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof(value));
}

static void set_events(struct labstream *s, struct loop_source *source, uint32_t events)
{
	if (source->events == events)
		return;
	source->events = events;
	loop_change(s->loop, source);
}

/* ---- the connection ---------------------------------------------------- */

static void set_options(const struct labstream *s, int fd)
{
	if (s->family == AF_UNIX)
		return;
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, LABSTREAM_PATIENCE / 1000);
	set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_SECONDS);
	set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_SECONDS);
	set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

static void drop(struct labstream *s)
{
	if (s->source.fd >= 0) {
		loop_remove(s->loop, &s->source);
		close(s->source.fd);
	}
	s->source.fd = -1;
	s->more = false;
	s->in.first = s->in.used = s->out.first = s->out.used = 0;
	s->state = WAITING;
}

static void cut(struct labstream *s, struct instant now)
{
	bool was_up = s->state == UP;

	drop(s);
	if (!s->listens)
		s->due = instant_add(now, LABSTREAM_AGAIN);
	if (was_up)
		s->events.linked(s->events.ctx, false, now);
}

static void rise(struct labstream *s, struct instant now)
{
	s->state = UP;
	s->since = now;
	s->heard = false;
	if (!s->listens)
		s->due = INSTANT_NEVER;
	s->counts.connects++;
	set_events(s, &s->source, LOOP_READ);
	s->events.linked(s->events.ctx, true, now);
}

/* ---- reading ----------------------------------------------------------- */

static void hand_out(struct labstream *s, struct iovec *frames, unsigned n, struct instant now)
{
	for (unsigned i = 0; i < n && !s->heard; i++)
		s->heard = frames[i].iov_len >= ETHERNET_LEN;
	s->events.frames(s->events.ctx, frames, n, now);
}

/* A turn's frames of the inbox. */
static void deliver(struct labstream *s, struct instant now)
{
	struct iovec frames[LABSTREAM_BATCH];
	int n = 1;

	for (unsigned i = 0; i < BATCHES && n > 0; i++) {
		n = labstream_inbox_take(&s->in, frames);
		if (n > 0)
			hand_out(s, frames, (unsigned)n, now);
	}
	s->more = n > 0;
	if (s->more)
		loop_again(s->loop, &s->source);
	if (n < 0) {
		s->counts.garbled++;
		cut(s, now);
	}
}

static void take(struct labstream *s, struct instant now)
{
	ssize_t n = s->more ? 1 : labstream_inbox_read(&s->in, s->source.fd);

	if (n > 0)
		deliver(s, now);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		cut(s, now);
}

/* ---- writing ----------------------------------------------------------- */

static void push(struct labstream *s)
{
	ssize_t n = 0;

	while (s->out.used && (n >= 0 || errno == EINTR))
		n = labstream_ring_send(&s->out, s->source.fd);
	if (s->out.used && errno != EAGAIN)
		shutdown(s->source.fd, SHUT_RDWR);
	set_events(s, &s->source, LOOP_READ | (s->out.used ? LOOP_WRITE : 0));
}

void labstream_flush(struct labstream *s)
{
	if (s->state == UP && s->out.used && !(s->source.events & LOOP_WRITE))
		push(s);
}

int labstream_write(struct labstream *s, const struct iovec *iov, size_t n)
{
	uint8_t prefix[LABSTREAM_PREFIX];
	size_t len = 0;

	for (size_t i = 0; i < n && len <= LABSTREAM_FRAME; i++)
		len += MIN(iov[i].iov_len, (size_t)LABSTREAM_FRAME + 1);
	if (len == 0 || len > LABSTREAM_FRAME)
		return -EMSGSIZE;
	if (s->state != UP)
		return -ENETDOWN;
	if (sizeof(s->out.bytes) - s->out.used < LABSTREAM_PREFIX + len)
		labstream_flush(s);
	if (sizeof(s->out.bytes) - s->out.used < LABSTREAM_PREFIX + len) {
		s->counts.full++;
		return -EAGAIN;
	}
	be32_put(prefix, (uint32_t)len);
	labstream_ring_put(&s->out, prefix, sizeof(prefix));
	for (size_t i = 0; i < n; i++)
		labstream_ring_put(&s->out, iov[i].iov_base, iov[i].iov_len);
	return 0;
}

/* ---- connecting -------------------------------------------------------- */

/* A TCP socket that tries a port of the range it draws its own from may meet itself. */
static bool is_own_reflection(const struct labstream *s)
{
	union labend_name here, there;
	socklen_t here_len = sizeof(here), there_len = sizeof(there);
	struct addr a, b;

	if (s->family == AF_UNIX)
		return false;
	if (getsockname(s->source.fd, &here.any, &here_len) < 0 ||
	    getpeername(s->source.fd, &there.any, &there_len) < 0)
		return true;
	a = labend_addr(&here);
	b = labend_addr(&there);
	return addr_equal(&a, &b);
}

static void connected(struct labstream *s, struct instant now)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(s->source.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error ||
	    is_own_reflection(s))
		cut(s, now);
	else
		rise(s, now);
}

static void source_ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct labstream *s = container_of(source, struct labstream, source);

	if (s->state == CONNECTING) {
		connected(s, now);
		return;
	}
	if (events & LOOP_WRITE)
		push(s);
	if (events & (LOOP_READ | LOOP_ERROR))
		take(s, now);
}

static bool watch(struct labstream *s, int fd, uint32_t events)
{
	s->source = (struct loop_source){ .fd = fd, .events = events, .ready = source_ready };
	if (loop_add(s->loop, &s->source) == 0)
		return true;
	close(fd);
	s->source.fd = -1;
	return false;
}

static void try_connect(struct labstream *s, struct instant now)
{
	union labend_name name;
	socklen_t len = labend_name(&name, &s->remote, s->family);
	int fd = socket(s->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	s->due = instant_add(now, LABSTREAM_AGAIN);
	if (fd < 0)
		return;
	set_options(s, fd);
	if (connect(fd, &name.any, len) < 0 && errno != EINPROGRESS) {
		close(fd);
		return;
	}
	if (!watch(s, fd, LOOP_WRITE))
		return;
	s->state = CONNECTING;
	s->due = instant_add(now, LABSTREAM_PATIENCE);
}

/* ---- listening --------------------------------------------------------- */

static bool is_welcome(const struct labstream *s, int fd, const union labend_name *name)
{
	struct addr from;

	if (s->family == AF_UNIX)
		return labstream_owner_is_good(fd, NULL);
	from = labend_addr(name);
	return addr_equal_host(&from, &s->remote.addr) && labstream_owner_is_good(fd, &from);
}

/* A far end that is there answers keepalives; at a unix socket it is there.  One that has never
 * sent a frame has no claim. */
static bool is_dead(const struct labstream *s, struct instant now)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (!s->heard && instant_between(s->since, now) >= LABSTREAM_DEAD)
		return true;
	if (s->family == AF_UNIX ||
	    getsockopt(s->source.fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return false;
	return info.tcpi_last_ack_recv >= LABSTREAM_DEAD / 1000 &&
	       info.tcpi_last_data_recv >= LABSTREAM_DEAD / 1000;
}

static void welcome(struct labstream *s, int fd, const union labend_name *name, struct instant now)
{
	if (!is_welcome(s, fd, name) || (s->state == UP && !is_dead(s, now))) {
		s->counts.strangers++;
		close(fd);
		return;
	}
	if (s->state == UP)
		cut(s, now);
	set_options(s, fd);
	if (watch(s, fd, LOOP_READ))
		rise(s, now);
}

static void listener_ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct labstream *s = container_of(source, struct labstream, listener);
	union labend_name name = { 0 };
	socklen_t len = sizeof(name);
	int fd = accept4(source->fd, &name.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd >= 0) {
		welcome(s, fd, &name, now);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		set_events(s, source, 0);
		s->due = instant_add(now, LABSTREAM_AGAIN);
	}
}

static int start_listening(struct labstream *s)
{
	int fd = socket(s->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error;

	if (fd < 0)
		return -errno;
	s->listener =
		(struct loop_source){ .fd = fd, .events = LOOP_READ, .ready = listener_ready };
	if (s->family != AF_UNIX)
		set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (s->family == AF_INET6)
		set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, s->remote.addr.family == ADDR_IPV6);
	error = labend_bind(fd, &s->local, s->family, &s->file);
	if (error)
		return error;
	if (listen(fd, BACKLOG) < 0)
		return -errno;
	return loop_add(s->loop, &s->listener);
}

/* ---- beginning and end ------------------------------------------------- */

static int start(struct labstream *s, size_t headroom, struct instant now)
{
	s->family = labend_family(s->listens ? &s->local : &s->remote, &s->remote);
	if (s->family < 0)
		return s->family;
	if (labend_is_none(s->listens ? &s->local : &s->remote))
		return -EINVAL;
	if (!labstream_inbox_init(&s->in, headroom))
		return -ENOMEM;
	if (s->listens)
		return start_listening(s);
	try_connect(s, now);
	return 0;
}

struct labstream *labstream_new(struct loop *loop, bool listens, const struct labend *local,
				const struct labend *remote, size_t headroom,
				const struct labstream_events *events, struct instant now,
				int *error)
{
	struct labstream *s = calloc(1, sizeof(*s));

	*error = -ENOMEM;
	if (!s)
		return NULL;
	s->loop = loop;
	s->listens = listens;
	s->local = *local;
	s->remote = *remote;
	s->events = *events;
	s->due = INSTANT_NEVER;
	s->listener.fd = s->source.fd = -1;
	*error = start(s, headroom, now);
	if (!*error)
		return s;
	labstream_free(s);
	return NULL;
}

void labstream_free(struct labstream *s)
{
	if (!s)
		return;
	drop(s);
	labend_remove(&s->local, &s->file);
	if (s->listener.fd >= 0) {
		loop_remove(s->loop, &s->listener);
		close(s->listener.fd);
	}
	labstream_inbox_free(&s->in);
	free(s);
}

void labstream_tick(struct labstream *s, struct instant now)
{
	if (!instant_reached(now, s->due))
		return;
	if (s->listens) {
		s->due = INSTANT_NEVER;
		set_events(s, &s->listener, LOOP_READ);
	} else if (s->state == CONNECTING) {
		cut(s, now);
	} else {
		try_connect(s, now);
	}
}

struct instant labstream_due(const struct labstream *s)
{
	return s->due;
}

bool labstream_up(const struct labstream *s)
{
	return s->state == UP;
}

const struct labstream_counts *labstream_counts(const struct labstream *s)
{
	return &s->counts;
}
