/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * A NIC that is there may be the one that carries the tunnel.  What passes there to this
 * process's own sockets is left out before all else: the kernel merges datagrams for them, so
 * they would not even be taken apart.  Addresses and streams change, and are looked at
 * each second and when a link changes.
 *
 * So is what the NIC merges: a port of another process at the same NIC switches on again at
 * its end what it found on.  What was ever found on is on again at the end of this one.
 */
#include <errno.h>
#include <string.h>

#include "app/answer.h"
#include "app/worker.h"
#include "base/bytes.h"
#include "base/list.h"
#include "base/log.h"
#include "core/giant.h"
#include "ports_parts.h"

#define FRAMES 64 /* of a reading */

_Static_assert(SITE_HEADROOM <= NIC_HEADROOM, "a frame's headers go before it");

struct reading {
	struct lab *lab;
	struct instant now;
};

static void take(void *ctx, uint8_t *frame, size_t len)
{
	struct reading *r = ctx;
	struct vnet vnet;

	if (underlay_has(&r->lab->ports->underlay, frame, len))
		port_drop(&r->lab->port, DROP_UNDERLAY);
	else if (giant_facts(frame, len, r->lab->nic.mtu, &vnet))
		ports_frame(r->lab, frame, len, &vnet, r->now);
	else
		port_drop(&r->lab->port, DROP_OFFLOAD);
}

static void read_some(struct reading *r, int *n)
{
	struct lab *lab = r->lab;
	uint64_t before = lab->nic.too_long;

	*n = nic_read(&lab->nic, FRAMES, SITE_HEADROOM, take, r);
	lab->reads++;
	lab->port.now = r->now;
	for (uint64_t i = before; i < lab->nic.too_long; i++)
		port_drop(&lab->port, DROP_OVERSIZE);
}

static void shut(struct lab *lab, struct instant now)
{
	struct worker *main_thread = &lab->ports->node->workers[0];

	lab->wire->close(lab);
	lab->open = false;
	worker_enter(main_thread, now);
	lab->port.up = false;
	worker_leave(main_thread);
	lab->again = instant_add(now, PORTS_AGAIN);
}

/* A NIC that is set down keeps its descriptor; one that went is opened anew when
 * there is one of that name. */
static void gone(struct lab *lab, struct instant now)
{
	ports_note(lab, "%s: the interface is gone, waiting for it", lab->conf.interface);
	shut(lab, now);
}

static void ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct reading r = { container_of(source, struct lab, source), now };
	int n = FRAMES;

	(void)events;
	r.now = ports_begin(r.lab, now);
	for (unsigned i = 0; i < PORTS_READS && n == FRAMES; i++)
		read_some(&r, &n);
	ports_end(r.lab);
	if (n == -ENODEV)
		gone(r.lab, now);
}

static void tell_merging(const struct lab *lab, const struct offload_merging *found, int error)
{
	char words[OFFLOAD_ADVICE];

	offload_merging_advice(found, words);
	if (!error)
		log_info("the NIC merges no datagrams while the port is open",
			 log_text("port", lab->conf.name), log_text("nic", lab->conf.interface),
			 log_text("set", words));
	else
		log_warn("the NIC merges datagrams, which will be lost",
			 log_text("port", lab->conf.name), log_text("nic", lab->conf.interface),
			 log_text("error", strerror(-error)), log_text("hint", words));
}

/* Merged datagrams could not be taken apart again.  What stays on is told once. */
static void stop_merging(struct lab *lab)
{
	struct offload_merging found;
	int error = offload_merging_off(lab->conf.interface, &found);

	if (found.on && found.on != lab->merges)
		tell_merging(lab, &found, error);
	lab->merges = found.on;
	if (error || !found.on)
		return;
	if (found.ifindex == lab->merging.ifindex)
		found.on |= lab->merging.on;
	lab->merging = found;
}

static int open_nic(struct lab *lab, struct instant now)
{
	char error_text[NIC_ERROR], why[PORTS_NOTE];
	int error;

	(void)now;
	if (ports_round(lab, why)) {
		ports_note(lab, "%s", why);
		return -ELOOP;
	}
	ports_learn_underlay(lab->ports);
	error = nic_open(&lab->nic, lab->conf.interface, error_text);
	if (error) {
		ports_note(lab, "%s", error_text);
		return error;
	}
	lab->source = (struct loop_source){ .fd = lab->nic.fd, .events = LOOP_READ,
					    .ready = ready };
	error = loop_add(&lab->ports->node->loop, &lab->source);
	if (error)
		nic_close(&lab->nic);
	ports_note(lab, "%s", error ? strerror(-error) : "");
	lab->merging = (struct offload_merging){ 0 };
	lab->merges = 0;
	if (!error)
		stop_merging(lab);
	lab->running = !error && nic_running(&lab->nic);
	return error;
}

static void close_nic(struct lab *lab)
{
	loop_remove(&lab->ports->node->loop, &lab->source);
	nic_close(&lab->nic);
	offload_merging_restore(&lab->merging);
}

static int write_nic(struct lab *lab, const struct vnet *vnet, struct iovec *iov, size_t n)
{
	(void)vnet;
	lab->writes++;
	return nic_write(&lab->nic, iov + 1, n - 1);
}

static bool nic_link(struct lab *lab)
{
	return lab->running;
}

static void look_nic(struct lab *lab, struct instant now)
{
	char why[PORTS_NOTE];

	lab->running = nic_running(&lab->nic);
	ports_learn_underlay(lab->ports);
	if (ports_round(lab, why)) {
		ports_note(lab, "%s", why);
		shut(lab, now);
		return;
	}
	stop_merging(lab);
}

static void report_nic(struct lab *lab, json_t *object)
{
	answer_count(object, "kernel_dropped", lab->open ? nic_counts(&lab->nic) : 0);
}

const struct wire ports_wire_nic = { .open = open_nic,
				     .close = close_nic,
				     .write = write_nic,
				     .look = look_nic,
				     .link = nic_link,
				     .report = report_nic };
