/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/log.h"
#include "cli.h"

static void *must(void *p)
{
	if (!p)
		log_die(CLI_FAILED, "memory is short");
	return p;
}

char *text_safe(const char *s)
{
	static const char digits[] = "0123456789abcdef";
	char *out = must(malloc(4 * strlen(s) + 1)), *p = out;

	for (; *s; s++) {
		if (*s >= 0x20 && *s < 0x7f) {
			*p++ = *s;
			continue;
		}
		*p++ = '\\';
		*p++ = 'x';
		*p++ = digits[(unsigned char)*s >> 4];
		*p++ = digits[*s & 15];
	}
	*p = '\0';
	return out;
}

char *text_bytes(char out[TEXT_SHORT], double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	unsigned unit = 0;

	for (; bytes >= 1023.95 && unit < 6; unit++)
		bytes /= 1024;
	snprintf(out, TEXT_SHORT, "%.*f %s", unit > 0, bytes, units[unit]);
	return out;
}

char *text_age(char out[TEXT_SHORT], double seconds)
{
	unsigned long s = seconds > 0 && seconds < 1e15 ? (unsigned long)seconds : 0;

	if (seconds > 0 && seconds < 10 && seconds != (double)s)
		snprintf(out, TEXT_SHORT, "%.1fs", seconds);
	else if (s < 60)
		snprintf(out, TEXT_SHORT, "%lus", s);
	else if (s < 3600)
		snprintf(out, TEXT_SHORT, "%lum%02lus", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, TEXT_SHORT, "%luh%02lum", s / 3600, s / 60 % 60);
	else
		snprintf(out, TEXT_SHORT, "%lud%02luh", s / 86400, s / 3600 % 24);
	return out;
}

char *text_member(const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);
	char out[TEXT_SHORT] = "-";

	if (json_is_string(v))
		return text_safe(*json_string_value(v) ? json_string_value(v) : "-");
	if (json_is_integer(v))
		snprintf(out, sizeof(out), "%lld", (long long)json_integer_value(v));
	else if (json_is_real(v))
		snprintf(out, sizeof(out), "%.1f", json_real_value(v));
	else if (json_is_boolean(v))
		snprintf(out, sizeof(out), "%s", json_is_true(v) ? "yes" : "no");
	return must(strdup(out));
}

static bool wants_colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

void text_print(enum text_colour colour, const char *s)
{
	static const char *const codes[] = {
		[TEXT_PLAIN] = "",    [TEXT_BOLD] = "1", [TEXT_GREEN] = "32",
		[TEXT_YELLOW] = "33", [TEXT_RED] = "31",
	};

	if (colour == TEXT_PLAIN || !wants_colour())
		fputs(s, stdout);
	else
		printf("\033[%sm%s\033[0m", codes[colour], s);
}

enum text_colour text_state_colour(const char *state)
{
	static const struct {
		const char *state;
		enum text_colour colour;
	} table[] = {
		{ "up", TEXT_GREEN },	      { "in use", TEXT_GREEN },
		{ "joined", TEXT_GREEN },     { "connecting", TEXT_YELLOW },
		{ "resolving", TEXT_YELLOW }, { "down", TEXT_RED },
		{ "absent", TEXT_RED },	      { "disconnected", TEXT_RED },
		{ "failed", TEXT_RED },	      { "registered", TEXT_GREEN },
		{ "calling", TEXT_YELLOW },   { "answered", TEXT_GREEN },
		{ "missing", TEXT_RED },      { "mapped", TEXT_GREEN },
		{ "asking", TEXT_YELLOW },
	};

	for (size_t i = 0; i < COUNT_OF(table); i++)
		if (strcmp(state, table[i].state) == 0)
			return table[i].colour;
	return TEXT_PLAIN;
}
