/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  A super-frame keeps one copy of its headers; each
 * segment's headers follow from that copy and from which payload bytes the
 * segment carries.  So there is one place that knows what changes, the trim,
 * and cutting is: copy, trim to one gso_size, finish the checksum.
 *
 * Checksums.  With NEEDS_CSUM the TCP or UDP checksum field holds the sum of
 * the pseudo header alone, which includes the length.  A piece of another
 * length needs only that difference added (RFC 1624); nothing else of the
 * pseudo header changes, and addresses are not looked at.  All lengths used
 * are those of the bytes at hand, not those that the headers claim.
 *
 * Sums are kept as 16-bit ones' complement numbers of network-order words.
 */
#include "core/superframe.h"

#include <string.h>

#include "base/bytes.h"

#define ETHERNET_LEN 14
#define TAG_LEN 4
#define TAGS 2
#define TYPE_VLAN 0x8100
#define TYPE_QINQ 0x88a8
#define TYPE_IPV4 0x0800
#define TYPE_IPV6 0x86dd

#define IPV4_LEN 20
#define IPV4_TOTAL 2
#define IPV4_ID 4
#define IPV4_FRAGMENT 6
#define IPV4_PROTO 9
#define IPV4_CHECK 10
#define IPV4_ADDRESSES 12
#define IPV4_MORE_OR_OFFSET 0x3fff

#define IPV6_LEN 40
#define IPV6_PAYLOAD 4
#define IPV6_NEXT 6
#define IPV6_ADDRESSES 8

#define PROTO_TCP 6
#define TCP_LEN 20
#define TCP_SEQ 4
#define TCP_DATA_OFFSET 12
#define TCP_FLAGS 13
#define TCP_CHECK 16
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_PSH 0x08
#define TCP_CWR 0x80
#define TCP_OPTION_END 0
#define TCP_OPTION_NOP 1
#define TCP_OPTION_MSS 2
#define TCP_OPTION_MSS_LEN 4

#define PROTO_UDP 17
#define UDP_LEN 8
#define UDP_LENGTH 4
#define UDP_CHECK 6

#define OPTIONS_MAX 40 /* both of IPv4 and of TCP: their lengths have 4 bits */

_Static_assert(ETHERNET_LEN + TAGS * TAG_LEN + IPV4_LEN + TCP_LEN + 2 * OPTIONS_MAX <=
		       SUPERFRAME_HEADERS,
	       "the longest headers that a layout can have are taken");

/* ---- sums ---- */

static uint16_t fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The sum does not depend on the byte order it is taken in (RFC 1071, 2 (B)),
 * so it is taken in that of the machine and swapped at the end. */
static uint16_t sum_of(const uint8_t *p, size_t n)
{
	uint64_t sum = 0;
	uint32_t word;
	size_t i;

	for (i = 0; i + sizeof(word) <= n; i += sizeof(word)) {
		memcpy(&word, p + i, sizeof(word));
		sum += word;
	}
	word = 0;
	memcpy(&word, p + i, n - i);
	return __builtin_bswap16(fold(sum + word));
}

static uint16_t sum_replace(uint16_t sum, uint16_t old, uint16_t new)
{
	return fold((uint64_t)sum + (uint16_t)~old + new);
}

/* ---- layout ---- */

static size_t skip_tags(const uint8_t *frame, size_t have, struct superframe_layout *out)
{
	size_t type = ETHERNET_LEN - 2;
	int tags;

	for (tags = 0; tags < TAGS; tags++) {
		uint16_t value = be16_get(frame + type);

		if ((value != TYPE_VLAN && value != TYPE_QINQ) || have < type + 2 + TAG_LEN)
			break;
		if (tags == 0)
			out->vlan = be16_get(frame + type + 2) & 0xfff;
		type += TAG_LEN;
	}
	return type;
}

/* Length of the IPv4 header, 0 when it is not whole and sane. */
static size_t read_ipv4(const uint8_t *ip, size_t have, uint8_t *proto, size_t *rest)
{
	size_t len, total;

	if (have < IPV4_LEN || ip[0] >> 4 != 4)
		return 0;
	len = (size_t)(ip[0] & 15) * 4;
	total = be16_get(ip + IPV4_TOTAL);
	if (len < IPV4_LEN || have < len || total < len)
		return 0;
	*proto = be16_get(ip + IPV4_FRAGMENT) & IPV4_MORE_OR_OFFSET ? 0 : ip[IPV4_PROTO];
	*rest = total - len;
	return len;
}

