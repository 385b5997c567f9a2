/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/bytes.h"
#include "lib/frames.h"

const uint8_t frame_timestamps[12] = {
	1, 1, 8, 10, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88
};

uint16_t frame_sum(const uint8_t *p, size_t n, uint16_t sum)
{
	uint32_t s = sum;
	size_t i;

	for (i = 0; i < n; i++) {
		s += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		if (s > 0xffff)
			s -= 0xffff;
	}
	return (uint16_t)s;
}

static uint16_t pseudo(const struct frame *f, const uint8_t *bytes, size_t len)
{
	bool v6 = bytes[f->l3] >> 4 == 6;
	uint8_t tail[4] = { 0, bytes[f->l3 + (v6 ? 6 : 9)], (uint8_t)(len >> 8), (uint8_t)len };
	uint16_t sum = frame_sum(tail, 4, 0);

	return frame_sum(bytes + f->l3 + (v6 ? 8 : 12), v6 ? 32 : 8, sum);
}

uint16_t frame_pseudo_sum(const struct frame *f, size_t len)
{
	return pseudo(f, f->bytes, len);
}

bool frame_sums_right(const struct frame *f, const uint8_t *bytes, size_t len)
{
	if (bytes[f->l3] >> 4 == 4 && frame_sum(bytes + f->l3, f->l4 - f->l3, 0) != 0xffff)
		return false;
	return frame_sum(bytes + f->l4, len - f->l4, pseudo(f, bytes, len - f->l4)) == 0xffff;
}

static uint8_t *put_ethernet(uint8_t *p, const struct frame_spec *spec)
{
	static const uint8_t addresses[12] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1 };
	int i;

	memcpy(p, addresses, sizeof(addresses));
	p += sizeof(addresses);
	for (i = 0; i < 2 && spec->tags[i]; i++) {
		be16_put(p, spec->tags[i]);
		be16_put(p + 2, (uint16_t)(0x6000 | (100 + i)));
		p += 4;
	}
	be16_put(p, spec->v6 ? 0x86dd : 0x0800);
	return p + 2;
}

static uint8_t *put_ipv4(uint8_t *p, const struct frame_spec *spec, size_t l4_len)
{
	static const uint8_t addresses[8] = { 192, 0, 2, 1, 198, 51, 100, 7 };
	size_t len = 20u + spec->ip_options;

	memset(p, 0, 20);
	p[0] = (uint8_t)(0x40 | len / 4);
	p[1] = 0x02; /* ECT(0) */
	be16_put(p + 2, (uint16_t)(len + l4_len));
	be16_put(p + 4, spec->id);
	p[6] = 0x40;
	p[8] = 64;
	p[9] = spec->udp ? 17 : 6;
	memcpy(p + 12, addresses, sizeof(addresses));
	memset(p + 20, 1, spec->ip_options);
	be16_put(p + 10, (uint16_t)~frame_sum(p, len, 0));
	return p + len;
}

static uint8_t *put_ipv6(uint8_t *p, const struct frame_spec *spec, size_t l4_len)
{
	size_t i;

	memset(p, 0, 8);
	p[0] = 0x60;
	p[1] = 0x2a;
	be16_put(p + 4, (uint16_t)l4_len);
	p[6] = spec->udp ? 17 : 6;
	p[7] = 64;
	for (i = 8; i < 40; i++)
		p[i] = (uint8_t)(0x20 + i * 7);
	return p + 40;
}

static void put_tcp(uint8_t *p, const struct frame_spec *spec)
{
	memset(p, 0, 20);
	be16_put(p, 40000);
	be16_put(p + 2, 443);
	be32_put(p + 4, spec->seq);
	be32_put(p + 8, 0x01020304);
	p[12] = (uint8_t)((20u + spec->tcp_options_len) / 4 << 4);
	p[13] = spec->tcp_flags;
	be16_put(p + 14, 512);
	if (spec->tcp_options_len)
		memcpy(p + 20, spec->tcp_options, spec->tcp_options_len);
}

static void put_udp(uint8_t *p, size_t len)
{
	be16_put(p, 40001);
	be16_put(p + 2, 4433);
	be16_put(p + 4, (uint16_t)len);
	be16_put(p + 6, 0);
}

static void set_vnet(struct frame *f, const struct frame_spec *spec)
{
	f->vnet = (struct vnet){ .flags = VNET_F_NEEDS_CSUM,
				 .gso_type = VNET_GSO_NONE,
				 .hdr_len = (uint16_t)f->headers,
				 .gso_size = spec->gso_size,
				 .csum_start = (uint16_t)f->l4,
				 .csum_offset = spec->udp ? 6 : 16 };
	if (!spec->gso_size)
		return;
	if (spec->udp)
		f->vnet.gso_type = VNET_GSO_UDP_L4;
	else
		f->vnet.gso_type = spec->v6 ? VNET_GSO_TCPV6 : VNET_GSO_TCPV4;
	if (spec->ecn)
		f->vnet.gso_type |= VNET_GSO_ECN;
}

void frame_make(struct frame *f, const struct frame_spec *spec)
{
	size_t l4_header = spec->udp ? 8 : 20u + spec->tcp_options_len;
	size_t l4_len = l4_header + spec->payload;
	uint8_t *p = put_ethernet(f->bytes, spec);
	uint32_t x = (uint32_t)spec->payload;
	size_t i;

	f->l3 = (size_t)(p - f->bytes);
	p = spec->v6 ? put_ipv6(p, spec, l4_len) : put_ipv4(p, spec, l4_len);
	f->l4 = (size_t)(p - f->bytes);
	if (spec->udp)
		put_udp(p, l4_len);
	else
		put_tcp(p, spec);
	be16_put(p + (spec->udp ? 6 : 16), frame_pseudo_sum(f, l4_len));
	f->headers = f->l4 + l4_header;
	f->len = f->headers + spec->payload;
	for (i = f->headers; i < f->len; i++) {
		x = x * 1664525 + 1013904223;
		f->bytes[i] = (uint8_t)(x >> 24);
	}
	set_vnet(f, spec);
}
