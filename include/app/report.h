/* SPDX-License-Identifier: MIT */
/* What the process knows, as JSON: the answer to "show" in lanspan(8). */
#ifndef APP_REPORT_H
#define APP_REPORT_H

#include <jansson.h>

#include "app/node_state.h"

/* A new object with the parts that were asked for: "all", "peers", "macs",
 * "ports", "workers", "drops" or "paths"; always with "site" and
 * "system_calls".  NULL when what is none of these, or memory is short. */
json_t *report_make(struct node *node, const char *what);

#endif
