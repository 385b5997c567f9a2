/* SPDX-License-Identifier: MIT */
/*
 * Sites and relays in memory, some behind NATs, on a clock that the test turns.
 * Public hosts are 198.51.100.N; a NAT's inside is 10.N.0.0/16.
 */
#ifndef TESTS_NAT_H
#define TESTS_NAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rand.h"
#include "core/relay.h"
#include "core/site.h"

#define NAT_SITES 40
#define NAT_RELAYS 2
#define NAT_BOXES 4
#define NAT_MAPPINGS 64
#define NAT_WIRE 32768
#define NAT_QUEUE 150	/* packets that wait for a site that is slow; more are lost */
#define NAT_DELAY MS(5) /* one way */
#define NAT_FRAMES 16384

/* Of RFC 4787: mapping and filtering independent of the endpoint; mapping
 * independent, filtering by address and port; both by address and port. */
enum nat_kind { NAT_NONE, NAT_CONE, NAT_RESTRICTED, NAT_SYMMETRIC };

struct nat_mapping {
	struct addr inside, outside; /* outside: where the NAT receives for it */
	struct addr to;		     /* of a symmetric one */
	struct addr spoken[8];	     /* who was sent to */
	unsigned n_spoken;
	struct instant used;
};

struct nat_box {
	enum nat_kind kind;
	int behind; /* another NAT, -1: none */
	struct addr outside;
	uint16_t next_port;
	struct nat_mapping mapping[NAT_MAPPINGS];
	unsigned n;
};

struct nat_world;

struct nat_host {
	struct nat_world *world;
	struct addr addr;
	int behind; /* NAT, -1: none */
	bool dead;  /* nothing leaves, nothing arrives */
	bool is_site;
	unsigned number;
	unsigned taken, waiting; /* packets in this turn: handled, and not */
	unsigned mtu;
};

struct nat_site {
	struct nat_host host;
	struct rand_seeded rand;
	struct site site;
	struct port port;
	struct peer *peer[NAT_SITES];
	struct link *link[NAT_RELAYS];
	unsigned events[PEER_EVENTS];
	uint32_t got[NAT_FRAMES]; /* numbers of the frames that came out */
	size_t n_got;
};

struct nat_relay {
	struct nat_host host;
	struct rand_seeded rand;
	struct relay *relay;
	uint8_t private_key[KEX_KEY];
	uint64_t sent; /* datagrams */
};

struct nat_packet {
	uint8_t *data;
	size_t len;
	struct addr from, to;
	struct nat_host *at;
	struct instant when;
};

struct nat_world {
	struct instant now;
	struct nat_site s[NAT_SITES];
	struct nat_relay r[NAT_RELAYS];
	struct nat_box box[NAT_BOXES];
	unsigned n_sites, n_relays, n_boxes;
	int64_t timeout; /* of mappings */
	struct nat_packet wire[NAT_WIRE];
	size_t n_wire;
	unsigned turn;	  /* each site runs only once in so many ms; 0: always ... */
	unsigned handles; /* ... and handles so many packets then; 0: all */
	unsigned lost; /* packets that nobody got */
	/* False for a packet that is lost. */
	bool (*filter)(struct nat_world *w, const struct nat_packet *packet);
};

struct nat_world *nat_new(unsigned relays);
void nat_free(struct nat_world *w);

/* A NAT behind another one (-1: public); its number. */
int nat_add(struct nat_world *w, enum nat_kind kind, int behind);

/* A site, behind a NAT or -1; it knows all relays, and sites made before and later
 * know each other's keys and nothing else.  Its number. */
unsigned nat_site_add(struct nat_world *w, int behind);

/* Relay i is made, or made again after nat_relay_kill; it has the same key. */
void nat_relay_start(struct nat_world *w, unsigned i);
void nat_relay_kill(struct nat_world *w, unsigned i);

void nat_run(struct nat_world *w, int64_t us);

/* A stream between a site and a relay, for peers_set_stream; packets to it pass as long as
 * the filter lets them. */
struct addr nat_stream(unsigned site, unsigned relay);
#define NAT_MARK "a stream's mark!" /* of all relays */

/* Runs until a and b have a session on that kind of path both ways, at most so long. */
bool nat_until(struct nat_world *w, unsigned a, unsigned b, bool relayed, int64_t us);

bool nat_is(const struct nat_world *w, unsigned a, unsigned b, bool relayed);

/* A frame with that number from site a's host to site b's (b: a: to all). */
void nat_send(struct nat_world *w, unsigned a, unsigned b, uint32_t number);
unsigned nat_got(const struct nat_world *w, unsigned b, uint32_t number);

#endif
