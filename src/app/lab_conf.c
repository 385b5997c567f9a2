/* SPDX-License-Identifier: MIT */
/* A lab's file: what it may hold, and what its keys must be to each other.
 * conf_read.c tells how files are read. */
#include "app/lab_conf.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "conf_parts.h"

enum { LAB, NETWORK, GUEST };

#define KEY(s, n) .name = n, .title = "[" s "] " n
#define IN_LAB(field)                                                                              \
	.offset = offsetof(struct lab_conf, machine.field),                                        \
	.size = sizeof(((struct lab_conf *)0)->machine.field)
#define IN_GUEST(field)                                                                            \
	.offset = offsetof(struct lab_guest, machine.field),                                       \
	.size = sizeof(((struct lab_guest *)0)->machine.field)
#define SETTING(n, which)                                                                          \
	{                                                                                          \
		NETWORK, CONF_KIND_TEXT, KEY("network", n),                                        \
			.offset = offsetof(struct lab_network, settings[which]), .size = CONF_TEXT \
	}

const char *const lab_setting_names[LAB_SETTINGS] = {
	[LAB_VLAN] = "vlan",	     [LAB_TRUNK] = "trunk",	    [LAB_NATIVE] = "native",
	[LAB_RESERVED] = "reserved", [LAB_IMPAIR_IN] = "impair_in", [LAB_IMPAIR_OUT] = "impair_out",
};

static const struct conf_key keys[] = {
	{ LAB, CONF_KIND_INPUT, KEY("lab", "kernel"), IN_LAB(kernel) },
	{ LAB, CONF_KIND_INPUT, KEY("lab", "initrd"), IN_LAB(initrd) },
	{ LAB, CONF_KIND_INPUT, KEY("lab", "disk"), IN_LAB(disk) },
	{ LAB, CONF_KIND_TEXT, KEY("lab", "append"), IN_LAB(append) },
	{ LAB, CONF_KIND_CHOICE, KEY("lab", "snapshot"), IN_LAB(snapshot), .standard = "no",
	  .words = { "yes", "no" } },
	{ LAB, CONF_KIND_NUMBER, KEY("lab", "memory"), IN_LAB(memory), .standard = "256", .min = 32,
	  .max = 1048576, .unit = "MB" },
	{ LAB, CONF_KIND_NUMBER, KEY("lab", "cpus"), IN_LAB(cpus), .standard = "1", .min = 1,
	  .max = 255, .unit = "processors" },
	{ LAB, CONF_KIND_WORD, KEY("lab", "accel"), IN_LAB(accel), .standard = "tcg",
	  .words = { "tcg", "kvm", "auto" } },
	{ LAB, CONF_KIND_WORD, KEY("lab", "card"), IN_LAB(card), .standard = "virtio",
	  .words = { "virtio", "e1000", "rtl8139" } },

	{ NETWORK, CONF_KIND_NAME, KEY("network", "instance"),
	  .offset = offsetof(struct lab_network, instance), .size = WIRE_NAME + 1 },
	{ NETWORK, CONF_KIND_CHOICE, KEY("network", "mode"),
	  .offset = offsetof(struct lab_network, wire), .size = sizeof(bool), .standard = "switch",
	  .words = { "wire", "switch" } },
	SETTING("vlan", LAB_VLAN),
	SETTING("trunk", LAB_TRUNK),
	SETTING("native", LAB_NATIVE),
	SETTING("reserved", LAB_RESERVED),
	SETTING("impair_in", LAB_IMPAIR_IN),
	SETTING("impair_out", LAB_IMPAIR_OUT),

	{ GUEST, CONF_KIND_NAMES, KEY("guest", "networks"),
	  .offset = offsetof(struct lab_guest, networks),
	  .size = sizeof(((struct lab_guest *)0)->networks),
	  .count = offsetof(struct lab_guest, n_networks), .mandatory = true,
	  .hint = "the networks that its cards are in, like lan, wan" },
	/* Without these [lab]'s, see inherit(). */
	{ GUEST, CONF_KIND_INPUT, KEY("guest", "kernel"), IN_GUEST(kernel) },
	{ GUEST, CONF_KIND_INPUT, KEY("guest", "initrd"), IN_GUEST(initrd) },
	{ GUEST, CONF_KIND_INPUT, KEY("guest", "disk"), IN_GUEST(disk) },
	{ GUEST, CONF_KIND_TEXT, KEY("guest", "append"), IN_GUEST(append) },
	{ GUEST, CONF_KIND_CHOICE, KEY("guest", "snapshot"), IN_GUEST(snapshot),
	  .words = { "yes", "no" } },
	{ GUEST, CONF_KIND_NUMBER, KEY("guest", "memory"), IN_GUEST(memory), .min = 32,
	  .max = 1048576, .unit = "MB" },
	{ GUEST, CONF_KIND_NUMBER, KEY("guest", "cpus"), IN_GUEST(cpus), .min = 1, .max = 255,
	  .unit = "processors" },
	{ GUEST, CONF_KIND_WORD, KEY("guest", "accel"), IN_GUEST(accel),
	  .words = { "tcg", "kvm", "auto" } },
	{ GUEST, CONF_KIND_WORD, KEY("guest", "card"), IN_GUEST(card),
	  .words = { "virtio", "e1000", "rtl8139" } },
};

