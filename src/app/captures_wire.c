/* SPDX-License-Identifier: MIT */
/*
 * Datagrams pass this process without their headers.  Those shown are made up: the real
 * addresses and ports, lengths and checksums that fit, DF, and a TTL that is not known.
 * Where a socket is bound to no address, the one that the kernel would choose stands;
 * what a stream carries has the ends of its connection.
 */
#include "base/bytes.h"
#include "captures_parts.h"
#include "host/udp.h"

#define IPV4 20
#define IPV6 40
#define UDP 8
#define TTL 64
#define DF 0x4000
#define PROTO_UDP 17
#define ADDRESSES 32 /* bytes of both, IPv6 */
#define SOURCE_AGE SECONDS(1) /* routes change */

static uint32_t sum_bytes(const uint8_t *p, size_t len, uint32_t sum)
{
	for (; len > 1; p += 2, len -= 2)
		sum += be16_get(p);
	return len ? sum + (uint32_t)(p[0] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~(sum + (sum >> 16));
}

static void put_udp(uint8_t *out, const struct addr *from, const struct addr *to, size_t len)
{
	be16_put(out, from->port);
	be16_put(out + 2, to->port);
	be16_put(out + 4, (uint16_t)(UDP + len));
	be16_put(out + 6, 0);
}

static size_t put_ipv6(uint8_t *out, const struct addr *from, const struct addr *to, size_t len)
{
	be32_put(out, 6u << 28);
	be16_put(out + 4, (uint16_t)(UDP + len));
	out[6] = PROTO_UDP;
	out[7] = TTL;
	memcpy(out + 8, from->ip, 16);
	memcpy(out + 24, to->ip, 16);
	put_udp(out + IPV6, from, to, len);
	return IPV6 + UDP;
}

size_t captures_headers(uint8_t out[CAPTURES_HEADERS], const struct addr *from,
			const struct addr *to, size_t len)
{
	if (to->family == ADDR_IPV6)
		return put_ipv6(out, from, to, len);
	be16_put(out, 0x4500);
	be16_put(out + 2, (uint16_t)(IPV4 + UDP + len));
	be16_put(out + 4, 0);
	be16_put(out + 6, DF);
	out[8] = TTL;
	out[9] = PROTO_UDP;
	be16_put(out + 10, 0);
	memcpy(out + 12, from->ip, 4);
	memcpy(out + 16, to->ip, 4);
	be16_put(out + 10, fold(sum_bytes(out, IPV4, 0)));
	put_udp(out + IPV4, from, to, len);
	return IPV4 + UDP;
}

void captures_sum(uint8_t headers[CAPTURES_HEADERS], const uint8_t *data, size_t len)
{
	uint32_t sum = sum_bytes(headers + 8, ADDRESSES, PROTO_UDP + UDP + (uint32_t)len);
	uint16_t result;

	sum = sum_bytes(headers + IPV6, UDP - 2, sum);
	result = fold(sum_bytes(data, len, sum));
	be16_put(headers + IPV6 + 6, result ? result : 0xffff);
}

void captures_wire(struct captures *c, const struct addr *local, const struct addr *remote,
		   unsigned direction, const uint8_t *data, size_t len, size_t segment,
		   struct instant now)
{
	captures_datagrams(c, local, remote, remote, direction, data, len, segment, now);
}

void captures_stream(struct captures *c, const struct stream *stream, const struct addr *place,
		     unsigned direction, const uint8_t *data, size_t len, size_t segment,
		     struct instant now)
{
	struct addr near = stream_near(stream), far = stream_far(stream);

	if (near.family != ADDR_NONE)
		captures_datagrams(c, &near, &far, place, direction, data, len, segment, now);
}

void captures_stream_send(struct captures *c, struct stream *stream, const struct addr *place,
			  const uint8_t *data, size_t len, size_t segment, struct instant now)
{
	for (size_t at = 0; at < len; at += segment) {
		size_t n = MIN(segment, len - at);
		uint64_t before = stream_dropped(stream);

		stream_send(stream, data + at, n, n);
		if (stream_dropped(stream) == before)
			captures_stream(c, stream, place, CAPTURES_OUT, data + at, n, n, now);
	}
}

bool captures_stream_run(struct captures *c, struct stream *stream, const struct run *run,
			 struct instant now)
{
	uint64_t before = stream_dropped(stream);

	if (!captures_on(c, CAPTURES_WIRE))
		return stream_send_now(stream, run->data, run->len, run->segment);
	captures_stream_send(c, stream, &run->to, run->data, run->len, run->segment, now);
	stream_flush(stream);
	return stream_dropped(stream) == before;
}

static bool is_bound(const struct addr *a)
{
	static const uint8_t any[sizeof(a->ip)];

	return memcmp(a->ip, any, sizeof(any)) != 0;
}

struct addr captures_local(struct captures *c, const struct addr *local, const struct addr *remote,
			   struct instant now)
{
	struct captures_source *s = &c->sources[addr_hash(remote, 0) % CAPTURES_SOURCES];
	struct addr result = *local;

	if (is_bound(local))
		return result;
	if (!addr_equal(&s->remote, remote) || instant_reached(now, s->until)) {
		*s = (struct captures_source){ .remote = *remote,
					       .local = *local,
					       .until = instant_add(now, SOURCE_AGE) };
		udp_route_source(remote, &s->local);
	}
	memcpy(result.ip, s->local.ip, sizeof(result.ip));
	return result;
}
