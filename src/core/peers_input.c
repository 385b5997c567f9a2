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
#include "peers_parts.h"

#include <string.h>

#include "base/bytes.h"
#include "core/handshake.h"
#include "core/vnet.h"

#define SORT_REACH 128 /* how far back a late datagram may be put */

struct keypair *peers_find_index(struct peers *p, uint32_t index, struct peer **peer)
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
static void note_in_order(struct peers *p, const struct peers_opened *o)
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

void peers_note_opened(struct peers *p, const struct peers_opened *o)
{
	note_in_order(p, o);
	if (p->n_opened == PEERS_OPENED)
		peers_unpack(p);
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
static void confirm(struct peers *p, struct peer *peer, struct keypair *kp,
		    const struct peers_from *from, struct instant now)
{
	bool anew = peer->up;

	if (current_stands(peer, kp, now)) {
		keys_demote(kp, now);
		return;
	}
	pack_close(&peer->pack);
	handshake_abandon(peer);
	keys_confirm(&peer->keys, kp, now);
	peers_arrive(p, peer, from, now);
	peer_session_begin(peer, false, now);
	peers_path_begin(p, peer, anew, now);
	peers_note_due(p, peer);
}

enum drop peers_refuse(const struct keypair *kp, uint64_t counter, struct instant now)
{
	if (kp->state == KEY_RESERVED)
		return DROP_INDEX;
	if (instant_between(kp->made, now) >= WIRE_REJECT_AFTER ||
	    (kp->state == KEY_PREVIOUS && instant_reached(now, kp->retire)))
		return DROP_EXPIRED;
	switch (keys_check(kp, counter)) {
	case REPLAY_NEW:
		return DROP_COUNT;
	case REPLAY_SEEN:
		return DROP_REPLAYED;
	case REPLAY_OLD:
		return DROP_OLD;
	}
	return DROP_OLD;
}

/* The packet shows where the peer is now. */
static void note_place(struct peers *p, struct peer *peer, struct keypair *kp,
		       const struct peers_from *from, uint64_t counter, struct instant now)
{
	if (kp->state == KEY_NEXT)
		confirm(p, peer, kp, from, now);
	else if (kp->state != KEY_CURRENT || kp->replay.next != counter + 1)
		return;
	else if (peer_is_at(peer, from))
		peers_still_at(peer, from, now);
	else
		peers_roam(p, peer, from, now);
}

static void take_data(struct peers *p, const struct peers_from *from, uint8_t *data, size_t len,
		      struct instant now)
{
	uint64_t counter = be64_get(data + 8);
	struct peer *peer;
	struct keypair *kp = peers_find_index(p, be32_get(data + 4), &peer);
	enum drop reason;

	if (!kp || peers_stream_refuses(from, peer)) {
		peers_drop(p, DROP_INDEX);
		return;
	}
	if (peers_is_mislabelled(p, peer, from))
		return;
	reason = peers_refuse(kp, counter, now);
	if (reason == DROP_COUNT && !keys_open(&peer->keys, kp, data, len, counter))
		reason = DROP_AUTH;
	if (reason != DROP_COUNT) {
		peer_drop(peer, reason);
		return;
	}
	keys_commit(kp, data[WIRE_LANE], counter);
	keys_still_used(kp, now);
	peer->now = now;
	peer->rx.datagrams++;
	if (data[1] & WIRE_FLAG_PATH) {
		peers_take_path(p, peer, from, data + WIRE_DATA_HEADER, len - WIRE_DATA_OVERHEAD,
				now);
		return;
	}
	thrift_return(&p->pings, peer->timers.unanswered);
	timers_heard(&peer->timers, now);
	note_place(p, peer, kp, from, counter, now);
	peers_note_opened(p,
			  &(struct peers_opened){ .peer = peer,
						  .key = kp->local_index,
						  .counter = counter,
						  .plain = data + WIRE_DATA_HEADER,
						  .len = (uint32_t)(len - WIRE_DATA_OVERHEAD) });
}

/* The bytes after the kind: zero in this version, but flag and lane of DATA; and the
 * flag goes with its counters. */
static bool is_header(const uint8_t *data)
{
	bool is_data = data[0] == WIRE_DATA;

	if (is_data && (be64_get(data + 8) >= WIRE_PATH_COUNTER) != (data[1] == WIRE_FLAG_PATH))
		return false;
	return (data[1] & ~(is_data ? WIRE_FLAG_PATH : 0)) == 0 && data[2] == 0 &&
	       data[WIRE_LANE] < (is_data ? WIRE_LANES : 1);
}

/* One gate for plausibility: the length that the kind demands, and what stands
 * in the header of every kind.  FLOOD comes out of a HOP only. */
static enum drop plausible(const uint8_t *data, size_t len, bool hop)
{
	static const uint16_t exact[] = { [WIRE_INITIATION] = WIRE_INITIATION_LEN,
					  [WIRE_RESPONSE] = WIRE_RESPONSE_LEN,
					  [WIRE_COOKIE] = WIRE_COOKIE_LEN,
					  [WIRE_DATA] = 0,
					  [WIRE_FLOOD] = 0 };
	uint8_t kind = len ? data[0] : 0;

	if (len == 0)
		return DROP_SHORT;
	if (kind == WIRE_HOP)
		return len < WIRE_HOP_MIN ? DROP_SHORT : DROP_COUNT;
	if (kind < WIRE_INITIATION || kind > (hop ? WIRE_FLOOD : WIRE_DATA))
		return DROP_KIND;
	if (len < (exact[kind] ? exact[kind] : WIRE_DATA_MIN))
		return DROP_SHORT;
	if ((exact[kind] && len != exact[kind]) || !is_header(data))
		return DROP_HEADER;
	return DROP_COUNT;
}

void peers_take(struct peers *p, const struct peers_from *from, uint8_t *data, size_t len,
		struct instant now)
{
	enum drop reason = plausible(data, len, from->addr.family == ADDR_RELAY);

	if (reason != DROP_COUNT) {
		peers_drop(p, reason);
		return;
	}
	switch ((enum wire_kind)data[0]) {
	case WIRE_DATA:
		take_data(p, from, data, len, now);
		break;
	case WIRE_INITIATION:
		peers_take_initiation(p, from, data, now);
		break;
	case WIRE_RESPONSE:
		peers_take_response(p, from, data, now);
		break;
	case WIRE_COOKIE:
		peers_take_cookie(p, data, now);
		break;
	case WIRE_HOP:
		peers_take_hop(p, from, data, len, now);
		break;
	case WIRE_FLOOD:
		peers_take_flood(p, from, data, len, now);
		break;
	}
}

void peers_datagrams(struct peers *p, uint8_t socket, const struct addr *from, uint8_t *data,
		     size_t len, size_t segment, struct instant now)
{
	struct peers_from where = { .addr = *from, .socket = socket };

	p->now = now;
	for (size_t at = 0; at < len || len == 0; at += segment) {
		peers_take(p, &where, data + at, MIN(segment, len - at), now);
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
			peers_note_due(p, o->peer);
	}
	peers_flood_release(p);
}

void peers_round(struct peers *p)
{
	list_for_each_safe(pos, &p->to_flush)
	{
		struct unpack *unpack = &container_of(pos, struct peer, to_flush)->unpack;

		unpack_round(unpack);
		if (!unpack_pending(unpack))
			list_remove(pos);
	}
}

void peers_flush(struct peers *p)
{
	list_for_each_safe(pos, &p->to_flush)
	{
		unpack_flush(&container_of(pos, struct peer, to_flush)->unpack);
		list_remove(pos);
	}
}
