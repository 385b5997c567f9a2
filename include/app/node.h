/* SPDX-License-Identifier: MIT */
/*
 * The bridge process: the core's site among real devices.  Brings frames from
 * the TAP and datagrams from the sockets to the site, and time; carries out
 * what it gives back; follows configuration and commands.
 */
#ifndef APP_NODE_H
#define APP_NODE_H

#include "app/conf.h"
#include "app/node_state.h"
#include "host/ctlsock.h"

/* Starts all that conf asks for; takes it over.  control answers what comes in
 * at the control socket; its ctx is the node.  NULL after saying why in the
 * log; nothing is then left behind. */
struct node *node_start(struct conf *conf, ctlsock_handler control);

/* Until SIGTERM or SIGINT.  0, or 1 when the loop itself failed. */
int node_run(struct node *node);

/* Says goodbye to peers and takes away what was made. */
void node_stop(struct node *node);

#endif
