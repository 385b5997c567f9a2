/* SPDX-License-Identifier: MIT */
/* lanspan: everything that a person types.  One table of verbs drives dispatch,
 * usage and help. */
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "app/conf.h"
#include "base/bytes.h"
#include "cli.h"
#include "host/proc.h"

static enum cli_status verb_help(const struct cli *cli);
static enum cli_status verb_version(const struct cli *cli);

static const struct cli_verb verbs[] = {
	{ "keygen", "FILE", "write a new private key, print its public key", 1, 1, false,
	  verb_keygen },
	{ "pubkey", "FILE", "print the public key of a private key", 1, 1, false, verb_pubkey },
	{ "secret", "FILE", "write a new secret, of a network or its access", 1, 1, false,
	  verb_secret },
	{ "check", "FILE", "check a configuration file", 1, 1, false, verb_check },
	{ "show",
	  "[peers|macs|ports|paths|relays|workers|captures|networks|members|drops] [--json]",
	  "show what a bridge process or a relay does", 0, 2, true, verb_show },
	{ "watch", "", "the same, as a live screen", 0, 0, true, verb_watch },
	{ "why", "MAC|IP [VLAN] [--json]", "where a frame for an address would go, and who said so",
	  1, 3, true, verb_why },
	{ "events", "[--follow] [--json] [--last N] [--kind KIND] [--peer NAME]",
	  "show what happened, or as it happens", 0, 8, true, verb_events },
	{ "reload", "", "read the configuration again", 0, 0, true, verb_reload },
	{ "rekey", "PEER", "agree on new keys with a peer now", 1, 1, true, verb_peer },
	{ "disconnect", "PEER", "end the session with a peer, and begin none", 1, 1, true,
	  verb_peer },
	{ "connect", "PEER", "undo disconnect, and try at once", 1, 1, true, verb_peer },
	{ "capture", "lan|wire|peer NAME|port NAME|member NAME [OPTION ...] [FILTER ...]",
	  "copy packets to the screen, a file or a pipe", 1, 1000, true, verb_capture },
	{ "port", "add NAME KEY=VALUE ... | del NAME | list [--json]",
	  "plug a lab port in, pull it out, or list them", 1, 34, true, verb_port },
	{ "impair", "PORT [[in|out|both] cut|none|WORD ...]",
	  "make the line at a port bad, good again, or show how it is", 1, 32, true, verb_impair },
	{ "attach",
	  "IFACE --bridge BRIDGE [--confirm-within SECONDS] [--force] | "
	  "--confirm IFACE | --undo IFACE",
	  "put a NIC into a bridge, with its addresses and routes, or take it back", 2, 6, false,
	  verb_attach },
	{ "detach", "IFACE [--confirm-within SECONDS] | --confirm IFACE | --undo IFACE | --forget IFACE",
	  "take a NIC out of its bridge again", 1, 3, false, verb_detach },
	{ "lab", "up FILE [--dry-run]|down [FILE]|show [FILE]",
	  "start guests of QEMU and plug them in, or take them away", 1, 3, true, verb_lab },
	{ "help", "[VERB]", "print this, or how a verb is used", 0, 1, false, verb_help },
	{ "version", "", "print the version", 0, 0, false, verb_version },
};

/* What help says of a verb besides. */
static const struct {
	const char *verb;
	void (*print)(FILE *f);
} more[] = { { "events", events_print_kinds }, { "capture", capture_print_options } };

