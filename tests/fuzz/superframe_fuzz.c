/* SPDX-License-Identifier: MIT */
/* A frame with its offload facts (10 bytes, as the kernel hands them over) in
 * front: what is valid can be cut, trimmed and summed within bounds. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "core/superframe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void cut(const uint8_t *frame, size_t len, const struct vnet *vnet,
		const struct superframe_layout *layout, bool final)
{
	static uint8_t out[SUPERFRAME_MAX];
	struct superframe_layout again;
	struct superframe_cut c;
	struct vnet facts;
	size_t n, payload = 0;

	superframe_cut_begin(&c, frame, len, vnet, layout, final);
	while ((n = superframe_cut_next(&c, out, sizeof(out), &facts)) > 0) {
		must(facts.gso_type == VNET_GSO_NONE && facts.gso_size == 0);
		must(!final || !(facts.flags & VNET_F_NEEDS_CSUM));
		must(superframe_valid(out, n, n, &facts, &again));
		must(n > layout->payload && n - layout->payload <= vnet->gso_size);
		payload += n - layout->payload;
	}
	must(payload == len - layout->payload);
}

static void trim(const uint8_t *frame, size_t len, const struct vnet *vnet,
		 const struct superframe_layout *layout)
{
	uint8_t headers[SUPERFRAME_HEADERS];
	size_t total = len - layout->payload;
	struct superframe_layout again;
	struct vnet facts = *vnet;
	size_t offset = total / 2 / vnet->gso_size * vnet->gso_size;

	memcpy(headers, frame, layout->payload);
	superframe_trim(headers, layout, &facts, offset, total - offset, total);
	must(superframe_valid(headers, layout->payload, layout->payload + total - offset, &facts,
			      &again));
	must(memcmp(&again, layout, sizeof(again)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct superframe_layout layout, valid;
	struct vnet vnet = { 0 };
	uint8_t *frame;
	size_t len;

	if (size < sizeof(vnet))
		return 0;
	memcpy(&vnet, data, sizeof(vnet));
	len = MIN(size - sizeof(vnet), (size_t)SUPERFRAME_MAX);
	frame = malloc(len ? len : 1);
	must(frame);
	memcpy(frame, data + sizeof(vnet), len);
	if (superframe_layout(frame, len, &layout))
		must(layout.l3 <= layout.l4 && layout.l4 <= layout.payload &&
		     layout.payload <= len);
	else
		must(len < 14);
	if (superframe_valid(frame, len, len, &vnet, &valid) && len >= 14) {
		if (vnet.gso_type != VNET_GSO_NONE) {
			cut(frame, len, &vnet, &valid, true);
			cut(frame, len, &vnet, &valid, false);
			trim(frame, len, &vnet, &valid);
		} else {
			superframe_checksum(frame, len, &vnet);
		}
	}
	superframe_clamp_mss(frame, len, 1300);
	free(frame);
	return 0;
}
