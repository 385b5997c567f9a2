/* SPDX-License-Identifier: MIT */
/* What the parts of the lanspan command share. */
#ifndef LANSPAN_CLI_H
#define LANSPAN_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/wire.h"

enum cli_status { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

struct cli_verb;

/* One call of the command. */
struct cli {
	const struct cli_verb *verb;
	const char *instance; /* by -i, or NULL */
	int argc;	      /* the verb's own arguments */
	char **argv;
};

struct cli_verb {
	const char *name;
	const char *args; /* with "--" in it: the verb reads its options itself */
	const char *summary;
	int min, max; /* arguments */
	bool daemon;  /* asks a running daemon */
	enum cli_status (*run)(const struct cli *cli);
};

/* A line on stderr, "lanspan: ...".  Gives status back. */
enum cli_status cli_error(enum cli_status status, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* "lanspan: ..." and how the verb is used; CLI_USAGE. */
enum cli_status cli_usage(const struct cli *cli, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* --- verbs --- */

enum cli_status verb_keygen(const struct cli *cli);
enum cli_status verb_pubkey(const struct cli *cli);
enum cli_status verb_secret(const struct cli *cli);
enum cli_status verb_check(const struct cli *cli);
enum cli_status verb_show(const struct cli *cli);
enum cli_status verb_why(const struct cli *cli);
enum cli_status verb_watch(const struct cli *cli);
enum cli_status verb_reload(const struct cli *cli);
enum cli_status verb_events(const struct cli *cli);
enum cli_status verb_peer(const struct cli *cli); /* rekey, disconnect, connect */
enum cli_status verb_port(const struct cli *cli);
enum cli_status verb_impair(const struct cli *cli);
enum cli_status verb_capture(const struct cli *cli);
enum cli_status verb_attach(const struct cli *cli);
enum cli_status verb_detach(const struct cli *cli);
enum cli_status verb_lab(const struct cli *cli);

/* What help says of them besides. */
void events_print_kinds(FILE *f);
void capture_print_options(FILE *f);

/* --- the daemons --- */

#define INSTANCE_PATH 512

/* The path of an instance's control socket; false when it is too long. */
bool instance_path(char out[INSTANCE_PATH], const char *name);

/* The name of the only one that runs; what else is printed. */
enum cli_status instance_only(char out[WIRE_NAME + 1]);

/* The names of all that run, malloc'd; how many. */
int instance_list(char (**names)[WIRE_NAME + 1]);

/* Sends the request, whose reference it takes, to the instance, or to the only one
 * that runs.  The answer when it is a yes; otherwise NULL, what went wrong is
 * printed, and *status says which kind. */
json_t *daemon_ask(const struct cli *cli, json_t *request, enum cli_status *status);

/* The same for a request that is answered with a line, and more after it: that is for
 * the caller to read from *fd.  instance gets the name of who was asked. */
json_t *daemon_open(const struct cli *cli, json_t *request, char instance[WIRE_NAME + 1], int *fd,
		    enum cli_status *status);

/* Whether the one at cli->instance is there; prints nothing. */
bool daemon_answers(const struct cli *cli);

/* --- text --- */

#define TEXT_SHORT 32

/* A copy that shows bytes that do not print as \xNN; malloc'd, never NULL. */
char *text_safe(const char *s);

/* "512 B", "1.2 GiB". */
char *text_bytes(char out[TEXT_SHORT], double bytes);

/* "0.4s", "45s", "3m12s", "2h03m", "4d07h". */
char *text_age(char out[TEXT_SHORT], double seconds);

/* The member as text that is safe to print, "-" for null or none; malloc'd. */
char *text_member(const json_t *object, const char *name);

enum text_colour { TEXT_PLAIN, TEXT_BOLD, TEXT_GREEN, TEXT_YELLOW, TEXT_RED };

/* Prints s, in colour on a terminal that wants it. */
void text_print(enum text_colour colour, const char *s);

/* The colour of a state: of peers, ports and paths. */
enum text_colour text_state_colour(const char *state);

/* --- tables: as wide as what is in them --- */

struct table;

/* titles: one a column, in one string with '|' between; a title that begins
 * with '>' belongs to a column of numbers, set to the right. */
struct table *table_new(const char *titles);

/* The next cell; text is malloc'd and taken over. */
void table_add(struct table *table, enum text_colour colour, char *text);

/* Prints the table, or `nothing` when it has no rows; frees it. */
void table_finish(struct table *table, const char *nothing);

/* --- views of an answer --- */

/* All of it, as --json prints it. */
enum cli_status show_json(json_t *answer);

void show_all(const json_t *answer);
void show_peers(const json_t *answer);
void show_macs(const json_t *answer);
void show_ports(const json_t *answer);
void show_drops(const json_t *answer);
void show_paths(const json_t *answer);
void show_relays(const json_t *answer);
void show_captures(const json_t *answer);

/* Of a relay. */
void show_relay(const json_t *answer);
void show_networks(const json_t *answer);
void show_members(const json_t *answer);
void show_workers(const json_t *answer);

/* "  name: text"; the text is malloc'd and taken over. */
void show_line(const char *name, char *text);
/* malloc'd "1.2 GiB", "3m12s" of a number's member, or "-". */
char *show_bytes(const json_t *object, const char *name);
char *show_age(const json_t *object, const char *name);

/* Where the wire of a port, a row of show ports, leads: the far end, the interface, or the bridge. */
char *show_wire(const json_t *row);
char *show_rtt(const json_t *object, const char *name);
/* "0.3 %" of a number's member, or "-". */
char *show_percent(const json_t *object, const char *name);
/* "3 auth, 12 replayed" of an object of counts, or "-". */
char *show_counts(const json_t *counts);
/* The strings of an array, with the separator between, or "-". */
char *show_list(const json_t *list, const char *separator);

#endif
