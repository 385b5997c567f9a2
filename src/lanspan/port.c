/* SPDX-License-Identifier: MIT */
/* port: lab ports by command; impair: bad lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cli.h"

static enum cli_status list_ports(const struct cli *cli)
{
	bool json = cli->argc == 2 && strcmp(cli->argv[1], "--json") == 0;
	enum cli_status status;
	json_t *answer;

	if (cli->argc > 2 || (cli->argc == 2 && !json))
		return cli_usage(cli, "%s: not understood", cli->argv[cli->argc - 1]);
	answer = daemon_ask(cli, json_pack("{ssss}", "verb", "show", "what", "ports"), &status);
	if (!answer)
		return status;
	if (json)
		status = show_json(answer);
	else
		show_ports(answer);
	json_decref(answer);
	return status;
}

/* A member is not added when its text is no UTF-8: then there is no request. */
static json_t *settings_of(const struct cli *cli)
{
	json_t *settings = json_array();

	for (int i = 2; i < cli->argc; i++) {
		if (json_array_append_new(settings, json_string(cli->argv[i])) != 0) {
			json_decref(settings);
			return NULL;
		}
	}
	return settings;
}

static enum cli_status change_port(const struct cli *cli, const char *action)
{
	enum cli_status status;

	json_decref(daemon_ask(cli,
			       json_pack("{ssssssso}", "verb", "port", "action", action, "name",
					 cli->argv[1], "settings", settings_of(cli)),
			       &status));
	return status;
}

enum cli_status verb_port(const struct cli *cli)
{
	const char *action = cli->argv[0];

	if (strcmp(action, "list") == 0)
		return list_ports(cli);
	if (strcmp(action, "add") != 0 && strcmp(action, "del") != 0)
		return cli_usage(cli, "%s: must be add, del or list", action);
	if (cli->argc < 2)
		return cli_usage(cli, "%s: the name of a port is missing", action);
	if (action[0] == 'd' && cli->argc > 2)
		return cli_usage(cli, "too many arguments");
	if (action[0] == 'a' && cli->argc < 3)
		return cli_usage(cli, "what kind of port is missing, kind=...");
	return change_port(cli, action);
}

/* ---- impair -------------------------------------------------------------------------- */

static json_t *find_port(const json_t *answer, const char *name)
{
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(answer, "ports"), i, row)
	{
		const char *text = json_string_value(json_object_get(row, "name"));

		if (text && strcmp(text, name) == 0)
			return row;
	}
	return NULL;
}

/* "in: delay 80ms; 12 passed, 0 lost ..." */
static void print_way(const json_t *row, const char *way, const char *member)
{
	static const char *const counts[] = { "passed",	   "lost",	 "duplicated", "corrupted",
					      "reordered", "overflowed", "held_frames" };
	const json_t *impair = json_object_get(row, member);
	char *line;

	if (!json_is_object(impair)) {
		printf("%s: none\n", way);
		return;
	}
	line = text_member(impair, "line");
	printf("%s: %s\n", way, line);
	free(line);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		printf("%s%s %lld", i ? ", " : "  ", counts[i],
		       (long long)json_integer_value(json_object_get(impair, counts[i])));
	putchar('\n');
}

static enum cli_status show_impair(const struct cli *cli)
{
	enum cli_status status;
	json_t *answer = daemon_ask(cli, json_pack("{ssss}", "verb", "show", "what", "ports"),
				    &status);
	json_t *row = find_port(answer, cli->argv[0]);

	if (answer && !row)
		status = cli_error(CLI_USAGE, "impair %s: there is no port of that name",
				   cli->argv[0]);
	if (row) {
		print_way(row, "in", "impair_in");
		print_way(row, "out", "impair_out");
	}
	json_decref(answer);
	return status;
}

/* The words with blanks between; malloc'd. */
static char *join(int n, char **words)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		log_die(CLI_FAILED, "memory is short");
	for (int i = 0; i < n; i++)
		fprintf(f, "%s%s", i ? " " : "", words[i]);
	if (fclose(f) != 0)
		log_die(CLI_FAILED, "memory is short");
	return text;
}

enum cli_status verb_impair(const struct cli *cli)
{
	static const char *const ways[] = { "in", "out", "both" };
	const char *way = NULL;
	enum cli_status status;
	char *line;
	int first;

	if (cli->argc == 1)
		return show_impair(cli);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (strcmp(cli->argv[1], ways[i]) == 0)
			way = ways[i];
	}
	first = way ? 2 : 1;
	if (cli->argc == first)
		return cli_usage(cli, "what it does to the line is missing: delay 80ms, cut, none");
	line = join(cli->argc - first, cli->argv + first);
	json_decref(daemon_ask(cli,
			       json_pack("{ssssssss}", "verb", "impair", "port", cli->argv[0],
					 "way", way ? way : "both", "line", line),
			       &status));
	free(line);
	return status;
}
