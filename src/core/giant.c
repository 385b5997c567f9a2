/* SPDX-License-Identifier: MIT */
#include "core/giant.h"

#include "base/bytes.h"
#include "core/superframe.h"

#define PROTO_TCP 6
#define TCP_FLAGS 13
#define TCP_CWR 0x80
#define TCP_CHECK 16
#define UDP_LENGTH 4
#define UDP_CHECK 6

/* Bytes of the packet by its IP header; 0 when it does not say so or claims more than
 * there is. */
static size_t packet_length(const uint8_t *frame, size_t len, const struct superframe_layout *l)
{
	const uint8_t *ip = frame + l->l3;
	size_t claimed = l->ip == 4 ? be16_get(ip + 2) : 40u + be16_get(ip + 4);

	return claimed <= len - l->l3 ? claimed : 0;
}

static bool make_giant(uint8_t *frame, size_t len, unsigned mtu, const struct superframe_layout *l,
		       struct vnet *vnet)
{
	size_t headers = l->payload - l->l3;
	struct superframe_layout same;

	if (l->proto != PROTO_TCP || packet_length(frame, len, l) != len - l->l3 || mtu <= headers)
		return false;
	vnet->gso_type = l->ip == 4 ? VNET_GSO_TCPV4 : VNET_GSO_TCPV6;
	if (frame[l->l4 + TCP_FLAGS] & TCP_CWR)
		vnet->gso_type |= VNET_GSO_ECN;
	vnet->gso_size = (uint16_t)MIN(mtu - headers, (size_t)UINT16_MAX);
	vnet->hdr_len = l->payload;
	superframe_sum_partial(frame, len, l, vnet);
	return superframe_valid(frame, len, len, vnet, &same);
}

/* The sum of a partial checksum's field may be written in two ways, when it is zero. */
static bool same_sum(uint16_t a, uint16_t b)
{
	return a % 0xffff == b % 0xffff;
}

/* end: of the packet.  Fills in vnet when the checksum is to be made. */
static void find_partial(uint8_t *frame, size_t end, const struct superframe_layout *l,
			 struct vnet *vnet)
{
	uint8_t *check = frame + l->l4 + (l->proto == PROTO_TCP ? TCP_CHECK : UDP_CHECK);
	uint16_t was = be16_get(check);

	if (l->proto != PROTO_TCP && be16_get(frame + l->l4 + UDP_LENGTH) != end - l->l4)
		return;
	superframe_sum_partial(frame, end, l, vnet);
	if (same_sum(was, be16_get(check)) && !superframe_sum_good(frame, end, l))
		return;
	be16_put(check, was);
	*vnet = (struct vnet){ 0 };
}

bool giant_facts(uint8_t *frame, size_t len, unsigned mtu, struct vnet *vnet)
{
	struct superframe_layout l;
	size_t packet;

	*vnet = (struct vnet){ 0 };
	if (!superframe_layout(frame, len, &l) || l.ip == 0)
		return true;
	if (len - l.l3 > mtu)
		return make_giant(frame, len, mtu, &l, vnet);
	packet = packet_length(frame, len, &l);
	if (l.proto == 0 || packet == 0)
		return true;
	find_partial(frame, l.l3 + packet, &l, vnet);
	if (l.l3 + packet < len)
		superframe_checksum(frame, l.l3 + packet, vnet);
	return true;
}
