/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * A received message holds many datagrams.  Each DATA one is looked up by its
 * receiver index, tried against the replay window, opened in place, committed,
 * and noted.  When the batch is in, the notes of each peer stand in the order
 * of their counters (datagrams that overtook others are put back into place),
 * and are unpacked in that order, so that cut records and super-frames find
 * their neighbours.  Everything but DATA is a handshake packet and rare.
 */
#include "core/peers.h"

#include <string.h>

#include "base/bytes.h"
#include "core/handshake.h"
#include "core/vnet.h"

#define SORT_REACH 128 /* how far back a late datagram may be put */

static void site_drop(struct peers *p, enum drop reason)
{
	p->drops.count[reason]++;
}

static void note_due(struct peers *p, const struct peer *peer)
{
	p->due = instant_min(p->due, peer_due(peer));
}

/* The key that a receiver index names, or NULL. */
static struct keypair *find_key(struct peers *p, uint32_t index, struct peer **peer)
{
	unsigned number = (index & 0xfff) >> KEYS_SLOT_BITS;
	struct keypair *kp;

	*peer = p->peer[number];
	if (!*peer)
		return NULL;
	kp = &(*peer)->keys.slot[index & (KEYS_SLOTS - 1)];
	return kp->state != KEY_FREE && kp->local_index == index ? kp : NULL;
}

/* Behind entries of the same peer and key with lower counters. */
static void note_opened(struct peers *p, const struct peers_opened *o)
{
	unsigned at = p->n_opened, place = at;

	for (unsigned back = 1; back <= at && back <= SORT_REACH; back++) {
		const struct peers_opened *before = &p->opened[at - back];

		if (before->peer != o->peer || before->key != o->key)
			continue;
		if (before->counter < o->counter)
			break;
		place = at - back;
	}
	if (place < at)
		memmove(&p->opened[place + 1], &p->opened[place],
			(at - place) * sizeof(p->opened[0]));
	p->opened[place] = *o;
	p->n_opened++;
}

static void set_endpoint(struct peer *peer, uint8_t socket, const struct addr *from,
			 struct instant now)
{
	struct peer_candidate where = { .addr = *from, .socket = socket };

	peer_set_endpoint(peer, &where, now);
}

static bool is_at(const struct peer *peer, uint8_t socket, const struct addr *from)
{
	return peer->endpoint.socket == socket && addr_equal(&peer->endpoint.addr, from);
}

/*
 * A NEXT key does not take over from the CURRENT one in two cases.
 *
 * A tie: both sides' handshakes came through at once, and the session that the
 * lower key began is the one that both go on with.  Who called when it had used
 * that session already wants another, and there is no tie.
 *
 * It is from an earlier handshake than CURRENT: its first packet was held back,
 * and the peer has gone on, perhaps to another place, since.
 */
static bool current_stands(const struct peer *peer, const struct keypair *next, struct instant now)
{
	const struct keypair *current = peer->keys.current;
	bool older;

	if (!current)
		return false;
	older = instant_before(next->made, current->made);
	if (!current->initiator || instant_between(current->made, now) >= WIRE_TIE)
		return older;
	return !peer->lower && (!next->informed || older);
}

/* The initiator used the key that we made: now it is proven that it lives and
 * where. */
static void confirm(struct peers *p, struct peer *peer, struct keypair *kp, uint8_t socket,
		    const struct addr *from, struct instant now)
{
	if (current_stands(peer, kp, now)) {
		keys_demote(kp, now);
		return;
	}
	pack_close(&peer->pack);
	handshake_abandon(peer);
	keys_confirm(&peer->keys, kp, now);
	if (!is_at(peer, socket, from))
		set_endpoint(peer, socket, from, now);
	peer_session_begin(peer, false, now);
	note_due(p, peer);
}

/* The newest authentic packet came from elsewhere. */
static void roam(struct peer *peer, uint8_t socket, const struct addr *from, struct instant now)
{
	set_endpoint(peer, socket, from, now);
	peer->roamed++;
	peer->owner->event(peer->owner->ctx, peer, PEER_ROAMED);
}

