/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * An Ethernet address is looked up where the switch would, so what is said here
 * is what a frame that comes now would meet.  An IP address becomes an Ethernet
 * address by what this host itself knows of its neighbours at the bridge; frames of
 * others are not looked into for that.
 */
#include "app/why.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/node_peers.h"
#include "base/bytes.h"
#include "report_parts.h"

#define TEXT 256

/* What the address turned out to be. */
struct finding {
	struct why_target target;
	int vlan;
	struct mac mac;
	bool known;		  /* mac is set */
	char interface[IFNAMSIZ]; /* that knew the neighbour, or "" */
	unsigned age_s;		  /* of that */
	char asked[IFNAMSIZ];	  /* where nobody answered for it, or "" */
	const char *own;	  /* link of this host that has it, or NULL */
	char text[TEXT];
};

bool why_target_parse(struct why_target *out, const char *text)
{
	static const struct mac none;

	memset(out, 0, sizeof(*out));
	if (mac_parse(&out->mac, text))
		return !mac_equal(out->mac, none);
	if (inet_pton(AF_INET, text, out->ip.ip) == 1)
		out->ip.family = ADDR_IPV4;
	else if (inet_pton(AF_INET6, text, out->ip.ip) == 1)
		out->ip.family = ADDR_IPV6;
	return out->ip.family != ADDR_NONE;
}

/* ---- from IP to Ethernet ---- */

/* Multicast and broadcast need nobody who knows (RFC 1112 6.4, RFC 2464 7). */
static bool group_mac(struct mac *out, const struct addr *ip)
{
	static const uint8_t all[4] = { 255, 255, 255, 255 };
	const uint8_t *b = ip->ip;

	if (ip->family == ADDR_IPV4 && memcmp(b, all, 4) == 0)
		memset(out, 0xff, sizeof(*out));
	else if (ip->family == ADDR_IPV4 && b[0] >> 4 == 14)
		*out = (struct mac){ { 0x01, 0x00, 0x5e, b[1] & 0x7f, b[2], b[3] } };
	else if (ip->family == ADDR_IPV6 && b[0] == 0xff)
		*out = (struct mac){ { 0x33, 0x33, b[12], b[13], b[14], b[15] } };
	else
		return false;
	return true;
}

static void ask_neighbour(struct node *node, struct finding *f, const char *interface)
{
	struct netlink_neighbour neighbour;
	struct netlink_link link;
	int error;

	if (f->known || netlink_link_get(&node->attach.netlink, interface, &link) != 0)
		return;
	error = netlink_neighbour_get(&node->attach.netlink, link.index, &f->target.ip, &neighbour);
	if (error == -EHOSTUNREACH)
		snprintf(f->asked, sizeof(f->asked), "%s", link.name);
	if (error)
		return;
	f->known = true;
	f->mac = neighbour.mac;
	f->age_s = neighbour.age_s;
	snprintf(f->interface, sizeof(f->interface), "%s", link.name);
}

/* The link that this host's own addresses are at. */
static const char *host_link(const struct node *node)
{
	return node->attach.bridge_name[0] ? node->attach.bridge_name : node->attach.tap_name;
}

/* True when the address is one of this host's. */
static bool is_own_ip(const struct addr *ip)
{
	struct addr source;

	return netlink_route_source(ip, &source) == 0 && addr_equal_host(&source, ip);
}

static void find_own_ip(struct node *node, struct finding *f)
{
	struct netlink_link link;

	if (!is_own_ip(&f->target.ip) ||
	    netlink_link_get(&node->attach.netlink, host_link(node), &link) != 0)
		return;
	f->known = true;
	f->mac = link.mac;
}

