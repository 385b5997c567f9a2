/* SPDX-License-Identifier: MIT */
/*
 * What a packet socket does not tell of a frame that it read: that it was merged on its
 * way (GRO, or a neighbour on the same machine that leaves cutting to the NIC), and that its
 * checksum is still to be made.  Both are told from the frame itself, so that it can go on as
 * a TAP's frames do.
 */
#ifndef CORE_GIANT_H
#define CORE_GIANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/vnet.h"

/*
 * Fills in the offload facts of a frame of len bytes, all at hand, from a link of that MTU
 * (bytes from the IP header on).  Facts that are given are valid by superframe_valid:
 *
 * - TCP that is longer than the MTU: GSO, cut as the MTU allows, because what the segments
 *   were is not known; its checksum is made a partial one;
 * - TCP and UDP whose checksum field holds the pseudo header's sum: NEEDS_CSUM; when padding
 *   follows the packet, the checksum is finished in place instead;
 * - all else: a plain frame, whatever its checksum.
 *
 * False: IP that is longer than the MTU and can not be cut again, as merged UDP, of which it is
 * not known where its datagrams end.
 */
bool giant_facts(uint8_t *frame, size_t len, unsigned mtu, struct vnet *vnet);

#endif
