/* SPDX-License-Identifier: MIT */
/*
 * Members of a relay: a site in a network, with its hop session's keys.  All
 * memory is made once and its pages stay untouched until they are used.
 *
 * A receiver index names its key: random bits 13, place of the member 17, key 2.
 */
#ifndef CORE_RELAY_MEMBER_H
#define CORE_RELAY_MEMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/rand.h"
#include "core/identity.h"
#include "core/keys.h"
#include "core/outbox.h"
#include "core/relay_cache.h"
#include "core/relay_count.h"
#include "core/relay_limit.h"
#include "core/replay.h"
#include "core/wire_relay.h"

#define RELAY_MEMBERS_MAX 100000 /* of all networks */
#define RELAY_SLOT_BITS 17
#define RELAY_KEY_BITS 2
#define RELAY_KEYS 3
#define RELAY_WINDOW 2048 /* counters */
#define RELAY_WORDS REPLAY_WORDS_FOR(RELAY_WINDOW)
#define RELAY_CONTEXTS 256 /* AEAD contexts for each direction, of all members */
#define RELAY_QUESTION 12  /* body of a PING */

/* Where a datagram came from: the sender, and by which socket and address of ours
 * (core/sockets.h): who calls another address is answered from there. */
struct relay_place {
	struct addr addr; /* ADDR_NONE: nowhere */
	uint8_t socket;
};

/*
 *   NONE      no key
 *   NEXT      made, opens, not yet used to send, until a packet under it comes
 *   CURRENT   sends and opens
 *   PREVIOUS  only opens, until it retires
 * At most one of each but NONE.
 */
enum relay_key_state { RELAY_KEY_NONE, RELAY_KEY_NEXT, RELAY_KEY_CURRENT, RELAY_KEY_PREVIOUS };

struct relay_key {
	uint8_t state;		   /* enum relay_key_state */
	uint16_t seal_at, open_at; /* notes of the caches */
	uint32_t local_index;	   /* the member puts it into packets to us */
	uint32_t remote_index;
	struct relay_place answered; /* where the RESPONSE went */
	uint64_t counter;	     /* of the next packet sent */
	struct instant made;
	struct instant retire; /* of PREVIOUS: when it ends */
	uint8_t seal[AEAD_KEY], open[AEAD_KEY];
	uint64_t next; /* one more than the newest counter that came */
	uint64_t window[RELAY_WORDS];
};

struct relay_network;

struct relay_member {
	struct relay_network *network; /* NULL: the place is free */
	uint32_t network_id;
	uint32_t number;		  /* in its network; 0 before the first packet */
	uint32_t key_chain, number_chain; /* places + 1, 0 at the end */
	uint32_t bucket;		  /* of the table by key */
	uint8_t public_key[KEX_KEY];
	char name[WIRE_NAME + 1], next_name[WIRE_NAME + 1]; /* that of the NEXT key's call */
	uint8_t context_in[KEYS_CONTEXT], context_out[KEYS_CONTEXT];
	struct relay_key key[RELAY_KEYS];

	struct relay_place at;	  /* it answered from there: all that is sent goes there */
	struct relay_place asked; /* a PING went there: it may be there now */
	uint8_t question[RELAY_QUESTION];
	struct instant asked_at;

	struct list heard_in;	/* by `listed`, among those that were heard or still call */
	struct list changed_in; /* of its network's members by their last change */
	struct list told_in;	/* of its network's members by their last NOTICE */
	uint32_t changed, told; /* revisions */
	struct instant told_at;
	struct instant since, heard, listed;

	struct relay_bucket packets, bytes, answers;
	struct relay_traffic traffic;
	uint32_t drops[RELAY_DROP_COUNT];
	struct run *run; /* HOPs to it, being filled */
};

struct relay_members {
	struct relay_member *pool;
	uint32_t n, fresh; /* places, and how many of them were ever used */
	uint32_t freed;	   /* place + 1 of the one that was freed last, chained by key_chain */
	uint32_t *by_key, *by_number; /* tables of places + 1 */
	uint32_t mask;
	uint8_t secret[KEX_KEY];
	uint64_t seed;
	struct rand_source rand;
	struct relay_cache seal, open;
};

/* max: up to RELAY_MEMBERS_MAX.  False when memory is short; free it then too. */
bool relay_members_init(struct relay_members *ms, uint32_t max, struct rand_source rand);
void relay_members_free(struct relay_members *ms);

/* A place for a member; NULL when there is none.  own_id: the relay's. */
struct relay_member *relay_member_new(struct relay_members *ms, struct relay_network *network,
				      uint32_t network_id, const uint8_t public_key[KEX_KEY],
				      const uint8_t own_id[IDENTITY_ID]);

/* Wipes it; its owner took it out of all lists. */
void relay_member_forget(struct relay_members *ms, struct relay_member *m);

struct relay_member *relay_member_find(const struct relay_members *ms, uint32_t network_id,
				       const uint8_t public_key[KEX_KEY]);

/* Gives a member its number, and finds it by that. */
void relay_member_set_number(struct relay_members *ms, struct relay_member *m, uint32_t number);
struct relay_member *relay_member_numbered(const struct relay_members *ms, uint32_t network_id,
					   uint32_t number);

uint32_t relay_member_place(const struct relay_members *ms, const struct relay_member *m);

/* The key that a receiver index names, or NULL. */
struct relay_key *relay_key_find(const struct relay_members *ms, uint32_t index,
				 struct relay_member **m);

/* A place for a NEXT key, in place of one that is there: an index, and no key yet. */
struct relay_key *relay_key_reserve(struct relay_members *ms, struct relay_member *m);

/* The NEXT key, or NULL. */
struct relay_key *relay_key_next(struct relay_member *m);

/* The key is there now. */
void relay_key_install(struct relay_key *key, uint32_t remote_index, const uint8_t seal[AEAD_KEY],
		       const uint8_t open[AEAD_KEY], struct instant now);

/* A packet came under a NEXT key: it is CURRENT. */
void relay_key_confirm(struct relay_members *ms, struct relay_member *m, struct relay_key *key,
		       struct instant now);

void relay_key_drop(struct relay_members *ms, struct relay_key *key);

/* True when the key opens nothing any more. */
bool relay_key_over(const struct relay_key *key, struct instant now);

/* Drops the keys that are over. */
void relay_member_expire_keys(struct relay_members *ms, struct relay_member *m, struct instant now);

/* The CURRENT key, if there is one within its time. */
struct relay_key *relay_member_current(struct relay_member *m, struct instant now);

/* Contexts with that key, good until the next such call. */
struct aead *relay_key_seal(struct relay_members *ms, struct relay_key *key);
struct aead *relay_key_open(struct relay_members *ms, struct relay_key *key);

static inline bool relay_place_equal(const struct relay_place *a, const struct relay_place *b)
{
	return a->socket == b->socket && addr_equal(&a->addr, &b->addr);
}

#endif
