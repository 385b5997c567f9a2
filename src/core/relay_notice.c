/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  A network whose list changed waits RELAY_NOTICE_WAIT in a
 * queue, so that changes gather.  Then its members are told, who was told longest
 * ago first: each is sent a NOTICE with the revision of that moment and goes to the
 * list's end, and the round is over with the first member that was told since it
 * began.  All rounds together send RELAY_NOTICES in a step, and networks take turns.
 * What changed during a round waits for the next.  A member that has asked (NOTICE
 * stands beside every PONG) is told with that and needs no other.
 */
#include "relay_parts.h"

static struct relay_network *first_network(struct list *head)
{
	return container_of(head->next, struct relay_network, waiting);
}

static struct relay_member *first_member(struct relay_network *net)
{
	return container_of(net->told.next, struct relay_member, told_in);
}

void relay_write_notice(struct relay *r, struct wr *w, struct relay_member *m, struct instant now)
{
	const struct addr *a = &m->at.addr;
	uint8_t body[WIRE_NOTICE_LEN];
	struct wr b = wr_make(body, sizeof(body));

	wr_u32(&b, m->network->revision);
	wr_u32(&b, m->number);
	if (a->family == ADDR_STREAM) {
		wr_u16(&b, 0);
		wr_u8(&b, 0);
		wr_copy(&b, r->stream_mark, WIRE_STREAM_MARK);
	} else {
		wr_u16(&b, a->port);
		wr_u8(&b, a->family);
		wr_copy(&b, a->ip, sizeof(a->ip));
	}
	relay_write_control(w, WIRE_NOTICE, body, sizeof(body));
	m->told = m->network->revision;
	m->told_at = now;
	list_remove(&m->told_in);
	list_append(&m->network->told, &m->told_in);
}

void relay_notice_changed(struct relay *r, struct relay_network *net, struct instant now)
{
	if (!list_empty(&net->waiting))
		return;
	net->tell_at = instant_add(now, RELAY_NOTICE_WAIT);
	list_append(&r->waiting, &net->waiting);
}

void relay_notice_send(struct relay *r, struct relay_member *m, struct instant now)
{
	uint8_t plain[64];
	struct wr w = wr_make(plain, sizeof(plain));

	wr_u16(&w, 0);
	relay_write_notice(r, &w, m, now);
	relay_session_send(r, m, &m->at, plain, w.used, now);
}

/* Who knows a revision, and when it was told, rise along the list. */
static bool all_know(struct relay_network *net)
{
	return list_empty(&net->told) || first_member(net)->told == net->revision;
}

static bool round_over(struct relay_network *net)
{
	return all_know(net) || !instant_before(first_member(net)->told_at, net->tell_at);
}

static void end_round(struct relay *r, struct relay_network *net, struct instant now)
{
	list_remove(&net->waiting);
	if (!all_know(net))
		relay_notice_changed(r, net, now);
}

static void begin_rounds(struct relay *r, struct instant now)
{
	while (!list_empty(&r->waiting) &&
	       instant_reached(now, first_network(&r->waiting)->tell_at)) {
		struct relay_network *net = first_network(&r->waiting);

		net->tell_at = now;
		list_remove(&net->waiting);
		list_append(&r->telling, &net->waiting);
	}
}

void relay_notice_tick(struct relay *r, struct instant now)
{
	unsigned left = RELAY_NOTICES;

	begin_rounds(r, now);
	if (list_empty(&r->telling) || !instant_reached(now, r->tell_next))
		return;
	r->tell_next = instant_add(now, RELAY_NOTICE_STEP);
	while (!list_empty(&r->telling) && left > 0) {
		struct relay_network *net = first_network(&r->telling);

		if (round_over(net)) {
			end_round(r, net, now);
			continue;
		}
		relay_notice_send(r, first_member(net), now);
		left--;
		list_remove(&net->waiting);
		list_append(&r->telling, &net->waiting);
	}
}

struct instant relay_notice_due(const struct relay *r)
{
	if (!list_empty(&r->telling))
		return r->tell_next;
	if (!list_empty(&r->waiting))
		return container_of(r->waiting.next, struct relay_network, waiting)->tell_at;
	return INSTANT_NEVER;
}
