/* SPDX-License-Identifier: MIT */
/*
 * A lab port whose wire is an existing NIC, by libpcap: for one that cannot join a
 * bridge.  Promiscuous; frames that were sent by this host, through this port too, are not
 * seen; a VLAN tag that the NIC took off is put back.  A frame may have been merged (GRO, or
 * from a neighbour on the same machine), and its checksum may be left to the NIC:
 * core/giant.h finds out.
 */
#ifndef HOST_NIC_H
#define HOST_NIC_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define NIC_ERROR 320
#define NIC_FRAME (65535 + 14 + 8) /* the longest that is read */
#define NIC_HEADROOM 256	   /* the most that nic_read gives */

struct nic {
	int fd; /* readable when frames wait; -1 when closed */
	char name[IFNAMSIZ];
	unsigned mtu;	   /* as of nic_open or nic_running */
	uint64_t too_long; /* frames beyond NIC_FRAME, lost */
	struct nic_pcap *pcap;
};

/* One frame, writable; memory valid until the next call of nic_read. */
typedef void (*nic_frame)(void *ctx, uint8_t *frame, size_t len);

/* 0, or -errno with a text for people: EPERM (CAP_NET_RAW is needed), ENODEV, ENETDOWN (it has
 * to be up to be opened), EINVAL (not Ethernet, or loopback, which only looks like it). */
int nic_open(struct nic *nic, const char *name, char error[NIC_ERROR]);
void nic_close(struct nic *nic);

/* Hands over up to most frames, with headroom writable bytes before each (NIC_HEADROOM at most).
 * How many, or -errno (-ENETDOWN: it is down, and reads again when it is up; -ENODEV: it is gone).
 * Fewer than most need not be all. */
int nic_read(struct nic *nic, unsigned most, size_t headroom, nic_frame take, void *ctx);

/* One frame with a final checksum, of at most mtu + 14 bytes, and 4 for a VLAN tag.  0 or
 * -errno: EMSGSIZE, ENOBUFS when the NIC's queue is full, ENETDOWN, ENXIO when it is gone. */
int nic_write(struct nic *nic, const struct iovec *iov, size_t n);

/* The link: up and running (IFF_UP, IFF_RUNNING).  Asked of the kernel, and the MTU too. */
bool nic_running(struct nic *nic);

/* Frames that the kernel had no room for since nic_open. */
uint64_t nic_counts(const struct nic *nic);

#endif
