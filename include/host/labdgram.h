/* SPDX-License-Identifier: MIT */
/*
 * A lab port whose wire is a datagram socket, one Ethernet frame a datagram, nothing
 * around it: QEMU's -netdev dgram (UDP, unix), VirtualBox' UDPTunnel, ubridge's NIO UDP.
 * What does not come from the configured far end is not taken, and counted.
 */
#ifndef HOST_LABDGRAM_H
#define HOST_LABDGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "base/addr.h"

#define LABDGRAM_BATCH 64   /* datagrams a system call */
#define LABDGRAM_FRAME 9216 /* the largest */

/* Where one end is: an address, or the path of a unix socket. */
struct labend {
	struct addr addr; /* family 0: it is a path */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

struct labdgram {
	int fd;			/* -1 when closed */
	struct labend local, remote;
	unsigned queued;	/* frames that wait for labdgram_flush */
	uint64_t strangers;	/* datagrams from elsewhere */
	uint64_t refused;	/* frames that could not be sent, far end not there included */
	struct labdgram_memory *memory;
};

/* A path's file is made anew (mode 0600), one that somebody listens at is EADDRINUSE.
 * 0 or -errno.  The far end need not be there. */
int labdgram_open(struct labdgram *port, const struct labend *local, const struct labend *remote);
void labdgram_close(struct labdgram *port); /* the path is taken away */

/* Up to LABDGRAM_BATCH frames in one system call; frames[i].iov_base has headroom
 * writable bytes before it, and all stay valid until the next call.  How many, 0: none now, or -errno. */
int labdgram_read(struct labdgram *port, struct iovec frames[LABDGRAM_BATCH], size_t headroom);

/* Queues a copy of a frame in n pieces (a full queue is flushed first).  0, -EMSGSIZE, or -errno of the
 * flush. */
int labdgram_write(struct labdgram *port, const struct iovec *iov, size_t n);

/* Sends what is queued, batched.  Frames that a full or missing far end refuses are lost and
 * counted.  0 or -errno of the last refusal. */
int labdgram_flush(struct labdgram *port);

#endif
