/* SPDX-License-Identifier: MIT */
#include "app/report.h"

#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mac.h"
#include "report_parts.h"

static void put(json_t *object, const char *key, json_t *value)
{
	json_object_set_new(object, key, value);
}

static void put_text(json_t *object, const char *key, const char *text)
{
	put(object, key, text ? json_stringn_nocheck(text, strlen(text)) : json_null());
}

static void put_count(json_t *object, const char *key, uint64_t value)
{
	put(object, key, json_integer((json_int_t)value));
}

/* Whole seconds since then, or null when it never was. */
static json_t *age(struct instant then, struct instant now)
{
	return then.us ? json_integer(instant_between(then, now) / 1000000) : json_null();
}

/* Microseconds as milliseconds with three places. */
static json_t *milliseconds(int64_t us)
{
	return us ? json_real((double)us / 1000) : json_null();
}

static void put_key(json_t *object, const uint8_t key[KEX_KEY], const uint8_t id[IDENTITY_ID])
{
	char text[KEX_TEXT], hex[IDENTITY_ID_TEXT];

	kex_to_text(text, key);
	bytes_to_hex(hex, id, IDENTITY_ID);
	put_text(object, "public_key", text);
	put_text(object, "site_id", hex);
}

/* What left once for several peers. */
static void put_site_floods(json_t *site, const struct flood *flood, struct instant now)
{
	static const char *const modes[] = { [FLOOD_AUTO] = "auto",
					     [FLOOD_RELAY] = "relay",
					     [FLOOD_DIRECT] = "direct" };
	struct instant made = flood->now.id ? flood->made : (struct instant){ 0 };

	put_text(site, "broadcast", modes[flood->mode]);
	put_count(site, "floods_sent", flood->sent);
	put_count(site, "copies_saved", flood->saved);
	put(site, "flood_key_age_s", age(made, now));
}

/* How the bridge is set, where that may change at reload or by others. */
static void put_switching(json_t *site, const struct node *node)
{
	uint16_t mss = node->site.mss_clamp;

	put(site, "mss_clamp", mss > SITE_MSS_PATH ? json_integer(mss)
						   : json_string(mss == SITE_MSS_PATH ? "yes" : "no"));
	put(site, "learning", json_boolean(!node->site.switching.hub));
	put_text(site, "reserved", node->conf->reserved_pass ? "pass" : "drop");
	put(site, "netfilter", json_boolean(brnf_is_on()));
}

static json_t *site_object(struct node *node)
{
	const struct conf *conf = node->conf;
	json_t *site = json_object(), *listen = json_array();
	char text[ADDR_TEXT];

	put_text(site, "name", conf->site);
	put_key(site, node->site.self.public_key, node->site.self.id);
	put_text(site, "network", conf->network);
	put_text(site, "cipher", cipher_name(conf->cipher));
	put_text(site, "engine", aead_engine_name(conf->cipher));
	put_text(site, "version", LANSPAN_VERSION);
	put_count(site, "pid", (uint64_t)getpid());
	put(site, "uptime_s", age(node->started, node->loop.now));
	put_text(site, "tap", conf->tap[0] ? conf->tap : NULL);
	put_text(site, "mode", conf->wire ? "wire" : "switch");
	put_text(site, "bridge", conf->bridge[0] ? conf->bridge : NULL);
	put_count(site, "mtu", conf->mtu);
	put_count(site, "workers", node->n_workers);
	for (unsigned i = 0; i < node->n_sockets; i++)
		json_array_append_new(listen,
				      json_string(addr_format(&node->workers[0].sockets[i].udp.local, text)));
	put(site, "listen", listen);
	put_site_floods(site, &node->site.peers.flood, node->loop.now);
	put(site, "port_mapping", report_port_mapping(node));
	put_text(site, "key_log", node->key_log.fd >= 0 ? node->key_log.path : NULL);
	put_switching(site, node);
	return site;
}

const char *report_peer_state(const struct peer *peer)
{
	return peer->disconnected ? "disconnected" : peer->up ? "up" : "connecting";
}

const char *report_no_candidate_text(const struct node_peer *np)
{
	for (unsigned i = 0; i < np->conf.n_address; i++) {
		if (np->n_answers[i])
			return "its addresses are of a family that listen has none of";
	}
	for (unsigned i = 0; i < np->conf.n_address; i++) {
		if (np->failure[i][0])
			return np->failure[i];
	}
	return "address not known yet";
}

const char *report_peer_state_text(const struct node_peer *np, const struct peer *peer)
{
	if (peer->disconnected)
		return "disconnected by command";
	if (peer->up)
		return "session established";
	if (peer->refused)
		return "answers, but not authentically: same network secret on both sides?";
	if (peer->n_candidates || peer->endpoint.addr.family != ADDR_NONE)
		return "calling, no answer yet";
	return np->conf.n_address ? report_no_candidate_text(np) : "no address: waiting to be called";
}

