/* SPDX-License-Identifier: MIT */
/* TUNSETOFFLOAD: which sets the kernel takes, and that it refuses a set whole. */
#include "assume/tap.h"

#define USO 0x60ul /* TUN_F_USO4 | TUN_F_USO6, Linux 6.2 */

int main(void)
{
	const unsigned long tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	int fd;

	need(own_netns_enter(), "network namespace");
	fd = tap_attach("tap0", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
	need(fd >= 0, "TUNSETIFF");
	assume(ioctl(fd, TUNSETOFFLOAD, tso) == 0, "checksum, TSO4, TSO6 and ECN are taken");
	assume(ioctl(fd, TUNSETOFFLOAD, 0ul) == 0, "and given up");
	assume(ioctl(fd, TUNSETOFFLOAD, (unsigned long)TUN_F_TSO4) < 0 && errno == EINVAL,
	       "TSO without checksum: EINVAL");
	assume(ioctl(fd, TUNSETOFFLOAD, tso | 0x40000000ul) < 0 && errno == EINVAL,
	       "a bit unknown to it: EINVAL");
	if (ioctl(fd, TUNSETOFFLOAD, tso | USO) == 0)
		assume(true, "USO is taken (Linux 6.2 and later)");
	else
		assume(errno == EINVAL, "USO is refused with EINVAL (before Linux 6.2)");
	return assume_failed;
}
