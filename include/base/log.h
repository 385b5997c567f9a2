/* SPDX-License-Identifier: MIT */
/*
 * Lines to standard error, one level each: a message, which is the same text each time,
 * and fields behind it, which are not:
 *
 *   2026-08-01 12:00:00 lanspan-bridge: info: peer up peer=paris at=203.0.113.7:7741
 *
 * With stderr on the journal the line starts with the level as <N> (sd-daemon(3)) in
 * place of the time.  A line is written with one write(2), at most 1000 bytes.  Values
 * may come from anywhere: what is not plain is quoted and escaped, so a remote string
 * cannot forge a line or a field.
 *
 * A message that comes too often with the same first field is held back; how often is
 * told later.  Not for core rooms: they report events and counters instead.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* The level named "error", "warn", "info" or "debug" into *out; false when it is
 * none of these. */
bool log_level_parse(const char *name, enum log_level *out);
const char *log_level_name(enum log_level level);

/* Lines above this level are not written; the default is info. */
void log_set_level(enum log_level level);
bool log_shows(enum log_level level);

/* The program name before each line, or NULL for none; not copied. */
void log_set_name(const char *name);

/* ---- fields ------------------------------------------------------------- */

/* key: [a-z][a-z0-9_]*, "" for a field that is left out, NULL at the end of a list. */
struct log_field {
	const char *key;
	const char *text; /* NULL: the number counts */
	int64_t number;
};

#define LOG_END ((struct log_field){ .key = NULL })

/* Left out when text is NULL.  Nothing is copied: it lives as long as the call. */
static inline struct log_field log_text(const char *key, const char *text)
{
	return (struct log_field){ .key = text ? key : "", .text = text };
}

static inline struct log_field log_number(const char *key, int64_t number)
{
	return (struct log_field){ .key = key, .number = number };
}

/* log_info("peer up", log_text("peer", name), ...): the message is a literal without '='. */
#define log_error(...) log_call(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_call(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_call(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_call(LOG_LEVEL_DEBUG, __VA_ARGS__)

#define log_call(level, ...)                                                                       \
	log_line(level, LOG_FIRST(__VA_ARGS__, 0),                                                 \
		 (const struct log_field[]){ LOG_REST(__VA_ARGS__, LOG_END) })
#define LOG_FIRST(first, ...) first
#define LOG_REST(first, ...) __VA_ARGS__

void log_line(enum log_level level, const char *message, const struct log_field *fields);

/* An error line, its text put together at once, and exit(status). */
void log_die(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

/* ---- other forms -------------------------------------------------------- */

struct log_record {
	enum log_level level;
	const char *program; /* or NULL */
	const char *event;   /* its name, or NULL (app/event.h) */
	const char *message;
	const struct log_field *fields; /* up to one without a key */
	uint64_t held;			/* like it that were not written before; 0: none */
	int64_t wall;			/* microseconds since the epoch */
};

/* Room for a line of another form, with its newline. */
#define LOG_FORM_BYTES 4000

/* Writes a record into out, of room bytes, without a newline; how many bytes. */
typedef size_t log_form(const struct log_record *record, char *out, size_t room);

/* Lines have that form from now on; NULL: the one above. */
void log_set_form(log_form *form);
bool log_has_form(void);

/* ---- limits ------------------------------------------------------------- */

#define LOG_LIMIT_EVERY SECONDS(60)
#define LOG_LIMIT_BURST 20 /* of one message and first field, within that */

/* False when a message with such a first field came too often by now.  *held: as
 * log_limit_pass. */
bool log_may(const char *message, const struct log_field *fields, struct instant now,
	     uint64_t *held);

/* Writes a record, whatever its level and how often it comes; program and wall are set
 * here. */
void log_write(struct log_record *record);

/* Tells of lines that were held back and of which none came since; call about once a
 * second. */
void log_tick(struct instant now);

/* Lets `burst` through each `every` microseconds, and counts the rest. */
struct log_limit {
	int64_t every;
	uint32_t burst;
	uint32_t used;
	uint64_t held;
	struct instant window;
};

/* True when the caller may go on.  *held gets the number of those that were
 * held back since the last true answer. */
bool log_limit_pass(struct log_limit *limit, struct instant now, uint64_t *held);

#endif
