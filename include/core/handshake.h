/* SPDX-License-Identifier: MIT */
/*
 * The session handshake with one peer, Noise_IKpsk2: packets made and taken,
 * keys installed.  Who may call, how often, and to where is peers' business.
 */
#ifndef CORE_HANDSHAKE_H
#define CORE_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/identity.h"
#include "core/peer.h"
#include "core/wire.h"

#define HANDSHAKE_CALL_MAX WIRE_REGISTER_LEN

/* Writes an INITIATION, or a REGISTER to a relay, and reserves a key.  A handshake
 * under way is given up.  Its length; 0 when the library fails. */
size_t handshake_initiate(const struct identity *self, struct peer *peer, struct instant now,
			  uint8_t out[HANDSHAKE_CALL_MAX]);

/* What an authentic INITIATION says. */
struct handshake_call {
	struct noise noise;
	uint32_t remote_index;
	uint8_t public_key[KEX_KEY];
	uint8_t hello[WIRE_HELLO];
};

/* Reads an INITIATION whose length and mac1 were checked.  False when it is
 * not authentic. */
bool handshake_read(const struct identity *self, const uint8_t packet[WIRE_INITIATION_LEN],
		    struct handshake_call *call);

/* Answers: writes the RESPONSE and installs the NEXT key.  DROP_COUNT when
 * done, otherwise why not. */
enum drop handshake_respond(const struct identity *self, struct peer *peer,
			    struct handshake_call *call, struct instant now,
			    uint8_t out[WIRE_RESPONSE_LEN]);

/* Takes the RESPONSE to our call and installs the CURRENT key.  What was
 * packed before must be sealed before.  DROP_COUNT when done. */
enum drop handshake_finish(struct peer *peer, const uint8_t packet[WIRE_RESPONSE_LEN],
			   struct instant now);

/* Gives up the handshake that this side began. */
void handshake_abandon(struct peer *peer);

void handshake_call_wipe(struct handshake_call *call);

#endif
