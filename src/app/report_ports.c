/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "app/impair_text.h"
#include "ports_parts.h"
#include "report_parts.h"

static json_t *offloads_array(uint32_t in_use)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < OFFLOADS_NAMES; i++) {
		if (in_use & 1u << i)
			json_array_append_new(array, json_string(offloads_name(i)));
	}
	return array;
}

json_t *report_port_traffic(const struct port_traffic *t, uint64_t calls)
{
	json_t *object = json_object();

	answer_count(object, "bytes", t->bytes);
	answer_count(object, "frames", t->frames);
	answer_count(object, "calls", calls);
	return object;
}

/* Why an offload is not in the list, or NULL when all are. */
static const char *offload_note(const struct attach *a)
{
	if (!a->offload)
		return "offload = off";
	if (a->offloads.note[0])
		return a->offloads.note;
	if (a->tap.fd >= 0 && !(a->tap.offloads & VNET_CAN_USO))
		return "no USO: needs Linux 6.2";
	return NULL;
}

static const char *state_of(const struct lab *lab)
{
	if (!lab->open || (lab->wire == &ports_wire_tap && lab->attach.tap.fd < 0))
		return "absent";
	return lab->port.link ? "up" : "down";
}

static struct lab *lab_of(const struct ports *ports, unsigned number)
{
	for (unsigned i = 0; i < ports->n; i++) {
		if (ports->labs[i]->number == number)
			return ports->labs[i];
	}
	return NULL;
}

static const char *lab_state(const struct ports *ports, unsigned number)
{
	const struct lab *lab = lab_of(ports, number);

	return lab ? state_of(lab) : NULL;
}

static const char *lab_note(const struct ports *ports, unsigned number)
{
	const struct lab *lab = lab_of(ports, number);

	return lab && lab->note[0] ? lab->note : NULL;
}

static bool is_tap(const struct node *node, unsigned number)
{
	return number == 0 && node->conf->tap[0];
}

const char *report_port_state(const struct node *node, unsigned number)
{
	if (!is_tap(node, number))
		return lab_state(node->ports, number);
	return node->attach.tap.fd < 0 ? "absent" : node->attach.up ? "up" : "down";
}

const char *report_port_note(const struct node *node, unsigned number)
{
	if (!is_tap(node, number))
		return lab_note(node->ports, number);
	return node->attach.note[0] ? node->attach.note : NULL;
}

static json_t *impair_object(const struct impair *impair)
{
	const struct impair_counts *c;
	char text[IMPAIR_TEXT];
	json_t *object;

	if (!impair)
		return json_null();
	c = impair_counts(impair);
	object = json_object();
	impair_text_format(impair_setup(impair), text);
	answer_text(object, "line", text);
	answer_count(object, "passed", c->passed);
	answer_count(object, "lost", c->lost);
	answer_count(object, "duplicated", c->duplicated);
	answer_count(object, "corrupted", c->corrupted);
	answer_count(object, "reordered", c->reordered);
	answer_count(object, "overflowed", c->overflowed);
	answer_count(object, "held_bytes", c->held);
	answer_count(object, "held_frames", c->frames);
	return object;
}

void report_put_port(json_t *object, const struct port *port, const struct conf_vlans *vlans)
{
	char text[CONF_VLANS_TEXT];

	answer_put(object, "link", json_boolean(port->up && port->link));
	answer_put(object, "carrier", json_boolean(port->carrier_on));
	answer_text(object, "vlans", conf_vlans_format(vlans, text));
	answer_text(object, "reserved", port->reserved_pass ? "pass" : "drop");
	answer_put(object, "impair_in", impair_object(port->impair[PORT_IN]));
	answer_put(object, "impair_out", impair_object(port->impair[PORT_OUT]));
	answer_count(object, "cut", port->cut);
	answer_put(object, "drops", report_drops_object(&port->drops));
}

void report_put_attach(json_t *object, const struct attach *a, const struct port *port)
{
	static const char *const bridge_states[] = { [ATTACH_NO_BRIDGE] = "none",
						     [ATTACH_MISSING] = "missing",
						     [ATTACH_JOINED] = "joined" };

	answer_text(object, "bridge", a->bridge_name[0] ? a->bridge_name : NULL);
	answer_text(object, "bridge_state", bridge_states[a->bridge]);
	answer_count(object, "mtu", a->mtu);
	answer_put(object, "offloads", offloads_array(port->can & ~a->offloads.off));
	answer_text(object, "offload_note", offload_note(a));
}

static void put_end(json_t *object, const char *key, const struct labend *end)
{
	char text[CONF_END_TEXT];

	answer_text(object, key, conf_end_is_set(end) ? conf_end_format(end, text) : NULL);
}

/* What only one kind has. */
static void put_kind(json_t *object, struct lab *lab)
{
	const struct conf_port *conf = &lab->conf;

	answer_text(object, "transport", conf->kind != CONF_PORT_QEMU		    ? NULL
					 : conf->transport == CONF_PORT_STREAM ? "stream"
									       : "dgram");
	put_end(object, "local", &conf->local);
	put_end(object, "remote", &conf->remote);
	answer_text(object, "interface", conf->interface[0] ? conf->interface : NULL);
	answer_text(object, "qmp", lab->qmp ? qmp_state(lab->qmp) : NULL);
	if (lab->wire == &ports_wire_tap)
		report_put_attach(object, &lab->attach, &lab->port);
	else if (lab->wire->report)
		lab->wire->report(lab, object);
}

static json_t *lab_object(struct lab *lab)
{
	json_t *object = json_object();
	const struct port *port = &lab->port;

	answer_text(object, "name", port->name);
	answer_text(object, "kind", conf_port_kind_name(lab->conf.kind));
	answer_text(object, "state", state_of(lab));
	answer_text(object, "note", lab->note[0] ? lab->note : NULL);
	answer_put(object, "by_command", json_boolean(lab->by_command));
	put_kind(object, lab);
	report_put_port(object, port, &lab->conf.vlans);
	answer_put(object, "rx", report_port_traffic(&port->rx, lab->reads));
	answer_put(object, "tx", report_port_traffic(&port->tx, lab->writes));
	return object;
}

static void append_labs(struct ports *ports, json_t *array)
{
	for (unsigned i = 0; i < ports->n; i++)
		json_array_append_new(array, lab_object(ports->labs[i]));
}

static json_t *tap_object(struct node *node)
{
	const struct port *port = &node->port;
	uint64_t reads = 0, writes = 0;
	json_t *object = json_object();

	for (unsigned i = 0; i < node->n_workers; i++) {
		reads += node->workers[i].tap_reads;
		writes += node->workers[i].tap_writes;
	}
	answer_text(object, "name", port->name);
	answer_text(object, "kind", "tap");
	answer_text(object, "state", report_port_state(node, 0));
	answer_text(object, "note", report_port_note(node, 0));
	report_put_attach(object, &node->attach, port);
	answer_put(object, "rx", report_port_traffic(&port->rx, reads));
	answer_put(object, "tx", report_port_traffic(&port->tx, writes));
	report_put_port(object, port, &node->conf->vlans);
	return object;
}

json_t *report_ports(struct node *node)
{
	json_t *array = json_array();

	if (node->conf->tap[0])
		json_array_append_new(array, tap_object(node));
	append_labs(node->ports, array);
	return array;
}
