/* SPDX-License-Identifier: MIT */
/* What the values of a port must be to each other, and ports to each other. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "conf_parts.h"
#include "host/ctlsock.h"

/* Which kinds a key goes with; what it must be there for. */
#define OF(kind) (1u << (kind))
#define ANY (~0u)
#define DATAGRAMS (OF(CONF_PORT_QEMU) | OF(CONF_PORT_VBOX) | OF(CONF_PORT_UBRIDGE))
#define DEVICES (OF(CONF_PORT_NIC) | OF(CONF_PORT_TAP))

static const struct {
	const char *key;
	unsigned goes, needs;
} uses[] = {
	{ "transport", OF(CONF_PORT_QEMU), 0 },
	{ "local", DATAGRAMS, OF(CONF_PORT_VBOX) | OF(CONF_PORT_UBRIDGE) },
	{ "remote", DATAGRAMS, OF(CONF_PORT_VBOX) | OF(CONF_PORT_UBRIDGE) },
	{ "interface", DEVICES, DEVICES },
	{ "bridge", OF(CONF_PORT_TAP), 0 },
	{ "create", OF(CONF_PORT_TAP), 0 },
	{ "mtu", OF(CONF_PORT_TAP), 0 },
	{ "offload", OF(CONF_PORT_TAP), 0 },
	{ "qmp", OF(CONF_PORT_QEMU), 0 },
	{ "qmp_netdev", OF(CONF_PORT_QEMU), 0 },
};

static const char *const kinds[] = { NULL, "qemu", "vbox", "ubridge", "tap", "nic" };

const char *conf_port_kind_name(unsigned kind)
{
	return kinds[kind];
}

/* The section at hand. */
struct check {
	struct conf_reading *r;
	size_t section;
	const struct conf_port *port;
};

static unsigned line_of(const struct check *c, const char *key)
{
	const struct conf_entry *e = conf_read_entry(c->r, c->section, key);

	return e ? e->line : 0;
}

#define COMPLAIN(c, key, ...)                                                                      \
	complain(c, line_of(c, key) ? line_of(c, key) : c->r->index.sections[c->section].line,     \
		 key, __VA_ARGS__)

