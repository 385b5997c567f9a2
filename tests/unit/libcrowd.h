/* SPDX-License-Identifier: MIT */
/*
 * Sites around a relay, on a clock that the test turns: the calling side of hop
 * sessions, written from the protocol's description and sharing none of the relay's
 * code but ciphers.
 */
#ifndef TESTS_UNIT_LIBCROWD_H
#define TESTS_UNIT_LIBCROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rand.h"
#include "core/cookie.h"
#include "core/noise.h"
#include "core/relay.h"
#include "core/replay.h"

#define CROWD_WIRE 65536
#define CROWD_HOPS 64
#define CROWD_LIST 512

struct crowd;

struct crowd_session {
	bool up;
	uint32_t local, remote;
	struct aead seal, open;
	bool made; /* the contexts are */
	uint64_t counter;
	uint64_t next, seen[REPLAY_WORDS_FOR(256)]; /* of what came: none comes twice */
};

struct crowd_hop {
	uint32_t source, destination;
	size_t len;
	uint8_t inner[64]; /* its beginning */
};

struct crowd_entry {
	bool there;
	uint8_t public_key[KEX_KEY];
	char name[WIRE_NAME + 1];
};

struct crowd_site {
	struct crowd *crowd;
	uint32_t i;
	struct addr addr;
	uint8_t private_key[KEX_KEY], public_key[KEX_KEY], psk[KEX_KEY];
	char network[WIRE_NAME + 1], name[WIRE_NAME + 1];
	uint8_t context_in[16], context_out[16];
	struct noise noise;
	uint32_t calling;
	struct cookie_jar jar;
	struct crowd_session now, before;

	bool dumb;   /* sends no answer to a PING, and none to a RESPONSE */
	bool lazy;   /* does not ask for the member list by itself */
	bool closed; /* was told goodbye */
	char relay_name[WIRE_NAME + 1];
	uint32_t number, revision, observed_port;
	uint8_t observed_family, observed_ip[16];
	unsigned pongs, probed, notices, responses, cookies, members, resets, pings, bad;
	size_t longest; /* of the DATA packets that came */

	uint32_t reached, base;		   /* of the list */
	struct crowd_entry *list;	   /* CROWD_LIST of them, by number, when wanted */
	struct crowd_hop hops[CROWD_HOPS]; /* the last ones */
	unsigned n_hops;
};

/* A datagram from the relay. */
struct crowd_packet {
	struct addr to;
	uint8_t socket;
	uint8_t *data;
	size_t len;
};

struct crowd {
	struct relay *relay;
	struct instant now;
	struct rand_seeded rand;
	struct rand_source source;
	struct crowd_site *sites;
	uint32_t n;
	struct crowd_packet *wire;
	size_t n_wire, at;			/* waiting are those from at on */
	bool cut;				/* nothing that the relay sends arrives */
	int error;				/* what the relay's sending ends with */
	uint64_t sent, sent_bytes, calls, runs; /* datagrams, their bytes; calls to send */
	unsigned kinds[256];			/* datagrams sent, by first byte */
	size_t widest;				/* run, in datagrams */
};

/* A relay with these sites, none of which has called yet.  NULL setup: open, 10 000
 * members, 60 s, no limits.  Site i is at 10.0.0.0 + i, port 7741, in the network
 * "lab" and named "site-i". */
struct crowd *crowd_new(const struct relay_setup *setup, uint32_t n);
void crowd_free(struct crowd *c);

/* The usual setup, to be changed. */
struct relay_setup crowd_setup(void);

/* Lets all that is on the wire arrive, and time pass, with all ticks. */
void crowd_run(struct crowd *c, int64_t us);

/* Takes off the wire all that the relay sent and gives it to nobody. */
void crowd_forget(struct crowd *c);

/* A datagram arrives at the relay; a copy of it. */
void crowd_inject(struct crowd *c, const struct addr *from, const void *data, size_t len);

/* A REGISTER as it would be sent now: written to out, not sent. */
void crowd_call(struct crowd_site *s, uint8_t out[WIRE_REGISTER_LEN]);
void crowd_register(struct crowd_site *s);

/* n sites from first on register and are members. */
void crowd_join(struct crowd *c, uint32_t first, uint32_t n);

/* Seals a DATA packet with these bytes as its plaintext; returns its length. */
size_t crowd_seal(struct crowd_site *s, const void *plain, size_t len, uint8_t *out);
void crowd_control(struct crowd_site *s, uint8_t type, const void *body, size_t len);
void crowd_ping(struct crowd_site *s);

/* A HOP with len bytes of a DATA (or for WIRE_HOP_FLOOD, FLOOD) packet inside. */
size_t crowd_hop_make(struct crowd_site *s, uint32_t source, uint32_t destination, size_t len,
		      uint8_t *out);
void crowd_hop(struct crowd_site *s, uint32_t destination, size_t len);

/* Drops of that reason, of all; of a network; of a member. */
uint64_t crowd_drops(const struct crowd *c, enum relay_drop reason);
uint64_t crowd_network_drops(const struct crowd *c, const char *network, enum relay_drop reason);
uint32_t crowd_member_drops(const struct crowd_site *s, enum relay_drop reason);

/* What `show` tells of it; false when it is no member. */
bool crowd_view(const struct crowd_site *s, struct relay_member_view *out);

#endif
