/* SPDX-License-Identifier: MIT */
/*
 * The second engine of the aead room: AES-256-GCM by Intel's IPsec Multi-Buffer
 * library, which uses VAES and AVX-512 where the processor has them.  Built
 * only where the library is installed; otherwise it is never ready.
 */
#ifndef CORE_AEAD_MB_H
#define CORE_AEAD_MB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Once per process.  False when it was not built, or the processor lacks AES. */
bool aead_mb_start(void);

/* A key's place, NULL when memory is short. */
void *aead_mb_new(void);
void aead_mb_free(void *ctx);

void aead_mb_set_key(void *ctx, const uint8_t key[32]);
void aead_mb_forget(void *ctx);

/* len bytes at in to len bytes at out (in itself or apart), and the tag. */
void aead_mb_seal(void *ctx, const uint8_t nonce[12], const void *aad, size_t aad_len,
		  const void *in, size_t len, uint8_t *out, uint8_t tag[16]);

/* Decrypts without judging: tag gets what the sender's must be. */
void aead_mb_open(void *ctx, const uint8_t nonce[12], const void *aad, size_t aad_len,
		  const void *in, size_t len, uint8_t *out, uint8_t tag[16]);

#endif
