/* SPDX-License-Identifier: MIT */
#include "app/node_peers.h"

#include <stdio.h>
#include <string.h>

#include "app/uplink.h"
#include "app/event.h"
#include "base/bytes.h"
#include "base/log.h"
#include "host/netlink.h"

#define RESOLVE_EVERY 20 /* seconds between look-ups of a relay that does not answer */
#define PATIENCE 4	 /* calls without an answer before that is told */
#define LOCAL_EVERY 5	 /* seconds between looks at the own addresses */

_Static_assert(CONF_RELAYS <= LINKS_MAX, "each configured relay has a link");

static struct link *find(struct node *node, const struct conf_peer *conf)
{
	for (unsigned i = 0; i < LINKS_MAX; i++) {
		struct link *link = node->site.peers.link[i];

		if (link && strcmp(link->peer->name, conf->name) == 0)
			return link;
	}
	return NULL;
}

static void add(struct node *node, const struct conf_peer *conf)
{
	struct link *link = peers_add_link(&node->site.peers, conf->name, conf->public_key,
					   conf->secret, node->loop.now);

	if (link)
		node_peers_begin(node, link->peer->number, conf);
	else
		log_error("relay left out, out of memory", log_text("relay", conf->name));
}

void node_relays_start(struct node *node)
{
	node->site.peers.admit = node->conf->trust_secret;
	for (unsigned i = 0; i < node->conf->n_relays; i++)
		add(node, &node->conf->relays[i]);
}

static const struct conf_peer *find_conf(const struct conf *conf, const char *name)
{
	for (unsigned i = 0; i < conf->n_relays; i++) {
		if (strcmp(conf->relays[i].name, name) == 0)
			return &conf->relays[i];
	}
	return NULL;
}

/* Another key or secret makes another relay of it. */
static bool is_same(const struct conf_peer *a, const struct conf_peer *b)
{
	return memcmp(a->public_key, b->public_key, KEX_KEY) == 0 &&
	       bytes_equal_secret(a->secret, b->secret, KEX_KEY);
}

void node_relays_apply(struct node *node, const struct conf *conf)
{
	for (unsigned i = 0; i < LINKS_MAX; i++) {
		struct link *link = node->site.peers.link[i];
		const struct conf_peer *found;

		if (!link)
			continue;
		found = find_conf(conf, link->peer->name);
		if (found && is_same(found, &node->peers[link->peer->number].conf)) {
			if (memcmp(found, &node->peers[link->peer->number].conf,
				   sizeof(*found)) != 0)
				uplink_forget(node, link->number);
			node_peers_readdress(node, link->peer, found);
			continue;
		}
		uplink_forget(node, link->number);
		node->peers[link->peer->number].used = false;
		node->peers[link->peer->number].generation++;
		peers_remove_link(&node->site.peers, link, node->loop.now);
	}
	for (unsigned i = 0; i < conf->n_relays; i++) {
		if (!find(node, &conf->relays[i]))
			add(node, &conf->relays[i]);
	}
}

static bool has(const struct addr *list, unsigned n, const struct addr *addr)
{
	for (unsigned i = 0; i < n; i++) {
		if (addr_equal(&list[i], addr))
			return true;
	}
	return false;
}

/* The address that this host would use towards `to`, with the port of that socket. */
static unsigned add_local(struct addr *list, unsigned n, const struct addr *to,
			  const struct udp *udp)
{
	struct addr own = udp->local;

	if (n == PEERS_LOCALS || to->family != udp->local.family)
		return n;
	if (bytes_all_zero(own.ip, sizeof(own.ip)) && netlink_route_source(to, &own) != 0)
		return n;
	own.port = udp->local.port;
	if (!has(list, n, &own))
		list[n++] = own;
	return n;
}

/* Where the router in front passes on to the sockets; and addresses by which hosts around
 * may reach them: what the routing chooses towards relays, and towards anywhere. */
void node_relays_tell_local(struct node *node)
{
	const struct addr anywhere[] = {
		{ .family = ADDR_IPV4, .ip = { 192, 0, 2, 1 } },
		{ .family = ADDR_IPV6, .ip = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } },
	};
	struct addr list[PEERS_LOCALS];
	unsigned n = node->portmap.report.n;

	memcpy(list, node->portmap.report.external, n * sizeof(list[0]));
	for (unsigned s = 0; s < node->n_sockets; s++) {
		const struct udp *udp = &node->workers[0].sockets[s].udp;

		for (unsigned i = 0; i < LINKS_MAX; i++) {
			const struct link *link = node->site.peers.link[i];

			if (link)
				n = add_local(list, n, &link->peer->endpoint.addr, udp);
		}
		for (unsigned i = 0; i < COUNT_OF(anywhere); i++)
			n = add_local(list, n, &anywhere[i], udp);
	}
	peers_set_local(&node->site.peers, list, n, node->loop.now);
}

/* A peer that no relay lists any more, and that does not speak. */
static void forget_dynamic(struct node *node)
{
	struct peers *peers = &node->site.peers;

	for (unsigned i = 0; i < peers->top; i++) {
		struct peer *peer = peers->peer[i];
		bool listed = false;

		for (unsigned k = 0; peer && k < LINKS_MAX; k++)
			listed |= peer->member[k] != 0;
		if (!peer || !peer->dynamic || listed || peer_has_session(peer))
			continue;
		node->peers[i].used = false;
		site_remove_peer(&node->site, peer, node->loop.now);
	}
}

/* Says once that a relay does not answer. */
static void tell_silence(struct node *node, const struct peer *peer)
{
	struct node_peer *np = &node->peers[peer->number];

	if (peer->up)
		np->silent = false;
	if (peer->up || peer->refused || np->silent || peer->timers.attempts < PATIENCE)
		return;
	event_tell(EVENT_RELAY_SILENT, log_text("relay", peer->name),
		   log_number("calls", peer->timers.attempts),
		   log_text("hint", "is its address right, its public_key, and does it know this "
				    "network and this site?"));
	np->silent = true;
}

void node_relays_second(struct node *node)
{
	unsigned relays = 0;

	for (unsigned i = 0; i < LINKS_MAX; i++) {
		const struct link *link = node->site.peers.link[i];

		relays += link != NULL;
		if (link)
			uplink_second(node, link);
		if (link)
			tell_silence(node, link->peer);
		if (link && !link->peer->up && node->resolve_round % RESOLVE_EVERY == i)
			node_peers_resolve(node, link->peer->number);
	}
	if (!relays)
		return;
	forget_dynamic(node);
	if (node->resolve_round % LOCAL_EVERY == 0 || !node->site.peers.n_local)
		node_relays_tell_local(node);
}

char *node_relays_place(const struct node *node, const struct addr *addr, char out[NODE_PLACE])
{
	const struct link *link =
		addr->family == ADDR_RELAY ? node->site.peers.link[addr->port] : NULL;

	_Static_assert(NODE_PLACE >= UPLINK_PLACE, "an address fits");
	if (addr->family == ADDR_STREAM)
		uplink_place(node, addr, out);
	else if (link)
		snprintf(out, NODE_PLACE, "relay %s, member %u", link->peer->name,
			 link_member_of(addr));
	else
		addr_format(addr, out);
	return out;
}
