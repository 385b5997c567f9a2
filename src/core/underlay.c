/* SPDX-License-Identifier: MIT */
#include "core/underlay.h"

#include <string.h>

#include "base/bytes.h"
#include "core/superframe.h"

#define PROTO_TCP 6
#define PROTO_UDP 17
#define IPV4_ADDRESSES 12
#define IPV6_ADDRESSES 8

enum side { SOURCE, DESTINATION };

static struct addr read_side(const uint8_t *frame, const struct superframe_layout *l,
			     enum side side)
{
	bool v4 = l->ip == 4;
	size_t size = v4 ? 4 : 16, at = l->l3 + (v4 ? IPV4_ADDRESSES : IPV6_ADDRESSES);
	struct addr a = { .family = v4 ? ADDR_IPV4 : ADDR_IPV6 };

	memcpy(a.ip, frame + at + side * size, size);
	a.port = be16_get(frame + l->l4 + (size_t)2 * side);
	return a;
}

/* Whatever the scope: a frame does not tell its link. */
static bool same_ip(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static bool is_host(const struct underlay *u, const struct addr *a)
{
	for (unsigned i = 0; i < u->n_hosts; i++) {
		if (same_ip(&u->host[i], a))
			return true;
	}
	return u->more;
}

static bool is_wild(const struct addr *a)
{
	static const uint8_t none[16];

	return memcmp(a->ip, none, sizeof(none)) == 0;
}

static bool is_socket(const struct underlay *u, const struct addr *a)
{
	for (unsigned i = 0; i < u->n_sockets; i++) {
		const struct addr *s = &u->socket[i];

		if (s->port == a->port && s->family == a->family &&
		    (is_wild(s) ? is_host(u, a) : same_ip(s, a)))
			return true;
	}
	return false;
}

static bool is_stream(const struct underlay *u, const struct addr *near, const struct addr *far)
{
	for (unsigned i = 0; i < u->n_streams; i++) {
		if (u->stream[i].port == far->port && same_ip(&u->stream[i], far))
			return is_host(u, near);
	}
	return false;
}

bool underlay_has(const struct underlay *u, const uint8_t *frame, size_t len)
{
	struct superframe_layout l;
	struct addr from, to;

	if (!superframe_layout(frame, len, &l) || l.proto == 0)
		return false;
	from = read_side(frame, &l, SOURCE);
	to = read_side(frame, &l, DESTINATION);
	if (l.proto == PROTO_UDP)
		return is_socket(u, &to) || is_socket(u, &from);
	return l.proto == PROTO_TCP && (is_stream(u, &to, &from) || is_stream(u, &from, &to));
}
