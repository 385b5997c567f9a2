/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  The clock algorithm: each use marks its place, and the
 * hand that looks for a place to give away takes marks off as it passes, until
 * it finds one without.  A place knows the note of its key, and clears it when
 * the key has to go.
 */
#include "core/relay_cache.h"

#include <stdlib.h>

bool relay_cache_init(struct relay_cache *c, enum aead_direction direction, unsigned n)
{
	*c = (struct relay_cache){ .places = calloc(n, sizeof(*c->places)) };
	if (!c->places)
		return false;
	for (; c->n < n; c->n++) {
		if (!aead_init(&c->places[c->n].aead, CIPHER_AES_256_GCM, direction))
			return false;
	}
	return true;
}

void relay_cache_free(struct relay_cache *c)
{
	for (unsigned i = 0; i < c->n; i++)
		aead_free(&c->places[i].aead);
	free(c->places);
	*c = (struct relay_cache){ 0 };
}

static struct relay_cached *next_place(struct relay_cache *c)
{
	for (;;) {
		struct relay_cached *place = &c->places[c->hand];

		c->hand = (c->hand + 1) % c->n;
		if (!place->used)
			return place;
		place->used = false;
	}
}

struct aead *relay_cache_get(struct relay_cache *c, uint16_t *at, const uint8_t key[AEAD_KEY])
{
	struct relay_cached *place = *at ? &c->places[*at - 1] : next_place(c);

	place->used = true;
	if (*at)
		return &place->aead;
	if (place->at)
		*place->at = 0;
	place->at = at;
	*at = (uint16_t)(place - c->places + 1);
	aead_set_key(&place->aead, key);
	return &place->aead;
}

void relay_cache_forget(struct relay_cache *c, uint16_t *at)
{
	struct relay_cached *place = *at ? &c->places[*at - 1] : NULL;

	if (!place)
		return;
	aead_forget(&place->aead);
	place->at = NULL;
	place->used = false;
	*at = 0;
}
