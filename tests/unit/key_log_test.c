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
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#include "app/key_log.h"
#include "base/bytes.h"
#include "core/wire.h"

static char folder[] = "/tmp/lanspan-keylog-XXXXXX";
static char path[64];
static char error[512];
static struct key_log file;

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/a.keys", folder);
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
	key_log_close(&file);
	unlink(path);
	error[0] = '\0';
	return 0;
}

static void put(const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static const char *content(void)
{
	static char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	assert_true(n >= 0);
	close(fd);
	text[n] = '\0';
	return text;
}

static bool open_log(void)
{
	return key_log_open(&file, path, error, sizeof(error));
}

static void put_site(void)
{
	static const uint8_t id[IDENTITY_ID] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	key_log_site(&file, id, "berlin", "lab");
}

static void put_key(uint8_t kind, uint32_t index)
{
	static const uint8_t from[8] = { 1 }, to[8] = { 2 };
	static const uint8_t context[16] = { 0xcc }, key[AEAD_KEY] = { 0xaa, [31] = 0xbb };
	struct key_news news = { .kind = kind,
				 .index = index,
				 .cipher = CIPHER_CHACHA20_POLY1305,
				 .key = key,
				 .context = context,
				 .source = from,
				 .destination = kind == WIRE_FLOOD ? NULL : to };

	file.watch.key(file.watch.ctx, &news);
}

#define CONTEXT "cc000000000000000000000000000000"
#define KEY "aa000000000000000000000000000000000000000000000000000000000000bb"
#define ENDS "0100000000000000 0200000000000000\n"
#define SITE_LINE "SITE 0102030405060708 berlin lab\n"

static void lines(void **state)
{
	struct stat st;

	(void)state;
	assert_true(open_log());
	put_site();
	put_key(WIRE_DATA, 0x55667788);
	put_key(WIRE_HOP, 0x1);
	put_key(WIRE_FLOOD, 0x99aabbcc);
	assert_string_equal(content(),
			    SITE_LINE "DATA 55667788 chacha20-poly1305 " CONTEXT " " KEY " " ENDS
				      "HOP 00000001 chacha20-poly1305 " CONTEXT " " KEY " " ENDS
				      "FLOOD 99aabbcc chacha20-poly1305 " CONTEXT " " KEY
				      " 0100000000000000 -\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void appended(void **state)
{
	(void)state;
	put(SITE_LINE, 0600);
	assert_true(open_log());
	put_site();
	assert_string_equal(content(), SITE_LINE SITE_LINE);
}

/* The disk was full when the process ended. */
static void cut_line_ended(void **state)
{
	(void)state;
	put(SITE_LINE "DATA 5566", 0600);
	assert_true(open_log());
	put_site();
	assert_string_equal(content(), SITE_LINE "DATA 5566\n" SITE_LINE);
}

static void refused(const char *why)
{
	assert_false(open_log());
	assert_int_equal(file.fd, -1);
	assert_non_null(strstr(error, why));
	assert_non_null(strstr(error, path));
}

static void looser_modes_refused(void **state)
{
	static const mode_t modes[] = { 0640, 0604, 0620, 0602, 0610, 0601 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(modes); i++) {
		put(SITE_LINE, modes[i]);
		refused("chmod 600");
		assert_string_equal(content(), SITE_LINE);
	}
}

static void other_content_refused(void **state)
{
	(void)state;
	put("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\n", 0600);
	refused("no key log");
	put("S", 0600); /* may be what a full disk left of the first line */
	assert_true(open_log());
}

static void other_files_refused(void **state)
{
	char target[80];

	(void)state;
	snprintf(target, sizeof(target), "%s/target", folder);
	assert_int_equal(symlink(target, path), 0);
	refused("symbolic link");
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	refused("not a regular file");
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	refused("directory");
	rmdir(path);
}

static void check_refused(const char *of, const char *why)
{
	error[0] = '\0';
	assert_false(key_log_check(of, error, sizeof(error)));
	assert_non_null(strstr(error, why));
	assert_non_null(strstr(error, of));
}

/* It says what opening would, and makes nothing. */
static void checked_without_a_trace(void **state)
{
	char other[96];

	(void)state;
	assert_true(key_log_check(path, error, sizeof(error)));
	assert_int_equal(access(path, F_OK), -1);
	snprintf(other, sizeof(other), "%s/none/a.keys", folder);
	check_refused(other, "no such folder");
	assert_int_equal(symlink("none", path), 0);
	check_refused(path, "symbolic link");
	unlink(path);
	put(SITE_LINE, 0644);
	check_refused(path, "chmod 600");
	put("AQID\n", 0600);
	check_refused(path, "no key log");
	unlink(path);
	put(SITE_LINE, 0600);
	assert_true(key_log_check(path, error, sizeof(error)));
	assert_string_equal(content(), SITE_LINE);
	if (geteuid() != 0) {
		assert_int_equal(unlink(path), 0);
		assert_int_equal(chmod(folder, 0500), 0);
		check_refused(path, "Permission denied");
		assert_int_equal(chmod(folder, 0700), 0);
	}
}

/* What standard error got while f ran. */
static const char *told(void (*f)(void))
{
	static char text[4096];
	int out[2], saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	ssize_t n;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_true(dup2(out[1], STDERR_FILENO) >= 0);
	f();
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(out[1]);
	close(saved);
	n = read(out[0], text, sizeof(text) - 1);
	close(out[0]);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void put_data(void)
{
	put_key(WIRE_DATA, 0x55667788);
}

/* Whole lines or none that count, one warning, and lines again when there is room. */
static void full_disk(void **state)
{
	struct rlimit limit, before;
	bool first, second;
	uint64_t lost;

	(void)state;
	assert_true(open_log());
	put_site();
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_IGN);
	limit = before;
	limit.rlim_cur = sizeof(SITE_LINE) + 9;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	first = strstr(told(put_data), "keys are missing") != NULL;
	second = told(put_data)[0] != '\0';
	lost = file.lost;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_true(first);
	assert_false(second);
	put_site();
	assert_int_equal(lost, 2);
	assert_int_equal(file.lost, 2);
	assert_string_equal(content(), SITE_LINE "DATA 55667\n" SITE_LINE);
}

static struct instant at;

static void other_owner_refused(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	put(SITE_LINE, 0600);
	assert_int_equal(chown(path, 65534, (gid_t)-1), 0);
	refused("must belong to root or to the user");
}

static void remind(void)
{
	key_log_remind(&file, at);
}

static void reminds(void **state)
{
	const struct instant start = { SECONDS(5) };

	(void)state;
	assert_true(open_log());
	put_site();
	put_key(WIRE_DATA, 1);
	at = start;
	assert_non_null(strstr(told(remind), "can read all traffic"));
	at = instant_add(start, SECONDS(3599));
	assert_string_equal(told(remind), "");
	at = instant_add(start, SECONDS(3600));
	assert_non_null(strstr(told(remind), path));
	assert_null(strstr(told(remind), "aa0000"));
	file.lost = 3;
	at = instant_add(start, SECONDS(7200));
	assert_non_null(strstr(told(remind), "lines are missing"));
	key_log_close(&file);
	at = instant_add(start, SECONDS(99999));
	assert_string_equal(told(remind), ""); /* off: not a word */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(lines, remove_file),
		cmocka_unit_test_teardown(appended, remove_file),
		cmocka_unit_test_teardown(cut_line_ended, remove_file),
		cmocka_unit_test_teardown(looser_modes_refused, remove_file),
		cmocka_unit_test_teardown(other_content_refused, remove_file),
		cmocka_unit_test_teardown(other_files_refused, remove_file),
		cmocka_unit_test_teardown(other_owner_refused, remove_file),
		cmocka_unit_test_teardown(checked_without_a_trace, remove_file),
		cmocka_unit_test_teardown(full_disk, remove_file),
		cmocka_unit_test_teardown(reminds, remove_file),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
