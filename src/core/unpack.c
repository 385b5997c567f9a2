/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * A datagram begins with `cont` bytes that belong to a record begun in an
 * earlier one.  A record that reaches past the end opens a join, which names
 * the counter that goes on.  When datagrams come in order (the caller sorts
 * each batch) the join is met by the very next datagram.  When the continuing
 * part came first, it waits in the stash until the join asks for it.  Both are
 * few and bounded; the oldest gives way, and its loss is counted as `join`.
 *
 * Pieces of a super-frame are not copied.  As long as the next piece goes on
 * where the last ended, it is added to the list of buffers; anything else ends
 * the list, and the frame goes out as far as it came, its headers mended to
 * stand for just that part.
 */
#include "core/unpack.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

_Static_assert(UNPACK_JOINS >= WIRE_LANES, "lanes do not push out each other's records");

bool unpack_init(struct unpack *u, const struct unpack_sink *sink)
{
	memset(u, 0, sizeof(*u));
	u->sink = *sink;
	u->memory = malloc((size_t)(UNPACK_JOINS + UNPACK_STASH) * UNPACK_RECORD);
	if (!u->memory)
		return false;
	for (unsigned i = 0; i < UNPACK_JOINS; i++)
		u->join[i].bytes = u->memory + (size_t)i * UNPACK_RECORD;
	for (unsigned i = 0; i < UNPACK_STASH; i++)
		u->stash[i].bytes = u->memory + (size_t)(UNPACK_JOINS + i) * UNPACK_RECORD;
	return true;
}

void unpack_free(struct unpack *u)
{
	free(u->memory);
	u->memory = NULL;
}

static void drop(struct unpack *u, enum drop reason)
{
	u->sink.drop(u->sink.ctx, reason);
}

bool unpack_pending(const struct unpack *u)
{
	return u->super.open;
}

static void hand_out(struct unpack *u, struct frame *frame)
{
	frame->len = 0;
	for (unsigned i = 1; i < frame->n; i++)
		frame->len += frame->iov[i].iov_len;
	u->sink.frame(u->sink.ctx, frame);
}

/* UDP pieces begin and end where datagrams do. */
static bool super_aligned(const struct unpack_super *s)
{
	if (s->vnet.gso_type != VNET_GSO_UDP_L4)
		return true;
	return s->first % s->vnet.gso_size == 0 &&
	       (s->next == s->total || s->next % s->vnet.gso_size == 0);
}

void unpack_flush(struct unpack *u)
{
	struct unpack_super *s = &u->super;
	struct superframe_layout layout;
	struct frame frame = { .n = s->n, .iov = s->iov };
	uint8_t *headers = s->iov[1].iov_base;

	if (!s->open)
		return;
	s->open = false;
	if (!superframe_valid(headers, s->header_len, s->header_len + s->total, &s->vnet,
			      &layout) ||
	    layout.payload != s->header_len || !super_aligned(s)) {
		drop(u, DROP_RECORD);
		return;
	}
	frame.vnet = s->vnet;
	/* The kernel refuses a super-frame of a single segment: trimmed, it is a plain frame. */
	if (s->next - s->first < s->total || s->total <= s->vnet.gso_size)
		superframe_trim(headers, &layout, &frame.vnet, s->first, s->next - s->first,
				s->total);
	hand_out(u, &frame);
}

void unpack_round(struct unpack *u)
{
	if (u->super.open && u->super.kept)
		unpack_flush(u);
	u->super.kept = true;
}

static void super_begin(struct unpack_super *s, const struct vnet *vnet, uint16_t id,
			uint8_t *headers, uint16_t header_len, size_t offset, size_t total)
{
	s->open = true;
	s->kept = false;
	s->id = id;
	s->vnet = *vnet;
	s->header_len = header_len;
	s->first = s->next = offset;
	s->total = total;
	s->n = 2;
	s->iov[1].iov_base = headers;
	s->iov[1].iov_len = header_len;
}

