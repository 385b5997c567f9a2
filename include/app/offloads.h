/* SPDX-License-Identifier: MIT */
/*
 * The offloads of the TAP and of sockets: which of the promised ones are in use,
 * and for people: what is off, why, and what to do.
 */
#ifndef APP_OFFLOADS_H
#define APP_OFFLOADS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "host/offload.h"
#include "host/tap.h"
#include "host/udp.h"

#define OFFLOADS_NOTE 480

struct offloads {
	const char *name;	  /* of the TAP; not copied */
	bool tested;		  /* since it came up */
	uint32_t refused;	  /* VNET_CAN_* that the self-test found refused */
	int error;		  /* the errno of that */
	uint32_t lost;		  /* VNET_CAN_* that the port gave up */
	uint32_t off;		  /* VNET_CAN_* that ethtool says are not in use */
	uint32_t undo;		  /* OFFLOAD_*: what was switched off to that end */
	char note[OFFLOADS_NOTE]; /* one sentence; "" when all is well */
};

/* A TAP that is new, or none. */
void offloads_reset(struct offloads *o, const char *name);

/*
 * Something about the TAP may have changed: tests it when it came up, asks what
 * ethtool says, and logs what is another than before.  False when the test is
 * to be tried again soon.
 */
bool offloads_look(struct offloads *o, struct tap *tap, bool up);

/* The port has given up these, all in all; logged when that is new. */
void offloads_lost(struct offloads *o, uint32_t lost);

/* Tests the kernel's batches for a socket that was just opened; what does not
 * work is switched off on it, with a line in the log. */
void offloads_test_socket(struct udp *udp);

/* Why UDP_SEGMENT is off on this socket. */
void offloads_gso_note(const struct udp *udp, char out[OFFLOADS_NOTE]);

#define OFFLOADS_NAMES 5

/* "csum", "tso4", ...: the name of the VNET_CAN_* bit 1 << i. */
const char *offloads_name(unsigned i);

#endif
