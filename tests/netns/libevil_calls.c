/* SPDX-License-Identifier: MIT */
/* Handshakes between sites, as a relay may forge and mix them. */
#include "libevil.h"

#include <string.h>

#include "core/noise.h"

/* Writes both macs anew: who the packet is for is known to a relay. */
static void sign(struct hostile *h, const struct relay_member *to, uint8_t *packet, size_t len)
{
	struct cookie_jar jar;

	cookie_jar_init(&jar, CIPHER_AES_256_GCM, to->public_key);
	cookie_jar_sign(&jar, packet, len - COOKIE_MACS, h->now);
}

/* A call of the relay's own key, in the name of a member. */
static void forge_call(struct hostile *h, struct relay_member *m, struct relay_member *as)
{
	uint8_t packet[WIRE_INITIATION_LEN] = { WIRE_INITIATION }, hello[WIRE_HELLO] = { 0 };
	uint8_t psk[KEX_KEY] = { 0 }, ephemeral[KEX_KEY];
	struct identity self;
	struct noise noise;

	if (!identity_init(&self, h->relay->private_key, psk, CIPHER_AES_256_GCM, m->network->name,
			   as->name, 1500, h->rand))
		return;
	hello[0] = WIRE_VERSION;
	be16_put(hello + 2, 1500);
	hello[4] = (uint8_t)strlen(as->name);
	memcpy(hello + 5, as->name, strlen(as->name));
	rand_fill(&h->rand, ephemeral, sizeof(ephemeral));
	be32_put(packet + 4, evil_random(h, UINT32_MAX));
	if (noise_begin(&noise, NOISE_IKPSK2, NOISE_INITIATOR, self.cipher, self.prologue,
			self.prologue_len, self.private_key, m->public_key, self.psk) &&
	    noise_write(&noise, ephemeral, hello, sizeof(hello), packet + 8,
			sizeof(packet) - 8 - COOKIE_MACS)) {
		sign(h, m, packet, sizeof(packet));
		evil_hop(h, m, as->number, m->number, packet, sizeof(packet));
	}
	noise_wipe(&noise);
}

/* An answer that nobody gave to a call. */
static void forge_answer(struct hostile *h, struct relay_member *caller, uint32_t callee,
			 uint32_t index)
{
	uint8_t packet[WIRE_RESPONSE_LEN];

	rand_fill(&h->rand, packet, sizeof(packet));
	be32_put(packet, (uint32_t)WIRE_RESPONSE << 24);
	be32_put(packet + 8, index);
	packet[12] = 9; /* a point of the curve */
	memset(packet + 13, 0, 31);
	sign(h, caller, packet, sizeof(packet));
	evil_hop(h, caller, callee, caller->number, packet, sizeof(packet));
}

void evil_remember_call(struct hostile *h, const struct evil_passing *p)
{
	struct evil_call *call = NULL;

	for (unsigned i = 0; i < h->n_calls; i++) {
		struct evil_call *c = &h->calls[i];

		if (c->network == p->m->network_id && c->caller == p->hop.source &&
		    c->callee == p->m->number)
			call = c;
	}
	if (!call && h->n_calls == EVIL_CALLS_MAX)
		return;
	if (!call)
		call = &h->calls[h->n_calls++];
	*call = (struct evil_call){ p->m->network_id, p->hop.source, p->m->number,
				    be32_get(p->inner + 4) };
}

/* An answer is given to all calls but the one that it answers. */
static void mix_answer(struct hostile *h, struct evil_passing *p)
{
	uint32_t index = be32_get(p->inner + 8);

	for (unsigned i = 0; i < h->n_calls; i++) {
		const struct evil_call *c = &h->calls[i];
		struct relay_member *caller = evil_numbered(h, c->network, c->caller);

		if (c->network != p->m->network_id || c->index == index || !caller)
			continue;
		be32_put(p->inner + 8, c->index);
		sign(h, caller, p->inner, WIRE_RESPONSE_LEN);
		evil_hop(h, caller, c->callee, c->caller, p->inner, WIRE_RESPONSE_LEN);
	}
}

void evil_handshake(struct hostile *h, struct evil_passing *p)
{
	struct relay_member *caller = evil_numbered(h, p->m->network_id, p->hop.source);

	if (p->inner[0] == WIRE_RESPONSE) {
		mix_answer(h, p);
		return;
	}
	evil_again(h, p);
	if (p->inner[0] != WIRE_INITIATION || !caller)
		return;
	forge_call(h, p->m, caller);
	forge_answer(h, caller, p->m->number, be32_get(p->inner + 4));
}
