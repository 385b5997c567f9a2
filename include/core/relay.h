/* SPDX-License-Identifier: MIT */
/*
 * The relay without its surroundings: networks, their members, and packets
 * between those.  Takes datagrams and time, sends through an outbox; pure like
 * the site.  It has none of the networks' keys: what it carries it cannot read.
 *
 * Order of calls in a turn: relay_datagrams*, relay_tick when relay_due is
 * reached, and relay_close last, which sends.
 */
#ifndef CORE_RELAY_H
#define CORE_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/rand.h"
#include "core/kex.h"
#include "core/outbox.h"
#include "core/wire_relay.h"

#define RELAY_NETWORKS 4096

/* Why the relay dropped something: counted for all, for the network and for the
 * member where it is known. */
enum relay_drop {
	RELAY_SHORT,	   /* shorter than its kind */
	RELAY_KIND,	   /* no kind that a relay takes */
	RELAY_HEADER,	   /* impossible header, length or inner packet */
	RELAY_MAC1,	   /* handshake made for another key */
	RELAY_COOKIE,	   /* under load: answered with a cookie */
	RELAY_RATE,	   /* too many handshakes from one address */
	RELAY_HANDSHAKE,   /* not authentic: relay's key, network's access secret */
	RELAY_REPEATED,	   /* handshake seen before */
	RELAY_HELLO,	   /* names that make no sense */
	RELAY_NETWORK,	   /* no such network, and the relay is not open */
	RELAY_STRANGER,	   /* key is not on the network's list */
	RELAY_FULL,	   /* members, networks or memory at their limit */
	RELAY_INDEX,	   /* no such session */
	RELAY_AUTH,	   /* tag wrong */
	RELAY_REPLAYED,	   /* counter seen before */
	RELAY_OLD,	   /* counter behind the window */
	RELAY_EXPIRED,	   /* key past its time */
	RELAY_RECORD,	   /* authentic, but makes no sense */
	RELAY_UNCONFIRMED, /* the sender's address has not answered yet */
	RELAY_MEMBER,	   /* destination is no member, or has no address now */
	RELAY_FRAMES,	   /* above the member's or network's packets a second */
	RELAY_BYTES,	   /* above the member's or network's bytes a second */
	RELAY_SEND,	   /* socket buffer full, or no route */
	RELAY_DROP_COUNT
};

const char *relay_drop_name(enum relay_drop reason); /* stable, for programs */
const char *relay_drop_text(enum relay_drop reason); /* for people */

enum relay_access { RELAY_OPEN, RELAY_LIST, RELAY_SECRET };

/* 0 is without limit, but for members. */
struct relay_limits {
	uint32_t members;	  /* of a network, at most WIRE_MEMBERS_MAX */
	uint32_t site_packets, network_packets; /* a second, that come in */
	uint64_t site_bytes, network_bytes;	/* a second, that go out */
};

struct relay_network_setup {
	const char *name;
	enum relay_access access;
	uint8_t secret[KEX_KEY]; /* RELAY_SECRET: mixed into the handshake */
	const uint8_t (*keys)[KEX_KEY]; /* RELAY_LIST; stays the caller's, who keeps it */
	size_t n_keys;
	struct relay_limits limits;
};

struct relay_setup {
	uint8_t private_key[KEX_KEY];
	const char *name;
	struct rand_source rand;
	uint32_t max_members;	/* of all networks: memory for them is made at start */
	bool open;		/* networks that were not added are made at the first call */
	struct relay_limits limits; /* of those */
	int64_t timeout;	/* microseconds of silence after which a member is gone */
};

struct relay_traffic {
	uint64_t in_packets, in_bytes;
	uint64_t out_packets, out_bytes;
	uint64_t floods, copies; /* FLOOD that came in, and what was made of them */
};

/* What `show` tells; filled by the calls below, nothing to be freed. */
struct relay_member_view {
	uint32_t number;
	const char *name;
	const uint8_t *public_key;
	struct addr addr;
	struct instant since, heard;
	struct relay_traffic traffic;
	const uint32_t *drops; /* RELAY_DROP_COUNT of them */
};

struct relay_network_view {
	const char *name;
	enum relay_access access;
	bool configured;
	uint32_t members, revision;
	struct relay_limits limits;
	struct relay_traffic traffic;
	const uint64_t *drops;
};

struct relay;

/* send: as outbox_init's.  NULL when memory is short or the library fails. */
struct relay *relay_new(const struct relay_setup *setup,
			void (*send)(void *ctx, struct run **runs, size_t n), void *ctx,
			struct instant now);
void relay_free(struct relay *relay);

const uint8_t *relay_public_key(const struct relay *relay);

/* Adds a network, or changes its access and limits; members that may not be
 * there any more are sent away.  False when there are RELAY_NETWORKS or memory is
 * short. */
bool relay_network_set(struct relay *relay, const struct relay_network_setup *setup,
		       struct instant now);

/* Takes a network away with its members; false when there is none. */
bool relay_network_remove(struct relay *relay, const char *name, struct instant now);

/* A received message, as peers_datagrams takes it; its memory may be changed and
 * is free again after the call. */
void relay_datagrams(struct relay *relay, uint8_t socket, const struct addr *from, uint8_t *data,
		     size_t len, size_t segment, struct instant now);

void relay_tick(struct relay *relay, struct instant now);
struct instant relay_due(const struct relay *relay);

/* Sends what this turn gathered. */
void relay_close(struct relay *relay);

/* Tells all members goodbye. */
void relay_goodbye(struct relay *relay, struct instant now);

/* Walks networks and members: *at begins at 0 and is moved on; false at the end. */
bool relay_next_network(const struct relay *relay, size_t *at, struct relay_network_view *out);
bool relay_next_member(const struct relay *relay, const char *network, size_t *at,
		       struct relay_member_view *out);
const uint64_t *relay_drops(const struct relay *relay);
uint32_t relay_members(const struct relay *relay);

#endif
