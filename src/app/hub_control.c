/* SPDX-License-Identifier: MIT */
#include "app/hub_control.h"

#include <string.h>

#include "app/answer.h"
#include "app/event_answer.h"
#include "app/hub.h"
#include "app/hub_captures.h"
#include "app/hub_report.h"
#include "base/bytes.h"

static json_t *run_show(void *ctx, json_t *request)
{
	const char *what = json_string_value(json_object_get(request, "what"));
	json_t *report = hub_report_make(ctx, what ? what : "all");

	if (!report)
		return answer_refusal(2, "show: a relay has no such part: it has networks, "
					 "members, captures and drops");
	answer_put(report, "ok", json_true());
	return report;
}

static bool knows_member(void *ctx, const char *name)
{
	const struct hub *hub = ctx;
	struct relay_network_view network;
	struct relay_member_view member;
	size_t at = 0, in;

	while (relay_next_network(hub->relay, &at, &network)) {
		in = 0;
		while (relay_next_member(hub->relay, network.name, &in, &member)) {
			if (strcmp(member.name, name) == 0)
				return true;
		}
	}
	return false;
}

/* Who follows may wait for one who never came yet. */
static json_t *run_events(void *ctx, json_t *request)
{
	bool follows = json_is_true(json_object_get(request, "follow"));
	struct hub *hub = ctx;

	return event_answer(request, &hub->loop, hub->ctlsock, follows ? NULL : knows_member, hub);
}

static json_t *run_reload(void *ctx, json_t *request)
{
	struct conf_errors why = { 0 };
	int status = hub_reload(ctx, &why);

	(void)request;
	return status ? answer_errors(status, &why) : answer_done();
}

static json_t *refuse_peer(void *ctx, json_t *request)
{
	(void)ctx;
	(void)request;
	return answer_refusal(2, "this is a relay: it has no peers");
}

static json_t *refuse_why(void *ctx, json_t *request)
{
	(void)ctx;
	(void)request;
	return answer_refusal(2, "this is a relay: it cannot look into frames and learns no "
				 "addresses; ask a bridge process");
}

char *hub_control_answer(void *ctx, const char *request, bool privileged, size_t *len)
{
	static const struct answer_verb verbs[] = {
		{ "show", false, run_show },	  { "why", false, refuse_why },
		{ "events", false, run_events },  { "reload", true, run_reload },
		{ "rekey", true, refuse_peer },	  { "disconnect", true, refuse_peer },
		{ "connect", true, refuse_peer }, { "capture", true, hub_captures_request }
	};

	return answer_request(verbs, COUNT_OF(verbs), ctx, request, privileged, len);
}
