/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * A card of QEMU whose port goes is a card whose cable was pulled out, and is told so.  Its
 * client stays until QEMU has answered, or has had the time to: beside the loop while the
 * process runs, with nothing else to do when it ends.
 */
#include "ports_parts.h"

static void let_go(struct ports *ports, unsigned i)
{
	qmp_free(ports->leaving[i]);
	ports->leaving[i] = ports->leaving[--ports->n_leaving];
}

/* When there is no room, another has had its time. */
void ports_leave(struct lab *lab, struct instant now)
{
	struct ports *ports = lab->ports;

	if (!lab->qmp)
		return;
	if (ports->n_leaving == PORTS_MAX)
		let_go(ports, 0);
	qmp_leave(lab->qmp, now);
	ports->leaving[ports->n_leaving++] = lab->qmp;
	lab->qmp = NULL;
}

struct instant ports_leave_turn(struct ports *ports, struct instant now)
{
	struct instant due = INSTANT_NEVER;

	for (unsigned i = ports->n_leaving; i-- > 0;) {
		if (qmp_left(ports->leaving[i], now))
			let_go(ports, i);
		else
			due = instant_min(due, qmp_due(ports->leaving[i]));
	}
	return due;
}

void ports_unplug(struct ports *ports)
{
	if (!ports)
		return;
	for (unsigned i = 0; i < ports->n; i++)
		ports_leave(ports->labs[i], clock_now());
	qmp_wait_left(ports->leaving, ports->n_leaving);
}

void ports_leave_free(struct ports *ports)
{
	while (ports->n_leaving)
		let_go(ports, 0);
}
