/* SPDX-License-Identifier: MIT */
#include "app/hub.h"
#include "app/hub_control.h"
#include "app/program.h"
#include "app/relay_conf.h"
#include "base/log.h"

static const char name[] = "lanspan-relay";

static int run(const char *file)
{
	struct conf_errors errors = { 0 };
	struct relay_conf *conf = relay_conf_load(file, &errors);
	struct hub *hub;
	int status;

	program_print_errors(name, &errors);
	if (!conf)
		return PROGRAM_USAGE;
	log_set_level(conf->log);
	hub = hub_start(conf, hub_control_answer);
	if (!hub)
		return PROGRAM_FAILED;
	status = hub_run(hub);
	hub_stop(hub);
	return status;
}

int main(int argc, char **argv)
{
	return program_main(argc, argv, name, "the relay's configuration", run);
}
