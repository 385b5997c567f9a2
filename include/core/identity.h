/* SPDX-License-Identifier: MIT */
/* Who this site is, and the network it belongs to: what every handshake binds. */
#ifndef CORE_IDENTITY_H
#define CORE_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rand.h"
#include "core/aead.h"
#include "core/kex.h"
#include "core/key_watch.h"
#include "core/wire_relay.h"

#define IDENTITY_ID 8
#define IDENTITY_ID_TEXT (2 * IDENTITY_ID + 1)
#define IDENTITY_PROLOGUE (sizeof(WIRE_PROLOGUE) + WIRE_NAME)
#define IDENTITY_HOP "relay" /* stands for the network in a hop's associated data */

struct identity {
	uint8_t private_key[KEX_KEY];
	uint8_t public_key[KEX_KEY];
	uint8_t id[IDENTITY_ID];
	uint8_t psk[KEX_KEY];
	enum cipher cipher;
	char network[WIRE_NAME + 1];
	char name[WIRE_NAME + 1];
	uint16_t mtu; /* of the bridge, told to peers */
	uint8_t prologue[IDENTITY_PROLOGUE];
	size_t prologue_len;
	struct rand_source rand;
	char registers[WIRE_NAME + 1]; /* towards a relay: the network to register in */
	const struct key_watch *watch; /* told of every key; NULL: nobody is */
};

/* psk: 32 bytes, all zero without a network secret.  Names are cut at
 * WIRE_NAME bytes.  False when the library fails. */
bool identity_init(struct identity *self, const uint8_t private_key[KEX_KEY],
		   const uint8_t psk[KEX_KEY], enum cipher cipher, const char *network,
		   const char *name, uint16_t mtu, struct rand_source rand);

/* What the site is towards a relay: other prologue and associated data, always
 * AES-256-GCM.  psk: the network's access secret there, or all zero. */
bool identity_init_hop(struct identity *self, const uint8_t private_key[KEX_KEY],
		       const uint8_t psk[KEX_KEY], const char *network, const char *name,
		       struct rand_source rand);

void identity_wipe(struct identity *self);

/* The site id of a public key: the first 8 bytes of its SHA-256. */
void identity_id(uint8_t out[IDENTITY_ID], const uint8_t public_key[KEX_KEY]);

#endif
