/* SPDX-License-Identifier: MIT */
#include "app/program.h"

#include <getopt.h>
#include <stdio.h>

#include "app/conf.h"
#include "app/log_json.h"
#include "base/log.h"
#include "host/proc.h"

enum { OPTION_LOG_JSON = 256 };

static void print_usage(FILE *f, const char *name, const char *what)
{
	fprintf(f,
		"usage: %s [--log-json] -c FILE\n"
		"       %s -h | -V\n"
		"\n"
		"  -c FILE        %s, see lanspan.conf(5)\n"
		"  --log-json     lines of the log as JSON, one object each\n"
		"  -h, --help     this help\n"
		"  -V, --version  the version\n",
		name, name, what);
}

static int wrong_usage(const char *name, const char *what)
{
	print_usage(stderr, name, what);
	return PROGRAM_USAGE;
}

int program_main(int argc, char **argv, const char *name, const char *what,
		 int (*run)(const char *file))
{
	static const struct option options[] = {
		{ "log-json", no_argument, NULL, OPTION_LOG_JSON },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	const char *file = NULL;
	int option;

	proc_start();
	log_set_name(name);
	while ((option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			file = optarg;
			break;
		case OPTION_LOG_JSON:
			log_set_form(log_json);
			break;
		case 'h':
			print_usage(stdout, name, what);
			return PROGRAM_DONE;
		case 'V':
			printf("%s " LANSPAN_VERSION "\n", name);
			return PROGRAM_DONE;
		default:
			return wrong_usage(name, what); /* getopt said what is wrong */
		}
	}
	if (optind < argc) {
		fprintf(stderr, "%s: %s: an argument too many\n", name, argv[optind]);
		return wrong_usage(name, what);
	}
	if (!file) {
		fprintf(stderr, "%s: the configuration is missing: -c FILE\n", name);
		return wrong_usage(name, what);
	}
	return run(file);
}

void program_print_errors(const char *name, struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++) {
		if (log_has_form())
			log_error("configuration refused", log_text("error", errors->lines[i]));
		else
			fprintf(stderr, "%s: %s\n", name, errors->lines[i]);
	}
	conf_errors_free(errors);
}
