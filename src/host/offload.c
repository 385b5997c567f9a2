/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * The test begins with a plain frame.  When that does not pass either, nothing
 * is said about offloads.
 *
 * The frames go to 01-80-C2-00-00-01, the one reserved address that
 * a Linux bridge drops whatever its STP and group_fwd_mask say.  Where there is no
 * bridge, the host's own IP drops them first of all: the IPv4 header's checksum is
 * wrong, and IPv6 is off on the TAP.  So no route, filter or connection table
 * ever sees one.
 */
#include "host/offload.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>

#include "base/bytes.h"

#define ETHERNET 14
#define SEGMENT 500
#define PAYLOAD (3 * SEGMENT + 100) /* the last segment is a short one */
#define DISCARD 9		    /* RFC 863 */

/* VNET_CAN_* and a frame that needs it. */
struct shape {
	uint32_t can;
	uint8_t gso_type;
	bool v6, udp;
};

static const struct shape plain = { 0, VNET_GSO_NONE, false, true };

static const struct shape shapes[] = {
	{ VNET_CAN_CSUM, VNET_GSO_NONE, false, true },
	{ VNET_CAN_TSO4, VNET_GSO_TCPV4, false, false },
	{ VNET_CAN_TSO6, VNET_GSO_TCPV6, true, false },
	{ VNET_CAN_TSO_ECN, VNET_GSO_TCPV4 | VNET_GSO_ECN, false, false },
	{ VNET_CAN_USO, VNET_GSO_UDP_L4, false, true },
	{ VNET_CAN_USO, VNET_GSO_UDP_L4, true, true },
};

static void put_ipv4(struct wr *w, size_t len, uint8_t protocol)
{
	wr_u16(w, 0x4500);
	wr_u16(w, (uint16_t)(20 + len));
	wr_u32(w, 0);
	wr_u16(w, (uint16_t)(1 << 8 | protocol));
	wr_u16(w, 0);	       /* checksum: wrong */
	wr_u32(w, 0xc0000201); /* 192.0.2.1 */
	wr_u32(w, 0xc0000202);
}

static void put_ipv6(struct wr *w, size_t len, uint8_t protocol)
{
	wr_u32(w, 0x60000000);
	wr_u16(w, (uint16_t)len);
	wr_u16(w, (uint16_t)(protocol << 8 | 1));
	for (uint8_t end = 1; end <= 2; end++) {
		wr_u32(w, 0x20010db8); /* 2001:db8::1 */
		wr_zero(w, 11);
		wr_u8(w, end);
	}
}

static void put_l4(struct wr *w, const struct shape *s, size_t payload)
{
	wr_u16(w, DISCARD);
	wr_u16(w, DISCARD);
	if (s->udp) {
		wr_u16(w, (uint16_t)(8 + payload));
		wr_u16(w, 0);
		return;
	}
	wr_u32(w, 0);
	wr_u32(w, 0);
	wr_u16(w, s->gso_type & VNET_GSO_ECN ? 0x5090 : 0x5010); /* CWR and ACK */
	wr_u16(w, 0);
	wr_zero(w, 4);
}

/* The frame's length; what the kernel is told of it in *vnet. */
static size_t make_frame(const struct shape *s, uint8_t *frame, size_t room, struct vnet *vnet)
{
	size_t l3 = s->v6 ? 40 : 20, l4 = s->udp ? 8 : 20;
	size_t payload = s->gso_type == VNET_GSO_NONE ? SEGMENT : PAYLOAD;
	struct wr w = wr_make(frame, room);

	wr_copy(&w, "\x01\x80\xc2\0\0\x01\x02\0\0\0\0\x01", 12);
	wr_u16(&w, s->v6 ? 0x86dd : 0x0800);
	if (s->v6)
		put_ipv6(&w, l4 + payload, s->udp ? IPPROTO_UDP : IPPROTO_TCP);
	else
		put_ipv4(&w, l4 + payload, s->udp ? IPPROTO_UDP : IPPROTO_TCP);
	put_l4(&w, s, payload);
	wr_zero(&w, payload);
	*vnet = (struct vnet){ 0 };
	if (s->can) {
		vnet->flags = VNET_F_NEEDS_CSUM;
		vnet->csum_start = (uint16_t)(ETHERNET + l3);
		vnet->csum_offset = s->udp ? 6 : 16;
	}
	if (s->gso_type != VNET_GSO_NONE) {
		vnet->gso_type = s->gso_type;
		vnet->gso_size = SEGMENT;
		vnet->hdr_len = (uint16_t)(ETHERNET + l3 + l4);
	}
	return w.used;
}

static int write_shape(struct tap *tap, const struct shape *s)
{
	uint8_t frame[ETHERNET + 40 + 20 + PAYLOAD];
	struct iovec iov[2];
	struct vnet vnet;

	iov[1] = (struct iovec){ frame, make_frame(s, frame, sizeof(frame), &vnet) };
	return tap_write(tap, &vnet, iov, 2);
}

int offload_test_tap(struct tap *tap, struct offload_tap *out)
{
	int error = write_shape(tap, &plain);

	*out = (struct offload_tap){ 0 };
	for (size_t i = 0; i < COUNT_OF(shapes) && !error; i++) {
		int refusal;

		if (!(tap->offloads & shapes[i].can))
			continue;
		refusal = write_shape(tap, &shapes[i]);
		if (refusal == -EINVAL || refusal == -EIO) {
			error = write_shape(tap, &plain); /* not the link that went down? */
			out->refused |= shapes[i].can;
			out->error = out->error ? out->error : -refusal;
		} else {
			error = refusal;
		}
	}
	/* No segmentation without checksums. */
	if (out->refused & VNET_CAN_CSUM)
		out->refused = tap->offloads;
	return error;
}
