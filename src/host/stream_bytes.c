/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "stream_parts.h"

#define ROOM_FIRST 4096

uint8_t *stream_bytes_room(struct stream_bytes *b, size_t n, size_t most)
{
	size_t room = MAX(b->room, ROOM_FIRST);
	uint8_t *at;

	if (n > most - b->used)
		return NULL;
	if (b->room - b->first - b->used >= n && b->at)
		return b->at + b->first + b->used;
	if (b->at)
		memmove(b->at, b->at + b->first, b->used);
	b->first = 0;
	while (room < b->used + n)
		room *= 2;
	room = MIN(room, most);
	if (room > b->room) {
		at = realloc(b->at, room);
		if (!at)
			return NULL;
		b->at = at;
		b->room = room;
	}
	return b->at + b->used;
}

void stream_bytes_take(struct stream_bytes *b, size_t n)
{
	b->used -= n;
	b->first = b->used ? b->first + n : 0;
}

void stream_bytes_free(struct stream_bytes *b)
{
	free(b->at);
	*b = (struct stream_bytes){ 0 };
}
