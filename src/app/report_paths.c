/* SPDX-License-Identifier: MIT */
#include "app/node_peers.h"
#include "app/uplink.h"
#include "base/bytes.h"
#include "report_parts.h"

static json_t *milliseconds(int64_t us)
{
	return us ? json_real((double)us / 1000) : json_null();
}

void report_put_place(json_t *object, const char *key, const struct node *node,
		      const struct addr *addr)
{
	char text[NODE_PLACE];

	answer_text(object, key,
		    addr->family == ADDR_NONE ? NULL : node_relays_place(node, addr, text));
}

static const struct link *relay_of(const struct node *node, const struct addr *addr)
{
	return addr->family == ADDR_RELAY ? node->site.peers.link[addr->port] : NULL;
}

void report_put_path(json_t *object, const struct node *node, const struct peer *peer)
{
	const struct link *link = relay_of(node, &peer->endpoint.addr);

	answer_text(object, "path", !peer->up ? NULL : link ? "relayed" : "direct");
	answer_text(object, "relay", peer->up && link ? link->peer->name : NULL);
}

/* A worker's socket of that number; one that lost UDP_SEGMENT if there is any. */
static const struct udp *socket_of(const struct node *node, uint8_t socket)
{
	unsigned number = sockets_index(socket);

	for (unsigned i = 1; i < node->n_workers; i++) {
		if (!node->workers[i].sockets[number].udp.gso)
			return &node->workers[i].sockets[number].udp;
	}
	return &node->workers[0].sockets[number].udp;
}

/* The socket by which datagrams go there, NULL of a stream. */
static const struct udp *socket_to(const struct node *node, const struct addr *to, uint8_t socket)
{
	const struct link *link = relay_of(node, to);
	const struct peer_candidate *hop = link ? &link->peer->endpoint : NULL;

	if (hop && hop->addr.family == ADDR_STREAM)
		return NULL;
	return socket_of(node, hop ? hop->socket : socket);
}

const struct udp *report_socket_of(const struct node *node, const struct peer *peer)
{
	return socket_to(node, &peer->endpoint.addr, peer->endpoint.socket);
}

static void put_gso(json_t *object, const struct udp *udp)
{
	char note[OFFLOADS_NOTE];

	answer_put(object, "gso", udp ? json_boolean(udp->gso) : json_null());
	if (udp)
		offloads_gso_note(udp, note);
	answer_text(object, "gso_note", !udp || udp->gso ? NULL : note);
}

/* One place of a peer.  rtt: microseconds, 0: not known. */
static json_t *path_object(const struct node *node, const struct peer *peer,
			   const struct addr *remote, uint8_t socket, const char *state)
{
	const struct link *link = relay_of(node, remote);
	const struct udp *udp = socket_to(node, remote, socket);
	json_t *object = json_object();
	char text[ADDR_TEXT];

	answer_text(object, "peer", peer->name);
	answer_text(object, "path", link ? "relayed" : "direct");
	answer_text(object, "relay", link ? link->peer->name : NULL);
	answer_text(object, "local", udp ? addr_format(&udp->local, text) : NULL);
	report_put_place(object, "remote", node, remote);
	answer_text(object, "state", state);
	put_gso(object, udp);
	return object;
}

static void put_pmtu(json_t *object, const struct peer *peer)
{
	static const char *const states[] = { [PMTU_STATE_BASE] = "base",
					      [PMTU_STATE_SEARCH] = "searching",
					      [PMTU_STATE_DONE] = "found" };

	answer_put(object, "pmtu", peer ? json_integer(peer->pmtu.now_size) : json_null());
	answer_text(object, "pmtu_state", peer ? states[peer->pmtu.state] : NULL);
	answer_put(object, "rtt_ms", peer ? milliseconds(peer->rtt) : json_null());
}

static bool is_endpoint(const struct peer *peer, const struct addr *addr, uint8_t socket)
{
	return sockets_same(peer->endpoint.socket, socket) &&
	       addr_equal(&peer->endpoint.addr, addr);
}

/* Places that peers and relays told of, and what became of them. */
static void append_places(const struct node *node, json_t *array, const struct peer *peer)
{
	static const char *const states[] = { [PATH_IDLE] = "known",
					      [PATH_TRYING] = "trying",
					      [PATH_GOOD] = "answered",
					      [PATH_FAILED] = "no answer" };

	for (unsigned i = 0; i < peer->paths.n; i++) {
		const struct path *path = &peer->paths.path[i];
		json_t *object;

		if (is_endpoint(peer, &path->addr, path->socket))
			continue;
		object = path_object(node, peer, &path->addr, path->socket, states[path->state]);
		put_pmtu(object, NULL);
		answer_put(object, "rtt_ms", milliseconds(path->rtt));
		json_array_append_new(array, object);
	}
}

