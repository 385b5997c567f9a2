/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * A relay that no datagram reaches may be reached by a stream.  Calls then go by both
 * ways, and the one that is answered first carries the session.  While that is the
 * stream, a PING leaves for each address of the relay from time to time, under the
 * session.  The relay sees its member's newest packet come from elsewhere and asks
 * there (it answers nowhere else), and this question, come by UDP, is what moves the
 * session back: from then on nothing that comes by the stream moves it again.  Should
 * UDP fail, two PINGs without an answer lead to the stream.
 */
#include <string.h>

#include "base/bytes.h"
#include "peers_parts.h"

#define TRY_SOON SECONDS(1)
#define TRY_EVERY SECONDS(10)
#define PING_BODY 12

static bool is_reached(const struct peer *relay)
{
	return peer_has_session(relay) && relay->endpoint.addr.family != ADDR_NONE;
}

bool peers_stream_call(const struct peer *relay, struct addr *out)
{
	bool needed = relay->timers.attempts > 0 || !is_reached(relay) || peer_is_streamed(relay);

	*out = relay->link->stream;
	return needed && out->family == ADDR_STREAM;
}

bool peers_stream_refuses(const struct peers_from *from, const struct peer *peer)
{
	return from->addr.family == ADDR_STREAM && !(peer && peer->link);
}

void peers_stream_begin(struct peer *relay, struct instant now)
{
	relay->link->try_udp =
		peer_is_streamed(relay) ? instant_add(now, TRY_SOON) : INSTANT_NEVER;
}

void peers_stream_rescue(struct peers *p, struct peer *relay, struct instant now)
{
	const struct addr *stream = &relay->link->stream;

	if (stream->family != ADDR_STREAM || addr_equal(&relay->endpoint.addr, stream))
		return;
	pack_close(&relay->pack);
	peers_move(p, relay, stream, 0, now);
	relay->link->try_udp = instant_add(now, TRY_EVERY);
}

void peers_set_stream(struct peers *p, struct link *link, const struct addr *stream,
		      struct instant now)
{
	struct peer *relay = link->peer;
	bool lost = !stream && peer_is_streamed(relay);

	link->stream = stream ? *stream : (struct addr){ .family = ADDR_NONE };
	if (lost) /* it is called by its addresses */
		relay->endpoint.addr = link->stream;
	if ((stream || lost) && !is_reached(relay))
		peers_rekey(p, relay, now);
}

/* A packet that the relay sees come from another place than the newest before. */
static void knock(struct peers *p, struct peer *relay, const struct peer_candidate *at)
{
	uint8_t plain[2 + WIRE_RECORD_HEADER + 1 + PING_BODY] = { 0, 0, WIRE_CONTROL, 0,
								  1 + PING_BODY, WIRE_PING };
	uint8_t packet[sizeof(plain) + WIRE_DATA_OVERHEAD];

	be32_put(plain + 6, ~relay->ping_id); /* its answer is not one to a PING */
	keys_seal(&relay->keys, 0, plain, sizeof(plain), packet);
	peers_send_packet(p, &at->addr, at->socket, relay->number, packet, sizeof(packet));
}

void peers_stream_tick(struct peers *p, struct peer *relay, struct instant now)
{
	struct link *link = relay->link;

	if (!instant_reached(now, link->try_udp))
		return;
	link->try_udp = INSTANT_NEVER;
	if (!peer_has_session(relay) || !peer_is_streamed(relay))
		return;
	for (unsigned i = 0; i < relay->n_candidates; i++)
		knock(p, relay, &relay->candidates[i]);
	link->try_udp = instant_add(now, TRY_EVERY);
}

struct instant peers_stream_due(const struct peer *relay)
{
	return relay->link->try_udp;
}
