/* SPDX-License-Identifier: MIT */
/* Ends of lab ports as the kernel wants them, for labdgram and labstream. */
#ifndef HOST_LABDGRAM_END_H
#define HOST_LABDGRAM_END_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "host/labdgram.h"
#include "sockname.h"

union labend_name {
	struct sockaddr any;
	union sockname ip;
	struct sockaddr_un un;
};

/* Which file a path was when it was bound: no other is taken away. */
struct labend_file {
	dev_t dev;
	ino_t ino;
};

static inline bool labend_is_path(const struct labend *end)
{
	return end->addr.family == ADDR_NONE;
}

/* Neither an address nor a path. */
static inline bool labend_is_none(const struct labend *end)
{
	return labend_is_path(end) && end->path[0] == '\0';
}

/* AF_ of a socket between the two; -EINVAL when one is a path and the other none,
 * -EAFNOSUPPORT when they cannot reach each other.  Of [::] IPv4 can be reached. */
int labend_family(const struct labend *local, const struct labend *remote);

/* The length of what was filled; family as labend_family gave it. */
socklen_t labend_name(union labend_name *name, const struct labend *end, int family);

/* Whether a name of that length, from the kernel, is this end. */
bool labend_is_name(const struct labend *end, const union labend_name *name, socklen_t len);

/* The address of a name that is none of a path; IPv4-mapped ones as IPv4. */
struct addr labend_addr(const union labend_name *name);

/* Binds a fresh socket.  A path's file gets mode 0600; one that was left there by a socket that
 * is gone is replaced.  0 or -errno: EADDRINUSE, ENOTSOCK for a file of another kind. */
int labend_bind(int fd, const struct labend *end, int family, struct labend_file *file);

/* Takes the file away, if there is one. */
void labend_remove(const struct labend *end, const struct labend_file *file);

#endif
