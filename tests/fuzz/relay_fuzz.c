/* SPDX-License-Identifier: MIT */
/*
 * Datagrams at a relay: the input is a row of them, each length u16 and bytes.
 * Raw ones that announce a REGISTER get a right mac1.  Some first bytes stand for
 * what only a member, or somebody with the relay's public key, can make: 'D' is
 * followed by the plaintext of a DATA packet of the member "evil", 'H' by destination
 * and inner packet of its HOP, 'R' by the payload of an authentic REGISTER.  The relay
 * lives on from input to input; the member "honest" survives them all, where it is.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "core/cookie.h"
#include "core/hop.h"
#include "core/identity.h"
#include "core/keys.h"
#include "core/noise.h"
#include "core/relay.h"

#define LONGEST 2000

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct site {
	struct addr addr;
	uint8_t private_key[KEX_KEY], public_key[KEX_KEY];
	uint8_t context[KEYS_CONTEXT];
	struct aead seal;
	uint64_t counter;
	uint32_t index; /* the relay's, of the session */
	struct instant joined;
};

static struct relay *relay;
static struct instant now = { SECONDS(10) };
static struct rand_seeded rand_state;
static struct rand_source source;
static struct site evil = { .addr = { .family = ADDR_IPV4, .ip = { 192, 0, 2, 1 }, .port = 1 },
			    .private_key = { 0, 1 } };
static struct site honest = { .addr = { .family = ADDR_IPV4, .ip = { 192, 0, 2, 2 }, .port = 2 },
			      .private_key = { 0, 2 } };
static uint8_t response[WIRE_RESPONSE_LEN];
static size_t sent, sent_bytes;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void take_runs(void *ctx, struct run **runs, size_t n)
{
	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		sent += runs[i]->count;
		sent_bytes += runs[i]->len;
		if (runs[i]->data[0] == WIRE_RESPONSE)
			memcpy(response, runs[i]->data, sizeof(response));
		if (runs[i]->data[0] == WIRE_HOP)
			must(addr_equal(&runs[i]->to, &evil.addr) ||
			     addr_equal(&runs[i]->to, &honest.addr));
	}
}

/* Gives it a copy of its own size. */
static void give(const struct addr *from, const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	must(copy);
	if (len)
		memcpy(copy, bytes, len);
	sent = sent_bytes = 0;
	relay_datagrams(relay, 0, from, copy, len, len, now);
	relay_close(relay);
	free(copy);
}

static void sign(uint8_t packet[WIRE_REGISTER_LEN])
{
	struct cookie_jar jar;

	cookie_jar_init(&jar, CIPHER_AES_256_GCM, relay_public_key(relay));
	cookie_jar_sign(&jar, packet, WIRE_REGISTER_LEN - COOKIE_MACS, now);
}

static void call(const struct site *s, const uint8_t hello[WIRE_REGISTER_HELLO],
		 struct noise *noise)
{
	static const uint8_t no_psk[KEX_KEY];
	uint8_t packet[WIRE_REGISTER_LEN] = { WIRE_REGISTER }, ephemeral[KEX_KEY];

	rand_fill(&source, ephemeral, sizeof(ephemeral));
	must(noise_begin(noise, NOISE_IKPSK2, NOISE_INITIATOR, CIPHER_AES_256_GCM,
			 WIRE_RELAY_PROLOGUE "\1", sizeof(WIRE_RELAY_PROLOGUE), s->private_key,
			 relay_public_key(relay), no_psk));
	must(noise_write(noise, ephemeral, hello, WIRE_REGISTER_HELLO, packet + 8,
			 sizeof(packet) - 8) > 0);
	sign(packet);
	give(&s->addr, packet, sizeof(packet));
}

static void seal_data(struct site *s, const uint8_t *plain, size_t len)
{
	uint8_t packet[LONGEST + WIRE_DATA_OVERHEAD] = { WIRE_DATA }, aad[KEYS_AAD];

	be32_put(packet + 4, s->index);
	be64_put(packet + 8, s->counter);
	memcpy(aad, s->context, KEYS_CONTEXT);
	memcpy(aad + KEYS_CONTEXT, packet, WIRE_DATA_HEADER);
	must(aead_seal(&s->seal, s->counter++, aad, sizeof(aad), plain, len,
		       packet + WIRE_DATA_HEADER));
	give(&s->addr, packet, len + WIRE_DATA_OVERHEAD);
}

