/* SPDX-License-Identifier: MIT */
#include "bench/caller.h"

#include <string.h>

#include "base/bytes.h"
#include "core/hop.h"
#include "core/keys.h"

#define HELLO_NAME 4
#define HELLO_NETWORK (HELLO_NAME + 1 + WIRE_NAME)
#define REGISTER_NOISE 8
#define RESPONSE_NOISE 12
#define PING_BODY 12
#define FIRST_WAIT MS(500)
#define ASK_AGAIN MS(700)

bool caller_init(struct caller *c, const uint8_t relay_key[KEX_KEY], const char *network,
		 const char *name)
{
	uint8_t private_key[KEX_KEY], no_psk[KEX_KEY] = { 0 }, relay_id[IDENTITY_ID];

	memset(c, 0, sizeof(*c));
	memcpy(c->relay_key, relay_key, KEX_KEY);
	c->call_at = c->ask_at = INSTANT_NEVER;
	rand_bytes(private_key, sizeof(private_key));
	if (!identity_init_hop(&c->self, private_key, no_psk, network, name, rand_source_kernel()))
		return false;
	identity_id(relay_id, relay_key);
	keys_context(c->context_out, IDENTITY_HOP, c->self.id, relay_id);
	keys_context(c->context_in, IDENTITY_HOP, relay_id, c->self.id);
	cookie_jar_init(&c->jar, CIPHER_AES_256_GCM, relay_key);
	return aead_init(&c->seal, CIPHER_AES_256_GCM, AEAD_SEAL) &&
	       aead_init(&c->open, CIPHER_AES_256_GCM, AEAD_OPEN);
}

void caller_free(struct caller *c)
{
	aead_free(&c->seal);
	aead_free(&c->open);
}

/* ---- what goes out ---- */

static void write_name(uint8_t *out, const char *name)
{
	out[0] = (uint8_t)strlen(name);
	memcpy(out + 1, name, out[0]);
}

static size_t call(struct caller *c, struct instant now, uint8_t out[CALLER_ROOM])
{
	const size_t room = WIRE_REGISTER_LEN - REGISTER_NOISE - COOKIE_MACS;
	uint8_t hello[WIRE_REGISTER_HELLO] = { WIRE_VERSION }, ephemeral[KEX_KEY];

	write_name(hello + HELLO_NAME, c->self.name);
	write_name(hello + HELLO_NETWORK, c->self.registers);
	rand_bytes(ephemeral, sizeof(ephemeral));
	rand_bytes(&c->calling, sizeof(c->calling));
	memset(out, 0, WIRE_REGISTER_LEN);
	out[0] = WIRE_REGISTER;
	be32_put(out + 4, c->calling);
	if (!noise_begin(&c->noise, NOISE_IKPSK2, NOISE_INITIATOR, CIPHER_AES_256_GCM,
			 c->self.prologue, c->self.prologue_len, c->self.private_key, c->relay_key,
			 c->self.psk) ||
	    noise_write(&c->noise, ephemeral, hello, sizeof(hello), out + REGISTER_NOISE, room) !=
		    room)
		return 0;
	cookie_jar_sign(&c->jar, out, WIRE_REGISTER_LEN - COOKIE_MACS, now);
	return WIRE_REGISTER_LEN;
}

static size_t control(struct caller *c, uint8_t type, const void *body, size_t len,
		      uint8_t out[CALLER_ROOM])
{
	uint8_t plain[128], aad[KEYS_AAD];
	struct wr w = wr_make(plain, sizeof(plain));

	wr_u16(&w, 0);
	wr_u8(&w, WIRE_CONTROL);
	wr_u16(&w, (uint16_t)(1 + len));
	wr_u8(&w, type);
	wr_copy(&w, body, len);
	memset(out, 0, WIRE_DATA_HEADER);
	out[0] = WIRE_DATA;
	be32_put(out + 4, c->remote);
	be64_put(out + 8, c->counter);
	memcpy(aad, c->context_out, KEYS_CONTEXT);
	memcpy(aad + KEYS_CONTEXT, out, WIRE_DATA_HEADER);
	if (w.bad || !aead_seal(&c->seal, c->counter++, aad, sizeof(aad), plain, w.used,
				out + WIRE_DATA_HEADER))
		return 0;
	return w.used + WIRE_DATA_OVERHEAD;
}

