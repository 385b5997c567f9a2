/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * iniparser hands out values, but it forgets line numbers and case, lets the
 * last of two equal keys win, joins lines that end in a backslash, cuts a value
 * at ';' or '#' and drops what follows a closing quote.  So the index walks the
 * lines first.  It knows the structure: which section and key stands where,
 * what is repeated or unknown, and which lines would be read as something else
 * than they look like.  Those are errors, and never reach iniparser.
 *
 * One error should not hide others, nor cause them: a section or key that is
 * misspelt counts as the known one that it resembles, and its values are
 * checked.  What is repeated is marked spare and checked as well.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "conf_parts.h"

#define LINE_MAX_LEN 1000 /* iniparser takes 1022 */

/* Takes blanks off both ends, in place. */
static char *strip(char *s)
{
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	end = s + strlen(s);
	while (end > s && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return s;
}

static bool is_comment(const char *s)
{
	return *s == ';' || *s == '#';
}

static bool grow(void *list, size_t n, size_t size)
{
	void **at = list;
	void *bigger;

	if (n & (n - 1))
		return true;
	bigger = realloc(*at, (n ? n * 2 : 1) * size);
	if (bigger)
		*at = bigger;
	return bigger;
}

static void add_section(struct conf_index *index, struct conf_report *report,
			const struct conf_section *section)
{
	if (!grow(&index->sections, index->n_sections, sizeof(*section))) {
		report->lost = true;
		return;
	}
	index->sections[index->n_sections++] = *section;
}

/* The earlier section of the same kind and name. */
static const struct conf_section *section_before(const struct conf_index *index,
						 const struct conf_section *section)
{
	const struct conf_section *s;

	for (size_t i = 0; i < index->n_sections; i++) {
		s = &index->sections[i];
		if (s->kind == section->kind && strcmp(s->name, section->name) == 0)
			return s;
	}
	return NULL;
}

static const struct conf_section_type *type_of(const struct conf_index *index,
					       const struct conf_section *section)
{
	return &index->grammar->sections[section->kind];
}

static bool is_foreign(const struct conf_grammar *grammar, const char *title)
{
	for (size_t i = 0; i < COUNT_OF(grammar->foreign); i++)
		if (grammar->foreign[i] && strcmp(grammar->foreign[i], title) == 0)
			return true;
	return false;
}

/* The first word of a section decides what it is. */
static void section_kind(const struct conf_index *index, struct conf_section *section,
			 struct conf_report *report, const char *title, const char *word)
{
	const struct conf_grammar *grammar = index->grammar;

	section->kind = conf_section_find(grammar, word);
	if (section->kind != CONF_UNKNOWN)
		return;
	if (is_foreign(grammar, title)) {
		conf_report_add(report, section->line, "[%s]: unknown section: %s", title,
				grammar->foreign_hint);
		return;
	}
	section->kind = conf_section_nearest(grammar, word);
	if (section->kind != CONF_UNKNOWN)
		conf_report_add(report, section->line,
				"[%s]: unknown section: did you mean [%s%s]?", title,
				type_of(index, section)->name,
				type_of(index, section)->named ? " NAME" : "");
	else
		conf_report_add(report, section->line, "[%s]: unknown section: there are %s", title,
				grammar->all);
}

static void section_rest(const struct conf_index *index, struct conf_section *section,
			 struct conf_report *report, const char *title, const char *rest)
{
	const struct conf_section_type *type;

	if (section->kind == CONF_UNKNOWN)
		return;
	type = type_of(index, section);
	if (!type->named && *rest) {
		conf_report_add(report, section->line, "[%s]: must be just [%s]", title,
				type->name);
	} else if (type->named && !*rest && is_foreign(index->grammar, title)) {
		conf_report_add(report, section->line, "[%s]: needs a name, [%s NAME]: or %s", title,
				type->name, index->grammar->foreign_hint);
		section->spare = true;
	} else if (type->named && !*rest) {
		conf_report_add(report, section->line, "[%s]: needs a name: [%s NAME]", title,
				type->name);
		section->spare = true;
	} else if (type->named && !conf_name_valid(rest)) {
		conf_report_add(report, section->line,
				"[%s]: \"%s\" is not a name: must be 1 to %d of a-z 0-9 . _ -",
				title, rest, WIRE_NAME);
		section->spare = true;
	} else if (type->named) {
		memcpy(section->name, rest, strlen(rest) + 1);
	}
}

static void open_section(struct conf_index *index, struct conf_report *report, unsigned line,
			 const char *title)
{
	struct conf_section section = { .line = line, .first = index->n_entries };
	const struct conf_section *before;
	char *word, *rest, *copy;

	copy = strdup(title);
	if (!copy) {
		report->lost = true;
		return;
	}
	word = copy;
	rest = word + strcspn(word, " \t");
	if (*rest)
		*rest++ = '\0';
	section_kind(index, &section, report, title, word);
	section_rest(index, &section, report, title, strip(rest));
	free(copy);
	before = section.kind == CONF_UNKNOWN || section.spare ? NULL
							       : section_before(index, &section);
	if (before) {
		conf_report_add(report, line, "[%s]: repeated: it began in line %u already", title,
				before->line);
		section.spare = true;
	}
	add_section(index, report, &section);
}

static void scan_section(struct conf_index *index, struct conf_report *report, unsigned line,
			 char *s)
{
	char *end = strchr(s, ']');
	char *after;

	if (!end) {
		conf_report_add(report, line, "%s: the section's name must end with ']'", s);
		add_section(index, report,
			    &(struct conf_section){ .line = line, .kind = CONF_UNKNOWN });
		return;
	}
	*end = '\0';
	after = strip(end + 1);
	s = strip(s + 1);
	if (*after && !is_comment(after))
		conf_report_add(report, line, "[%s]: \"%s\" after the section: must be alone", s,
				after);
	open_section(index, report, line, s);
}

/* What iniparser would silently read differently, or NULL. */
static const char *value_trap(const char *v)
{
	const char *end;

	while (isspace((unsigned char)*v))
		v++;
	if (*v && v[strlen(v) - 1] == '\\')
		return "a backslash at the end would join the next line: must be on one line";
	if (*v == '"' || *v == '\'') {
		end = strchr(v + 1, *v);
		if (!end)
			return "the quote is not closed";
		end += 1 + strspn(end + 1, " \t");
		return *end && !is_comment(end) ? "text after the closing quote" : NULL;
	}
	end = strpbrk(v, ";#");
	if (end && end > v && !isspace((unsigned char)end[-1]))
		return "';' and '#' begin a comment: put a blank before it, or the value in quotes";
	return NULL;
}

const char *conf_section_title(const struct conf_grammar *grammar,
			       const struct conf_section *section, char out[CONF_TITLE])
{
	snprintf(out, CONF_TITLE, "%s%s%s", grammar->sections[section->kind].name,
		 section->name[0] ? " " : "", section->name);
	return out;
}

static void report_unknown_key(const struct conf_grammar *grammar, struct conf_report *report,
			       unsigned line, const char *section, unsigned kind, const char *name)
{
	const struct conf_key *near = conf_key_nearest(grammar, kind, name);
	const struct conf_section_type *type;

	if (near) {
		conf_report_add(report, line, "[%s] %s: unknown key: did you mean %s?", section,
				name, near->name);
		return;
	}
	for (unsigned k = 0; k < grammar->n_sections; k++) {
		type = &grammar->sections[k];
		if (!conf_key_find(grammar, k, name))
			continue;
		conf_report_add(report, line, "[%s] %s: unknown key: it belongs to [%s%s]", section,
				name, type->name, type->named ? " NAME" : "");
		return;
	}
	conf_report_add(report, line, "[%s] %s: unknown key: see %s", section, name, grammar->page);
}

static const struct conf_entry *entry_before(const struct conf_index *index,
					     const struct conf_key *key)
{
	const struct conf_entry *e;

	for (size_t i = index->n_entries; i-- > 0;) {
		e = &index->entries[i];
		if (e->section != index->n_sections - 1)
			return NULL;
		if (e->key == key && !e->spare)
			return e;
	}
	return NULL;
}

static void add_entry(struct conf_index *index, struct conf_report *report,
		      const struct conf_entry *entry)
{
	if (!grow(&index->entries, index->n_entries, sizeof(*entry))) {
		report->lost = true;
		return;
	}
	index->entries[index->n_entries++] = *entry;
}

/* A key of a known section; name and value are stripped and raw. */
static void scan_value(struct conf_index *index, struct conf_report *report, unsigned line,
		       const char *name, const char *value)
{
	const struct conf_section *section = &index->sections[index->n_sections - 1];
	struct conf_entry entry = { line, index->n_sections - 1, NULL, value, false };
	char title[CONF_TITLE];
	const struct conf_entry *before;
	bool known;
	const char *trap;

	conf_section_title(index->grammar, section, title);
	entry.key = conf_key_find(index->grammar, section->kind, name);
	known = entry.key;
	if (!known) {
		report_unknown_key(index->grammar, report, line, title, section->kind, name);
		entry.key = conf_key_nearest(index->grammar, section->kind, name);
	}
	if (!entry.key)
		return;
	before = entry_before(index, entry.key);
	entry.spare = before;
	if (before && known && report->typed)
		conf_report_add(report, line, "[%s] %s: repeated: must be there once", title, name);
	else if (before && known)
		conf_report_add(report, line, "[%s] %s: repeated: line %u has it already", title,
				name, before->line);
	trap = value_trap(value);
	if (trap) {
		entry.value = NULL;
		conf_report_add(report, line, "[%s] %s: %s", title, name, trap);
	}
	add_entry(index, report, &entry);
}

static void scan_key(struct conf_index *index, struct conf_report *report, unsigned line, char *s)
{
	char *value = strchr(s, '=');
	char *name;

	if (!value || value == s) {
		conf_report_add(report, line, "%s: must be [section], key = value or ; comment", s);
		return;
	}
	*value++ = '\0';
	name = strip(s);
	if (index->n_sections == 0)
		conf_report_add(report, line, "%s: stands before the first [section]", name);
	else if (index->sections[index->n_sections - 1].kind != CONF_UNKNOWN)
		scan_value(index, report, line, name, value);
}

static void scan_line(struct conf_index *index, struct conf_report *report, unsigned line, char *s,
		      size_t len)
{
	if (memchr(s, '\0', len)) {
		conf_report_add(report, line, "a zero byte: must be text");
		return;
	}
	s = strip(s);
	if (!*s || is_comment(s))
		return;
	if (strlen(s) > LINE_MAX_LEN)
		conf_report_add(report, line, "the line is too long: at most %d characters",
				LINE_MAX_LEN);
	else if (*s == '[')
		scan_section(index, report, line, s);
	else
		scan_key(index, report, line, s);
}

/* The file as NUL-terminated text, or NULL with errno. */
static char *slurp(int fd, size_t file_max, size_t *len)
{
	char *text = malloc(file_max + 2);
	ssize_t n;

	*len = 0;
	if (!text)
		return NULL;
	while (*len <= file_max) {
		n = read(fd, text + *len, file_max + 1 - *len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			free(text);
			return NULL;
		}
		if (n == 0)
			break;
		*len += (size_t)n;
	}
	text[*len] = '\0';
	return text;
}

/* Only a file has an end: a pipe would be waited for. */
static bool is_regular(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return false;
	errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	return S_ISREG(st.st_mode);
}

char *conf_index_text(struct conf_report *report, size_t file_max, size_t *len)
{
	char *text = NULL;
	int fd;

	fd = open(report->file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0 && is_regular(fd))
		text = slurp(fd, file_max, len);
	if (!text)
		conf_report_add(report, 0, "%s",
				errno == EINVAL ? "not a file with an end: must "
						  "be a configuration file"
						: strerror(errno));
	if (fd >= 0)
		close(fd);
	if (text && *len > file_max) {
		conf_report_add(report, 0, "larger than %zu KiB: not a configuration file",
				file_max / 1024);
		free(text);
		text = NULL;
	}
	return text;
}

bool conf_index_read(struct conf_index *index, const struct conf_grammar *grammar,
		     struct conf_report *report)
{
	size_t len = 0;
	unsigned line = 0;
	char *s, *end, *stop;

	*index = (struct conf_index){ .grammar = grammar };
	index->text = conf_index_text(report, grammar->file_max, &len);
	if (!index->text)
		return false;
	stop = index->text + len;
	for (s = index->text; s < stop; s = end + 1) {
		end = memchr(s, '\n', (size_t)(stop - s));
		if (!end)
			end = stop;
		*end = '\0';
		scan_line(index, report, ++line, s, (size_t)(end - s));
	}
	return true;
}

void conf_index_free(struct conf_index *index)
{
	free(index->text);
	free(index->sections);
	free(index->entries);
	*index = (struct conf_index){ 0 };
}

/* ---- which kind of file ---- */

/* The word of a line "[word" or "[word NAME]", or ""; one that is too long is none. */
static bool section_word(char out[16], const char *line)
{
	static const char blank[] = " \t\r";
	size_t n;

	out[0] = '\0';
	line += strspn(line, blank);
	if (*line++ != '[')
		return false;
	line += strspn(line, blank);
	n = strcspn(line, " \t]\r\n");
	if (n < 16)
		snprintf(out, 16, "%.*s", (int)n, line);
	line += n;
	return line[strspn(line, blank)] != ']';
}

int conf_index_kind(const char *file, size_t file_max, int (*kind)(const char *word, bool named))
{
	struct conf_report report = { .file = file };
	struct conf_errors errors;
	char *text, *line, *rest, word[16];
	int found = 0;
	size_t len;

	text = conf_index_text(&report, file_max, &len);
	for (rest = text; rest && found == 0 && (line = strsep(&rest, "\n"));) {
		bool named = section_word(word, line);

		found = word[0] ? kind(word, named) : 0;
	}
	free(text);
	conf_report_finish(&report, &errors);
	conf_errors_free(&errors);
	return found;
}
