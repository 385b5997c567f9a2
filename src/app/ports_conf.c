/* SPDX-License-Identifier: MIT */
/* From what a configuration says of a port to the port. */
#include "app/node_state.h"
#include "app/ports.h"
#include "ports_parts.h"

static void vlans_of(struct port_vlans *out, const struct conf_vlans *conf)
{
	if (conf->access) {
		vlan_access(out, (uint16_t)conf->access);
		return;
	}
	vlan_trunk(out);
	if (!conf->trunk.some)
		vlan_allow_all(out);
	for (uint16_t v = 1; v < CONF_VLANS && conf->trunk.some; v++) {
		if (conf->trunk.bits[v / 64] >> v % 64 & 1)
			vlan_allow(out, v, v);
	}
	if (conf->native)
		vlan_native(out, (uint16_t)conf->native);
}

bool ports_reserved(const struct conf_port *conf, const struct conf *bridge)
{
	return conf->reserved == CONF_RESERVED_AS_BRIDGE ? bridge->reserved_pass
							 : conf->reserved == CONF_RESERVED_PASS;
}

bool ports_apply(struct node *node, struct port *port, const struct conf_vlans *vlans,
		 const struct conf_impair impair[PORT_WAYS], bool reserved_pass)
{
	bool plain = !vlans->access && !vlans->native && !vlans->trunk.some;
	struct port_vlans made;
	bool good = true;

	vlans_of(&made, vlans);
	port_set_vlans(port, plain ? NULL : &made);
	port->reserved_pass = reserved_pass;
	for (unsigned way = 0; way < PORT_WAYS; way++)
		good &= port_set_impair(port, (enum port_way)way,
					impair[way].on ? &impair[way].setup : NULL,
					node->loop.now) == 0;
	return good;
}
