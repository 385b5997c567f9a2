/* SPDX-License-Identifier: MIT */
/* Handshake packets that come in. */
#include <string.h>

#include "base/bytes.h"
#include "core/handshake.h"
#include "peers_parts.h"

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
static enum drop guard_source(struct peers *p, const struct peers_from *from, const uint8_t *packet,
			      struct instant now)
{
	uint8_t cookie[WIRE_COOKIE_LEN];

	if (cookie_guard_check(&p->guard, packet, WIRE_INITIATION_LEN, &from->addr, now) ==
	    COOKIE_MAC2_GOOD)
		return limit_pass(p->limit, &from->addr, now) ? DROP_COUNT : DROP_RATE;
	cookie_guard_answer(&p->guard, WIRE_COOKIE, be32_get(packet + 4), packet,
			    WIRE_INITIATION_LEN, &from->addr, now, cookie);
	peers_send_packet(p, &from->addr, from->socket, RUN_NOBODY, cookie, sizeof(cookie));
	return DROP_COOKIE;
}

/* Guards of an INITIATION that cost less than a key agreement. */
static enum drop guard_initiation(struct peers *p, const struct peers_from *from,
				  const uint8_t *packet, struct instant now)
{
	if (peers_stream_refuses(from, NULL))
		return DROP_KIND;
	if (cookie_guard_check(&p->guard, packet, WIRE_INITIATION_LEN, &from->addr, now) ==
	    COOKIE_BAD_MAC1)
		return DROP_MAC1;
	if (seen_before(p, packet))
		return DROP_REPEATED;
	return under_load(p, now) ? guard_source(p, from, packet, now) : DROP_COUNT;
}

/* Both began: ours stands while it is fresh, if our key is the lower one. */
static bool must_yield(const struct peer *peer, struct instant now)
{
	return peer->calling && !peer->lower && peer->timers.attempts <= 2 &&
	       instant_between(peer->called_at, now) < SECONDS(1);
}

static enum drop answer_call(struct peers *p, struct handshake_call *call, struct peer *peer,
			     const struct peers_from *from, struct instant now)
{
	uint8_t response[WIRE_RESPONSE_LEN];
	enum drop reason;

	if (peer->disconnected)
		return DROP_DISCONNECTED;
	if (must_yield(peer, now))
		return DROP_YIELD;
	reason = handshake_respond(p->self, peer, call, now, response);
	if (reason == DROP_COUNT)
		peers_send_packet(p, &from->addr, from->socket, RUN_NOBODY, response,
				  sizeof(response));
	return reason;
}

void peers_take_initiation(struct peers *p, const struct peers_from *from, const uint8_t *packet,
			   struct instant now)
{
	enum drop reason = guard_initiation(p, from, packet, now);
	struct handshake_call call;
	struct peer *peer;

	if (reason != DROP_COUNT) {
		peers_drop(p, reason);
		return;
	}
	if (!handshake_read(p->self, packet, &call)) {
		peers_drop(p, DROP_HANDSHAKE);
		goto out;
	}
	peer = peers_find_key(p, call.public_key);
	if (!peer) {
		peers_drop(p, DROP_STRANGER);
		goto out;
	}
	if (peers_is_mislabelled(p, peer, from))
		goto out;
	remember(p, packet); /* a stranger's would push out those that matter */
	/* Ancient ones, sent again, would push out the answer to one that is honest. */
	if (keys_crowded(&peer->keys, now))
		reason = guard_source(p, from, packet, now);
	if (reason == DROP_COUNT)
		reason = answer_call(p, &call, peer, from, now);
	if (reason != DROP_COUNT)
		peer_drop(peer, reason);
out:
	handshake_call_wipe(&call);
}

void peers_take_response(struct peers *p, const struct peers_from *from, const uint8_t *packet,
			 struct instant now)
{
	struct peer *peer;
	struct keypair *kp = peers_find_index(p, be32_get(packet + 8), &peer);
	enum drop reason;
	bool anew;

	if (cookie_guard_check(&p->guard, packet, WIRE_RESPONSE_LEN, &from->addr, now) ==
	    COOKIE_BAD_MAC1) {
		peers_drop(p, DROP_MAC1);
		return;
	}
	if (!kp || peer->calling != kp || peers_stream_refuses(from, peer)) {
		peers_drop(p, DROP_REPEATED);
		return;
	}
	if (peers_is_mislabelled(p, peer, from))
		return;
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
	peers_arrive(p, peer, from, now);
	anew = peer->up;
	peer_session_begin(peer, true, now);
	peers_path_begin(p, peer, anew, now);
	peers_note_due(p, peer);
}

void peers_take_cookie(struct peers *p, const uint8_t *packet, struct instant now)
{
	struct peer *peer;
	struct keypair *kp = peers_find_index(p, be32_get(packet + 4), &peer);

	if (!kp || peer->calling != kp || !cookie_jar_open(&peer->jar, packet, now)) {
		peers_drop(p, DROP_REPEATED);
		return;
	}
	timers_answered(&peer->timers, now);
	peers_note_due(p, peer);
}
