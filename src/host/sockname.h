/* SPDX-License-Identifier: MIT */
/* Our addresses as the kernel wants them, for the rooms of this folder. */
#ifndef HOST_SOCKNAME_H
#define HOST_SOCKNAME_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/addr.h"

union sockname {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* The length of what was filled.  All that is not ADDR_IPV6 is taken for IPv4. */
socklen_t sockname_from_addr(union sockname *name, const struct addr *a);

struct addr sockname_to_addr(const union sockname *name);

/* Our end of a socket; ADDR_NONE when the kernel does not tell. */
struct addr sockname_of(int fd);

#endif
