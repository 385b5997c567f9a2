/* SPDX-License-Identifier: MIT */
#include "core/paths.h"

#include <string.h>

#include "base/bytes.h"
#include "core/sockets.h"

/* Both sides begin within a round trip of each other, and the first packets may only
 * open the NATs: early tries come close together. */
static int64_t wait_after(unsigned tries)
{
	static const int64_t waits[PATHS_TRIES] = { MS(60),  MS(120),  MS(240), MS(400),
						    MS(800), MS(1200), MS(1500) };

	return waits[MIN(tries, PATHS_TRIES) - 1];
}

struct path *paths_find(struct paths *p, const struct addr *addr, uint8_t socket)
{
	for (unsigned i = 0; i < p->n; i++) {
		struct path *path = &p->path[i];

		if (sockets_same(path->socket, socket) && addr_equal(&path->addr, addr))
			return path;
	}
	return NULL;
}

static struct path *room(struct paths *p, struct instant now)
{
	struct path *oldest = NULL;

	if (p->n < PATHS_MAX)
		return &p->path[p->n++];
	for (unsigned i = 0; i < PATHS_MAX; i++) {
		struct path *path = &p->path[i];

		if (path->source > PATH_TOLD || path->state == PATH_TRYING ||
		    (path->state == PATH_GOOD && instant_between(path->named, now) < PATHS_LIFE))
			continue;
		if (!oldest || instant_before(path->named, oldest->named))
			oldest = path;
	}
	return oldest;
}

struct path *paths_name(struct paths *p, const struct addr *addr, uint8_t socket,
			enum path_source source, struct instant now)
{
	struct path *path = paths_find(p, addr, socket);

	if (!path) {
		path = room(p, now);
		if (!path)
			return NULL;
		*path = (struct path){ .addr = *addr,
				       .socket = socket,
				       .source = (uint8_t)source,
				       .next = INSTANT_NEVER };
	}
	if (sockets_local(socket))
		path->socket = socket;
	path->source = (uint8_t)MAX(path->source, source);
	path->named = now;
	return path;
}

void path_try(struct path *path, uint64_t nonce, struct instant now)
{
	if (path->state == PATH_TRYING)
		return;
	path->state = PATH_TRYING;
	path->nonce = nonce;
	path->tries = 0;
	path->next = now;
}

struct path *paths_due_now(struct paths *p, struct instant now)
{
	for (unsigned i = 0; i < p->n; i++) {
		struct path *path = &p->path[i];

		if (path->state != PATH_TRYING || !instant_reached(now, path->next))
			continue;
		if (path->tries == PATHS_TRIES) {
			path->state = PATH_FAILED;
			path->next = INSTANT_NEVER;
			continue;
		}
		path->tries++;
		path->sent = now;
		path->next = instant_add(now, wait_after(path->tries));
		return path;
	}
	return NULL;
}

struct path *paths_answered(struct paths *p, const struct addr *addr, uint8_t socket,
			    uint64_t nonce, struct instant now)
{
	struct path *path = paths_find(p, addr, socket);

	if (!path || path->state != PATH_TRYING || path->nonce != nonce || path->tries == 0)
		return NULL;
	path->socket = socket;
	path->state = PATH_GOOD;
	path->good = now;
	path->next = INSTANT_NEVER;
	path->rtt = MAX(instant_between(path->sent, now), 1);
	return path;
}

void paths_forget(struct paths *p, const struct addr *addr)
{
	for (unsigned i = 0; i < p->n; i++) {
		if (addr_equal(&p->path[i].addr, addr))
			p->path[i--] = p->path[--p->n];
	}
}

void paths_wait(struct paths *p, struct instant until)
{
	for (unsigned i = 0; i < p->n; i++)
		p->path[i].next = instant_before(p->path[i].next, until) ? until : p->path[i].next;
}

struct instant paths_due(const struct paths *p)
{
	struct instant due = INSTANT_NEVER;

	for (unsigned i = 0; i < p->n; i++) {
		if (p->path[i].state == PATH_TRYING)
			due = instant_min(due, p->path[i].next);
	}
	return due;
}
