/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  Events are numbered from 1 without gaps, and kept as the JSON
 * that readers get.  One lock is around the ring and the readers; a reader's queue
 * (host/feed) takes a line or does not, and never waits.  What it did not take is
 * counted, and told before the next line that fits, or by the tick.
 *
 * Some places are for root and the process's own user.  Of others, who may only look, no
 * user gets more than EVENT_EACH, and when places are short the one makes way that has
 * taken nothing for the longest time.
 */
#include "app/event.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/log_json.h"
#include "base/bytes.h"
#include "host/ctlsock.h"
#include "host/feed.h"

static const struct {
	const char *name;
	enum log_level level;
	const char *message;
} kinds[] = {
	[EVENT_STARTED] = { "started", LOG_LEVEL_INFO, "started" },
	[EVENT_STOPPING] = { "stopping", LOG_LEVEL_INFO, "stopping" },
	[EVENT_RELOADED] = { "reloaded", LOG_LEVEL_INFO, "configuration reloaded" },
	[EVENT_RELOAD_REFUSED] = { "reload-refused", LOG_LEVEL_ERROR, "configuration refused" },
	[EVENT_PEER_UP] = { "peer-up", LOG_LEVEL_INFO, "peer up" },
	[EVENT_PEER_DOWN] = { "peer-down", LOG_LEVEL_INFO, "peer down" },
	[EVENT_PEER_REVOKED] = { "peer-revoked", LOG_LEVEL_INFO, "peer revoked" },
	[EVENT_PATH] = { "path", LOG_LEVEL_INFO, "path changed" },
	[EVENT_PEER_MOVED] = { "peer-moved", LOG_LEVEL_INFO, "peer moved" },
	[EVENT_REKEYED] = { "rekeyed", LOG_LEVEL_DEBUG, "new keys" },
	[EVENT_PMTU] = { "pmtu", LOG_LEVEL_DEBUG, "path size changed" },
	[EVENT_PEER_REFUSED] = { "peer-refused", LOG_LEVEL_WARN, "peer's answer is not authentic" },
	[EVENT_MTU_DIFFERS] = { "mtu-differs", LOG_LEVEL_WARN, "peer's bridge has another mtu" },
	[EVENT_NAME_FAILED] = { "name-failed", LOG_LEVEL_WARN, "address not found" },
	[EVENT_RELAY_UP] = { "relay-up", LOG_LEVEL_INFO, "relay registered" },
	[EVENT_RELAY_DOWN] = { "relay-down", LOG_LEVEL_WARN, "relay lost" },
	[EVENT_RELAY_LISTED] = { "relay-listed", LOG_LEVEL_INFO, "relay lists sites" },
	[EVENT_RELAY_SILENT] = { "relay-silent", LOG_LEVEL_WARN, "relay does not answer" },
	[EVENT_RELAY_REFUSED] = { "relay-refused", LOG_LEVEL_WARN,
				  "relay's answer is not authentic" },
	[EVENT_TLS_USED] = { "tls-used", LOG_LEVEL_INFO, "relay reached by TLS" },
	[EVENT_TLS_LEFT] = { "tls-left", LOG_LEVEL_INFO, "relay not by TLS any more" },
	[EVENT_TLS_FAILED] = { "tls-failed", LOG_LEVEL_WARN, "relay not reached by TLS" },
	[EVENT_PORT_MAPPED] = { "port-mapped", LOG_LEVEL_INFO, "port mapped" },
	[EVENT_PORT_UNMAPPED] = { "port-unmapped", LOG_LEVEL_INFO, "port not mapped" },
	[EVENT_LOOP] = { "loop", LOG_LEVEL_WARN, "loop" },
	[EVENT_MAC_MOVES] = { "mac-moves", LOG_LEVEL_WARN, "addresses move too often" },
	[EVENT_MACS_FULL] = { "macs-full", LOG_LEVEL_WARN, "table of addresses is full" },
	[EVENT_DROPS] = { "drops", LOG_LEVEL_INFO, "many drops" },
	[EVENT_OFFLOADS_OFF] = { "offloads-off", LOG_LEVEL_WARN, "offloads are not in use" },
	[EVENT_OFFLOADS_ON] = { "offloads-on", LOG_LEVEL_INFO, "offloads are all in use again" },
	[EVENT_TAP_LOST] = { "tap-lost", LOG_LEVEL_WARN, "tap is gone, making it again" },
	[EVENT_TAP_AMISS] = { "tap-amiss", LOG_LEVEL_WARN, "tap or bridge amiss" },
	[EVENT_TAP_JOINED] = { "tap-joined", LOG_LEVEL_INFO, "tap joined bridge" },
	[EVENT_TAP_GOOD] = { "tap-good", LOG_LEVEL_INFO, "tap and bridge in order again" },
	[EVENT_PORT_ADDED] = { "port-added", LOG_LEVEL_INFO, "port added" },
	[EVENT_PORT_REMOVED] = { "port-removed", LOG_LEVEL_INFO, "port removed" },
	[EVENT_PORT_AMISS] = { "port-amiss", LOG_LEVEL_WARN, "port amiss" },
	[EVENT_PORT_GOOD] = { "port-good", LOG_LEVEL_INFO, "port in order again" },
	[EVENT_IMPAIRED] = { "impaired", LOG_LEVEL_INFO, "line made bad, or good again" },
	[EVENT_CAPTURE_BEGAN] = { "capture-began", LOG_LEVEL_INFO, "capture began" },
	[EVENT_CAPTURE_ENDED] = { "capture-ended", LOG_LEVEL_INFO, "capture ended" },
	[EVENT_MEMBER_CAME] = { "member-came", LOG_LEVEL_INFO, "member came" },
	[EVENT_MEMBER_WENT] = { "member-went", LOG_LEVEL_INFO, "member went" },
	[EVENT_MEMBER_MOVED] = { "member-moved", LOG_LEVEL_INFO, "member moved" },
	[EVENT_NETWORK_NEW] = { "network-new", LOG_LEVEL_INFO, "network appeared" },
	[EVENT_NETWORK_GONE] = { "network-gone", LOG_LEVEL_INFO, "network gone" },
	[EVENT_REFUSED] = { "refused", LOG_LEVEL_WARN, "registration refused" },
	[EVENT_LIMIT] = { "limit", LOG_LEVEL_WARN, "limit reached" },
};
_Static_assert(COUNT_OF(kinds) == EVENT_KINDS, "every kind has its words");

