/* SPDX-License-Identifier: MIT */
/* Bytes that wait for a stream, first in first out. */
#ifndef HOST_LABSTREAM_RING_H
#define HOST_LABSTREAM_RING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/labstream.h"

struct labstream_ring {
	uint8_t bytes[LABSTREAM_QUEUE];
	size_t first, used;
};

/* The caller has seen that there is room. */
void labstream_ring_put(struct labstream_ring *ring, const void *data, size_t n);

/* Sends what there is, as much as the socket takes: how much, or -1 and errno. */
ssize_t labstream_ring_send(struct labstream_ring *ring, int fd);

#endif
