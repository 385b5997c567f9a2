/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/bytes.h"
#include "base/hash.h"

#define HOST_TEXT 64 /* the longest host part: 45 of IPv6, '%', 10 digits, NUL */

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

/* A decimal number up to max, digits only and all of the text. */
static bool parse_number(uint32_t *out, const char *text, uint32_t max)
{
	uint64_t v = 0;

	if (*text == '\0' || strlen(text) > 10)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		v = v * 10 + (uint64_t)(*text - '0');
	}
	*out = (uint32_t)v;
	return v <= max;
}

static bool is_link_local(const uint8_t ip[16])
{
	return ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80;
}

static bool parse_ipv4(struct addr *a, const char *host)
{
	a->family = ADDR_IPV4;
	return inet_pton(AF_INET, host, a->ip) == 1;
}

/* host is changed: its "%IFINDEX" is cut off. */
static bool parse_ipv6(struct addr *a, char *host)
{
	char *scope = strchr(host, '%');

	a->family = ADDR_IPV6;
	if (scope)
		*scope++ = '\0';
	if (inet_pton(AF_INET6, host, a->ip) != 1)
		return false;
	if (scope)
		return is_link_local(a->ip) && parse_number(&a->scope, scope, UINT32_MAX) &&
		       a->scope != 0;
	if (memcmp(a->ip, mapped, sizeof(mapped)) == 0) {
		a->family = ADDR_IPV4;
		memmove(a->ip, a->ip + 12, 4);
		memset(a->ip + 4, 0, 12);
	}
	return true;
}

bool addr_parse(struct addr *out, const char *text, uint16_t default_port)
{
	bool bracket = *text == '[';
	const char *host = text + bracket;
	size_t len = strcspn(host, bracket ? "]" : ":");
	const char *rest = host + len;
	struct addr a = { .family = ADDR_NONE };
	uint32_t port = default_port;
	char copy[HOST_TEXT];

	if (len >= sizeof(copy) || (bracket && *rest++ != ']'))
		return false;
	memcpy(copy, host, len);
	copy[len] = '\0';

	if (!(bracket ? parse_ipv6(&a, copy) : parse_ipv4(&a, copy)))
		return false;
	if (*rest == '\0' && default_port == 0)
		return false;
	if (*rest != '\0' && (*rest != ':' || !parse_number(&port, rest + 1, UINT16_MAX)))
		return false;
	a.port = (uint16_t)port;
	*out = a;
	return true;
}

char *addr_format(const struct addr *a, char out[ADDR_TEXT])
{
	char ip[INET6_ADDRSTRLEN] = "", scope[12] = "";

	switch ((enum addr_family)a->family) {
	case ADDR_IPV4:
		inet_ntop(AF_INET, a->ip, ip, sizeof(ip));
		snprintf(out, ADDR_TEXT, "%s:%u", ip, a->port);
		return out;
	case ADDR_IPV6:
		inet_ntop(AF_INET6, a->ip, ip, sizeof(ip));
		if (a->scope)
			snprintf(scope, sizeof(scope), "%%%u", a->scope);
		snprintf(out, ADDR_TEXT, "[%s%s]:%u", ip, scope, a->port);
		return out;
	case ADDR_RELAY:
		snprintf(out, ADDR_TEXT, "member %u at relay %u", be32_get(a->ip), a->port);
		return out;
	case ADDR_STREAM:
		snprintf(out, ADDR_TEXT, "stream %u", addr_stream_number(a));
		return out;
	case ADDR_NONE:
		break;
	}
	snprintf(out, ADDR_TEXT, "none");
	return out;
}

bool addr_equal_host(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && a->scope == b->scope &&
	       memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return a->port == b->port && addr_equal_host(a, b);
}

struct addr addr_group(const struct addr *a)
{
	struct addr group = *a;

	group.port = 0;
	if (a->family == ADDR_IPV6)
		memset(group.ip + 8, 0, 8);
	if (a->family == ADDR_STREAM)
		memset(group.ip, 0, 4);
	return group;
}

struct addr addr_stream(uint32_t number)
{
	struct addr a = { .family = ADDR_STREAM };

	be32_put(a.ip, number);
	return a;
}

uint32_t addr_stream_number(const struct addr *a)
{
	return be32_get(a->ip);
}

uint64_t addr_hash(const struct addr *a, uint64_t seed)
{
	_Static_assert(sizeof(*a) == 24, "no padding: every byte of an addr is hashed");

	return hash_bytes(a, sizeof(*a), seed);
}
