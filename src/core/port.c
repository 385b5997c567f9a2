/* SPDX-License-Identifier: MIT */
#include "core/port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

bool port_init(struct port *port, const char *name, port_write write, void *ctx)
{
	memset(port, 0, sizeof(*port));
	memcpy(port->name, name, strnlen(name, PORT_NAME - 1));
	port->write = write;
	port->ctx = ctx;
	port->link = port->carrier_on = true;
	port->scratch = malloc(SUPERFRAME_MAX + WIRE_FRAME_MAX);
	return port->scratch;
}

void port_free(struct port *port)
{
	for (unsigned way = 0; way < PORT_WAYS; way++) {
		impair_free(port->impair[way]);
		port->impair[way] = NULL;
	}
	free(port->scratch);
	port->scratch = NULL;
}

void port_set_vlans(struct port *port, const struct port_vlans *vlans)
{
	port->vlans = vlans ? *vlans : (struct port_vlans){ 0 };
}

static enum drop reason_of(int error)
{
	switch (error) {
	case -EIO:
	case -ENETDOWN:
	case -EBADFD:
		return DROP_PORT_DOWN;
	case -EAGAIN:
	case -ENOBUFS:
		return DROP_PORT_FULL;
	default:
		return DROP_PORT_REFUSED;
	}
}

static int put(struct port *port, const struct vnet *vnet, struct iovec *iov, size_t n, size_t len)
{
	int error = port->write(port->ctx, vnet, iov, n);

	if (error >= 0) {
		port->tx.frames++;
		port->tx.bytes += len;
	}
	return error;
}

static void put_or_drop(struct port *port, const struct vnet *vnet, struct iovec *iov, size_t n,
			size_t len)
{
	int error = put(port, vnet, iov, n, len);

	if (error < 0)
		port_drop(port, reason_of(error));
}

/* The VNET_CAN_* bits that a frame needs. */
static uint32_t needs(const struct vnet *vnet)
{
	uint32_t need = vnet->flags & VNET_F_NEEDS_CSUM ? VNET_CAN_CSUM : 0;

	switch (vnet->gso_type & ~VNET_GSO_ECN) {
	case VNET_GSO_NONE:
		return need;
	case VNET_GSO_TCPV4:
		need |= VNET_CAN_TSO4;
		break;
	case VNET_GSO_TCPV6:
		need |= VNET_CAN_TSO6;
		break;
	default:
		need |= VNET_CAN_USO;
		break;
	}
	return vnet->gso_type & VNET_GSO_ECN ? need | VNET_CAN_TSO_ECN : need;
}

static void gather(uint8_t *out, const struct frame *frame)
{
	for (unsigned i = 1; i < frame->n; i++) {
		memcpy(out, frame->iov[i].iov_base, frame->iov[i].iov_len);
		out += frame->iov[i].iov_len;
	}
}

/* line: bad, on the way to the device; NULL: none is between. */
static void put_flat(struct port *port, uint8_t *bytes, size_t len, const struct vnet *vnet,
		     struct impair *line)
{
	struct iovec iov[2] = { { 0 }, { .iov_base = bytes, .iov_len = len } };

	if (line)
		impair_take(line, vnet, iov, 2, len, port->now);
	else
		put_or_drop(port, vnet, iov, 2, len);
}

static void put_cut(struct port *port, size_t len, const struct vnet *vnet,
		    const struct superframe_layout *layout, struct impair *line)
{
	uint8_t *segment = port->scratch + SUPERFRAME_MAX;
	struct superframe_cut cut;
	struct vnet facts;
	size_t n;

	superframe_cut_begin(&cut, port->scratch, len, vnet, layout, !(port->can & VNET_CAN_CSUM));
	while ((n = superframe_cut_next(&cut, segment, WIRE_FRAME_MAX, &facts)) > 0)
		put_flat(port, segment, n, &facts, line);
	if (cut.offset < len - layout->payload) /* no frame takes such a segment */
		port_drop(port, DROP_OVERSIZE);
	port->cut++;
}

/* In user space, what the device does not do, or the line cannot have. */
static void deliver_plain(struct port *port, const struct frame *frame, struct impair *line)
{
	struct superframe_layout layout;
	struct vnet vnet = frame->vnet;

	if (frame->len > SUPERFRAME_MAX) {
		port_drop(port, DROP_OVERSIZE);
		return;
	}
	gather(port->scratch, frame);
	if (!superframe_valid(port->scratch, frame->len, frame->len, &vnet, &layout)) {
		port_drop(port, DROP_OFFLOAD);
		return;
	}
	if (vnet.gso_type != VNET_GSO_NONE) {
		put_cut(port, frame->len, &vnet, &layout, line);
		return;
	}
	superframe_checksum(port->scratch, frame->len, &vnet);
	put_flat(port, port->scratch, frame->len, &vnet, line);
}

