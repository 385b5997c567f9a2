/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * A run is filled datagram by datagram at equal stride.  The open datagram is
 * the last one of the run: plaintext gathers at its final place, behind the
 * room for the header, and is sealed there when it is full or at the end of
 * the batch.  Only the last datagram of a run may be short, so whatever must
 * not go on in the same stride (a padded probe, USO pieces) ends the run.
 *
 * Pieces of a TCP super-frame that fill a whole datagram skip the gathering:
 * the datagram's plaintext head (cont, record header, facts, the frame's own
 * headers) is written right in front of the piece inside the super-frame's own
 * buffer, over bytes that were sealed before, and one call seals it all from
 * there into the run.
 */
#include "core/pack.h"

#include <string.h>

#include "base/bytes.h"

#define CONT 2
#define SEGMENT_HEAD (WIRE_RECORD_HEADER + WIRE_SEGMENT_META)
#define SEGMENT_MIN 256 /* payload bytes: below, a piece is not worth its headers */
#define PIECE_MIN 64	/* payload bytes worth putting into what is left of a datagram */

_Static_assert(PACK_HEADROOM >= CONT + SEGMENT_HEAD, "head of a datagram's first piece");

/* A super-frame on its way through a packer. */
struct piece_source {
	uint8_t *frame;
	size_t total; /* payload bytes */
	size_t offset;
	const struct vnet *vnet;
	size_t header_len;
	uint16_t id;
	uint8_t headers[SUPERFRAME_HEADERS];
};

void pack_init(struct pack *p, struct outbox *outbox, struct keys *keys, uint16_t owner)
{
	memset(p, 0, sizeof(*p));
	p->outbox = outbox;
	p->keys = keys;
	p->owner = owner;
}

void pack_through(struct pack *p, struct keys *hop, uint32_t member)
{
	pack_close(p);
	p->hop = hop;
	p->member = member;
}

void pack_target(struct pack *p, const struct addr *to, uint8_t socket, uint16_t size)
{
	pack_close(p);
	p->to = *to;
	p->socket = socket;
	p->size = size;
}

/* What a datagram has besides its plaintext. */
static size_t overhead(const struct pack *p)
{
	return WIRE_DATA_OVERHEAD + (p->hop ? WIRE_HOP_OVERHEAD : 0);
}

/* There are keys to seal with. */
static bool ready(const struct pack *p)
{
	return p->keys->current && (!p->hop || p->hop->current);
}

size_t pack_room(const struct pack *p)
{
	return (size_t)p->size - overhead(p) - CONT - WIRE_RECORD_HEADER - 4;
}

/* Plaintext bytes of a full datagram of the run. */
static size_t capacity(const struct pack *p)
{
	return (size_t)p->run->segment - overhead(p);
}

static uint8_t *plaintext(const struct pack *p)
{
	return p->run->data + p->run->len + (p->hop ? WIRE_HOP_HEADER : 0) + WIRE_DATA_HEADER;
}

/* Seals a datagram behind the others of the run. */
static void seal(struct pack *p, const uint8_t *plain, size_t len)
{
	uint8_t *out = p->run->data + p->run->len;
	size_t all = len + overhead(p);

	if (p->hop) {
		keys_seal(p->keys, p->outbox->lane, plain, len, out + WIRE_HOP_HEADER);
		keys_hop(p->hop, p->member, len + WIRE_DATA_OVERHEAD, out);
	} else {
		keys_seal(p->keys, p->outbox->lane, plain, len, out);
	}
	p->run->len += (uint32_t)all;
	p->run->count++;
	p->datagrams++;
	p->bytes += all;
	p->fill = 0;
}

static void end_run(struct pack *p)
{
	outbox_ready(p->outbox, p->run);
	p->run = NULL;
}

/* A run with room for one more datagram of that size. */
static bool need_run(struct pack *p, uint16_t segment)
{
	if (p->run && (p->run->segment != segment || p->run->count == RUN_SEGMENTS ||
		       p->run->len + segment > RUN_BYTES))
		end_run(p);
	if (p->run)
		return true;
	if (p->outbox->bytes >= p->outbox->flush_at)
		outbox_flush(p->outbox);
	p->run = outbox_take(p->outbox);
	if (!p->run)
		return false;
	p->run->to = p->to;
	p->run->socket = p->socket;
	p->run->owner = p->owner;
	p->run->segment = segment;
	return true;
}

/* Opens a datagram whose first cont bytes continue a record. */
static bool open_datagram(struct pack *p, size_t cont)
{
	if (!ready(p) || !need_run(p, p->size))
		return false;
	be16_put(plaintext(p), (uint16_t)cont);
	p->fill = CONT;
	return true;
}

