/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * The data path of one worker among several.  Frames are read from its queue of
 * the TAP in bursts, datagrams from its sockets in batches, both while others
 * may be at the site.  In its turn there the worker hands them over and takes along
 * what came of them: runs, and frames that were kept.  These it writes and sends
 * when it has left.  What the TAP refused the port hears of in another turn, and
 * cuts it then.
 *
 * It leaves the processor to others (host/yield) only where it is not at the site.
 *
 * Rebuilding of super-frames ends with each turn, for the next to unpack for that
 * peer may be another worker, with other memory.
 */
#include "node_io_parts.h"

#include <errno.h>

#include "app/worker.h"

int node_io_keep(struct worker *w, const struct vnet *vnet, struct iovec *iov, size_t n)
{
	struct later *l = w->later;

	if (!w->at_once && !later_put(l, w->inbox[0], vnet, iov, n)) {
		/* What is before it goes first; a refusal is not for now, where the port
		 * may be about another frame. */
		w->tap_writes += later_write(l, w->tap, NULL, w->loop->now);
		if (!l->failed)
			later_clear(l);
		w->at_once = l->failed || !later_put(l, w->inbox[0], vnet, iov, n);
	}
	if (!w->at_once) {
		w->tell = w->tell || w->node->port.refusals;
		return PORT_LATER;
	}
	w->tap_writes++;
	return tap_write(w->tap, vnet, iov, n);
}

/* NULL while the main thread waits for this worker, or is the one, and all wait for it. */
static struct yield *to_give_way(const struct worker *w, struct yield *yield)
{
	if (worker_is_awaited(w) || (w->number == 0 && w->node->pauses))
		return NULL;
	return yield;
}

/* Writes and sends what the turn at the site gave. */
static void carry_out(struct worker *w)
{
	struct later *l = w->later;

	w->tap_writes += later_write(l, w->tap, to_give_way(w, &w->writing), w->loop->now);
	worker_send(w, w->away, w->n_away);
	if (l->failed || w->tell) {
		worker_enter(w, w->loop->now);
		w->at_once = true;
		later_settle(l, &w->node->port);
		worker_leave(w);
	}
	later_clear(l);
	w->at_once = w->tell = false;
}

void node_io_leave_several(struct worker *w)
{
	w->n_away = site_collect(&w->node->site, w->away);
	worker_leave(w);
	carry_out(w);
}

static void show_burst(struct worker *w)
{
	const struct burst *b = w->burst;

	for (unsigned i = 0; i < b->n; i++)
		node_io_show_read(w, b->frames[i].bytes, b->frames[i].len, &b->frames[i].vnet);
}

static void bring_frames(struct worker *w, struct instant now)
{
	struct site *site = &w->node->site;
	const struct burst *b = w->burst;
	unsigned loose = 0;

	if (captures_on(&w->node->captures, CAPTURES_PORT))
		show_burst(w);
	now = worker_enter(w, now);
	for (unsigned i = 0; i < b->oversize; i++)
		port_drop(&w->node->port, DROP_OVERSIZE);
	for (unsigned i = 0; i < b->n; i++) {
		site_frame(site, 0, b->frames[i].bytes, b->frames[i].len, &b->frames[i].vnet, now);
		loose += tap_loose(&b->frames[i].vnet, b->frames[i].len);
	}
	node_io_leave_several(w);
	yield_after(to_give_way(w, &w->reading), loose, now);
}

int node_io_read_several(struct worker *w, struct instant now)
{
	unsigned frames = 0;
	int more = 1;

	while (more > 0 && frames < NODE_IO_READS && !worker_is_awaited(w)) {
		more = burst_read(w->burst, w->tap);
		w->tap_reads += w->burst->calls;
		frames += w->burst->n + w->burst->oversize;
		if (w->burst->n + w->burst->oversize)
			bring_frames(w, now);
	}
	if (more <= 0)
		w->reading.frames = 0;
	worker_come_back(w);
	return more;
}

static void bring_datagrams(struct node_socket *s, const struct udp_received *got, int n,
			    struct instant now)
{
	struct worker *w = s->worker;
	struct site *site = &w->node->site;

	now = worker_enter(w, now);
	for (int i = 0; i < n; i++)
		site_datagrams(site, node_io_way_in(s, &got[i], now), &got[i].from, got[i].data,
			       got[i].len, got[i].segment, now);
	site_rx_end(site, false);
	node_io_leave_several(w);
}

void node_io_receive_several(struct node_socket *s, struct instant now)
{
	struct udp_received got[UDP_BATCH];
	struct worker *w = s->worker;
	int n = UDP_BATCH;

	w->writing.frames = 0;
	for (unsigned round = 0; round < NODE_IO_ROUNDS && n == UDP_BATCH; round++) {
		if (worker_is_awaited(w))
			break;
		n = udp_receive(&s->udp, w->inbox[0], got);
		if (captures_on(&w->node->captures, CAPTURES_WIRE))
			node_io_show_received(s, got, n, now);
		if (n > 0)
			bring_datagrams(s, got, n, now);
	}
	worker_come_back(w);
}
