/* SPDX-License-Identifier: MIT */
/*
 * Why a packet or a frame was dropped.  Everything that is not forwarded is
 * counted under one of these, at the peer or port it belongs to, or at the
 * site when it belongs to nobody.
 */
#ifndef CORE_DROP_H
#define CORE_DROP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

enum drop {
	DROP_SHORT,	   /* datagram shorter than its kind's header */
	DROP_KIND,	   /* first byte is no kind of ours */
	DROP_HEADER,	   /* reserved bits set, or a length that the kind forbids */
	DROP_INDEX,	   /* receiver index of no session */
	DROP_MAC1,	   /* handshake that was not made for this site's key */
	DROP_RATE,	   /* too many handshakes of one address, or forged answers */
	DROP_COOKIE,	   /* under load: a cookie was sent instead of an answer */
	DROP_HANDSHAKE,	   /* handshake not authentic: network, cipher, secret or key */
	DROP_STRANGER,	   /* handshake from a key that is no peer's */
	DROP_REPEATED,	   /* handshake message seen before, or not awaited */
	DROP_YIELD,	   /* both began at once; the other side's attempt yields */
	DROP_HELLO,	   /* handshake payload that makes no sense */
	DROP_AUTH,	   /* tag wrong: forged or damaged */
	DROP_REPLAYED,	   /* counter seen before */
	DROP_OLD,	   /* counter behind the replay window */
	DROP_EXPIRED,	   /* key past its time */
	DROP_RECORD,	   /* authentic, but the records inside make no sense */
	DROP_JOIN,	   /* part of a cut frame whose other part did not come in time */
	DROP_FLOOD,	   /* broadcast under a key that was not handed over */
	DROP_SOURCE,	   /* the relay's stamp names another member than the keys do */
	DROP_PLACE,	   /* not sent: too much for an address that never answered */
	DROP_DISCONNECTED, /* the peer is disconnected by command */
	DROP_RUNT,	   /* frame shorter than 14 bytes */
	DROP_OVERSIZE,	   /* frame longer than the limit */
	DROP_OFFLOAD,	   /* offload facts that do not fit the frame */
	DROP_UNDERLAY,	   /* the tunnel itself, at a port whose NIC carries it */
	DROP_RESERVED,	   /* reserved group address, and reserved = drop */
	DROP_VLAN,	   /* its VLAN may not pass the port, or it has one on an access port */
	DROP_WIRE,	   /* comes from no end of the wire, or there is no other end */
	DROP_FILTERED,	   /* destination is where the frame came from */
	DROP_HORIZON,	   /* from a peer, for another peer: not forwarded between peers */
	DROP_NO_SESSION,   /* no session with the peer that it would go to, or with any */
	DROP_SELF,	   /* the tunnel's own packet inside a frame: a loop */
	DROP_NOT_LEARNED,  /* table or quota full: address not learned (frame forwarded) */
	DROP_HELD,	   /* address moves too often: held where it was (frame forwarded) */
	DROP_PORT_DOWN,	   /* port is down or away */
	DROP_PORT_FULL,	   /* port's queue is full */
	DROP_PORT_REFUSED, /* kernel refused the frame */
	DROP_SEND,	   /* datagram not sent: socket buffer full, or no route */
	DROP_TOO_BIG,	   /* datagram above the interface's MTU */
	DROP_COUNT
};

/* "replayed": stable, for programs. */
const char *drop_name(enum drop reason);

/* What it means and what to look at, for people. */
const char *drop_text(enum drop reason);

struct drops {
	uint64_t count[DROP_COUNT];
	struct instant last[DROP_COUNT]; /* the turn of the newest of each */
};

/* now: of the batch being handled. */
static inline void drop_note(struct drops *drops, enum drop reason, struct instant now)
{
	drops->count[reason]++;
	drops->last[reason] = now;
}

/* Who counts it. */
enum drop_at { DROP_AT_PORT, DROP_AT_PEER };

/* True of frames on their way out through the port or to the peer that counts them,
 * false of what came in from there. */
bool drop_is_leaving(enum drop reason, enum drop_at at);

/* The reason of the newest drop of that kind; DROP_COUNT when there was none. */
enum drop drop_newest(const struct drops *drops, enum drop_at at, bool leaving);

#endif
