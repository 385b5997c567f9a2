/* SPDX-License-Identifier: MIT */
#include "app/hub_report.h"

#include <string.h>
#include <unistd.h>

#include "app/answer.h"
#include "app/hub_streams.h"
#include "base/bytes.h"

static const char *const access_names[] = {
	[RELAY_OPEN] = "open", [RELAY_LIST] = "list", [RELAY_SECRET] = "secret"
};

static json_t *listen_array(const struct hub *hub)
{
	json_t *array = json_array();
	char text[ADDR_TEXT];

	for (unsigned i = 0; i < hub->n_sockets; i++)
		json_array_append_new(array, json_string(addr_format(&hub->udp[i].local, text)));
	return array;
}

/* Streams at one listen_tls address. */
static json_t *stream_server_object(const struct stream_server *server)
{
	struct stream_server_counts counts = stream_server_counts(server);
	struct addr local = stream_server_local(server);
	json_t *object = json_object();
	char text[ADDR_TEXT];

	answer_text(object, "listen", addr_format(&local, text));
	answer_count(object, "open", counts.open);
	answer_count(object, "accepted", counts.accepted);
	answer_count(object, "refused", counts.refused);
	answer_count(object, "failed", counts.failed);
	return object;
}

static json_t *streams_array(const struct hub *hub)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < hub->n_streams; i++)
		json_array_append_new(array, stream_server_object(hub->streams[i].server));
	return array;
}

static json_t *limits_object(const struct relay_limits *limits)
{
	json_t *object = json_object();

	answer_count(object, "network_members", limits->members);
	answer_count(object, "site_packets", limits->site_packets);
	answer_count(object, "site_bytes", limits->site_bytes);
	answer_count(object, "network_packets", limits->network_packets);
	answer_count(object, "network_bytes", limits->network_bytes);
	return object;
}

static json_t *relay_object(struct hub *hub)
{
	const struct relay_conf *conf = hub->conf;
	struct relay_network_view network;
	json_t *relay = json_object();
	size_t at = 0;
	unsigned n = 0;

	while (relay_next_network(hub->relay, &at, &network))
		n++;
	answer_text(relay, "name", conf->name);
	answer_key(relay, relay_public_key(hub->relay));
	answer_text(relay, "access", conf->open ? "open" : "configured");
	answer_text(relay, "engine", aead_engine_name(CIPHER_AES_256_GCM));
	answer_text(relay, "version", LANSPAN_VERSION);
	answer_count(relay, "pid", (uint64_t)getpid());
	answer_age(relay, "uptime_s", hub->started, hub->loop.now);
	answer_put(relay, "listen", listen_array(hub));
	answer_put(relay, "tls", streams_array(hub));
	answer_count(relay, "networks", n);
	answer_count(relay, "members", relay_members(hub->relay));
	answer_count(relay, "max_members", conf->max_members);
	answer_count(relay, "timeout_s", conf->timeout);
	answer_put(relay, "limits", limits_object(&conf->limits));
	return relay;
}

static json_t *way_object(uint64_t packets, uint64_t bytes)
{
	json_t *object = json_object();

	answer_count(object, "packets", packets);
	answer_count(object, "bytes", bytes);
	return object;
}

static void put_traffic(json_t *object, const struct relay_traffic *t)
{
	answer_put(object, "rx", way_object(t->in_packets, t->in_bytes));
	answer_put(object, "tx", way_object(t->out_packets, t->out_bytes));
	answer_count(object, "floods", t->floods);
	answer_count(object, "copies", t->copies);
}

/* A member's counts, as wide as those of networks and of the relay. */
static const uint64_t *widen(uint64_t out[RELAY_DROP_COUNT], const uint32_t *counts)
{
	for (unsigned i = 0; i < RELAY_DROP_COUNT; i++)
		out[i] = counts[i];
	return out;
}

static json_t *drops_object(const uint64_t *counts)
{
	json_t *object = json_object();

	for (unsigned i = 0; i < RELAY_DROP_COUNT; i++)
		if (counts[i])
			answer_count(object, relay_drop_name((enum relay_drop)i), counts[i]);
	return object;
}

/* --- networks --- */

static json_t *network_object(const struct relay_network_view *n)
{
	json_t *object = json_object();

	answer_text(object, "name", n->name);
	answer_text(object, "access", access_names[n->access]);
	answer_put(object, "configured", json_boolean(n->configured));
	answer_count(object, "members", n->members);
	answer_count(object, "revision", n->revision);
	answer_put(object, "limits", limits_object(&n->limits));
	put_traffic(object, &n->traffic);
	answer_count(object, "limited",
		     n->drops[RELAY_FRAMES] + n->drops[RELAY_BYTES] + n->drops[RELAY_FULL]);
	answer_put(object, "drops", drops_object(n->drops));
	return object;
}

