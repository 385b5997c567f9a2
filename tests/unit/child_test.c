/* SPDX-License-Identifier: MIT */
/* Real programs: the shell, for short. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/child.h"

static char lines[64][CHILD_LINE];
static unsigned n_lines;

static void note(void *ctx, const char *line)
{
	assert_ptr_equal(ctx, lines);
	assert_true(n_lines < 64);
	snprintf(lines[n_lines++], CHILD_LINE, "%s", line);
}

static int64_t took; /* microseconds */

static struct child_result run(const char *script, int64_t limit, int stop_fd)
{
	char *argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, (char *)(uintptr_t)script,
			 (char[]){ "zero" }, (char[]){ "one" }, NULL };
	char *env[] = { (char[]){ "PATH=/usr/bin:/bin" }, (char[]){ "A=b c" }, NULL };
	struct child child = { "/bin/sh", argv, env, limit, stop_fd, MS(200), note, lines };
	struct child_result result;
	struct instant begin = clock_now();

	n_lines = 0;
	child_run(&child, &result);
	took = instant_between(begin, clock_now());
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left, dead or alive */
	assert_int_equal(errno, ECHILD);
	return result;
}

static void test_what_it_gets(void **state)
{
	sigset_t set, before;
	struct child_result result;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, &before);
	signal(SIGPIPE, SIG_IGN);
	result = run("echo $1 \"$A\"; pwd; env | grep -cv '^PATH=\\|^A=\\|^PWD=\\|^_=\\|^SHLVL=\\|^OLDPWD=';"
		     "read x || echo no input; ls /proc/self/fd | wc -l;"
		     "blocked=$(sed -n 's/SigBlk:.*\\(.\\{7\\}\\)/\\1/p' /proc/self/status);"
		     "ignored=$(sed -n 's/SigIgn:.*\\(.\\{7\\}\\)/\\1/p' /proc/self/status);"
		     "echo $blocked $ignored >&2",
		     SECONDS(10), -1);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	signal(SIGPIPE, SIG_DFL);
	assert_int_equal(result.end, CHILD_EXITED);
	assert_int_equal(result.number, 0);
	assert_int_equal(n_lines, 6);
	assert_string_equal(lines[0], "one b c");
	assert_string_equal(lines[1], "/");
	assert_string_equal(lines[2], "0");
	assert_string_equal(lines[3], "no input");
	assert_string_equal(lines[4], "4"); /* and the folder itself */
	assert_string_equal(lines[5], "0000000 0000000");
}

static void test_how_it_ends(void **state)
{
	struct child_result result = run("exit 3", SECONDS(10), -1);

	(void)state;
	assert_int_equal(result.end, CHILD_EXITED);
	assert_int_equal(result.number, 3);
	result = run("kill -9 $$", SECONDS(10), -1);
	assert_int_equal(result.end, CHILD_KILLED);
	assert_int_equal(result.number, SIGKILL);
}

static void test_no_such_program(void **state)
{
	char *argv[] = { (char[]){ "x" }, NULL }, *env[] = { NULL };
	struct child child = { "/nowhere/x", argv, env, SECONDS(1), -1, 0, note, lines };
	struct child_result result;

	(void)state;
	child_run(&child, &result);
	assert_int_equal(result.end, CHILD_FAILED);
	assert_int_equal(result.number, ENOENT);
}

/* And with it all that it began. */
static void test_it_never_ends(void **state)
{
	struct child_result result = run("trap '' TERM; sleep 987 & echo $!; sleep 987", MS(300), -1);
	int pid = 0;

	(void)state;
	assert_int_equal(result.end, CHILD_LATE);
	assert_in_range(took, MS(300), SECONDS(5));
	assert_int_equal(sscanf(lines[0], "%d", &pid), 1);
	for (unsigned i = 0; i < 100 && kill(pid, 0) == 0; i++)
		usleep(20000); /* who inherits it has to notice */
	assert_int_equal(kill(pid, 0), -1);
}

static void test_who_stays_in_the_background_is_not_waited_for(void **state)
{
	struct child_result result = run("sleep 3 & echo begun", SECONDS(10), -1);

	(void)state;
	assert_int_equal(result.end, CHILD_EXITED);
	assert_true(took < SECONDS(2));
	assert_string_equal(lines[0], "begun");
}

static void test_output_is_bounded(void **state)
{
	struct child_result result;

	(void)state;
	result = run("i=0; while [ $i -lt 1000 ]; do echo line $i; i=$((i+1)); done", SECONDS(10), -1);
	assert_int_equal(n_lines, CHILD_LINES);
	assert_string_equal(lines[CHILD_LINES - 1], "line 19");
	assert_int_equal(result.more, 1000 - CHILD_LINES);
	run("head -c 100000 /dev/zero; echo; printf 'a\\0b\\033[c'", SECONDS(10), -1);
	assert_int_equal(strlen(lines[0]), CHILD_LINE - 1);
	assert_string_equal(lines[1], "a?b\033[c");
	run("yes", MS(200), -1); /* as fast as it can */
	assert_int_equal(n_lines, CHILD_LINES);
}

static void test_told_to_hurry(void **state)
{
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	struct child_result result = run("sleep 987", SECONDS(100), fd);

	(void)state;
	assert_int_equal(result.end, CHILD_LATE);
	assert_in_range(took, MS(200), SECONDS(5));
	result = run("exit 4", SECONDS(100), fd);
	assert_int_equal(result.number, 4);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_it_gets),
		cmocka_unit_test(test_how_it_ends),
		cmocka_unit_test(test_no_such_program),
		cmocka_unit_test(test_it_never_ends),
		cmocka_unit_test(test_who_stays_in_the_background_is_not_waited_for),
		cmocka_unit_test(test_output_is_bounded),
		cmocka_unit_test(test_told_to_hurry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
