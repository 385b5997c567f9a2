/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <unistd.h>

#include "app/conf.h"
#include "app/key_log.h"
#include "app/lab_conf.h"
#include "app/relay_conf.h"
#include "base/bytes.h"
#include "cli.h"
#include "core/identity.h"
#include "host/ctlsock.h"

static void print_errors(struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++)
		fprintf(stderr, "%s\n", errors->lines[i]);
	conf_errors_free(errors);
}

/* The folder of the control sockets need not be there before the process is. */
static bool folder_will_be(const char *path)
{
	char folder[CONF_PATH];
	size_t n;

	if (!ctlsock_folder(folder, sizeof(folder)) || access(folder, F_OK) == 0)
		return false;
	n = strlen(folder);
	return strncmp(path, folder, n) == 0 && strrchr(path, '/') == path + n;
}

/* What would keep the process from starting, though the configuration is good. */
static bool check_key_log(const char *file, const struct conf *conf)
{
	char error[CONF_PATH + 128];

	if (!conf->key_log[0] || folder_will_be(conf->key_log) ||
	    key_log_check(conf->key_log, error, sizeof(error)))
		return true;
	fprintf(stderr, "%s: [site] key_log: %s\n", file, error);
	return false;
}

static enum cli_status check_site(const char *file)
{
	char id_text[IDENTITY_ID_TEXT];
	struct conf_errors errors;
	uint8_t id[IDENTITY_ID];
	struct conf *conf;

	conf = conf_load(file, &errors);
	print_errors(&errors);
	if (!conf)
		return CLI_USAGE;
	if (!check_key_log(file, conf)) {
		conf_free(conf);
		return CLI_USAGE;
	}
	identity_id(id, conf->public_key);
	bytes_to_hex(id_text, id, sizeof(id));
	printf("%s: good: network %s, site %s, site id %s, %u peer%s\n", file, conf->network,
	       conf->site, id_text, conf->n_peers, conf->n_peers == 1 ? "" : "s");
	conf_free(conf);
	return CLI_DONE;
}

static enum cli_status check_relay(const char *file)
{
	struct conf_errors errors;
	struct relay_conf *conf;
	char key[KEX_TEXT];

	conf = relay_conf_load(file, &errors);
	print_errors(&errors);
	if (!conf)
		return CLI_USAGE;
	kex_to_text(key, conf->public_key);
	printf("%s: good: relay %s, public key %s, access %s, %u network%s\n", file, conf->name,
	       key, conf->open ? "open" : "configured", conf->n_networks,
	       conf->n_networks == 1 ? "" : "s");
	relay_conf_free(conf);
	return CLI_DONE;
}

static enum cli_status check_lab(const char *file)
{
	struct conf_errors errors;
	struct lab_conf *conf;

	conf = lab_conf_load(file, &errors);
	print_errors(&errors);
	if (!conf)
		return CLI_USAGE;
	printf("%s: good: lab %s, %u guest%s, %u network%s\n", file, conf->instance, conf->n_guests,
	       conf->n_guests == 1 ? "" : "s", conf->n_networks, conf->n_networks == 1 ? "" : "s");
	lab_conf_free(conf);
	return CLI_DONE;
}

enum cli_status verb_check(const struct cli *cli)
{
	const char *file = cli->argv[0];

	if (lab_conf_is(file))
		return check_lab(file);
	return relay_conf_is(file) ? check_relay(file) : check_site(file);
}
