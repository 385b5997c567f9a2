/* SPDX-License-Identifier: MIT */
#include "report_parts.h"

static json_t *seconds_until(struct instant now, struct instant then)
{
	int64_t us = instant_between(now, then);

	return json_integer(us > 0 ? us / 1000000 : 0);
}

static const char *state(const struct node *node)
{
	const struct node_portmap *m = &node->portmap;

	if (!node->conf->port_mapping)
		return "off";
	if (m->report.by)
		return "mapped";
	if (m->idle || !m->looked)
		return "idle";
	return m->report.asking || !m->report.error[0] ? "asking" : "none";
}

json_t *report_port_mapping(struct node *node)
{
	const struct portmap_report *r = &node->portmap.report;
	json_t *object = json_object(), *external = json_array();
	struct instant now = node->loop.now;
	char text[ADDR_TEXT];

	for (unsigned i = 0; i < r->n; i++)
		json_array_append_new(external,
				      json_string(addr_format(&r->external[i], text)));
	answer_text(object, "state", state(node));
	answer_text(object, "state_text", r->by ? NULL : node->portmap.idle);
	answer_text(object, "protocol", portmap_by_name(r->by));
	answer_put(object, "external", external);
	answer_put(object, "lifetime_s", r->by ? seconds_until(now, r->ends) : json_null());
	answer_put(object, "next_s",
		   node->portmap.idle || !r->next.us ? json_null() : seconds_until(now, r->next));
	answer_text(object, "error", r->error[0] ? r->error : NULL);
	return object;
}