size_t caller_ping(struct caller *c, uint8_t out[CALLER_ROOM])
{
	uint8_t body[PING_BODY] = { 0 };

	return control(c, WIRE_PING, body, sizeof(body), out);
}

static size_t ask_members(struct caller *c, uint8_t out[CALLER_ROOM])
{
	uint8_t body[WIRE_MEMBERS_ASK_LEN];

	be32_put(body, c->reached);
	be32_put(body + 4, c->base);
	return control(c, WIRE_MEMBERS_ASK, body, sizeof(body), out);
}

size_t caller_hop(struct caller *c, uint32_t destination, size_t inner_len, uint8_t *out)
{
	struct hop hop = { .index = c->remote,
			   .counter = c->counter++,
			   .source = WIRE_HOP_NOBODY,
			   .destination = destination,
			   .inner_len = inner_len };

	return hop_seal(&c->seal, c->context_out, &hop, out) ? inner_len + WIRE_HOP_OVERHEAD : 0;
}

/* ---- time ---- */

void caller_start(struct caller *c, struct instant at)
{
	c->call_at = at;
	c->attempts = 0;
	c->hurried = false;
}

void caller_prepare(struct caller *c, struct instant now)
{
	uint8_t packet[CALLER_ROOM];

	c->prepared = call(c, now, packet) == sizeof(c->first);
	memcpy(c->first, packet, sizeof(c->first));
}

/* The pace of a site, lanspan-protocol(7). */
static size_t call_again(struct caller *c, struct instant now, uint8_t out[CALLER_ROOM])
{
	int64_t wait = FIRST_WAIT;
	uint16_t stretch;

	if (c->attempts > 0)
		wait = c->attempts > 10 && c->attempts % 2 ? SECONDS(3) : SECONDS(1);
	rand_bytes(&stretch, sizeof(stretch));
	c->attempts++;
	c->call_at = instant_add(now, wait + wait * stretch / 65536 / 5);
	if (!c->prepared)
		return call(c, now, out);
	c->prepared = false;
	memcpy(out, c->first, sizeof(c->first));
	return sizeof(c->first);
}

size_t caller_tick(struct caller *c, struct instant now, uint8_t out[CALLER_ROOM])
{
	if (instant_reached(now, c->call_at))
		return call_again(c, now, out);
	if (!instant_reached(now, c->ask_at))
		return 0;
	c->ask_at = instant_add(now, ASK_AGAIN);
	return c->number ? ask_members(c, out) : caller_ping(c, out);
}

/* ---- what comes in ---- */

static size_t take_response(struct caller *c, const uint8_t *packet, size_t len, struct instant now,
			    uint8_t out[CALLER_ROOM])
{
	uint8_t hello[WIRE_HELLO], send[AEAD_KEY], receive[AEAD_KEY];
	struct noise noise = c->noise;
	size_t got;

	if (len == WIRE_RESPONSE_LEN && be32_get(packet + 8) != c->calling) {
		c->late++;
		return 0;
	}
	if (len != WIRE_RESPONSE_LEN ||
	    !noise_read(&noise, packet + RESPONSE_NOISE, len - RESPONSE_NOISE - COOKIE_MACS, hello,
			sizeof(hello), &got) ||
	    !noise_split(&noise, send, receive)) {
		c->bad++;
		return 0;
	}
	aead_set_key(&c->seal, send);
	aead_set_key(&c->open, receive);
	c->local = c->calling;
	c->remote = be32_get(packet + 4);
	c->counter = 0;
	c->call_at = INSTANT_NEVER;
	if (!c->number)
		c->ask_at = instant_add(now, ASK_AGAIN);
	c->sessions++;
	return caller_ping(c, out);
}

static size_t take_cookie(struct caller *c, const uint8_t *packet, size_t len, struct instant now,
			  uint8_t out[CALLER_ROOM])
{
	c->cookies++;
	if (len != WIRE_COOKIE_LEN || !cookie_jar_open(&c->jar, packet, now) || c->hurried)
		return 0;
	c->hurried = true;
	return call(c, now, out);
}

