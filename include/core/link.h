/* SPDX-License-Identifier: MIT */
/*
 * A relay of this site: the hop session with it, and what it says of the
 * members of the network.  Its word is a hint where a peer may be reached, never
 * who it is: that is for the handshake between the sites.
 */
#ifndef CORE_LINK_H
#define CORE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "core/identity.h"
#include "core/wire_relay.h"

#define LINKS_MAX 4
#define LINK_NOBODY 0	     /* no member has this number */
#define LINK_STRANGER 0xffff /* a member that is no peer of ours */
#define LINK_ASK_AGAIN MS(700)

struct peer;

/* One member, as the relay lists it. */
struct link_member {
	uint32_t number;
	bool gone;
	const uint8_t *public_key;
	char name[WIRE_NAME + 1]; /* the relay's word: any bytes */
};

struct link {
	uint8_t number;
	struct identity self;
	struct peer *peer;    /* the session */
	uint32_t own;	      /* our number there, 0 when not told yet */
	struct addr observed; /* where the relay sees us; ADDR_NONE when not told, or by a stream */
	struct addr stream;   /* its far end, when there is one; ADDR_NONE */
	struct instant try_udp; /* while packets go by the stream: when UDP is tried next */
	uint8_t mark[WIRE_STREAM_MARK]; /* of the relay's streams, as it said last */
	uint32_t revision;    /* of the list in hand */
	uint32_t base;	      /* of the list that it began with */
	uint32_t head;	      /* that the relay told of last */
	bool whole;	      /* the list in hand is complete */
	struct instant ask;   /* when to ask for more */
	uint8_t turn;	      /* counts lists that began anew */
	uint8_t seen[WIRE_MEMBERS_MAX + 1]; /* turn in which the number was listed */
	uint16_t who[WIRE_MEMBERS_MAX + 1]; /* peer number + 1, LINK_NOBODY, LINK_STRANGER */
};

/* Without a session yet.  psk: the network's access secret at the relay, or all zero.
 * NULL when memory is short or the library fails. */
struct link *link_new(uint8_t number, const struct identity *self, const uint8_t psk[KEX_KEY]);
void link_free(struct link *link);

/* The place of a member, as an address. */
struct addr link_addr(const struct link *link, uint32_t number);

/* The member number in such an address. */
uint32_t link_member_of(const struct addr *addr);

/* A new session: the whole list is asked for. */
void link_begin(struct link *link, struct instant now);

/* What NOTICE brought. */
struct link_news {
	bool moved;  /* the observed address changed */
	bool marked; /* link->mark was told */
};

/* Takes NOTICE; false when it makes no sense. */
bool link_notice(struct link *link, const uint8_t *body, size_t len, struct link_news *news,
		 struct instant now);

/*
 * Takes MEMBERS, entry by entry: each is handed to `member`, which answers what
 * link->who is to hold.  Members that a complete new list does not have are
 * handed over as gone, with a NULL key.  False when it makes no sense; entries before
 * the fault have been taken.
 */
typedef uint16_t (*link_member_handler)(void *ctx, struct link *link,
					const struct link_member *member);
bool link_members(struct link *link, const uint8_t *body, size_t len, link_member_handler member,
		  void *ctx, struct instant now);

/* True when MEMBERS_ASK is to be sent now, which counts as done. */
bool link_asks(struct link *link, struct instant now);

/* Members that are listed, this site not counted. */
unsigned link_count(const struct link *link);

#endif
