/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * Four steps, and none stops at its errors: the index finds sections, keys and
 * lines (conf_index.c); iniparser reads the values (conf_ini.c); each value is
 * checked by itself as the table of keys says (conf_keys.c, conf_value.c); what
 * depends on several values is checked here.  A value that was refused leaves
 * its field empty, so the last step passes over it instead of complaining twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "conf_parts.h"

struct reading {
	struct conf_report report;
	struct conf_index index;
	struct conf *conf;
	struct conf *scratch; /* takes what is spare */
};

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

static struct conf_ini *read_values(struct reading *r)
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

static void *object_of(struct reading *r, const struct conf_section *section, bool spare)
{
	if (spare || section->spare) {
		r->scratch->n_listen = 0;
		r->scratch->peers[0].n_address = 0;
		return section->kind == CONF_PEER ? (void *)&r->scratch->peers[0] : r->scratch;
	}
	return section->kind == CONF_PEER ? (void *)&r->conf->peers[section->slot] : r->conf;
}

static void set_value(struct reading *r, size_t section, const struct conf_key *key, unsigned line,
		      bool spare, const char *text)
{
	const struct conf_section *s = &r->index.sections[section];
	struct conf_place place = { &r->report, line, NULL, key };
	char title[CONF_TITLE];

	place.section = conf_section_title(s, title);
	conf_value_set(&place, object_of(r, s, spare), text);
}

static void set_values(struct reading *r, const struct conf_ini *ini)
{
	const struct conf_entry *e;

	for (size_t i = 0; i < r->index.n_entries; i++) {
		e = &r->index.entries[i];
		if (e->value)
			set_value(r, e->section, e->key, e->line, e->spare,
				  conf_ini_value(ini, e->line));
	}
}

static const struct conf_entry *find_entry(const struct reading *r, size_t section,
					   const struct conf_key *key)
{
	for (size_t i = 0; i < r->index.n_entries; i++)
		if (r->index.entries[i].section == section && r->index.entries[i].key == key)
			return &r->index.entries[i];
	return NULL;
}

/* --- what is not there --- */

/* Each section that counts gets a slot or its defaults. */
static void add_peer(struct reading *r, struct conf_section *section)
{
	struct conf *c = r->conf;

	if (c->n_peers == CONF_PEERS) {
		conf_report_add(&r->report, section->line, "[peer %s]: one too many: at most %d",
				section->name, CONF_PEERS);
		section->spare = true;
		return;
	}
	section->slot = c->n_peers++;
	memcpy(c->peers[section->slot].name, section->name, sizeof(section->name));
}

static void fill_section(struct reading *r, size_t section)
{
	const struct conf_section *s = &r->index.sections[section];
	char title[CONF_TITLE];
	const struct conf_key *key;

	for (size_t i = 0; i < CONF_KEYS; i++) {
		key = &conf_keys[i];
		if (key->section != s->kind || find_entry(r, section, key))
			continue;
		if (key->mandatory)
			conf_report_add(&r->report, s->line, "[%s] %s: missing: must be %s",
					conf_section_title(s, title), key->name, key->hint);
		else if (key->standard)
			set_value(r, section, key, s->line, false, key->standard);
	}
}

static bool has_section(const struct reading *r, enum conf_section_kind kind)
{
	for (size_t i = 0; i < r->index.n_sections; i++)
		if (r->index.sections[i].kind == kind)
			return true;
	return false;
}

static void report_missing_section(struct reading *r, enum conf_section_kind kind)
{
	for (size_t i = 0; i < CONF_KEYS; i++)
		if (conf_keys[i].section == kind && conf_keys[i].mandatory)
			conf_report_add(&r->report, 0, "%s: missing: must be %s",
					conf_keys[i].title, conf_keys[i].hint);
}

static void fill_sections(struct reading *r)
{
	for (size_t i = 0; i < r->index.n_sections; i++)
		if (r->index.sections[i].kind != CONF_UNKNOWN && !r->index.sections[i].spare)
			fill_section(r, i);
	for (unsigned kind = 0; kind < CONF_PEER; kind++)
		if (!has_section(r, (enum conf_section_kind)kind))
			report_missing_section(r, (enum conf_section_kind)kind);
}

/* --- what must fit together --- */

/* The line where a key of [network], [site] or [bridge] is given, or 0. */
static unsigned line_of(const struct reading *r, enum conf_section_kind kind, const char *name)
{
	const struct conf_key *key = conf_key_find(kind, name);

	for (size_t i = 0; i < r->index.n_entries; i++)
		if (r->index.entries[i].key == key && !r->index.entries[i].spare)
			return r->index.entries[i].line;
	return 0;
}

static void check_bridge(struct reading *r)
{
	struct conf *c = r->conf;

	if (c->create && !line_of(r, CONF_BRIDGE, "bridge"))
		conf_report_add(&r->report, line_of(r, CONF_BRIDGE, "create"),
				"[bridge] create: yes, but no bridge is named: must come with "
				"bridge = NAME");
	if (c->bridge[0] && strcmp(c->bridge, c->tap) == 0)
		conf_report_add(&r->report, line_of(r, CONF_BRIDGE, "bridge"),
				"[bridge] bridge: \"%s\" is the tap: must be another interface",
				c->bridge);
	if (c->macs && c->mac_quota > c->macs)
		conf_report_add(&r->report, line_of(r, CONF_BRIDGE, "mac_quota"),
				"[bridge] mac_quota: %u is more than macs: must be at most %u",
				c->mac_quota, c->macs);
	if (!c->mac_quota)
		c->mac_quota = c->macs / 2;
}

