/* SPDX-License-Identifier: MIT */
/* Randomness from the kernel, getrandom(2).  Fit for keys. */
#ifndef BASE_RAND_H
#define BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

/* Fills n bytes; ends the process when the kernel has no randomness, which
 * cannot happen after early boot. */
void rand_bytes(void *out, size_t n);

/*
 * A source of randomness as an argument, for the core: the daemon hands
 * rand_source_kernel(), the simulator a seeded one.
 */
struct rand_source {
	void (*fill)(void *ctx, void *out, size_t n);
	void *ctx;
};

struct rand_source rand_source_kernel(void);

/* A repeatable stream from seed (splitmix64): for tests, never for keys that
 * protect anything. */
struct rand_seeded {
	uint64_t state;
};
struct rand_source rand_source_seeded(struct rand_seeded *state, uint64_t seed);

static inline void rand_fill(const struct rand_source *source, void *out, size_t n)
{
	source->fill(source->ctx, out, n);
}

#endif
