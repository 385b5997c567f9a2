/* SPDX-License-Identifier: MIT */
/*
 * Packets over TLS over TCP, for networks that let no UDP through: each packet is
 * preceded by its length, u16 big endian, at least 1.  A stream is good for what
 * datagrams are good for and no more: what its far end does not take in time is dropped.
 */
#ifndef HOST_STREAM_H
#define HOST_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "host/loop.h"
#include "host/tls.h"

#define STREAM_PACKET_MAX 9300		  /* bytes; a longer one ends the stream */
#define STREAM_BACKLOG ((size_t)256 * 1024) /* bytes that may wait to be sent */
#define STREAM_PATIENCE SECONDS(10)	  /* for the handshake, and for bytes to leave */
#define STREAM_PER_HOST 64		  /* streams that a server takes from one address (/64) ... */
#define STREAM_HANDSHAKES 64		  /* handshakes at once: the oldest makes way ... */
#define STREAM_HANDSHAKES_PER_HOST 16	  /* and of one address */
#define STREAM_RATE 400			  /* connections that a server takes in a second ... */
#define STREAM_RATE_PER_HOST 40		  /* and from one address */

struct stream;

/* Called from the loop and from ticks.  Inside of them any stream may be sent on, flushed
 * and closed, this one too. */
struct stream_events {
	/* The handshake is done. */
	void (*ready)(void *ctx, struct stream *stream, struct instant now);
	/* A packet: its memory may be changed, and stays until `end`. */
	void (*packet)(void *ctx, struct stream *stream, uint8_t *data, size_t len,
		       struct instant now);
	/* The packets so far are all for this time. */
	void (*end)(void *ctx, struct stream *stream, struct instant now);
	/* It is over, in words; it is freed after the call.  Not called by stream_close, but
	 * called if it never was ready: stream_is_ready tells still. */
	void (*closed)(void *ctx, struct stream *stream, const char *why);
	void *ctx;
};

struct stream_traffic {
	uint64_t packets, bytes; /* lengths and TLS not counted */
};

/* Connects, and shakes hands.  name: see tls_session_new.  number: what stream_number says.
 * NULL and *error (-errno) when it cannot even begin. */
struct stream *stream_connect(struct loop *loop, struct tls *tls, const struct addr *to,
			      const char *name, uint32_t number, const struct stream_events *events,
			      struct instant now, int *error);

/* Ends it; none of its events is called any more, and it is not to be used again.  What waits
 * to be sent is lost.  NULL is allowed. */
void stream_close(struct stream *stream);

uint32_t stream_number(const struct stream *stream);
bool stream_is_ready(const struct stream *stream); /* stays so to the end */
struct addr stream_far(const struct stream *stream); /* of the TCP connection */
struct addr stream_near(const struct stream *stream); /* the same; ADDR_NONE until it is ready */
bool stream_far_key(const struct stream *stream, uint8_t out[TLS_KEY]);
/* A note of the caller's: not set at first. */
void stream_vouch(struct stream *stream);
bool stream_is_vouched(const struct stream *stream);

/* Since when it is ready, or tries to be; when its newest packet came, or the same. */
struct instant stream_since(const struct stream *stream);
struct instant stream_heard(const struct stream *stream);
struct stream_traffic stream_sent(const struct stream *stream);
struct stream_traffic stream_received(const struct stream *stream);
uint64_t stream_dropped(const struct stream *stream); /* packets that found no room */

/* len bytes cut into packets of `segment` bytes, the last may be shorter: copied, and sent by
 * stream_flush; what that leaves behind, when the loop finds that there is room.  Nothing
 * goes out before it is ready, and then after that event, so a stream that is closed there
 * says nothing.  What finds no room is dropped, whole packets always. */
void stream_send(struct stream *stream, const uint8_t *data, size_t len, size_t segment);

/* stream_send and stream_flush; false when a packet found no room. */
bool stream_send_now(struct stream *stream, const uint8_t *data, size_t len, size_t segment);

/* Trouble is told by `closed`, from the loop. */
void stream_flush(struct stream *stream);

/* Ends it, with `closed`, when patience is over, and frees the memory of what is idle; to be
 * called about each second. */
void stream_tick(struct stream *stream, struct instant now);

/* ---- a server ---- */

struct stream_server;

/* Takes connections at `listen`, at most max of them; numbers are given from 1 and come
 * again after 2^32.  *error: -errno when NULL (EADDRINUSE, EACCES, ...). */
struct stream_server *stream_listen(struct loop *loop, struct tls *tls, const struct addr *listen,
				    unsigned max, const struct stream_events *events, int *error);

/* Closes its streams too, without `closed`.  Not from inside events.  NULL is allowed. */
void stream_server_close(struct stream_server *server);

/* As bound: the port is known even if 0 was asked. */
struct addr stream_server_local(const struct stream_server *server);

/* NULL when there is none of that number. */
struct stream *stream_server_find(const struct stream_server *server, uint32_t number);

/* Walks the streams: *at begins at 0 and is moved on; NULL at the end. */
struct stream *stream_server_next(const struct stream_server *server, size_t *at);

struct stream_server_counts {
	unsigned open;	    /* now, handshakes under way included */
	uint64_t accepted;
	uint64_t refused;   /* too many, of one host, too often, or no descriptor left */
	uint64_t failed;    /* handshakes */
};
struct stream_server_counts stream_server_counts(const struct stream_server *server);

/* stream_tick for all of them. */
void stream_server_tick(struct stream_server *server, struct instant now);

#endif