static void find_ip(struct node *node, struct finding *f)
{
	char vlan[2 * IFNAMSIZ];

	f->known = group_mac(&f->mac, &f->target.ip);
	if (f->known)
		return;
	if (f->vlan > 0) {
		snprintf(vlan, sizeof(vlan), "%s.%d", host_link(node), f->vlan);
		ask_neighbour(node, f, vlan);
	}
	ask_neighbour(node, f, host_link(node));
	if (!f->known)
		find_own_ip(node, f);
	if (f->known)
		return;
	if (!host_link(node)[0])
		snprintf(
			f->text, sizeof(f->text),
			"this site has no TAP, so this host has no neighbours there; bridges go by "
			"Ethernet addresses: look it up where it was talked to (ip neigh)");
	else if (f->asked[0])
		snprintf(f->text, sizeof(f->text),
			 "asked, no answer: this host asks for it at %s, and nobody there or at "
			 "another site says that it is his",
			 f->asked);
	else
		snprintf(f->text, sizeof(f->text),
			 "this host has no neighbour entry for it at %s; bridges go by Ethernet "
			 "addresses: look it up where it was talked to (ip neigh), or ping it from "
			 "here if this host has an address in that network",
			 host_link(node));
}

/* Whose address it is, when it is this host's own. */
static void find_own(struct node *node, struct finding *f)
{
	const char *const names[] = { node->attach.bridge_name, node->attach.tap_name };
	struct netlink_link link;

	for (unsigned i = 0; i < COUNT_OF(names) && !f->own; i++) {
		if (names[i][0] && netlink_link_get(&node->attach.netlink, names[i], &link) == 0 &&
		    mac_equal(link.mac, f->mac))
			f->own = names[i];
	}
}

/* ---- one place ---- */

static json_t *drop_object(const struct drops *drops, enum drop_at at, bool leaving,
			   struct instant now)
{
	enum drop reason = drop_newest(drops, at, leaving);
	json_t *object;

	if (reason == DROP_COUNT)
		return json_null();
	object = json_object();
	answer_text(object, "reason", drop_name(reason));
	answer_text(object, "text", drop_text(reason));
	answer_count(object, "count", drops->count[reason]);
	answer_age(object, "last_s", drops->last[reason], now);
	return object;
}

static void put_drops(json_t *object, const struct drops *drops, enum drop_at at,
		      struct instant now)
{
	answer_put(object, "last_drop_there", drop_object(drops, at, true, now));
	answer_put(object, "last_drop_from_there", drop_object(drops, at, false, now));
}

static void put_peer(json_t *object, const struct node *node, const struct peer *peer)
{
	bool session = peer_has_session(peer);

	answer_text(object, "port", peer->name);
	answer_text(object, "kind", "peer");
	answer_text(object, "fate", session ? "forwarded" : "dropped");
	answer_text(object, "state", report_peer_state(peer));
	answer_text(object, "state_text", report_peer_state_text(&node->peers[peer->number], peer));
	report_put_path(object, node, peer);
	report_put_place(object, "endpoint", node, &peer->endpoint.addr);
	answer_put(object, "rtt_ms", peer->rtt ? json_real((double)peer->rtt / 1000) : json_null());
	put_drops(object, &peer->drops, DROP_AT_PEER, node->loop.now);
}

static void put_port(json_t *object, const struct node *node, unsigned number)
{
	const struct port *port = node->site.port[number];

	answer_text(object, "port", port->name);
	answer_text(object, "kind", "local");
	answer_text(object, "fate", port->up ? "forwarded" : "dropped");
	answer_text(object, "state", report_port_state(node, number));
	answer_text(object, "state_text", report_port_note(node, number));
	answer_text(object, "path", NULL);
	answer_text(object, "relay", NULL);
	answer_text(object, "endpoint", NULL);
	answer_put(object, "rtt_ms", json_null());
	put_drops(object, &port->drops, DROP_AT_PORT, node->loop.now);
}

static void put_place(json_t *object, const struct node *node, uint16_t port)
{
	if (switch_is_peer(port))
		put_peer(object, node, node->site.peers.peer[port - SWITCH_PEER]);
	else
		put_port(object, node, port);
}

static json_t *entry_object(const struct node *node, const struct fdb_entry *e)
{
	const struct fdb_traffic *t = fdb_traffic_of(&node->site.switching.fdb, e);
	json_t *object = json_object();

	put_place(object, node, e->port);
	answer_count(object, "vlan", e->vlan);
	answer_age(object, "learned_s", t->since, node->loop.now);
	answer_age(object, "age_s", e->seen, node->loop.now);
	answer_count(object, "moves", e->moves_total);
	answer_put(object, "held", json_boolean(fdb_is_held(e, node->loop.now)));
	return object;
}

