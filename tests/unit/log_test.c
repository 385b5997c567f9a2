/* SPDX-License-Identifier: MIT */
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
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

/* Standard error goes into a packet pipe here: one read gives one write. */
static int reader, kept_stderr;
static char line[4096];

static int catch_stderr(void **state)
{
	int ends[2];

	(void)state;
	assert_return_code(pipe2(ends, O_DIRECT | O_NONBLOCK | O_CLOEXEC), errno);
	reader = ends[0];
	kept_stderr = dup(STDERR_FILENO);
	assert_return_code(dup2(ends[1], STDERR_FILENO), errno);
	close(ends[1]);
	unsetenv("JOURNAL_STREAM");
	log_set_level(LOG_LEVEL_INFO);
	log_set_name(NULL);
	return 0;
}

static int release_stderr(void **state)
{
	(void)state;
	assert_return_code(dup2(kept_stderr, STDERR_FILENO), errno);
	close(kept_stderr);
	close(reader);
	unsetenv("JOURNAL_STREAM");
	return 0;
}

/* Bytes of what one write wrote, 0 when there was none; kept in line. */
static size_t read_line(void)
{
	ssize_t n = read(reader, line, sizeof(line) - 1);

	line[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static void be_the_journal(int off_by)
{
	struct stat st;
	char stream[64];

	assert_return_code(fstat(STDERR_FILENO, &st), errno);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino + (unsigned long long)off_by);
	setenv("JOURNAL_STREAM", stream, 1);
}

static void test_levels_have_names(void **state)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	enum log_level level = LOG_LEVEL_WARN;

	(void)state;
	assert_false(log_level_parse("warning", &level));
	assert_false(log_level_parse("", &level));
	assert_int_equal(level, LOG_LEVEL_WARN);
	for (int i = 0; i < 4; i++) {
		assert_true(log_level_parse(names[i], &level));
		assert_int_equal(level, i);
	}
}

static void test_line_starts_with_wall_clock_name_and_level(void **state)
{
	int year, month, day, hour, minute, second, at = 0;

	(void)state;
	log_set_name("prog");
	log_warn("port down", log_number("port", 3), log_text("why", "no carrier"));
	assert_true(read_line() > 0);
	assert_int_equal(sscanf(line, "%4d-%2d-%2d %2d:%2d:%2d %n", &year, &month, &day, &hour,
				&minute, &second, &at),
			 6);
	assert_true(year >= 2024);
	assert_string_equal(line + at, "prog: warn: port down port=3 why=\"no carrier\"\n");
	assert_int_equal(read_line(), 0);
}

static void test_journal_gets_its_levels(void **state)
{
	(void)state;
	be_the_journal(0);
	log_set_level(LOG_LEVEL_DEBUG);
	log_error("a");
	read_line();
	assert_string_equal(line, "<3>error: a\n");
	log_warn("b");
	read_line();
	assert_string_equal(line, "<4>warn: b\n");
	log_info("c");
	read_line();
	assert_string_equal(line, "<6>info: c\n");
	log_debug("d");
	read_line();
	assert_string_equal(line, "<7>debug: d\n");
}

static void test_journal_of_another_stream_is_none(void **state)
{
	(void)state;
	be_the_journal(1);
	log_error("a");
	assert_true(read_line() > 0);
	assert_true(line[0] != '<');
	setenv("JOURNAL_STREAM", "nonsense", 1);
	log_error("a");
	assert_true(read_line() > 0);
	assert_true(line[0] != '<');
}

static void test_level_holds_lines_back(void **state)
{
	(void)state;
	log_debug("not by default");
	assert_int_equal(read_line(), 0);
	log_info("by default");
	assert_true(read_line() > 0);
	log_set_level(LOG_LEVEL_ERROR);
	log_warn("not now");
	assert_int_equal(read_line(), 0);
	log_error("always");
	assert_true(read_line() > 0);
}

/* What a value is shown as. */
static void expect_shown(const char *value, const char *shown)
{
	char wanted[400];

	snprintf(wanted, sizeof(wanted), "<3>error: m v=%s z=1\n", shown);
	log_error("m", log_text("v", value), log_number("z", 1));
	assert_true(read_line() > 0);
	assert_string_equal(line, wanted);
}

