/* SPDX-License-Identifier: MIT */
/*
 * What a [port NAME] section says, in a file or by command: a lab port of the
 * switch and the wire at it.
 */
#ifndef APP_CONF_PORT_H
#define APP_CONF_PORT_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/impair.h"
#include "core/wire.h"
#include "host/labdgram.h"

#define CONF_PORTS 63 /* the TAP is one of SWITCH_LOCALS */
#define CONF_VLANS 4095 /* VLANs are 1 to one less */
#define CONF_NETDEV 64

struct conf;
struct conf_errors;

enum conf_port_kind {
	CONF_PORT_QEMU = 1,
	CONF_PORT_VBOX,
	CONF_PORT_UBRIDGE,
	CONF_PORT_TAP,
	CONF_PORT_NIC
};
enum conf_port_transport { CONF_PORT_DGRAM = 1, CONF_PORT_STREAM };
enum conf_port_reserved { CONF_RESERVED_AS_BRIDGE, CONF_RESERVED_PASS, CONF_RESERVED_DROP };

/* VLANs that a trunk carries. */
struct conf_trunk {
	bool some;	   /* these; else all */
	uint64_t bits[64]; /* VLAN v: bit v % 64 of number v / 64 */
};

/* What a port's frames look like outside. */
struct conf_vlans {
	unsigned access; /* untagged outside, this VLAN inside; 0: a trunk */
	unsigned native; /* untagged frames of a trunk are this VLAN inside; 0: untagged */
	struct conf_trunk trunk;
};

/* A bad line in one direction. */
struct conf_impair {
	bool on;
	struct impair_setup setup; /* zero unless on */
};

struct conf_port {
	char name[WIRE_NAME + 1]; /* [a-z0-9._-] */
	unsigned kind;		  /* enum conf_port_kind */
	unsigned transport;	  /* enum conf_port_transport, of qemu */
	struct labend local, remote; /* unset: neither family nor path; the remote of a stream
				      * that listens may have port 0 */
	char interface[IFNAMSIZ];    /* of nic and tap */
	char bridge[IFNAMSIZ];	     /* of tap, as in [bridge] */
	bool create, offload;
	unsigned mtu;
	struct conf_vlans vlans;
	unsigned reserved; /* enum conf_port_reserved */
	struct conf_impair impair[2]; /* by PORT_IN, PORT_OUT */
	struct labend qmp;	      /* a path, or unset */
	char qmp_netdev[CONF_NETDEV];
};

/* Whether it is set. */
static inline bool conf_end_is_set(const struct labend *end)
{
	return end->addr.family != ADDR_NONE || end->path[0];
}

bool conf_end_equal(const struct labend *a, const struct labend *b);

/* "127.0.0.1:10001", "127.0.0.1" or "unix:/path", as it was written. */
#define CONF_END_TEXT (sizeof(((struct labend *)0)->path) + 8)
const char *conf_end_format(const struct labend *end, char out[CONF_END_TEXT]);

/* The words of enum conf_port_kind. */
const char *conf_port_kind_name(unsigned kind);

/* "vlan 10", "trunk all", "trunk 10, 20-30, native 5". */
#define CONF_VLANS_TEXT 256
const char *conf_vlans_format(const struct conf_vlans *vlans, char out[CONF_VLANS_TEXT]);

/* The port that n settings "key=value" make, as a section would.  False with
 * errors, each "[port NAME] key: what is wrong", which the caller frees. */
bool conf_port_read(struct conf_port *out, const char *name, const char *const *settings, size_t n,
		    struct conf_errors *errors);

/* Whether it says nothing: all frames pass as they are. */
bool conf_vlans_are_plain(const struct conf_vlans *vlans);

/* What keeps a port from being beside another: both would hold one thing, or frames
 * would go round for ever.  key: of the port, NULL when nothing keeps it. */
struct conf_clash {
	const char *key;
	char why[180];
};
struct conf_clash conf_port_clash(const struct conf_port *port, const struct conf_port *other);

/* The same, beside the TAP of [bridge]. */
struct conf_clash conf_port_clash_tap(const struct conf_port *port, const struct conf *conf);

/* Whether one can become the other while its wire stays as it is. */
bool conf_port_same_wire(const struct conf_port *a, const struct conf_port *b);

#endif
