/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * Three steps, and none stops at its errors: the index finds sections, keys and
 * lines (conf_index.c); iniparser reads the values (conf_ini.c); each value is
 * checked by itself as the grammar's table of keys says (conf_value.c).  What
 * depends on several values is then for the reader of that kind of file
 * (conf.c, relay_conf.c).  A value that was refused leaves its field empty, so
 * that the reader passes over it instead of complaining twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "conf_parts.h"

/* --- values --- */

/* A text for iniparser with each value in its own line. */
static char *make_ini(const struct conf_index *index, size_t *len)
{
	unsigned line = 1;
	char *text = NULL;
	FILE *f;

	f = open_memstream(&text, len);
	if (!f)
		return NULL;
	for (size_t i = 0; i < index->n_entries; i++) {
		for (; line < index->entries[i].line; line++)
			fputc('\n', f);
		if (index->entries[i].value)
			fprintf(f, "k%u =%s", line, index->entries[i].value);
	}
	fputc('\n', f);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

static struct conf_ini *read_values(struct conf_reading *r)
{
	struct conf_ini *ini = NULL;
	size_t len;
	char *text;

	text = make_ini(&r->index, &len);
	if (text)
		ini = conf_ini_load(text, len, &r->report);
	else
		r->report.lost = true;
	free(text);
	return ini;
}

static void *section_object(const struct conf_reading *r, const struct conf_section *section)
{
	const struct conf_section_type *type = &r->grammar->sections[section->kind];

	return type->named ? (char *)r->root + type->list + section->slot * type->size : r->root;
}

/* What is spare is checked in a place where it counts for nothing. */
static void try_value(struct conf_reading *r, const struct conf_place *place, const char *text)
{
	const struct conf_key *key = place->key;
	char *field = (char *)r->scratch + key->offset;
	unsigned none = 0;

	memset(field, 0, key->size);
	if (key->count)
		memcpy((char *)r->scratch + key->count, &none, sizeof(none));
	conf_value_set(place, r->scratch, text);
	if (key->kind == CONF_KIND_KEYS || key->kind == CONF_KIND_KEYS_FILE)
		conf_key_list_free((struct conf_key_list *)(void *)field);
}

static void set_value(struct conf_reading *r, size_t section, const struct conf_key *key,
		      unsigned line, bool spare, const char *text)
{
	const struct conf_section *s = &r->index.sections[section];
	struct conf_place place = { &r->report, line, NULL, key };
	char title[CONF_TITLE];

	place.section = conf_section_title(r->grammar, s, title);
	if (spare || s->spare)
		try_value(r, &place, text);
	else
		conf_value_set(&place, section_object(r, s), text);
}

static void set_values(struct conf_reading *r, const struct conf_ini *ini)
{
	const struct conf_entry *e;

	for (size_t i = 0; i < r->index.n_entries; i++) {
		e = &r->index.entries[i];
		if (e->value)
			set_value(r, e->section, e->key, e->line, e->spare,
				  conf_ini_value(ini, e->line));
	}
}

/* --- what is not there --- */

static const struct conf_entry *find_entry(const struct conf_reading *r, size_t section,
					   const struct conf_key *key)
{
	const struct conf_entry *e;

	for (size_t i = r->index.sections[section].first; i < r->index.n_entries; i++) {
		e = &r->index.entries[i];
		if (e->section != section)
			break;
		if (e->key == key)
			return e;
	}
	return NULL;
}

/* Each named section that counts gets a place in its list. */
static void add_named(struct conf_reading *r, struct conf_section *section)
{
	const struct conf_section_type *type = &r->grammar->sections[section->kind];
	unsigned *count = (unsigned *)(void *)((char *)r->root + type->count);

	if (*count == type->most) {
		conf_report_add(&r->report, section->line, "[%s %s]: one too many: at most %u",
				type->name, section->name, type->most);
		section->spare = true;
		return;
	}
	section->slot = (*count)++;
	memcpy(section_object(r, section), section->name, sizeof(section->name));
}

static void fill_section(struct conf_reading *r, size_t section)
{
	const struct conf_section *s = &r->index.sections[section];
	char title[CONF_TITLE];
	const struct conf_key *key;

	for (size_t i = 0; i < r->grammar->n_keys; i++) {
		key = &r->grammar->keys[i];
		if (key->section != s->kind || find_entry(r, section, key))
			continue;
		if (key->mandatory)
			conf_report_add(&r->report, s->line, "[%s] %s: missing: must be %s",
					conf_section_title(r->grammar, s, title), key->name,
					key->hint);
		else if (key->standard)
			set_value(r, section, key, s->line, false, key->standard);
	}
}

static bool has_section(const struct conf_reading *r, unsigned kind)
{
	for (size_t i = 0; i < r->index.n_sections; i++)
		if (r->index.sections[i].kind == kind)
			return true;
	return false;
}

/* A section that is there once and is not: what must be there is missing, the rest has
 * its defaults. */
static void fill_missing_section(struct conf_reading *r, unsigned kind)
{
	struct conf_place place = { &r->report, 0, r->grammar->sections[kind].name, NULL };

	for (size_t i = 0; i < r->grammar->n_keys; i++) {
		place.key = &r->grammar->keys[i];
		if (place.key->section == kind && place.key->mandatory)
			conf_report_add(&r->report, 0, "%s: missing: must be %s", place.key->title,
					place.key->hint);
		else if (place.key->section == kind && place.key->standard)
			conf_value_set(&place, r->root, place.key->standard);
	}
}

static void fill_sections(struct conf_reading *r)
{
	for (size_t i = 0; i < r->index.n_sections; i++)
		if (r->index.sections[i].kind != CONF_UNKNOWN && !r->index.sections[i].spare)
			fill_section(r, i);
	for (unsigned kind = 0; kind < r->grammar->n_sections; kind++)
		if (!r->grammar->sections[kind].named && !has_section(r, kind))
			fill_missing_section(r, kind);
}

/* --- the door --- */

bool conf_read(struct conf_reading *r)
{
	struct conf_section *s;
	struct conf_ini *ini;

	if (!conf_index_read(&r->index, r->grammar, &r->report))
		return false;
	for (size_t i = 0; i < r->index.n_sections; i++) {
		s = &r->index.sections[i];
		if (s->kind != CONF_UNKNOWN && r->grammar->sections[s->kind].named && !s->spare)
			add_named(r, s);
	}
	ini = read_values(r);
	if (!ini)
		return false;
	set_values(r, ini);
	conf_ini_free(ini);
	fill_sections(r);
	return true;
}

bool conf_read_finish(struct conf_reading *r, struct conf_errors *errors)
{
	bool clean = conf_report_clean(&r->report);

	conf_index_free(&r->index);
	conf_report_finish(&r->report, errors);
	return clean;
}

bool conf_instance_valid(const char *name, size_t n)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	return n >= 1 && n <= WIRE_NAME && *name != '.' && strspn(name, allowed) >= n;
}

