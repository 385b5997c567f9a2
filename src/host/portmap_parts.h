/* SPDX-License-Identifier: MIT */
/* The two ways to ask a router; for src/host/portmap*.c alone. */
#ifndef HOST_PORTMAP_PARTS_H
#define HOST_PORTMAP_PARTS_H

#include "host/portmap.h"

#define PORTMAP_URL 256
#define PORTMAP_SERVICE 96

enum portmap_result { PORTMAP_GRANTED, PORTMAP_FAILED, PORTMAP_INTERRUPTED };

/* What a router granted. */
struct portmap_grant {
	struct addr host;		 /* external, without a port */
	uint16_t external[PORTMAP_PORTS]; /* of wish->ports; also what to ask for, 0: no matter */
	uint32_t lifetime;		 /* seconds, the shortest; 1 .. PORTMAP_LEASE */
	uint32_t epoch;			 /* NAT-PMP: seconds since the router lost its state */
	/* UPnP: whom to tell that it is not wanted any more. */
	char control[PORTMAP_URL];
	char service[PORTMAP_SERVICE];
	char error[PORTMAP_TEXT]; /* when not granted */
};

/* An attempt ends early when wake_fd is readable, if it is not -1. */
enum portmap_result portmap_natpmp(const struct portmap_wish *wish, struct portmap_grant *grant,
				   int wake_fd);
enum portmap_result portmap_upnp(const struct portmap_wish *wish, struct portmap_grant *grant,
				 int wake_fd);

/* Takes back what may have been granted. */
void portmap_natpmp_delete(const struct portmap_wish *wish, struct instant until);
void portmap_upnp_delete(const struct portmap_wish *wish, const struct portmap_grant *grant,
			 struct instant until);

/* False, with the reason in grant->error, when others see this host elsewhere. */
bool portmap_host_ok(const struct portmap_wish *wish, struct portmap_grant *grant);

/* Waits for fd to be readable, or for wake_fd.  1, 0 at `until`, -1: wake_fd. */
int portmap_wait(int fd, int wake_fd, struct instant until);

#endif
