/* SPDX-License-Identifier: MIT */
/* The bridge process's data path: TAP and sockets to the site and back. */
#ifndef APP_NODE_IO_H
#define APP_NODE_IO_H

#include "app/node_state.h"

/* A port_write; ctx is the struct node. */
int node_io_tap_write(void *ctx, const struct vnet *vnet, struct iovec *iov, size_t n);

/* Sends runs through the sockets and sets their errors; ctx is the struct node. */
void node_io_send(void *ctx, struct run **runs, size_t n);

/* A datagram that came by a stream; its memory stays until node_io_stream_end, which
 * follows the last one of a turn.  The main thread's. */
void node_io_stream_take(struct node *node, const struct addr *from, uint8_t *data, size_t len,
			 struct instant now);
void node_io_stream_end(struct node *node);

/* Ends a turn at the site that the main thread entered to bring frames of lab ports. */
void node_io_lab_end(struct node *node);

/* Prepares the loop's source of a socket. */
void node_io_watch_socket(struct node_socket *s);

/* Adds the queues of the TAP in hand to the workers' loops, and tells the port what it can. */
void node_io_watch_tap(struct node *node);

/* Adds the reports of changed links to the loop. */
void node_io_watch_monitor(struct node *node);

/* The TAP or its bridge may have changed: looks and mends.  The main thread's. */
void node_io_mend(struct node *node, struct instant now);

#endif
