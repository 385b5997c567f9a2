/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/bytes.h"
#include "base/mac.h"
#include "site_parts.h"

#define AGE_EVERY SECONDS(10)
#define PROTO_TCP 6
#define TCP_FLAGS 13
#define TCP_SYN 0x02
#define TCP_HEADER 20

_Static_assert(SWITCH_PEER + PEERS_MAX <= FDB_PORTS, "each peer is a port");

static void peer_frame(void *ctx, struct peer *peer, struct frame *frame);
static void forward(void *ctx, unsigned port, uint8_t *frame, size_t len, const struct vnet *vnet,
		    const struct superframe_layout *layout);

static bool is_reserved(const uint8_t *frame)
{
	return mac_is_reserved(mac_get(frame));
}

static void peer_happened(void *ctx, struct peer *peer, enum peer_event event)
{
	struct site *site = ctx;

	if (event == PEER_DOWN)
		fdb_flush_port(&site->switching.fdb, (uint16_t)(SWITCH_PEER + peer->number));
	site_wire_event(site, peer, event);
	site->events.event(site->events.ctx, peer, event);
}

static unsigned route_mtu(void *ctx, const struct addr *to)
{
	struct site *site = ctx;

	return site->events.route_mtu(site->events.ctx, to);
}

static void run_sent(void *ctx, const struct run *run)
{
	struct site *site = ctx;

	peers_sent(&site->peers, run);
}

bool site_init(struct site *site, const struct site_setup *setup, const struct site_events *events,
	       struct instant now)
{
	struct peers_events wants = { peer_frame, peer_happened, route_mtu, site_wire_control,
				      site };
	uint64_t seed;

	memset(site, 0, sizeof(*site));
	site->events = *events;
	site->now = now;
	site->age_at = instant_add(now, AGE_EVERY);
	site->wire = setup->wire;
	carrier_init(&site->carrier);
	site->switching.hub = setup->hub;
	site->mss_clamp = setup->mss_clamp;
	rand_fill(&setup->rand, &seed, sizeof(seed));
	if (!aead_start() ||
	    !identity_init(&site->self, setup->private_key, setup->psk, setup->cipher,
			   setup->network, setup->name, setup->mtu, setup->rand))
		return false;
	site->self.watch = setup->key_watch;
	if (!site_ports_init(site) || !fdb_init(&site->switching.fdb, setup->macs, setup->mac_quota, setup->ageing, seed) ||
	    !merge_init(&site->merge, SITE_HEADROOM, forward, site) ||
	    !outbox_init(&site->outbox, setup->workers, events->send, events->ctx, run_sent,
			 site) ||
	    !peers_init(&site->peers, &site->self, &site->outbox, &wants, setup->families,
			setup->n_sockets, setup->keepalive, now))
		return false;
	peers_set_broadcast(&site->peers, setup->broadcast, now);
	return true;
}

void site_free(struct site *site)
{
	peers_free(&site->peers);
	outbox_free(&site->outbox);
	merge_free(&site->merge);
	fdb_free(&site->switching.fdb);
	site_ports_free(site);
	identity_wipe(&site->self);
}

/* Counts what became of a source address, where that is worth a count. */
static void count_learned(struct drops *drops, enum fdb_learned learned, struct instant now)
{
	if (learned == FDB_FULL || learned == FDB_QUOTA)
		drop_note(drops, DROP_NOT_LEARNED, now);
	else if (learned == FDB_HELD)
		drop_note(drops, DROP_HELD, now);
}

static void set_time(struct site *site, struct instant now)
{
	site->now = now;
	for (unsigned i = 0; i < site->n_port; i++) {
		if (site->port[i])
			site->port[i]->now = now;
	}
}

/* Whether a flooded frame is for that port. */
static bool floods_to(const struct site *site, unsigned port, uint16_t vlan, bool reserved)
{
	const struct port *p = site->port[port];

	return p && vlan_carries(&p->vlans, vlan) && (!reserved || p->reserved_pass);
}

