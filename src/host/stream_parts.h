/* SPDX-License-Identifier: MIT */
/* What the stream and its server know of each other. */
#ifndef HOST_STREAM_PARTS_H
#define HOST_STREAM_PARTS_H

#include "base/list.h"
#include "host/stream.h"

#define STREAM_PREFIX 2 /* bytes of a packet's length */

/* What one turn reads, behind the piece of a packet that an earlier turn left. */
struct stream_inbox {
	uint8_t bytes[STREAM_PREFIX + STREAM_PACKET_MAX + 64 * 1024];
};

/*
 *   CONNECTING  the kernel connects                          -> SHAKING, OVER
 *   SHAKING     the handshake is under way                   -> READY, OVER
 *   READY       packets come and go                          -> OVER
 *   OVER        the socket is closed; there is only what the events may still ask
 */
enum stream_state { STREAM_CONNECTING, STREAM_SHAKING, STREAM_READY, STREAM_OVER };

/* Bytes in a row; the memory grows to what it must hold. */
struct stream_bytes {
	uint8_t *at; /* room bytes, of which used ones count, from first on */
	size_t room, first, used;
};

/* Where n bytes more go, if that makes no more than `most`, or NULL; `used` is the
 * caller's to raise. */
uint8_t *stream_bytes_room(struct stream_bytes *b, size_t n, size_t most);
void stream_bytes_take(struct stream_bytes *b, size_t n);
void stream_bytes_free(struct stream_bytes *b);

struct stream {
	struct loop_source source;
	struct loop *loop;
	struct tls_session *tls;
	struct stream_events events;
	struct stream_server *server; /* or NULL */
	struct stream_inbox *inbox;   /* its server's, or its own */
	enum stream_state state;
	bool ready;	      /* it was, at least */
	unsigned busy;	      /* calls of this room that have it in hand: not to be freed */
	struct instant since; /* of the connection, then of the handshake's end */
	struct instant heard; /* of the newest packet */
	bool vouched;
	struct instant stuck; /* nothing left the backlog since; INSTANT_NEVER */
	struct stream_bytes backlog, partial;
	struct stream_traffic sent, received;
	uint64_t dropped;
	struct addr far, near;
	uint32_t number;

	/* A server's. */
	struct list same_host; /* a bucket of the server's hosts */
	struct list shaking;   /* oldest first; alone when the handshake is done */
	struct addr host;      /* addr_group of far */
};

/* For a descriptor that is connected, or is about to be; it is the stream's from now on.
 * NULL, and the descriptor closed, when memory or epoll is short. */
struct stream *stream_new(struct loop *loop, struct tls *tls, int fd, const char *name,
			  const struct stream_events *events, enum stream_state state);

/* Ends it, and tells.  It may be freed then. */
void stream_end(struct stream *stream, const char *why);

/* TCP as we want it; what the kernel refuses is gone without. */
void stream_set_options(int fd);

/* The server's part of these moments. */
void stream_server_ready(struct stream_server *server, struct stream *stream);
void stream_server_over(struct stream_server *server, struct stream *stream);

#endif