_Static_assert(CONF_NAMES == LAB_NICS, "a card a network");
_Static_assert(offsetof(struct lab_network, name) == 0 && offsetof(struct lab_guest, name) == 0,
	       "an object begins with its name");

static const struct conf_section_type sections[] = {
	[LAB] = { .name = "lab" },
	[NETWORK] = { .name = "network",
		      .named = true,
		      .most = LAB_NETWORKS,
		      .list = offsetof(struct lab_conf, networks),
		      .count = offsetof(struct lab_conf, n_networks),
		      .size = sizeof(struct lab_network) },
	[GUEST] = { .name = "guest",
		    .named = true,
		    .most = LAB_GUESTS,
		    .list = offsetof(struct lab_conf, guests),
		    .count = offsetof(struct lab_conf, n_guests),
		    .size = sizeof(struct lab_guest) },
};

static const struct conf_grammar grammar = {
	.sections = sections,
	.n_sections = COUNT_OF(sections),
	.keys = keys,
	.n_keys = COUNT_OF(keys),
	.root_size = sizeof(struct lab_conf),
	.file_max = (size_t)256 * 1024,
	.all = "[lab], [network NAME] and [guest NAME]",
	.foreign = { "site", "bridge", "relay", "peer" },
	.foreign_hint = "only the file of a site or a relay has that; this is a lab's",
	.page = "lanspan-lab(7)",
};

/* --- what must fit together --- */

/* What a guest does not say, [lab] says. */
static void inherit(struct conf_reading *r, size_t section, struct lab_guest *guest)
{
	const struct conf_key *key, *above;

	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		key = &keys[i];
		above = key->section == GUEST ? conf_key_find(&grammar, LAB, key->name) : NULL;
		if (above && !conf_read_entry(r, section, key->name))
			memcpy((char *)guest + key->offset, (char *)r->root + above->offset,
			       key->size);
	}
}

static void check_networks(struct conf_reading *r, size_t section, const struct lab_guest *guest)
{
	const struct conf_entry *e = conf_read_entry(r, section, "networks");

	for (unsigned i = 0; i < guest->n_networks; i++)
		if (!lab_conf_network(r->root, guest->networks[i]))
			conf_report_add(&r->report, e->line,
					"[guest %s] networks: there is no [network %s]",
					guest->name, guest->networks[i]);
}

static unsigned cards_in(const struct lab_conf *c, const char *network)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->n_guests; i++)
		for (unsigned k = 0; k < c->guests[i].n_networks; k++)
			n += strcmp(c->guests[i].networks[k], network) == 0;
	return n;
}

/* A wire has two ends at most, and its bridge process no others. */
static void check_wire(struct conf_reading *r, size_t section, const struct conf_port *port)
{
	const struct lab_conf *c = r->root;
	const struct lab_network *n = &c->networks[r->index.sections[section].slot], *other;
	const struct conf_entry *reserved = conf_read_entry(r, section, "reserved");
	unsigned line = conf_read_entry(r, section, "mode")->line;

	if (reserved && port->reserved == CONF_RESERVED_DROP)
		conf_report_add(&r->report, reserved->line,
				"[network %s] reserved: with mode = wire, where every frame passes "
				"as it is: leave it out",
				n->name);
	if (cards_in(c, n->name) > 2)
		conf_report_add(&r->report, line,
				"[network %s] mode: a wire has two ends, and %u cards are in it",
				n->name, cards_in(c, n->name));
	for (other = c->networks; other < c->networks + c->n_networks; other++)
		if (other != n && strcmp(other->instance, n->instance) == 0)
			conf_report_add(&r->report, line,
					"[network %s] mode: a wire is a bridge process of its own, "
					"and that of [network %s] is the same: must have another "
					"instance",
					n->name, other->name);
}

