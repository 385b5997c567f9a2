/* SPDX-License-Identifier: MIT */
/* Lab ports of QEMU's -netdev stream.  The port is up while it is there, its link while
 * it is connected. */
#include <errno.h>
#include <string.h>

#include "app/answer.h"
#include "base/bytes.h"
#include "ports_parts.h"

static void take(void *ctx, struct iovec *frames, unsigned n, struct instant now)
{
	const struct vnet plain = { 0 };
	struct lab *lab = ctx;

	now = ports_begin(lab, now);
	for (unsigned i = 0; i < n; i++)
		ports_frame(lab, frames[i].iov_base, frames[i].iov_len, &plain, now);
	ports_end(lab);
}

/* The end of the turn looks. */
static void linked(void *ctx, bool up, struct instant now)
{
	struct lab *lab = ctx;

	(void)up;
	(void)now;
	lab->dirty = true;
}

static int open_stream(struct lab *lab, struct instant now)
{
	const struct labstream_events events = { take, linked, lab };
	bool listens = conf_end_is_set(&lab->conf.local);
	const struct labend *at = listens ? &lab->conf.local : &lab->conf.remote;
	char text[CONF_END_TEXT];
	int error = 0;

	lab->stream = labstream_new(&lab->ports->node->loop, listens, &lab->conf.local,
				    &lab->conf.remote, SITE_HEADROOM, &events, now, &error);
	if (!lab->stream) {
		ports_note(lab, "%s: %s", conf_end_format(at, text), strerror(-error));
		return error;
	}
	ports_note(lab, "%s", "");
	lab->due = labstream_due(lab->stream);
	return 0;
}

static void close_stream(struct lab *lab)
{
	labstream_free(lab->stream);
	lab->stream = NULL;
}

static int write_stream(struct lab *lab, const struct vnet *vnet, struct iovec *iov, size_t n)
{
	(void)vnet;
	return labstream_write(lab->stream, iov + 1, n - 1);
}

static void flush_stream(struct lab *lab, struct instant now)
{
	labstream_flush(lab->stream);
	if (instant_reached(now, labstream_due(lab->stream)))
		labstream_tick(lab->stream, now);
	lab->due = labstream_due(lab->stream);
}

static bool stream_link(struct lab *lab)
{
	return labstream_up(lab->stream);
}

static void report_stream(struct lab *lab, json_t *object)
{
	static const struct labstream_counts none;
	const struct labstream_counts *c = lab->open ? labstream_counts(lab->stream) : &none;

	answer_count(object, "strangers", c->strangers);
	answer_count(object, "garbled", c->garbled);
	answer_count(object, "refused", c->full);
	answer_count(object, "connects", c->connects);
}

const struct wire ports_wire_stream = { .open = open_stream,
					.close = close_stream,
					.write = write_stream,
					.flush = flush_stream,
					.link = stream_link,
					.report = report_stream };
