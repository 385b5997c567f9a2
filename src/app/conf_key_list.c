/* SPDX-License-Identifier: MIT */
/* Lists of public keys: in a value, or in a file of their own. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "conf_parts.h"
#include "core/wire_relay.h"

#define LINE_ROOM 256
#define VALUE_ROOM 1025
#define VALUE_KEYS 64 /* more do not fit a line */

static bool parse_key(uint8_t key[KEX_KEY], const char *text)
{
	return kex_from_text(key, text) && !bytes_all_zero(key, KEX_KEY);
}

static bool append(const struct conf_place *place, struct conf_key_list *list,
		   const uint8_t key[KEX_KEY])
{
	void *bigger;

	if (list->n == WIRE_MEMBERS_MAX) {
		conf_value_complain(place, "too many keys: at most %d", WIRE_MEMBERS_MAX);
		return false;
	}
	if ((list->n & (list->n - 1)) == 0) {
		bigger = realloc(list->keys, (list->n ? list->n * 2 : 1) * KEX_KEY);
		if (!bigger) {
			place->report->lost = true;
			return false;
		}
		list->keys = bigger;
	}
	memcpy(list->keys[list->n++], key, KEX_KEY);
	return true;
}

void conf_key_list_add(const struct conf_place *place, struct conf_key_list *list, const char *text)
{
	char copy[VALUE_ROOM];
	char *items[VALUE_KEYS];
	uint8_t key[KEX_KEY];
	size_t n;

	snprintf(copy, sizeof(copy), "%s", text);
	n = conf_value_split(copy, items, VALUE_KEYS);
	for (size_t i = 0; i < MIN(n, VALUE_KEYS); i++) {
		if (!parse_key(key, items[i]))
			conf_value_complain(place,
					    "\"%s\" is not a public key: must be 44 characters of "
					    "base64, as lanspan keygen prints it",
					    items[i]);
		else if (!append(place, list, key))
			return;
	}
}

/* Who may write it decides who may come in. */
static const char *file_fault(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "not a regular file";
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return "must belong to root or to the user who runs this";
	if (st->st_mode & 022)
		return "others may write it: must be for its owner alone, run chmod go-w";
	return NULL;
}

static FILE *open_list(const struct conf_place *place, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	const char *fault = NULL;
	FILE *f = NULL;
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0)
		fault = file_fault(&st);
	if (fd >= 0 && !fault)
		f = fdopen(fd, "r");
	if (!f)
		conf_value_complain(place, "%s: %s", path, fault ? fault : strerror(errno));
	if (fd >= 0 && !f)
		close(fd);
	return f;
}

/* Cuts off the comment and the blanks around. */
static char *bare(char *line)
{
	char *end;

	line[strcspn(line, "#;\r\n")] = '\0';
	line += strspn(line, " \t");
	for (end = line + strlen(line); end > line && (end[-1] == ' ' || end[-1] == '\t');)
		*--end = '\0';
	return line;
}

/* The next line into out, cut at its room; false at the end. */
static bool next_line(FILE *f, char out[LINE_ROOM])
{
	size_t n = 0;
	int c;

	while ((c = fgetc(f)) != EOF && c != '\n')
		if (n < LINE_ROOM - 1)
			out[n++] = (char)(c ? c : '?');
	out[n] = '\0';
	return c != EOF || n > 0;
}

static void read_list(const struct conf_place *place, struct conf_key_list *list, FILE *f,
		      const char *path)
{
	char line[LINE_ROOM];
	uint8_t key[KEX_KEY];
	const char *text;

	for (unsigned number = 1; next_line(f, line); number++) {
		text = bare(line);
		if (!*text)
			continue;
		if (!parse_key(key, text))
			conf_value_complain(place,
					    "%s:%u: \"%s\" is not a public key: must be 44 "
					    "characters of base64, one key a line",
					    path, number, text);
		else if (!append(place, list, key))
			return;
	}
	if (ferror(f))
		conf_value_complain(place, "%s: %s", path, strerror(errno));
}

void conf_key_list_add_file(const struct conf_place *place, struct conf_key_list *list,
			    const char *text)
{
	char path[CONF_PATH];
	FILE *f;

	if (!conf_value_path(place->report->file, text, path)) {
		conf_value_complain(place, "the path is too long");
		return;
	}
	f = open_list(place, path);
	if (!f)
		return;
	read_list(place, list, f, path);
	fclose(f);
}

void conf_key_list_free(struct conf_key_list *list)
{
	free(list->keys);
	*list = (struct conf_key_list){ 0 };
}
