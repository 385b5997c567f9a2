/* SPDX-License-Identifier: MIT */
/* What of a NIC's frames is the tunnel of this process itself. */
#include "app/uplink.h"
#include "base/bytes.h"
#include "ports_parts.h"

_Static_assert(CONF_LISTEN <= UNDERLAY_SOCKETS && LINKS_MAX <= UNDERLAY_STREAMS,
	       "all of them have room");

void ports_learn_underlay(struct ports *ports)
{
	struct underlay *u = &ports->underlay;
	struct node *node = ports->node;
	unsigned n = 0;
	int error = netlink_addresses(&node->attach.netlink, u->host, UNDERLAY_HOSTS, &n);

	u->n_hosts = MIN(n, (unsigned)UNDERLAY_HOSTS);
	u->more = error || n > UNDERLAY_HOSTS;
	u->n_sockets = node->n_sockets;
	for (unsigned i = 0; i < node->n_sockets; i++)
		u->socket[i] = node->workers[0].sockets[i].udp.local;
	u->n_streams = uplink_far_ends(node, u->stream);
}
