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
#include "core/relay_count.h"
#include "core/relay_limit.h"
#include "core/wire_relay.h"

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
	uint8_t stream_mark[WIRE_STREAM_MARK]; /* what who comes by a stream is told of it */
	/* A member is at that stream; ctx as of send.  NULL: nobody asks. */
	void (*streamed)(void *ctx, const struct addr *at);
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

enum relay_event {
	RELAY_MEMBER_CAME,
	RELAY_MEMBER_WENT,
	RELAY_MEMBER_MOVED, /* it is at another address */
	RELAY_NETWORK_NEW,  /* the first member of one that is not configured came, */
	RELAY_NETWORK_GONE, /* and the last one went */
	RELAY_REFUSED,	    /* a site called: its network is not served, or its key not listed */
	RELAY_LIMIT
};

/* Valid inside the call. */
struct relay_news {
	enum relay_event event;
	const char *network;	   /* NULL: a limit of the whole relay */
	const char *name;	   /* of a member, as it says; any bytes */
	const uint8_t *public_key; /* of a member */
	struct addr addr;	   /* of a member; ADDR_NONE while not known */
	enum relay_drop reason;	   /* of a refusal, of a limit, */
	uint64_t count;		   /* and how often since it was looked at last */
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

/* Who hears of what happens, inside of the calls; NULL: nobody. */
typedef void relay_watcher(void *ctx, const struct relay_news *news);
void relay_watch(struct relay *relay, relay_watcher *watcher, void *ctx);

/* Tells of limits that were reached, each one once a minute; call once a second. */
void relay_tell_limits(struct relay *relay, struct instant now);

/* Tells all members goodbye. */
void relay_goodbye(struct relay *relay, struct instant now);

/* Walks networks and members: *at begins at 0 and is moved on; false at the end. */
bool relay_next_network(const struct relay *relay, size_t *at, struct relay_network_view *out);
bool relay_next_member(const struct relay *relay, const char *network, size_t *at,
		       struct relay_member_view *out);
/* Where that member is now; false when it is nowhere. */
bool relay_member_at(const struct relay *relay, const char *network,
		     const uint8_t public_key[KEX_KEY], struct addr *out);
const uint64_t *relay_drops(const struct relay *relay);
uint32_t relay_members(const struct relay *relay);

#endif
