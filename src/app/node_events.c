/* SPDX-License-Identifier: MIT */
/* What the core tells of peers and relays, as events. */
#include <stdio.h>
#include <string.h>

#include "app/event.h"
#include "app/node_peers.h"
#include "app/uplink.h"

static const char *end_text(enum peer_end end)
{
	switch (end) {
	case PEER_END_SILENT:
		return "silent";
	case PEER_END_CLOSED:
		return "closed by peer";
	case PEER_END_COMMAND:
		return "disconnected by command";
	case PEER_END_REMOVED:
		return "removed";
	case PEER_END_RELAY:
		return "its relay is removed";
	case PEER_END_STOPPING:
		return "stopping";
	}
	return NULL;
}

/* Fields of where a peer is. */
struct place {
	char at[ADDR_TEXT];
	struct log_field path, address, relay, member;
};

static void find_place(const struct node *node, const struct addr *addr, struct place *p)
{
	const struct link *link =
		addr->family == ADDR_RELAY ? node->site.peers.link[addr->port] : NULL;
	bool known = addr->family != ADDR_NONE;

	p->path = log_text("path", !known			? NULL
				   : addr->family == ADDR_RELAY ? "relayed"
								: "direct");
	p->address = log_text("at", known && !link ? addr_format(addr, p->at) : NULL);
	p->relay = log_text("relay", link ? link->peer->name : NULL);
	p->member = link ? log_number("member", link_member_of(addr)) : log_text("", NULL);
}

/* The place of before, which the present one takes. */
static void take_place(struct node *node, const struct peer *peer, char before[NODE_PLACE])
{
	char *place = node->peers[peer->number].place;

	memcpy(before, place, NODE_PLACE);
	node_relays_place(node, &peer->endpoint.addr, place);
}

static void peer_event(struct node *node, const struct peer *peer, enum peer_event event)
{
	struct log_field name = log_text("peer", peer->name);
	char from[NODE_PLACE];
	struct place p;

	find_place(node, &peer->endpoint.addr, &p);
	switch (event) {
	case PEER_UP:
		take_place(node, peer, from);
		event_tell(EVENT_PEER_UP, name, p.path, p.address, p.relay, p.member);
		break;
	case PEER_DOWN:
		event_tell(EVENT_PEER_DOWN, name, log_text("reason", end_text(peer->end)), p.path,
			   p.address, p.relay, p.member);
		break;
	case PEER_REKEYED:
		event_tell(EVENT_REKEYED, name);
		break;
	case PEER_ROAMED:
		take_place(node, peer, from);
		if (strcmp(from, node->peers[peer->number].place) == 0)
			break; /* a change of path has told it */
		event_tell(EVENT_PEER_MOVED, name, p.path, p.address, p.relay, p.member,
			   log_text("from", from));
		break;
	case PEER_PMTU:
		event_tell(EVENT_PMTU, name, log_number("bytes", peer->pmtu.now_size));
		break;
	case PEER_PATH:
		take_place(node, peer, from);
		event_tell(EVENT_PATH, name, p.path, p.address, p.relay, p.member,
			   log_text("from", from));
		break;
	case PEER_MTU_DIFFERS:
		event_tell(EVENT_MTU_DIFFERS, name, log_number("mtu", peer->remote_mtu),
			   log_number("ours", node->conf->mtu),
			   log_text("hint", "larger frames will be lost"));
		break;
	case PEER_REFUSED:
		event_tell(EVENT_PEER_REFUSED, name,
			   log_text("hint", "is the network secret the same at both sites?"));
		break;
	case PEER_LISTED:
	case PEER_MARKED:
	case PEER_EVENTS:
		break;
	}
}

/* With each new session the list begins anew, and most often it is the same. */
static void listed_event(struct node *node, const struct peer *peer)
{
	struct node_peer *of = &node->peers[peer->number];
	unsigned sites = link_count(peer->link);

	if (of->listed && of->sites == sites)
		return;
	of->listed = true;
	of->sites = sites;
	event_tell(EVENT_RELAY_LISTED, log_text("relay", peer->name), log_number("sites", sites));
}

/* Those of relays are told by their own words. */
static void relay_event(struct node *node, const struct peer *peer, enum peer_event event)
{
	struct log_field name = log_text("relay", peer->name);
	char at[NODE_PLACE];

	switch (event) {
	case PEER_UP:
		node->peers[peer->number].listed = false;
		event_tell(EVENT_RELAY_UP, name,
			   log_text("at", node_relays_place(node, &peer->endpoint.addr, at)));
		break;
	case PEER_DOWN:
		event_tell(EVENT_RELAY_DOWN, name, log_text("reason", end_text(peer->end)));
		break;
	case PEER_LISTED:
		listed_event(node, peer);
		break;
	case PEER_REFUSED:
		event_tell(
			EVENT_RELAY_REFUSED, name,
			log_text("hint", "is secret_file the one that it has for this network?"));
		break;
	case PEER_MARKED:
		uplink_marked(node, peer->link);
		break;
	default:
		break;
	}
}

void node_peers_event(void *ctx, struct peer *peer, enum peer_event event)
{
	struct node *node = ctx;

	if (!node->peers[peer->number].used)
		node_peers_begin(node, peer->number, &(struct conf_peer){ 0 });
	if (peer->link)
		relay_event(node, peer, event);
	else
		peer_event(node, peer, event);
}
