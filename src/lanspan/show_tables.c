/* SPDX-License-Identifier: MIT */
/* The views that are tables, and the cells that they have in common. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "cli.h"

static void add(struct table *table, const json_t *row, const char *name)
{
	table_add(table, TEXT_PLAIN, text_member(row, name));
}

static void add_state(struct table *table, const json_t *row, const char *name)
{
	char *state = text_member(row, name);

	table_add(table, text_state_colour(state), state);
}

/* Received and sent bytes. */
static void add_transfer(struct table *table, const json_t *row)
{
	table_add(table, TEXT_PLAIN, show_bytes(json_object_get(row, "rx"), "bytes"));
	table_add(table, TEXT_PLAIN, show_bytes(json_object_get(row, "tx"), "bytes"));
}

/* Below a table: a line for each row that has something to say, unless the row
 * before said it. */
static void print_notes(const json_t *rows, const char *name, const char *note)
{
	char *before = NULL;
	json_t *row;
	size_t i;

	json_array_foreach((json_t *)rows, i, row)
	{
		char *who = text_member(row, name), *what = text_member(row, note), *line = NULL;

		if (strcmp(what, "-") != 0 && asprintf(&line, "%s: %s", who, what) < 0)
			line = NULL;
		if (line && (!before || strcmp(before, line) != 0))
			puts(line);
		free(who);
		free(what);
		free(before);
		before = line;
	}
	free(before);
}

/* Why each of those that are not up is not. */
static void print_states(const json_t *rows)
{
	json_t *row;
	size_t i;

	json_array_foreach((json_t *)rows, i, row)
	{
		char *name = text_member(row, "name"), *state = text_member(row, "state");
		char *why = text_member(row, "state_text");

		if (strcmp(state, "up") != 0)
			printf("%s: %s\n", name, why);
		free(name);
		free(state);
		free(why);
	}
}

void show_peers(const json_t *answer)
{
	struct table *t =
		table_new("PEER|STATE|ENDPOINT|PATH|>RTT|>LOSS|>REORDER|>PMTU|>HANDSHAKE|"
			  ">HEARD|>RX|>TX");
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(answer, "peers"), i, row)
	{
		add(t, row, "name");
		add_state(t, row, "state");
		add(t, row, "endpoint");
		add(t, row, "path");
		table_add(t, TEXT_PLAIN, show_rtt(row, "rtt_ms"));
		table_add(t, TEXT_PLAIN, show_percent(row, "loss_percent"));
		table_add(t, TEXT_PLAIN, show_percent(row, "reorder_percent"));
		add(t, row, "pmtu");
		table_add(t, TEXT_PLAIN, show_age(row, "handshake_age_s"));
		table_add(t, TEXT_PLAIN, show_age(row, "last_heard_s"));
		add_transfer(t, row);
	}
	table_finish(t, "no peers");
	print_states(json_object_get(answer, "peers"));
}

char *show_wire(const json_t *row)
{
	static const char *const members[] = { "remote", "local", "interface", "bridge" };

	for (size_t i = 0; i + 1 < COUNT_OF(members); i++) {
		if (json_is_string(json_object_get(row, members[i])))
			return text_member(row, members[i]);
	}
	return text_member(row, members[COUNT_OF(members) - 1]);
}

/* "in: delay 80ms; out: cut" */
static char *impair_text(const json_t *row)
{
	char *in = text_member(json_object_get(row, "impair_in"), "line");
	char *out = text_member(json_object_get(row, "impair_out"), "line"), *text = NULL;
	bool has_in = strcmp(in, "-") != 0, has_out = strcmp(out, "-") != 0;

	if (asprintf(&text, "%s%s%s%s%s", has_in ? "in: " : "", has_in || !has_out ? in : "",
		     has_in && has_out ? "; " : "", has_out ? "out: " : "", has_out ? out : "") < 0)
		log_die(CLI_FAILED, "memory is short");
	free(in);
	free(out);
	return text;
}

