/* SPDX-License-Identifier: MIT */
/*
 * The lab ports of a bridge process, next to its TAP: made from [port NAME] sections and
 * by command, each a port of the switch with a wire of its kind.  The main thread serves
 * all of them; what other workers deliver is queued under the site's lock and sent at the end
 * of their turn.
 */
#ifndef APP_PORTS_H
#define APP_PORTS_H

#include <stdbool.h>
#include <stddef.h>

#include "app/conf.h"
#include "base/clock.h"
#include "core/port.h"

#define PORTS_MAX 63 /* the TAP is one of SWITCH_LOCALS */
#define PORTS_NOTE 200

struct node;
struct ports;

struct ports *ports_new(struct node *node);
void ports_free(struct ports *ports);

/* Makes the port and its wire.  A wire that cannot be opened now, but may be later (interface
 * or far end missing), makes a port that is down and tries again each second; one that never can
 * (no permission, address in use, bad name) is an error: -errno with why in note. */
int ports_add(struct ports *ports, const struct conf_port *conf, char note[PORTS_NOTE]);

/* Takes the port away, its addresses and what it held.  False when there is none. */
bool ports_remove(struct ports *ports, const char *name);

/* As a reload: sections that went, changed or came. */
void ports_reload(struct ports *ports, const struct conf *conf);

/* The port of the switch with that name, the TAP's too, or NULL. */
struct port *ports_find(struct ports *ports, const char *name);

/* Sends what was queued; end of each turn at the site. */
void ports_flush(struct ports *ports);

void ports_second(struct ports *ports, struct instant now);
struct instant ports_due(const struct ports *ports);

#endif
