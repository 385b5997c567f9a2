/* SPDX-License-Identifier: MIT */
/* What the core tells of networks and members, as events. */
#ifndef APP_HUB_EVENTS_H
#define APP_HUB_EVENTS_H

#include "core/relay.h"

/* A relay_watcher; ctx is the struct hub. */
void hub_events_tell(void *ctx, const struct relay_news *news);

#endif
