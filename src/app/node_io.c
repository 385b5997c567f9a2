/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * Each turn of a loop empties what is ready, within bounds: up to NODE_IO_READS
 * frames, up to NODE_IO_ROUNDS rounds of messages a socket.
 *
 * One worker alone: frames go to the TAP as they are rebuilt; datagrams gather in
 * runs and leave at the end of the turn, or earlier when there are many.  Two
 * inboxes take turns, so that the pieces of a super-frame may lie in the messages
 * of two rounds.  Several: see node_io_several.c.
 *
 * Small frames in great number leave the processor to others now and then (host/yield):
 * as they are written, and, once what was read is sent, before more is read.
 */
#include "node_io_parts.h"

#include <errno.h>
#include <string.h>

#include "app/worker.h"
#include "base/list.h"
#include "base/log.h"

void node_io_send(void *ctx, struct run **runs, size_t n)
{
	worker_send(((struct node *)ctx)->at_site, runs, n);
}

static size_t bytes_in(const struct iovec *iov, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += iov[i].iov_len;
	return len;
}

static int write_or_keep(struct worker *w, const struct vnet *vnet, struct iovec *iov, size_t n)
{
	int error;

	if (w->later)
		return node_io_keep(w, vnet, iov, n);
	w->tap_writes++;
	error = tap_write(w->tap, vnet, iov, n);
	yield_after(&w->writing, tap_loose(vnet, bytes_in(iov + 1, n - 1)), w->loop->now);
	return error;
}

int node_io_tap_write(void *ctx, const struct vnet *vnet, struct iovec *iov, size_t n)
{
	struct worker *w = ((struct node *)ctx)->at_site;
	int error = write_or_keep(w, vnet, iov, n);

	if (captures_on(&w->node->captures, CAPTURES_PORT) && error >= 0)
		captures_port(&w->node->captures, 0, CAPTURES_OUT, vnet, iov + 1, (unsigned)n - 1,
			      w->loop->now);
	return error;
}

/* ---- for who looks on ------------------------------------------------------ */

void node_io_show_received(struct node_socket *s, const struct udp_received *got, int n,
			   struct instant now)
{
	for (int i = 0; i < n; i++)
		captures_wire(&s->worker->node->captures,
			      got[i].local.family ? &got[i].local : &s->udp.local, &got[i].from,
			      CAPTURES_IN, got[i].data, got[i].len, got[i].segment, now);
}

void node_io_show_read(struct worker *w, const uint8_t *frame, size_t len, const struct vnet *vnet)
{
	struct iovec iov = { (uint8_t *)frame, len };

	captures_port(&w->node->captures, 0, CAPTURES_IN, vnet, &iov, 1, w->loop->now);
}

/* ---- sockets ------------------------------------------------------------ */

static void receive_alone(struct node_socket *s, struct instant now)
{
	struct worker *w = s->worker;
	struct site *site = &w->node->site;
	struct udp_received got[UDP_BATCH];
	int n = UDP_BATCH;

	w->writing.frames = 0;
	for (unsigned round = 0; round < NODE_IO_ROUNDS && n == UDP_BATCH; round++) {
		n = udp_receive(&s->udp, w->inbox[w->inbox_turn++ & 1], got);
		if (captures_on(&w->node->captures, CAPTURES_WIRE))
			node_io_show_received(s, got, n, now);
		for (int i = 0; i < n; i++)
			site_datagrams(site, node_io_way_in(s, &got[i], now), &got[i].from,
				       got[i].data, got[i].len, got[i].segment, now);
		site_rx_end(site, true);
	}
	site_rx_end(site, false);
}

static void socket_ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct node_socket *s = container_of(source, struct node_socket, source);

	(void)events;
	if (s->worker->node->n_workers > 1)
		node_io_receive_several(s, now);
	else
		receive_alone(s, now);
}

void node_io_stream_take(struct node *node, const struct addr *from, uint8_t *data, size_t len,
			 struct instant now)
{
	struct worker *w = &node->workers[0];

	if (node->stream_taken == NODE_IO_STREAM)
		node_io_stream_end(node);
	if (node->stream_taken++ == 0)
		worker_enter(w, now);
	if (instant_before(now, node->site.now))
		now = node->site.now;
	site_datagrams(&node->site, 0, from, data, len, len, now);
}

void node_io_stream_end(struct node *node)
{
	struct worker *w = &node->workers[0];

	if (node->stream_taken == 0)
		return;
	node->stream_taken = 0;
	site_rx_end(&node->site, false);
	if (node->n_workers > 1)
		node_io_leave_several(w);
}

