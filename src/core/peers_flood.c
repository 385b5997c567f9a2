/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * A flood key is made when there is a peer to hand it to: one that a relay lists
 * and that has a session.  It is in force when all of those acknowledged it, or after
 * FLOOD_SWITCH.  With the key comes the counter from which on floods are for that
 * peer, which keeps a relay from playing to a site that begins anew what it had in an
 * earlier session.
 *
 * Floods under a key that is not there are held while its owner is asked for it.  They
 * prove that a member is there, but not which: they are no sign of life of the
 * session, and records other than frames are not taken from them.
 */
#include "peers_parts.h"

#include <string.h>

#include "base/bytes.h"

/* Is to have the key. */
static bool is_listener(const struct peers *p, const struct peer *peer)
{
	if (p->flood.mode == FLOOD_DIRECT || !peer_has_session(peer))
		return false;
	for (unsigned i = 0; i < LINKS_MAX; i++) {
		if (peer->member[i])
			return true;
	}
	return false;
}

void peers_flood_soon(struct peers *p)
{
	p->flood.due = p->now;
	p->due = instant_min(p->due, p->now);
}

/* ---- the own key ---- */

static void hand_over(struct peers *p, struct peer *peer, const struct flood_secret *secret,
		      struct instant now)
{
	struct flood_peer *f = &peer->flood;
	uint8_t body[FLOOD_KEY_LEN];
	struct wr w = wr_make(body, sizeof(body));

	if (f->given == 0) {
		f->since = now;
		f->from = flood_counter(&p->flood);
	}
	wr_u32(&w, secret->id);
	wr_copy(&w, secret->key, AEAD_KEY);
	wr_u64(&w, secret == &p->flood.now ? f->from : 0);
	peer_send_control(peer, WIRE_FLOOD_KEY, body, w.used);
	bytes_wipe(body, sizeof(body));
	if (f->given == 0 || f->given != p->flood.next.id)
		f->given = secret->id;
	f->handed = now;
	f->tries = (uint8_t)MIN(f->tries + 1, FLOOD_SOON);
	f->again = instant_add(now, f->tries < FLOOD_SOON ? FLOOD_AGAIN : FLOOD_LATER);
}

static const struct flood_secret *newest(const struct peers *p)
{
	return p->flood.next.id ? &p->flood.next : &p->flood.now;
}

static void hand_over_soon(struct peers *p, struct peer *peer)
{
	peer->flood.tries = 0;
	peer->flood.again = p->now;
	peers_flood_soon(p);
}

void peers_flood_event(struct peers *p, struct peer *peer, enum peer_event event)
{
	struct flood_peer *f = &peer->flood;

	switch (event) {
	case PEER_UP:
		f->given = 0;
		hand_over_soon(p, peer);
		break;
	case PEER_REKEYED: /* it may have begun anew, without a key */
		f->from = flood_counter(&p->flood);
		hand_over_soon(p, peer);
		break;
	case PEER_DOWN:
		f->holds = f->holds_next = false;
		flood_in_forget(&f->in);
		peers_flood_soon(p);
		break;
	default:
		break;
	}
}

void peers_flood_leave(struct peers *p, struct peer *peer)
{
	struct flood *f = &p->flood;
	uint32_t given = peer->flood.given;

	if (given && (given == f->now.id || given == f->next.id)) {
		flood_forget(f, given == f->next.id);
		peers_flood_soon(p);
	}
	peer->flood.given = 0;
}

static void renew(struct peers *p, struct instant now)
{
	flood_renew(&p->flood, &p->self->rand, now);
	for (unsigned i = 0; i < p->top; i++) {
		if (!p->peer[i])
			continue;
		p->peer[i]->flood.holds_next = false;
		p->peer[i]->flood.tries = 0;
		p->peer[i]->flood.again = now;
	}
}

static void switch_over(struct peers *p, struct instant now)
{
	flood_switch(&p->flood, now);
	for (unsigned i = 0; i < p->top; i++) {
		struct flood_peer *f = p->peer[i] ? &p->peer[i]->flood : NULL;

		if (!f)
			continue;
		f->holds = f->holds_next;
		f->holds_next = false;
		f->from = 0;
	}
}

