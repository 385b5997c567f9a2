/* SPDX-License-Identifier: MIT */
/*
 * Numbers for the addresses of this host that datagrams came to, where sockets are bound
 * to none: what goes back is to leave from the same one.  The core carries the numbers
 * along (core/sockets.h).  An address that does not serve any more is left to the
 * kernel's choice until something comes to it again.
 */
#ifndef APP_LOCALS_H
#define APP_LOCALS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "core/sockets.h"

#define LOCALS_FORGET SECONDS(600) /* unused for so long, a number may be another's */

struct locals_entry {
	atomic_uint state; /* changes whenever the address does */
	_Atomic uint64_t ip[2];
	_Atomic int64_t used; /* microseconds, about */
};

struct locals {
	pthread_mutex_t lock; /* to write */
	struct locals_entry entry[SOCKETS_LOCALS];
	atomic_uint n;
	struct addr choice[2]; /* the kernel's, towards anywhere, as of the last look */
};

void locals_init(struct locals *l);
void locals_free(struct locals *l);

/* --- from any thread --- */

/* What the core calls the way in by that socket and address (ADDR_NONE: not known).  When
 * there are more addresses than numbers, the kernel chooses for the rest. */
uint8_t locals_socket(struct locals *l, unsigned index, const struct addr *local,
		      struct instant now);

/* The address to send from, without port; ADDR_NONE: the kernel is to choose. */
struct addr locals_from(const struct locals *l, uint8_t socket);

/* A message was sent; from: what udp_send left of its address. */
void locals_sent(struct locals *l, uint8_t socket, const struct addr *from);

/* --- the main thread, about once a second and when links change --- */

/* When the kernel chooses otherwise than before towards the rest of the world, it shall
 * for all. */
void locals_look(struct locals *l);

#endif
