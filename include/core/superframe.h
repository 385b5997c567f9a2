/* SPDX-License-Identifier: MIT */
/*
 * Super-frames: one Ethernet frame of up to 64 KiB that stands for many TCP or
 * UDP segments (TSO, USO).  What a kernel does with them on the way to a wire
 * is done here in user space: layout, cutting, checksums.
 *
 * Everything in a frame is a stranger's: no length or offset is trusted.
 */
#ifndef CORE_SUPERFRAME_H
#define CORE_SUPERFRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/vnet.h"

#define SUPERFRAME_HEADERS 224 /* most bytes of Ethernet, tags, IP and L4 headers we take */
#define SUPERFRAME_MAX (65535 + 14 + 8)
#define SUPERFRAME_SEGMENTS 2048 /* that one may stand for: Linux's smallest MSS gives less */

/* Where things are, all from the frame's first byte. */
struct superframe_layout {
	uint16_t l3;	  /* IP header; after up to two VLAN tags */
	uint16_t l4;	  /* TCP or UDP header; l3 when ip is 0 */
	uint16_t payload; /* first payload byte: length of all headers; l4 when proto is 0 */
	uint8_t ip;	  /* 4, 6, or 0 when the frame is not IP */
	uint8_t proto;	  /* 6 TCP, 17 UDP, 0 anything else */
	uint16_t vlan;	  /* VLAN id of the outermost tag, 0 when untagged */
};

/*
 * Reads the headers of a frame of which the first `have` bytes are at hand.
 * False only when it is shorter than an Ethernet header.  ip is 0 unless the
 * IP header is whole and sane; proto is 0 unless the L4 header is whole, the
 * packet is no fragment, and no IPv6 extension header stands between.
 */
bool superframe_layout(const uint8_t *frame, size_t have, struct superframe_layout *out);

/*
 * True when the offload facts fit the frame of len bytes (the headers of which
 * are at frame, have bytes): a GSO type that agrees with the headers (TCP over
 * IPv4 or IPv6, UDP), gso_size not 0 nor so small that more than
 * SUPERFRAME_SEGMENTS frames come of it, checksum fields inside the frame and at
 * the TCP or UDP checksum when GSO is on, which implies NEEDS_CSUM; all headers
 * within `have` and SUPERFRAME_HEADERS, some payload, and not more from the IP
 * header on than 65535 bytes.  What length the headers claim does not matter:
 * as in the kernel, those of the bytes at hand are written.  Of a plain frame
 * (VNET_GSO_NONE) with NEEDS_CSUM: csum_start + csum_offset + 2 within both len
 * and have.  Of a plain frame without: always true.  Fills *layout when true (all
 * zero for less than an Ethernet header).
 */
bool superframe_valid(const uint8_t *frame, size_t have, size_t len, const struct vnet *vnet,
		      struct superframe_layout *layout);

/*
 * Turns the headers of a super-frame into those of the piece that carries
 * payload bytes [offset, offset + len) of total, in place, so that the kernel
 * takes the piece as a super-frame by itself: IP lengths, IPv4 identification
 * (+ offset / gso_size) and header checksum, TCP sequence number, CWR only on
 * offset 0, FIN and PSH only on the tail, UDP length, and the partial checksum
 * (which sums the pseudo header with its length).  `vnet` is changed as well:
 * GSO_NONE when len <= gso_size, and the ECN bit goes with CWR.  headers holds
 * layout->payload bytes.  The frame's checksum is partial before and after
 * (NEEDS_CSUM).  TCP may be trimmed anywhere; UDP only at multiples of
 * gso_size, or datagrams change their borders.
 */
void superframe_trim(uint8_t *headers, const struct superframe_layout *layout, struct vnet *vnet,
		     size_t offset, size_t len, size_t total);

/*
 * Walks the segments of a super-frame, as the kernel's own segmentation would
 * cut them: each one a whole frame with final (not partial) checksums when
 * final is true, or partial ones (for a receiver that takes VNET_CAN_CSUM).
 */
struct superframe_cut {
	const uint8_t *frame;
	struct superframe_layout layout;
	struct vnet vnet;
	size_t len;    /* of the super-frame */
	size_t offset; /* payload bytes already cut */
	bool final;
};

/* frame: len contiguous bytes, valid by superframe_valid with a GSO type. */
void superframe_cut_begin(struct superframe_cut *c, const uint8_t *frame, size_t len,
			  const struct vnet *vnet, const struct superframe_layout *layout,
			  bool final);

/* The next segment into out (room bytes).  Its length, or 0 when all is cut or
 * it does not fit.  *vnet gets its offload facts. */
size_t superframe_cut_next(struct superframe_cut *c, uint8_t *out, size_t room, struct vnet *vnet);

/* Finishes the partial checksum of a plain frame in place (RFC 1071; a UDP sum
 * of 0 is written 0xffff).  vnet loses NEEDS_CSUM; without it nothing happens.
 * The frame is valid, all of its len bytes at hand. */
void superframe_checksum(uint8_t *frame, size_t len, struct vnet *vnet);

/* True when the final checksum of a plain TCP or UDP frame is right.  The
 * lengths that its headers claim are those of the bytes at hand. */
bool superframe_sum_good(const uint8_t *frame, size_t len, const struct superframe_layout *layout);

/* True when the IPv4 header's own checksum is right. */
bool superframe_ip_good(const uint8_t *frame, const struct superframe_layout *layout);

/* Takes a checksum that is good back to a partial one; vnet says so. */
void superframe_sum_partial(uint8_t *frame, size_t len, const struct superframe_layout *layout,
			    struct vnet *vnet);

/*
 * Clamps the MSS option of a TCP SYN to at most mss, in place, and mends the
 * checksum.  Whether that is partial or final is told from the frame itself;
 * one SYN in 65536 looks like both and is left as it is.  True when it changed
 * something.
 */
bool superframe_clamp_mss(uint8_t *frame, size_t have, uint16_t mss);

#endif
