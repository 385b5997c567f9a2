/* SPDX-License-Identifier: MIT */
/*
 * What the tunnel of this very process looks like on the NICs that carry it: a port at such
 * a NIC sees it pass, and must not carry it as a frame, or each datagram that comes makes
 * another.
 */
#ifndef CORE_UNDERLAY_H
#define CORE_UNDERLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define UNDERLAY_HOSTS 256
#define UNDERLAY_SOCKETS 16
#define UNDERLAY_STREAMS 16

struct underlay {
	struct addr host[UNDERLAY_HOSTS]; /* this host's addresses */
	unsigned n_hosts;
	bool more;			      /* than there is room for: any may be this host's */
	struct addr socket[UNDERLAY_SOCKETS]; /* of UDP, as bound */
	unsigned n_sockets;
	struct addr stream[UNDERLAY_STREAMS]; /* far ends of TCP connections */
	unsigned n_streams;
};

/*
 * Whether a frame of len bytes is UDP to or from one of the sockets, or TCP between this host
 * and one of the far ends; behind up to two VLAN tags.  No fragment is one: the tunnel's
 * datagrams are never cut.
 */
bool underlay_has(const struct underlay *u, const uint8_t *frame, size_t len);

#endif
