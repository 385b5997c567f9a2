/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * Two pieces of memory take turns: one is filled by whoever is at the site, the other is
 * written by the main thread meanwhile.  While frames wait there, those that the main thread
 * delivers are put behind them, so that their order stays.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "app/worker.h"
#include "base/bytes.h"
#include "ports_parts.h"

#define ROOM ((size_t)2 << 20)
#define ALIGN 16

struct record {
	size_t len; /* of the frame, which follows */
	unsigned number;
	int error; /* of its writing */
	struct vnet vnet;
};

static size_t round_up(size_t n)
{
	return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

#define HEAD round_up(sizeof(struct record))

bool handoff_init(struct ports *ports)
{
	if (ports->node->n_workers <= 1)
		return true;
	ports->full.bytes = malloc(ROOM);
	ports->empty.bytes = malloc(ROOM);
	return ports->full.bytes && ports->empty.bytes;
}

void handoff_free(struct ports *ports)
{
	free(ports->full.bytes);
	free(ports->empty.bytes);
}

int handoff_put(struct ports *ports, unsigned number, const struct vnet *vnet,
		const struct iovec *iov, size_t n)
{
	struct handoff *h = &ports->full;
	struct record r = { .number = number, .vnet = *vnet };
	uint8_t *at = h->bytes + h->used;

	for (size_t i = 1; i < n; i++)
		r.len += iov[i].iov_len;
	if (ROOM - h->used < HEAD + round_up(r.len))
		return -EAGAIN;
	if (h->used == 0)
		eventfd_write(ports->node->wake_source.fd, 1);
	memcpy(at, &r, sizeof(r));
	at += HEAD;
	for (size_t i = 1; i < n; i++) {
		memcpy(at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	h->used += HEAD + round_up(r.len);
	return 0;
}

static struct lab *lab_of(const struct ports *ports, unsigned number)
{
	for (unsigned i = 0; i < ports->n; i++) {
		if (ports->labs[i]->number == number)
			return ports->labs[i];
	}
	return NULL;
}

static struct record *record_at(const struct handoff *h, size_t at)
{
	return (struct record *)(void *)(h->bytes + at);
}

static bool write_all(struct ports *ports, const struct handoff *h)
{
	bool failed = false;

	for (size_t at = 0; at < h->used;) {
		struct record *r = record_at(h, at);
		struct iovec iov[2] = { { 0 }, { h->bytes + at + HEAD, r->len } };
		struct lab *lab = lab_of(ports, r->number);

		at += HEAD + round_up(r->len);
		if (!lab || !lab->open)
			continue;
		r->error = lab->wire->write(lab, &r->vnet, iov, 2);
		lab->dirty = true;
		failed |= r->error < 0;
	}
	return failed;
}

/* What was refused after it was counted as sent. */
static void settle(struct ports *ports, const struct handoff *h)
{
	for (size_t at = 0; at < h->used;) {
		struct record *r = record_at(h, at);
		struct iovec iov[2] = { { 0 }, { h->bytes + at + HEAD, r->len } };
		struct frame frame = { .vnet = r->vnet, .len = r->len, .n = 2, .iov = iov };
		struct lab *lab = lab_of(ports, r->number);

		at += HEAD + round_up(r->len);
		if (lab && r->error < 0)
			port_written(&lab->port, &frame, r->error);
	}
}

void handoff_drain(struct ports *ports, struct instant now)
{
	struct worker *main_thread = &ports->node->workers[0];
	struct handoff h;

	if (!ports->full.bytes)
		return;
	worker_enter(main_thread, now);
	h = ports->full;
	ports->full = ports->empty;
	ports->full.used = 0;
	ports->empty = h;
	worker_leave(main_thread);
	if (!write_all(ports, &h))
		return;
	worker_enter(main_thread, now);
	settle(ports, &h);
	worker_leave(main_thread);
}
