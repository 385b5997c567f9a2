/* SPDX-License-Identifier: MIT */
/* Captures as people hear of them. */
#include <stdio.h>
#include <string.h>

#include "app/answer.h"
#include "app/event.h"
#include "base/bytes.h"
#include "captures_parts.h"

static const char *const directions[] = {
	[CAPTURES_IN] = "in", [CAPTURES_OUT] = "out", [CAPTURES_IN | CAPTURES_OUT] = "both"
};

#define POINT (PORT_NAME + 8)

/* "peer paris".  Returns out. */
static const char *point_text(const struct capture *k, char out[POINT])
{
	static const char *const words[CAPTURES_POINTS] = { [CAPTURES_WIRE] = "wire",
							    [CAPTURES_PORT] = "port",
							    [CAPTURES_PEER] = "peer",
							    [CAPTURES_MEMBER] = "member" };

	if (k->point == CAPTURES_WIRE)
		return "wire";
	if (!k->name[0])
		return "lan";
	snprintf(out, POINT, "%s %s", words[k->point], k->name);
	return out;
}

/* ---- events ---- */

void captures_tell_begin(const struct capture *k)
{
	char point[POINT];

	event_tell(EVENT_CAPTURE_BEGAN, log_number("capture", (int64_t)k->id),
		   log_text("point", point_text(k, point)), log_number("uid", (int64_t)k->uid),
		   log_number("pid", k->pid), log_text("direction", directions[k->directions]),
		   log_text("filter", k->expression));
}

void captures_tell_end(const struct capture *k, const char *reason)
{
	char point[POINT];

	event_tell(EVENT_CAPTURE_ENDED, log_number("capture", (int64_t)k->id),
		   log_text("point", point_text(k, point)), log_text("reason", reason),
		   log_number("uid", (int64_t)k->uid), log_number("pid", k->pid),
		   log_number("packets", (int64_t)k->packets),
		   log_number("dropped", (int64_t)(k->over_budget + feed_dropped(k->feed))));
}

const char *captures_reason(const char *word)
{
	static const char *const words[] = { "stopped", "count",     "files",
					     "unread",	"disk-full", "write-failed" };

	for (unsigned i = 0; i < COUNT_OF(words); i++) {
		if (strcmp(word, words[i]) == 0)
			return words[i];
	}
	return "reader gone";
}

/* ---- reports ---- */

static json_t *capture_object(struct capture *k)
{
	json_t *object = json_object();
	char point[POINT];

	answer_count(object, "capture", k->id);
	answer_text(object, "point", point_text(k, point));
	answer_text(object, "filter", k->expression);
	answer_text(object, "direction", directions[k->directions]);
	answer_count(object, "snap", k->snap);
	answer_count(object, "pid", (uint64_t)k->pid);
	answer_count(object, "uid", k->uid);
	answer_age(object, "age_s", k->begun, k->owner->loop->now);
	answer_count(object, "packets", k->packets);
	answer_count(object, "bytes", k->bytes);
	answer_count(object, "dropped_budget", k->over_budget);
	answer_count(object, "dropped_reader", feed_dropped(k->feed));
	return object;
}

json_t *captures_report(struct captures *c)
{
	json_t *array = json_array();

	pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; i < CAPTURES_MAX; i++) {
		if (c->list[i])
			json_array_append_new(array, capture_object(c->list[i]));
	}
	pthread_mutex_unlock(&c->lock);
	return array;
}
