/* SPDX-License-Identifier: MIT */
/*
 * The relay's part of the protocol: widths, kinds, limits and times.
 * lanspan-protocol(7), "RELAYS", says the same in pictures.
 *
 * REGISTER  kind u8 | 3 zero | sender index u32 | noise message 1 | mac1 16 | mac2 16
 * HOP       kind u8 | flags u8, zero | inner length u16 | receiver index u32 | counter u64 |
 *           source u32 | destination u32 | inner packet | tag 16
 * FLOOD     kind u8 | 3 zero | flood key id u32 | counter u64 | ciphertext | tag 16
 *
 * A site calls a relay with REGISTER, whose payload names site and network; the
 * answer is a RESPONSE or a COOKIE, as ever.  The session so made, the hop,
 * always has the cipher AES-256-GCM.  Its DATA packets carry CONTROL records
 * between the site and its relay; its HOP packets carry whole packets of any
 * kind but HOP and REGISTER between sites.  DATA and HOP of a hop share its keys,
 * counters and replay windows.
 *
 * Members of a network at a relay have numbers from 1, given by the relay and
 * valid as long as the member list says.
 */
#ifndef CORE_WIRE_RELAY_H
#define CORE_WIRE_RELAY_H

#include "core/wire.h"

#define WIRE_REGISTER 7

#define WIRE_RELAY_PROLOGUE "lanspan relay" /* and then the version, no network name */

/* Payload of REGISTER, zero filled: wire version u8 | flags u8 | zero u16 |
 * site name length u8 | site name, 63 bytes | network name length u8 | name, 63 bytes */
#define WIRE_REGISTER_HELLO 132
#define WIRE_REGISTER_LEN (8 + 32 + 48 + WIRE_REGISTER_HELLO + AEAD_TAG + 32)

#define WIRE_HOP_HEADER 24
#define WIRE_HOP_OVERHEAD (WIRE_HOP_HEADER + AEAD_TAG)
#define WIRE_HOP_INNER_MIN 34 /* no packet of a kind that may be inside is shorter */
#define WIRE_HOP_MIN (WIRE_HOP_OVERHEAD + WIRE_HOP_INNER_MIN)

#define WIRE_HOP_NOBODY 0u		/* source, as a site sends it: the relay stamps it */
#define WIRE_HOP_FLOOD UINT32_MAX /* destination: all other members; carries FLOOD only */

/* CONTROL types between a site and its relay, in DATA of the hop. */
enum wire_relay_control {
	/* relay to site, with each PONG and when something changed:
	 * revision u32 of the member list | own number u32 | observed: port u16 | family u8
	 * (4 or 6) | address 16, of IPv4 the first 4 and then zero.  To a site that is reached
	 * by a stream: port and family 0, and the mark of the relay's streams, 16 bytes. */
	WIRE_NOTICE = 16,
	/* site to relay: revision u32 that it has reached, 0 for none | base u32: what the
	 * last answer with WIRE_MEMBERS_RESET said the revision was, 0 for none */
	WIRE_MEMBERS_ASK = 17,
	/* relay to site: revision u32 of the list now | revision u32 that this answer
	 * reaches | flags u8 (WIRE_MEMBERS_RESET: forget all first) | count u8 | entries:
	 * number u32 | flags u8 (WIRE_MEMBER_GONE: key zero, no name) | public key 32 |
	 * name length u8 | name.
	 * As many as fit one datagram, in the order of their last change; who has not
	 * reached the revision asks again. */
	WIRE_MEMBERS = 18,
};
#define WIRE_NOTICE_LEN (4 + 4 + 2 + 1 + 16)
#define WIRE_STREAM_MARK 16 /* of SHA-256 over the key in the streams' certificate */
#define WIRE_MEMBERS_ASK_LEN (4 + 4)
#define WIRE_MEMBERS_HEAD (4 + 4 + 1 + 1)
#define WIRE_MEMBER_LEN (4 + 1 + KEX_KEY + 1) /* without the name */
#define WIRE_MEMBERS_RESET 1u
#define WIRE_MEMBER_GONE 1u

/* CONTROL types between two sites, with relays. */
enum wire_path_control {
	WIRE_CANDIDATES = 32, /* count u8 | (family u8 | port u16 | address 4 or 16)* */
	WIRE_CHALLENGE = 33,  /* nonce u64 */
	WIRE_CHALLENGED = 34, /* nonce u64 | where the CHALLENGE came from, as a candidate */
	WIRE_FLOOD_KEY = 35,  /* id u32 | key 32 | from u64: counters below are not for you */
	WIRE_FLOOD_ACK = 36,  /* id u32 */
	WIRE_FLOOD_ASK = 37,  /* id u32: a FLOOD under this id came, and the key is not there */
};

#define WIRE_MEMBERS_MAX 4096 /* of one network at one relay */
#define WIRE_RELAY_DATAGRAM 1200 /* the longest CONTROL datagram of a relay */
#define WIRE_RELAY_CONTEXT "relay" /* in place of the network's name in DATA's context */

#endif