static void seal_open(struct pack *p)
{
	seal(p, plaintext(p), p->fill);
}

/* Fills the rest with padding, so that the run's stride holds. */
static void seal_padded(struct pack *p)
{
	memset(plaintext(p) + p->fill, WIRE_PAD, capacity(p) - p->fill);
	p->fill = capacity(p);
	seal_open(p);
}

static size_t space_left(const struct pack *p)
{
	return p->fill ? capacity(p) - p->fill : 0;
}

void pack_close(struct pack *p)
{
	if (!p->run)
		return;
	if (p->fill) {
		if (ready(p))
			seal_open(p);
		else
			p->fill = 0;
	}
	end_run(p);
}

static void append(struct pack *p, const void *bytes, size_t len)
{
	memcpy(plaintext(p) + p->fill, bytes, len);
	p->fill += len;
}

/* Makes sure that a record of need bytes begins in the open datagram: whole,
 * or with at least cut_min bytes of it.  cut_min >= need: never cut. */
static bool begin_record(struct pack *p, size_t need, size_t cut_min)
{
	size_t left = space_left(p);

	if (p->fill && left < need && left < cut_min)
		seal_padded(p);
	return p->fill || open_datagram(p, 0);
}

/* The rest of a record, over as many datagrams as it takes. */
static bool append_cut(struct pack *p, const uint8_t *bytes, size_t len)
{
	size_t part = MIN(len, space_left(p));

	append(p, bytes, part);
	while (len > part) {
		bytes += part;
		len -= part;
		seal_open(p);
		part = MIN(len, (size_t)p->size - overhead(p) - CONT);
		if (!open_datagram(p, part))
			return false;
		append(p, bytes, part);
	}
	if (space_left(p) == 0)
		seal_open(p);
	return true;
}

bool pack_frame(struct pack *p, const uint8_t *frame, size_t len, const struct vnet *vnet)
{
	bool partial = vnet->flags & VNET_F_NEEDS_CSUM;
	size_t body = len + (partial ? 4 : 0);
	uint8_t head[WIRE_RECORD_HEADER + 4];
	struct wr w = wr_make(head, sizeof(head));

	if (!begin_record(p, WIRE_RECORD_HEADER + body, WIRE_CUT_MIN))
		return false;
	wr_u8(&w, partial ? WIRE_PARTIAL : WIRE_FRAME);
	wr_u16(&w, (uint16_t)body);
	if (partial) {
		wr_u16(&w, vnet->csum_start);
		wr_u16(&w, vnet->csum_offset);
	}
	append(p, head, w.used);
	return append_cut(p, frame, len);
}

static void put_control(struct pack *p, uint8_t type, const void *body, size_t len)
{
	uint8_t head[WIRE_RECORD_HEADER + 1];

	head[0] = WIRE_CONTROL;
	be16_put(head + 1, (uint16_t)(len + 1));
	head[3] = type;
	append(p, head, sizeof(head));
	if (len)
		append(p, body, len);
}

bool pack_control(struct pack *p, uint8_t type, const void *body, size_t len)
{
	size_t need = WIRE_RECORD_HEADER + 1 + len;

	if (!begin_record(p, need, need))
		return false;
	put_control(p, type, body, len);
	if (space_left(p) == 0)
		seal_open(p);
	return true;
}

bool pack_control_padded(struct pack *p, uint8_t type, const void *body, size_t len, uint16_t size)
{
	uint16_t usual = p->size;
	bool ok;

	pack_close(p);
	p->size = size;
	ok = open_datagram(p, 0);
	if (ok) {
		put_control(p, type, body, len);
		seal_padded(p);
		end_run(p);
	}
	p->size = usual;
	return ok;
}

static void put_segment_head(struct wr *w, const struct piece_source *s, size_t len)
{
	wr_u8(w, WIRE_SEGMENT);
	wr_u16(w, (uint16_t)(WIRE_SEGMENT_META + s->header_len + len));
	wr_u8(w, s->vnet->gso_type);
	wr_u8(w, s->vnet->flags);
	wr_u16(w, s->vnet->gso_size);
	wr_u16(w, s->vnet->csum_start);
	wr_u16(w, s->vnet->csum_offset);
	wr_u16(w, (uint16_t)s->header_len);
	wr_u16(w, s->id);
	wr_u16(w, (uint16_t)s->offset);
	wr_u32(w, (uint32_t)s->total);
	wr_copy(w, s->headers, s->header_len);
}