/* What its ports will be told, as a [port NAME] would have it. */
static void check_network(struct conf_reading *r, size_t section)
{
	const struct conf_section *s = &r->index.sections[section];
	const struct lab_conf *c = r->root;
	struct conf_place place = { .report = &r->report };
	struct conf_port port = { 0 };
	const struct conf_entry *e;
	char title[CONF_TITLE];

	place.section = conf_section_title(r->grammar, s, title);
	for (unsigned i = 0; i < LAB_SETTINGS; i++) {
		e = conf_read_entry(r, section, lab_setting_names[i]);
		if (!e || !c->networks[s->slot].settings[i][0])
			continue;
		place.line = e->line;
		place.key = conf_key_find(&conf_site_grammar, CONF_PORT, lab_setting_names[i]);
		conf_value_set(&place, &port, c->networks[s->slot].settings[i]);
	}
	conf_check_vlans(r, section, &port.vlans, c->networks[s->slot].wire);
	if (c->networks[s->slot].wire)
		check_wire(r, section, &port);
}

/* Here or in [lab], be it wrong: then it was told of already, and is as good as there. */
static bool says(const struct conf_reading *r, size_t section, const char *name)
{
	return conf_read_entry(r, section, name) || conf_read_line(r, LAB, name);
}

/* One of the two ways to boot, and what belongs to it. */
static void check_boot(struct conf_reading *r, size_t section, const struct lab_guest *guest)
{
	const struct lab_machine *m = &guest->machine;
	unsigned line = r->index.sections[section].line;
	bool kernel = says(r, section, "kernel"), disk = says(r, section, "disk");

	if (!kernel && !disk)
		conf_report_add(
			&r->report, line,
			"[guest %s] nothing to boot: must have a kernel or a disk, here or in "
			"[lab]",
			guest->name);
	if (!kernel && (m->initrd[0] || m->append[0]))
		conf_report_add(&r->report, line,
				"[guest %s] initrd and append: only with a kernel", guest->name);
	if (m->snapshot && !disk)
		conf_report_add(&r->report, line, "[guest %s] snapshot: only with a disk",
				guest->name);
}

static void check_guest(struct conf_reading *r, size_t section)
{
	const struct conf_section *s = &r->index.sections[section];
	struct lab_conf *c = r->root;
	struct lab_guest *guest = &c->guests[s->slot];

	inherit(r, section, guest);
	check_networks(r, section, guest);
	check_boot(r, section, guest);
	if (strlen(guest->name) > LAB_NAME)
		conf_report_add(&r->report, s->line,
				"[guest %s] the name is too long: its ports add two to it, and may "
				"have %d",
				guest->name, WIRE_NAME);
}

/* A file that does not say [lab] has its defaults all the same. */
static void set_defaults(struct lab_machine *m)
{
	m->memory = m->memory ? m->memory : 256;
	m->cpus = m->cpus ? m->cpus : 1;
	m->accel = m->accel ? m->accel : LAB_TCG;
	m->card = m->card ? m->card : LAB_VIRTIO;
}

static void check_together(struct conf_reading *r)
{
	struct lab_conf *c = r->root;
	const struct conf_section *s;

	set_defaults(&c->machine);
	for (size_t i = 0; i < r->index.n_sections; i++) {
		s = &r->index.sections[i];
		if (s->kind == NETWORK && !s->spare)
			check_network(r, i);
		if (s->kind == GUEST && !s->spare)
			check_guest(r, i);
	}
	if (c->n_guests == 0)
		conf_report_add(&r->report, 0, "[guest NAME]: missing: a lab has one at least");
}

/* --- the door --- */

CONF_ROOT(struct lab_conf);

struct lab_conf *lab_conf_load(const char *file, struct conf_errors *errors)
{
	struct conf_reading r = { .grammar = &grammar, .report.file = file };
	struct lab_conf *conf = calloc(1, sizeof(*conf));

	r.root = conf;
	if (conf_read_file(&r, check_together, errors))
		return conf;
	free(conf);
	return NULL;
}

void lab_conf_free(struct lab_conf *conf)
{
	free(conf);
}

/* 1: a section that only a lab's file has, -1: only another's, 0: neither. */
static int kind_of_section(const char *word, bool named)
{
	(void)named;
	if (strcmp(word, sections[LAB].name) == 0 || strcmp(word, sections[GUEST].name) == 0)
		return 1;
	for (size_t i = 0; i < COUNT_OF(grammar.foreign); i++) {
		if (strcmp(word, grammar.foreign[i]) == 0)
			return -1;
	}
	return 0;
}

bool lab_conf_is(const char *file)
{
	return conf_index_kind(file, grammar.file_max, kind_of_section) > 0;
}

const struct lab_network *lab_conf_network(const struct lab_conf *conf, const char *name)
{
	for (unsigned i = 0; i < conf->n_networks; i++)
		if (strcmp(conf->networks[i].name, name) == 0)
			return &conf->networks[i];
	return NULL;
}
