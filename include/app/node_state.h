/* SPDX-License-Identifier: MIT */
/* What the bridge process holds; shared by the rooms that make it up. */
#ifndef APP_NODE_STATE_H
#define APP_NODE_STATE_H

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

#define NODE_FAILURE 96 /* getaddrinfo's text, with its NUL */

/* Where a configured peer's addresses led to. */
struct node_peer {
	bool used;
	uint32_t generation; /* tells late answers for a peer that was replaced */
	struct conf_peer conf;
	struct addr answers[CONF_ADDRESSES][RESOLVE_ANSWERS];
	unsigned n_answers[CONF_ADDRESSES];
	char failure[CONF_ADDRESSES][NODE_FAILURE]; /* "" when the last look-up went well */
	struct log_limit told, moves, refused; /* of lines about it */
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

#endif
