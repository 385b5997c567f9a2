/* SPDX-License-Identifier: MIT */
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

void site_wire_follow(struct site *site)
{
	(void)site;
}
