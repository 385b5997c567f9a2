/* SPDX-License-Identifier: MIT */
/*
 * INITIATIONs: raw ones are never authentic; and an authentic one whose HELLO
 * is the input gets an answer only if that makes sense.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "core/handshake.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct identity self, other;
static struct rand_seeded rands[2];
static struct peer *peer;
static struct peer_owner owner;
static const struct instant now = { SECONDS(10) };

static void must(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const uint8_t a[KEX_KEY] = { 0, 1 }, b[KEX_KEY] = { 0, 2 }, psk[KEX_KEY] = { 3 };

	(void)argc;
	(void)argv;
	must(aead_start());
	must(identity_init(&self, a, psk, CIPHER_AES_256_GCM, "fuzz", "self", 1500,
			   rand_source_seeded(&rands[0], 1)));
	must(identity_init(&other, b, psk, CIPHER_AES_256_GCM, "fuzz", "other", 1500,
			   rand_source_seeded(&rands[1], 2)));
	peer = peer_new(&owner, &self, 1, "other", other.public_key, SECONDS(25), now);
	must(peer);
	return 0;
}

static void raw(const uint8_t *data, size_t size)
{
	uint8_t packet[WIRE_INITIATION_LEN] = { WIRE_INITIATION };
	struct handshake_call call;

	memcpy(packet, data, MIN(size, sizeof(packet)));
	must(!handshake_read(&self, packet, &call));
	handshake_call_wipe(&call);
}

/* As handshake_initiate, with a HELLO of one's own. */
static void hello(const uint8_t *data, size_t size)
{
	const uint8_t ephemeral[KEX_KEY] = { 5 };
	uint8_t packet[WIRE_INITIATION_LEN] = { WIRE_INITIATION }, out[WIRE_RESPONSE_LEN];
	uint8_t said[WIRE_HELLO] = { 0 };
	struct handshake_call call;
	struct noise noise;
	enum drop reason;

	memcpy(said, data, MIN(size, sizeof(said)));
	must(noise_begin(&noise, NOISE_IKPSK2, NOISE_INITIATOR, CIPHER_AES_256_GCM, other.prologue,
			 other.prologue_len, other.private_key, self.public_key, other.psk));
	must(noise_write(&noise, ephemeral, said, sizeof(said), packet + 8,
			 sizeof(packet) - 8 - COOKIE_MACS) > 0);
	must(handshake_read(&self, packet, &call));
	must(memcmp(call.public_key, other.public_key, KEX_KEY) == 0);
	reason = handshake_respond(&self, peer, &call, now, out);
	must(reason == DROP_COUNT || reason == DROP_HELLO);
	must((reason == DROP_COUNT) == (said[0] == WIRE_VERSION && said[4] <= WIRE_NAME));
	must(strnlen(peer->remote_name, sizeof(peer->remote_name)) <= WIRE_NAME);
	handshake_call_wipe(&call);
	noise_wipe(&noise);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	raw(data, size);
	hello(data, size);
	return 0;
}
