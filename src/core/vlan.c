/* SPDX-License-Identifier: MIT */
#include "core/vlan.h"

#include <string.h>

#include "base/bytes.h"

#define ADDRESSES 12
#define TYPE_VLAN 0x8100
#define TYPE_QINQ 0x88a8
#define NOT_THE_ID 0xf000

void vlan_access(struct port_vlans *v, uint16_t vlan)
{
	*v = (struct port_vlans){ .set = true, .access = vlan };
}

void vlan_trunk(struct port_vlans *v)
{
	*v = (struct port_vlans){ .set = true };
}

void vlan_allow(struct port_vlans *v, uint16_t first, uint16_t last)
{
	for (unsigned vlan = first; vlan <= last; vlan++)
		v->allowed[vlan / 8] |= (uint8_t)(1u << vlan % 8);
}

void vlan_allow_all(struct port_vlans *v)
{
	vlan_allow(v, 0, VLAN_MAX);
}

void vlan_native(struct port_vlans *v, uint16_t vlan)
{
	v->native = vlan;
	v->allowed[0] &= (uint8_t)~1u;
	vlan_allow(v, vlan, vlan);
}

static bool allows(const struct port_vlans *v, uint16_t vlan)
{
	return vlan <= VLAN_MAX && v->allowed[vlan / 8] & 1u << vlan % 8;
}

bool vlan_carries(const struct port_vlans *v, uint16_t vlan)
{
	if (!v->set)
		return true;
	return v->access ? vlan == v->access : allows(v, vlan);
}

static bool is_tag(const uint8_t *type)
{
	return be16_get(type) == TYPE_VLAN || be16_get(type) == TYPE_QINQ;
}

static bool is_tagged(const uint8_t *frame, size_t len)
{
	return is_tag(frame + ADDRESSES) && len >= ADDRESSES + 2 + VLAN_TAG;
}

bool vlan_is_stacked(const uint8_t *head, size_t have)
{
	return is_tagged(head, have) && is_tag(head + ADDRESSES + VLAN_TAG);
}

static void move_facts(struct vnet *vnet, int by)
{
	if (vnet->flags & VNET_F_NEEDS_CSUM)
		vnet->csum_start = (uint16_t)(vnet->csum_start + by);
	if (vnet->hdr_len >= ADDRESSES + 2 + VLAN_TAG || (by > 0 && vnet->hdr_len))
		vnet->hdr_len = (uint16_t)(vnet->hdr_len + by);
}

static void put_on(struct vlan_frame *f, uint16_t vlan)
{
	f->bytes -= VLAN_TAG;
	f->len += VLAN_TAG;
	memmove(f->bytes, f->bytes + VLAN_TAG, ADDRESSES);
	be16_put(f->bytes + ADDRESSES, TYPE_VLAN);
	be16_put(f->bytes + ADDRESSES + 2, vlan);
	f->layout.l3 += VLAN_TAG;
	f->layout.l4 += VLAN_TAG;
	f->layout.payload += VLAN_TAG;
	move_facts(&f->vnet, VLAN_TAG);
}

bool vlan_enter(const struct port_vlans *v, struct vlan_frame *f)
{
	uint16_t without = v->access ? v->access : v->native;
	uint8_t *tag = f->bytes + ADDRESSES + 2;

	if (!v->set)
		return true;
	if (f->layout.vlan)
		return !v->access && allows(v, f->layout.vlan);
	if (!without)
		return allows(v, 0);
	if (vlan_is_stacked(f->bytes, f->len))
		return false;
	if (is_tagged(f->bytes, f->len))
		be16_put(tag, (be16_get(tag) & NOT_THE_ID) | without);
	else
		put_on(f, without);
	f->layout.vlan = without;
	return true;
}

void vlan_take_off(const uint8_t *head, size_t have, uint8_t *out, struct vnet *vnet)
{
	memcpy(out, head, ADDRESSES);
	memcpy(out + ADDRESSES, head + ADDRESSES + VLAN_TAG, have - ADDRESSES - VLAN_TAG);
	move_facts(vnet, -VLAN_TAG);
}
