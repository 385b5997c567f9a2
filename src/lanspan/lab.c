/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * "lab up" first adds a port to the bridge process for each card, then starts the guests,
 * and notes each step before it is done (lab_state.c); when one fails, what was begun here is
 * taken back.  Done again it adds what has gone meanwhile: a guest that ended, ports of a
 * bridge process that was restarted.  "lab down" knows only what was noted, and needs no
 * file.
 */
#include <stdlib.h>
#include <string.h>

#include "lab.h"

static struct lab_conf *load(const char *file)
{
	struct conf_errors errors;
	struct lab_conf *conf = lab_conf_load(file, &errors);

	for (size_t i = 0; i < errors.n; i++)
		fprintf(stderr, "%s\n", errors.lines[i]);
	conf_errors_free(&errors);
	return conf;
}

/* --- up --- */

static void print_commands(const struct cli *cli, const struct lab *lab,
			   const struct lab_conf *conf)
{
	struct lab_command command;
	const char *folder[] = { "mkdir", "-p", "-m", "700", lab->folder };

	lab_command_print(&(struct lab_command){ (char **)folder, 5 });
	lab_ports_print(cli, lab, conf);
	for (unsigned i = 0; i < conf->n_guests; i++) {
		lab_machine_command(&command, lab, conf, &conf->guests[i]);
		lab_command_print(&command);
		lab_command_free(&command);
	}
}

static enum cli_status take_down(const struct cli *cli, const struct lab *lab)
{
	enum cli_status status = CLI_DONE;
	const char *name;
	json_t *note;

	json_object_foreach(json_object_get(lab->state, "guests"), name,
			    note) if (lab_machine_end(lab, name) != CLI_DONE) status = CLI_FAILED;
	lab_ports_remove(cli, lab);
	return status == CLI_DONE ? lab_remove(lab) : status;
}

static enum cli_status start(const struct cli *cli, struct lab *lab, const struct lab_conf *conf)
{
	enum cli_status status = lab_save(lab);
	const struct lab_guest *guest;

	if (status == CLI_DONE)
		status = lab_ports_add(cli, lab, conf);
	for (unsigned i = 0; i < conf->n_guests && status == CLI_DONE; i++) {
		guest = &conf->guests[i];
		if (lab_machine_runs(lab, guest->name))
			continue;
		status = lab_machine_start(lab, conf, guest);
		if (status == CLI_DONE)
			printf("%s: console %s/%s.console\n", guest->name, lab->folder,
			       guest->name);
	}
	return status;
}

static enum cli_status bring_up(const struct cli *cli, struct lab *lab, const struct lab_conf *conf)
{
	bool fresh = lab_is_empty(lab);
	char *file = text_safe(conf->file); /* a path need not be UTF-8 */
	enum cli_status status;

	json_object_set_new(lab->state, "file", json_string(file));
	free(file);
	status = start(cli, lab, conf);
	if (status != CLI_DONE && fresh)
		take_down(cli, lab);
	return status;
}

/* Sockets of a lab are named to bridge processes, as text, and the longest must have room in
 * an address. */
static enum cli_status check_paths(const struct lab *lab, const struct lab_conf *conf)
{
	json_t *text = json_string(lab->folder);
	char path[INSTANCE_PATH];

	json_decref(text);
	if (!text)
		return cli_error(CLI_USAGE, "the folder of the labs: its name is not UTF-8");
	for (unsigned i = 0; i < conf->n_guests; i++) {
		lab_socket_path(path, lab, conf->guests[i].name, 0, "console");
		if (strlen(path) >= 107)
			return cli_error(CLI_USAGE,
					 "%s: too long for a socket: a shorter name of the lab or "
					 "of guest %s",
					 path, conf->guests[i].name);
	}
	return CLI_DONE;
}

static enum cli_status up(const struct cli *cli, const char *file, bool dry)
{
	struct lab_conf *conf = load(file);
	enum cli_status status;
	struct lab lab;

	if (!conf)
		return CLI_USAGE;
	status = lab_open(&lab, conf->instance);
	if (status == CLI_DONE)
		status = check_paths(&lab, conf);
	if (status == CLI_DONE && dry)
		print_commands(cli, &lab, conf);
	else if (status == CLI_DONE)
		status = lab_lock(&lab);
	if (status == CLI_DONE && !dry)
		status = bring_up(cli, &lab, conf);
	lab_close(&lab);
	lab_conf_free(conf);
	return status;
}

/* --- down and show --- */

/* The lab of a file, of a name, or the only one. */
static enum cli_status open_chosen(const struct cli *cli, const char *file, struct lab *lab)
{
	char name[WIRE_NAME + 1] = "";
	const char *base;
	size_t n;

