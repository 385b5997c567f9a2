/* SPDX-License-Identifier: MIT */
/*
 * The lab ports of a bridge process, next to its TAP: made from [port NAME] sections and
 * by command, each a port of the switch with a wire of its kind.  The main thread serves
 * all of them, and makes all these calls with the other workers paused, except where it is
 * said; what other workers deliver is queued under the site's lock, and the main thread is
 * woken to write it.
 */
#ifndef APP_PORTS_H
#define APP_PORTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "app/conf.h"
#include "base/clock.h"
#include "core/port.h"

#define PORTS_MAX CONF_PORTS
#define PORTS_NOTE 200

struct node;
struct ports;

/* NULL when memory is short. */
struct ports *ports_new(struct node *node);
void ports_free(struct ports *ports);

/* The process ends: QEMU's cards are told that they have no cable any more, which takes up to
 * QMP_LEAVE.  NULL is none. */
void ports_unplug(struct ports *ports);

/* Makes the port and its wire.  A wire that cannot be opened now, but may be later (interface
 * or far end missing), makes a port that is down and tries again each second; one that never can
 * (no permission, address in use, bad name) is an error: -errno with why in note.
 * by_command: a reload leaves it alone. */
int ports_add(struct ports *ports, const struct conf_port *conf, bool by_command,
	      char note[PORTS_NOTE]);

/* Takes the port away, its addresses and what it held.  False when there is none. */
bool ports_remove(struct ports *ports, const char *name);

/* As a reload: sections that went, changed or came.  One that cannot be opened is down, tried
 * again each second, and says why. */
void ports_reload(struct ports *ports, const struct conf *conf);

/* How many a reload to conf would keep beside its sections, as they came by command. */
unsigned ports_by_command(const struct ports *ports, const struct conf *conf);

/* The port of the switch with that name, the TAP's too, or NULL. */
struct port *ports_find(struct ports *ports, const char *name);

/* What a section or command says of a port's frames and lines, onto the port; as: the
 * [bridge] section's.  False when memory is short. */
bool ports_apply(struct node *node, struct port *port, const struct conf_vlans *vlans,
		 const struct conf_impair impair[PORT_WAYS], bool reserved_pass);

/* A port's carrier changed, told by the site: any worker, at the site. */
void ports_carrier(struct node *node);

/* Ends a turn of the main loop, workers not paused: writes what was queued, tells devices
 * of their carrier and the site of their links.  When the next one is due. */
struct instant ports_turn(struct ports *ports, struct instant now);

/* Links may have changed: somebody said so, or a second has passed. */
void ports_look(struct ports *ports, struct instant now);

/* --- requests --- */

/* "port": adds or takes away; "impair": makes a line bad. */
json_t *ports_request(void *ctx, json_t *request);
json_t *ports_request_impair(void *ctx, json_t *request);

#endif
