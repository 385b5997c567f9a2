/* SPDX-License-Identifier: MIT */
/*
 * Host names to addresses without ever blocking the loop: one helper thread
 * that calls getaddrinfo(3).  At most RESOLVE_PENDING questions wait.
 */
#ifndef HOST_RESOLVE_H
#define HOST_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "host/loop.h"

#define RESOLVE_PENDING 64
#define RESOLVE_NAME 256
#define RESOLVE_ANSWERS 8

struct resolve;

/* tag: the caller's, to know the question again.  n is 0 when it failed, and
 * error is then getaddrinfo's text. Called from the loop's thread.  It may ask
 * again, but not call resolve_free. */
typedef void (*resolve_handler)(void *ctx, uint64_t tag, const struct addr *answers, size_t n,
				const char *error);

/* NULL when the thread cannot be made. */
struct resolve *resolve_new(struct loop *loop, resolve_handler handler, void *ctx);

/* "host:port", "[v6]:port" or numeric; false when the text is no such thing or
 * too many questions wait. Numeric addresses are answered too, without the thread's help,
 * from inside this call. */
bool resolve_ask(struct resolve *r, const char *text, uint16_t default_port, uint64_t tag);

/* True when text has the form of an address or name with a port. */
bool resolve_valid(const char *text, uint16_t default_port);

/* Unanswered questions are forgotten.  getaddrinfo cannot be interrupted: when
 * it is not back within 0.2 s, its thread is left to end by itself. */
void resolve_free(struct resolve *r);

#endif
