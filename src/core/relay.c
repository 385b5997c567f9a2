/* SPDX-License-Identifier: MIT */
#include "core/relay.h"
#include "relay_parts.h"

#include <stdlib.h>
#include <string.h>

void relay_count_drop(struct relay *r, struct relay_network *net, struct relay_member *m,
		      enum relay_drop reason)
{
	r->drops[reason]++;
	if (net)
		net->drops[reason]++;
	else if (reason == RELAY_FULL)
		r->full++;
	if (m)
		m->drops[reason]++;
}

/* ---- life ---- */

static void run_sent(void *ctx, const struct run *run)
{
	struct relay *r = ctx;
	struct relay_member *m;

	if (run->error == 0)
		return;
	r->drops[RELAY_SEND] += run->count;
	if (run->owner >= r->members.fresh)
		return;
	m = &r->members.pool[run->owner];
	if (!m->network) /* went meanwhile */
		return;
	m->drops[RELAY_SEND] += run->count;
	m->network->drops[RELAY_SEND] += run->count;
}

static bool start(struct relay *r, const struct relay_setup *setup,
		  void (*send)(void *ctx, struct run **runs, size_t n), void *ctx,
		  struct instant now)
{
	return aead_start() && kex_public(r->public_key, setup->private_key) &&
	       outbox_init(&r->outbox, 1, send, ctx, run_sent, r) &&
	       relay_members_init(&r->members, setup->max_members, setup->rand) &&
	       relay_networks_init(&r->networks, setup->rand) && relay_guard_new(r, now);
}

struct relay *relay_new(const struct relay_setup *setup,
			void (*send)(void *ctx, struct run **runs, size_t n), void *ctx,
			struct instant now)
{
	struct relay *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	memcpy(r->private_key, setup->private_key, KEX_KEY);
	memcpy(r->name, setup->name, strnlen(setup->name, WIRE_NAME));
	r->rand = setup->rand;
	r->open_to_all = setup->open;
	r->limits = setup->limits;
	r->timeout = setup->timeout;
	memcpy(r->stream_mark, setup->stream_mark, WIRE_STREAM_MARK);
	r->streamed = setup->streamed;
	r->turn = 1;
	list_init(&r->heard);
	list_init(&r->calling);
	list_init(&r->waiting);
	list_init(&r->telling);
	if (!start(r, setup, send, ctx, now)) {
		relay_free(r);
		return NULL;
	}
	identity_id(r->id, r->public_key);
	return r;
}

void relay_free(struct relay *r)
{
	if (!r)
		return;
	relay_guard_free(r);
	relay_members_free(&r->members);
	relay_networks_free(&r->networks);
	outbox_free(&r->outbox);
	bytes_wipe(r, sizeof(*r));
	free(r);
}

const uint8_t *relay_public_key(const struct relay *r)
{
	return r->public_key;
}

/* ---- networks ---- */

static struct relay_member *member_in(struct list *node)
{
	return container_of(node, struct relay_member, heard_in);
}

/* Dismisses the members of a network: all, or those that it does not admit. */
static void dismiss(struct relay *r, struct relay_network *net, bool all, struct instant now)
{
	list_for_each_safe(pos, &r->calling)
	{
		struct relay_member *m = member_in(pos);

		if (m->network == net && (all || !relay_network_admits(net, m->public_key)))
			relay_session_end(r, m, now);
	}
	list_for_each_safe(at, &net->changed)
	{
		struct relay_member *m = container_of(at, struct relay_member, changed_in);

		if (all || !relay_network_admits(net, m->public_key))
			relay_session_dismiss(r, m, now);
	}
}

