/* SPDX-License-Identifier: MIT */
#include "app/control.h"

#include <jansson.h>
#include <string.h>

#include "app/node_peers.h"
#include "app/report.h"
#include "base/bytes.h"
#include "base/log.h"

struct verb {
	const char *name;
	bool changes; /* for root and the daemon's own user only */
	json_t *(*run)(struct node *node, json_t *request);
};

static json_t *refuse(int status, const char *text)
{
	return json_pack("{s:b,s:i,s:s}", "ok", 0, "status", status, "error", text);
}

static json_t *done(void)
{
	return json_pack("{s:b}", "ok", 1);
}

static json_t *run_show(struct node *node, json_t *request)
{
	const char *what = json_string_value(json_object_get(request, "what"));
	json_t *report = report_make(node, what ? what : "all");

	if (!report)
		return refuse(2, "show: no such part: all, peers, macs, ports, workers, drops or paths");
	json_object_set_new(report, "ok", json_true());
	return report;
}

static json_t *run_reload(struct node *node, json_t *request)
{
	struct conf_errors why = { 0 };
	int status = node_peers_reload(node, &why);
	json_t *answer, *lines;

	(void)request;
	if (status == 0)
		return done();
	lines = json_array();
	for (size_t i = 0; i < why.n; i++)
		json_array_append_new(lines, json_string(why.lines[i]));
	answer = json_pack("{s:b,s:i,s:o}", "ok", 0, "status", status, "errors", lines);
	conf_errors_free(&why);
	return answer;
}

/* The peer that a request names; *answer gets the refusal when there is none. */
static struct peer *named_peer(struct node *node, json_t *request, json_t **answer)
{
	const char *name = json_string_value(json_object_get(request, "peer"));
	struct peer *peer = name ? peers_find_name(&node->site.peers, name) : NULL;

	if (!peer)
		*answer = json_pack("{s:b,s:i,s:o}", "ok", 0, "status", 2, "error",
				    json_sprintf("no peer of that name: %s",
						 name ? name : "(none given)"));
	return peer;
}

static json_t *on_peer(struct node *node, json_t *request,
		       void (*act)(struct peers *p, struct peer *peer, struct instant now))
{
	json_t *answer = NULL;
	struct peer *peer = named_peer(node, request, &answer);

	if (!peer)
		return answer;
	act(&node->site.peers, peer, node->loop.now);
	return done();
}

static json_t *run_rekey(struct node *node, json_t *request)
{
	json_t *answer = NULL;
	struct peer *peer = named_peer(node, request, &answer);

	if (!peer)
		return answer;
	if (peer->disconnected)
		return refuse(1, "rekey: the peer is disconnected by command; connect it first");
	if (!peer->n_candidates && peer->endpoint.addr.family == ADDR_NONE)
		return refuse(1, "rekey: the peer's address is not known, it has to call first");
	return on_peer(node, request, peers_rekey);
}

static json_t *run_disconnect(struct node *node, json_t *request)
{
	return on_peer(node, request, peers_disconnect);
}

static json_t *run_connect(struct node *node, json_t *request)
{
	return on_peer(node, request, peers_connect);
}

static const struct verb verbs[] = { { "show", false, run_show },
				     { "reload", true, run_reload },
				     { "rekey", true, run_rekey },
				     { "disconnect", true, run_disconnect },
				     { "connect", true, run_connect } };

static json_t *answer_object(struct node *node, const char *request, bool privileged)
{
	json_t *object = json_loads(request, JSON_REJECT_DUPLICATES, NULL), *answer = NULL;
	const char *name = json_string_value(json_object_get(object, "verb"));

	for (unsigned i = 0; name && !answer && i < COUNT_OF(verbs); i++) {
		if (strcmp(name, verbs[i].name) != 0)
			continue;
		if (verbs[i].changes && !privileged)
			answer = refuse(1, "not permitted: root or the daemon's user only");
		else
			answer = verbs[i].run(node, object);
	}
	if (!answer)
		answer = refuse(2, object ? "no such verb" : "the request is not a JSON object");
	json_decref(object);
	return answer;
}

char *control_answer(void *ctx, const char *request, bool privileged, size_t *len)
{
	json_t *object = answer_object(ctx, request, privileged);
	char *text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);

	json_decref(object);
	*len = text ? strlen(text) : 0;
	return text;
}
