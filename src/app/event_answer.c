/* SPDX-License-Identifier: MIT */
#include "app/event_answer.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/answer.h"
#include "app/event.h"
#include "base/bytes.h"

/* The number before the first that is wanted. */
static uint64_t begin(const json_t *last)
{
	uint64_t newest = event_last();
	json_int_t n = json_is_integer(last) ? json_integer_value(last) : EVENT_KEPT;

	return n >= 0 && (uint64_t)n < newest ? newest - (uint64_t)n : 0;
}

static json_t *list(uint64_t seq)
{
	json_t *array = json_array();
	char line[EVENT_LINE];

	while (event_next(&seq, line))
		json_array_append_new(array, json_loads(line, 0, NULL));
	return json_pack("{s:b,s:o}", "ok", 1, "events", array);
}

static json_t *follow(uint64_t seq, struct loop *loop, struct ctlsock *ctlsock)
{
	static const char yes[] = "{\"ok\":true}\n";
	int fd;

	if (!event_has_room(ctlsock_asker(ctlsock), loop->now))
		return answer_refusal(1, "events: too many follow already");
	fd = ctlsock_take(ctlsock);
	if (send(fd, yes, sizeof(yes) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(yes) - 1)
		close(fd);
	else
		event_follow(loop, fd, seq);
	return answer_done(); /* which is not sent */
}

json_t *event_answer(json_t *request, struct loop *loop, struct ctlsock *ctlsock)
{
	uint64_t seq = begin(json_object_get(request, "last"));

	if (json_is_true(json_object_get(request, "follow")))
		return follow(seq, loop, ctlsock);
	return list(seq);
}
