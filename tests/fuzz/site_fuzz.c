/* SPDX-License-Identifier: MIT */
/*
 * Frames of strangers behind a local port, and datagrams that they are cut
 * into: the input is a row of frames, each length u16, offload facts (10 bytes)
 * and bytes.  What is taken in at one site comes out at the other.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "core/site.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct site sites[2];
static struct port ports[2];
static struct rand_seeded rands[2];
static struct instant now = { SECONDS(10) };
static const struct addr place = { .family = ADDR_IPV4, .ip = { 192, 0, 2, 1 }, .port = 7741 };

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void carry(void *ctx, struct run **runs, size_t n)
{
	struct site *to = ctx == &sites[0] ? &sites[1] : &sites[0];

	for (size_t i = 0; i < n; i++) {
		uint8_t *copy = malloc(runs[i]->len);

		must(copy);
		memcpy(copy, runs[i]->data, runs[i]->len);
		site_datagrams(to, 0, &place, copy, runs[i]->len, runs[i]->segment, now);
		site_rx_end(to, false);
		free(copy);
	}
}

static void event(void *ctx, struct peer *peer, enum peer_event what)
{
	(void)ctx;
	(void)peer;
	(void)what;
}

static unsigned mtu(void *ctx, const struct addr *to)
{
	(void)ctx;
	(void)to;
	return 1500;
}

static int take(void *ctx, const struct vnet *vnet, struct iovec *iov, size_t n)
{
	struct port *port = ctx;
	size_t len = 0;

	for (size_t i = 1; i < n; i++)
		len += iov[i].iov_len;
	must(len >= WIRE_FRAME_MIN);
	must(port->can || (vnet->gso_type == VNET_GSO_NONE && !(vnet->flags & VNET_F_NEEDS_CSUM)));
	must(vnet->gso_type != VNET_GSO_NONE || len <= WIRE_FRAME_MAX);
	return 0;
}

static void start(unsigned i)
{
	struct site_setup setup = { .network = "fuzz",
				    .name = "site",
				    .mtu = 1500,
				    .keepalive = SECONDS(25),
				    .macs = 64,
				    .mac_quota = 32,
				    .ageing = SECONDS(300),
				    .families = { ADDR_IPV4 },
				    .n_sockets = 1 };
	const struct site_events events = { carry, event, mtu, &sites[i] };

	setup.rand = rand_source_seeded(&rands[i], 9 + i);
	memset(setup.private_key, (int)(0x41 + i), KEX_KEY);
	must(site_init(&sites[i], &setup, &events, now));
	must(port_init(&ports[i], "port", take, &ports[i]));
	ports[i].up = ports[i].reserved_pass = true;
	site_add_port(&sites[i], &ports[i]);
}

static void turn(void)
{
	for (unsigned i = 0; i < 2; i++) {
		site_tick(&sites[i], now);
		site_close(&sites[i]);
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct peer *peer;

	(void)argc;
	(void)argv;
	start(0);
	start(1);
	must(peers_add(&sites[0].peers, "one", sites[1].self.public_key, now));
	peer = peers_add(&sites[1].peers, "zero", sites[0].self.public_key, now);
	must(peer);
	peers_set_addresses(&sites[1].peers, peer, &place, 1, now);
	for (unsigned i = 0; i < 40; i++) {
		turn();
		now.us += MS(100);
	}
	must(peer_has_session(sites[0].peers.peer[0]) && peer_has_session(peer));
	return 0;
}

static uint64_t drops_of(const struct drops *d)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < DROP_COUNT; i++)
		sum += d->count[i];
	return sum;
}

static void give(const struct vnet *vnet, const uint8_t *bytes, size_t len)
{
	struct peer *peer = sites[0].peers.peer[0], *there = sites[1].peers.peer[0];
	uint64_t sent = peer->tx.frames, rx = there->rx.frames;
	uint64_t bad = there->drops.count[DROP_RECORD] + there->drops.count[DROP_JOIN];
	uint8_t *buffer = malloc(SITE_HEADROOM + len);

	must(buffer);
	memcpy(buffer + SITE_HEADROOM, bytes, len);
	ports[1].can = bytes[len / 2] & 1 ? 31 : 0;
	site_frame(&sites[0], 0, buffer + SITE_HEADROOM, len, vnet, now);
	free(buffer);
	site_close(&sites[0]);
	/* What was taken in comes out, in one piece or cut into frames. */
	must(there->drops.count[DROP_RECORD] + there->drops.count[DROP_JOIN] == bad);
	must((peer->tx.frames > sent) == (there->rx.frames > rx));
	must(drops_of(&there->drops) == there->drops.count[DROP_HELD] +
						there->drops.count[DROP_NOT_LEARNED] +
						there->drops.count[DROP_FILTERED]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_make(data, size);
	struct vnet vnet = { 0 };

	now.us += MS(50);
	turn();
	while (r.left > 2 + sizeof(vnet)) {
		size_t len = rd_u16(&r);

		rd_copy(&r, &vnet, sizeof(vnet));
		len = MIN(len, r.left);
		if (len)
			give(&vnet, rd_bytes(&r, len), len);
	}
	return 0;
}
