/* SPDX-License-Identifier: MIT */
/*
 * The places where one peer may be, each tried by CHALLENGEs until one is
 * answered or a series of them is over.  Sending, and which answered place is
 * made use of, is the caller's business.
 */
#ifndef CORE_PATHS_H
#define CORE_PATHS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"

#define PATHS_MAX 16
#define PATHS_TRIES 7	       /* CHALLENGEs of one series */
#define PATHS_LIFE SECONDS(90) /* a place that nobody named again may give way */

enum path_state { PATH_IDLE, PATH_TRYING, PATH_GOOD, PATH_FAILED };

/* Who named the place; a later one of a better kind takes over. */
enum path_source { PATH_SEEN, PATH_TOLD, PATH_CONFIGURED, PATH_MEMBER };

struct path {
	struct addr addr;
	uint8_t socket; /* core/sockets.h */
	uint8_t state;	/* enum path_state */
	uint8_t source; /* enum path_source */
	uint8_t tries;
	uint64_t nonce;	     /* of the series under way */
	struct instant next; /* when the next CHALLENGE leaves */
	struct instant sent;
	struct instant named;
	struct instant good; /* when it was answered last */
	int64_t rtt;	     /* microseconds, 0: not known */
};

struct paths {
	struct path path[PATHS_MAX];
	unsigned n;
};

/* Names a place: a new one is idle.  It is the same by whichever address of ours; the one
 * that was named last stands.  The least recently named one that is not good gives way
 * when there are too many; NULL when none can. */
struct path *paths_name(struct paths *p, const struct addr *addr, uint8_t socket,
			enum path_source source, struct instant now);

struct path *paths_find(struct paths *p, const struct addr *addr, uint8_t socket);

/* Begins a series, if none is under way. */
void path_try(struct path *path, uint64_t nonce, struct instant now);

/* The place whose CHALLENGE is due, which counts as sent; NULL when there is none
 * now.  A series that is over without an answer ends as PATH_FAILED. */
struct path *paths_due_now(struct paths *p, struct instant now);

/* No CHALLENGE is due before that. */
void paths_wait(struct paths *p, struct instant until);

/* The place that this nonce was sent to, now good; NULL when the answer comes from
 * elsewhere, or is not awaited.  It may come to another address of ours than the nonce
 * left from, and goes on by that one. */
struct path *paths_answered(struct paths *p, const struct addr *addr, uint8_t socket,
			    uint64_t nonce, struct instant now);

/* Forgets the places of that relay member. */
void paths_forget(struct paths *p, const struct addr *addr);

struct instant paths_due(const struct paths *p);

#endif
