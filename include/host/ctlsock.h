/* SPDX-License-Identifier: MIT */
/*
 * The control socket: a Unix stream socket, mode 0660, for local requests. One
 * request a connection: one line, answered with bytes of any length, then
 * closed.  Clients are a fixed few; who sends garbage, too much, or does not
 * read is closed after a time-out, and the rest of the process does not notice.
 * Some places are for root and the process's own user: of others, the one that
 * waits longest makes way.
 */
#ifndef HOST_CTLSOCK_H
#define HOST_CTLSOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/clock.h"
#include "host/loop.h"

#define CTLSOCK_CLIENTS 16
#define CTLSOCK_OTHERS 12	     /* of them, of users without privilege */
#define CTLSOCK_RATE 200	     /* clients taken between ticks; the rest waits in the queue */
#define CTLSOCK_TIME MS(100)	     /* spent on answers to those others between ticks */
#define CTLSOCK_REQUEST 16384	     /* bytes of a request line with its newline */
#define CTLSOCK_PATIENCE SECONDS(5) /* without progress a client is closed */

struct ctlsock;

/*
 * Answers a request line (without its newline, NUL-terminated).  privileged:
 * the client is root or of the daemon's own user (SO_PEERCRED).  Returns a
 * malloc'd answer of *len bytes, which ctlsock frees; NULL closes without one.
 */
typedef char *(*ctlsock_handler)(void *ctx, const char *request, bool privileged, size_t *len);

/* Inside the handler: the descriptor of the client, non-blocking, is the caller's from now
 * on, as after an answer of no bytes; the handler's own answer is not sent. */
int ctlsock_take(struct ctlsock *c);

/* Inside the handler: the user who asks, as of ctlsock_who. */
uid_t ctlsock_asker(const struct ctlsock *c);

/* Root, or the user of this process. */
bool ctlsock_privileged(uid_t uid);

/* The process and the user at the other end of a client's descriptor, as it connected; 0
 * and (uid_t)-1 when the kernel does not say. */
void ctlsock_who(int fd, pid_t *pid, uid_t *uid);

/*
 * Listens at path.  A stale socket that nobody answers is replaced; a live one
 * is -EADDRINUSE, a file of another kind -ENOTSOCK.  The folder is made (0755)
 * when it does not exist.  The handler must not close the ctlsock.
 */
int ctlsock_open(struct ctlsock **out, struct loop *loop, const char *path,
		 ctlsock_handler handler, void *ctx);

/* Closes clients that stalled; call about once a second. */
void ctlsock_tick(struct ctlsock *c, struct instant now);

/* Closes all and removes the path. */
void ctlsock_close(struct ctlsock *c);

/*
 * The other side: connects, sends the request line (newline added), reads the
 * whole answer, NUL-terminated, malloc'd into *answer.  0 or -errno; waits at
 * most `seconds` for progress (-ETIMEDOUT).
 */
int ctlsock_ask(const char *path, const char *request, int seconds, char **answer, size_t *len);

/* The same, but the answer is the caller's to read: the descriptor, or -errno.  Calls on it
 * fail with EAGAIN after that many seconds. */
int ctlsock_ask_open(const char *path, const char *request, int seconds);

/* Whether the socket at path is what a process that was killed left behind. */
bool ctlsock_stale(const char *path);

/* The path for an instance name: $LANSPAN_RUNDIR/NAME.sock; without that
 * variable /run/lanspan/NAME.sock, or $XDG_RUNTIME_DIR/lanspan/NAME.sock when
 * /run/lanspan can not be written and made by this user.  False when it is too
 * long for a socket address, or the name is empty, has a slash or starts with a dot. */
bool ctlsock_path(char *out, size_t room, const char *name);

/* The folder part of ctlsock_path. */
bool ctlsock_folder(char *out, size_t room);

/* Makes it, for everybody to look into, unless it is there.  0 or -errno. */
int ctlsock_folder_make(const char *folder);

#endif
