/* SPDX-License-Identifier: MIT */
#include "app/node_captures.h"

#include <stdio.h>
#include <string.h>

#include "app/answer.h"
#include "app/worker.h"
#include "base/bytes.h"

#define LISTED 16 /* names in a refusal, and "port " before them */

static void show_peer_frame(void *ctx, const struct peer *peer, bool to_peer,
			    const struct vnet *vnet, const struct iovec *iov, unsigned n)
{
	struct node *node = ctx;

	captures_peer(&node->captures, peer->name, to_peer ? CAPTURES_OUT : CAPTURES_IN, vnet, iov,
		      n, node->site.now);
}

/* Peers' frames are looked at only while somebody wants them. */
static void look_or_not(void *ctx)
{
	struct node *node = ctx;

	worker_pause(node);
	node->site.watch.ctx = node;
	node->site.watch.frame =
		captures_on(&node->captures, CAPTURES_PEER) ? show_peer_frame : NULL;
	worker_resume(node);
}

void node_captures_start(struct node *node)
{
	captures_init(&node->captures, &node->loop, look_or_not, node);
}

/* A refusal that says what there is; takes names. */
static json_t *no_such(const char *what, json_t *names)
{
	json_t *refusal = answer_refusal(2, "");
	char text[LISTED * (PORT_NAME + 8) + 8] = "none";
	size_t used = 0, n = json_array_size(names);

	for (size_t i = 0; i < MIN(n, LISTED); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i ? ", " : "",
					 json_string_value(json_array_get(names, i)));
	if (n > LISTED)
		snprintf(text + used, sizeof(text) - used, ", ...");
	json_decref(names);
	answer_put(refusal, "error",
		   json_sprintf("capture: no %s; there %s: %s", what, n == 1 ? "is" : "are", text));
	return refusal;
}

static json_t *no_such_name(const char *what, const char *name, json_t *names)
{
	char text[16 + PORT_NAME];

	snprintf(text, sizeof(text), "%s %.*s", what, PORT_NAME, name ? name : "without a name");
	return no_such(text, names);
}

static json_t *find_peer(struct node *node, struct captures_where *where)
{
	json_t *names;

	where->point = CAPTURES_PEER;
	if (where->name && peers_find_name(&node->site.peers, where->name))
		return NULL;
	names = json_array();
	for (unsigned i = 0; i < node->site.peers.top; i++) {
		if (node->site.peers.peer[i])
			json_array_append_new(names, json_string(node->site.peers.peer[i]->name));
	}
	return no_such_name("peer", where->name, names);
}

static json_t *port_names(const struct node *node, const char *format)
{
	json_t *names = json_array();

	for (unsigned i = 0; i < node->site.n_port; i++) {
		if (node->site.port[i])
			json_array_append_new(names,
					      json_sprintf(format, node->site.port[i]->name));
	}
	return names;
}
static json_t *find_port(struct node *node, struct captures_where *where)
{
	where->point = CAPTURES_PORT;
	for (unsigned i = 0; where->name && i < node->site.n_port; i++) {
		where->port = i;
		if (node->site.port[i] && strcmp(where->name, node->site.port[i]->name) == 0)
			return NULL;
	}
	return no_such_name("port", where->name, port_names(node, "%s"));
}

static json_t *find_lan(struct node *node, struct captures_where *where)
{
	json_t *names;

	where->point = CAPTURES_PORT;
	where->port = 0;
	if (node->conf->tap[0])
		return NULL;
	names = port_names(node, "port %s");
	json_array_append_new(names, json_string("wire"));
	json_array_append_new(names, json_string("peer NAME"));
	return no_such("lan, as this site has no TAP of [bridge]", names);
}

/* A refusal, or NULL: then the place is known. */
static json_t *find_point(struct node *node, const char *point, struct captures_where *where)
{
	if (strcmp(point, "peer") == 0)
		return find_peer(node, where);
	if (strcmp(point, "port") == 0)
		return find_port(node, where);
	where->name = NULL;
	where->point = CAPTURES_WIRE;
	if (strcmp(point, "wire") == 0)
		return NULL;
	if (strcmp(point, "lan") == 0)
		return find_lan(node, where);
	if (strcmp(point, "member") == 0)
		return answer_refusal(2, "capture: a relay has members; here there are: lan, wire, "
					 "peer NAME and port NAME");
	return answer_refusal(2, "capture: no such point; there are: lan, wire, peer NAME and "
				 "port NAME");
}

json_t *node_captures_request(void *ctx, json_t *request)
{
	const char *point = json_string_value(json_object_get(request, "point"));
	struct captures_where where = {
		.name = json_string_value(json_object_get(request, "name"))
	};
	struct node *node = ctx;
	json_t *answer = find_point(node, point ? point : "", &where);

	if (answer)
		return answer;
	answer = captures_begin(&node->captures, node->ctlsock, request, &where);
	look_or_not(node);
	return answer ? answer : answer_done(); /* which nobody reads */
}
