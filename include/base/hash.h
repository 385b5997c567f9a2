/* SPDX-License-Identifier: MIT */
/*
 * Keyed mixing for tables.  Not a cryptographic hash: tables that a stranger
 * can fill keep their probe length bounded by construction as well.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* A well mixed 64-bit value of v under seed. */
static inline uint64_t hash_u64(uint64_t v, uint64_t seed)
{
	v ^= seed;
	v ^= v >> 32;
	v *= 0xd6e8feb86659fd93u;
	v ^= v >> 32;
	v *= 0xd6e8feb86659fd93u;
	v ^= v >> 32;
	return v;
}

uint64_t hash_bytes(const void *p, size_t n, uint64_t seed);

#endif
