/* SPDX-License-Identifier: MIT */
#include "relay_parts.h"

#define PING_BODY RELAY_QUESTION
#define PROBE_BODY 6 /* id u32 | size u16 */
#define PLAIN (WIRE_RELAY_DATAGRAM - WIRE_DATA_OVERHEAD)

/* A CONTROL in the hands of the relay. */
struct control {
	struct relay *r;
	struct relay_member *m;
	uint32_t index; /* of the key that it came under */
	const struct relay_place *from;
	struct instant now;
	bool gone; /* the member is */
};

void relay_write_control(struct wr *w, uint8_t type, const void *body, size_t len)
{
	wr_u8(w, WIRE_CONTROL);
	wr_u16(w, (uint16_t)(1 + len));
	wr_u8(w, type);
	wr_copy(w, body, len);
}

static void drop(const struct control *c, enum relay_drop reason)
{
	relay_count_drop(c->r, c->m->network, c->m, reason);
}

/* False when the member asks too often, or where it is has not answered yet. */
static bool may_answer(const struct control *c)
{
	if (c->m->at.addr.family == ADDR_NONE) {
		drop(c, RELAY_UNCONFIRMED);
		return false;
	}
	if (!relay_bucket_open(&c->m->answers, RELAY_ANSWERS, c->now)) {
		drop(c, RELAY_FRAMES);
		return false;
	}
	relay_bucket_charge(&c->m->answers, RELAY_ANSWERS, 1);
	return true;
}

static void answer(const struct control *c, const struct wr *w, const uint8_t *plain)
{
	relay_session_send(c->r, c->m, &c->m->at, plain, w->used, c->now);
}

static void take_ping(const struct control *c, const uint8_t *body)
{
	uint8_t plain[128];
	struct wr w = wr_make(plain, sizeof(plain));

	if (!may_answer(c))
		return;
	wr_u16(&w, 0);
	relay_write_control(&w, WIRE_PONG, body, PING_BODY);
	relay_write_notice(c->r, &w, c->m, c->now);
	answer(c, &w, plain);
}

static void take_pong(const struct control *c, const uint8_t *body)
{
	struct relay_member *m = c->m;

	if (!relay_place_equal(&m->asked, c->from) ||
	    !bytes_equal_secret(m->question, body, RELAY_QUESTION))
		return;
	relay_session_move(c->r, m, c->from);
	relay_notice_send(c->r, m, c->now); /* it is seen elsewhere now */
}

static void take_probe(const struct control *c, const uint8_t *body)
{
	uint8_t plain[32];
	struct wr w = wr_make(plain, sizeof(plain));

	if (!may_answer(c))
		return;
	wr_u16(&w, 0);
	relay_write_control(&w, WIRE_PROBED, body, PROBE_BODY);
	answer(c, &w, plain);
}

static void take_members_ask(const struct control *c, const uint8_t *body)
{
	uint8_t plain[PLAIN], list[PLAIN - 6];
	struct wr w = wr_make(plain, sizeof(plain));
	size_t len;

	if (!may_answer(c))
		return;
	len = relay_network_list(c->m->network, be32_get(body), be32_get(body + 4), list,
				 sizeof(list));
	wr_u16(&w, 0);
	relay_write_control(&w, WIRE_MEMBERS, list, len);
	answer(c, &w, plain);
}

/* A late one from an earlier session does not end the present. */
static void take_close(struct control *c)
{
	struct relay_member *m;
	struct relay_key *key = relay_key_find(&c->r->members, c->index, &m);

	if (key && key->state == RELAY_KEY_PREVIOUS) {
		relay_key_drop(&c->r->members, key);
		return;
	}
	relay_session_end(c->r, c->m, c->now);
	c->gone = true;
}

/* False when it is none that a member sends to its relay. */
static bool take_control(struct control *c, uint8_t type, const uint8_t *body, size_t len)
{
	switch (type) {
	case WIRE_PING:
		if (len == PING_BODY)
			take_ping(c, body);
		return len == PING_BODY;
	case WIRE_PONG:
		if (len == PING_BODY)
			take_pong(c, body);
		return len == PING_BODY;
	case WIRE_PROBE:
		if (len == PROBE_BODY)
			take_probe(c, body);
		return len == PROBE_BODY;
	case WIRE_MEMBERS_ASK:
		if (len == WIRE_MEMBERS_ASK_LEN)
			take_members_ask(c, body);
		return len == WIRE_MEMBERS_ASK_LEN;
	case WIRE_CLOSE:
		if (len == 0)
			take_close(c);
		return len == 0;
	default:
		return false;
	}
}

/* The next record; false at the end, or after one that makes no sense. */
static bool take_record(struct control *c, struct rd *rd)
{
	uint8_t type = rd_u8(rd);
	struct rd body;
	bool known;

	if (type == WIRE_PAD)
		return false;
	body = rd_sub(rd, rd_u16(rd));
	known = type == WIRE_CONTROL && rd_ok(&body) && body.left > 0;
	if (known) {
		type = rd_u8(&body);
		known = take_control(c, type, body.p, body.left);
	}
	if (!known)
		drop(c, RELAY_RECORD);
	return rd_ok(rd) && !c->gone;
}

void relay_take_records(struct relay *r, struct relay_member *m, uint32_t index,
			const uint8_t *plain, size_t len, const struct relay_place *from,
			struct instant now)
{
	struct control c = { .r = r, .m = m, .index = index, .from = from, .now = now };
	struct rd rd = rd_make(plain, len);

	if (rd_u16(&rd) != 0) {
		drop(&c, RELAY_RECORD); /* no record that a relay takes is ever cut */
		return;
	}
	while (rd.left > 0 && take_record(&c, &rd))
		;
}
