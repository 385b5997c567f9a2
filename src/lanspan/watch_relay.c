/* SPDX-License-Identifier: MIT */
/* What watch shows of a relay, in 80 columns. */
#include <stdlib.h>

#include "base/bytes.h"
#include "watch.h"

static void print_network(const struct watch *w, struct watch_lines *l, const json_t *row)
{
	char *name = text_member(row, "name"), *access = text_member(row, "access");
	char *members = text_member(row, "members"), limited[TEXT_SHORT];
	struct watch_rates r = watch_rates(w, "networks", row, "packets");

	watch_number(limited, watch_rate(w, "networks", row, NULL, "limited"));
	watch_line(l, WATCH_PLAIN, "%-20.20s %-6.6s %7s %6s %6s %6s %6s %9s", name, access, members,
		   r.rx, r.rx_bits, r.tx, r.tx_bits, limited);
	free(name);
	free(access);
	free(members);
}

static void print_member(const struct watch *w, struct watch_lines *l, const json_t *row)
{
	char *network = text_member(row, "network"), *name = text_member(row, "name");
	char *address = text_member(row, "address"), *heard = show_age(row, "last_heard_s");
	struct watch_rates r = watch_rates(w, "members", row, "packets");

	watch_line(l, WATCH_PLAIN, "%-10.10s %-12.12s %-21.21s %6s %6s %6s %6s %6s", network, name,
		   address, heard, r.rx, r.rx_bits, r.tx, r.tx_bits);
	free(network);
	free(name);
	free(address);
	free(heard);
}

void watch_relay(const struct watch *w, struct watch_lines *l)
{
	int networks = (int)json_array_size(json_object_get(w->now.answer, "networks"));
	int members = (int)json_array_size(json_object_get(w->now.answer, "members"));

	watch_table(w, l, "networks", WATCH_BY_NAME, 0, MIN(networks, (l->left - 3) / 3),
		    "NETWORK              ACCESS MEMBERS RX p/s  bit/s TX p/s  bit/s LIMITED/s",
		    print_network);
	watch_table(w, l, "members", w->sort, w->offset, MIN(members, l->left / 2 - 1),
		    "NETWORK    MEMBER       ADDRESS                HEARD RX p/s  bit/s TX p/s  bit/s",
		    print_member);
}
