/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  What is to be sent lies in the backlog, with lengths, as the far
 * end will read it; each write makes a record as long as TLS has.  A write that stops
 * half way asks the loop for LOOP_WRITE, and until that comes nothing else is tried.
 *
 * A turn reads a bounded number of bytes into the inbox, behind the piece of a packet
 * that the last turn left over, and hands the packets out where they lie.  A new piece
 * at the end is kept by the stream.  tls_allow sees to it that nothing whole stays behind
 * in the library, where epoll would not see it.
 *
 * An idle stream has no buffer: stream_tick frees what is empty.
 *
 * The kernel keeps little that it has not sent (TCP_NOTSENT_LOWAT): what waits is to wait
 * here, where it is dropped when it gets too much.  Dead lines with bytes under way are
 * ended by TCP_USER_TIMEOUT, idle ones by keepalives.
 *
 * Events may close streams and send on them, so a stream that this room has in hand
 * (`busy`) is freed by the one who puts it down last.  What fails in stream_flush is not
 * told there: the socket is shut down, and the loop finds that.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "sockname.h"
#include "stream_parts.h"

#define TURN_BYTES ((size_t)256 * 1024) /* that a stream may read before others have their turn */
#define UNSENT_BYTES (128 * 1024)

_Static_assert(STREAM_PACKET_MAX <= UINT16_MAX, "the length is a u16");

/* ---- beginning and end ------------------------------------------------- */

static void set_int(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof(value));
}

void stream_set_options(int fd)
{
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES);
	set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, STREAM_PATIENCE / 1000);
	set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60);
	set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
	set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

static void set_events(struct stream *stream, uint32_t events)
{
	if (stream->source.events == events)
		return;
	stream->source.events = events;
	loop_change(stream->loop, &stream->source);
}

static void stream_ready(struct loop_source *source, uint32_t events, struct instant now);

static void dispose(struct stream *stream)
{
	if (!stream->server)
		free(stream->inbox);
	tls_session_free(stream->tls);
	stream_bytes_free(&stream->backlog);
	stream_bytes_free(&stream->partial);
	free(stream);
}

struct stream *stream_new(struct loop *loop, struct tls *tls, int fd, const char *name,
			  const struct stream_events *events, enum stream_state state)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		goto no_memory;
	stream->source = (struct loop_source){ .fd = fd, .ready = stream_ready };
	stream->source.events = state == STREAM_CONNECTING ? LOOP_WRITE : LOOP_READ;
	stream->loop = loop;
	stream->events = *events;
	stream->state = state;
	stream->since = loop->now;
	stream->stuck = INSTANT_NEVER;
	list_init(&stream->same_host);
	list_init(&stream->shaking);
	stream->tls = tls_session_new(tls, fd, name);
	if (stream->tls && loop_add(loop, &stream->source) == 0)
		return stream;
	dispose(stream);
no_memory:
	close(fd);
	return NULL;
}

static int connect_to(const struct addr *to, int *error)
{
	union sockname name;
	socklen_t len = sockname_from_addr(&name, to);
	int fd = socket(name.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		stream_set_options(fd);
		if (connect(fd, &name.any, len) == 0 || errno == EINPROGRESS)
			return fd;
	}
	*error = -errno;
	if (fd >= 0)
		close(fd);
	return -1;
}

struct stream *stream_connect(struct loop *loop, struct tls *tls, const struct addr *to,
			      const char *name, uint32_t number, const struct stream_events *events,
			      struct instant now, int *error)
{
	struct stream_inbox *inbox = malloc(sizeof(*inbox));
	struct stream *stream = NULL;
	int fd;

	*error = -ENOMEM;
	fd = inbox ? connect_to(to, error) : -1;
	if (fd >= 0)
		stream = stream_new(loop, tls, fd, name, events, STREAM_CONNECTING);
	if (!stream) {
		free(inbox);
		return NULL;
	}
	stream->inbox = inbox;
	stream->number = number;
	stream->far = *to;
	stream->since = now;
	*error = 0;
	return stream;
}

static void pick_up(struct stream *stream)
{
	stream->busy++;
}

static void put_down(struct stream *stream)
{
	if (--stream->busy == 0 && stream->state == STREAM_OVER)
		dispose(stream);
}

static void shut(struct stream *stream)
{
	stream->state = STREAM_OVER;
	loop_remove(stream->loop, &stream->source);
	tls_close(stream->tls);
	close(stream->source.fd);
	if (stream->server)
		stream_server_over(stream->server, stream);
}

/* For who has it in hand. */
static void finish(struct stream *stream, const char *why)
{
	if (stream->state == STREAM_OVER)
		return;
	shut(stream);
	stream->events.closed(stream->events.ctx, stream, why);
}

