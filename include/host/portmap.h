/* SPDX-License-Identifier: MIT */
/*
 * Ports of this host mapped at the router in front of it, for IPv4 and UDP: by
 * NAT-PMP (RFC 6886; PCP servers answer it too, RFC 6887 appendix A), else by UPnP IGD.
 * One helper thread asks, renews, and takes mappings back.
 */
#ifndef HOST_PORTMAP_H
#define HOST_PORTMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "host/loop.h"

#define PORTMAP_PORTS 4
#define PORTMAP_SEEN 4
#define PORTMAP_TEXT 160
#define PORTMAP_LEASE 3600 /* seconds, at most; renewed at half */

enum portmap_by { PORTMAP_NOBODY, PORTMAP_NAT_PMP, PORTMAP_UPNP, PORTMAP_WAYS };

struct portmap_wish {
	struct addr router; /* whom to ask; its port is not looked at */
	struct addr local;  /* this host's address towards it */
	unsigned n;	    /* ports; 0: no mapping is wanted */
	uint16_t ports[PORTMAP_PORTS];
	/* Where others see this host.  A router that has another external address is
	 * behind a translator itself, or lies: its mappings are not asked for. */
	unsigned n_seen;
	struct addr seen[PORTMAP_SEEN];
};

struct portmap_report {
	enum portmap_by by; /* PORTMAP_NOBODY: nothing is mapped */
	unsigned n;	    /* mappings */
	uint16_t ports[PORTMAP_PORTS];
	struct addr external[PORTMAP_PORTS]; /* of each port */
	struct instant ends;	  /* of the shortest of them, unless renewed */
	bool asking;		  /* the router is being asked right now */
	bool restarted;		  /* it lost its mappings since it was asked last */
	struct instant next;	  /* when it is asked again */
	char error[PORTMAP_TEXT]; /* why the last try failed, or "" */
};

struct portmap;

/* Called from the loop's thread when something changed.  It may call
 * portmap_ask, but not portmap_free. */
typedef void (*portmap_handler)(void *ctx, const struct portmap_report *report);

/* NULL when the thread cannot be made. */
struct portmap *portmap_new(struct loop *loop, portmap_handler handler, void *ctx);

/* What is wanted from now on.  Another wish than before is asked for at once, and
 * what is not wanted any more is taken back; the same wish changes nothing. */
void portmap_ask(struct portmap *p, const struct portmap_wish *wish);

/* Asks at once, whenever the next turn would be. */
void portmap_again(struct portmap *p);

/* Takes mappings back, for 0.7 s at most, and ends the thread; one that does not
 * end within 1 s is left to end by itself. */
void portmap_free(struct portmap *p);

/* "nat-pmp", "upnp", or NULL for nobody. */
const char *portmap_by_name(enum portmap_by by);

#endif
