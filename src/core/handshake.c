/* SPDX-License-Identifier: MIT */
#include "core/handshake.h"

#include <string.h>

#include "base/bytes.h"

#define INITIATION_NOISE 8
#define RESPONSE_NOISE 12
#define INITIATION_BODY (WIRE_INITIATION_LEN - COOKIE_MACS - INITIATION_NOISE)
#define RESPONSE_BODY (WIRE_RESPONSE_LEN - COOKIE_MACS - RESPONSE_NOISE)

_Static_assert(WIRE_RESPONSE_LEN < WIRE_INITIATION_LEN, "an answer is never longer than its call");
_Static_assert(WIRE_COOKIE_LEN < WIRE_INITIATION_LEN, "nor is a cookie");
_Static_assert(WIRE_COOKIE_LEN == COOKIE_PACKET, "one length");

static void hello_write(const struct identity *self, uint8_t out[WIRE_HELLO])
{
	struct wr w = wr_make(out, WIRE_HELLO);
	size_t len = strlen(self->name);

	memset(out, 0, WIRE_HELLO);
	wr_u8(&w, WIRE_VERSION);
	wr_u8(&w, 0);
	wr_u16(&w, self->mtu);
	wr_u8(&w, (uint8_t)len);
	wr_copy(&w, self->name, len);
}

/* Takes what the peer says of itself; false when it makes no sense. */
static bool hello_read(struct peer *peer, const uint8_t hello[WIRE_HELLO])
{
	struct rd r = rd_make(hello, WIRE_HELLO);
	uint8_t version = rd_u8(&r), len;
	const uint8_t *name;
	uint16_t mtu;

	rd_u8(&r);
	mtu = rd_u16(&r);
	len = rd_u8(&r);
	name = rd_bytes(&r, len);
	if (!rd_ok(&r) || version != WIRE_VERSION || len > WIRE_NAME)
		return false;
	peer->remote_mtu = mtu;
	memcpy(peer->remote_name, name, len);
	peer->remote_name[len] = '\0';
	return true;
}

void handshake_abandon(struct peer *peer)
{
	if (peer->calling)
		keys_drop(&peer->keys, peer->calling);
	peer->calling = NULL;
	noise_wipe(&peer->noise);
}

static struct keypair *reserve(const struct identity *self, struct peer *peer, bool for_next)
{
	uint32_t random;

	rand_fill(&self->rand, &random, sizeof(random));
	return keys_reserve(&peer->keys, (uint32_t)peer->number << KEYS_SLOT_BITS, random,
			    for_next);
}

static void register_write(const struct identity *self, uint8_t out[WIRE_REGISTER_HELLO])
{
	size_t name = strlen(self->name), network = strlen(self->registers);

	memset(out, 0, WIRE_REGISTER_HELLO);
	out[0] = WIRE_VERSION;
	out[4] = (uint8_t)name;
	memcpy(out + 5, self->name, name);
	out[5 + WIRE_NAME] = (uint8_t)network;
	memcpy(out + 6 + WIRE_NAME, self->registers, network);
}

size_t handshake_initiate(const struct identity *self, struct peer *peer, struct instant now,
			  uint8_t out[HANDSHAKE_CALL_MAX])
{
	bool hop = self->registers[0];
	size_t all = hop ? WIRE_REGISTER_LEN : WIRE_INITIATION_LEN;
	size_t body = all - COOKIE_MACS - INITIATION_NOISE, len = 0;
	uint8_t hello[WIRE_REGISTER_HELLO], ephemeral[KEX_KEY];

	handshake_abandon(peer);
	peer->calling = reserve(self, peer, false);
	if (hop)
		register_write(self, hello);
	else
		hello_write(self, hello);
	rand_fill(&self->rand, ephemeral, sizeof(ephemeral));
	if (peer->calling &&
	    noise_begin(&peer->noise, NOISE_IKPSK2, NOISE_INITIATOR, self->cipher, self->prologue,
			self->prologue_len, self->private_key, peer->public_key, self->psk))
		len = noise_write(&peer->noise, ephemeral, hello,
				  hop ? WIRE_REGISTER_HELLO : WIRE_HELLO, out + INITIATION_NOISE,
				  body);
	bytes_wipe(ephemeral, sizeof(ephemeral));
	if (len != body) {
		handshake_abandon(peer);
		return 0;
	}
	be32_put(out, (uint32_t)(hop ? WIRE_REGISTER : WIRE_INITIATION) << 24);
	be32_put(out + 4, peer->calling->local_index);
	cookie_jar_sign(&peer->jar, out, all - COOKIE_MACS, now);
	peer->called_at = now;
	peer->forged = 0;
	return all;
}

