/* SPDX-License-Identifier: MIT */
#include "app/node_peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/event.h"
#include "app/node_hooks.h"
#include "app/ports.h"
#include "app/uplink.h"
#include "base/bytes.h"
#include "base/log.h"

#define RESOLVE_EVERY 30 /* seconds between look-ups of a peer that does not answer */

/* A tag says which peer's which address was asked for, and of which generation. */
static uint64_t tag_make(const struct node *node, unsigned number, unsigned address)
{
	return (uint64_t)node->peers[number].generation << 32 | number << 8 | address;
}

static void use_answers(struct node *node, unsigned number)
{
	struct node_peer *np = &node->peers[number];
	struct addr all[CONF_ADDRESSES * RESOLVE_ANSWERS];
	unsigned n = 0;

	for (unsigned i = 0; i < np->conf.n_address && np->conf.transport != CONF_TRANSPORT_TLS;
	     i++) {
		memcpy(&all[n], np->answers[i], np->n_answers[i] * sizeof(all[0]));
		n += np->n_answers[i];
	}
	peers_set_addresses(&node->site.peers, node->site.peers.peer[number], all, n,
			    node->loop.now);
}

static bool number_is_relay(const struct node *node, unsigned number)
{
	const struct peer *peer = node->site.peers.peer[number];

	return peer && peer->link;
}

void node_peers_resolved(void *ctx, uint64_t tag, const struct addr *answers, size_t n,
		   const char *error)
{
	struct node *node = ctx;
	unsigned number = tag >> 8 & 0xffffff, address = tag & 0xff;
	struct node_peer *np;

	if (number >= PEERS_MAX || address >= CONF_ADDRESSES)
		return;
	np = &node->peers[number];
	if (!np->used || np->generation != tag >> 32)
		return;
	if (n == 0) {
		if (!np->failure[address][0])
			event_tell(EVENT_NAME_FAILED,
				   log_text(number_is_relay(node, number) ? "relay" : "peer",
					    np->conf.name),
				   log_text("address", np->conf.address[address]),
				   log_text("error", error));
		snprintf(np->failure[address], NODE_FAILURE, "%s", error);
		return;
	}
	np->failure[address][0] = '\0';
	n = MIN(n, RESOLVE_ANSWERS);
	if (np->n_answers[address] == n &&
	    memcmp(np->answers[address], answers, n * sizeof(*answers)) == 0)
		return;
	memcpy(np->answers[address], answers, n * sizeof(*answers));
	np->n_answers[address] = (unsigned)n;
	use_answers(node, number);
}

void node_peers_resolve(struct node *node, unsigned number)
{
	const struct node_peer *np = &node->peers[number];

	for (unsigned i = 0; i < np->conf.n_address; i++)
		resolve_ask(node->resolve, np->conf.address[i], WIRE_PORT,
			    tag_make(node, number, i));
}

/* A few peers each second, so that the queue of questions is not swamped. */
void node_peers_resolve_again(struct node *node)
{
	unsigned turn = (unsigned)(node->resolve_round++ % RESOLVE_EVERY);

	for (unsigned i = turn; i < node->site.peers.top; i += RESOLVE_EVERY) {
		const struct peer *peer = node->site.peers.peer[i];

		if (peer && node->peers[i].used && !peer->up)
			node_peers_resolve(node, i);
	}
}

void node_peers_add(struct node *node, const struct conf_peer *conf)
{
	struct peer *peer = peers_add(&node->site.peers, conf->name, conf->public_key,
				      node->loop.now);

	if (!peer) {
		log_error("peer left out, out of memory", log_text("peer", conf->name));
		return;
	}
	node_peers_begin(node, peer->number, conf);
}

void node_peers_begin(struct node *node, unsigned number, const struct conf_peer *conf)
{
	struct node_peer *np = &node->peers[number];

	*np = (struct node_peer){ .used = true,
				  .generation = np->generation + 1,
				  .conf = *conf };
	node_peers_resolve(node, number);
}

static void remove_peer(struct node *node, struct peer *peer)
{
	struct node_peer *np = &node->peers[peer->number];

	np->used = false;
	np->generation++;
	site_remove_peer(&node->site, peer, node->loop.now);
}

static const struct conf_peer *find_conf(const struct conf *conf, const struct peer *peer)
{
	for (unsigned i = 0; i < conf->n_peers; i++) {
		if (memcmp(conf->peers[i].public_key, peer->public_key, KEX_KEY) == 0 &&
		    strcmp(conf->peers[i].name, peer->name) == 0)
			return &conf->peers[i];
	}
	return NULL;
}

static bool is_pinned(const struct conf *conf, const struct peer *peer)
{
	for (unsigned i = 0; i < conf->n_peers; i++) {
		if (memcmp(conf->peers[i].public_key, peer->public_key, KEX_KEY) == 0)
			return true;
	}
	return false;
}

