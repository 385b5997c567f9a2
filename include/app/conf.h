/* SPDX-License-Identifier: MIT */
/*
 * The site's configuration file, lanspan.conf(5): INI read by iniparser, and
 * checked strictly.  All errors of a file are found in one go.  A table of keys
 * (section, key, kind, default, range) drives reading, errors and reload.
 */
#ifndef APP_CONF_H
#define APP_CONF_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/conf_port.h"
#include "base/addr.h"
#include "base/log.h"
#include "core/aead.h"
#include "core/kex.h"
#include "core/wire.h"

#define CONF_LISTEN 8
#define CONF_PEERS 255
#define CONF_RELAYS 4
#define CONF_ADDRESSES 4 /* of one peer */
#define CONF_HOST 256
#define CONF_PATH 4096
#define CONF_TEXT 512
#define CONF_NAMES 8

#define CONF_TLS_PORT 443

#define CONF_WORKERS_AUTO 0 /* by the number of cores */
#define CONF_WORKERS 16

#define CONF_BROADCAST_AUTO 1

#define CONF_MSS_OFF 0
#define CONF_MSS_PATH 1 /* by the size of each peer's path */

enum conf_transport { CONF_TRANSPORT_AUTO = 1, CONF_TRANSPORT_UDP, CONF_TRANSPORT_TLS };

struct conf_peer {
	char name[WIRE_NAME + 1]; /* [a-z0-9._-], from "[peer NAME]" */
	uint8_t public_key[KEX_KEY];
	char address[CONF_ADDRESSES][CONF_HOST]; /* "host:port" as written, port filled in later */
	unsigned n_address;
	/* of a relay: */
	uint8_t secret[KEX_KEY]; /* the network's access secret there, or zero */
	unsigned transport;	 /* enum conf_transport */
	unsigned tls_port;
};

struct conf {
	char file[CONF_PATH];
	char instance[WIRE_NAME + 1]; /* file name without folder and ".conf" */
	/* [network] */
	char network[WIRE_NAME + 1];
	uint8_t secret[KEX_KEY]; /* all zero without secret_file */
	bool has_secret;
	enum cipher cipher;
	bool trust_secret; /* trust = secret: who relays list and has the secret is a peer */
	/* [site] */
	char site[WIRE_NAME + 1];
	uint8_t private_key[KEX_KEY];
	uint8_t public_key[KEX_KEY];
	struct addr listen[CONF_LISTEN];
	unsigned n_listen;
	enum log_level log;
	unsigned keepalive; /* keepalive, seconds: of an idle session */
	bool any_engine;    /* engine = auto */
	unsigned workers;   /* CONF_WORKERS_AUTO, or how many */
	bool port_mapping;  /* port_mapping = yes */
	char hook[CONF_PATH];	 /* hook, an absolute path; "": none */
	char key_log[CONF_PATH]; /* "": no keys are logged */
	/* [bridge] */
	char tap[IFNAMSIZ];    /* "": none, and there is a [port NAME] */
	char bridge[IFNAMSIZ]; /* "" : the TAP joins no bridge */
	bool create;
	unsigned mtu;	      /* 576 .. 9000 */
	bool wire;	      /* mode = wire */
	bool reserved_pass;   /* reserved = pass, or a wire */
	bool learning;	      /* learning = yes, and no wire */
	bool offload;	      /* offload = auto */
	bool netfilter_off;   /* netfilter = off */
	bool gro;	      /* gro = on */
	unsigned mss_clamp;   /* CONF_MSS_OFF, CONF_MSS_PATH, or bytes */
	unsigned broadcast;   /* auto, relay, direct, from 1: 1 + enum flood_mode */
	unsigned ageing;      /* seconds, 10 .. 1000000, default 300 */
	unsigned macs;	      /* addresses in the FDB, 256 .. 1048576, default 16384 */
	unsigned mac_quota;   /* most addresses per port, default macs / 2 */
	struct conf_vlans vlans;      /* of the TAP */
	struct conf_impair impair[2]; /* likewise, by PORT_IN, PORT_OUT */
	/* [port NAME] */
	struct conf_port ports[CONF_PORTS];
	unsigned n_ports;
	/* [relay NAME] */
	struct conf_peer relays[CONF_RELAYS];
	unsigned n_relays;
	/* [peer NAME] */
	struct conf_peer peers[CONF_PEERS];
	unsigned n_peers;
};

/* Public keys that a value lists; n of them, malloc'd. */
struct conf_key_list {
	uint8_t (*keys)[KEX_KEY];
	size_t n;
};

/* Every message is a whole line, "FILE:LINE: [section] key: what is wrong, what
 * would be right"; LINE is left out where there is none.  What may be a key, given by
 * mistake where a file is named, is not shown. */
struct conf_errors {
	char **lines;
	size_t n;
};

/* Of such a line where the error is, without any value, for those who may not read the
 * file: "FILE:LINE: [section] key: refused, see lanspan check". */
#define CONF_ERRORS_PLACE (CONF_PATH + 128)
void conf_errors_place(const char *line, char out[CONF_ERRORS_PLACE]);

/* Reads and checks a file with the key and secret files that it names.  The
 * conf, malloc'd, or NULL when there was any error; errors then holds all of
 * them in line order.  The caller frees both. */
struct conf *conf_load(const char *file, struct conf_errors *errors);

/* True when the first n bytes of name can name an instance: 1 to WIRE_NAME
 * letters, digits, '.', '_' and '-', no dot in front. */
bool conf_instance_valid(const char *name, size_t n);

/* Wipes the secrets. */
void conf_free(struct conf *conf);
void conf_errors_free(struct conf_errors *errors);

/* What is wrong with so many ports of this site and so many peers in wire mode, or NULL;
 * out is where it may be written.  Without a port of this site they come by command. */
const char *conf_wire_fault(const struct conf *conf, unsigned locals, unsigned peers,
			    char out[200]);

/* The one error of a reload: what is wrong with a "[section] key". */
void conf_errors_one(struct conf_errors *errors, const char *file, const char *key,
		     const char *text);

/* True when the running process can go from a to b, the same file read later: only keys
 * that the table of keys calls live differ.  Else errors has a line for each other one. */
bool conf_change_is_live(const struct conf *a, const struct conf *b, struct conf_errors *errors);

/* What a reload changed, for people: "peer paris, port lab1", "[bridge] ageing"; what finds
 * no room is "...". */
#define CONF_CHANGES 240
struct conf_changes {
	char added[CONF_CHANGES], removed[CONF_CHANGES], changed[CONF_CHANGES];
};
void conf_changes(const struct conf *a, const struct conf *b, struct conf_changes *out);

/* Left out when nothing did. */
struct log_field conf_change_field(const char *key, const char *words);

#endif
