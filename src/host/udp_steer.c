/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <linux/filter.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "host/udp.h"

int udp_steer(const struct udp *udp, unsigned n, uint8_t kind, unsigned at)
{
	/* The packet begins with the datagram's payload; beyond its end the program
	 * answers 0. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kind, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, at),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, n),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog program = { .len = COUNT_OF(code), .filter = code };

	return setsockopt(udp->fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program,
			  sizeof(program)) < 0
		       ? -errno
		       : 0;
}
