/* SPDX-License-Identifier: MIT */
/*
 * [port NAME]: its values, and the same by command (conf_ports_check.c has what they must
 * be to each other).  What comes by command is written as a section and read like one, so
 * that there is one grammar and one set of complaints.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "app/impair_text.h"
#include "base/bytes.h"
#include "conf_parts.h"

#define ITEMS 256 /* of a trunk; more do not fit a line */

/* ---- values ------------------------------------------------------------------- */

static void set_path(const struct conf_place *place, struct labend *out, const char *path)
{
	if (*path != '/')
		conf_value_complain(place, "\"unix:%s\": must be an absolute path, like "
				    "unix:/run/lab/a.sock", path);
	else if (strlen(path) >= sizeof(out->path))
		conf_value_complain(place, "\"%s\" is too long for a socket: at most %zu characters",
				    path, sizeof(out->path) - 1);
	else
		memcpy(out->path, path, strlen(path) + 1);
}

void conf_value_set_end(const struct conf_place *place, struct labend *out, const char *text)
{
	bool remote = strcmp(place->key->name, "remote") == 0;
	struct labend end = { 0 };

	if (strncmp(text, "unix:", 5) == 0)
		set_path(place, &end, text + 5);
	else if (remote && !addr_parse(&end.addr, text, 0) && addr_parse(&end.addr, text, 1))
		end.addr.port = 0; /* right for some, see conf_ports_check.c */
	else if (!addr_parse(&end.addr, text, 0) || end.addr.port == 0)
		conf_value_complain(place, "\"%s\" is no end of a wire: must be like "
				    "127.0.0.1:10001, [::1]:10001 or unix:/run/lab/a.sock", text);
	*out = end;
}

/* Digits that make a VLAN, all of text up to the end; 0 when they do not. */
static unsigned parse_vlan(const char *text, const char *end)
{
	size_t n = strspn(text, "0123456789");
	unsigned long v = n && n <= 4 ? strtoul(text, NULL, 10) : 0;

	return text + n == end && v < CONF_VLANS ? (unsigned)v : 0;
}

static bool add_vlans(struct conf_trunk *trunk, const char *item)
{
	const char *dash = strchr(item, '-'), *end = item + strlen(item);
	unsigned first = parse_vlan(item, dash ? dash : end);
	unsigned last = dash ? parse_vlan(dash + 1, end) : first;

	if (!first || last < first)
		return false;
	for (unsigned v = first; v <= last; v++)
		trunk->bits[v / 64] |= (uint64_t)1 << v % 64;
	return true;
}

void conf_value_set_trunk(const struct conf_place *place, struct conf_trunk *out, const char *text)
{
	struct conf_trunk trunk = { .some = true };
	char *copy = strdup(text), *items[ITEMS];
	size_t n = copy ? conf_value_split(copy, items, ITEMS) : 0;

	if (!copy)
		place->report->lost = true;
	for (size_t i = 0; i < n && strcmp(text, "all") != 0; i++) {
		if (i >= ITEMS || !add_vlans(&trunk, items[i]))
			conf_value_complain(place, "\"%s\" is no VLAN: must be all, or VLANs of 1 "
					    "to %d like 10, 20-30", i < ITEMS ? items[i] : text,
					    CONF_VLANS - 1);
	}
	if (strcmp(text, "all") == 0)
		trunk.some = false;
	*out = trunk;
	free(copy);
}

/* QEMU's own rule for the name of an object. */
void conf_value_set_netdev(const struct conf_place *place, char out[CONF_NETDEV], const char *text)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

	if (strlen(text) >= CONF_NETDEV || strspn(text, allowed) != strlen(text))
		conf_value_complain(place, "\"%s\" is not the id of a netdev: must be up to %d letters, digits, "
			 "'-', '.' and '_'", text, CONF_NETDEV - 1);
	else
		memcpy(out, text, strlen(text) + 1);
}

void conf_value_set_impair(const struct conf_place *place, struct conf_impair *out, const char *text)
{
	char why[IMPAIR_TEXT_NOTE];

	memset(out, 0, sizeof(*out));
	if (strcmp(text, "none") == 0)
		return;
	out->on = impair_text_parse(&out->setup, text, why);
	if (!out->on)
		conf_value_complain(place, "%s", why);
}

/* ---- by command ------------------------------------------------------------------- */

/* A value is a value: nothing in it begins a line, a comment or a section. */
static bool is_plain(const char *setting)
{
	const char *value = strchr(setting, '=');

	for (const char *s = setting; *s; s++) {
		if ((unsigned char)*s < 0x20 || (unsigned char)*s >= 0x7f || *s == '"')
			return false;
	}
	return value && value > setting && setting[0] != '[' && setting[0] != ';' &&
	       setting[0] != '#';
}

/* "[port NAME]" and the settings, a line each. */
static void write_section(int fd, const char *name, const char *const *settings, size_t n,
			  struct conf_report *report)
{
	bool good = fd >= 0 && dprintf(fd, "[port %s]\n", name) > 0;

