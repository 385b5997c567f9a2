/* SPDX-License-Identifier: MIT */
/*
 * Denial-of-service guards on handshake messages, after WireGuard's design.
 *
 * Every handshake message ends with mac1 and mac2, 16 bytes each:
 *   mac1 = HMAC-SHA256(SHA256("lanspan mac1" | receiver's public key), all before mac1)[0..16]
 *   mac2 = HMAC-SHA256(cookie, all before mac2)[0..16], or zero without a cookie
 * mac1 proves that the sender knows whom it calls; mac2 that it receives at its
 * source address.  Under load a responder answers a message whose mac2 is not
 * valid with a COOKIE packet that is shorter than the message:
 *   cookie       = HMAC-SHA256(secret of this two minutes, source address and port)[0..16]
 *   COOKIE packet = kind | 3 zero | receiver index u32 | salt 16 | sealed cookie 16 + tag 16
 *   sealed under HMAC-SHA256(SHA256("lanspan cookie" | responder's public key), salt),
 *   with counter 0 and the network's cipher, associated data: the mac1 answered.
 */
#ifndef CORE_COOKIE_H
#define CORE_COOKIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/rand.h"
#include "core/aead.h"
#include "core/kex.h"

#define COOKIE_MAC 16
#define COOKIE_MACS (COOKIE_MAC + COOKIE_MAC) /* what both add to a handshake message */
#define COOKIE_SALT 16
#define COOKIE_PACKET (8 + COOKIE_SALT + COOKIE_MAC + AEAD_TAG)
#define COOKIE_LIFE SECONDS(120)

/* The side that is called. */
struct cookie_guard {
	uint8_t mac1_key[KEX_HASH];
	uint8_t seal_key[KEX_HASH];
	uint8_t secret[2][KEX_KEY]; /* this and the one before */
	struct instant made;
	enum cipher cipher;
	struct rand_source rand;
};

/* The side that calls; one per peer. */
struct cookie_jar {
	uint8_t mac1_key[KEX_HASH];
	uint8_t seal_key[KEX_HASH];
	uint8_t cookie[COOKIE_MAC];
	uint8_t last_mac1[COOKIE_MAC];
	struct instant got; /* when the cookie came; zero: none */
	bool sent;	    /* last_mac1 is set */
	enum cipher cipher;
};

enum cookie_verdict { COOKIE_BAD_MAC1, COOKIE_MAC1_ONLY, COOKIE_MAC2_GOOD };

void cookie_guard_init(struct cookie_guard *g, enum cipher cipher, const uint8_t own[KEX_KEY],
		       struct rand_source rand, struct instant now);
void cookie_jar_init(struct cookie_jar *j, enum cipher cipher, const uint8_t peer[KEX_KEY]);

/* Writes both macs behind the len bytes at message (room for COOKIE_MACS). */
void cookie_jar_sign(struct cookie_jar *j, uint8_t *message, size_t len, struct instant now);

/* len counts the macs. */
enum cookie_verdict cookie_guard_check(struct cookie_guard *g, const uint8_t *message, size_t len,
				       const struct addr *source, struct instant now);

/* The COOKIE packet that answers message (len with macs); kind is its first
 * byte, index its receiver index. */
void cookie_guard_answer(struct cookie_guard *g, uint8_t kind, uint32_t index,
			 const uint8_t *message, size_t len, const struct addr *source,
			 struct instant now, uint8_t out[COOKIE_PACKET]);

/* Takes the cookie out of a COOKIE packet of exactly COOKIE_PACKET bytes; false
 * when it does not answer the last message signed.  Each signed message takes
 * one answer only. */
bool cookie_jar_open(struct cookie_jar *j, const uint8_t packet[COOKIE_PACKET], struct instant now);

#endif
