/* SPDX-License-Identifier: MIT */
/* Hooks are scripts that write what they get into a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/hooks.h"
#include "libfolder.h"

static char folder[FOLDER_ROOM], hook[FOLDER_ROOM + 8], out[FOLDER_ROOM + 8], text[65536];
static struct hooks *hooks;
static int reader, kept_stderr;

static void write_hook(const char *body)
{
	int fd = open(hook, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

	assert_true(fd >= 0);
	assert_true(dprintf(fd, "#!/bin/sh\nout=%s\n%s\n", out, body) > 0);
	close(fd);
}

static int begin(void **state)
{
	int ends[2];

	(void)state;
	assert_true(folder_make(folder));
	snprintf(hook, sizeof(hook), "%s/hook", folder);
	snprintf(out, sizeof(out), "%s/out", folder);
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	reader = ends[0];
	kept_stderr = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	log_set_level(LOG_LEVEL_INFO);
	return 0;
}

static int end(void **state)
{
	(void)state;
	dup2(kept_stderr, STDERR_FILENO);
	close(kept_stderr);
	close(reader);
	unlink(hook);
	unlink(out);
	rmdir(folder);
	return 0;
}

static void make(int64_t limit)
{
	hooks = hooks_new(&(struct hooks_facts){ "berlin", "lab", "b", "span0", "" }, limit);
	assert_non_null(hooks);
	hooks_set(hooks, hook);
}

#define tell(kind, ...) hooks_tell(hooks, kind, (const struct log_field[]){ __VA_ARGS__, LOG_END })

static const char *written(void)
{
	int fd = open(out, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static const char *logged(void)
{
	ssize_t n = read(reader, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void wait_for(const char *what)
{
	for (unsigned i = 0; i < 500 && !strstr(written(), what); i++)
		usleep(20000);
	if (!strstr(written(), what))
		fail_msg("never wrote \"%s\", but \"%s\"", what, text);
}

static void expect_logged(const char *what)
{
	const char *lines = logged();

	if (!strstr(lines, what))
		fail_msg("logged \"%s\", not \"%s\"", lines, what);
}

/* Whose it is may change while the process runs. */
static void test_another_may_write_it_by_now(void **state)
{
	(void)state;
	write_hook("echo $2 >>$out");
	make(SECONDS(10));
	tell(EVENT_PEER_UP, log_text("peer", "a"));
	wait_for("a\n");
	assert_int_equal(chmod(folder, 0777), 0);
	tell(EVENT_PEER_UP, log_text("peer", "b"));
	tell(EVENT_PEER_UP, log_text("peer", "c"));
	hooks_free(hooks);
	assert_string_equal(written(), "a\n");
	expect_logged("hook cannot be run");
}

static void test_arguments_and_variables(void **state)
{
	(void)state;
	write_hook("echo \"$#:$1:$2\" >$out; env | grep ^LANSPAN | grep -v TIME | sort >>$out; "
		   "echo end >>$out");
	make(SECONDS(10));
	setenv("SECRET", "x", 1);
	tell(EVENT_PATH, log_text("peer", "paris"), log_text("path", "direct"),
	     log_text("at", "203.0.113.7:7741"), log_text("relay", NULL), log_number("member", 3),
	     log_text("from", "relay hub\n\033[2J\xff, member 2"));
	wait_for("end\n");
	assert_string_equal(text, "2:path:paris\n"
				  "LANSPAN_ADDRESS=203.0.113.7:7741\n"
				  "LANSPAN_BRIDGE=\n"
				  "LANSPAN_EVENT=path\n"
				  "LANSPAN_FROM=relay hub??[2J?, member 2\n"
				  "LANSPAN_INSTANCE=berlin\n"
				  "LANSPAN_MEMBER=3\n"
				  "LANSPAN_MERGED=0\n"
				  "LANSPAN_NETWORK=lab\n"
				  "LANSPAN_PATH=direct\n"
				  "LANSPAN_PEER=paris\n"
				  "LANSPAN_SITE=b\n"
				  "LANSPAN_TAP=span0\n"
				  "end\n");
	hooks_free(hooks);
}

static void test_only_some_kinds(void **state)
{
	(void)state;
	write_hook("echo \"$1\" >>$out");
	make(SECONDS(10));
	for (unsigned kind = 0; kind < EVENT_KINDS; kind++)
		tell((enum event_kind)kind, log_text("peer", "paris"));
	hooks_free(hooks); /* what waits is run */
	assert_string_equal(written(), "peer-up\npeer-down\npeer-revoked\npath\nloop\n");
}

