/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "host/proc.h"

/* The exit status of f in a process of its own. */
static int in_child(int (*f)(void))
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(f());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int start_without_descriptors(void)
{
	struct stat st;
	int pipes[2];

	close(0);
	close(2);
	signal(SIGPIPE, SIG_DFL);
	umask(0);
	proc_start();
	for (int fd = 0; fd <= 2; fd += 2) {
		if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode))
			return 1;
		if ((fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR)
			return 2;
	}
	if (umask(0) != 027)
		return 3;
	if (pipe(pipes) < 0 || pipes[0] < 3)
		return 4;
	close(pipes[0]);
	return write(pipes[1], "x", 1) == -1 && errno == EPIPE ? 0 : 5;
}

static int start_keeps_descriptors(void)
{
	struct stat before, after;
	int next, again;

	if (fstat(1, &before) < 0)
		return 1;
	next = dup(0);
	close(next);
	proc_start();
	again = dup(0);
	if (fstat(1, &after) < 0 || before.st_ino != after.st_ino)
		return 2;
	return again == next ? 0 : 3;
}

static void test_start(void **state)
{
	(void)state;
	assert_int_equal(in_child(start_without_descriptors), 0);
	assert_int_equal(in_child(start_keeps_descriptors), 0);
}

static int read_signals(void)
{
	const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	int fd = proc_signal_fd();

	if (fd < 0 || fcntl(fd, F_GETFD) != FD_CLOEXEC)
		return 1;
	if (proc_signal_read(fd) != 0)
		return 2;
	for (int i = 0; i < 3; i++) {
		kill(getpid(), signals[i]);
		if (proc_signal_read(fd) != signals[i])
			return 3;
	}
	return proc_signal_read(fd) == 0 ? 0 : 4;
}

static void test_signals(void **state)
{
	(void)state;
	assert_int_equal(in_child(read_signals), 0);
}

/* ---- the service manager ----------------------------------------------- */

static int manager_open(const char *name, size_t len)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	memcpy(un.sun_path, name, len);
	assert_int_equal(bind(fd, (struct sockaddr *)&un,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
			 0);
	return fd;
}

static void check_notify(int fd)
{
	char text[64] = "";

	proc_notify("READY=1\nSTATUS=two sites");
	assert_int_equal(recv(fd, text, sizeof(text) - 1, 0), 24);
	assert_string_equal(text, "READY=1\nSTATUS=two sites");
	close(fd);
}

static void test_notify(void **state)
{
	char name[64];
	int fd;

	(void)state;
	snprintf(name, sizeof(name), "/tmp/proc_test.%d", (int)getpid());
	fd = manager_open(name, strlen(name));
	setenv("NOTIFY_SOCKET", name, 1);
	check_notify(fd);
	unlink(name);

	name[0] = '@';
	setenv("NOTIFY_SOCKET", name, 1);
	name[0] = '\0';
	check_notify(manager_open(name, 1 + strlen(name + 1)));
}

static void test_notify_nobody(void **state)
{
	char longest[200];
	int before, after;

	(void)state;
	before = dup(0);
	close(before);
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[199] = '\0';
	unsetenv("NOTIFY_SOCKET");
	proc_notify("READY=1");
	setenv("NOTIFY_SOCKET", longest, 1);
	proc_notify("READY=1");
	setenv("NOTIFY_SOCKET", "vsock:2:1", 1);
	proc_notify("READY=1");
	setenv("NOTIFY_SOCKET", "/tmp/no such socket", 1);
	proc_notify("READY=1");
	setenv("NOTIFY_SOCKET", "", 1);
	proc_notify("READY=1");
	after = dup(0);
	close(after);
	assert_int_equal(before, after); /* no descriptor was lost */
}

/* A manager whose queue is full does not hold us up for long. */
static void test_notify_stuck(void **state)
{
	char name[64];
	struct instant start;
	int fd;

	(void)state;
	snprintf(name, sizeof(name), "@proc_test.%d.b", (int)getpid());
	setenv("NOTIFY_SOCKET", name, 1);
	name[0] = '\0';
	fd = manager_open(name, 1 + strlen(name + 1));
	alarm(20); /* ends the test when one blocks */
	start = clock_now();
	while (instant_between(start, clock_now()) < MS(200))
		proc_notify("STATUS=x");
	proc_notify("STATUS=x");
	assert_true(instant_between(start, clock_now()) < SECONDS(2));
	alarm(0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),	     cmocka_unit_test(test_signals),
		cmocka_unit_test(test_notify),	     cmocka_unit_test(test_notify_nobody),
		cmocka_unit_test(test_notify_stuck),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
