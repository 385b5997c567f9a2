/* SPDX-License-Identifier: MIT */
/* Between the two sides of the control socket. */
#ifndef HOST_CTLSOCK_PARTS_H
#define HOST_CTLSOCK_PARTS_H

#include <sys/un.h>

#include "host/ctlsock.h"

/* False when the path is empty or too long. */
bool ctlsock_name(struct sockaddr_un *name, const char *path);

#endif
