/* SPDX-License-Identifier: MIT */
/* What happens at a relay, for who watches. */
#include "relay_parts.h"

#define LIMIT_EVERY SECONDS(60)

static const enum relay_drop limits[RELAY_LIMITS] = { RELAY_FULL, RELAY_FRAMES, RELAY_BYTES };

void relay_watch(struct relay *r, relay_watcher *watcher, void *ctx)
{
	r->watcher = watcher;
	r->watcher_ctx = ctx;
}

void relay_tell(struct relay *r, enum relay_event event, const struct relay_network *net,
		const struct relay_member *m)
{
	struct relay_news news = { .event = event, .network = net->name };

	if (!r->watcher)
		return;
	if (m) {
		news.name = m->name;
		news.public_key = m->public_key;
		news.addr = m->at.addr;
	}
	r->watcher(r->watcher_ctx, &news);
}

void relay_tell_refused(struct relay *r, const struct relay_place *from, const char *network,
			const uint8_t public_key[KEX_KEY], enum relay_drop reason)
{
	struct relay_news news = { .event = RELAY_REFUSED,
				   .network = network,
				   .public_key = public_key,
				   .addr = from->addr,
				   .reason = reason };

	if (r->watcher)
		r->watcher(r->watcher_ctx, &news);
}

/* network: NULL of the relay itself. */
static void tell_limits(struct relay *r, struct relay_told *told, const char *network,
			const uint64_t *drops, struct instant now)
{
	for (unsigned i = 0; i < RELAY_LIMITS; i++) {
		struct relay_news news = { .event = RELAY_LIMIT,
					   .network = network,
					   .reason = limits[i],
					   .count = drops[limits[i]] - told->drops[i] };

		if (news.count == 0)
			continue;
		told->drops[i] = drops[limits[i]];
		if (told->at[i].us && instant_between(told->at[i], now) < LIMIT_EVERY)
			continue;
		told->at[i] = now;
		r->watcher(r->watcher_ctx, &news);
	}
}

void relay_tell_limits(struct relay *r, struct instant now)
{
	const uint64_t own[RELAY_DROP_COUNT] = { [RELAY_FULL] = r->full };

	if (!r->watcher)
		return;
	for (uint32_t i = 0; i < r->networks.fresh; i++) {
		struct relay_network *net = &r->networks.pool[i];

		if (net->used)
			tell_limits(r, &net->told_limits, net->name, net->drops, now);
	}
	tell_limits(r, &r->told_limits, NULL, own, now);
}
