/* SPDX-License-Identifier: MIT */
/*
 * A peer: another site of the network, with its session, path and counters.
 * Made when it is configured, memory and all, and freed when it is removed.
 * A relay of this site is one as well, as far as sessions go: link is then set, and
 * no frame comes from it or goes there.
 */
#ifndef CORE_PEER_H
#define CORE_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/list.h"
#include "core/cookie.h"
#include "core/drop.h"
#include "core/flood.h"
#include "core/identity.h"
#include "core/keys.h"
#include "core/link.h"
#include "core/noise.h"
#include "core/pack.h"
#include "core/paths.h"
#include "core/pmtu.h"
#include "core/timers.h"
#include "core/unpack.h"

#define PEER_ADDRESSES 16
#define PEER_SETTLED SECONDS(1)
#define PEER_DATAGRAM_MAX 9200 /* UDP payload; larger paths are not made use of */

/* A place where the peer may be called, and by which of our sockets (core/sockets.h). */
struct peer_candidate {
	struct addr addr;
	uint8_t socket;
};

struct peer_traffic {
	uint64_t bytes;	 /* of frames */
	uint64_t frames; /* super-frames count one */
	uint64_t datagrams;
};

enum peer_event {
	PEER_UP,	/* a session where there was none */
	PEER_DOWN,	/* no word for too long, or the peer closed */
	PEER_REKEYED,
	PEER_ROAMED,	/* calls from another address */
	PEER_PMTU,	/* another datagram size */
	PEER_REFUSED,	/* its handshake or answer was not authentic */
	PEER_MTU_DIFFERS, /* its bridge has another MTU */
	PEER_PATH,	/* goes on by another path: direct, or through a relay */
	PEER_LISTED,	/* of a relay: its list of members is complete */
	PEER_MARKED,	/* of a relay that is reached by a stream: it told its link's mark */
	PEER_EVENTS	/* how many there are */
};

/* Why a session ended. */
enum peer_end {
	PEER_END_SILENT,   /* no word for too long */
	PEER_END_CLOSED,   /* the peer said goodbye */
	PEER_END_COMMAND,  /* peers_disconnect */
	PEER_END_REMOVED,  /* peers_remove */
	PEER_END_RELAY,	   /* the relay that it was reached through is removed */
	PEER_END_STOPPING, /* peers_goodbye */
};

struct peer;

/* What a peer asks of those who keep it. */
struct peer_owner {
	struct outbox *outbox;
	uint16_t mtu; /* of our bridge */
	const struct instant *clock; /* of the batch or tick being handled */
	struct link *const *link; /* LINKS_MAX relays, NULL where there is none */
	/* A frame came; consumed inside the call. */
	void (*frame)(void *ctx, struct peer *peer, struct frame *frame);
	void (*event)(void *ctx, struct peer *peer, enum peer_event event);
	/* MTU of the interface that leads there, 0 when not known. */
	unsigned (*route_mtu)(void *ctx, const struct addr *to);
	/* Something was packed: pack_close is to be called at the batch's end. */
	void (*pending)(void *ctx, struct peer *peer);
	/* The peer said goodbye. */
	void (*closed)(void *ctx, struct peer *peer);
	/* Its endpoint is another one. */
	void (*moved)(void *ctx, struct peer *peer);
	/* A CONTROL record that is not of the session; false when it makes no sense. */
	bool (*control)(void *ctx, struct peer *peer, uint8_t type, const uint8_t *body,
			size_t len);
	void *ctx;
};

#define PEER_RECENT SECONDS(10) /* between two looks at what arrived */

struct peer {
	uint16_t number;
	const struct identity *self; /* what this site is towards it */
	struct link *link;	     /* of a relay; NULL of a site */
	char name[WIRE_NAME + 1];
	uint8_t public_key[KEX_KEY];
	uint8_t id[IDENTITY_ID];
	bool lower;	   /* its key is lower than ours: its handshakes win a tie */
	bool disconnected; /* by command */
	bool up;	   /* was told so by PEER_UP */
	enum peer_end end; /* of its last session; before PEER_DOWN is told */
	bool refused;	   /* an answer since the last session was not authentic */
	uint16_t remote_mtu;
	char remote_name[WIRE_NAME + 1]; /* as it calls itself */

	struct peer_candidate candidates[PEER_ADDRESSES];
	unsigned n_candidates, next_candidate;
	struct peer_candidate endpoint; /* where it is now; ADDR_NONE when not known */
	struct instant moved_at;	/* when it was set */
	struct instant endpoint_heard;	/* when the newest packet came from there ... */
	struct instant local_heard;	/* ... and to the address of ours that it is answered from */

