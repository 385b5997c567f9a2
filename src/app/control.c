/* SPDX-License-Identifier: MIT */
#include "app/control.h"

#include <string.h>

#include "app/answer.h"
#include "app/event_answer.h"
#include "app/node_captures.h"
#include "app/node_peers.h"
#include "app/node_portmap.h"
#include "app/ports.h"
#include "app/report.h"
#include "app/why.h"
#include "base/bytes.h"
#include "base/log.h"

static json_t *run_show(void *ctx, json_t *request)
{
	const char *what = json_string_value(json_object_get(request, "what"));
	json_t *report = report_make(ctx, what ? what : "all");

	if (!report)
		return answer_refusal(2, "show: a site has no such part: it has peers, macs, "
					 "ports, paths, relays, workers, captures and "
					 "drops");
	json_object_set_new(report, "ok", json_true());
	return report;
}

static json_t *run_why(void *ctx, json_t *request)
{
	const char *address = json_string_value(json_object_get(request, "address"));
	const json_t *vlan = json_object_get(request, "vlan");
	json_int_t number = vlan ? json_integer_value(vlan) : -1;
	struct why_target target;
	json_t *answer;

	if (!address || !why_target_parse(&target, address))
		return answer_refusal(2, "why: not an Ethernet or IP address");
	if (vlan && (!json_is_integer(vlan) || number < 0 || number >= WHY_VLANS))
		return answer_refusal(2, "why: not a VLAN: must be 0 (untagged) to 4094");
	answer = why_make(ctx, &target, (int)number);
	answer_put(answer, "ok", json_true());
	return answer;
}

static bool knows_peer(void *ctx, const char *name)
{
	struct node *node = ctx;

	return peers_find_name(&node->site.peers, name);
}

static json_t *run_events(void *ctx, json_t *request)
{
	struct node *node = ctx;

	return event_answer(request, &node->loop, node->ctlsock, knows_peer, node);
}

static json_t *run_reload(void *ctx, json_t *request)
{
	struct conf_errors why = { 0 };
	int status = node_peers_reload(ctx, &why);

	(void)request;
	if (!status)
		node_portmap_again(ctx);
	return status ? answer_errors(status, &why) : answer_done();
}

/* The peer that a request names; *answer gets the refusal when there is none. */
static struct peer *named_peer(struct node *node, json_t *request, json_t **answer)
{
	const char *name = json_string_value(json_object_get(request, "peer"));
	struct peer *peer = name ? peers_find_name(&node->site.peers, name) : NULL;

	if (!peer)
		*answer = json_pack(
			"{s:b,s:i,s:o}", "ok", 0, "status", 2, "error",
			json_sprintf("no peer of that name: %s", name ? name : "(none given)"));
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
	return answer_done();
}

static json_t *run_rekey(void *ctx, json_t *request)
{
	json_t *answer = NULL;
	struct peer *peer = named_peer(ctx, request, &answer);

	if (!peer)
		return answer;
	if (peer->disconnected)
		return answer_refusal(
			1, "rekey: the peer is disconnected by command; connect it first");
	if (!peer->n_candidates && peer->endpoint.addr.family == ADDR_NONE)
		return answer_refusal(
			1, "rekey: the peer's address is not known, it has to call first");
	return on_peer(ctx, request, peers_rekey);
}

static json_t *run_disconnect(void *ctx, json_t *request)
{
	return on_peer(ctx, request, peers_disconnect);
}

static json_t *run_connect(void *ctx, json_t *request)
{
	return on_peer(ctx, request, peers_connect);
}

char *control_answer(void *ctx, const char *request, bool privileged, size_t *len)
{
	static const struct answer_verb verbs[] = { { "show", false, run_show },
						    { "why", false, run_why },
						    { "events", false, run_events },
						    { "reload", true, run_reload },
						    { "rekey", true, run_rekey },
						    { "disconnect", true, run_disconnect },
						    { "connect", true, run_connect },
						    { "port", true, ports_request },
						    { "impair", true, ports_request_impair },
						    { "capture", true, node_captures_request } };

	return answer_request(verbs, COUNT_OF(verbs), ctx, request, privileged, len);
}
