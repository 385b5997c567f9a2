/* SPDX-License-Identifier: MIT */
/* A site's file: what its keys must be to each other.  conf_read.c tells how
 * files are read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "conf_parts.h"

static unsigned count_sections(const struct conf_reading *r, unsigned kind)
{
	unsigned n = 0;

	for (size_t i = 0; i < r->index.n_sections; i++)
		n += r->index.sections[i].kind == kind;
	return n;
}

/* What says how the TAP is, and there is none. */
static void check_without_tap(struct conf_reading *r)
{
	static const char *const of_tap[] = { "bridge", "create", "offload",   "gro",	    "vlan",
					      "trunk",	"native", "impair_in", "impair_out" };
	unsigned line;

	for (size_t i = 0; i < COUNT_OF(of_tap); i++) {
		line = conf_read_line(r, CONF_BRIDGE, of_tap[i]);
		if (line)
			conf_report_add(&r->report, line,
					"[bridge] %s: of a TAP, but tap is missing: must come with "
					"tap = NAME, or be left out",
					of_tap[i]);
	}
}

static void check_tap(struct conf_reading *r)
{
	const struct conf *c = r->root;
	unsigned line = 0;

	if (conf_read_line(r, CONF_BRIDGE, "tap"))
		return;
	if (count_sections(r, CONF_PORT) || c->wire) {
		check_without_tap(r);
		return;
	}
	for (size_t i = 0; i < r->index.n_sections && !line; i++)
		line = r->index.sections[i].kind == CONF_BRIDGE ? r->index.sections[i].line : 0;
	conf_report_add(&r->report, line,
			"[bridge] tap: missing: must be a name for the interface, "
			"like span0, where there is no [port NAME]");
}

const char *conf_wire_fault(const struct conf *conf, unsigned locals, unsigned peers, char out[200])
{
	if (!conf->wire)
		return NULL;
	snprintf(out, 200,
		 "a wire joins exactly two ports, and here are %u of this site and %u "
		 "peers: must be two of this site, or one and one [peer NAME], or none where they "
		 "come by command",
		 locals, peers);
	if (conf->trust_secret)
		return "a wire has one far end: must not come with trust = secret";
	if (!locals)
		return peers < 2 ? NULL : out;
	return locals + peers == 2 ? NULL : out;
}

static void check_mode(struct conf_reading *r)
{
	const struct conf *c = r->root;
	char text[200];
	const char *fault = conf_wire_fault(c, c->n_ports + (c->tap[0] != '\0'), c->n_peers, text);

	if (fault && conf_report_clean(&r->report))
		conf_report_add(&r->report, conf_read_line(r, CONF_BRIDGE, "mode"),
				"[bridge] mode: %s", fault);
}

/* What a switch does and a wire does not, where the file asks for it. */
static void check_wire(struct conf_reading *r)
{
	static const char passes[] = "every frame passes as it is", learns[] = "nothing is learned";
	struct conf *c = r->root;
	const struct {
		const char *name, *where;
		bool asked;
	} keys[] = { { "reserved", passes, !c->reserved_pass },
		     { "mss_clamp", passes, c->mss_clamp != CONF_MSS_OFF },
		     { "learning", learns, c->learning },
		     { "ageing", learns, true },
		     { "macs", learns, true },
		     { "mac_quota", learns, true },
		     { "broadcast", "there is one far end", c->broadcast != CONF_BROADCAST_AUTO } };

	if (!c->wire)
		return;
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		unsigned line = conf_read_line(r, CONF_BRIDGE, keys[i].name);

		if (line && keys[i].asked)
			conf_report_add(&r->report, line,
					"[bridge] %s: with mode = wire, where %s: leave it out",
					keys[i].name, keys[i].where);
	}
	c->reserved_pass = true;
	c->learning = false;
}

static void check_bridge(struct conf_reading *r)
{
	struct conf *c = r->root;

	check_tap(r);
	if (c->create && !conf_read_line(r, CONF_BRIDGE, "bridge"))
		conf_report_add(&r->report, conf_read_line(r, CONF_BRIDGE, "create"),
				"[bridge] create: yes, but no bridge is named: must come with "
				"bridge = NAME");
	if (c->gro && c->tap[0] && !conf_read_line(r, CONF_BRIDGE, "bridge"))
		conf_report_add(&r->report, conf_read_line(r, CONF_BRIDGE, "gro"),
				"[bridge] gro: on, but no bridge is named whose ports it would be "
				"for: must come with bridge = NAME");
	if (c->bridge[0] && strcmp(c->bridge, c->tap) == 0)
		conf_report_add(&r->report, conf_read_line(r, CONF_BRIDGE, "bridge"),
				"[bridge] bridge: \"%s\" is the tap: must be another interface",
				c->bridge);
	if (c->macs && c->mac_quota > c->macs)
		conf_report_add(&r->report, conf_read_line(r, CONF_BRIDGE, "mac_quota"),
				"[bridge] mac_quota: %u is more than macs: must be at most %u",
				c->mac_quota, c->macs);
	if (!c->mac_quota)
		c->mac_quota = c->macs / 2;
	check_wire(r);
}

static bool own_key(struct conf_reading *r)
{
	struct conf *c = r->root;

	if (bytes_all_zero(c->private_key, KEX_KEY))
		return false;
	if (kex_public(c->public_key, c->private_key))
		return true;
	conf_report_add(&r->report, conf_read_line(r, CONF_SITE, "key_file"),
			"[site] key_file: no public key can be made of it");
	return false;
}

