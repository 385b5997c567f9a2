/* SPDX-License-Identifier: MIT */
#include "app/burst.h"

#include <errno.h>
#include <stdlib.h>

struct burst *burst_new(void)
{
	return malloc(sizeof(struct burst));
}

void burst_free(struct burst *b)
{
	free(b);
}

int burst_read(struct burst *b, struct tap *tap)
{
	uint8_t *place = b->memory;
	size_t bytes = 0, most = BURST_BYTES;

	b->n = b->calls = b->oversize = 0;
	while (b->n < BURST_FRAMES && bytes < most && b->oversize < BURST_FRAMES) {
		struct burst_frame *f = &b->frames[b->n];
		int len;

		f->bytes = place + SITE_HEADROOM;
		len = tap_read(tap, f->bytes, SUPERFRAME_MAX, &f->vnet);
		b->calls++;
		if (len == -EMSGSIZE) {
			b->oversize++;
			continue;
		}
		if (len <= 0)
			return len;
		f->len = (size_t)len;
		b->n++;
		bytes += f->len;
		if (f->vnet.gso_type != VNET_GSO_NONE)
			most = BURST_SUPERS;
		place = f->bytes + f->len;
	}
	return 1;
}