static void flood_local(struct site *site, struct peer *peer, struct frame *frame, uint16_t vlan,
			bool reserved)
{
	bool refused = reserved;

	for (unsigned i = 0; i < site->n_port; i++) {
		if (!floods_to(site, i, vlan, reserved))
			continue;
		port_deliver(site->port[i], frame);
		refused = false;
	}
	if (refused)
		peer_drop(peer, DROP_RESERVED);
}

/* Lowers the MSS of a SYN to what that packer's datagrams take, where that is asked for. */
static void clamp_mss(const struct site *site, const struct pack *pack, uint8_t *frame, size_t have,
		      const struct superframe_layout *layout)
{
	uint16_t mss = site->mss_clamp;

	if (mss == SITE_MSS_OFF || site->wire || layout->proto != PROTO_TCP ||
	    !(frame[layout->l4 + TCP_FLAGS] & TCP_SYN))
		return;
	if (mss == SITE_MSS_PATH)
		mss = (uint16_t)(pack_room(pack) - (layout->l4 + TCP_HEADER));
	superframe_clamp_mss(frame, have, mss);
}

/* One frame, from a peer, to the local ports. */
static void peer_frame(void *ctx, struct peer *peer, struct frame *frame)
{
	struct site *site = ctx;
	uint16_t from = (uint16_t)(SWITCH_PEER + peer->number);
	uint8_t *headers = frame->iov[1].iov_base;
	struct superframe_layout layout;
	struct switch_verdict v;

	if (site->watch.frame)
		site->watch.frame(site->watch.ctx, peer, false, &frame->vnet, frame->iov + 1,
				  frame->n - 1);
	if (!superframe_layout(headers, frame->iov[1].iov_len, &layout)) {
		peer_drop(peer, DROP_RUNT);
		return;
	}
	if (!peer_unpacks_flood(peer))
		timers_frames(&peer->timers, site->now);
	if (site->wire) {
		site_wire_from_peer(site, peer, frame);
		return;
	}
	clamp_mss(site, &peer->pack, headers, frame->iov[1].iov_len, &layout);
	v = switch_decide(&site->switching, from, headers, frame->len, &layout, site->now);
	count_learned(&peer->drops, v.learned, site->now);
	switch (v.way) {
	case SWITCH_DROP:
		peer_drop(peer, v.reason);
		break;
	case SWITCH_ONE:
		port_deliver(site->port[v.port], frame);
		break;
	case SWITCH_FLOOD:
		flood_local(site, peer, frame, layout.vlan, is_reserved(headers));
		break;
	}
}

static void show_outgoing(const struct site *site, const struct peer *peer,
			  const struct site_outgoing *o)
{
	struct iovec iov = { o->frame, o->len };

	site->watch.frame(site->watch.ctx, peer, true, o->vnet, &iov, 1);
}

static bool pack_outgoing(const struct site *site, struct pack *pack, const struct site_outgoing *o,
			  bool spoil)
{
	clamp_mss(site, pack, o->frame, o->len, o->layout);
	if (o->vnet->gso_type == VNET_GSO_NONE)
		return pack_frame(pack, o->frame, o->len, o->vnet);
	return pack_super(pack, o->frame, o->len, o->vnet, o->layout, spoil);
}

void site_to_peer(struct site *site, struct peer *peer, const struct site_outgoing *o, bool spoil)
{
	if (!peer_has_session(peer)) {
		peer_drop(peer, peer->disconnected ? DROP_DISCONNECTED : DROP_NO_SESSION);
		return;
	}
	if (site->watch.frame)
		show_outgoing(site, peer, o);
	peer->owner->pending(peer->owner->ctx, peer);
	if (!pack_outgoing(site, &peer->pack, o, spoil)) {
		peer_drop(peer, DROP_SEND);
		return;
	}
	peer->tx.frames++;
	peer->tx.bytes += o->len;
	timers_frames(&peer->timers, site->now);
	peers_note_frames(&site->peers, peer);
}

