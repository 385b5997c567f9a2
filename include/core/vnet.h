/* SPDX-License-Identifier: MIT */
/*
 * Offload facts of a frame, as the kernel hands them over with a TAP's frames:
 * the first 10 bytes of struct virtio_net_hdr (VIRTIO 1.2, 5.1.6), host order.
 * host/tap asserts that the layout is the same.
 */
#ifndef CORE_VNET_H
#define CORE_VNET_H

#include <stdint.h>

#define VNET_F_NEEDS_CSUM 1 /* checksum from csum_start on is partial */
#define VNET_F_DATA_VALID 2 /* checksums were verified */

#define VNET_GSO_NONE 0
#define VNET_GSO_TCPV4 1
#define VNET_GSO_UDP 3	  /* UFO: never used here */
#define VNET_GSO_TCPV6 4
#define VNET_GSO_UDP_L4 5 /* USO */
#define VNET_GSO_ECN 0x80 /* CWR on the first segment only */

struct vnet {
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len;     /* Ethernet to L4 header; a hint from the kernel */
	uint16_t gso_size;    /* payload bytes a segment */
	uint16_t csum_start;  /* from the frame's first byte */
	uint16_t csum_offset; /* from csum_start */
};

_Static_assert(sizeof(struct vnet) == 10, "virtio_net_hdr is 10 bytes");

/* Bits of what a port may be handed. */
#define VNET_CAN_CSUM 1u /* frames with a partial checksum */
#define VNET_CAN_TSO4 2u
#define VNET_CAN_TSO6 4u
#define VNET_CAN_TSO_ECN 8u
#define VNET_CAN_USO 16u

#endif
