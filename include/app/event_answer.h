/* SPDX-License-Identifier: MIT */
/* The answer to "events" at a daemon's control socket. */
#ifndef APP_EVENT_ANSWER_H
#define APP_EVENT_ANSWER_H

#include <jansson.h>

#include "host/ctlsock.h"
#include "host/loop.h"

/* {"verb":"events","last":N,"follow":true}: the last N events, or all that are kept; to
 * one who follows as a stream of lines, after a line {"ok":true}. */
json_t *event_answer(json_t *request, struct loop *loop, struct ctlsock *ctlsock);

#endif