/* The first is run; of the others those that wait longest go. */
static void test_a_slow_hook_hears_the_last(void **state)
{
	(void)state;
	write_hook("echo \"$1 $2 $LANSPAN_MERGED\" >>$out\n"
		   "while [ -e $out.hold ]; do sleep 0.05; done");
	snprintf(text, sizeof(text), "%s.hold", out);
	close(open(text, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	make(SECONDS(30));
	tell(EVENT_PEER_UP, log_text("peer", "first"));
	wait_for("first");
	for (unsigned i = 0; i < 10; i++) {
		tell(EVENT_PEER_UP, log_text("peer", "paris"));
		tell(EVENT_PEER_DOWN, log_text("peer", "paris"));
		tell(EVENT_PEER_UP, log_text("peer", "rome"));
	}
	snprintf(text, sizeof(text), "%s.hold", out);
	unlink(text);
	wait_for("up rome");
	assert_string_equal(
		text, "peer-up first 0\npeer-up paris 9\npeer-down paris 9\npeer-up rome 9\n");
	expect_logged("hook is behind, older events were left out hook=peer-up peer=paris count=9");
	hooks_free(hooks);
}

static void test_the_queue_is_bounded(void **state)
{
	char name[16];

	(void)state;
	write_hook("echo \"$2\" >>$out; [ \"$2\" != first ] || sleep 0.5");
	make(SECONDS(30));
	tell(EVENT_PEER_UP, log_text("peer", "first"));
	wait_for("first");
	for (unsigned i = 0; i < HOOKS_WAITING + 10; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		tell(EVENT_PEER_UP, log_text("peer", name));
	}
	wait_for("p73\n");
	assert_null(strstr(text, "p9\n"));
	assert_non_null(strstr(text, "first\np10\np11\n"));
	expect_logged("hook is behind, events were left out count=10");
	hooks_free(hooks);
}

static void test_what_goes_wrong_is_logged(void **state)
{
	(void)state;
	write_hook("echo says \\\"this\\\"; echo and that >&2; echo x >>$out; exit 3");
	make(MS(300));
	tell(EVENT_PEER_UP, log_text("peer", "paris"));
	wait_for("x\n");
	usleep(300000);
	logged();
	assert_non_null(strstr(
		text, "info: hook says hook=peer-up peer=paris line=\"says \\\"this\\\"\"\n"));
	assert_non_null(
		strstr(text, "info: hook says hook=peer-up peer=paris line=\"and that\"\n"));
	assert_non_null(strstr(text, "warn: hook failed hook=peer-up peer=paris status=3\n"));
	write_hook("echo y >>$out; sleep 987");
	tell(EVENT_PEER_DOWN, log_text("peer", "paris"));
	tell(EVENT_PEER_UP, log_text("peer", "next"));
	wait_for("y\ny\n"); /* it does not hold up the next one */
	expect_logged(
		"warn: hook took too long and was killed hook=peer-down peer=paris seconds=0\n");
	usleep(400000);
	logged();
	unlink(hook);
	tell(EVENT_LOOP, log_text("reason", "own tunnel"));
	usleep(300000);
	expect_logged("error: hook cannot be run hook=loop peer=\"\" error=");
	hooks_free(hooks);
}

/* The end waits for a little while, whatever hooks do. */
static void test_the_end_is_quick(void **state)
{
	struct instant before;

	(void)state;
	write_hook("echo x >>$out; sleep 987");
	make(SECONDS(100));
	for (unsigned i = 0; i < 10; i++)
		tell(EVENT_PEER_UP, log_text("peer", i % 2 ? "a" : "b"));
	wait_for("x\n");
	before = clock_now();
	hooks_free(hooks);
	assert_in_range(instant_between(before, clock_now()), HOOKS_GRACE / 2, 3 * HOOKS_GRACE);
	expect_logged("events were left out");
}

static void test_another_file_or_none(void **state)
{
	(void)state;
	write_hook("echo \"$2\" >>$out");
	make(SECONDS(10));
	tell(EVENT_PEER_UP, log_text("peer", "a"));
	wait_for("a\n");
	hooks_set(hooks, "");
	tell(EVENT_PEER_UP, log_text("peer", "b"));
	hooks_set(hooks, hook);
	tell(EVENT_PEER_UP, log_text("peer", "c"));
	wait_for("c\n");
	assert_string_equal(text, "a\nc\n");
	hooks_free(hooks);
	hooks_free(NULL);
}

/* What waits when hooks are turned off is forgotten. */
static void test_none_runs_what_waited(void **state)
{
	(void)state;
	write_hook("echo \"$2\" >>$out; sleep 0.5");
	make(SECONDS(10));
	tell(EVENT_PEER_UP, log_text("peer", "a"));
	wait_for("a\n");
	tell(EVENT_PEER_UP, log_text("peer", "b")); /* waits for a's */
	hooks_set(hooks, "");
	hooks_set(hooks, hook);
	tell(EVENT_PEER_UP, log_text("peer", "c"));
	wait_for("c\n");
	assert_string_equal(text, "a\nc\n");
	hooks_free(hooks);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_none_runs_what_waited),	TEST(test_arguments_and_variables),
		TEST(test_another_may_write_it_by_now), TEST(test_only_some_kinds),
		TEST(test_a_slow_hook_hears_the_last),	TEST(test_the_queue_is_bounded),
		TEST(test_what_goes_wrong_is_logged),	TEST(test_the_end_is_quick),
		TEST(test_another_file_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
