/* SPDX-License-Identifier: MIT */
#include "base/mac.h"
#include "report_parts.h"

const char *report_port_name(const struct node *node, uint16_t port)
{
	const struct peer *peer;

	if (!switch_is_peer(port))
		return node->site.port[port] ? node->site.port[port]->name : "?";
	peer = node->site.peers.peer[port - SWITCH_PEER];
	return peer ? peer->name : "?";
}

/* ---- addresses ---- */

static json_t *frames_object(uint64_t frames, uint64_t bytes)
{
	json_t *object = json_object();

	answer_count(object, "frames", frames);
	answer_count(object, "bytes", bytes);
	return object;
}

static json_t *mac_object(const struct node *node, const struct fdb_entry *e)
{
	const struct fdb_traffic *t = fdb_traffic_of(&node->site.switching.fdb, e);
	struct instant now = node->loop.now;
	json_t *object = json_object();
	char text[MAC_TEXT];

	answer_text(object, "mac", mac_format(e->mac, text));
	answer_count(object, "vlan", e->vlan);
	answer_text(object, "port", report_port_name(node, e->port));
	answer_text(object, "kind", switch_is_peer(e->port) ? "peer" : "local");
	answer_age(object, "age_s", e->seen, now);
	answer_age(object, "learned_s", t->since, now);
	answer_count(object, "moves", e->moves_total);
	answer_put(object, "held", json_boolean(fdb_is_held(e, now)));
	answer_put(object, "rx", frames_object(t->rx_frames, t->rx_bytes));
	answer_put(object, "tx", frames_object(t->tx_frames, t->tx_bytes));
	return object;
}

json_t *report_macs(struct node *node)
{
	json_t *array = json_array();
	const struct fdb_entry *e;
	size_t place = 0;

	while ((e = fdb_next(&node->site.switching.fdb, &place, node->loop.now)))
		json_array_append_new(array, mac_object(node, e));
	return array;
}

/* ---- drops ---- */

json_t *report_drops_object(const struct drops *drops)
{
	json_t *object = json_object();

	for (unsigned i = 0; i < DROP_COUNT; i++) {
		if (drops->count[i])
			answer_count(object, drop_name((enum drop)i), drops->count[i]);
	}
	return object;
}

static void append_drops(json_t *array, const char *kind, const char *name,
			 const struct drops *drops, struct instant now)
{
	for (unsigned i = 0; i < DROP_COUNT; i++) {
		json_t *object;

		if (!drops->count[i])
			continue;
		object = json_object();
		answer_put(object, "where",
			   name ? json_sprintf("%s %s", kind, name) : json_string(kind));
		answer_text(object, "reason", drop_name((enum drop)i));
		answer_count(object, "count", drops->count[i]);
		answer_age(object, "last_s", drops->last[i], now);
		answer_text(object, "text", drop_text((enum drop)i));
		json_array_append_new(array, object);
	}
}

json_t *report_drops(struct node *node)
{
	const struct peers *peers = &node->site.peers;
	struct instant now = node->loop.now;
	json_t *array = json_array();

	append_drops(array, "site", NULL, &peers->drops, now);
	for (unsigned i = 0; i < node->site.n_port; i++) {
		if (node->site.port[i])
			append_drops(array, "port", node->site.port[i]->name,
				     &node->site.port[i]->drops, now);
	}
	for (unsigned i = 0; i < peers->top; i++) {
		if (peers->peer[i])
			append_drops(array, "peer", peers->peer[i]->name, &peers->peer[i]->drops,
				     now);
	}
	for (unsigned i = 0; i < LINKS_MAX; i++) {
		const struct link *link = peers->link[i];

		if (link)
			append_drops(array, "relay", link->peer->name, &link->peer->drops, now);
	}
	return array;
}

/* ---- what arrived ---- */

/* Percent of all, or null where there is nothing to take a part of. */
static json_t *percent(uint64_t part, uint64_t all)
{
	return all ? json_real(100.0 * (double)part / (double)all) : json_null();
}

void report_put_arrivals(json_t *object, const struct peer *peer)
{
	struct keys_arrivals all = keys_arrivals(&peer->keys), recent = peer_recent(peer);

	answer_count(object, "lost", all.lost);
	answer_count(object, "reordered", all.late);
	answer_put(object, "loss_percent", percent(recent.lost, recent.received + recent.lost));
	answer_put(object, "reorder_percent", percent(recent.late, recent.received));
}

/* What its packets are sealed and sent with; null and empty while there is no session. */
void report_put_engines(json_t *object, const struct node *node, const struct peer *peer)
{
	const struct udp *udp = report_socket_of(node, peer);
	json_t *offloads = json_array();

	if (peer->up && udp && udp->gso)
		json_array_append_new(offloads, json_string("gso"));
	if (peer->up && udp && udp->gro)
		json_array_append_new(offloads, json_string("gro"));
	answer_text(object, "engine", peer->up ? aead_engine_name(node->conf->cipher) : NULL);
	answer_put(object, "offloads", offloads);
}
