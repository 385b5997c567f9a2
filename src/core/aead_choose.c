/* SPDX-License-Identifier: MIT */
#include "core/aead.h"

#include <string.h>

#include "base/bytes.h"

#define LONGEST 3000
#define ROUNDS 5
#define PACKETS 300
#define PACKET 1400

/* One key, both directions, by both engines. */
struct pair {
	struct aead seal, open;
};

static bool pair_init(struct pair *p, enum cipher cipher, enum aead_engine engine,
		      const uint8_t key[AEAD_KEY])
{
	memset(p, 0, sizeof(*p));
	if (!aead_force(cipher, engine) || !aead_init(&p->seal, cipher, AEAD_SEAL) ||
	    !aead_init(&p->open, cipher, AEAD_OPEN))
		return false;
	aead_set_key(&p->seal, key);
	aead_set_key(&p->open, key);
	return true;
}

static void pair_free(struct pair *p)
{
	aead_free(&p->seal);
	aead_free(&p->open);
}

/* What one engine seals the other opens, and it is the same; a changed bit is
 * refused. */
static bool agree_on(struct pair *ours, struct pair *theirs, size_t len)
{
	static uint8_t plain[LONGEST], a[LONGEST + AEAD_TAG], b[LONGEST + AEAD_TAG];
	size_t aad_len = len % 33;

	for (size_t i = 0; i < len; i++)
		plain[i] = (uint8_t)(i * 7 + len);
	memcpy(b, plain, len);
	if (!aead_seal(&ours->seal, len, plain, aad_len, plain, len, a) ||
	    !aead_seal(&theirs->seal, len, plain, aad_len, b, len, b) ||
	    memcmp(a, b, len + AEAD_TAG) != 0)
		return false;
	if (!aead_open(&theirs->open, len, plain, aad_len, a, len + AEAD_TAG, a) ||
	    memcmp(a, plain, len) != 0)
		return false;
	b[len / 2] ^= 1;
	return !aead_open(&theirs->open, len, plain, aad_len, b, len + AEAD_TAG, b);
}

static bool agree(struct pair *ours, struct pair *theirs)
{
	for (size_t len = 0; len <= LONGEST; len += len < 300 ? 1 : 61) {
		if (!agree_on(ours, theirs, len))
			return false;
	}
	return true;
}

/* The least time of some rounds, in microseconds. */
static int64_t time_of(struct pair *p, struct instant (*read_clock)(void))
{
	static uint8_t bytes[PACKET + AEAD_TAG];
	int64_t least = INT64_MAX;

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct instant began = read_clock();

		for (uint64_t i = 0; i < PACKETS; i++)
			aead_seal(&p->seal, i, NULL, 0, bytes, PACKET, bytes);
		least = MIN(least, instant_between(began, read_clock()));
	}
	return least;
}

enum aead_engine aead_choose(enum cipher cipher, struct instant (*read_clock)(void))
{
	static const uint8_t key[AEAD_KEY] = { 1, 2, 3 };
	enum aead_engine best = AEAD_OPENSSL;
	struct pair ours = { 0 }, theirs = { 0 };

	if (pair_init(&ours, cipher, AEAD_OPENSSL, key) &&
	    pair_init(&theirs, cipher, AEAD_IPSEC_MB, key) && agree(&ours, &theirs)) {
		int64_t second = time_of(&theirs, read_clock);

		if (second < time_of(&ours, read_clock))
			best = AEAD_IPSEC_MB;
	}
	pair_free(&ours);
	pair_free(&theirs);
	aead_force(cipher, best);
	return best;
}
