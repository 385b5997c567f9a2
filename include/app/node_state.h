/* SPDX-License-Identifier: MIT */
/* What the bridge process holds; shared by the rooms that make it up. */
#ifndef APP_NODE_STATE_H
#define APP_NODE_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "app/attach.h"
#include "app/burst.h"
#include "app/captures.h"
#include "app/conf.h"
#include "app/key_log.h"
#include "app/drop_watch.h"
#include "app/later.h"
#include "app/locals.h"
#include "core/site.h"
#include "host/ctlsock.h"
#include "host/loop.h"
#include "host/portmap.h"
#include "host/resolve.h"
#include "host/udp.h"
#include "host/yield.h"

struct node;

struct node_socket {
	struct loop_source source;
	struct udp udp;
	struct worker *worker;
	uint8_t number; /* of the listen address */
};

/*
 * A thread that moves frames, with a queue of the TAP and sockets to itself.
 * Number 0 is the main thread, which does all the rest as well.
 */
struct worker {
	struct node *node;
	unsigned number;   /* and its lane */
	struct loop *loop; /* of number 0 the node's */
	struct loop own_loop;
	struct loop_source tap_source, stop_source;
	bool tap_watched;
	struct tap *tap; /* its queue, or the only one */
	struct node_socket sockets[CONF_LISTEN];
	struct udp_inbox *inbox[2];
	unsigned inbox_turn;
	uint64_t tap_reads, tap_writes; /* system calls */
	struct yield reading, writing;	/* of small frames */

	uint8_t *frame; /* of one alone: SITE_HEADROOM + SUPERFRAME_MAX */

	/* Of one among several. */
	struct burst *burst;
	struct later *later;
	bool at_once; /* frames to the TAP are not kept now */
	bool tell;    /* the port is to hear of each one kept */
	struct run *away[OUTBOX_AWAY];
	unsigned n_away;
	pthread_t thread;
	bool runs;
};

#define NODE_PLACE 128	/* "relay NAME, member NUMBER", or an address */
#define NODE_FAILURE 96 /* getaddrinfo's text, with its NUL */

/* Where a configured peer's addresses led to. */
struct node_peer {
	bool used;
	uint32_t generation; /* tells late answers for a peer that was replaced */
	struct conf_peer conf;
	struct addr answers[CONF_ADDRESSES][RESOLVE_ANSWERS];
	unsigned n_answers[CONF_ADDRESSES];
	char failure[CONF_ADDRESSES][NODE_FAILURE]; /* "" when the last look-up went well */
	bool silent;				    /* a relay: that it does not answer was told */
	bool listed; /* a relay: that it lists so many was told, since it is up */
	unsigned sites;
	char place[NODE_PLACE]; /* where it was last told to be */
};

/* What the router in front maps, and why it is not asked. */
struct node_portmap {
	struct portmap *portmap; /* NULL until it is needed */
	struct portmap_report report;
	const char *idle;	     /* why not; NULL: it is asked */
	struct addr seen[LINKS_MAX]; /* by each relay, a second ago */
	bool looked;
	struct instant hurried; /* looked because a relay saw this site elsewhere */
};

struct node {
	struct conf *conf;
	struct loop loop;
	struct site site;
	struct port port;
	struct attach attach;
	unsigned n_sockets; /* of each worker */
	struct resolve *resolve;
	struct node_portmap portmap;
	struct drop_watch watch;
	struct hooks *hooks; /* NULL until there is one */
	struct key_log key_log;
	struct ctlsock *ctlsock;
	ctlsock_handler control;
	struct captures captures;
	struct locals locals;
	struct loop_source monitor_source, signal_source;
	struct node_peer peers[PEERS_MAX]; /* by peer number */
	struct ports *ports;
	struct instant labs_due; /* as of the last turn */
	bool links_changed;	 /* for lab ports to look */
	bool told_carrier;	 /* to the TAP */
	struct uplinks *uplinks;
	struct streams *streams;
	unsigned stream_taken; /* datagrams by a stream since they were unpacked last */
	struct instant started;
	struct instant next_second;
	uint64_t resolve_round;

	struct worker workers[CONF_WORKERS];
	unsigned n_workers;
	struct worker *at_site;	   /* who works at the site now; number 0 in a pause */
	pthread_mutex_t site_lock; /* around site, port and what is next to it */
	pthread_rwlock_t gate;	   /* workers but number 0 hold it while they work */
	unsigned pauses;	   /* the gate is closed, so often */
	atomic_bool awaited;	   /* somebody waits at the gate */
	struct loop_source wake_source;
	int stop_fd;
	struct instant awake_at; /* when number 0 looks at the site next */
	bool mend_wanted;	 /* a worker found the TAP gone */
	atomic_bool worker_failed; /* a worker ended of itself */
};

#endif
