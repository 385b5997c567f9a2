/* SPDX-License-Identifier: MIT */
/* What a site's file may hold. */
#include "base/bytes.h"
#include "conf_parts.h"
#include "core/port.h"

_Static_assert(CONF_TLS_PORT == 443, "the default of tls_port below, and in lanspan.conf(5)");
_Static_assert(CONF_WORKERS == 16, "the range of workers below, and in lanspan.conf(5)");

_Static_assert(CONF_BROADCAST_AUTO == 1, "the first word of broadcast below");

#define KEY(s, n) .name = n, .title = "[" s "] " n
#define IN_CONF(field)                                                                             \
	.offset = offsetof(struct conf, field), .size = sizeof(((struct conf *)0)->field)
#define IN_PORT(field)                                                                             \
	.offset = offsetof(struct conf_port, field), .size = sizeof(((struct conf_port *)0)->field)
#define IN_PEER(field)                                                                             \
	.offset = offsetof(struct conf_peer, field), .size = sizeof(((struct conf_peer *)0)->field)

static const struct conf_key keys[] = {
	{ CONF_NETWORK, CONF_KIND_NAME, KEY("network", "name"), IN_CONF(network), .mandatory = true,
	  .hint = "a name, the same at every site" },
	{ CONF_NETWORK, CONF_KIND_KEY_FILE, KEY("network", "secret_file"), IN_CONF(secret) },
	{ CONF_NETWORK, CONF_KIND_CIPHER, KEY("network", "cipher"), IN_CONF(cipher),
	  .standard = "aes-256-gcm" },
	{ CONF_NETWORK, CONF_KIND_CHOICE, KEY("network", "trust"), IN_CONF(trust_secret),
	  .standard = "pinned", .words = { "secret", "pinned" } },

	{ CONF_SITE, CONF_KIND_NAME, KEY("site", "name"), IN_CONF(site), .mandatory = true,
	  .hint = "a name, another at every site" },
	{ CONF_SITE, CONF_KIND_KEY_FILE, KEY("site", "key_file"), IN_CONF(private_key),
	  .mandatory = true, .hint = "the file that lanspan keygen wrote" },
	{ CONF_SITE, CONF_KIND_LISTEN, KEY("site", "listen"), IN_CONF(listen),
	  .count = offsetof(struct conf, n_listen), .standard = "0.0.0.0:7741, [::]:7741" },
	{ CONF_SITE, CONF_KIND_LOG, KEY("site", "log"), IN_CONF(log), .standard = "info",
	  .live = true },
	{ CONF_SITE, CONF_KIND_NUMBER, KEY("site", "keepalive"), IN_CONF(keepalive),
	  .standard = "10", .min = 1, .max = 300, .unit = "seconds", .live = true },
	{ CONF_SITE, CONF_KIND_CHOICE, KEY("site", "engine"), IN_CONF(any_engine),
	  .standard = "auto", .words = { "auto", "openssl" } },
	{ CONF_SITE, CONF_KIND_WORKERS, KEY("site", "workers"), IN_CONF(workers),
	  .standard = "auto", .min = 1, .max = 16, .unit = "threads" },
	{ CONF_SITE, CONF_KIND_CHOICE, KEY("site", "port_mapping"), IN_CONF(port_mapping),
	  .standard = "yes", .words = { "yes", "no" }, .live = true },
	{ CONF_SITE, CONF_KIND_PROGRAM, KEY("site", "hook"), IN_CONF(hook), .live = true },
	{ CONF_SITE, CONF_KIND_FILE, KEY("site", "key_log"), IN_CONF(key_log) },

	/* Without it there must be a [port NAME], see conf.c. */
	{ CONF_BRIDGE, CONF_KIND_INTERFACE, KEY("bridge", "tap"), IN_CONF(tap) },
	{ CONF_BRIDGE, CONF_KIND_INTERFACE, KEY("bridge", "bridge"), IN_CONF(bridge) },
	{ CONF_BRIDGE, CONF_KIND_CHOICE, KEY("bridge", "create"), IN_CONF(create), .standard = "no",
	  .words = { "yes", "no" } },
	{ CONF_BRIDGE, CONF_KIND_NUMBER, KEY("bridge", "mtu"), IN_CONF(mtu), .standard = "1500",
	  .min = 576, .max = 9000, .unit = "bytes" },
	{ CONF_BRIDGE, CONF_KIND_CHOICE, KEY("bridge", "mode"), IN_CONF(wire), .standard = "switch",
	  .words = { "wire", "switch" } },
	{ CONF_BRIDGE, CONF_KIND_CHOICE, KEY("bridge", "reserved"), IN_CONF(reserved_pass),
	  .standard = "drop", .words = { "pass", "drop" }, .live = true },
	{ CONF_BRIDGE, CONF_KIND_CHOICE, KEY("bridge", "learning"), IN_CONF(learning),
	  .standard = "yes", .words = { "yes", "no" }, .live = true },
	{ CONF_BRIDGE, CONF_KIND_CHOICE, KEY("bridge", "offload"), IN_CONF(offload),
	  .standard = "auto", .words = { "auto", "off" } },
	{ CONF_BRIDGE, CONF_KIND_CHOICE, KEY("bridge", "netfilter"), IN_CONF(netfilter_off),
	  .standard = "keep", .words = { "off", "keep" } },
	{ CONF_BRIDGE, CONF_KIND_CHOICE, KEY("bridge", "gro"), IN_CONF(gro), .standard = "keep",
	  .words = { "on", "keep" } },
	{ CONF_BRIDGE, CONF_KIND_MSS, KEY("bridge", "mss_clamp"), IN_CONF(mss_clamp),
	  .standard = "no", .min = 500, .max = 8960, .unit = "bytes", .live = true },
	{ CONF_BRIDGE, CONF_KIND_WORD, KEY("bridge", "broadcast"), IN_CONF(broadcast),
	  .standard = "auto", .words = { "auto", "relay", "direct" }, .live = true },
	{ CONF_BRIDGE, CONF_KIND_NUMBER, KEY("bridge", "ageing"), IN_CONF(ageing),
	  .standard = "300", .min = 10, .max = 1000000, .unit = "seconds", .live = true },
	{ CONF_BRIDGE, CONF_KIND_NUMBER, KEY("bridge", "macs"), IN_CONF(macs), .standard = "16384",
	  .min = 256, .max = 1048576, .unit = "addresses" },
	/* Without it half of macs, see conf.c. */
	{ CONF_BRIDGE, CONF_KIND_NUMBER, KEY("bridge", "mac_quota"), IN_CONF(mac_quota), .min = 16,
	  .max = 1048576, .unit = "addresses" },
	{ CONF_BRIDGE, CONF_KIND_NUMBER, KEY("bridge", "vlan"), IN_CONF(vlans.access), .min = 1,
	  .max = 4094, .unit = "(a VLAN)", .live = true },
	{ CONF_BRIDGE, CONF_KIND_TRUNK, KEY("bridge", "trunk"), IN_CONF(vlans.trunk),
	  .standard = "all", .live = true },
	{ CONF_BRIDGE, CONF_KIND_NUMBER, KEY("bridge", "native"), IN_CONF(vlans.native), .min = 1,
	  .max = 4094, .unit = "(a VLAN)", .live = true },
	{ CONF_BRIDGE, CONF_KIND_IMPAIR, KEY("bridge", "impair_in"), IN_CONF(impair[PORT_IN]),
	  .live = true },
	{ CONF_BRIDGE, CONF_KIND_IMPAIR, KEY("bridge", "impair_out"), IN_CONF(impair[PORT_OUT]),
	  .live = true },

	{ CONF_PORT, CONF_KIND_WORD, KEY("port", "kind"), IN_PORT(kind), .mandatory = true,
	  .hint = "qemu, vbox, ubridge, tap or nic", .live = true,
	  .words = { "qemu", "vbox", "ubridge", "tap", "nic" } },
	{ CONF_PORT, CONF_KIND_WORD, KEY("port", "transport"), IN_PORT(transport),
	  .standard = "dgram", .words = { "dgram", "stream" }, .live = true },
	{ CONF_PORT, CONF_KIND_END, KEY("port", "local"), IN_PORT(local), .live = true },
	{ CONF_PORT, CONF_KIND_END, KEY("port", "remote"), IN_PORT(remote), .live = true },
	{ CONF_PORT, CONF_KIND_INTERFACE, KEY("port", "interface"), IN_PORT(interface),
	  .live = true },
	{ CONF_PORT, CONF_KIND_INTERFACE, KEY("port", "bridge"), IN_PORT(bridge), .live = true },
	{ CONF_PORT, CONF_KIND_CHOICE, KEY("port", "create"), IN_PORT(create), .standard = "no",
	  .words = { "yes", "no" }, .live = true },
	{ CONF_PORT, CONF_KIND_NUMBER, KEY("port", "mtu"), IN_PORT(mtu), .standard = "1500",
	  .min = 576, .max = 9000, .unit = "bytes", .live = true },
	{ CONF_PORT, CONF_KIND_CHOICE, KEY("port", "offload"), IN_PORT(offload), .standard = "auto",
	  .words = { "auto", "off" }, .live = true },
	{ CONF_PORT, CONF_KIND_NUMBER, KEY("port", "vlan"), IN_PORT(vlans.access), .min = 1,
	  .max = 4094, .unit = "(a VLAN)", .live = true },
	{ CONF_PORT, CONF_KIND_TRUNK, KEY("port", "trunk"), IN_PORT(vlans.trunk), .standard = "all",
	  .live = true },
	{ CONF_PORT, CONF_KIND_NUMBER, KEY("port", "native"), IN_PORT(vlans.native), .min = 1,
	  .max = 4094, .unit = "(a VLAN)", .live = true },
	/* Without it as [bridge]. */
	{ CONF_PORT, CONF_KIND_WORD, KEY("port", "reserved"), IN_PORT(reserved),
	  .words = { "pass", "drop" }, .live = true },
	{ CONF_PORT, CONF_KIND_IMPAIR, KEY("port", "impair_in"), IN_PORT(impair[PORT_IN]),
	  .live = true },
	{ CONF_PORT, CONF_KIND_IMPAIR, KEY("port", "impair_out"), IN_PORT(impair[PORT_OUT]),
	  .live = true },
	{ CONF_PORT, CONF_KIND_END, KEY("port", "qmp"), IN_PORT(qmp), .live = true },
	{ CONF_PORT, CONF_KIND_NETDEV, KEY("port", "qmp_netdev"), IN_PORT(qmp_netdev),
	  .live = true },

	{ CONF_RELAY, CONF_KIND_PUBLIC_KEY, KEY("relay", "public_key"), IN_PEER(public_key),
	  .mandatory = true, .hint = "the key that lanspan keygen printed at the relay",
	  .live = true },
	{ CONF_RELAY, CONF_KIND_ADDRESSES, KEY("relay", "address"), IN_PEER(address),
	  .count = offsetof(struct conf_peer, n_address), .mandatory = true,
	  .hint = "where the relay listens, like relay.example.net:7741", .live = true },
	{ CONF_RELAY, CONF_KIND_KEY_FILE, KEY("relay", "secret_file"), IN_PEER(secret),
	  .live = true },
	{ CONF_RELAY, CONF_KIND_WORD, KEY("relay", "transport"), IN_PEER(transport),
	  .standard = "auto", .words = { "auto", "udp", "tls" }, .live = true },
	{ CONF_RELAY, CONF_KIND_NUMBER, KEY("relay", "tls_port"), IN_PEER(tls_port),
	  .standard = "443", .min = 1, .max = 65535, .unit = "(a port)", .live = true },

	{ CONF_PEER, CONF_KIND_PUBLIC_KEY, KEY("peer", "public_key"), IN_PEER(public_key),
	  .mandatory = true, .hint = "the key that lanspan keygen printed at that site",
	  .live = true },
	{ CONF_PEER, CONF_KIND_ADDRESSES, KEY("peer", "address"), IN_PEER(address),
	  .count = offsetof(struct conf_peer, n_address), .live = true },
};

