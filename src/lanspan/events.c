/* SPDX-License-Identifier: MIT */
/* events: what happened, and with --follow what happens. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "app/event.h"
#include "app/event_answer.h"
#include "base/bytes.h"
#include "cli.h"

#define FOLLOW_LAST 10 /* of those that are kept, when they are followed */
#define LINE_MOST 65536

struct wish {
	bool follow, json;
	const char *kind, *peer;
	long last; /* -1: not said */
};

static const char *text_of(const json_t *event, const char *key)
{
	const char *text = json_string_value(json_object_get(event, key));

	return text ? text : "";
}

/* ---- one event ---------------------------------------------------------- */

static enum text_colour colour_of(const char *level)
{
	if (strcmp(level, "error") == 0)
		return TEXT_RED;
	return strcmp(level, "warn") == 0 ? TEXT_YELLOW : TEXT_PLAIN;
}

/* " key=value", as in the log. */
static void print_field(const char *key, const json_t *value)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._:/@+,%[]()~*";
	const char *text = json_string_value(value);
	char *safe;

	if (!text) {
		printf(" %s=%lld", key, (long long)json_integer_value(value));
		return;
	}
	safe = text_safe(text);
	if (*safe && strspn(safe, plain) == strlen(safe)) {
		printf(" %s=%s", key, safe);
	} else {
		printf(" %s=\"", key);
		for (const char *s = safe; *s; s++)
			printf(*s == '"' ? "\\%c" : "%c", *s);
		putchar('"');
	}
	free(safe);
}

/* What a line begins with, and what it tells about whom; the rest follows. */
static const char *const head[] = { "seq", "time", "level", "event", "message" };
static const char *const first[] = { "site",   "peer",	  "reason",  "path", "relay",
				     "member", "site_id", "network", "at",   "from" };

static bool is_among(const char *key, const char *const *list, size_t n)
{
	while (n > 0 && strcmp(key, list[n - 1]) != 0)
		n--;
	return n > 0;
}

static void print_text(json_t *event)
{
	char *time = text_safe(text_of(event, "time")), *name = text_safe(text_of(event, "event"));
	const json_t *value;
	const char *key;

	printf("%s ", time);
	text_print(colour_of(text_of(event, "level")), name);
	for (size_t i = 0; i < COUNT_OF(first); i++) {
		value = json_object_get(event, first[i]);
		if (value)
			print_field(first[i], value);
	}
	json_object_foreach(event, key, value)
	{
		char *safe = text_safe(key);

		if (!is_among(key, head, COUNT_OF(head)) && !is_among(key, first, COUNT_OF(first)))
			print_field(safe, value);
		free(safe);
	}
	putchar('\n');
	free(time);
	free(name);
}

static void print_event(const struct wish *wish, json_t *event)
{
	if (!event_matches(event, wish->kind, wish->peer))
		return;
	if (!wish->json) {
		print_text(event);
	} else {
		json_dumpf(event, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
		putchar('\n');
	}
}

/* ---- asking ------------------------------------------------------------- */

static json_t *make_request(const struct wish *wish)
{
	json_t *request = json_pack("{s:s,s:b,s:s*,s:s*}", "verb", "events", "follow", wish->follow,
				    "kind", wish->kind, "peer", wish->peer);
	long last = wish->last < 0 && wish->follow ? FOLLOW_LAST : wish->last;

	if (last >= 0)
		json_object_set_new(request, "last", json_integer(last));
	return request;
}

static enum cli_status list(const struct cli *cli, const struct wish *wish)
{
	enum cli_status status;
	json_t *answer = daemon_ask(cli, make_request(wish), &status), *event;
	size_t i;

	json_array_foreach(json_object_get(answer, "events"), i, event)
	{
		print_event(wish, event);
	}
	json_decref(answer);
	return status;
}

/* Each line of the stream, until it ends or nobody reads ours. */
static void copy_lines(FILE *f, const struct wish *wish)
{
	char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, f) > 0 && room < LINE_MOST) {
		json_t *event = json_loads(line, 0, NULL);

		if (event)
			print_event(wish, event);
		json_decref(event);
		if (fflush(stdout) != 0)
			break;
	}
	free(line);
}

static enum cli_status follow(const struct cli *cli, const struct wish *wish)
{
	const struct timeval for_ever = { 0 };
	char instance[WIRE_NAME + 1];
	enum cli_status status;
	json_t *answer;
	FILE *f;
	int fd;

	answer = daemon_open(cli, make_request(wish), instance, &fd, &status);
	if (!answer)
		return status;
	json_decref(answer);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &for_ever, sizeof(for_ever));
	f = fdopen(fd, "r");
	if (!f)
		return cli_error(CLI_FAILED, "memory is short");
	copy_lines(f, wish);
	fclose(f);
	if (ferror(stdout))
		return CLI_FAILED; /* main says why */
	return cli_error(CLI_FAILED, "%s has ended, or was restarted", instance);
}

/* ---- arguments ---------------------------------------------------------- */

static bool parse_last(const char *text, long *out)
{
	size_t n = strlen(text);

	*out = strtol(text, NULL, 10);
	return n >= 1 && n <= 3 && strspn(text, "0123456789") == n && *out <= EVENT_KEPT;
}

/* An option with an argument; *text gets that. */
static bool is_option(const struct cli *cli, int *i, const char *name, const char **text)
{
	if (strcmp(cli->argv[*i], name) != 0 || *i + 1 == cli->argc)
		return false;
	*text = cli->argv[++*i];
	return true;
}

/* "lost" comes from the queue of who follows, not from the table. */
void events_print_kinds(FILE *f)
{
	int column = fprintf(f, "kinds: lost");

	for (unsigned i = 0; i < EVENT_KINDS; i++) {
		const char *name = event_name((enum event_kind)i);

		if (column + strlen(name) >= 79)
			column = fprintf(f, "\n ") - 1;
		column += fprintf(f, " %s", name);
	}
	fputc('\n', f);
}

static bool is_kind(const char *text)
{
	for (unsigned i = 0; i < EVENT_KINDS; i++) {
		if (strcmp(text, event_name((enum event_kind)i)) == 0)
			return true;
	}
	return strcmp(text, "lost") == 0;
}

static enum cli_status refuse_kind(const char *kind)
{
	char *safe = text_safe(kind);

	cli_error(CLI_USAGE, "events: --kind %s: there is no such kind", safe);
	events_print_kinds(stderr);
	free(safe);
	return CLI_USAGE;
}

enum cli_status verb_events(const struct cli *cli)
{
	struct wish wish = { .last = -1 };
	const char *last = NULL;

	for (int i = 0; i < cli->argc; i++) {
		if (strcmp(cli->argv[i], "--follow") == 0 || strcmp(cli->argv[i], "-f") == 0)
			wish.follow = true;
		else if (strcmp(cli->argv[i], "--json") == 0)
			wish.json = true;
		else if (!is_option(cli, &i, "--kind", &wish.kind) &&
			 !is_option(cli, &i, "--peer", &wish.peer) &&
			 !is_option(cli, &i, "--last", &last))
			return cli_usage(cli, "%s: not understood", cli->argv[i]);
		if (last && !parse_last(last, &wish.last))
			return cli_usage(cli, "--last %s: must be 0 to %d", last, EVENT_KEPT);
	}
	if (wish.kind && !is_kind(wish.kind))
		return refuse_kind(wish.kind);
	return wish.follow ? follow(cli, &wish) : list(cli, &wish);
}
