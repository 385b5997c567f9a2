/* SPDX-License-Identifier: MIT */
/*
 * What a relay that lies and a peer with bad intent may send to a site.  The input is
 * a row of packets, each length u16 and bytes, of which the first says what the others
 * are:
 *   'H'  source u8, 1 for all members or 0 for one u8, and an inner packet: a HOP
 *   'F'  the plaintext of a FLOOD of the peer
 *   'P'  the plaintext of a DATA packet of the peer
 *   'R'  the plaintext of a DATA packet of the relay
 * All of them are authentic as far as those two can make them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "core/site.h"

#define LONGEST 2000
#define OWN 1  /* number of the site at the relay */
#define PEER 2 /* and of the peer */
#define FLOOD_ID 0x0f100d00

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct site site;
static struct port port;
static struct rand_seeded rand_state;
static struct instant now = { SECONDS(10) };
static const struct addr relay_at = { .family = ADDR_IPV4, .ip = { 192, 0, 2, 1 }, .port = 7741 };
static struct link *link_;
static struct peer *peer;
static struct keys relay_side, peer_side;
static struct flood flood;
static struct outbox nowhere;
static const struct flood_secret secret = { .id = FLOOD_ID, .key = { 7 } };
static unsigned frames;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void send_runs(void *ctx, struct run **runs, size_t n)
{
	(void)ctx;
	(void)runs;
	(void)n;
}

static void run_sent(void *ctx, const struct run *run)
{
	(void)ctx;
	(void)run;
}

static void event(void *ctx, struct peer *who, enum peer_event what)
{
	(void)ctx;
	(void)who;
	(void)what;
}

static unsigned mtu(void *ctx, const struct addr *to)
{
	(void)ctx;
	(void)to;
	return 1500;
}

static int take_frame(void *ctx, const struct vnet *vnet, struct iovec *iov, size_t n)
{
	volatile uint8_t sum = 0;

	(void)ctx;
	(void)vnet;
	for (size_t i = 1; i < n; i++) { /* all of it is there */
		for (size_t k = 0; k < iov[i].iov_len; k++)
			sum = (uint8_t)(sum + ((uint8_t *)iov[i].iov_base)[k]);
	}
	frames++;
	return 0;
}

/* A session between the site and what the fuzzer plays. */
static void join(struct peer *to, struct keys *other)
{
	static const uint8_t there[AEAD_KEY] = { 1 }, back[AEAD_KEY] = { 2 };
	struct keypair *own =
		keys_reserve(&to->keys, (uint32_t)to->number << KEYS_SLOT_BITS, 5, false);
	struct keypair *theirs;

	must(keys_init(other, to->self->cipher, to->self->network, to->id, to->self->id));
	theirs = keys_reserve(other, 0, 6, false);
	keys_install(other, theirs, true, own->local_index, there, back, now);
	keys_install(&to->keys, own, true, theirs->local_index, back, there, now);
	peer_session_begin(to, true, now);
}

static void give(const uint8_t *packet, size_t len)
{
	uint8_t *copy = malloc(len);

	must(copy);
	memcpy(copy, packet, len);
	site_datagrams(&site, 0, &relay_at, copy, len, len, now);
	site_rx_end(&site, false);
	site_close(&site);
	free(copy);
}

/* The inner packet lies at out + WIRE_HOP_HEADER. */
static void give_hop(uint32_t source, uint32_t destination, size_t inner_len, uint8_t *out)
{
	struct keypair *kp = relay_side.current;
	struct hop hop = { .index = kp->remote_index,
			   .counter = kp->counter++,
			   .source = source,
			   .destination = destination,
			   .inner_len = inner_len };

	must(hop_seal(&kp->seal, relay_side.context_out, &hop, out));
	give(out, inner_len + WIRE_HOP_OVERHEAD);
}

/* A CONTROL in DATA, from the relay or from the peer through it. */
static void give_data(struct keys *from, const uint8_t *plain, size_t len)
{
	uint8_t packet[LONGEST + WIRE_DATA_OVERHEAD + WIRE_HOP_OVERHEAD];

	if (from == &relay_side) {
		keys_seal(from, 0, plain, len, packet);
		give(packet, len + WIRE_DATA_OVERHEAD);
		return;
	}
	keys_seal(from, 0, plain, len, packet + WIRE_HOP_HEADER);
	give_hop(PEER, OWN, len + WIRE_DATA_OVERHEAD, packet);
}

static void control(struct keys *from, uint8_t type, const void *body, size_t len)
{
	uint8_t plain[256];
	struct wr w = wr_make(plain, sizeof(plain));

	wr_u16(&w, 0);
	wr_u8(&w, WIRE_CONTROL);
	wr_u16(&w, (uint16_t)(len + 1));
	wr_u8(&w, type);
	wr_copy(&w, body, len);
	give_data(from, plain, w.used);
}

