/* SPDX-License-Identifier: MIT */
/* Whose connection it is: what is connected within this host is the own user's, or root's. */
#ifndef HOST_LABSTREAM_OWNER_H
#define HOST_LABSTREAM_OWNER_H

#include <stdbool.h>

#include "base/addr.h"

/* Of a connection that was accepted, TCP from that address, or NULL: at a unix socket.
 * True for another host as well; false when the kernel does not tell. */
bool labstream_owner_is_good(int fd, const struct addr *from);

#endif
