/* SPDX-License-Identifier: MIT */
#include "libevil.h"

#include <string.h>

static const char *const names[] = {
	[EVIL_NONE] = "none",	    [EVIL_HEADER] = "header",	    [EVIL_BODY] = "body",
	[EVIL_TAG] = "tag",	    [EVIL_READDRESS] = "readdress", [EVIL_STAMP] = "stamp",
	[EVIL_SWAP] = "swap",	    [EVIL_REPLAY] = "replay",	    [EVIL_OLD] = "old",
	[EVIL_CROSS] = "cross",	    [EVIL_REFLECT] = "reflect",	    [EVIL_CALLS] = "calls",
	[EVIL_RECORDS] = "records", [EVIL_KEYS] = "keys",	    [EVIL_INVENT] = "invent",
	[EVIL_NOBODY] = "nobody",   [EVIL_CROWD] = "crowd",	    [EVIL_NAMES] = "names",
	[EVIL_NUMBER] = "number",   [EVIL_PLACE] = "place",	    [EVIL_RESTLESS] = "restless",
};

_Static_assert(COUNT_OF(names) == EVIL_COUNT, "each has a name");

const char *evil_name(enum evil evil)
{
	return names[evil];
}

uint32_t evil_random(struct hostile *h, uint32_t below)
{
	uint32_t random;

	rand_fill(&h->rand, &random, sizeof(random));
	return random % below;
}

/* ---- out ---- */

static void put_out(struct hostile *h, const struct addr *to, const uint8_t *data, size_t len)
{
	struct udp_message message = { .data = data, .len = len, .segment = len, .to = *to };
	bool lost;

	udp_send(&h->udp, &message, 1, &lost);
}

static void put_evil(struct hostile *h, struct relay_member *m, const uint8_t *data, size_t len)
{
	h->done++;
	h->bytes += len;
	put_out(h, &m->at.addr, data, len);
}

void evil_hop(struct hostile *h, struct relay_member *m, uint32_t source, uint32_t destination,
	      const uint8_t *inner, size_t len)
{
	struct relay_key *key = relay_member_current(m, h->now);
	uint8_t packet[EVIL_PACKET + WIRE_HOP_OVERHEAD];
	struct hop hop = { .source = source, .destination = destination, .inner_len = len };

	if (!key || len > EVIL_PACKET)
		return;
	hop.index = key->remote_index;
	hop.counter = key->counter++;
	memcpy(packet + WIRE_HOP_HEADER, inner, len);
	aead_set_key(&h->seal, key->seal);
	if (hop_seal(&h->seal, m->context_out, &hop, packet))
		put_evil(h, m, packet, len + WIRE_HOP_OVERHEAD);
}

void evil_data(struct hostile *h, struct relay_member *m, uint8_t flags, const uint8_t *plain,
	       size_t len)
{
	struct relay_key *key = relay_member_current(m, h->now);
	uint8_t packet[EVIL_PACKET + WIRE_DATA_OVERHEAD], aad[KEYS_AAD];
	uint8_t *header = aad + KEYS_CONTEXT;

	if (!key || len > EVIL_PACKET)
		return;
	memcpy(aad, m->context_out, KEYS_CONTEXT);
	be32_put(header, (uint32_t)WIRE_DATA << 24 | (uint32_t)flags << 16);
	be32_put(header + 4, key->remote_index);
	be64_put(header + 8, key->counter);
	memcpy(packet, header, WIRE_DATA_HEADER);
	aead_set_key(&h->seal, key->seal);
	if (aead_seal(&h->seal, key->counter++, aad, sizeof(aad), plain, len,
		      packet + WIRE_DATA_HEADER))
		put_evil(h, m, packet, len + WIRE_DATA_OVERHEAD);
}

/* ---- who there is ---- */

struct relay_member *evil_numbered(struct hostile *h, uint32_t network, uint32_t number)
{
	return relay_member_numbered(&h->relay->members, network, number);
}

