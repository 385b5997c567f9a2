/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * A wire has two ends: two local ports, or one and the peer of the lowest number.  What
 * comes in at one goes out at the other, whatever it is; nothing is learned.
 *
 * An end has a carrier when its port is up and its device says so, or when there is a
 * session with the peer and that did not say otherwise.  Each end's device is told of the
 * other's.  What it is told must not count for what it says: else both ends would wait for the
 * other for ever.
 */
#include "site_parts.h"

#define NOWHERE SWITCH_LOCALS

/* The other local port, or NOWHERE. */
static unsigned other_local(const struct site *site, unsigned port)
{
	for (unsigned i = 0; i < site->n_port; i++) {
		if (i != port && site->port[i])
			return i;
	}
	return NOWHERE;
}

/* The peer at the far end, when it is not a local port; or NULL. */
static struct peer *wire_peer(const struct site *site)
{
	unsigned first = other_local(site, NOWHERE);

	if (first != NOWHERE && other_local(site, first) != NOWHERE)
		return NULL;
	for (unsigned i = 0; i < site->peers.top; i++) {
		if (site->peers.peer[i])
			return site->peers.peer[i];
	}
	return NULL;
}

void site_wire_from_local(struct site *site, unsigned port, const struct site_outgoing *o)
{
	unsigned other = other_local(site, port);
	struct peer *peer = wire_peer(site);

	if (other != NOWHERE)
		site_to_local(site, other, o);
	else if (peer)
		site_to_peer(site, peer, o, true);
	else
		port_drop(site->port[port], DROP_WIRE);
}

void site_wire_from_peer(struct site *site, struct peer *peer, struct frame *frame)
{
	unsigned local = other_local(site, NOWHERE);

	if (peer == wire_peer(site) && local != NOWHERE)
		port_deliver(site->port[local], frame);
	else
		peer_drop(peer, DROP_WIRE);
}

/* ---- carrier ---- */

static bool local_has(const struct site *site, unsigned port)
{
	return port != NOWHERE && site->port[port]->up && site->port[port]->link;
}

static void show(struct port *port, bool on)
{
	if (port->carrier_on == on)
		return;
	port->carrier_on = on;
	if (port->carrier)
		port->carrier(port->ctx, on);
}

/* Who is at the far end may have changed. */
static void look_who(struct site *site, const struct peer *peer)
{
	if (site->carrier_of == peer)
		return;
	site->carrier_of = peer;
	carrier_init(&site->carrier);
	if (peer && peer->up)
		carrier_begin(&site->carrier, site->now);
}

void site_wire_follow(struct site *site)
{
	const struct peer *peer = wire_peer(site);
	unsigned first, second;

	if (!site->wire)
		return;
	look_who(site, peer);
	first = other_local(site, NOWHERE);
	second = first == NOWHERE ? NOWHERE : other_local(site, first);
	carrier_set(&site->carrier, local_has(site, first), site->now);
	if (second != NOWHERE) {
		show(site->port[first], local_has(site, second));
		show(site->port[second], local_has(site, first));
	} else if (first != NOWHERE) {
		show(site->port[first], peer && peer->up && site->carrier.far);
	}
}

void site_wire_event(struct site *site, const struct peer *peer, enum peer_event event)
{
	if (!site->wire)
		return;
	look_who(site, wire_peer(site));
	if (peer == site->carrier_of && (event == PEER_UP || event == PEER_REKEYED))
		carrier_begin(&site->carrier, site->peers.now);
	if (peer == site->carrier_of && event == PEER_DOWN)
		carrier_end(&site->carrier);
	site_wire_follow(site);
}

bool site_wire_control(void *ctx, struct peer *peer, uint8_t type, const uint8_t *body, size_t len)
{
	struct site *site = ctx;

	if (len != WIRE_CARRIER_LEN || body[0] > 1)
		return false;
	if (type == WIRE_CARRIER)
		peer_send_control(peer, WIRE_CARRIED, body, len);
	if (!site->wire || peer != site->carrier_of)
		return true;
	if (type == WIRE_CARRIER)
		carrier_take(&site->carrier, body);
	else
		carrier_taken(&site->carrier, body);
	site_wire_follow(site);
	return true;
}

void site_wire_tick(struct site *site, struct instant now)
{
	uint8_t body[WIRE_CARRIER_LEN];
	struct peer *peer = wire_peer(site);

	if (!site->wire || !instant_reached(now, carrier_due(&site->carrier)))
		return;
	if (carrier_tick(&site->carrier, now, body) && peer)
		peer_send_control(peer, WIRE_CARRIER, body, sizeof(body));
	site_wire_follow(site);
}

struct instant site_wire_due(const struct site *site)
{
	return site->wire ? carrier_due(&site->carrier) : INSTANT_NEVER;
}
