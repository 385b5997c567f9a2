/* SPDX-License-Identifier: MIT */
/*
 * The switch decides to which port a frame goes (IEEE 802.1Q 8.6), and learns.
 * Local ports are numbered from 0, peers from SWITCH_PEER on.  Split horizon:
 * what came from a peer never goes to a peer.
 */
#ifndef CORE_SWITCH_H
#define CORE_SWITCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "core/drop.h"
#include "core/fdb.h"
#include "core/superframe.h"

#define SWITCH_LOCALS 64
#define SWITCH_PEER SWITCH_LOCALS

struct switching {
	struct fdb fdb;
	bool hub;	    /* learn nothing, flood all */
};

enum switch_way {
	SWITCH_ONE,   /* to verdict.port */
	SWITCH_FLOOD, /* to every port but the one it came from, peers not to peers */
	SWITCH_DROP,  /* verdict.reason */
};

struct switch_verdict {
	enum switch_way way;
	uint16_t port;
	enum drop reason;      /* of SWITCH_DROP */
	enum fdb_learned learned; /* what became of the source address */
};

static inline bool switch_is_peer(uint16_t port)
{
	return port >= SWITCH_PEER;
}

/* A frame of len bytes that came in at port; its Ethernet header is at frame.  Whether
 * one to a reserved address may pass was decided before. */
struct switch_verdict switch_decide(struct switching *s, uint16_t port, const uint8_t *frame,
				    size_t len, const struct superframe_layout *layout,
				    struct instant now);

#endif
