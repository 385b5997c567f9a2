/* SPDX-License-Identifier: MIT */
/*
 * The threads that move frames, and how they share the site: one at a time works
 * at it (worker_enter), and while the main thread changes anything else none does
 * anything (worker_pause).  With one worker there is nothing to share, and all of
 * this costs nothing.
 */
#ifndef APP_WORKER_H
#define APP_WORKER_H

#include <stdbool.h>

#include "app/node_state.h"

/* How many there are on so many cores, if nobody says. */
unsigned worker_default(unsigned cores);

/* Makes the memory and loops of n workers.  Loops are not run yet.  0 or -errno. */
int worker_init(struct node *node, unsigned n);
void worker_free(struct node *node);

/* Starts the threads of all workers but number 0.  0 or -errno. */
int worker_start(struct node *node);

/* Ends these threads; what they were about is finished. */
void worker_stop(struct node *node);

/* --- any worker's own thread --- */

/* The site is the worker's until it leaves: node->at_site, lane and all.  The time
 * to be used there, which never goes back.  What it had taken along to send comes
 * back on this occasion. */
struct instant worker_enter(struct worker *w, struct instant now);
void worker_leave(struct worker *w);

/* Enters and leaves if there is anything to bring back. */
void worker_come_back(struct worker *w);

/* Sends runs by the worker's own sockets and sets their errors. */
void worker_send(struct worker *w, struct run **runs, size_t n);

/* Asks number 0 to mend the TAP. */
void worker_ask_mend(struct worker *w);

/* The main thread waits for all workers: the rest is for the next turn of the loop. */
bool worker_is_awaited(const struct worker *w);

/* --- the main thread --- */

/* No other worker does anything until worker_resume; may be nested.  Not between
 * worker_enter and worker_leave. */
void worker_pause(struct node *node);
void worker_resume(struct node *node);

/* When the main loop has to wake up for the site; it is woken if that changes. */
struct instant worker_due(struct node *node);

#endif
