/* SPDX-License-Identifier: MIT */
/* What the bridge process dropped, looked at as events. */
#ifndef APP_NODE_WATCH_H
#define APP_NODE_WATCH_H

#include "app/node_state.h"

/* Once a second. */
void node_watch_second(struct node *node, struct instant now);

#endif