	*lab = (struct lab){ .lock = -1 };
	if (!file) {
		enum cli_status status = lab_only(name);

		return status == CLI_DONE ? lab_open(lab, name) : status;
	}
	base = strrchr(file, '/');
	base = base ? base + 1 : file;
	n = strlen(base);
	if (n > 5 && strcmp(base + n - 5, ".conf") == 0)
		n -= 5;
	if (!conf_instance_valid(base, n))
		return cli_usage(cli, "%s: not the name of a lab, nor its file", file);
	memcpy(name, base, n);
	return lab_open(lab, name);
}

static enum cli_status check_up(const struct lab *lab)
{
	return lab->kept ? CLI_DONE : cli_error(CLI_FAILED, "lab %s is not up", lab->name);
}

static enum cli_status down(const struct cli *cli, const char *file)
{
	struct lab lab;
	enum cli_status status = open_chosen(cli, file, &lab);

	if (status == CLI_DONE)
		status = check_up(&lab);
	if (status == CLI_DONE)
		status = lab_lock(&lab);
	if (status == CLI_DONE)
		status = check_up(&lab);
	if (status == CLI_DONE)
		status = take_down(cli, &lab);
	lab_close(&lab);
	return status;
}

static char *copy(const char *text)
{
	return text_safe(text);
}

static void add_state(struct table *table, pid_t pid, pid_t starter)
{
	if (pid)
		table_add(table, TEXT_GREEN, copy("runs"));
	else if (starter)
		table_add(table, TEXT_YELLOW, copy("starts"));
	else
		table_add(table, TEXT_RED, copy("ended"));
}

static void print_guests(const struct lab *lab)
{
	struct table *table = table_new("GUEST|STATE|>PID|CONSOLE");
	char text[INSTANCE_PATH + 80];
	const char *name;
	pid_t pid, starter;
	json_t *note;

	json_object_foreach(json_object_get(lab->state, "guests"), name, note)
	{
		starter = lab_guest_starter(lab, name);
		pid = lab_guest_pid(lab, name);
		table_add(table, TEXT_BOLD, copy(name));
		add_state(table, pid, starter);
		snprintf(text, sizeof(text), "%d", (int)pid);
		table_add(table, TEXT_PLAIN, copy(pid ? text : "-"));
		snprintf(text, sizeof(text), "%s/%s.console", lab->folder, name);
		table_add(table, TEXT_PLAIN, copy(pid ? text : "-"));
	}
	table_finish(table, "no guests");
}

static void print_ports(const struct lab *lab)
{
	struct table *table = table_new("PORT|INSTANCE");
	const char *name;
	json_t *instance;

	json_object_foreach(json_object_get(lab->state, "ports"), name, instance)
	{
		table_add(table, TEXT_BOLD, copy(name));
		table_add(table, TEXT_PLAIN, copy(json_string_value(instance)));
	}
	table_finish(table, "no ports");
}

static enum cli_status show(const struct cli *cli, const char *chosen)
{
	struct lab lab;
	enum cli_status status = open_chosen(cli, chosen, &lab);
	const char *file;

	if (status == CLI_DONE)
		status = check_up(&lab);
	if (status == CLI_DONE) {
		file = json_string_value(json_object_get(lab.state, "file"));
		printf("lab: %s\n", lab.name);
		show_line("file", copy(file ? file : "-"));
		print_guests(&lab);
		print_ports(&lab);
	}
	lab_close(&lab);
	return status;
}

enum cli_status verb_lab(const struct cli *cli)
{
	const char *words[2] = { NULL }, *action, *word;
	bool dry = false;
	unsigned n = 0;

	for (int i = 0; i < cli->argc; i++) {
		word = cli->argv[i];
		if (strcmp(word, "--dry-run") == 0)
			dry = true;
		else if (word[0] == '-')
			return cli_usage(cli, "%s: no such option", word);
		else if (n == 2)
			return cli_usage(cli, "too many arguments");
		else
			words[n++] = word;
	}
	action = n ? words[0] : "";
	if (strcmp(action, "up") == 0 && n == 2)
		return up(cli, words[1], dry);
	if (strcmp(action, "up") == 0)
		return cli_usage(cli, "up: the file of the lab is missing");
	if (strcmp(action, "down") != 0 && strcmp(action, "show") != 0)
		return cli_usage(cli, "\"%s\": must be up, down or show", action);
	if (dry)
		return cli_usage(cli, "--dry-run: goes with up only");
	return action[0] == 'd' ? down(cli, words[1]) : show(cli, words[1]);
}
