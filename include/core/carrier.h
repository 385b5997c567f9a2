/* SPDX-License-Identifier: MIT */
/*
 * The carrier of a wire between two sites: each tells the other whether its end has one, in
 * CONTROL records that are repeated until the other echoes them.  A peer that does not know
 * the record says nothing: its end counts as up.
 */
#ifndef CORE_CARRIER_H
#define CORE_CARRIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "core/wire.h"

#define CARRIER_SOON MS(20) /* between the first CARRIER_SOON_TIMES ... */
#define CARRIER_SOON_TIMES 5
#define CARRIER_AGAIN MS(50) /* ... and later */
#define CARRIER_MOST SECONDS(10) /* after that it is not said again */
#define CARRIER_TRUST SECONDS(2) /* a session was renewed: who then says nothing has one */

struct carrier {
	bool on;	   /* here */
	bool far;	   /* there */
	bool session;
	bool heard;	   /* within this session, and renewed since, the peer said how it is there */
	uint32_t heard_sequence;
	uint32_t sequence; /* of what is told */
	unsigned times;	   /* that it was told */
	struct instant since; /* it was first */
	struct instant next;  /* when it is told again */
	struct instant trust; /* when `far` is taken for true */
};

void carrier_init(struct carrier *c);

/* A session began, or was renewed: the peer may have forgotten all. */
void carrier_begin(struct carrier *c, struct instant now);
void carrier_end(struct carrier *c);

/* How it is here. */
void carrier_set(struct carrier *c, bool on, struct instant now);

/* The body of a CARRIER from the peer, or of one that it echoes. */
void carrier_take(struct carrier *c, const uint8_t body[WIRE_CARRIER_LEN]);
void carrier_taken(struct carrier *c, const uint8_t body[WIRE_CARRIER_LEN]);

/* True when a CARRIER is to be sent now, with its body. */
bool carrier_tick(struct carrier *c, struct instant now, uint8_t body[WIRE_CARRIER_LEN]);
struct instant carrier_due(const struct carrier *c);

#endif
