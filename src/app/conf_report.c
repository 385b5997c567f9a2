/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf_parts.h"

static void make_printable(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || (unsigned char)*s >= 0x7f)
			*s = '?';
}

#define KEY_CHARACTERS (KEX_TEXT - 2) /* before the '=' */
static const char hidden[] = "(a key, not shown)";

static bool is_base64(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '+' || c == '/';
}

/* How many bytes at s may be a key: 0 when they are none.  With its '=' it may follow a
 * path; without, as the name of a line "KEY=", it must be a whole word. */
static size_t key_at(const char *text, const char *s)
{
	size_t n = 0;

	while (n < KEY_CHARACTERS && is_base64(s[n]))
		n++;
	if (n < KEY_CHARACTERS)
		return 0;
	if (s[n] == '=')
		return n + 1;
	return !is_base64(s[n]) && (s == text || !is_base64(s[-1])) ? n : 0;
}

/* Who gave the key itself for the name of its file would find it in the log. */
static void hide_keys(char *text)
{
	char *out = text;

	for (const char *s = text; *s;) {
		size_t n = key_at(text, s);

		if (n) {
			memcpy(out, hidden, sizeof(hidden) - 1);
			out += sizeof(hidden) - 1;
			s += n;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}

static char *make_text(const struct conf_report *report, unsigned line, const char *message)
{
	const char *file = report->file;
	char *text = NULL;
	int n;

	if (report->typed)
		n = asprintf(&text, "%s", message);
	else if (line)
		n = asprintf(&text, "%s:%u: %s", file, line, message);
	else
		n = asprintf(&text, "%s: %s", file, message);
	if (n < 0)
		return NULL;
	make_printable(text);
	hide_keys(text);
	return text;
}

static bool append(struct conf_report *report, unsigned line, const char *message)
{
	struct conf_report_line *list;
	char *text;

	list = realloc(report->list, (report->n + 1) * sizeof(*list));
	if (!list)
		return false;
	report->list = list;
	text = make_text(report, line, message);
	if (!text)
		return false;
	list[report->n] = (struct conf_report_line){ text, line, (unsigned)report->n };
	report->n++;
	return true;
}

void conf_report_add(struct conf_report *report, unsigned line, const char *fmt, ...)
{
	char *message = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&message, fmt, ap);
	va_end(ap);
	if (n < 0 || !append(report, line, message))
		report->lost = true;
	if (n >= 0)
		free(message);
}

bool conf_report_clean(const struct conf_report *report)
{
	return report->n == 0 && !report->lost;
}

static int by_line(const void *a, const void *b)
{
	const struct conf_report_line *x = a, *y = b;
	unsigned lx = x->line - 1, ly = y->line - 1; /* 0 wraps: to the end */

	if (lx != ly)
		return lx < ly ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

void conf_report_finish(struct conf_report *report, struct conf_errors *errors)
{
	*errors = (struct conf_errors){ 0 };
	if (report->lost)
		conf_report_add(report, 0, "memory is short: not all errors are shown");
	if (report->n) {
		qsort(report->list, report->n, sizeof(*report->list), by_line);
		errors->lines = calloc(report->n, sizeof(*errors->lines));
	}
	errors->n = errors->lines ? report->n : 0;
	for (size_t i = 0; i < report->n; i++) {
		if (errors->lines)
			errors->lines[i] = report->list[i].text;
		else
			free(report->list[i].text);
	}
	free(report->list);
	report->list = NULL;
	report->n = 0;
}

void conf_errors_place(const char *line, char out[CONF_ERRORS_PLACE])
{
	const char *section = strstr(line, ": ["), *end = section ? strchr(section, ']') : NULL;
	size_t n = strcspn(line, " ");

	if (end && end[1] == ' ')
		n = (size_t)(end + 2 - line) + strcspn(end + 2, " :");
	while (n > 0 && line[n - 1] == ':')
		n--;
	snprintf(out, CONF_ERRORS_PLACE, "%.*s: refused, see lanspan check", (int)n, line);
}

void conf_errors_free(struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++)
		free(errors->lines[i]);
	free(errors->lines);
	*errors = (struct conf_errors){ 0 };
}

void conf_errors_one(struct conf_errors *errors, const char *file, const char *key,
		     const char *text)
{
	struct conf_report report = { .file = file };

	conf_report_add(&report, 0, "%s: %s", key, text);
	conf_report_finish(&report, errors);
}
