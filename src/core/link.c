/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * The relay numbers the changes of its list.  NOTICE tells the number of the
 * last one; while ours is another, MEMBERS_ASK goes out, again after a while if
 * no answer comes.  A list that begins anew (RESET) replaces what is in hand only
 * when it is complete, so that a peer whose entry is on its way is not lost for
 * that moment.
 */
#include "core/link.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

struct link *link_new(uint8_t number, const struct identity *self, const uint8_t psk[KEX_KEY])
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	link->number = number;
	link->ask = link->try_udp = INSTANT_NEVER;
	if (identity_init_hop(&link->self, self->private_key, psk, self->network, self->name,
			      self->rand)) {
		link->self.watch = self->watch;
		return link;
	}
	link_free(link);
	return NULL;
}

void link_free(struct link *link)
{
	bytes_wipe(link, sizeof(*link));
	free(link);
}

struct addr link_addr(const struct link *link, uint32_t number)
{
	struct addr a = { .family = ADDR_RELAY, .port = link->number };

	be32_put(a.ip, number);
	return a;
}

uint32_t link_member_of(const struct addr *addr)
{
	return be32_get(addr->ip);
}

void link_begin(struct link *link, struct instant now)
{
	link->revision = link->base = 0;
	link->whole = false;
	link->ask = instant_add(now, LINK_ASK_AGAIN); /* the NOTICE that comes is sooner */
}

/* Where the relay sees us, or what it says of its streams; false when it is neither. */
static bool read_place(struct link *link, struct rd *r, struct link_news *news)
{
	struct addr observed = { .family = ADDR_NONE };
	const uint8_t *place;

	observed.port = rd_u16(r);
	observed.family = rd_u8(r);
	place = rd_bytes(r, sizeof(observed.ip));
	if (!rd_ok(r) || r->left)
		return false;
	news->marked = observed.family == ADDR_NONE && observed.port == 0;
	if (news->marked)
		memcpy(link->mark, place, WIRE_STREAM_MARK);
	else if (observed.family == ADDR_IPV4 || observed.family == ADDR_IPV6)
		memcpy(observed.ip, place, observed.family == ADDR_IPV4 ? 4 : 16);
	else
		return false;
	news->moved = !addr_equal(&link->observed, &observed);
	link->observed = observed;
	return true;
}

bool link_notice(struct link *link, const uint8_t *body, size_t len, struct link_news *news,
		 struct instant now)
{
	struct rd r = rd_make(body, len);
	uint32_t head = rd_u32(&r), own = rd_u32(&r);

	if (own == 0 || own > WIRE_MEMBERS_MAX || !read_place(link, &r, news))
		return false;
	link->own = own;
	link->head = head;
	if (!link->whole || link->revision != head)
		link->ask = instant_min(link->ask, now);
	return true;
}

static void set_member(struct link *link, uint32_t number, uint16_t who)
{
	link->who[number] = who;
	link->seen[number] = link->turn;
}

/* Members that the new list does not have are gone. */
static void sweep(struct link *link, link_member_handler member, void *ctx)
{
	for (uint32_t i = 1; i <= WIRE_MEMBERS_MAX; i++) {
		struct link_member gone = { .number = i, .gone = true };

		if (link->who[i] == LINK_NOBODY || link->seen[i] == link->turn)
			continue;
		member(ctx, link, &gone);
		link->who[i] = LINK_NOBODY;
	}
}

static bool take_entry(struct link *link, struct rd *r, link_member_handler member, void *ctx)
{
	struct link_member m = { .number = rd_u32(r) };
	const uint8_t *name;
	uint8_t name_len;

	m.gone = rd_u8(r) & WIRE_MEMBER_GONE;
	m.public_key = rd_bytes(r, KEX_KEY);
	name_len = rd_u8(r);
	name = rd_bytes(r, name_len);
	if (!rd_ok(r) || m.number == 0 || m.number > WIRE_MEMBERS_MAX || name_len > WIRE_NAME)
		return false;
	memcpy(m.name, name, name_len);
	if (m.number == link->own)
		return true;
	set_member(link, m.number, member(ctx, link, &m));
	if (m.gone)
		link->who[m.number] = LINK_NOBODY;
	return true;
}

bool link_members(struct link *link, const uint8_t *body, size_t len, link_member_handler member,
		  void *ctx, struct instant now)
{
	struct rd r = rd_make(body, len);
	uint32_t head = rd_u32(&r), reached = rd_u32(&r);
	uint8_t flags = rd_u8(&r), count = rd_u8(&r);

	if (!rd_ok(&r))
		return false;
	if (flags & WIRE_MEMBERS_RESET) {
		link->turn++;
		link->base = head;
		link->whole = false;
	}
	for (unsigned i = 0; i < count; i++) {
		if (!take_entry(link, &r, member, ctx))
			return false;
	}
	link->head = head;
	link->revision = reached;
	link->ask = INSTANT_NEVER;
	if (reached != head) {
		link->ask = now;
		return true;
	}
	if (!link->whole)
		sweep(link, member, ctx);
	link->whole = true;
	return true;
}

bool link_asks(struct link *link, struct instant now)
{
	if (!instant_reached(now, link->ask))
		return false;
	link->ask = instant_add(now, LINK_ASK_AGAIN);
	return true;
}

unsigned link_count(const struct link *link)
{
	unsigned n = 0;

	for (uint32_t i = 1; i <= WIRE_MEMBERS_MAX; i++)
		n += link->who[i] != LINK_NOBODY;
	return n;
}
