/* SPDX-License-Identifier: MIT */
/*
 * The executable that is told what happens: run for each event that it is for, one at a
 * time and in order, by a thread of its own.
 */
#ifndef APP_HOOKS_H
#define APP_HOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "app/event.h"

#define HOOKS_WAITING 64 /* events */
#define HOOKS_LIMIT SECONDS(10)
#define HOOKS_GRACE SECONDS(2) /* for all that waits when the process ends */

/* Variables that every run gets; nothing is copied. */
struct hooks_facts {
	const char *instance, *network, *site, *tap, *bridge;
};

struct hooks;

/* True of the kinds that a hook is run for. */
bool hooks_want(enum event_kind kind);

/* NULL when memory or threads are short.  limit: microseconds for a run. */
struct hooks *hooks_new(const struct hooks_facts *facts, int64_t limit);

/* Which file is run from now on; "": none.  Copied. */
void hooks_set(struct hooks *hooks, const char *file);

/* An event_listener; ctx is the hooks.  Of the same kind about the same peer only the
 * newest waits. */
void hooks_tell(void *ctx, enum event_kind kind, const struct log_field *fields);

/* What waits is run within HOOKS_GRACE; the rest is left out.  NULL is allowed. */
void hooks_free(struct hooks *hooks);

#endif
