/* SPDX-License-Identifier: MIT */
/*
 * Bridge netfilter (the kernel module br_netfilter): while it is on, frames that
 * pass a Linux bridge go through the IP packet filters as well, in all bridges of the
 * network namespace.  net.bridge.bridge-nf-call-{iptables,ip6tables,arptables}, see
 * the kernel's ip-sysctl documentation.
 */
#ifndef HOST_BRNF_H
#define HOST_BRNF_H

#include <limits.h>
#include <stdbool.h>

struct brnf {
	bool held; /* zero: nothing to set back */
	int fd;
	char path[PATH_MAX];
	char before[3]; /* what the settings were; '-' where nothing is to be set back */
};

/* True when some of the three are on. */
bool brnf_is_on(void);

/*
 * Wants all three off, and sets them so; without the module there is nothing to do.  What
 * they were is kept in a file in the folder, so that it is known to all that have the same
 * folder and network namespace, and to whoever comes after one that was killed.  0 or
 * -errno.
 */
int brnf_off(struct brnf *b, const char *folder);

/* Wants it no more: sets them back, if nobody else still wants them off. */
void brnf_restore(struct brnf *b);

#endif