bool relay_network_set(struct relay *r, const struct relay_network_setup *setup, struct instant now)
{
	struct relay_network *net = relay_network_find(&r->networks, setup->name);
	bool shut;

	if (!net)
		net = relay_network_new(&r->networks, setup->name);
	if (!net)
		return false;
	/* Who is in has not shown that it knows a new secret. */
	shut = setup->access == RELAY_SECRET &&
	       (net->access != RELAY_SECRET ||
		!bytes_equal_secret(net->secret, setup->secret, KEX_KEY));
	if (!net->configured) {
		r->n_configured++;
		r->n_unreserved -= net->members + net->calling;
	}
	net->configured = true;
	net->access = (uint8_t)setup->access;
	memcpy(net->secret, setup->secret, KEX_KEY);
	net->keys = setup->keys;
	net->n_keys = setup->n_keys;
	net->limits = setup->limits;
	dismiss(r, net, shut, now);
	return true;
}

bool relay_network_remove(struct relay *r, const char *name, struct instant now)
{
	struct relay_network *net = relay_network_find(&r->networks, name);

	if (!net)
		return false;
	if (net->configured)
		r->n_configured--;
	else
		r->n_unreserved -= net->members + net->calling;
	net->configured = true; /* else it goes with its last member */
	dismiss(r, net, true, now);
	relay_network_forget(&r->networks, net);
	return true;
}

/* ---- input ---- */

/* One gate for plausibility: the length that the kind demands, and what stands
 * in the header of every kind.  hop_parse looks further into a HOP. */
static enum relay_drop plausible(const uint8_t *data, size_t len)
{
	if (len == 0)
		return RELAY_SHORT;
	switch (data[0]) {
	case WIRE_REGISTER:
		if (len < WIRE_REGISTER_LEN)
			return RELAY_SHORT;
		return len > WIRE_REGISTER_LEN || be32_get(data) != (uint32_t)WIRE_REGISTER << 24
			       ? RELAY_HEADER
			       : RELAY_DROP_COUNT;
	case WIRE_DATA:
		if (len < WIRE_DATA_MIN)
			return RELAY_SHORT;
		return data[1] || data[2] || data[WIRE_LANE] >= WIRE_LANES ? RELAY_HEADER
									   : RELAY_DROP_COUNT;
	case WIRE_HOP:
		return len < WIRE_HOP_MIN ? RELAY_SHORT : RELAY_DROP_COUNT;
	default:
		return RELAY_KIND;
	}
}

static void take_data(struct relay *r, const struct relay_place *from, uint8_t *packet, size_t len,
		      struct instant now)
{
	uint64_t counter = be64_get(packet + 8);
	uint32_t index = be32_get(packet + 4);
	uint8_t aad[KEYS_AAD], *body = packet + WIRE_DATA_HEADER;
	struct relay_member *m;
	struct relay_key *key = relay_session_find(r, index, counter, now, &m);

	if (!key)
		return;
	memcpy(aad, m->context_in, KEYS_CONTEXT);
	memcpy(aad + KEYS_CONTEXT, packet, WIRE_DATA_HEADER);
	if (!aead_open(relay_key_open(&r->members, key), counter, aad, sizeof(aad), body,
		       len - WIRE_DATA_HEADER, body)) {
		relay_count_drop(r, m->network, m, RELAY_AUTH);
		return;
	}
	if (relay_session_heard(r, m, key, counter, len, from, now))
		relay_take_records(r, m, index, body, len - WIRE_DATA_OVERHEAD, from, now);
}

static void take(struct relay *r, const struct relay_place *from, uint8_t *data, size_t len,
		 struct instant now)
{
	enum relay_drop reason = plausible(data, len);

	if (reason == RELAY_DROP_COUNT && data[0] != WIRE_HOP)
		relay_forward_floods(r, now);
	if (reason != RELAY_DROP_COUNT)
		relay_count_drop(r, NULL, NULL, reason);
	else if (data[0] == WIRE_HOP)
		relay_take_hop(r, from, data, len, now);
	else if (data[0] == WIRE_DATA)
		take_data(r, from, data, len, now);
	else
		relay_take_register(r, from, data, now);
}

