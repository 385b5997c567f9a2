/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * A lab is a port of the switch and a wire.  The port is there from ports_add to
 * ports_remove; the wire may be closed meanwhile, when its device or far end is missing,
 * and is opened again each second: then the port is down, and what would go to it is
 * dropped and counted there.
 *
 * All wires belong to the main thread.  While it is at the site it writes to them itself,
 * and flushes them at the end of its turn; other workers hand their frames over (see
 * ports_handoff.c).  Links and carriers go through flags of the port that the end of the
 * turn compares, so that neither is told from within a call of the other side.
 */
#include "app/ports.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "app/event.h"
#include "app/node_io.h"
#include "app/worker.h"
#include "base/bytes.h"
#include "base/list.h"
#include "base/log.h"
#include "ports_parts.h"

_Static_assert(SITE_HEADROOM <= LABDGRAM_HEADROOM, "a frame's headers go before it");
_Static_assert(PORTS_MAX < SWITCH_LOCALS, "one is the TAP");

static const struct wire *wire_of(const struct conf_port *conf)
{
	switch ((enum conf_port_kind)conf->kind) {
	case CONF_PORT_QEMU:
		return conf->transport == CONF_PORT_STREAM ? &ports_wire_stream : &ports_wire_dgram;
	case CONF_PORT_VBOX:
	case CONF_PORT_UBRIDGE:
		return &ports_wire_dgram;
	case CONF_PORT_NIC:
		return &ports_wire_nic;
	case CONF_PORT_TAP:
		return &ports_wire_tap;
	}
	return NULL;
}

static void tell_note(const struct lab *lab)
{
	if (lab->note[0])
		event_tell(EVENT_PORT_AMISS, log_text("port", lab->conf.name),
			   log_text("error", lab->note));
	else
		event_tell(EVENT_PORT_GOOD, log_text("port", lab->conf.name));
}

