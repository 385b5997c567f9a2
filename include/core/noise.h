/* SPDX-License-Identifier: MIT */
/*
 * The Noise protocol framework, revision 34: the patterns IK, IKpsk2 and XX
 * over 25519 and SHA256 with either cipher.  Driven by a table of tokens, so a
 * pattern is data.
 *
 * Calls alternate: whoever's turn it is calls noise_write, the other side
 * noise_read.  A state that failed is of no further use.  Nothing is on the
 * heap; the caller calls noise_wipe on every path.
 */
#ifndef CORE_NOISE_H
#define CORE_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/aead.h"
#include "core/kex.h"

enum noise_pattern { NOISE_IK, NOISE_IKPSK2, NOISE_XX, NOISE_PATTERN_COUNT };
enum noise_role { NOISE_INITIATOR, NOISE_RESPONDER };

struct noise {
	enum noise_pattern pattern;
	enum noise_role role;
	enum cipher cipher;
	bool begun;	  /* false after a failure and after noise_wipe */
	unsigned message; /* messages done so far */
	bool has_key;	  /* k is set */
	bool has_remote;  /* remote_static is known */
	uint64_t nonce;	  /* of k */
	uint8_t key[AEAD_KEY];
	uint8_t chaining_key[KEX_HASH];
	uint8_t hash[KEX_HASH];
	uint8_t local_static[KEX_KEY], local_static_public[KEX_KEY];
	uint8_t local_ephemeral[KEX_KEY], local_ephemeral_public[KEX_KEY];
	uint8_t remote_static[KEX_KEY], remote_ephemeral[KEX_KEY];
	uint8_t psk[KEX_KEY];
};

/* "Noise_IKpsk2_25519_AESGCM_SHA256" and so on. */
const char *noise_protocol_name(enum noise_pattern pattern, enum cipher cipher);

/*
 * Begins a handshake.  remote_static is needed where the pattern knows it
 * beforehand (initiator of IK and IKpsk2), NULL otherwise.  psk is needed by
 * IKpsk2 only.  All arguments are copied.  False when an argument that the
 * pattern needs is NULL or the library fails.
 */
bool noise_begin(struct noise *n, enum noise_pattern pattern, enum noise_role role,
		 enum cipher cipher, const void *prologue, size_t prologue_len,
		 const uint8_t local_static[KEX_KEY], const uint8_t *remote_static,
		 const uint8_t *psk);

/* Another psk, before the message that mixes it: a responder chooses it by what
 * message 1 said. */
void noise_set_psk(struct noise *n, const uint8_t psk[KEX_KEY]);

/*
 * Writes the next message with its payload to out.  ephemeral is a fresh
 * random private key, used when this message sends one.  Returns the length,
 * or 0 when it does not fit into room, is not this side's turn, or a key
 * agreement gave all zero.
 */
size_t noise_write(struct noise *n, const uint8_t ephemeral[KEX_KEY], const void *payload,
		   size_t payload_len, uint8_t *out, size_t room);

/*
 * Reads the next message.  The payload goes to out, its length to *out_len
 * (room must hold len minus the overhead).  False when it is not authentic,
 * malformed, out of turn, or a key agreement gave all zero; n is then wiped.
 */
bool noise_read(struct noise *n, const void *message, size_t len, uint8_t *out, size_t room,
		size_t *out_len);

/* Bytes that message number i (from 0) adds to its payload. */
size_t noise_overhead(enum noise_pattern pattern, unsigned i);

/* True when the last message is done. */
bool noise_finished(const struct noise *n);

/* The two transport keys, from this side's view.  False, and the keys are
 * untouched, before the last message is done. */
bool noise_split(const struct noise *n, uint8_t send[AEAD_KEY], uint8_t receive[AEAD_KEY]);

void noise_wipe(struct noise *n);

#endif
