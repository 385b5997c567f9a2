/* SPDX-License-Identifier: MIT */
#include "sim/libsupers.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "lib/frames.h"

#define UDP_MARK 8 /* id u32 | number u32 at the start of each datagram */
#define TAIL_FLAGS (FRAME_FIN | FRAME_PSH)

static void mark_datagrams(struct super *s, uint32_t id)
{
	uint32_t number = 0;

	for (size_t at = s->headers; s->len - at >= UDP_MARK; at += s->vnet.gso_size) {
		be32_put(s->bytes + at, id);
		be32_put(s->bytes + at + 4, number++);
		if (s->len - at <= s->vnet.gso_size)
			break;
	}
}

bool super_make(struct super *s, uint32_t id, uint64_t draw, size_t payload_max,
		const uint8_t to[6], const uint8_t from[6])
{
	static struct frame f;
	uint64_t more = hash_u64(draw, 77);
	struct frame_spec spec = { .v6 = draw & 1, .udp = (draw >> 1) % 4 == 0 };

	if (draw >> 8 & 1)
		spec.tags[0] = draw >> 9 & 1 ? 0x88a8 : 0x8100;
	if (spec.tags[0] == 0x88a8)
		spec.tags[1] = 0x8100;
	if (!spec.udp && draw >> 10 & 1) {
		spec.tcp_options = frame_timestamps;
		spec.tcp_options_len = sizeof(frame_timestamps);
	}
	spec.tcp_flags = (uint8_t)(FRAME_ACK | (draw >> 11 & 1 ? FRAME_PSH : 0));
	spec.ecn = !spec.udp && draw >> 12 & 1;
	if (spec.ecn)
		spec.tcp_flags |= FRAME_CWR;
	spec.gso_size = (uint16_t)(spec.udp ? 100 + more % 1200 : 500 + more % 900);
	spec.payload = 2 * UDP_MARK + (more >> 20) % (payload_max - 2 * UDP_MARK);
	if (spec.udp) /* as many as the kernel takes, and a last one with room for its mark */
		spec.payload = MIN(spec.payload, 60u * spec.gso_size);
	if (spec.udp && spec.payload % spec.gso_size < UDP_MARK)
		spec.payload -= spec.payload % spec.gso_size;
	if (spec.payload == 0)
		spec.payload = spec.gso_size;
	spec.seq = (uint32_t)hash_u64(draw, 78);
	spec.id = (uint16_t)more;
	frame_make(&f, &spec);
	*s = (struct super){ .len = f.len,
			     .l3 = f.l3,
			     .l4 = f.l4,
			     .headers = f.headers,
			     .seq = spec.seq,
			     .udp = spec.udp,
			     .v6 = spec.v6,
			     .vnet = f.vnet,
			     .bytes = malloc(f.len) };
	if (!s->bytes)
		return false;
	memcpy(s->bytes, f.bytes, f.len);
	memcpy(s->bytes, to, 6);
	memcpy(s->bytes + 6, from, 6);
	if (spec.udp)
		mark_datagrams(s, id);
	else
		be32_put(s->bytes + s->l4 + 8, id);
	return true;
}

void super_free(struct super *s)
{
	free(s->bytes);
	s->bytes = NULL;
}

bool super_id(const uint8_t *segment, size_t len, uint32_t *id)
{
	struct superframe_layout l;
	size_t at;

	if (!superframe_layout(segment, len, &l) || l.proto == 0)
		return false;
	at = l.proto == 17 ? l.payload : l.l4 + 8u;
	if (len < at + 4)
		return false;
	*id = be32_get(segment + at);
	return true;
}

/* What a cut may change is taken over from the segment, then all is equal. */
static bool headers_right(const struct super *s, const uint8_t *segment, size_t len, bool tail)
{
	uint8_t want[SUPERFRAME_HEADERS];
	size_t l3 = s->l3, l4 = s->l4;

	memcpy(want, s->bytes, s->headers);
	if (s->v6) {
		be16_put(want + l3 + 4, (uint16_t)(len - l4));
	} else {
		be16_put(want + l3 + 2, (uint16_t)(len - l3));
		memcpy(want + l3 + 4, segment + l3 + 4, 2);
		memcpy(want + l3 + 10, segment + l3 + 10, 2);
	}
	if (s->udp) {
		be16_put(want + l4 + 4, (uint16_t)(len - l4));
		memcpy(want + l4 + 6, segment + l4 + 6, 2);
	} else {
		memcpy(want + l4 + 4, segment + l4 + 4, 4);
		memcpy(want + l4 + 16, segment + l4 + 16, 2);
		if (!tail)
			want[l4 + 13] &= (uint8_t)~TAIL_FLAGS;
		want[l4 + 13] &= (uint8_t)~FRAME_CWR;
		want[l4 + 13] |= segment[l4 + 13] & s->bytes[l4 + 13] & FRAME_CWR;
	}
	return memcmp(want, segment, s->headers) == 0;
}

bool super_segment_right(const struct super *s, const uint8_t *segment, size_t len, size_t *offset,
			 size_t *n)
{
	static struct frame f;
	size_t total = s->len - s->headers;

	if (len <= s->headers)
		return false;
	*n = len - s->headers;
	if (s->udp) {
		*offset = (size_t)be32_get(segment + s->headers + 4) * s->vnet.gso_size;
		if (*offset >= total || *n != MIN((size_t)s->vnet.gso_size, total - *offset))
			return false;
	} else {
		*offset = be32_get(segment + s->l4 + 4) - s->seq;
		if (*offset > total || *n > total - *offset || *n > s->vnet.gso_size)
			return false;
	}
	f.l3 = s->l3;
	f.l4 = s->l4;
	f.headers = s->headers;
	return headers_right(s, segment, len, *offset + *n == total) &&
	       frame_sums_right(&f, segment, len) &&
	       memcmp(segment + s->headers, s->bytes + s->headers + *offset, *n) == 0;
}
