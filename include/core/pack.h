/* SPDX-License-Identifier: MIT */
/*
 * Frames into datagrams, for one peer.  Records are packed back to back into
 * datagrams of the path's size, cut at the end and continued, and sealed as
 * each datagram fills (lanspan-protocol(7), "Records").  Nothing waits: the
 * caller closes at the end of each batch.
 */
#ifndef CORE_PACK_H
#define CORE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "core/keys.h"
#include "core/outbox.h"
#include "core/superframe.h"
#include "core/vnet.h"

/* Bytes that must be free in front of a super-frame handed to pack_super with
 * spoil = true: what stands before its headers in a datagram. */
#define PACK_HEADROOM 32

struct pack {
	struct outbox *outbox;
	struct keys *keys;
	struct addr to;
	uint8_t socket;
	uint16_t owner;
	struct keys *hop;   /* of the relay that the datagrams go through, NULL: none */
	uint32_t member;    /* destination there */
	uint16_t size;	    /* of a datagram (UDP payload, HOP and all) that may be sent now */
	uint16_t super_id;
	struct run *run;    /* being filled, or NULL */
	size_t fill;	    /* plaintext bytes in the open datagram; 0: none open */
	uint64_t datagrams; /* closed so far */
	uint64_t bytes;	    /* sent, of datagrams */
};

void pack_init(struct pack *p, struct outbox *outbox, struct keys *keys, uint16_t owner);

/* From the next datagram on each is wrapped for that member under the hop's keys;
 * NULL: not wrapped.  Closes what is open; pack_target is to follow. */
void pack_through(struct pack *p, struct keys *hop, uint32_t member);

/* Where to and how large from the next datagram on.  Closes what is open. */
void pack_target(struct pack *p, const struct addr *to, uint8_t socket, uint16_t size);

/* A frame of len contiguous bytes, no super-frame; valid by superframe_valid.
 * False when there is no current key or no run to fill. */
bool pack_frame(struct pack *p, const uint8_t *frame, size_t len, const struct vnet *vnet);

/*
 * A super-frame of len contiguous bytes, valid by superframe_valid.  spoil: the
 * frame and PACK_HEADROOM bytes before it may be written over, which saves a
 * copy.  A super-frame whose pieces would be too small or whose segments do
 * not fit a datagram goes as frames, cut in user space.
 */
bool pack_super(struct pack *p, uint8_t *frame, size_t len, const struct vnet *vnet,
		const struct superframe_layout *layout, bool spoil);

/* A CONTROL record of at most 64 bytes. */
bool pack_control(struct pack *p, uint8_t type, const void *body, size_t len);

/* A CONTROL record in a datagram of its own, padded to exactly size bytes. */
bool pack_control_padded(struct pack *p, uint8_t type, const void *body, size_t len, uint16_t size);

/* The longest frame that goes whole into one datagram by itself. */
size_t pack_room(const struct pack *p);

/* Seals what is open and hands the run to the outbox. */
void pack_close(struct pack *p);

#endif
