/* SPDX-License-Identifier: MIT */
#include "core/drop.h"

#include "base/bytes.h"

struct drop_words {
	const char *name;
	const char *text;
};

static const struct drop_words words[] = {
	[DROP_SHORT] = { "short", "datagram cut short" },
	[DROP_KIND] = { "kind", "datagram of no known kind" },
	[DROP_HEADER] = { "header", "datagram with an impossible header or length" },
	[DROP_INDEX] = { "index", "datagram for a session that is gone" },
	[DROP_MAC1] = { "mac1", "handshake made for another site's key" },
	[DROP_RATE] = { "rate", "too many handshakes from one address, or forged answers" },
	[DROP_COOKIE] = { "cookie", "asked to call again with a cookie: under load, or calls in "
				    "quick succession" },
	[DROP_HANDSHAKE] = { "handshake",
			     "handshake not authentic: other network name, cipher, secret or key" },
	[DROP_STRANGER] = { "stranger", "handshake from a key that is no peer's" },
	[DROP_REPEATED] = { "repeated", "handshake message repeated or not awaited" },
	[DROP_YIELD] = { "yield", "both sides began a handshake; this one yields" },
	[DROP_HELLO] = { "hello", "handshake payload makes no sense" },
	[DROP_AUTH] = { "auth", "forged or damaged datagram" },
	[DROP_REPLAYED] = { "replayed", "datagram seen before" },
	[DROP_OLD] = { "old", "datagram behind the replay window" },
	[DROP_EXPIRED] = { "expired", "datagram under a key past its time" },
	[DROP_RECORD] = { "record", "authentic datagram whose records make no sense" },
	[DROP_JOIN] = { "join", "part of a cut frame whose other part is lost" },
	[DROP_FLOOD] = { "flood", "broadcast under a key that was not handed over" },
	[DROP_SOURCE] = { "source", "relay says it is from another site than its keys say" },
	[DROP_PLACE] = { "place", "address it may be at, not tried: it did not answer, and was "
				  "tried often" },
	[DROP_DISCONNECTED] = { "disconnected", "peer is disconnected by command" },
	[DROP_RUNT] = { "runt", "frame shorter than 14 bytes" },
	[DROP_OVERSIZE] = { "oversize", "frame longer than 9216 bytes" },
	[DROP_OFFLOAD] = { "offload", "offload facts do not fit the frame" },
	[DROP_UNDERLAY] = { "underlay", "the tunnel itself, which the port's NIC carries" },
	[DROP_RESERVED] = { "reserved", "reserved group address (reserved = drop)" },
	[DROP_VLAN] = { "vlan", "VLAN that may not pass the port (vlan, trunk, native)" },
	[DROP_WIRE] = { "wire", "comes from no end of the wire, or there is no other end" },
	[DROP_FILTERED] = { "filtered", "destination is on the side it came from" },
	[DROP_HORIZON] = { "horizon", "from one peer for another: they talk directly" },
	[DROP_NO_SESSION] = { "no-session", "no session with a peer to send it to" },
	[DROP_SELF] = { "self", "the tunnel's own packet inside a frame: a loop" },
	[DROP_NOT_LEARNED] = { "not-learned", "address table or quota full (frame forwarded)" },
	[DROP_HELD] = { "held", "address moves too often, held (frame forwarded)" },
	[DROP_PORT_DOWN] = { "port-down", "port is down or away" },
	[DROP_PORT_FULL] = { "port-full", "port's queue is full" },
	[DROP_PORT_REFUSED] = { "port-refused", "kernel refused the frame" },
	[DROP_SEND] = { "send", "datagram not sent: buffer full or no route" },
	[DROP_TOO_BIG] = { "too-big", "datagram above the interface's MTU" },
};

_Static_assert(COUNT_OF(words) == DROP_COUNT, "every reason has its words");

const char *drop_name(enum drop reason)
{
	return words[reason].name;
}

const char *drop_text(enum drop reason)
{
	return words[reason].text;
}

bool drop_is_leaving(enum drop reason, enum drop_at at)
{
	switch (reason) {
	case DROP_NO_SESSION: /* a port counts what came from there and found nobody */
		return at == DROP_AT_PEER;
	case DROP_DISCONNECTED:
	case DROP_PORT_DOWN:
	case DROP_PORT_FULL:
	case DROP_PORT_REFUSED:
	case DROP_SEND:
	case DROP_TOO_BIG:
		return true;
	default:
		return false;
	}
}

enum drop drop_newest(const struct drops *drops, enum drop_at at, bool leaving)
{
	enum drop newest = DROP_COUNT;

	for (unsigned i = 0; i < DROP_COUNT; i++) {
		if (!drops->count[i] || drop_is_leaving((enum drop)i, at) != leaving)
			continue;
		if (newest == DROP_COUNT || instant_before(drops->last[newest], drops->last[i]))
			newest = (enum drop)i;
	}
	return newest;
}
