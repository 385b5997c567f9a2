/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  One bit for each counter, in a ring of words.  The
 * window moves on by zeroing the words that it enters, at most all of them.
 * The ring has one word more than the window, so the word that the newest
 * counter has only begun to fill does not cost the oldest ones their places.
 */
#include "core/replay.h"

#include <string.h>

#include "base/bytes.h"

#define WORD_BITS 64

_Static_assert(REPLAY_WINDOW % WORD_BITS == 0, "the window is whole words");

static uint64_t word_of(uint64_t counter)
{
	return counter / WORD_BITS;
}

static uint64_t bit_of(uint64_t counter)
{
	return (uint64_t)1 << counter % WORD_BITS;
}

void replay_reset(struct replay *r)
{
	memset(r, 0, sizeof(*r));
}

/* Inline, so that the sites' window divides by a constant. */
static inline enum replay_verdict check(uint64_t next, const uint64_t *bits, size_t words,
					uint64_t counter)
{
	if (counter == UINT64_MAX)
		return REPLAY_OLD; /* next could not count on */
	if (counter >= next)
		return REPLAY_NEW;
	if (next - 1 - counter > (words - 1) * WORD_BITS)
		return REPLAY_OLD;
	if (bits[word_of(counter) % words] & bit_of(counter))
		return REPLAY_SEEN;
	return REPLAY_NEW;
}

static inline void move_on(uint64_t *next, uint64_t *bits, size_t words, uint64_t counter)
{
	uint64_t last = *next > 0 ? word_of(*next - 1) : 0;
	uint64_t steps = MIN(word_of(counter) - last, (uint64_t)words);

	for (uint64_t i = 1; i <= steps; i++)
		bits[(last + i) % words] = 0;
	*next = counter + 1;
}

static inline bool commit(uint64_t *next, uint64_t *bits, size_t words, uint64_t counter)
{
	if (check(*next, bits, words, counter) != REPLAY_NEW)
		return false;
	if (counter >= *next)
		move_on(next, bits, words, counter);
	bits[word_of(counter) % words] |= bit_of(counter);
	return true;
}

enum replay_verdict replay_check(const struct replay *r, uint64_t counter)
{
	return check(r->next, r->bits, REPLAY_WORDS, counter);
}

bool replay_commit(struct replay *r, uint64_t counter)
{
	return commit(&r->next, r->bits, REPLAY_WORDS, counter);
}

enum replay_verdict replay_ring_check(uint64_t next, const uint64_t *bits, size_t words,
				      uint64_t counter)
{
	return check(next, bits, words, counter);
}

bool replay_ring_commit(uint64_t *next, uint64_t *bits, size_t words, uint64_t counter)
{
	return commit(next, bits, words, counter);
}
