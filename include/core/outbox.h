/* SPDX-License-Identifier: MIT */
/*
 * Datagrams on their way out, in runs: a run is up to RUN_SEGMENTS datagrams of
 * one size (the last may be shorter) to one place, back to back in memory, as
 * one UDP_SEGMENT message takes them.  A fixed number of runs, made once.
 *
 * Runs that are ready go out by the send callback, or are collected: whoever
 * does that sends them when and where it likes, and gives them back.
 */
#ifndef CORE_OUTBOX_H
#define CORE_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define RUN_SEGMENTS 64
#define RUN_BYTES 64000 /* under the 65507 bytes that one message may carry */
#define OUTBOX_RUNS 48 /* for one worker */
#define OUTBOX_AWAY 32 /* for each further one: as many as it may collect */
#define OUTBOX_FLUSH 60000 /* bytes that wait before they are sent in mid-batch */

struct run {
	struct addr to;
	uint8_t socket;	   /* of ours: core/sockets.h */
	uint16_t segment;  /* bytes of each datagram but the last */
	uint16_t count;	   /* datagrams */
	uint32_t owner;	   /* peer or member number, RUN_NOBODY for handshakes */
	uint32_t len;	   /* bytes of all */
	int error;	   /* set by the sender: 0 or an errno */
	uint8_t *data;	   /* RUN_BYTES + slack */
};

#define RUN_NOBODY UINT32_MAX

struct outbox {
	struct run *runs;
	struct run **idle, **ready;
	unsigned n_runs, n_idle, n_ready;
	size_t bytes;	 /* in ready runs */
	size_t flush_at; /* as many that wait are sent in mid-batch */
	uint8_t lane;	 /* of the worker that packs now */
	uint8_t *memory;

	/* Sends n runs now and sets their errors. */
	void (*send)(void *ctx, struct run **runs, size_t n);
	/* Hears of each run after it was sent, its error set. */
	void (*sent)(void *sent_ctx, const struct run *run);
	void *ctx, *sent_ctx;
};

/* For that many workers, at least one.  Several collect what is ready, and so
 * nothing is sent in mid-batch for its size.  False when memory is short. */
bool outbox_init(struct outbox *o, unsigned workers,
		 void (*send)(void *ctx, struct run **runs, size_t n), void *ctx,
		 void (*sent)(void *sent_ctx, const struct run *run), void *sent_ctx);
void outbox_free(struct outbox *o);

/* An empty run; sends what is ready when none is idle.  NULL when all are being
 * filled or are away, which a caller with at most OUTBOX_RUNS - 1 open ones never
 * sees. */
struct run *outbox_take(struct outbox *o);

/* The run is complete: it goes out with the next flush. */
void outbox_ready(struct outbox *o, struct run *run);

/* A run that stays unused. */
void outbox_give_back(struct outbox *o, struct run *run);

void outbox_flush(struct outbox *o);

/* Takes along what is ready, and says how many runs that is.  When there are more
 * than OUTBOX_AWAY, all are sent at once instead, in their order: none. */
unsigned outbox_collect(struct outbox *o, struct run *runs[OUTBOX_AWAY]);

/* Collected runs come back, their errors set. */
void outbox_sent(struct outbox *o, struct run **runs, size_t n);

/* One datagram of its own: copied, sent with the next flush. */
void outbox_datagram(struct outbox *o, const struct addr *to, uint8_t socket, uint32_t owner,
		     const uint8_t *data, size_t len);

#endif