void relay_datagrams(struct relay *r, uint8_t socket, const struct addr *from, uint8_t *data,
		     size_t len, size_t segment, struct instant now)
{
	const struct relay_place place = { .addr = *from, .socket = socket };

	for (size_t at = 0; at < len || len == 0; at += segment) {
		take(r, &place, data + at, MIN(segment, len - at), now);
		if (len == 0 || segment == 0)
			break;
	}
	relay_forward_floods(r, now);
}

/* ---- time ---- */

/* When the first of those members is over, and INSTANT_NEVER when there is none. */
static struct instant first_over(const struct list *members, int64_t patience)
{
	if (list_empty(members))
		return INSTANT_NEVER;
	return instant_add(member_in(members->next)->listed, patience);
}

/* A member may have been heard within the grain after it was listed. */
static struct instant silence_over(const struct relay *r)
{
	return first_over(&r->heard, r->timeout + RELAY_GRAIN);
}

void relay_tick(struct relay *r, struct instant now)
{
	while (instant_reached(now, first_over(&r->calling, RELAY_CONFIRM))) {
		struct relay_member *m = member_in(r->calling.next);

		relay_count_drop(r, m->network, NULL, RELAY_HANDSHAKE);
		relay_session_end(r, m, now);
	}
	while (instant_reached(now, silence_over(r)))
		relay_session_end(r, member_in(r->heard.next), now);
	relay_notice_tick(r, now);
}

struct instant relay_due(const struct relay *r)
{
	struct instant due = first_over(&r->calling, RELAY_CONFIRM);

	return instant_min(instant_min(due, silence_over(r)), relay_notice_due(r));
}

void relay_close(struct relay *r)
{
	relay_forward_close_all(r);
	outbox_flush(&r->outbox);
	r->turn++;
}

void relay_goodbye(struct relay *r, struct instant now)
{
	while (!list_empty(&r->heard))
		relay_session_dismiss(r, member_in(r->heard.next), now);
	while (!list_empty(&r->calling))
		relay_session_end(r, member_in(r->calling.next), now);
	relay_close(r);
}

/* ---- what show tells ---- */

bool relay_next_network(const struct relay *r, size_t *at, struct relay_network_view *out)
{
	const struct relay_network *net;

	while (*at < r->networks.fresh && !r->networks.pool[*at].used)
		++*at;
	if (*at >= r->networks.fresh)
		return false;
	net = &r->networks.pool[(*at)++];
	*out = (struct relay_network_view){ .name = net->name,
					    .access = (enum relay_access)net->access,
					    .configured = net->configured,
					    .members = net->members,
					    .revision = net->revision,
					    .limits = net->limits,
					    .traffic = net->traffic,
					    .drops = net->drops };
	return true;
}

bool relay_next_member(const struct relay *r, const char *network, size_t *at,
		       struct relay_member_view *out)
{
	const struct relay_network *net = relay_network_find(&r->networks, network);
	const struct relay_member *m = NULL;

	while (net && !m && *at < net->top)
		m = relay_member_numbered(&r->members, net->id, (uint32_t)++ * at);
	if (!m)
		return false;
	*out = (struct relay_member_view){ .number = m->number,
					   .name = m->name,
					   .public_key = m->public_key,
					   .addr = m->at.addr,
					   .since = m->since,
					   .heard = m->heard,
					   .traffic = m->traffic,
					   .drops = m->drops };
	return true;
}

bool relay_member_at(const struct relay *r, const char *network, const uint8_t public_key[KEX_KEY],
		     struct addr *out)
{
	const struct relay_network *net = relay_network_find(&r->networks, network);
	const struct relay_member *m = net ? relay_member_find(&r->members, net->id, public_key)
					   : NULL;

	if (!m || m->at.addr.family == ADDR_NONE)
		return false;
	*out = m->at.addr;
	return true;
}

const uint64_t *relay_drops(const struct relay *r)
{
	return r->drops;
}

uint32_t relay_members(const struct relay *r)
{
	return r->n_heard;
}
