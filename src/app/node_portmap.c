/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  A mapping helps where a relay sees this site at an IPv4 address
 * that is none of this host's: there is a translator between.  Then the next
 * router on the way to that relay is asked, and what it grants is the first of the
 * places that peers are told of.  Relays that are silent for a while change
 * nothing: what they saw last still counts.
 */
#include "app/node_portmap.h"

#include <string.h>

#include "app/event.h"
#include "app/node_peers.h"
#include "app/worker.h"
#include "base/bytes.h"
#include "base/log.h"
#include "host/netlink.h"

#define HURRY_LEAST SECONDS(20)
#define LOOK_EVERY 5   /* seconds between looks at the way to relays */

_Static_assert(PORTMAP_PORTS <= PEERS_LOCALS, "all that is mapped can be told");
_Static_assert(LINKS_MAX <= PORTMAP_SEEN, "all that relays see can be compared");

/* The relay that sees this site behind a translator, which is the first of them. */
static const struct link *seen_elsewhere(const struct node *node, struct portmap_wish *wish)
{
	const struct link *first = NULL;
	struct addr local, router;

	for (unsigned i = 0; i < LINKS_MAX; i++) {
		const struct link *link = node->site.peers.link[i];

		if (!link || link->observed.family != ADDR_IPV4 ||
		    link->peer->endpoint.addr.family != ADDR_IPV4 ||
		    netlink_route_router(&link->peer->endpoint.addr, &local, &router) != 0 ||
		    addr_equal_host(&local, &link->observed))
			continue;
		if (!first) {
			first = link;
			wish->local = local;
			wish->router = router;
		}
		wish->seen[wish->n_seen] = link->observed;
		wish->seen[wish->n_seen++].port = 0;
	}
	return first;
}

static void add_port(struct portmap_wish *wish, uint16_t port)
{
	for (unsigned i = 0; i < wish->n; i++) {
		if (wish->ports[i] == port)
			return;
	}
	if (wish->n < PORTMAP_PORTS)
		wish->ports[wish->n++] = port;
}

/* Ports of sockets that get what comes to the local address. */
static void add_ports(const struct node *node, struct portmap_wish *wish)
{
	for (unsigned i = 0; i < node->n_sockets; i++) {
		const struct addr *own = &node->workers[0].sockets[i].udp.local;

		if (own->family == ADDR_IPV4 &&
		    (bytes_all_zero(own->ip, 4) || addr_equal_host(own, &wish->local)))
			add_port(wish, own->port);
	}
}

static bool by_tls_only(const struct node *node)
{
	bool tls = false;

	for (unsigned i = 0; i < LINKS_MAX; i++) {
		const struct link *link = node->site.peers.link[i];

		if (link && link->peer->up && link->peer->endpoint.addr.family != ADDR_STREAM)
			return false;
		tls |= link && link->peer->up;
	}
	return tls;
}

/* Why nothing is to be asked for, or NULL. */
static const char *make_wish(const struct node *node, struct portmap_wish *wish)
{
	bool told = false;

	if (!node->conf->port_mapping)
		return "port_mapping = no";
	if (!node->conf->n_relays)
		return "no relay that would tell whether there is a translator";
	for (unsigned i = 0; i < LINKS_MAX; i++)
		told |= node->site.peers.link[i] &&
			node->site.peers.link[i]->observed.family != ADDR_NONE;
	if (!told && by_tls_only(node))
		return "registered by TLS only: no relay sees a UDP address";
	if (!told)
		return "no relay has told yet where it sees this site";
	if (!seen_elsewhere(node, wish))
		return "relays see this site at its own address, or by IPv6";
	if (wish->router.family != ADDR_IPV4)
		return "no router on the way to the relay";
	add_ports(node, wish);
	return wish->n ? NULL : "no listen address of IPv4";
}

/* What peers are told of. */
static void use(struct node *node, const struct portmap_report *report)
{
	struct node_portmap *m = &node->portmap;
	bool same = m->report.n == report->n &&
		    memcmp(m->report.external, report->external,
			   report->n * sizeof(report->external[0])) == 0;

	m->report = *report;
	if (!same)
		node_relays_tell_local(node);
}

static void tell(struct node *node, const struct portmap_report *new)
{
	const struct portmap_report *old = &node->portmap.report;
	char text[ADDR_TEXT];

	if (new->by == old->by && strcmp(new->error, old->error) == 0 && !new->restarted &&
	    (!new->by || addr_equal(&new->external[0], &old->external[0])))
		return;
	if (new->asking)
		return;
	if (new->restarted)
		event_tell(EVENT_PORT_UNMAPPED, log_text("error", "the router has forgotten it, "
								  "and was asked again"));
	if (new->by && !new->error[0])
		event_tell(EVENT_PORT_MAPPED, log_text("at", addr_format(&new->external[0], text)),
			   log_text("by", portmap_by_name(new->by)));
	else if (new->error[0])
		event_tell(EVENT_PORT_UNMAPPED, log_text("error", new->error));
	else if (old->by)
		event_tell(EVENT_PORT_UNMAPPED);
}

static void changed(void *ctx, const struct portmap_report *report)
{
	struct node *node = ctx;

	worker_pause(node);
	tell(node, report);
	use(node, report);
	worker_resume(node);
}

/* Whether a relay sees this site elsewhere than a second ago. */
static bool was_moved(struct node *node)
{
	bool moved = false;

	for (unsigned i = 0; i < LINKS_MAX; i++) {
		const struct link *link = node->site.peers.link[i];
		struct addr *seen = &node->portmap.seen[i];
		struct addr now = link ? link->observed : (struct addr){ 0 };

		moved |= !addr_equal_host(seen, &now);
		*seen = now;
	}
	return moved;
}

static bool start(struct node *node)
{
	struct node_portmap *m = &node->portmap;

	if (m->portmap)
		return true;
	m->portmap = portmap_new(&node->loop, changed, node);
	return m->portmap != NULL;
}

void node_portmap_second(struct node *node)
{
	struct node_portmap *m = &node->portmap;
	struct portmap_wish wish = { 0 };

	if (was_moved(node) && instant_between(m->hurried, node->loop.now) >= HURRY_LEAST) {
		m->hurried = node->loop.now; /* a relay may say something else each second */
	} else if (m->looked && node->resolve_round % LOOK_EVERY) {
		return;
	}
	m->looked = true;
	m->idle = make_wish(node, &wish);
	if (m->idle)
		wish = (struct portmap_wish){ 0 };
	if (!m->idle && !start(node))
		m->idle = "no thread for it can be made";
	if (m->portmap)
		portmap_ask(m->portmap, &wish);
}

void node_portmap_again(struct node *node)
{
	node->portmap.looked = false;
	if (node->portmap.portmap && node->conf->port_mapping)
		portmap_again(node->portmap.portmap);
}

void node_portmap_stop(struct node *node)
{
	portmap_free(node->portmap.portmap);
	node->portmap.portmap = NULL;
}