/* Why a packet for that key is not even tried, or DROP_COUNT. */
static enum drop refuse(const struct keypair *kp, uint64_t counter, struct instant now)
{
	if (kp->state == KEY_RESERVED)
		return DROP_INDEX;
	if (instant_between(kp->made, now) >= WIRE_REJECT_AFTER ||
	    (kp->state == KEY_PREVIOUS && instant_reached(now, kp->retire)))
		return DROP_EXPIRED;
	switch (replay_check(&kp->replay, counter)) {
	case REPLAY_NEW:
		return DROP_COUNT;
	case REPLAY_SEEN:
		return DROP_REPLAYED;
	case REPLAY_OLD:
		return DROP_OLD;
	}
	return DROP_OLD;
}

static void take_data(struct peers *p, uint8_t socket, const struct addr *from, uint8_t *data,
		      size_t len, struct instant now)
{
	uint64_t counter = be64_get(data + 8);
	struct peer *peer;
	struct keypair *kp = find_key(p, be32_get(data + 4), &peer);
	enum drop reason;

	if (!kp) {
		site_drop(p, DROP_INDEX);
		return;
	}
	reason = refuse(kp, counter, now);
	if (reason == DROP_COUNT && !keys_open(&peer->keys, kp, data, len, counter))
		reason = DROP_AUTH;
	if (reason != DROP_COUNT) {
		peer_drop(peer, reason);
		return;
	}
	replay_commit(&kp->replay, counter);
	keys_still_used(kp, now);
	peer->now = now;
	peer->rx.datagrams++;
	timers_heard(&peer->timers, now);
	if (kp->state == KEY_NEXT)
		confirm(p, peer, kp, socket, from, now);
	else if (kp->state == KEY_CURRENT && kp->replay.next == counter + 1 &&
		 !is_at(peer, socket, from))
		roam(peer, socket, from, now);
	note_opened(p, &(struct peers_opened){ .peer = peer,
					       .key = kp->local_index,
					       .counter = counter,
					       .plain = data + WIRE_DATA_HEADER,
					       .len = (uint32_t)(len - WIRE_DATA_OVERHEAD) });
	if (p->n_opened == PEERS_OPENED)
		peers_unpack(p);
}

/* Counts INITIATIONs by the second; true while cookies are asked for. */
static bool under_load(struct peers *p, struct instant now)
{
	if (instant_between(p->second, now) >= SECONDS(1)) {
		p->loaded = p->calls > PEERS_LOAD;
		p->calls = 0;
		p->second = now;
	}
	if (++p->calls > PEERS_LOAD)
		p->loaded = true;
	return p->loaded;
}

/* True when this INITIATION (told by its ephemeral key) came before. */
static bool seen_before(const struct peers *p, const uint8_t *packet)
{
	uint64_t ephemeral = be64_get(packet + 8);

	for (unsigned i = 0; i < PEERS_SEEN; i++) {
		if (p->seen[i] == ephemeral)
			return true;
	}
	return false;
}

static void remember(struct peers *p, const uint8_t *packet)
{
	p->seen[p->next_seen] = be64_get(packet + 8);
	p->next_seen = (p->next_seen + 1) % PEERS_SEEN;
}

/* Who calls has to show that it gets what is sent to its address, and calls from
 * there so often at most. */
static enum drop guard_source(struct peers *p, uint8_t socket, const struct addr *from,
			      const uint8_t *packet, struct instant now)
{
	uint8_t cookie[WIRE_COOKIE_LEN];

	if (cookie_guard_check(&p->guard, packet, WIRE_INITIATION_LEN, from, now) ==
	    COOKIE_MAC2_GOOD)
		return limit_pass(p->limit, from, now) ? DROP_COUNT : DROP_RATE;
	cookie_guard_answer(&p->guard, WIRE_COOKIE, be32_get(packet + 4), packet,
			    WIRE_INITIATION_LEN, from, now, cookie);
	outbox_datagram(p->outbox, from, socket, RUN_NOBODY, cookie, sizeof(cookie));
	return DROP_COOKIE;
}

/* Guards of an INITIATION that cost less than a key agreement. */
static enum drop guard_initiation(struct peers *p, uint8_t socket, const struct addr *from,
				  const uint8_t *packet, struct instant now)
{
	if (cookie_guard_check(&p->guard, packet, WIRE_INITIATION_LEN, from, now) ==
	    COOKIE_BAD_MAC1)
		return DROP_MAC1;
	if (seen_before(p, packet))
		return DROP_REPEATED;
	return under_load(p, now) ? guard_source(p, socket, from, packet, now) : DROP_COUNT;
}

