/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <string.h>

#include "base/bytes.h"
#include "conf_parts.h"

#define WORD_MAX 32 /* longer words have no neighbours */

#define KEY(s, n) .name = n, .title = "[" s "] " n
#define IN_CONF(field)                                                                             \
	.offset = offsetof(struct conf, field), .size = sizeof(((struct conf *)0)->field)
#define IN_PEER(field)                                                                             \
	.offset = offsetof(struct conf_peer, field), .size = sizeof(((struct conf_peer *)0)->field)

const struct conf_key conf_keys[CONF_KEYS] = {
	{ CONF_NETWORK, CONF_KIND_NAME, KEY("network", "name"), IN_CONF(network), .mandatory = true,
	  .hint = "a name, the same at every site" },
	{ CONF_NETWORK, CONF_KIND_KEY_FILE, KEY("network", "secret_file"), IN_CONF(secret) },
	{ CONF_NETWORK, CONF_KIND_CIPHER, KEY("network", "cipher"), IN_CONF(cipher),
	  .standard = "aes-256-gcm" },

	{ CONF_SITE, CONF_KIND_NAME, KEY("site", "name"), IN_CONF(site), .mandatory = true,
	  .hint = "a name, another at every site" },
	{ CONF_SITE, CONF_KIND_KEY_FILE, KEY("site", "key_file"), IN_CONF(private_key),
	  .mandatory = true, .hint = "the file that lanspan keygen wrote" },
	{ CONF_SITE, CONF_KIND_LISTEN, KEY("site", "listen"), IN_CONF(listen),
	  .standard = "0.0.0.0:7741, [::]:7741" },
	{ CONF_SITE, CONF_KIND_LOG, KEY("site", "log"), IN_CONF(log), .standard = "info",
	  .live = true },
	{ CONF_SITE, CONF_KIND_NUMBER, KEY("site", "keepalive"), IN_CONF(keepalive),
	  .standard = "10", .min = 1, .max = 300, .unit = "seconds", .live = true },
	{ CONF_SITE, CONF_KIND_CHOICE, KEY("site", "engine"), IN_CONF(any_engine),
	  .standard = "auto", .words = { "auto", "openssl" } },

	{ CONF_BRIDGE, CONF_KIND_INTERFACE, KEY("bridge", "tap"), IN_CONF(tap), .mandatory = true,
	  .hint = "a name for the interface, like span0" },
	{ CONF_BRIDGE, CONF_KIND_INTERFACE, KEY("bridge", "bridge"), IN_CONF(bridge) },
	{ CONF_BRIDGE, CONF_KIND_CHOICE, KEY("bridge", "create"), IN_CONF(create), .standard = "no",
	  .words = { "yes", "no" } },
	{ CONF_BRIDGE, CONF_KIND_NUMBER, KEY("bridge", "mtu"), IN_CONF(mtu), .standard = "1500",
	  .min = 576, .max = 9000, .unit = "bytes" },
	{ CONF_BRIDGE, CONF_KIND_CHOICE, KEY("bridge", "reserved"), IN_CONF(reserved_pass),
	  .standard = "drop", .words = { "pass", "drop" }, .live = true },
	{ CONF_BRIDGE, CONF_KIND_CHOICE, KEY("bridge", "learning"), IN_CONF(learning),
	  .standard = "yes", .words = { "yes", "no" }, .live = true },
	{ CONF_BRIDGE, CONF_KIND_CHOICE, KEY("bridge", "offload"), IN_CONF(offload),
	  .standard = "auto", .words = { "auto", "off" } },
	{ CONF_BRIDGE, CONF_KIND_MSS, KEY("bridge", "mss_clamp"), IN_CONF(mss_clamp),
	  .standard = "no", .min = 500, .max = 8960, .unit = "bytes", .live = true },
	{ CONF_BRIDGE, CONF_KIND_NUMBER, KEY("bridge", "ageing"), IN_CONF(ageing),
	  .standard = "300", .min = 10, .max = 1000000, .unit = "seconds", .live = true },
	{ CONF_BRIDGE, CONF_KIND_NUMBER, KEY("bridge", "macs"), IN_CONF(macs), .standard = "16384",
	  .min = 256, .max = 1048576, .unit = "addresses" },
	/* Without it half of macs, see conf.c. */
	{ CONF_BRIDGE, CONF_KIND_NUMBER, KEY("bridge", "mac_quota"), IN_CONF(mac_quota), .min = 16,
	  .max = 1048576, .unit = "addresses" },

	{ CONF_PEER, CONF_KIND_PUBLIC_KEY, KEY("peer", "public_key"), IN_PEER(public_key),
	  .mandatory = true, .hint = "the key that lanspan keygen printed at that site",
	  .live = true },
	{ CONF_PEER, CONF_KIND_ADDRESSES, KEY("peer", "address"), IN_PEER(address), .live = true },
};

