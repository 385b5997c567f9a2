/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/keyfile.h"
#include "libconf.h"

char conf_folder[FOLDER_ROOM];
uint8_t conf_private_keys[3][KEX_KEY];
uint8_t conf_public_keys[3][KEX_KEY];
struct conf_errors conf_errors;

char *conf_path(const char *name)
{
	static char path[FOLDER_ROOM + 64];

	snprintf(path, sizeof(path), "%s/%s", conf_folder, name);
	return path;
}

int conf_setup(void **state)
{
	static const char *const names[] = { "a.key", "secret", "open.key" };
	char error[256];

	(void)state;
	umask(022);
	if (!folder_make(conf_folder))
		return -1;
	for (int i = 0; i < 3; i++) {
		memset(conf_private_keys[i], 0x11 * (i + 1), KEX_KEY);
		kex_public(conf_public_keys[i], conf_private_keys[i]);
		if (!keyfile_write(conf_path(names[i]), conf_private_keys[i], error, sizeof(error)))
			return -1;
	}
	return chmod(conf_path("open.key"), 0644);
}

int conf_teardown(void **state)
{
	static const char *const names[] = { "a.key", "secret", "open.key", "berlin.conf" };

	(void)state;
	for (size_t i = 0; i < 4; i++)
		unlink(conf_path(names[i]));
	return rmdir(conf_folder);
}

int conf_free_errors(void **state)
{
	(void)state;
	conf_errors_free(&conf_errors);
	return 0;
}

void conf_put_file(const char *path, const char *text, size_t len)
{
	char key[KEX_TEXT];
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '@') {
			kex_to_text(key, conf_public_keys[text[++i] - '0']);
			fputs(key, f);
		} else {
			fputc(text[i], f);
		}
	}
	fclose(f);
}

struct conf *conf_load_bytes(const char *text, size_t len)
{
	conf_errors_free(&conf_errors);
	conf_put_file(conf_path("berlin.conf"), text, len);
	return conf_load(conf_path("berlin.conf"), &conf_errors);
}

static struct conf *load(const char *text)
{
	return conf_load_bytes(text, strlen(text));
}

struct conf *conf_load_good(const char *text)
{
	struct conf *c = load(text);

	if (!c)
		fail_msg("%s", conf_errors.n ? conf_errors.lines[0] : "no conf and no error");
	assert_int_equal(conf_errors.n, 0);
	return c;
}

void conf_assert_errors(const char *text, const char *expected)
{
	struct conf *c = load(text);
	const char *prefix = conf_path("berlin.conf:");
	char got[8192] = "";

	for (size_t i = 0; i < conf_errors.n; i++) {
		assert_memory_equal(conf_errors.lines[i], prefix, strlen(prefix));
		strcat(strcat(got, conf_errors.lines[i] + strlen(prefix)), "\n");
	}
	assert_null(c);
	assert_string_equal(got, expected);
}
