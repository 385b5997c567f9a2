/* SPDX-License-Identifier: MIT */
/*
 * What a link has of IP, to be put on another one: its addresses, the routes of every
 * table that leave by it, permanent neighbours, and rules that name it.  Kept as the
 * kernel's own messages, so nothing of them is lost (metrics, lifetimes, flags, scope).
 *
 * What the kernel makes by itself stays out: the table of local routes, and multicast.
 */
#ifndef HOST_NETLINK_CONFIG_H
#define HOST_NETLINK_CONFIG_H

#include <stddef.h>

#include "host/netlink.h"

#define NETLINK_CONFIG_TEXT 160

struct netlink_config {
	uint8_t *bytes; /* messages, each aligned, in the order they are to be added */
	size_t len, room;
	unsigned addresses, routes, others;
	int index; /* of the link that it was read from */
	char name[IFNAMSIZ];
};

/* Of that link. */
int netlink_config_read(struct netlink *nl, const struct netlink_link *link,
			struct netlink_config *out);

/* Whether the routes of that link can be moved and put back.  Else `what` names one:
 * -EOPNOTSUPP: it goes by a nexthop object; -ENOTUNIQ: another link's is like it and stands
 * behind it, and would stand before it. */
int netlink_config_movable(struct netlink *nl, const struct netlink_link *link,
			   char what[NETLINK_CONFIG_TEXT]);

/* From the bytes of one that was read from that link; they are copied.  -EBADMSG when they
 * are none. */
int netlink_config_load(struct netlink_config *out, const struct netlink_link *link,
			const void *bytes, size_t len);

void netlink_config_free(struct netlink_config *config);

/* Addresses: onto that link; what it has already is no error.  The first that fails ends
 * it, and `what` names it; where IPv6 is off, the kernel's own address is none to miss.
 * Lifetimes are as they were read, less `age` seconds. */
int netlink_config_add_addresses(struct netlink *nl, const struct netlink_config *config,
				 const struct netlink_link *link, unsigned age,
				 char what[NETLINK_CONFIG_TEXT]);

/* The rest, when the addresses are settled. */
int netlink_config_add_routes(struct netlink *nl, const struct netlink_config *config,
			      const struct netlink_link *link, unsigned age,
			      char what[NETLINK_CONFIG_TEXT]);

/* Takes all of it from that link; what is not there is no error. */
int netlink_config_remove(struct netlink *nl, const struct netlink_config *config,
			  const struct netlink_link *link, char what[NETLINK_CONFIG_TEXT]);

/* Whether no IPv6 address of the link is still being checked for duplicates. */
bool netlink_config_settled(struct netlink *nl, const struct netlink_link *link);

/* A bridge that forwards at once, as a cable would: no spanning tree, no delay. */
int netlink_bridge_set_plain(struct netlink *nl, int index);
int netlink_link_set_mac(struct netlink *nl, int index, struct mac mac);

#endif
