/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * A line is put together in one buffer and written at once, so that lines of
 * several processes with one standard error do not mix.  What does not fit is cut,
 * and the cut is shown as "...".
 *
 * systemd names the journal's stream in $JOURNAL_STREAM as DEVICE:INODE; only
 * when standard error still is that stream are levels written its way.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "log_parts.h"

#define LINE_MAX_BYTES 1000 /* with the newline */
#define START_MAX 64	    /* time, or level */

static const struct {
	const char *name;
	int syslog; /* syslog(3), which the journal takes */
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", 3 },
	[LOG_LEVEL_WARN] = { "warn", 4 },
	[LOG_LEVEL_INFO] = { "info", 6 },
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
};

static enum log_level threshold = LOG_LEVEL_INFO;
static const char *program;
static log_form *other_form;

bool log_level_parse(const char *name, enum log_level *out)
{
	for (size_t i = 0; i < COUNT_OF(levels); i++) {
		if (strcmp(name, levels[i].name) == 0) {
			*out = (enum log_level)i;
			return true;
		}
	}
	return false;
}

const char *log_level_name(enum log_level level)
{
	return levels[level].name;
}

void log_set_level(enum log_level level)
{
	threshold = level;
}

bool log_shows(enum log_level level)
{
	return level <= threshold;
}

void log_set_name(const char *name)
{
	program = name;
}

void log_set_form(log_form *form)
{
	other_form = form;
}

bool log_has_form(void)
{
	return other_form;
}

static bool on_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char own[48];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(stream, own) == 0;
}

/* The journal takes away the level; other forms have the time in them. */
static size_t start_line(char *out, const struct log_record *record)
{
	time_t seconds = (time_t)(record->wall / 1000000);
	struct tm tm;

	if (on_journal())
		return (size_t)snprintf(out, START_MAX, "<%d>", levels[record->level].syslog);
	if (other_form || !localtime_r(&seconds, &tm))
		return 0;
	return strftime(out, START_MAX, "%Y-%m-%d %H:%M:%S ", &tm);
}

void log_write(struct log_record *record)
{
	char line[LOG_FORM_BYTES];
	ssize_t written;
	size_t len;

	record->program = program;
	record->wall = clock_wall_us();
	len = start_line(line, record);
	if (other_form)
		len += other_form(record, line + len, sizeof(line) - 1 - len);
	else
		len += log_form_text(record, line + len, LINE_MAX_BYTES - 1 - len);
	line[len++] = '\n';
	do {
		written = write(STDERR_FILENO, line, len);
	} while (written < 0 && errno == EINTR);
}

void log_line(enum log_level level, const char *message, const struct log_field *fields)
{
	struct log_record record = { .level = level, .message = message, .fields = fields };
	int saved = errno;

	if (level <= threshold && log_may(message, fields, clock_now(), &record.held))
		log_write(&record);
	errno = saved;
}

void log_die(int status, const char *fmt, ...)
{
	struct log_record record = { .level = LOG_LEVEL_ERROR, .fields = &LOG_END };
	char text[LINE_MAX_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	record.message = text;
	log_write(&record);
	exit(status);
}
