/* SPDX-License-Identifier: MIT */
/*
 * A device that leads back into this process: a NIC that is one of its TAPs, the bridge that
 * one is in, another port of that bridge, or the NIC of another port; a TAP in the bridge of
 * another.  What goes out there comes in again, without end.  Names are compared before
 * (conf_port_clash); here it is what the kernel says, as a bridge may be joined later, by
 * others, and an interface have two names.
 */
#include <stdio.h>

#include "ports_parts.h"

static bool by_tap(struct netlink *nl, const struct netlink_link *nic, const struct attach *a,
		   char why[PORTS_NOTE])
{
	struct netlink_link tap;
	const char *what = NULL;

	if (a->tap.fd < 0 || netlink_link_get(nl, a->tap.name, &tap) != 0)
		return false;
	if (nic->index == tap.index)
		what = "is the TAP";
	else if (tap.master && nic->index == tap.master)
		what = "is the bridge of the TAP";
	else if (tap.master && nic->master == tap.master)
		what = "is in one bridge with the TAP";
	if (what)
		snprintf(why, PORTS_NOTE,
			 "interface: %s %s %s of this site, and frames would go round for ever: "
			 "must be another",
			 nic->name, what, a->tap.name);
	return what;
}

static bool by_other(const struct lab *other, int index, const char *name, char why[PORTS_NOTE])
{
	if (other->wire != &ports_wire_nic || !other->open ||
	    (int)if_nametoindex(other->conf.interface) != index)
		return false;
	snprintf(why, PORTS_NOTE, "interface: %s is the NIC of [port %s]: must be another", name,
		 other->conf.name);
	return true;
}

static bool nic_leads_back(struct lab *lab, char why[PORTS_NOTE])
{
	struct node *node = lab->ports->node;
	struct netlink *nl = &node->attach.netlink;
	char name[IFNAMSIZ] = "";
	struct netlink_link nic;

	if (!if_indextoname(if_nametoindex(lab->conf.interface), name) ||
	    netlink_link_get(nl, name, &nic) != 0)
		return false;
	if (by_tap(nl, &nic, &node->attach, why))
		return true;
	for (unsigned i = 0; i < lab->ports->n; i++) {
		const struct lab *other = lab->ports->labs[i];

		if (other->wire == &ports_wire_tap && other->open &&
		    by_tap(nl, &nic, &other->attach, why))
			return true;
		if (other != lab && by_other(other, nic.index, name, why))
			return true;
	}
	return false;
}

/* The bridge that a TAP is in, or would be in when it is opened, or 0. */
static int bridge_of(struct netlink *nl, const struct lab *lab)
{
	const char *name = lab->open ? lab->attach.tap.name : lab->conf.interface;
	struct netlink_link tap;

	if (!lab->open && lab->conf.bridge[0])
		return (int)if_nametoindex(lab->conf.bridge);
	return netlink_link_get(nl, name, &tap) == 0 ? tap.master : 0;
}

static bool by_twin(struct netlink *nl, const struct lab *lab, int bridge, const struct attach *a,
		    char why[PORTS_NOTE])
{
	char name[IFNAMSIZ] = "";
	struct netlink_link tap;

	if (!bridge || a->tap.fd < 0 || netlink_link_get(nl, a->tap.name, &tap) != 0 ||
	    tap.master != bridge)
		return false;
	if_indextoname((unsigned)bridge, name);
	snprintf(why, PORTS_NOTE,
		 "bridge: %s would be in %s with the TAP %s of this site, and frames would go "
		 "round for ever: must be in another",
		 lab->conf.interface, name, a->tap.name);
	return true;
}

static bool tap_leads_back(struct lab *lab, char why[PORTS_NOTE])
{
	struct node *node = lab->ports->node;
	struct netlink *nl = &node->attach.netlink;
	int bridge = bridge_of(nl, lab);

	if (by_twin(nl, lab, bridge, &node->attach, why))
		return true;
	for (unsigned i = 0; i < lab->ports->n; i++) {
		const struct lab *other = lab->ports->labs[i];

		if (other != lab && other->wire == &ports_wire_tap && other->open &&
		    !other->held && by_twin(nl, lab, bridge, &other->attach, why))
			return true;
	}
	return false;
}

bool ports_round(struct lab *lab, char why[PORTS_NOTE])
{
	return lab->wire == &ports_wire_tap ? tap_leads_back(lab, why) : nic_leads_back(lab, why);
}

/* Whether it can be an end of the wire that the site is. */
static bool fits_wire(const struct ports *ports, const struct conf_port *conf,
		      const struct conf *bridge, char note[PORTS_NOTE])
{
	unsigned locals = ports->n + (bridge->tap[0] != '\0');

	if (!conf_vlans_are_plain(&conf->vlans))
		snprintf(note, PORTS_NOTE,
			 "vlan, trunk and native do not go with mode = wire, where "
			 "every frame passes: leave them out");
	else if (conf->reserved == CONF_RESERVED_DROP)
		snprintf(note, PORTS_NOTE,
			 "reserved: with mode = wire, where every frame passes as it is: leave it "
			 "out");
	else if (locals + 1 + bridge->n_peers > 2)
		snprintf(note, PORTS_NOTE, "mode = wire joins exactly two ports, and there are "
			 "%u of this site and %u peers already", locals, bridge->n_peers);
	else
		return true;
	return false;
}

bool ports_fit(const struct ports *ports, const struct conf_port *conf, const struct conf *bridge,
	       char note[PORTS_NOTE])
{
	struct conf_clash clash = conf_port_clash_tap(conf, bridge);

	if (bridge->wire && !fits_wire(ports, conf, bridge, note))
		return false;
	for (unsigned i = 0; i < ports->n && !clash.key; i++)
		clash = conf_port_clash(conf, &ports->labs[i]->conf);
	if (clash.key)
		snprintf(note, PORTS_NOTE, "%s: %s", clash.key, clash.why);
	return !clash.key;
}
