/* SPDX-License-Identifier: MIT */
/* What a relay shows: itself, its networks and their members. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static void add(struct table *table, const json_t *row, const char *name)
{
	table_add(table, TEXT_PLAIN, text_member(row, name));
}

static void add_way(struct table *table, const json_t *row, const char *name)
{
	const json_t *way = json_object_get(row, name);

	add(table, way, "packets");
	table_add(table, TEXT_PLAIN, show_bytes(way, "bytes"));
}

static char *joined(const char *format, char *a, char *b) __attribute__((format(printf, 1, 0)));

/* Takes over both texts. */
static char *joined(const char *format, char *a, char *b)
{
	char *text;

	if (asprintf(&text, format, a, b) < 0)
		text = NULL; /* table_add tells */
	free(a);
	free(b);
	return text;
}

void show_networks(const json_t *answer)
{
	struct table *t = table_new("NETWORK|ACCESS|>MEMBERS|>RX PACKETS|>RX|>TX PACKETS|>TX|"
				    ">FLOODS|>COPIES|>LIMITED|DROPS");
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(answer, "networks"), i, row)
	{
		const json_t *limits = json_object_get(row, "limits");

		add(t, row, "name");
		add(t, row, "access");
		table_add(t, TEXT_PLAIN,
			  joined("%s/%s", text_member(row, "members"),
				 text_member(limits, "network_members")));
		add_way(t, row, "rx");
		add_way(t, row, "tx");
		add(t, row, "floods");
		add(t, row, "copies");
		add(t, row, "limited");
		table_add(t, TEXT_PLAIN, show_counts(json_object_get(row, "drops")));
	}
	table_finish(t, "no networks");
}

void show_members(const json_t *answer)
{
	struct table *t = table_new("NETWORK|>NUMBER|NAME|SITE ID|ADDRESS|>AGE|>HEARD|"
				    ">RX PACKETS|>RX|>TX PACKETS|>TX|DROPS");
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(answer, "members"), i, row)
	{
		add(t, row, "network");
		add(t, row, "number");
		add(t, row, "name");
		add(t, row, "site_id");
		add(t, row, "address");
		table_add(t, TEXT_PLAIN, show_age(row, "age_s"));
		table_add(t, TEXT_PLAIN, show_age(row, "last_heard_s"));
		add_way(t, row, "rx");
		add_way(t, row, "tx");
		table_add(t, TEXT_PLAIN, show_counts(json_object_get(row, "drops")));
	}
	table_finish(t, "no members");
}

static char *tls_line(const json_t *tls)
{
	return joined("%s, %s", text_member(tls, "listen"),
		      joined("%s open, %s refused", text_member(tls, "open"),
			     text_member(tls, "refused")));
}

void show_relay(const json_t *answer)
{
	const json_t *relay = json_object_get(answer, "relay");
	char *name = text_member(relay, "name");
	const json_t *tls;
	size_t i;

	text_print(TEXT_BOLD, "relay: ");
	text_print(TEXT_BOLD, name);
	putchar('\n');
	free(name);
	show_line("public key", text_member(relay, "public_key"));
	show_line("access", text_member(relay, "access"));
	show_line("listening", show_list(json_object_get(relay, "listen"), ", "));
	json_array_foreach(json_object_get(relay, "tls"), i, tls)
	{
		show_line("tls", tls_line(tls));
	}
	show_line("networks", text_member(relay, "networks"));
	show_line("members", joined("%s of at most %s", text_member(relay, "members"),
			       text_member(relay, "max_members")));
	show_line("running", joined("%s, %s", show_age(relay, "uptime_s"),
			       joined("version %s, pid %s", text_member(relay, "version"),
				      text_member(relay, "pid"))));
	putchar('\n');
	show_networks(answer);
}
