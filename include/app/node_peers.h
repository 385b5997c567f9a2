/* SPDX-License-Identifier: MIT */
/* The configured peers of the bridge process: names, addresses, changes. */
#ifndef APP_NODE_PEERS_H
#define APP_NODE_PEERS_H

#include "app/node_state.h"

/* Adds a peer and asks for its addresses. */
void node_peers_add(struct node *node, const struct conf_peer *conf);

/* A resolve_handler; ctx is the struct node. */
void node_peers_resolved(void *ctx, uint64_t tag, const struct addr *answers, size_t n,
			 const char *error);

/* Once a second: asks again for addresses of peers that do not answer. */
void node_peers_resolve_again(struct node *node);

/* A line in the log about what happened with a peer; ctx is the struct node. */
void node_peers_event(void *ctx, struct peer *peer, enum peer_event event);

/*
 * Reads the configuration file again.  All or nothing: with any error, or a
 * change that needs a restart, nothing changes, *why (malloc'd lines) says
 * what, and the status is 2; 0 when it is in force.
 */
int node_peers_reload(struct node *node, struct conf_errors *why);

#endif
