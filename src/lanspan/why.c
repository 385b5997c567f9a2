/* SPDX-License-Identifier: MIT */
/* why: where a frame for an address would go now. */
#include "app/why.h"

#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* VLAN from text; false when it is none. */
static bool parse_vlan(const char *text, int *vlan)
{
	char *end;
	unsigned long n;

	if (text[0] < '0' || text[0] > '9')
		return false;
	n = strtoul(text, &end, 10);
	*vlan = (int)n;
	return *end == '\0' && n < WHY_VLANS;
}

static bool is(const json_t *object, const char *name, const char *text)
{
	const char *value = json_string_value(json_object_get(object, name));

	return value && strcmp(value, text) == 0;
}

static bool is_null(const json_t *object, const char *name)
{
	return json_is_null(json_object_get(object, name));
}

/* "NAME: REASON AGE ago: TEXT (N in all)". */
static void print_drop(const char *name, const json_t *drop)
{
	char *reason = text_member(drop, "reason"), *age = show_age(drop, "last_s");
	char *text = text_member(drop, "text"), *count = text_member(drop, "count");

	if (json_is_object(drop))
		printf("  %s: %s, %s ago: %s (%s in all)\n", name, reason, age, text, count);
	else
		printf("  %s: none\n", name);
	free(reason);
	free(age);
	free(text);
	free(count);
}

static void print_drops(const json_t *object, const char *there, const char *from)
{
	print_drop(there, json_object_get(object, "last_drop_there"));
	print_drop(from, json_object_get(object, "last_drop_from_there"));
}

static void print_source(const json_t *place)
{
	char *learned = show_age(place, "learned_s"), *age = show_age(place, "age_s");
	char *moves = text_member(place, "moves");

	if (is_null(place, "learned_s"))
		puts("  said by: this host, it is its own address");
	else
		printf("  said by: frames from there, since %s, the newest %s ago\n", learned, age);
	if (strcmp(moves, "0") != 0)
		printf("  moved: %s times%s\n", moves,
		       json_is_true(json_object_get(place, "held"))
			       ? "; too often: held where it is for now"
			       : "");
	free(learned);
	free(age);
	free(moves);
}

static void print_path(const json_t *place)
{
	char *path = text_member(place, "path"), *relay = text_member(place, "relay");
	char *endpoint = text_member(place, "endpoint"), *rtt = show_rtt(place, "rtt_ms");

	if (is(place, "path", "relayed"))
		printf("  path: relayed by %s (%s), round trip %s\n", relay, endpoint, rtt);
	else if (!is_null(place, "path"))
		printf("  path: %s, %s, round trip %s\n", path, endpoint, rtt);
	free(path);
	free(relay);
	free(endpoint);
	free(rtt);
}

static void print_state(const json_t *place)
{
	char *state = text_member(place, "state"), *words = text_member(place, "state_text");

	fputs("  state: ", stdout);
	text_print(text_state_colour(state), state);
	if (strcmp(words, "-") != 0)
		printf(" (%s)", words);
	putchar('\n');
	free(state);
	free(words);
}

static void print_place(const json_t *place, bool only_port)
{
	char *port = text_member(place, "port"), *vlan = text_member(place, "vlan");
	bool peer = is(place, "kind", "peer");

	if (is_null(place, "vlan"))
		fputs("any frame", stdout);
	else if (strcmp(vlan, "0") == 0)
		fputs("untagged", stdout);
	else
		printf("VLAN %s", vlan);
	printf(": %s %s %s", is(place, "fate", "forwarded") ? "to" : "dropped, it is for",
	       peer ? "peer" : "port", port);
	puts(peer	 ? ""
	     : only_port ? ", this side of the tunnel: only frames from peers cross it"
			 : ", at this site: frames from peers and from its other ports go there");
	print_source(place);
	print_state(place);
	print_path(place);
	print_drops(place, "last drop on the way there", "last drop from there");
	free(port);
	free(vlan);
}

static void print_names(const char *what, char *names)
{
	if (strcmp(names, "-") != 0)
		printf("  %s: %s\n", what, names);
	free(names);
}

