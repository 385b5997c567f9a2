/* SPDX-License-Identifier: MIT */
/* Between the files of the site room: site (frames and time), site_ports (local ports),
 * site_wire (two ends joined). */
#ifndef SITE_PARTS_H
#define SITE_PARTS_H

#include "core/site.h"

/* What a frame from a local port brings along on its way. */
struct site_outgoing {
	uint8_t *frame;
	size_t len;
	const struct vnet *vnet;
	const struct superframe_layout *layout;
};

bool site_ports_init(struct site *site);
void site_ports_free(struct site *site);

/* Frames that lines held, when they are due. */
void site_ports_tick(struct site *site, struct instant now);
struct instant site_ports_due(const struct site *site);

/* A frame that came in by a bad line; it arrives at once, later, or not. */
void site_by_line(struct site *site, unsigned number, const struct vlan_frame *f);
void site_arrived(struct site *site, unsigned port, struct vlan_frame *f);

void site_to_local(struct site *site, unsigned port, const struct site_outgoing *o);

/* spoil: the frame goes nowhere else. */
void site_to_peer(struct site *site, struct peer *peer, const struct site_outgoing *o, bool spoil);

/* A frame to the other end of the wire. */
void site_wire_from_local(struct site *site, unsigned port, const struct site_outgoing *o);
void site_wire_from_peer(struct site *site, struct peer *peer, struct frame *frame);

/* Something changed at an end: what the other sees follows. */
void site_wire_follow(struct site *site);
void site_wire_event(struct site *site, const struct peer *peer, enum peer_event event);

/* A CARRIER or CARRIED, in any mode; false when it makes no sense. */
bool site_wire_control(void *ctx, struct peer *peer, uint8_t type, const uint8_t *body,
		       size_t len);

void site_wire_tick(struct site *site, struct instant now);
struct instant site_wire_due(const struct site *site);

#endif
