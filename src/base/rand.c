/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/rand.h"

void rand_bytes(void *out, size_t n)
{
	uint8_t *p = out;

	while (n > 0) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			log_die(1, "getrandom: %s", strerror(errno));
		p += got;
		n -= (size_t)got;
	}
}

static void fill_from_kernel(void *ctx, void *out, size_t n)
{
	(void)ctx;
	rand_bytes(out, n);
}

struct rand_source rand_source_kernel(void)
{
	return (struct rand_source){ .fill = fill_from_kernel, .ctx = NULL };
}

static uint64_t splitmix64(uint64_t *state)
{
	uint64_t v = *state += 0x9e3779b97f4a7c15u;

	v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9u;
	v = (v ^ (v >> 27)) * 0x94d049bb133111ebu;
	return v ^ (v >> 31);
}

static void fill_from_seed(void *ctx, void *out, size_t n)
{
	struct rand_seeded *seeded = ctx;

	for (uint8_t *p = out; n > 0;) {
		uint64_t word = splitmix64(&seeded->state);
		size_t part = MIN(n, sizeof(word));

		memcpy(p, &word, part);
		p += part;
		n -= part;
	}
}

struct rand_source rand_source_seeded(struct rand_seeded *state, uint64_t seed)
{
	state->state = seed;
	return (struct rand_source){ .fill = fill_from_seed, .ctx = state };
}
