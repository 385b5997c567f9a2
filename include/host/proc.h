/* SPDX-License-Identifier: MIT */
/* The process and its surroundings: signals, descriptors, the service manager. */
#ifndef HOST_PROC_H
#define HOST_PROC_H

#include <stdint.h>

/* Descriptors 0 to 2 open, SIGPIPE ignored, umask 027. Call first in main. */
void proc_start(void);

/* Blocks SIGTERM, SIGINT and SIGHUP and gives a signalfd for them, or -errno.
 * Call before any thread is made. */
int proc_signal_fd(void);

/* The next signal waiting at that descriptor, or 0. */
int proc_signal_read(int fd);

/* Raises the limit of open files as far as this process may, up to `most`; how many it
 * may have now. */
unsigned proc_raise_files(unsigned most);

/* Cores that this process may use, at least 1. */
unsigned proc_cores(void);

/* The network namespace: by the kernel's cookie, which no other one ever gets (Linux 5.14),
 * or the number of its file, which may be given again.  0 when neither is known. */
uint64_t proc_network(void);

/* sd_notify(3) without the library: "READY=1", "STOPPING=1", "STATUS=...".
 * Nothing happens when no service manager listens. */
void proc_notify(const char *state);

#endif