static void print_flood(const json_t *flood, bool only_port)
{
	char *relay = text_member(flood, "relay"), *what = NULL;
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(flood, "ports"), i, item)
	{
		char *port = text_member(item, "port"), *state = text_member(item, "state");

		printf("  frames from peers%s: to port %s (%s)\n",
		       only_port ? "" : " and other ports", port, state);
		print_drops(item, "last drop on the way to the port", "last drop from the port");
		free(port);
		free(state);
	}
	if (asprintf(&what, "frames from here: once, copied by relay %s, to peers", relay) < 0)
		what = NULL;
	print_names(what ? what : "relayed",
		    show_list(json_object_get(flood, "relayed"), ", "));
	print_names("frames from here: a copy each to peers",
		    show_list(json_object_get(flood, "copies"), ", "));
	json_array_foreach(json_object_get(flood, "left_out"), i, item)
	{
		char *peer = text_member(item, "peer"), *reason = text_member(item, "reason");

		printf("  not to peer %s: %s\n", peer, reason);
		free(peer);
		free(reason);
	}
	free(relay);
	free(what);
}

static void print_head(const json_t *answer)
{
	char *mac = text_member(answer, "mac"), *ip = text_member(answer, "ip");
	char *text = text_member(answer, "text"), *own = text_member(answer, "own");
	char *at = text_member(answer, "neighbour_of"), *age = show_age(answer, "neighbour_age_s");

	text_print(TEXT_BOLD, is_null(answer, "ip") ? mac : ip);
	if (!is_null(answer, "neighbour_of"))
		printf(" is at %s, says this host's neighbour table of %s (confirmed %s ago)", mac,
		       at, age);
	else if (!is_null(answer, "ip") && !is_null(answer, "mac"))
		printf(" is at %s", mac);
	if (!is_null(answer, "own"))
		printf(", the address of %s at this host", own);
	putchar('\n');
	if (!is_null(answer, "text")) {
		text_print(is(answer, "fate", "flooded") ? TEXT_YELLOW : TEXT_RED, text);
		putchar('\n');
	}
	free(mac);
	free(ip);
	free(text);
	free(own);
	free(at);
	free(age);
}

static void print_answer(const json_t *answer)
{
	bool only_port = json_integer_value(json_object_get(answer, "local_ports")) == 1;
	const json_t *flood = json_object_get(answer, "flood");
	json_t *place;
	size_t i;

	print_head(answer);
	json_array_foreach(json_object_get(answer, "places"), i, place)
	{
		print_place(place, only_port);
	}
	if (json_is_object(flood))
		print_flood(flood, only_port);
}

/* The arguments, apart from --json. */
static enum cli_status read_arguments(const struct cli *cli, const char **address, int *vlan,
				      bool *json)
{
	struct why_target target;

	*address = NULL;
	*vlan = -1;
	*json = false;
	for (int i = 0; i < cli->argc; i++) {
		const char *word = cli->argv[i];

		if (strcmp(word, "--json") == 0 && !*json)
			*json = true;
		else if (word[0] == '-')
			return cli_usage(cli, "%s: no such option", word);
		else if (!*address)
			*address = word;
		else if (*vlan >= 0)
			return cli_usage(cli, "too many arguments");
		else if (!parse_vlan(word, vlan))
			return cli_usage(cli, "%s: not a VLAN: must be 0 (untagged) to 4094", word);
	}
	if (!*address)
		return cli_usage(cli, "ADDRESS is missing");
	if (!why_target_parse(&target, *address))
		return cli_usage(cli, "%s: not an address: must be like 02:00:5e:10:00:00, "
				      "192.0.2.7 or 2001:db8::7, and not all zero", *address);
	return CLI_DONE;
}

enum cli_status verb_why(const struct cli *cli)
{
	enum cli_status status;
	const char *address;
	json_t *answer, *request;
	bool json;
	int vlan;

	status = read_arguments(cli, &address, &vlan, &json);
	if (status != CLI_DONE)
		return status;
	request = json_pack("{ssss}", "verb", "why", "address", address);
	if (vlan >= 0)
		json_object_set_new(request, "vlan", json_integer(vlan));
	answer = daemon_ask(cli, request, &status);
	if (!answer)
		return status;
	if (json)
		status = show_json(answer);
	else
		print_answer(answer);
	if (status == CLI_DONE && !is(answer, "fate", "forwarded"))
		status = CLI_FAILED;
	json_decref(answer);
	return status;
}