static size_t read_ipv6(const uint8_t *ip, size_t have, uint8_t *proto, size_t *rest)
{
	if (have < IPV6_LEN || ip[0] >> 4 != 6)
		return 0;
	*proto = ip[IPV6_NEXT];
	*rest = be16_get(ip + IPV6_PAYLOAD);
	return IPV6_LEN;
}

/* Length of the L4 header, 0 when it is neither TCP nor UDP or not whole. */
static size_t read_l4(const uint8_t *l4, size_t have, uint8_t proto)
{
	size_t len;

	if (proto == PROTO_UDP)
		return have < UDP_LEN ? 0 : UDP_LEN;
	if (proto != PROTO_TCP || have < TCP_LEN)
		return 0;
	len = (size_t)(l4[TCP_DATA_OFFSET] >> 4) * 4;
	return len < TCP_LEN || have < len ? 0 : len;
}

bool superframe_layout(const uint8_t *frame, size_t have, struct superframe_layout *out)
{
	size_t type, l3, ip_len, l4_len;
	size_t rest = 0;
	uint8_t proto = 0;

	*out = (struct superframe_layout){ 0 };
	if (have < ETHERNET_LEN)
		return false;
	type = skip_tags(frame, have, out);
	l3 = type + 2;
	out->l3 = out->l4 = out->payload = (uint16_t)l3;
	if (be16_get(frame + type) == TYPE_IPV4) {
		ip_len = read_ipv4(frame + l3, have - l3, &proto, &rest);
		out->ip = ip_len ? 4 : 0;
	} else if (be16_get(frame + type) == TYPE_IPV6) {
		ip_len = read_ipv6(frame + l3, have - l3, &proto, &rest);
		out->ip = ip_len ? 6 : 0;
	} else {
		return true;
	}
	out->l4 = out->payload = (uint16_t)(l3 + ip_len);
	l4_len = read_l4(frame + out->l4, MIN(have - out->l4, rest), proto);
	out->payload = (uint16_t)(out->l4 + l4_len);
	out->proto = l4_len ? proto : 0;
	return true;
}

/* ---- offload facts ---- */

static bool gso_type_fits(uint8_t type, const struct superframe_layout *l)
{
	switch (type) {
	case VNET_GSO_TCPV4:
	case VNET_GSO_TCPV4 | VNET_GSO_ECN:
		return l->ip == 4 && l->proto == PROTO_TCP;
	case VNET_GSO_TCPV6:
	case VNET_GSO_TCPV6 | VNET_GSO_ECN:
		return l->ip == 6 && l->proto == PROTO_TCP;
	case VNET_GSO_UDP_L4:
		return l->proto == PROTO_UDP;
	default:
		return false;
	}
}

static size_t check_offset(const struct superframe_layout *l)
{
	return l->proto == PROTO_TCP ? TCP_CHECK : UDP_CHECK;
}

bool superframe_valid(const uint8_t *frame, size_t have, size_t len, const struct vnet *vnet,
		      struct superframe_layout *layout)
{
	have = MIN(have, len);
	superframe_layout(frame, have, layout);
	if (vnet->gso_type == VNET_GSO_NONE)
		return !(vnet->flags & VNET_F_NEEDS_CSUM) ||
		       (size_t)vnet->csum_start + vnet->csum_offset + 2 <= have;
	return gso_type_fits(vnet->gso_type, layout) && vnet->gso_size != 0 &&
	       vnet->flags & VNET_F_NEEDS_CSUM && vnet->csum_start == layout->l4 &&
	       vnet->csum_offset == check_offset(layout) && layout->payload < len &&
	       len - layout->l3 <= UINT16_MAX &&
	       len - layout->payload <= (size_t)SUPERFRAME_SEGMENTS * vnet->gso_size;
}

/* ---- trim ---- */

