/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * Peers that a relay lists tell each other, inside their session, all places
 * where they may be reached (WIRE_CANDIDATES), and both send CHALLENGEs to those
 * of the other: what the one sends opens its NAT for the other.  Who gets a
 * CHALLENGE answers it to where it came from, and tries that place as well.
 * An answer proves that packets pass both ways and who is there; only then a
 * place is made use of.
 *
 * A direct path is taken over a relayed one at once.  Between direct ones the
 * side with the lower key chooses, and the other follows its packets; else both
 * might wait for each other's change for ever.
 *
 * What leaves for a place where packets came from leaves from the address of ours that
 * they came to, for a firewall or NAT on the way lets in nothing else.
 *
 * A direct path that dies is noticed by two PINGs without an answer.  Then all
 * places are tried, relays too, and the first that answers is taken.  When
 * packets of a peer come through a relay though its direct path is in use here,
 * that path is in doubt: it is asked, and left if no answer comes in time.
 */
#include <string.h>

#include "base/bytes.h"
#include "peers_parts.h"

#define NONCE 8
#define OFFER_LEAST MS(200)
#define DOUBT_LEAST MS(500) /* without a word by the direct path */
#define DOUBT_MOST MS(800)
#define KEEPALIVE_LEAST SECONDS(1)
#define LISTED_WAIT SECONDS(1)
#define LISTED_EACH MS(20) /* and more for each peer that it may have to call */
#define TROUBLED 8	   /* one in so many in trouble is a coincidence no more */
#define ASK_LATER MS(250)
#define FRESH SECONDS(2) /* a path that was heard within is alive */

void peers_move(struct peers *p, struct peer *peer, const struct addr *addr, uint8_t socket,
		struct instant now)
{
	struct peer_candidate where = { .addr = *addr, .socket = socket };
	bool was = peer_is_relayed(&peer->endpoint.addr);
	bool known = peer->endpoint.addr.family != ADDR_NONE;

	if (peer_is_relayed(addr) && !p->link[addr->port])
		return;
	peer_set_endpoint(peer, &where, now);
	if (known && was != peer_is_relayed(addr) && peer->up) {
		peer->path_changes++;
		p->events.event(p->events.ctx, peer, PEER_PATH);
	}
	if (peer_is_relayed(addr))
		peer->offer = instant_min(peer->offer, now);
	else if (was && peers_are_many(p))
		peer->offer = INSTANT_NEVER; /* what they are for is reached */
	peers_note_due(p, peer);
}

/* Of two that follow each other's change both would go on changing: the one that chooses
 * between direct paths stays with an address while packets still come to it. */
void peers_still_at(struct peer *peer, const struct peers_from *from, struct instant now)
{
	bool chooses = !peer->lower && !peer->link && sockets_local(peer->endpoint.socket);

	peer->endpoint_heard = now;
	if (peer->endpoint.socket == from->socket)
		peer->local_heard = now;
	else if (!chooses || instant_between(peer->local_heard, now) >= FRESH)
		peer_set_local(peer, from->socket, now);
}

void peers_arrive(struct peers *p, struct peer *peer, const struct peers_from *from,
		  struct instant now)
{
	if (peer_is_at(peer, from))
		peers_still_at(peer, from, now);
	else
		peers_move(p, peer, &from->addr, from->socket, now);
}

/* ---- packets about paths ---- */

static void send_path(struct peers *p, struct peer *peer, const struct addr *to, uint8_t socket,
		      uint8_t type, const uint8_t *body, size_t len)
{
	uint8_t plain[2 + WIRE_RECORD_HEADER + 1 + NONCE + PLACE_MAX];
	uint8_t packet[sizeof(plain) + WIRE_DATA_OVERHEAD];
	struct wr w = wr_make(plain, sizeof(plain));

	if (!peer_has_session(peer))
		return;
	wr_u16(&w, 0);
	wr_u8(&w, WIRE_CONTROL);
	wr_u16(&w, (uint16_t)(len + 1));
	wr_u8(&w, type);
	wr_copy(&w, body, len);
	keys_seal_path(&peer->keys, plain, w.used, packet);
	peers_send_packet(p, to, socket, peer->number, packet, w.used + WIRE_DATA_OVERHEAD);
}

