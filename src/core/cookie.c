/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  The guard keeps no state for a caller: a cookie is a
 * MAC of the caller's address under a secret that only the guard knows.  A
 * secret makes cookies for COOKIE_LIFE and is believed for as long again, so a
 * cookie is good for one to two lives; the jar uses it for one.  The secrets
 * change when somebody asks, since nothing depends on them in between.
 */
#include "core/cookie.h"

#include <string.h>

#include "base/bytes.h"

#define PLACE (1 + 16 + 4 + 2) /* family, address, scope, port */

static void make_keys(uint8_t mac1_key[KEX_HASH], uint8_t seal_key[KEX_HASH],
		      const uint8_t pub[KEX_KEY])
{
	static const char mac1[] = "lanspan mac1", seal[] = "lanspan cookie";

	kex_hash(mac1_key, mac1, sizeof(mac1) - 1, pub, KEX_KEY);
	kex_hash(seal_key, seal, sizeof(seal) - 1, pub, KEX_KEY);
}

static void make_mac(uint8_t out[COOKIE_MAC], const uint8_t *key, size_t key_len, const void *data,
		     size_t len)
{
	uint8_t full[KEX_HASH];

	kex_hmac(full, key, key_len, data, len);
	memcpy(out, full, COOKIE_MAC);
	bytes_wipe(full, sizeof(full));
}

static void make_cookie(uint8_t out[COOKIE_MAC], const uint8_t secret[KEX_KEY],
			const struct addr *source)
{
	uint8_t place[PLACE];
	struct wr w = wr_make(place, sizeof(place));

	wr_u8(&w, source->family);
	wr_copy(&w, source->ip, sizeof(source->ip));
	wr_u32(&w, source->scope);
	wr_u16(&w, source->port);
	make_mac(out, secret, KEX_KEY, place, w.used);
}

/* ---- the side that is called ---- */

void cookie_guard_init(struct cookie_guard *g, enum cipher cipher, const uint8_t own[KEX_KEY],
		       struct rand_source rand, struct instant now)
{
	*g = (struct cookie_guard){ .cipher = cipher, .rand = rand, .made = now };
	make_keys(g->mac1_key, g->seal_key, own);
	rand_fill(&g->rand, g->secret, sizeof(g->secret));
}

static void guard_turn(struct cookie_guard *g, struct instant now)
{
	int64_t age = instant_between(g->made, now);

	if (age >= 2 * COOKIE_LIFE) {
		rand_fill(&g->rand, g->secret, sizeof(g->secret));
		g->made = now;
	} else if (age >= COOKIE_LIFE) {
		memcpy(g->secret[1], g->secret[0], KEX_KEY);
		rand_fill(&g->rand, g->secret[0], KEX_KEY);
		g->made = instant_add(g->made, COOKIE_LIFE);
	}
}

static bool mac2_good(const struct cookie_guard *g, const uint8_t *message, size_t before_mac2,
		      const struct addr *source)
{
	uint8_t cookie[COOKIE_MAC], mac[COOKIE_MAC];
	bool good = false;

	if (bytes_all_zero(message + before_mac2, COOKIE_MAC))
		return false; /* the common case under a flood */
	for (unsigned i = 0; i < COUNT_OF(g->secret); i++) {
		make_cookie(cookie, g->secret[i], source);
		make_mac(mac, cookie, sizeof(cookie), message, before_mac2);
		good |= bytes_equal_secret(mac, message + before_mac2, COOKIE_MAC);
	}
	bytes_wipe(cookie, sizeof(cookie));
	bytes_wipe(mac, sizeof(mac));
	return good;
}

enum cookie_verdict cookie_guard_check(struct cookie_guard *g, const uint8_t *message, size_t len,
				       const struct addr *source, struct instant now)
{
	uint8_t mac[COOKIE_MAC];
	bool good;

	if (len < COOKIE_MACS)
		return COOKIE_BAD_MAC1;
	len -= COOKIE_MACS;
	make_mac(mac, g->mac1_key, KEX_HASH, message, len);
	good = bytes_equal_secret(mac, message + len, COOKIE_MAC);
	bytes_wipe(mac, sizeof(mac));
	if (!good)
		return COOKIE_BAD_MAC1;
	guard_turn(g, now);
	return mac2_good(g, message, len + COOKIE_MAC, source) ? COOKIE_MAC2_GOOD
							       : COOKIE_MAC1_ONLY;
}

void cookie_guard_answer(struct cookie_guard *g, uint8_t kind, uint32_t index,
			 const uint8_t *message, size_t len, const struct addr *source,
			 struct instant now, uint8_t out[COOKIE_PACKET])
{
	const uint8_t *mac1 = message + len - COOKIE_MACS;
	struct wr w = wr_make(out, COOKIE_PACKET);
	uint8_t key[KEX_HASH], cookie[COOKIE_MAC];
	uint8_t *salt;

	guard_turn(g, now);
	wr_u8(&w, kind);
	wr_zero(&w, 3);
	wr_u32(&w, index);
	salt = wr_room(&w, COOKIE_SALT);
	rand_fill(&g->rand, salt, COOKIE_SALT);
	kex_hmac(key, g->seal_key, KEX_HASH, salt, COOKIE_SALT);
	make_cookie(cookie, g->secret[0], source);
	/* A library that fails here leaves a packet that opens for nobody. */
	if (!aead_seal_once(g->cipher, key, 0, mac1, COOKIE_MAC, cookie, COOKIE_MAC, w.p))
		memset(w.p, 0, w.left);
	bytes_wipe(key, sizeof(key));
	bytes_wipe(cookie, sizeof(cookie));
}

/* ---- the side that calls ---- */

void cookie_jar_init(struct cookie_jar *j, enum cipher cipher, const uint8_t peer[KEX_KEY])
{
	*j = (struct cookie_jar){ .cipher = cipher };
	make_keys(j->mac1_key, j->seal_key, peer);
}

void cookie_jar_sign(struct cookie_jar *j, uint8_t *message, size_t len, struct instant now)
{
	uint8_t *mac1 = message + len, *mac2 = mac1 + COOKIE_MAC;

	make_mac(mac1, j->mac1_key, KEX_HASH, message, len);
	memcpy(j->last_mac1, mac1, COOKIE_MAC);
	j->sent = true;
	if (j->got.us != 0 && instant_between(j->got, now) >= COOKIE_LIFE) {
		bytes_wipe(j->cookie, sizeof(j->cookie));
		j->got = (struct instant){ 0 };
	}
	if (j->got.us != 0)
		make_mac(mac2, j->cookie, COOKIE_MAC, message, len + COOKIE_MAC);
	else
		memset(mac2, 0, COOKIE_MAC);
}

bool cookie_jar_open(struct cookie_jar *j, const uint8_t packet[COOKIE_PACKET], struct instant now)
{
	const uint8_t *salt = packet + COOKIE_PACKET - AEAD_TAG - COOKIE_MAC - COOKIE_SALT;
	uint8_t key[KEX_HASH], cookie[COOKIE_MAC];
	bool good;

	if (!j->sent)
		return false;
	kex_hmac(key, j->seal_key, KEX_HASH, salt, COOKIE_SALT);
	good = aead_open_once(j->cipher, key, 0, j->last_mac1, COOKIE_MAC, salt + COOKIE_SALT,
			      COOKIE_MAC + AEAD_TAG, cookie);
	if (good) {
		memcpy(j->cookie, cookie, COOKIE_MAC);
		j->got = now;
		j->sent = false;
	}
	bytes_wipe(key, sizeof(key));
	bytes_wipe(cookie, sizeof(cookie));
	return good;
}