/* True when a piece goes on where the super-frame in hand ends. */
static bool super_continues(const struct unpack_super *s, uint16_t id, uint16_t header_len,
			    size_t offset, size_t total)
{
	return s->open && s->id == id && s->header_len == header_len && s->total == total &&
	       s->next == offset && s->n < COUNT_OF(s->iov);
}

static void take_segment(struct unpack *u, uint8_t *body, size_t len)
{
	struct unpack_super *s = &u->super;
	struct rd r = rd_make(body, len);
	struct vnet vnet;
	uint16_t header_len, id;
	size_t offset, total, piece;

	vnet.gso_type = rd_u8(&r);
	vnet.flags = rd_u8(&r) & VNET_F_NEEDS_CSUM;
	vnet.gso_size = rd_u16(&r);
	vnet.csum_start = rd_u16(&r);
	vnet.csum_offset = rd_u16(&r);
	vnet.hdr_len = header_len = rd_u16(&r);
	id = rd_u16(&r);
	offset = rd_u16(&r);
	total = rd_u32(&r);
	rd_bytes(&r, header_len);
	piece = r.left;
	if (!rd_ok(&r) || header_len < WIRE_FRAME_MIN || header_len > SUPERFRAME_HEADERS ||
	    piece == 0 || total > UINT16_MAX || offset > total || piece > total - offset ||
	    vnet.gso_type == VNET_GSO_NONE) {
		drop(u, DROP_RECORD);
		return;
	}
	if (!super_continues(s, id, header_len, offset, total)) {
		unpack_flush(u);
		super_begin(s, &vnet, id, body + WIRE_SEGMENT_META, header_len, offset, total);
	}
	s->iov[s->n].iov_base = body + WIRE_SEGMENT_META + header_len;
	s->iov[s->n++].iov_len = piece;
	s->next += piece;
	if (s->next == total)
		unpack_flush(u);
}

static void take_frame(struct unpack *u, uint8_t *body, size_t len, bool partial)
{
	struct iovec iov[2];
	struct frame frame = { .n = 2, .iov = iov };
	struct superframe_layout layout;

	if (partial) {
		if (len < 4) {
			drop(u, DROP_RECORD);
			return;
		}
		frame.vnet.flags = VNET_F_NEEDS_CSUM;
		frame.vnet.csum_start = be16_get(body);
		frame.vnet.csum_offset = be16_get(body + 2);
		body += 4;
		len -= 4;
	}
	if (len < WIRE_FRAME_MIN || len > WIRE_FRAME_MAX ||
	    (partial && !superframe_valid(body, len, len, &frame.vnet, &layout))) {
		drop(u, DROP_RECORD);
		return;
	}
	iov[1].iov_base = body;
	iov[1].iov_len = len;
	hand_out(u, &frame);
}

/* One whole record. */
static void take_record(struct unpack *u, uint8_t *record, size_t len)
{
	uint8_t *body = record + WIRE_RECORD_HEADER;

	len -= WIRE_RECORD_HEADER;
	if (record[0] != WIRE_SEGMENT)
		unpack_flush(u);
	switch (record[0]) {
	case WIRE_FRAME:
	case WIRE_PARTIAL:
		take_frame(u, body, len, record[0] == WIRE_PARTIAL);
		break;
	case WIRE_SEGMENT:
		take_segment(u, body, len);
		break;
	case WIRE_CONTROL:
		if (len > 0)
			u->sink.control(u->sink.ctx, body[0], body + 1, len - 1);
		else
			drop(u, DROP_RECORD);
		break;
	default:
		drop(u, DROP_RECORD);
	}
}

static struct unpack_part *stash_find(struct unpack *u, uint32_t key, uint64_t counter)
{
	for (unsigned i = 0; i < UNPACK_STASH; i++) {
		struct unpack_part *part = &u->stash[i];

		if (part->used && part->key == key && part->counter == counter)
			return part;
	}
	return NULL;
}