/* Those who had the key and are nowhere any more; how many are to have it. */
static unsigned count_listeners(struct peers *p, struct instant now)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->top; i++) {
		struct peer *peer = p->peer[i];
		bool listed = false;

		if (!peer)
			continue;
		flood_in_expire(&peer->flood.in, now);
		n += is_listener(p, peer);
		for (unsigned k = 0; k < LINKS_MAX; k++)
			listed |= peer->member[k] != LINK_NOBODY;
		if (!listed && !peer_has_session(peer))
			peers_flood_leave(p, peer);
	}
	return n;
}

/* Hands the newest key to all who are to have it; true when all of them do. */
static bool hand_to_all(struct peers *p, struct instant now)
{
	bool all = true;

	for (unsigned i = 0; i < p->top; i++) {
		struct peer *peer = p->peer[i];

		if (!peer || !is_listener(p, peer))
			continue;
		if (instant_reached(now, peer->flood.again))
			hand_over(p, peer, newest(p), now);
		p->flood.due = instant_min(p->flood.due, peer->flood.again);
		all = all && peer->flood.holds_next;
	}
	return all;
}

static void tick_key(struct peers *p, struct instant now)
{
	struct flood *f = &p->flood;
	bool all;

	if (!f->next.id && (!f->now.id || flood_worn(f, now)))
		renew(p, now);
	all = hand_to_all(p, now);
	if (f->next.id && (all || instant_between(f->since, now) >= FLOOD_SWITCH))
		switch_over(p, now);
	if (f->next.id)
		f->due = instant_min(f->due, instant_add(f->since, FLOOD_SWITCH));
	else
		f->due = instant_min(f->due, instant_add(f->made, FLOOD_LIFE));
}

/* Packets whose key did not come. */
static void tick_held(struct peers *p, struct instant now)
{
	while (instant_reached(now, flood_hold_due(&p->hold))) {
		struct peer *peer = p->peer[flood_hold_remove(&p->hold, 0)->peer];

		if (peer)
			peer_drop(peer, DROP_FLOOD);
	}
}

void peers_flood_tick(struct peers *p, struct instant now)
{
	struct flood *f = &p->flood;

	if (instant_reached(now, f->due)) {
		f->due = INSTANT_NEVER;
		tick_held(p, now);
		if (count_listeners(p, now))
			tick_key(p, now);
		f->due = instant_min(f->due, flood_hold_due(&p->hold));
	}
	p->due = instant_min(p->due, f->due);
}

/* ---- keys of others, and what they say of ours ---- */

static bool take_key(struct peers *p, struct peer *peer, const uint8_t *body, struct instant now)
{
	struct flood_secret secret = { .id = be32_get(body) };
	bool ok;

	memcpy(secret.key, body + 4, AEAD_KEY);
	ok = flood_in_take(&peer->flood.in, &secret, be64_get(body + 4 + AEAD_KEY), now);
	bytes_wipe(&secret, sizeof(secret));
	if (!ok)
		return false;
	peer_send_control(peer, WIRE_FLOOD_ACK, body, FLOOD_ID_LEN);
	flood_hold_ready(&p->hold, peer->number, be32_get(body));
	return true;
}

static void take_ack(struct peers *p, struct peer *peer, uint32_t id)
{
	struct flood_peer *f = &peer->flood;

	if (id == 0 || f->given == 0)
		return;
	if (id == p->flood.now.id)
		f->holds = true;
	if (id == p->flood.next.id)
		f->holds_next = true;
	if (id == newest(p)->id)
		f->again = INSTANT_NEVER;
	peers_flood_soon(p);
}

/* What it has in hand waits for the key; what is sent from now on does not. */
static void take_ask(struct peers *p, struct peer *peer, uint32_t id, struct instant now)
{
	struct flood_peer *f = &peer->flood;

	if (id == 0 || f->given == 0 || !is_listener(p, peer) ||
	    instant_between(f->handed, now) < FLOOD_ANSWER)
		return;
	if (id == p->flood.now.id) {
		f->since = f->holds ? now : f->since;
		f->holds = false;
		hand_over(p, peer, &p->flood.now, now);
	}
	if (p->flood.next.id)
		f->again = now; /* the newest comes last */
	peers_flood_soon(p);
}

