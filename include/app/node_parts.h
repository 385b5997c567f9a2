/* SPDX-License-Identifier: MIT */
/* What the files of the node room share among themselves. */
#ifndef APP_NODE_PARTS_H
#define APP_NODE_PARTS_H

#include "app/node.h"

/* node_io.c: frames and datagrams. */
struct site_events node_site_events(struct node *node);
int node_tap_write(void *ctx, const struct vnet *vnet, struct iovec *iov, size_t n);
void node_watch_socket(struct node_socket *s);
void node_watch_tap(struct node *node);
void node_watch_monitor(struct node *node);

/* The TAP or bridge may have changed. */
void node_mend(struct node *node, struct instant now);

/* node_peers.c: configured peers and where they are. */
void node_add_peer(struct node *node, const struct conf_peer *conf);
void node_resolved(void *ctx, uint64_t tag, const struct addr *answers, size_t n,
		   const char *error);
void node_resolve_again(struct node *node);

/* A line for the log about what happened with a peer. */
void node_peer_event(void *ctx, struct peer *peer, enum peer_event event);

#endif
