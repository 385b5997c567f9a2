/* SPDX-License-Identifier: MIT */
/* The answer to "events" at a daemon's control socket. */
#ifndef APP_EVENT_ANSWER_H
#define APP_EVENT_ANSWER_H

#include <jansson.h>
#include <stdbool.h>

#include "host/ctlsock.h"
#include "host/loop.h"

/* True of an event of that kind, or that tells of losses, and about a peer, relay or member
 * of that name.  NULL: of any. */
bool event_matches(const json_t *event, const char *kind, const char *name);

/* Whether there is a peer, relay or member of that name now. */
typedef bool event_knows(void *ctx, const char *name);

/* {"verb":"events","last":N,"follow":true,"kind":KIND,"peer":NAME}: the last N events of
 * those that match, or all of them that are kept.  To one who follows as a stream of lines,
 * after a line {"ok":true}; that begins with the first of them, and also has those that do
 * not match.  A NAME that is neither known nor in what is kept is refused; knows NULL: no
 * name is. */
json_t *event_answer(json_t *request, struct loop *loop, struct ctlsock *ctlsock,
		     event_knows *knows, void *ctx);

#endif