/* The device refused a super-frame that it should take. */
static void heal(struct port *port, const struct frame *frame, uint32_t need)
{
	uint64_t taken = port->tx.frames;

	deliver_plain(port, frame, NULL);
	if (port->tx.frames == taken || ++port->refusals < PORT_REFUSALS)
		return;
	need &= ~(uint32_t)VNET_CAN_CSUM;
	port->can &= ~need;
	port->lost |= need;
	port->refusals = 0;
}

static void settle(struct port *port, const struct frame *frame, uint32_t need, int error)
{
	bool super = frame->vnet.gso_type != VNET_GSO_NONE;

	if (error == -EINVAL && super)
		heal(port, frame, need);
	else if (error < 0)
		port_drop(port, reason_of(error));
	else if (error == 0 && super)
		port->refusals = 0;
}

static void deliver(struct port *port, struct frame *frame)
{
	uint32_t need = needs(&frame->vnet);

	if (!port->up) {
		port_drop(port, DROP_PORT_DOWN);
		return;
	}
	if (need & ~port->can) {
		deliver_plain(port, frame, NULL);
		return;
	}
	settle(port, frame, need, put(port, &frame->vnet, frame->iov, frame->n, frame->len));
}

/* Out of the line that held it. */
static void arrive(void *ctx, struct frame *frame)
{
	deliver(ctx, frame);
}

static void by_line(struct port *port, struct frame *frame)
{
	struct impair *line = port->impair[PORT_OUT];

	if (!line)
		deliver(port, frame);
	else if (frame->vnet.gso_type != VNET_GSO_NONE && impair_wants_single(line))
		deliver_plain(port, frame, line);
	else
		impair_take(line, &frame->vnet, frame->iov, frame->n, frame->len, port->now);
}

static void line_good(struct port *port, enum port_way way)
{
	struct impair *line = port->impair[way];

	if (!line)
		return;
	port->impair[way] = NULL;
	impair_tick(line, INSTANT_NEVER);
	impair_free(line);
}

int port_set_impair(struct port *port, enum port_way way, const struct impair_setup *setup,
		    struct instant now)
{
	bool out = way == PORT_OUT;

	port->now = now;
	if (!setup || impair_is_none(setup)) {
		line_good(port, way);
		return 0;
	}
	if (port->impair[way])
		return impair_change(port->impair[way], setup, now) ? 0 : -ENOMEM;
	port->impair[way] = impair_new(setup, port->rand, out ? arrive : port->came,
				       out ? port : port->came_ctx, now);
	return port->impair[way] ? 0 : -ENOMEM;
}

/* The headers are copied, for the same frame may be for other ports as well, or may be
 * kept where it lies. */
static void deliver_untagged(struct port *port, const struct frame *frame)
{
	size_t have = MIN(frame->iov[1].iov_len, SUPERFRAME_HEADERS);
	uint8_t head[SUPERFRAME_HEADERS];
	struct iovec iov[PORT_PIECES + 1];
	struct frame out = { frame->vnet, frame->len - VLAN_TAG, frame->n + 1, iov };

	if (frame->n > PORT_PIECES) {
		port_drop(port, DROP_OVERSIZE);
		return;
	}
	vlan_take_off(frame->iov[1].iov_base, have, head, &out.vnet);
	memcpy(iov + 1, frame->iov, frame->n * sizeof(*iov));
	iov[0] = (struct iovec){ 0 };
	iov[1] = (struct iovec){ head, have - VLAN_TAG };
	iov[2].iov_base = (uint8_t *)iov[2].iov_base + have;
	iov[2].iov_len -= have;
	if (iov[2].iov_len == 0) {
		out.n--;
		memmove(iov + 2, iov + 3, (out.n - 2) * sizeof(*iov));
	}
	by_line(port, &out);
}

void port_deliver(struct port *port, struct frame *frame)
{
	const struct iovec *head = &frame->iov[1];
	struct superframe_layout layout;
	bool untags;

	if (!port->up) {
		port_drop(port, DROP_PORT_DOWN);
		return;
	}
	if (!port->vlans.set) {
		by_line(port, frame);
		return;
	}
	superframe_layout(head->iov_base, head->iov_len, &layout);
	untags = vlan_untags(&port->vlans, layout.vlan);
	if (!vlan_carries(&port->vlans, layout.vlan) ||
	    (untags && vlan_is_stacked(head->iov_base, head->iov_len)))
		port_drop(port, DROP_VLAN);
	else if (untags)
		deliver_untagged(port, frame);
	else
		by_line(port, frame);
}

void port_written(struct port *port, struct frame *frame, int error)
{
	if (error) {
		port->tx.frames--;
		port->tx.bytes -= frame->len;
	}
	settle(port, frame, needs(&frame->vnet), error);
}
