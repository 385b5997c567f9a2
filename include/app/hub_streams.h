/* SPDX-License-Identifier: MIT */
/*
 * The relay's members who come by TLS: streams as places of the core's relay.  A
 * stream at the server of listen address i is the place addr_stream(its number) with
 * port i.
 */
#ifndef APP_HUB_STREAMS_H
#define APP_HUB_STREAMS_H

#include "app/hub_state.h"
#include "app/certificate.h"

/* Opens what `listen_tls` says, which may be nothing.  False after saying why in the log. */
bool hub_streams_start(struct hub *hub);
void hub_streams_stop(struct hub *hub);

/* The mark that members are told, all zero when there are no streams. */
void hub_streams_mark(const struct hub *hub, uint8_t out[WIRE_STREAM_MARK]);

/* Sends the datagrams of a run to a stream, and sets its error. */
void hub_streams_send(struct hub *hub, struct run *run);

/* A member is at the stream: it may stay.  ctx is the hub. */
void hub_streams_vouch(void *ctx, const struct addr *at);

/* Once a second: ends those that have no patience, or nothing to say. */
void hub_streams_second(struct hub *hub);

/* "tls 192.0.2.1:40000" for a place by a stream, anything else as addr_format.  Returns out. */
#define HUB_PLACE (ADDR_TEXT + 8)
char *hub_streams_place(const struct hub *hub, const struct addr *addr, char out[HUB_PLACE]);

#endif
