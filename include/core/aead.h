/* SPDX-License-Identifier: MIT */
/*
 * Authenticated encryption with associated data, 256-bit keys, 16-byte tags:
 * AES-256-GCM (NIST SP 800-38D) and ChaCha20-Poly1305 (RFC 8439), by OpenSSL;
 * AES-256-GCM by a second engine as well, where that is installed and faster.
 *
 * The nonce is 32 zero bits and a 64-bit counter, encoded as the Noise
 * specification (revision 34, section 12) says: big endian for AES-256-GCM,
 * little endian for ChaCha20-Poly1305.  The caller never uses a counter twice
 * with one key.
 */
#ifndef CORE_AEAD_H
#define CORE_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

#define AEAD_KEY 32
#define AEAD_TAG 16
#define AEAD_NONCE 12

enum cipher { CIPHER_AES_256_GCM, CIPHER_CHACHA20_POLY1305, CIPHER_COUNT };

/* "aes-256-gcm", "chacha20-poly1305". */
const char *cipher_name(enum cipher cipher);
bool cipher_parse(const char *name, enum cipher *out);

enum aead_direction { AEAD_SEAL, AEAD_OPEN };
enum aead_engine { AEAD_OPENSSL, AEAD_IPSEC_MB };

/* One key in one direction.  The context inside is made once; setting a key
 * or sealing allocates nothing. */
struct aead {
	void *ctx;
	enum cipher cipher;
	enum aead_direction direction;
	enum aead_engine engine;
	bool keyed; /* without a key nothing is sealed or opened */
};

/* Once per process, before aead_init: fetches the ciphers.  False when the
 * library lacks one. */
bool aead_start(void);

/*
 * Chooses the engine of a cipher for all contexts that are made from now on:
 * the second one when it is there, agrees with OpenSSL on a self-test (many
 * lengths, in place and apart, tags refused) and takes less time for 1400-byte
 * packets by `read_clock`.  Some milliseconds.  Without this call it is OpenSSL.
 */
enum aead_engine aead_choose(enum cipher cipher, struct instant (*read_clock)(void));

/* Takes one engine as it is; false when it is not there. */
bool aead_force(enum cipher cipher, enum aead_engine engine);

/* "openssl", "ipsec-mb": the engine in force. */
const char *aead_engine_name(enum cipher cipher);

/* Makes the context, without a key.  False when memory is short. */
bool aead_init(struct aead *aead, enum cipher cipher, enum aead_direction direction);
void aead_free(struct aead *aead);

void aead_set_key(struct aead *aead, const uint8_t key[AEAD_KEY]);

/* Writes over the key in the context. */
void aead_forget(struct aead *aead);

/*
 * Encrypts len bytes at in and writes len + AEAD_TAG bytes to out; out may be
 * in itself, or lie apart, but not overlap otherwise.  in may be NULL when len
 * is 0, as aad when aad_len is.  False only when the library fails.
 */
bool aead_seal(struct aead *aead, uint64_t counter, const void *aad, size_t aad_len, const void *in,
	       size_t len, uint8_t *out);

/*
 * Verifies and decrypts len bytes at in, of which the last AEAD_TAG are the
 * tag, into len - AEAD_TAG bytes at out (in itself, or apart).  False when the
 * tag is wrong or len is too short; out then holds nothing to be used.
 */
bool aead_open(struct aead *aead, uint64_t counter, const void *aad, size_t aad_len, const void *in,
	       size_t len, uint8_t *out);

/* The same with the nonce given, for known-answer tests. */
bool aead_seal_nonce(struct aead *aead, const uint8_t nonce[AEAD_NONCE], const void *aad,
		     size_t aad_len, const void *in, size_t len, uint8_t *out);
bool aead_open_nonce(struct aead *aead, const uint8_t nonce[AEAD_NONCE], const void *aad,
		     size_t aad_len, const void *in, size_t len, uint8_t *out);

/* A seal or open under a key used once (handshakes): makes and drops a
 * context of its own. */
bool aead_seal_once(enum cipher cipher, const uint8_t key[AEAD_KEY], uint64_t counter,
		    const void *aad, size_t aad_len, const void *in, size_t len, uint8_t *out);
bool aead_open_once(enum cipher cipher, const uint8_t key[AEAD_KEY], uint64_t counter,
		    const void *aad, size_t aad_len, const void *in, size_t len, uint8_t *out);

#endif
