/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * A peer that is reached through a relay has an endpoint of the family
 * ADDR_RELAY.  What goes there is wrapped into HOP packets under the session with
 * the relay (handshake packets here, DATA in the pack room); what comes in HOP
 * packets is unwrapped and taken like any packet, from such an address.  So
 * sessions, replay windows and path MTU need not know of relays.
 */
#include <string.h>

#include "base/bytes.h"
#include "peers_parts.h"

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
#define PACKET_MAX (WIRE_REGISTER_LEN + WIRE_HOP_OVERHEAD) /* of those that are sent alone */

void peers_send_packet(struct peers *p, const struct addr *to, uint8_t socket, uint32_t owner,
		       const uint8_t *packet, size_t len)
{
	struct link *link = to->family == ADDR_RELAY ? p->link[to->port] : NULL;
	uint8_t hop[PACKET_MAX];

	if (to->family != ADDR_RELAY) {
		outbox_datagram(p->outbox, to, socket, owner, packet, len);
		return;
	}
	if (!link || !peer_has_session(link->peer) || len + WIRE_HOP_OVERHEAD > sizeof(hop)) {
		peers_drop(p, DROP_NO_SESSION);
		return;
	}
	memcpy(hop + WIRE_HOP_HEADER, packet, len);
	keys_hop(&link->peer->keys, link_member_of(to), len, hop);
	timers_frames(&link->peer->timers, p->now);
	outbox_datagram(p->outbox, &link->peer->endpoint.addr, link->peer->endpoint.socket, owner,
			hop, len + WIRE_HOP_OVERHEAD);
}

/* A HOP of the session is as good a sign of life as DATA. */
static void note_hop(struct peers *p, struct peer *relay, struct keypair *kp,
		     const struct peers_from *from, uint64_t counter, struct instant now)
{
	keys_commit(kp, 0, counter);
	keys_still_used(kp, now);
	relay->now = now;
	relay->rx.datagrams++;
	timers_heard(&relay->timers, now);
	timers_frames(&relay->timers, now);
	if (kp->state != KEY_CURRENT || kp->replay.next != counter + 1)
		return;
	if (peer_is_at(relay, from))
		peers_still_at(relay, from, now);
	else
		peers_roam(p, relay, from, now);
}

void peers_take_hop(struct peers *p, const struct peers_from *from, uint8_t *packet, size_t len,
		    struct instant now)
{
	struct peers_from behind = { .socket = 0 };
	struct peer *relay;
	struct keypair *kp;
	struct hop hop;
	enum drop reason;

	if (from->addr.family == ADDR_RELAY || !hop_parse(&hop, packet, len)) {
		peers_drop(p, DROP_HEADER);
		return;
	}
	kp = peers_find_index(p, hop.index, &relay);
	if (!kp || !relay->link) {
		peers_drop(p, DROP_INDEX);
		return;
	}
	reason = peers_refuse(kp, hop.counter, now);
	if (reason == DROP_COUNT && !keys_hop_verify(&relay->keys, kp, &hop, packet, len))
		reason = DROP_AUTH;
	if (reason != DROP_COUNT) {
		peer_drop(relay, reason);
		return;
	}
	note_hop(p, relay, kp, from, hop.counter, now);
	if (hop.source == WIRE_HOP_NOBODY || hop.source > WIRE_MEMBERS_MAX ||
	    (hop.destination != WIRE_HOP_FLOOD && hop.destination != relay->link->own)) {
		peer_drop(relay, DROP_HEADER);
		return;
	}
	behind.addr = link_addr(relay->link, hop.source);
	peers_take(p, &behind, packet + WIRE_HOP_HEADER, hop.inner_len, now);
}

/* While its list is not complete nobody knows whose number that is. */
bool peers_is_mislabelled(struct peers *p, const struct peer *peer, const struct peers_from *from)
{
	const struct link *link = peer_is_relayed(&from->addr) ? p->link[from->addr.port] : NULL;
	uint32_t number = link ? link_member_of(&from->addr) : LINK_NOBODY;
	uint16_t who = link ? link->who[number] : LINK_NOBODY;

	if (!link)
		return false;
	if (!peer->link && number != link->own &&
	    (!link->whole || who == LINK_NOBODY || who == peer->number + 1))
		return false;
	peer_drop(link->peer, DROP_SOURCE);
	return true;
}

/* A name from the relay's list, if it is one and free; otherwise its site id. */
static struct peer *admit(struct peers *p, const struct link_member *member)
{
	char name[WIRE_NAME + 1];
	uint8_t id[IDENTITY_ID];
	struct peer *peer;

