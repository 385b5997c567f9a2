/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  A HOP is copied for its receiver, with the sender's number
 * stamped into it and a tag of the receiver's session.  Copies to one member lie
 * back to back in a run as long as they are of one size, so that they leave as one
 * message; a run is complete when one of another size comes, at the end of the turn,
 * or when too many members have one.
 *
 * A flood is copied to all other members, and is the one place where a packet that
 * comes in makes much work.  The floods of one sender in one message are gathered, and
 * then copied member by member, so that each member's copies make one run however many
 * members there are.  Its copies count against the bytes of the sender and of
 * the network, and in a single turn a network has RELAY_TURN_BYTES of them, whatever
 * its limits: so others wait some milliseconds for it at most.
 */
#include "relay_parts.h"

#include <string.h>

/* What the receivers' HOPs are made of. */
struct copying {
	struct relay *r;
	struct relay_member *from;
	const struct hop *hop;
	struct instant now;
};

static void drop(const struct copying *c, enum relay_drop reason)
{
	relay_count_drop(c->r, c->from->network, c->from, reason);
}

/* ---- runs ---- */

void relay_forward_close(struct relay *r, struct relay_member *m)
{
	if (!m->run)
		return;
	for (unsigned i = 0; i < r->n_open; i++) {
		if (r->open[i] == m)
			r->open[i--] = r->open[--r->n_open];
	}
	outbox_ready(&r->outbox, m->run);
	m->run = NULL;
	if (r->outbox.bytes >= r->outbox.flush_at)
		outbox_flush(&r->outbox);
}

void relay_forward_close_all(struct relay *r)
{
	while (r->n_open > 0)
		relay_forward_close(r, r->open[r->n_open - 1]);
}

static bool fits(const struct run *run, size_t len)
{
	return run->count < RUN_SEGMENTS && run->len + len <= RUN_BYTES && len <= run->segment &&
	       run->len == (uint32_t)run->count * run->segment; /* none that is shorter yet */
}

/* The member's run with room for a packet, or NULL. */
static struct run *open_run(struct relay *r, struct relay_member *m, size_t len)
{
	if (m->run && fits(m->run, len))
		return m->run;
	relay_forward_close(r, m);
	if (r->n_open == RELAY_OPEN_RUNS)
		relay_forward_close_all(r);
	m->run = outbox_take(&r->outbox);
	if (!m->run)
		return NULL;
	r->open[r->n_open++] = m;
	m->run->to = m->at.addr;
	m->run->socket = m->at.socket;
	m->run->owner = relay_member_place(&r->members, m);
	m->run->segment = (uint16_t)len;
	return m->run;
}

/* ---- copies ---- */

/* True when it is on its way; counts what goes out. */
static bool copy_to(const struct copying *c, struct relay_member *m, struct relay_key *key)
{
	size_t len = c->hop->inner_len + WIRE_HOP_OVERHEAD;
	struct run *run = open_run(c->r, m, len);
	struct hop hop = { .index = key->remote_index,
			   .counter = key->counter,
			   .source = c->from->number,
			   .destination = c->hop->destination,
			   .inner_len = c->hop->inner_len };
	uint8_t *packet;

	if (!run)
		return false;
	packet = run->data + run->len;
	memcpy(packet + WIRE_HOP_HEADER, c->hop->inner, hop.inner_len);
	if (!hop_seal(relay_key_seal(&c->r->members, key), m->context_out, &hop, packet))
		return false;
	key->counter++;
	run->len += (uint32_t)len;
	run->count++;
	m->traffic.out_packets++;
	m->traffic.out_bytes += len;
	return true;
}

/* The key to send to a member with, or NULL when it cannot be reached. */
static struct relay_key *reachable(const struct copying *c, struct relay_member *m)
{
	if (m == c->from || m->at.addr.family == ADDR_NONE)
		return NULL;
	return relay_member_current(m, c->now);
}

/* Bytes that go out count against the limits of the sender and of the network. */
static void charge(const struct copying *c, uint64_t copies)
{
	struct relay_network *net = c->from->network;
	uint64_t bytes = copies * (c->hop->inner_len + WIRE_HOP_OVERHEAD);

	relay_bucket_charge(&c->from->bytes, net->limits.site_bytes, bytes);
	relay_bucket_charge(&net->bytes, net->limits.network_bytes, bytes);
}

static void count_out(const struct copying *c)
{
	struct relay_network *net = c->from->network;

	net->traffic.out_packets++;
	net->traffic.out_bytes += c->hop->inner_len + WIRE_HOP_OVERHEAD;
}