/* ---- CHALLENGE and answer ---- */

static bool in_trouble(const struct peer *peer)
{
	return peer->timers.unanswered > 1;
}

/* This path works: is it the one to use from now on? */
static bool better(const struct peer *peer, const struct path *path, struct instant now)
{
	bool now_relayed = peer_is_relayed(&peer->endpoint.addr);
	const struct peers_from at = { path->addr, path->socket };

	if (peer_is_at(peer, &at))
		return false;
	if (in_trouble(peer))
		return true;
	if (now_relayed)
		return !peer_is_relayed(&path->addr);
	/* Between direct ones: the one that chooses, soon after the first, and clearly. */
	return !peer_is_relayed(&path->addr) && !peer->lower && peer->rtt > 0 &&
	       instant_between(peer->moved_at, now) < SECONDS(3) && path->rtt < peer->rtt / 2;
}

static void take_answer(struct peers *p, struct peer *peer, const struct peers_from *from,
			const uint8_t *body, struct instant now)
{
	struct path *path =
		paths_answered(&peer->paths, &from->addr, from->socket, be64_get(body), now);

	if (!path)
		return;
	thrift_return(&p->challenges, path->tries);
	if (peer_is_at(peer, from)) {
		peer->doubt = (struct instant){ 0 };
		peers_still_at(peer, from, now);
		return;
	}
	if (!better(peer, path, now))
		return;
	pack_close(&peer->pack);
	peers_move(p, peer, &from->addr, from->socket, now);
	timers_heard(&peer->timers, now);
}

void peers_take_path(struct peers *p, struct peer *peer, const struct peers_from *from,
		     const uint8_t *plain, size_t len, struct instant now)
{
	static const uint8_t head[2 + WIRE_RECORD_HEADER - 2] = { 0, 0, WIRE_CONTROL };
	const uint8_t *body = plain + 2 + WIRE_RECORD_HEADER + 1;
	size_t body_len = len - (2 + WIRE_RECORD_HEADER + 1);
	uint8_t answer[NONCE + PLACE_MAX];
	struct wr w = wr_make(answer, sizeof(answer));
	struct path *path;

	if (peer->link || len < 2 + WIRE_RECORD_HEADER + 1 + NONCE ||
	    memcmp(plain, head, sizeof(head)) != 0 || be16_get(plain + 3) != body_len + 1) {
		peer_drop(peer, DROP_RECORD);
		return;
	}
	switch (plain[5]) {
	case WIRE_CHALLENGE:
		wr_copy(&w, body, NONCE);
		if (!peer_is_relayed(&from->addr)) {
			peers_put_place(&w, &from->addr);
			path = paths_name(&peer->paths, &from->addr, from->socket, PATH_SEEN, now);
			if (path && path->state != PATH_GOOD)
				peers_try(p, path, now);
			peers_mark_port(p, &from->addr);
		}
		send_path(p, peer, &from->addr, from->socket, WIRE_CHALLENGED, answer, w.used);
		break;
	case WIRE_CHALLENGED:
		take_answer(p, peer, from, body, now);
		break;
	default:
		peer_drop(peer, DROP_RECORD);
	}
	peers_note_due(p, peer);
}

/* ---- packets that come by another path ---- */

static void begin_doubt(struct peers *p, struct peer *peer, const struct addr *other,
			struct instant now)
{
	struct path *path;

	peer->doubt_at = *other;
	if (peer->doubt.us)
		return;
	peer->doubt = now;
	path = paths_name(&peer->paths, &peer->endpoint.addr, peer->endpoint.socket, PATH_SEEN,
			  now);
	if (path)
		peers_try(p, path, now);
	peers_note_due(p, peer);
}

void peers_roam(struct peers *p, struct peer *peer, const struct peers_from *from,
		struct instant now)
{
	int64_t silence = instant_between(peer->endpoint_heard, now);
	bool relayed = peer_is_relayed(&from->addr);

