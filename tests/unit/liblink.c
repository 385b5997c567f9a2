/* SPDX-License-Identifier: MIT */
#include "unit/liblink.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"

static void take_runs(void *ctx, struct run **runs, size_t n)
{
	struct link *l = ctx;

	for (size_t i = 0; i < n; i++, l->runs++) {
		const struct run *run = runs[i];
		unsigned count = 0;

		assert_true(run->count >= 1 && run->count <= RUN_SEGMENTS);
		assert_true(run->len <= 65507);
		for (size_t at = 0; at < run->len; at += run->segment, count++) {
			struct link_datagram *d = &l->datagrams[l->n_datagrams++];

			assert_true(l->n_datagrams < LINK_DATAGRAMS);
			d->len = MIN((size_t)run->segment, run->len - at);
			d->run = l->runs;
			d->data = malloc(d->len);
			memcpy(d->data, run->data + at, d->len);
		}
		/* Equal stride: only the last is shorter. */
		assert_int_equal(count, run->count);
	}
}

static void run_sent(void *ctx, const struct run *run)
{
	(void)ctx;
	(void)run;
}

static void take_frame(void *ctx, struct frame *frame)
{
	struct link *l = ctx;
	struct link_frame *f = &l->frames[l->n_frames++];
	size_t at = 0;

	assert_true(l->n_frames < LINK_FRAMES);
	assert_true(frame->n >= 2);
	f->vnet = frame->vnet;
	f->len = frame->len;
	f->data = malloc(frame->len);
	for (unsigned i = 1; i < frame->n; i++) {
		memcpy(f->data + at, frame->iov[i].iov_base, frame->iov[i].iov_len);
		at += frame->iov[i].iov_len;
	}
	assert_int_equal(at, frame->len);
	frame->iov[0].iov_base = f->data; /* it is ours to use */
}

static void take_control(void *ctx, uint8_t type, const uint8_t *body, size_t len)
{
	struct link *l = ctx;
	struct link_control *c = &l->controls[l->n_controls++ % COUNT_OF(l->controls)];

	c->type = type;
	c->len = len;
	memcpy(c->body, body, MIN(len, sizeof(c->body)));
}

static void take_drop(void *ctx, enum drop reason)
{
	((struct link *)ctx)->drops.count[reason]++;
}

void link_rekey(struct link *l)
{
	static uint8_t key[AEAD_KEY];
	const struct instant now = { SECONDS(5) };
	struct keypair *s = keys_reserve(&l->send, 8, 77, false);
	struct keypair *r = keys_reserve(&l->receive, 16, 1000u + key[0], true);

	key[0]++;
	keys_install(&l->receive, r, false, s->local_index, key, key, now);
	keys_install(&l->send, s, true, r->local_index, key, key, now);
	keys_confirm(&l->receive, r, now);
	l->send_key = s;
}

struct link *link_new(uint16_t size)
{
	static const uint8_t a[8] = "site  a", b[8] = "site  b";
	const struct addr to = { .family = ADDR_IPV4, .port = 7741 };
	struct link *l = calloc(1, sizeof(*l));
	const struct unpack_sink sink = { take_frame, take_control, take_drop, l };

	assert_non_null(l);
	assert_true(aead_start());
	assert_true(keys_init(&l->send, CIPHER_AES_256_GCM, "net", a, b));
	assert_true(keys_init(&l->receive, CIPHER_AES_256_GCM, "net", b, a));
	assert_true(outbox_init(&l->outbox, 1, take_runs, l, run_sent, l));
	assert_true(unpack_init(&l->unpack, &sink));
	pack_init(&l->pack, &l->outbox, &l->send, 3);
	pack_target(&l->pack, &to, 0, size);
	link_rekey(l);
	return l;
}

void link_forget(struct link *l)
{
	while (l->n_datagrams > 0)
		free(l->datagrams[--l->n_datagrams].data);
	while (l->n_frames > 0)
		free(l->frames[--l->n_frames].data);
	l->n_controls = 0;
	l->runs = 0;
	memset(&l->drops, 0, sizeof(l->drops));
}

void link_free(struct link *l)
{
	pack_close(&l->pack);
	outbox_flush(&l->outbox);
	assert_int_equal(l->outbox.n_idle, OUTBOX_RUNS);
	link_forget(l);
	unpack_free(&l->unpack);
	outbox_free(&l->outbox);
	keys_free(&l->send);
	keys_free(&l->receive);
	free(l);
}

void link_flush(struct link *l)
{
	pack_close(&l->pack);
	assert_null(l->pack.run);
	outbox_flush(&l->outbox);
}

/* The plaintext lies in memory of its own, so that the sanitizer sees its ends. */
static void unpack_one(struct link *l, const struct link_datagram *d, uint8_t *plain)
{
	uint8_t *packet = malloc(d->len);
	uint64_t counter = be64_get(d->data + 8);
	struct keypair *kp = NULL;

	memcpy(packet, d->data, d->len);
	for (unsigned i = 0; i < KEYS_SLOTS; i++) {
		if (l->receive.slot[i].local_index == be32_get(packet + 4))
			kp = &l->receive.slot[i];
	}
	assert_non_null(kp);
	assert_true(keys_open(&l->receive, kp, packet, d->len, counter));
	memcpy(plain, packet + WIRE_DATA_HEADER, d->len - WIRE_DATA_OVERHEAD);
	free(packet);
	unpack_datagram(&l->unpack, kp->local_index, counter, plain, d->len - WIRE_DATA_OVERHEAD);
}

void link_deliver(struct link *l, size_t i)
{
	uint8_t *plain = malloc(l->datagrams[i].len);

	unpack_one(l, &l->datagrams[i], plain);
	unpack_flush(&l->unpack);
	free(plain);
}

void link_deliver_all(struct link *l)
{
	uint8_t **plain = malloc((l->n_datagrams + 1) * sizeof(*plain));

	for (size_t i = 0; i < l->n_datagrams; i++) {
		plain[i] = malloc(l->datagrams[i].len - WIRE_DATA_OVERHEAD);
		unpack_one(l, &l->datagrams[i], plain[i]);
	}
	unpack_flush(&l->unpack);
	for (size_t i = 0; i < l->n_datagrams; i++)
		free(plain[i]);
	free(plain);
}

void link_fill(uint8_t *out, size_t len, unsigned n)
{
	uint32_t x = n * 2654435761u + (uint32_t)len;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525 + 1013904223;
		out[i] = (uint8_t)(x >> 24);
	}
}

void link_pack(struct link *l, unsigned n, size_t len)
{
	const struct vnet plain = { 0 };
	uint8_t *frame = malloc(len);

	link_fill(frame, len, n);
	assert_true(pack_frame(&l->pack, frame, len, &plain));
	free(frame);
}

bool link_got(const struct link *l, size_t i, unsigned n, size_t len)
{
	uint8_t *frame = malloc(len);
	bool same;

	link_fill(frame, len, n);
	same = i < l->n_frames && l->frames[i].len == len &&
	       memcmp(frame, l->frames[i].data, len) == 0 && l->frames[i].vnet.flags == 0 &&
	       l->frames[i].vnet.gso_type == 0;
	free(frame);
	return same;
}
