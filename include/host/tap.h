/* SPDX-License-Identifier: MIT */
/*
 * TAP devices with a vnet header and offloads (Linux tuntap, TUNSETOFFLOAD):
 * one read or write moves a frame of up to 64 KiB with its offload facts.
 */
#ifndef HOST_TAP_H
#define HOST_TAP_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/vnet.h"

struct tap {
	int fd;		     /* -1 when closed */
	int ifindex;
	char name[IFNAMSIZ];
	bool existed;	     /* a persistent TAP of that name was there: left there at close */
	bool several;	     /* queues may be opened */
	uint32_t offloads;   /* VNET_CAN_* that the kernel accepted */
};

/*
 * Attaches to the TAP of that name, or makes it.  wanted: VNET_CAN_* bits; what
 * the kernel refuses is left out (USO needs 6.2).  0, or -errno: EPERM without
 * CAP_NET_ADMIN, EINVAL when the name belongs to a device of another kind (also
 * a TUN) or is no name, EBUSY when another process holds it, ENOENT/ENODEV without
 * /dev/net/tun, EACCES when that is closed to us.
 */
int tap_open(struct tap *tap, const char *name, uint32_t wanted);

/* The same, but a TAP that is made may have several queues: this is the first.  One
 * that was there may or may not, tap->several says.  With several the kernel does not
 * tell that another process holds it. */
int tap_open_several(struct tap *tap, const char *name, uint32_t wanted);

/* One more queue of a TAP that may have several. */
int tap_open_queue(struct tap *queue, const struct tap *first);

/* Gives the device an Ethernet address.  0 or -errno. */
int tap_set_address(const struct tap *tap, const uint8_t mac[6]);

/* Plugs the cable in, or pulls it: IFF_RUNNING follows, and so does the port of a bridge.
 * It is in after tap_open.  Reading and writing do not care.  0 or -errno. */
int tap_set_carrier(const struct tap *tap, bool on);

/* Asks the kernel for exactly these offloads; what it accepted, or -errno. */
int tap_set_offloads(struct tap *tap, uint32_t wanted);

/* Closes; a TAP that tap_open made goes away with it.  One that was there
 * before stays, its offloads switched off. */
void tap_close(struct tap *tap);

/* One frame without its vnet header into frame.  Its length, 0 when there is
 * none now, -errno otherwise: EBADFD means that the device was deleted,
 * EMSGSIZE that the frame was larger than room and is lost. */
int tap_read(struct tap *tap, void *frame, size_t room, struct vnet *vnet);

/* One frame in pieces.  iov[0] must be left free by the caller: it is filled
 * with the vnet header.  0, or -errno: EIO while the link is down, EINVAL when
 * the facts are refused, EAGAIN when the queue is full, EBADFD as above. */
int tap_write(struct tap *tap, const struct vnet *vnet, struct iovec *iov, size_t n);

/* About how many frames that their sender does not hold back it brings a receiver: of a
 * TCP super-frame none, of a UDP one as many as datagrams, headers counted as payload. */
unsigned tap_loose(const struct vnet *vnet, size_t len);

#endif
