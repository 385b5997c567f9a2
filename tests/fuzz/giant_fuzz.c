/* SPDX-License-Identifier: MIT */
/* The MTU of a link (u16) and a frame that was read there: what facts it gets hold,
 * and a giant is cut to what the link carries. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "core/giant.h"
#include "core/superframe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* Cut it is no longer than the link's own frames, and all of it is there. */
static void cut(const uint8_t *frame, size_t len, unsigned mtu, const struct vnet *vnet,
		const struct superframe_layout *layout)
{
	static uint8_t out[SUPERFRAME_MAX];
	struct superframe_cut c;
	struct vnet facts;
	size_t n, payload = 0;

	superframe_cut_begin(&c, frame, len, vnet, layout, true);
	while ((n = superframe_cut_next(&c, out, sizeof(out), &facts)) > 0) {
		must(n - layout->l3 <= mtu);
		payload += n - layout->payload;
		must(giant_facts(out, n, mtu, &facts) && facts.gso_type == VNET_GSO_NONE);
	}
	must(payload == len - layout->payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct superframe_layout layout;
	struct vnet vnet;
	uint8_t *frame;
	unsigned mtu;
	size_t len;

	if (size < 2)
		return 0;
	mtu = be16_get(data);
	len = MIN(size - 2, (size_t)SUPERFRAME_MAX);
	frame = malloc(len ? len : 1);
	must(frame);
	memcpy(frame, data + 2, len);
	if (giant_facts(frame, len, mtu, &vnet)) {
		must(superframe_valid(frame, len, len, &vnet, &layout));
		if (vnet.gso_type != VNET_GSO_NONE)
			cut(frame, len, mtu, &vnet, &layout);
		else
			superframe_checksum(frame, len, &vnet);
	}
	free(frame);
	return 0;
}
