/* SPDX-License-Identifier: MIT */
#include "app/hub_events.h"

#include "app/event.h"
#include "app/hub_streams.h"
#include "base/bytes.h"
#include "core/identity.h"

static enum event_kind kind_of(enum relay_event event)
{
	switch (event) {
	case RELAY_MEMBER_CAME:
		return EVENT_MEMBER_CAME;
	case RELAY_MEMBER_WENT:
		return EVENT_MEMBER_WENT;
	case RELAY_MEMBER_MOVED:
		return EVENT_MEMBER_MOVED;
	case RELAY_NETWORK_NEW:
		return EVENT_NETWORK_NEW;
	case RELAY_NETWORK_GONE:
		return EVENT_NETWORK_GONE;
	case RELAY_REFUSED:
		return EVENT_REFUSED;
	case RELAY_LIMIT:
		break;
	}
	return EVENT_LIMIT;
}

/* Names may be missing, or the same at two sites: the site id tells them apart. */
static void tell_member(const struct hub *hub, const struct relay_news *news)
{
	char hex[IDENTITY_ID_TEXT], place[HUB_PLACE];
	bool known = news->addr.family != ADDR_NONE;
	uint8_t id[IDENTITY_ID];

	identity_id(id, news->public_key);
	bytes_to_hex(hex, id, sizeof(id));
	event_tell(kind_of(news->event), log_text("member", news->name),
		   log_text("site_id", hex), log_text("network", news->network),
		   log_text("at", known ? hub_streams_place(hub, &news->addr, place) : NULL));
}

/* The reason first: lines are limited by it, whatever names strangers have. */
static void tell_refused(const struct hub *hub, const struct relay_news *news)
{
	char key[KEX_TEXT], place[HUB_PLACE];

	kex_to_text(key, news->public_key);
	event_tell(EVENT_REFUSED, log_text("reason", relay_drop_name(news->reason)),
		   log_text("network", news->network), log_text("key", key),
		   log_text("at", hub_streams_place(hub, &news->addr, place)));
}

void hub_events_tell(void *ctx, const struct relay_news *news)
{
	if (news->event == RELAY_REFUSED)
		tell_refused(ctx, news);
	else if (news->public_key)
		tell_member(ctx, news);
	else if (news->event == RELAY_LIMIT)
		event_tell(EVENT_LIMIT, log_text("network", news->network),
			   log_text("reason", relay_drop_name(news->reason)),
			   log_number("count", (int64_t)news->count));
	else
		event_tell(kind_of(news->event), log_text("network", news->network));
}