static void seal_hop(struct site *s, uint32_t destination, const uint8_t *inner, size_t len)
{
	uint8_t packet[LONGEST + WIRE_HOP_OVERHEAD];
	struct hop hop = { .index = s->index,
			   .counter = s->counter++,
			   .destination = destination,
			   .inner_len = len };

	memcpy(packet + WIRE_HOP_HEADER, inner, len);
	memset(packet + WIRE_HOP_HEADER + len, 0, WIRE_HOP_INNER_MIN); /* the tag reads 16 */
	must(hop_seal(&s->seal, s->context, &hop, packet));
	give(&s->addr, packet, len + WIRE_HOP_OVERHEAD);
}

/* After the answers to others' calls, which may fill the relay, are forgotten. */
static void join(struct site *s)
{
	static const uint8_t hello[WIRE_REGISTER_HELLO] = {
		[0] = 1, [4] = 4, 's', 'i', 't', 'e', [68] = 4, 'f', 'u', 'z', 'z'
	};
	uint8_t answer[WIRE_HELLO], send[AEAD_KEY], receive[AEAD_KEY];
	struct noise noise;
	size_t len;

	now = s->joined = instant_add(now, SECONDS(6));
	relay_tick(relay, now);
	relay_close(relay);
	call(s, hello, &noise);
	must(sent == 1 && sent_bytes == WIRE_RESPONSE_LEN);
	must(noise_read(&noise, response + 12, 120, answer, sizeof(answer), &len));
	must(noise_split(&noise, send, receive));
	aead_set_key(&s->seal, send);
	s->index = be32_get(response + 4);
	s->counter = 0;
	seal_data(s, (const uint8_t[]){ 0, 0 }, 2);
}

static bool is_member(const struct site *s)
{
	struct relay_member_view view;
	size_t at = 0;

	while (relay_next_member(relay, "fuzz", &at, &view)) {
		if (memcmp(view.public_key, s->public_key, KEX_KEY) == 0)
			return addr_equal(&view.addr, &s->addr) &&
			       view.number == (s == &honest ? 1 : view.number);
	}
	return false;
}

static void start(struct site *s)
{
	uint8_t own[IDENTITY_ID], id[IDENTITY_ID];

	must(kex_public(s->public_key, s->private_key));
	identity_id(own, relay_public_key(relay));
	identity_id(id, s->public_key);
	keys_context(s->context, WIRE_RELAY_CONTEXT, id, own);
	must(aead_init(&s->seal, CIPHER_AES_256_GCM, AEAD_SEAL));
	join(s);
	must(is_member(s));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct relay_setup setup = { .private_key = { 0, 3 },
				     .name = "relay",
				     .max_members = 8,
				     .open = true,
				     .timeout = SECONDS(1000) };

	(void)argc;
	(void)argv;
	source = setup.rand = rand_source_seeded(&rand_state, 1);
	relay = relay_new(&setup, take_runs, NULL, now);
	must(relay);
	start(&honest);
	start(&evil);
	return 0;
}

/* Whatever a stranger sends is answered with no more than that. */
static void give_raw(const uint8_t *bytes, size_t len)
{
	const struct addr from = { .family = ADDR_IPV4, .ip = { 198, 51, 100, 9 }, .port = 99 };
	uint8_t copy[LONGEST];

	memcpy(copy, bytes, len);
	if (len == WIRE_REGISTER_LEN && copy[0] == WIRE_REGISTER && copy[1] == 0)
		sign(copy);
	if (len > 8 && copy[4] == 'i')
		be32_put(copy + 4, honest.index);
	give(&from, copy, len);
	must(sent <= 1 && sent_bytes <= len);
}

static void give_one(const uint8_t *bytes, size_t len)
{
	struct noise noise;

	if (len > 2 && bytes[0] == 'D')
		seal_data(&evil, bytes + 1, len - 1);
	else if (len > 5 + 16 && bytes[0] == 'H')
		seal_hop(&evil, be32_get(bytes + 1), bytes + 5, len - 5);
	else if (len == 1 + WIRE_REGISTER_HELLO && bytes[0] == 'R')
		call(&evil, bytes + 1, &noise);
	else
		give_raw(bytes, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_make(data, size);

	now = instant_add(now, MS(20));
	relay_tick(relay, now);
	relay_close(relay);
	if (instant_between(honest.joined, now) > SECONDS(100))
		join(&honest);
	if (!is_member(&evil) || instant_between(evil.joined, now) > SECONDS(100))
		join(&evil);
	while (r.left >= 2) {
		size_t said = rd_u16(&r);
		size_t len = MIN(MIN(said, r.left), (size_t)LONGEST);

		give_one(rd_bytes(&r, len), len);
	}
	must(is_member(&honest));
	must(relay_members(relay) <= 8);
	return 0;
}
