/* SPDX-License-Identifier: MIT */
/* A relay's file: what it may hold, and what its keys must be to each other.
 * conf_read.c tells how files are read. */
#include "app/relay_conf.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "conf_parts.h"
#include "core/identity.h"

enum { RELAY, NETWORK };

#define KEY(s, n) .name = n, .title = "[" s "] " n
#define IN_RELAY(field)                                                                            \
	.offset = offsetof(struct relay_conf, field),                                              \
	.size = sizeof(((struct relay_conf *)0)->field)
#define IN_NETWORK(field)                                                                          \
	.offset = offsetof(struct relay_conf_network, field),                                      \
	.size = sizeof(((struct relay_conf_network *)0)->field)

static const struct conf_key keys[] = {
	/* Without it the file's name, see set_name(). */
	{ RELAY, CONF_KIND_NAME, KEY("relay", "name"), IN_RELAY(name) },
	{ RELAY, CONF_KIND_KEY_FILE, KEY("relay", "key_file"), IN_RELAY(private_key),
	  .mandatory = true, .hint = "the file that lanspan keygen wrote" },
	{ RELAY, CONF_KIND_LISTEN, KEY("relay", "listen"), IN_RELAY(listen),
	  .count = offsetof(struct relay_conf, n_listen), .standard = "0.0.0.0:7741, [::]:7741" },
	{ RELAY, CONF_KIND_LISTEN, KEY("relay", "listen_tls"), IN_RELAY(listen_tls),
	  .count = offsetof(struct relay_conf, n_listen_tls), .port = CONF_TLS_PORT },
	{ RELAY, CONF_KIND_CHOICE, KEY("relay", "access"), IN_RELAY(open), .standard = "configured",
	  .words = { "open", "configured" } },
	{ RELAY, CONF_KIND_NUMBER, KEY("relay", "members"), IN_RELAY(max_members),
	  .standard = "10000", .min = 1, .max = 100000, .unit = "sites" },
	{ RELAY, CONF_KIND_NUMBER, KEY("relay", "timeout"), IN_RELAY(timeout), .standard = "60",
	  .min = 10, .max = 3600, .unit = "seconds" },
	{ RELAY, CONF_KIND_LOG, KEY("relay", "log"), IN_RELAY(log), .standard = "info",
	  .live = true },
	{ RELAY, CONF_KIND_CHOICE, KEY("relay", "engine"), IN_RELAY(any_engine), .standard = "auto",
	  .words = { "auto", "openssl" } },
	{ RELAY, CONF_KIND_NUMBER, KEY("relay", "network_members"), IN_RELAY(limits.members),
	  .standard = "256", .min = 1, .max = 4096, .unit = "sites" },
	{ RELAY, CONF_KIND_NUMBER, KEY("relay", "site_packets"), IN_RELAY(limits.site_packets),
	  .standard = "0", .min = 0, .max = 1000000000, .unit = "packets a second" },
	{ RELAY, CONF_KIND_LARGE, KEY("relay", "site_bytes"), IN_RELAY(limits.site_bytes),
	  .standard = "0", .min = 0, .max = 1000000000000, .unit = "bytes a second" },
	{ RELAY, CONF_KIND_NUMBER, KEY("relay", "network_packets"),
	  IN_RELAY(limits.network_packets), .standard = "0", .min = 0, .max = 1000000000,
	  .unit = "packets a second" },
	{ RELAY, CONF_KIND_LARGE, KEY("relay", "network_bytes"), IN_RELAY(limits.network_bytes),
	  .standard = "0", .min = 0, .max = 1000000000000, .unit = "bytes a second" },

	{ NETWORK, CONF_KIND_WORD, KEY("network", "access"), IN_NETWORK(access_word),
	  .mandatory = true, .hint = "open, list or secret", .live = true,
	  .words = { "open", "list", "secret" } },
	{ NETWORK, CONF_KIND_KEY_FILE, KEY("network", "secret_file"), IN_NETWORK(secret),
	  .live = true },
	{ NETWORK, CONF_KIND_KEYS, KEY("network", "members"), IN_NETWORK(members), .live = true },
	{ NETWORK, CONF_KIND_KEYS_FILE, KEY("network", "members_file"), IN_NETWORK(members),
	  .live = true },
	/* Without these [relay]'s, see inherit(). */
	{ NETWORK, CONF_KIND_NUMBER, KEY("network", "network_members"), IN_NETWORK(limits.members),
	  .min = 1, .max = 4096, .unit = "sites", .live = true },
	{ NETWORK, CONF_KIND_NUMBER, KEY("network", "site_packets"),
	  IN_NETWORK(limits.site_packets), .min = 0, .max = 1000000000, .unit = "packets a second",
	  .live = true },
	{ NETWORK, CONF_KIND_LARGE, KEY("network", "site_bytes"), IN_NETWORK(limits.site_bytes),
	  .min = 0, .max = 1000000000000, .unit = "bytes a second", .live = true },
	{ NETWORK, CONF_KIND_NUMBER, KEY("network", "network_packets"),
	  IN_NETWORK(limits.network_packets), .min = 0, .max = 1000000000,
	  .unit = "packets a second", .live = true },
	{ NETWORK, CONF_KIND_LARGE, KEY("network", "network_bytes"),
	  IN_NETWORK(limits.network_bytes), .min = 0, .max = 1000000000000,
	  .unit = "bytes a second", .live = true },
};