bool peers_flood_control(struct peers *p, struct peer *peer, uint8_t type, const uint8_t *body,
			 size_t len, struct instant now)
{
	p->now = now;
	if (len != (type == WIRE_FLOOD_KEY ? FLOOD_KEY_LEN : FLOOD_ID_LEN))
		return false;
	if (type == WIRE_FLOOD_KEY)
		return take_key(p, peer, body, now);
	if (type == WIRE_FLOOD_ACK)
		take_ack(p, peer, be32_get(body));
	else
		take_ask(p, peer, be32_get(body), now);
	return true;
}

/* ---- floods that come in ---- */

/* Under a key that is not there: it waits, and the peer is asked. */
static void hold(struct peers *p, struct peer *peer, const uint8_t *data, size_t len,
		 struct instant now)
{
	struct flood_peer *f = &peer->flood;

	if (!flood_hold_put(&p->hold, peer->number, data, len, now))
		peer_drop(peer, DROP_FLOOD);
	p->flood.due = instant_min(p->flood.due, flood_hold_due(&p->hold));
	p->due = instant_min(p->due, p->flood.due);
	if (f->asked.us && instant_between(f->asked, now) < FLOOD_ASK)
		return;
	f->asked = now;
	peer_send_control(peer, WIRE_FLOOD_ASK, data + 4, FLOOD_ID_LEN);
}

/* The peer that the relay's stamp names, or NULL. */
static struct peer *sender_of(struct peers *p, const struct addr *from)
{
	const struct link *link = p->link[from->port];
	uint16_t who = link->who[link_member_of(from)];

	if (who == LINK_NOBODY || who == LINK_STRANGER || !p->peer[who - 1] ||
	    !peer_has_session(p->peer[who - 1])) {
		peer_drop(link->peer, DROP_FLOOD);
		return NULL;
	}
	return p->peer[who - 1];
}

static enum drop open_flood(struct peer *peer, uint8_t *data, size_t len, struct instant now,
			    struct peers_opened *o)
{
	unsigned key = 0;
	enum drop reason = flood_in_open(&peer->flood.in, data, len, now, &key);

	*o = (struct peers_opened){ .peer = peer,
				    .key = peer_flood_index(peer, be32_get(data + 4), key),
				    .counter = be64_get(data + 8),
				    .plain = data + WIRE_DATA_HEADER,
				    .len = (uint32_t)(len - WIRE_DATA_OVERHEAD) };
	if (reason == DROP_COUNT) {
		peer->now = now;
		peer->rx.datagrams++;
	}
	return reason;
}

void peers_take_flood(struct peers *p, const struct peers_from *from, uint8_t *data, size_t len,
		      struct instant now)
{
	struct peer *peer = sender_of(p, &from->addr);
	struct peers_opened opened;
	enum drop reason;

	if (!peer)
		return;
	reason = open_flood(peer, data, len, now, &opened);
	if (reason == DROP_COUNT)
		peers_note_opened(p, &opened);
	else if (reason == DROP_FLOOD)
		hold(p, peer, data, len, now);
	else
		peer_drop(peer, reason);
}

static void release(struct peers *p, struct flood_held *held)
{
	struct peer *peer = p->peer[held->peer];
	struct peers_opened o;
	enum drop reason;

	if (!peer)
		return;
	reason = open_flood(peer, held->packet, held->len, p->now, &o);
	if (reason != DROP_COUNT) {
		peer_drop(peer, reason);
		return;
	}
	peer->unpacking = o.key;
	unpack_datagram(&peer->unpack, o.key, o.counter, o.plain, o.len);
	if (unpack_pending(&peer->unpack) && list_empty(&peer->to_flush))
		list_append(&p->to_flush, &peer->to_flush);
}

void peers_flood_release(struct peers *p)
{
	bool any = false;

	for (unsigned i = 0; i < p->hold.n;) {
		if (p->hold.held[i]->ready) {
			release(p, flood_hold_remove(&p->hold, i));
			any = true;
		} else {
			i++;
		}
	}
	if (any)
		peers_flush(p); /* the memory may be another packet's soon */
}
