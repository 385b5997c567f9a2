/* SPDX-License-Identifier: MIT */
/*
 * Between the files of the peers room: peers (who there is, time), peers_input
 * (datagrams), peers_calls (handshakes that come in), peers_hop (what comes
 * through relays), peers_stream (relays that are reached by a stream), peers_path
 * (which path a peer is reached by), peers_offer (places that are told), peers_flood
 * (flood keys, floods that come in), peers_flood_way (which way broadcast goes).
 */
#ifndef PEERS_PARTS_H
#define PEERS_PARTS_H

#include "base/bytes.h"
#include "core/peers.h"

/* Where a packet came from. */
struct peers_from {
	struct addr addr;
	uint8_t socket;
};

static inline void peers_drop(struct peers *p, enum drop reason)
{
	drop_note(&p->drops, reason, p->now);
}

/* At that place, by whichever address of ours. */
static inline bool peer_is_at(const struct peer *peer, const struct peers_from *from)
{
	return sockets_same(peer->endpoint.socket, from->socket) &&
	       addr_equal(&peer->endpoint.addr, &from->addr);
}

/* The peer's timers may be due earlier now. */
void peers_note_due(struct peers *p, const struct peer *peer);

/* The key that a receiver index names, or NULL. */
struct keypair *peers_find_index(struct peers *p, uint32_t index, struct peer **peer);

/* Sends one packet to a place, wrapped if that is behind a relay.  owner: a peer's
 * number or RUN_NOBODY. */
void peers_send_packet(struct peers *p, const struct addr *to, uint8_t socket, uint32_t owner,
		       const uint8_t *packet, size_t len);

/* Notes the ports where peers may be, for peers_is_tunnel: all anew, or one more. */
void peers_mark_ports(struct peers *p);
void peers_mark_port(struct peers *p, const struct addr *addr);

/* One packet, from a socket or out of a HOP. */
void peers_take(struct peers *p, const struct peers_from *from, uint8_t *data, size_t len,
		struct instant now);

/* Why a packet for that key is not even tried, or DROP_COUNT. */
enum drop peers_refuse(const struct keypair *kp, uint64_t counter, struct instant now);

/* The kinds that are not DATA; lengths and headers have been looked at. */
void peers_take_initiation(struct peers *p, const struct peers_from *from, const uint8_t *packet,
			   struct instant now);
void peers_take_response(struct peers *p, const struct peers_from *from, const uint8_t *packet,
			 struct instant now);
void peers_take_cookie(struct peers *p, const uint8_t *packet, struct instant now);
void peers_take_hop(struct peers *p, const struct peers_from *from, uint8_t *packet, size_t len,
		    struct instant now);

/* True, and counted at the relay, when its stamp says that a packet of this peer came
 * from somebody else. */
bool peers_is_mislabelled(struct peers *p, const struct peer *peer, const struct peers_from *from);

/* A CONTROL record beyond those of the session; false when it makes no sense. */
bool peers_link_control(struct peers *p, struct peer *peer, uint8_t type, const uint8_t *body,
			size_t len, struct instant now);
bool peers_path_control(struct peers *p, struct peer *peer, uint8_t type, const uint8_t *body,
			size_t len, struct instant now);

/* An authentic packet about the path that it came by. */
void peers_take_path(struct peers *p, struct peer *peer, const struct peers_from *from,
		     const uint8_t *plain, size_t len, struct instant now);

/* The newest authentic packet came from there, which is not the endpoint. */
void peers_roam(struct peers *p, struct peer *peer, const struct peers_from *from,
		struct instant now);

static inline bool peer_is_streamed(const struct peer *peer)
{
	return peer->endpoint.addr.family == ADDR_STREAM;
}

/* Whether a call is to go by the relay's stream too, and where that is. */
bool peers_stream_call(const struct peer *relay, struct addr *out);

/* What a relay never sends is not taken from a stream. */
bool peers_stream_refuses(const struct peers_from *from, const struct peer *peer);

/* A session with the relay began. */
void peers_stream_begin(struct peer *relay, struct instant now);

/* Two PINGs to the relay had no answer: by the stream, if there is one. */
void peers_stream_rescue(struct peers *p, struct peer *relay, struct instant now);

/* What is due of trying addresses while packets go by the stream. */
void peers_stream_tick(struct peers *p, struct peer *relay, struct instant now);
struct instant peers_stream_due(const struct peer *relay);

