/* SPDX-License-Identifier: MIT */
/* Lab ports of frames in datagrams: qemu (dgram), vbox, ubridge. */
#include <errno.h>
#include <string.h>

#include "app/answer.h"
#include "base/bytes.h"
#include "base/list.h"
#include "ports_parts.h"

static void ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct lab *lab = container_of(source, struct lab, source);
	struct iovec frames[LABDGRAM_BATCH];
	const struct vnet plain = { 0 };
	int n = LABDGRAM_BATCH;

	(void)events;
	for (unsigned i = 0; i < PORTS_READS && n == LABDGRAM_BATCH; i++) {
		n = labdgram_read(&lab->dgram, frames, SITE_HEADROOM);
		lab->reads++;
		if (n <= 0)
			return;
		now = ports_begin(lab, now);
		for (int k = 0; k < n; k++)
			ports_frame(lab, frames[k].iov_base, frames[k].iov_len, &plain, now);
		ports_end(lab);
	}
}

static const char *hint(int error)
{
	switch (error) {
	case -EADDRINUSE:
		return "another process or port has local: choose another, or stop that";
	case -EADDRNOTAVAIL:
		return "local is no address of this host";
	case -EACCES:
	case -EPERM:
		return "not permitted: choose a port above 1023, or a folder that this user may "
		       "write";
	case -ENOENT:
		return "the folder of local does not exist: make it";
	default:
		return strerror(-error);
	}
}

static int open_dgram(struct lab *lab, struct instant now)
{
	char text[CONF_END_TEXT];
	int error = labdgram_open(&lab->dgram, &lab->conf.local, &lab->conf.remote);

	(void)now;
	if (!error) {
		lab->source = (struct loop_source){ .fd = lab->dgram.fd,
						    .events = LOOP_READ,
						    .ready = ready };
		error = loop_add(&lab->ports->node->loop, &lab->source);
		if (error)
			labdgram_close(&lab->dgram);
	}
	if (error)
		ports_note(lab, "%s: %s", conf_end_format(&lab->conf.local, text), hint(error));
	else
		ports_note(lab, "%s", "");
	return error;
}

static void close_dgram(struct lab *lab)
{
	loop_remove(&lab->ports->node->loop, &lab->source);
	labdgram_close(&lab->dgram);
}

static int write_dgram(struct lab *lab, const struct vnet *vnet, struct iovec *iov, size_t n)
{
	(void)vnet;
	return labdgram_write(&lab->dgram, iov + 1, n - 1);
}

static void flush_dgram(struct lab *lab, struct instant now)
{
	int error = labdgram_flush(&lab->dgram);

	lab->writes++;
	lab->due = error == -EAGAIN ? instant_add(now, LABDGRAM_AGAIN) : INSTANT_NEVER;
}

static void report_dgram(struct lab *lab, json_t *object)
{
	answer_count(object, "strangers", lab->open ? lab->dgram.strangers : 0);
	answer_count(object, "garbled", lab->open ? lab->dgram.garbled : 0);
	answer_count(object, "refused", lab->open ? lab->dgram.refused : 0);
}

const struct wire ports_wire_dgram = { .open = open_dgram,
				       .close = close_dgram,
				       .write = write_dgram,
				       .flush = flush_dgram,
				       .report = report_dgram };