static json_t *networks_array(struct hub *hub)
{
	struct relay_network_view network;
	json_t *array = json_array();
	size_t at = 0;

	while (relay_next_network(hub->relay, &at, &network))
		json_array_append_new(array, network_object(&network));
	return array;
}

/* --- members --- */

static json_t *member_object(const struct hub *hub, const char *network,
			     const struct relay_member_view *m)
{
	uint64_t counts[RELAY_DROP_COUNT];
	json_t *object = json_object();
	char text[HUB_PLACE];

	answer_text(object, "network", network);
	answer_count(object, "number", m->number);
	answer_text(object, "name", m->name);
	answer_key(object, m->public_key);
	answer_text(object, "address",
		    m->addr.family == ADDR_NONE ? NULL : hub_streams_place(hub, &m->addr, text));
	answer_age(object, "age_s", m->since, hub->loop.now);
	answer_age(object, "last_heard_s", m->heard, hub->loop.now);
	put_traffic(object, &m->traffic);
	answer_put(object, "drops", drops_object(widen(counts, m->drops)));
	return object;
}

static json_t *members_array(struct hub *hub)
{
	struct relay_network_view network;
	struct relay_member_view member;
	json_t *array = json_array();
	size_t at = 0, in;

	while (relay_next_network(hub->relay, &at, &network)) {
		in = 0;
		while (relay_next_member(hub->relay, network.name, &in, &member))
			json_array_append_new(array, member_object(hub, network.name, &member));
	}
	return array;
}

/* --- drops --- */

static void append_drops(json_t *array, const char *kind, const char *network, const char *member,
			 const uint64_t *counts)
{
	json_t *object;

	for (unsigned i = 0; i < RELAY_DROP_COUNT; i++) {
		if (!counts[i])
			continue;
		object = json_object();
		answer_text(object, "where", kind);
		answer_text(object, "network", network);
		answer_text(object, "member", member);
		answer_text(object, "reason", relay_drop_name((enum relay_drop)i));
		answer_count(object, "count", counts[i]);
		answer_text(object, "text", relay_drop_text((enum relay_drop)i));
		json_array_append_new(array, object);
	}
}

static void append_network_drops(struct hub *hub, json_t *array,
				 const struct relay_network_view *network)
{
	uint64_t counts[RELAY_DROP_COUNT];
	struct relay_member_view member;
	size_t in = 0;

	append_drops(array, "network", network->name, NULL, network->drops);
	while (relay_next_member(hub->relay, network->name, &in, &member))
		append_drops(array, "member", network->name, member.name,
			     widen(counts, member.drops));
}

static json_t *drops_array(struct hub *hub)
{
	struct relay_network_view network;
	json_t *array = json_array();
	size_t at = 0;

	append_drops(array, "relay", NULL, NULL, relay_drops(hub->relay));
	while (relay_next_network(hub->relay, &at, &network))
		append_network_drops(hub, array, &network);
	return array;
}

/* --- all --- */

/* What moving packets cost: calls made, also those in vain. */
static json_t *calls_object(const struct hub *hub)
{
	json_t *object = json_object();
	uint64_t receives = 0, sends = 0;

	for (unsigned i = 0; i < hub->n_sockets; i++) {
		receives += hub->udp[i].received_calls;
		sends += hub->udp[i].sent_calls;
	}
	answer_count(object, "turns", hub->loop.turns);
	answer_count(object, "receives", receives);
	answer_count(object, "sends", sends);
	return object;
}

static json_t *captures_array(struct hub *hub)
{
	return captures_report(&hub->captures);
}

json_t *hub_report_make(struct hub *hub, const char *what)
{
	static const struct {
		const char *asked, *name;
		json_t *(*make)(struct hub *hub);
	} parts[] = { { "all", "networks", networks_array },
		      { "networks", "networks", networks_array },
		      { "members", "members", members_array },
		      { "captures", "captures", captures_array },
		      { "drops", "drops", drops_array } };
	json_t *report;

	for (unsigned i = 0; i < COUNT_OF(parts); i++) {
		if (strcmp(what, parts[i].asked) != 0)
			continue;
		report = json_object();
		answer_put(report, "relay", relay_object(hub));
		answer_put(report, "system_calls", calls_object(hub));
		answer_put(report, parts[i].name, parts[i].make(hub));
		return report;
	}
	return NULL;
}
