/* SPDX-License-Identifier: MIT */
/*
 * Lines to standard error, one level each.  With stderr on the journal the
 * line starts with the level as <N> (sd-daemon(3)), on a terminal or a file
 * with a wall-clock time.  A line is written with one write(2), at most 1000
 * bytes; control characters are escaped, so a remote string cannot forge a
 * line.  Not for core rooms: they report events and counters instead.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* The level named "error", "warn", "info" or "debug" into *out; false when it is
 * none of these. */
bool log_level_parse(const char *name, enum log_level *out);

/* Lines above this level are not written; the default is info. */
void log_set_level(enum log_level level);

/* The program name before each line, or NULL for none; not copied. */
void log_set_name(const char *name);

void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Lets `burst` lines through each `every` microseconds, and counts the rest. */
struct log_limit {
	int64_t every;
	uint32_t burst;
	uint32_t used;
	uint64_t held;
	struct instant window;
};

/* True when the caller may log now.  *held gets the number of lines that were
 * held back since the last true answer. */
bool log_limit_pass(struct log_limit *limit, struct instant now, uint64_t *held);

/* An error line and exit(status). */
void log_die(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

#endif
