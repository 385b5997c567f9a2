/* SPDX-License-Identifier: MIT */
/* Captures of a site: its points, by their names. */
#ifndef APP_NODE_CAPTURES_H
#define APP_NODE_CAPTURES_H

#include <jansson.h>

#include "app/node_state.h"

void node_captures_start(struct node *node);

/* Answers the request "capture"; ctx is the node. */
json_t *node_captures_request(void *ctx, json_t *request);

#endif
