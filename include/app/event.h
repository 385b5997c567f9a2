/* SPDX-License-Identifier: MIT */
/*
 * What happens, told once: a line in the log, a place among the last EVENT_KEPT that
 * `lanspan events` shows, a line to each one who follows, and what the listener (hooks)
 * makes of it.  There is one of this in a process, as of the log; from any thread.
 */
#ifndef APP_EVENT_H
#define APP_EVENT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/log.h"
#include "host/loop.h"

#define EVENT_KEPT 256
#define EVENT_READERS 8		   /* who follow at once */
#define EVENT_OTHERS 6		   /* of them, of users without privilege (host/ctlsock.h), */
#define EVENT_EACH 3		   /* and of each of these */
#define EVENT_PATIENCE SECONDS(10) /* then one of these that takes nothing may make way */
#define EVENT_LINE 1000		   /* bytes of one as JSON */
#define EVENT_WAITING 294912	   /* bytes that may wait for one who follows */

enum event_kind {
	EVENT_STARTED,
	EVENT_STOPPING,
	EVENT_RELOADED,
	EVENT_RELOAD_REFUSED,
	/* Of a site. */
	EVENT_PEER_UP,
	EVENT_PEER_DOWN,
	EVENT_PEER_REVOKED,
	EVENT_PATH,
	EVENT_PEER_MOVED,
	EVENT_REKEYED,
	EVENT_PMTU,
	EVENT_PEER_REFUSED,
	EVENT_MTU_DIFFERS,
	EVENT_NAME_FAILED,
	EVENT_RELAY_UP,
	EVENT_RELAY_DOWN,
	EVENT_RELAY_LISTED,
	EVENT_RELAY_SILENT,
	EVENT_RELAY_REFUSED,
	EVENT_TLS_USED,
	EVENT_TLS_LEFT,
	EVENT_TLS_FAILED,
	EVENT_PORT_MAPPED,
	EVENT_PORT_UNMAPPED,
	EVENT_LOOP,
	EVENT_MAC_MOVES,
	EVENT_MACS_FULL,
	EVENT_DROPS,
	EVENT_OFFLOADS_OFF,
	EVENT_OFFLOADS_ON,
	EVENT_TAP_LOST,
	EVENT_TAP_AMISS,
	EVENT_TAP_JOINED,
	EVENT_TAP_GOOD,
	EVENT_PORT_ADDED,
	EVENT_PORT_REMOVED,
	EVENT_PORT_AMISS,
	EVENT_PORT_GOOD,
	EVENT_IMPAIRED,
	/* Of both. */
	EVENT_CAPTURE_BEGAN,
	EVENT_CAPTURE_ENDED,
	/* Of a relay. */
	EVENT_MEMBER_CAME,
	EVENT_MEMBER_WENT,
	EVENT_MEMBER_MOVED,
	EVENT_NETWORK_NEW,
	EVENT_NETWORK_GONE,
	EVENT_REFUSED,
	EVENT_LIMIT,
	EVENT_KINDS
};

/* "peer-up": stable, for programs. */
const char *event_name(enum event_kind kind);

/* event_tell(EVENT_PEER_UP, log_text("peer", name), ...).  Of kinds of level debug only
 * when the log shows these.  What comes too often for the log is not kept either; the listener
 * hears of it. */
#define event_tell(...)                                                                            \
	event_tell_fields(LOG_FIRST(__VA_ARGS__, 0),                                               \
			  (const struct log_field[]){ LOG_REST(__VA_ARGS__, LOG_END) })
void event_tell_fields(enum event_kind kind, const struct log_field *fields);

/* The field's text, or NULL. */
const char *event_field(const struct log_field *fields, const char *key);

/* Called with each event, by whatever thread tells it; it must not wait, nor tell. */
typedef void event_listener(void *ctx, enum event_kind kind, const struct log_field *fields);
void event_set_listener(event_listener *listener, void *ctx);

/* A copy of the one that follows number *seq, as JSON; its number into *seq.  False when
 * there is none. */
bool event_next(uint64_t *seq, char out[EVENT_LINE]);
uint64_t event_last(void); /* number of the newest; 0: none */

/* The reader at the descriptor, which is taken over, gets a line of JSON for each event
 * after number `after`, and of those to come.  What it does not read in time is lost, and
 * it is told how many were.  One of another user who stalls makes way when places are short,
 * to root and our own user any other.  False when there is no place, or memory is short. */
bool event_follow(struct loop *loop, int fd, uint64_t after);

/* Whether there is a place for that user. */
bool event_has_room(uid_t uid, struct instant now);

/* About once a second. */
void event_tick(struct instant now);

/* Readers get what waits, if they take it, and are closed. */
void event_stop(void);

#endif
