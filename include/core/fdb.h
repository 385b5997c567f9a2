/* SPDX-License-Identifier: MIT */
/*
 * Forwarding database: (VLAN, MAC) -> port, learned from source addresses and
 * aged (IEEE 802.1Q 8.8).  Memory is fixed at init: sets of FDB_WAYS places,
 * found by a keyed hash, so that a lookup is one set whatever a stranger sends.
 */
#ifndef CORE_FDB_H
#define CORE_FDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/mac.h"

#define FDB_WAYS 8
#define FDB_PORT_NONE UINT16_MAX
#define FDB_PORTS 1024			/* ports are numbers below this */
#define FDB_MOVES 5			/* as many moves in FDB_MOVE_WINDOW ... */
#define FDB_MOVE_WINDOW SECONDS(180)	/* ... hold the address until the window ends */

struct fdb_entry {
	struct mac mac;
	uint16_t vlan;
	uint16_t port; /* FDB_PORT_NONE: a free place */
	uint16_t moves;		   /* in the present window */
	uint32_t moves_total;
	struct instant seen;	   /* when a frame last came from it */
	struct instant window;	   /* when the present move window began */
};

/* What is not looked at while frames are forwarded. */
struct fdb_traffic {
	struct instant since; /* when it was first seen at its port */
	uint64_t rx_frames, rx_bytes; /* that came from it */
	uint64_t tx_frames, tx_bytes; /* that went to it */
};

enum fdb_learned {
	FDB_KNOWN,   /* it was there already */
	FDB_NEW,
	FDB_MOVED,   /* it was at another port */
	FDB_HELD,    /* moves too often: stays where it was */
	FDB_FULL,    /* no place in the table: not learned */
	FDB_QUOTA,   /* the port has its share: not learned */
	FDB_REFUSED  /* group, zero or otherwise no source address */
};

struct fdb {
	struct fdb_entry *entries;
	struct fdb_traffic *traffic; /* of each place, apart: a lookup goes past many */
	size_t sets; /* a power of two */
	uint64_t seed;
	int64_t ageing; /* microseconds; 0: never */
	uint32_t quota; /* most addresses per port */
	uint32_t used;
	uint32_t per_port[FDB_PORTS];
};

/*
 * Room for at least `entries` addresses, in twice as many places; even so a
 * set may fill (FDB_FULL) while others have room.  quota 0 lets nothing in.
 * False when memory is short.
 */
bool fdb_init(struct fdb *f, size_t entries, uint32_t quota, int64_t ageing, uint64_t seed);
void fdb_free(struct fdb *f);

/*
 * Notes that a frame of len bytes from mac came in at port.  An entry past its age counts as
 * absent.  A move that is held, or for which the new port has no quota left,
 * leaves the address at its old port and does not make it younger.
 */
enum fdb_learned fdb_learn(struct fdb *f, uint16_t vlan, struct mac mac, uint16_t port,
			   size_t len, struct instant now);

/* The port that a frame of len bytes to mac goes to, or FDB_PORT_NONE when unknown or
 * aged. */
uint16_t fdb_lookup(struct fdb *f, uint16_t vlan, struct mac mac, size_t len,
		    struct instant now);

/* The live entry, or NULL; counts nothing. */
const struct fdb_entry *fdb_find(const struct fdb *f, uint16_t vlan, struct mac mac,
				 struct instant now);

static inline const struct fdb_traffic *fdb_traffic_of(const struct fdb *f,
						       const struct fdb_entry *e)
{
	return &f->traffic[e - f->entries];
}

/* True when it would stay at its port if a frame came from it elsewhere. */
static inline bool fdb_is_held(const struct fdb_entry *e, struct instant now)
{
	return e->moves >= FDB_MOVES && instant_between(e->window, now) < FDB_MOVE_WINDOW;
}

/* Forgets all addresses of a port; how many, those past their age included. */
uint32_t fdb_flush_port(struct fdb *f, uint16_t port);

/* Drops what is past its age, which counts in used and per_port until then;
 * called now and then. */
void fdb_age(struct fdb *f, struct instant now);

/* Walks the live entries: *place starts at 0; NULL at the end. */
const struct fdb_entry *fdb_next(const struct fdb *f, size_t *place, struct instant now);

#endif
