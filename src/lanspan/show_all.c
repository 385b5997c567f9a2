/* SPDX-License-Identifier: MIT */
/* show without an argument: the site, its ports and a block for each peer. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* show_line(), but nothing for "-". */
static void line_if_any(const char *name, char *text)
{
	if (strcmp(text, "-") == 0)
		free(text);
	else
		show_line(name, text);
}

static void head(const char *kind, const json_t *object)
{
	char *name = text_member(object, "name");

	text_print(TEXT_BOLD, kind);
	fputs(": ", stdout);
	text_print(TEXT_BOLD, name);
	putchar('\n');
	free(name);
}

static void print_state(const json_t *object, const char *note_name)
{
	char *state = text_member(object, "state");
	char *note = text_member(object, note_name);

	fputs("  state: ", stdout);
	text_print(text_state_colour(state), state);
	if (strcmp(note, "-") != 0 && strcmp(note, state) != 0)
		printf(" (%s)", note);
	putchar('\n');
	free(state);
	free(note);
}

/* Nothing of a site that has no flood key and never had one. */
static void print_floods(const json_t *site)
{
	char *mode = text_member(site, "broadcast"), *sent = text_member(site, "floods_sent");
	char *saved = text_member(site, "copies_saved"), *age = show_age(site, "flood_key_age_s");

	if (strcmp(age, "-") != 0 || (strcmp(sent, "-") != 0 && strcmp(sent, "0") != 0))
		printf("  broadcast: %s, %s frames sent once by a relay, %s copies saved, "
		       "key age %s\n", mode, sent, saved, age);
	free(mode);
	free(sent);
	free(saved);
	free(age);
}

static void print_port_mapping(const json_t *mapping)
{
	char *by = text_member(mapping, "protocol"), *left = show_age(mapping, "lifetime_s");
	char *state = text_member(mapping, "state"), *why = text_member(mapping, "state_text");
	char *external = show_list(json_object_get(mapping, "external"), ", ");

	fputs("  port mapping: ", stdout);
	text_print(text_state_colour(state), state);
	if (strcmp(by, "-") != 0)
		printf(", %s by %s, for %s", external, by, left);
	else if (strcmp(why, "-") != 0)
		printf(" (%s)", why);
	putchar('\n');
	line_if_any("port mapping error", text_member(mapping, "error"));
	free(by);
	free(left);
	free(state);
	free(why);
	free(external);
}

/* Whoever has that file reads the traffic. */
static void print_key_log(const json_t *site)
{
	char *path = text_member(site, "key_log");

	if (strcmp(path, "-") != 0) {
		fputs("  key log: ", stdout);
		text_print(TEXT_RED, path);
		text_print(TEXT_RED, ": whoever has this file can read all traffic");
		putchar('\n');
	}
	free(path);
}

/* What is set otherwise than most have it, and what costs. */
static void print_switching(const json_t *site)
{
	char *reserved = text_member(site, "reserved"), *mode = text_member(site, "mode");

	if (strcmp(mode, "wire") == 0)
		puts("  mode: wire");
	show_line("mss_clamp", text_member(site, "mss_clamp"));
	if (json_is_true(json_object_get(site, "netfilter")))
		puts("  netfilter: on, bridged frames pass the packet filters too");
	else
		puts("  netfilter: off");
	if (json_is_false(json_object_get(site, "learning")))
		puts("  learning: no, every frame is flooded");
	if (strcmp(reserved, "pass") == 0)
		puts("  reserved: pass");
	free(reserved);
	free(mode);
}

static void print_site(const json_t *site)
{
	char *cipher = text_member(site, "cipher"), *engine = text_member(site, "engine");
	char *version = text_member(site, "version"), *pid = text_member(site, "pid");
	char *age = show_age(site, "uptime_s");

	head("site", site);
	show_line("network", text_member(site, "network"));
	show_line("site id", text_member(site, "site_id"));
	show_line("public key", text_member(site, "public_key"));
	printf("  cipher: %s (%s)\n", cipher, engine);
	show_line("listening", show_list(json_object_get(site, "listen"), ", "));
	printf("  running: %s, version %s, pid %s\n", age, version, pid);
	line_if_any("workers", text_member(site, "workers"));
	print_switching(site);
	print_floods(site);
	if (json_object_get(site, "port_mapping"))
		print_port_mapping(json_object_get(site, "port_mapping"));
	print_key_log(site);
	free(cipher);
	free(engine);
	free(version);
	free(pid);
	free(age);
}

static void print_transfer(const json_t *object, const char *calls)
{
	const json_t *rx = json_object_get(object, "rx"), *tx = json_object_get(object, "tx");
	char *n[6] = { show_bytes(rx, "bytes"), text_member(rx, "frames"), text_member(rx, calls),
		       show_bytes(tx, "bytes"), text_member(tx, "frames"), text_member(tx, calls) };

	printf("  received: %s in %s frames, %s %s\n", n[0], n[1], n[2], calls);
	printf("  sent: %s in %s frames, %s %s\n", n[3], n[4], n[5], calls);
	for (int i = 0; i < 6; i++)
		free(n[i]);
}