static void tell_members(void)
{
	uint8_t body[128] = { 0 };
	struct wr w = wr_make(body, sizeof(body));

	wr_u32(&w, 1); /* NOTICE */
	wr_u32(&w, OWN);
	wr_u16(&w, 99);
	wr_u8(&w, ADDR_IPV4);
	wr_copy(&w, (uint8_t[16]){ 198, 51, 100, 1 }, 16);
	control(&relay_side, WIRE_NOTICE, body, w.used);
	w = wr_make(body, sizeof(body));
	wr_u32(&w, 1);
	wr_u32(&w, 1);
	wr_u8(&w, WIRE_MEMBERS_RESET);
	wr_u8(&w, 1);
	wr_u32(&w, PEER);
	wr_u8(&w, 0);
	wr_copy(&w, peer->public_key, KEX_KEY);
	wr_u8(&w, 0);
	control(&relay_side, WIRE_MEMBERS, body, w.used);
}

static void hand_over(void)
{
	uint8_t body[FLOOD_KEY_LEN] = { 0 };

	be32_put(body, secret.id);
	memcpy(body + 4, secret.key, AEAD_KEY);
	control(&peer_side, WIRE_FLOOD_KEY, body, sizeof(body));
}

/* Nobody but the two ends of a session ends it. */
static bool closes(const uint8_t *plain, size_t len)
{
	for (size_t i = 0; i + 3 < len; i++) {
		if (plain[i] == WIRE_CONTROL && plain[i + 3] == WIRE_CLOSE)
			return true;
	}
	return false;
}

static void one(uint8_t kind, const uint8_t *bytes, size_t len)
{
	uint8_t packet[LONGEST + WIRE_DATA_OVERHEAD + WIRE_HOP_OVERHEAD];
	unsigned before = frames;

	switch (kind) {
	case 'H':
		if (len < 2 + WIRE_HOP_INNER_MIN)
			return;
		memcpy(packet + WIRE_HOP_HEADER, bytes + 2, len - 2);
		give_hop(bytes[0], bytes[1] & 1 ? WIRE_HOP_FLOOD : OWN, len - 2, packet);
		must(frames == before); /* the relay has no key */
		break;
	case 'F':
		keys_seal(&flood.keys, 0, bytes, len, packet + WIRE_HOP_HEADER);
		give_hop(PEER, WIRE_HOP_FLOOD, len + WIRE_DATA_OVERHEAD, packet);
		break;
	case 'P':
		if (!closes(bytes, len))
			give_data(&peer_side, bytes, len);
		break;
	case 'R':
		if (!closes(bytes, len))
			give_data(&relay_side, bytes, len);
		must(frames == before);
		break;
	default:
		break;
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const uint8_t relay_key[KEX_KEY] = { 3 }, peer_key[KEX_KEY] = { 4 };
	static const uint8_t no_secret[KEX_KEY];
	static const uint8_t frame[] = { 0,    0,    WIRE_FRAME, 0, 18, 0xff, 0xff, 0xff,
					 0xff, 0xff, 0xff,	 2, 0,	0,    0,    0,
					 9,    0x88, 0xb5,	 0, 0,	0,    0 };
	struct site_setup setup = { .network = "fuzz",
				    .name = "site",
				    .mtu = 1500,
				    .private_key = { 5 },
				    .rand = rand_source_seeded(&rand_state, 9),
				    .keepalive = SECONDS(25),
				    .macs = 256,
				    .mac_quota = 16,
				    .families = { ADDR_IPV4 },
				    .n_sockets = 1 };
	const struct site_events events = { send_runs, event, mtu, NULL };

	(void)argc;
	(void)argv;
	must(site_init(&site, &setup, &events, now));
	must(port_init(&port, "port", take_frame, NULL));
	port.up = true;
	site_add_port(&site, &port);
	peer = peers_add(&site.peers, "peer", peer_key, now);
	link_ = peers_add_link(&site.peers, "hub", relay_key, no_secret, now);
	must(peer && link_);
	peer_set_endpoint(link_->peer, &(struct peer_candidate){ .addr = relay_at }, now);
	join(link_->peer, &relay_side);
	join(peer, &peer_side);
	tell_members();
	must(link_->who[PEER] == peer->number + 1);
	must(outbox_init(&nowhere, 1, send_runs, NULL, run_sent, NULL));
	must(flood_init(&flood, site.self.cipher, "fuzz", peer->id, &nowhere));
	flood.next = secret;
	flood_switch(&flood, now);
	hand_over();
	one('F', frame, sizeof(frame));
	must(frames == 1); /* the stage works */
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct keypair *sessions[] = { peer->keys.current, link_->peer->keys.current };
	struct rd r = rd_make(data, size);

	now.us += MS(1);
	if (now.us > SECONDS(100))
		now.us = SECONDS(20); /* never so late that keys end */
	tell_members();
	flood_hold_init(&site.peers.hold);
	if (size % 2) /* else its first floods wait for their key */
		hand_over();
	else
		flood_in_forget(&peer->flood.in);
	while (r.left > 2) {
		size_t said = rd_u16(&r);
		size_t len = MIN(MIN(said, r.left), LONGEST);
		const uint8_t *bytes = rd_bytes(&r, len);

		if (len > 2)
			one(bytes[0], bytes + 1, len - 1);
	}
	tell_members(); /* it may have told otherwise, and nothing came through */
	hand_over();
	for (unsigned i = 0; i < site.peers.hold.n; i++)
		must(be32_get(site.peers.hold.held[i]->packet + 4) != FLOOD_ID);
	must(peer->keys.current == sessions[0] && link_->peer->keys.current == sessions[1]);
	return 0;
}
