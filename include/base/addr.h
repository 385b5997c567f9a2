/* SPDX-License-Identifier: MIT */
/*
 * An IPv4 or IPv6 address with a UDP or TCP port.  The core's own form: no
 * socket header needed.  An IPv4-mapped IPv6 address is kept as IPv4, so two
 * equal places compare equal.
 *
 * ADDR_RELAY is a place that is reached through a relay: the port is the number of the
 * relay, the first 4 bytes of ip the number of the member there.  ADDR_STREAM is the far
 * end of a stream, whose number is in the first 4 bytes of ip; the next 8 may tell hosts
 * apart, for limits.
 */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDR_TEXT 80 /* bytes for the longest text form, with its NUL */

enum addr_family {
	ADDR_NONE = 0,
	ADDR_RELAY = 1,
	ADDR_STREAM = 2,
	ADDR_IPV4 = 4,
	ADDR_IPV6 = 6
};

struct addr {
	uint8_t ip[16]; /* network order; IPv4 in the first 4, the rest zero */
	uint32_t scope; /* interface index of a link-local IPv6 address, or 0 */
	uint16_t port;	/* host order */
	uint8_t family; /* enum addr_family */
	uint8_t zero;	/* always 0, so that addr_hash may read whole bytes */
};

/* "192.0.2.1:7741" or "[2001:db8::1]:7741"; link-local with "%IFINDEX".
 * default_port serves where the port is left out; 0 makes it mandatory.
 * False when the text is anything else; *out is then untouched. */
bool addr_parse(struct addr *out, const char *text, uint16_t default_port);

/* The text form into out; "none" for an empty address, "member 5 at relay 0", "stream 7".
 * Returns out. */
char *addr_format(const struct addr *a, char out[ADDR_TEXT]);

bool addr_equal(const struct addr *a, const struct addr *b);

/* Same host: family, address and scope equal, whatever the ports. */
bool addr_equal_host(const struct addr *a, const struct addr *b);

/* The address that limits are kept for: the port zeroed, of IPv6 the first 64 bits
 * only, of a stream its host. */
struct addr addr_group(const struct addr *a);

/* The far end of that stream, and its number. */
struct addr addr_stream(uint32_t number);
uint32_t addr_stream_number(const struct addr *a);

uint64_t addr_hash(const struct addr *a, uint64_t seed);

/* IP and UDP header bytes in front of a datagram to a: 28 or 48. */
static inline size_t addr_overhead(const struct addr *a)
{
	return a->family == ADDR_IPV6 ? 48 : 28;
}

#endif
