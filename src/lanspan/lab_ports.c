/* SPDX-License-Identifier: MIT */
/* The cards of a lab's guests, as ports of the bridge processes of this machine. */
#include <stdlib.h>
#include <string.h>

#include "lab.h"

void lab_socket_path(char out[INSTANCE_PATH], const struct lab *lab, const char *guest,
		     unsigned nic, const char *side)
{
	snprintf(out, INSTANCE_PATH, "%s/%.*s.%u.%s", lab->folder, WIRE_NAME, guest, nic, side);
}

static void port_name(char out[WIRE_NAME + 1], const char *guest, unsigned nic)
{
	snprintf(out, WIRE_NAME + 1, "%.*s.%u", LAB_NAME, guest, nic % LAB_NICS);
}

json_t *lab_port_settings(const struct lab *lab, const struct lab_guest *guest, unsigned nic,
			  const struct lab_network *network)
{
	char span[INSTANCE_PATH], vm[INSTANCE_PATH], link[INSTANCE_PATH];
	json_t *settings = json_pack("[s]", "kind=qemu");

	lab_socket_path(span, lab, guest->name, nic, "span");
	lab_socket_path(vm, lab, guest->name, nic, "vm");
	lab_socket_path(link, lab, guest->name, nic, "link");
	json_array_append_new(settings, network->wire ? json_string("transport=stream")
						      : json_sprintf("local=unix:%s", span));
	json_array_append_new(settings, json_sprintf("remote=unix:%s", vm));
	if (network->wire) {
		json_array_append_new(settings, json_sprintf("qmp=unix:%s", link));
		json_array_append_new(settings, json_sprintf("qmp_netdev=n%u", nic));
	}
	for (unsigned i = 0; i < LAB_SETTINGS; i++)
		if (network->settings[i][0])
			json_array_append_new(settings, json_sprintf("%s=%s", lab_setting_names[i],
								     network->settings[i]));
	return settings;
}

/* The bridge process that a network is of: its own, or -i's, or the only one. */
static enum cli_status instance_of(const struct cli *cli, const struct lab_network *network,
				   char out[WIRE_NAME + 1])
{
	const char *named = network->instance[0] ? network->instance : cli->instance;

	if (!named)
		return instance_only(out);
	snprintf(out, WIRE_NAME + 1, "%s", named);
	return CLI_DONE;
}

/* The port of that name in an answer to "show ports", or NULL. */
static const json_t *find_port(const json_t *answer, const char *name)
{
	const json_t *port;
	size_t i;

	json_array_foreach(json_object_get(answer, "ports"), i, port)
	{
		const char *text = json_string_value(json_object_get(port, "name"));

		if (text && strcmp(text, name) == 0)
			return port;
	}
	return NULL;
}

static const char *far_end(const json_t *port)
{
	const char *text = json_string_value(json_object_get(port, "remote"));

	return text ? text : "";
}

/* Its far end is the guest's socket in this lab's folder, by whatever name of the run folder. */
static bool is_ours(const json_t *port, const struct lab *lab, const char *name)
{
	const char *text = far_end(port);
	char end[INSTANCE_PATH];
	int n = snprintf(end, sizeof(end), "/labs/%s/%s.vm", lab->name, name);

	return strlen(text) >= (size_t)n && strcmp(text + strlen(text) - n, end) == 0;
}

/* Of a port that is not ours. */
static enum cli_status tell_other(enum cli_status status, const struct cli *at,
				  const struct lab *lab, const json_t *port, const char *name)
{
	char *text = text_safe(far_end(port));

	cli_error(status, "%s has another port %s, not of lab %s%s%s", at->instance, name,
		  lab->name, *text ? ": its far end is " : "", text);
	free(text);
	return status;
}

static json_t *ask_ports(const struct cli *at, enum cli_status *status)
{
	return daemon_ask(at, json_pack("{ssss}", "verb", "show", "what", "ports"), status);
}

/* What the lab says of its bridge process is what that says of itself. */
static enum cli_status check_mode(const struct cli *at, const json_t *answer,
				  const struct lab_network *network)
{
	const char *mode =
		json_string_value(json_object_get(json_object_get(answer, "site"), "mode"));
	bool wire = mode && strcmp(mode, "wire") == 0;

	if (wire == network->wire)
		return CLI_DONE;
	return cli_error(
		CLI_FAILED, "%s is a %s: [network %s] must have mode = %s, or another instance",
		at->instance, wire ? "wire" : "switch", network->name, wire ? "wire" : "switch");
}

