/* SPDX-License-Identifier: MIT */
/* Ports of the bridge process mapped at the router in front of it. */
#ifndef APP_NODE_PORTMAP_H
#define APP_NODE_PORTMAP_H

#include "app/node_state.h"

/* Once a second, after node_relays_second: asks for mappings where they help. */
void node_portmap_second(struct node *node);

/* After a reload: asks at once. */
void node_portmap_again(struct node *node);

/* Takes mappings back. */
void node_portmap_stop(struct node *node);

#endif