static struct {
	pthread_mutex_t lock;
	uint64_t last; /* number of the newest */
	char ring[EVENT_KEPT][EVENT_LINE];
	struct reader {
		struct feed *feed; /* NULL: a free place */
		uint64_t lost;
		uid_t uid;
		bool other;	      /* than root and our own user */
		uint64_t taken;	      /* when it was looked at last */
		struct instant moved; /* it took something, or nothing waited */
	} readers[EVENT_READERS];
	event_listener *listener;
	void *ctx;
} events = { .lock = PTHREAD_MUTEX_INITIALIZER };

_Static_assert(EVENT_WAITING >= EVENT_KEPT * (EVENT_LINE + 1), "all that is kept may wait");

const char *event_name(enum event_kind kind)
{
	return kinds[kind].name;
}

const char *event_field(const struct log_field *fields, const char *key)
{
	for (; fields->key; fields++) {
		if (strcmp(fields->key, key) == 0)
			return fields->text;
	}
	return NULL;
}

/* ---- readers ------------------------------------------------------------ */

static bool put_line(struct feed *feed, const char *line)
{
	struct iovec pieces[] = { { (void *)(uintptr_t)line, strlen(line) },
				  { (void *)(uintptr_t) "\n", 1 } };

	return feed_put(feed, pieces, COUNT_OF(pieces));
}

/* True when the reader knows of all that it lost. */
static bool tell_lost(struct reader *r)
{
	const struct log_field fields[] = { log_number("lost", (int64_t)r->lost), LOG_END };
	const struct log_record record = { .level = LOG_LEVEL_WARN,
					   .event = "lost",
					   .message = "events lost",
					   .fields = fields,
					   .wall = clock_wall_us() };
	char line[EVENT_LINE];

	if (!r->lost)
		return true;
	line[log_json(&record, line, sizeof(line) - 1)] = '\0';
	if (put_line(r->feed, line))
		r->lost = 0;
	return !r->lost;
}

static void hand_out(const char *line)
{
	for (size_t i = 0; i < EVENT_READERS; i++) {
		struct reader *r = &events.readers[i];

		if (r->feed && (!tell_lost(r) || !put_line(r->feed, line)))
			r->lost++;
	}
}

static void gone(void *ctx, struct feed *feed)
{
	struct reader *r = ctx;

	pthread_mutex_lock(&events.lock);
	r->feed = NULL;
	pthread_mutex_unlock(&events.lock);
	feed_free(feed);
}

/* ---- places ------------------------------------------------------------- */

static struct reader *free_place(void)
{
	for (size_t i = 0; i < EVENT_READERS; i++) {
		if (!events.readers[i].feed)
			return &events.readers[i];
	}
	return NULL;
}

#define ANYBODY ((uid_t)-1)

static bool is_other(const struct reader *r, uid_t uid)
{
	return r->feed && r->other && (uid == ANYBODY || r->uid == uid);
}

static unsigned count_others(uid_t uid)
{
	unsigned n = 0;

	for (size_t i = 0; i < EVENT_READERS; i++)
		n += is_other(&events.readers[i], uid);
	return n;
}

static void look_at(struct instant now)
{
	for (size_t i = 0; i < EVENT_READERS; i++) {
		struct reader *r = &events.readers[i];
		uint64_t taken;

		if (!r->feed)
			continue;
		if (!feed_is_behind(r->feed, &taken) || taken != r->taken)
			r->moved = now;
		r->taken = taken;
	}
}