/* The next member after place *at that can be sent to; NULL at the end. */
static struct relay_member *next_member(struct hostile *h, uint32_t *at)
{
	while (*at < h->relay->members.fresh) {
		struct relay_member *m = &h->relay->members.pool[(*at)++];

		if (m->network && m->number && m->at.addr.family != ADDR_NONE)
			return m;
	}
	return NULL;
}

/* Another member of m's network, or NULL. */
static struct relay_member *third(struct hostile *h, const struct relay_member *m, uint32_t source)
{
	struct relay_member *x;
	uint32_t at = 0;

	while ((x = next_member(h, &at))) {
		if (x != m && x->network == m->network && x->number != source)
			return x;
	}
	return NULL;
}

/* ---- packets between sites ---- */

void evil_again(struct hostile *h, const struct evil_passing *p)
{
	evil_hop(h, p->m, p->hop.source, p->hop.destination, p->inner, p->hop.inner_len);
}

static void flip(struct hostile *h, struct evil_passing *p, size_t from, size_t to)
{
	size_t bit = from * 8 + evil_random(h, (uint32_t)(to - from) * 8);

	p->inner[bit / 8] ^= (uint8_t)(1u << bit % 8);
	evil_again(h, p);
}

static void readdress(struct hostile *h, struct evil_passing *p)
{
	struct relay_member *x;
	uint32_t at = 0;

	while ((x = next_member(h, &at))) {
		bool flood = p->hop.destination == WIRE_HOP_FLOOD;
		uint32_t to = flood ? WIRE_HOP_FLOOD : x->number;
		struct relay_member *other;

		if (x == p->m || x->network != p->m->network || x->number == p->hop.source)
			continue;
		evil_hop(h, x, p->hop.source, to, p->inner, p->hop.inner_len);
		other = third(h, x, p->hop.source);
		if (other)
			evil_hop(h, x, other->number, to, p->inner, p->hop.inner_len);
	}
}

static void stamp(struct hostile *h, struct evil_passing *p)
{
	struct relay_member *other = third(h, p->m, p->hop.source);

	if (other)
		evil_hop(h, p->m, other->number, p->hop.destination, p->inner, p->hop.inner_len);
	/* Of nobody, of one that there is not, and of the receiver itself. */
	evil_hop(h, p->m, WIRE_HOP_NOBODY, p->hop.destination, p->inner, p->hop.inner_len);
	evil_hop(h, p->m, WIRE_MEMBERS_MAX + 1, p->hop.destination, p->inner, p->hop.inner_len);
	evil_hop(h, p->m, p->m->number, p->hop.destination, p->inner, p->hop.inner_len);
}

static void swap(struct hostile *h, struct evil_passing *p)
{
	bool flood = p->inner[0] == WIRE_FLOOD;
	struct relay_member *x;
	uint32_t at = 0;

	while ((x = next_member(h, &at))) {
		uint32_t to;

		if (x->network != p->m->network || x->number == p->hop.source)
			continue;
		to = flood ? x->number : WIRE_HOP_FLOOD;
		evil_hop(h, x, p->hop.source, to, p->inner, p->hop.inner_len);
		p->inner[0] = flood ? WIRE_DATA : WIRE_FLOOD; /* which a HOP there may hold */
		evil_hop(h, x, p->hop.source, to, p->inner, p->hop.inner_len);
		p->inner[0] = flood ? WIRE_FLOOD : WIRE_DATA;
	}
}

static void cross(struct hostile *h, struct evil_passing *p)
{
	bool flood = p->hop.destination == WIRE_HOP_FLOOD;
	struct relay_member *x;
	uint32_t at = 0;

	while ((x = next_member(h, &at))) {
		if (x->network == p->m->network)
			continue;
		for (uint32_t source = 1; source < 4; source++)
			evil_hop(h, x, source, flood ? WIRE_HOP_FLOOD : x->number, p->inner,
				 p->hop.inner_len);
	}
}

static void reflect(struct hostile *h, struct evil_passing *p)
{
	struct relay_member *x = evil_numbered(h, p->m->network_id, p->hop.source);
	bool flood = p->hop.destination == WIRE_HOP_FLOOD;

	if (x)
		evil_hop(h, x, p->m->number, flood ? WIRE_HOP_FLOOD : x->number, p->inner,
			 p->hop.inner_len);
}

