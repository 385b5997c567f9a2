/* SPDX-License-Identifier: MIT */
/* Ethernet addresses (IEEE 802). */
#ifndef BASE_MAC_H
#define BASE_MAC_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define MAC_TEXT 18

struct mac {
	uint8_t b[6];
};

static inline struct mac mac_get(const uint8_t *p)
{
	struct mac m;

	memcpy(m.b, p, 6);
	return m;
}

static inline bool mac_equal(struct mac a, struct mac b)
{
	return memcmp(a.b, b.b, 6) == 0;
}

/* Group bit set: multicast or broadcast. */
static inline bool mac_is_group(struct mac m)
{
	return m.b[0] & 1;
}

static inline bool mac_is_zero(struct mac m)
{
	return !(m.b[0] | m.b[1] | m.b[2] | m.b[3] | m.b[4] | m.b[5]);
}

/* 01-80-C2-00-00-00 to -0F: not forwarded by a bridge (IEEE 802.1Q table 8-1). */
static inline bool mac_is_reserved(struct mac m)
{
	static const uint8_t prefix[5] = { 0x01, 0x80, 0xc2, 0x00, 0x00 };

	return memcmp(m.b, prefix, 5) == 0 && m.b[5] <= 0x0f;
}

/* The 48 bits as a number. */
static inline uint64_t mac_u64(struct mac m)
{
	return (uint64_t)m.b[0] << 40 | (uint64_t)m.b[1] << 32 | (uint64_t)m.b[2] << 24 |
	       (uint64_t)m.b[3] << 16 | (uint64_t)m.b[4] << 8 | m.b[5];
}

/* "02:00:5e:10:00:00" into out.  Returns out. */
char *mac_format(struct mac m, char out[MAC_TEXT]);

/* Takes colons or dashes; false on anything else. */
bool mac_parse(struct mac *out, const char *text);

#endif
