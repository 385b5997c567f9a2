/* SPDX-License-Identifier: MIT */
/*
 * Generic receive offload (GRO) of the other ports of the TAP's bridge.  With it the
 * kernel merges what hosts without offloads send, so that it passes bridge, TAP and tunnel
 * as super-frames.  Cards have it on from the start, veth does not.
 */
#ifndef APP_GRO_H
#define APP_GRO_H

#include <stdbool.h>

#include "host/netlink.h"

#define GRO_PORTS 64 /* more are left as they are */

struct gro {
	bool wanted; /* else it is only told, once, that it would help */
	bool told;
	unsigned n;
	int port[GRO_PORTS]; /* indices, that it was switched on for; somebody may have since */
};

/* Switches it on for the ports that are new in that bridge, but for `own`, and back for those
 * that have left it.  Whoever switches one off while it is there has his way. */
void gro_look(struct gro *g, struct netlink *nl, int bridge, int own);

/* As it was, where a port is still there, by whatever name. */
void gro_restore(struct gro *g);

#endif
