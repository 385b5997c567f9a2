/* SPDX-License-Identifier: MIT */
/* Captures of a relay: its points, and whose a datagram is. */
#ifndef APP_HUB_CAPTURES_H
#define APP_HUB_CAPTURES_H

#include <jansson.h>

#include "app/hub_state.h"

void hub_captures_start(struct hub *hub);

/* Answers the request "capture"; ctx is the hub. */
json_t *hub_captures_request(void *ctx, json_t *request);

#endif
