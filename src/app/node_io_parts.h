/* SPDX-License-Identifier: MIT */
/* What the parts of the node_io room share. */
#ifndef APP_NODE_IO_PARTS_H
#define APP_NODE_IO_PARTS_H

#include "app/node_io.h"

#define NODE_IO_READS 64 /* frames of a turn of the loop */
#define NODE_IO_ROUNDS 4 /* of receiving, likewise */
#define NODE_IO_STREAM 512 /* datagrams by a stream that are unpacked together */

/* A frame for the TAP, by a worker among several, which is at the site. */
int node_io_keep(struct worker *w, const struct vnet *vnet, struct iovec *iov, size_t n);

/* The worker's queue of the TAP is readable.  -EBADFD when the device is gone. */
int node_io_read_several(struct worker *w, struct instant now);

/* A worker among several leaves the site, and writes and sends what came of its turn. */
void node_io_leave_several(struct worker *w);

/* The socket is readable. */
void node_io_receive_several(struct node_socket *s, struct instant now);

/* By which socket, and to which address of ours, it came. */
static inline uint8_t node_io_way_in(const struct node_socket *s, const struct udp_received *got,
				     struct instant now)
{
	return locals_socket(&s->worker->node->locals, s->number, &got->local, now);
}

/* Received messages, before they are decrypted, for who looks on. */
void node_io_show_received(struct node_socket *s, const struct udp_received *got, int n,
			   struct instant now);

/* A frame that was read from the TAP, likewise. */
void node_io_show_read(struct worker *w, const uint8_t *frame, size_t len, const struct vnet *vnet);

#endif