void site_to_local(struct site *site, unsigned port, const struct site_outgoing *o)
{
	struct iovec iov[2] = { { 0 }, { .iov_base = o->frame, .iov_len = o->len } };
	struct frame frame = { .vnet = *o->vnet, .len = o->len, .n = 2, .iov = iov };

	port_deliver(site->port[port], &frame);
}

/* To each peer that a relay's copies reach. */
static void show_flood(const struct site *site, const struct site_outgoing *o)
{
	for (unsigned i = 0; i < site->peers.top; i++) {
		const struct peer *peer = site->peers.peer[i];

		if (peer && peer_has_session(peer) && peers_floods_to(&site->peers, peer))
			show_outgoing(site, peer, o);
	}
}

/* Once for all peers that a relay's copies reach; false when each needs one from here. */
static bool to_relay(struct site *site, const struct site_outgoing *o, unsigned *rest)
{
	struct pack *pack = peers_flood(&site->peers, rest);

	if (!pack)
		return false;
	if (site->watch.frame)
		show_flood(site, o);
	if (!pack_outgoing(site, pack, o, *rest == 0))
		peer_drop(site->peers.peer[pack->owner], DROP_SEND);
	return true;
}

/* Peers without a session are passed over; a frame that nobody gets is counted. */
static void flood(struct site *site, unsigned from, const struct site_outgoing *o)
{
	struct peer *last = NULL;
	unsigned rest = 0, local = 0;
	bool relayed, reserved = is_reserved(o->frame);

	for (unsigned i = 0; i < site->n_port; i++) {
		if (i == from || !floods_to(site, i, o->layout->vlan, reserved))
			continue;
		site_to_local(site, i, o);
		local++;
	}
	relayed = to_relay(site, o, &rest);
	if (relayed && rest == 0)
		return;
	for (unsigned i = 0; i < site->peers.top; i++) {
		struct peer *peer = site->peers.peer[i];

		if (!peer || !peer_has_session(peer) ||
		    (relayed && peers_floods_to(&site->peers, peer)))
			continue;
		if (last)
			site_to_peer(site, last, o, false);
		last = peer;
	}
	if (last)
		site_to_peer(site, last, o, true);
	else if (!local && site->peers.n_peer)
		port_drop(site->port[from], DROP_NO_SESSION);
}

/* What is wrong with a frame from a local port, or DROP_COUNT. */
static enum drop inspect(struct site *site, const uint8_t *frame, size_t len,
			 const struct vnet *vnet, struct superframe_layout *layout)
{
	if (len < WIRE_FRAME_MIN)
		return DROP_RUNT;
	if (vnet->gso_type == VNET_GSO_NONE && len > WIRE_FRAME_MAX)
		return DROP_OVERSIZE;
	if (!superframe_valid(frame, len, len, vnet, layout))
		return DROP_OFFLOAD;
	if (layout->proto == 17 &&
	    peers_is_tunnel(&site->peers, frame + layout->l3, len - layout->l3))
		return DROP_SELF;
	return DROP_COUNT;
}

/* A frame of a local port, as it goes on after merging. */
static void forward(void *ctx, unsigned port, uint8_t *frame, size_t len, const struct vnet *vnet,
		    const struct superframe_layout *layout)
{
	struct site *site = ctx;
	struct port *in = site->port[port];
	struct site_outgoing o = { frame, len, vnet, layout };
	struct switch_verdict v;

	if (site->wire) {
		site_wire_from_local(site, port, &o);
		return;
	}
	if (!in->reserved_pass && is_reserved(frame)) {
		port_drop(in, DROP_RESERVED);
		return;
	}
	v = switch_decide(&site->switching, (uint16_t)port, frame, len, layout, site->now);
	count_learned(&in->drops, v.learned, site->now);
	switch (v.way) {
	case SWITCH_DROP:
		port_drop(in, v.reason);
		break;
	case SWITCH_ONE:
		if (switch_is_peer(v.port))
			site_to_peer(site, site->peers.peer[v.port - SWITCH_PEER], &o, true);
		else
			site_to_local(site, v.port, &o);
		break;
	case SWITCH_FLOOD:
		flood(site, port, &o);
		break;
	}
}

