/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/keyfile.h"

#define TEXT "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="

static char folder[] = "/tmp/lanspan-keyfile-XXXXXX";
static char path[64];
static char error[512];

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/a.key", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

static int remove_file(void **state)
{
	(void)state;
	unlink(path);
	error[0] = '\0';
	return 0;
}

static void key_fill(uint8_t key[KEX_KEY])
{
	for (unsigned i = 0; i < KEX_KEY; i++)
		key[i] = (uint8_t)(i + 1);
}

static void put_bytes(const void *text, size_t len, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void put(const char *text, mode_t mode)
{
	put_bytes(text, strlen(text), mode);
}

static void assert_refused(const char *why)
{
	uint8_t key[KEX_KEY] = { 0 }, zero[KEX_KEY] = { 0 };

	assert_false(keyfile_read(path, key, error, sizeof(error)));
	assert_memory_equal(key, zero, KEX_KEY);
	if (!strstr(error, why) || strncmp(error, path, strlen(path)) != 0)
		fail_msg("\"%s\" does not say \"%s\"", error, why);
}

static void test_written_key_is_read_again(void **state)
{
	uint8_t key[KEX_KEY], again[KEX_KEY];
	char line[64] = "";
	int fd;

	(void)state;
	key_fill(key);
	assert_true(keyfile_write(path, key, error, sizeof(error)));
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, line, sizeof(line)), 45);
	close(fd);
	assert_string_equal(line, TEXT "\n");
	assert_true(keyfile_read(path, again, error, sizeof(error)));
	assert_memory_equal(key, again, KEX_KEY);
}

static void test_mode_whatever_the_umask(void **state)
{
	static const mode_t masks[] = { 0, 027, 0777 };
	uint8_t key[KEX_KEY];
	struct stat st;
	mode_t old;

	(void)state;
	key_fill(key);
	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		old = umask(masks[i]);
		assert_true(keyfile_write(path, key, error, sizeof(error)));
		umask(old);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		unlink(path);
	}
}

static void test_never_over_an_existing_file(void **state)
{
	uint8_t key[KEX_KEY];

	(void)state;
	key_fill(key);
	put("precious\n", 0600);
	assert_false(keyfile_write(path, key, error, sizeof(error)));
	assert_non_null(strstr(error, "exists already"));
	assert_refused("not a key"); /* still the old content */
}

static void test_never_through_a_link(void **state)
{
	char target[80];
	uint8_t key[KEX_KEY];

	(void)state;
	key_fill(key);
	snprintf(target, sizeof(target), "%s/elsewhere", folder);
	assert_int_equal(symlink(target, path), 0);
	assert_false(keyfile_write(path, key, error, sizeof(error)));
	assert_int_equal(access(target, F_OK), -1);
}

static void test_folder_that_is_missing(void **state)
{
	uint8_t key[KEX_KEY];

	(void)state;
	key_fill(key);
	assert_false(keyfile_write("/nowhere/a.key", key, error, sizeof(error)));
	assert_string_equal(error, "/nowhere/a.key: No such file or directory");
}

static void test_line_ends(void **state)
{
	static const char *const good[] = { TEXT, TEXT "\n", TEXT "\r\n" };
	uint8_t key[KEX_KEY], expected[KEX_KEY];

	(void)state;
	key_fill(expected);
	for (size_t i = 0; i < 3; i++) {
		put(good[i], 0400);
		assert_true(keyfile_read(path, key, error, sizeof(error)));
		assert_memory_equal(key, expected, KEX_KEY);
	}
}

static void test_not_a_key(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"hello\n",
		" " TEXT "\n",
		TEXT " \n",
		TEXT "\n" TEXT "\n",
		TEXT "A\n",
		"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHy\n",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", /* as good as none */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put(bad[i], 0600);
		assert_refused("not a key");
	}
	put_bytes(TEXT "\0\n", 46, 0600);
	assert_refused("not a key");
}

static void test_open_to_others(void **state)
{
	static const mode_t modes[] = { 0640, 0604, 0620, 0601, 0777 };
	uint8_t key[KEX_KEY];

	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		put(TEXT "\n", modes[i]);
		assert_refused("chmod 600");
	}
	put(TEXT "\n", 0600);
	assert_true(keyfile_read(path, key, error, sizeof(error)));
}

static void test_owned_by_somebody_else(void **state)
{
	uint8_t key[KEX_KEY];

	(void)state;
	if (geteuid() != 0)
		skip();
	put(TEXT "\n", 0600);
	assert_int_equal(chown(path, 4321, 0), 0);
	assert_refused("owned by user 4321");
	assert_int_equal(chown(path, 0, 4321), 0);
	assert_true(keyfile_read(path, key, error, sizeof(error)));
}

/* An ACL's mask looks like the group's permissions. */
static void test_credential(void **state)
{
	uint8_t key[KEX_KEY];

	(void)state;
	if (geteuid() != 0)
		skip();
	put(TEXT "\n", 0440);
	assert_refused("chmod 600");
	setenv("CREDENTIALS_DIRECTORY", folder, 1);
	assert_true(keyfile_read(path, key, error, sizeof(error)));
	assert_int_equal(chmod(path, 0460), 0);
	assert_refused("chmod 600");
	assert_int_equal(chmod(path, 0444), 0);
	assert_refused("chmod 600");
	assert_int_equal(chmod(path, 0440), 0);
	setenv("CREDENTIALS_DIRECTORY", "/tmp", 1); /* the folder itself, none below */
	assert_refused("chmod 600");
	unsetenv("CREDENTIALS_DIRECTORY");
}

static void test_not_a_file(void **state)
{
	uint8_t key[KEX_KEY];

	(void)state;
	assert_refused("No such file");
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_refused("not a regular file"); /* and does not wait for a writer */
	assert_false(keyfile_read(folder, key, error, sizeof(error)));
	assert_non_null(strstr(error, "not a regular file"));
}

#define STORY(f) cmocka_unit_test_teardown(f, remove_file)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(test_written_key_is_read_again),
		STORY(test_mode_whatever_the_umask),
		STORY(test_never_over_an_existing_file),
		STORY(test_never_through_a_link),
		STORY(test_folder_that_is_missing),
		STORY(test_line_ends),
		STORY(test_not_a_key),
		STORY(test_open_to_others),
		STORY(test_owned_by_somebody_else),
		STORY(test_credential),
		STORY(test_not_a_file),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
