/* SPDX-License-Identifier: MIT */
/* What the relay process knows, as JSON: its answer to "show" in lanspan(8). */
#ifndef APP_HUB_REPORT_H
#define APP_HUB_REPORT_H

#include <jansson.h>

#include "app/hub.h"

/* A new object with the part that was asked for: "networks", "members" or
 * "drops"; "all" is the networks.  Always with "relay" and "system_calls".  NULL
 * when what is none of these. */
json_t *hub_report_make(struct hub *hub, const char *what);

#endif
