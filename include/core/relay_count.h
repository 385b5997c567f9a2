/* SPDX-License-Identifier: MIT */
/* What a relay counts: drops by reason, and traffic. */
#ifndef CORE_RELAY_COUNT_H
#define CORE_RELAY_COUNT_H

#include <stdint.h>

/* Why the relay dropped something: counted for all, for the network and for the
 * member where it is known. */
enum relay_drop {
	RELAY_SHORT,	   /* shorter than its kind */
	RELAY_KIND,	   /* no kind that a relay takes */
	RELAY_HEADER,	   /* impossible header, length or inner packet */
	RELAY_MAC1,	   /* handshake made for another key */
	RELAY_COOKIE,	   /* under load: answered with a cookie */
	RELAY_RATE,	   /* too many handshakes from one address */
	RELAY_HANDSHAKE,   /* not authentic: relay's key, network's access secret */
	RELAY_REPEATED,	   /* handshake seen before */
	RELAY_HELLO,	   /* names that make no sense */
	RELAY_NETWORK,	   /* no such network, and the relay is not open */
	RELAY_STRANGER,	   /* key is not on the network's list */
	RELAY_FULL,	   /* members, networks or memory at their limit */
	RELAY_INDEX,	   /* no such session */
	RELAY_AUTH,	   /* tag wrong */
	RELAY_REPLAYED,	   /* counter seen before */
	RELAY_OLD,	   /* counter behind the window */
	RELAY_EXPIRED,	   /* key past its time */
	RELAY_RECORD,	   /* authentic, but makes no sense */
	RELAY_UNCONFIRMED, /* the sender's address has not answered yet */
	RELAY_MEMBER,	   /* destination is no member, or has no address now */
	RELAY_FRAMES,	   /* above the member's or network's packets a second */
	RELAY_BYTES,	   /* above the member's or network's bytes a second */
	RELAY_SEND,	   /* socket buffer full, or no route */
	RELAY_DROP_COUNT
};

const char *relay_drop_name(enum relay_drop reason); /* stable, for programs */
const char *relay_drop_text(enum relay_drop reason); /* for people */

struct relay_traffic {
	uint64_t in_packets, in_bytes;
	uint64_t out_packets, out_bytes;
	uint64_t floods, copies; /* FLOOD that came in, and what was made of them */
};

#endif
