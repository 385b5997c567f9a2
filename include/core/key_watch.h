/* SPDX-License-Identifier: MIT */
/*
 * Who is told of the keys of sessions and floods as they are made: nobody, unless a
 * log of keys was asked for.  They are secrets, and whoever is told keeps them so.
 */
#ifndef CORE_KEY_WATCH_H
#define CORE_KEY_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/aead.h"

/* One key in one direction; what it points to is there during the call only. */
struct key_news {
	uint8_t kind;	/* WIRE_DATA, WIRE_HOP (with a relay: of its DATA as well), WIRE_FLOOD */
	bool out;	/* this site seals with it */
	uint32_t index; /* the receiver index or flood key id that stands in the packets */
	enum cipher cipher;
	const uint8_t *key;	    /* AEAD_KEY bytes */
	const uint8_t *context;	    /* 16 bytes: the associated data in front of the header */
	const uint8_t *source;	    /* site id, 8 bytes */
	const uint8_t *destination; /* the same; NULL of a flood key */
};

struct key_watch {
	void (*key)(void *ctx, const struct key_news *news);
	void *ctx;
};

#endif
