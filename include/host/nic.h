/* SPDX-License-Identifier: MIT */
/*
 * A lab port whose wire is an existing NIC, by libpcap: for one that cannot join a
 * bridge.  Promiscuous; frames that were sent by this host, through this port too, are not
 * seen; a VLAN tag that the NIC took off is put back.  A frame that the kernel merged
 * (GRO, or from a neighbour on the same machine) and one whose checksum is left to the NIC
 * come with the facts for cutting and summing.
 */
#ifndef HOST_NIC_H
#define HOST_NIC_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/vnet.h"

#define NIC_ERROR 256

struct nic {
	int fd; /* readable when frames wait; -1 when closed */
	char name[IFNAMSIZ];
	unsigned mtu;
	uint64_t dropped; /* by the kernel, as of nic_counts */
	struct nic_pcap *pcap;
};

/* What one frame is; memory valid until the next call of nic_read. */
typedef void (*nic_frame)(void *ctx, uint8_t *frame, size_t len, const struct vnet *vnet);

/* 0, or -errno with a text for people: CAP_NET_RAW is needed, and the interface. */
int nic_open(struct nic *nic, const char *name, char error[NIC_ERROR]);
void nic_close(struct nic *nic);

/* Hands over up to most frames, with headroom writable bytes before each.  How many, or -errno
 * (-ENETDOWN: the link is down; -ENODEV: it is gone). */
int nic_read(struct nic *nic, unsigned most, size_t headroom, nic_frame take, void *ctx);

/* One frame of at most mtu + 18 bytes (VLAN and QinQ tags besides).  0 or -errno. */
int nic_write(struct nic *nic, const struct iovec *iov, size_t n);

/* The link: up and running (IFF_UP, IFF_RUNNING).  Asked of the kernel. */
bool nic_running(const struct nic *nic);

#endif
