/* SPDX-License-Identifier: MIT */
/* Plaintexts of a broken peer: the input is a row of datagrams, each length u16,
 * counter u8 and bytes.  Whatever comes out lies in memory and in bounds. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "core/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DATAGRAMS 64

static volatile uint8_t sum;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void frame(void *ctx, struct frame *f)
{
	struct superframe_layout layout;
	size_t len = 0;

	(void)ctx;
	must(f->n >= 2);
	for (unsigned i = 1; i < f->n; i++) {
		const uint8_t *p = f->iov[i].iov_base;

		must(f->iov[i].iov_len > 0);
		for (size_t k = 0; k < f->iov[i].iov_len; k++)
			sum ^= p[k];
		len += f->iov[i].iov_len;
	}
	must(len == f->len && len >= WIRE_FRAME_MIN);
	must(superframe_valid(f->iov[1].iov_base, f->iov[1].iov_len, len, &f->vnet, &layout));
}

static void control(void *ctx, uint8_t type, const uint8_t *body, size_t len)
{
	(void)ctx;
	sum ^= type;
	while (len > 0)
		sum ^= body[--len];
}

static void drop(void *ctx, enum drop reason)
{
	(void)ctx;
	must(reason == DROP_RECORD || reason == DROP_JOIN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct unpack_sink sink = { frame, control, drop, NULL };
	static struct unpack u;
	uint8_t *plain[DATAGRAMS];
	unsigned n = 0;
	struct rd r = rd_make(data, size);

	must(unpack_init(&u, &sink));
	while (r.left > 3 && n < DATAGRAMS) {
		size_t said = rd_u16(&r);
		uint8_t counter = rd_u8(&r);
		size_t len = MIN(said, r.left);
		const uint8_t *bytes = rd_bytes(&r, len);

		plain[n] = malloc(len ? len : 1);
		must(plain[n]);
		if (len)
			memcpy(plain[n], bytes, len);
		unpack_datagram(&u, counter >> 6, counter & 63, plain[n], len);
		n++;
		if (counter % 16 == 15)
			unpack_round(&u);
	}
	unpack_flush(&u);
	while (n > 0)
		free(plain[--n]);
	unpack_free(&u);
	return 0;
}