_Static_assert(offsetof(struct conf_port, name) == 0 && offsetof(struct conf_peer, name) == 0,
	       "an object begins with its name");

static const struct conf_section_type sections[] = {
	[CONF_NETWORK] = { .name = "network" },
	[CONF_SITE] = { .name = "site" },
	[CONF_BRIDGE] = { .name = "bridge" },
	[CONF_PORT] = { .name = "port",
			.named = true,
			.most = CONF_PORTS,
			.list = offsetof(struct conf, ports),
			.count = offsetof(struct conf, n_ports),
			.size = sizeof(struct conf_port) },
	[CONF_RELAY] = { .name = "relay",
			 .named = true,
			 .most = CONF_RELAYS,
			 .list = offsetof(struct conf, relays),
			 .count = offsetof(struct conf, n_relays),
			 .size = sizeof(struct conf_peer) },
	[CONF_PEER] = { .name = "peer",
			.named = true,
			.most = CONF_PEERS,
			.list = offsetof(struct conf, peers),
			.count = offsetof(struct conf, n_peers),
			.size = sizeof(struct conf_peer) },
};

const struct conf_grammar conf_site_grammar = {
	.sections = sections,
	.n_sections = COUNT_OF(sections),
	.keys = keys,
	.n_keys = COUNT_OF(keys),
	.root_size = sizeof(struct conf),
	.file_max = (size_t)256 * 1024,
	.all = "[network], [site], [bridge], [port NAME], [relay NAME] and [peer NAME]",
	.foreign = { "relay" },
	.foreign_hint = "this is the file of a relay: it is for lanspan-relay",
	.page = "lanspan.conf(5)",
};
