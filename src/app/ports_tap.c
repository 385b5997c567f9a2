/* SPDX-License-Identifier: MIT */
/* Further TAPs, each in a bridge of its own.  Made, mended and taken away as the first is
 * (app/attach.h), with one queue.  One that somebody puts into the bridge of another TAP
 * is held until it is out again: it stays, without a carrier, so that the bridge forwards
 * nothing to it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/answer.h"
#include "app/worker.h"
#include "base/bytes.h"
#include "base/list.h"
#include "ports_parts.h"

#define READS 64 /* frames of a turn */

static void watch(struct lab *lab, bool another);

static void unwatch(struct lab *lab)
{
	if (lab->source.fd >= 0)
		loop_remove(&lab->ports->node->loop, &lab->source);
	lab->source.fd = -1;
}

static void mend(struct lab *lab, struct instant now)
{
	int before = lab->attach.tap.ifindex;

	unwatch(lab);
	netlink_monitor_drain(&lab->attach.netlink);
	attach_mend(&lab->attach, now);
	if (!lab->held)
		snprintf(lab->note, sizeof(lab->note), "%s", lab->attach.note);
	watch(lab, lab->attach.tap.ifindex != before);
}

static void ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct lab *lab = container_of(source, struct lab, source);
	uint8_t *frame = lab->ports->scratch + SITE_HEADROOM;
	struct vnet vnet;
	int len = 1;

	(void)events;
	now = ports_begin(lab, now);
	for (unsigned i = 0; i < READS && len > 0; i++) {
		len = tap_read(&lab->attach.tap, frame, SUPERFRAME_MAX, &vnet);
		lab->reads++;
		if (len > 0)
			ports_frame(lab, frame, (size_t)len, &vnet, now);
		else if (len == -EMSGSIZE)
			port_drop(&lab->port, DROP_OVERSIZE);
	}
	ports_end(lab);
	if (len == -EBADFD)
		mend(lab, now);
}

static void set_carrier(struct lab *lab)
{
	if (lab->attach.tap.fd >= 0)
		tap_set_carrier(&lab->attach.tap, lab->told_carrier && !lab->held);
}

/* The TAP in hand, which may be another than before, or none. */
static void watch(struct lab *lab, bool another)
{
	struct worker *main_thread = &lab->ports->node->workers[0];
	struct attach *a = &lab->attach;

	worker_enter(main_thread, lab->ports->node->loop.now);
	if (another)
		lab->port.lost = 0;
	lab->port.up = a->tap.fd >= 0 && !lab->held;
	lab->port.can = a->tap.offloads & ~(a->offloads.refused | lab->port.lost);
	worker_leave(main_thread);
	if (a->tap.fd < 0)
		return;
	set_carrier(lab);
	if (lab->held)
		return;
	lab->source = (struct loop_source){ .fd = a->tap.fd, .events = LOOP_READ, .ready = ready };
	if (loop_add(&lab->ports->node->loop, &lab->source) != 0)
		lab->source.fd = -1;
}

static int open_tap(struct lab *lab, struct instant now)
{
	const struct conf_port *conf = &lab->conf;
	struct attach_setup setup = { .tap = conf->interface,
				      .bridge = conf->bridge,
				      .create = conf->create,
				      .mtu = conf->mtu,
				      .offload = conf->offload,
				      .silent = true,
				      .queues = 1 };
	char why[PORTS_NOTE];
	int error;

	lab->held = false;
	if (ports_round(lab, why)) {
		ports_note(lab, "%s", why);
		return -ELOOP;
	}
	setup.mac[0] = 0xfe;
	memcpy(setup.mac + 1, lab->ports->node->site.self.id, 5);
	setup.mac[5] = (uint8_t)(setup.mac[5] + lab->number);
	error = attach_open(&lab->attach, &setup, now);
	if (error) {
		ports_note(lab, "%s", lab->attach.note);
		return error;
	}
	ports_note(lab, "%s", lab->attach.note);
	watch(lab, false);
	return 0;
}

static void close_tap(struct lab *lab)
{
	unwatch(lab);
	attach_close(&lab->attach);
}

static int write_tap(struct lab *lab, const struct vnet *vnet, struct iovec *iov, size_t n)
{
	lab->writes++;
	return tap_write(&lab->attach.tap, vnet, iov, n);
}

static void look_round(struct lab *lab)
{
	char why[PORTS_NOTE];
	bool held = ports_round(lab, why);

	if (held)
		ports_note(lab, "%s", why);
	if (held == lab->held)
		return;
	lab->held = held;
	unwatch(lab);
	watch(lab, false);
	if (!held)
		ports_note(lab, "%s", lab->attach.note);
}

static void look_tap(struct lab *lab, struct instant now)
{
	offloads_lost(&lab->attach.offloads, lab->port.lost);
	if (netlink_monitor_drain(&lab->attach.netlink) || instant_reached(now, lab->attach.retry))
		mend(lab, now);
	look_round(lab);
}

static bool tap_link(struct lab *lab)
{
	return lab->attach.up && !lab->held;
}

static void tap_carrier(struct lab *lab, bool on)
{
	(void)on;
	set_carrier(lab);
}

const struct wire ports_wire_tap = { .open = open_tap,
				     .close = close_tap,
				     .write = write_tap,
				     .look = look_tap,
				     .link = tap_link,
				     .carrier = tap_carrier };
