/* SPDX-License-Identifier: MIT */
/* The tunnel carried in itself: its own packets, in frames that are to go through it. */
#include <string.h>

#include "base/bytes.h"
#include "peers_parts.h"

void peers_mark_port(struct peers *p, const struct addr *addr)
{
	if (addr->family == ADDR_IPV4 || addr->family == ADDR_IPV6)
		p->tunnel_ports[addr->port / 8] |= (uint8_t)(1u << addr->port % 8);
}

void peers_mark_ports(struct peers *p)
{
	memset(p->tunnel_ports, 0, sizeof(p->tunnel_ports));
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		const struct peer *peer = p->peer[i];

		if (!peer)
			continue;
		peers_mark_port(p, &peer->endpoint.addr);
		for (unsigned k = 0; k < peer->paths.n; k++)
			peers_mark_port(p, &peer->paths.path[k].addr);
	}
}

/* The UDP header behind an IP header without extensions, or NULL.  *to gets
 * the destination. */
static const uint8_t *udp_header(const uint8_t *ip, size_t len, struct addr *to)
{
	size_t head;

	memset(to, 0, sizeof(*to));
	if (len >= 20 && ip[0] >> 4 == 4 && ip[9] == 17) {
		head = (size_t)(ip[0] & 15) * 4;
		to->family = ADDR_IPV4;
		memcpy(to->ip, ip + 16, 4);
	} else if (len >= 40 && ip[0] >> 4 == 6 && ip[6] == 17) {
		head = 40;
		to->family = ADDR_IPV6;
		memcpy(to->ip, ip + 24, 16);
	} else {
		return NULL;
	}
	if (head < 20 || len < head + 8)
		return NULL;
	to->port = be16_get(ip + head + 2);
	return ip + head;
}

bool peers_is_tunnel(const struct peers *p, const uint8_t *ip, size_t len)
{
	struct addr to;
	const uint8_t *udp = udp_header(ip, len, &to), *data;

	if (!udp || !(p->tunnel_ports[to.port / 8] & 1u << to.port % 8))
		return false;
	data = udp + 8;
	if (len - (size_t)(data - ip) < WIRE_DATA_HEADER ||
	    (data[0] != WIRE_DATA && data[0] != WIRE_HOP))
		return false;
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		const struct peer *peer = p->peer[i];

		if (peer && peer_has_session(peer) &&
		    peer->keys.current->remote_index == be32_get(data + 4))
			return true;
	}
	return false;
}