void node_io_lab_end(struct node *node)
{
	if (node->n_workers > 1)
		node_io_leave_several(&node->workers[0]);
}

void node_io_watch_socket(struct node_socket *s)
{
	s->source =
		(struct loop_source){ .fd = s->udp.fd, .events = LOOP_READ, .ready = socket_ready };
}

/* ---- the TAP ------------------------------------------------------------- */

static int read_alone(struct worker *w, struct instant now)
{
	uint8_t *frame = w->frame + SITE_HEADROOM;
	struct node *node = w->node;
	struct vnet vnet;
	unsigned loose = 0;
	int len = 0;

	yield_after(&w->reading, 0, now); /* what was read before has been sent by now */
	for (unsigned i = 0; i < NODE_IO_READS; i++) {
		w->tap_reads++;
		len = tap_read(w->tap, frame, SUPERFRAME_MAX, &vnet);
		if (len == -EMSGSIZE) {
			port_drop(&node->port, DROP_OVERSIZE);
			continue;
		}
		if (len <= 0)
			break;
		if (captures_on(&node->captures, CAPTURES_PORT))
			node_io_show_read(w, frame, (size_t)len, &vnet);
		site_frame(&node->site, 0, frame, (size_t)len, &vnet, now);
		loose += tap_loose(&vnet, (size_t)len);
	}
	w->reading.frames = len > 0 ? w->reading.frames + loose : 0;
	return len;
}

/* A descriptor that is about to be closed, or is bad already, leaves the loop first. */
static void unwatch_tap(struct worker *w)
{
	if (w->tap_watched)
		loop_remove(w->loop, &w->tap_source);
	w->tap_watched = false;
}

static void tap_ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct worker *w = container_of(source, struct worker, tap_source);
	int error;

	(void)events;
	if (!w->tap_watched)
		return; /* what an earlier wait found */
	error = w->node->n_workers > 1 ? node_io_read_several(w, now) : read_alone(w, now);
	if (error != -EBADFD)
		return;
	if (w->number == 0) {
		node_io_mend(w->node, now);
	} else {
		unwatch_tap(w);
		worker_ask_mend(w);
	}
}

static void watch_queue(struct worker *w)
{
	const struct attach *a = &w->node->attach;

	w->tap = attach_queue(&w->node->attach, w->number);
	if (w->number >= a->n_queues)
		return;
	w->tap_source =
		(struct loop_source){ .fd = w->tap->fd, .events = LOOP_READ, .ready = tap_ready };
	w->tap_watched = loop_add(w->loop, &w->tap_source) == 0;
}

void node_io_watch_tap(struct node *node)
{
	const struct tap *tap = &node->attach.tap;

	node->port.up = tap->fd >= 0;
	if (tap->fd >= 0 && !node->told_carrier)
		tap_set_carrier(tap, false);
	node->port.can = tap->offloads & ~(node->attach.offloads.refused | node->port.lost);
	for (unsigned i = 0; i < node->n_workers; i++)
		watch_queue(&node->workers[i]);
}

static void tell_link(struct node *node, struct instant now)
{
	if (node->conf->tap[0])
		site_port_link(&node->site, 0, node->attach.up, now);
	if (node->n_workers <= 1)
		return;
	worker_enter(&node->workers[0], now);
	node_io_leave_several(&node->workers[0]);
}

void node_io_mend(struct node *node, struct instant now)
{
	int before = node->attach.tap.ifindex;

	worker_pause(node);
	node->mend_wanted = false;
	node->port.up = false;
	for (unsigned i = 0; i < node->n_workers; i++)
		unwatch_tap(&node->workers[i]);
	attach_mend(&node->attach, now);
	if (node->attach.tap.ifindex != before)
		node->port.lost = 0; /* another device, another chance */
	node_io_watch_tap(node);
	tell_link(node, now);
	worker_resume(node);
}

static void monitor_ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct node *node = container_of(source, struct node, monitor_source);

	(void)events;
	if (!netlink_monitor_drain(&node->attach.netlink))
		return;
	node->links_changed = true;
	locals_look(&node->locals);
	if (node->conf->tap[0])
		node_io_mend(node, now);
}

void node_io_watch_monitor(struct node *node)
{
	node->monitor_source =
		(struct loop_source){ .fd = netlink_monitor_fd(&node->attach.netlink),
				      .events = LOOP_READ,
				      .ready = monitor_ready };
	if (loop_add(&node->loop, &node->monitor_source))
		log_warn("changes of links are not reported, looking once a second");
}
