/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * A flow in hand is the first frame's headers and the payloads that followed.
 * A frame joins when its headers are those that cutting the super-frame at that
 * place would give: the same but for the IPv4 identification, which counts up,
 * the TCP sequence number, which follows, FIN and PSH, which only the last one
 * may have, lengths and sums.  A final checksum is verified first, and made
 * partial: whoever cuts the super-frame later computes it again.
 *
 * Order is kept within a flow, not between flows, as the kernel's GRO does.
 */
#include "core/merge.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define PROTO_TCP 6
#define PROTO_UDP 17
#define TCP_SEQ 4
#define TCP_FLAGS 13
#define TCP_CHECK 16
#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_ECE 0x40
#define UDP_LENGTH 4
#define UDP_CHECK 6
#define IPV4_TOTAL 2
#define IPV4_ID 4
#define IPV6_PAYLOAD 4
#define COUNT_MAX 64 /* frames in one: as the kernel's UDP segmentation takes */

bool merge_init(struct merge *m, size_t headroom, merge_out out, void *ctx)
{
	size_t room = headroom + SUPERFRAME_MAX;

	memset(m, 0, sizeof(*m));
	m->memory = malloc(MERGE_FLOWS * room);
	if (!m->memory)
		return false;
	m->out = out;
	m->ctx = ctx;
	for (unsigned i = 0; i < MERGE_FLOWS; i++)
		m->flow[i].frame = m->memory + i * room + headroom;
	return true;
}

void merge_free(struct merge *m)
{
	free(m->memory);
	m->memory = NULL;
}

static bool is_tcp(const struct superframe_layout *l)
{
	return l->proto == PROTO_TCP;
}

/* Headers of the whole, in place of the first frame's. */
static void raise_headers(struct merge_flow *f)
{
	uint8_t *l4 = f->frame + f->layout.l4;
	size_t total = f->len - f->layout.payload;

	f->vnet.gso_size = (uint16_t)f->piece;
	f->vnet.hdr_len = f->layout.payload;
	f->vnet.flags = VNET_F_NEEDS_CSUM;
	superframe_trim(f->frame, &f->layout, &f->vnet, 0, total, f->piece);
	f->vnet.gso_size = (uint16_t)f->piece;
	f->vnet.gso_type = !is_tcp(&f->layout)	? VNET_GSO_UDP_L4
			   : f->layout.ip == 4 ? VNET_GSO_TCPV4
					       : VNET_GSO_TCPV6;
	if (is_tcp(&f->layout))
		l4[TCP_FLAGS] = f->flags;
}

static void flow_out(struct merge *m, struct merge_flow *f)
{
	size_t len = f->len;

	if (f->count > 1)
		raise_headers(f);
	m->merged += f->count - 1;
	m->used--;
	f->len = 0;
	m->out(m->ctx, f->port, f->frame, len, &f->vnet, &f->layout);
}

void merge_flush(struct merge *m)
{
	for (unsigned i = 0; i < MERGE_FLOWS && m->used; i++) {
		if (m->flow[i].len)
			flow_out(m, &m->flow[i]);
	}
}

/* Bytes that tell a flow: addresses and ports, in one run in both versions of IP. */
static const uint8_t *flow_key(const uint8_t *frame, const struct superframe_layout *l, size_t *len)
{
	size_t from = l->l3 + (l->ip == 4 ? 12u : 8u);

	*len = l->l4 - from + 4;
	return frame + from;
}

static struct merge_flow *find(struct merge *m, unsigned port, const uint8_t *frame,
			       const struct superframe_layout *l)
{
	size_t len, other_len;
	const uint8_t *key = flow_key(frame, l, &len);

	for (unsigned i = 0; i < MERGE_FLOWS; i++) {
		struct merge_flow *f = &m->flow[i];

		if (f->len && f->port == port && f->layout.ip == l->ip &&
		    f->layout.proto == l->proto &&
		    f->layout.l3 == l->l3 && f->layout.l4 == l->l4 &&
		    memcmp(flow_key(f->frame, &f->layout, &other_len), key, len) == 0)
			return f;
	}
	return NULL;
}

/* A frame that can stand first: payload that the headers agree to, no IP
 * options, of TCP nothing but data, a checksum that is there. */
static bool mergeable(const uint8_t *frame, size_t len, const struct vnet *vnet,
		      const struct superframe_layout *l)
{
	const uint8_t *ip = frame + l->l3, *l4 = frame + l->l4;
	size_t said = l->ip == 4 ? be16_get(ip + IPV4_TOTAL) : be16_get(ip + IPV6_PAYLOAD) + 40u;

	if (vnet->gso_type != VNET_GSO_NONE || l->payload >= len || said != len - l->l3 ||
	    (l->ip == 4 && (l->l4 - l->l3 != 20 || !superframe_ip_good(frame, l))) ||
	    (vnet->flags & VNET_F_NEEDS_CSUM &&
	     (vnet->csum_start != l->l4 ||
	      vnet->csum_offset != (is_tcp(l) ? TCP_CHECK : UDP_CHECK))))
		return false;
	if (is_tcp(l))
		return (l4[TCP_FLAGS] & ~(TCP_ECE | TCP_PSH | TCP_FIN)) == TCP_ACK;
	return l->proto == PROTO_UDP && be16_get(l4 + UDP_LENGTH) == len - l->l4 &&
	       be16_get(l4 + UDP_CHECK) != 0;
}

