/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  libpcap reads by a ring that it shares with the kernel (TPACKET_V2,
 * because of the immediate mode).  A NIC that merges gets slots for the largest frame, so
 * the ring has few of them, and they are emptied in one go: each frame is copied behind its
 * headroom, into an arena that lasts until the next call.
 *
 * The ring of libpcap is without offload facts, and PACKET_VNET_HDR can not be had once there
 * is one.
 *
 * What this host sends is kept out of the ring by the kernel (PACKET_IGNORE_OUTGOING), and left
 * out by libpcap where that is too old for it.
 */
#include "host/nic.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/bytes.h"

#define RING_BYTES (16 << 20)
#define ARENA ((size_t)1 << 20)

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

struct nic_pcap {
	pcap_t *p;
	unsigned index;
	uint8_t arena[ARENA];
};

static int say(char error[NIC_ERROR], int number, const char *name, const char *what)
{
	snprintf(error, NIC_ERROR, "%s: %s", name, what);
	return number;
}

/* ---- the link ---------------------------------------------------------- */

/* Flags of the interface, 0 when it is gone, or another one has its name. */
static unsigned flags_of(const struct nic *nic)
{
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", nic->name);
	if (ioctl(nic->fd, SIOCGIFINDEX, &ifr) < 0 || (unsigned)ifr.ifr_ifindex != nic->pcap->index)
		return 0;
	return ioctl(nic->fd, SIOCGIFFLAGS, &ifr) < 0 ? 0
						      : (unsigned short)ifr.ifr_flags | 1u << 16;
}

static void learn_mtu(struct nic *nic)
{
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", nic->name);
	if (ioctl(nic->fd, SIOCGIFMTU, &ifr) == 0)
		nic->mtu = (unsigned)ifr.ifr_mtu;
}

bool nic_running(struct nic *nic)
{
	unsigned flags = flags_of(nic);

	learn_mtu(nic);
	return flags & IFF_UP && flags & IFF_RUNNING;
}

uint64_t nic_counts(const struct nic *nic)
{
	struct pcap_stat stat;

	return pcap_stats(nic->pcap->p, &stat) == 0 ? stat.ps_drop : 0;
}

/* ---- opening ----------------------------------------------------------- */

static int activate(pcap_t *p, const char *name, char error[NIC_ERROR])
{
	pcap_set_snaplen(p, NIC_FRAME);
	pcap_set_promisc(p, 1);
	pcap_set_immediate_mode(p, 1);
	pcap_set_buffer_size(p, RING_BYTES);
	switch (pcap_activate(p)) {
	case 0:
	case PCAP_WARNING:
	case PCAP_WARNING_TSTAMP_TYPE_NOTSUP:
		return 0;
	case PCAP_WARNING_PROMISC_NOTSUP:
		return say(error, -EOPNOTSUPP, name, "it can not be promiscuous");
	case PCAP_ERROR_PERM_DENIED:
	case PCAP_ERROR_PROMISC_PERM_DENIED:
		return say(error, -EPERM, name, "not permitted, CAP_NET_RAW is needed");
	case PCAP_ERROR_NO_SUCH_DEVICE:
		return say(error, -ENODEV, name, "there is no such interface");
	case PCAP_ERROR_IFACE_NOT_UP:
		return say(error, -ENETDOWN, name, "the interface is down");
	default:
		return say(error, -EIO, name, pcap_geterr(p));
	}
}

static int set_up(struct nic *nic, char error[NIC_ERROR])
{
	char why[PCAP_ERRBUF_SIZE] = "";
	int one = 1;
	pcap_t *p = nic->pcap->p;

	if (pcap_datalink(p) != DLT_EN10MB)
		return say(error, -EINVAL, nic->name, "not an Ethernet interface");
	if (pcap_setdirection(p, PCAP_D_IN) < 0)
		return say(error, -EIO, nic->name, pcap_geterr(p));
	if (pcap_setnonblock(p, 1, why) < 0)
		return say(error, -EIO, nic->name, why);
	nic->fd = pcap_get_selectable_fd(p);
	if (nic->fd < 0)
		return say(error, -EIO, nic->name, "it can not be waited for");
	if (flags_of(nic) & IFF_LOOPBACK)
		return say(error, -EINVAL, nic->name,
			   "loopback, where each frame comes back: must be the NIC of a wire");
	setsockopt(nic->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	learn_mtu(nic);
	return 0;
}

static int open_pcap(struct nic *nic, char error[NIC_ERROR])
{
	char why[PCAP_ERRBUF_SIZE] = "";
	int number;

	nic->pcap->index = if_nametoindex(nic->name);
	if (!nic->pcap->index)
		return say(error, -ENODEV, nic->name, "there is no such interface");
	nic->pcap->p = pcap_create(nic->name, why);
	if (!nic->pcap->p)
		return say(error, -EIO, nic->name, why);
	number = activate(nic->pcap->p, nic->name, error);
	return number ? number : set_up(nic, error);
}

int nic_open(struct nic *nic, const char *name, char error[NIC_ERROR])
{
	int number;

	*nic = (struct nic){ .fd = -1 };
	error[0] = '\0';
	if (strlen(name) >= sizeof(nic->name))
		return say(error, -EINVAL, name, "not the name of an interface");
	snprintf(nic->name, sizeof(nic->name), "%s", name);
	nic->pcap = calloc(1, sizeof(*nic->pcap));
	if (!nic->pcap)
		return say(error, -ENOMEM, name, "memory is short");
	number = open_pcap(nic, error);
	if (number)
		nic_close(nic);
	return number;
}

void nic_close(struct nic *nic)
{
	if (nic->pcap && nic->pcap->p)
		pcap_close(nic->pcap->p);
	free(nic->pcap);
	nic->pcap = NULL;
	nic->fd = -1;
}

/* ---- reading and writing ----------------------------------------------- */

static int why_nothing(const struct nic *nic)
{
	unsigned flags = flags_of(nic);

	if (!flags)
		return -ENODEV;
	return (flags & IFF_UP) ? 0 : -ENETDOWN;
}

int nic_read(struct nic *nic, unsigned most, size_t headroom, nic_frame take, void *ctx)
{
	struct nic_pcap *pcap = nic->pcap;
	struct pcap_pkthdr *header;
	const uint8_t *data;
	size_t used = 0;
	unsigned n = 0;
	int got = 0;

	if (headroom > NIC_HEADROOM)
		return -EINVAL;
	while (n < most && ARENA - used >= headroom + NIC_FRAME) {
		got = pcap_next_ex(pcap->p, &header, &data);
		if (got <= 0)
			break;
		if (header->caplen < header->len || header->caplen > NIC_FRAME) {
			nic->too_long++;
			continue;
		}
		used += headroom;
		memcpy(pcap->arena + used, data, header->caplen);
		take(ctx, pcap->arena + used, header->caplen);
		used += header->caplen;
		n++;
	}
	if (n)
		return (int)n;
	got = got < 0 ? -EIO : 0;
	return why_nothing(nic) ? why_nothing(nic) : got;
}

int nic_write(struct nic *nic, const struct iovec *iov, size_t n)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = n };

	return sendmsg(nic->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}