/* Both began: ours stands while it is fresh, if our key is the lower one. */
static bool must_yield(const struct peer *peer, struct instant now)
{
	return peer->calling && !peer->lower && peer->timers.attempts <= 2 &&
	       instant_between(peer->called_at, now) < SECONDS(1);
}

static enum drop answer_call(struct peers *p, struct handshake_call *call, struct peer *peer,
			     uint8_t socket, const struct addr *from, struct instant now)
{
	uint8_t response[WIRE_RESPONSE_LEN];
	enum drop reason;

	if (peer->disconnected)
		return DROP_DISCONNECTED;
	if (must_yield(peer, now))
		return DROP_YIELD;
	reason = handshake_respond(p->self, peer, call, now, response);
	if (reason == DROP_COUNT)
		outbox_datagram(p->outbox, from, socket, RUN_NOBODY, response, sizeof(response));
	return reason;
}

static void take_initiation(struct peers *p, uint8_t socket, const struct addr *from,
			    const uint8_t *packet, struct instant now)
{
	enum drop reason = guard_initiation(p, socket, from, packet, now);
	struct handshake_call call;
	struct peer *peer;

	if (reason != DROP_COUNT) {
		site_drop(p, reason);
		return;
	}
	if (!handshake_read(p->self, packet, &call)) {
		site_drop(p, DROP_HANDSHAKE);
		goto out;
	}
	peer = peers_find_key(p, call.public_key);
	if (!peer) {
		site_drop(p, DROP_STRANGER);
		goto out;
	}
	remember(p, packet); /* a stranger's would push out those that matter */
	/* Ancient ones, sent again, would push out the answer to one that is honest. */
	if (keys_crowded(&peer->keys, now))
		reason = guard_source(p, socket, from, packet, now);
	if (reason == DROP_COUNT)
		reason = answer_call(p, &call, peer, socket, from, now);
	if (reason != DROP_COUNT)
		peer_drop(peer, reason);
out:
	handshake_call_wipe(&call);
}

static void take_response(struct peers *p, uint8_t socket, const struct addr *from,
			  const uint8_t *packet, struct instant now)
{
	struct peer *peer;
	struct keypair *kp = find_key(p, be32_get(packet + 8), &peer);
	enum drop reason;

	if (cookie_guard_check(&p->guard, packet, WIRE_RESPONSE_LEN, from, now) ==
	    COOKIE_BAD_MAC1) {
		site_drop(p, DROP_MAC1);
		return;
	}
	if (!kp || peer->calling != kp) {
		site_drop(p, DROP_REPEATED);
		return;
	}
	if (peer->forged == PEERS_FORGED) { /* each costs two key agreements */
		peer_drop(peer, DROP_RATE);
		return;
	}
	pack_close(&peer->pack);
	reason = handshake_finish(peer, packet, now);
	if (reason != DROP_COUNT) {
		peer->forged++;
		peer->refused = true;
		peer_drop(peer, reason);
		peer->owner->event(peer->owner->ctx, peer, PEER_REFUSED);
		return;
	}
	if (!is_at(peer, socket, from))
		set_endpoint(peer, socket, from, now);
	peer_session_begin(peer, true, now);
	note_due(p, peer);
}

static void take_cookie(struct peers *p, const uint8_t *packet, struct instant now)
{
	struct peer *peer;
	struct keypair *kp = find_key(p, be32_get(packet + 4), &peer);

	if (!kp || peer->calling != kp || !cookie_jar_open(&peer->jar, packet, now)) {
		site_drop(p, DROP_REPEATED);
		return;
	}
	timers_answered(&peer->timers, now);
	note_due(p, peer);
}

/* The bytes after the kind: zero in this version, but the lane of DATA. */
static bool is_header(const uint8_t *data)
{
	uint8_t last = data[WIRE_LANE];

	return data[1] == 0 && data[2] == 0 &&
	       (data[0] == WIRE_DATA ? last < WIRE_LANES : last == 0);
}

/* One gate for plausibility: the length that the kind demands, and what stands
 * in the header of every kind. */
static enum drop plausible(const uint8_t *data, size_t len)
{
	static const uint16_t exact[] = { [WIRE_INITIATION] = WIRE_INITIATION_LEN,
					  [WIRE_RESPONSE] = WIRE_RESPONSE_LEN,
					  [WIRE_COOKIE] = WIRE_COOKIE_LEN,
					  [WIRE_DATA] = 0 };
	uint8_t kind = len ? data[0] : 0;

