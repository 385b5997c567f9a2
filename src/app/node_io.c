/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * Each turn of the loop empties what is ready, within bounds: up to TAP_READS
 * frames, up to UDP_ROUNDS rounds of messages a socket.  Frames go to the TAP
 * as they are rebuilt; datagrams gather in runs and leave at the end of the
 * turn, or earlier when there are many.  Two inboxes take turns, so that the
 * pieces of a super-frame may lie in the messages of two rounds.
 */
#include "app/node_io.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"

_Static_assert(RUN_SEGMENTS <= UDP_SEND_SEGMENTS && RUN_BYTES <= UDP_SEND_MAX,
	       "a run is one message");
_Static_assert(PEERS_TOO_BIG == EMSGSIZE, "the core's own word for it");

#define TAP_READS 64
#define UDP_ROUNDS 4

static void tell_gso_lost(const struct udp *udp)
{
	char text[ADDR_TEXT], note[OFFLOADS_NOTE];

	offloads_gso_note(udp, note);
	log_warn("listen %s: %s", addr_format(&udp->local, text), note);
}

void node_io_send(void *ctx, struct run **runs, size_t n)
{
	struct node *node = ctx;
	struct udp_message messages[OUTBOX_RUNS];
	size_t first = 0;

	while (first < n) {
		struct node_socket *s = &node->sockets[runs[first]->socket];
		size_t count = 0;
		bool gso_lost = false;

		while (first + count < n && runs[first + count]->socket == s->number) {
			const struct run *run = runs[first + count];

			messages[count++] = (struct udp_message){ .data = run->data,
								  .len = run->len,
								  .segment = run->segment,
								  .to = run->to };
		}
		udp_send(&s->udp, messages, count, &gso_lost);
		for (size_t i = 0; i < count; i++)
			runs[first + i]->error = messages[i].error;
		if (gso_lost)
			tell_gso_lost(&s->udp);
		first += count;
	}
}

int node_io_tap_write(void *ctx, const struct vnet *vnet, struct iovec *iov, size_t n)
{
	struct node *node = ctx;

	node->tap_writes++;
	return tap_write(&node->attach.tap, vnet, iov, n);
}

static void socket_ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct node_socket *s = container_of(source, struct node_socket, source);
	struct node *node = s->node;
	struct udp_received got[UDP_BATCH];
	int n = UDP_BATCH;

	(void)events;
	for (unsigned round = 0; round < UDP_ROUNDS && n == UDP_BATCH; round++) {
		n = udp_receive(&s->udp, node->inbox[node->inbox_turn++ & 1], got);
		for (int i = 0; i < n; i++)
			site_datagrams(&node->site, s->number, &got[i].from, got[i].data,
				       got[i].len, got[i].segment, now);
		site_rx_end(&node->site, true);
	}
	site_rx_end(&node->site, false);
}

void node_io_watch_socket(struct node_socket *s)
{
	s->source =
		(struct loop_source){ .fd = s->udp.fd, .events = LOOP_READ, .ready = socket_ready };
}

static void tap_ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct node *node = container_of(source, struct node, tap_source);
	uint8_t *frame = node->frame + SITE_HEADROOM;
	struct vnet vnet;
	int len = 0;

	(void)events;
	for (unsigned i = 0; i < TAP_READS; i++) {
		node->tap_reads++;
		len = tap_read(&node->attach.tap, frame, SUPERFRAME_MAX, &vnet);
		if (len == -EMSGSIZE) {
			node->port.drops.count[DROP_OVERSIZE]++;
			continue;
		}
		if (len <= 0)
			break;
		site_frame(&node->site, 0, frame, (size_t)len, &vnet, now);
	}
	if (len == -EBADFD)
		node_io_mend(node, now);
}

void node_io_watch_tap(struct node *node)
{
	struct tap *tap = &node->attach.tap;

	node->port.up = tap->fd >= 0;
	node->port.can = tap->offloads & ~(node->attach.offloads.refused | node->port.lost);
	if (tap->fd < 0)
		return;
	node->tap_source =
		(struct loop_source){ .fd = tap->fd, .events = LOOP_READ, .ready = tap_ready };
	node->tap_watched = loop_add(&node->loop, &node->tap_source) == 0;
}

/* A descriptor that is about to be closed, or is bad already, leaves the loop first. */
static void unwatch_tap(struct node *node)
{
	if (node->tap_watched)
		loop_remove(&node->loop, &node->tap_source);
	node->tap_watched = false;
	node->port.up = false;
}

void node_io_mend(struct node *node, struct instant now)
{
	int before = node->attach.tap.ifindex;

	unwatch_tap(node);
	attach_mend(&node->attach, now);
	if (node->attach.tap.ifindex != before)
		node->port.lost = 0; /* another device, another chance */
	node_io_watch_tap(node);
}

static void monitor_ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct node *node = container_of(source, struct node, monitor_source);

	(void)events;
	if (netlink_monitor_drain(&node->attach.netlink))
		node_io_mend(node, now);
}

void node_io_watch_monitor(struct node *node)
{
	node->monitor_source =
		(struct loop_source){ .fd = netlink_monitor_fd(&node->attach.netlink),
				      .events = LOOP_READ,
				      .ready = monitor_ready };
	if (loop_add(&node->loop, &node->monitor_source))
		log_warn("changes of links are not reported: looking once a second");
}
