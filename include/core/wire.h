/* SPDX-License-Identifier: MIT */
/*
 * The protocol on one page: kinds, field widths, limits and times.  All
 * numbers are big endian.  lanspan-protocol(7) says the same in pictures.
 *
 * INITIATION  kind u8 | 3 zero | sender index u32 | noise message 1 | mac1 16 | mac2 16
 * RESPONSE    kind u8 | 3 zero | sender index u32 | receiver index u32 | noise message 2 | macs
 * COOKIE      kind u8 | 3 zero | receiver index u32 | salt 16 | sealed cookie 32
 * DATA        kind u8 | flags u8 | zero u8 | lane u8 | receiver index u32 | counter u64 |
 *             ciphertext | tag 16
 *
 * Noise message 1 is e 32, sealed s 48, sealed payload; message 2 is e 32,
 * sealed payload.  The payload is HELLO, see below, of a fixed size, so an
 * INITIATION is always longer than its RESPONSE.
 *
 * Plaintext of DATA: a stream of records, cut into datagrams:
 *   cont u16            bytes at the start that belong to the record begun earlier
 *   continuation        cont bytes
 *   record*             type u8 | body length u16 | body
 * A record may be cut by the datagram's end when at least WIRE_CUT_MIN bytes of
 * it are inside; it goes on in the datagram with the next counter.  When cont
 * reaches the end of the plaintext, the record may go on after that as well: its
 * own length tells.
 */
#ifndef CORE_WIRE_H
#define CORE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "core/aead.h"
#include "core/kex.h"

#define WIRE_VERSION 1
#define WIRE_PORT 7741
#define WIRE_PROLOGUE "lanspan"

enum wire_kind {
	WIRE_INITIATION = 1,
	WIRE_RESPONSE = 2,
	WIRE_COOKIE = 3,
	WIRE_DATA = 4,
	WIRE_FLOOD = 5, /* with the relay */
	WIRE_HOP = 6,	/* with the relay */
};

/* HELLO, the payload of both handshake messages: fixed length, zero filled.
 *   wire version u8 | flags u8 | bridge MTU u16 | name length u8 | name */
#define WIRE_NAME 63
#define WIRE_HELLO 72

#define WIRE_INITIATION_LEN (8 + 32 + 48 + WIRE_HELLO + AEAD_TAG + 32)
#define WIRE_RESPONSE_LEN (12 + 32 + WIRE_HELLO + AEAD_TAG + 32)
#define WIRE_COOKIE_LEN 56

#define WIRE_DATA_HEADER 16
#define WIRE_LANE 3   /* where it stands: which of the sender's workers sent it */
#define WIRE_LANES 16 /* a lane is less */
#define WIRE_FLAG_PATH 1u /* flag of DATA: about the path it came by, moves no endpoint */
#define WIRE_PATH_COUNTER ((uint64_t)1 << 62) /* of packets with it, and of no others: from here on */
#define WIRE_DATA_OVERHEAD (WIRE_DATA_HEADER + AEAD_TAG)
#define WIRE_DATA_MIN (WIRE_DATA_OVERHEAD + 2)

/* Records. */
#define WIRE_RECORD_HEADER 3
#define WIRE_CUT_MIN 64

enum wire_record {
	WIRE_PAD = 0,	  /* a single zero byte type; the rest of the plaintext is ignored */
	WIRE_FRAME = 1,	  /* an Ethernet frame */
	WIRE_PARTIAL = 2, /* csum_start u16 | csum_offset u16 | an Ethernet frame */
	WIRE_SEGMENT = 3, /* a piece of a super-frame: WIRE_SEGMENT_META, headers, payload bytes */
	WIRE_CONTROL = 4, /* control type u8 | body */
};

/* SEGMENT body: gso_type u8 | vnet flags u8 | gso_size u16 | csum_start u16 |
 * csum_offset u16 | headers length u16 | super-frame id u16 | offset u16 | total u32;
 * offset and total count payload bytes (what follows the headers). */
#define WIRE_SEGMENT_META 18

/* CONTROL types. */
enum wire_control {
	WIRE_PING = 1,	 /* id u32 | stamp u64: asks for a PONG */
	WIRE_PONG = 2,	 /* the PING's body, sent back */
	WIRE_PROBE = 3,	 /* id u32 | size u16: the datagram is padded to that IP size */
	WIRE_PROBED = 4, /* the PROBE's body, sent back */
	WIRE_CLOSE = 5,	 /* the sender ends this session */
	WIRE_CARRIER = 6, /* state u8 (1: a carrier, 0: none) | sequence u32: of the wire's end there */
	WIRE_CARRIED = 7, /* the CARRIER's body, sent back */
};
#define WIRE_CARRIER_LEN 5

/* Frames. */
#define WIRE_FRAME_MIN 14
#define WIRE_FRAME_MAX 9216 /* an Ethernet frame that is not a super-frame */

/* Times. */
#define WIRE_REKEY_AFTER SECONDS(120)
#define WIRE_REKEY_PACKETS ((uint64_t)1 << 28)
#define WIRE_REJECT_AFTER SECONDS(180)
#define WIRE_OLD_KEY SECONDS(60)      /* a key that was replaced opens as long after its last use */
#define WIRE_TIE SECONDS(5)	      /* sessions made as close to each other settle a tie */

#endif