/* A frame without fault, tagged as its port's VLANs want it. */
static void enter(struct site *site, unsigned port, struct vlan_frame *f)
{
	struct port *in = site->port[port];

	if (!vlan_enter(&in->vlans, f))
		port_drop(in, DROP_VLAN);
	else if (f->vnet.gso_type == VNET_GSO_NONE && f->len > WIRE_FRAME_MAX)
		port_drop(in, DROP_OVERSIZE); /* by its tag */
	else if (!merge_take(&site->merge, port, f->bytes, f->len, &f->vnet, &f->layout))
		forward(site, port, f->bytes, f->len, &f->vnet, &f->layout);
}

void site_frame(struct site *site, unsigned port, uint8_t *frame, size_t len,
		const struct vnet *vnet, struct instant now)
{
	struct vlan_frame f = { .bytes = frame, .len = len, .vnet = *vnet };
	struct port *in = site->port[port];
	enum drop reason;

	set_time(site, now);
	site->peers.now = now;
	in->rx.frames++;
	in->rx.bytes += len;
	reason = inspect(site, frame, len, vnet, &f.layout);
	if (reason != DROP_COUNT)
		port_drop(in, reason);
	else if (in->impair[PORT_IN])
		site_by_line(site, port, &f);
	else
		enter(site, port, &f);
}

void site_arrived(struct site *site, unsigned port, struct vlan_frame *f)
{
	enum drop reason = inspect(site, f->bytes, f->len, &f->vnet, &f->layout);

	site->peers.now = site->now;
	if (reason != DROP_COUNT)
		port_drop(site->port[port], reason);
	else
		enter(site, port, f);
}

void site_datagrams(struct site *site, uint8_t socket, const struct addr *from, uint8_t *data,
		    size_t len, size_t segment, struct instant now)
{
	set_time(site, now);
	peers_datagrams(&site->peers, socket, from, data, len, segment, now);
}

void site_rx_end(struct site *site, bool keep)
{
	peers_unpack(&site->peers);
	if (keep)
		peers_round(&site->peers);
	else
		peers_flush(&site->peers);
}

void site_close(struct site *site)
{
	merge_flush(&site->merge);
	peers_close(&site->peers);
}

unsigned site_collect(struct site *site, struct run *runs[OUTBOX_AWAY])
{
	merge_flush(&site->merge);
	peers_seal(&site->peers);
	return outbox_collect(&site->outbox, runs);
}

void site_sent(struct site *site, struct run **runs, unsigned n)
{
	outbox_sent(&site->outbox, runs, n);
}

void site_tick(struct site *site, struct instant now)
{
	set_time(site, now);
	site_ports_tick(site, now);
	site_wire_tick(site, now);
	peers_tick(&site->peers, now);
	if (instant_reached(now, site->age_at)) {
		fdb_age(&site->switching.fdb, now);
		site->age_at = instant_add(now, AGE_EVERY);
	}
}

struct instant site_due(const struct site *site)
{
	struct instant due = instant_min(peers_due(&site->peers), site->age_at);

	return instant_min(due, instant_min(site_ports_due(site), site_wire_due(site)));
}

void site_remove_peer(struct site *site, struct peer *peer, struct instant now)
{
	fdb_flush_port(&site->switching.fdb, (uint16_t)(SWITCH_PEER + peer->number));
	peers_remove(&site->peers, peer, now);
	site_wire_follow(site);
}

void site_goodbye(struct site *site, struct instant now)
{
	peers_goodbye(&site->peers, now);
}
