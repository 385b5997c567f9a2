/* SPDX-License-Identifier: MIT */
#include "app/certificate.h"

#include <string.h>

#define LABEL "lanspan relay tls 1"

_Static_assert(KEX_HASH == TLS_KEY, "a hash makes a key");

void certificate_key(uint8_t out[TLS_KEY], const uint8_t relay[KEX_KEY])
{
	kex_hmac(out, relay, KEX_KEY, LABEL, strlen(LABEL));
}

void certificate_mark(uint8_t out[WIRE_STREAM_MARK], const uint8_t key[TLS_KEY])
{
	uint8_t hash[KEX_HASH];

	kex_hash(hash, key, TLS_KEY, NULL, 0);
	memcpy(out, hash, WIRE_STREAM_MARK);
}
