/* SPDX-License-Identifier: MIT */
/* What the parts of the captures room share. */
#ifndef APP_CAPTURES_PARTS_H
#define APP_CAPTURES_PARTS_H

#include "app/captures.h"
#include "core/port.h"
#include "host/capture.h"
#include "host/feed.h"

struct capture {
	struct captures *owner;
	struct feed *feed;
	struct capture_filter *filter; /* NULL: all */
	char *expression;	       /* of the filter, or NULL */
	enum captures_point point;
	unsigned port;
	char name[PORT_NAME]; /* of the port, peer or member */
	char network[WIRE_NAME + 1];
	uint8_t key[KEX_KEY];
	unsigned directions;
	uint32_t snap;

	uint64_t id;
	pid_t pid;
	uid_t uid;
	struct instant begun;
	uint64_t packets, bytes; /* handed to the reader */
	uint64_t over_budget;	 /* dropped, most of them before the filter */

	uint64_t taken; /* by the reader, when it was looked at last */
	struct instant moved;
};

/* The events; reason: what is in captures_reason, "stalled", "port removed"
 * or "stopping". */
void captures_tell_begin(const struct capture *k);
void captures_tell_end(const struct capture *k, const char *reason);

/* What the event has for a reader's last word. */
const char *captures_reason(const char *word);

/* A tap of datagrams; place: where the far end is for the core. */
void captures_datagrams(struct captures *c, const struct addr *local, const struct addr *remote,
			const struct addr *place, unsigned direction, const uint8_t *data,
			size_t len, size_t segment, struct instant now);

/* IP and UDP headers before a datagram of len bytes; how many bytes.  The UDP checksum
 * is 0 (none) with IPv4, and left to captures_sum with IPv6. */
#define CAPTURES_HEADERS 48
size_t captures_headers(uint8_t out[CAPTURES_HEADERS], const struct addr *from,
			const struct addr *to, size_t len);

/* The UDP checksum over IPv6, into the headers. */
void captures_sum(uint8_t headers[CAPTURES_HEADERS], const uint8_t *data, size_t len);

/* What a socket bound to local has as its address on the way to remote. */
struct addr captures_local(struct captures *c, const struct addr *local, const struct addr *remote,
			   struct instant now);

#endif
