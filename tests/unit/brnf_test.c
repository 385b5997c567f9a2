/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <fcntl.h>
#include <sched.h>
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

/* Each namespace has settings of its own. */
static int setup(void **state)
{
	(void)state;
	return unshare(CLONE_NEWNET);
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
	assert_int_equal(brnf_off(&b), 0);
	assert_false(brnf_is_on());
	assert_int_equal(get(IPTABLES), '0');
	brnf_restore(&b);
	assert_int_equal(get(IPTABLES), '1');
	assert_int_equal(get(ARPTABLES), '0');
	put(IPTABLES, '0');
	brnf_restore(&b); /* once only */
	assert_int_equal(get(IPTABLES), '0');
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_off_and_back) };

	return cmocka_run_group_tests(tests, setup, NULL);
}
