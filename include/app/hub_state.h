/* SPDX-License-Identifier: MIT */
/* What the relay process holds; shared by the rooms that make it up. */
#ifndef APP_HUB_STATE_H
#define APP_HUB_STATE_H

#include "app/captures.h"
#include "app/locals.h"
#include "app/relay_conf.h"
#include "core/relay.h"
#include "host/ctlsock.h"
#include "host/loop.h"
#include "host/stream.h"
#include "host/udp.h"

struct hub_socket {
	struct loop_source source;
	struct hub *hub;
	uint8_t number;
};

struct hub_stream_server {
	struct hub *hub;
	uint16_t number; /* of the listen_tls address */
	struct stream_server *server;
};

struct hub {
	struct relay_conf *conf;
	struct loop loop;
	struct relay *relay;
	struct udp udp[CONF_LISTEN];
	struct hub_socket sockets[CONF_LISTEN];
	unsigned n_sockets;
	struct udp_inbox *inbox;
	struct tls *tls; /* NULL without listen_tls */
	struct hub_stream_server streams[CONF_LISTEN];
	unsigned n_streams;
	unsigned max_streams; /* at each */
	uint64_t host_seed; /* of the hosts in places by streams */
	struct ctlsock *ctlsock;
	struct captures captures;
	struct locals locals;
	struct loop_source signal_source;
	struct instant started, next_second;
};

#endif
