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

enum replay_verdict replay_check(const struct replay *r, uint64_t counter)
{
	if (counter == UINT64_MAX)
		return REPLAY_OLD; /* next could not count on */
	if (counter >= r->next)
		return REPLAY_NEW;
	if (r->next - 1 - counter > REPLAY_WINDOW)
		return REPLAY_OLD;
	if (r->bits[word_of(counter) % REPLAY_WORDS] & bit_of(counter))
		return REPLAY_SEEN;
	return REPLAY_NEW;
}

static void move_on(struct replay *r, uint64_t counter)
{
	uint64_t last = r->next > 0 ? word_of(r->next - 1) : 0;
	uint64_t words = MIN(word_of(counter) - last, (uint64_t)REPLAY_WORDS);

	for (uint64_t i = 1; i <= words; i++)
		r->bits[(last + i) % REPLAY_WORDS] = 0;
	r->next = counter + 1;
}

bool replay_commit(struct replay *r, uint64_t counter)
{
	if (replay_check(r, counter) != REPLAY_NEW)
		return false;
	if (counter >= r->next)
		move_on(r, counter);
	r->bits[word_of(counter) % REPLAY_WORDS] |= bit_of(counter);
	return true;
}