static enum cli_status note_port(struct lab *lab, const char *name, const char *instance)
{
	lab_note_port(lab, name, instance);
	return lab_save(lab);
}

static enum cli_status add_port(const struct cli *at, struct lab *lab,
				const struct lab_network *network, const char *name,
				json_t *settings)
{
	enum cli_status status;
	json_t *ports = ask_ports(at, &status), *answer;
	const json_t *port;

	if (ports)
		status = check_mode(at, ports, network);
	if (status != CLI_DONE) {
		json_decref(ports);
		json_decref(settings);
		return status;
	}
	port = find_port(ports, name);
	if (port) {
		if (is_ours(port, lab, name))
			status = note_port(lab, name, at->instance);
		else
			status = tell_other(CLI_FAILED, at, lab, port, name);
		json_decref(ports);
		json_decref(settings);
		return status;
	}
	json_decref(ports);
	status = note_port(lab, name, at->instance);
	if (status != CLI_DONE) {
		json_decref(settings);
		return status;
	}
	answer = daemon_ask(at,
			    json_pack("{ssssssso}", "verb", "port", "action", "add", "name", name,
				      "settings", settings),
			    &status);
	json_decref(answer);
	return status;
}

static enum cli_status add_guest(const struct cli *cli, struct lab *lab,
				 const struct lab_conf *conf, const struct lab_guest *guest)
{
	char instance[WIRE_NAME + 1], name[WIRE_NAME + 1];
	const struct lab_network *network;
	struct cli at = *cli;
	enum cli_status status = CLI_DONE;

	at.instance = instance;
	for (unsigned i = 0; i < guest->n_networks && status == CLI_DONE; i++) {
		network = lab_conf_network(conf, guest->networks[i]);
		port_name(name, guest->name, i);
		status = instance_of(cli, network, instance);
		if (status == CLI_DONE)
			status = add_port(&at, lab, network, name,
					  lab_port_settings(lab, guest, i, network));
	}
	return status;
}

enum cli_status lab_ports_add(const struct cli *cli, struct lab *lab, const struct lab_conf *conf)
{
	enum cli_status status = CLI_DONE;

	for (unsigned i = 0; i < conf->n_guests && status == CLI_DONE; i++)
		status = add_guest(cli, lab, conf, &conf->guests[i]);
	return status;
}

static void remove_port(const struct cli *at, const struct lab *lab, const char *name)
{
	enum cli_status status;
	json_t *ports = ask_ports(at, &status);
	const json_t *port = find_port(ports, name);

	if (port && is_ours(port, lab, name))
		json_decref(daemon_ask(
			at, json_pack("{ssssss}", "verb", "port", "action", "del", "name", name),
			&status));
	else if (port)
		tell_other(CLI_DONE, at, lab, port, name);
	json_decref(ports);
}

/* A bridge process that has gone took its ports with it. */
void lab_ports_remove(const struct cli *cli, const struct lab *lab)
{
	struct cli at = *cli;
	const char *name;
	json_t *instance;

	json_object_foreach(json_object_get(lab->state, "ports"), name, instance)
	{
		at.instance = json_string_value(instance);
		if (at.instance && daemon_answers(&at))
			remove_port(&at, lab, name);
	}
}

static void print_port(const struct cli *cli, const struct lab_network *network, const char *name,
		       const json_t *settings)
{
	const char *instance = network->instance[0] ? network->instance : cli->instance;
	const char *words[20] = { "lanspan" };
	size_t n = 1, i;
	const json_t *setting;

	if (instance) {
		words[n++] = "-i";
		words[n++] = instance;
	}
	words[n++] = "port";
	words[n++] = "add";
	words[n++] = name;
	json_array_foreach((json_t *)settings, i, setting) words[n++] = json_string_value(setting);
	lab_command_print(&(struct lab_command){ (char **)words, n });
}

void lab_ports_print(const struct cli *cli, const struct lab *lab, const struct lab_conf *conf)
{
	const struct lab_network *network;
	const struct lab_guest *guest;
	char name[WIRE_NAME + 1];
	json_t *settings;

	for (unsigned i = 0; i < conf->n_guests; i++) {
		guest = &conf->guests[i];
		for (unsigned k = 0; k < guest->n_networks; k++) {
			network = lab_conf_network(conf, guest->networks[k]);
			settings = lab_port_settings(lab, guest, k, network);
			port_name(name, guest->name, k);
			print_port(cli, network, name, settings);
			json_decref(settings);
		}
	}
}
