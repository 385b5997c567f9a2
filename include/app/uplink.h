/* SPDX-License-Identifier: MIT */
/*
 * Streams to the relays of this site: TLS over TCP where no UDP passes, as each
 * relay's `transport` says.  The core takes one as another way to the relay.
 */
#ifndef APP_UPLINK_H
#define APP_UPLINK_H

#include "app/node_state.h"

/* 0 or -errno. */
int uplink_init(struct node *node);
void uplink_free(struct node *node);

/* Once a second, for each relay: connects, ends, and goes back to UDP. */
void uplink_second(struct node *node, const struct link *link);

/* The relay goes, or is another one now. */
void uplink_forget(struct node *node, unsigned link);

/* The relay told the mark of its streams: is it that of the one that leads there? */
void uplink_marked(struct node *node, const struct link *link);

/* "tls 192.0.2.1:443"; "tls, ended" of a stream that is gone.  Returns out. */
#define UPLINK_PLACE (ADDR_TEXT + 12)
char *uplink_place(const struct node *node, const struct addr *addr, char out[UPLINK_PLACE]);

/* Where the streams go that are open, or being opened; how many. */
unsigned uplink_far_ends(const struct node *node, struct addr out[LINKS_MAX]);

/* Why the last stream to that relay came to nothing, "" when all is well. */
const char *uplink_problem(const struct node *node, unsigned link);

#endif
