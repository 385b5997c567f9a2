/* SPDX-License-Identifier: MIT */
/*
 * Bridge netfilter (the kernel module br_netfilter): while it is on, frames that
 * pass a Linux bridge go through the IP packet filters as well, in all bridges of the
 * network namespace.  net.bridge.bridge-nf-call-{iptables,ip6tables,arptables}, see
 * the kernel's ip-sysctl documentation.
 */
#ifndef HOST_BRNF_H
#define HOST_BRNF_H

#include <stdbool.h>

struct brnf {
	char before[3]; /* what the settings were; NUL where nothing was changed */
};

/* True when some of the three are on. */
bool brnf_is_on(void);

/* Sets all three off and notes what they were.  0, or -errno of the last that
 * could not be set; without the module there is nothing to do. */
int brnf_off(struct brnf *b);

/* Sets back what brnf_off changed. */
void brnf_restore(struct brnf *b);

#endif
