/* SPDX-License-Identifier: MIT */
/*
 * All peers of a site, and the protocol with them: takes datagrams in, gives
 * frames out; keeps handshakes, sessions, roaming and time.  Where frames go is
 * decided elsewhere.
 *
 * Receiver indices carry the place of their key: random 20 bits, peer number 9
 * bits, key slot 3 bits.
 */
#ifndef CORE_PEERS_H
#define CORE_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/list.h"
#include "core/cookie.h"
#include "core/drop.h"
#include "core/flood.h"
#include "core/identity.h"
#include "core/limit.h"
#include "core/link.h"
#include "core/outbox.h"
#include "core/pace.h"
#include "core/peer.h"
#include "core/sockets.h"
#include "core/thrift.h"

#define PEERS_MAX 512	     /* sites and relays */
#define PEERS_SITES (PEERS_MAX - LINKS_MAX)
#define PEERS_LOCALS 8	     /* addresses of this site that peers are told of */
#define PEERS_OPENED 1088    /* datagrams opened and not yet unpacked */
#define PEERS_PACKING 32     /* peers with an open run at most */
#define PEERS_SEEN 256	     /* INITIATIONs remembered against replay */
#define PEERS_LOAD 64	     /* INITIATIONs a second from where cookies are asked for */
#define PEERS_RATE 10	     /* INITIATIONs a second from one address ... */
#define PEERS_BURST 30	     /* ... and at once */
#define PEERS_FORGED 100     /* RESPONSEs tried for one call */
#define PEERS_PLACE_RATE 1   /* CHALLENGEs a second to one address that never answered ... */
#define PEERS_PLACE_BURST 64 /* ... and at once, of all peers that are said to be there */
#define PEERS_CROWD 32	     /* peers: with more, those without frames cost less and take longer */
#define PEERS_SPARE MS(100)  /* of quiet time for each peer, if that is above the keepalive ... */
#define PEERS_QUIET SECONDS(25) /* ... but no more than this: a NAT forgets after 30 s */
#define PEERS_ASK MS(200)	/* so often one of a crowd is asked, beyond those who answer ... */
#define PEERS_PINGS 64		/* ... and so many PINGs may have no answer ... */
#define PEERS_CHALLENGES 32	/* ... and CHALLENGEs */
#define PEERS_RESCUE MS(250)	/* so often one in trouble is rescued ... */
#define PEERS_RESCUES 96	/* ... and so many at once, with frames ... */
#define PEERS_RESCUES_IDLE 32	/* ... and without */
#define PEERS_SOCKETS SOCKETS_MAX
#define PEERS_TOO_BIG 90   /* run->error of EMSGSIZE, the same number on every Linux */

struct peers_events {
	/* A frame from a peer; consumed inside the call. */
	void (*frame)(void *ctx, struct peer *peer, struct frame *frame);
	void (*event)(void *ctx, struct peer *peer, enum peer_event event);
	/* MTU of the interface that leads there, 0 when not known. */
	unsigned (*route_mtu)(void *ctx, const struct addr *to);
	/* A CARRIER or CARRIED; false when it makes no sense. */
	bool (*carrier)(void *ctx, struct peer *peer, uint8_t type, const uint8_t *body, size_t len);
	void *ctx;
};

/* An authentic datagram, decrypted, that waits for its neighbours. */
struct peers_opened {
	struct peer *peer;
	uint32_t key;
	uint32_t len;
	uint64_t counter;
	uint8_t *plain;
};

struct peers {
	struct identity *self;
	struct outbox *outbox;
	struct peers_events events;
	struct peer_owner owner;
	int64_t keepalive;
	struct peer *peer[PEERS_MAX]; /* relays behind PEERS_SITES */
	unsigned n_peer, top; /* sites; numbers below top are in use */
	struct link *link[LINKS_MAX];
	struct addr local[PEERS_LOCALS];
	unsigned n_local;
	bool admit; /* members that a relay lists become peers */
	struct flood flood;
	struct flood_hold hold;
	struct list to_close, to_flush;
	unsigned n_to_close;
	struct cookie_guard guard;
	struct limit *limit;  /* of who calls */
	struct limit *places; /* that are tried because a peer or a relay named them */
	struct pace pace;     /* of calls to sites */
	uint64_t seen[PEERS_SEEN];
	unsigned next_seen;
	struct instant second; /* INITIATIONs are counted within this second */
	unsigned calls;
	bool loaded;	       /* cookies are asked for */
	struct drops drops;    /* of what belongs to no peer */
	uint8_t families[PEERS_SOCKETS]; /* of the local sockets */
	unsigned n_sockets;
	uint8_t tunnel_ports[65536 / 8]; /* UDP ports that peers are at: a first look for loops */
	struct instant due;
	struct instant look[PEERS_MAX]; /* when each site is looked at by the next tick */
	struct thrift rescues;		/* of peers in trouble */
	struct thrift pings;		/* where no frames pass, of many peers */
	struct thrift challenges;	/* the same */
	struct instant now;    /* of the batch or tick being handled */
	unsigned n_opened;
	struct peers_opened opened[PEERS_OPENED];
};