#define PLACE_MAX (1 + 2 + 16)

static inline bool peer_is_relayed(const struct addr *addr)
{
	return addr->family == ADDR_RELAY;
}

/* Some relay lists the peer. */
static inline bool peer_is_listed(const struct peer *peer)
{
	for (unsigned i = 0; i < LINKS_MAX; i++) {
		if (peer->member[i])
			return true;
	}
	return false;
}

/* There are so many peers that those without frames must cost less. */
static inline bool peers_are_many(const struct peers *p)
{
	return p->n_peer > PEERS_CROWD;
}

/* No frame passed for some time. */
static inline bool peer_is_idle(const struct peer *peer, struct instant now)
{
	return !peer->timers.frames.us || instant_between(peer->timers.frames, now) > TIMERS_ACTIVE;
}

/* A place as CANDIDATES and CHALLENGED have it. */
void peers_put_place(struct wr *w, const struct addr *addr);

/* Tells the peer where this site may be reached. */
void peers_offer(struct peers *p, struct peer *peer, struct instant now);

/* The same soon: at once, but not within OFFER_AGAIN of the last time. */
void peers_offer_soon(struct peers *p, struct peer *peer, struct instant now);

/* Frames go to a peer: if it is behind a relay it is told within the usual time. */
void peers_offer_for_frames(struct peers *p, struct peer *peer);

/* Begins CHALLENGEs to one place, to those that are configured, and to those at relays. */
void peers_try(struct peers *p, struct path *path, struct instant now);
void peers_name_configured(struct peers *p, struct peer *peer, struct instant now);
void peers_name_relays(struct peers *p, struct peer *peer, struct instant now);

/* A session began with the peer; anew: it had one already. */
void peers_path_begin(struct peers *p, struct peer *peer, bool anew, struct instant now);

/* The way to the peer was gone after a keepalive's time without traffic. */
void peers_path_forgotten(struct peers *p, struct peer *peer);

/* Two PINGs had no answer yet: other paths are tried. */
void peers_path_rescue(struct peers *p, struct peer *peer, struct instant now);

/* A relay lists the peer under that number. */
void peers_path_listed(struct peers *p, struct peer *peer, const struct link *link, uint32_t number,
		       struct instant now);

/* What is due of CHALLENGEs and own places. */
void peers_path_tick(struct peers *p, struct peer *peer, struct instant now);
struct instant peers_path_due(const struct peer *peer);

/* A member that is gone, or a relay: nobody is there any more. */
void peers_path_gone(struct peers *p, struct peer *peer, const struct addr *addr,
		     struct instant now);

/* An authentic datagram, decrypted, is to be unpacked; o->peer->now is set. */
void peers_note_opened(struct peers *p, const struct peers_opened *o);

/* A FLOOD out of a HOP; its length and header have been looked at. */
void peers_take_flood(struct peers *p, const struct peers_from *from, uint8_t *data, size_t len,
		      struct instant now);

/* Unpacks FLOODs whose key came after them. */
void peers_flood_release(struct peers *p);

/* Flood keys between sites; false when the record makes no sense. */
bool peers_flood_control(struct peers *p, struct peer *peer, uint8_t type, const uint8_t *body,
			 size_t len, struct instant now);

/* Something happened to a peer's session. */
void peers_flood_event(struct peers *p, struct peer *peer, enum peer_event event);

/* The peer is no member any more: it shall not open what is flooded from now on. */
void peers_flood_leave(struct peers *p, struct peer *peer);

/* The relay goes. */
void peers_flood_unlink(struct peers *p, const struct link *link);

/* Who is listed, and so what is due, may have changed. */
void peers_flood_soon(struct peers *p);

/* Hands over, switches and renews keys. */
void peers_flood_tick(struct peers *p, struct instant now);

/* A newest packet came from the endpoint, perhaps to another address of ours. */
void peers_still_at(struct peer *peer, const struct peers_from *from, struct instant now);

/* The endpoint is from now on where this came from, if it is not already. */
void peers_arrive(struct peers *p, struct peer *peer, const struct peers_from *from,
		  struct instant now);

/* Sets the endpoint. */
void peers_move(struct peers *p, struct peer *peer, const struct addr *addr, uint8_t socket,
		struct instant now);

#endif
