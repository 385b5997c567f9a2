/* SPDX-License-Identifier: MIT */
/*
 * Do the offloads that the kernel promised work?  Tests of a TAP and of UDP
 * sockets that disturb nobody, and what ethtool(8) has switched off.
 */
#ifndef HOST_OFFLOAD_H
#define HOST_OFFLOAD_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/tap.h"

/* ---- the TAP ----------------------------------------------------------- */

struct offload_tap {
	uint32_t refused; /* VNET_CAN_* of tap->offloads that the kernel did not take */
	int error;	  /* errno of the first refusal */
};

/*
 * Writes one frame for each of tap->offloads to a TAP that is up, to an address
 * that no bridge forwards.  0, or -errno when the test says nothing: EIO while the
 * link is down, EAGAIN when the queue is full, EBADFD when the device is gone.
 */
int offload_test_tap(struct tap *tap, struct offload_tap *out);

/* Features of a device, as ethtool -K switches them. */
#define OFFLOAD_TX 1u  /* checksums */
#define OFFLOAD_SG 2u  /* scatter-gather, which segmentation needs */
#define OFFLOAD_TSO 4u /* TCP segmentation: IPv4, IPv6, ECN */
#define OFFLOAD_USO 8u /* UDP segmentation */

struct offload_features {
	uint32_t active; /* VNET_CAN_* that the kernel makes use of now */
	uint32_t off;	 /* OFFLOAD_* that somebody switched off */
};

/* 0, or -errno: ENODEV, EOPNOTSUPP. */
int offload_features(const char *name, struct offload_features *out);

#define OFFLOAD_ADVICE 64

/* "tx on tso on": the words for ethtool -K that undo these OFFLOAD_* bits. */
void offload_advice(uint32_t off, char out[OFFLOAD_ADVICE]);

/* Generic receive offload of a device.  0, or -errno: ENODEV, EOPNOTSUPP, EPERM. */
int offload_gro_get(const char *name, bool *on);
int offload_gro_set(const char *name, bool on);

/* ---- a NIC that is read by a packet socket ------------------------------ */

/* What was merging received frames so that nobody can tell how they came: datagrams of UDP
 * (rx-udp-gro-forwarding, rx-gro-list), and large receive offload (rx-lro). */
struct offload_merging {
	char name[IFNAMSIZ];
	unsigned ifindex;
	uint32_t on; /* a bit each; 0: none was */
};

/* Switches it off, and tells what was on, also when that is refused.  0, or -errno: EPERM
 * without CAP_NET_ADMIN, ENODEV, EOPNOTSUPP. */
int offload_merging_off(const char *name, struct offload_merging *before);

/* As it was before, if that device is still there. */
void offload_merging_restore(const struct offload_merging *before);

/* "rx-gro-list off rx-lro off": the words for ethtool -K that do the same. */
void offload_merging_advice(const struct offload_merging *before, char out[OFFLOAD_ADVICE]);

/* ---- UDP --------------------------------------------------------------- */

/* What is wrong, 0 when nothing is: the errno of the kernel's refusal; EBADMSG:
 * the datagrams came out different; ETIMEDOUT: they did not come out. */
struct offload_udp {
	int gso, gro;
};

/*
 * Sends a batch with UDP_SEGMENT over loopback and receives it one by one, and
 * another one with UDP_GRO.  family: AF_INET or AF_INET6.  Takes well under a
 * millisecond, some 200 where datagrams vanish.  0, or -errno when the test
 * says nothing, for not even a plain datagram passes: loopback may be down.
 */
int offload_test_udp(int family, struct offload_udp *out);

#endif