static bool own_key(struct reading *r)
{
	struct conf *c = r->conf;

	if (bytes_all_zero(c->private_key, KEX_KEY))
		return false;
	if (kex_public(c->public_key, c->private_key))
		return true;
	conf_report_add(&r->report, line_of(r, CONF_SITE, "key_file"),
			"[site] key_file: no public key can be made of it");
	return false;
}

/* The earlier peer with the same key. */
static const struct conf_section *same_key(const struct reading *r, size_t section)
{
	const struct conf_section *s = &r->index.sections[section], *t;
	const struct conf_peer *peers = r->conf->peers;

	for (size_t i = 0; i < section; i++) {
		t = &r->index.sections[i];
		if (t->kind == CONF_PEER && !t->spare &&
		    memcmp(peers[t->slot].public_key, peers[s->slot].public_key, KEX_KEY) == 0)
			return t;
	}
	return NULL;
}

static void check_peer(struct reading *r, size_t section, bool have_own)
{
	const struct conf_section *s = &r->index.sections[section], *twin;
	const struct conf_peer *peer = &r->conf->peers[s->slot];
	const struct conf_entry *e = find_entry(r, section, conf_key_find(CONF_PEER, "public_key"));

	if (strcmp(peer->name, r->conf->site) == 0)
		conf_report_add(&r->report, s->line,
				"[peer %s]: this site's own name: must be another site's", s->name);
	if (!e || bytes_all_zero(peer->public_key, KEX_KEY))
		return;
	if (have_own && memcmp(peer->public_key, r->conf->public_key, KEX_KEY) == 0)
		conf_report_add(&r->report, e->line,
				"[peer %s] public_key: this site's own key: must be the peer's",
				s->name);
	twin = same_key(r, section);
	if (twin)
		conf_report_add(&r->report, e->line,
				"[peer %s] public_key: the key of [peer %s] in line %u, too: "
				"must be a key of its own",
				s->name, twin->name, twin->line);
}

static void check_together(struct reading *r)
{
	const struct conf_section *s;
	bool have_own = own_key(r);

	r->conf->has_secret = !bytes_all_zero(r->conf->secret, KEX_KEY);
	if (have_own && memcmp(r->conf->secret, r->conf->private_key, KEX_KEY) == 0)
		conf_report_add(&r->report, line_of(r, CONF_NETWORK, "secret_file"),
				"[network] secret_file: holds this site's private key, which other "
				"sites must never have: must be what lanspan secret wrote");
	check_bridge(r);
	for (size_t i = 0; i < r->index.n_sections; i++) {
		s = &r->index.sections[i];
		if (s->kind == CONF_PEER && !s->spare)
			check_peer(r, i, have_own);
	}
}

/* --- the door --- */

bool conf_instance_valid(const char *name, size_t n)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	return n >= 1 && n <= WIRE_NAME && *name != '.' && strspn(name, allowed) >= n;
}

/* The file's name names the instance, and so its control socket. */
static void set_instance(struct reading *r)
{
	const char *base = strrchr(r->report.file, '/');
	size_t n;

	base = base ? base + 1 : r->report.file;
	n = strlen(base);
	if (n > 5 && strcmp(base + n - 5, ".conf") == 0)
		n -= 5;
	if (snprintf(r->conf->file, CONF_PATH, "%s", r->report.file) >= CONF_PATH)
		conf_report_add(&r->report, 0, "the path is too long");
	if (!conf_instance_valid(base, n))
		conf_report_add(&r->report, 0,
				"the file's name names the instance: must be NAME.conf, NAME of 1 "
				"to %d letters, digits, '.', '_' and '-'",
				WIRE_NAME);
	else
		memcpy(r->conf->instance, base, n);
}

static void read_file(struct reading *r)
{
	struct conf_section *s;
	struct conf_ini *ini;

	set_instance(r);
	if (!conf_index_read(&r->index, &r->report))
		return;
	for (size_t i = 0; i < r->index.n_sections; i++) {
		s = &r->index.sections[i];
		if (s->kind == CONF_PEER && !s->spare)
			add_peer(r, s);
	}
	ini = read_values(r);
	if (!ini)
		return;
	set_values(r, ini);
	conf_ini_free(ini);
	fill_sections(r);
	check_together(r);
}

struct conf *conf_load(const char *file, struct conf_errors *errors)
{
	struct reading r = { .report.file = file };

	r.conf = calloc(1, sizeof(*r.conf));
	r.scratch = calloc(1, sizeof(*r.scratch));
	if (r.conf && r.scratch)
		read_file(&r);
	else
		r.report.lost = true;
	conf_free(r.scratch);
	conf_index_free(&r.index);
	if (!conf_report_clean(&r.report)) {
		conf_free(r.conf);
		r.conf = NULL;
	}
	conf_report_finish(&r.report, errors);
	return r.conf;
}

void conf_free(struct conf *conf)
{
	if (!conf)
		return;
	bytes_wipe(conf->secret, sizeof(conf->secret));
	bytes_wipe(conf->private_key, sizeof(conf->private_key));
	free(conf);
}

const char *conf_fixed_difference(const struct conf *a, const struct conf *b)
{
	const struct conf_key *key;

	for (size_t i = 0; i < CONF_KEYS; i++) {
		key = &conf_keys[i];
		if (key->live)
			continue;
		if (memcmp((const char *)a + key->offset, (const char *)b + key->offset,
			   key->size) != 0)
			return key->title;
	}
	return NULL;
}
