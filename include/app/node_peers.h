/* SPDX-License-Identifier: MIT */
/* The configured peers and relays of the bridge process: names, addresses, changes. */
#ifndef APP_NODE_PEERS_H
#define APP_NODE_PEERS_H

#include "app/node_state.h"

/* Adds a peer and asks for its addresses. */
void node_peers_add(struct node *node, const struct conf_peer *conf);

/* What is kept of a peer or relay of that number, from now on; asks for its addresses. */
void node_peers_begin(struct node *node, unsigned number, const struct conf_peer *conf);
void node_peers_resolve(struct node *node, unsigned number);

/* The addresses of a peer or relay that stays. */
void node_peers_readdress(struct node *node, struct peer *peer, const struct conf_peer *conf);

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

/* Adds the configured relays and asks for their addresses. */
void node_relays_start(struct node *node);

/* Goes over to what another configuration says of relays. */
void node_relays_apply(struct node *node, const struct conf *conf);

/* Once a second: addresses of relays that do not answer, addresses of this site,
 * and peers that were there only because a relay listed them. */
void node_relays_second(struct node *node);

/* Tells peers of the addresses of this site's own sockets, mapped ones first. */
void node_relays_tell_local(struct node *node);

/* A place as people read it.  Returns out. */
char *node_relays_place(const struct node *node, const struct addr *addr, char out[NODE_PLACE]);

#endif
