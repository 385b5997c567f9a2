/* SPDX-License-Identifier: MIT */
#include "core/relay_count.h"

#include "base/bytes.h"

static const struct {
	const char *name, *text;
} words[] = {
	[RELAY_SHORT] = { "short", "datagram cut short" },
	[RELAY_KIND] = { "kind", "datagram of a kind that no relay takes" },
	[RELAY_HEADER] = { "header", "impossible header, length or inner packet" },
	[RELAY_MAC1] = { "mac1", "registration made for another relay's key" },
	[RELAY_COOKIE] = { "cookie", "asked to call again with a cookie: under load, or calls in "
				     "quick succession" },
	[RELAY_RATE] = { "rate", "too many registrations from one address" },
	[RELAY_HANDSHAKE] = { "handshake", "registration not authentic, or never confirmed: "
					   "relay's key, access secret" },
	[RELAY_REPEATED] = { "repeated", "registration seen before" },
	[RELAY_HELLO] = { "hello", "names in a registration make no sense" },
	[RELAY_NETWORK] = { "network", "no such network here" },
	[RELAY_STRANGER] = { "stranger", "key is not on the network's list" },
	[RELAY_FULL] = { "full", "members or networks at their limit" },
	[RELAY_INDEX] = { "index", "datagram for a session that is gone" },
	[RELAY_AUTH] = { "auth", "forged or damaged datagram" },
	[RELAY_REPLAYED] = { "replayed", "datagram seen before" },
	[RELAY_OLD] = { "old", "datagram behind the replay window" },
	[RELAY_EXPIRED] = { "expired", "datagram under a key past its time" },
	[RELAY_RECORD] = { "record", "authentic datagram whose records make no sense" },
	[RELAY_UNCONFIRMED] = { "unconfirmed", "sender's address has not answered yet" },
	[RELAY_MEMBER] = { "member", "destination is no member, or not reachable now" },
	[RELAY_FRAMES] = { "frames", "above the packets a second of site or network" },
	[RELAY_BYTES] = { "bytes", "above the bytes a second of site or network" },
	[RELAY_SEND] = { "send", "datagram not sent: buffer full or no route" },
};
_Static_assert(COUNT_OF(words) == RELAY_DROP_COUNT, "every reason has its words");

const char *relay_drop_name(enum relay_drop reason)
{
	return words[reason].name;
}

const char *relay_drop_text(enum relay_drop reason)
{
	return words[reason].text;
}