/* self and outbox stay the caller's.  families: ADDR_IPV4 or ADDR_IPV6 of each
 * local socket.  False when memory is short. */
bool peers_init(struct peers *p, struct identity *self, struct outbox *outbox,
		const struct peers_events *events, const uint8_t *families, unsigned n_sockets,
		int64_t keepalive, struct instant now);
void peers_free(struct peers *p);

/* Adds a peer; NULL when there are PEERS_SITES or memory is short. */
struct peer *peers_add(struct peers *p, const char *name, const uint8_t public_key[KEX_KEY],
		       struct instant now);

/* Adds a relay, its session being a peer; addresses are set as of any peer.  psk: the
 * network's access secret there, or all zero.  NULL when there are LINKS_MAX or
 * memory is short. */
struct link *peers_add_link(struct peers *p, const char *name, const uint8_t public_key[KEX_KEY],
			    const uint8_t psk[KEX_KEY], struct instant now);
void peers_remove_link(struct peers *p, struct link *link, struct instant now);

/*
 * A stream leads to the relay, or NULL: none does any more.  It is a way besides its
 * addresses: calls go by both until one is answered, and as long as packets go by the
 * stream the addresses are tried from time to time.  What comes by a stream is
 * handed to peers_datagrams as from that place.
 */
void peers_set_stream(struct peers *p, struct link *link, const struct addr *stream,
		      struct instant now);

/* Addresses and ports of this site's own sockets, as the hosts around may reach them:
 * peers that a relay lists as well are told of them and of what relays observe. */
void peers_set_local(struct peers *p, const struct addr *addrs, unsigned n, struct instant now);

/* Tells it goodbye and forgets it. */
void peers_remove(struct peers *p, struct peer *peer, struct instant now);

struct peer *peers_find_key(struct peers *p, const uint8_t public_key[KEX_KEY]);
struct peer *peers_find_name(struct peers *p, const char *name);

/* Where the peer may be called: replaces what was given before. */
void peers_set_addresses(struct peers *p, struct peer *peer, const struct addr *addrs, unsigned n,
			 struct instant now);

/* By command. */
void peers_rekey(struct peers *p, struct peer *peer, struct instant now);
void peers_disconnect(struct peers *p, struct peer *peer, struct instant now);
void peers_connect(struct peers *p, struct peer *peer, struct instant now);

/*
 * A received message of len bytes: datagrams of segment bytes each (the last
 * may be shorter) from one sender; socket as in core/sockets.h.  Decrypted in place;
 * the memory stays until peers_unpack and peers_flush.
 */
void peers_datagrams(struct peers *p, uint8_t socket, const struct addr *from, uint8_t *data,
		     size_t len, size_t segment, struct instant now);

/* Unpacks what was opened, in order of counters. */
void peers_unpack(struct peers *p);

/* A round of receiving is over, and its memory stays for just one more: ends
 * the rebuilding that began in the round before. */
void peers_round(struct peers *p);

/* Ends rebuilding: receive memory is about to be used again. */
void peers_flush(struct peers *p);

/* Whether broadcast may go through relays. */
void peers_set_broadcast(struct peers *p, enum flood_mode mode, struct instant now);

/*
 * Where a frame for all peers leaves once for those that peers_floods_to says, or
 * NULL.  *rest: how many more there are with a session, which need copies.  The frame is
 * to be packed at once.
 */
struct pack *peers_flood(struct peers *p, unsigned *rest);
bool peers_floods_to(const struct peers *p, const struct peer *peer);

/* The relay by which peers_flood would send now, or NULL; changes nothing.  It reaches
 * the peers that hold the key and are its members. */
const struct link *peers_flood_link(const struct peers *p);

/* Seals open datagrams; they are ready in the outbox. */
void peers_seal(struct peers *p);

/* Seals open datagrams and sends all. */
void peers_close(struct peers *p);

/* Frames went to the peer, whose timers may be due earlier now. */
void peers_note_frames(struct peers *p, struct peer *peer);

/* Timers, when peers_due is reached. */
void peers_tick(struct peers *p, struct instant now);
struct instant peers_due(const struct peers *p);

/* Keeps what peer_recent needs, of all; called each second or so. */
void peers_look(struct peers *p, struct instant now);

/* Tells all peers goodbye. */
void peers_goodbye(struct peers *p, struct instant now);

/* A run was sent, its error set. */
void peers_sent(struct peers *p, const struct run *run);

/* True when an IP packet that carries a DATA or HOP packet of a present session, to a port
 * where a peer or relay may be, lies at ip (len bytes at hand): the tunnel carried in itself. */
bool peers_is_tunnel(const struct peers *p, const uint8_t *ip, size_t len);

#endif
