/* SPDX-License-Identifier: MIT */
/* What `lanspan capture` is asked for. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"
#include "host/capture.h"

void capture_print_options(FILE *f)
{
	fputs("options:\n"
	      "  -c N        end after N packets\n"
	      "  -Q WAY      one direction only: in or out\n"
	      "  -s N        copy N bytes of each packet at most\n"
	      "  --segments  large frames as the frames that they stand for\n"
	      "  -w FILE     write a file for tcpdump and Wireshark; -: standard output\n"
	      "  -C N        begin another file after N million bytes\n"
	      "  -G N        begin another file after N seconds; FILE as for strftime(3)\n"
	      "  -W N        with -C: N files in turns; with -G: end after N files\n"
	      "FILTER is as in pcap-filter(7).\n",
	      f);
}

static bool read_number(const char *text, uint64_t most, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && *out <= most;
}

static enum cli_status read_option(const struct cli *cli, struct capture_wanted *w, int option)
{
	uint64_t number = 0;

	if (option == 'w') {
		w->files.path = optarg;
		return CLI_DONE;
	}
	if (option == 'Q') {
		w->direction = optarg;
		if (strcmp(optarg, "in") != 0 && strcmp(optarg, "out") != 0)
			return cli_usage(cli, "-Q: must be in or out");
		return CLI_DONE;
	}
	if (option == 'S') {
		w->segments = true;
		return CLI_DONE;
	}
	if (!strchr("scCGW", option))
		return cli_usage(cli, "see lanspan help capture for its options");
	if (!read_number(optarg, option == 's' ? CAPTURE_SNAP : 1000000000, &number) ||
	    (number == 0 && option != 's'))
		return cli_usage(cli, "-%c %s: must be a number from %d to %d", option, optarg,
				 option != 's', option == 's' ? CAPTURE_SNAP : 1000000000);
	switch (option) {
	case 's':
		w->files.snap = number ? (uint32_t)number : CAPTURE_SNAP;
		break;
	case 'c':
		w->packets = number;
		break;
	case 'C':
		w->files.most_bytes = number * 1000000;
		break;
	case 'G':
		w->files.most_seconds = (unsigned)number;
		break;
	default:
		w->files.most_files = (unsigned)number;
	}
	return CLI_DONE;
}

/* The words of the expression, with blanks between. */
static char *join(char **words, int n)
{
	size_t len = 0;
	char *text;
	FILE *f;

	if (n == 0)
		return NULL;
	f = open_memstream(&text, &len);
	for (int i = 0; f && i < n; i++)
		fprintf(f, "%s%s", i ? " " : "", words[i]);
	if (!f || fclose(f) != 0)
		return NULL;
	return text;
}

static enum cli_status read_point(const struct cli *cli, struct capture_wanted *w, char **words,
				  int n)
{
	int used = 1;

	if (n == 0)
		return cli_usage(cli, "the point is missing: lan, wire, peer NAME or port NAME; of "
				      "a relay wire or member NAME");
	w->point = words[0];
	if (strcmp(w->point, "peer") == 0 || strcmp(w->point, "port") == 0 ||
	    strcmp(w->point, "member") == 0) {
		if (n == 1)
			return cli_usage(cli, "%s: its name is missing", w->point);
		w->name = words[1];
		used = 2;
	} else if (strcmp(w->point, "lan") != 0 && strcmp(w->point, "wire") != 0) {
		return cli_usage(cli,
				 "%s: no such point; there are: lan, wire, peer NAME and "
				 "port NAME; of a relay wire and member NAME",
				 w->point);
	}
	w->files.ip = strcmp(w->point, "wire") == 0 || strcmp(w->point, "member") == 0;
	w->expression = join(words + used, n - used);
	return CLI_DONE;
}

/* Whether strftime(3) makes something of it. */
static bool has_time(const char *path)
{
	while ((path = strchr(path, '%'))) {
		if (path[1] && path[1] != '%')
			return true;
		path += path[1] ? 2 : 1;
	}
	return false;
}

/* Options that make no sense together. */
static enum cli_status check_options(const struct cli *cli, const struct capture_wanted *w)
{
	const struct capture_files *f = &w->files;

	if (!f->path && (f->most_bytes || f->most_seconds || f->most_files))
		return cli_usage(cli, "-C, -G and -W are for files: -w FILE is missing");
	if (f->path && strcmp(f->path, "-") == 0) {
		if (f->most_bytes || f->most_seconds || f->most_files)
			return cli_usage(cli, "-C, -G and -W are for files, not for a pipe");
		if (isatty(STDOUT_FILENO))
			return cli_usage(cli, "-w -: standard output is a terminal");
	}
	if (f->most_files && !f->most_bytes == !f->most_seconds)
		return cli_usage(cli, "-W belongs to -C, or to -G: to one of them");
	if (f->most_seconds && f->most_files != 1 && !has_time(f->path))
		return cli_usage(cli, "-G: each file would be written over the one before: -w must "
				      "have a conversion of strftime(3), such as %%H%%M%%S");
	if (w->segments && f->ip)
		return cli_usage(cli, "--segments is for frames: at %s there are none", w->point);
	return CLI_DONE;
}

static enum cli_status read_words(const struct cli *cli, struct capture_wanted *w)
{
	static const struct option options[] = { { "segments", no_argument, NULL, 'S' }, { 0 } };
	static char name[] = "lanspan: capture"; /* as getopt's errors begin */
	char **argv = cli->argv - 1;		 /* with the verb, for getopt */
	enum cli_status status = CLI_DONE;
	int option;

	w->files.snap = CAPTURE_SNAP;
	argv[0] = name;
	optind = 0;
	while (status == CLI_DONE &&
	       (option = getopt_long(cli->argc + 1, argv, "w:s:c:C:G:W:Q:", options, NULL)) != -1)
		status = read_option(cli, w, option);
	if (status == CLI_DONE)
		status = read_point(cli, w, argv + optind, cli->argc + 1 - optind);
	return status == CLI_DONE ? check_options(cli, w) : status;
}

/* The filter, if there is one. */
static enum cli_status compile(struct capture_wanted *w)
{
	enum capture_link link = w->files.ip ? CAPTURE_IP : CAPTURE_ETHERNET;
	char why[CAPTURE_WHY], *safe;

	if (!w->expression)
		return CLI_DONE;
	w->program = capture_compile(link, w->expression, why);
	if (w->program)
		return CLI_DONE;
	safe = text_safe(w->expression);
	cli_error(CLI_USAGE, "capture: filter \"%s\": %s", safe, why);
	free(safe);
	return CLI_USAGE;
}

enum cli_status capture_read_arguments(const struct cli *cli, struct capture_wanted *w)
{
	enum cli_status status = read_words(cli, w);

	return status == CLI_DONE ? compile(w) : status;
}