_Static_assert(WIRE_MEMBERS_MAX == 4096, "the range of network_members");
_Static_assert(RELAY_OPEN == 0 && RELAY_LIST == 1 && RELAY_SECRET == 2, "the words of access");
_Static_assert(offsetof(struct relay_conf_network, name) == 0, "an object begins with its name");

static const struct conf_section_type sections[] = {
	[RELAY] = { .name = "relay" },
	[NETWORK] = { .name = "network",
		      .named = true,
		      .most = RELAY_NETWORKS,
		      .list = offsetof(struct relay_conf, networks),
		      .count = offsetof(struct relay_conf, n_networks),
		      .size = sizeof(struct relay_conf_network) },
};

static const struct conf_grammar grammar = {
	.sections = sections,
	.n_sections = COUNT_OF(sections),
	.keys = keys,
	.n_keys = COUNT_OF(keys),
	.root_size = sizeof(struct relay_conf),
	.file_max = (size_t)1024 * 1024,
	.all = "[relay] and [network NAME]",
	.foreign = { "site", "bridge" },
	.foreign_hint = "only the file of a site has that, for lanspan-bridge; this is a relay's",
	.page = "lanspan.conf(5)",
};

/* --- what must fit together --- */

/* Instances may be called by more letters than names have. */
static void set_name(struct conf_reading *r)
{
	struct relay_conf *c = r->root;

	if (conf_read_line(r, RELAY, "name") || !c->instance[0])
		return;
	if (conf_name_valid(c->instance))
		memcpy(c->name, c->instance, sizeof(c->name));
	else
		conf_report_add(&r->report, 0,
				"[relay] name: missing, and the file's name is none: must be 1 to "
				"%d of a-z 0-9 . _ -",
				WIRE_NAME);
}

static void check_own_key(struct conf_reading *r)
{
	struct relay_conf *c = r->root;

	if (!bytes_all_zero(c->private_key, KEX_KEY) && !kex_public(c->public_key, c->private_key))
		conf_report_add(&r->report, conf_read_line(r, RELAY, "key_file"),
				"[relay] key_file: no public key can be made of it");
}

/* What a network does not say, [relay] says. */
static void inherit(struct conf_reading *r, size_t section, struct relay_conf_network *network)
{
	const struct conf_key *key, *above;

	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		key = &keys[i];
		above = key->section == NETWORK ? conf_key_find(&grammar, RELAY, key->name) : NULL;
		if (!above || above->kind != key->kind || conf_read_entry(r, section, key->name))
			continue;
		memcpy((char *)network + key->offset, (char *)r->root + above->offset, key->size);
	}
}

/* A key that is only for another access than the network has. */
static void refuse_key(struct conf_reading *r, size_t section, const char *name, const char *access)
{
	const struct conf_entry *e = conf_read_entry(r, section, name);

	if (e)
		conf_report_add(&r->report, e->line,
				"[network %s] %s: only for access = %s: change the one or take "
				"away the other",
				r->index.sections[section].name, name, access);
}

static void require_key(struct conf_reading *r, size_t section, const char *access,
			const char *first, const char *second)
{
	if (!conf_read_entry(r, section, first) &&
	    (!second || !conf_read_entry(r, section, second)))
		conf_report_add(&r->report, conf_read_entry(r, section, "access")->line,
				"[network %s] access: %s: must come with %s%s%s",
				r->index.sections[section].name, access, first,
				second ? " or " : "", second ? second : "");
}

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, KEX_KEY);
}

