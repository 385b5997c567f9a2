/* SPDX-License-Identifier: MIT */
#include "core/switch.h"

#include "base/mac.h"

static struct switch_verdict dropped(enum drop reason, enum fdb_learned learned)
{
	return (struct switch_verdict){ .way = SWITCH_DROP,
					.port = FDB_PORT_NONE,
					.reason = reason,
					.learned = learned };
}

struct switch_verdict switch_decide(struct switching *s, uint16_t port, const uint8_t *frame,
				    size_t len, const struct superframe_layout *layout,
				    struct instant now)
{
	struct mac to = mac_get(frame), from = mac_get(frame + 6);
	struct switch_verdict v = { .way = SWITCH_FLOOD, .port = FDB_PORT_NONE };

	if (s->hub)
		return v;
	v.learned = fdb_learn(&s->fdb, layout->vlan, from, port, len, now);
	if (mac_is_group(to))
		return v;
	v.port = fdb_lookup(&s->fdb, layout->vlan, to, len, now);
	if (v.port == FDB_PORT_NONE)
		return v;
	if (v.port == port)
		return dropped(DROP_FILTERED, v.learned);
	if (switch_is_peer(v.port) && switch_is_peer(port))
		return dropped(DROP_HORIZON, v.learned);
	v.way = SWITCH_ONE;
	return v;
}