static void complain(const struct check *c, unsigned line, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void complain(const struct check *c, unsigned line, const char *key, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conf_report_add(&c->r->report, line, "[port %s] %s: %s", c->port->name, key, text);
}

static void check_uses(const struct check *c)
{
	unsigned kind = OF(c->port->kind);

	for (unsigned i = 0; i < COUNT_OF(uses); i++) {
		bool there = line_of(c, uses[i].key);

		if (there && !(uses[i].goes & kind))
			COMPLAIN(c, uses[i].key, "does not go with kind = %s: leave it out",
				 kinds[c->port->kind]);
		if (!there && (uses[i].needs & kind))
			COMPLAIN(c, uses[i].key, "missing: kind = %s needs it",
				 kinds[c->port->kind]);
	}
}

static bool is_path(const struct labend *end)
{
	return end->path[0];
}

static void check_pair(const struct check *c)
{
	const struct labend *local = &c->port->local, *remote = &c->port->remote;

	if (is_path(local) != is_path(remote))
		COMPLAIN(c, "remote",
			 "one end is a path and the other is not: must be two of a kind");
	else if (conf_end_equal(local, remote))
		COMPLAIN(c, "remote", "the same as local: must be where the other end is");
	else if (!is_path(local) && local->addr.family != remote->addr.family)
		COMPLAIN(c, "remote", "IPv4 and IPv6 do not go together: must be two of a kind");
}

static bool is_host(const struct addr *a)
{
	static const uint8_t nobody[16];
	bool ipv4 = a->family == ADDR_IPV4;

	if (memcmp(a->ip, nobody, sizeof(nobody)) == 0)
		return false;
	return ipv4 ? a->ip[0] < 224 : a->ip[0] != 0xff;
}

/* Nothing would ever come from there. */
static void check_far(const struct check *c)
{
	const struct conf_port *p = c->port;
	bool listens = p->transport == CONF_PORT_STREAM && line_of(c, "local");
	char text[CONF_END_TEXT];

	if (p->kind == CONF_PORT_VBOX) {
		if (is_path(&p->local))
			COMPLAIN(c, "local",
				 "VirtualBox has UDP only: must be like 127.0.0.1:10001");
		if (is_path(&p->remote))
			COMPLAIN(c, "remote",
				 "VirtualBox has UDP only: must be like 127.0.0.1:10002");
	}
	if (!conf_end_is_set(&p->remote) || is_path(&p->remote))
		return;
	if (!is_host(&p->remote.addr))
		COMPLAIN(c, "remote",
			 "\"%s\" is no address of a host: must be where the far end is",
			 conf_end_format(&p->remote, text));
	if (!p->remote.addr.port && !listens)
		COMPLAIN(c, "remote", "\"%s\" has no port: must be like 127.0.0.1:10002",
			 conf_end_format(&p->remote, text));
}

/* Every such socket there is somebody's control socket, for the command. */
static void check_place(const struct check *c)
{
	const char *path = c->port->local.path, *name = strrchr(path, '/'), *dot;
	char folder[sizeof(c->port->local.path)];
	size_t len = name ? (size_t)(name - path) : 0;

	if (!name || !ctlsock_folder(folder, sizeof(folder)) || strlen(folder) != len ||
	    memcmp(folder, path, len) != 0)
		return;
	dot = strrchr(name, '.');
	if (dot && strcmp(dot, ".sock") == 0)
		COMPLAIN(c, "local",
			 "\"%s\" would be a control socket, which end in .sock in that folder: "
			 "must be another, like unix:%.*s.port",
			 path, (int)(dot - path), path);
}

static void check_ends(const struct check *c)
{
	const struct conf_port *p = c->port;
	bool local = line_of(c, "local"), remote = line_of(c, "remote");
	bool both = conf_end_is_set(&p->local) && conf_end_is_set(&p->remote);

	if (p->kind == CONF_PORT_QEMU && p->transport == CONF_PORT_STREAM) {
		if (!local && !remote)
			COMPLAIN(c, "local",
				 "missing: a stream needs local to listen at, or remote "
				 "to connect to");
		else if (local && !remote && conf_end_is_set(&p->local) && !is_path(&p->local))
			COMPLAIN(c, "remote",
				 "missing: must be the one address that connections "
				 "are taken from");
	} else if (p->kind == CONF_PORT_QEMU && (!local || !remote)) {
		COMPLAIN(c, local ? "remote" : "local",
			 "missing: transport = dgram needs local and "
			 "remote");
	}
	if (both && p->transport != CONF_PORT_STREAM)
		check_pair(c);
	check_place(c);
}

static void check_qmp(const struct check *c)
{
	if (c->port->qmp.addr.family != ADDR_NONE)
		COMPLAIN(c, "qmp", "must be a path, like unix:/run/lab/a.qmp");
	if (!line_of(c, "qmp") != !line_of(c, "qmp_netdev"))
		COMPLAIN(c, line_of(c, "qmp") ? "qmp_netdev" : "qmp",
			 "missing: qmp and qmp_netdev go together");
}

static bool is_stream(const struct conf_port *p)
{
	return p->kind == CONF_PORT_QEMU && p->transport == CONF_PORT_STREAM;
}

static bool same_name(const char *a, const char *b)
{
	return a[0] && strcmp(a, b) == 0;
}

/* owner: of what is held already, "[port a]". */
static struct conf_clash clash(const struct conf_port *p, const struct conf_port *other,
			       const char *owner)
{
	static const char round[] = "and frames would go round for ever: must be another";
	struct conf_clash c = { 0 };

	if (same_name(p->interface, other->interface)) {
		c.key = "interface";
		snprintf(c.why, sizeof(c.why), "\"%s\" is that of %s: must be another",
			 p->interface, owner);
	} else if (p->kind == CONF_PORT_NIC && same_name(p->interface, other->bridge)) {
		c.key = "interface";
		snprintf(c.why, sizeof(c.why), "\"%s\" is the bridge of %s, %s", p->interface,
			 owner, round);
	} else if (other->kind == CONF_PORT_NIC && same_name(p->bridge, other->interface)) {
		c.key = "bridge";
		snprintf(c.why, sizeof(c.why), "\"%s\" is the NIC of %s, %s", p->bridge, owner,
			 round);
	} else if (same_name(p->bridge, other->bridge)) {
		c.key = "bridge";
		snprintf(c.why, sizeof(c.why), "\"%s\" is the bridge of %s, %s", p->bridge, owner,
			 round);
	} else if (conf_end_is_set(&p->local) && conf_end_equal(&p->local, &other->local) &&
		   is_stream(p) == is_stream(other)) {
		c.key = "local";
		snprintf(c.why, sizeof(c.why), "that of %s: must be another", owner);
	}
	return c;
}

struct conf_clash conf_port_clash(const struct conf_port *port, const struct conf_port *other)
{
	char owner[CONF_TITLE + 2];

	snprintf(owner, sizeof(owner), "[port %.*s]", WIRE_NAME, other->name);
	return clash(port, other, owner);
}

struct conf_clash conf_port_clash_tap(const struct conf_port *port, const struct conf *conf)
{
	struct conf_port tap = { .kind = CONF_PORT_TAP };

	memcpy(tap.interface, conf->tap, sizeof(tap.interface));
	memcpy(tap.bridge, conf->bridge, sizeof(tap.bridge));
	return clash(port, &tap, "the TAP of [bridge]");
}

static void check_clash(const struct check *c, const struct conf_clash *clash)
{
	if (clash->key)
		COMPLAIN(c, clash->key, "%s", clash->why);
}

static void check_twins(const struct check *c)
{
	const struct conf *conf = c->r->root;
	const struct conf_port *p = c->port, *other;
	struct conf_clash clash;

	for (other = conf->ports; other < p; other++) {
		clash = conf_port_clash(p, other);
		check_clash(c, &clash);
	}
	clash = conf_port_clash_tap(p, conf);
	check_clash(c, &clash);
	if (same_name(conf->tap, p->name))
		COMPLAIN(c, "interface",
			 "the port has the name of the tap of [bridge]: must have "
			 "a name of its own");
}

/* ---- VLANs --------------------------------------------------------------------- */

bool conf_vlans_are_plain(const struct conf_vlans *vlans)
{
	return !vlans->access && !vlans->native && !vlans->trunk.some;
}

void conf_check_vlans(struct conf_reading *r, size_t section, const struct conf_vlans *vlans,
		      bool wire)
{
	const struct conf_section *s = &r->index.sections[section];
	const struct {
		const char *name;
		const struct conf_entry *entry;
		bool filters;
	} keys[] = { { "vlan", conf_read_entry(r, section, "vlan"), vlans->access },
		     { "trunk", conf_read_entry(r, section, "trunk"), vlans->trunk.some },
		     { "native", conf_read_entry(r, section, "native"), vlans->native } };
	char title[CONF_TITLE];

	conf_section_title(r->grammar, s, title);
	if (vlans->access && (keys[1].entry || keys[2].entry))
		conf_report_add(&r->report, keys[0].entry->line,
				"[%s] vlan: with trunk or native: must be an access port (vlan) or "
				"a trunk (trunk, native)",
				title);
	for (size_t i = 0; i < COUNT_OF(keys) && wire; i++) {
		if (keys[i].filters && keys[i].entry)
			conf_report_add(
				&r->report, keys[i].entry->line,
				"[%s] %s: with mode = wire, where every frame passes: leave "
				"it out",
				title, keys[i].name);
	}
}

/* ---- the door ------------------------------------------------------------------ */

void conf_check_port(struct conf_reading *r, size_t section)
{
	const struct conf_section *s = &r->index.sections[section];
	const struct conf *conf = r->root;
	struct check c = { r, section, &conf->ports[s->slot] };

	conf_check_vlans(r, section, &c.port->vlans, conf->wire);
	if (!c.port->kind)
		return;
	check_uses(&c);
	check_ends(&c);
	check_far(&c);
	check_qmp(&c);
	check_twins(&c);
	if (conf->wire && c.port->reserved == CONF_RESERVED_DROP)
		COMPLAIN((&c), "reserved",
			 "with mode = wire, where every frame passes as it is: leave it out");
	if (c.port->create && !line_of(&c, "bridge"))
		COMPLAIN((&c), "create",
			 "yes, but no bridge is named: must come with bridge = NAME");
}
