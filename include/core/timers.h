/* SPDX-License-Identifier: MIT */
/*
 * When a peer is greeted, asked for a sign of life, given new keys, or given
 * up.  The room is told what happened and answers what is to be done.
 *
 * With a new session: a PING at once, which the initiator's peer needs to see
 * before it uses the new key, and which gives the RTT.  Later, after a quiet
 * time (TIMERS_QUIET while frames pass, the configured keepalive otherwise) a
 * PING goes out, again after each time-out; two that stay unanswered begin a
 * handshake beside the old session; after TIMERS_DEAD the session is given up.
 * One of many peers without frames is asked later, and with more patience.
 * Rekey by the initiator after WIRE_REKEY_AFTER, by the responder
 * TIMERS_RESPONDER later, should the initiator have failed to.
 * Without a session: a handshake at once, then after 0.5 s, then every second;
 * after ten of them every other wait is 3 s, so that a path with a longer round
 * trip gets an answer through; after sixty each is 5 s; each wait is stretched
 * by up to a fifth at random.
 */
#ifndef CORE_TIMERS_H
#define CORE_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define TIMERS_QUIET MS(750)	    /* without a word while frames pass */
#define TIMERS_ACTIVE SECONDS(30)   /* frames passed within: traffic is on */
#define TIMERS_DEAD SECONDS(10)	    /* of no answer since the first PING: the end */
#define TIMERS_RESPONDER SECONDS(30)
#define TIMERS_PATIENT SECONDS(1)   /* for a PONG, of many peers; then twice as long, ... */
#define TIMERS_ENOUGH 4		    /* ... and so many PINGs before one is given up */
#define TIMERS_HOLD MS(250)	    /* all that are put off meet at multiples of that */
#define TIMERS_MEASURE SECONDS(5)   /* a PING as often while frames pass, for the RTT */

enum timers_action {
	TIMERS_PING = 1,
	TIMERS_HANDSHAKE = 2,
	TIMERS_GIVE_UP = 4,
};

struct timers {
	int64_t keepalive; /* microseconds */
	bool many;	   /* of many peers: what follows counts while no frames pass */
	int64_t spare;	   /* so much longer than the keepalive it may be quiet */
	bool hold;	   /* no PING now, but some time later */
	bool session;
	bool ask;		 /* the session is new: a PING goes out at once */
	struct instant heard;	 /* last authentic packet */
	struct instant frames;	 /* last frame, either way */
	struct instant pinged;
	unsigned unanswered;	 /* PINGs since anything was heard */
	struct instant asked;	 /* when the first of those left */
	struct instant greet;	 /* when the next handshake begins */
	unsigned attempts;	 /* handshakes without an answer */
	struct instant due;	 /* when timers_tick has something to do */
};

void timers_init(struct timers *t, int64_t keepalive, struct instant now);

/* An authentic packet came. */
void timers_heard(struct timers *t, struct instant now);

/* Frames passed.  Once a batch is enough. */
void timers_frames(struct timers *t, struct instant now);

/* A session is there. */
void timers_session_begin(struct timers *t, bool initiator, struct instant now);

/* It is gone; the next handshake comes after `wait`. */
void timers_session_end(struct timers *t, int64_t wait, struct instant now);

/* A handshake is wanted now (rekey asked for, keys worn out, a new address). */
void timers_greet_now(struct timers *t, struct instant now);

/* An INITIATION left; random stretches the wait for its answer. */
void timers_greeted(struct timers *t, uint32_t random, struct instant now);

/* An INITIATION was answered with a cookie: another, that carries it, may leave
 * at once; only the first time, then at the usual pace. */
void timers_answered(struct timers *t, struct instant now);

/* Nobody can be called (no address): no handshake until timers_greet_now. */
/* The wait for an answer to the handshake just begun is so many times longer. */
void timers_stretch(struct timers *t, unsigned times, struct instant now);

/* A handshake after that wait, unless a session begins before. */
void timers_greet_after(struct timers *t, int64_t wait, struct instant now);

/* There is no room for a handshake now: it is tried again soon, at a moment that others
 * who wait share, so that one look is for all of them.  turn: spreads them. */
void timers_greet_later(struct timers *t, unsigned turn, struct instant now);

void timers_greet_never(struct timers *t);

/* What is to be done now: enum timers_action bits.  rtt: microseconds, 0:
 * unknown.  A PING asked for counts as sent. */
unsigned timers_tick(struct timers *t, int64_t rtt, struct instant now);

#endif
