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

/* Sends a run to its stream, and sets its error.  Any worker's thread. */
void uplink_send(struct worker *w, struct run *run);

/* Sends what other workers left here.  The main thread's. */
void uplink_drain(struct node *node);

/* "tls 192.0.2.1:443" into out, of NODE_PLACE bytes.  Returns out. */
char *uplink_place(const struct node *node, const struct addr *addr, char *out);

/* Why the last stream to that relay came to nothing, "" when all is well. */
const char *uplink_problem(const struct node *node, unsigned link);

#endif
