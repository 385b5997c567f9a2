/* SPDX-License-Identifier: MIT */
#include "peers_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "core/handshake.h"

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
	p->due = instant_min(p->due, peer_due(peer));
}

static void owner_moved(void *ctx, struct peer *peer)
{
	struct peers *p = ctx;

	peers_mark_ports(p);
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
	p->due = now;
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
	p->due = now;
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

static void tick_peer(struct peers *p, struct peer *peer, struct instant now)
{
	unsigned action;

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
		pmtu_hint(&peer->pmtu, now); /* an idle path may shrink as well */
	}
	if (action & TIMERS_HANDSHAKE)
		call(p, peer, now);
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

static struct instant due_of(const struct peer *peer)
{
	if (!peer->link)
		return instant_min(peer_due(peer), peers_path_due(peer));
	if (!peer_has_session(peer))
		return peer_due(peer);
	return instant_min(peer_due(peer), instant_min(peer->link->ask, peers_stream_due(peer)));
}

void peers_note_due(struct peers *p, const struct peer *peer)
{
	p->due = instant_min(p->due, due_of(peer));
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

void peers_tick(struct peers *p, struct instant now)
{
	p->now = now;
	if (!instant_reached(now, p->due))
		return;
	p->due = INSTANT_NEVER;
	for (unsigned i = first(p); i < PEERS_MAX; i = after(p, i)) {
		struct peer *peer = p->peer[i];

		if (!peer)
			continue;
		peer->now = now;
		if (instant_reached(now, due_of(peer)))
			tick_peer(p, peer, now);
		peers_note_due(p, peer);
	}
	peers_flood_tick(p, now);
	peers_close(p);
}

struct instant peers_due(const struct peers *p)
{
	return p->due;
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
		p->due = p->now;
	}
}
