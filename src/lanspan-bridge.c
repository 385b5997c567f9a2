/* SPDX-License-Identifier: MIT */
#include "app/conf.h"
#include "app/control.h"
#include "app/node.h"
#include "app/program.h"
#include "base/log.h"

static const char name[] = "lanspan-bridge";

static int run(const char *file)
{
	struct conf_errors errors = { 0 };
	struct conf *conf = conf_load(file, &errors);
	struct node *node;
	int status;

	program_print_errors(name, &errors);
	if (!conf)
		return PROGRAM_USAGE;
	log_set_level(conf->log);
	node = node_start(conf, control_answer);
	if (!node)
		return PROGRAM_FAILED;
	status = node_run(node);
	node_stop(node);
	return status;
}

int main(int argc, char **argv)
{
	return program_main(argc, argv, name, "the site's configuration", run);
}