/* The earlier peer with the same key. */
static const struct conf_section *same_key(const struct conf_reading *r, size_t section)
{
	const struct conf_section *s = &r->index.sections[section], *t;
	const struct conf *c = r->root;
	const struct conf_peer *peers = c->peers;

	for (size_t i = 0; i < section; i++) {
		t = &r->index.sections[i];
		if (t->kind == CONF_PEER && !t->spare &&
		    memcmp(peers[t->slot].public_key, peers[s->slot].public_key, KEX_KEY) == 0)
			return t;
	}
	return NULL;
}

static void check_peer(struct conf_reading *r, size_t section, bool have_own)
{
	const struct conf_section *s = &r->index.sections[section], *twin;
	const struct conf *c = r->root;
	const struct conf_peer *peer = &c->peers[s->slot];
	const struct conf_entry *e = conf_read_entry(r, section, "public_key");

	if (strcmp(peer->name, c->site) == 0)
		conf_report_add(&r->report, s->line,
				"[peer %s]: this site's own name: must be another site's", s->name);
	if (!e || bytes_all_zero(peer->public_key, KEX_KEY))
		return;
	if (have_own && memcmp(peer->public_key, c->public_key, KEX_KEY) == 0)
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

/* A relay is no peer, and no two relays are the same. */
static void check_relay(struct conf_reading *r, size_t section)
{
	const struct conf_section *s = &r->index.sections[section];
	const struct conf_entry *e = conf_read_entry(r, section, "public_key");
	const struct conf *c = r->root;
	const struct conf_peer *relay = &c->relays[s->slot];

	if (c->has_secret && memcmp(relay->secret, c->secret, KEX_KEY) == 0)
		conf_report_add(&r->report, conf_read_entry(r, section, "secret_file")->line,
				"[relay %s] secret_file: the secret of [network], which the relay "
				"must not know: must be the access secret that the relay has for "
				"this network",
				s->name);
	if (!e || bytes_all_zero(relay->public_key, KEX_KEY))
		return;
	for (unsigned i = 0; i < s->slot; i++) {
		if (memcmp(c->relays[i].public_key, relay->public_key, KEX_KEY) == 0)
			conf_report_add(
				&r->report, e->line,
				"[relay %s] public_key: the key of [relay %s], too: must be a "
				"key of its own",
				s->name, c->relays[i].name);
	}
	for (unsigned i = 0; i < c->n_peers; i++) {
		if (memcmp(c->peers[i].public_key, relay->public_key, KEX_KEY) == 0)
			conf_report_add(
				&r->report, e->line,
				"[relay %s] public_key: the key of [peer %s], too: must be the "
				"relay's own",
				s->name, c->peers[i].name);
	}
	if (memcmp(relay->public_key, c->public_key, KEX_KEY) == 0)
		conf_report_add(&r->report, e->line,
				"[relay %s] public_key: this site's own key: must be the relay's",
				s->name);
}

static void check_trust(struct conf_reading *r)
{
	const struct conf *c = r->root;

	if (c->trust_secret && !conf_read_line(r, CONF_NETWORK, "secret_file"))
		conf_report_add(&r->report, conf_read_line(r, CONF_NETWORK, "trust"),
				"[network] trust: secret, but there is none: must come with "
				"secret_file = FILE");
}

static void check_together(struct conf_reading *r)
{
	const struct conf_section *s;
	bool have_own = own_key(r);
	struct conf *c = r->root;

	c->has_secret = !bytes_all_zero(c->secret, KEX_KEY);
	if (have_own && memcmp(c->secret, c->private_key, KEX_KEY) == 0)
		conf_report_add(&r->report, conf_read_line(r, CONF_NETWORK, "secret_file"),
				"[network] secret_file: holds this site's private key, which other "
				"sites must never have: must be what lanspan secret wrote");
	check_bridge(r);
	check_trust(r);
	for (size_t i = 0; i < r->index.n_sections; i++) {
		s = &r->index.sections[i];
		if (s->kind == CONF_BRIDGE && !s->spare)
			conf_check_vlans(r, i, &c->vlans, c->wire);
		if (s->kind == CONF_PEER && !s->spare)
			check_peer(r, i, have_own);
		if (s->kind == CONF_RELAY && !s->spare)
			check_relay(r, i);
		if (s->kind == CONF_PORT && !s->spare)
			conf_check_port(r, i);
	}
	check_mode(r);
}

CONF_ROOT(struct conf);

struct conf *conf_load(const char *file, struct conf_errors *errors)
{
	struct conf_reading r = { .grammar = &conf_site_grammar, .report.file = file };
	struct conf *conf = calloc(1, sizeof(*conf));

	r.root = conf;
	if (conf_read_file(&r, check_together, errors))
		return conf;
	conf_free(conf);
	return NULL;
}

void conf_free(struct conf *conf)
{
	if (!conf)
		return;
	bytes_wipe(conf->secret, sizeof(conf->secret));
	bytes_wipe(conf->private_key, sizeof(conf->private_key));
	bytes_wipe(conf->relays, sizeof(conf->relays));
	free(conf);
}

bool conf_change_is_live(const struct conf *a, const struct conf *b, struct conf_errors *errors)
{
	return conf_change_allowed(&conf_site_grammar, b->file, a, b, errors);
}

void conf_changes(const struct conf *a, const struct conf *b, struct conf_changes *out)
{
	conf_change_tell(&conf_site_grammar, a, b, out);
}
