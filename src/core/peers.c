/* SPDX-License-Identifier: MIT */
#include "peers_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define STREAM_MTU 1500 /* what sites that are reached by UDP can do at least */

_Static_assert(PEERS_MAX << KEYS_SLOT_BITS <= 4096, "an index has 12 bits for peer and slot");
_Static_assert(PEERS_PACKING < OUTBOX_RUNS, "an open run for each packing peer, and one to spare");

static void owner_frame(void *ctx, struct peer *peer, struct frame *frame)
{
	struct peers *p = ctx;

	if (peer->link)
		peer_drop(peer, DROP_RECORD);
	else
		p->events.frame(p->events.ctx, peer, frame);
}

static void owner_event(void *ctx, struct peer *peer, enum peer_event event)
{
	struct peers *p = ctx;

	if (event == PEER_UP || event == PEER_REKEYED)
		pace_answered(&p->pace, peer->number, p->now);
	if (!peer->link)
		peers_flood_event(p, peer, event);
	p->events.event(p->events.ctx, peer, event);
}

static unsigned owner_route_mtu(void *ctx, const struct addr *to)
{
	struct peers *p = ctx;

	if (to->family == ADDR_RELAY)
		to = &p->link[to->port]->peer->endpoint.addr;
	if (to->family == ADDR_STREAM)
		return STREAM_MTU;
	return p->events.route_mtu(p->events.ctx, to);
}

static void owner_pending(void *ctx, struct peer *peer)
{
	struct peers *p = ctx;

	if (peer->endpoint.addr.family == ADDR_RELAY) {
		struct peer *relay = p->link[peer->endpoint.addr.port]->peer;

		timers_frames(&relay->timers, p->now);
		peers_note_due(p, relay);
	}
	if (!list_empty(&peer->to_close))
		return;
	if (p->n_to_close == PEERS_PACKING)
		peers_close(p);
	list_append(&p->to_close, &peer->to_close);
	p->n_to_close++;
}

/* A CLOSE ends the session it came under; one that was made together with the
 * current one (a tie) speaks for that as well.  A late one from an earlier session
 * does not end the present. */
static void owner_closed(void *ctx, struct peer *peer)
{
	struct keypair *kp = &peer->keys.slot[peer->unpacking & (KEYS_SLOTS - 1)];
	const struct keypair *current = peer->keys.current;
	struct peers *p = ctx;

	if (kp->state == KEY_FREE || kp->local_index != peer->unpacking)
		return;
	if (current && instant_between(kp->made, current->made) >= WIRE_TIE) {
		keys_drop(&peer->keys, kp);
		return;
	}
	peer_session_end(peer, PEER_END_CLOSED, SECONDS(1), p->now);
	peers_note_due(p, peer);
}

static void owner_moved(void *ctx, struct peer *peer)
{
	struct peers *p = ctx;

	peers_mark_port(p, &peer->endpoint.addr);
	if (!peer->link)
		return;
	for (unsigned i = 0; i < p->top; i++) {
		struct peer *behind = p->peer[i];

		if (behind && behind->endpoint.addr.family == ADDR_RELAY &&
		    behind->endpoint.addr.port == peer->link->number)
			peer_aim(behind);
	}
}

static bool owner_control(void *ctx, struct peer *peer, uint8_t type, const uint8_t *body,
			  size_t len)
{
	struct peers *p = ctx;

	if (peer->link)
		return peers_link_control(p, peer, type, body, len, p->now);
	if (type == WIRE_CARRIER || type == WIRE_CARRIED)
		return p->events.carrier(p->events.ctx, peer, type, body, len);
	if (type >= WIRE_FLOOD_KEY && type <= WIRE_FLOOD_ASK)
		return peers_flood_control(p, peer, type, body, len, p->now);
	return peers_path_control(p, peer, type, body, len, p->now);
}

bool peers_init(struct peers *p, struct identity *self, struct outbox *outbox,
		const struct peers_events *events, const uint8_t *families, unsigned n_sockets,
		int64_t keepalive, struct instant now)
{
	uint64_t seed;

	memset(p, 0, sizeof(*p));
	p->self = self;
	p->outbox = outbox;
	p->events = *events;
	p->keepalive = keepalive;
	p->owner = (struct peer_owner){ .outbox = outbox,
					.clock = &p->now,
					.mtu = self->mtu,
					.frame = owner_frame,
					.event = owner_event,
					.route_mtu = owner_route_mtu,
					.pending = owner_pending,
					.closed = owner_closed,
					.moved = owner_moved,
					.control = owner_control,
					.link = p->link,
					.ctx = p };
	list_init(&p->to_close);
	list_init(&p->to_flush);
	p->n_sockets = MIN(n_sockets, PEERS_SOCKETS);
	memcpy(p->families, families, p->n_sockets);
	p->due = INSTANT_NEVER;
	p->now = p->second = now;
	cookie_guard_init(&p->guard, self->cipher, self->public_key, self->rand, now);
	p->limit = malloc(sizeof(*p->limit));
	p->places = malloc(sizeof(*p->places));
	if (!p->limit || !p->places)
		return false;
	rand_fill(&self->rand, &seed, sizeof(seed));
	limit_init(p->limit, PEERS_RATE, PEERS_BURST, seed);
	limit_init(p->places, PEERS_PLACE_RATE, PEERS_PLACE_BURST, seed);
	pace_init(&p->pace);
	p->rescues = thrift_make(PEERS_RESCUE);
	p->pings = p->challenges = thrift_make(PEERS_ASK);
	flood_hold_init(&p->hold);
	if (!flood_init(&p->flood, self->cipher, self->network, self->id, outbox))
		return false;
	p->flood.keys.watch = self->watch;
	return true;
}