static const struct cli_verb *find_verb(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static void print_verb(FILE *f, const struct cli_verb *verb)
{
	fprintf(f, "usage: lanspan %s%s%s%s\n", verb->daemon ? "[-i NAME] " : "", verb->name,
		verb->args[0] ? " " : "", verb->args);
}

static void describe_verb(const struct cli_verb *verb)
{
	print_verb(stdout, verb);
	printf("%s\n", verb->summary);
	for (size_t i = 0; i < COUNT_OF(more); i++)
		if (strcmp(more[i].verb, verb->name) == 0)
			more[i].print(stdout);
}

static void print_usage(FILE *f)
{
	char left[200];

	fprintf(f, "usage: lanspan [-i NAME] VERB [ARGUMENT ...]\n\n");
	for (size_t i = 0; i < COUNT_OF(verbs); i++) {
		snprintf(left, sizeof(left), "%s %s", verbs[i].name, verbs[i].args);
		if (strlen(left) > 20)
			fprintf(f, "  %s\n  %-20s  %s\n", left, "", verbs[i].summary);
		else
			fprintf(f, "  %-20s  %s\n", left, verbs[i].summary);
	}
	fprintf(f, "\n  -i NAME  the instance, when several run\n"
		   "\nSee lanspan(8).\n");
}

enum cli_status cli_error(enum cli_status status, const char *fmt, ...)
{
	va_list ap;

	fputs("lanspan: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

enum cli_status cli_usage(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "lanspan: %s: ", cli->verb->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	print_verb(stderr, cli->verb);
	return CLI_USAGE;
}

static enum cli_status verb_help(const struct cli *cli)
{
	const struct cli_verb *verb;

	if (cli->argc == 0) {
		print_usage(stdout);
		return CLI_DONE;
	}
	verb = find_verb(cli->argv[0]);
	if (!verb)
		return cli_usage(cli, "%s: no such verb", cli->argv[0]);
	describe_verb(verb);
	return CLI_DONE;
}

static enum cli_status verb_version(const struct cli *cli)
{
	(void)cli;
	printf("lanspan %s\n", LANSPAN_VERSION);
	return CLI_DONE;
}

/* name: as it was typed. */
static enum cli_status run(struct cli *cli, const char *name)
{
	if (!cli->verb)
		return cli_error(CLI_USAGE, "%s: no such verb: see lanspan help", name);
	for (int i = 0; i < cli->argc; i++) {
		if (strcmp(cli->argv[i], "-h") == 0 || strcmp(cli->argv[i], "--help") == 0) {
			describe_verb(cli->verb);
			return CLI_DONE;
		}
		if (cli->argv[i][0] == '-' && !cli->verb->daemon && !strstr(cli->verb->args, "--"))
			return cli_usage(cli, "%s: no such option", cli->argv[i]);
	}
	if (cli->argc < cli->verb->min)
		return cli_usage(cli, "%s is missing", cli->verb->args);
	if (cli->argc > cli->verb->max)
		return cli_usage(cli, "too many arguments");
	if (cli->instance && !cli->verb->daemon)
		return cli_usage(cli, "-i means nothing here: no running process is asked");
	if (cli->instance && !conf_instance_valid(cli->instance, strlen(cli->instance)))
		return cli_usage(cli, "-i: not the name of an instance: must be letters, digits, "
				      "'.', '_' and '-'");
	return cli->verb->run(cli);
}

/* What was printed may still be lost: a full disk, a reader that went. */
static enum cli_status flush(enum cli_status status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	return status == CLI_DONE ? cli_error(CLI_FAILED, "cannot write: %m") : status;
}

static enum cli_status parse_options(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	static char name[] = "lanspan"; /* as getopt's errors begin */
	int c;

	argv[0] = name;
	while ((c = getopt_long(argc, argv, "+i:hV", options, NULL)) != -1) {
		if (c == 'i')
			cli->instance = optarg;
		else if (c == 'h')
			cli->verb = find_verb("help");
		else if (c == 'V')
			cli->verb = find_verb("version");
		else /* getopt said what is wrong */
			return cli_error(CLI_USAGE, "see lanspan help");
		if (cli->verb)
			return CLI_DONE;
	}
	if (optind == argc) {
		print_usage(stderr);
		return CLI_USAGE;
	}
	cli->verb = find_verb(argv[optind]);
	cli->argc = argc - optind - 1;
	cli->argv = argv + optind + 1;
	return CLI_DONE;
}

int main(int argc, char **argv)
{
	struct cli cli = { 0 };
	enum cli_status status;

	proc_start();
	status = parse_options(&cli, argc, argv);
	if (status == CLI_DONE)
		status = run(&cli, argv[optind < argc ? optind : 0]);
	return flush(status);
}