void stream_end(struct stream *stream, const char *why)
{
	pick_up(stream);
	finish(stream, why);
	put_down(stream);
}

void stream_close(struct stream *stream)
{
	if (!stream || stream->state == STREAM_OVER)
		return;
	pick_up(stream);
	shut(stream);
	put_down(stream);
}

/* ---- reading ----------------------------------------------------------- */

/* What begins a packet and does not end it waits for the next turn. */
static bool keep(struct stream *stream, const uint8_t *data, size_t len)
{
	struct stream_bytes *partial = &stream->partial;
	uint8_t *at;

	partial->first = partial->used = 0;
	if (len == 0)
		return true;
	at = stream_bytes_room(partial, len, STREAM_PREFIX + STREAM_PACKET_MAX);
	if (!at)
		return false;
	memcpy(at, data, len);
	partial->used = len;
	return true;
}

/* The length of the packet that begins here, 0 when it is not all there, or a length that
 * none has: too_long. */
static const size_t too_long = SIZE_MAX;

static size_t packet_at(const uint8_t *data, size_t len)
{
	size_t n;

	if (len < STREAM_PREFIX)
		return 0;
	n = be16_get(data);
	if (n == 0 || n > STREAM_PACKET_MAX)
		return too_long;
	return len - STREAM_PREFIX < n ? 0 : n;
}

static void deliver(struct stream *stream, uint8_t *data, size_t len, struct instant now)
{
	const struct stream_events *events = &stream->events;
	uint64_t before = stream->received.packets;
	size_t n;

	while (stream->state == STREAM_READY && (n = packet_at(data, len)) && n != too_long) {
		stream->received.packets++;
		stream->received.bytes += n;
		events->packet(events->ctx, stream, data + STREAM_PREFIX, n, now);
		data += STREAM_PREFIX + n;
		len -= STREAM_PREFIX + n;
	}
	if (stream->received.packets != before)
		stream->heard = now;
	if (stream->state == STREAM_READY && stream->received.packets != before)
		events->end(events->ctx, stream, now);
	if (stream->state != STREAM_READY)
		return;
	if (packet_at(data, len) == too_long)
		finish(stream, "a packet's length is out of range");
	else if (!keep(stream, data, len))
		finish(stream, strerrordesc_np(ENOMEM));
}

/* Fills the inbox, as far as there is something. */
static enum tls_result fill(struct stream *stream, size_t *used)
{
	struct stream_inbox *inbox = stream->inbox;
	const struct stream_bytes *partial = &stream->partial;
	enum tls_result result;
	size_t n;

	if (partial->used)
		memcpy(inbox->bytes, partial->at + partial->first, partial->used);
	*used = partial->used;
	do {
		result = tls_read(stream->tls, inbox->bytes + *used, sizeof(inbox->bytes) - *used,
				  &n);
		if (result == TLS_DONE)
			*used += n;
	} while (result == TLS_DONE && *used < sizeof(inbox->bytes));
	return result;
}

static void take(struct stream *stream, struct instant now)
{
	enum tls_result result;
	size_t used;

	tls_allow(stream->tls, TURN_BYTES);
	do {
		result = fill(stream, &used);
		deliver(stream, stream->inbox->bytes, used, now);
	} while (result == TLS_DONE && stream->state == STREAM_READY);
	if (result == TLS_ENDED)
		finish(stream, "the far end closed it");
	else if (result == TLS_FAILED)
		finish(stream, tls_session_error(stream->tls));
}

/* ---- writing ----------------------------------------------------------- */

static bool is_blocked(const struct stream *stream)
{
	return stream->source.events & LOOP_WRITE;
}

static void push(struct stream *stream)
{
	struct stream_bytes *backlog = &stream->backlog;
	enum tls_result result = TLS_DONE;
	size_t n;

	while (backlog->used && result == TLS_DONE) {
		result = tls_write(stream->tls, backlog->at + backlog->first, backlog->used, &n);
		if (result == TLS_DONE) {
			stream_bytes_take(backlog, n);
			stream->stuck = INSTANT_NEVER;
		}
	}
	if (result == TLS_FAILED || result == TLS_ENDED)
		shutdown(stream->source.fd, SHUT_RDWR);
	set_events(stream, LOOP_READ | (backlog->used ? LOOP_WRITE : 0));
}

void stream_flush(struct stream *stream)
{
	if (stream->state == STREAM_READY && stream->backlog.used && !is_blocked(stream))
		push(stream);
}

static uint8_t *packet_room(struct stream *stream, size_t n)
{
	uint8_t *at;

	if (stream->state == STREAM_OVER || n > STREAM_PACKET_MAX)
		return NULL;
	at = stream_bytes_room(&stream->backlog, STREAM_PREFIX + n, STREAM_BACKLOG);
	if (at)
		return at;
	stream_flush(stream);
	return stream_bytes_room(&stream->backlog, STREAM_PREFIX + n, STREAM_BACKLOG);
}

