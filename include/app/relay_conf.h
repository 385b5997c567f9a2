/* SPDX-License-Identifier: MIT */
/*
 * The relay's configuration file, lanspan.conf(5): read as strictly as a site's,
 * by the same tables (app/conf.h).
 */
#ifndef APP_RELAY_CONF_H
#define APP_RELAY_CONF_H

#include "app/conf.h"
#include "core/relay.h"

struct relay_conf_network {
	char name[WIRE_NAME + 1]; /* from "[network NAME]" */
	unsigned access_word;	  /* while it is read: 1 + access, or 0 */
	enum relay_access access;
	uint8_t secret[KEX_KEY];
	struct conf_key_list members;
	struct relay_limits limits;
};

struct relay_conf {
	char file[CONF_PATH];
	char instance[WIRE_NAME + 1]; /* file name without folder and ".conf" */
	/* [relay] */
	char name[WIRE_NAME + 1];
	uint8_t private_key[KEX_KEY];
	uint8_t public_key[KEX_KEY];
	struct addr listen[CONF_LISTEN];
	unsigned n_listen;
	struct addr listen_tls[CONF_LISTEN];
	unsigned n_listen_tls;
	bool open;	      /* access = open */
	unsigned max_members; /* members */
	unsigned timeout;     /* seconds */
	enum log_level log;
	bool any_engine;	    /* engine = auto */
	struct relay_limits limits; /* of networks that do not say otherwise */
	/* [network NAME] */
	struct relay_conf_network networks[RELAY_NETWORKS];
	unsigned n_networks;
};

/* As conf_load; to be freed by relay_conf_free. */
struct relay_conf *relay_conf_load(const char *file, struct conf_errors *errors);

/* Wipes the secrets. */
void relay_conf_free(struct relay_conf *conf);

/* True when the sections of the file are a relay's rather than a site's. */
bool relay_conf_is(const char *file);

struct relay_conf_network *relay_conf_find(struct relay_conf *conf, const char *network);

/* As conf_change_is_live and conf_changes. */
bool relay_conf_change_is_live(const struct relay_conf *a, const struct relay_conf *b,
			       struct conf_errors *errors);
void relay_conf_changes(const struct relay_conf *a, const struct relay_conf *b,
			struct conf_changes *out);

#endif
