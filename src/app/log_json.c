/* SPDX-License-Identifier: MIT */
#include "app/log_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/utf8.h"

#define VALUE_MOST 400 /* bytes of one value, escaped */
#define CUT ",\"cut\":true}"

struct line {
	char *text;
	size_t room, len;
	bool full;
};

static void put(struct line *line, const char *bytes, size_t n)
{
	if (line->full || n > line->room - line->len) {
		line->full = true;
		return;
	}
	memcpy(line->text + line->len, bytes, n);
	line->len += n;
}

/* One character, or byte, as it stands in a JSON string; how many bytes of s it was. */
static size_t escape(const char *s, char out[8], size_t *len)
{
	size_t n = utf8_shown(s);
	uint8_t c = (uint8_t)*s;

	if (n && *s != '"' && *s != '\\') {
		memcpy(out, s, n);
		*len = n;
		return n;
	}
	if (n)
		*len = (size_t)snprintf(out, 8, "\\%c", c);
	else if (c < 0x80)
		*len = (size_t)snprintf(out, 8, "\\u%04x", c);
	else
		*len = (size_t)snprintf(out, 8, "\\\\x%02x", c);
	return MAX(n, 1);
}

static void put_string(struct line *line, const char *text)
{
	size_t begin = line->len, len;
	char piece[8];

	put(line, "\"", 1);
	while (*text) {
		text += escape(text, piece, &len);
		if (line->len - begin > VALUE_MOST) {
			put(line, "...", 3);
			break;
		}
		put(line, piece, len);
	}
	put(line, "\"", 1);
}

/* A member, whole or not at all; there stays room for the end. */
static void put_member(struct line *line, const char *key, const char *text, int64_t number)
{
	size_t before = line->len;
	char digits[24];

	if (line->full)
		return;
	put(line, before > 1 ? "," : "", before > 1);
	put_string(line, key);
	put(line, ":", 1);
	if (text)
		put_string(line, text);
	else
		put(line, digits, (size_t)snprintf(digits, sizeof(digits), "%" PRId64, number));
	if (line->full)
		line->len = before;
}

static const char *time_text(int64_t wall, char out[LOG_JSON_TIME])
{
	time_t seconds = (time_t)(wall / 1000000);
	struct tm tm;
	size_t n;

	if (!gmtime_r(&seconds, &tm))
		return "";
	n = strftime(out, LOG_JSON_TIME, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, LOG_JSON_TIME - n, ".%03dZ", (int)(wall % 1000000 / 1000));
	return out;
}

size_t log_json_numbered(const struct log_record *r, uint64_t seq, char *out, size_t room)
{
	struct line line = { .text = out, .room = room - sizeof(CUT) };
	char time[LOG_JSON_TIME];

	put(&line, "{", 1);
	if (seq)
		put_member(&line, "seq", NULL, (int64_t)seq);
	put_member(&line, "time", time_text(r->wall, time), 0);
	put_member(&line, "level", log_level_name(r->level), 0);
	if (r->program)
		put_member(&line, "program", r->program, 0);
	if (r->event)
		put_member(&line, "event", r->event, 0);
	put_member(&line, "message", r->message, 0);
	for (const struct log_field *f = r->fields; f->key; f++) {
		if (f->key[0])
			put_member(&line, f->key, f->text, f->number);
	}
	if (r->held)
		put_member(&line, "held", NULL, (int64_t)r->held);
	memcpy(out + line.len, line.full ? CUT : "}", line.full ? sizeof(CUT) - 1 : 1);
	return line.len + (line.full ? sizeof(CUT) - 1 : 1);
}

size_t log_json(const struct log_record *record, char *out, size_t room)
{
	return log_json_numbered(record, 0, out, room);
}
