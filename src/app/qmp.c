/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * QEMU greets, and takes commands after qmp_capabilities; each answer is a line.  The only
 * command here is set_link, one at a time: when the answer comes and another link is
 * wanted by then, it is sent.  What does not belong (events) is passed over.
 *
 * Commands are short and few: one that the socket does not take at once ends the
 * connection, and the next one says what is wanted.
 *
 * Few lines are taken in a turn of the loop; while there are others, nothing is read, and the
 * loop is asked for another turn.  QEMU sends a few lines a second: one that sends more than
 * any would is not QEMU, or is not well, and the connection ends.
 *
 * QEMU forgets commands that it has not run when their connection ends.  So a client that
 * leaves waits for the answer to its last one.
 */
#include "app/qmp.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"

#define LINE 16384
#define STATE 200
#define TURN_LINES 8

/* Of a second, more of which end the connection. */
#define MOST_LINES 256
#define MOST_BYTES (4 * LINE)

enum stage { CLOSED, GREETING, ENTERING, IDLE, ASKED };

struct qmp {
	struct loop *loop;
	struct loop_source source; /* fd -1 while closed */
	struct sockaddr_un at;
	char netdev[64];
	enum stage stage;
	bool wanted; /* link */
	bool told, known; /* what it is, if it is known */
	struct instant again;
	struct instant gone_by; /* of one that leaves; else never */
	char bytes[LINE];
	size_t first, used;
	struct instant since; /* the second began in which so much came */
	unsigned lines, total;
	char state[STATE];
};

static void close_socket(struct qmp *q)
{
	if (q->source.fd >= 0) {
		loop_remove(q->loop, &q->source);
		close(q->source.fd);
	}
	q->source.fd = -1;
	q->stage = CLOSED;
	q->first = q->used = 0;
	q->lines = q->total = 0;
	q->known = false;
}

static void fail(struct qmp *q, struct instant now, const char *why)
{
	snprintf(q->state, sizeof(q->state), "%s", why);
	close_socket(q);
	q->again = instant_add(now, QMP_AGAIN);
}

/* Takes the command's reference. */
static void say(struct qmp *q, json_t *command, struct instant now)
{
	char *text = json_dumps(command, JSON_COMPACT);
	size_t n = text ? strlen(text) : 0;

	json_decref(command);
	if (!text || send(q->source.fd, text, n, MSG_NOSIGNAL) != (ssize_t)n ||
	    send(q->source.fd, "\n", 1, MSG_NOSIGNAL) != 1)
		fail(q, now, "does not take commands");
	free(text);
}

static void say_link(struct qmp *q, struct instant now)
{
	if (q->stage != IDLE || (q->known && q->told == q->wanted))
		return;
	q->told = q->wanted;
	q->known = true;
	q->stage = ASKED;
	say(q, json_pack("{s:s,s:{s:s,s:b}}", "execute", "set_link", "arguments", "name",
			 q->netdev, "up", q->wanted), now);
}

static void take_error(struct qmp *q, const json_t *error)
{
	const char *text = json_string_value(json_object_get(error, "desc"));

	snprintf(q->state, sizeof(q->state), "%s", text ? text : "refused");
}

static void take_answer(struct qmp *q, const json_t *message, struct instant now)
{
	const json_t *error = json_object_get(message, "error");

	if (q->stage == GREETING && json_object_get(message, "QMP")) {
		q->stage = ENTERING;
		say(q, json_pack("{s:s}", "execute", "qmp_capabilities"), now);
		return;
	}
	if (!error && !json_object_get(message, "return"))
		return; /* an event */
	if (q->stage == ENTERING || q->stage == ASKED) {
		q->stage = IDLE;
		snprintf(q->state, sizeof(q->state), "ready");
		if (error)
			take_error(q, error);
		say_link(q, now);
	}
}

/* Of the next line with its end, or 0. */
static size_t line_length(const struct qmp *q)
{
	const char *start = q->bytes + q->first;
	const char *end = memchr(start, '\n', q->used);

	return end ? (size_t)(end - start) + 1 : 0;
}

static void take_line(struct qmp *q, size_t n, struct instant now)
{
	json_t *message = json_loadb(q->bytes + q->first, n, 0, NULL);

	q->first += n;
	q->used -= n;
	q->lines++;
	if (message)
		take_answer(q, message, now);
	json_decref(message);
}

