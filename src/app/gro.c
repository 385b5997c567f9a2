/* SPDX-License-Identifier: MIT */
#include "app/gro.h"

#include <net/if.h>
#include <string.h>

#include "base/log.h"
#include "host/offload.h"

static bool is_there(const struct netlink_link *ports, unsigned n, int index)
{
	for (unsigned i = 0; i < n; i++) {
		if (ports[i].index == index)
			return true;
	}
	return false;
}

static bool is_known(const struct gro *g, int index)
{
	for (unsigned i = 0; i < g->n; i++) {
		if (g->port[i] == index)
			return true;
	}
	return false;
}

static void put_back(int index)
{
	char name[IFNAMSIZ];

	if (!if_indextoname((unsigned)index, name))
		return;
	offload_gro_set(name, false);
	log_info("generic receive offload is off again", log_text("port", name));
}

static void forget_gone(struct gro *g, const struct netlink_link *ports, unsigned n)
{
	for (unsigned i = 0; i < g->n;) {
		if (is_there(ports, n, g->port[i])) {
			i++;
			continue;
		}
		put_back(g->port[i]);
		g->port[i] = g->port[--g->n];
	}
}

static void switch_on(struct gro *g, const struct netlink_link *link)
{
	int error = offload_gro_set(link->name, true);

	g->port[g->n++] = link->index; /* failed or not: once is enough */
	if (error)
		log_warn("cannot switch generic receive offload on", log_text("port", link->name),
			 log_text("error", strerror(-error)));
	else
		log_info("generic receive offload is on", log_text("port", link->name));
}

static void tell(struct gro *g, const char *name)
{
	if (!g->told)
		log_info("frames of a port are not merged, which makes TCP of hosts without "
			 "offloads slower",
			 log_text("port", name), log_text("hint", "gro = on"));
	g->told = true;
}

/* A TAP merges nothing, whatever it says. */
static bool may_merge(const struct netlink_link *link, int own)
{
	return link->index != own && strcmp(link->kind, "tun") != 0;
}

void gro_look(struct gro *g, struct netlink *nl, int bridge, int own)
{
	struct netlink_link ports[GRO_PORTS];
	unsigned n;
	bool on;

	if (netlink_bridge_ports(nl, bridge, ports, GRO_PORTS, &n) != 0)
		return;
	forget_gone(g, ports, n);
	for (unsigned i = 0; i < n; i++) {
		if (!may_merge(&ports[i], own) || is_known(g, ports[i].index) ||
		    offload_gro_get(ports[i].name, &on) != 0 || on)
			continue;
		if (!g->wanted)
			tell(g, ports[i].name);
		else if (g->n < GRO_PORTS)
			switch_on(g, &ports[i]);
	}
}

void gro_restore(struct gro *g)
{
	for (; g->n > 0; g->n--)
		put_back(g->port[g->n - 1]);
}
