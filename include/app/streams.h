/* SPDX-License-Identifier: MIT */
/*
 * The streams that lead to this site's relays, and how runs get into them: from the main
 * thread at once, from another by a queue that the main thread empties.
 */
#ifndef APP_STREAMS_H
#define APP_STREAMS_H

#include "app/node_state.h"
#include "host/stream.h"

/* 0 or -errno. */
int streams_init(struct node *node);
void streams_free(struct node *node);

/* The stream of that relay, NULL for none; it stays the caller's.  The main thread's. */
void streams_set(struct node *node, unsigned link, struct stream *stream);

/* By its number in the place; NULL when it is gone. */
struct stream *streams_find(const struct node *node, const struct addr *addr);

/* Sends a run to its stream, and sets its error.  Any worker's thread. */
void streams_send(struct worker *w, struct run *run);

/* Sends what other workers left.  The main thread's. */
void streams_drain(struct node *node);

#endif
