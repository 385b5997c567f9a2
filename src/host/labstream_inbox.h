/* SPDX-License-Identifier: MIT */
/* Bytes that came by a stream, and the frames in them. */
#ifndef HOST_LABSTREAM_INBOX_H
#define HOST_LABSTREAM_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "host/labstream.h"

#define LABSTREAM_PREFIX 4 /* bytes, a frame's length */
#define LABSTREAM_BATCH 64
#define LABSTREAM_INBOX ((size_t)256 * 1024)

struct labstream_inbox {
	uint8_t bytes[LABSTREAM_INBOX];
	size_t first, used;
	uint8_t *arena; /* LABSTREAM_INBOX, and headroom for LABSTREAM_BATCH */
	size_t headroom;
};

/* False when memory is short. */
bool labstream_inbox_init(struct labstream_inbox *inbox, size_t headroom);
void labstream_inbox_free(struct labstream_inbox *inbox);

/* When no whole frame is left: as recv. */
ssize_t labstream_inbox_read(struct labstream_inbox *inbox, int fd);

/* The next whole frames, each with headroom bytes before it, valid until the next call: how
 * many; -EBADMSG when the next one has a length that is not believed. */
int labstream_inbox_take(struct labstream_inbox *inbox, struct iovec frames[LABSTREAM_BATCH]);

#endif
