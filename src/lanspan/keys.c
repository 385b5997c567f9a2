/* SPDX-License-Identifier: MIT */
#include "app/keyfile.h"
#include "base/bytes.h"
#include "base/rand.h"
#include "cli.h"

#define ERROR_TEXT 4608

static enum cli_status print_public(const uint8_t private_key[KEX_KEY])
{
	uint8_t public_key[KEX_KEY];
	char text[KEX_TEXT];

	if (!kex_public(public_key, private_key))
		return cli_error(CLI_FAILED, "the public key cannot be computed");
	kex_to_text(text, public_key);
	puts(text);
	return CLI_DONE;
}

static enum cli_status write_new(const char *path, uint8_t key[KEX_KEY])
{
	char error[ERROR_TEXT];

	rand_bytes(key, KEX_KEY);
	if (!keyfile_write(path, key, error, sizeof(error)))
		return cli_error(CLI_FAILED, "%s", error);
	return CLI_DONE;
}

enum cli_status verb_keygen(const struct cli *cli)
{
	uint8_t key[KEX_KEY];
	enum cli_status status;

	status = write_new(cli->argv[0], key);
	if (status == CLI_DONE)
		status = print_public(key);
	bytes_wipe(key, sizeof(key));
	return status;
}

enum cli_status verb_secret(const struct cli *cli)
{
	uint8_t key[KEX_KEY];
	enum cli_status status;

	status = write_new(cli->argv[0], key);
	bytes_wipe(key, sizeof(key));
	return status;
}

enum cli_status verb_pubkey(const struct cli *cli)
{
	char error[ERROR_TEXT];
	uint8_t key[KEX_KEY];
	enum cli_status status;

	if (!keyfile_read(cli->argv[0], key, error, sizeof(error)))
		return cli_error(CLI_FAILED, "%s", error);
	status = print_public(key);
	bytes_wipe(key, sizeof(key));
	return status;
}
