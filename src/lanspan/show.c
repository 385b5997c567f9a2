/* SPDX-License-Identifier: MIT */
/* show: asks, and hands the answer to a view, or prints it as JSON. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "cli.h"

/* "all" of a relay is not that of a site. */
static void show_daemon(const json_t *answer)
{
	if (json_object_get(answer, "relay") && !json_object_get(answer, "site"))
		show_relay(answer);
	else
		show_all(answer);
}

static const struct view {
	const char *what;
	void (*print)(const json_t *answer);
} views[] = {
	{ "all", show_daemon },
	{ "peers", show_peers },
	{ "macs", show_macs },
	{ "ports", show_ports },
	{ "drops", show_drops },
	{ "paths", show_paths },
	{ "networks", show_networks },
	{ "members", show_members },
	{ "workers", show_workers },
	{ "relays", show_relays },
	{ "captures", show_captures },
};

/* "all" is the view without an argument. */
static const struct view *find_view(const char *what)
{
	for (size_t i = 1; i < COUNT_OF(views); i++)
		if (strcmp(views[i].what, what) == 0)
			return &views[i];
	return NULL;
}

enum cli_status show_json(json_t *answer)
{
	json_object_del(answer, "ok");
	if (json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_ENSURE_ASCII |
				       JSON_REAL_PRECISION(9)) != 0)
		return cli_error(CLI_FAILED, "cannot write: %m");
	putchar('\n');
	return CLI_DONE;
}

enum cli_status verb_show(const struct cli *cli)
{
	const struct view *view = NULL;
	enum cli_status status;
	bool json = false;
	json_t *answer;

	for (int i = 0; i < cli->argc; i++) {
		if (strcmp(cli->argv[i], "--json") == 0 && !json)
			json = true;
		else if (view || !(view = find_view(cli->argv[i])))
			return cli_usage(cli, "%s: not understood", cli->argv[i]);
	}
	if (!view)
		view = &views[0];
	answer = daemon_ask(cli, json_pack("{ssss}", "verb", "show", "what", view->what), &status);
	if (!answer)
		return status;
	if (json)
		status = show_json(answer);
	else
		view->print(answer);
	json_decref(answer);
	return status;
}

void show_line(const char *name, char *text)
{
	printf("  %s: %s\n", name, text ? text : "-");
	free(text);
}

static char *copy(const char *text)
{
	char *out = strdup(text);

	if (!out)
		log_die(CLI_FAILED, "memory is short");
	return out;
}

char *show_bytes(const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);
	char out[TEXT_SHORT];

	return copy(json_is_number(v) ? text_bytes(out, json_number_value(v)) : "-");
}

char *show_age(const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);
	char out[TEXT_SHORT];

	return copy(json_is_number(v) ? text_age(out, json_number_value(v)) : "-");
}

char *show_rtt(const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);
	char out[TEXT_SHORT] = "-";

	if (json_is_number(v))
		snprintf(out, sizeof(out), "%.2f ms", json_number_value(v));
	return copy(out);
}

char *show_percent(const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);
	double percent = json_number_value(v);
	char out[TEXT_SHORT] = "-";

	if (json_is_number(v))
		snprintf(out, sizeof(out), percent > 0 && percent < 0.1 ? "%.3f %%" : "%.1f %%",
			 percent);
	return copy(out);
}

/* Collects pieces of text with a separator between. */
struct pieces {
	char *text;
	size_t len;
	FILE *f;
	bool any;
};

static void pieces_begin(struct pieces *p)
{
	*p = (struct pieces){ 0 };
	p->f = open_memstream(&p->text, &p->len);
	if (!p->f)
		log_die(CLI_FAILED, "memory is short");
}

static void pieces_next(struct pieces *p, const char *separator)
{
	if (p->any)
		fputs(separator, p->f);
	p->any = true;
}

static char *pieces_end(struct pieces *p)
{
	if (!p->any)
		fputs("-", p->f);
	if (fclose(p->f) != 0)
		log_die(CLI_FAILED, "memory is short");
	return p->text;
}

char *show_counts(const json_t *counts)
{
	struct pieces p;
	const char *name;
	json_t *count;
	char *safe;

	pieces_begin(&p);
	json_object_foreach((json_t *)counts, name, count)
	{
		safe = text_safe(name);
		pieces_next(&p, ", ");
		fprintf(p.f, "%lld %s", (long long)json_integer_value(count), safe);
		free(safe);
	}
	return pieces_end(&p);
}

char *show_list(const json_t *list, const char *separator)
{
	struct pieces p;
	json_t *item;
	char *safe;
	size_t i;

	pieces_begin(&p);
	json_array_foreach((json_t *)list, i, item)
	{
		if (!json_is_string(item))
			continue;
		safe = text_safe(json_string_value(item));
		pieces_next(&p, separator);
		fputs(safe, p.f);
		free(safe);
	}
	return pieces_end(&p);
}
