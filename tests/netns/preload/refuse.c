/* SPDX-License-Identifier: MIT */
/*
 * A kernel that refuses offloads, for LD_PRELOAD: while the folder in REFUSE holds
 *
 *   tso   super-frames of TCP over IPv4 are refused by the TAP with EINVAL
 *   gso   batches with UDP_SEGMENT are refused with EIO
 */
#include <errno.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int refuses(const char *what)
{
	const char *folder = getenv("REFUSE");
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder ? folder : "", what);
	return access(path, F_OK) == 0;
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
	const struct virtio_net_hdr *vnet = iov[0].iov_base;

	if (iov[0].iov_len == sizeof(*vnet) &&
	    (vnet->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) == VIRTIO_NET_HDR_GSO_TCPV4 &&
	    refuses("tso")) {
		errno = EINVAL;
		return -1;
	}
	return syscall(SYS_writev, fd, iov, n);
}

static int is_batch(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT)
			return 1;
	}
	return 0;
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags)
{
	unsigned taken = 0;

	while (taken < n && !(is_batch(&messages[taken].msg_hdr) && refuses("gso")))
		taken++;
	if (n && !taken) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_sendmmsg, fd, messages, taken, flags);
}
