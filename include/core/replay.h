/* SPDX-License-Identifier: MIT */
/*
 * Anti-replay window of 32768 counters, RFC 6479 (a ring of words, so that
 * moving the window costs words and not bits).  Looked at before a packet is
 * authenticated, committed after.  It is that large because workers take packets
 * of one key side by side, and one of them may have to wait for a core.
 */
#ifndef CORE_REPLAY_H
#define CORE_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLAY_WINDOW 32768 /* counters behind the newest that may still come */
#define REPLAY_WORDS (REPLAY_WINDOW / 64 + 1)

struct replay {
	uint64_t next; /* one more than the newest counter committed; 0 at first */
	uint64_t bits[REPLAY_WORDS];
};

enum replay_verdict { REPLAY_NEW, REPLAY_SEEN, REPLAY_OLD };

void replay_reset(struct replay *r);

/* Does not change r.  The counter UINT64_MAX is never new. */
enum replay_verdict replay_check(const struct replay *r, uint64_t counter);

/* Marks an authenticated counter; false when it was seen or is too old, so a
 * commit without a check is safe as well. */
bool replay_commit(struct replay *r, uint64_t counter);

/* The same for a window of another size in the user's memory: `words` words, for
 * 64 * (words - 1) counters; all of them and *next zero at first. */
#define REPLAY_WORDS_FOR(counters) ((counters) / 64 + 1)
enum replay_verdict replay_ring_check(uint64_t next, const uint64_t *bits, size_t words,
				      uint64_t counter);
bool replay_ring_commit(uint64_t *next, uint64_t *bits, size_t words, uint64_t counter);

#endif
