/* SPDX-License-Identifier: MIT */
#include "app/event_answer.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/answer.h"
#include "app/event.h"
#include "base/bytes.h"

/* Which events are asked for. */
struct wish {
	const char *kind, *name; /* or NULL */
	uint64_t last;
};

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static bool is(const json_t *event, const char *key, const char *text)
{
	const char *value = text_of(event, key);

	return value && strcmp(value, text) == 0;
}

bool event_matches(const json_t *event, const char *kind, const char *name)
{
	if (is(event, "event", "lost"))
		return true;
	if (kind && !is(event, "event", kind))
		return false;
	return !name || is(event, "peer", name) || is(event, "relay", name) ||
	       is(event, "member", name);
}

/* Moves *seq to the next one that matches; NULL at the end. */
static json_t *next(const struct wish *wish, uint64_t *seq)
{
	char line[EVENT_LINE];

	while (event_next(seq, line)) {
		json_t *event = json_loads(line, 0, NULL);

		if (event_matches(event, wish->kind, wish->name))
			return event;
		json_decref(event);
	}
	return NULL;
}

/* The number before the first that is wanted. */
static uint64_t begin(const struct wish *wish)
{
	uint64_t numbers[EVENT_KEPT], n = 0, seq = 0;
	json_t *event;

	while ((event = next(wish, &seq))) {
		json_decref(event);
		numbers[n++ % EVENT_KEPT] = seq;
	}
	if (wish->last == 0)
		return seq;
	return n > wish->last ? numbers[(n - wish->last) % EVENT_KEPT] - 1 : 0;
}

static json_t *list(const struct wish *wish)
{
	uint64_t seq = begin(wish);
	json_t *array = json_array(), *event;

	while ((event = next(wish, &seq)))
		json_array_append_new(array, event);
	return json_pack("{s:b,s:o}", "ok", 1, "events", array);
}

static json_t *follow(const struct wish *wish, struct loop *loop, struct ctlsock *ctlsock)
{
	static const char yes[] = "{\"ok\":true}\n";
	int fd;

	if (!event_has_room(ctlsock_asker(ctlsock), loop->now))
		return answer_refusal(1, "events: too many follow already");
	fd = ctlsock_take(ctlsock);
	if (send(fd, yes, sizeof(yes) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(yes) - 1)
		close(fd);
	else
		event_follow(loop, fd, begin(wish));
	return answer_done(); /* which is not sent */
}

/* Of any kind, about that name. */
static bool is_kept(const char *name)
{
	const struct wish wish = { .name = name };
	uint64_t seq = 0;
	json_t *event = next(&wish, &seq);

	json_decref(event);
	return event;
}

static json_t *refuse(const char *name)
{
	return json_pack(
		"{s:b,s:i,s:o}", "ok", 0, "status", 2, "error",
		json_sprintf("events: no peer, relay or member of that name, nor was there "
			     "one in the events that are kept: %s",
			     name));
}

json_t *event_answer(json_t *request, struct loop *loop, struct ctlsock *ctlsock,
		     event_knows *knows, void *ctx)
{
	const json_t *last = json_object_get(request, "last");
	json_int_t n = json_is_integer(last) ? json_integer_value(last) : EVENT_KEPT;
	const struct wish wish = { .kind = text_of(request, "kind"),
				   .name = text_of(request, "peer"),
				   .last = n < 0 || n > EVENT_KEPT ? EVENT_KEPT : (uint64_t)n };

	if (wish.name && knows && !knows(ctx, wish.name) && !is_kept(wish.name))
		return refuse(wish.name);
	if (json_is_true(json_object_get(request, "follow")))
		return follow(&wish, loop, ctlsock);
	return list(&wish);
}