	for (size_t i = 0; i < n && good; i++) {
		const char *value = strchr(settings[i], '=');

		if (!is_plain(settings[i])) {
			conf_report_add(report, 0, "%s: must be KEY=VALUE", settings[i]);
			continue;
		}
		good = dprintf(fd, "%.*s = \"%s\"\n", (int)(value - settings[i]), settings[i],
			       value + 1) > 0;
	}
	report->lost |= !good;
}

/* The keys of [port NAME], which stand together. */
static void port_keys(struct conf_grammar *grammar)
{
	while (grammar->n_keys && grammar->keys->section != CONF_PORT) {
		grammar->keys++;
		grammar->n_keys--;
	}
	while (grammar->n_keys && grammar->keys[grammar->n_keys - 1].section != CONF_PORT)
		grammar->n_keys--;
}

static void read_section(struct conf_reading *r)
{
	struct conf *conf = r->root;

	if (!conf_read(r))
		return;
	for (size_t i = 0; i < r->index.n_sections; i++) {
		if (r->index.sections[i].kind == CONF_PORT && !r->index.sections[i].spare)
			conf_check_port(r, i);
	}
	if (conf_report_clean(&r->report) && conf->n_ports != 1)
		conf_report_add(&r->report, 0, "not a port");
}

bool conf_port_read(struct conf_port *out, const char *name, const char *const *settings, size_t n,
		    struct conf_errors *errors)
{
	struct conf_grammar grammar = conf_site_grammar;
	struct conf *conf = calloc(2, sizeof(*conf));
	struct conf_reading r = { .grammar = &grammar, .root = conf };
	int fd = memfd_create("port", MFD_CLOEXEC);
	char file[64];
	bool good;

	snprintf(file, sizeof(file), "/proc/self/fd/%d", fd);
	r.report.file = file;
	r.report.typed = true;
	port_keys(&grammar);
	write_section(fd, name, settings, n, &r.report);
	r.scratch = conf ? conf + 1 : NULL;
	if (!conf)
		r.report.lost = true;
	else if (!conf_name_valid(name))
		conf_report_add(&r.report, 0, "\"%s\" is not a name: must be 1 to %d of a-z 0-9 . "
				"_ -", name, WIRE_NAME);
	else if (conf_report_clean(&r.report))
		read_section(&r);
	if (fd >= 0)
		close(fd);
	good = conf_read_finish(&r, errors);
	if (good && conf)
		*out = conf->ports[0];
	free(conf);
	return good;
}

/* ---- what else is asked about one ---------------------------------------------------- */

bool conf_end_equal(const struct labend *a, const struct labend *b)
{
	return strcmp(a->path, b->path) == 0 && addr_equal(&a->addr, &b->addr);
}

bool conf_port_same_wire(const struct conf_port *a, const struct conf_port *b)
{
	return a->kind == b->kind && a->transport == b->transport &&
	       conf_end_equal(&a->local, &b->local) && conf_end_equal(&a->remote, &b->remote) &&
	       strcmp(a->interface, b->interface) == 0 && strcmp(a->bridge, b->bridge) == 0 &&
	       a->create == b->create && a->offload == b->offload && a->mtu == b->mtu &&
	       conf_end_equal(&a->qmp, &b->qmp) && strcmp(a->qmp_netdev, b->qmp_netdev) == 0;
}

const char *conf_end_format(const struct labend *end, char out[CONF_END_TEXT])
{
	if (end->path[0])
		snprintf(out, CONF_END_TEXT, "unix:%s", end->path);
	else
		addr_format(&end->addr, out);
	if (!end->path[0] && conf_end_is_set(end) && !end->addr.port)
		*strrchr(out, ':') = '\0';
	return out;
}

static bool has(const struct conf_trunk *trunk, unsigned vlan)
{
	return trunk->bits[vlan / 64] >> vlan % 64 & 1;
}

static size_t put_trunk(const struct conf_trunk *trunk, char *out, size_t room)
{
	size_t used = 0;

	for (unsigned v = 1, last; v < CONF_VLANS && used + 16 < room; v = last + 1) {
		for (last = v; has(trunk, v) && has(trunk, last + 1); last++)
			;
		if (!has(trunk, v))
			continue;
		used += (size_t)snprintf(out + used, room - used, used ? ", %u" : "%u", v);
		if (last > v)
			used += (size_t)snprintf(out + used, room - used, "-%u", last);
	}
	return used;
}

const char *conf_vlans_format(const struct conf_vlans *vlans, char out[CONF_VLANS_TEXT])
{
	size_t used = (size_t)snprintf(out, CONF_VLANS_TEXT, vlans->access ? "vlan %u" : "trunk ",
				       vlans->access);

	if (vlans->access)
		return out;
	if (vlans->trunk.some)
		used += put_trunk(&vlans->trunk, out + used, CONF_VLANS_TEXT - used - 20);
	else
		used += (size_t)snprintf(out + used, CONF_VLANS_TEXT - used, "all");
	if (vlans->native)
		snprintf(out + used, CONF_VLANS_TEXT - used, ", native %u", vlans->native);
	return out;
}
