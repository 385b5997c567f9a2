/* SPDX-License-Identifier: MIT */
/* Pieces of what a site shows; for src/app/report*.c and src/app/why.c alone. */
#ifndef APP_REPORT_PARTS_H
#define APP_REPORT_PARTS_H

#include "app/answer.h"
#include "app/report.h"

json_t *report_paths(struct node *node);
json_t *report_relays(struct node *node);

json_t *report_port_mapping(struct node *node);

json_t *report_macs(struct node *node);
json_t *report_drops(struct node *node);

/* Counts by reason. */
json_t *report_drops_object(const struct drops *drops);

/* "lost", "reordered" and the recent rates. */
void report_put_arrivals(json_t *object, const struct peer *peer);

/* "engine" and "offloads" of the session. */
void report_put_engines(json_t *object, const struct node *node, const struct peer *peer);

/* The socket that leads to the peer now, NULL where none does. */
const struct udp *report_socket_of(const struct node *node, const struct peer *peer);

/* "up", "connecting", "disconnected", and in words. */
const char *report_peer_state(const struct peer *peer);
const char *report_peer_state_text(const struct node_peer *np, const struct peer *peer);

json_t *report_ports(struct node *node);

/* Of a local port: "up", "down", "absent"; what is amiss, or NULL. */
const char *report_port_state(const struct node *node, unsigned number);
const char *report_port_note(const struct node *node, unsigned number);

/* What every local port has: link, VLANs, impairments, drops. */
void report_put_port(json_t *object, const struct port *port, const struct conf_vlans *vlans);

/* What every TAP has: bridge, MTU, offloads. */
void report_put_attach(json_t *object, const struct attach *a, const struct port *port);

/* "bytes", "frames" and system calls. */
json_t *report_port_traffic(const struct port_traffic *t, uint64_t calls);

/* The name of a port or peer, by its number in the switch. */
const char *report_port_name(const struct node *node, uint16_t port);

/* Why there is nowhere to call, when addresses are configured. */
const char *report_no_candidate_text(const struct node_peer *np);

/* "path": direct, relayed or null; "relay": its name or null. */
void report_put_path(json_t *object, const struct node *node, const struct peer *peer);

/* An address, or the member of a relay; null when there is none. */
void report_put_place(json_t *object, const char *key, const struct node *node,
		      const struct addr *addr);

#endif
