/* SPDX-License-Identifier: MIT */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/conf.h"
#include "app/control.h"
#include "app/node.h"
#include "base/log.h"
#include "host/proc.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static const char usage[] = "usage: lanspan-bridge -c FILE\n"
			    "       lanspan-bridge -h | -V\n"
			    "\n"
			    "  -c FILE        the site's configuration, see lanspan.conf(5)\n"
			    "  -h, --help     this help\n"
			    "  -V, --version  the version\n";

static int wrong_usage(void)
{
	fputs(usage, stderr);
	return EXIT_USAGE;
}

static int run(const char *file)
{
	struct conf_errors errors = { 0 };
	struct conf *conf = conf_load(file, &errors);
	struct node *node;
	int status;

	for (size_t i = 0; i < errors.n; i++)
		fprintf(stderr, "lanspan-bridge: %s\n", errors.lines[i]);
	conf_errors_free(&errors);
	if (!conf)
		return EXIT_USAGE;
	log_set_level(conf->log);
	node = node_start(conf, control_answer);
	if (!node)
		return EXIT_FAILED;
	status = node_run(node);
	node_stop(node);
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	const char *file = NULL;
	int option;

	proc_start();
	log_set_name("lanspan-bridge");
	while ((option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			file = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_DONE;
		case 'V':
			puts("lanspan-bridge " LANSPAN_VERSION);
			return EXIT_DONE;
		default:
			return wrong_usage(); /* getopt said what is wrong */
		}
	}
	if (optind < argc) {
		fprintf(stderr, "lanspan-bridge: %s: an argument too many\n", argv[optind]);
		return wrong_usage();
	}
	if (!file) {
		fputs("lanspan-bridge: the configuration is missing: -c FILE\n", stderr);
		return wrong_usage();
	}
	return run(file);
}
