/* SPDX-License-Identifier: MIT */
#include "core/outbox.h"

#include <stdlib.h>
#include <string.h>

#define RUN_STRIDE 65536 /* RUN_BYTES and room for a last datagram being sealed */

static bool runs_init(struct outbox *o, unsigned n)
{
	o->memory = malloc((size_t)n * RUN_STRIDE);
	o->runs = calloc(n, sizeof(*o->runs));
	o->idle = calloc(2 * (size_t)n, sizeof(struct run *));
	if (!o->memory || !o->runs || !o->idle)
		return false;
	o->ready = o->idle + n;
	o->n_runs = n;
	for (unsigned i = n; i-- > 0;) {
		o->runs[i].data = o->memory + (size_t)i * RUN_STRIDE;
		o->idle[o->n_idle++] = &o->runs[i];
	}
	return true;
}

bool outbox_init(struct outbox *o, unsigned workers,
		 void (*send)(void *ctx, struct run **runs, size_t n), void *ctx,
		 void (*sent)(void *sent_ctx, const struct run *run), void *sent_ctx)
{
	memset(o, 0, sizeof(*o));
	o->flush_at = workers > 1 ? SIZE_MAX : OUTBOX_FLUSH;
	o->send = send;
	o->ctx = ctx;
	o->sent = sent;
	o->sent_ctx = sent_ctx;
	if (runs_init(o, OUTBOX_RUNS + (workers > 1 ? workers * OUTBOX_AWAY : 0)))
		return true;
	outbox_free(o);
	return false;
}

void outbox_free(struct outbox *o)
{
	free(o->memory);
	free(o->runs);
	free(o->idle);
	o->memory = NULL;
	o->runs = NULL;
	o->idle = o->ready = NULL;
}

struct run *outbox_take(struct outbox *o)
{
	struct run *run;

	if (o->n_idle == 0)
		outbox_flush(o);
	if (o->n_idle == 0)
		return NULL;
	run = o->idle[--o->n_idle];
	run->len = 0;
	run->count = 0;
	run->error = 0;
	return run;
}

void outbox_give_back(struct outbox *o, struct run *run)
{
	o->idle[o->n_idle++] = run;
}

void outbox_ready(struct outbox *o, struct run *run)
{
	if (run->count == 0) {
		outbox_give_back(o, run);
		return;
	}
	o->ready[o->n_ready++] = run;
	o->bytes += run->len;
}

void outbox_sent(struct outbox *o, struct run **runs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		o->sent(o->sent_ctx, runs[i]);
		outbox_give_back(o, runs[i]);
	}
}

void outbox_flush(struct outbox *o)
{
	unsigned n = o->n_ready;

	if (n == 0)
		return;
	o->send(o->ctx, o->ready, n);
	o->n_ready = 0;
	o->bytes = 0;
	outbox_sent(o, o->ready, n);
}

unsigned outbox_collect(struct outbox *o, struct run *runs[OUTBOX_AWAY])
{
	unsigned n = o->n_ready;

	if (n > OUTBOX_AWAY) {
		outbox_flush(o);
		return 0;
	}
	memcpy(runs, o->ready, n * sizeof(struct run *));
	o->n_ready = 0;
	o->bytes = 0;
	return n;
}

void outbox_datagram(struct outbox *o, const struct addr *to, uint8_t socket, uint32_t owner,
		     const uint8_t *data, size_t len)
{
	struct run *run = outbox_take(o);

	if (!run)
		return;
	memcpy(run->data, data, len);
	run->to = *to;
	run->socket = socket;
	run->owner = owner;
	run->segment = (uint16_t)len;
	run->count = 1;
	run->len = (uint32_t)len;
	outbox_ready(o, run);
}
