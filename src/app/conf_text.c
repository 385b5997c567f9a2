/* SPDX-License-Identifier: MIT */
/* Values of labs: files that are read, free text, and lists of names. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "conf_parts.h"

void conf_value_set_input(const struct conf_place *place, char out[CONF_PATH], const char *text)
{
	char path[CONF_PATH] = "", *whole;

	if (!conf_value_path(place->report->file, text, path)) {
		conf_value_complain(place, "the path is too long");
		return;
	}
	whole = realpath(path, NULL);
	if (!whole || eaccess(whole, R_OK) < 0)
		conf_value_complain(place, "%s: %s", path, strerror(errno));
	else if (strlen(whole) >= CONF_PATH)
		conf_value_complain(place, "the path is too long");
	else
		memcpy(out, whole, strlen(whole) + 1);
	free(whole);
}

void conf_value_set_text(const struct conf_place *place, char out[CONF_TEXT], const char *text)
{
	for (const char *c = text; *c; c++) {
		if (!isprint((unsigned char)*c)) {
			conf_value_complain(place, "must be of characters that print");
			return;
		}
	}
	if (strlen(text) >= CONF_TEXT)
		conf_value_complain(place, "is too long: at most %d characters", CONF_TEXT - 1);
	else
		memcpy(out, text, strlen(text) + 1);
}

static void add_name(const struct conf_place *place, char out[WIRE_NAME + 1], const char *text)
{
	if (conf_name_valid(text))
		memcpy(out, text, strlen(text) + 1);
	else
		conf_value_complain(place, "\"%s\" is not a name: must be 1 to %d of a-z 0-9 . _ -",
				    text, WIRE_NAME);
}

void conf_value_set_names(const struct conf_place *place, char (*list)[WIRE_NAME + 1],
			  unsigned *count, const char *text)
{
	char *items[CONF_NAMES];
	char copy[CONF_NAMES * (WIRE_NAME + 8)];
	size_t n;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy)) {
		conf_value_complain(place, "is too long: at most %d names", CONF_NAMES);
		return;
	}
	n = conf_value_split(copy, items, CONF_NAMES);
	if (n > CONF_NAMES)
		conf_value_complain(place, "%zu names: at most %d", n, CONF_NAMES);
	for (size_t i = 0; i < MIN(n, CONF_NAMES); i++)
		add_name(place, list[(*count)++], items[i]);
}
