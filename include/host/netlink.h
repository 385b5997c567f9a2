/* SPDX-License-Identifier: MIT */
/*
 * Links and bridges over rtnetlink, by libmnl.  Each call is one request and
 * its acknowledgement; 0 or -errno.
 */
#ifndef HOST_NETLINK_H
#define HOST_NETLINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/mac.h"

struct netlink_link {
	int index;
	int master; /* index of the bridge it is in, or 0 */
	unsigned mtu;
	bool up;
	struct mac mac; /* all zero of a link without one */
	char name[IFNAMSIZ];
	char kind[16];	 /* "bridge", "tun", "veth", ... or "" */
	unsigned queues; /* of a TAP that may have several, in all processes; else 0 */
};

/* What this host knows of another one on the same segment (ARP, neighbour discovery). */
struct netlink_neighbour {
	struct mac mac;
	unsigned age_s; /* since it was confirmed last */
};

struct netlink {
	void *request; /* struct mnl_socket */
	void *monitor; /* struct mnl_socket, joined to RTNLGRP_LINK */
	uint32_t sequence;
};

int netlink_open(struct netlink *nl);
void netlink_close(struct netlink *nl);

/* -ENODEV when there is no such link. */
int netlink_link_get(struct netlink *nl, const char *name, struct netlink_link *out);

/* The links in that bridge, as many as there is room for: n. */
int netlink_bridge_ports(struct netlink *nl, int bridge, struct netlink_link *out, unsigned room,
			 unsigned *n);

int netlink_bridge_add(struct netlink *nl, const char *name);
int netlink_link_delete(struct netlink *nl, int index);
int netlink_link_set_up(struct netlink *nl, int index, bool up);
int netlink_link_set_mtu(struct netlink *nl, int index, unsigned mtu);
int netlink_link_set_master(struct netlink *nl, int index, int master);
int netlink_link_set_txqlen(struct netlink *nl, int index, unsigned frames);

/* No IPv6 of the kernel's own on this link: address generation mode none
 * (IFLA_INET6_ADDR_GEN_MODE) and disable_ipv6, so it sends nothing by itself. */
int netlink_link_set_silent(struct netlink *nl, int index, const char *name);

/* The address of ip's host at that link; -ENOENT when this host has none, -EHOSTUNREACH
 * when it asked for it and got no answer. */
int netlink_neighbour_get(struct netlink *nl, int index, const struct addr *ip,
			  struct netlink_neighbour *out);

/* This host's addresses, of all links, without scope or port, as many as there is room for; *n
 * is how many there are. */
int netlink_addresses(struct netlink *nl, struct addr *out, unsigned room, unsigned *n);

/* MTU of the interface that packets to `to` leave by, as the routing says now;
 * what ICMP said about the path is left aside.  Opens a socket of its own. */
int netlink_route_mtu(const struct addr *to, unsigned *mtu);

/* The interface that packets to `to` leave by; -ENETUNREACH when there is no route. */
int netlink_route_link(const struct addr *to, int *index);

/* The address, without a port, that packets to `to` leave with; its scope is 0.
 * -ENETUNREACH when there is no route. */
int netlink_route_source(const struct addr *to, struct addr *source);

/* And the next router on the way, also without a port; ADDR_NONE when there is none. */
int netlink_route_router(const struct addr *to, struct addr *source, struct addr *router);

/* The descriptor that becomes readable when any link changes. */
int netlink_monitor_fd(const struct netlink *nl);

/* Reads all that waits; true when a link may have changed (also when messages
 * were lost). */
bool netlink_monitor_drain(struct netlink *nl);

#endif
