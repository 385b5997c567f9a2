/* SPDX-License-Identifier: MIT */
/*
 * A site as its relay sees it: registers, knows the member list, asks for signs of
 * life and answers them; no tunnel behind it.  Packets in, packets out.
 */
#ifndef TESTS_BENCH_CALLER_H
#define TESTS_BENCH_CALLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "core/cookie.h"
#include "core/identity.h"
#include "core/noise.h"
#include "core/wire_relay.h"

#define CALLER_ROOM 512 /* bytes of the longest packet that is written here, but a HOP */

struct caller {
	struct identity self;
	uint8_t relay_key[KEX_KEY];
	uint8_t context_out[16], context_in[16];
	struct cookie_jar jar;
	struct noise noise;
	uint32_t calling;
	uint8_t first[WIRE_REGISTER_LEN]; /* made beforehand */
	bool prepared;
	struct instant call_at; /* when to call, again if need be */
	unsigned attempts;
	bool hurried; /* a COOKIE was answered at once */

	uint32_t local, remote;
	uint64_t counter;
	struct aead seal, open;

	uint32_t number, head, reached, base;
	struct instant ask_at; /* when to ask again for what was not answered */
	uint64_t listed[WIRE_MEMBERS_MAX / 64 + 1]; /* numbers that are members */
	unsigned members, pongs, sessions, cookies;
	unsigned late, bad; /* answers to a call before the last; what makes no sense */
};

/* With a key of its own; does nothing yet.  False when the library fails. */
bool caller_init(struct caller *c, const uint8_t relay_key[KEX_KEY], const char *network,
		 const char *name);
void caller_free(struct caller *c);

/* Makes the next call now, so that it takes no time when it is due. */
void caller_prepare(struct caller *c, struct instant now);

/* Calls, from that time on until there is an answer; a session that is up stays. */
void caller_start(struct caller *c, struct instant at);

/* What is to be sent because it is time, its length; 0 for nothing. */
size_t caller_tick(struct caller *c, struct instant now, uint8_t out[CALLER_ROOM]);

size_t caller_ping(struct caller *c, uint8_t out[CALLER_ROOM]);

/* Takes any packet but a HOP; what is to be sent for it is written to out, its
 * length is returned, 0 for nothing. */
size_t caller_take(struct caller *c, uint8_t *packet, size_t len, struct instant now,
		   uint8_t out[CALLER_ROOM]);

/* Wraps the inner_len bytes at out + WIRE_HOP_HEADER; the length of all. */
size_t caller_hop(struct caller *c, uint32_t destination, size_t inner_len, uint8_t *out);

/* True when it is an authentic HOP of this session. */
bool caller_hop_good(struct caller *c, const uint8_t *packet, size_t len);

/* True when the list in hand is the one that the relay told of last. */
bool caller_knows_all(const struct caller *c);

#endif
