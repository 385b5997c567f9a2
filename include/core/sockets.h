/* SPDX-License-Identifier: MIT */
/*
 * The one byte that says by which of our sockets, and at which of this host's addresses,
 * a datagram came or is to leave: the number of the socket, and that of the address, 0
 * where the kernel chooses it.  Which address has which number is the business of those
 * who have the sockets.  A place where a peer may be is a socket's; the number of the
 * address is only the one by which it was heard last.
 */
#ifndef CORE_SOCKETS_H
#define CORE_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

#define SOCKETS_MAX 8
#define SOCKETS_LOCALS 31 /* numbers of addresses: 1 to that */

static inline uint8_t sockets_make(unsigned index, unsigned local)
{
	return (uint8_t)(local * SOCKETS_MAX + index);
}

/* The socket, whatever the address. */
static inline uint8_t sockets_index(uint8_t socket)
{
	return socket % SOCKETS_MAX;
}

static inline unsigned sockets_local(uint8_t socket)
{
	return socket / SOCKETS_MAX;
}

static inline bool sockets_same(uint8_t a, uint8_t b)
{
	return sockets_index(a) == sockets_index(b);
}

#endif
