/* SPDX-License-Identifier: MIT */
/*
 * Flood keys: what is for everybody leaves a site once, sealed under a key of the
 * site's own, and the relay copies it.  Here is the own key, one at a time, with the
 * one that is to follow; the keys that one peer handed over; and packets that came
 * before their key.  Handing over, and what goes through which relay, is the
 * business of the peers room.
 */
#ifndef CORE_FLOOD_H
#define CORE_FLOOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/rand.h"
#include "core/aead.h"
#include "core/drop.h"
#include "core/keys.h"
#include "core/pack.h"
#include "core/replay.h"
#include "core/wire_relay.h"

#define FLOOD_LIFE SECONDS(3600) /* of an own key */
#define FLOOD_SWITCH SECONDS(2)	 /* the next key is in force then, whoever has it */
#define FLOOD_AGAIN MS(500)	 /* a key without an answer is handed over again ... */
#define FLOOD_SOON 6		 /* ... so often, ... */
#define FLOOD_LATER SECONDS(10)	 /* ... and then as often */
#define FLOOD_ASK SECONDS(1)	 /* a peer is asked for a key at most as often */
#define FLOOD_ANSWER MS(200)	 /* and a key that was asked for goes out as often */
#define FLOOD_KEYS 2		 /* of one peer */
#define FLOOD_HELD 8		 /* packets of all peers that wait for their key */
#define FLOOD_HOLD SECONDS(2)
#define FLOOD_PACKET 1500 /* a longer one is not held */

/* When broadcast goes through a relay. */
enum flood_mode {
	FLOOD_AUTO,   /* when it saves copies where they are dear */
	FLOOD_RELAY,  /* whenever it can */
	FLOOD_DIRECT, /* never */
};

struct flood_secret {
	uint32_t id; /* 0: none */
	uint8_t key[AEAD_KEY];
};

/* The own key. */
struct flood {
	enum flood_mode mode;
	struct keys keys;	  /* keys.current seals; NULL: no key is in force */
	struct flood_secret now;  /* that one */
	struct flood_secret next; /* handed over, not yet in force */
	struct instant made;	  /* of now: when it was */
	struct instant since;	  /* of next */
	struct pack pack;	  /* onto the relay */
	uint8_t link;		  /* number of the relay that it is for, or was last */
	struct instant due;	  /* when there is something to do */
	uint64_t sent;		  /* frames that left once for several peers */
	uint64_t saved;		  /* copies that were not made for that */
};

/* False when memory is short.  Owner of the runs: set with the relay. */
bool flood_init(struct flood *f, enum cipher cipher, const char *network, const uint8_t own_id[8],
		struct outbox *outbox);
void flood_free(struct flood *f);

/* Makes the key that is to follow; one that was is forgotten. */
void flood_renew(struct flood *f, const struct rand_source *rand, struct instant now);

/* The next key is in force, the one before is forgotten.  Closes the packer. */
void flood_switch(struct flood *f, struct instant now);

/* Forgets the key in force, and the next as well if that is asked for. */
void flood_forget(struct flood *f, bool next);

/* True when the key in force has served its time. */
bool flood_worn(const struct flood *f, struct instant now);

/* Counter of the first packet that is not sealed yet. */
static inline uint64_t flood_counter(const struct flood *f)
{
	return f->keys.current ? f->keys.current->counter : 0;
}

/* What handing over says, and what answers it. */
#define FLOOD_KEY_LEN (4 + AEAD_KEY + 8)
#define FLOOD_ID_LEN 4

/* A peer's key, for what it floods. */
struct flood_key {
	struct flood_secret secret;
	uint64_t from;	       /* packets before are not for us */
	struct instant retire; /* when it ends */
	struct aead open;
	struct replay replay;
};

struct flood_in {
	uint8_t context[KEYS_CONTEXT];
	struct flood_key key[FLOOD_KEYS];
	uint8_t newest;
	uint8_t peer_id[8];
	const struct key_watch *watch; /* told of what is taken; NULL: nobody is */
};

bool flood_in_init(struct flood_in *in, enum cipher cipher, const char *network,
		   const uint8_t peer_id[8]);
void flood_in_free(struct flood_in *in);

/* The peer handed a key over: takes the place of the older one, which the newer
 * outlives by WIRE_OLD_KEY at most.  A key that is there already stays as it is.  The
 * id 0 is none: false. */
bool flood_in_take(struct flood_in *in, const struct flood_secret *secret, uint64_t from,
		   struct instant now);

/* Forgets all keys, and those that are past their time. */
void flood_in_forget(struct flood_in *in);
void flood_in_expire(struct flood_in *in, struct instant now);

/* Verifies a FLOOD packet and decrypts it in place.  DROP_COUNT, and the number of its
 * key; or why not: DROP_FLOOD when the key is not there. */
enum drop flood_in_open(struct flood_in *in, uint8_t *packet, size_t len, struct instant now,
			unsigned *number);

/* What a site and one peer know of each other's keys. */
struct flood_peer {
	struct flood_in in;
	struct instant asked; /* when the peer was asked for a key */
	uint64_t frames;      /* that it flooded */

	/* Of the own key. */
	bool holds, holds_next; /* it has now, next */
	uint32_t given;		/* the last one that was handed over in this session, 0: none */
	uint64_t from;		/* the first packet under now that is for it */
	struct instant since;	/* when it was to have now first, and did not answer yet */
	struct instant again;	/* when the newest is handed over again */
	struct instant handed;
	uint8_t tries;
};

/* Packets that came before their key, in their order. */
struct flood_held {
	uint16_t peer;
	bool ready; /* its key came */
	uint16_t len;
	struct instant until;
	uint8_t packet[FLOOD_PACKET];
};

struct flood_hold {
	unsigned n;
	struct flood_held *held[FLOOD_HELD]; /* the first n are in use */
	struct flood_held memory[FLOOD_HELD];
};

void flood_hold_init(struct flood_hold *h);

/* Copies it; false when there is no room. */
bool flood_hold_put(struct flood_hold *h, uint16_t peer, const uint8_t *packet, size_t len,
		    struct instant now);

/* Packets of that peer under that key are ready. */
void flood_hold_ready(struct flood_hold *h, uint16_t peer, uint32_t id);

/* Takes a packet out; its memory stays until the next put. */
struct flood_held *flood_hold_remove(struct flood_hold *h, unsigned i);

struct instant flood_hold_due(const struct flood_hold *h);

#endif
