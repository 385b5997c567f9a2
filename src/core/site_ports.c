/* SPDX-License-Identifier: MIT */
#include "site_parts.h"

#define WIRE_LOCALS 2

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
	if (number == site->n_port)
		site->n_port++;
	site_wire_follow(site);
	return (int)number;
}

void site_remove_port(struct site *site, unsigned number)
{
	merge_flush(&site->merge);
	fdb_flush_port(&site->switching.fdb, (uint16_t)number);
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