/* A piece copied into the open datagram, which has room for it. */
static void append_piece(struct pack *p, struct piece_source *s, size_t len)
{
	struct wr w = wr_make(plaintext(p) + p->fill, capacity(p) - p->fill);

	put_segment_head(&w, s, len);
	wr_copy(&w, s->frame + s->header_len + s->offset, len);
	p->fill += w.used;
	s->offset += len;
	if (space_left(p) == 0)
		seal_open(p);
}

/* A piece sealed out of the super-frame's own buffer into the next datagram of
 * the run, which it makes exactly `segment` bytes (or less: the run's last). */
static bool seal_piece(struct pack *p, struct piece_source *s, size_t len, uint16_t segment)
{
	size_t head = CONT + SEGMENT_HEAD + s->header_len;
	uint8_t *start = s->frame + s->header_len + s->offset - head;
	struct wr w = wr_make(start, head);

	if (!ready(p) || !need_run(p, segment))
		return false;
	wr_u16(&w, 0);
	put_segment_head(&w, s, len);
	seal(p, start, head + len);
	s->offset += len;
	return true;
}

static size_t left_of(const struct piece_source *s)
{
	return s->total - s->offset;
}

/* One whole-datagram piece, by the way that the buffer allows. */
static bool full_piece(struct pack *p, struct piece_source *s, size_t len, uint16_t segment,
		       bool spoil)
{
	uint16_t usual = p->size;
	bool ok;

	if (spoil)
		return seal_piece(p, s, len, segment);
	p->size = segment;
	ok = open_datagram(p, 0);
	p->size = usual;
	if (ok)
		append_piece(p, s, len);
	return ok;
}

/* TCP is a stream of bytes: a piece may begin and end anywhere. */
static bool pack_tcp(struct pack *p, struct piece_source *s, size_t most, bool spoil)
{
	size_t head = SEGMENT_HEAD + s->header_len;

	if (p->fill && space_left(p) >= head + PIECE_MIN)
		append_piece(p, s, MIN(left_of(s), space_left(p) - head));
	if (left_of(s) && p->fill)
		seal_padded(p);
	while (left_of(s) >= most) {
		if (!full_piece(p, s, most, p->size, spoil))
			return false;
	}
	if (left_of(s)) {
		if (!open_datagram(p, 0))
			return false;
		append_piece(p, s, left_of(s));
	}
	return true;
}

/* UDP keeps its boundaries: pieces of whole datagrams, in runs of their own
 * stride. */
static bool pack_udp(struct pack *p, struct piece_source *s, size_t most, bool spoil)
{
	size_t piece = most - most % s->vnet->gso_size;
	size_t segment = overhead(p) + CONT + SEGMENT_HEAD + s->header_len + piece;

	pack_close(p);
	while (left_of(s)) {
		size_t len = MIN(piece, left_of(s));

		if (!full_piece(p, s, len, (uint16_t)segment, spoil))
			return false;
		if (len < piece)
			break;
	}
	pack_close(p);
	return true;
}

/* As plain frames, one a segment. */
static bool pack_cut(struct pack *p, const uint8_t *frame, size_t len, const struct vnet *vnet,
		     const struct superframe_layout *layout)
{
	struct superframe_cut cut;
	uint8_t segment[WIRE_FRAME_MAX];
	struct vnet facts;
	size_t n;

	superframe_cut_begin(&cut, frame, len, vnet, layout, false);
	while ((n = superframe_cut_next(&cut, segment, sizeof(segment), &facts)) > 0) {
		if (!pack_frame(p, segment, n, &facts))
			return false;
	}
	return true;
}

bool pack_super(struct pack *p, uint8_t *frame, size_t len, const struct vnet *vnet,
		const struct superframe_layout *layout, bool spoil)
{
	size_t fixed = overhead(p) + CONT + SEGMENT_HEAD + layout->payload;
	struct piece_source s = { .frame = frame,
				  .total = len - layout->payload,
				  .vnet = vnet,
				  .header_len = layout->payload,
				  .id = p->super_id++ };
	bool udp = (vnet->gso_type & ~VNET_GSO_ECN) == VNET_GSO_UDP_L4;
	size_t most = p->size > fixed ? p->size - fixed : 0;

	if (most < SEGMENT_MIN || (udp && most < vnet->gso_size))
		return pack_cut(p, frame, len, vnet, layout);
	memcpy(s.headers, frame, layout->payload);
	return udp ? pack_udp(p, &s, most, spoil) : pack_tcp(p, &s, most, spoil);
}
