/* SPDX-License-Identifier: MIT */
/*
 * The hosts behind the sites.  A frame is made of its number: the receiver
 * makes it again and compares.  Frames too short for a number are counted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "sim/libworld.h"

#define TYPE 0x88b5
#define TYPE_TINY 0x88b6
#define NUMBERED 18 /* bytes of a frame that holds a number */

const uint8_t hosts_mark[8] = { 'S', 'E', 'C', 'R', 'E', 'T', 0x5a, 0xa5 };

static void mac_of(uint8_t out[6], unsigned node, unsigned host)
{
	const uint8_t mac[6] = { 2, 0, 0x5e, 0, (uint8_t)node, (uint8_t)host };

	memcpy(out, mac, 6);
}

/* Who a frame is for: a site's number, or the number of sites for everybody. */
static unsigned destination(const struct world *w, const struct sent *s)
{
	unsigned to = (unsigned)(s->draw >> 8) % (w->n - 1);

	if ((s->draw & 0xff) == 0xff || s->draw % 16 == 0)
		return w->n;
	return to >= s->src ? to + 1 : to;
}

static void put_addresses(const struct world *w, const struct sent *s, uint8_t *frame)
{
	unsigned to = destination(w, s);

	if (to == w->n)
		memset(frame, 0xff, 6);
	else
		mac_of(frame, to, s->draw >> 16 & 1);
	mac_of(frame + 6, s->src, s->draw >> 17 & 1);
}

static size_t length_of(const struct sent *s)
{
	size_t many = s->draw >> 24 & 0xffff;

	switch (s->draw >> 40 & 7) {
	case 0:
		return NUMBERED + many % 9000;
	case 1:
	case 2:
		return 1514;
	case 3:
		return NUMBERED + many % 1600;
	default:
		return NUMBERED + many % 120;
	}
}

/* The frame of that number; its length. */
static size_t make_frame(const struct world *w, uint32_t id, uint8_t *out)
{
	const struct sent *s = &w->sent[id];
	size_t len = length_of(s), at = 12;
	uint64_t x = hash_u64(id, 11);

	put_addresses(w, s, out);
	if (s->draw >> 44 & 1 && len >= NUMBERED + 4) {
		be16_put(out + at, 0x8100);
		be16_put(out + at + 2, (uint16_t)(1 + (s->draw >> 45 & 3)));
		at += 4;
	}
	be16_put(out + at, TYPE);
	be32_put(out + at + 2, id);
	at += 6;
	for (; at + 16 <= len; at += 16) {
		x += 0x9e3779b97f4a7c15u;
		memcpy(out + at, hosts_mark, 8);
		be64_put(out + at + 8, x);
	}
	memset(out + at, (int)len, len - at);
	return len;
}

static uint32_t new_sent(struct node *node, bool everybody, bool expected)
{
	struct world *w = node->world;
	struct sent *s;

	if (w->n_sent == w->room_sent) {
		w->room_sent = 2 * w->room_sent + 256;
		w->sent = realloc(w->sent, w->room_sent * sizeof(*w->sent));
		if (!w->sent)
			exit(1);
	}
	s = &w->sent[w->n_sent];
	memset(s, 0, sizeof(*s));
	rand_fill(&w->rand, &s->draw, sizeof(s->draw));
	if (everybody)
		s->draw |= 0xff;
	s->src = (uint8_t)node->number;
	if (expected) {
		unsigned to = destination(w, s);

		s->expect = (uint8_t)(to == w->n ? (1u << w->n) - 1 : 1u << to);
		s->expect &= (uint8_t) ~(1u << node->number);
	}
	return (uint32_t)w->n_sent++;
}

/* A frame of its own size, so that the sanitizer sees who reads past it. */
static void into_site(struct node *node, const uint8_t *bytes, size_t len, const struct vnet *vnet)
{
	uint8_t *exact = malloc(SITE_HEADROOM + len);

	if (!exact)
		exit(1);
	memcpy(exact + SITE_HEADROOM, bytes, len);
	site_frame(&node->site, 0, exact + SITE_HEADROOM, len, vnet, node->world->now);
	free(exact);
}

static void send_one(struct node *node, bool everybody, bool expected)
{
	static uint8_t bytes[WIRE_FRAME_MAX];
	uint32_t id = new_sent(node, everybody, expected);
	const struct vnet plain = { 0 };
	size_t len = make_frame(node->world, id, bytes);

	world_trace(node->world, "site %u: frame %u, %zu bytes, for %u", node->number, id, len,
		    destination(node->world, &node->world->sent[id]));
	into_site(node, bytes, len, &plain);
}

/* A frame too short to be numbered, without expectation. */
static void send_tiny(struct node *node)
{
	struct world *w = node->world;
	const struct vnet plain = { 0 };
	uint8_t bytes[NUMBERED - 1] = { 0 };
	size_t len = 14 + world_draw(w, 4);

	memset(bytes, 0xff, 6);
	mac_of(bytes + 6, node->number, 0);
	be16_put(bytes + 12, TYPE_TINY);
	w->tiny_sent[node->number]++;
	into_site(node, bytes, len, &plain);
}

void hosts_send(struct node *node, bool expected)
{
	if (world_draw(node->world, 50) == 0)
		send_tiny(node);
	send_one(node, false, expected);
}

void hosts_broadcast(struct node *node, bool expected)
{
	send_one(node, true, expected);
	node_close(node);
}

void hosts_flood(struct node *node, unsigned n, bool expected)
{
	while (n-- > 0)
		hosts_send(node, expected);
	node_close(node);
}

