/* SPDX-License-Identifier: MIT */
/*
 * Key agreement and hashing, by OpenSSL: X25519 (RFC 7748), SHA-256, HMAC
 * (RFC 2104), HKDF as Noise uses it, and keys as text.  The functions without a
 * result end the process when the library has no memory.
 */
#ifndef CORE_KEX_H
#define CORE_KEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEX_KEY 32
#define KEX_HASH 32
#define KEX_TEXT 45 /* a 32-byte key in base64 (RFC 4648), with its NUL */

/* The public key of a private one.  False only when the library fails. */
bool kex_public(uint8_t pub[KEX_KEY], const uint8_t priv[KEX_KEY]);

/* The shared secret.  False, and out zeroed, when it is all zero (a public key
 * of small order) or the library fails. */
bool kex_shared(uint8_t out[KEX_KEY], const uint8_t priv[KEX_KEY], const uint8_t pub[KEX_KEY]);

/* The same in half the time, with the public key of priv at hand. */
bool kex_shared_known(uint8_t out[KEX_KEY], const uint8_t priv[KEX_KEY],
		      const uint8_t own_pub[KEX_KEY], const uint8_t pub[KEX_KEY]);

/* SHA-256 over two pieces one after the other; b may be NULL when b_len is 0. */
void kex_hash(uint8_t out[KEX_HASH], const void *a, size_t a_len, const void *b, size_t b_len);

/* HMAC-SHA256 with a key of any length. */
void kex_hmac(uint8_t out[KEX_HASH], const void *key, size_t key_len, const void *data, size_t len);

/* Noise's HKDF(chaining key, input, n): n outputs of 32 bytes, n is 1 to 3.
 * out must not overlap the inputs. */
void kex_hkdf(uint8_t (*out)[KEX_HASH], unsigned n, const uint8_t chaining_key[KEX_HASH],
	      const void *input, size_t input_len);

/* 32 bytes as base64, 44 characters and a NUL. */
void kex_to_text(char out[KEX_TEXT], const uint8_t key[KEX_KEY]);

/* Strict: exactly 44 characters of canonical base64, nothing around them.
 * False otherwise, and out is untouched. */
bool kex_from_text(uint8_t out[KEX_KEY], const char *text);

#endif
