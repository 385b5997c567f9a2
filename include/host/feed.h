/* SPDX-License-Identifier: MIT */
/*
 * Records to a local reader, by the descriptor of a request (ctlsock_take): a queue of
 * fixed size between who must not wait and who may.  A record goes in whole, or is dropped
 * and counted; a reader that stalls costs its own records and nothing else.
 */
#ifndef HOST_FEED_H
#define HOST_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "host/loop.h"

struct feed;

/* The reader is gone; called from the loop's thread, and feed_free may be called there. */
typedef void (*feed_handler)(void *ctx, struct feed *feed);

/* Takes over fd, a stream socket; room: bytes that may wait.  NULL, and fd closed, when
 * memory is short. */
struct feed *feed_new(struct loop *loop, int fd, size_t room, feed_handler gone, void *ctx);

/* Closes the descriptor after one last try to send what waits.  NULL is allowed. */
void feed_free(struct feed *feed);

/* A record of n pieces; false when there is no room for it.  From any thread, without
 * waiting; a system call only when nothing waited before. */
bool feed_put(struct feed *feed, const struct iovec *pieces, unsigned n);

uint64_t feed_dropped(struct feed *feed); /* records */

/* How many bytes it took so far; false when none wait. */
bool feed_is_behind(struct feed *feed, uint64_t *taken);

/* What the reader said last, "" when it went without a word; within `gone`. */
#define FEED_WORD 32
const char *feed_word(const struct feed *feed);

#endif