	if (len == 0)
		return DROP_SHORT;
	if (kind < WIRE_INITIATION || kind > WIRE_DATA)
		return DROP_KIND;
	if (len < (exact[kind] ? exact[kind] : WIRE_DATA_MIN))
		return DROP_SHORT;
	if ((exact[kind] && len != exact[kind]) || !is_header(data))
		return DROP_HEADER;
	return DROP_COUNT;
}

static void take(struct peers *p, uint8_t socket, const struct addr *from, uint8_t *data,
		 size_t len, struct instant now)
{
	enum drop reason = plausible(data, len);

	if (reason != DROP_COUNT) {
		site_drop(p, reason);
		return;
	}
	switch ((enum wire_kind)data[0]) {
	case WIRE_DATA:
		take_data(p, socket, from, data, len, now);
		break;
	case WIRE_INITIATION:
		take_initiation(p, socket, from, data, now);
		break;
	case WIRE_RESPONSE:
		take_response(p, socket, from, data, now);
		break;
	case WIRE_COOKIE:
		take_cookie(p, data, now);
		break;
	case WIRE_FLOOD:
	case WIRE_HOP:
		break;
	}
}

void peers_datagrams(struct peers *p, uint8_t socket, const struct addr *from, uint8_t *data,
		     size_t len, size_t segment, struct instant now)
{
	p->now = now;
	for (size_t at = 0; at < len || len == 0; at += segment) {
		take(p, socket, from, data + at, MIN(segment, len - at), now);
		if (len == 0 || segment == 0)
			return;
	}
}

void peers_unpack(struct peers *p)
{
	unsigned n = p->n_opened;

	p->n_opened = 0;
	for (unsigned i = 0; i < n; i++) {
		struct peers_opened *o = &p->opened[i];

		o->peer->unpacking = o->key;
		unpack_datagram(&o->peer->unpack, o->key, o->counter, o->plain, o->len);
		if (unpack_pending(&o->peer->unpack) && list_empty(&o->peer->to_flush))
			list_append(&p->to_flush, &o->peer->to_flush);
		if (i + 1 == n || p->opened[i + 1].peer != o->peer)
			note_due(p, o->peer);
	}
}

void peers_round(struct peers *p)
{
	list_for_each_safe(pos, &p->to_flush) {
		struct unpack *unpack = &container_of(pos, struct peer, to_flush)->unpack;

		unpack_round(unpack);
		if (!unpack_pending(unpack))
			list_remove(pos);
	}
}

void peers_flush(struct peers *p)
{
	list_for_each_safe(pos, &p->to_flush) {
		unpack_flush(&container_of(pos, struct peer, to_flush)->unpack);
		list_remove(pos);
	}
}

/* The UDP header behind an IP header without extensions, or NULL.  *to gets
 * the destination. */
static const uint8_t *udp_header(const uint8_t *ip, size_t len, struct addr *to)
{
	size_t head;

	memset(to, 0, sizeof(*to));
	if (len >= 20 && ip[0] >> 4 == 4 && ip[9] == 17) {
		head = (size_t)(ip[0] & 15) * 4;
		to->family = ADDR_IPV4;
		memcpy(to->ip, ip + 16, 4);
	} else if (len >= 40 && ip[0] >> 4 == 6 && ip[6] == 17) {
		head = 40;
		to->family = ADDR_IPV6;
		memcpy(to->ip, ip + 24, 16);
	} else {
		return NULL;
	}
	if (head < 20 || len < head + 8)
		return NULL;
	to->port = be16_get(ip + head + 2);
	return ip + head;
}

bool peers_is_tunnel(const struct peers *p, const uint8_t *ip, size_t len)
{
	struct addr to;
	const uint8_t *udp = udp_header(ip, len, &to), *data;

	if (!udp || !(p->tunnel_ports[to.port / 8] & 1u << to.port % 8))
		return false;
	data = udp + 8;
	if (len - (size_t)(data - ip) < WIRE_DATA_HEADER || data[0] != WIRE_DATA ||
	    !is_header(data))
		return false;
	for (unsigned i = 0; i < p->top; i++) {
		const struct peer *peer = p->peer[i];

		if (peer && peer_has_session(peer) && addr_equal_host(&peer->endpoint.addr, &to) &&
		    peer->endpoint.addr.port == to.port &&
		    peer->keys.current->remote_index == be32_get(data + 4))
			return true;
	}
	return false;
}
