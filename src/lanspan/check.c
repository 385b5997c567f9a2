/* SPDX-License-Identifier: MIT */
#include "app/conf.h"
#include "base/bytes.h"
#include "cli.h"
#include "core/identity.h"

enum cli_status verb_check(const struct cli *cli)
{
	char id_text[IDENTITY_ID_TEXT];
	struct conf_errors errors;
	uint8_t id[IDENTITY_ID];
	struct conf *conf;

	conf = conf_load(cli->argv[0], &errors);
	for (size_t i = 0; i < errors.n; i++)
		fprintf(stderr, "%s\n", errors.lines[i]);
	conf_errors_free(&errors);
	if (!conf)
		return CLI_USAGE;
	identity_id(id, conf->public_key);
	bytes_to_hex(id_text, id, sizeof(id));
	printf("%s: good: network %s, site %s, site id %s, %u peer%s\n", cli->argv[0],
	       conf->network, conf->site, id_text, conf->n_peers, conf->n_peers == 1 ? "" : "s");
	conf_free(conf);
	return CLI_DONE;
}