static void test_no_line_and_no_field_can_be_forged(void **state)
{
	static const struct {
		const char *value, *shown;
	} table[] = {
		{ "paris-1.example.net:7741", "paris-1.example.net:7741" },
		{ "[2001:db8::1%2]:7741", "[2001:db8::1%2]:7741" },
		{ "", "\"\"" },
		{ "a b", "\"a b\"" },
		{ "x level=error", "\"x level=error\"" },
		{ "say \"x\" \\ y", "\"say \\\"x\\\" \\\\ y\"" },
		{ "x\n<3>evil\r\t\033[2J\177", "\"x\\x0a<3>evil\\x0d\\x09\\x1b[2J\\x7f\"" },
		/* C1 controls, bare and in UTF-8; letters of UTF-8 stay. */
		{ "\x9b|\xc2\x9b|gr\xc3\xbc\xc3\x9f|\xe2\x82\xac",
		  "\"\\x9b|\\xc2\\x9b|gr\xc3\xbc\xc3\x9f|\xe2\x82\xac\"" },
		/* Cut off, overlong, a surrogate, above the last; text that runs backwards. */
		{ "\xe2\x82", "\"\\xe2\\x82\"" },
		{ "\xc0\xaf", "\"\\xc0\\xaf\"" },
		{ "\xed\xa0\x80", "\"\\xed\\xa0\\x80\"" },
		{ "\xf4\x90\x80\x80", "\"\\xf4\\x90\\x80\\x80\"" },
		{ "\xe2\x80\xae", "\"\\xe2\\x80\\xae\"" },
		{ "\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\"" },
	};

	(void)state;
	be_the_journal(0);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		expect_shown(table[i].value, table[i].shown);
}

static void test_fields_may_be_left_out(void **state)
{
	(void)state;
	be_the_journal(0);
	log_error("left out", log_text("a", NULL), log_number("b", -7), log_text("c", NULL));
	read_line();
	assert_string_equal(line, "<3>error: left out b=-7\n");
}

static void test_long_lines_are_cut_at_1000_bytes(void **state)
{
	static char text[3000];

	(void)state;
	be_the_journal(0);
	memset(text, 'a', sizeof(text) - 1);
	log_error("long", log_text("v", "x y"), log_text("w", text));
	assert_string_equal((read_line(), line), "<3>error: long v=\"x y\" w=...\n");
	/* Escapes are cut whole. */
	memset(text, '\n', sizeof(text) - 1);
	log_error("long", log_text("v", text));
	assert_in_range(read_line(), 990, 1000);
	assert_string_equal(line + strlen(line) - 8, "\\x0a...\n");
	assert_int_equal(read_line(), 0);
	/* The longest line that fits is not cut. */
	log_error("long", log_text("v", text + sizeof(text) - 1 - (996 - 20) / 4));
	assert_in_range(read_line(), 985, 1000);
	assert_string_equal(line + strlen(line) - 6, "\\x0a\"\n");
}

/* Lines of a flood, and what was held back. */
static unsigned flood(const char *peer, unsigned n)
{
	unsigned lines = 0;

	for (unsigned i = 0; i < n; i++) {
		log_info("flood", log_text("peer", peer), log_number("i", i));
		lines += read_line() > 0;
	}
	return lines;
}

static void test_a_message_that_repeats_is_held_back(void **state)
{
	struct instant later = instant_add(clock_now(), LOG_LIMIT_EVERY + SECONDS(1));

	(void)state;
	be_the_journal(0);
	assert_int_equal(flood("paris", 100), LOG_LIMIT_BURST);
	assert_int_equal(flood("rome", 2), 2); /* which is another's matter */
	log_info("no flood", log_text("peer", "paris"));
	assert_true(read_line() > 0);
	log_tick(clock_now()); /* not yet */
	assert_int_equal(read_line(), 0);
	log_tick(later);
	read_line();
	assert_string_equal(line, "<6>info: lines like this were left out message=flood peer=paris "
				  "count=80\n");
	log_tick(later);
	assert_int_equal(read_line(), 0);
}

/* Names that a stranger makes up have no more room than there is. */
static void test_many_subjects_are_held_back_together(void **state)
{
	unsigned lines = 0;
	char name[16];

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		log_info("many", log_text("name", name));
		lines += read_line() > 0;
	}
	assert_in_range(lines, 500, 32 * LOG_LIMIT_BURST);
	log_info("hidden by none", log_text("name", "paris"));
	assert_true(read_line() > 0);
}

