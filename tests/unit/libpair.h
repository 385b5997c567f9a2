/* SPDX-License-Identifier: MIT */
/* Sites joined in memory, on a clock that the test turns. */
#ifndef TESTS_PAIR_H
#define TESTS_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rand.h"
#include "core/site.h"

#define PAIR_SITES 3
#define PAIR_WIRE 4096
#define PAIR_FRAMES 4096
#define PAIR_DELAY MS(10) /* one way */

struct pair;

struct pair_packet {
	uint8_t *data;
	size_t len;
	struct addr from, to;
	struct instant at; /* when it arrives */
};

struct pair_frame {
	uint8_t *data;
	size_t len;
	struct vnet vnet;
};

struct pair_site {
	struct pair *pair;
	unsigned number;
	struct rand_seeded rand;
	struct site site;
	struct port port;
	struct addr addr;
	struct addr second; /* of the same host, or ADDR_NONE */
	bool prefers_second; /* where the kernel chooses */
	unsigned mtu;
	struct peer *peer[PAIR_SITES];
	struct pair_frame frames[PAIR_FRAMES];
	size_t n_frames;
	unsigned events[PEER_EVENTS];
};

struct pair {
	struct instant now;
	struct pair_site s[PAIR_SITES];
	unsigned n;
	struct pair_packet wire[PAIR_WIRE];
	size_t n_wire;
	bool cut;  /* nothing arrives */
	bool keep; /* everything that is sent is kept as well */
	struct pair_packet kept[PAIR_WIRE];
	size_t n_kept;
	unsigned kinds[256]; /* packets sent, by first byte */
	/* Returns false for a packet that gets lost; may change it. */
	bool (*filter)(struct pair *p, struct pair_packet *packet);
};

/* How a site is set up; zero for all that is not said. */
struct pair_setup {
	const char *network;
	enum cipher cipher;
	uint8_t psk;
	bool no_address;   /* does not know where the others are */
	bool stranger;	   /* the others do not know it */
	bool wire;
	int64_t keepalive; /* 25 s */
	const struct key_watch *key_watch;
};

/* What sites call their addresses, where they have two. */
enum { PAIR_FIRST = 1, PAIR_SECOND };

/* Gives a site a second address, 198.51.100.N. */
void pair_second(struct pair *p, unsigned a);

/* n sites, all know each other, none has run yet. */
struct pair *pair_new(unsigned n, const struct pair_setup setup[]);
void pair_free(struct pair *p);

/* Lets that many microseconds pass. */
void pair_run(struct pair *p, int64_t us);

/* A packet arrives now. */
void pair_inject(struct pair *p, const struct pair_packet *packet);

/* Frame number n of len bytes from a host of a to a host of b (a: to all). */
void pair_send(struct pair *p, unsigned a, unsigned b, unsigned n, size_t len);

/* How often frame number n came out at site b. */
unsigned pair_got(const struct pair *p, unsigned b, unsigned n);

bool pair_connected(const struct pair *p, unsigned a, unsigned b);

/* Forgets frames received so far. */
void pair_forget(struct pair *p);

/* Drops of that reason at site a: of the site and of all its peers. */
uint64_t pair_drops(const struct pair *p, unsigned a, enum drop reason);

/* The first kept packet of a kind from that site, or NULL. */
const struct pair_packet *pair_find(const struct pair *p, unsigned from, uint8_t kind);

#endif
