/* SPDX-License-Identifier: MIT */
/* IFF_VNET_HDR: each read and write starts with 10 bytes, in host order. */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <poll.h>
#include <sys/socket.h>

#include "assume/tap.h"

struct packet {
	struct virtio_net_hdr vnet;
	unsigned char frame[100];
};

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 1000) == 1;
}

static void link_up(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	need(ioctl(fd, SIOCSIFFLAGS, &ifr) == 0, "link up");
	close(fd);
}

static int packet_socket(void)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(0x88b5) };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(0x88b5));

	ll.sll_ifindex = (int)if_nametoindex("tap0");
	need(fd >= 0 && bind(fd, (struct sockaddr *)&ll, sizeof(ll)) == 0, "packet socket");
	return fd;
}

/* Our own frame among those that the kernel sends by itself. */
static ssize_t read_ours(int fd, struct packet *p)
{
	ssize_t n = -1;

	while (readable(fd)) {
		n = read(fd, p, sizeof(*p));
		if (n > 24 && p->frame[12] == 0x88 && p->frame[13] == 0xb5)
			return n;
	}
	return -1;
}

int main(void)
{
	struct packet p = { 0 }, q;
	int tap, host;

	need(own_netns_enter(), "network namespace");
	assume(sizeof(p.vnet) == 10, "struct virtio_net_hdr has 10 bytes");
	tap = tap_attach("tap0", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
	need(tap >= 0, "TUNSETIFF");
	memset(p.frame, 0xff, 6);
	p.frame[12] = 0x88;
	p.frame[13] = 0xb5;
	assume(write(tap, &p, sizeof(p)) < 0 && errno == EIO, "while the link is down: EIO");
	link_up("tap0");
	host = packet_socket();
	assume(write(tap, &p, sizeof(p)) == sizeof(p), "a write takes header and frame");
	assume(readable(host) && recv(host, &q, sizeof(q), 0) == 100, "the frame comes alone");
	send(host, p.frame, 100, 0);
	memset(&q, 0xee, sizeof(q));
	assume(read_ours(tap, &q) == sizeof(q), "a read gives header and frame");
	assume(q.vnet.gso_type == VIRTIO_NET_HDR_GSO_NONE, "a plain frame has no GSO type");
	assume(read(tap, &q, sizeof(q)) < 0 && errno == EAGAIN, "nothing more: EAGAIN");
	p.vnet.gso_type = 77;
	assume(write(tap, &p, sizeof(p)) < 0 && errno == EINVAL, "an unknown type: EINVAL");
	need(system("ip link del tap0") == 0, "ip link del");
	assume(read(tap, &q, sizeof(q)) < 0 && errno == EBADFD, "deleted: EBADFD");
	return assume_failed;
}
