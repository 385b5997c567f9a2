/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"

uint64_t hash_bytes(const void *p, size_t n, uint64_t seed)
{
	const uint8_t *b = p;
	uint64_t h = hash_u64(n, seed);

	while (n > 0) {
		uint64_t word = 0;
		size_t part = MIN(n, sizeof(word));

		memcpy(&word, b, part);
		h = hash_u64(word, h);
		b += part;
		n -= part;
	}
	return h;
}
