/* SPDX-License-Identifier: MIT */
/* A record as people read it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "log_parts.h"

struct line {
	char *text;
	size_t room, len;
	bool cut;
};

/* All or nothing; leaves room for "...". */
static void put(struct line *line, const char *bytes, size_t n)
{
	if (line->cut || n > line->room - 3 - line->len) {
		line->cut = true;
		return;
	}
	memcpy(line->text + line->len, bytes, n);
	line->len += n;
}

static void put_escaped(struct line *line, const char *text, const char *more)
{
	char escape[5];
	size_t n;

	for (; *text; text += n ? n : 1) {
		n = utf8_shown(text);
		if (n == 0) {
			snprintf(escape, sizeof(escape), "\\x%02x", (uint8_t)*text);
			put(line, escape, 4);
		} else if (strchr(more, *text)) {
			snprintf(escape, sizeof(escape), "\\%c", *text);
			put(line, escape, 2);
		} else {
			put(line, text, n);
		}
	}
}

/* Nothing in it that a reader could take for the end of the value. */
static bool is_plain(const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._:/@+,%[]()~*";

	return *text && strspn(text, plain) == strlen(text);
}

static void put_value(struct line *line, const struct log_field *field)
{
	char number[24];

	if (!field->text) {
		snprintf(number, sizeof(number), "%" PRId64, field->number);
		put(line, number, strlen(number));
	} else if (is_plain(field->text)) {
		put(line, field->text, strlen(field->text));
	} else {
		put(line, "\"", 1);
		put_escaped(line, field->text, "\"\\");
		put(line, "\"", 1);
	}
}

static void put_field(struct line *line, const struct log_field *field)
{
	if (!field->key[0])
		return;
	put(line, " ", 1);
	put(line, field->key, strlen(field->key));
	put(line, "=", 1);
	put_value(line, field);
}

size_t log_form_text(const struct log_record *r, char *out, size_t room)
{
	struct line line = { .text = out, .room = room };
	struct log_field held = log_number("held", (int64_t)r->held);

	if (r->program) {
		put_escaped(&line, r->program, "");
		put(&line, ": ", 2);
	}
	put(&line, log_level_name(r->level), strlen(log_level_name(r->level)));
	put(&line, ": ", 2);
	put_escaped(&line, r->message, "");
	for (const struct log_field *f = r->fields; f->key; f++)
		put_field(&line, f);
	if (r->held)
		put_field(&line, &held);
	for (int i = 0; line.cut && i < 3; i++)
		out[line.len++] = '.';
	return line.len;
}
