/* SPDX-License-Identifier: MIT */
/* The sockets of a daemon: one for each address that `listen` names. */
#ifndef APP_LISTEN_H
#define APP_LISTEN_H

#include <stdbool.h>

#include "base/addr.h"
#include "host/udp.h"

/*
 * Opens udps[0...] for the addresses, tests their offloads, and says how many are
 * open: an address of a family that the host does not have is left out with a
 * warning.  0 after saying in the log what is wrong with which address of which
 * file and section; nothing is open then.
 */
unsigned listen_open(struct udp *udps, const struct addr *addresses, unsigned n, const char *file,
		     const char *section);

/* Says in the log why that address could not be opened.  True when it may be left out:
 * its family is one that the host does not have. */
bool listen_failed(const char *file, const char *section, const char *key,
		   const struct addr *address, int error);

#endif
