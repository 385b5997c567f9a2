/* SPDX-License-Identifier: MIT */
/*
 * A local port of the switch: where frames go out to a device, in the form that
 * the device takes.  A super-frame or partial checksum that it does not take is
 * cut and summed here.  One that the device refuses, though it should take it, is
 * cut after all; when that happens PORT_REFUSALS times in a row, and the pieces
 * were taken, the port goes on without that offload.
 *
 * What is bad about its line, and the tags of its VLANs, are seen to on the way: out,
 * the tag is taken off, then the line is bad; in, as its site takes frames.
 */
#ifndef CORE_PORT_H
#define CORE_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/drop.h"
#include "core/impair.h"
#include "core/unpack.h"
#include "core/vlan.h"
#include "core/vnet.h"

#define PORT_NAME 64
#define PORT_REFUSALS 8
#define PORT_LATER 1
#define PORT_PIECES 126 /* of a frame, more than UNPACK_PIECES */

struct port_traffic {
	uint64_t bytes, frames;
};

/* 0, or a negative errno: EIO, ENETDOWN and EBADFD: down; EAGAIN: full; any
 * other: refused.  iov[0] is free for a header.  PORT_LATER: the frame is kept, to
 * be written later; port_written then says how it went. */
typedef int (*port_write)(void *ctx, const struct vnet *vnet, struct iovec *iov, size_t n);

/* As its device sees it. */
enum port_way {
	PORT_IN,  /* from the device into the switch */
	PORT_OUT, /* from the switch to the device */
	PORT_WAYS
};

struct port {
	char name[PORT_NAME];
	bool up;
	bool link;	    /* what the device says of itself (site_port_link), never what carrier told it */
	bool carrier_on;    /* what carrier told it last; at first true */
	bool reserved_pass; /* frames to 01-80-C2-00-00-0x pass, both ways */
	uint32_t can; /* VNET_CAN_* that the device takes */
	uint32_t lost; /* VNET_CAN_* that were given up */
	unsigned refusals;
	port_write write;
	void *ctx;
	struct port_traffic rx, tx; /* rx: into the switch */
	uint64_t cut;		    /* super-frames that were cut for it */
	struct instant now;	    /* of the newest batch that its site handled */
	struct drops drops;
	uint8_t *scratch; /* SUPERFRAME_MAX: a frame in one piece, and its segment */
	/* Wire mode: the far end of the wire has a carrier, or has none.  NULL: nobody is told. */
	void (*carrier)(void *ctx, bool on);
	struct impair *impair[PORT_WAYS]; /* NULL: nothing is bad about its line */
	struct port_vlans vlans;

	/* Its site's, from site_add_port on. */
	impair_out came; /* where frames go on that a bad line held on their way in */
	void *came_ctx;
	const struct rand_source *rand;
};

static inline void port_drop(struct port *port, enum drop reason)
{
	drop_note(&port->drops, reason, port->now);
}

/* False when memory is short.  Down, with link, nothing set. */
bool port_init(struct port *port, const char *name, port_write write, void *ctx);
void port_free(struct port *port); /* what its line holds is lost */

/* NULL: every frame passes as it is.  What was learned in VLANs that go is left to age. */
void port_set_vlans(struct port *port, const struct port_vlans *vlans);

/* Of a port in a site: how bad its line is one way; NULL or nothing bad: good again, and
 * what is held comes at once.  Is followed by site_close.  0, or -ENOMEM. */
int port_set_impair(struct port *port, enum port_way way, const struct impair_setup *setup,
		    struct instant now);

/* Sends a frame out.  Its bytes may be changed. */
void port_deliver(struct port *port, struct frame *frame);

/* How the writing of a frame went that was kept (PORT_LATER): 0 or a negative errno.
 * What is cut then is not kept again: write answers at once.  Only a refusal, or the
 * success of a super-frame while refusals is not 0, has to be told. */
void port_written(struct port *port, struct frame *frame, int error);

#endif
