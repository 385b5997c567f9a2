/* SPDX-License-Identifier: MIT */
#include "core/peer.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define PING_BODY 12  /* id u32 | stamp u64 */
#define PROBE_BODY 6  /* id u32 | size u16 */
#define PATH_MAX_SIZE (PEER_DATAGRAM_MAX + 48)
#define RTT_MOST SECONDS(60)

static void tell(struct peer *peer, enum peer_event event)
{
	peer->owner->event(peer->owner->ctx, peer, event);
}

static void sink_frame(void *ctx, struct frame *frame)
{
	struct peer *peer = ctx;

	peer->rx.frames++;
	peer->rx.bytes += frame->len;
	peer->flood.frames += peer_unpacks_flood(peer);
	peer->owner->frame(peer->owner->ctx, peer, frame);
}

static void sink_control(void *ctx, uint8_t type, const uint8_t *body, size_t len)
{
	struct peer *peer = ctx;

	if (peer_unpacks_flood(peer)) /* others have that key as well */
		peer_drop(peer, DROP_RECORD);
	else
		peer_control(peer, type, body, len, peer->now);
}

static void sink_drop(void *ctx, enum drop reason)
{
	peer_drop(ctx, reason);
}

struct peer *peer_new(const struct peer_owner *owner, const struct identity *self, uint16_t number,
		      const char *name, const uint8_t public_key[KEX_KEY], int64_t keepalive,
		      struct instant now)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	struct unpack_sink sink = { sink_frame, sink_control, sink_drop, peer };

	if (!peer)
		return NULL;
	peer->owner = owner;
	peer->self = self;
	peer->number = number;
	peer->offer = INSTANT_NEVER;
	memcpy(peer->name, name, strnlen(name, WIRE_NAME));
	memcpy(peer->public_key, public_key, KEX_KEY);
	identity_id(peer->id, public_key);
	peer->lower = memcmp(public_key, self->public_key, KEX_KEY) < 0;
	peer->now = now;
	list_init(&peer->to_close);
	list_init(&peer->to_flush);
	timers_init(&peer->timers, keepalive, now);
	cookie_jar_init(&peer->jar, self->cipher, public_key);
	if (!keys_init(&peer->keys, self->cipher, self->network, self->id, peer->id) ||
	    !flood_in_init(&peer->flood.in, self->cipher, self->network, peer->id) ||
	    !unpack_init(&peer->unpack, &sink)) {
		peer_free(peer);
		return NULL;
	}
	peer->keys.watch = peer->flood.in.watch = self->watch;
	peer->keys.hop = self->registers[0] != '\0';
	pack_init(&peer->pack, owner->outbox, &peer->keys, number);
	return peer;
}

void peer_free(struct peer *peer)
{
	list_remove(&peer->to_close);
	list_remove(&peer->to_flush);
	noise_wipe(&peer->noise);
	unpack_free(&peer->unpack);
	flood_in_free(&peer->flood.in);
	keys_free(&peer->keys);
	free(peer);
}

/* The relay that the place is behind, or NULL. */
static const struct link *link_of(const struct peer *peer, const struct addr *addr)
{
	return addr->family == ADDR_RELAY ? peer->owner->link[addr->port] : NULL;
}

/* IP and UDP header bytes in front of a datagram to the endpoint. */
static size_t ip_overhead(const struct peer *peer)
{
	const struct link *link = link_of(peer, &peer->endpoint.addr);

	return addr_overhead(link ? &link->peer->endpoint.addr : &peer->endpoint.addr);
}

void peer_aim(struct peer *peer)
{
	const struct link *link = link_of(peer, &peer->endpoint.addr);
	const struct peer_candidate *to = link ? &link->peer->endpoint : &peer->endpoint;
	size_t size = peer->pmtu.now_size - ip_overhead(peer);

	pack_through(&peer->pack, link ? &link->peer->keys : NULL,
		     link ? link_member_of(&peer->endpoint.addr) : 0);
	pack_target(&peer->pack, &to->addr, to->socket, (uint16_t)MIN(size, PEER_DATAGRAM_MAX));
}

void peer_set_endpoint(struct peer *peer, const struct peer_candidate *where, struct instant now)
{
	unsigned limit = peer->owner->route_mtu(peer->owner->ctx, &where->addr);
	bool restless = instant_between(peer->moved_at, now) < PEER_SETTLED;
	struct instant settled = restless ? instant_add(now, PEER_SETTLED) : now;

	peer->moved_at = now;
	peer->endpoint_heard = peer->local_heard = now;
	peer->doubt = (struct instant){ 0 };
	peer->endpoint = *where;
	peer->rtt = 0;
	limit = MIN(limit, PATH_MAX_SIZE);
	pmtu_init(&peer->pmtu, (uint16_t)MAX(limit, PMTU_BASE), settled);
	peer_aim(peer);
	peer->owner->moved(peer->owner->ctx, peer);
}

void peer_set_local(struct peer *peer, uint8_t socket, struct instant now)
{
	peer->local_heard = now;
	peer->endpoint.socket = socket;
	peer_aim(peer);
	peer->owner->moved(peer->owner->ctx, peer);
}

void peer_session_begin(struct peer *peer, bool initiator, struct instant now)
{
	timers_session_begin(&peer->timers, initiator, now);
	peer->last_handshake = now;
	peer->refused = false;
	peer->handshakes++;
	if (peer->up) {
		peer->rekeys++;
		tell(peer, PEER_REKEYED);
		return;
	}
	peer->up = true;
	tell(peer, PEER_UP);
	if (!peer->link && peer->remote_mtu != peer->owner->mtu)
		tell(peer, PEER_MTU_DIFFERS);
}

