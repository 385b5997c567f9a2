/* SPDX-License-Identifier: MIT */
/* Places where this site and its peers may be: told, taken, and named for a try. */
#include <string.h>

#include "base/bytes.h"
#include "peers_parts.h"

#define OFFERS 8     /* places in a CANDIDATES at most */
#define OFFER_SOON 3 /* CANDIDATES that follow each other after OFFER_AGAIN */
#define OFFER_AGAIN SECONDS(1)
#define OFFER_LATER SECONDS(20) /* while the peer is reached through a relay */

void peers_put_place(struct wr *w, const struct addr *addr)
{
	wr_u8(w, addr->family);
	wr_u16(w, addr->port);
	wr_copy(w, addr->ip, addr->family == ADDR_IPV4 ? 4 : 16);
}

/* False at the end of the list, and when the rest makes no sense. */
static bool get_place(struct rd *r, struct addr *out)
{
	uint8_t family = rd_u8(r);
	uint16_t port = rd_u16(r);
	size_t len = family == ADDR_IPV4 ? 4 : 16;
	const uint8_t *ip = rd_bytes(r, len);

	if (!rd_ok(r) || (family != ADDR_IPV4 && family != ADDR_IPV6))
		return false;
	*out = (struct addr){ .family = family, .port = port };
	memcpy(out->ip, ip, len);
	return true;
}

/* Places that nobody may be at, or that would reach many. */
static bool is_plausible(const struct addr *a)
{
	static const uint8_t none[16], loopback6[16] = { [15] = 1 };

	if (a->port == 0 || memcmp(a->ip, none, sizeof(none)) == 0)
		return false;
	if (a->family == ADDR_IPV4)
		return a->ip[0] != 0 && a->ip[0] != 127 && a->ip[0] < 224;
	return a->ip[0] != 0xff && memcmp(a->ip, loopback6, sizeof(loopback6)) != 0 &&
	       !(a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80);
}

void peers_try(struct peers *p, struct path *path, struct instant now)
{
	uint64_t nonce;

	rand_fill(&p->self->rand, &nonce, sizeof(nonce));
	path_try(path, nonce, now);
}

/* Names a place by each socket of its family, and tries it. */
static void name_and_try(struct peers *p, struct peer *peer, const struct addr *addr,
			 enum path_source source, struct instant now)
{
	for (unsigned s = 0; s < p->n_sockets; s++) {
		struct path *path;

		if (p->families[s] != addr->family)
			continue;
		path = paths_name(&peer->paths, addr, (uint8_t)s, source, now);
		if (path)
			peers_try(p, path, now);
	}
}

void peers_name_configured(struct peers *p, struct peer *peer, struct instant now)
{
	for (unsigned i = 0; i < peer->n_candidates; i++) {
		const struct peer_candidate *c = &peer->candidates[i];
		struct path *path =
			paths_name(&peer->paths, &c->addr, c->socket, PATH_CONFIGURED, now);

		if (path)
			peers_try(p, path, now);
	}
}

void peers_name_relays(struct peers *p, struct peer *peer, struct instant now)
{
	for (unsigned i = 0; i < LINKS_MAX; i++) {
		struct addr at;
		struct path *path;

		if (!peer->member[i] || !peer_has_session(p->link[i]->peer))
			continue;
		at = link_addr(p->link[i], peer->member[i]);
		path = paths_name(&peer->paths, &at, 0, PATH_MEMBER, now);
		if (path)
			peers_try(p, path, now);
	}
}

static bool listed_in(const struct addr *list, unsigned n, const struct addr *addr)
{
	for (unsigned i = 0; i < n; i++) {
		if (addr_equal(&list[i], addr))
			return true;
	}
	return false;
}

