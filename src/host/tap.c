/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <net/if_arp.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/bytes.h"
#include "host/tap.h"

/* Linux 6.2; the headers of Debian 12 are older. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define SAME_PLACE(ours, theirs)                                                                   \
	_Static_assert(offsetof(struct vnet, ours) == offsetof(struct virtio_net_hdr, theirs) &&   \
			       sizeof(((struct vnet *)0)->ours) ==                                 \
				       sizeof(((struct virtio_net_hdr *)0)->theirs),               \
		       "struct vnet is not struct virtio_net_hdr: " #ours)

SAME_PLACE(flags, flags);
SAME_PLACE(gso_type, gso_type);
SAME_PLACE(hdr_len, hdr_len);
SAME_PLACE(gso_size, gso_size);
SAME_PLACE(csum_start, csum_start);
SAME_PLACE(csum_offset, csum_offset);
_Static_assert(sizeof(struct vnet) == sizeof(struct virtio_net_hdr), "size of the vnet header");
_Static_assert(VNET_F_NEEDS_CSUM == VIRTIO_NET_HDR_F_NEEDS_CSUM, "flag");
_Static_assert(VNET_F_DATA_VALID == VIRTIO_NET_HDR_F_DATA_VALID, "flag");
_Static_assert(VNET_GSO_TCPV4 == VIRTIO_NET_HDR_GSO_TCPV4, "type");
_Static_assert(VNET_GSO_TCPV6 == VIRTIO_NET_HDR_GSO_TCPV6, "type");
_Static_assert(VNET_GSO_UDP == VIRTIO_NET_HDR_GSO_UDP, "type");
_Static_assert(VNET_GSO_ECN == VIRTIO_NET_HDR_GSO_ECN, "type");
#ifdef VIRTIO_NET_HDR_GSO_UDP_L4
_Static_assert(VNET_GSO_UDP_L4 == VIRTIO_NET_HDR_GSO_UDP_L4, "type");
#endif

#define KNOWN (VNET_CAN_CSUM | VNET_CAN_TSO4 | VNET_CAN_TSO6 | VNET_CAN_TSO_ECN | VNET_CAN_USO)

static unsigned long tun_bits(uint32_t offloads)
{
	unsigned long bits = 0;

	if (offloads & VNET_CAN_CSUM)
		bits |= TUN_F_CSUM;
	if (offloads & VNET_CAN_TSO4)
		bits |= TUN_F_TSO4;
	if (offloads & VNET_CAN_TSO6)
		bits |= TUN_F_TSO6;
	if (offloads & VNET_CAN_TSO_ECN)
		bits |= TUN_F_TSO_ECN;
	if (offloads & VNET_CAN_USO)
		bits |= TUN_F_USO4 | TUN_F_USO6;
	return bits;
}

int tap_set_offloads(struct tap *tap, uint32_t wanted)
{
	/* The kernel refuses a set whole when it does not know, or take, one of it. */
	const uint32_t rungs[] = { KNOWN, KNOWN & ~VNET_CAN_USO,
				   KNOWN & ~(VNET_CAN_USO | VNET_CAN_TSO_ECN), 0 };

	for (size_t i = 0; i < COUNT_OF(rungs); i++) {
		uint32_t set = wanted & rungs[i];

		if (ioctl(tap->fd, TUNSETOFFLOAD, tun_bits(set)) == 0) {
			tap->offloads = set;
			return (int)set;
		}
		if (errno != EINVAL)
			break;
	}
	return -errno;
}

/* The kernel would make up a name for an empty one or a pattern ("tap%d"). */
static bool name_ok(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < IFNAMSIZ && !strchr(name, '%');
}

static int attach(struct tap *tap, const char *name, bool several)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int header = sizeof(struct vnet);

	if (several)
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	tap->existed = if_nametoindex(name) != 0;
	if (ioctl(tap->fd, TUNSETIFF, &ifr) < 0)
		return -errno;
	/* A persistent TAP may have had a longer header with its last owner. */
	if (ioctl(tap->fd, TUNSETVNETHDRSZ, &header) < 0)
		return -errno;
	memcpy(tap->name, ifr.ifr_name, sizeof(tap->name));
	tap->several = several;
	tap->ifindex = (int)if_nametoindex(tap->name);
	return tap->ifindex ? 0 : -ENODEV;
}