static void trim_ip(uint8_t *ip, const struct superframe_layout *l, size_t id_step, size_t len)
{
	size_t headers = l->payload - l->l3;

	if (l->ip == 6) {
		be16_put(ip + IPV6_PAYLOAD, (uint16_t)(headers - IPV6_LEN + len));
		return;
	}
	be16_put(ip + IPV4_TOTAL, (uint16_t)(headers + len));
	be16_put(ip + IPV4_ID, (uint16_t)(be16_get(ip + IPV4_ID) + id_step));
	be16_put(ip + IPV4_CHECK, 0);
	be16_put(ip + IPV4_CHECK, (uint16_t)~sum_of(ip, l->l4 - l->l3));
}

static void trim_tcp(uint8_t *tcp, size_t offset, bool tail)
{
	be32_put(tcp + TCP_SEQ, be32_get(tcp + TCP_SEQ) + (uint32_t)offset);
	if (offset > 0)
		tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
	if (!tail)
		tcp[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
}

void superframe_trim(uint8_t *headers, const struct superframe_layout *layout, struct vnet *vnet,
		     size_t offset, size_t len, size_t total)
{
	uint8_t *l4 = headers + layout->l4;
	uint8_t *check = l4 + check_offset(layout);
	size_t l4_len = layout->payload - layout->l4;

	trim_ip(headers + layout->l3, layout, offset / vnet->gso_size, len);
	if (layout->proto == PROTO_TCP)
		trim_tcp(l4, offset, offset + len == total);
	else
		be16_put(l4 + UDP_LENGTH, (uint16_t)(l4_len + len));
	be16_put(check, sum_replace(be16_get(check), (uint16_t)(l4_len + total),
				    (uint16_t)(l4_len + len)));
	if (offset > 0)
		vnet->gso_type &= (uint8_t)~VNET_GSO_ECN;
	if (len <= vnet->gso_size) {
		vnet->gso_type = VNET_GSO_NONE;
		vnet->gso_size = 0;
	}
}

/* ---- cut ---- */

void superframe_cut_begin(struct superframe_cut *c, const uint8_t *frame, size_t len,
			  const struct vnet *vnet, const struct superframe_layout *layout,
			  bool final)
{
	*c = (struct superframe_cut){
		.frame = frame, .layout = *layout, .vnet = *vnet, .len = len, .final = final
	};
}

size_t superframe_cut_next(struct superframe_cut *c, uint8_t *out, size_t room, struct vnet *vnet)
{
	size_t headers = c->layout.payload;
	size_t total = c->len - headers;
	size_t len = MIN(total - c->offset, c->vnet.gso_size);

	if (len == 0 || room < headers || room - headers < len)
		return 0;
	memcpy(out, c->frame, headers);
	memcpy(out + headers, c->frame + headers + c->offset, len);
	*vnet = c->vnet;
	superframe_trim(out, &c->layout, vnet, c->offset, len, total);
	if (c->final)
		superframe_checksum(out, headers + len, vnet);
	c->offset += len;
	return headers + len;
}

void superframe_checksum(uint8_t *frame, size_t len, struct vnet *vnet)
{
	size_t start = vnet->csum_start;
	uint16_t check;

	if (!(vnet->flags & VNET_F_NEEDS_CSUM))
		return;
	check = (uint16_t)~sum_of(frame + start, len - start);
	if (check == 0 && vnet->csum_offset == UDP_CHECK)
		check = 0xffff;
	be16_put(frame + start + vnet->csum_offset, check);
	vnet->flags &= (uint8_t)~VNET_F_NEEDS_CSUM;
	vnet->csum_start = 0;
	vnet->csum_offset = 0;
}

/* ---- sums that are final ---- */

static uint16_t pseudo_sum(const uint8_t *ip, const struct superframe_layout *l, size_t l4_len)
{
	uint64_t sum = (uint64_t)l->proto + l4_len;

	if (l->ip == 4)
		return fold(sum + sum_of(ip + IPV4_ADDRESSES, 8));
	return fold(sum + sum_of(ip + IPV6_ADDRESSES, 32));
}

bool superframe_sum_good(const uint8_t *frame, size_t len, const struct superframe_layout *layout)
{
	size_t l4_len = len - layout->l4;
	uint64_t pseudo = pseudo_sum(frame + layout->l3, layout, l4_len);

	return fold(pseudo + sum_of(frame + layout->l4, l4_len)) == 0xffff;
}

bool superframe_ip_good(const uint8_t *frame, const struct superframe_layout *layout)
{
	return sum_of(frame + layout->l3, layout->l4 - layout->l3) == 0xffff;
}

void superframe_sum_partial(uint8_t *frame, size_t len, const struct superframe_layout *layout,
			    struct vnet *vnet)
{
	vnet->flags |= VNET_F_NEEDS_CSUM;
	vnet->csum_start = layout->l4;
	vnet->csum_offset = (uint16_t)check_offset(layout);
	be16_put(frame + layout->l4 + vnet->csum_offset,
		 pseudo_sum(frame + layout->l3, layout, len - layout->l4));
}

/* ---- MSS ---- */

enum sum_kind {
	SUM_PARTIAL, /* the field is the pseudo header's sum: options are not in it */
	SUM_FINAL,
	SUM_EITHER /* by chance it is right as both */
};

/* The frame itself tells: a final sum comes out even, a partial one is equal to
 * the pseudo header's.  One that is neither is wrong and may stay so. */
static enum sum_kind sum_kind_of(const uint8_t *frame, size_t have,
				 const struct superframe_layout *l)
{
	const uint8_t *ip = frame + l->l3;
	size_t len = l->ip == 4 ? be16_get(ip + IPV4_TOTAL) - (size_t)(l->l4 - l->l3)
				: be16_get(ip + IPV6_PAYLOAD);
	uint16_t pseudo = pseudo_sum(ip, l, len);
	uint16_t check = be16_get(frame + l->l4 + TCP_CHECK);
	bool whole = len <= have - l->l4;

	if (check % 0xffff != pseudo % 0xffff)
		return SUM_FINAL;
	if (whole && fold((uint64_t)pseudo + sum_of(frame + l->l4, len)) == 0xffff)
		return SUM_EITHER;
	return SUM_PARTIAL;
}

/* The next MSS option from *at on, up to end; its value's offset, or 0. */
static size_t find_mss(const uint8_t *frame, size_t *at, size_t end)
{
	while (*at < end && frame[*at] != TCP_OPTION_END) {
		size_t option = *at;
		size_t len = 1;

		if (frame[option] != TCP_OPTION_NOP) {
			if (end - option < 2)
				break;
			len = frame[option + 1];
			if (len < 2 || len > end - option)
				break;
		}
		*at = option + len;
		if (frame[option] == TCP_OPTION_MSS && len == TCP_OPTION_MSS_LEN)
			return option + 2;
	}
	return 0;
}

/* A 16-bit value at `at` counts in the sum with its bytes swapped when it
 * stands at an odd offset. */
static void replace_value(uint8_t *frame, size_t at, uint16_t value, uint8_t *check, bool odd)
{
	uint16_t old = be16_get(frame + at);
	uint16_t sum = (uint16_t)~be16_get(check);

	be16_put(frame + at, value);
	if (odd)
		sum = sum_replace(sum, __builtin_bswap16(old), __builtin_bswap16(value));
	else
		sum = sum_replace(sum, old, value);
	be16_put(check, (uint16_t)~sum);
}

bool superframe_clamp_mss(uint8_t *frame, size_t have, uint16_t mss)
{
	struct superframe_layout l;
	enum sum_kind kind;
	bool changed = false;
	uint8_t *check;
	size_t at, value;

	if (!superframe_layout(frame, have, &l) || l.proto != PROTO_TCP ||
	    !(frame[l.l4 + TCP_FLAGS] & TCP_SYN))
		return false;
	kind = sum_kind_of(frame, have, &l);
	check = frame + l.l4 + TCP_CHECK;
	at = l.l4 + TCP_LEN;
	while (kind != SUM_EITHER && (value = find_mss(frame, &at, l.payload))) {
		if (be16_get(frame + value) <= mss)
			continue;
		if (kind == SUM_FINAL)
			replace_value(frame, value, mss, check, (value - l.l4) % 2);
		else
			be16_put(frame + value, mss);
		changed = true;
	}
	return changed;
}
