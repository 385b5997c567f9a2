/* SPDX-License-Identifier: MIT */
/*
 * VLANs of a port (IEEE 802.1Q).  Inside, a frame carries the tag of its VLAN;
 * outside, those of an access port and of a trunk's native VLAN carry none.  The
 * outermost tag counts, be it 0x8100 or 0x88a8; a tag with VLAN 0 (priority only) is none.
 *
 * An access port takes frames without a VLAN only.  A trunk takes what it allows; frames
 * without a VLAN are of its native one, and pass as they are only where all is allowed.
 *
 * Nobody comes into another VLAN by a second tag that shows when the first is taken off:
 * a frame that has one does not leave without its first tag, nor does it get a VLAN in
 * place of a priority.
 */
#ifndef CORE_VLAN_H
#define CORE_VLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/superframe.h"
#include "core/vnet.h"

#define VLAN_MAX 4094
#define VLAN_TAG 4 /* bytes */

struct port_vlans {
	bool set;	    /* false: every frame passes as it is */
	uint16_t access;    /* 0: a trunk */
	uint16_t native;    /* of a trunk, 0: none */
	uint8_t allowed[(VLAN_MAX + 8) / 8]; /* bits; that of 0: frames without a VLAN */
};

/* An access port of that VLAN, 1 to VLAN_MAX. */
void vlan_access(struct port_vlans *v, uint16_t vlan);

/* A trunk that allows nothing yet; all VLANs and frames without; some, 1 <= first <= last
 * <= VLAN_MAX; a native VLAN, which it then allows as well. */
void vlan_trunk(struct port_vlans *v);
void vlan_allow_all(struct port_vlans *v);
void vlan_allow(struct port_vlans *v, uint16_t first, uint16_t last);
void vlan_native(struct port_vlans *v, uint16_t vlan);

/* Whether frames of that VLAN (0: none) leave by the port. */
bool vlan_carries(const struct port_vlans *v, uint16_t vlan);

/* Whether they leave without their tag. */
static inline bool vlan_untags(const struct port_vlans *v, uint16_t vlan)
{
	return v->set && vlan != 0 && vlan == (v->access ? v->access : v->native);
}

/* Whether behind the outermost tag there is another: have bytes at head, as many as
 * superframe_layout wants. */
bool vlan_is_stacked(const uint8_t *head, size_t have);

/* A valid frame (superframe_valid) on its way in. */
struct vlan_frame {
	uint8_t *bytes; /* with VLAN_TAG writable bytes before it */
	size_t len;
	struct vnet vnet;
	struct superframe_layout layout;
};

/* Makes it what it is inside; false when it may not pass. */
bool vlan_enter(const struct port_vlans *v, struct vlan_frame *frame);

/* The head of a frame on its way out without its outermost tag: have bytes at head, at
 * least 18, become have - VLAN_TAG at out; vnet moves along. */
void vlan_take_off(const uint8_t *head, size_t have, uint8_t *out, struct vnet *vnet);

#endif
