/* SPDX-License-Identifier: MIT */
/*
 * A lab port whose wire is QEMU's -netdev stream: TCP or a unix stream socket, each
 * frame behind its length in four bytes, big endian.  Connects, and again a second after
 * it was cut; or listens for one far end at a time.  Which address a listening TCP port takes a
 * connection from is configured; on this host, and at a unix one, it takes the own user and
 * root (NETLINK_SOCK_DIAG, SO_PEERCRED).  A second connection is refused, unless the first one
 * has answered nothing for LABSTREAM_DEAD, or has sent no frame and is that old; what answers
 * nothing is ended by itself, too.
 */
#ifndef HOST_LABSTREAM_H
#define HOST_LABSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "host/labdgram.h"
#include "host/loop.h"

#define LABSTREAM_FRAME 65536	  /* the longest length that is believed */
#define LABSTREAM_QUEUE (1 << 20) /* bytes that wait for the far end; more is lost, counted */
#define LABSTREAM_AGAIN SECONDS(1)
#define LABSTREAM_DEAD SECONDS(3)
#define LABSTREAM_PATIENCE SECONDS(5) /* to connect; and with a far end that answers nothing */

struct labstream;

/* Called by the loop alone; labstream_free is not for them. */
struct labstream_events {
	/* Frames that came, of one byte or more; each iov_base with headroom bytes before it, valid
	 * inside the call. */
	void (*frames)(void *ctx, struct iovec *frames, unsigned n, struct instant now);
	void (*linked)(void *ctx, bool up, struct instant now); /* connected, or not any more */
	void *ctx;
};

struct labstream_counts {
	uint64_t strangers; /* connections from elsewhere, and second ones */
	uint64_t garbled;   /* connections ended for a length that is not believed */
	uint64_t full;	    /* frames lost because the far end does not read */
	uint64_t connects;
};

/*
 * listens: at local, for remote (its port does not count; family 0 and "" as path: anybody
 * of the own user, unix only).  Else connects to remote, whether that is there yet or not.
 * NULL with *error = -errno: as labdgram_open for the two ends, EINVAL also for one that is
 * missing.
 */
struct labstream *labstream_new(struct loop *loop, bool listens, const struct labend *local,
				const struct labend *remote, size_t headroom,
				const struct labstream_events *events, struct instant now,
				int *error);
void labstream_free(struct labstream *s); /* no event comes of it */

/* A copy of the frame waits for labstream_flush.  0, -EAGAIN when the queue is full,
 * -ENETDOWN when not connected, -EMSGSIZE for one without bytes or beyond LABSTREAM_FRAME. */
int labstream_write(struct labstream *s, const struct iovec *iov, size_t n);
void labstream_flush(struct labstream *s); /* once a turn */
void labstream_tick(struct labstream *s, struct instant now);
struct instant labstream_due(const struct labstream *s);
bool labstream_up(const struct labstream *s);
const struct labstream_counts *labstream_counts(const struct labstream *s);

#endif