/* Asks for what is missing of the list. */
static size_t complete(struct caller *c, struct instant now, uint8_t out[CALLER_ROOM])
{
	c->ask_at = INSTANT_NEVER;
	if (c->head == c->reached)
		return 0;
	c->ask_at = instant_add(now, ASK_AGAIN);
	return ask_members(c, out);
}

static size_t take_notice(struct caller *c, struct rd r, struct instant now,
			  uint8_t out[CALLER_ROOM])
{
	c->head = rd_u32(&r);
	c->number = rd_u32(&r);
	return complete(c, now, out);
}

static void set_listed(struct caller *c, uint32_t number, bool is)
{
	uint64_t *word = &c->listed[number % (WIRE_MEMBERS_MAX + 1) / 64],
		 bit = 1ull << number % 64;

	if (is == !!(*word & bit))
		return;
	*word ^= bit;
	c->members += is ? 1 : -1u;
}

static size_t take_members(struct caller *c, struct rd r, struct instant now,
			   uint8_t out[CALLER_ROOM])
{
	uint8_t flags, count;

	c->head = rd_u32(&r);
	c->reached = rd_u32(&r);
	flags = rd_u8(&r);
	count = rd_u8(&r);
	if (flags & WIRE_MEMBERS_RESET) {
		memset(c->listed, 0, sizeof(c->listed));
		c->members = 0;
		c->base = c->head;
	}
	while (count-- > 0) {
		uint32_t number = rd_u32(&r);
		bool gone = rd_u8(&r) & WIRE_MEMBER_GONE;

		rd_bytes(&r, KEX_KEY);
		rd_bytes(&r, rd_u8(&r));
		if (rd_ok(&r))
			set_listed(c, number, !gone);
	}
	return complete(c, now, out);
}

static size_t take_control(struct caller *c, uint8_t type, struct rd r, struct instant now,
			   uint8_t out[CALLER_ROOM])
{
	switch (type) {
	case WIRE_PING:
		return control(c, WIRE_PONG, r.p, MIN(r.left, (size_t)PING_BODY), out);
	case WIRE_PONG:
		c->pongs++;
		return 0;
	case WIRE_NOTICE:
		return take_notice(c, r, now, out);
	case WIRE_MEMBERS:
		return take_members(c, r, now, out);
	}
	c->bad++; /* a CLOSE too: nobody has to go here */
	return 0;
}

static size_t take_data(struct caller *c, uint8_t *packet, size_t len, struct instant now,
			uint8_t out[CALLER_ROOM])
{
	uint8_t aad[KEYS_AAD], *plain = packet + WIRE_DATA_HEADER;
	size_t answer = 0;
	struct rd r;

	if (len < WIRE_DATA_MIN || be32_get(packet + 4) != c->local)
		return 0; /* of the session before */
	memcpy(aad, c->context_in, KEYS_CONTEXT);
	memcpy(aad + KEYS_CONTEXT, packet, WIRE_DATA_HEADER);
	if (!aead_open(&c->open, be64_get(packet + 8), aad, sizeof(aad), plain,
		       len - WIRE_DATA_HEADER, plain)) {
		c->bad++;
		return 0;
	}
	r = rd_make(plain + 2, len - WIRE_DATA_OVERHEAD - 2);
	while (r.left > 0 && rd_u8(&r) == WIRE_CONTROL) {
		struct rd body = rd_sub(&r, rd_u16(&r));
		uint8_t type = rd_u8(&body);
		size_t more = rd_ok(&body) ? take_control(c, type, body, now, out) : 0;

		answer = more ? more : answer;
	}
	return answer;
}

size_t caller_take(struct caller *c, uint8_t *packet, size_t len, struct instant now,
		   uint8_t out[CALLER_ROOM])
{
	switch (len ? packet[0] : 0) {
	case WIRE_RESPONSE:
		return take_response(c, packet, len, now, out);
	case WIRE_COOKIE:
		return take_cookie(c, packet, len, now, out);
	case WIRE_DATA:
		return take_data(c, packet, len, now, out);
	}
	c->bad++;
	return 0;
}

bool caller_hop_good(struct caller *c, const uint8_t *packet, size_t len)
{
	struct hop hop;

	return hop_parse(&hop, packet, len) && hop.index == c->local &&
	       hop_verify(&c->open, c->context_in, &hop, packet, len);
}

bool caller_knows_all(const struct caller *c)
{
	return c->number && c->reached == c->head;
}
