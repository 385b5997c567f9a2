/* SPDX-License-Identifier: MIT */
/*
 * The relay process: the core's relay among real sockets.  Brings it datagrams
 * and time, sends what it gives back; follows configuration and commands.
 */
#ifndef APP_HUB_H
#define APP_HUB_H

#include "app/hub_state.h"

/* Starts all that conf asks for; takes it over.  control answers what comes in
 * at the control socket; its ctx is the hub.  NULL after saying why in the log;
 * nothing is then left behind. */
struct hub *hub_start(struct relay_conf *conf, ctlsock_handler control);

/* Until SIGTERM or SIGINT.  0, or 1 when the loop itself failed. */
int hub_run(struct hub *hub);

/* Says goodbye to members and takes away what was made. */
void hub_stop(struct hub *hub);

/*
 * Reads the configuration file again.  All or nothing: with any error, or a
 * change that needs a restart, nothing changes, *why says what, and the status
 * is 2; 0 when it is in force.
 */
int hub_reload(struct hub *hub, struct conf_errors *why);

#endif
