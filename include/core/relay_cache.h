/* SPDX-License-Identifier: MIT */
/*
 * AEAD contexts of one direction for more keys than there are contexts: a fixed
 * number, made once; a key without one gets that of a key not used lately.
 */
#ifndef CORE_RELAY_CACHE_H
#define CORE_RELAY_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/aead.h"

struct relay_cached {
	struct aead aead;
	uint16_t *at; /* the note of the key that is in it, or NULL */
	bool used;    /* since the hand last came by */
};

struct relay_cache {
	struct relay_cached *places;
	unsigned n, hand;
};

/* n contexts of AES-256-GCM, 1 to 65534.  False when memory is short. */
bool relay_cache_init(struct relay_cache *c, enum aead_direction direction, unsigned n);
void relay_cache_free(struct relay_cache *c);

/* A context that has that key, good until the next call.  *at is the key's note
 * of where it is, 0 at first; it stays where it is in memory until
 * relay_cache_forget. */
struct aead *relay_cache_get(struct relay_cache *c, uint16_t *at, const uint8_t key[AEAD_KEY]);

/* The key is no more; nothing happens when it has no context. */
void relay_cache_forget(struct relay_cache *c, uint16_t *at);

#endif
