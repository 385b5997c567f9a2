/* SPDX-License-Identifier: MIT */
/* A lab of guests on this machine: what the parts of "lanspan lab" share. */
#ifndef LANSPAN_LAB_H
#define LANSPAN_LAB_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "app/lab_conf.h"
#include "cli.h"

/* --- what is up: a folder for each lab, beside the control sockets --- */

#define LAB_FOLDER 200

struct lab {
	char name[WIRE_NAME + 1];
	char folder[LAB_FOLDER]; /* labs/NAME: sockets, consoles' logs, state.json */
	json_t *state;		 /* { "file", "guests": { NAME: { pid, start, starting } },
				    "ports": { NAME: INSTANCE } } */
	bool kept;		 /* it has that from its folder: it is up, or partly so */
	int lock;		 /* -1: not held */
};

/* As it was kept, or empty: to look at.  To be closed also when it fails. */
enum cli_status lab_open(struct lab *lab, const char *name);

/* For this command alone, until lab_close; as it was kept by then.  Waits some seconds for
 * another command to end. */
enum cli_status lab_lock(struct lab *lab);
void lab_close(struct lab *lab);
bool lab_is_empty(const struct lab *lab);

/* Makes the folder if need be.  Locked. */
enum cli_status lab_save(const struct lab *lab);

/* Takes away all files of the lab.  Locked. */
enum cli_status lab_remove(const struct lab *lab);

/* The only lab that is up. */
enum cli_status lab_only(char out[WIRE_NAME + 1]);

void lab_note_port(struct lab *lab, const char *port, const char *instance);

/* --- which process a guest is --- */

/* The process of the guest; starting: the one that begins it, and ends when the guest has its
 * own. */
void lab_note_guest(struct lab *lab, const char *guest, pid_t pid, bool starting);

/* The guest's own, by QEMU's file of it or as it was noted; 0: there is none. */
pid_t lab_guest_pid(const struct lab *lab, const char *guest);

/* The one that still begins it, or 0.  To be asked before lab_guest_pid: when this is 0 and
 * that is, too, the guest does not run. */
pid_t lab_guest_starter(const struct lab *lab, const char *guest);

/* --- machines of QEMU --- */

/* Arguments of a command, each of any length. */
struct lab_command {
	char **argv; /* NULL at the end */
	size_t n;
};

void lab_command_free(struct lab_command *command);
void lab_command_print(const struct lab_command *command); /* as a shell takes it */

/* The command that starts the guest. */
void lab_machine_command(struct lab_command *command, const struct lab *lab,
			 const struct lab_conf *conf, const struct lab_guest *guest);

/* Whether it runs; one that an earlier command began is given time to. */
bool lab_machine_runs(const struct lab *lab, const char *guest);

/* Starts it; it is noted before anything of it is there. */
enum cli_status lab_machine_start(struct lab *lab, const struct lab_conf *conf,
				  const struct lab_guest *guest);

/* Ends it: SIGTERM, and SIGKILL after five seconds; also when it still starts. */
enum cli_status lab_machine_end(const struct lab *lab, const char *guest);

/* --- their cards as ports of bridge processes --- */

/* The settings of a port, as "lanspan port add" takes them. */
json_t *lab_port_settings(const struct lab *lab, const struct lab_guest *guest, unsigned nic,
			  const struct lab_network *network);

/* Adds those that the bridge process has not, and notes them.  A port of that name that leads
 * elsewhere is an error. */
enum cli_status lab_ports_add(const struct cli *cli, struct lab *lab, const struct lab_conf *conf);

/* Those that are still this lab's. */
void lab_ports_remove(const struct cli *cli, const struct lab *lab);
void lab_ports_print(const struct cli *cli, const struct lab *lab, const struct lab_conf *conf);

/* "FOLDER/GUEST.NIC.SIDE": a socket of a card; the side is "span" or "vm", and "link" of one
 * at a wire: QEMU's monitor, which is told of the carrier. */
void lab_socket_path(char out[INSTANCE_PATH], const struct lab *lab, const char *guest,
		     unsigned nic, const char *side);

#endif
