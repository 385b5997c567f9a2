/* SPDX-License-Identifier: MIT */
/*
 * bare TAP LOCAL REMOTE: frames between a TAP and a UDP socket, and nothing else, for the
 * benchmark alone: no key, no peer, no table of addresses, no check of what comes in.
 * Super-frames are cut into datagrams with a header each, sent by UDP_SEGMENT, received by
 * UDP_GRO and written with one call once they are whole and in order; what is not is
 * dropped.  So it shows how far any tunnel gets on this machine that reads and writes whole
 * super-frames by these four system calls.  Frames do not share datagrams.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "host/loop.h"
#include "host/tap.h"
#include "host/udp.h"

#define ALL (VNET_CAN_CSUM | VNET_CAN_TSO4 | VNET_CAN_TSO6 | VNET_CAN_TSO_ECN | VNET_CAN_USO)
#define FRAME_MAX 65550
#define READS 64
#define PIECES 128
#define IP_UDP 28

struct piece {
	uint32_t frame, at, len; /* its number, where in it this begins, of how many bytes */
	struct vnet vnet;
};

struct bare {
	struct loop loop;
	struct tap tap;
	struct udp udp;
	struct addr remote;
	struct loop_source tap_source, udp_source;
	size_t datagram;
	uint32_t number;
	uint8_t frame[FRAME_MAX], out[2 * UDP_SEND_MAX];

	struct udp_inbox *inbox[2]; /* in turns: a frame may lie in two */
	unsigned turn, rounds;
	struct piece now;
	size_t have;
	struct iovec iov[PIECES];
	size_t n;
};

/* ---- to the other ------------------------------------------------------------ */

static void send_frame(struct bare *b, const struct vnet *vnet, size_t len)
{
	size_t room = b->datagram - sizeof(struct piece);
	size_t most = UDP_SEND_MAX / b->datagram;
	struct udp_message m[4] = { 0 };
	struct piece p = { .frame = ++b->number, .len = (uint32_t)len, .vnet = *vnet };
	uint8_t *out = b->out;
	unsigned n = 0;
	bool lost;

	m[0] = (struct udp_message){ .data = out, .segment = b->datagram, .to = b->remote };
	for (size_t at = 0, segments = 0; at < len; at += room, segments++) {
		size_t part = len - at < room ? len - at : room;

		if (segments == most) {
			segments = 0;
			m[++n] = m[0];
			m[n].data = out;
			m[n].len = 0;
		}
		p.at = (uint32_t)at;
		memcpy(out, &p, sizeof(p));
		memcpy(out + sizeof(p), b->frame + at, part);
		out += sizeof(p) + part;
		m[n].len += sizeof(p) + part;
	}
	udp_send(&b->udp, m, n + 1, &lost);
}

static void tap_ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct bare *b = container_of(source, struct bare, tap_source);
	struct vnet vnet;

	(void)events, (void)now;
	for (unsigned i = 0; i < READS; i++) {
		int len = tap_read(&b->tap, b->frame, sizeof(b->frame), &vnet);

		if (len <= 0)
			break;
		send_frame(b, &vnet, (size_t)len);
	}
}

/* ---- from the other ---------------------------------------------------------- */

static void take_piece(struct bare *b, uint8_t *data, size_t len)
{
	struct piece p;

	if (len <= sizeof(p))
		return;
	memcpy(&p, data, sizeof(p));
	if (p.at == 0) {
		b->now = p;
		b->have = b->rounds = 0;
		b->n = 1; /* the first is the vnet header's */
	}
	if (p.frame != b->now.frame || p.at != b->have || b->n == PIECES || b->rounds > 1)
		return;
	b->iov[b->n++] = (struct iovec){ data + sizeof(p), len - sizeof(p) };
	b->have += len - sizeof(p);
	if (b->have == p.len)
		tap_write(&b->tap, &b->now.vnet, b->iov, b->n);
}

static void udp_ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct bare *b = container_of(source, struct bare, udp_source);
	struct udp_received got[UDP_BATCH];
	int n = udp_receive(&b->udp, b->inbox[b->turn++ & 1], got);

	(void)events, (void)now;
	for (int i = 0; i < n; i++) {
		for (size_t at = 0; at < got[i].len; at += got[i].segment)
			take_piece(b, got[i].data + at,
				   got[i].len - at < got[i].segment ? got[i].len - at
								    : got[i].segment);
	}
	b->rounds++;
}

static int failed(const char *what, int error)
{
	fprintf(stderr, "bare: %s: %s\n", what, strerror(-error));
	return 1;
}

int main(int argc, char **argv)
{
	struct bare *b = calloc(1, sizeof(*b));
	struct addr local;
	int error = 0;

	if (!b || argc != 4 || !addr_parse(&local, argv[2], 7740) ||
	    !addr_parse(&b->remote, argv[3], 7740)) {
		fprintf(stderr, "usage: bare TAP LOCAL REMOTE\n");
		return 2;
	}
	b->datagram = udp_route_mtu(&b->remote) - IP_UDP;
	b->inbox[0] = udp_inbox_new();
	b->inbox[1] = udp_inbox_new();
	if ((error = tap_open(&b->tap, argv[1], ALL)))
		return failed(argv[1], error);
	if ((error = udp_open(&b->udp, &local)))
		return failed(argv[2], error);
	loop_init(&b->loop);
	b->tap_source =
		(struct loop_source){ .fd = b->tap.fd, .events = LOOP_READ, .ready = tap_ready };
	b->udp_source =
		(struct loop_source){ .fd = b->udp.fd, .events = LOOP_READ, .ready = udp_ready };
	loop_add(&b->loop, &b->tap_source);
	loop_add(&b->loop, &b->udp_source);
	while (!error)
		error = loop_turn(&b->loop, INSTANT_NEVER);
	return failed("epoll", error);
}
