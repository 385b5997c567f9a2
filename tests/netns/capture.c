/* SPDX-License-Identifier: MIT */
/*
 * Captures frames, for the stories and the demo.  tcpdump insists on changing its
 * user, which a user namespace with a single user does not allow.
 *
 *   capture [-f] [-i] [-n COUNT] INTERFACE FILE.pcap
 *   capture [-f] [-i] [-n COUNT] -t INTERFACE
 *
 *   -f  IP fragments only     -i  incoming frames only
 *   -n  ends after COUNT      -t  a line of text a frame to standard output
 *
 * Says "listening" on standard error when it does.  Tags that the kernel took out
 * of a frame are put in again.  Ends at SIGTERM.
 *
 * Built to build/netns/capture by make; a story builds its own where that is missing.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX 65536
#define TAG 4

struct capture {
	int fd;
	FILE *out;
	bool incoming, fragments, text;
	unsigned long count; /* frames still to come; 0: no end */
};

/* IPv4 with an offset or more to come, IPv6 with a fragment header. */
static struct sock_filter fragment_code[] = {
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 2),
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 20),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x3fff, 3, 4),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 0, 3),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 44, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, FRAME_MAX),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

static void listen_on(struct capture *c, const char *interface)
{
	struct sock_fprog program = { sizeof(fragment_code) / sizeof(fragment_code[0]),
				      fragment_code };
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	struct packet_mreq all = { .mr_type = PACKET_MR_PROMISC };
	int on = 1, room = 32 << 20;

	at.sll_ifindex = (int)if_nametoindex(interface);
	c->fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (c->fd < 0 || !at.sll_ifindex)
		err(1, "%s", interface);
	if (c->fragments &&
	    setsockopt(c->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)))
		err(1, "filter");
	if (setsockopt(c->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	all.mr_ifindex = at.sll_ifindex;
	if (setsockopt(c->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) ||
	    setsockopt(c->fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) ||
	    bind(c->fd, (struct sockaddr *)&at, sizeof(at)))
		err(1, "%s", interface);
	fputs("listening\n", stderr);
}

/* Puts the tag back that the kernel moved aside; the new length. */
static size_t put_tag(struct msghdr *message, uint8_t *frame, size_t len)
{
	struct cmsghdr *control = CMSG_FIRSTHDR(message);
	struct tpacket_auxdata aux;
	uint16_t tag[2];

	if (!control || control->cmsg_type != PACKET_AUXDATA || len < 12)
		return len;
	memcpy(&aux, CMSG_DATA(control), sizeof(aux));
	if (!(aux.tp_status & TP_STATUS_VLAN_VALID))
		return len;
	tag[0] = htons(aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid : 0x8100);
	tag[1] = htons(aux.tp_vlan_tci);
	memmove(frame + 12 + TAG, frame + 12, len - 12);
	memcpy(frame + 12, tag, TAG);
	return len + TAG;
}

static void write_head(FILE *out)
{
	const uint32_t head[6] = { 0xa1b2c3d4, 2 | 4 << 16, 0, 0, FRAME_MAX + TAG, 1 };

	fwrite(head, sizeof(head), 1, out);
	fflush(out);
}

static void write_frame(FILE *out, const uint8_t *frame, size_t len)
{
	struct timespec now;
	uint32_t record[4];

	clock_gettime(CLOCK_REALTIME, &now);
	record[0] = (uint32_t)now.tv_sec;
	record[1] = (uint32_t)(now.tv_nsec / 1000);
	record[2] = record[3] = (uint32_t)len;
	fwrite(record, sizeof(record), 1, out);
	fwrite(frame, 1, len, out);
	fflush(out);
}

static unsigned get16(const uint8_t *p)
{
	return (unsigned)(p[0] << 8 | p[1]);
}

/* In tcpdump's words. */
static void tell_frame(FILE *out, const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + 14, *udp = ip + (ip[0] & 15) * 4;
	char from[INET_ADDRSTRLEN], to[INET_ADDRSTRLEN];

	if (len < 42 || get16(frame + 12) != ETH_P_IP) {
		fprintf(out, "ethertype 0x%04x, length %zu\n", get16(frame + 12), len);
		fflush(out);
		return;
	}
	inet_ntop(AF_INET, ip + 12, from, sizeof(from));
	inet_ntop(AF_INET, ip + 16, to, sizeof(to));
	if (ip[9] == IPPROTO_UDP)
		fprintf(out, "IP %s.%u > %s.%u: UDP, length %u\n", from, get16(udp), to,
			get16(udp + 2), get16(udp + 4) - 8);
	else
		fprintf(out, "IP %s > %s: protocol %u, length %u\n", from, to, ip[9],
			get16(ip + 2));
	fflush(out);
}

/* One frame into frame, its length; 0 for one that is not wanted. */
static size_t receive(struct capture *c, uint8_t *frame)
{
	union {
		char room[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
		struct cmsghdr align;
	} control;
	struct sockaddr_ll from = { 0 };
	struct iovec iov = { frame, FRAME_MAX };
	struct msghdr message = { .msg_name = &from,
				  .msg_namelen = sizeof(from),
				  .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t len = recvmsg(c->fd, &message, 0);

	if (len < 0 && errno != EINTR && errno != ENETDOWN)
		err(1, "recvmsg");
	if (len < 14 || (c->incoming && from.sll_pkttype == PACKET_OUTGOING))
		return 0;
	return put_tag(&message, frame, (size_t)len);
}

static struct capture read_options(int argc, char **argv)
{
	struct capture c = { 0 };
	int o;

	while ((o = getopt(argc, argv, "fin:t")) != -1) {
		switch (o) {
		case 'f':
			c.fragments = true;
			break;
		case 'i':
			c.incoming = true;
			break;
		case 'n':
			c.count = strtoul(optarg, NULL, 10);
			break;
		case 't':
			c.text = true;
			break;
		default:
			exit(2);
		}
	}
	if (argc - optind != (c.text ? 1 : 2))
		errx(2, "usage: capture [-fi] [-n count] interface file, or -t interface");
	return c;
}

int main(int argc, char **argv)
{
	static uint8_t frame[FRAME_MAX + TAG];
	struct capture c = read_options(argc, argv);
	size_t len;

	c.out = c.text ? stdout : fopen(argv[optind + 1], "wb");
	if (!c.out)
		err(1, "%s", argv[optind + 1]);
	if (!c.text)
		write_head(c.out);
	listen_on(&c, argv[optind]);
	for (;;) {
		len = receive(&c, frame);
		if (!len)
			continue;
		if (c.text)
			tell_frame(c.out, frame, len);
		else
			write_frame(c.out, frame, len);
		if (c.count && !--c.count)
			return 0;
	}
}
