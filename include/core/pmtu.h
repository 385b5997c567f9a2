/* SPDX-License-Identifier: MIT */
/*
 * Datagram packetization layer path MTU discovery (RFC 8899) for one path and
 * one direction: which datagram size may be sent.  Sizes here are of the whole
 * IP packet, headers included (so 1500, 1280, ...).  The caller sends probes
 * and says what happened; nothing else moves the value.
 *
 * States: BASE (confirming that PMTU_BASE works), SEARCH (probing larger sizes),
 * DONE (search complete; looks again after PMTU_RAISE), BLACKHOLE -> BASE.
 */
#ifndef CORE_PMTU_H
#define CORE_PMTU_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define PMTU_BASE 1248		    /* IP packet: a datagram of 1200 bytes over IPv6 */
#define PMTU_LEAST 576		    /* a limit below this is taken as this */
#define PMTU_STEP 8		    /* the search ends when it knows the size this well */
#define PMTU_RAISE SECONDS(600)	    /* look for growth as often */
#define PMTU_PROBES 3		    /* probes of a size before it counts as too large */
#define PMTU_MISSES 5		    /* unanswered confirmations in a row make a black hole */
#define PMTU_CHECK SECONDS(1)	    /* a size above base is confirmed as often, as data flows */

enum pmtu_state { PMTU_STATE_BASE, PMTU_STATE_SEARCH, PMTU_STATE_DONE };

struct pmtu {
	uint16_t now_size;	  /* the size in force */
	uint16_t limit;		  /* largest that the local interface allows */
	uint16_t low, high;	  /* search: low works, high does not (or limit + 1) */
	uint16_t probe_size;	  /* of the probe under way; 0: none */
	uint16_t target;	  /* the size that base or search try now; 0: none yet */
	uint8_t tries;		  /* probes of the target that were sent */
	uint8_t misses;		  /* confirmations of now_size that went unanswered */
	uint8_t state;		  /* enum pmtu_state */
	bool hinted;		  /* a check is wanted whether data flows or not */
	uint32_t probe_id;	  /* of the last probe */
	uint32_t target_id;	  /* of the first probe of the target */
	uint32_t check_id;	  /* of the first probe of the confirmation under way */
	struct instant next;	  /* when there is something to do */
	struct instant sent;	  /* when the last probe left */
	struct instant confirmed; /* when now_size was confirmed */
	struct instant raise;	  /* when to look for growth again */
	uint64_t shrunk;	  /* times a black hole was found */
};

/* A path as yet unknown.  limit: MTU of the interface it leaves by. */
void pmtu_init(struct pmtu *p, uint16_t limit, struct instant now);

/*
 * When pmtu_due is reached: the size of a probe to send now, with a new
 * *id, or 0 for none (a timeout was only noted).  rtt: smoothed round trip in
 * microseconds, 0 when unknown; data_flowing: data left since the last call.
 * May lower now_size when confirmations stayed away (black hole: within 3 s).
 */
uint16_t pmtu_probe(struct pmtu *p, int64_t rtt, bool data_flowing, struct instant now,
		    uint32_t *id);
struct instant pmtu_due(const struct pmtu *p);

/* The probe with that id and size was confirmed by the peer; an answer that
 * comes late, to an earlier try of the same size, counts.  True when now_size
 * changed. */
bool pmtu_confirmed(struct pmtu *p, uint32_t id, uint16_t size, struct instant now);

/* The interface, or the kernel by refusing a larger packet, says that it takes
 * at most `limit`: a local fact, taken at once.  A larger limit than before
 * starts a search. */
void pmtu_local_limit(struct pmtu *p, uint16_t limit, struct instant now);

/* An unauthenticated hint (ICMP): only makes the next check come now, and not
 * while a probe is under way or just after one was answered. */
void pmtu_hint(struct pmtu *p, struct instant now);

#endif
