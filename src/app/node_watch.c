/* SPDX-License-Identifier: MIT */
#include "app/node_watch.h"

static void add(uint64_t all[DROP_COUNT], const struct drops *drops)
{
	for (unsigned i = 0; i < DROP_COUNT; i++)
		all[i] += drops->count[i];
}

void node_watch_second(struct node *node, struct instant now)
{
	uint64_t all[DROP_COUNT] = { 0 };

	add(all, &node->site.peers.drops);
	for (unsigned i = 0; i < node->site.n_port; i++) {
		if (node->site.port[i])
			add(all, &node->site.port[i]->drops);
	}
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		if (node->site.peers.peer[i])
			add(all, &node->site.peers.peer[i]->drops);
	}
	drop_watch_look(&node->watch, all, now);
}