void peer_session_end(struct peer *peer, enum peer_end why, int64_t wait, struct instant now)
{
	pack_close(&peer->pack);
	list_remove(&peer->to_close);
	if (peer->calling)
		noise_wipe(&peer->noise);
	peer->calling = NULL;
	keys_drop_all(&peer->keys);
	timers_session_end(&peer->timers, wait, now);
	if (peer->up) {
		peer->up = false;
		peer->end = why;
		tell(peer, PEER_DOWN);
	}
}

void peer_send_control(struct peer *peer, uint8_t type, const void *body, size_t len)
{
	if (!peer_has_session(peer))
		return;
	pack_control(&peer->pack, type, body, len);
	peer->owner->pending(peer->owner->ctx, peer);
}

void peer_send_ping(struct peer *peer, struct instant now)
{
	uint8_t body[PING_BODY];

	be32_put(body, ++peer->ping_id);
	be64_put(body + 4, (uint64_t)now.us);
	peer_send_control(peer, WIRE_PING, body, sizeof(body));
}

static void take_pong(struct peer *peer, const uint8_t body[PING_BODY], struct instant now)
{
	uint64_t since = (uint64_t)now.us - be64_get(body + 4); /* any stamp may come back */
	int64_t rtt = (int64_t)MIN(since, (uint64_t)RTT_MOST + 1);

	if (be32_get(body) != peer->ping_id || rtt > RTT_MOST)
		return;
	peer->rtt = peer->rtt ? (7 * peer->rtt + rtt) / 8 : MAX(rtt, 1);
}

static void take_probed(struct peer *peer, const uint8_t body[PROBE_BODY], struct instant now)
{
	if (!pmtu_confirmed(&peer->pmtu, be32_get(body), be16_get(body + 4), now))
		return;
	peer_aim(peer);
	tell(peer, PEER_PMTU);
}

void peer_control(struct peer *peer, uint8_t type, const uint8_t *body, size_t len,
		  struct instant now)
{
	switch (type) {
	case WIRE_PING:
		if (len == PING_BODY) {
			peer_send_control(peer, WIRE_PONG, body, len);
			if (peer->link) /* it saw us elsewhere; its answer tells where */
				peer_send_ping(peer, now);
			return;
		}
		break;
	case WIRE_PONG:
		if (len == PING_BODY) {
			take_pong(peer, body, now);
			return;
		}
		break;
	case WIRE_PROBE:
		if (len == PROBE_BODY) {
			peer_send_control(peer, WIRE_PROBED, body, len);
			return;
		}
		break;
	case WIRE_PROBED:
		if (len == PROBE_BODY) {
			take_probed(peer, body, now);
			return;
		}
		break;
	case WIRE_CLOSE:
		if (len == 0) {
			peer->owner->closed(peer->owner->ctx, peer);
			return;
		}
		break;
	default:
		if (peer->owner->control(peer->owner->ctx, peer, type, body, len))
			return;
		break;
	}
	peer_drop(peer, DROP_RECORD);
}

void peer_probe(struct peer *peer, struct instant now)
{
	uint16_t before = peer->pmtu.now_size, size;
	bool flowing = peer->tx.frames != peer->frames_before;
	uint8_t body[PROBE_BODY];
	uint32_t id;

	if (!peer_has_session(peer))
		return;
	if (peer->path_shrunk) {
		unsigned limit = peer->owner->route_mtu(peer->owner->ctx, &peer->endpoint.addr);

		peer->path_shrunk = false;
		limit = MIN(limit ? limit : PMTU_BASE, PATH_MAX_SIZE);
		pmtu_local_limit(&peer->pmtu, (uint16_t)limit,
				 now);
	} else if (!instant_reached(now, pmtu_due(&peer->pmtu))) {
		return;
	}
	size = pmtu_probe(&peer->pmtu, peer->rtt, flowing, now, &id);
	if (peer->pmtu.now_size != before) {
		peer_aim(peer);
		tell(peer, PEER_PMTU);
	}
	if (size) {
		be32_put(body, id);
		be16_put(body + 4, size);
		pack_control_padded(&peer->pack, WIRE_PROBE, body, sizeof(body),
				    (uint16_t)(size - ip_overhead(peer)));
	}
	peer->frames_before = peer->tx.frames;
}

void peer_look(struct peer *peer, struct instant now)
{
	if (instant_between(peer->looked_at, now) < PEER_RECENT)
		return;
	peer->looks[1] = peer->looks[0];
	peer->looks[0] = keys_arrivals(&peer->keys);
	peer->looked_at = now;
}

/* What was missing at the last look may have come since. */
static uint64_t more(uint64_t now, uint64_t then)
{
	return now > then ? now - then : 0;
}

struct keys_arrivals peer_recent(const struct peer *peer)
{
	struct keys_arrivals all = keys_arrivals(&peer->keys);
	const struct keys_arrivals *then = &peer->looks[1];

	return (struct keys_arrivals){ .received = more(all.received, then->received),
				       .lost = more(all.lost, then->lost),
				       .late = more(all.late, then->late) };
}

struct instant peer_due(const struct peer *peer)
{
	struct instant due = peer->timers.due;

	if (peer->path_shrunk && peer_has_session(peer))
		return peer->now;
	if (peer_has_session(peer))
		due = instant_min(due, pmtu_due(&peer->pmtu));
	return due;
}
