/* SPDX-License-Identifier: MIT */
/* What the parts of the relay know of each other. */
#ifndef CORE_RELAY_PARTS_H
#define CORE_RELAY_PARTS_H

#include "base/bytes.h"
#include "core/cookie.h"
#include "core/hop.h"
#include "core/identity.h"
#include "core/limit.h"
#include "core/relay.h"
#include "core/relay_member.h"
#include "core/relay_network.h"

#define RELAY_SEEN_SETS 1024 /* REGISTERs remembered against replay ... */
#define RELAY_SEEN_WAYS 8    /* ... and in each set of them */
#define RELAY_LOAD 1000	     /* REGISTERs a second from where cookies are asked for */
/*
 * And then, with the right cookie, as many a second from one address, and at once:
 * ten thousand sites behind one address translator are in within ten seconds.  One
 * address costs no more than strangers may without a cookie.
 */
#define RELAY_RATE_ADDRESS 1000
#define RELAY_BURST_ADDRESS 2000
#define RELAY_CONFIRM SECONDS(5)  /* to wait for the first packet under a new key */
#define RELAY_YIELD SECONDS(1)	  /* after which one that waits makes room for others */
#define RELAY_ASK SECONDS(1)	  /* between two questions to a new address */
#define RELAY_GRAIN SECONDS(1)	  /* of the order by which members are silent */
#define RELAY_ANSWERS 50	  /* CONTROLs answered a second for each member, and at once */
#define RELAY_NOTICE_WAIT MS(200) /* changes of a list gather for as long */
#define RELAY_NOTICE_STEP MS(10)
#define RELAY_NOTICES 64		     /* in one step, to all networks */
#define RELAY_OPEN_RUNS 40		     /* members with an open run */
#define RELAY_TURN_BYTES ((uint64_t)8 << 20) /* of flooded copies in one network's turn */

_Static_assert(RELAY_OPEN_RUNS < OUTBOX_RUNS, "there is a run for everything else");

/* A FLOOD in the message that is being taken, not copied yet. */
struct relay_flood {
	const uint8_t *inner;
	size_t len;
};

struct relay {
	uint8_t private_key[KEX_KEY], public_key[KEX_KEY];
	uint8_t id[IDENTITY_ID];
	char name[WIRE_NAME + 1];
	struct rand_source rand;
	bool open_to_all;
	struct relay_limits limits;
	int64_t timeout;
	uint8_t stream_mark[WIRE_STREAM_MARK];
	void (*streamed)(void *ctx, const struct addr *at);
	uint32_t n_calling;    /* members in `calling` */
	uint32_t n_unreserved; /* members of networks that are not configured */
	unsigned n_configured; /* networks */

	struct relay_members members;
	struct relay_networks networks;
	struct outbox outbox;
	struct list heard, calling; /* members by `listed` */
	uint32_t n_heard;
	struct list waiting, telling; /* networks: by tell_at; whose members are told now */
	struct instant tell_next;
	struct relay_member *open[RELAY_OPEN_RUNS]; /* members with an open run */
	unsigned n_open;
	struct relay_flood floods[RUN_SEGMENTS]; /* of the flooder, who is NULL without any */
	unsigned n_floods;
	struct relay_member *flooder;
	uint64_t turn;

	struct cookie_guard guard;
	struct limit *limit;
	uint64_t (*seen)[RELAY_SEEN_WAYS];
	uint64_t seen_seed;
	uint8_t seen_next;
	struct instant second; /* REGISTERs are counted within this second */
	unsigned calls;
	bool loaded; /* cookies are asked for */
	uint64_t drops[RELAY_DROP_COUNT];
	uint64_t full; /* of them: RELAY_FULL of no network */
	struct relay_told told_limits;
	relay_watcher *watcher;
	void *watcher_ctx;
};

/* ---- relay.c ---- */

/* net and m: NULL when not known. */
void relay_count_drop(struct relay *r, struct relay_network *net, struct relay_member *m,
		      enum relay_drop reason);

/* ---- relay_tell.c ---- */

/* A site called that is not admitted. */
void relay_tell_refused(struct relay *r, const struct relay_place *from, const char *network,
			const uint8_t public_key[KEX_KEY], enum relay_drop reason);

/* m: NULL of a network. */
void relay_tell(struct relay *r, enum relay_event event, const struct relay_network *net,
		const struct relay_member *m);

/* ---- relay_register.c ---- */

bool relay_guard_new(struct relay *r, struct instant now);
void relay_guard_free(struct relay *r);

void relay_take_register(struct relay *r, const struct relay_place *from, const uint8_t *packet,
			 struct instant now);

/* ---- relay_session.c ---- */

/* The key of a packet that may be tried with it; NULL, and counted, if there is none. */
struct relay_key *relay_session_find(struct relay *r, uint32_t index, uint64_t counter,
				     struct instant now, struct relay_member **m);

/* It was authentic: commits, confirms, notes where the member is.  False when the
 * member is gone with that: its network is full. */
bool relay_session_heard(struct relay *r, struct relay_member *m, struct relay_key *key,
			 uint64_t counter, size_t len, const struct relay_place *from,
			 struct instant now);

/* The member answered a question there. */
void relay_session_move(struct relay *r, struct relay_member *m, const struct relay_place *to);

/* Sends the member a DATA packet; plain has len bytes, WIRE_RELAY_DATAGRAM -
 * WIRE_DATA_OVERHEAD at most. */
void relay_session_send(struct relay *r, struct relay_member *m, const struct relay_place *to,
			const uint8_t *plain, size_t len, struct instant now);

/* It is a member no more. */
void relay_session_end(struct relay *r, struct relay_member *m, struct instant now);

/* The same, and it is told so. */
void relay_session_dismiss(struct relay *r, struct relay_member *m, struct instant now);

/* ---- relay_control.c ---- */

/* The records of a DATA packet. */
void relay_take_records(struct relay *r, struct relay_member *m, uint32_t index,
			const uint8_t *plain, size_t len, const struct relay_place *from,
			struct instant now);

/* Writes a CONTROL record. */
void relay_write_control(struct wr *w, uint8_t type, const void *body, size_t len);

/* ---- relay_notice.c ---- */

/* Sends the member a NOTICE. */
void relay_notice_send(struct relay *r, struct relay_member *m, struct instant now);

/* Writes a NOTICE for the member, who is told with that. */
void relay_write_notice(struct relay *r, struct wr *w, struct relay_member *m, struct instant now);

/* The network's list changed: its members are told, soon and in steps. */
void relay_notice_changed(struct relay *r, struct relay_network *net, struct instant now);

void relay_notice_tick(struct relay *r, struct instant now);
struct instant relay_notice_due(const struct relay *r);

/* ---- relay_forward.c ---- */

void relay_take_hop(struct relay *r, const struct relay_place *from, const uint8_t *packet,
		    size_t len, struct instant now);

/* Copies the floods that wait; their memory is about to go, or something else is to
 * be done with their sender. */
void relay_forward_floods(struct relay *r, struct instant now);

/* The member's open run is complete. */
void relay_forward_close(struct relay *r, struct relay_member *m);
void relay_forward_close_all(struct relay *r);

#endif