	if (from->addr.family == ADDR_STREAM)
		return; /* only a call, or trouble, leads to a stream */
	if (relayed && !peer_is_relayed(&peer->endpoint.addr) &&
	    peer->endpoint.addr.family != ADDR_NONE) {
		if (silence >= DOUBT_LEAST)
			begin_doubt(p, peer, &from->addr, now);
		return;
	}
	if (relayed == peer_is_relayed(&peer->endpoint.addr) && !peer->lower && !peer->link &&
	    silence < FRESH && (relayed || paths_find(&peer->paths, &from->addr, from->socket)))
		return; /* the peer follows us */
	peers_move(p, peer, &from->addr, from->socket, now);
	peer->roamed++;
	p->events.event(p->events.ctx, peer, PEER_ROAMED);
}

/* ---- time ---- */

/* Both hear of each other by the list, at about the same time: the lower key calls, and
 * the other only if no call comes. */
static void call_listed(struct peers *p, struct peer *peer, struct instant now)
{
	timers_greet_after(&peer->timers,
			   peer->lower ? LISTED_WAIT + p->n_peer * LISTED_EACH : 0, now);
	peers_note_due(p, peer);
}

/* A way to members that had none. */
static void call_members(struct peers *p, const struct link *link, struct instant now)
{
	for (unsigned i = 0; i < p->top; i++) {
		struct peer *peer = p->peer[i];

		if (peer && peer->member[link->number] && !peer_has_session(peer) &&
		    !peer->disconnected)
			call_listed(p, peer, now);
	}
}

/* Keys are renewed each two minutes: a chance to find that a NAT is patient again. */
static void relax(const struct peers *p, struct peer *peer)
{
	peer->timers.keepalive = MIN(2 * peer->timers.keepalive, p->keepalive);
}

void peers_path_begin(struct peers *p, struct peer *peer, bool anew, struct instant now)
{
	if (peer->link) {
		peers_stream_begin(peer, now);
		link_begin(peer->link, now);
		call_members(p, peer->link, now);
		return;
	}
	if (!peer_is_listed(peer) && !peer_is_relayed(&peer->endpoint.addr))
		return;
	if (anew && peers_are_many(p))
		relax(p, peer);
	if (anew && peers_are_many(p) && !peer_is_relayed(&peer->endpoint.addr))
		return; /* all was told, and a peer that began anew tells and is answered */
	peer->offers = 0;
	peer->offer = now;
	peers_note_due(p, peer);
}

/* A NAT on the way forgets sooner than keepalives come. */
static void hurry(struct peer *peer)
{
	peer->timers.keepalive =
		MIN(peer->timers.keepalive, MAX(peer->timers.keepalive / 4, KEEPALIVE_LEAST));
}

void peers_path_forgotten(struct peers *p, struct peer *peer)
{
	hurry(peer);
	for (unsigned i = 0; i < LINKS_MAX; i++) { /* the same NAT, most likely */
		if (p->link[i] && p->link[i]->peer != peer)
			hurry(p->link[i]->peer);
	}
}

/* Most are in trouble: it is the site itself that cannot keep up, or its own way out. */
static bool is_own_trouble(const struct peers *p)
{
	unsigned n = 0;

	if (!peers_are_many(p))
		return false;
	for (unsigned i = 0; i < p->top; i++)
		n += p->peer[i] && in_trouble(p->peer[i]);
	return n > p->n_peer / TROUBLED;
}

/* The way out may be another one now, and an address that belongs to the old one of no
 * use: the kernel chooses until a packet comes. */
static void release(struct peer *peer, struct instant now)
{
	for (unsigned i = 0; i < peer->paths.n; i++)
		peer->paths.path[i].socket = sockets_index(peer->paths.path[i].socket);
	if (sockets_local(peer->endpoint.socket))
		peer_set_local(peer, sockets_index(peer->endpoint.socket), now);
}

void peers_path_rescue(struct peers *p, struct peer *peer, struct instant now)
{
	bool idle = instant_between(peer->timers.frames, now) > FRESH;
	unsigned most = idle ? PEERS_RESCUES_IDLE : PEERS_RESCUES;

	release(peer, now);
	if (peer->link)
		peers_stream_rescue(p, peer, now);
	if (peer->link || !peer_is_listed(peer) ||
	    (peers_are_many(p) && !thrift_spend(&p->rescues, most, now)))
		return;
	if (idle && peer->timers.unanswered == 2 && !peer_is_relayed(&peer->endpoint.addr) &&
	    !is_own_trouble(p))
		peers_path_forgotten(p, peer);
	for (unsigned i = 0; i < peer->paths.n; i++) {
		struct path *path = &peer->paths.path[i];

		if (path->state == PATH_GOOD || path->state == PATH_IDLE)
			peers_try(p, path, now);
	}
	peers_name_configured(p, peer, now);
	peers_name_relays(p, peer, now);
	peer->offers = 0;
	peer->offer = instant_min(peer->offer, instant_add(now, OFFER_LEAST));
	peers_note_due(p, peer);
}