void ports_note(struct lab *lab, const char *fmt, ...)
{
	char text[PORTS_NOTE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (strcmp(text, lab->note) == 0)
		return;
	memcpy(lab->note, text, sizeof(text));
	if (!lab->silent)
		tell_note(lab);
}

/* ---- frames ------------------------------------------------------------------------ */

struct instant ports_begin(struct lab *lab, struct instant now)
{
	return worker_enter(&lab->ports->node->workers[0], now);
}

void ports_frame(struct lab *lab, uint8_t *bytes, size_t len, const struct vnet *vnet,
		 struct instant now)
{
	struct node *node = lab->ports->node;
	struct iovec iov = { bytes, len };

	if (captures_on(&node->captures, CAPTURES_PORT))
		captures_port(&node->captures, lab->number, CAPTURES_IN, vnet, &iov, 1, now);
	site_frame(&node->site, lab->number, bytes, len, vnet, now);
}

void ports_end(struct lab *lab)
{
	node_io_lab_end(lab->ports->node);
}

/* A port_write. */
static int write_frame(void *ctx, const struct vnet *vnet, struct iovec *iov, size_t n)
{
	struct lab *lab = ctx;
	struct ports *ports = lab->ports;
	struct node *node = ports->node;
	int error;

	if (node->at_site->number || ports->full.used) {
		error = handoff_put(ports, lab->number, vnet, iov, n);
	} else {
		error = lab->wire->write(lab, vnet, iov, n);
		lab->dirty = true;
	}
	if (captures_on(&node->captures, CAPTURES_PORT) && error >= 0)
		captures_port(&node->captures, lab->number, CAPTURES_OUT, vnet, iov + 1,
			      (unsigned)n - 1, node->site.now);
	return error;
}

/* The far end of the wire that the site is, anew: told to the device when the main
 * thread's turn ends, by port->carrier_on. */
static void carrier(void *ctx, bool on)
{
	(void)on;
	ports_carrier(((struct lab *)ctx)->ports->node);
}

void ports_carrier(struct node *node)
{
	if (node->at_site->number)
		eventfd_write(node->wake_source.fd, 1);
}

/* ---- open and closed ----------------------------------------------------------------- */

static void close_wire(struct lab *lab)
{
	if (lab->open)
		lab->wire->close(lab);
	lab->open = lab->dirty = lab->port.up = false;
	lab->due = INSTANT_NEVER;
}

/* What can be otherwise in a second. */
static bool is_passing(int error)
{
	return error == -ENODEV || error == -ENXIO || error == -ENETDOWN || error == -EADDRNOTAVAIL;
}

static int open_wire(struct lab *lab, struct instant now)
{
	int error = lab->wire->open(lab, now);

	lab->open = lab->port.up = !error;
	lab->again = error ? instant_add(now, PORTS_AGAIN) : INSTANT_NEVER;
	return error;
}

static bool link_of(struct lab *lab)
{
	return lab->open && (!lab->wire->link || lab->wire->link(lab));
}

static void tell_link(struct lab *lab, struct instant now)
{
	struct node *node = lab->ports->node;
	bool link = link_of(lab);

	if (link == lab->port.link)
		return;
	now = worker_enter(&node->workers[0], now);
	site_port_link(&node->site, lab->number, link, now);
	node_io_lab_end(node);
}

static void tell_carrier(struct lab *lab)
{
	if (lab->carrier_on == lab->told_carrier)
		return;
	lab->told_carrier = lab->carrier_on;
	if (lab->wire->carrier && lab->open)
		lab->wire->carrier(lab, lab->told_carrier);
	if (lab->qmp)
		qmp_set_link(lab->qmp, lab->told_carrier);
}

/* ---- to make and to take away ----------------------------------------------------------- */

static struct lab *find_lab(const struct ports *ports, const char *name)
{
	for (unsigned i = 0; i < ports->n; i++) {
		if (strcmp(ports->labs[i]->conf.name, name) == 0)
			return ports->labs[i];
	}
	return NULL;
}

static void free_lab(struct lab *lab)
{
	qmp_free(lab->qmp);
	port_free(&lab->port);
	free(lab);
}

static struct lab *make_lab(struct ports *ports, const struct conf_port *conf)
{
	struct lab *lab = calloc(1, sizeof(*lab));

	if (!lab)
		return NULL;
	lab->ports = ports;
	lab->conf = *conf;
	lab->wire = wire_of(conf);
	lab->source.fd = -1;
	lab->due = INSTANT_NEVER;
	if (conf->qmp.path[0])
		lab->qmp = qmp_new(&ports->node->loop, conf->qmp.path, conf->qmp_netdev,
				   ports->node->loop.now);
	if (port_init(&lab->port, conf->name, write_frame, lab) && (lab->qmp || !conf->qmp.path[0]))
		return lab;
	free_lab(lab);
	return NULL;
}

static bool join_site(struct lab *lab)
{
	struct node *node = lab->ports->node;
	int number;

	lab->port.carrier = carrier;
	lab->told_carrier = true;
	number = site_add_port(&node->site, &lab->port);
	if (number < 0)
		return false;
	lab->number = (unsigned)number;
	lab->ports->labs[lab->ports->n++] = lab;
	return true;
}

static bool apply(struct lab *lab, const struct conf *bridge)
{
	return ports_apply(lab->ports->node, &lab->port, &lab->conf.vlans, lab->conf.impair,
			   ports_reserved(&lab->conf, bridge));
}

static void remove_lab(struct lab *lab)
{
	struct ports *ports = lab->ports;
	struct node *node = ports->node;

	handoff_drain(ports, node->loop.now);
	captures_end_port(&node->captures, lab->number);
	site_remove_port(&node->site, lab->number);
	close_wire(lab);
	ports_leave(lab, node->loop.now);
	for (unsigned i = 0; i < ports->n; i++) {
		if (ports->labs[i] == lab)
			ports->labs[i] = ports->labs[--ports->n];
	}
	free_lab(lab);
}

/* Why the port cannot be, or 0. */
static int refuse(const struct ports *ports, const struct conf_port *conf, char note[PORTS_NOTE])
{
	struct node *node = ports->node;
	const struct conf *c = node->conf;

	note[0] = '\0';
	if (ports_find((struct ports *)ports, conf->name))
		snprintf(note, PORTS_NOTE, "there is a port %s already", conf->name);
	else if (ports->n == PORTS_MAX)
		snprintf(note, PORTS_NOTE, "there are %d lab ports already, no more fit", PORTS_MAX);
	else
		ports_fit(ports, conf, c, note);
	return note[0] ? -EEXIST : 0;
}

/* Of one that never was no card is told. */
static int give_up(struct lab *lab, int error)
{
	qmp_free(lab->qmp);
	lab->qmp = NULL;
	remove_lab(lab);
	return error;
}

static int add(struct ports *ports, const struct conf_port *conf, const struct conf *bridge,
	       bool by_command, bool patient, char note[PORTS_NOTE])
{
	struct lab *lab = make_lab(ports, conf);
	struct instant now = ports->node->loop.now;
	int error;

	snprintf(note, PORTS_NOTE, "memory is short");
	if (!lab)
		return -ENOMEM;
	lab->by_command = by_command;
	if (!join_site(lab)) {
		free_lab(lab);
		return -ENOMEM;
	}
	if (!apply(lab, bridge))
		return give_up(lab, -ENOMEM);
	lab->silent = true;
	error = open_wire(lab, now);
	lab->silent = false;
	snprintf(note, PORTS_NOTE, "%s", lab->note);
	if (error && !patient && !is_passing(error))
		return give_up(lab, error);
	if (note[0])
		tell_note(lab);
	return 0;
}

int ports_add(struct ports *ports, const struct conf_port *conf, bool by_command,
	      char note[PORTS_NOTE])
{
	int error = refuse(ports, conf, note);

	return error ? error : add(ports, conf, ports->node->conf, by_command, false, note);
}

bool ports_remove(struct ports *ports, const char *name)
{
	struct lab *lab = find_lab(ports, name);

	if (!lab)
		return false;
	remove_lab(lab);
	return true;
}

struct ports *ports_new(struct node *node)
{
	struct ports *ports = calloc(1, sizeof(*ports));

	if (!ports)
		return NULL;
	ports->node = node;
	ports->scratch = malloc(SITE_HEADROOM + SUPERFRAME_MAX);
	if (ports->scratch && handoff_init(ports))
		return ports;
	ports_free(ports);
	return NULL;
}

void ports_free(struct ports *ports)
{
	if (!ports)
		return;
	while (ports->n)
		remove_lab(ports->labs[ports->n - 1]);
	ports_leave_free(ports);
	handoff_free(ports);
	free(ports->scratch);
	free(ports);
}

/* ---- by reload -------------------------------------------------------------------------- */

static const struct conf_port *find_section(const struct conf *conf, const char *name)
{
	for (unsigned i = 0; i < conf->n_ports; i++) {
		if (strcmp(conf->ports[i].name, name) == 0)
			return &conf->ports[i];
	}
	return NULL;
}

static void reload_lab(struct lab *lab, const struct conf *conf)
{
	const struct conf_port *section = find_section(conf, lab->conf.name);

	if (!section && lab->by_command)
		section = &lab->conf;
	if (!section || !conf_port_same_wire(section, &lab->conf)) {
		remove_lab(lab);
		return;
	}
	lab->by_command &= section == &lab->conf;
	if (section != &lab->conf)
		lab->conf = *section;
	apply(lab, conf);
}

unsigned ports_by_command(const struct ports *ports, const struct conf *conf)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ports->n; i++)
		n += ports->labs[i]->by_command && !find_section(conf, ports->labs[i]->conf.name);
	return n;
}

