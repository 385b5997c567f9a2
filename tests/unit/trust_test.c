/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/trust.h"
#include "libfolder.h"

#define STRANGER 65533

static char top[FOLDER_ROOM], real[TRUST_PATH], why[TRUST_WHY];

static char *path(const char *name)
{
	static char paths[4][FOLDER_ROOM + 32];
	static unsigned n;
	char *out = paths[n++ % 4];

	snprintf(out, sizeof(paths[0]), "%s/%s", top, name);
	return out;
}

/* TOP/a/b/run */
static int begin(void **state)
{
	FILE *f;

	(void)state;
	umask(022);
	if (!folder_make(top) || mkdir(path("a"), 0755) || mkdir(path("a/b"), 0755))
		return -1;
	f = fopen(path("a/b/run"), "we");
	return f && fclose(f) == 0 ? chmod(path("a/b/run"), 0755) : -1;
}

static int end(void **state)
{
	static const char *const links[] = { "link", "a/link", "a/b/run" };

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		unlink(path(links[i]));
	rmdir(path("a/b"));
	rmdir(path("a"));
	return rmdir(top);
}

static bool trusted(const char *file)
{
	return trust_program(file, real, why);
}

/* Not trusted; which of its places is to blame, and why. */
static void refused(const char *file, const char *place, const char *text)
{
	char *want = path(place);

	assert_false(trusted(file));
	assert_memory_equal(why, want, strlen(want));
	assert_int_equal(why[strlen(want)], ':');
	assert_non_null(strstr(why, text));
}

static void test_ours_alone(void **state)
{
	(void)state;
	assert_true(trusted(path("a/b/run")));
	assert_string_equal(real, path("a/b/run"));
	assert_true(trusted(path("a//./b/../b/run")));
	assert_string_equal(real, path("a/b/run"));
	assert_int_equal(chdir(path("a")), 0);
	assert_true(trusted("b/run"));
	assert_string_equal(real, path("a/b/run"));
	assert_int_equal(chdir("/"), 0);
	assert_true(trusted("/bin/sh"));
}

static void test_folders_that_others_may_write(void **state)
{
	static const mode_t open[] = { 0775, 0757, 01777, 0720 };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		chmod(path("a"), open[i]);
		refused(path("a/b/run"), "a", "folder that others may write");
		chmod(path("a"), 0755);
		chmod(path("a/b"), open[i]);
		refused(path("a/b/run"), "a/b", "folder that others may write");
		chmod(path("a/b"), 0755);
	}
	assert_true(trusted(path("a/b/run")));
}

static void test_of_somebody_else(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(path("a"), STRANGER, 0), 0);
	refused(path("a/b/run"), "a", "folder of somebody else");
	assert_int_equal(chown(path("a"), 0, 0), 0);
	assert_int_equal(chown(path("a/b/run"), STRANGER, 0), 0);
	refused(path("a/b/run"), "a/b/run", "must belong to root");
}

static void test_links(void **state)
{
	(void)state;
	assert_int_equal(symlink(path("a/link"), path("link")), 0);
	assert_int_equal(symlink("../a/b/run", path("a/link")), 0);
	assert_true(trusted(path("link")));
	assert_string_equal(real, path("a/b/run"));
	chmod(path("a"), 0777); /* both ways lead through it */
	refused(path("link"), "a", "folder that others may write");
	chmod(path("a"), 0755);
	unlink(path("link"));
	assert_int_equal(symlink("link", path("link")), 0);
	assert_false(trusted(path("link")));
	assert_non_null(strstr(why, "symbolic links"));
}

static void test_no_program(void **state)
{
	char most[TRUST_PATH + 2];

	(void)state;
	refused(path("a/b"), "a/b", "not a regular file");
	refused(path("a/b/none"), "a/b/none", "No such file");
	refused(path("a/b/run/x"), "a/b/run", "Not a directory");
	chmod(path("a/b/run"), 0644);
	refused(path("a/b/run"), "a/b/run", "is not executable");
	chmod(path("a/b/run"), 0775);
	refused(path("a/b/run"), "a/b/run", "others may write it");
	assert_false(trusted("/"));
	memset(most, 'x', sizeof(most) - 1);
	most[sizeof(most) - 1] = '\0';
	assert_false(trusted(most));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ours_alone),	     TEST(test_folders_that_others_may_write),
		TEST(test_of_somebody_else), TEST(test_links),
		TEST(test_no_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
