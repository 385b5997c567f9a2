/* SPDX-License-Identifier: MIT */
/* What watch shows of a bridge process, in 80 columns. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "watch.h"

static void print_port(const struct watch *w, struct watch_lines *l, const json_t *row)
{
	char *name = text_member(row, "name"), *state = text_member(row, "state");
	char *kind = text_member(row, "kind"), *wire = show_wire(row);
	char *joined = text_member(row, "bridge_state");
	bool tap = strcmp(kind, "tap") == 0;
	struct watch_rates r = watch_rates(w, "ports", row, "frames");

	watch_line(l, WATCH_PLAIN,
		   "port %s %s, %s %.24s%s%s: in %s f/s %s bit/s, out %s f/s %s bit/s", name, state,
		   tap ? "bridge" : kind, wire, tap ? " " : "", tap ? joined : "", r.rx,
		   r.rx_bits, r.tx, r.tx_bits);
	free(name);
	free(state);
	free(kind);
	free(wire);
	free(joined);
}

/* Some of them when they are many: peers and addresses want lines, too. */
static void print_ports(const struct watch *w, struct watch_lines *l)
{
	const json_t *ports = json_object_get(w->now.answer, "ports");
	size_t n = json_array_size(ports), show = (size_t)MAX(l->left / 4, 2), first;

	if (n <= show)
		show = n;
	else
		show--; /* a line tells of the others */
	first = MIN(w->offset, n - show);
	for (size_t i = first; i < first + show; i++)
		print_port(w, l, json_array_get(ports, i));
	if (show < n)
		watch_line(l, WATCH_PLAIN, "+%zu more ports", n - show);
}

static void print_relays(const struct watch *w, struct watch_lines *l)
{
	const json_t *relays = json_object_get(w->now.answer, "relays"), *row;
	char text[256] = "";
	size_t used = 0, i;

	json_array_foreach((json_t *)relays, i, row)
	{
		char *name = text_member(row, "name"), *state = text_member(row, "state");

		if (used < sizeof(text))
			used += (size_t)snprintf(text + used, sizeof(text) - used, " %s %s", name,
						 state);
		free(name);
		free(state);
	}
	if (used)
		watch_line(l, WATCH_PLAIN, "relays:%s", text);
}

static void print_peer(const struct watch *w, struct watch_lines *l, const json_t *row)
{
	char *name = text_member(row, "name"), *state = text_member(row, "state");
	char *path = text_member(row, "path"), rtt[TEXT_SHORT], loss[TEXT_SHORT];
	struct watch_rates r = watch_rates(w, "peers", row, "frames");

	watch_line(l, WATCH_PLAIN, "%-15.15s %-12.12s %-7.7s %7s %6s %6s %6s %6s %6s", name, state,
		   path, watch_rtt(rtt, row), watch_loss(loss, row), r.rx, r.rx_bits,
		   r.tx, r.tx_bits);
	watch_mark(l, 16, watch_state_style(state), state);
	free(name);
	free(state);
	free(path);
}

static void print_mac(const struct watch *w, struct watch_lines *l, const json_t *row)
{
	char *mac = text_member(row, "mac"), *vlan = text_member(row, "vlan");
	char *port = text_member(row, "port"), *age = show_age(row, "age_s");
	struct watch_rates r = watch_rates(w, "macs", row, "frames");

	watch_line(l, WATCH_PLAIN, "%-17s %4s %-14.14s %7s %6s %6s %6s %6s", mac, vlan, port, age,
		   r.rx, r.rx_bits, r.tx, r.tx_bits);
	free(mac);
	free(vlan);
	free(port);
	free(age);
}

/* Lines of a table, when it may have that many and others want theirs. */
static int room_for(const struct watch *w, const char *part, int most)
{
	int n = (int)json_array_size(json_object_get(w->now.answer, part));

	return MIN(n, MAX(most, 1));
}

void watch_site(const struct watch *w, struct watch_lines *l)
{
	print_ports(w, l);
	print_relays(w, l);
	watch_table(w, l, "peers", w->sort, w->offset, room_for(w, "peers", (l->left - 3) / 2),
		    "PEER            STATE        PATH        RTT   LOSS RX f/s  bit/s TX f/s  bit/s",
		    print_peer);
	watch_table(w, l, "macs", WATCH_BY_RATE, 0, room_for(w, "macs", l->left / 2 - 1),
		    "ADDRESS           VLAN PORT               AGE RX f/s  bit/s TX f/s  bit/s",
		    print_mac);
}
