/* SPDX-License-Identifier: MIT */
/* Lab ports and bad lines by command. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/answer.h"
#include "app/event.h"
#include "app/impair_text.h"
#include "base/bytes.h"
#include "ports_parts.h"

#define SETTINGS 32

/* Strings of an array, up to SETTINGS; how many, or 0 when it is no such array. */
static size_t read_settings(const json_t *array, const char *settings[SETTINGS])
{
	size_t n = json_array_size(array);

	if (n > SETTINGS)
		return 0;
	for (size_t i = 0; i < n; i++) {
		settings[i] = json_string_value(json_array_get(array, i));
		if (!settings[i])
			return 0;
	}
	return n;
}

static json_t *refusal(int status, const char *what, const char *name, const char *why)
{
	json_t *answer = answer_refusal(status, "");

	answer_put(answer, "error", json_sprintf("%s %s: %s", what, name, why));
	return answer;
}

static json_t *add_port(struct node *node, const char *name, const json_t *request)
{
	const char *settings[SETTINGS];
	size_t n = read_settings(json_object_get(request, "settings"), settings);
	struct conf_errors errors = { 0 };
	char note[PORTS_NOTE];
	struct conf_port conf;
	int error;

	if (!conf_port_read(&conf, name, settings, n, &errors))
		return answer_errors(2, &errors);
	error = ports_add(node->ports, &conf, true, note);
	if (error)
		return refusal(1, "port add", name, note);
	event_tell(EVENT_PORT_ADDED, log_text("port", name),
		   log_text("kind", conf_port_kind_name(conf.kind)));
	return answer_done();
}

static json_t *delete_port(struct node *node, const char *name)
{
	if (node->conf->tap[0] && strcmp(name, node->port.name) == 0)
		return refusal(1, "port del", name, "this is the TAP of [bridge], and stays");
	if (!ports_remove(node->ports, name))
		return refusal(2, "port del", name, "there is no port of that name");
	event_tell(EVENT_PORT_REMOVED, log_text("port", name));
	return answer_done();
}

json_t *ports_request(void *ctx, json_t *request)
{
	const char *action = json_string_value(json_object_get(request, "action"));
	const char *name = json_string_value(json_object_get(request, "name"));

	if (!action || !name)
		return answer_refusal(2, "port: must have an action, add or del, and a name");
	if (strcmp(action, "add") == 0)
		return add_port(ctx, name, request);
	if (strcmp(action, "del") == 0)
		return delete_port(ctx, name);
	return answer_refusal(2, "port: no such action: there are add and del");
}

/* PORT_IN, PORT_OUT, PORT_WAYS for both; -1 for none of these. */
static int parse_way(const char *text)
{
	if (!text)
		return -1;
	if (strcmp(text, "both") == 0)
		return PORT_WAYS;
	if (strcmp(text, "in") == 0)
		return PORT_IN;
	return strcmp(text, "out") == 0 ? PORT_OUT : -1;
}

/* Both ways or none: the first is as before when memory is short for the other. */
static int set_lines(struct port *port, int way, const struct impair_setup *setup,
		     struct instant now)
{
	const struct impair *line = port->impair[PORT_IN];
	const struct impair_setup before = line ? *impair_setup(line) : (struct impair_setup){ 0 };
	int error;

	if (way != PORT_WAYS)
		return port_set_impair(port, (enum port_way)way, setup, now);
	error = port_set_impair(port, PORT_IN, setup, now);
	if (error)
		return error;
	error = port_set_impair(port, PORT_OUT, setup, now);
	if (error)
		port_set_impair(port, PORT_IN, &before, now);
	return error;
}

json_t *ports_request_impair(void *ctx, json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "port"));
	const char *line = json_string_value(json_object_get(request, "line"));
	int way = parse_way(json_string_value(json_object_get(request, "way")));
	struct node *node = ctx;
	struct port *port = name ? ports_find(node->ports, name) : NULL;
	struct impair_setup setup = { 0 };
	char why[IMPAIR_TEXT_NOTE];
	int error;

	if (!port)
		return refusal(2, "impair", name ? name : "", "there is no port of that name");
	if (way < 0)
		return refusal(2, "impair", name, "must be in, out or both");
	if (!line)
		return refusal(2, "impair", name, "must say what, cut or none");
	if (strcmp(line, "none") != 0 && !impair_text_parse(&setup, line, why))
		return refusal(2, "impair", name, why);
	error = set_lines(port, way, &setup, node->loop.now);
	if (error)
		return refusal(1, "impair", name, strerror(-error));
	event_tell(EVENT_IMPAIRED, log_text("port", name),
		   log_text("way", json_string_value(json_object_get(request, "way"))),
		   log_text("line", line));
	return answer_done();
}
