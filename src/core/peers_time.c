/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * Each site has a time when it is to be looked at; whatever makes it come earlier notes
 * that (peers_note_due).  So a tick costs nothing for those whose time has not come.
 *
 * With more than PEERS_CROWD sites those without frames are asked less: all their signs of
 * life together would keep a small machine busy, and when it cannot keep up, questions
 * without an answer would lead to more of them.
 */
#include "base/bytes.h"
#include "core/handshake.h"
#include "peers_parts.h"

/* Where to call next: the place it was last at, then the configured ones. */
static bool choose_candidate(struct peer *peer)
{
	unsigned known = peer->endpoint.addr.family != ADDR_NONE;
	unsigned all = known + peer->n_candidates, pick;

	if (all == 0)
		return false;
	pick = peer->next_candidate++ % all;
	peer->called = pick < known ? peer->endpoint : peer->candidates[pick - known];
	return true;
}

/* Relays where the peer is listed and that can be used now, each in turn. */
static bool choose_relay(const struct peers *p, const struct peer *peer, struct addr *out)
{
	if (peer->link)
		return peers_stream_call(peer, out);
	for (unsigned i = 0; i < LINKS_MAX; i++) {
		unsigned at = (peer->timers.attempts + i) % LINKS_MAX;

		if (!peer->member[at] || !peer_has_session(p->link[at]->peer))
			continue;
		*out = link_addr(p->link[at], peer->member[at]);
		return true;
	}
	return false;
}

/* The same call goes to a place where the peer may be, and through a relay: the answer
 * that comes first counts. */
static void make_call(struct peers *p, struct peer *peer, struct instant now)
{
	uint8_t packet[HANDSHAKE_CALL_MAX];
	struct addr relay = { .family = ADDR_NONE };
	bool relayed = choose_relay(p, peer, &relay), direct;
	uint32_t random;
	size_t len;

	direct = !peer->disconnected && choose_candidate(peer);
	if (peer->disconnected || (!direct && !relayed)) {
		timers_greet_never(&peer->timers);
		return;
	}
	if (direct && peer->timers.attempts == 0 && peer->endpoint.addr.family != ADDR_NONE) {
		peer->called = peer->endpoint;
		peer->next_candidate = 1;
	}
	len = handshake_initiate(peer->self, peer, now, packet);
	if (len && direct)
		peers_send_packet(p, &peer->called.addr, peer->called.socket, RUN_NOBODY, packet,
				  len);
	if (len && relayed && !(direct && addr_equal(&peer->called.addr, &relay)))
		peers_send_packet(p, &relay, 0, RUN_NOBODY, packet, len);
	rand_fill(&p->self->rand, &random, sizeof(random));
	timers_greeted(&peer->timers, random, now);
}

/* Calls to sites wait for their turn. */
static void call(struct peers *p, struct peer *peer, struct instant now)
{
	if (peer->link) {
		make_call(p, peer, now);
		return;
	}
	if (pace_take(&p->pace, peer->number, peer_is_listed(peer), now)) {
		make_call(p, peer, now);
		if (peer->calling)
			timers_stretch(&peer->timers, p->pace.stretch, now);
		return;
	}
	timers_greet_later(&peer->timers, peer->number, now);
}

static void ask_members(struct link *link, struct instant now)
{
	uint8_t body[WIRE_MEMBERS_ASK_LEN];

	if (!peer_has_session(link->peer) || !link_asks(link, now))
		return;
	be32_put(body, link->revision);
	be32_put(body + 4, link->base);
	peer_send_control(link->peer, WIRE_MEMBERS_ASK, body, sizeof(body));
}

/* So much longer than the keepalive may a peer be quiet: many at the keepalive's pace would
 * take more than a site has.  One behind a NAT that forgets soon has no time to spare. */
static int64_t spare(const struct peers *p, const struct peer *peer)
{
	int64_t quiet = MIN(p->n_peer * PEERS_SPARE, PEERS_QUIET);

	if (peer->link || !peers_are_many(p) || peer->timers.keepalive < p->keepalive)
		return 0;
	return MAX(quiet - peer->timers.keepalive, 0);
}

