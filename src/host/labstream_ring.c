/* SPDX-License-Identifier: MIT */
#include "labstream_ring.h"

#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"

void labstream_ring_put(struct labstream_ring *ring, const void *data, size_t n)
{
	size_t at = (ring->first + ring->used) % sizeof(ring->bytes);
	size_t before_end = MIN(n, sizeof(ring->bytes) - at);

	if (n == 0)
		return;
	memcpy(ring->bytes + at, data, before_end);
	memcpy(ring->bytes, (const uint8_t *)data + before_end, n - before_end);
	ring->used += n;
}

ssize_t labstream_ring_send(struct labstream_ring *ring, int fd)
{
	size_t before_end = MIN(ring->used, sizeof(ring->bytes) - ring->first);
	struct iovec iov[] = { { ring->bytes + ring->first, before_end },
			       { ring->bytes, ring->used - before_end } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = COUNT_OF(iov) };
	ssize_t n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n > 0) {
		ring->first = (ring->first + (size_t)n) % sizeof(ring->bytes);
		ring->used -= (size_t)n;
	}
	return n;
}