static int open_device(struct tap *tap)
{
	*tap = (struct tap){ .fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC) };
	return tap->fd < 0 ? -errno : 0;
}

/* One that is there has several queues or one, whichever it was made with. */
static int attach_either(struct tap *tap, const char *name, bool several)
{
	int error = attach(tap, name, several);

	if (error == -EINVAL && tap->existed)
		error = attach(tap, name, !several);
	return error;
}

static int open_first(struct tap *tap, const char *name, uint32_t wanted, bool several)
{
	int error;

	*tap = (struct tap){ .fd = -1 };
	if (!name_ok(name))
		return -EINVAL;
	error = open_device(tap);
	if (error)
		return error;
	error = attach_either(tap, name, several);
	if (!error)
		error = MIN(tap_set_offloads(tap, wanted), 0);
	if (error)
		tap_close(tap);
	return error;
}

int tap_open(struct tap *tap, const char *name, uint32_t wanted)
{
	return open_first(tap, name, wanted, false);
}

int tap_open_several(struct tap *tap, const char *name, uint32_t wanted)
{
	return open_first(tap, name, wanted, true);
}

int tap_set_address(const struct tap *tap, const uint8_t mac[6])
{
	struct ifreq ifr = { .ifr_hwaddr.sa_family = ARPHRD_ETHER };

	memcpy(ifr.ifr_hwaddr.sa_data, mac, 6);
	return ioctl(tap->fd, SIOCSIFHWADDR, &ifr) < 0 ? -errno : 0;
}

int tap_set_carrier(const struct tap *tap, bool on)
{
	int carrier = on;

	return ioctl(tap->fd, TUNSETCARRIER, &carrier) < 0 ? -errno : 0;
}

int tap_open_queue(struct tap *queue, const struct tap *first)
{
	int error = open_device(queue);

	if (error)
		return error;
	error = attach(queue, first->name, true);
	queue->existed = false; /* the first one's to leave in order */
	queue->offloads = first->offloads;
	if (!error && queue->ifindex != first->ifindex)
		error = -ENODEV; /* made anew: the first one's is gone */
	if (error)
		tap_close(queue);
	return error;
}

void tap_close(struct tap *tap)
{
	if (tap->fd < 0)
		return;
	if (tap->existed && tap->ifindex)
		tap_set_offloads(tap, 0); /* its next owner may know none */
	close(tap->fd);
	tap->fd = -1;
}

int tap_read(struct tap *tap, void *frame, size_t room, struct vnet *vnet)
{
	uint8_t beyond;
	struct iovec iov[] = {
		{ .iov_base = vnet, .iov_len = sizeof(*vnet) },
		{ .iov_base = frame, .iov_len = room },
		{ .iov_base = &beyond, .iov_len = sizeof(beyond) },
	};
	ssize_t n;

	n = readv(tap->fd, iov, COUNT_OF(iov));
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n < (ssize_t)sizeof(*vnet))
		return -EBADMSG;
	n -= (ssize_t)sizeof(*vnet);
	return n > (ssize_t)room ? -EMSGSIZE : (int)n;
}

int tap_write(struct tap *tap, const struct vnet *vnet, struct iovec *iov, size_t n)
{
	iov[0] = (struct iovec){ .iov_base = (void *)vnet, .iov_len = sizeof(*vnet) };
	return writev(tap->fd, iov, (int)n) < 0 ? -errno : 0;
}

unsigned tap_loose(const struct vnet *vnet, size_t len)
{
	if (vnet->gso_type == VNET_GSO_NONE)
		return 1;
	if (vnet->gso_type != VNET_GSO_UDP_L4 || vnet->gso_size == 0)
		return 0;
	return (unsigned)((len + vnet->gso_size - 1) / vnet->gso_size);
}
