/* SPDX-License-Identifier: MIT */
/*
 * The TAP and its place in a Linux bridge: made at start, mended when somebody
 * deletes one of them, taken away at the end.
 */
#ifndef APP_ATTACH_H
#define APP_ATTACH_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/gro.h"
#include "app/offloads.h"
#include "base/clock.h"
#include "host/brnf.h"
#include "host/netlink.h"
#include "host/tap.h"

#define ATTACH_NOTE 200
#define ATTACH_QUEUES 16
#define ATTACH_RETRY SECONDS(1)

enum attach_bridge { ATTACH_NO_BRIDGE, ATTACH_MISSING, ATTACH_JOINED };

struct attach_setup {
	const char *tap;    /* "": none, only the netlink is opened */
	const char *bridge; /* "": none */
	bool create;
	unsigned mtu;
	bool offload;
	bool netfilter_off; /* bridged frames pass by the packet filters */
	bool gro;	 /* of the bridge's other ports is switched on */
	bool silent;	 /* what the start finds amiss is the caller's to tell */
	unsigned queues; /* wanted, at most ATTACH_QUEUES */
	uint8_t mac[6];	 /* of a TAP that is made */
};

struct attach {
	struct tap tap; /* its first queue; fd is -1 while there is none */
	struct tap more[ATTACH_QUEUES - 1];
	unsigned queues, n_queues; /* wanted, and open */
	struct netlink netlink;
	char tap_name[IFNAMSIZ], bridge_name[IFNAMSIZ];
	bool create, offload;
	bool silent, opening;	  /* notes are told at the end of attach_open */
	unsigned mtu;
	uint8_t mac[6];
	bool up;		  /* the TAP is there and administratively up */
	enum attach_bridge bridge;
	bool joined;		  /* by us, not by somebody before */
	struct brnf netfilter;	  /* what it was before */
	int made_bridge;	  /* index of the bridge that we made, or 0 */
	struct offloads offloads; /* of the TAP */
	struct gro gro;		  /* of the bridge's other ports */
	char note[ATTACH_NOTE];	  /* what is amiss, for people; "" when nothing */
	struct instant retry;	  /* when to look again, without being told to */
};

/* Makes or takes the TAP and joins it.  A bridge that is missing is no error: it is
 * awaited.  0, or -errno with note saying what is wrong and what would be
 * right. */
int attach_open(struct attach *a, const struct attach_setup *setup, struct instant now);

/* A queue of the TAP, by its number: the first if there are not that many. */
struct tap *attach_queue(struct attach *a, unsigned number);

/* Something changed (netlink said so, the TAP failed, or retry is reached):
 * looks at all and mends.  The TAP and its queues may be others after that. */
void attach_mend(struct attach *a, struct instant now);

/* Leaves nothing behind that attach made. */
void attach_close(struct attach *a);

#endif