static void test_lines_that_are_not_shown_count_for_nothing(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		log_debug("quiet");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("quiet");
	assert_true(read_line() > 0);
}

static size_t shout(const struct log_record *record, char *out, size_t room)
{
	return (size_t)snprintf(out, room, "%s!%s!%s=%s", log_level_name(record->level),
				record->message, record->fields->key, record->fields->text);
}

static void test_lines_may_have_another_form(void **state)
{
	(void)state;
	log_set_form(shout);
	assert_true(log_has_form());
	log_error("m", log_text("a", "b"));
	read_line();
	assert_string_equal(line, "error!m!a=b\n");
	be_the_journal(0);
	log_error("m", log_text("a", "b"));
	read_line();
	assert_string_equal(line, "<3>error!m!a=b\n");
	log_set_form(NULL);
}

static void test_errno_is_kept(void **state)
{
	(void)state;
	close(STDERR_FILENO);
	errno = ENOTTY;
	log_error("nobody reads this");
	assert_int_equal(errno, ENOTTY);
}

static void test_limit_counts_what_it_holds(void **state)
{
	struct log_limit limit = { .every = SECONDS(1), .burst = 2 };
	struct instant now = { SECONDS(100) };
	uint64_t held = 99;

	(void)state;
	assert_true(log_limit_pass(&limit, now, &held));
	assert_int_equal(held, 0);
	now = instant_add(now, MS(400));
	assert_true(log_limit_pass(&limit, now, &held));
	held = 99;
	assert_false(log_limit_pass(&limit, now, &held));
	assert_false(log_limit_pass(&limit, now, &held));
	now = instant_add(now, MS(599));
	assert_false(log_limit_pass(&limit, now, &held));
	assert_int_equal(held, 99);
	now = instant_add(now, MS(1));
	assert_true(log_limit_pass(&limit, now, &held));
	assert_int_equal(held, 3);
	assert_true(log_limit_pass(&limit, now, &held));
	assert_int_equal(held, 0);
	assert_false(log_limit_pass(&limit, now, &held));
}

static void test_die_writes_and_exits(void **state)
{
	int status;
	pid_t child;

	(void)state;
	be_the_journal(0);
	log_set_level(LOG_LEVEL_ERROR);
	child = fork();
	assert_return_code(child, errno);
	if (child == 0)
		log_die(42, "cannot %s", "go on");

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
	read_line();
	assert_string_equal(line, "<3>error: cannot go on\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_levels_have_names, catch_stderr,
						release_stderr),
		cmocka_unit_test_setup_teardown(test_line_starts_with_wall_clock_name_and_level,
						catch_stderr, release_stderr),
		cmocka_unit_test_setup_teardown(test_journal_gets_its_levels, catch_stderr,
						release_stderr),
		cmocka_unit_test_setup_teardown(test_journal_of_another_stream_is_none,
						catch_stderr, release_stderr),
		cmocka_unit_test_setup_teardown(test_level_holds_lines_back, catch_stderr,
						release_stderr),
		cmocka_unit_test_setup_teardown(test_no_line_and_no_field_can_be_forged, catch_stderr,
						release_stderr),
		cmocka_unit_test_setup_teardown(test_long_lines_are_cut_at_1000_bytes, catch_stderr,
						release_stderr),
		cmocka_unit_test_setup_teardown(test_fields_may_be_left_out, catch_stderr,
						release_stderr),
		cmocka_unit_test_setup_teardown(test_a_message_that_repeats_is_held_back, catch_stderr,
						release_stderr),
		cmocka_unit_test_setup_teardown(test_many_subjects_are_held_back_together, catch_stderr,
						release_stderr),
		cmocka_unit_test_setup_teardown(test_lines_that_are_not_shown_count_for_nothing, catch_stderr,
						release_stderr),
		cmocka_unit_test_setup_teardown(test_lines_may_have_another_form, catch_stderr,
						release_stderr),
		cmocka_unit_test_setup_teardown(test_errno_is_kept, catch_stderr, release_stderr),
		cmocka_unit_test_setup_teardown(test_limit_counts_what_it_holds, catch_stderr,
						release_stderr),
		cmocka_unit_test_setup_teardown(test_die_writes_and_exits, catch_stderr,
						release_stderr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