/* The switch need not have learned this host's own address: it is behind the TAP. */
static json_t *own_object(const struct node *node, int vlan)
{
	json_t *object = json_object();

	put_place(object, node, 0);
	answer_put(object, "vlan", vlan < 0 ? json_null() : json_integer(vlan));
	answer_put(object, "learned_s", json_null());
	answer_put(object, "age_s", json_null());
	answer_count(object, "moves", 0);
	answer_put(object, "held", json_false());
	return object;
}

static json_t *places_array(const struct node *node, const struct finding *f)
{
	const struct fdb *fdb = &node->site.switching.fdb;
	json_t *array = json_array();
	const struct fdb_entry *e;

	if (node->site.switching.hub)
		return array;
	for (int vlan = MAX(f->vlan, 0); vlan < (f->vlan < 0 ? WHY_VLANS : f->vlan + 1); vlan++) {
		e = fdb_find(fdb, (uint16_t)vlan, f->mac, node->loop.now);
		if (e)
			json_array_append_new(array, entry_object(node, e));
	}
	if (f->own && json_array_size(array) == 0)
		json_array_append_new(array, own_object(node, f->vlan));
	return array;
}

/* ---- all places ---- */

static json_t *left_out_object(const struct node *node, const struct peer *peer)
{
	json_t *object = json_object();

	answer_text(object, "peer", peer->name);
	answer_text(object, "reason", report_peer_state_text(&node->peers[peer->number], peer));
	return object;
}

/* Which way each peer would get it. */
static void put_flood_peers(json_t *object, const struct node *node)
{
	const struct peers *peers = &node->site.peers;
	const struct link *link = peers_flood_link(peers);
	json_t *relayed = json_array(), *copies = json_array(), *left_out = json_array();

	for (unsigned i = 0; i < peers->top; i++) {
		const struct peer *peer = peers->peer[i];

		if (!peer)
			continue;
		if (!peer_has_session(peer))
			json_array_append_new(left_out, left_out_object(node, peer));
		else
			json_array_append_new(
				link && peer->flood.holds && peer->member[link->number] ? relayed
											: copies,
				json_string(peer->name));
	}
	answer_text(object, "relay", link ? link->peer->name : NULL);
	answer_put(object, "relayed", relayed);
	answer_put(object, "copies", copies);
	answer_put(object, "left_out", left_out);
}

/* A frame for the address may leave there; a reserved one not at all ports. */
static bool may_pass(const struct port *port, struct mac mac)
{
	return port && (port->reserved_pass || !mac_is_reserved(mac));
}

static bool any_may_pass(const struct node *node, struct mac mac)
{
	for (unsigned i = 0; i < node->site.n_port; i++) {
		if (may_pass(node->site.port[i], mac))
			return true;
	}
	return false;
}

static json_t *flood_port_object(const struct node *node, unsigned number)
{
	const struct port *port = node->site.port[number];
	json_t *object = json_object();

	answer_text(object, "port", port->name);
	answer_text(object, "state", report_port_state(node, number));
	put_drops(object, &port->drops, DROP_AT_PORT, node->loop.now);
	return object;
}

static json_t *flood_object(const struct node *node, struct mac mac)
{
	json_t *object = json_object(), *ports = json_array();

	for (unsigned i = 0; i < node->site.n_port; i++) {
		if (may_pass(node->site.port[i], mac))
			json_array_append_new(ports, flood_port_object(node, i));
	}
	answer_put(object, "ports", ports);
	put_flood_peers(object, node);
	return object;
}

/* ---- the answer ---- */

static const char *kind_of(const struct finding *f)
{
	if (!f->known)
		return NULL;
	return mac_is_reserved(f->mac) ? "reserved" : mac_is_group(f->mac) ? "group" : "unicast";
}

static const char *vlan_words(const struct finding *f, char out[32])
{
	if (f->vlan < 0)
		return "any VLAN";
	if (f->vlan == 0)
		return "untagged frames";
	snprintf(out, 32, "VLAN %d", f->vlan);
	return out;
}

