/* SPDX-License-Identifier: MIT */
/*
 * A member is found when the capture begins, and remembered by its key: its datagrams are
 * those to and from the place where it is at the time.
 */
#include "app/hub_captures.h"

#include <stdio.h>
#include <string.h>

#include "app/answer.h"
#include "base/bytes.h"
#include "core/identity.h"

#define LEAST_LETTERS 4 /* of a key or site id */

static bool member_at(void *ctx, const char *network, const uint8_t key[KEX_KEY], struct addr *out)
{
	return relay_member_at(((struct hub *)ctx)->relay, network, key, out);
}

void hub_captures_start(struct hub *hub)
{
	captures_init(&hub->captures, &hub->loop, NULL, hub);
	hub->captures.member_at = member_at;
}

/* ---- a member, by what people call it ---- */

struct search {
	const char *name;
	bool by_key; /* or site id: their first letters */
	unsigned found;
	char network[WIRE_NAME + 1]; /* of the last one */
	uint8_t key[KEX_KEY];
};

static bool is_meant(const struct search *s, const struct relay_member_view *m)
{
	char key[KEX_TEXT], hex[IDENTITY_ID_TEXT];
	uint8_t id[IDENTITY_ID];

	if (!s->by_key)
		return strcmp(s->name, m->name) == 0;
	kex_to_text(key, m->public_key);
	identity_id(id, m->public_key);
	bytes_to_hex(hex, id, sizeof(id));
	return strncmp(s->name, key, strlen(s->name)) == 0 ||
	       strncmp(s->name, hex, strlen(s->name)) == 0;
}

static void search(struct search *s, const struct hub *hub)
{
	struct relay_network_view network;
	struct relay_member_view member;
	size_t at = 0, in;

	while (relay_next_network(hub->relay, &at, &network)) {
		in = 0;
		while (relay_next_member(hub->relay, network.name, &in, &member)) {
			if (!is_meant(s, &member))
				continue;
			s->found++;
			snprintf(s->network, sizeof(s->network), "%s", network.name);
			memcpy(s->key, member.public_key, KEX_KEY);
		}
	}
}

static json_t *refuse(unsigned found, const char *name)
{
	json_t *refusal = answer_refusal(2, "");
	char text[256];

	snprintf(text, sizeof(text), "capture: %u members are called %.64s%s", found, name,
		 found ? ": say which, by the first letters of its key or site id"
		       : ", and none has a key or site id that begins so: see show members");
	answer_text(refusal, "error", text);
	return refusal;
}

static json_t *begin_member(struct hub *hub, json_t *request, const char *name)
{
	struct search s = { .name = name };
	struct captures_where where = {
		.point = CAPTURES_MEMBER, .name = name, .network = s.network, .key = s.key
	};

	if (!name)
		return answer_refusal(2, "capture: member: its name is missing");
	search(&s, hub);
	if (!s.found && strlen(name) >= LEAST_LETTERS) {
		s.by_key = true;
		search(&s, hub);
	}
	if (s.found != 1)
		return refuse(s.found, name);
	return captures_begin(&hub->captures, hub->ctlsock, request, &where);
}

json_t *hub_captures_request(void *ctx, json_t *request)
{
	const char *point = json_string_value(json_object_get(request, "point"));
	const char *name = json_string_value(json_object_get(request, "name"));
	struct captures_where wire = { .point = CAPTURES_WIRE };
	struct hub *hub = ctx;
	json_t *answer;

	if (point && strcmp(point, "wire") == 0)
		answer = captures_begin(&hub->captures, hub->ctlsock, request, &wire);
	else if (point && strcmp(point, "member") == 0)
		answer = begin_member(hub, request, name);
	else
		return answer_refusal(2, "capture: a relay sees datagrams and nothing in them; "
					 "there are: wire and member NAME");
	return answer ? answer : answer_done(); /* which nobody reads */
}