void peers_path_listed(struct peers *p, struct peer *peer, const struct link *link, uint32_t number,
		       struct instant now)
{
	uint32_t before = peer->member[link->number];
	struct addr at = link_addr(link, number);

	if (before) {
		struct addr old = link_addr(link, before);

		paths_forget(&peer->paths, &old);
	}
	peer->member[link->number] = number;
	if (peer_is_relayed(&peer->endpoint.addr) && peer->endpoint.addr.port == link->number)
		peers_move(p, peer, &at, 0, now);
	if (!peer_has_session(peer)) {
		if (!peer->disconnected && !peer->calling)
			call_listed(p, peer, now);
		return;
	}
	peer->offers = 0;
	peer->offer = now;
	peers_note_due(p, peer);
}

void peers_path_gone(struct peers *p, struct peer *peer, const struct addr *addr,
		     struct instant now)
{
	paths_forget(&peer->paths, addr);
	if (!addr_equal(&peer->endpoint.addr, addr))
		return;
	peers_path_rescue(p, peer, now);
	for (unsigned i = 0; i < LINKS_MAX; i++) {
		struct addr other;

		if (!peer->member[i] || !peer_has_session(p->link[i]->peer))
			continue;
		other = link_addr(p->link[i], peer->member[i]);
		peers_move(p, peer, &other, 0, now);
		return;
	}
	/* The session stays: the member may be back under another number soon. */
}

/* Others name the places, and may name one of somebody who has no part in this. */
static bool may_challenge(struct peers *p, struct peer *peer, const struct path *path,
			  struct instant now)
{
	const struct peers_from at = { path->addr, path->socket };

	if (path->source >= PATH_CONFIGURED || path->good.us || peer_is_relayed(&path->addr) ||
	    peer_is_at(peer, &at) || limit_pass(p->places, &path->addr, now))
		return true;
	peer_drop(peer, DROP_PLACE);
	return false;
}

/* Of many peers without frames only so many places at once: the others wait. */
static bool may_ask(struct peers *p, struct peer *peer, struct instant now)
{
	struct instant later = { (now.us / ASK_LATER + 1) * ASK_LATER };

	if (!peers_are_many(p) || !peer_is_idle(peer, now) ||
	    !instant_reached(now, paths_due(&peer->paths)) ||
	    thrift_spend(&p->challenges, PEERS_CHALLENGES, now))
		return true;
	paths_wait(&peer->paths, later);
	return false;
}

void peers_path_tick(struct peers *p, struct peer *peer, struct instant now)
{
	struct path *path;

	if (!peer_has_session(peer))
		return;
	if (peer->doubt.us && instant_between(peer->doubt, now) >= DOUBT_MOST)
		peers_move(p, peer, &peer->doubt_at, 0, now);
	if (instant_reached(now, peer->offer)) {
		if (peer_is_listed(peer) || peer_is_relayed(&peer->endpoint.addr))
			peers_offer(p, peer, now);
		else
			peer->offer = INSTANT_NEVER;
	}
	while (may_ask(p, peer, now) && (path = paths_due_now(&peer->paths, now))) {
		uint8_t nonce[NONCE];

		if (!may_challenge(p, peer, path, now))
			continue;
		be64_put(nonce, path->nonce);
		send_path(p, peer, &path->addr, path->socket, WIRE_CHALLENGE, nonce, NONCE);
	}
}

struct instant peers_path_due(const struct peer *peer)
{
	struct instant due = instant_min(peer->offer, paths_due(&peer->paths));

	if (!peer_has_session(peer))
		return INSTANT_NEVER;
	return peer->doubt.us ? instant_min(due, instant_add(peer->doubt, DOUBT_MOST)) : due;
}
