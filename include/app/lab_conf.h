/* SPDX-License-Identifier: MIT */
/*
 * The file of a lab, lanspan-lab(7): guests, the networks that their cards are in, and what
 * is wrong with those lines.  Read as strictly as a site's, by the same tables
 * (app/conf.h).
 */
#ifndef APP_LAB_CONF_H
#define APP_LAB_CONF_H

#include "app/conf.h"

#define LAB_GUESTS 32
#define LAB_NETWORKS 32
#define LAB_NICS 8 /* of one guest; their ports are GUEST.0, GUEST.1, ... */
#define LAB_NAME (WIRE_NAME - 2)

/* What a port of this network is told, each as [port NAME] takes it, "" where the file says
 * nothing. */
enum lab_setting {
	LAB_VLAN,
	LAB_TRUNK,
	LAB_NATIVE,
	LAB_RESERVED,
	LAB_IMPAIR_IN,
	LAB_IMPAIR_OUT,
	LAB_SETTINGS
};
extern const char *const lab_setting_names[LAB_SETTINGS];

struct lab_network {
	char name[WIRE_NAME + 1];     /* from "[network NAME]" */
	char instance[WIRE_NAME + 1]; /* of the bridge process; "": the only one */
	bool wire;		      /* mode = wire, as in the file of that process */
	char settings[LAB_SETTINGS][CONF_TEXT];
};

/* In the order of its words. */
enum lab_accel { LAB_TCG = 1, LAB_KVM, LAB_ACCEL_AUTO }; /* auto: KVM where it may be used */
enum lab_card { LAB_VIRTIO = 1, LAB_E1000, LAB_RTL8139 };

/* What [lab] says for all of them, or "[guest NAME]". */
struct lab_machine {
	char kernel[CONF_PATH], initrd[CONF_PATH], disk[CONF_PATH]; /* "": none; absolute */
	char append[CONF_TEXT]; /* to the kernel's command line */
	bool snapshot;		/* what is written to the disk is forgotten */
	unsigned memory;	/* MB */
	unsigned cpus;
	unsigned accel; /* enum lab_accel */
	unsigned card;	/* enum lab_card */
};

struct lab_guest {
	char name[WIRE_NAME + 1];
	struct lab_machine machine;
	char networks[CONF_NAMES][WIRE_NAME + 1]; /* of its cards */
	unsigned n_networks;
};

struct lab_conf {
	char file[CONF_PATH];
	char instance[WIRE_NAME + 1]; /* the lab's name: file name without folder and ".conf" */
	struct lab_machine machine;
	struct lab_network networks[LAB_NETWORKS];
	unsigned n_networks;
	struct lab_guest guests[LAB_GUESTS];
	unsigned n_guests;
};

/* As conf_load; to be freed by lab_conf_free. */
struct lab_conf *lab_conf_load(const char *file, struct conf_errors *errors);
void lab_conf_free(struct lab_conf *conf);

/* Whether the file is a lab's, by its sections. */
bool lab_conf_is(const char *file);

const struct lab_network *lab_conf_network(const struct lab_conf *conf, const char *name);

#endif
