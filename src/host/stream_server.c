/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  A stream's number says where it stands: in slots, at the number
 * modulo their count, of which there are at least two for each stream; a number whose
 * slot is taken is passed over.  Streams of one host are in one bucket of `hosts`, so
 * that a newcomer's are counted without a look at all of them.
 *
 * Who connects is accepted in any case and closed at once if it is not to be: with a
 * reset, which costs no state.  Handshakes under way are few; when they are all taken, the
 * oldest makes way, so who connects and says nothing keeps nobody out.  When no
 * descriptor is left the listener is not asked until a stream is over, or the next tick.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/rand.h"
#include "sockname.h"
#include "stream_parts.h"

#define QUEUE 256	 /* that the kernel keeps for us */
#define ACCEPTS 16	 /* in one turn */
#define RATE_BUCKETS 256 /* hosts that share one are taken for the same */

struct stream_server {
	struct loop_source listener;
	struct loop *loop;
	struct tls *tls;
	struct stream_events events;
	struct stream_inbox *inbox;
	struct addr local;
	unsigned max;
	unsigned n_shaking;
	struct list shaking;
	struct stream **slots;
	size_t n_slots; /* a power of two */
	struct list *hosts;
	size_t n_hosts; /* a power of two */
	uint64_t seed;
	uint32_t last_number;

	/* Accepted in the second that began at `second`. */
	struct instant second;
	unsigned in_second;
	uint8_t of_host[RATE_BUCKETS];

	struct stream_server_counts counts;
};

_Static_assert(STREAM_RATE_PER_HOST <= UINT8_MAX, "of_host counts in bytes");

static void set_listening(struct stream_server *server, bool on)
{
	uint32_t events = on ? LOOP_READ : 0;

	if (server->listener.events == events)
		return;
	server->listener.events = events;
	loop_change(server->loop, &server->listener);
}

/* ---- who may ----------------------------------------------------------- */

static struct list *bucket_of(struct stream_server *server, const struct addr *host)
{
	return &server->hosts[addr_hash(host, server->seed) & (server->n_hosts - 1)];
}

static bool has_room(struct stream_server *server, const struct addr *host)
{
	struct list *bucket = bucket_of(server, host);
	unsigned n = 0, shaking = 0;

	if (server->counts.open >= server->max)
		return false;
	list_for_each(at, bucket) {
		struct stream *other = container_of(at, struct stream, same_host);

		if (addr_equal(&other->host, host)) {
			n++;
			shaking += !other->ready;
		}
	}
	return n < STREAM_PER_HOST && shaking < STREAM_HANDSHAKES_PER_HOST;
}

static bool in_time(struct stream_server *server, const struct addr *host, struct instant now)
{
	uint8_t *of_host = &server->of_host[addr_hash(host, ~server->seed) % RATE_BUCKETS];

	if (instant_between(server->second, now) >= SECONDS(1)) {
		server->second = now;
		server->in_second = 0;
		memset(server->of_host, 0, sizeof(server->of_host));
	}
	if (server->in_second >= STREAM_RATE || *of_host >= STREAM_RATE_PER_HOST)
		return false;
	server->in_second++;
	++*of_host;
	return true;
}

/* ---- connections ------------------------------------------------------- */

static uint32_t next_number(struct stream_server *server)
{
	do {
		server->last_number++;
	} while (server->last_number == 0 ||
		 server->slots[server->last_number & (server->n_slots - 1)]);
	return server->last_number;
}

static bool take(struct stream_server *server, int fd, const struct addr *far, struct instant now)
{
	struct stream *stream =
		stream_new(server->loop, server->tls, fd, NULL, &server->events, STREAM_SHAKING);

	if (!stream)
		return false;
	stream->server = server;
	stream->inbox = server->inbox;
	stream->since = now;
	stream->far = *far;
	stream->host = addr_group(far);
	stream->number = next_number(server);
	server->slots[stream->number & (server->n_slots - 1)] = stream;
	list_append(bucket_of(server, &stream->host), &stream->same_host);
	list_append(&server->shaking, &stream->shaking);
	server->n_shaking++;
	server->counts.open++;
	server->counts.accepted++;
	return true;
}

static void make_way(struct stream_server *server)
{
	if (server->n_shaking >= STREAM_HANDSHAKES)
		stream_end(container_of(server->shaking.next, struct stream, shaking),
			   "its handshake made way for others");
}

static void refuse(struct stream_server *server, int fd)
{
	struct linger reset = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	server->counts.refused++;
}

