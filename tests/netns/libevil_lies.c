/* SPDX-License-Identifier: MIT */
/* Lies in what a relay says: the list of members, numbers, places. */
#include "libevil.h"

#include <stdio.h>
#include <string.h>

#define CHUNK 18 /* entries of one MEMBERS */

struct lie {
	uint32_t number;
	uint8_t key[KEX_KEY];
	uint8_t name_len;
	char name[80];
};

static void invent(struct lie *lie, uint32_t number)
{
	uint8_t seed[8] = "evil";

	be32_put(seed + 4, number);
	lie->number = number;
	kex_hash(lie->key, seed, sizeof(seed), NULL, 0);
	lie->name_len = (uint8_t)snprintf(lie->name, sizeof(lie->name), "nobody-%u", number);
}

static void tell_truth(struct lie *lie, const struct relay_member *m)
{
	lie->number = m->number;
	memcpy(lie->key, m->public_key, KEX_KEY);
	lie->name_len = (uint8_t)strlen(m->name);
	memcpy(lie->name, m->name, lie->name_len);
}

static const struct relay_member *numbered(struct hostile *h, const struct relay_member *m,
					   uint32_t number)
{
	return relay_member_numbered(&h->relay->members, m->network_id, number);
}

/* Each member has the key of the one before, the first that of the last. */
static void rotate_key(struct hostile *h, const struct relay_member *m, struct lie *lie)
{
	const struct relay_member *other = NULL;

	for (uint32_t i = lie->number - 1; i > 0 && !other; i--)
		other = numbered(h, m, i);
	for (uint32_t i = m->network->top; i > lie->number && !other; i--)
		other = numbered(h, m, i);
	if (other)
		memcpy(lie->key, other->public_key, KEX_KEY);
}

static void bad_name(struct lie *lie)
{
	static const char *const bad[] = {
		"\033[2J\033[31mroot", "a",    "b",   "", "../../x", "a b",
		"\xff\xfe\n\r\t",      "%s%n", "hub", "c"
	};
	const char *name = bad[lie->number % COUNT_OF(bad)];

	lie->name_len = (uint8_t)strlen(name);
	memcpy(lie->name, name, lie->name_len);
}

static uint32_t count(const struct hostile *h, const struct relay_member *m)
{
	switch (h->evil) {
	case EVIL_NOBODY:
		return 0;
	case EVIL_CROWD:
		return WIRE_MEMBERS_MAX;
	case EVIL_INVENT:
	case EVIL_NAMES:
		return m->network->top + 30;
	default:
		return m->network->top;
	}
}

/* What a lying list says of a number; false: nothing. */
static bool lie_of(struct hostile *h, const struct relay_member *m, uint32_t number,
		   struct lie *lie)
{
	const struct relay_member *true_one = numbered(h, m, number);

	memset(lie, 0, sizeof(*lie));
	if (true_one)
		tell_truth(lie, true_one);
	else if (number > m->network->top)
		invent(lie, number);
	else
		return false;
	if (h->evil == EVIL_KEYS)
		rotate_key(h, m, lie);
	if (h->evil == EVIL_NAMES)
		bad_name(lie);
	if (h->evil == EVIL_INVENT && number == m->network->top + 1)
		memcpy(lie->key, h->relay->public_key, KEX_KEY);
	return true;
}

static size_t write_members(struct hostile *h, const struct relay_member *m, uint8_t *out,
			    size_t room)
{
	uint32_t place = relay_member_place(&h->relay->members, m), n = count(h, m);
	unsigned *told = &h->told[place % EVIL_MEMBERS];
	uint32_t head = m->network->revision;
	struct wr w = wr_make(out + WIRE_MEMBERS_HEAD, room - WIRE_MEMBERS_HEAD);
	unsigned entries = 0;

	out[8] = *told == 0 ? WIRE_MEMBERS_RESET : 0;
	while (*told < n && entries < CHUNK) {
		struct lie lie;

		if (!lie_of(h, m, ++*told, &lie))
			continue;
		wr_u32(&w, lie.number);
		wr_u8(&w, 0);
		wr_copy(&w, lie.key, KEX_KEY);
		wr_u8(&w, lie.name_len);
		wr_copy(&w, lie.name, lie.name_len);
		entries++;
	}
	be32_put(out, head);
	be32_put(out + 4, head - (n - *told));
	out[9] = (uint8_t)entries;
	if (*told == n)
		*told = 0;
	return WIRE_MEMBERS_HEAD + w.used;
}

static void lie_in_notice(struct hostile *h, const struct relay_member *m,
			  uint8_t body[WIRE_NOTICE_LEN])
{
	uint32_t other = m->number % m->network->top + 1;

	if (h->evil == EVIL_NUMBER)
		be32_put(body + 4, other);
	if (h->evil != EVIL_PLACE && h->evil != EVIL_RESTLESS)
		return;
	be16_put(body + 8, h->victim.port);
	body[10] = h->victim.family;
	memcpy(body + 11, h->victim.ip, sizeof(h->victim.ip));
	if (h->evil == EVIL_RESTLESS)
		be16_put(body + 8, (uint16_t)(1024 + evil_random(h, 60000)));
}

static bool lies_in_lists(const struct hostile *h)
{
	return h->evil >= EVIL_KEYS && h->evil <= EVIL_NAMES;
}

static void write_record(struct hostile *h, const struct relay_member *m, struct wr *w,
			 uint8_t type, uint8_t *body, size_t len)
{
	uint8_t list[WIRE_RELAY_DATAGRAM - WIRE_DATA_OVERHEAD - 6];

	if (type == WIRE_MEMBERS && lies_in_lists(h)) {
		relay_write_control(w, type, list, write_members(h, m, list, sizeof(list)));
		return;
	}
	if (type == WIRE_NOTICE && len == WIRE_NOTICE_LEN)
		lie_in_notice(h, m, body);
	relay_write_control(w, type, body, len);
}

void evil_control(struct hostile *h, struct relay_member *m, const uint8_t *plain, size_t len)
{
	uint8_t said[EVIL_PACKET], body[EVIL_PACKET];
	struct rd rd = rd_make(plain, len), record;
	struct wr w = wr_make(said, sizeof(said));

	wr_u16(&w, rd_u16(&rd));
	while (rd.left > 0 && rd_u8(&rd) == WIRE_CONTROL) {
		uint8_t type;

		record = rd_sub(&rd, rd_u16(&rd));
		type = rd_u8(&record);
		if (!rd_ok(&record))
			break;
		memcpy(body, record.p, record.left);
		write_record(h, m, &w, type, body, record.left);
	}
	evil_data(h, m, 0, said, w.used);
}
