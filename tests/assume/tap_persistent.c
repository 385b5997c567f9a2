/* SPDX-License-Identifier: MIT */
/* A persistent TAP takes the flags of whoever attaches; a name taken by another
 * kind of device is refused. */
#include "assume/tap.h"

#define OURS (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)

static void make_persistent(const char *name, int flags)
{
	int fd = tap_attach(name, flags);

	need(fd >= 0 && ioctl(fd, TUNSETPERSIST, 1) == 0, "TUNSETPERSIST");
	close(fd);
}

int main(void)
{
	struct ifreq ifr = { 0 };
	int fd, header = 12;

	need(own_netns_enter(), "network namespace");
	make_persistent("keep0", IFF_TAP);
	assume(if_nametoindex("keep0") != 0, "it stays without its maker");
	fd = tap_attach("keep0", OURS);
	assume(fd >= 0, "made without a vnet header, attached with one");
	assume(ioctl(fd, TUNGETIFF, &ifr) == 0 && (ifr.ifr_flags & OURS) == OURS,
	       "and the flags are the new ones");
	assume(tap_attach("keep0", OURS) < 0 && errno == EBUSY, "held already: EBUSY");
	assume(ioctl(fd, TUNSETVNETHDRSZ, &header) == 0, "the header's length can be set");
	close(fd);
	fd = tap_attach("keep0", OURS);
	header = 0;
	assume(ioctl(fd, TUNGETVNETHDRSZ, &header) == 0 && header == 12,
	       "and outlives its setter: whoever attaches must set his own");
	close(fd);
	assume(if_nametoindex("keep0") != 0, "it stays when the last one leaves");

	make_persistent("keep1", IFF_TUN | IFF_NO_PI);
	assume(tap_attach("keep1", OURS) < 0 && errno == EINVAL, "a TUN of that name: EINVAL");
	assume(tap_attach("lo", OURS) < 0 && errno == EINVAL, "another device: EINVAL");
	make_persistent("keep2", IFF_TAP | IFF_MULTI_QUEUE);
	assume(tap_attach("keep2", OURS) < 0 && errno == EINVAL, "one of several queues: EINVAL");
	return assume_failed;
}