static void explain_flood(const struct node *node, struct finding *f, bool reaches)
{
	static const char nobody[] = "would be flooded, but no peer has a session: dropped";
	char vlan[32];

	if (node->site.wire)
		snprintf(f->text, sizeof(f->text), "mode = wire: every frame %s",
			 reaches ? "goes to the other end" : "is dropped, there is no other end");
	else if (node->site.switching.hub)
		snprintf(f->text, sizeof(f->text), "learning = no: %s",
			 reaches ? "every frame is flooded" : nobody);
	else if (mac_is_group(f->mac))
		snprintf(f->text, sizeof(f->text), "a group address is for everybody: %s",
			 reaches ? "flooded" : nobody);
	else
		snprintf(f->text, sizeof(f->text), "no frame came from it in %s lately: %s",
			 vlan_words(f, vlan), reaches ? "flooded until one does" : nobody);
}

static unsigned count_up(const json_t *ports)
{
	const json_t *port;
	unsigned n = 0;
	size_t i;

	json_array_foreach((json_t *)ports, i, port)
	{
		n += strcmp(json_string_value(json_object_get(port, "state")), "up") == 0;
	}
	return n;
}

/* A peer gets it, or one port what comes from another. */
static bool flood_reaches(const json_t *flood)
{
	return json_array_size(json_object_get(flood, "relayed")) > 0 ||
	       json_array_size(json_object_get(flood, "copies")) > 0 ||
	       count_up(json_object_get(flood, "ports")) > 1;
}

static unsigned local_ports(const struct node *node)
{
	unsigned n = 0;

	for (unsigned i = 0; i < node->site.n_port; i++)
		n += node->site.port[i] != NULL;
	return n;
}

static const char *places_fate(const json_t *places)
{
	json_t *place;
	size_t i;

	json_array_foreach((json_t *)places, i, place)
	{
		if (strcmp(json_string_value(json_object_get(place, "fate")), "forwarded") == 0)
			return "forwarded";
	}
	return "dropped";
}

/* What becomes of a frame for it. */
static void put_fate(json_t *answer, struct node *node, struct finding *f)
{
	json_t *places = json_array(), *flood = NULL;
	const char *fate;

	if (!f->known) {
		fate = "unknown";
	} else if (!any_may_pass(node, f->mac)) {
		fate = "dropped";
		snprintf(f->text, sizeof(f->text), "%s", drop_text(DROP_RESERVED));
	} else {
		find_own(node, f);
		json_decref(places);
		places = places_array(node, f);
		fate = places_fate(places);
		if (json_array_size(places) == 0) {
			flood = flood_object(node, f->mac);
			fate = flood_reaches(flood) ? "flooded" : "dropped";
			explain_flood(node, f, flood_reaches(flood));
		}
	}
	answer_text(answer, "fate", fate);
	answer_count(answer, "local_ports", local_ports(node));
	answer_put(answer, "places", places);
	answer_put(answer, "flood", flood ? flood : json_null());
}

static void put_ip(json_t *answer, const struct finding *f)
{
	char ip[INET6_ADDRSTRLEN] = "";
	bool asked = f->target.ip.family != ADDR_NONE;

	if (asked)
		inet_ntop(f->target.ip.family == ADDR_IPV6 ? AF_INET6 : AF_INET, f->target.ip.ip,
			  ip, sizeof(ip));
	answer_text(answer, "ip", asked ? ip : NULL);
	answer_text(answer, "neighbour_of", f->interface[0] ? f->interface : NULL);
	answer_put(answer, "neighbour_age_s",
		   f->interface[0] ? json_integer(f->age_s) : json_null());
}

json_t *why_make(struct node *node, const struct why_target *target, int vlan)
{
	struct finding f = { .target = *target, .vlan = vlan };
	json_t *answer = json_object();
	char text[MAC_TEXT];

	if (target->ip.family != ADDR_NONE)
		find_ip(node, &f);
	else
		f.mac = target->mac, f.known = true;
	put_fate(answer, node, &f);
	put_ip(answer, &f);
	answer_text(answer, "mac", f.known ? mac_format(f.mac, text) : NULL);
	answer_put(answer, "vlan", vlan < 0 ? json_null() : json_integer(vlan));
	answer_text(answer, "kind", kind_of(&f));
	answer_text(answer, "own", f.own);
	answer_text(answer, "text", f.text[0] ? f.text : NULL);
	return answer;
}
