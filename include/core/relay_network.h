/* SPDX-License-Identifier: MIT */
/*
 * Networks at a relay: who may come, the numbers of the members, and the list of
 * them with its revisions.
 *
 * A revision counts every change of a list, and begins at random, so that who
 * comes with one from before a restart is told to begin anew.  Members that went
 * are remembered for RELAY_GONE further ones, or until there is no other number
 * left, and so long their numbers stay theirs.
 */
#ifndef CORE_RELAY_NETWORK_H
#define CORE_RELAY_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/rand.h"
#include "core/relay_count.h"
#include "core/relay_limit.h"
#include "core/relay_member.h"

#define RELAY_GONE 64

#define RELAY_LIMITS 3 /* reasons of drops that are limits */

/* What was told of them: counters of then, and when. */
struct relay_told {
	uint64_t drops[RELAY_LIMITS];
	struct instant at[RELAY_LIMITS];
};

struct relay_network {
	bool used, configured;
	uint8_t access; /* enum relay_access */
	uint8_t secret[KEX_KEY];
	const uint8_t (*keys)[KEX_KEY];
	size_t n_keys;
	struct relay_limits limits;
	char name[WIRE_NAME + 1];
	uint32_t id, chain; /* chain: id + 1 of the next in the table or among the free */

	uint32_t members, calling;		 /* with a number, and without one yet */
	uint32_t top;				 /* the highest number ever given */
	uint32_t revision, forgotten;		 /* forgotten: of the last tombstone that went */
	struct list changed, told;		 /* members by their last change, and last NOTICE */
	uint64_t numbers[WIRE_MEMBERS_MAX / 64]; /* in use, of members and tombstones */
	struct {
		uint32_t number, revision;
	} gone[RELAY_GONE];	       /* a ring of tombstones */
	uint32_t first_gone, end_gone; /* counted from the beginning of time */

	struct list waiting; /* in the relay's list while NOTICEs are due */
	struct instant tell_at;
	struct relay_bucket packets, bytes;
	struct relay_traffic traffic;
	uint64_t drops[RELAY_DROP_COUNT];
	struct relay_told told_limits;
	uint64_t turn, turn_bytes; /* of flooded copies in that turn */
};

struct relay_networks {
	struct relay_network *pool;
	uint32_t fresh, freed;
	uint32_t *by_name;
	uint8_t secret[KEX_KEY];
	struct rand_source rand;
};

/* RELAY_NETWORKS of them; their pages stay untouched until they are used.  False
 * when memory is short; free it then too. */
bool relay_networks_init(struct relay_networks *ns, struct rand_source rand);
void relay_networks_free(struct relay_networks *ns);

struct relay_network *relay_network_find(const struct relay_networks *ns, const char *name);

/* A new one, open, without members; NULL when there are RELAY_NETWORKS. */
struct relay_network *relay_network_new(struct relay_networks *ns, const char *name);

/* It has no members any more. */
void relay_network_forget(struct relay_networks *ns, struct relay_network *net);

/* False when the key is not on the network's list. */
bool relay_network_admits(const struct relay_network *net, const uint8_t public_key[KEX_KEY]);

/* True when there is no place for another member. */
bool relay_network_full(const struct relay_network *net);

/* A member of the pool joins, or its name changed, or it goes; each is a new
 * revision.  Not to be joined when it is full. */
void relay_network_join(struct relay_network *net, struct relay_members *ms,
			struct relay_member *m);
void relay_network_changed(struct relay_network *net, struct relay_member *m);
void relay_network_leave(struct relay_network *net, struct relay_member *m);

/* Writes the body of WIRE_MEMBERS for who has reached that revision from that
 * base, at most room bytes (at least one entry's); returns its length. */
size_t relay_network_list(const struct relay_network *net, uint32_t reached, uint32_t base,
			  uint8_t *out, size_t room);

#endif
