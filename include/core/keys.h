/* SPDX-License-Identifier: MIT */
/*
 * The session keys of one peer: previous, current and next, each with its
 * counter, replay window and indices.  Memory and contexts are made once.
 *
 *   RESERVED  an index is given out in an INITIATION; no key yet
 *   NEXT      responder's: made, opens, not yet used to send, until confirmed
 *   CURRENT   sends and opens
 *   PREVIOUS  only opens, until it retires
 */
#ifndef CORE_KEYS_H
#define CORE_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "core/aead.h"
#include "core/hop.h"
#include "core/key_watch.h"
#include "core/replay.h"
#include "core/wire.h"

#define KEYS_SLOTS 8	 /* per peer */
#define KEYS_SLOT_BITS 3
#define KEYS_NEXT 2	 /* unconfirmed ones at most: replays push out only these */
#define KEYS_YOUNG SECONDS(5) /* of a NEXT key: its confirmation may be on its way */
#define KEYS_CONTEXT 16
#define KEYS_AAD (KEYS_CONTEXT + WIRE_DATA_HEADER)

#define KEYS_PATHS 256 /* window of packets about paths */

/* What came of the packets that the peer sealed.  Those about paths do not count: many
 * of them are sent to where nobody is. */
struct keys_arrivals {
	uint64_t received;
	uint64_t lost; /* not come up to now, though a later one did */
	uint64_t late; /* came after a later one of their lane */
};

enum key_state { KEY_FREE, KEY_RESERVED, KEY_NEXT, KEY_CURRENT, KEY_PREVIOUS };

struct keypair {
	uint8_t state; /* enum key_state */
	bool initiator;
	bool informed; /* of NEXT: who called had used the key that was CURRENT then */
	uint32_t local_index; /* peers put it into packets to us */
	uint32_t remote_index;
	uint64_t counter; /* of the next packet sent */
	uint64_t path_counter; /* of the next about paths, without WIRE_PATH_COUNTER */
	struct instant made;
	struct instant retire; /* of PREVIOUS: when it ends */
	struct aead seal;
	struct aead open;
	struct replay replay;
	uint64_t path_next; /* the window of packets about paths */
	uint64_t path_seen[REPLAY_WORDS_FOR(KEYS_PATHS)];
	uint64_t received, late;
	uint64_t newest[WIRE_LANES]; /* of each lane, one more than its newest counter */
};

struct keys {
	struct keypair slot[KEYS_SLOTS];
	struct keypair *current; /* NULL: no session */
	uint8_t kind;		 /* of what keys_seal makes: WIRE_DATA, or a site's own floods */
	struct keys_arrivals past; /* under keys that are gone */
	uint8_t context_out[KEYS_CONTEXT];
	uint8_t context_in[KEYS_CONTEXT];
	uint8_t own_id[8], peer_id[8];
	const struct key_watch *watch; /* told of what is installed; NULL: nobody is */
	bool hop;		       /* with a relay: what watch is told */
};

/*
 * Makes all contexts.  The associated data of every DATA packet is a context
 * and then the header; the context is the first 16 bytes of SHA-256 over
 * "lanspan data", wire version, source site id, destination site id, network
 * name.  False when memory is short.
 */
bool keys_init(struct keys *k, enum cipher cipher, const char *network, const uint8_t own_id[8],
	       const uint8_t peer_id[8]);
void keys_free(struct keys *k);

/* That context, from src to dst. */
void keys_context(uint8_t out[KEYS_CONTEXT], const char *network, const uint8_t src[8],
		  const uint8_t dst[8]);

/* Takes a slot for a handshake: a free one, else the oldest that may go (NEXT
 * beyond KEYS_NEXT, PREVIOUS by its last use).  Its local_index is set to random20 << 12 |
 * base | slot; state RESERVED.  NULL cannot happen while there are spare
 * slots, as there always are: see the static assertion in keys.c. */
struct keypair *keys_reserve(struct keys *k, uint32_t base, uint32_t random, bool for_next);

/* True when another NEXT key would push out one that is young. */
bool keys_crowded(const struct keys *k, struct instant now);

/* Puts the keys into a reserved slot.  The initiator's becomes CURRENT at
 * once, the responder's NEXT. */
void keys_install(struct keys *k, struct keypair *kp, bool initiator, uint32_t remote_index,
		  const uint8_t send[AEAD_KEY], const uint8_t receive[AEAD_KEY],
		  struct instant now);

/* An authentic packet came under a NEXT key: it becomes CURRENT. */
void keys_confirm(struct keys *k, struct keypair *kp, struct instant now);

/* An authentic packet came under a NEXT key that loses a tie: it opens only,
 * as PREVIOUS. */
void keys_demote(struct keypair *kp, struct instant now);

/* A PREVIOUS key is still in use over there: it stays for another
 * WIRE_OLD_KEY, within WIRE_REJECT_AFTER. */
static inline void keys_still_used(struct keypair *kp, struct instant now)
{
	if (kp->state == KEY_PREVIOUS)
		kp->retire = instant_add(now, WIRE_OLD_KEY);
}

/* Forgets one key; current is NULL if it was that one. */
void keys_drop(struct keys *k, struct keypair *kp);
void keys_drop_all(struct keys *k);

/* Ends keys past their time: PREVIOUS that retired, any past
 * WIRE_REJECT_AFTER.  True when current ended. */
bool keys_expire(struct keys *k, struct instant now);

/* Whether a counter is new, by the window that it belongs to; see replay.h. */
enum replay_verdict keys_check(const struct keypair *kp, uint64_t counter);

/* Marks the counter of an authentic packet of that lane. */
void keys_commit(struct keypair *kp, uint8_t lane, uint64_t counter);

/* Since keys_init, under all keys. */
struct keys_arrivals keys_arrivals(const struct keys *k);

/*
 * Seals len bytes of plaintext at in (may be out + WIRE_DATA_HEADER, or apart)
 * as one DATA packet of that lane at out: len + WIRE_DATA_OVERHEAD bytes.
 */
void keys_seal(struct keys *k, uint8_t lane, const uint8_t *in, size_t len, uint8_t *out);

/* The same of a packet about paths: WIRE_FLAG_PATH, and a counter of its own kind. */
void keys_seal_path(struct keys *k, const uint8_t *in, size_t len, uint8_t *out);

/* Of a hop: wraps the packet at out + WIRE_HOP_HEADER, inner_len bytes long, into
 * a HOP for that member: inner_len + WIRE_HOP_OVERHEAD bytes at out.  There is a
 * current key. */
void keys_hop(struct keys *k, uint32_t destination, size_t inner_len, uint8_t *out);

/* True when the HOP packet, taken apart by hop_parse, is authentic. */
bool keys_hop_verify(struct keys *k, struct keypair *kp, const struct hop *hop,
		     const uint8_t *packet, size_t len);

/* Verifies a DATA packet of len bytes and decrypts it in place; the plaintext
 * lies behind the header.  False when it is not authentic. */
bool keys_open(struct keys *k, struct keypair *kp, uint8_t *packet, size_t len, uint64_t counter);

#endif