static void print_port(const json_t *port)
{
	char *bridge = text_member(port, "bridge"), *joined = text_member(port, "bridge_state");

	putchar('\n');
	head("port", port);
	show_line("kind", text_member(port, "kind"));
	print_state(port, "note");
	if (strcmp(bridge, "-") != 0) {
		printf("  bridge: %s, ", bridge);
		text_print(text_state_colour(joined), joined);
		putchar('\n');
	}
	show_line("mtu", text_member(port, "mtu"));
	show_line("offloads", show_list(json_object_get(port, "offloads"), " "));
	line_if_any("offload note", text_member(port, "offload_note"));
	print_transfer(port, "calls");
	line_if_any("dropped", show_counts(json_object_get(port, "drops")));
	free(bridge);
	free(joined);
}

/* "NAME: AGE ago", when there was one. */
static void print_ago(const char *name, const json_t *object, const char *member)
{
	char *age = show_age(object, member);

	if (strcmp(age, "-") != 0)
		printf("  %s: %s ago\n", name, age);
	free(age);
}

static void print_relay(const json_t *relay)
{
	putchar('\n');
	head("relay", relay);
	print_state(relay, "state_text");
	show_line("public key", text_member(relay, "public_key"));
	line_if_any("endpoint", text_member(relay, "endpoint"));
	line_if_any("by TLS", text_member(relay, "tls_problem"));
	line_if_any("configured", show_list(json_object_get(relay, "addresses"), ", "));
	line_if_any("sees us at", text_member(relay, "observed"));
	line_if_any("member number", text_member(relay, "member"));
	show_line("other members", text_member(relay, "members"));
	line_if_any("round trip", show_rtt(relay, "rtt_ms"));
	print_ago("latest handshake", relay, "handshake_age_s");
	print_ago("last heard", relay, "last_heard_s");
}

static void print_arrivals(const json_t *peer)
{
	char *lost = text_member(peer, "lost"), *late = text_member(peer, "reordered");
	char *loss = show_percent(peer, "loss_percent");
	char *reorder = show_percent(peer, "reorder_percent");

	if (strcmp(lost, "-") != 0)
		printf("  loss: %s lately, %s in all; reordered: %s lately, %s in all\n", loss, lost,
		       reorder, late);
	free(lost);
	free(late);
	free(loss);
	free(reorder);
}

/* What came under the peer's flood key, and whether it can open ours. */
static void print_flooded(const json_t *peer)
{
	bool has = json_is_true(json_object_get(peer, "has_flood_key"));
	char *frames = text_member(peer, "flooded_frames");

	if (has || (strcmp(frames, "-") != 0 && strcmp(frames, "0") != 0))
		printf("  flooded: %s frames received, %s our flood key\n", frames,
		       has ? "has" : "has not");
	free(frames);
}

static void print_peer(const json_t *peer)
{
	char *n[4] = { text_member(peer, "handshakes"), text_member(peer, "rekeys"),
		       text_member(peer, "roamed"), text_member(peer, "path_changes") };

	putchar('\n');
	head("peer", peer);
	print_state(peer, "state_text");
	show_line("site id", text_member(peer, "site_id"));
	show_line("public key", text_member(peer, "public_key"));
	line_if_any("endpoint", text_member(peer, "endpoint"));
	line_if_any("configured", show_list(json_object_get(peer, "addresses"), ", "));
	line_if_any("path", text_member(peer, "path"));
	line_if_any("relay", text_member(peer, "relay"));
	line_if_any("round trip", show_rtt(peer, "rtt_ms"));
	print_arrivals(peer);
	line_if_any("path mtu", text_member(peer, "pmtu"));
	line_if_any("engine", text_member(peer, "engine"));
	line_if_any("offloads", show_list(json_object_get(peer, "offloads"), " "));
	print_ago("latest handshake", peer, "handshake_age_s");
	print_ago("last heard", peer, "last_heard_s");
	printf("  handshakes: %s, rekeys: %s, roamed: %s, path changes: %s\n", n[0], n[1], n[2],
	       n[3]);
	print_transfer(peer, "datagrams");
	print_flooded(peer);
	line_if_any("dropped", show_counts(json_object_get(peer, "drops")));
	for (int i = 0; i < 4; i++)
		free(n[i]);
}

void show_all(const json_t *answer)
{
	json_t *object;
	size_t i;

	print_site(json_object_get(answer, "site"));
	json_array_foreach(json_object_get(answer, "ports"), i, object) print_port(object);
	json_array_foreach(json_object_get(answer, "relays"), i, object) print_relay(object);
	json_array_foreach(json_object_get(answer, "peers"), i, object) print_peer(object);
}