void peers_free(struct peers *p)
{
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		if (p->peer[i])
			peer_free(p->peer[i]);
	}
	for (unsigned i = 0; i < LINKS_MAX; i++) {
		if (p->link[i])
			link_free(p->link[i]);
	}
	flood_free(&p->flood);
	free(p->limit);
	free(p->places);
	bytes_wipe(&p->guard, sizeof(p->guard));
}

struct peer *peers_add(struct peers *p, const char *name, const uint8_t public_key[KEX_KEY],
		       struct instant now)
{
	unsigned number = 0;
	struct peer *peer;

	while (number < PEERS_SITES && p->peer[number])
		number++;
	if (number == PEERS_SITES)
		return NULL;
	peer = peer_new(&p->owner, p->self, (uint16_t)number, name, public_key, p->keepalive, now);
	if (!peer)
		return NULL;
	p->peer[number] = peer;
	p->n_peer++;
	p->top = MAX(p->top, number + 1);
	peers_note_due(p, peer);
	for (unsigned i = 0; i < LINKS_MAX; i++) { /* it may be listed already */
		if (p->link[i])
			link_begin(p->link[i], now);
	}
	return peer;
}

void peers_remove(struct peers *p, struct peer *peer, struct instant now)
{
	peer_send_control(peer, WIRE_CLOSE, NULL, 0);
	peer_session_end(peer, PEER_END_REMOVED, 0, now);
	peers_close(p);
	for (unsigned i = 0; i < LINKS_MAX; i++) {
		if (p->link[i] && peer->member[i])
			p->link[i]->who[peer->member[i]] = LINK_STRANGER;
	}
	peers_flood_leave(p, peer);
	pace_forget(&p->pace, peer->number);
	p->peer[peer->number] = NULL;
	p->n_peer--;
	while (p->top > 0 && !p->peer[p->top - 1])
		p->top--;
	peer_free(peer);
	peers_mark_ports(p);
}

struct peer *peers_find_key(struct peers *p, const uint8_t public_key[KEX_KEY])
{
	for (unsigned i = 0; i < p->top; i++) {
		if (p->peer[i] && memcmp(p->peer[i]->public_key, public_key, KEX_KEY) == 0)
			return p->peer[i];
	}
	return NULL;
}

struct peer *peers_find_name(struct peers *p, const char *name)
{
	for (unsigned i = 0; i < p->top; i++) {
		if (p->peer[i] && strcmp(p->peer[i]->name, name) == 0)
			return p->peer[i];
	}
	return NULL;
}

void peers_set_addresses(struct peers *p, struct peer *peer, const struct addr *addrs, unsigned n,
			 struct instant now)
{
	peer->n_candidates = 0;
	for (unsigned i = 0; i < n; i++) {
		for (unsigned s = 0; s < p->n_sockets; s++) {
			if (p->families[s] != addrs[i].family ||
			    peer->n_candidates == PEER_ADDRESSES)
				continue;
			peer->candidates[peer->n_candidates++] =
				(struct peer_candidate){ .addr = addrs[i], .socket = (uint8_t)s };
		}
	}
	peer->next_candidate = 0;
	if (peer->n_candidates && !peer_has_session(peer))
		peers_rekey(p, peer, now);
}

void peers_rekey(struct peers *p, struct peer *peer, struct instant now)
{
	timers_greet_now(&peer->timers, now);
	peers_note_due(p, peer);
}

void peers_disconnect(struct peers *p, struct peer *peer, struct instant now)
{
	peer->disconnected = true;
	peer_send_control(peer, WIRE_CLOSE, NULL, 0);
	peers_close(p);
	peer_session_end(peer, PEER_END_COMMAND, 0, now);
	peers_flood_leave(p, peer);
	timers_greet_never(&peer->timers);
}

void peers_connect(struct peers *p, struct peer *peer, struct instant now)
{
	peer->disconnected = false;
	if (!peer_has_session(peer))
		peers_rekey(p, peer, now);
}

void peers_seal(struct peers *p)
{
	list_for_each_safe(pos, &p->to_close)
	{
		pack_close(&container_of(pos, struct peer, to_close)->pack);
		list_remove(pos);
	}
	pack_close(&p->flood.pack);
	p->n_to_close = 0;
}

void peers_close(struct peers *p)
{
	peers_seal(p);
	outbox_flush(p->outbox);
}

/* Sites first: the way to some goes through relays. */
void peers_look(struct peers *p, struct instant now)
{
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		if (p->peer[i])
			peer_look(p->peer[i], now);
	}
}

void peers_goodbye(struct peers *p, struct instant now)
{
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		if (!p->peer[i])
			continue;
		peer_send_control(p->peer[i], WIRE_CLOSE, NULL, 0);
		peers_close(p);
		peer_session_end(p->peer[i], PEER_END_STOPPING, 0, now);
	}
}

void peers_sent(struct peers *p, const struct run *run)
{
	struct peer *peer = run->owner < PEERS_MAX ? p->peer[run->owner] : NULL;

	if (!peer) {
		if (run->error)
			peers_drop(p, DROP_SEND);
		return;
	}
	peer->tx.datagrams += run->count;
	if (run->error == 0)
		return;
	peer_drop(peer, run->error == PEERS_TOO_BIG ? DROP_TOO_BIG : DROP_SEND);
	if (run->error == PEERS_TOO_BIG) {
		peer->path_shrunk = true;
		peers_note_due(p, peer);
	}
}
