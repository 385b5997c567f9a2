/* SPDX-License-Identifier: MIT */
/*
 * Raw datagrams at a site's sockets: the input is a row of datagrams, each
 * length u16 and bytes.  First bytes that announce a handshake get a right
 * mac1, so that what is behind that guard is reached as well.  The site lives
 * on from input to input, as a daemon does; its session survives them all.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "core/cookie.h"
#include "core/site.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct site sites[2];
static struct port ports[2];
static struct rand_seeded rands[2];
static struct instant now = { SECONDS(10) };
static uint8_t wire[1 << 20];
static size_t wire_len[64], n_wire, wire_used;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void hold(void *ctx, struct run **runs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t at = 0; at < runs[i]->len && ctx == &sites[0]; at += runs[i]->segment) {
			size_t len = MIN((size_t)runs[i]->segment, runs[i]->len - at);

			if (n_wire == COUNT_OF(wire_len) || wire_used + len > sizeof(wire))
				return;
			memcpy(wire + wire_used, runs[i]->data + at, len);
			wire_len[n_wire++] = len;
			wire_used += len;
		}
	}
}

static void both_ways(void *ctx, struct run **runs, size_t n)
{
	const struct addr from = { .family = ADDR_IPV4, .ip = { 192, 0, 2, 1 }, .port = 7741 };
	struct site *to = ctx == &sites[0] ? &sites[1] : &sites[0];

	for (size_t i = 0; i < n; i++) {
		uint8_t *copy = malloc(runs[i]->len);

		must(copy);
		memcpy(copy, runs[i]->data, runs[i]->len);
		site_datagrams(to, 0, &from, copy, runs[i]->len, runs[i]->segment, now);
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

static int no_frame(void *ctx, const struct vnet *vnet, struct iovec *iov, size_t n)
{
	(void)ctx;
	(void)vnet;
	(void)iov;
	(void)n;
	abort(); /* nobody but the peer can make one, and it sends none */
}

static void start(unsigned i)
{
	struct site_setup setup = { .network = "fuzz",
				    .name = "site",
				    .mtu = 1500,
				    .keepalive = SECONDS(25),
				    .macs = 16,
				    .mac_quota = 16,
				    .families = { ADDR_IPV4 },
				    .n_sockets = 1 };
	const struct site_events events = { both_ways, event, mtu, &sites[i] };

	setup.rand = rand_source_seeded(&rands[i], 9 + i);
	memset(setup.private_key, (int)(0x41 + i), KEX_KEY);
	must(site_init(&sites[i], &setup, &events, now));
	must(port_init(&ports[i], "port", no_frame, NULL));
	ports[i].up = true;
	site_add_port(&sites[i], &ports[i]);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct addr to = { .family = ADDR_IPV4, .ip = { 192, 0, 2, 1 }, .port = 7741 };
	struct peer *peer;

	(void)argc;
	(void)argv;
	start(0);
	start(1);
	must(peers_add(&sites[0].peers, "one", sites[1].self.public_key, now));
	peer = peers_add(&sites[1].peers, "zero", sites[0].self.public_key, now);
	must(peer);
	peers_set_addresses(&sites[1].peers, peer, &to, 1, now);
	for (unsigned i = 0; i < 8; i++) {
		site_tick(&sites[1], now);
		site_close(&sites[1]);
		site_tick(&sites[0], now);
		site_close(&sites[0]);
	}
	must(peer_has_session(sites[0].peers.peer[0]) && peer_has_session(peer));
	sites[0].outbox.send = sites[1].outbox.send = hold;
	return 0;
}

/* Rubbish that looks like a handshake is signed; a DATA packet gets the index
 * of the session. */
static void dress(uint8_t *bytes, size_t len)
{
	struct cookie_jar jar;

	if (len < 8 || bytes[1] != 0)
		return;
	if (bytes[0] == WIRE_DATA && bytes[4] == 'i')
		be32_put(bytes + 4, sites[0].peers.peer[0]->keys.current->local_index);
	if ((bytes[0] != WIRE_INITIATION || len != WIRE_INITIATION_LEN) &&
	    (bytes[0] != WIRE_RESPONSE || len != WIRE_RESPONSE_LEN))
		return;
	cookie_jar_init(&jar, CIPHER_AES_256_GCM, sites[0].self.public_key);
	cookie_jar_sign(&jar, bytes, len - COOKIE_MACS, now);
}

static void give(const uint8_t *bytes, size_t len)
{
	struct addr from = { .family = ADDR_IPV4, .ip = { 198, 51, 100, 9 }, .port = 99 };
	uint8_t *copy = malloc(len ? len : 1);
	size_t before = n_wire;

	must(copy);
	if (len)
		memcpy(copy, bytes, len);
	dress(copy, len);
	site_datagrams(&sites[0], 0, &from, copy, len, len, now);
	site_rx_end(&sites[0], false);
	site_close(&sites[0]);
	/* An answer is never longer than what it answers. */
	must(n_wire <= before + 1 && (n_wire == before || wire_len[before] < len));
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct keypair *current = sites[0].peers.peer[0]->keys.current;
	struct rd r = rd_make(data, size);

	n_wire = wire_used = 0;
	now.us += MS(1);
	if (now.us > SECONDS(100))
		now.us = SECONDS(20); /* never so late that keys end */
	while (r.left >= 2 && n_wire < COUNT_OF(wire_len)) {
		size_t said = rd_u16(&r);
		size_t len = MIN(said, r.left);

		give(rd_bytes(&r, len), len);
	}
	must(sites[0].peers.peer[0]->keys.current == current);
	return 0;
}
