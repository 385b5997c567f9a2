/* SPDX-License-Identifier: MIT */
/*
 * What `lanspan capture` sees: copies of packets at a point, filtered, to whoever asked
 * at the control socket.  While nobody asks, a tap costs the look at a flag
 * (captures_on).  While somebody does, all captures together may spend so much of a
 * core's time and no more; what is beyond that is dropped here, and counted.
 *
 * What the client reads: the answer, a line of JSON, and then records, each a header
 * and the bytes.  Before it closes it may say why it ends, in one word, for the event:
 * stopped, count, files, unread, disk-full or write-failed.
 */
#ifndef APP_CAPTURES_H
#define APP_CAPTURES_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "app/budget.h"
#include "base/addr.h"
#include "core/kex.h"
#include "core/outbox.h"
#include "core/vnet.h"
#include "core/wire.h"
#include "host/ctlsock.h"
#include "host/loop.h"
#include "host/stream.h"

#define CAPTURES_MAX 4 /* at once */
#define CAPTURES_SOURCES 16
#define CAPTURES_PATIENCE SECONDS(600) /* with a reader that takes nothing of what waits */

enum captures_point {
	CAPTURES_WIRE, /* datagrams, with headers made up for them: linktype RAW */
	CAPTURES_PORT, /* frames of a local port */
	CAPTURES_PEER, /* frames of a peer, in the clear */
	CAPTURES_MEMBER, /* those datagrams of a relay that are one member's */
	CAPTURES_POINTS
};

/* Directions, as lanspan sees it: in is from the TAP, from the peer, received. */
#define CAPTURES_IN 1u
#define CAPTURES_OUT 2u

/*
 * Before each packet, in network order: bytes that follow u32, length of the packet u32,
 * microseconds since the epoch u64, direction u8, flags u8, gso_type u8, zero u8,
 * gso_size u16, csum_start u16, csum_offset u16, hdr_len u16 (core/vnet.h).
 */
#define CAPTURES_HEADER 28

struct captures_where {
	enum captures_point point;
	unsigned port;	  /* of CAPTURES_PORT */
	const char *name; /* of the port, peer or member, NULL where there is none */
	const char *network; /* of the member, */
	const uint8_t *key;  /* KEX_KEY bytes */
};

struct capture;

struct captures_source {
	struct addr remote, local;
	struct instant until;
};

struct captures {
	struct loop *loop;
	void (*changed)(void *ctx); /* the flags did, by a reader that went; or NULL */
	void *ctx;
	/* Where a member of a relay is now; NULL at a site. */
	bool (*member_at)(void *ctx, const char *network, const uint8_t key[KEX_KEY],
			  struct addr *out);
	atomic_uint on[CAPTURES_POINTS];
	pthread_mutex_t lock; /* around all below, in the loop's and other threads */
	struct capture *list[CAPTURES_MAX];
	uint64_t made;
	struct budget budget;
	struct captures_source sources[CAPTURES_SOURCES];
};

void captures_init(struct captures *c, struct loop *loop, void (*changed)(void *ctx), void *ctx);

/* Ends all.  Nothing may be captured meanwhile. */
void captures_free(struct captures *c);

/* Ends those of a port that goes, before another may have its number. */
void captures_end_port(struct captures *c, unsigned port);

/* Ends those whose reader stalls; about once a second. */
void captures_tick(struct captures *c, struct instant now);

/* The flag, which the taps below are called for; CAPTURES_MEMBER's is CAPTURES_WIRE's. */
static inline bool captures_on(const struct captures *c, enum captures_point point)
{
	return __builtin_expect(atomic_load_explicit(&c->on[point], memory_order_relaxed) != 0, 0);
}

/*
 * Begins one, inside the control socket's handler: request has "program" and "filter",
 * "snap" and "direction".  A refusal; or NULL, then the client was taken and has its
 * answer.
 */
json_t *captures_begin(struct captures *c, struct ctlsock *socket, json_t *request,
		       const struct captures_where *where);

/* "captures" of a report. */
json_t *captures_report(struct captures *c);

/* --- taps, from any thread; a frame lies in n pieces --- */

void captures_port(struct captures *c, unsigned port, unsigned direction, const struct vnet *vnet,
		   const struct iovec *iov, unsigned n, struct instant now);
void captures_peer(struct captures *c, const char *name, unsigned direction,
		   const struct vnet *vnet, const struct iovec *iov, unsigned n,
		   struct instant now);

/* A message of datagrams, each of segment bytes but the last; for CAPTURES_MEMBER too. */
void captures_wire(struct captures *c, const struct addr *local, const struct addr *remote,
		   unsigned direction, const uint8_t *data, size_t len, size_t segment,
		   struct instant now);

/* The same for datagrams that a stream carries: as UDP between the ends of its connection.
 * place: what the core calls its far end. */
void captures_stream(struct captures *c, const struct stream *stream, const struct addr *place,
		     unsigned direction, const uint8_t *data, size_t len, size_t segment,
		     struct instant now);

/* stream_send, and captures_stream of what finds room. */
void captures_stream_send(struct captures *c, struct stream *stream, const struct addr *place,
			  const uint8_t *data, size_t len, size_t segment, struct instant now);

/* A run by a stream, now, and seen by those who look on.  False when one of its datagrams
 * found no room. */
bool captures_stream_run(struct captures *c, struct stream *stream, const struct run *run,
			 struct instant now);

#endif