void ports_reload(struct ports *ports, const struct conf *conf)
{
	char note[PORTS_NOTE];

	for (unsigned i = ports->n; i-- > 0;)
		reload_lab(ports->labs[i], conf);
	for (unsigned i = 0; i < conf->n_ports; i++) {
		if (find_lab(ports, conf->ports[i].name))
			continue;
		if (ports->n == PORTS_MAX)
			snprintf(note, sizeof(note), "there are %d lab ports already", PORTS_MAX);
		else if (ports_fit(ports, &conf->ports[i], conf, note) &&
			 add(ports, &conf->ports[i], conf, false, true, note) == 0)
			continue;
		log_error("port left out", log_text("port", conf->ports[i].name),
			  log_text("error", note));
	}
}

struct port *ports_find(struct ports *ports, const char *name)
{
	struct lab *lab = find_lab(ports, name);
	struct node *node = ports->node;

	if (lab)
		return &lab->port;
	return node->conf->tap[0] && strcmp(node->port.name, name) == 0 ? &node->port : NULL;
}

/* ---- turns ------------------------------------------------------------------------------------ */

static void end_turn(struct lab *lab, struct instant now)
{
	bool due = instant_reached(now, lab->due);

	if (lab->open && lab->wire->flush && (lab->dirty || due))
		lab->wire->flush(lab, now);
	lab->dirty = false;
	tell_link(lab, now);
}

/* Other workers change it meanwhile.  Whether the TAP has one. */
static bool look_at_carriers(struct ports *ports, struct instant now)
{
	struct node *node = ports->node;
	bool of_tap;

	worker_enter(&node->workers[0], now);
	for (unsigned i = 0; i < ports->n; i++)
		ports->labs[i]->carrier_on = ports->labs[i]->port.carrier_on;
	of_tap = node->port.carrier_on;
	worker_leave(&node->workers[0]);
	return of_tap;
}

static void tell_tap(struct node *node, bool carrier_on)
{
	if (carrier_on == node->told_carrier)
		return;
	node->told_carrier = carrier_on;
	if (node->attach.tap.fd >= 0)
		tap_set_carrier(&node->attach.tap, node->told_carrier);
}

/* The earliest, and no later than by. */
static struct instant all_due(const struct ports *ports, struct instant by)
{
	struct instant due = by;

	for (unsigned i = 0; i < ports->n; i++) {
		due = instant_min(due, ports->labs[i]->due);
		if (ports->labs[i]->qmp)
			due = instant_min(due, qmp_due(ports->labs[i]->qmp));
	}
	return due;
}

struct instant ports_turn(struct ports *ports, struct instant now)
{
	handoff_drain(ports, now);
	for (unsigned i = 0; i < ports->n; i++)
		end_turn(ports->labs[i], now);
	tell_tap(ports->node, look_at_carriers(ports, now));
	for (unsigned i = 0; i < ports->n; i++) {
		tell_carrier(ports->labs[i]);
		if (ports->labs[i]->qmp)
			qmp_tick(ports->labs[i]->qmp, now);
	}
	return all_due(ports, ports_leave_turn(ports, now));
}

void ports_look(struct ports *ports, struct instant now)
{
	for (unsigned i = ports->n; i-- > 0;) {
		struct lab *lab = ports->labs[i];

		if (lab->open && lab->wire->look)
			lab->wire->look(lab, now);
		if (!lab->open && instant_reached(now, lab->again))
			open_wire(lab, now);
	}
}
