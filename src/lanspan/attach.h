/* SPDX-License-Identifier: MIT */
/*
 * Between the files of attach: a NIC's way into a bridge, and back.
 *
 * A NIC is known by its index and, as that may be given anew, by its MAC address or its name.
 * Without it there is no way back: what the bridge has is left to it, until --forget.
 *
 * Two files in the folder of the control sockets, mode 0600: attach.lock, locked by the
 * one process that moves something; and attach-IFACE.state, which is all that is needed
 * to take it back.
 *
 * state        means                              ends by
 * none         the NIC is nobody's concern        attach: pending
 * pending      the NIC may be half-way            confirmed: attached; all else: none
 * attached     it was confirmed                   detach: leaving
 * leaving      the NIC may be half-way out        confirmed: none; all else: attached
 *
 * Pending or leaving without the lock is what a killed guardian left behind: --undo.
 */
#ifndef LANSPAN_ATTACH_H
#define LANSPAN_ATTACH_H

#include <sys/types.h>

#include "cli.h"
#include "host/netlink_config.h"

#define ATTACH_TEXT 400

/* Of a NIC's name, twice: what is said of -EXDEV. */
#define ATTACH_ELSEWHERE \
	"%s of another network namespace is attached: lanspan detach there, or, where that is " \
	"no more, lanspan detach --forget %s"
#define ATTACH_PATH 512
#define ATTACH_PLACES 256

/* An address that must stay reachable, and the link that it was reached by. */
struct attach_place {
	struct addr addr;
	int index;
	char whom[64]; /* "peer paris of berlin" */
};

struct attach_places {
	size_t count;
	struct attach_place place[ATTACH_PLACES];
};

struct attach_plan {
	struct netlink_link nic; /* as it was; its name is that of now */
	char key[IFNAMSIZ];	 /* its name when it was attached: the state's */
	char bridge[IFNAMSIZ];
	bool make;	   /* there was no such bridge */
	bool bridge_up;	   /* one that there was: as it was */
	char ipv6_off[16]; /* disable_ipv6 of the NIC, as it was; "" without IPv6 */
	bool attached;
	bool leaving; /* attached as well */
	bool made;    /* make, before it was known whether the bridge stays for others */
	pid_t guardian;
	int64_t read_at;	      /* seconds since boot */
	struct netlink_config config; /* of the NIC */
	struct netlink_config own;    /* of a bridge that there was */
	char trouble[ATTACH_TEXT];    /* what failed */
};

void attach_plan_free(struct attach_plan *plan);

/* --- attach_check.c --- */

/* Whether that NIC may go into that bridge; what is against it is printed.  Fills nic,
 * bridge, make and bridge_up.  force: Wi-Fi is the caller's to know about. */
enum cli_status attach_check(struct netlink *nl, struct attach_plan *plan, const char *nic,
			     const char *bridge, bool force);

/* Says who else configures the NIC, and what should be written there. */
void attach_warn_managers(const struct attach_plan *plan);

/* --- attach_underlay.c --- */

/* What must stay reachable: peers and relays of all that run here, and who is logged in. */
void attach_places_find(struct attach_places *places);

/* The instance whose TAP this is; false when it is none's. */
bool attach_is_tap(const char *name, char instance[WIRE_NAME + 1]);

/* Whether all of them still are, and by the bridge those that were by the NIC, or the other
 * way round when it is leaving; else plan->trouble. */
bool attach_places_reached(const struct attach_places *places, struct attach_plan *plan);

/* --- attach_move.c --- */

/* The rest of the plan, from how things are; 0, or -errno and plan->trouble. */
int attach_plan_read(struct netlink *nl, struct attach_plan *plan);

/* Puts the NIC into the bridge; 0, or -errno and plan->trouble. */
int attach_forward(struct netlink *nl, struct attach_plan *plan);

/* Whether the NIC is still there, under whatever name. */
bool attach_nic_is_there(struct netlink *nl, struct attach_plan *plan);

/* Makes everything as it was, from wherever things are; goes on after a failure, and tells
 * the first.  What was done before is no error. */
int attach_back(struct netlink *nl, struct attach_plan *plan);

/* Turns the plan of an attached NIC into that of a way back with what the bridge has now,
 * and leaving.  others: ports besides the NIC, for which the bridge stays.  -ENODEV: the NIC
 * is gone; plan->trouble says so. */
int attach_plan_turn(struct netlink *nl, struct attach_plan *plan, unsigned *others);

/* From anywhere on that way: the NIC is attached again.  When it is gone, at least the bridge
 * has what it had, and that is an error. */
int attach_return(struct netlink *nl, struct attach_plan *plan);

/* --- attach_state.c --- */

/* A descriptor that holds the lock; -EBUSY when another process does. */
int attach_lock(void);

/* The process that holds it, or 0. */
pid_t attach_lock_holder(void);

int attach_state_save(const struct attach_plan *plan);
/* -ENOENT: none.  -EBADMSG: not what was saved.  -EXDEV: saved in another network
 * namespace.  plan is untouched then. */
int attach_state_load(struct attach_plan *plan, const char *nic);
void attach_state_remove(const char *nic);

/* --- attach_guard.c --- */

enum attach_word {
	ATTACH_MOVED = 'm',	/* done: confirm within so many seconds */
	ATTACH_CONFIRMED = 'c', /* it stays so */
	ATTACH_BACK = 'b',	/* all is as it was */
	ATTACH_FAILED = 'f',	/* this failed; what became of it comes next */
	ATTACH_STUCK = 's',	/* not all could be taken back */
	ATTACH_GONE = 'g'	/* there is no NIC to take it back to */
};

/* A datagram from the guardian. */
struct attach_report {
	char word; /* enum attach_word */
	char text[ATTACH_TEXT];
};

/* Whether nobody is at work, and nothing is attached or was left; else text says what to do.
 * lock: what attach_lock gave. */
bool attach_is_free(const char *nic, int lock, char text[ATTACH_TEXT]);

/* Begins the process that does it all; *fd is the way to it: a byte confirms, the end of
 * it is a no.  0 or -errno. */
int attach_guard_start(struct attach_plan *plan, const struct attach_places *places,
		       unsigned seconds, int *fd);

/* The same for the way out, which plan is of already. */
int attach_guard_leave(struct attach_plan *plan, const struct attach_places *places,
		       unsigned seconds, int *fd);

/* --- attach_back.c --- */

/* Before anything is looked at: only root may. */
enum cli_status attach_permitted(const struct cli *cli);

enum cli_status attach_confirm(const char *nic);
enum cli_status attach_undo(const char *nic);

/* Of a NIC that is gone: its state; the bridge keeps what it has. */
enum cli_status attach_forget(const char *nic);

/* What is known of the NIC cannot be read: why. */
enum cli_status attach_report_state(const char *nic, int error);

#endif
