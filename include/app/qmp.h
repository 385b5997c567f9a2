/* SPDX-License-Identifier: MIT */
/*
 * A client of QEMU's machine protocol (QMP) at a unix socket, for one thing: the link of
 * a netdev (set_link).  Connects, again a second after it was cut or refused, and then
 * says the link as it is wanted.  Who sends more than any QEMU would is cut, and that is
 * logged.
 */
#ifndef APP_QMP_H
#define APP_QMP_H

#include <stdbool.h>

#include "base/clock.h"
#include "host/loop.h"

#define QMP_AGAIN SECONDS(1)
#define QMP_LEAVE MS(100) /* for a last word */

struct qmp;

/* NULL when memory is short.  The link is taken to be up until qmp_set_link. */
struct qmp *qmp_new(struct loop *loop, const char *path, const char *netdev, struct instant now);
void qmp_free(struct qmp *q); /* NULL is none */

/* Nothing is sent when that is what it is. */
void qmp_set_link(struct qmp *q, bool up);

/* The netdev's far end goes: its link is down from now on, whatever was wanted.  When that was
 * answered, nobody is there to be told, or QMP_LEAVE has passed, it has left, and is to be
 * freed; an earlier qmp_free may take the word with it. */
void qmp_leave(struct qmp *q, struct instant now);
bool qmp_left(const struct qmp *q, struct instant now);

/* Waits until all n have left: up to QMP_LEAVE, without the loop. */
void qmp_wait_left(struct qmp *const *list, unsigned n);

void qmp_tick(struct qmp *q, struct instant now);
struct instant qmp_due(const struct qmp *q); /* of one that leaves: when it has left */

/* "ready", or what is amiss. */
const char *qmp_state(const struct qmp *q);

#endif