static json_t *traffic_object(const struct peer_traffic *t)
{
	json_t *object = json_object();

	put_count(object, "bytes", t->bytes);
	put_count(object, "frames", t->frames);
	put_count(object, "datagrams", t->datagrams);
	return object;
}

static json_t *peer_object(struct node *node, const struct peer *peer)
{
	const struct node_peer *np = &node->peers[peer->number];
	json_t *object = json_object(), *addresses = json_array();
	struct instant now = node->loop.now;

	put_text(object, "name", peer->name);
	put_key(object, peer->public_key, peer->id);
	put_text(object, "state", report_peer_state(peer));
	put_text(object, "state_text", report_peer_state_text(np, peer));
	put_count(object, "port", SWITCH_PEER + peer->number);
	report_put_place(object, "endpoint", node, &peer->endpoint.addr);
	for (unsigned i = 0; i < np->conf.n_address; i++)
		json_array_append_new(addresses, json_string(np->conf.address[i]));
	put(object, "addresses", addresses);
	report_put_path(object, node, peer);
	put(object, "rtt_ms", milliseconds(peer->rtt));
	report_put_arrivals(object, peer);
	put(object, "pmtu", peer->up ? json_integer(peer->pmtu.now_size) : json_null());
	report_put_engines(object, node, peer);
	put(object, "handshake_age_s", age(peer->last_handshake, now));
	put(object, "last_heard_s", age(peer->timers.heard, now));
	put(object, "rx", traffic_object(&peer->rx));
	put(object, "tx", traffic_object(&peer->tx));
	put_count(object, "handshakes", peer->handshakes);
	put_count(object, "rekeys", peer->rekeys);
	put_count(object, "roamed", peer->roamed);
	put_count(object, "path_changes", peer->path_changes);
	put_count(object, "flooded_frames", peer->flood.frames);
	put(object, "has_flood_key", json_boolean(peer->flood.holds));
	put(object, "drops", report_drops_object(&peer->drops));
	return object;
}

static json_t *peers_array(struct node *node)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < node->site.peers.top; i++) {
		if (node->site.peers.peer[i])
			json_array_append_new(array, peer_object(node, node->site.peers.peer[i]));
	}
	return array;
}

/* What moving frames costs: calls made, also those in vain. */
struct calls {
	uint64_t turns, tap_reads, tap_writes, receives, sends, yields;
};

static void add_calls(struct calls *c, const struct worker *w)
{
	c->turns += w->loop->turns;
	c->tap_reads += w->tap_reads;
	c->tap_writes += w->tap_writes;
	c->yields += w->reading.calls + w->writing.calls;
	for (unsigned i = 0; i < w->node->n_sockets; i++) {
		c->receives += w->sockets[i].udp.received_calls;
		c->sends += w->sockets[i].udp.sent_calls;
	}
}

static json_t *calls_object(const struct calls *c)
{
	json_t *object = json_object();

	put_count(object, "turns", c->turns);
	put_count(object, "tap_reads", c->tap_reads);
	put_count(object, "tap_writes", c->tap_writes);
	put_count(object, "receives", c->receives);
	put_count(object, "sends", c->sends);
	put_count(object, "yields", c->yields);
	return object;
}

static struct calls all_calls(const struct node *node)
{
	struct calls all = { 0 };

	for (unsigned i = 0; i < node->n_workers; i++)
		add_calls(&all, &node->workers[i]);
	return all;
}

static json_t *workers_array(struct node *node)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < node->n_workers; i++) {
		struct calls own = { 0 };
		json_t *object;

		add_calls(&own, &node->workers[i]);
		object = calls_object(&own);
		put_count(object, "worker", i);
		put(object, "tap_queue", json_boolean(i < node->attach.n_queues));
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *captures_array(struct node *node)
{
	return captures_report(&node->captures);
}

static const struct {
	const char *name;
	json_t *(*make)(struct node *node);
} parts[] = { { "peers", peers_array },
	      { "ports", report_ports },
	      { "macs", report_macs },
	      { "workers", workers_array },
	      { "captures", captures_array },
	      { "paths", report_paths },
	      { "relays", report_relays },
	      { "drops", report_drops } };

static bool is_known(const char *what)
{
	for (unsigned i = 0; i < COUNT_OF(parts); i++) {
		if (strcmp(what, parts[i].name) == 0)
			return true;
	}
	return strcmp(what, "all") == 0;
}

json_t *report_make(struct node *node, const char *what)
{
	struct calls calls = all_calls(node);
	json_t *report;

	if (!is_known(what))
		return NULL;
	report = json_object();
	put(report, "site", site_object(node));
	put(report, "system_calls", calls_object(&calls));
	for (unsigned i = 0; i < COUNT_OF(parts); i++) {
		if (strcmp(what, "all") == 0 || strcmp(what, parts[i].name) == 0)
			put(report, parts[i].name, parts[i].make(node));
	}
	return report;
}
