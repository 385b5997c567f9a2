/* SPDX-License-Identifier: MIT */
#include "app/later.h"

#include <stdlib.h>
#include <string.h>

struct later *later_new(void)
{
	return calloc(1, sizeof(struct later));
}

void later_free(struct later *l)
{
	free(l);
}

static bool has_room(const struct later *l, const struct udp_inbox *inbox, const struct iovec *iov,
		     size_t n)
{
	size_t room = LATER_COPIES - l->copied;

	if (l->n == LATER_FRAMES || n > LATER_PIECES - l->n_pieces)
		return false;
	for (size_t i = 1; i < n; i++) {
		if (udp_inbox_holds(inbox, iov[i].iov_base))
			continue;
		if (iov[i].iov_len > room)
			return false;
		room -= iov[i].iov_len;
	}
	return true;
}

static void *copy(struct later *l, const struct iovec *piece)
{
	uint8_t *place = l->copies + l->copied;

	memcpy(place, piece->iov_base, piece->iov_len);
	l->copied += piece->iov_len;
	return place;
}

bool later_put(struct later *l, const struct udp_inbox *inbox, const struct vnet *vnet,
	       const struct iovec *iov, size_t n)
{
	struct later_frame *f = &l->frames[l->n];

	if (!has_room(l, inbox, iov, n))
		return false;
	*f = (struct later_frame){ .vnet = *vnet,
				   .iov = &l->pieces[l->n_pieces],
				   .n = (unsigned)n };
	for (size_t i = 1; i < n; i++) {
		f->iov[i] = iov[i];
		f->len += iov[i].iov_len;
		if (!udp_inbox_holds(inbox, iov[i].iov_base))
			f->iov[i].iov_base = copy(l, &iov[i]);
	}
	l->n_pieces += (unsigned)n;
	l->n++;
	return true;
}

unsigned later_write(struct later *l, struct tap *tap, struct yield *yield, struct instant now)
{
	unsigned calls = l->n - l->written;

	for (; l->written < l->n; l->written++) {
		struct later_frame *f = &l->frames[l->written];

		f->error = tap_write(tap, &f->vnet, f->iov, f->n);
		l->failed |= f->error != 0;
		yield_after(yield, tap_loose(&f->vnet, f->len), now);
	}
	return calls;
}

void later_settle(const struct later *l, struct port *port)
{
	for (unsigned i = 0; i < l->n; i++) {
		const struct later_frame *f = &l->frames[i];
		struct frame frame = { .vnet = f->vnet, .len = f->len, .n = f->n, .iov = f->iov };

		if (f->error || (port->refusals && f->vnet.gso_type != VNET_GSO_NONE))
			port_written(port, &frame, f->error);
	}
}

void later_clear(struct later *l)
{
	l->n = l->written = l->n_pieces = 0;
	l->copied = 0;
	l->failed = false;
}