static const char *const section_names[CONF_UNKNOWN] = {
	[CONF_NETWORK] = "network",
	[CONF_SITE] = "site",
	[CONF_BRIDGE] = "bridge",
	[CONF_PEER] = "peer",
};

const char *conf_section_name(enum conf_section_kind kind)
{
	return kind < CONF_UNKNOWN ? section_names[kind] : "unknown";
}

enum conf_section_kind conf_section_find(const char *name)
{
	unsigned kind = 0;

	while (kind < CONF_UNKNOWN && strcmp(section_names[kind], name) != 0)
		kind++;
	return (enum conf_section_kind)kind;
}

const struct conf_key *conf_key_find(enum conf_section_kind kind, const char *name)
{
	for (size_t i = 0; i < CONF_KEYS; i++)
		if (conf_keys[i].section == kind && strcmp(conf_keys[i].name, name) == 0)
			return &conf_keys[i];
	return NULL;
}

/* Case does not count for likeness. */
static int plain(char c)
{
	return tolower((unsigned char)c);
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	return MIN(MIN(a, b), c);
}

/* Letters to insert, drop, change or swap with their neighbour to make a of b
 * (optimal string alignment). */
static unsigned distance(const char *a, size_t na, const char *b, size_t nb)
{
	unsigned d[WORD_MAX + 1][WORD_MAX + 1];
	unsigned change;

	for (unsigned i = 0; i <= na; i++)
		d[i][0] = i;
	for (unsigned j = 0; j <= nb; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= na; i++) {
		for (size_t j = 1; j <= nb; j++) {
			change = plain(a[i - 1]) != plain(b[j - 1]);
			d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + change);
			if (i > 1 && j > 1 && plain(a[i - 1]) == plain(b[j - 2]) &&
			    plain(a[i - 2]) == plain(b[j - 1]))
				d[i][j] = MIN(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[na][nb];
}

/* The distance when the words are alike enough for a suggestion, else
 * UINT32_MAX.  The beginning of a word is alike, too. */
static unsigned unlikeness(const char *written, const char *known)
{
	size_t nw = strlen(written), nk = strlen(known);
	unsigned d;

	if (nw == 0 || nw > WORD_MAX)
		return UINT32_MAX;
	d = distance(written, nw, known, nk);
	if (d <= (MIN(nw, nk) <= 3 ? 1u : 2u))
		return d;
	if (MIN(nw, nk) >= 3 && strncasecmp(written, known, MIN(nw, nk)) == 0)
		return WORD_MAX;
	return UINT32_MAX;
}

enum conf_section_kind conf_section_nearest(const char *name)
{
	enum conf_section_kind best = CONF_UNKNOWN;
	unsigned least = UINT32_MAX, d;

	for (unsigned kind = 0; kind < CONF_UNKNOWN; kind++) {
		d = unlikeness(name, section_names[kind]);
		if (d < least) {
			least = d;
			best = (enum conf_section_kind)kind;
		}
	}
	return best;
}

const struct conf_key *conf_key_nearest(enum conf_section_kind kind, const char *name)
{
	const struct conf_key *best = NULL;
	unsigned least = UINT32_MAX, d;

	for (size_t i = 0; i < CONF_KEYS; i++) {
		if (conf_keys[i].section != kind)
			continue;
		d = unlikeness(name, conf_keys[i].name);
		if (d < least) {
			least = d;
			best = &conf_keys[i];
		}
	}
	return best;
}

bool conf_name_valid(const char *name)
{
	size_t n = strlen(name);

	return n >= 1 && n <= WIRE_NAME &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}
