/* SPDX-License-Identifier: MIT */
/*
 * Where a frame for an address would go now, and who said so: the answer to "why" in
 * lanspan(8).
 */
#ifndef APP_WHY_H
#define APP_WHY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "app/node_state.h"
#include "base/addr.h"
#include "base/mac.h"

#define WHY_VLANS 4095 /* VLANs are 0 (untagged) to one less */

/* What is asked about. */
struct why_target {
	struct mac mac; /* when ip.family is ADDR_NONE */
	struct addr ip;
};

/* An Ethernet or IP address, nothing else; false when the text is none. */
bool why_target_parse(struct why_target *out, const char *text);

/* The answer; vlan -1: in all VLANs. */
json_t *why_make(struct node *node, const struct why_target *target, int vlan);

#endif
