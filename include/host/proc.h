/* SPDX-License-Identifier: MIT */
/* The process and its surroundings: signals, descriptors, the service manager. */
#ifndef HOST_PROC_H
#define HOST_PROC_H

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

/* sd_notify(3) without the library: "READY=1", "STOPPING=1", "STATUS=...".
 * Nothing happens when no service manager listens. */
void proc_notify(const char *state);

#endif
