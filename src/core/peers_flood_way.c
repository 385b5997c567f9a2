/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * What is flooded goes through one relay, the one by which most peers that have the
 * flood key are reached; the others get copies of their own.  The relay's copies
 * come to those others as well.  So that nobody takes a frame twice, all frames go as
 * copies while a peer behind that relay was only just handed the key; later it is
 * told, with the key, from which counter on floods are for it.
 */
#include "peers_parts.h"

#define DATAGRAM (PMTU_BASE - 48) /* with IPv6 on the way of one of those it goes to */
#define AUTO_COPIES 2 /* saved copies are worth it, when some go through a relay anyway ... */
#define AUTO_MANY 8   /* ... and if there are more than these, in any case */

static bool is_relayed(const struct peer *peer)
{
	return peer->endpoint.addr.family == ADDR_RELAY;
}

void peers_set_broadcast(struct peers *p, enum flood_mode mode, struct instant now)
{
	p->now = now;
	p->flood.mode = mode;
	peers_flood_soon(p);
}

/* Of the peers at one relay. */
struct reach {
	unsigned covered; /* have the key */
	unsigned relayed; /* of those: no direct path leads there */
	bool waits;	  /* one may have it, and has not said so yet */
};

static void count_peer(const struct peers *p, const struct peer *peer, struct reach reach[LINKS_MAX])
{
	const struct flood_peer *f = &peer->flood;
	bool young = f->given == 0 || instant_between(f->since, p->now) < FLOOD_SWITCH;

	for (unsigned i = 0; i < LINKS_MAX; i++) {
		if (!peer->member[i])
			continue;
		reach[i].covered += f->holds;
		reach[i].relayed += f->holds && is_relayed(peer);
		reach[i].waits |= !f->holds && young;
	}
}

/* How well a relay can be reached: 0 not at all, 1 perhaps: two PINGs have no answer. */
static unsigned ability(const struct link *link)
{
	if (!link || !peer_has_session(link->peer))
		return 0;
	return link->peer->timers.unanswered > 1 ? 1 : 2;
}

/* Of the relays that can be reached best the one that reaches most; of equals the one
 * that it was before. */
static unsigned best(const struct peers *p, const struct reach reach[LINKS_MAX])
{
	unsigned chosen = p->flood.link;

	for (unsigned i = 0; i < LINKS_MAX; i++) {
		unsigned now = ability(p->link[i]), before = ability(p->link[chosen]);

		if (now > before || (now == before && now > 0 &&
				     reach[i].covered > reach[chosen].covered))
			chosen = i;
	}
	return chosen;
}

static bool is_worth_it(const struct peers *p, const struct reach *r)
{
	if (r->waits || r->covered == 0)
		return false;
	return p->flood.mode == FLOOD_RELAY || (r->covered >= AUTO_COPIES && r->relayed > 0) ||
	       r->covered > AUTO_MANY;
}

/* Packs for that relay, where it is now. */
static void aim(struct flood *f, const struct link *link)
{
	const struct peer_candidate *at = &link->peer->endpoint;
	struct pack *pack = &f->pack;

	f->link = link->number;
	if (pack->hop == &link->peer->keys && pack->socket == at->socket &&
	    addr_equal(&pack->to, &at->addr))
		return;
	pack_through(pack, &link->peer->keys, WIRE_HOP_FLOOD);
	pack_target(pack, &at->addr, at->socket, DATAGRAM);
	pack->owner = link->peer->number;
}

void peers_flood_unlink(struct peers *p, const struct link *link)
{
	if (p->flood.pack.hop == &link->peer->keys)
		pack_through(&p->flood.pack, NULL, 0);
	peers_flood_soon(p);
}

bool peers_floods_to(const struct peers *p, const struct peer *peer)
{
	return peer->flood.holds && peer->member[p->flood.link];
}

/* What is sealed up to now and with this frame is not for peers that get copies. */
static void pass_over(struct peers *p)
{
	for (unsigned i = 0; i < p->top; i++) {
		struct peer *peer = p->peer[i];

		if (peer && !peers_floods_to(p, peer))
			peer->flood.from = flood_counter(&p->flood) + 1;
	}
}

/* The relay by which a frame for all would go, or NULL; what it reaches, and how many
 * peers have a session. */
static struct link *choose(const struct peers *p, struct reach *best_reach, unsigned *sessions)
{
	struct reach reach[LINKS_MAX] = { 0 };
	unsigned chosen;

	*sessions = 0;
	if (!p->flood.keys.current || p->flood.mode == FLOOD_DIRECT)
		return NULL;
	for (unsigned i = 0; i < p->top; i++) {
		if (!p->peer[i] || !peer_has_session(p->peer[i]))
			continue;
		++*sessions;
		count_peer(p, p->peer[i], reach);
	}
	chosen = best(p, reach);
	*best_reach = reach[chosen];
	if (!p->link[chosen] || !peer_has_session(p->link[chosen]->peer) ||
	    !is_worth_it(p, &reach[chosen]))
		return NULL;
	return p->link[chosen];
}

const struct link *peers_flood_link(const struct peers *p)
{
	struct reach reach;
	unsigned sessions;

	return choose(p, &reach, &sessions);
}

struct pack *peers_flood(struct peers *p, unsigned *rest)
{
	struct reach reach;
	unsigned sessions;
	struct link *link = choose(p, &reach, &sessions);

	if (!link)
		return NULL;
	if (flood_counter(&p->flood) >= WIRE_REKEY_PACKETS && !p->flood.next.id)
		peers_flood_soon(p);
	aim(&p->flood, link);
	*rest = sessions - reach.covered;
	if (*rest)
		pass_over(p);
	p->flood.sent++;
	p->flood.saved += reach.covered - 1;
	timers_frames(&link->peer->timers, p->now);
	peers_note_due(p, link->peer);
	return &p->flood.pack;
}
