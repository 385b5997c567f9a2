/* SPDX-License-Identifier: MIT */
/*
 * What a relay can do that means ill: it has all hop keys, so whatever it changes has
 * a valid hop tag again, and it writes what it likes into its own DATA.  The packets
 * are those that an honest relay made and is about to send; each is looked at here, and
 * goes out changed, multiplied, elsewhere or not at all.
 */
#ifndef TESTS_NETNS_LIBEVIL_H
#define TESTS_NETNS_LIBEVIL_H

#include "../../src/core/relay_parts.h"
#include "host/udp.h"

#define EVIL_PACKET 1600
#define EVIL_RING 8192	  /* packets remembered, to be sent again later */
#define EVIL_CALLS_MAX 64 /* INITIATIONs remembered */
#define EVIL_MEMBERS 64	  /* places of members that lies are kept for */

enum evil {
	EVIL_NONE,	/* honest */
	EVIL_HEADER,	/* a bit of the inner packet's header is another; ... */
	EVIL_BODY,	/* ... of its ciphertext ... */
	EVIL_TAG,	/* ... of its tag */
	EVIL_READDRESS, /* to others as well, stamped with the sender and with others */
	EVIL_STAMP,	/* stamped with another member */
	EVIL_SWAP,	/* for one: as for all; for all: as for one */
	EVIL_REPLAY,	/* 2 to 20 times more */
	EVIL_OLD,	/* what passed earlier, again */
	EVIL_CROSS,	/* to all members of other networks as well */
	EVIL_REFLECT,	/* back to the sender */
	EVIL_CALLS,	/* handshakes: forged, answered, mixed up */
	EVIL_RECORDS,	/* says as a relay what only sites say */
	EVIL_KEYS,	/* list: members have each other's keys */
	EVIL_INVENT,	/* list: members that are not there, this relay among them */
	EVIL_NOBODY,	/* list: nobody */
	EVIL_CROWD,	/* list: as many as there can be */
	EVIL_NAMES,	/* list: names that are none */
	EVIL_NUMBER,	/* NOTICE: another's number as the site's own */
	EVIL_PLACE,	/* NOTICE: observed at the victim's place */
	EVIL_RESTLESS,	/* NOTICE: the same, at another port each time, a hundred times a second */
	EVIL_COUNT
};

struct evil_kept {
	uint32_t network, member; /* member: its place in the pool */
	uint32_t source, destination;
	uint16_t len;
	uint8_t inner[EVIL_PACKET];
};

struct evil_call {
	uint32_t network, caller, callee, index;
};

struct hostile {
	struct relay *relay;
	struct udp udp;
	struct rand_source rand;
	enum evil evil;
	struct addr victim;
	struct instant now;
	uint64_t done, bytes; /* datagrams of the evil under way */
	struct aead seal, open;
	struct evil_kept ring[EVIL_RING];
	size_t kept, again; /* so many passed; so many of those were sent again */
	struct evil_call calls[EVIL_CALLS_MAX];
	unsigned n_calls;
	unsigned told[EVIL_MEMBERS]; /* entries of a lie that the member has by now */
};

const char *evil_name(enum evil evil);

/* A run as the honest relay made it. */
void evil_run(struct hostile *h, const struct run *run);

/* Begins an evil: members ask for the list anew. */
void evil_begin(struct hostile *h, enum evil evil);

/* Every ten milliseconds. */
void evil_tick(struct hostile *h);

/* ---- between the files ---- */

/* A HOP that is on its way to m. */
struct evil_passing {
	struct relay_member *m;
	struct hop hop;
	uint8_t inner[EVIL_PACKET];
};

/* The member of that number, or NULL. */
struct relay_member *evil_numbered(struct hostile *h, uint32_t network, uint32_t number);

/* Sends it on as it is. */
void evil_again(struct hostile *h, const struct evil_passing *p);

/* An INITIATION passes. */
void evil_remember_call(struct hostile *h, const struct evil_passing *p);

/* Of handshakes the answers do not arrive; what arrives instead nobody gave, or not to
 * that call. */
void evil_handshake(struct hostile *h, struct evil_passing *p);

uint32_t evil_random(struct hostile *h, uint32_t below);

/* The relay's DATA with that plaintext; flags: of its header. */
void evil_data(struct hostile *h, struct relay_member *m, uint8_t flags, const uint8_t *plain,
	       size_t len);

/* A HOP to the member, with whatever source and destination. */
void evil_hop(struct hostile *h, struct relay_member *m, uint32_t source, uint32_t destination,
	      const uint8_t *inner, size_t len);

/* What the relay says to a member, decrypted: goes out as the evil wants it. */
void evil_control(struct hostile *h, struct relay_member *m, const uint8_t *plain, size_t len);

/* A NOTICE to everybody. */
void evil_notices(struct hostile *h);

#endif
