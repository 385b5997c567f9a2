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
#include "base/clock.h"

#define LABDGRAM_BATCH 64     /* datagrams a system call */
#define LABDGRAM_QUEUE 256    /* frames that wait at most */
#define LABDGRAM_FRAME 9216   /* the largest */
#define LABDGRAM_HEADROOM 256 /* the most that labdgram_read gives */
#define LABDGRAM_AGAIN MS(1)

/* Where one end is: an address, or the path of a unix socket. */
struct labend {
	struct addr addr; /* family 0: it is a path */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

struct labdgram {
	int fd; /* -1 when closed */
	struct labend local, remote;
	unsigned queued;    /* frames that wait for labdgram_flush */
	uint64_t strangers; /* datagrams from elsewhere */
	uint64_t garbled;   /* shorter than an Ethernet header, or longer than LABDGRAM_FRAME */
	uint64_t refused;   /* frames lost: no far end (of unix sockets alone, UDP does not
			     * tell), or it is full */
	struct labdgram_memory *memory;
};

/*
 * A path's file is made anew (mode 0600), one that somebody listens at is EADDRINUSE.
 * The far end need not be there; its path is spelt as it binds it.  IPv4 can be reached
 * from [::].  local's port 0: any, port->local tells.  0 or -errno: EINVAL when one is a
 * path and the other none, EAFNOSUPPORT when they are of different families.
 */
int labdgram_open(struct labdgram *port, const struct labend *local, const struct labend *remote);
void labdgram_close(struct labdgram *port); /* the path is taken away */

/*
 * Up to LABDGRAM_BATCH frames in one system call; frames[i].iov_base has headroom writable
 * bytes before it (LABDGRAM_HEADROOM at most), and all stay valid until the next call.
 * How many, 0: none for us now, or -errno.
 */
int labdgram_read(struct labdgram *port, struct iovec frames[LABDGRAM_BATCH], size_t headroom);

/* Queues a copy of a frame in n pieces; a full queue is flushed first.  0, -EMSGSIZE, or
 * -EAGAIN: it is lost, because the far end has been full for as long as a queue. */
int labdgram_write(struct labdgram *port, const struct iovec *iov, size_t n);

/*
 * Sends what is queued, batched.  0 when nothing waits any more; -EAGAIN: the far end is
 * full (unix sockets: 10 datagrams, unless net.unix.max_dgram_qlen says more), what waits
 * keeps waiting, flush again LABDGRAM_AGAIN later or with more frames; else the last
 * refusal, -errno: no reason to close, those frames are lost and counted.
 */
int labdgram_flush(struct labdgram *port);

#endif
