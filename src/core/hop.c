/* SPDX-License-Identifier: MIT */
#include "core/hop.h"

#include <string.h>

#include "base/bytes.h"

#define EDGE 16 /* bytes of the inner packet that the tag covers, at each end */
#define AAD (HOP_CONTEXT + WIRE_HOP_HEADER + 2 * EDGE)

_Static_assert(WIRE_HOP_INNER_MIN >= 2 * EDGE, "the ends do not overlap");
_Static_assert(WIRE_HOP_INNER_MIN == WIRE_DATA_MIN, "DATA and FLOOD are the shortest inside");

/* Of a packet inside: may its kind be there, and be as long as that? */
static bool inner_fits(uint8_t kind, size_t len)
{
	switch (kind) {
	case WIRE_INITIATION:
		return len == WIRE_INITIATION_LEN;
	case WIRE_RESPONSE:
		return len == WIRE_RESPONSE_LEN;
	case WIRE_COOKIE:
		return len == WIRE_COOKIE_LEN;
	case WIRE_DATA:
	case WIRE_FLOOD:
		return true;
	default:
		return false;
	}
}

bool hop_parse(struct hop *hop, const uint8_t *packet, size_t len)
{
	uint32_t destination;
	uint8_t kind;

	if (len < WIRE_HOP_MIN || packet[0] != WIRE_HOP || packet[1] != 0 ||
	    be16_get(packet + 2) != len - WIRE_HOP_OVERHEAD)
		return false;
	kind = packet[WIRE_HOP_HEADER];
	destination = be32_get(packet + 20);
	if (!inner_fits(kind, len - WIRE_HOP_OVERHEAD) ||
	    (kind == WIRE_FLOOD) != (destination == WIRE_HOP_FLOOD))
		return false;
	*hop = (struct hop){ .index = be32_get(packet + 4),
			     .counter = be64_get(packet + 8),
			     .source = be32_get(packet + 16),
			     .destination = destination,
			     .inner = packet + WIRE_HOP_HEADER,
			     .inner_len = len - WIRE_HOP_OVERHEAD };
	return true;
}

static void make_aad(uint8_t aad[AAD], const uint8_t context[HOP_CONTEXT], const uint8_t *packet,
		     size_t inner_len)
{
	const uint8_t *inner = packet + WIRE_HOP_HEADER;

	memcpy(aad, context, HOP_CONTEXT);
	memcpy(aad + HOP_CONTEXT, packet, WIRE_HOP_HEADER + EDGE);
	memcpy(aad + HOP_CONTEXT + WIRE_HOP_HEADER + EDGE, inner + inner_len - EDGE, EDGE);
}

bool hop_seal(struct aead *aead, const uint8_t context[HOP_CONTEXT], const struct hop *hop,
	      uint8_t *packet)
{
	uint8_t aad[AAD];

	packet[0] = WIRE_HOP;
	packet[1] = 0;
	be16_put(packet + 2, (uint16_t)hop->inner_len);
	be32_put(packet + 4, hop->index);
	be64_put(packet + 8, hop->counter);
	be32_put(packet + 16, hop->source);
	be32_put(packet + 20, hop->destination);
	make_aad(aad, context, packet, hop->inner_len);
	return aead_seal(aead, hop->counter, aad, sizeof(aad), NULL, 0,
			 packet + WIRE_HOP_HEADER + hop->inner_len);
}

bool hop_verify(struct aead *aead, const uint8_t context[HOP_CONTEXT], const struct hop *hop,
		const uint8_t *packet, size_t len)
{
	uint8_t aad[AAD], nothing[1];

	make_aad(aad, context, packet, hop->inner_len);
	return aead_open(aead, hop->counter, aad, sizeof(aad), packet + len - AEAD_TAG, AEAD_TAG,
			 nothing);
}