void stream_send(struct stream *stream, const uint8_t *data, size_t len, size_t segment)
{
	while (len && segment) {
		size_t n = MIN(len, segment);
		uint8_t *at = packet_room(stream, n);

		if (at) {
			be16_put(at, (uint16_t)n);
			memcpy(at + STREAM_PREFIX, data, n);
			stream->backlog.used += STREAM_PREFIX + n;
			stream->sent.packets++;
			stream->sent.bytes += n;
		} else {
			stream->dropped++;
		}
		data += n;
		len -= n;
	}
}

/* ---- what the loop and the clock tell ---------------------------------- */

static void finish_connecting(struct stream *stream)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(stream->source.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error)
		finish(stream, strerrordesc_np(error));
	else
		stream->state = STREAM_SHAKING;
}

/* True when that made it ready. */
static bool shake(struct stream *stream, struct instant now)
{
	tls_allow(stream->tls, TURN_BYTES);
	switch (tls_handshake(stream->tls)) {
	case TLS_DONE:
		set_events(stream, LOOP_READ);
		stream->state = STREAM_READY;
		stream->ready = true;
		stream->near = sockname_of(stream->source.fd);
		stream->since = now;
		if (stream->server)
			stream_server_ready(stream->server, stream);
		stream->events.ready(stream->events.ctx, stream, now);
		return true;
	case TLS_WANT_READ:
		set_events(stream, LOOP_READ);
		break;
	case TLS_WANT_WRITE:
		set_events(stream, LOOP_WRITE);
		break;
	case TLS_ENDED:
		finish(stream, "the far end closed it");
		break;
	case TLS_FAILED:
		finish(stream, tls_session_error(stream->tls));
		break;
	}
	return false;
}

static void stream_ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct stream *stream = container_of(source, struct stream, source);

	pick_up(stream);
	if (stream->state == STREAM_CONNECTING)
		finish_connecting(stream);
	if (stream->state == STREAM_SHAKING && shake(stream, now))
		events |= LOOP_READ; /* the library may hold what came with the handshake */
	if (stream->state == STREAM_READY && events & (LOOP_READ | LOOP_ERROR))
		take(stream, now);
	if (stream->state == STREAM_READY && (events & LOOP_WRITE || !is_blocked(stream)))
		push(stream);
	put_down(stream);
}

void stream_tick(struct stream *stream, struct instant now)
{
	bool late = instant_between(stream->since, now) >= STREAM_PATIENCE;

	pick_up(stream);
	if (stream->state == STREAM_CONNECTING && late)
		finish(stream, "no connection in time");
	if (stream->state == STREAM_SHAKING && late)
		finish(stream, "no handshake in time");
	stream_flush(stream);
	if (stream->partial.used == 0)
		stream_bytes_free(&stream->partial);
	if (stream->backlog.used == 0)
		stream_bytes_free(&stream->backlog);
	else if (stream->stuck.us == INSTANT_NEVER.us)
		stream->stuck = now;
	else if (instant_between(stream->stuck, now) >= STREAM_PATIENCE)
		finish(stream, "the far end takes nothing");
	put_down(stream);
}

bool stream_send_now(struct stream *stream, const uint8_t *data, size_t len, size_t segment)
{
	uint64_t before = stream->dropped;

	stream_send(stream, data, len, segment);
	stream_flush(stream);
	return stream->dropped == before;
}

/* ---- questions --------------------------------------------------------- */

struct instant stream_since(const struct stream *stream)
{
	return stream->since;
}

struct instant stream_heard(const struct stream *stream)
{
	return instant_before(stream->heard, stream->since) ? stream->since : stream->heard;
}

void stream_vouch(struct stream *stream)
{
	stream->vouched = true;
}

bool stream_is_vouched(const struct stream *stream)
{
	return stream->vouched;
}

uint32_t stream_number(const struct stream *stream)
{
	return stream->number;
}

bool stream_is_ready(const struct stream *stream)
{
	return stream->ready;
}

struct addr stream_far(const struct stream *stream)
{
	return stream->far;
}

struct addr stream_near(const struct stream *stream)
{
	return stream->near;
}

bool stream_far_key(const struct stream *stream, uint8_t out[TLS_KEY])
{
	return tls_session_key(stream->tls, out);
}

struct stream_traffic stream_sent(const struct stream *stream)
{
	return stream->sent;
}

struct stream_traffic stream_received(const struct stream *stream)
{
	return stream->received;
}

uint64_t stream_dropped(const struct stream *stream)
{
	return stream->dropped;
}