static void read_instance(struct conf_reading *r, struct conf_root *root)
{
	const char *base = strrchr(r->report.file, '/');
	size_t n;

	base = base ? base + 1 : r->report.file;
	n = strlen(base);
	if (n > 5 && strcmp(base + n - 5, ".conf") == 0)
		n -= 5;
	if (snprintf(root->file, CONF_PATH, "%s", r->report.file) >= CONF_PATH)
		conf_report_add(&r->report, 0, "the path is too long");
	if (!conf_instance_valid(base, n))
		conf_report_add(&r->report, 0,
				"the file's name names the instance: must be NAME.conf, NAME of 1 "
				"to %d letters, digits, '.', '_' and '-'",
				WIRE_NAME);
	else
		memcpy(root->instance, base, n);
}

bool conf_read_file(struct conf_reading *r, void (*check)(struct conf_reading *r),
		    struct conf_errors *errors)
{
	size_t size = r->grammar->root_size;

	r->scratch = calloc(1, size);
	if (!r->root || !r->scratch) {
		r->report.lost = true;
	} else {
		read_instance(r, r->root);
		if (conf_read(r))
			check(r);
		bytes_wipe(r->scratch, size);
	}
	free(r->scratch);
	return conf_read_finish(r, errors);
}

const struct conf_entry *conf_read_entry(const struct conf_reading *r, size_t section,
					 const char *name)
{
	return find_entry(r, section,
			  conf_key_find(r->grammar, r->index.sections[section].kind, name));
}

unsigned conf_read_line(const struct conf_reading *r, unsigned kind, const char *name)
{
	const struct conf_key *key = conf_key_find(r->grammar, kind, name);

	for (size_t i = 0; i < r->index.n_entries; i++)
		if (r->index.entries[i].key == key && !r->index.entries[i].spare)
			return r->index.entries[i].line;
	return 0;
}