static void end_flood(struct qmp *q, struct instant now)
{
	fail(q, now, "sends too much");
	log_warn("the connection to QEMU is ended", log_text("qmp", q->at.sun_path),
		 log_text("error", q->state));
}

static void take_lines(struct qmp *q, struct instant now)
{
	size_t n = line_length(q);

	for (unsigned i = 0; i < TURN_LINES && n && q->stage != CLOSED; i++) {
		take_line(q, n, now);
		n = line_length(q);
	}
	if (q->stage == CLOSED)
		return;
	if (q->lines > MOST_LINES || q->total > MOST_BYTES)
		end_flood(q, now);
	else if (n)
		loop_again(q->loop, &q->source);
	else if (q->used == LINE)
		fail(q, now, "a line of an answer is too long");
}

static ssize_t read_more(struct qmp *q, struct instant now)
{
	ssize_t n;

	memmove(q->bytes, q->bytes + q->first, q->used);
	q->first = 0;
	n = recv(q->source.fd, q->bytes + q->used, LINE - q->used, 0);
	if (instant_between(q->since, now) >= SECONDS(1)) {
		q->since = now;
		q->lines = q->total = 0;
	}
	if (n > 0) {
		q->used += (size_t)n;
		q->total += (unsigned)n;
	}
	return n;
}

static void ready(struct loop_source *source, uint32_t events, struct instant now)
{
	struct qmp *q = container_of(source, struct qmp, source);
	ssize_t n = line_length(q) ? 1 : read_more(q, now);

	(void)events;
	if (n > 0)
		take_lines(q, now);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		fail(q, now, n == 0 ? "the connection ended" : strerror(errno));
}

static void try(struct qmp *q, struct instant now)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	q->source = (struct loop_source){ .fd = fd, .events = LOOP_READ, .ready = ready };
	if (fd >= 0 && connect(fd, (struct sockaddr *)&q->at, sizeof(q->at)) == 0 &&
	    loop_add(q->loop, &q->source) == 0) {
		q->stage = GREETING;
		q->again = INSTANT_NEVER;
		snprintf(q->state, sizeof(q->state), "connected, no greeting yet");
		return;
	}
	snprintf(q->state, sizeof(q->state), "%s: %s", q->at.sun_path, strerror(errno));
	if (fd >= 0)
		close(fd);
	q->source.fd = -1;
	q->again = instant_add(now, QMP_AGAIN);
}

struct qmp *qmp_new(struct loop *loop, const char *path, const char *netdev, struct instant now)
{
	struct qmp *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->loop = loop;
	q->source.fd = -1;
	q->at.sun_family = AF_UNIX;
	snprintf(q->at.sun_path, sizeof(q->at.sun_path), "%s", path);
	snprintf(q->netdev, sizeof(q->netdev), "%s", netdev);
	q->wanted = true;
	q->gone_by = INSTANT_NEVER;
	try(q, now);
	return q;
}

void qmp_free(struct qmp *q)
{
	if (q)
		close_socket(q);
	free(q);
}

void qmp_set_link(struct qmp *q, bool up)
{
	q->wanted = up;
	say_link(q, q->loop->now);
}

void qmp_leave(struct qmp *q, struct instant now)
{
	q->gone_by = instant_add(now, QMP_LEAVE);
	q->wanted = false;
	if (q->stage == CLOSED)
		try(q, now);
	say_link(q, now);
}

bool qmp_left(const struct qmp *q, struct instant now)
{
	bool told = q->stage == IDLE && q->known && !q->told;

	return q->stage == CLOSED || told || instant_reached(now, q->gone_by);
}

/* Up to a millisecond for what it says next, none when that is here. */
static void wait_for(struct qmp *q)
{
	struct pollfd at = { q->source.fd, POLLIN, 0 };

	if (line_length(q) || poll(&at, 1, 1) > 0)
		ready(&q->source, LOOP_READ, clock_now());
}

void qmp_wait_left(struct qmp *const *list, unsigned n)
{
	unsigned left;

	do {
		left = 0;
		for (unsigned i = 0; i < n; i++) {
			if (qmp_left(list[i], clock_now()))
				left++;
			else
				wait_for(list[i]);
		}
	} while (left < n);
}

void qmp_tick(struct qmp *q, struct instant now)
{
	if (q->stage == CLOSED && instant_reached(now, q->again))
		try(q, now);
}

struct instant qmp_due(const struct qmp *q)
{
	return q->stage == CLOSED ? q->again : q->gone_by;
}

const char *qmp_state(const struct qmp *q)
{
	return q->state;
}
