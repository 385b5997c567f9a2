/* SPDX-License-Identifier: MIT */
/*
 * The bridge process: the core's site among real devices.  Brings frames from
 * the TAP and datagrams from the sockets to the site, and time; carries out
 * what it gives back; follows configuration and commands.
 */
#ifndef APP_NODE_H
#define APP_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "app/attach.h"
#include "app/conf.h"
#include "core/site.h"
#include "host/ctlsock.h"
#include "host/loop.h"
#include "host/resolve.h"
#include "host/udp.h"

struct node_socket {
	struct loop_source source;
	struct udp udp;
	struct node *node;
	uint8_t number;
};

/* Where a configured peer's addresses led to. */
struct node_peer {
	bool used;
	uint32_t generation; /* tells late answers for a peer that was replaced */
	struct conf_peer conf;
	struct addr answers[CONF_ADDRESSES][RESOLVE_ANSWERS];
	unsigned n_answers[CONF_ADDRESSES];
	char failure[128]; /* of the last look-up; "" when it went well */
	struct log_limit refused;
};

struct node {
	struct conf *conf;
	struct loop loop;
	struct site site;
	struct port port;
	struct attach attach;
	struct node_socket sockets[CONF_LISTEN];
	unsigned n_sockets;
	struct udp_inbox *inbox[2];
	unsigned inbox_turn;
	struct resolve *resolve;
	struct ctlsock *ctlsock;
	struct loop_source tap_source, monitor_source, signal_source;
	struct node_peer peers[PEERS_MAX]; /* by peer number */
	struct instant started;
	struct instant next_second;
	uint64_t resolve_round;
	bool tap_watched;
	uint64_t tap_reads, tap_writes;
	uint8_t *frame; /* SITE_HEADROOM + SUPERFRAME_MAX */
};

/* Starts all that conf asks for; takes it over.  NULL after saying why in the
 * log; nothing is then left behind. */
struct node *node_start(struct conf *conf);

/* Until SIGTERM or SIGINT.  0, or 1 when the loop itself failed. */
int node_run(struct node *node);

/* Says goodbye to peers and takes away what was made. */
void node_stop(struct node *node);

/*
 * Reads the configuration file again.  All or nothing: with any error, or a
 * change that needs a restart, nothing changes, *why (malloc'd lines) says
 * what, and the status is 2; 0 when it is in force.
 */
int node_reload(struct node *node, struct conf_errors *why);

#endif
