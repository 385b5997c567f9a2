/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * attach_mend compares what is with what should be, and does the next step that
 * is missing: TAP there, bridge there, TAP in bridge.  It is called whenever
 * rtnetlink reports a change, and once a second while something is amiss, so no
 * event has to be understood, and none can be lost.
 *
 * The TAP's offloads are looked at with it: a test when it came up, and each time
 * what ethtool has switched off, which rtnetlink reports as a change as well.  So are the
 * other ports of its bridge, which come and go (app/gro).
 *
 * A TAP that somebody sets down stays down: that is a wish.  One that somebody
 * deletes is made again: the process has no other work.
 */
#include "app/attach.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "app/event.h"
#include "base/log.h"
#include "host/ctlsock.h"

/* Small frames of 5 ms at full rate: so long others may have the processor.  In
 * super-frames of UDP these are 64 MB, of each queue; several have half as many each. */
#define QUEUE_FRAMES 1000

static void note(struct attach *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Says what is amiss, once as long as it is the same. */
static void note(struct attach *a, const char *fmt, ...)
{
	char text[ATTACH_NOTE];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (strcmp(text, a->note) == 0)
		return;
	if (!text[0])
		event_tell(EVENT_TAP_GOOD, log_text("tap", a->tap_name));
	memcpy(a->note, text, sizeof(a->note));
	if (text[0] && !a->opening)
		event_tell(EVENT_TAP_AMISS, log_text("error", text));
}

static void note_tap_error(struct attach *a, int error)
{
	const char *name = a->tap_name;

	switch (error) {
	case -EPERM:
	case -EACCES:
		note(a, "tap %s: not permitted: CAP_NET_ADMIN and /dev/net/tun are needed (run as "
			"root, or by the systemd unit)", name);
		break;
	case -EINVAL:
		note(a, "tap %s: a device of another kind has this name: choose another tap name, "
			"or delete that device", name);
		break;
	case -EBUSY:
		note(a, "tap %s: another process holds it: choose another tap name, or stop that "
			"process", name);
		break;
	case -ENOENT:
	case -ENODEV:
		note(a, "tap %s: no /dev/net/tun: load the kernel module tun", name);
		break;
	default:
		note(a, "tap %s: %s", name, strerror(-error));
	}
}

static void close_tap(struct attach *a)
{
	while (a->n_queues > 1)
		tap_close(&a->more[--a->n_queues - 1]);
	tap_close(&a->tap);
	a->n_queues = 0;
}

struct tap *attach_queue(struct attach *a, unsigned number)
{
	return number && number < a->n_queues ? &a->more[number - 1] : &a->tap;
}

static int open_more_queues(struct attach *a)
{
	int error = 0;

	while (a->n_queues < a->queues && !error) {
		error = tap_open_queue(&a->more[a->n_queues - 1], &a->tap);
		a->n_queues += !error;
	}
	return error;
}

/* Who has a queue of a TAP that may have several does not keep others out. */
static bool is_held(struct attach *a)
{
	struct netlink_link link;

	return netlink_link_get(&a->netlink, a->tap_name, &link) == 0 && link.queues > 0;
}

static void tell_one_queue(const struct attach *a)
{
	char hint[80];

	snprintf(hint, sizeof(hint), "make it with `ip tuntap add %s mode tap multi_queue`",
		 a->tap_name);
	log_warn("tap has one queue, so one worker reads it", log_text("tap", a->tap_name),
		 log_text("hint", hint));
}

static int open_tap(struct attach *a)
{
	uint32_t all = VNET_CAN_CSUM | VNET_CAN_TSO4 | VNET_CAN_TSO6 | VNET_CAN_TSO_ECN |
		       VNET_CAN_USO;
	uint32_t wanted = a->offload ? all : 0;
	int error;

	if (is_held(a))
		return -EBUSY;
	error = a->queues > 1 ? tap_open_several(&a->tap, a->tap_name, wanted)
			      : tap_open(&a->tap, a->tap_name, wanted);
	if (error)
		return error;
	if (!a->tap.existed)
		error = tap_set_address(&a->tap, a->mac);
	a->n_queues = 1;
	if (!error && a->tap.several)
		error = open_more_queues(a);
	else if (!error && a->queues > 1)
		tell_one_queue(a);
	if (error)
		close_tap(a);
	return error;
}

static int make_tap(struct attach *a)
{
	struct tap *tap = &a->tap;
	int error = open_tap(a);

	if (error) {
		note_tap_error(a, error);
		return error;
	}
	error = netlink_link_set_silent(&a->netlink, tap->ifindex, tap->name);
	if (error)
		log_warn("cannot silence IPv6 on the tap", log_text("tap", tap->name),
			 log_text("error", strerror(-error)));
	netlink_link_set_txqlen(&a->netlink, tap->ifindex,
				a->n_queues > 1 ? QUEUE_FRAMES / 2 : QUEUE_FRAMES);
	error = netlink_link_set_mtu(&a->netlink, tap->ifindex, a->mtu);
	if (!error)
		error = netlink_link_set_up(&a->netlink, tap->ifindex, true);
	if (error) {
		note(a, "tap %s: cannot set mtu %u and bring it up: %s", tap->name, a->mtu,
		     strerror(-error));
		close_tap(a);
	}
	return error;
}

static int make_bridge(struct attach *a, struct netlink_link *bridge)
{
	int error = netlink_bridge_add(&a->netlink, a->bridge_name);

	if (!error)
		error = netlink_link_get(&a->netlink, a->bridge_name, bridge);
	if (error) {
		note(a, "bridge %s: cannot make it: %s", a->bridge_name, strerror(-error));
		return error;
	}
	a->made_bridge = bridge->index;
	netlink_link_set_up(&a->netlink, bridge->index, true);
	log_info("bridge made", log_text("bridge", a->bridge_name));
	return 0;
}

static int find_bridge(struct attach *a, struct netlink_link *bridge)
{
	int error = netlink_link_get(&a->netlink, a->bridge_name, bridge);

	if (error == -ENODEV && a->create)
		return make_bridge(a, bridge);
	if (error == -ENODEV)
		note(a, "bridge %s does not exist, waiting for it: make it with `ip link add %s "
			"type bridge`, or set create = yes", a->bridge_name, a->bridge_name);
	else if (error)
		note(a, "bridge %s: %s", a->bridge_name, strerror(-error));
	else if (strcmp(bridge->kind, "bridge") != 0) {
		note(a, "bridge %s: this device is %s, not a Linux bridge", a->bridge_name,
		     bridge->kind[0] ? bridge->kind : "a plain interface");
		return -EINVAL;
	}
	return error;
}

static int join(struct attach *a)
{
	struct netlink_link bridge, tap;
	int error;

	a->bridge = a->bridge_name[0] ? ATTACH_MISSING : ATTACH_NO_BRIDGE;
	error = netlink_link_get(&a->netlink, a->tap.name, &tap);
	a->up = !error && tap.up;
	if (error || !a->bridge_name[0])
		return error;
	error = find_bridge(a, &bridge);
	if (error)
		return error;
	if (tap.master != bridge.index) {
		error = netlink_link_set_master(&a->netlink, a->tap.ifindex, bridge.index);
		if (error) {
			note(a, "tap %s: cannot join bridge %s: %s", a->tap.name, a->bridge_name,
			     strerror(-error));
			return error;
		}
		a->joined = true;
		event_tell(EVENT_TAP_JOINED, log_text("tap", a->tap.name),
			   log_text("bridge", a->bridge_name));
	}
	a->bridge = ATTACH_JOINED;
	if (!a->silent)
		gro_look(&a->gro, &a->netlink, bridge.index, a->tap.ifindex);
	return 0;
}

/* True while the TAP in hand is the device of that name. */
static bool tap_is_there(struct attach *a)
{
	struct netlink_link link;

	return a->tap.fd >= 0 && netlink_link_get(&a->netlink, a->tap.name, &link) == 0 &&
	       link.index == a->tap.ifindex;
}

/* All is in place; but somebody may have set the TAP down. */
static void note_state(struct attach *a)
{
	if (a->up)
		note(a, "%s", "");
	else
		note(a, "tap %s was set down by somebody: `ip link set %s up`", a->tap_name,
		     a->tap_name);
}

static int attach_all(struct attach *a, struct instant now)
{
	int error = 0;

	a->up = false;
	a->bridge = a->bridge_name[0] ? ATTACH_MISSING : ATTACH_NO_BRIDGE;
	if (a->tap.fd < 0)
		error = make_tap(a);
	if (!error)
		error = join(a);
	if (!error)
		note_state(a);
	a->retry = error ? instant_add(now, ATTACH_RETRY) : INSTANT_NEVER;
	if (a->tap.fd >= 0 && !offloads_look(&a->offloads, &a->tap, a->up))
		a->retry = instant_add(now, ATTACH_RETRY);
	return error;
}

/* What the start found amiss: an error if it ends the process, whatever is logged. */
static void tell_start(struct attach *a, int error)
{
	if (error && !a->note[0])
		note(a, "tap %s: %s", a->tap_name, strerror(-error));
	a->opening = false;
	if (a->silent)
		return;
	if (error)
		log_error("cannot start", log_text("error", a->note));
	else if (a->note[0])
		event_tell(EVENT_TAP_AMISS, log_text("error", a->note));
}

static int netfilter_off(struct attach *a)
{
	char folder[PATH_MAX];
	int error;

	if (!ctlsock_folder(folder, sizeof(folder)))
		return -ENAMETOOLONG;
	error = ctlsock_folder_make(folder);
	return error ? error : brnf_off(&a->netfilter, folder);
}

static void set_netfilter(struct attach *a, bool off)
{
	int error;

	if (off) {
		error = netfilter_off(a);
		if (error)
			log_warn("cannot keep packet filters from bridged frames",
				 log_text("set", "net.bridge.bridge-nf-call-*"),
				 log_text("error", strerror(-error)));
	} else if (a->bridge_name[0] && brnf_is_on()) {
		log_info("bridged frames pass the packet filters too, which makes small ones "
			 "slower by a fifth",
			 log_text("hint", "netfilter = off, unless rules count on it"));
	}
}

int attach_open(struct attach *a, const struct attach_setup *setup, struct instant now)
{
	int error;

	memset(a, 0, sizeof(*a));
	a->tap.fd = -1;
	snprintf(a->tap_name, sizeof(a->tap_name), "%s", setup->tap);
	snprintf(a->bridge_name, sizeof(a->bridge_name), "%s", setup->bridge);
	a->create = setup->create;
	a->mtu = setup->mtu;
	a->offload = setup->offload;
	offloads_reset(&a->offloads, a->tap_name);
	a->gro.wanted = setup->gro;
	a->queues = setup->queues;
	memcpy(a->mac, setup->mac, sizeof(a->mac));
	a->opening = true;
	a->silent = setup->silent;
	error = netlink_open(&a->netlink);
	if (error) {
		note(a, "rtnetlink: %s", strerror(-error));
		tell_start(a, error);
		return error;
	}
	set_netfilter(a, setup->netfilter_off);
	a->retry = INSTANT_NEVER;
	if (!a->tap_name[0])
		return 0;
	error = attach_all(a, now);
	if (error == -ENODEV && a->tap.fd >= 0)
		error = 0;
	tell_start(a, error);
	if (error)
		attach_close(a);
	return error;
}

void attach_mend(struct attach *a, struct instant now)
{
	if (a->tap.fd >= 0 && !tap_is_there(a)) {
		event_tell(EVENT_TAP_LOST, log_text("tap", a->tap_name));
		close_tap(a);
		offloads_reset(&a->offloads, a->tap_name);
	}
	attach_all(a, now);
}

void attach_close(struct attach *a)
{
	struct netlink_link bridge;

	if (a->tap.fd >= 0) {
		if (a->tap.existed && a->joined)
			netlink_link_set_master(&a->netlink, a->tap.ifindex, 0);
		close_tap(a);
	}
	if (a->made_bridge && netlink_link_get(&a->netlink, a->bridge_name, &bridge) == 0 &&
	    bridge.index == a->made_bridge)
		netlink_link_delete(&a->netlink, bridge.index);
	a->made_bridge = 0;
	brnf_restore(&a->netfilter);
	gro_restore(&a->gro);
	netlink_close(&a->netlink);
}