void handshake_call_wipe(struct handshake_call *call)
{
	bytes_wipe(call, sizeof(*call));
}

bool handshake_read(const struct identity *self, const uint8_t packet[WIRE_INITIATION_LEN],
		    struct handshake_call *call)
{
	size_t len;

	call->remote_index = be32_get(packet + 4);
	if (!noise_begin(&call->noise, NOISE_IKPSK2, NOISE_RESPONDER, self->cipher, self->prologue,
			 self->prologue_len, self->private_key, NULL, self->psk))
		return false;
	if (!noise_read(&call->noise, packet + INITIATION_NOISE, INITIATION_BODY, call->hello,
			sizeof(call->hello), &len) ||
	    len != WIRE_HELLO)
		return false;
	memcpy(call->public_key, call->noise.remote_static, KEX_KEY);
	return true;
}

static bool install(struct peer *peer, struct keypair *kp, const struct noise *noise,
		    bool initiator, uint32_t remote_index, struct instant now)
{
	uint8_t send[AEAD_KEY], receive[AEAD_KEY];

	if (!noise_split(noise, send, receive))
		return false;
	keys_install(&peer->keys, kp, initiator, remote_index, send, receive, now);
	bytes_wipe(send, sizeof(send));
	bytes_wipe(receive, sizeof(receive));
	return true;
}

enum drop handshake_respond(const struct identity *self, struct peer *peer,
			    struct handshake_call *call, struct instant now,
			    uint8_t out[WIRE_RESPONSE_LEN])
{
	struct cookie_jar jar = peer->jar; /* a cookie still answers our own call only */
	uint8_t hello[WIRE_HELLO], ephemeral[KEX_KEY];
	struct keypair *kp;
	size_t len;

	if (!hello_read(peer, call->hello))
		return DROP_HELLO;
	hello_write(self, hello);
	rand_fill(&self->rand, ephemeral, sizeof(ephemeral));
	len = noise_write(&call->noise, ephemeral, hello, sizeof(hello), out + RESPONSE_NOISE,
			  RESPONSE_BODY);
	bytes_wipe(ephemeral, sizeof(ephemeral));
	if (len != RESPONSE_BODY)
		return DROP_HANDSHAKE;
	kp = reserve(self, peer, true);
	if (!kp)
		return DROP_REPEATED;
	if (!install(peer, kp, &call->noise, false, call->remote_index, now)) {
		keys_drop(&peer->keys, kp);
		return DROP_HANDSHAKE;
	}
	be32_put(out, (uint32_t)WIRE_RESPONSE << 24);
	be32_put(out + 4, kp->local_index);
	be32_put(out + 8, call->remote_index);
	cookie_jar_sign(&jar, out, WIRE_RESPONSE_LEN - COOKIE_MACS, now);
	return DROP_COUNT;
}

enum drop handshake_finish(struct peer *peer, const uint8_t packet[WIRE_RESPONSE_LEN],
			   struct instant now)
{
	struct noise noise = peer->noise; /* a forged answer must not end the real one */
	uint8_t hello[WIRE_HELLO];
	enum drop reason = DROP_HANDSHAKE;
	size_t len;

	if (!noise_read(&noise, packet + RESPONSE_NOISE, RESPONSE_BODY, hello, sizeof(hello), &len))
		goto out;
	reason = DROP_HELLO;
	if (len != WIRE_HELLO || !hello_read(peer, hello))
		goto out;
	reason = DROP_HANDSHAKE;
	if (!install(peer, peer->calling, &noise, true, be32_get(packet + 4), now))
		goto out;
	peer->calling = NULL;
	noise_wipe(&peer->noise);
	reason = DROP_COUNT;
out:
	noise_wipe(&noise);
	return reason;
}
