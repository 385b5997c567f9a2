/* SPDX-License-Identifier: MIT */
/*
 * Super-frames made from a number, and what a receiver may see of them: their
 * segments, however they were cut.  Every segment tells which super-frame it
 * belongs to (TCP: the acknowledgement number; UDP: first bytes of each
 * datagram).
 */
#ifndef TESTS_SUPERS_H
#define TESTS_SUPERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/superframe.h"
#include "core/vnet.h"

struct super {
	uint8_t *bytes; /* of its own, len of them */
	size_t len;
	size_t l3, l4, headers;
	uint32_t seq; /* of TCP */
	bool udp, v6;
	struct vnet vnet;
};

/* Family, tags, TCP or UDP, options, segment size and content come from draw;
 * payload bytes: at least 2, at most payload_max.  False: no memory. */
bool super_make(struct super *s, uint32_t id, uint64_t draw, size_t payload_max,
		const uint8_t to[6], const uint8_t from[6]);
void super_free(struct super *s);

/* The super-frame that a segment (a whole IP frame) names, into *id. */
bool super_id(const uint8_t *segment, size_t len, uint32_t *id);

/*
 * True when the segment, whose checksums are final, is one that may be cut from
 * s: headers, sums and payload as they must be.  *offset gets the place of its
 * payload, *n its length.
 */
bool super_segment_right(const struct super *s, const uint8_t *segment, size_t len, size_t *offset,
			 size_t *n);

#endif
