/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  All that is sent to a member goes to the one place that
 * it is known to be at: where its first packet under a new key came from, if the
 * RESPONSE with its half of that key had gone there; or where it answered a PING
 * with a random body.  A packet that is the newest and comes from elsewhere brings
 * such a PING there, once a second at most, and nothing else until the answer.
 */
#include "relay_parts.h"

#include <string.h>

struct relay_key *relay_session_find(struct relay *r, uint32_t index, uint64_t counter,
				     struct instant now, struct relay_member **m)
{
	struct relay_key *key = relay_key_find(&r->members, index, m);
	enum relay_drop reason = RELAY_DROP_COUNT;

	if (!key) {
		relay_count_drop(r, NULL, NULL, RELAY_INDEX);
		return NULL;
	}
	if (relay_key_over(key, now)) {
		reason = RELAY_EXPIRED;
	} else {
		switch (replay_ring_check(key->next, key->window, RELAY_WORDS, counter)) {
		case REPLAY_NEW:
			return key;
		case REPLAY_SEEN:
			reason = RELAY_REPLAYED;
			break;
		case REPLAY_OLD:
			reason = RELAY_OLD;
			break;
		}
	}
	relay_count_drop(r, (*m)->network, *m, reason);
	return NULL;
}

void relay_session_send(struct relay *r, struct relay_member *m, const struct relay_place *to,
			const uint8_t *plain, size_t len, struct instant now)
{
	struct relay_key *key = relay_member_current(m, now);
	uint8_t packet[WIRE_RELAY_DATAGRAM], aad[KEYS_AAD];
	uint8_t *header = aad + KEYS_CONTEXT;

	if (!key || to->addr.family == ADDR_NONE)
		return;
	memcpy(aad, m->context_out, KEYS_CONTEXT);
	be32_put(header, (uint32_t)WIRE_DATA << 24);
	be32_put(header + 4, key->remote_index);
	be64_put(header + 8, key->counter);
	memcpy(packet, header, WIRE_DATA_HEADER);
	if (!aead_seal(relay_key_seal(&r->members, key), key->counter++, aad, sizeof(aad), plain,
		       len, packet + WIRE_DATA_HEADER))
		return;
	len += WIRE_DATA_OVERHEAD;
	m->traffic.out_packets++;
	m->traffic.out_bytes += len;
	m->network->traffic.out_packets++;
	m->network->traffic.out_bytes += len;
	outbox_datagram(&r->outbox, &to->addr, to->socket, relay_member_place(&r->members, m),
			packet, len);
}

/* Is the member there? */
static void question(struct relay *r, struct relay_member *m, const struct relay_place *place,
		     struct instant now)
{
	uint8_t plain[64];
	struct wr w = wr_make(plain, sizeof(plain));

	if (m->asked_at.us && instant_between(m->asked_at, now) < RELAY_ASK)
		return;
	m->asked = *place;
	m->asked_at = now;
	rand_fill(&r->rand, m->question, sizeof(m->question));
	wr_u16(&w, 0);
	relay_write_control(&w, WIRE_PING, m->question, sizeof(m->question));
	relay_session_send(r, m, place, plain, w.used, now);
}

void relay_session_move(struct relay *r, struct relay_member *m, const struct relay_place *to)
{
	bool other = m->at.addr.family != ADDR_NONE && !addr_equal(&m->at.addr, &to->addr);

	relay_forward_close(r, m);
	m->at = *to;
	if (to->addr.family == ADDR_STREAM && r->streamed)
		r->streamed(r->outbox.ctx, &to->addr);
	m->asked = (struct relay_place){ 0 };
	bytes_wipe(m->question, sizeof(m->question));
	if (other)
		relay_tell(r, RELAY_MEMBER_MOVED, m->network, m);
}

/* It has sent its first packet ever. */
static bool join(struct relay *r, struct relay_member *m, struct instant now)
{
	struct relay_network *net = m->network;

	if (relay_network_full(net)) {
		relay_count_drop(r, net, NULL, RELAY_FULL);
		relay_session_end(r, m, now);
		return false;
	}
	net->calling--;
	if (!net->configured && net->members == 0)
		relay_tell(r, RELAY_NETWORK_NEW, net, NULL);
	r->n_calling--;
	relay_network_join(net, &r->members, m);
	m->since = m->listed = now;
	list_remove(&m->heard_in);
	list_append(&r->heard, &m->heard_in);
	r->n_heard++;
	relay_notice_changed(r, net, now);
	return true;
}

static bool confirm(struct relay *r, struct relay_member *m, struct relay_key *key,
		    const struct relay_place *from, struct instant now)
{
	bool answered = relay_place_equal(&key->answered, from);
	bool renamed = m->number && strcmp(m->name, m->next_name) != 0;
	bool comes = !m->number;

	relay_key_confirm(&r->members, m, key, now);
	memcpy(m->name, m->next_name, sizeof(m->name));
	if (comes && !join(r, m, now))
		return false;
	if (renamed) {
		relay_network_changed(m->network, m);
		relay_notice_changed(r, m->network, now);
	}
	if (answered)
		relay_session_move(r, m, from);
	if (comes)
		relay_tell(r, RELAY_MEMBER_CAME, m->network, m);
	return true;
}

/* Once in a while is enough to keep the order by silence. */
static void note_heard(struct relay *r, struct relay_member *m, struct instant now)
{
	m->heard = now;
	if (instant_between(m->listed, now) < RELAY_GRAIN)
		return;
	m->listed = now;
	list_remove(&m->heard_in);
	list_append(&r->heard, &m->heard_in);
	relay_member_expire_keys(&r->members, m, now);
}

bool relay_session_heard(struct relay *r, struct relay_member *m, struct relay_key *key,
			 uint64_t counter, size_t len, const struct relay_place *from,
			 struct instant now)
{
	replay_ring_commit(&key->next, key->window, RELAY_WORDS, counter);
	if (key->state == RELAY_KEY_NEXT && !confirm(r, m, key, from, now))
		return false;
	if (key->state == RELAY_KEY_PREVIOUS)
		key->retire = instant_add(now, WIRE_OLD_KEY);
	else if (key->next == counter + 1 && !relay_place_equal(&m->at, from))
		question(r, m, from, now);
	m->traffic.in_packets++;
	m->traffic.in_bytes += len;
	m->network->traffic.in_packets++;
	m->network->traffic.in_bytes += len;
	note_heard(r, m, now);
	return true;
}

void relay_session_end(struct relay *r, struct relay_member *m, struct instant now)
{
	struct relay_network *net = m->network;

	relay_forward_close(r, m);
	list_remove(&m->heard_in);
	if (m->number) {
		r->n_heard--;
		relay_tell(r, RELAY_MEMBER_WENT, net, m);
		if (!net->configured && net->members == 1)
			relay_tell(r, RELAY_NETWORK_GONE, net, NULL);
		relay_network_leave(net, m);
		relay_notice_changed(r, net, now);
	} else {
		net->calling--;
		r->n_calling--;
	}
	if (!net->configured)
		r->n_unreserved--;
	relay_member_forget(&r->members, m);
	if (!net->configured && net->members + net->calling == 0)
		relay_network_forget(&r->networks, net);
}

void relay_session_dismiss(struct relay *r, struct relay_member *m, struct instant now)
{
	uint8_t plain[16];
	struct wr w = wr_make(plain, sizeof(plain));

	wr_u16(&w, 0);
	relay_write_control(&w, WIRE_CLOSE, NULL, 0);
	relay_session_send(r, m, &m->at, plain, w.used, now);
	relay_session_end(r, m, now);
}