static void append_configured(struct node *node, json_t *array, struct peer *peer)
{
	for (unsigned i = 0; i < peer->n_candidates; i++) {
		const struct peer_candidate *c = &peer->candidates[i];
		json_t *object;

		if (is_endpoint(peer, &c->addr, c->socket) ||
		    paths_find(&peer->paths, &c->addr, c->socket))
			continue;
		object = path_object(node, peer, &c->addr, c->socket, "configured");
		put_pmtu(object, NULL);
		json_array_append_new(array, object);
	}
}

/* Configured addresses that led to nothing yet. */
static void append_failed(const struct node *node, json_t *array, const struct peer *peer)
{
	const struct node_peer *np = &node->peers[peer->number];

	for (unsigned i = 0; i < np->conf.n_address; i++) {
		json_t *object;

		if (np->n_answers[i])
			continue;
		object = json_object();
		answer_text(object, "peer", peer->name);
		answer_text(object, "path", "direct");
		answer_text(object, "relay", NULL);
		answer_text(object, "local", NULL);
		answer_text(object, "remote", np->conf.address[i]);
		answer_text(object, "state", np->failure[i][0] ? "failed" : "resolving");
		answer_put(object, "gso", json_false());
		answer_text(object, "gso_note", NULL);
		put_pmtu(object, NULL);
		json_array_append_new(array, object);
	}
}

json_t *report_paths(struct node *node)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < node->site.peers.top; i++) {
		struct peer *peer = node->site.peers.peer[i];
		json_t *object;

		if (!peer)
			continue;
		if (peer->endpoint.addr.family != ADDR_NONE) {
			object = path_object(node, peer, &peer->endpoint.addr,
					     peer->endpoint.socket, peer->up ? "in use" : "known");
			put_pmtu(object, peer->up ? peer : NULL);
			json_array_append_new(array, object);
		}
		append_places(node, array, peer);
		append_configured(node, array, peer);
		append_failed(node, array, peer);
	}
	return array;
}

/* Why the relay is not reached.  A relay does not answer who has a wrong key for it,
 * or comes to a network that it does not have, or is not on its list. */
static const char *calling_text(const struct node_peer *np, const struct peer *peer,
				const char *problem)
{
	if (peer->refused)
		return "answers, but not authentically: is secret_file the one that it has for "
		       "this network?";
	if (np->conf.transport == CONF_TRANSPORT_TLS)
		return problem[0] ? problem : "connecting by TLS";
	if (!peer->n_candidates && peer->endpoint.addr.family == ADDR_NONE)
		return report_no_candidate_text(np);
	return "no answer yet: does it run at this address and port, is public_key its key, does "
	       "it serve this network and this site?";
}

static const char *relay_text(const struct node_peer *np, const struct peer *peer,
			      const char *problem)
{
	if (!peer->up)
		return calling_text(np, peer, problem);
	return peer->endpoint.addr.family == ADDR_NONE ? "the way to it is gone: calling again"
						       : NULL;
}

static const char *const transports[] = { [CONF_TRANSPORT_AUTO] = "auto",
					  [CONF_TRANSPORT_UDP] = "udp",
					  [CONF_TRANSPORT_TLS] = "tls" };

static json_t *relay_object(struct node *node, const struct link *link)
{
	const struct peer *peer = link->peer;
	const struct node_peer *np = &node->peers[peer->number];
	json_t *object = json_object(), *addresses = json_array();
	bool told = peer->up && link->own, streamed = peer->endpoint.addr.family == ADDR_STREAM;
	const char *problem = uplink_problem(node, link->number);

	answer_text(object, "name", peer->name);
	answer_key(object, peer->public_key);
	answer_text(object, "state", peer->up ? "registered" : "calling");
	answer_text(object, "state_text", relay_text(np, peer, problem));
	report_put_place(object, "endpoint", node, &peer->endpoint.addr);
	for (unsigned i = 0; i < np->conf.n_address; i++)
		json_array_append_new(addresses, json_string(np->conf.address[i]));
	answer_put(object, "addresses", addresses);
	answer_text(object, "transport", transports[np->conf.transport]);
	answer_text(object, "by", !peer->up ? NULL : streamed ? "tls" : "udp");
	answer_text(object, "tls_problem", problem[0] ? problem : NULL);
	answer_put(object, "member", told ? json_integer(link->own) : json_null());
	report_put_place(object, "observed", node, &link->observed);
	answer_count(object, "members", peer->up ? link_count(link) : 0);
	put_pmtu(object, peer->up ? peer : NULL);
	report_put_arrivals(object, peer);
	answer_age(object, "handshake_age_s", peer->last_handshake, node->loop.now);
	answer_age(object, "last_heard_s", peer->timers.heard, node->loop.now);
	return object;
}

json_t *report_relays(struct node *node)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < LINKS_MAX; i++) {
		if (node->site.peers.link[i])
			json_array_append_new(array, relay_object(node, node->site.peers.link[i]));
	}
	return array;
}
