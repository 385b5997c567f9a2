/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "host/brnf.h"

#define IPTABLES "/proc/sys/net/bridge/bridge-nf-call-iptables"
#define ARPTABLES "/proc/sys/net/bridge/bridge-nf-call-arptables"

static void put(const char *path, char value)
{
	int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, &value, 1), 1);
	close(fd);
}

static char get(const char *path)
{
	int fd = open(path, O_RDONLY);
	char c = 0;

	assert_true(fd >= 0);
	assert_int_equal(read(fd, &c, 1), 1);
	close(fd);
	return c;
}

static char folder[] = "/tmp/brnf-test-XXXXXX";

/* Each namespace has settings of its own. */
static int setup(void **state)
{
	(void)state;
	return mkdtemp(folder) ? unshare(CLONE_NEWNET) : -1;
}

static bool can(void)
{
	return access(IPTABLES, W_OK) == 0;
}

static void test_off_and_back(void **state)
{
	struct brnf b;

	(void)state;
	if (!can())
		skip();
	put(IPTABLES, '1');
	put(ARPTABLES, '0');
	assert_true(brnf_is_on());
	assert_int_equal(brnf_off(&b, folder), 0);
	assert_false(brnf_is_on());
	assert_int_equal(get(IPTABLES), '0');
	brnf_restore(&b);
	assert_int_equal(get(IPTABLES), '1');
	assert_int_equal(get(ARPTABLES), '0');
	put(IPTABLES, '0');
	brnf_restore(&b); /* once only */
	assert_int_equal(get(IPTABLES), '0');
}

/* Whoever ends last sets it back, to what it was before the first. */
static void test_several(void **state)
{
	struct brnf a, b, c;

	(void)state;
	if (!can())
		skip();
	put(IPTABLES, '1');
	assert_int_equal(brnf_off(&a, folder), 0);
	assert_int_equal(brnf_off(&b, folder), 0);
	brnf_restore(&a);
	assert_int_equal(get(IPTABLES), '0');
	assert_int_equal(brnf_off(&c, folder), 0);
	brnf_restore(&b);
	assert_int_equal(get(IPTABLES), '0');
	brnf_restore(&c);
	assert_int_equal(get(IPTABLES), '1');
	assert_int_equal(get(ARPTABLES), '0');
	assert_int_equal(rmdir(folder), 0); /* no file is left */
	assert_int_equal(mkdir(folder, 0700), 0);
}

/* One that is killed loses its descriptors and no more. */
static void test_killed(void **state)
{
	struct brnf a, b;

	(void)state;
	if (!can())
		skip();
	put(IPTABLES, '1');
	assert_int_equal(brnf_off(&a, folder), 0);
	close(a.fd);
	assert_int_equal(get(IPTABLES), '0');
	assert_int_equal(brnf_off(&b, folder), 0);
	brnf_restore(&b);
	assert_int_equal(get(IPTABLES), '1');
	assert_int_equal(get(ARPTABLES), '0');

	/* And beside another that lives. */
	assert_int_equal(brnf_off(&a, folder), 0);
	assert_int_equal(brnf_off(&b, folder), 0);
	close(a.fd);
	brnf_restore(&b);
	assert_int_equal(get(IPTABLES), '1');
}

/* Who switched it off anew after the last one has its way, as who switched it on. */
static void test_changed_by_others(void **state)
{
	struct brnf a, b;

	(void)state;
	if (!can())
		skip();
	put(IPTABLES, '1');
	assert_int_equal(brnf_off(&a, folder), 0);
	put(ARPTABLES, '1');
	assert_int_equal(brnf_off(&b, folder), 0);
	assert_int_equal(get(ARPTABLES), '0');
	brnf_restore(&a);
	brnf_restore(&b);
	assert_int_equal(get(IPTABLES), '1');
	assert_int_equal(get(ARPTABLES), '1');
	put(ARPTABLES, '0');
	put(IPTABLES, '0');
	assert_int_equal(brnf_off(&a, folder), 0);
	brnf_restore(&a);
	assert_int_equal(get(IPTABLES), '0');
}

static void test_no_folder(void **state)
{
	struct brnf a;

	(void)state;
	if (!can())
		skip();
	put(IPTABLES, '1');
	assert_int_equal(brnf_off(&a, "/nowhere"), -ENOENT);
	assert_int_equal(get(IPTABLES), '1');
	brnf_restore(&a);
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_off_and_back),
					    cmocka_unit_test(test_several),
					    cmocka_unit_test(test_killed),
					    cmocka_unit_test(test_changed_by_others),
					    cmocka_unit_test(test_no_folder) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