void show_ports(const json_t *answer)
{
	struct table *t = table_new("PORT|KIND|STATE|WIRE|JOINED|>MTU|VLANS|BAD LINE|OFFLOADS|>RX|"
				    ">TX|>STRANGERS|DROPS");
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(answer, "ports"), i, row)
	{
		add(t, row, "name");
		add(t, row, "kind");
		add_state(t, row, "state");
		table_add(t, TEXT_PLAIN, show_wire(row));
		add_state(t, row, "bridge_state");
		add(t, row, "mtu");
		add(t, row, "vlans");
		table_add(t, TEXT_PLAIN, impair_text(row));
		table_add(t, TEXT_PLAIN, show_list(json_object_get(row, "offloads"), " "));
		add_transfer(t, row);
		add(t, row, "strangers");
		table_add(t, TEXT_PLAIN, show_counts(json_object_get(row, "drops")));
	}
	table_finish(t, "no ports");
	print_notes(json_object_get(answer, "ports"), "name", "note");
	print_notes(json_object_get(answer, "ports"), "name", "offload_note");
}

void show_macs(const json_t *answer)
{
	struct table *t = table_new("ADDRESS|>VLAN|PORT|>AGE|>LEARNED|>MOVES|HELD|>RX|>TX");
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(answer, "macs"), i, row)
	{
		add(t, row, "mac");
		add(t, row, "vlan");
		add(t, row, "port");
		table_add(t, TEXT_PLAIN, show_age(row, "age_s"));
		table_add(t, TEXT_PLAIN, show_age(row, "learned_s"));
		add(t, row, "moves");
		add(t, row, "held");
		add_transfer(t, row);
	}
	table_finish(t, "no addresses learned");
}

void show_paths(const json_t *answer)
{
	struct table *t = table_new("PEER|PATH|LOCAL|REMOTE|STATE|>PMTU|PROBING|>RTT|GSO");
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(answer, "paths"), i, row)
	{
		add(t, row, "peer");
		add(t, row, "path");
		add(t, row, "local");
		add(t, row, "remote");
		add_state(t, row, "state");
		add(t, row, "pmtu");
		add(t, row, "pmtu_state");
		table_add(t, TEXT_PLAIN, show_rtt(row, "rtt_ms"));
		add(t, row, "gso");
	}
	table_finish(t, "no paths");
	print_notes(json_object_get(answer, "paths"), "local", "gso_note");
}

void show_workers(const json_t *answer)
{
	struct table *t =
		table_new(">WORKER|TAP QUEUE|>TURNS|>TAP READS|>TAP WRITES|>RECEIVES|>SENDS|>YIELDS");
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(answer, "workers"), i, row)
	{
		add(t, row, "worker");
		add(t, row, "tap_queue");
		add(t, row, "turns");
		add(t, row, "tap_reads");
		add(t, row, "tap_writes");
		add(t, row, "receives");
		add(t, row, "sends");
		add(t, row, "yields");
	}
	table_finish(t, "no workers");
}

void show_relays(const json_t *answer)
{
	struct table *t = table_new("RELAY|STATE|ENDPOINT|>MEMBER|SEEN AT|>OTHERS|>RTT|>HEARD");
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(answer, "relays"), i, row)
	{
		add(t, row, "name");
		add_state(t, row, "state");
		add(t, row, "endpoint");
		add(t, row, "member");
		add(t, row, "observed");
		add(t, row, "members");
		table_add(t, TEXT_PLAIN, show_rtt(row, "rtt_ms"));
		table_add(t, TEXT_PLAIN, show_age(row, "last_heard_s"));
	}
	table_finish(t, "no relays");
	print_notes(json_object_get(answer, "relays"), "name", "state_text");
	print_notes(json_object_get(answer, "relays"), "name", "tls_problem");
}

/* "peer paris"; of a relay "network lab", "member lab paris". */
static char *drop_where(const json_t *row)
{
	static const char *const names[] = { "where", "network", "member" };
	char *text = NULL, *part, *longer;

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		part = text_member(row, names[i]);
		if (i > 0 && !json_is_string(json_object_get(row, names[i]))) {
			free(part);
			break;
		}
		if (asprintf(&longer, "%s%s%s", text ? text : "", text ? " " : "", part) < 0)
			log_die(CLI_FAILED, "memory is short");
		free(part);
		free(text);
		text = longer;
	}
	return text;
}

void show_drops(const json_t *answer)
{
	bool ages = json_object_get(answer, "site"); /* a relay has none */
	struct table *t = table_new(ages ? "WHERE|REASON|>COUNT|>LAST|MEANING"
					 : "WHERE|REASON|>COUNT|MEANING");
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(answer, "drops"), i, row)
	{
		table_add(t, TEXT_PLAIN, drop_where(row));
		add(t, row, "reason");
		add(t, row, "count");
		if (ages)
			table_add(t, TEXT_PLAIN, show_age(row, "last_s"));
		add(t, row, "text");
	}
	table_finish(t, "nothing was dropped");
}
