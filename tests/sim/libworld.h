/* SPDX-License-Identifier: MIT */
/*
 * A world of sites on a virtual clock: their hosts, the network between them
 * with its faults, and a judge.  One seed decides everything; two runs of one
 * seed are the same, byte for byte.
 */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rand.h"
#include "core/site.h"
#include "sim/libsupers.h"

#define WORLD_NODES 6
#define WORLD_SOCKETS 2
#define WORLD_HOSTS 2	   /* behind each site */
#define WORLD_CAPTURED 128 /* datagrams that the replaying stranger holds */

/* What the network does to a datagram, in thousandths. */
struct fate {
	unsigned loss, twice, flip, cut, late, refused;
	int64_t delay, jitter; /* microseconds */
};

struct node {
	struct world *world;
	unsigned number;
	unsigned life; /* counts restarts */
	bool running, roams;
	uint8_t private_key[KEX_KEY], public_key[KEX_KEY];
	struct addr addr[WORLD_SOCKETS];
	unsigned n_sockets;
	unsigned mtu;		 /* of its interface */
	bool knows[WORLD_NODES]; /* has the other's address */
	struct rand_seeded rand;
	struct site site;
	struct port port;
	struct peer *peer[WORLD_NODES];
	uint8_t *inbox[2];
	size_t filled[2];
	struct drops told; /* what the trace said of drops */
};

/* A frame that a host sent. */
struct sent {
	uint64_t draw; /* everything about it */
	uint8_t src;
	uint8_t expect;		     /* bits of sites that must get it, once the faults are over */
	uint8_t got;		     /* bits of sites that got it whole */
	struct super super;	     /* bytes NULL: a plain frame */
	uint8_t *cover[WORLD_NODES]; /* payload bytes of super that came */
	size_t covered[WORLD_NODES];
};

struct packet {
	struct instant at;
	uint64_t order;
	struct addr from, to;
	size_t len;
	uint8_t data[];
};

struct world {
	uint64_t seed;
	struct rand_seeded rand_state;
	struct rand_source rand;
	struct instant now;
	unsigned n;
	struct node node[WORLD_NODES];
	enum cipher cipher;
	int64_t keepalive;
	size_t gro; /* datagrams that a message holds at most */
	struct fate fate;
	bool apart[WORLD_NODES][WORLD_NODES];
	unsigned path[WORLD_NODES][WORLD_NODES];    /* MTU between two */
	int64_t distance[WORLD_NODES][WORLD_NODES]; /* one way, microseconds */

	struct packet **heap;
	size_t n_heap, room_heap;
	uint64_t order;
	struct packet *captured[WORLD_CAPTURED];
	unsigned n_captured;

	struct sent *sent;
	size_t n_sent, room_sent;
	uint32_t tiny_sent[WORLD_NODES], tiny_got[WORLD_NODES][WORLD_NODES];

	uint64_t *nonces; /* a hash set of what was sealed */
	size_t n_nonces, room_nonces;

	bool failed;
	char why[256];
	bool trace;
	uint64_t datagrams, delivered;
};

/* Draws a number below n. */
uint64_t world_draw(struct world *w, uint64_t n);

/* The judge: notes the first fault found. */
void world_fail(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void world_trace(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

bool world_init(struct world *w, uint64_t seed, bool trace);
void world_free(struct world *w);

/* Runs until then, or until something is wrong. */
void world_run(struct world *w, struct instant until);

void node_start(struct node *node);
void node_stop(struct node *node);

/* Ends a turn of the site: what it gathered is sent. */
void node_close(struct node *node);

/* Another address for a node that roams, or the same one for the other sockets. */
void node_roam(struct node *node);

/* Datagrams that arrive at a node right now. */
void node_receive(struct node *node, struct packet **packets, size_t n);

/* True when each of the two has a session with the other. */
bool world_connected(const struct world *w, unsigned a, unsigned b);

/* The network: sends, repeats what was captured, invents. */
void net_send(void *ctx, struct run **runs, size_t n);
void net_replay(struct world *w);
void net_invent(struct world *w);
struct packet *net_next(struct world *w, struct instant until);
void net_free(struct world *w);

/* The hosts: frames out of a site's hosts, and what its port hands out. */
void hosts_send(struct node *node, bool expected);
void hosts_send_super(struct node *node, size_t payload_max, bool expected);
void hosts_broadcast(struct node *node, bool expected);
void hosts_flood(struct node *node, unsigned n, bool expected);
int hosts_receive(void *ctx, const struct vnet *vnet, struct iovec *iov, size_t n);
void hosts_judge(struct world *w);
void hosts_free(struct world *w);

/* Bytes that stand in every frame of a host, and so in no datagram. */
extern const uint8_t hosts_mark[8];

#endif