	memcpy(name, member->name, sizeof(name));
	if (!name[0] || strspn(name, NAME_CHARACTERS) != strlen(name) || peers_find_name(p, name)) {
		identity_id(id, member->public_key);
		bytes_to_hex(name, id, IDENTITY_ID);
	}
	peer = peers_add(p, name, member->public_key, p->now);
	if (peer)
		peer->dynamic = true;
	return peer;
}

/* Makes a peer of a member, or tells it where its peer is; what the list holds for it. */
static uint16_t take_member(void *ctx, struct link *link, const struct link_member *member)
{
	struct peers *p = ctx;
	uint16_t before = link->who[member->number];
	struct peer *old = before && before != LINK_STRANGER ? p->peer[before - 1] : NULL;
	struct peer *peer = NULL;
	struct addr at = link_addr(link, member->number);

	if (!member->gone && memcmp(member->public_key, p->self->public_key, KEX_KEY) != 0) {
		peer = peers_find_key(p, member->public_key);
		if (!peer && p->admit)
			peer = admit(p, member);
	}
	if (old && old != peer) {
		if (old->member[link->number] == member->number) /* no other number by now */
			old->member[link->number] = LINK_NOBODY;
		peers_path_gone(p, old, &at, p->now);
	}
	if (!peer)
		return member->gone ? LINK_NOBODY : LINK_STRANGER;
	if (peer->member[link->number] != member->number || !peer_has_session(peer))
		peers_path_listed(p, peer, link, member->number, p->now);
	return (uint16_t)(peer->number + 1);
}

static bool take_notice(struct peers *p, struct link *link, const uint8_t *body, size_t len,
			struct instant now)
{
	struct addr before = link->observed;
	struct link_news news;

	if (!link_notice(link, body, len, &news, now))
		return false;
	if (news.moved && addr_equal_host(&before, &link->observed))
		peers_path_forgotten(p, link->peer);
	if (news.marked)
		p->events.event(p->events.ctx, link->peer, PEER_MARKED);
	for (unsigned i = 0; news.moved && i < p->top; i++) {
		struct peer *peer = p->peer[i];

		if (peer && peer_has_session(peer))
			peers_offer_soon(p, peer, now);
	}
	return true;
}

bool peers_link_control(struct peers *p, struct peer *peer, uint8_t type, const uint8_t *body,
			size_t len, struct instant now)
{
	struct link *link = peer->link;
	bool whole = link->whole, ok = false;

	p->now = now;
	if (type == WIRE_NOTICE)
		ok = take_notice(p, link, body, len, now);
	else if (type == WIRE_MEMBERS)
		ok = link_members(link, body, len, take_member, p, now);
	if (link->whole && !whole)
		p->events.event(p->events.ctx, peer, PEER_LISTED);
	peers_note_due(p, peer);
	peers_flood_soon(p); /* members may be new, or gone */
	return ok;
}

struct link *peers_add_link(struct peers *p, const char *name, const uint8_t public_key[KEX_KEY],
			    const uint8_t psk[KEX_KEY], struct instant now)
{
	struct link *link;
	unsigned i = 0;

	while (i < LINKS_MAX && p->link[i])
		i++;
	if (i == LINKS_MAX)
		return NULL;
	link = link_new((uint8_t)i, p->self, psk);
	if (!link)
		return NULL;
	link->peer = peer_new(&p->owner, &link->self, (uint16_t)(PEERS_SITES + i), name, public_key,
			      p->keepalive, now);
	if (!link->peer) {
		link_free(link);
		return NULL;
	}
	link->peer->link = link;
	p->link[i] = link;
	p->peer[PEERS_SITES + i] = link->peer;
	peers_note_due(p, link->peer);
	return link;
}

void peers_remove_link(struct peers *p, struct link *link, struct instant now)
{
	struct peer *peer = link->peer;

	peer_send_control(peer, WIRE_CLOSE, NULL, 0);
	peers_close(p);
	peer_session_end(peer, PEER_END_REMOVED, 0, now);
	for (unsigned i = 0; i < p->top; i++) {
		struct peer *behind = p->peer[i];
		struct addr at;

		if (!behind || !behind->member[link->number])
			continue;
		at = link_addr(link, behind->member[link->number]);
		behind->member[link->number] = 0;
		peers_path_gone(p, behind, &at, now);
		if (behind->endpoint.addr.family == ADDR_RELAY &&
		    behind->endpoint.addr.port == link->number) {
			pack_through(&behind->pack, NULL, 0);
			behind->endpoint.addr = (struct addr){ .family = ADDR_NONE };
			peer_session_end(behind, PEER_END_RELAY, SECONDS(1), now);
			peers_note_due(p, behind);
		}
	}
	peers_flood_unlink(p, link);
	p->peer[peer->number] = NULL;
	p->link[link->number] = NULL;
	peer_free(peer);
	link_free(link);
	peers_mark_ports(p);
}