/* ---- what a relay has no say in ---- */

/* Records of sites in the relay's own DATA, and a DATA of nobody in a HOP. */
static void records(struct hostile *h, struct evil_passing *p)
{
	/* clang-format off */
	static const uint8_t frame[] = { 0, 0, WIRE_FRAME, 0, 18, 255, 255, 255, 255, 255, 255,
					 2, 0, 0, 0, 0, 1, 8, 0, 0xde, 0xad, 0xbe, 0xef };
	/* clang-format on */
	static const uint8_t types[] = { WIRE_CANDIDATES, WIRE_CHALLENGE, WIRE_CHALLENGED,
					 WIRE_FLOOD_KEY,  WIRE_FLOOD_ACK, WIRE_FLOOD_ASK };
	uint8_t plain[64] = { 0, 0, WIRE_CONTROL }, data[100];

	evil_again(h, p);
	evil_data(h, p->m, 0, frame, sizeof(frame));
	for (unsigned i = 0; i < COUNT_OF(types); i++) {
		size_t len = types[i] == WIRE_CANDIDATES ? 8 : types[i] == WIRE_FLOOD_KEY ? 44 : 8;

		rand_fill(&h->rand, plain + 6, sizeof(plain) - 6);
		be16_put(plain + 3, (uint16_t)(1 + len));
		plain[5] = types[i];
		if (types[i] == WIRE_CANDIDATES) {
			plain[6] = 1;
			plain[7] = h->victim.family;
			be16_put(plain + 8, h->victim.port);
			memcpy(plain + 10, h->victim.ip, 4);
		}
		evil_data(h, p->m, 0, plain, 6 + len);
		evil_data(h, p->m, WIRE_FLAG_PATH, plain, 6 + len);
	}
	rand_fill(&h->rand, data, sizeof(data));
	memcpy(data, p->inner, WIRE_DATA_HEADER);
	evil_hop(h, p->m, p->hop.source, p->hop.destination, data, sizeof(data));
}

/* ---- what passes ---- */

static void keep(struct hostile *h, const struct evil_passing *p)
{
	struct evil_kept *k = &h->ring[h->kept++ % EVIL_RING];

	*k = (struct evil_kept){ .network = p->m->network_id,
				 .member = relay_member_place(&h->relay->members, p->m),
				 .source = p->hop.source,
				 .destination = p->hop.destination,
				 .len = (uint16_t)p->hop.inner_len };
	memcpy(k->inner, p->inner, p->hop.inner_len);
}

static void deal(struct hostile *h, struct evil_passing *p)
{
	size_t len = p->hop.inner_len;
	uint8_t kind = p->inner[0];
	bool frames = kind == WIRE_DATA || kind == WIRE_FLOOD;

	switch (h->evil) {
	case EVIL_HEADER:
		flip(h, p, 0, WIRE_DATA_HEADER);
		break;
	case EVIL_BODY:
		flip(h, p, WIRE_DATA_HEADER, len - AEAD_TAG);
		break;
	case EVIL_TAG:
		flip(h, p,
		     len - (frames ? AEAD_TAG : COOKIE_MACS), /* mac1: mac2 counts under load */
		     len - (frames ? 0 : COOKIE_MAC));
		break;
	case EVIL_STAMP:
		stamp(h, p);
		break;
	case EVIL_SWAP:
		if (frames)
			swap(h, p);
		break;
	case EVIL_REFLECT:
		reflect(h, p);
		break;
	case EVIL_CALLS:
		evil_handshake(h, p);
		break;
	case EVIL_RECORDS:
		records(h, p);
		break;
	case EVIL_READDRESS:
		evil_again(h, p);
		readdress(h, p);
		break;
	case EVIL_CROSS:
		evil_again(h, p);
		cross(h, p);
		break;
	case EVIL_REPLAY:
		for (uint32_t n = 3 + evil_random(h, 19); n > 0; n--)
			evil_again(h, p);
		break;
	default:
		evil_again(h, p);
		h->done--; /* nothing evil in that */
		h->bytes -= len + WIRE_HOP_OVERHEAD;
		break;
	}
}

