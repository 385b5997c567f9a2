/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * A line is put together in one buffer and written at once, so that lines of
 * several processes with one standard error do not mix.  All that comes from
 * the caller's arguments is escaped byte by byte on its way into that buffer;
 * what does not fit is cut, and the cut is shown as "...".
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
#include "base/log.h"

#define LINE_MAX_BYTES 1000 /* with the newline */

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

struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
	bool cut;
};

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

void log_set_level(enum log_level level)
{
	threshold = level;
}

void log_set_name(const char *name)
{
	program = name;
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

/* Leaves room for "..." and the newline. */
static void line_put(struct line *line, const char *bytes, size_t n)
{
	if (line->cut || n > sizeof(line->text) - 4 - line->len) {
		line->cut = true;
		return;
	}
	memcpy(line->text + line->len, bytes, n);
	line->len += n;
}

/* ASCII controls, and the C1 controls as one byte or in UTF-8. */
static bool is_control(uint8_t before, uint8_t c)
{
	return c < 0x20 || c == 0x7f ||
	       (c >= 0x80 && c < 0xa0 && (before < 0x80 || before == 0xc2));
}

static void line_put_escaped(struct line *line, const char *text)
{
	uint8_t before = 0;

	for (; *text; text++) {
		uint8_t c = (uint8_t)*text;
		char escape[5];

		if (is_control(before, c)) {
			snprintf(escape, sizeof(escape), "\\x%02x", c);
			line_put(line, escape, 4);
		} else {
			line_put(line, text, 1);
		}
		before = c;
	}
}

static void line_begin(struct line *line, enum log_level level)
{
	time_t now = (time_t)clock_wall_seconds();
	char start[64];
	size_t n;
	struct tm tm;

	if (on_journal()) {
		snprintf(start, sizeof(start), "<%d>", levels[level].syslog);
		line_put(line, start, strlen(start));
	} else if (localtime_r(&now, &tm)) {
		n = strftime(start, sizeof(start), "%Y-%m-%d %H:%M:%S ", &tm);
		line_put(line, start, n);
	}
	if (program) {
		line_put_escaped(line, program);
		line_put(line, ": ", 2);
	}
	line_put_escaped(line, levels[level].name);
	line_put(line, ": ", 2);
}

static void __attribute__((format(printf, 2, 0)))
log_write(enum log_level level, const char *fmt, va_list args)
{
	struct line line = { .len = 0 };
	char text[LINE_MAX_BYTES];
	ssize_t written;

	line_begin(&line, level);
	vsnprintf(text, sizeof(text), fmt, args);
	line_put_escaped(&line, text);
	if (line.cut) {
		memcpy(line.text + line.len, "...", 3);
		line.len += 3;
	}
	line.text[line.len++] = '\n';
	do {
		written = write(STDERR_FILENO, line.text, line.len);
	} while (written < 0 && errno == EINTR);
}

void log_at(enum log_level level, const char *fmt, ...)
{
	int saved = errno;
	va_list args;

	if (level > threshold)
		return;
	va_start(args, fmt);
	log_write(level, fmt, args);
	va_end(args);
	errno = saved;
}

bool log_limit_pass(struct log_limit *limit, struct instant now, uint64_t *held)
{
	if (instant_between(limit->window, now) >= limit->every) {
		limit->window = now;
		limit->used = 0;
	}
	if (limit->used >= limit->burst) {
		limit->held++;
		return false;
	}
	limit->used++;
	*held = limit->held;
	limit->held = 0;
	return true;
}

void log_die(int status, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_write(LOG_LEVEL_ERROR, fmt, args);
	va_end(args);
	exit(status);
}