	/* Other places, with relays. */
	uint32_t member[LINKS_MAX]; /* its number at each relay, 0: not listed there */
	bool dynamic;		    /* made because a relay listed it */
	struct paths paths;
	struct instant offer;	    /* when our own places are told next */
	struct instant offered;	    /* when they were told last */
	unsigned offers;
	struct instant doubt;	    /* since when another path of it is in use; 0: no doubt */
	struct addr doubt_at;	    /* that path */

	struct keys keys;
	struct flood_peer flood;
	struct pack pack;
	struct unpack unpack;
	struct pmtu pmtu;
	struct timers timers;
	struct cookie_jar jar;

	/* The handshake that this side began. */
	struct noise noise;
	struct keypair *calling; /* reserved slot, NULL when none is under way */
	struct peer_candidate called;
	struct instant called_at;
	unsigned forged; /* answers to it that did not open */

	bool path_shrunk;    /* the kernel refused a datagram as too large */
	int64_t rtt; /* smoothed, microseconds; 0 unknown */
	uint32_t ping_id;
	uint64_t frames_before; /* tx.frames at the last PMTU look */
	struct instant last_handshake;
	uint64_t handshakes, rekeys, roamed;
	uint64_t path_changes; /* from a direct path to a relayed one, or back */
	struct peer_traffic rx, tx;
	struct drops drops;
	struct instant looked_at;	/* at what had arrived: the newest look, and the */
	struct keys_arrivals looks[2];	/* one before */

	struct list to_close; /* in its owner's list while pack is pending */
	struct list to_flush; /* in its owner's list while unpack is pending */
	const struct peer_owner *owner;
	struct instant now; /* of the batch being handled */
	uint32_t unpacking; /* of the datagram being unpacked: its key's local index, or of a
			     * FLOOD what peer_flood_index says */
};

/* Makes a peer; NULL when memory is short.  The owner outlives it. */
struct peer *peer_new(const struct peer_owner *owner, const struct identity *self, uint16_t number,
		      const char *name, const uint8_t public_key[KEX_KEY], int64_t keepalive,
		      struct instant now);
void peer_free(struct peer *peer);

/* Puts the session's packer onto the endpoint and the path's size. */
void peer_aim(struct peer *peer);

/* Another place; forgets what was known of the path.  It is searched at once, but
 * of a peer that moves again within PEER_SETTLED only when it stays: an answer
 * to a probe that moved it would begin the search for ever. */
void peer_set_endpoint(struct peer *peer, const struct peer_candidate *where, struct instant now);

/* The same place, by another address of ours. */
void peer_set_local(struct peer *peer, uint8_t socket, struct instant now);

/* A new current key is in force: pending data is sealed under the old one by
 * the caller before. */
void peer_session_begin(struct peer *peer, bool initiator, struct instant now);

/* Forgets all keys. */
void peer_session_end(struct peer *peer, enum peer_end why, int64_t wait, struct instant now);

static inline bool peer_has_session(const struct peer *peer)
{
	return peer->keys.current;
}

/* Stands for a flood key where local indices stand, and is never one of the peer:
 * they have its number there. */
static inline uint32_t peer_flood_index(const struct peer *peer, uint32_t id, unsigned key)
{
	return id << 12 | (uint32_t)(peer->number ^ 1) << KEYS_SLOT_BITS | key;
}

static inline bool peer_unpacks_flood(const struct peer *peer)
{
	return (peer->unpacking & 0xfff) >> KEYS_SLOT_BITS != peer->number;
}

static inline void peer_drop(struct peer *peer, enum drop reason)
{
	drop_note(&peer->drops, reason, *peer->owner->clock);
}

/* A CONTROL record from the peer. */
void peer_control(struct peer *peer, uint8_t type, const uint8_t *body, size_t len,
		  struct instant now);

/* Sends a CONTROL record with the next close. */
void peer_send_control(struct peer *peer, uint8_t type, const void *body, size_t len);

/* Called each second or so. */
void peer_look(struct peer *peer, struct instant now);

/* What arrived and what did not in the last one or two PEER_RECENT. */
struct keys_arrivals peer_recent(const struct peer *peer);

void peer_send_ping(struct peer *peer, struct instant now);

/* Path MTU discovery: sends a probe when one is due. */
void peer_probe(struct peer *peer, struct instant now);

/* When the peer next wants peers_tick. */
struct instant peer_due(const struct peer *peer);

#endif