/* False when nobody waits. */
static bool accept_one(struct stream_server *server, struct instant now)
{
	union sockname name;
	socklen_t len = sizeof(name);
	int fd = accept4(server->listener.fd, &name.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct addr far, host;

	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
		server->counts.refused++;
		set_listening(server, false);
	}
	if (fd < 0)
		return errno == ECONNABORTED || errno == EINTR;
	far = sockname_to_addr(&name);
	host = addr_group(&far);
	if (!in_time(server, &host, now) || !has_room(server, &host)) {
		refuse(server, fd);
		return true;
	}
	stream_set_options(fd);
	make_way(server);
	if (!take(server, fd, &far, now))
		server->counts.refused++;
	return true;
}

static void listener_ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct stream_server *server = container_of(source, struct stream_server, listener);

	(void)events;
	for (int i = 0; i < ACCEPTS && accept_one(server, now); i++)
		;
}

static void forget_handshake(struct stream_server *server, struct stream *stream)
{
	list_remove(&stream->shaking);
	server->n_shaking--;
}

void stream_server_ready(struct stream_server *server, struct stream *stream)
{
	forget_handshake(server, stream);
}

void stream_server_over(struct stream_server *server, struct stream *stream)
{
	if (!stream->ready) {
		forget_handshake(server, stream);
		server->counts.failed++;
	}
	list_remove(&stream->same_host);
	server->slots[stream->number & (server->n_slots - 1)] = NULL;
	server->counts.open--;
	set_listening(server, true);
}

/* ---- the server -------------------------------------------------------- */

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

static int listen_at(const struct addr *at, struct addr *local)
{
	union sockname name;
	socklen_t len = sockname_from_addr(&name, at);
	int fd = socket(name.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error;

	if (fd < 0)
		return -errno;
	if (set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) == 0 &&
	    (at->family != ADDR_IPV6 || set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) == 0) &&
	    bind(fd, &name.any, len) == 0 && listen(fd, QUEUE) == 0) {
		len = sizeof(name);
		if (getsockname(fd, &name.any, &len) == 0) {
			*local = sockname_to_addr(&name);
			return fd;
		}
	}
	error = -errno;
	close(fd);
	return error;
}

static void free_server(struct stream_server *server)
{
	if (server->listener.fd >= 0)
		close(server->listener.fd);
	free(server->inbox);
	free(server->slots);
	free(server->hosts);
	free(server);
}

static bool make_tables(struct stream_server *server)
{
	server->n_hosts = 16;
	while (server->n_hosts < server->max)
		server->n_hosts *= 2;
	server->n_slots = server->n_hosts * 2;
	server->inbox = malloc(sizeof(*server->inbox));
	server->slots = calloc(server->n_slots, sizeof(struct stream *));
	server->hosts = calloc(server->n_hosts, sizeof(*server->hosts));
	if (!server->inbox || !server->slots || !server->hosts)
		return false;
	for (size_t i = 0; i < server->n_hosts; i++)
		list_init(&server->hosts[i]);
	list_init(&server->shaking);
	rand_bytes(&server->seed, sizeof(server->seed));
	return true;
}

static int start(struct stream_server *server, const struct addr *listen)
{
	if (!make_tables(server))
		return -ENOMEM;
	server->listener.fd = listen_at(listen, &server->local);
	if (server->listener.fd < 0)
		return server->listener.fd;
	server->listener.events = LOOP_READ;
	server->listener.ready = listener_ready;
	return loop_add(server->loop, &server->listener);
}

struct stream_server *stream_listen(struct loop *loop, struct tls *tls, const struct addr *listen,
				    unsigned max, const struct stream_events *events, int *error)
{
	struct stream_server *server = calloc(1, sizeof(*server));

	*error = -ENOMEM;
	if (!server)
		return NULL;
	server->loop = loop;
	server->tls = tls;
	server->max = max;
	server->events = *events;
	server->listener.fd = -1;
	*error = start(server, listen);
	if (!*error)
		return server;
	free_server(server);
	return NULL;
}

void stream_server_close(struct stream_server *server)
{
	if (!server)
		return;
	for (size_t i = 0; i < server->n_slots; i++)
		stream_close(server->slots[i]);
	loop_remove(server->loop, &server->listener);
	free_server(server);
}

struct addr stream_server_local(const struct stream_server *server)
{
	return server->local;
}

struct stream *stream_server_find(const struct stream_server *server, uint32_t number)
{
	struct stream *stream = server->slots[number & (server->n_slots - 1)];

	return stream && stream->number == number ? stream : NULL;
}

struct stream *stream_server_next(const struct stream_server *server, size_t *at)
{
	while (*at < server->n_slots) {
		struct stream *stream = server->slots[(*at)++];

		if (stream)
			return stream;
	}
	return NULL;
}

struct stream_server_counts stream_server_counts(const struct stream_server *server)
{
	return server->counts;
}

void stream_server_tick(struct stream_server *server, struct instant now)
{
	struct stream *stream;
	size_t at = 0;

	while ((stream = stream_server_next(server, &at)))
		stream_tick(stream, now);
	set_listening(server, true);
}
