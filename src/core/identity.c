/* SPDX-License-Identifier: MIT */
#include "core/identity.h"

#include <string.h>

#include "base/bytes.h"

static void copy_name(char out[WIRE_NAME + 1], const char *name)
{
	size_t len = strnlen(name, WIRE_NAME);

	memcpy(out, name, len);
	out[len] = '\0';
}

bool identity_init(struct identity *self, const uint8_t private_key[KEX_KEY],
		   const uint8_t psk[KEX_KEY], enum cipher cipher, const char *network,
		   const char *name, uint16_t mtu, struct rand_source rand)
{
	struct wr w = wr_make(self->prologue, sizeof(self->prologue));

	memcpy(self->private_key, private_key, KEX_KEY);
	memcpy(self->psk, psk, KEX_KEY);
	self->cipher = cipher;
	self->mtu = mtu;
	self->rand = rand;
	copy_name(self->network, network);
	copy_name(self->name, name);
	wr_copy(&w, WIRE_PROLOGUE, strlen(WIRE_PROLOGUE));
	wr_u8(&w, WIRE_VERSION);
	wr_copy(&w, self->network, strlen(self->network));
	self->prologue_len = w.used;
	self->registers[0] = '\0';
	self->watch = NULL;
	if (!kex_public(self->public_key, private_key))
		return false;
	identity_id(self->id, self->public_key);
	return true;
}

bool identity_init_hop(struct identity *self, const uint8_t private_key[KEX_KEY],
		       const uint8_t psk[KEX_KEY], const char *network, const char *name,
		       struct rand_source rand)
{
	struct wr w = wr_make(self->prologue, sizeof(self->prologue));

	if (!identity_init(self, private_key, psk, CIPHER_AES_256_GCM, IDENTITY_HOP, name, 0, rand))
		return false;
	copy_name(self->registers, network);
	wr_copy(&w, WIRE_RELAY_PROLOGUE, strlen(WIRE_RELAY_PROLOGUE));
	wr_u8(&w, WIRE_VERSION);
	self->prologue_len = w.used;
	return true;
}

void identity_wipe(struct identity *self)
{
	bytes_wipe(self, sizeof(*self));
}

void identity_id(uint8_t out[IDENTITY_ID], const uint8_t public_key[KEX_KEY])
{
	uint8_t hash[KEX_HASH];

	kex_hash(hash, public_key, KEX_KEY, NULL, 0);
	memcpy(out, hash, IDENTITY_ID);
}
