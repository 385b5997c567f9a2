/* SPDX-License-Identifier: MIT */
/*
 * One epoll loop.  Sources live inside their owners; the loop owns no memory
 * of theirs.  The clock is read once a turn.
 */
#ifndef HOST_LOOP_H
#define HOST_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define LOOP_READ 1u
#define LOOP_WRITE 2u
#define LOOP_ERROR 4u /* error or hang-up; always reported */

struct loop_source {
	int fd;
	uint32_t events; /* LOOP_READ | LOOP_WRITE wanted */
	void (*ready)(struct loop_source *source, uint32_t events, struct instant now);

	/* The loop's own; 0 before loop_add. */
	uint32_t what; /* happened in this turn */
	bool again;
	struct loop_source *next_again;
};

struct loop {
	int epoll_fd;
	struct instant now; /* of this turn */
	bool stop;
	struct loop_source *turn[128]; /* what this turn still has to call */
	int n_turn;
	struct loop_source *again; /* for the next turn, the longest waiting first */
	uint64_t turns; /* waits */
	bool coarse;	/* the kernel cannot wait for less than a millisecond */

	/* Before the first source of a turn is called, and after the last; NULL after
	 * loop_init. */
	void (*enter)(struct loop *loop);
	void (*leave)(struct loop *loop);
};

/* 0 or -errno. */
int loop_init(struct loop *loop);
void loop_free(struct loop *loop);

/* Level-triggered.  The source stays where it is until loop_remove. */
int loop_add(struct loop *loop, struct loop_source *source);

/* After source->events was changed. */
int loop_change(struct loop *loop, struct loop_source *source);

/* The next turn does not wait, and calls the source's ready() with LOOP_READ, readable or not,
 * if that is wanted: for one that has left over some of what it read. */
void loop_again(struct loop *loop, struct loop_source *source);

/* Safe from inside any ready(): a source removed is not called any more, even
 * if it was ready in this turn.  The caller closes the descriptor after. */
void loop_remove(struct loop *loop, struct loop_source *source);

/* Waits until a source is ready or `until`, to the microsecond where the kernel can and to the
 * next millisecond elsewhere, reads the clock, calls each ready source once.  0, or -errno when epoll itself fails. */
int loop_turn(struct loop *loop, struct instant until);

#endif