/* Keeps a part that came before what it continues. */
static void stash_put(struct unpack *u, uint32_t key, uint64_t counter, const uint8_t *bytes,
		      size_t len, bool whole)
{
	struct unpack_part *part = &u->stash[0];

	if (len > UNPACK_RECORD) {
		drop(u, DROP_RECORD);
		return;
	}
	for (unsigned i = 0; i < UNPACK_STASH && part->used; i++) {
		if (!u->stash[i].used || u->stash[i].age < part->age)
			part = &u->stash[i];
	}
	if (part->used)
		drop(u, DROP_JOIN);
	part->used = true;
	part->whole = whole;
	part->key = key;
	part->counter = counter;
	part->age = u->clock;
	part->len = (uint32_t)len;
	memcpy(part->bytes, bytes, len);
}

/* Adds a part to a join.  True when the record is complete or given up. */
static bool join_add(struct unpack *u, struct unpack_join *join, const uint8_t *bytes, size_t len,
		     bool whole)
{
	uint32_t missing = join->need - join->have;

	if (len > missing || (len < missing && !whole) || len == 0) {
		drop(u, DROP_RECORD);
		join->open = false;
		return true;
	}
	memcpy(join->bytes + join->have, bytes, len);
	join->have += (uint32_t)len;
	join->next++;
	if (join->have < join->need)
		return false;
	join->open = false;
	take_record(u, join->bytes, join->need);
	return true;
}

/* Gives an open join what the stash has for it. */
static void join_from_stash(struct unpack *u, struct unpack_join *join)
{
	struct unpack_part *part;

	while ((part = stash_find(u, join->key, join->next))) {
		part->used = false;
		if (join_add(u, join, part->bytes, part->len, part->whole))
			return;
	}
}

/* A record that the datagram's end cuts: have bytes of need are here. */
static void join_begin(struct unpack *u, uint32_t key, uint64_t counter, const uint8_t *record,
		       size_t have, size_t need)
{
	struct unpack_join *join = &u->join[0];

	if (have < WIRE_CUT_MIN || need > UNPACK_RECORD || record[0] == WIRE_SEGMENT) {
		drop(u, DROP_RECORD);
		return;
	}
	for (unsigned i = 0; i < UNPACK_JOINS && join->open; i++) {
		if (!u->join[i].open || u->join[i].age < join->age)
			join = &u->join[i];
	}
	if (join->open)
		drop(u, DROP_JOIN);
	join->open = true;
	join->key = key;
	join->next = counter + 1;
	join->age = u->clock;
	join->have = (uint32_t)have;
	join->need = (uint32_t)need;
	memcpy(join->bytes, record, have);
	join_from_stash(u, join);
}

static void take_continuation(struct unpack *u, uint32_t key, uint64_t counter,
			      const uint8_t *bytes, size_t len, bool whole)
{
	for (unsigned i = 0; i < UNPACK_JOINS; i++) {
		struct unpack_join *join = &u->join[i];

		if (!join->open || join->key != key || join->next != counter)
			continue;
		if (!join_add(u, join, bytes, len, whole))
			join_from_stash(u, join);
		return;
	}
	stash_put(u, key, counter, bytes, len, whole);
}

void unpack_datagram(struct unpack *u, uint32_t key, uint64_t counter, uint8_t *plain, size_t len)
{
	size_t cont, at = 2;

	u->clock++;
	if (len < 2 || (cont = be16_get(plain)) > len - 2) {
		drop(u, DROP_RECORD);
		return;
	}
	if (cont)
		take_continuation(u, key, counter, plain + 2, cont, cont == len - 2);
	at += cont;
	while (at < len && plain[at] != WIRE_PAD) {
		size_t have = len - at, need;

		if (have < WIRE_RECORD_HEADER) {
			drop(u, DROP_RECORD);
			return;
		}
		need = WIRE_RECORD_HEADER + (size_t)be16_get(plain + at + 1);
		if (need > have) {
			join_begin(u, key, counter, plain + at, have, need);
			return;
		}
		take_record(u, plain + at, need);
		at += need;
	}
}