/* The addresses of a peer that stays. */
void node_peers_readdress(struct node *node, struct peer *peer, const struct conf_peer *conf)
{
	struct node_peer *np = &node->peers[peer->number];

	if (memcmp(&np->conf, conf, sizeof(*conf)) == 0)
		return;
	np->conf = *conf;
	np->generation++;
	memset(np->n_answers, 0, sizeof(np->n_answers));
	memset(np->failure, 0, sizeof(np->failure));
	use_answers(node, peer->number);
	node_peers_resolve(node, peer->number);
}

/* Its key is not trusted any more. */
static void revoke_peer(struct node *node, struct peer *peer)
{
	char name[WIRE_NAME + 1], hex[IDENTITY_ID_TEXT];

	memcpy(name, peer->name, sizeof(name));
	bytes_to_hex(hex, peer->id, IDENTITY_ID);
	remove_peer(node, peer);
	event_tell(EVENT_PEER_REVOKED, log_text("peer", name), log_text("site_id", hex));
}

static void apply_peers(struct node *node, const struct conf *conf)
{
	struct peers *peers = &node->site.peers;

	for (unsigned i = 0; i < peers->top; i++) {
		const struct conf_peer *found;

		if (!peers->peer[i])
			continue;
		if (peers->peer[i]->dynamic && !is_pinned(conf, peers->peer[i]))
			continue;
		found = find_conf(conf, peers->peer[i]);
		if (found && !peers->peer[i]->dynamic)
			node_peers_readdress(node, peers->peer[i], found);
		else if (is_pinned(conf, peers->peer[i]))
			remove_peer(node, peers->peer[i]); /* it gets another name */
		else
			revoke_peer(node, peers->peer[i]);
	}
	for (unsigned i = 0; i < conf->n_peers; i++) {
		if (!peers_find_key(peers, conf->peers[i].public_key))
			node_peers_add(node, &conf->peers[i]);
	}
}

static void apply_rest(struct node *node, const struct conf *conf)
{
	struct peers *peers = &node->site.peers;

	log_set_level(conf->log);
	node->site.switching.hub = !conf->learning;
	node->site.mss_clamp = (uint16_t)conf->mss_clamp;
	peers_set_broadcast(peers, (enum flood_mode)(conf->broadcast - 1), node->loop.now);
	node->site.switching.fdb.ageing = SECONDS(conf->ageing);
	peers->keepalive = SECONDS(conf->keepalive);
	for (unsigned i = 0; i < PEERS_MAX; i++) { /* relays too */
		if (peers->peer[i])
			peers->peer[i]->timers.keepalive = peers->keepalive;
	}
}

/* Whether a wire has room for what came by command beside what the file says. */
static bool has_room(const struct node *node, const struct conf *conf, struct conf_errors *why)
{
	unsigned kept = ports_by_command(node->ports, conf);
	unsigned locals = kept + conf->n_ports + (conf->tap[0] != '\0');
	const char *fault;
	char text[200];

	if (!kept || locals + conf->n_peers <= 2)
		return true;
	fault = conf_wire_fault(conf, locals, conf->n_peers, text);
	if (fault)
		conf_errors_one(why, conf->file, "[bridge] mode", fault);
	return !fault;
}

static int reload(struct node *node, struct conf_errors *why)
{
	struct conf *conf = conf_load(node->conf->file, why);
	struct conf_changes changes;

	if (!conf)
		return 2;
	if (!conf_change_is_live(node->conf, conf, why) || !has_room(node, conf, why)) {
		conf_free(conf);
		return 2;
	}
	conf_changes(node->conf, conf, &changes);
	apply_rest(node, conf);
	node_hooks_apply(node, conf);
	apply_peers(node, conf);
	node_relays_apply(node, conf);
	ports_apply(node, &node->port, &conf->vlans, conf->impair, conf->reserved_pass);
	ports_reload(node->ports, conf);
	conf_free(node->conf);
	node->conf = conf;
	event_tell(EVENT_RELOADED, log_number("peers", conf->n_peers),
		   log_number("relays", conf->n_relays), log_number("ports", conf->n_ports),
		   conf_change_field("added", changes.added),
		   conf_change_field("removed", changes.removed),
		   conf_change_field("changed", changes.changed));
	return 0;
}

int node_peers_reload(struct node *node, struct conf_errors *why)
{
	int status = reload(node, why);
	char place[CONF_ERRORS_PLACE];

	for (size_t i = 0; i < why->n; i++) {
		conf_errors_place(why->lines[i], place);
		event_tell(EVENT_RELOAD_REFUSED, log_text("error", place));
	}
	return status;
}