/* With many peers sizes are searched and confirmed only where frames pass. */
static bool is_resting(const struct peers *p, const struct peer *peer, struct instant now)
{
	return peers_are_many(p) && !peer->link && !peer->path_shrunk && peer_is_idle(peer, now);
}

static void tick_peer(struct peers *p, struct peer *peer, struct instant now)
{
	unsigned action;

	peer->timers.many = !peer->link && peers_are_many(p);
	peer->timers.spare = spare(p, peer);
	peer->timers.hold = !thrift_has(&p->pings, PEERS_PINGS, now);
	if (keys_expire(&peer->keys, now))
		peer_session_end(peer, PEER_END_SILENT, 0, now);
	if (peer_has_session(peer) && !peer->calling &&
	    peer->keys.current->counter >= WIRE_REKEY_PACKETS)
		timers_greet_now(&peer->timers, now);
	action = timers_tick(&peer->timers, peer->rtt, now);
	if (action & TIMERS_GIVE_UP)
		peer_session_end(peer, PEER_END_SILENT, 0, now);
	if (action & TIMERS_PING) {
		if (peer->timers.unanswered > 1)
			peers_path_rescue(p, peer, now);
		peer_send_ping(peer, now);
		if (is_resting(p, peer, now))
			thrift_spend(&p->pings, PEERS_PINGS, now);
		pmtu_hint(&peer->pmtu, now); /* an idle path may shrink as well */
	}
	if (action & TIMERS_HANDSHAKE)
		call(p, peer, now);
	if (!is_resting(p, peer, now))
		peer_probe(peer, now);
	if (peer->link) {
		ask_members(peer->link, now);
		peers_stream_tick(p, peer, now);
	} else {
		peers_path_tick(p, peer, now);
	}
	/* A call makes a new time: ask again. */
	peer->timers.due = instant_min(peer->timers.due, peer->timers.greet);
}

static struct instant due_of(const struct peers *p, const struct peer *peer)
{
	if (!peer->link && is_resting(p, peer, p->now))
		return instant_min(peer->timers.due, peers_path_due(peer));
	if (!peer->link)
		return instant_min(peer_due(peer), peers_path_due(peer));
	if (!peer_has_session(peer))
		return peer_due(peer);
	return instant_min(peer_due(peer), instant_min(peer->link->ask, peers_stream_due(peer)));
}

void peers_note_due(struct peers *p, const struct peer *peer)
{
	p->look[peer->number] = due_of(p, peer);
	p->due = instant_min(p->due, p->look[peer->number]);
}

void peers_note_frames(struct peers *p, struct peer *peer)
{
	struct instant due = peer_due(peer);

	peers_offer_for_frames(p, peer);
	if (!instant_before(due, p->look[peer->number]))
		return;
	p->look[peer->number] = due;
	p->due = instant_min(p->due, due);
}

/* Sites, and then relays. */
static unsigned first(const struct peers *p)
{
	return p->top ? 0 : PEERS_SITES;
}

static unsigned after(const struct peers *p, unsigned i)
{
	return i + 1 == p->top ? PEERS_SITES : i + 1;
}

/* Of sites there may be many: those whose time has not come are not even looked at.  What
 * makes it come earlier is noted where it happens; of relays, whose packets pass everywhere,
 * it is not. */
static void tick_place(struct peers *p, unsigned i, struct instant now)
{
	struct peer *peer = p->peer[i];

	if (!peer)
		return;
	if (i < PEERS_SITES && !instant_reached(now, p->look[i])) {
		p->due = instant_min(p->due, p->look[i]);
		return;
	}
	peer->now = now;
	if (instant_reached(now, due_of(p, peer)))
		tick_peer(p, peer, now);
	peers_note_due(p, peer);
}

void peers_tick(struct peers *p, struct instant now)
{
	p->now = now;
	if (!instant_reached(now, p->due))
		return;
	p->due = INSTANT_NEVER;
	for (unsigned i = first(p); i < PEERS_MAX; i = after(p, i))
		tick_place(p, i, now);
	peers_flood_tick(p, now);
	peers_close(p);
}

struct instant peers_due(const struct peers *p)
{
	return p->due;
}
