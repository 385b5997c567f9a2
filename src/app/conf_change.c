/* SPDX-License-Identifier: MIT */
/* What a reload changes: two readings of a file, key by key. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "conf_parts.h"

static const void *at(const void *object, size_t offset)
{
	return (const char *)object + offset;
}

static bool lists_differ(const struct conf_key_list *a, const struct conf_key_list *b)
{
	return a->n != b->n || (a->n && memcmp(a->keys, b->keys, a->n * KEX_KEY) != 0);
}

/* In two objects of the key's section. */
static bool differs(const struct conf_key *key, const void *a, const void *b)
{
	const void *x = at(a, key->offset), *y = at(b, key->offset);

	if (key->kind == CONF_KIND_KEYS || key->kind == CONF_KIND_KEYS_FILE)
		return lists_differ(x, y);
	return memcmp(x, y, key->size) != 0 ||
	       (key->count && memcmp(at(a, key->count), at(b, key->count), sizeof(unsigned)) != 0);
}

bool conf_change_allowed(const struct conf_grammar *grammar, const char *file, const void *a,
			 const void *b, struct conf_errors *errors)
{
	struct conf_report report = { .file = file };
	const struct conf_key *key;
	bool clean;

	for (size_t i = 0; i < grammar->n_keys; i++) {
		key = &grammar->keys[i];
		if (!key->live && !grammar->sections[key->section].named && differs(key, a, b))
			conf_report_add(&report, 0,
					"%s: this cannot change while running: restart the "
					"process, or take the change back; nothing was changed",
					key->title);
	}
	clean = conf_report_clean(&report);
	conf_report_finish(&report, errors);
	return clean;
}

/* ---- what is told of those that are allowed ---- */

/* What finds no room is counted by "...". */
static void add_word(char out[CONF_CHANGES], const char *section, const char *name)
{
	static const char rest[] = ", ...";
	size_t used = strlen(out), room = CONF_CHANGES - sizeof(rest) - used;
	int n;

	if (used >= sizeof(rest) - 1 && strcmp(out + used - (sizeof(rest) - 1), rest) == 0)
		return;
	n = snprintf(out + used, room, "%s%s%s%s", used ? ", " : "", section, name ? " " : "",
		     name ? name : "");
	if (n < 0 || (size_t)n >= room)
		memcpy(out + used, rest, sizeof(rest));
}

static unsigned count(const struct conf_section_type *type, const void *root)
{
	unsigned n;

	memcpy(&n, at(root, type->count), sizeof(n));
	return n;
}

static const void *nth(const struct conf_section_type *type, const void *root, unsigned i)
{
	return at(root, type->list + i * type->size);
}

/* An object begins with its name. */
static const void *find(const struct conf_section_type *type, const void *root, const char *name)
{
	for (unsigned i = 0; i < count(type, root); i++)
		if (strcmp(nth(type, root, i), name) == 0)
			return nth(type, root, i);
	return NULL;
}

static bool section_differs(const struct conf_grammar *grammar, unsigned section, const void *a,
			    const void *b)
{
	for (size_t i = 0; i < grammar->n_keys; i++)
		if (grammar->keys[i].section == section && differs(&grammar->keys[i], a, b))
			return true;
	return false;
}

static void tell_named(const struct conf_grammar *grammar, unsigned section, const void *a,
		       const void *b, struct conf_changes *out)
{
	const struct conf_section_type *type = &grammar->sections[section];
	const void *now, *before;

	for (unsigned i = 0; i < count(type, a); i++)
		if (!find(type, b, nth(type, a, i)))
			add_word(out->removed, type->name, nth(type, a, i));
	for (unsigned i = 0; i < count(type, b); i++) {
		now = nth(type, b, i);
		before = find(type, a, now);
		if (!before)
			add_word(out->added, type->name, now);
		else if (section_differs(grammar, section, before, now))
			add_word(out->changed, type->name, now);
	}
}

void conf_change_tell(const struct conf_grammar *grammar, const void *a, const void *b,
		      struct conf_changes *out)
{
	const struct conf_key *key;

	*out = (struct conf_changes){ 0 };
	for (size_t i = 0; i < grammar->n_keys; i++) {
		key = &grammar->keys[i];
		if (!grammar->sections[key->section].named && differs(key, a, b))
			add_word(out->changed, key->title, NULL);
	}
	for (unsigned i = 0; i < grammar->n_sections; i++)
		if (grammar->sections[i].named)
			tell_named(grammar, i, a, b, out);
}

struct log_field conf_change_field(const char *key, const char *words)
{
	return log_text(key, words[0] ? words : NULL);
}