static unsigned own_places(const struct peers *p, struct addr out[OFFERS])
{
	unsigned n = 0;

	for (unsigned i = 0; i < LINKS_MAX; i++) {
		const struct link *link = p->link[i];

		if (link && link->observed.family != ADDR_NONE &&
		    !listed_in(out, n, &link->observed))
			out[n++] = link->observed;
	}
	for (unsigned i = 0; i < p->n_local && n < OFFERS; i++) {
		if (!listed_in(out, n, &p->local[i]))
			out[n++] = p->local[i];
	}
	return n;
}

/* With many peers, of whom most are not sent to, less often. */
static int64_t offer_later(const struct peers *p, const struct peer *peer, struct instant now)
{
	if (!peer_is_idle(peer, now))
		return OFFER_LATER;
	return OFFER_LATER * MAX(p->n_peer / PEERS_CROWD, 1);
}

static unsigned offers_soon(const struct peers *p, const struct peer *peer, struct instant now)
{
	if (!peers_are_many(p) || !peer_is_idle(peer, now))
		return OFFER_SOON;
	return peer_is_relayed(&peer->endpoint.addr) ? 2 : 1;
}

void peers_offer_for_frames(struct peers *p, struct peer *peer)
{
	struct instant latest = instant_add(p->now, OFFER_LATER);

	if (!peer_is_relayed(&peer->endpoint.addr) || !instant_before(latest, peer->offer))
		return;
	peer->offer = latest;
	peers_note_due(p, peer);
}

void peers_offer(struct peers *p, struct peer *peer, struct instant now)
{
	uint8_t body[1 + OFFERS * PLACE_MAX];
	struct wr w = wr_make(body, sizeof(body));
	struct addr places[OFFERS];
	unsigned n = own_places(p, places), soon = offers_soon(p, peer, now);

	wr_u8(&w, (uint8_t)n);
	for (unsigned i = 0; i < n; i++)
		peers_put_place(&w, &places[i]);
	peer_send_control(peer, WIRE_CANDIDATES, body, w.used);
	peer->offered = now;
	peer->offers++;
	if (peer->offers < soon)
		peer->offer = instant_add(now, OFFER_AGAIN);
	else if (peer_is_relayed(&peer->endpoint.addr))
		peer->offer = instant_add(now, offer_later(p, peer, now));
	else
		peer->offer = INSTANT_NEVER;
	if (peer_is_relayed(&peer->endpoint.addr))
		peers_name_configured(p, peer, now);
}

void peers_offer_soon(struct peers *p, struct peer *peer, struct instant now)
{
	struct instant soonest = instant_add(peer->offered, OFFER_AGAIN);

	peer->offer = instant_min(peer->offer, instant_before(soonest, now) ? now : soonest);
	peers_note_due(p, peer);
}

bool peers_path_control(struct peers *p, struct peer *peer, uint8_t type, const uint8_t *body,
			size_t len, struct instant now)
{
	struct rd r = rd_make(body, len);
	uint8_t count = rd_u8(&r);
	struct addr addr;

	if (type != WIRE_CANDIDATES || !rd_ok(&r) || count > OFFERS)
		return false;
	for (unsigned i = 0; i < count; i++) {
		if (!get_place(&r, &addr))
			return false;
		if (!is_plausible(&addr))
			continue;
		name_and_try(p, peer, &addr, PATH_TOLD, now);
		peers_mark_port(p, &addr);
	}
	if (instant_between(peer->offered, now) >= OFFER_AGAIN) /* both try at the same time */
		peer->offer = instant_min(peer->offer, now);
	peers_note_due(p, peer);
	return true;
}

void peers_set_local(struct peers *p, const struct addr *addrs, unsigned n, struct instant now)
{
	n = MIN(n, PEERS_LOCALS);
	if (n == p->n_local && memcmp(p->local, addrs, n * sizeof(*addrs)) == 0)
		return;
	memcpy(p->local, addrs, n * sizeof(*addrs));
	p->n_local = n;
	for (unsigned i = 0; i < p->top; i++) {
		struct peer *peer = p->peer[i];

		if (!peer || !peer_has_session(peer))
			continue;
		peer->offers = 0;
		peer->offer = now;
		peers_note_due(p, peer);
	}
}