static void unicast(const struct copying *c)
{
	struct relay_network *net = c->from->network;
	struct relay_member *m =
		relay_member_numbered(&c->r->members, net->id, c->hop->destination);
	struct relay_key *key = m ? reachable(c, m) : NULL;

	if (!key) {
		drop(c, RELAY_MEMBER);
		return;
	}
	if (!copy_to(c, m, key)) {
		drop(c, RELAY_SEND);
		return;
	}
	charge(c, 1);
	count_out(c);
}

/* All floods that wait, to one member; how many were lost. */
static unsigned flood_to(const struct copying *all, struct relay_member *m, struct relay_key *key)
{
	struct hop hop = { .destination = WIRE_HOP_FLOOD };
	struct copying c = *all;
	struct relay_network *net = c.from->network;
	unsigned lost = 0;

	c.hop = &hop;
	for (unsigned i = 0; i < c.r->n_floods; i++) {
		hop.inner = c.r->floods[i].inner;
		hop.inner_len = c.r->floods[i].len;
		if (!copy_to(&c, m, key)) {
			lost++;
			continue;
		}
		count_out(&c);
		net->traffic.copies++;
		c.from->traffic.copies++;
	}
	return lost;
}

void relay_forward_floods(struct relay *r, struct instant now)
{
	struct copying c = { .r = r, .from = r->flooder, .now = now };
	unsigned lost = 0;

	if (!r->flooder)
		return;
	list_for_each(pos, &c.from->network->changed)
	{
		struct relay_member *m = container_of(pos, struct relay_member, changed_in);
		struct relay_key *key = reachable(&c, m);

		if (key)
			lost += flood_to(&c, m, key);
	}
	if (lost)
		drop(&c, RELAY_SEND);
	r->flooder = NULL;
	r->n_floods = 0;
}

static void flood(const struct copying *c)
{
	struct relay_network *net = c->from->network;
	struct relay *r = c->r;

	if (net->turn != r->turn) {
		net->turn = r->turn;
		net->turn_bytes = 0;
	}
	if (net->turn_bytes >= RELAY_TURN_BYTES) {
		drop(c, RELAY_BYTES);
		return;
	}
	if (r->flooder != c->from || r->n_floods == COUNT_OF(r->floods))
		relay_forward_floods(r, c->now);
	r->flooder = c->from;
	r->floods[r->n_floods++] = (struct relay_flood){ c->hop->inner, c->hop->inner_len };
	net->turn_bytes += (uint64_t)(net->members - 1) * (c->hop->inner_len + WIRE_HOP_OVERHEAD);
	charge(c, net->members - 1);
	c->from->traffic.floods++;
	net->traffic.floods++;
}

/* Takes a packet from the limits on what comes in, and looks whether those on what
 * goes out are used up. */
static enum relay_drop limits(const struct copying *c)
{
	struct relay_network *net = c->from->network;
	const struct relay_limits *l = &net->limits;

	if (!relay_bucket_open(&c->from->packets, l->site_packets, c->now) ||
	    !relay_bucket_open(&net->packets, l->network_packets, c->now))
		return RELAY_FRAMES;
	relay_bucket_charge(&c->from->packets, l->site_packets, 1);
	relay_bucket_charge(&net->packets, l->network_packets, 1);
	if (!relay_bucket_open(&c->from->bytes, l->site_bytes, c->now) ||
	    !relay_bucket_open(&net->bytes, l->network_bytes, c->now))
		return RELAY_BYTES;
	return RELAY_DROP_COUNT;
}

static void forward(const struct copying *c)
{
	enum relay_drop reason = RELAY_DROP_COUNT;

	if (c->hop->source != WIRE_HOP_NOBODY)
		reason = RELAY_HEADER;
	else if (c->from->at.addr.family == ADDR_NONE)
		reason = RELAY_UNCONFIRMED;
	else
		reason = limits(c);
	if (reason != RELAY_DROP_COUNT)
		drop(c, reason);
	else if (c->hop->destination == WIRE_HOP_FLOOD)
		flood(c);
	else
		unicast(c);
}

void relay_take_hop(struct relay *r, const struct relay_place *from, const uint8_t *packet,
		    size_t len, struct instant now)
{
	struct copying c = { .r = r, .now = now };
	struct relay_key *key;
	struct hop hop;

	if (r->flooder && be32_get(packet + 20) != WIRE_HOP_FLOOD)
		relay_forward_floods(r, now); /* before anything else happens */
	if (!hop_parse(&hop, packet, len)) {
		relay_count_drop(r, NULL, NULL, RELAY_HEADER);
		return;
	}
	key = relay_session_find(r, hop.index, hop.counter, now, &c.from);
	if (!key)
		return;
	c.hop = &hop;
	if (!hop_verify(relay_key_open(&r->members, key), c.from->context_in, &hop, packet, len)) {
		drop(&c, RELAY_AUTH);
		return;
	}
	if (relay_session_heard(r, c.from, key, hop.counter, len, from, now))
		forward(&c);
}