void hosts_send_super(struct node *node, size_t payload_max, bool expected)
{
	struct world *w = node->world;
	uint32_t id = new_sent(node, false, expected);
	struct sent *s = &w->sent[id];
	uint8_t addresses[12];

	put_addresses(w, s, addresses);
	if (!super_make(&s->super, id, s->draw, payload_max, addresses, addresses + 6))
		exit(1);
	world_trace(w, "site %u: super-frame %u, %zu bytes, gso %u x %u, for %u", node->number, id,
		    s->super.len, s->super.vnet.gso_type, s->super.vnet.gso_size,
		    destination(w, s));
	into_site(node, s->super.bytes, s->super.len, &s->super.vnet);
	node_close(node);
}

/* ---- what comes out ---- */

static void check_plain(struct node *node, const uint8_t *frame, size_t len, size_t type_at)
{
	static uint8_t want[WIRE_FRAME_MAX];
	struct world *w = node->world;
	uint32_t id = be32_get(frame + type_at + 2);
	uint8_t bit = (uint8_t)(1u << node->number);
	struct sent *s;

	if (id >= w->n_sent || w->sent[id].super.bytes) {
		world_fail(w, "site %u: a forged frame", node->number);
		return;
	}
	s = &w->sent[id];
	if (make_frame(w, id, want) != len || memcmp(want, frame, len) != 0)
		world_fail(w, "site %u: frame %u was altered", node->number, id);
	else if (s->src == node->number)
		world_fail(w, "site %u: frame %u came back", node->number, id);
	else if (s->got & bit)
		world_fail(w, "site %u: frame %u came twice", node->number, id);
	s->got |= bit;
}

static void check_segment(struct node *node, const uint8_t *bytes, size_t len)
{
	struct world *w = node->world;
	unsigned me = node->number;
	size_t offset, n, total;
	struct sent *s;
	uint32_t id;

	if (!super_id(bytes, len, &id) || id >= w->n_sent || !w->sent[id].super.bytes) {
		world_fail(w, "site %u: a forged segment", me);
		return;
	}
	s = &w->sent[id];
	total = s->super.len - s->super.headers;
	if (!s->cover[me] && !(s->cover[me] = calloc(1, total)))
		exit(1);
	if (s->src == me) {
		world_fail(w, "site %u: super-frame %u came back", me, id);
	} else if (!super_segment_right(&s->super, bytes, len, &offset, &n)) {
		world_fail(w, "site %u: a segment of super-frame %u was altered", me, id);
	} else if (memchr(s->cover[me] + offset, 1, n)) {
		world_fail(w, "site %u: bytes of super-frame %u came twice", me, id);
	} else {
		memset(s->cover[me] + offset, 1, n);
		s->covered[me] += n;
		if (s->covered[me] == total)
			s->got |= (uint8_t)(1u << me);
	}
}

static void check_super(struct node *node, uint8_t *bytes, size_t len, const struct vnet *vnet)
{
	static uint8_t segment[WIRE_FRAME_MAX];
	struct superframe_layout layout;
	struct superframe_cut cut;
	struct vnet facts = *vnet;
	size_t n;

	if (!superframe_valid(bytes, len, len, vnet, &layout)) {
		world_fail(node->world, "site %u: offload facts do not fit", node->number);
		return;
	}
	if (vnet->gso_type == VNET_GSO_NONE) {
		superframe_checksum(bytes, len, &facts);
		check_segment(node, bytes, len);
		return;
	}
	superframe_cut_begin(&cut, bytes, len, vnet, &layout, true);
	while ((n = superframe_cut_next(&cut, segment, sizeof(segment), &facts)) > 0)
		check_segment(node, segment, n);
}

static void check_tiny(struct node *node, const uint8_t *frame)
{
	struct world *w = node->world;
	unsigned src = frame[10];

	if (src >= w->n || src == node->number ||
	    ++w->tiny_got[node->number][src] > w->tiny_sent[src])
		world_fail(w, "site %u: a tiny frame too many", node->number);
}

int hosts_receive(void *ctx, const struct vnet *vnet, struct iovec *iov, size_t n)
{
	static uint8_t bytes[SUPERFRAME_MAX];
	struct node *node = ctx;
	size_t len = 0, type_at = 12;
	uint16_t type;

	for (size_t i = 1; i < n; i++) {
		if (len + iov[i].iov_len > sizeof(bytes)) {
			world_fail(node->world, "site %u: a frame too long", node->number);
			return 0;
		}
		memcpy(bytes + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	node->world->delivered++;
	if (vnet->flags & VNET_F_NEEDS_CSUM && !(node->port.can & VNET_CAN_CSUM))
		world_fail(node->world, "site %u: a partial checksum", node->number);
	if (vnet->gso_type && !(node->port.can & VNET_CAN_TSO4))
		world_fail(node->world, "site %u: a super-frame", node->number);
	type = be16_get(bytes + type_at);
	if (type == 0x8100 && be16_get(bytes + 16) == TYPE)
		type = be16_get(bytes + (type_at = 16));
	if (type == TYPE)
		check_plain(node, bytes, len, type_at);
	else if (type == TYPE_TINY)
		check_tiny(node, bytes);
	else
		check_super(node, bytes, len, vnet);
	return 0;
}

/* After all is over: what was expected has come. */
void hosts_judge(struct world *w)
{
	for (uint32_t id = 0; id < w->n_sent; id++) {
		const struct sent *s = &w->sent[id];

		if (s->expect & ~s->got)
			world_fail(w, "%sframe %u of site %u: got by %#x of %#x",
				   s->super.bytes ? "super-" : "", id, s->src, s->got & s->expect,
				   s->expect);
	}
}

void hosts_free(struct world *w)
{
	for (size_t id = 0; id < w->n_sent; id++) {
		super_free(&w->sent[id].super);
		for (unsigned i = 0; i < WORLD_NODES; i++)
			free(w->sent[id].cover[i]);
	}
	free(w->sent);
}
