/* SPDX-License-Identifier: MIT */
/* A TAP without lanspan's room for it. */
#ifndef TESTS_ASSUME_TAP_H
#define TESTS_ASSUME_TAP_H

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "assume/assume.h"
#include "lib/own_netns.h"

/* Attached with those flags; -1 with errno. */
static inline int tap_attach(const char *name, int flags)
{
	struct ifreq ifr = { .ifr_flags = (short)flags };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK), saved;

	need(fd >= 0, "/dev/net/tun");
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

#endif
