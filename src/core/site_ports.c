/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "site_parts.h"

#define WIRE_LOCALS 2

bool site_ports_init(struct site *site)
{
	site->arrived = malloc(SITE_HEADROOM + SUPERFRAME_MAX);
	site->piece = malloc(WIRE_FRAME_MAX);
	return site->arrived && site->piece;
}

void site_ports_free(struct site *site)
{
	free(site->arrived);
	free(site->piece);
}

/* ---- lines ---- */

static void came(void *ctx, struct frame *frame)
{
	const struct site_line *line = ctx;
	struct site *site = line->site;
	struct vlan_frame f = { .bytes = site->arrived + SITE_HEADROOM,
				.len = frame->len,
				.vnet = frame->vnet };
	size_t at = 0;

	for (unsigned i = 1; i < frame->n; at += frame->iov[i++].iov_len)
		memcpy(f.bytes + at, frame->iov[i].iov_base, frame->iov[i].iov_len);
	site_arrived(site, line->port, &f);
}

static void cut_for_line(struct site *site, struct port *port, const struct vlan_frame *f)
{
	struct iovec iov[2] = { { 0 }, { .iov_base = site->piece } };
	struct superframe_cut cut;
	struct vnet facts;

	superframe_cut_begin(&cut, f->bytes, f->len, &f->vnet, &f->layout, false);
	while ((iov[1].iov_len = superframe_cut_next(&cut, site->piece, WIRE_FRAME_MAX, &facts)))
		impair_take(port->impair[PORT_IN], &facts, iov, 2, iov[1].iov_len, site->now);
	if (cut.offset < f->len - f->layout.payload)
		port_drop(port, DROP_OVERSIZE);
}

void site_by_line(struct site *site, unsigned number, const struct vlan_frame *f)
{
	struct iovec iov[2] = { { 0 }, { f->bytes, f->len } };
	struct port *port = site->port[number];
	struct impair *line = port->impair[PORT_IN];

	if (f->vnet.gso_type != VNET_GSO_NONE && impair_wants_single(line))
		cut_for_line(site, port, f);
	else
		impair_take(line, &f->vnet, iov, 2, f->len, site->now);
}

void site_ports_tick(struct site *site, struct instant now)
{
	for (unsigned i = 0; i < site->n_port; i++) {
		for (unsigned way = 0; way < PORT_WAYS; way++) {
			struct port *port = site->port[i];

			if (port && port->impair[way])
				impair_tick(port->impair[way], now);
		}
	}
}

struct instant site_ports_due(const struct site *site)
{
	struct instant due = INSTANT_NEVER;

	for (unsigned i = 0; i < site->n_port; i++) {
		const struct port *port = site->port[i];

		for (unsigned way = 0; port && way < PORT_WAYS; way++) {
			if (port->impair[way])
				due = instant_min(due, impair_due(port->impair[way]));
		}
	}
	return due;
}

/* ---- ports ---- */

int site_add_port(struct site *site, struct port *port)
{
	unsigned number = 0, used = 0;

	while (number < site->n_port && site->port[number])
		number++;
	for (unsigned i = 0; i < site->n_port; i++)
		used += site->port[i] != NULL;
	if (number == SWITCH_LOCALS || (site->wire && used == WIRE_LOCALS))
		return -1;
	site->port[number] = port;
	port->now = site->now;
	site->line[number] = (struct site_line){ site, number };
	port->came = came;
	port->came_ctx = &site->line[number];
	port->rand = &site->self.rand;
	if (number == site->n_port)
		site->n_port++;
	site_wire_follow(site);
	return (int)number;
}

void site_remove_port(struct site *site, unsigned number)
{
	merge_flush(&site->merge);
	fdb_flush_port(&site->switching.fdb, (uint16_t)number);
	for (unsigned way = 0; way < PORT_WAYS; way++) {
		impair_free(site->port[number]->impair[way]);
		site->port[number]->impair[way] = NULL;
	}
	site->port[number] = NULL;
	while (site->n_port > 0 && !site->port[site->n_port - 1])
		site->n_port--;
	site_wire_follow(site);
}

void site_port_link(struct site *site, unsigned number, bool up, struct instant now)
{
	site->now = now;
	site->port[number]->link = up;
	if (!up)
		fdb_flush_port(&site->switching.fdb, (uint16_t)number);
	site_wire_follow(site);
}
