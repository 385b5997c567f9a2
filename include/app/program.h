/* SPDX-License-Identifier: MIT */
/* What the daemons' programs have in common: their options. */
#ifndef APP_PROGRAM_H
#define APP_PROGRAM_H

enum { PROGRAM_DONE = 0, PROGRAM_FAILED = 1, PROGRAM_USAGE = 2 }; /* exit status */

struct conf_errors;

/*
 * main() of the daemon `name`, whose -c takes a file (what: "the site's
 * configuration").  run starts, runs and ends it; what it returns is the exit
 * status.
 */
int program_main(int argc, char **argv, const char *name, const char *what,
		 int (*run)(const char *file));

/* Errors of a configuration to standard error, freed: bare lines, as there is nothing yet
 * that would run; of a log in another form, in that. */
void program_print_errors(const char *name, struct conf_errors *errors);

#endif