static struct relay_key *key_of(struct relay_member *m, const uint8_t *packet)
{
	for (unsigned i = 0; i < RELAY_KEYS; i++) {
		if (m->key[i].state == RELAY_KEY_CURRENT &&
		    m->key[i].remote_index == be32_get(packet + 4))
			return &m->key[i];
	}
	return NULL;
}

/* What the relay itself said, in its own words. */
static bool look_into(struct hostile *h, struct relay_member *m, const uint8_t *packet, size_t len)
{
	struct relay_key *key = key_of(m, packet);
	uint8_t aad[KEYS_AAD], plain[EVIL_PACKET];

	if (!key || len > sizeof(plain))
		return false;
	memcpy(aad, m->context_out, KEYS_CONTEXT);
	memcpy(aad + KEYS_CONTEXT, packet, WIRE_DATA_HEADER);
	aead_set_key(&h->open, key->seal);
	if (!aead_open(&h->open, be64_get(packet + 8), aad, sizeof(aad), packet + WIRE_DATA_HEADER,
		       len - WIRE_DATA_HEADER, plain))
		return false;
	evil_control(h, m, plain, len - WIRE_DATA_OVERHEAD);
	return true;
}

static void pass(struct hostile *h, struct relay_member *m, const struct run *run,
		 const uint8_t *packet, size_t len)
{
	struct evil_passing p = { .m = m };

	if (m && packet[0] == WIRE_HOP && hop_parse(&p.hop, packet, len) &&
	    p.hop.inner_len <= EVIL_PACKET) {
		memcpy(p.inner, p.hop.inner, p.hop.inner_len);
		keep(h, &p);
		if (p.inner[0] == WIRE_INITIATION)
			evil_remember_call(h, &p);
		if (h->evil != EVIL_NONE) {
			deal(h, &p);
			return;
		}
	}
	if (m && packet[0] == WIRE_DATA && h->evil >= EVIL_KEYS && look_into(h, m, packet, len))
		return;
	put_out(h, &run->to, packet, len);
}

void evil_run(struct hostile *h, const struct run *run)
{
	struct relay_members *ms = &h->relay->members;
	struct relay_member *m = run->owner < ms->fresh ? &ms->pool[run->owner] : NULL;

	if (m && !m->network)
		m = NULL;
	for (uint32_t at = 0; at < run->len; at += run->segment)
		pass(h, m, run, run->data + at, MIN(run->segment, run->len - at));
}

/* ---- time ---- */

void evil_begin(struct hostile *h, enum evil evil)
{
	struct relay_networks *ns = &h->relay->networks;

	h->evil = evil;
	h->done = h->bytes = 0;
	h->again = h->kept > EVIL_RING ? h->kept - EVIL_RING : 0;
	memset(h->told, 0, sizeof(h->told));
	for (uint32_t i = 0; i < ns->fresh; i++) {
		struct relay_network *net = &ns->pool[i];

		if (!net->used)
			continue;
		net->revision += WIRE_MEMBERS_MAX * 2; /* who asks begins anew */
		net->forgotten = net->revision;
		relay_notice_changed(h->relay, net, h->now);
	}
}

static void send_old(struct hostile *h)
{
	for (unsigned i = 0; i < 64 && h->again < h->kept; i++) {
		const struct evil_kept *k = &h->ring[h->again++ % EVIL_RING];
		struct relay_member *m = &h->relay->members.pool[k->member];

		if (m->network && m->network_id == k->network)
			evil_hop(h, m, k->source, k->destination, k->inner, k->len);
	}
}

void evil_tick(struct hostile *h)
{
	if (h->evil == EVIL_OLD)
		send_old(h);
	if (h->evil == EVIL_RESTLESS)
		evil_notices(h);
}

void evil_notices(struct hostile *h)
{
	struct relay_member *m;
	uint32_t at = 0;

	while ((m = next_member(h, &at))) {
		uint8_t plain[64];
		struct wr w = wr_make(plain, sizeof(plain));

		wr_u16(&w, 0);
		relay_write_notice(h->relay, &w, m, h->now);
		evil_control(h, m, plain, w.used);
	}
}