/* The two IP headers agree on all that cutting keeps. */
static bool ip_follows(const struct merge_flow *f, const uint8_t *frame)
{
	const uint8_t *a = f->frame + f->layout.l3, *b = frame + f->layout.l3;

	if (f->layout.ip == 6)
		return memcmp(a, b, 4) == 0 && memcmp(a + 6, b + 6, 34) == 0;
	return memcmp(a, b, 2) == 0 && memcmp(a + 6, b + 6, 4) == 0 &&
	       memcmp(a + 12, b + 12, 8) == 0 &&
	       (uint16_t)(be16_get(a + IPV4_ID) + f->count) == be16_get(b + IPV4_ID);
}

static bool tcp_follows(const struct merge_flow *f, const uint8_t *frame)
{
	const uint8_t *a = f->frame + f->layout.l4, *b = frame + f->layout.l4;
	uint32_t sent = (uint32_t)(f->len - f->layout.payload);

	return memcmp(a, b, 4) == 0 && be32_get(a + TCP_SEQ) + sent == be32_get(b + TCP_SEQ) &&
	       memcmp(a + 8, b + 8, 5) == 0 &&
	       ((a[TCP_FLAGS] ^ b[TCP_FLAGS]) & ~(TCP_PSH | TCP_FIN)) == 0 &&
	       memcmp(a + 14, b + 14, 2) == 0 &&
	       memcmp(a + 18, b + 18, f->layout.payload - f->layout.l4 - 18u) == 0;
}

static bool follows(const struct merge_flow *f, const uint8_t *frame, size_t len,
		    const struct superframe_layout *l)
{
	size_t payload = len - l->payload;

	return !f->closed && f->count < COUNT_MAX && l->payload == f->layout.payload &&
	       payload <= f->piece && f->len + payload - l->l3 <= UINT16_MAX &&
	       memcmp(f->frame, frame, l->l3) == 0 && ip_follows(f, frame) &&
	       (!is_tcp(l) || tcp_follows(f, frame));
}

/* What the frame means for those after it. */
static void note_last(struct merge_flow *f, const uint8_t *frame, size_t len)
{
	f->closed = len - f->layout.payload < f->piece;
	if (is_tcp(&f->layout)) {
		f->flags = frame[f->layout.l4 + TCP_FLAGS];
		f->closed |= (f->flags & (TCP_PSH | TCP_FIN)) != 0;
	}
}

static void begin(struct merge *m, unsigned port, const uint8_t *frame, size_t len,
		  const struct vnet *vnet, const struct superframe_layout *l)
{
	struct merge_flow *f = &m->flow[m->next];

	for (unsigned i = 0; i < MERGE_FLOWS && f->len; i++)
		f = &m->flow[i];
	if (f->len) {
		f = &m->flow[m->next];
		m->next = (m->next + 1) % MERGE_FLOWS;
		flow_out(m, f);
	}
	memcpy(f->frame, frame, len);
	f->len = len;
	f->count = 1;
	f->port = port;
	f->layout = *l;
	f->vnet = *vnet;
	f->piece = len - l->payload;
	m->used++;
	note_last(f, frame, len);
}

/* Makes sums alike: true when both are partial afterwards. */
static bool make_partial(struct merge_flow *f, const uint8_t *frame, size_t len,
			 const struct vnet *vnet)
{
	if (!(vnet->flags & VNET_F_NEEDS_CSUM) &&
	    !superframe_sum_good(frame, len, &f->layout))
		return false;
	if (f->vnet.flags & VNET_F_NEEDS_CSUM)
		return true;
	if (!superframe_sum_good(f->frame, f->len, &f->layout))
		return false;
	superframe_sum_partial(f->frame, f->len, &f->layout, &f->vnet);
	return true;
}

bool merge_take(struct merge *m, unsigned port, const uint8_t *frame, size_t len,
		const struct vnet *vnet, const struct superframe_layout *layout)
{
	struct merge_flow *f;

	if (layout->proto == 0)
		return false;
	f = m->used ? find(m, port, frame, layout) : NULL;
	if (!mergeable(frame, len, vnet, layout)) {
		if (f)
			flow_out(m, f);
		return false;
	}
	if (f && follows(f, frame, len, layout) && make_partial(f, frame, len, vnet)) {
		memcpy(f->frame + f->len, frame + layout->payload, len - layout->payload);
		f->len += len - layout->payload;
		f->count++;
		note_last(f, frame, len);
		return true;
	}
	if (f)
		flow_out(m, f);
	begin(m, port, frame, len, vnet, layout);
	return true;
}