/* Sorts the list on the way. */
static void check_members(struct conf_reading *r, size_t section, struct conf_key_list *list)
{
	const struct conf_entry *e = conf_read_entry(r, section, "members_file");
	char text[IDENTITY_ID_TEXT];
	uint8_t id[IDENTITY_ID];

	if (!e)
		e = conf_read_entry(r, section, "members");
	if (list->n > 1)
		qsort(list->keys, list->n, KEX_KEY, by_key);
	for (size_t i = 1; i < list->n; i++) {
		if (by_key(list->keys[i - 1], list->keys[i]) != 0)
			continue;
		identity_id(id, list->keys[i]);
		bytes_to_hex(text, id, sizeof(id));
		conf_report_add(&r->report, e->line,
				"[network %s] %s: the key of site id %s is there twice",
				r->index.sections[section].name, e->key->name, text);
	}
}

static void check_secret(struct conf_reading *r, size_t section,
			 const struct relay_conf_network *network)
{
	const struct relay_conf *c = r->root;

	if (!bytes_all_zero(network->secret, KEX_KEY) &&
	    memcmp(network->secret, c->private_key, KEX_KEY) == 0)
		conf_report_add(&r->report, conf_read_entry(r, section, "secret_file")->line,
				"[network %s] secret_file: holds the relay's private key, which "
				"sites must never have: must be what lanspan secret wrote",
				network->name);
}

static void check_network(struct conf_reading *r, size_t section)
{
	struct relay_conf *c = r->root;
	struct relay_conf_network *network = &c->networks[r->index.sections[section].slot];

	inherit(r, section, network);
	check_members(r, section, &network->members);
	check_secret(r, section, network);
	if (!network->access_word)
		return; /* an error already */
	network->access = (enum relay_access)(network->access_word - 1);
	if (network->access == RELAY_SECRET)
		require_key(r, section, "secret", "secret_file", NULL);
	else
		refuse_key(r, section, "secret_file", "secret");
	if (network->access == RELAY_LIST) {
		require_key(r, section, "list", "members", "members_file");
		return;
	}
	refuse_key(r, section, "members", "list");
	refuse_key(r, section, "members_file", "list");
}

static void check_together(struct conf_reading *r)
{
	const struct conf_section *s;

	set_name(r);
	check_own_key(r);
	for (size_t i = 0; i < r->index.n_sections; i++) {
		s = &r->index.sections[i];
		if (s->kind == NETWORK && !s->spare)
			check_network(r, i);
	}
}

/* --- the door --- */

CONF_ROOT(struct relay_conf);

struct relay_conf *relay_conf_load(const char *file, struct conf_errors *errors)
{
	struct conf_reading r = { .grammar = &grammar, .report.file = file };
	struct relay_conf *conf = calloc(1, sizeof(*conf));

	r.root = conf;
	if (conf_read_file(&r, check_together, errors))
		return conf;
	relay_conf_free(conf);
	return NULL;
}

void relay_conf_free(struct relay_conf *conf)
{
	if (!conf)
		return;
	bytes_wipe(conf->private_key, KEX_KEY);
	for (unsigned i = 0; i < conf->n_networks; i++) {
		bytes_wipe(conf->networks[i].secret, KEX_KEY);
		conf_key_list_free(&conf->networks[i].members);
	}
	free(conf);
}

struct relay_conf_network *relay_conf_find(struct relay_conf *conf, const char *network)
{
	for (unsigned i = 0; i < conf->n_networks; i++)
		if (strcmp(conf->networks[i].name, network) == 0)
			return &conf->networks[i];
	return NULL;
}

bool relay_conf_change_is_live(const struct relay_conf *a, const struct relay_conf *b,
			       struct conf_errors *errors)
{
	return conf_change_allowed(&grammar, b->file, a, b, errors);
}

void relay_conf_changes(const struct relay_conf *a, const struct relay_conf *b,
			struct conf_changes *out)
{
	conf_change_tell(&grammar, a, b, out);
}

/* --- which kind of file --- */

/* 1: a section that only a relay's file has, -1: only a site's, 0: neither. */
static int kind_of_section(const char *word, bool named)
{
	if (strcmp(word, "relay") == 0 && !named)
		return 1;
	if (strcmp(word, "network") == 0)
		return named;
	return strcmp(word, "site") == 0 || strcmp(word, "bridge") == 0 ? -1 : 0;
}

bool relay_conf_is(const char *file)
{
	return conf_index_kind(file, grammar.file_max, kind_of_section) > 0;
}