/* Of such others the one that has taken nothing for the longest time, if that was `least`. */
static struct reader *stalled_other(uid_t uid, struct instant now, int64_t least)
{
	struct reader *found = NULL;

	for (size_t i = 0; i < EVENT_READERS; i++) {
		struct reader *r = &events.readers[i];

		if (is_other(r, uid) && instant_between(r->moved, now) >= least &&
		    (!found || instant_before(r->moved, found->moved)))
			found = r;
	}
	return found;
}

/* One that is free, or whose reader may be sent away. */
static struct reader *place_for(uid_t uid, struct instant now)
{
	struct reader *r = free_place();

	look_at(now);
	if (ctlsock_privileged(uid))
		return r ? r : stalled_other(ANYBODY, now, 0);
	if (count_others(uid) >= EVENT_EACH)
		return stalled_other(uid, now, EVENT_PATIENCE);
	if (r && count_others(ANYBODY) < EVENT_OTHERS)
		return r;
	return stalled_other(ANYBODY, now, EVENT_PATIENCE);
}

/* ---- the ring ----------------------------------------------------------- */

static char *place_of(uint64_t seq)
{
	return events.ring[seq % EVENT_KEPT];
}

/* The number after seq that is still there. */
static uint64_t after(uint64_t seq)
{
	uint64_t oldest = events.last > EVENT_KEPT ? events.last - EVENT_KEPT + 1 : 1;

	return MAX(seq + 1, oldest);
}

bool event_next(uint64_t *seq, char out[EVENT_LINE])
{
	bool found;

	pthread_mutex_lock(&events.lock);
	found = after(*seq) <= events.last;
	if (found) {
		*seq = after(*seq);
		memcpy(out, place_of(*seq), EVENT_LINE);
	}
	pthread_mutex_unlock(&events.lock);
	return found;
}

uint64_t event_last(void)
{
	uint64_t last;

	pthread_mutex_lock(&events.lock);
	last = events.last;
	pthread_mutex_unlock(&events.lock);
	return last;
}

static void keep(struct log_record *record)
{
	char *line = place_of(++events.last);

	record->program = NULL;
	record->wall = clock_wall_us();
	line[log_json_numbered(record, events.last, line, EVENT_LINE - 1)] = '\0';
	hand_out(line);
}

void event_tell_fields(enum event_kind kind, const struct log_field *fields)
{
	struct log_record record = { .level = kinds[kind].level,
				     .event = kinds[kind].name,
				     .message = kinds[kind].message,
				     .fields = fields };
	bool wanted = record.level < LOG_LEVEL_DEBUG || log_shows(LOG_LEVEL_DEBUG);
	bool told = wanted && log_may(record.message, fields, clock_now(), &record.held);

	if (told && log_shows(record.level))
		log_write(&record);
	pthread_mutex_lock(&events.lock);
	if (told)
		keep(&record);
	if (events.listener)
		events.listener(events.ctx, kind, fields);
	pthread_mutex_unlock(&events.lock);
}

/* ---- who wants to know -------------------------------------------------- */

void event_set_listener(event_listener *listener, void *ctx)
{
	pthread_mutex_lock(&events.lock);
	events.listener = listener;
	events.ctx = ctx;
	pthread_mutex_unlock(&events.lock);
}

bool event_has_room(uid_t uid, struct instant now)
{
	bool room;

	pthread_mutex_lock(&events.lock);
	room = place_for(uid, now);
	pthread_mutex_unlock(&events.lock);
	return room;
}

static void take_place(struct reader *r, struct loop *loop, int fd, uid_t uid)
{
	feed_free(r->feed); /* of the one that makes way */
	*r = (struct reader){ .uid = uid, .other = !ctlsock_privileged(uid), .moved = loop->now };
	r->feed = feed_new(loop, fd, EVENT_WAITING, gone, r);
}

bool event_follow(struct loop *loop, int fd, uint64_t seq)
{
	struct reader *r;
	pid_t pid;
	uid_t uid;

	ctlsock_who(fd, &pid, &uid);
	pthread_mutex_lock(&events.lock);
	r = place_for(uid, loop->now);
	if (r)
		take_place(r, loop, fd, uid);
	for (seq = after(seq); r && r->feed && seq <= events.last; seq++)
		put_line(r->feed, place_of(seq));
	pthread_mutex_unlock(&events.lock);
	if (!r)
		close(fd);
	return r && r->feed;
}

void event_tick(struct instant now)
{
	log_tick(now);
	pthread_mutex_lock(&events.lock);
	look_at(now);
	for (size_t i = 0; i < EVENT_READERS; i++) {
		if (events.readers[i].feed)
			tell_lost(&events.readers[i]);
	}
	pthread_mutex_unlock(&events.lock);
}

void event_stop(void)
{
	pthread_mutex_lock(&events.lock);
	events.listener = NULL;
	for (size_t i = 0; i < EVENT_READERS; i++) {
		feed_free(events.readers[i].feed);
		events.readers[i].feed = NULL;
	}
	pthread_mutex_unlock(&events.lock);
}
