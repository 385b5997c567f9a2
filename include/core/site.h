/* SPDX-License-Identifier: MIT */
/*
 * One bridge process in one network, without its surroundings: peers and local
 * ports around a switch.  The caller brings frames, datagrams and the time, and
 * carries away what comes out; the same room runs in the daemon, in the
 * simulator and under the fuzzers.
 *
 * Order of calls in a turn: site_datagrams* and site_rx_end, site_frame*,
 * site_tick when site_due is reached, and site_close last, which sends.
 *
 * Several workers may call in turns, one at a time: each sets outbox.lane to its
 * number, and ends its turn with site_rx_end(site, false) if it brought datagrams,
 * and with site_collect.
 */
#ifndef CORE_SITE_H
#define CORE_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "core/carrier.h"
#include "core/identity.h"
#include "core/merge.h"
#include "core/outbox.h"
#include "core/peers.h"
#include "core/port.h"
#include "core/switch.h"

#define SITE_HEADROOM (PACK_HEADROOM + 16) /* a VLAN's tag, and alignment kept */
#define SITE_MSS_OFF 0
#define SITE_MSS_PATH 1 /* what one datagram of the peer's path takes */

struct site_events {
	void (*send)(void *ctx, struct run **runs, size_t n);
	void (*event)(void *ctx, struct peer *peer, enum peer_event event);
	unsigned (*route_mtu)(void *ctx, const struct addr *to);
	void *ctx;
};

/* Who looks on, while frame is not NULL: at each frame to a peer, as it is packed, and
 * from a peer, before the switch decides.  Their bytes are in n pieces. */
struct site_watch {
	void (*frame)(void *ctx, const struct peer *peer, bool to_peer, const struct vnet *vnet,
		      const struct iovec *iov, unsigned n);
	void *ctx;
};

struct site_setup {
	uint8_t private_key[KEX_KEY];
	uint8_t psk[KEX_KEY];
	enum cipher cipher;
	const char *network, *name;
	uint16_t mtu;
	struct rand_source rand;
	int64_t keepalive; /* microseconds */
	size_t macs;
	uint32_t mac_quota;
	int64_t ageing; /* microseconds */
	bool hub;
	bool wire; /* joins two ends: two local ports, or one and the peer of the lowest number */
	uint16_t mss_clamp; /* SITE_MSS_OFF, SITE_MSS_PATH, or bytes */
	enum flood_mode broadcast;
	const struct key_watch *key_watch; /* told of every key; NULL: nobody is */
	uint8_t families[PEERS_SOCKETS];
	unsigned n_sockets;
	unsigned workers; /* that collect; 0 and 1: none does */
};

/* Where frames of a port go on that a bad line held. */
struct site_line {
	struct site *site;
	unsigned port;
};

struct site {
	struct identity self;
	struct outbox outbox;
	struct peers peers;
	struct switching switching;
	struct merge merge;
	struct port *port[SWITCH_LOCALS]; /* NULL: a hole */
	unsigned n_port;		  /* numbers below are in use, or were */
	struct site_line line[SWITCH_LOCALS];
	uint8_t *arrived; /* SITE_HEADROOM, SUPERFRAME_MAX: a frame that a line held, in one piece */
	uint8_t *piece;	  /* WIRE_FRAME_MAX: of a super-frame, for a line */
	bool wire;
	struct carrier carrier;	       /* of a wire to a peer */
	const struct peer *carrier_of; /* that peer, or NULL */
	struct site_events events;
	struct site_watch watch;
	uint16_t mss_clamp;
	struct instant now;
	struct instant age_at;
};

/* False when memory is short or the library lacks something. */
bool site_init(struct site *site, const struct site_setup *setup, const struct site_events *events,
	       struct instant now);
void site_free(struct site *site);

/* The port stays the caller's, its carrier set before.  Its number, the lowest that is
 * free, or -1 when there are too many: SWITCH_LOCALS, two on a wire. */
int site_add_port(struct site *site, struct port *port);

/* Forwards what came in there, and forgets its addresses; what its lines hold is lost. */
void site_remove_port(struct site *site, unsigned number);

/* The device of a port has a carrier, or has none any more; to be told as well when
 * `up` changes.  Without one its addresses are forgotten. */
void site_port_link(struct site *site, unsigned number, bool up, struct instant now);

/*
 * A frame from a local port: len bytes at frame, in one piece, with
 * SITE_HEADROOM writable bytes before it.  Its memory is spoilt.
 */
void site_frame(struct site *site, unsigned port, uint8_t *frame, size_t len,
		const struct vnet *vnet, struct instant now);

/* A received message, as peers_datagrams takes it. */
void site_datagrams(struct site *site, uint8_t socket, const struct addr *from, uint8_t *data,
		    size_t len, size_t segment, struct instant now);

/* The messages so far are to be unpacked.  keep: their memory stays for one
 * more round, so a super-frame may go on in it; otherwise all goes out now. */
void site_rx_end(struct site *site, bool keep);

/* Lets go of frames that waited to be merged, seals and sends what this turn
 * gathered. */
void site_close(struct site *site);

/* The same, but what is to be sent is taken along: how many runs. */
unsigned site_collect(struct site *site, struct run *runs[OUTBOX_AWAY]);

/* Runs that were taken along are sent, their errors set. */
void site_sent(struct site *site, struct run **runs, unsigned n);

void site_tick(struct site *site, struct instant now);
struct instant site_due(const struct site *site);

/* Forgets a peer and its addresses. */
void site_remove_peer(struct site *site, struct peer *peer, struct instant now);

/* Says goodbye to all peers. */
void site_goodbye(struct site *site, struct instant now);

#endif
