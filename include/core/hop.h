/* SPDX-License-Identifier: MIT */
/*
 * HOP packets: a packet between two sites, wrapped for its way through a relay.
 * The tag is a GMAC (AES-256-GCM without plaintext) over a context of the hop
 * session, the hop header, the first 16 and the last 16 bytes of the inner
 * packet, so its cost does not grow with the packet.  Every inner packet has its own
 * authentication between the sites; what the tag binds is who sent it here and where
 * it goes.
 */
#ifndef CORE_HOP_H
#define CORE_HOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/aead.h"
#include "core/wire_relay.h"

#define HOP_CONTEXT 16

struct hop {
	uint32_t index;
	uint64_t counter;
	uint32_t source, destination;
	const uint8_t *inner;
	size_t inner_len;
};

/* Takes the header apart.  False when the length, the flags or the inner kind
 * are none that a HOP has: the inner packet is as long as said, DATA, FLOOD, or a
 * handshake packet of its kind's exact length, and FLOOD goes to WIRE_HOP_FLOOD and
 * nothing else does. */
bool hop_parse(struct hop *hop, const uint8_t *packet, size_t len);

/*
 * The inner packet lies at packet + WIRE_HOP_HEADER, inner_len bytes long;
 * writes the header in front of it and the tag behind it.  The context is what
 * keys_seal of the session has (source and destination are the ends of the hop).
 * False only when the library fails.
 */
bool hop_seal(struct aead *aead, const uint8_t context[HOP_CONTEXT], const struct hop *hop,
	      uint8_t *packet);

/* True when the tag of a packet that hop_parse took is right. */
bool hop_verify(struct aead *aead, const uint8_t context[HOP_CONTEXT], const struct hop *hop,
		const uint8_t *packet, size_t len);

#endif
