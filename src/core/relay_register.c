/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  A REGISTER passes guards that cost less than a key
 * agreement, then message 1 tells who calls which network; that chooses the psk
 * of message 2.  A caller gets a place in the pool with its RESPONSE, and a number
 * in its network with its first packet, which proves that it lives and where; the
 * places of those that never send one are free again soon, and at once when others
 * need them.  So a REGISTER that somebody recorded and sends again gets a place
 * for seconds and nothing else, and never touches a session.
 */
#include "relay_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "core/noise.h"

#define REGISTER_NOISE 8
#define REGISTER_BODY (WIRE_REGISTER_LEN - COOKIE_MACS - REGISTER_NOISE)
#define RESPONSE_NOISE 12
#define RESPONSE_BODY (WIRE_RESPONSE_LEN - COOKIE_MACS - RESPONSE_NOISE)

_Static_assert(WIRE_RESPONSE_LEN < WIRE_REGISTER_LEN, "an answer is never longer than its call");
_Static_assert(WIRE_COOKIE_LEN < WIRE_REGISTER_LEN, "nor is a cookie");

/* What an authentic REGISTER says. */
struct call {
	struct noise noise;
	uint32_t remote_index;
	char site[WIRE_NAME + 1], network[WIRE_NAME + 1];
};

bool relay_guard_new(struct relay *r, struct instant now)
{
	uint64_t seed;

	r->second = now;
	cookie_guard_init(&r->guard, CIPHER_AES_256_GCM, r->public_key, r->rand, now);
	rand_fill(&r->rand, &r->seen_seed, sizeof(r->seen_seed));
	rand_fill(&r->rand, &seed, sizeof(seed));
	r->seen = calloc(RELAY_SEEN_SETS, sizeof(*r->seen));
	r->limit = malloc(sizeof(*r->limit));
	if (!r->seen || !r->limit)
		return false;
	limit_init(r->limit, RELAY_RATE_ADDRESS, RELAY_BURST_ADDRESS, seed);
	return true;
}

void relay_guard_free(struct relay *r)
{
	free(r->seen);
	free(r->limit);
	bytes_wipe(&r->guard, sizeof(r->guard));
}

/* ---- guards ---- */

/* Counts REGISTERs by the second; true while cookies are asked for. */
static bool under_load(struct relay *r, struct instant now)
{
	if (instant_between(r->second, now) >= SECONDS(1)) {
		r->loaded = r->calls > RELAY_LOAD;
		r->calls = 0;
		r->second = now;
	}
	if (++r->calls > RELAY_LOAD)
		r->loaded = true;
	return r->loaded;
}

static uint64_t *seen_set(const struct relay *r, const uint8_t *packet)
{
	return r->seen[hash_u64(be64_get(packet + 8), r->seen_seed) % RELAY_SEEN_SETS];
}

/* True when this REGISTER (told by its ephemeral key) came before. */
static bool seen_before(const struct relay *r, const uint8_t *packet)
{
	const uint64_t *set = seen_set(r, packet);

	for (unsigned i = 0; i < RELAY_SEEN_WAYS; i++) {
		if (set[i] == be64_get(packet + 8))
			return true;
	}
	return false;
}

static void remember(struct relay *r, const uint8_t *packet)
{
	seen_set(r, packet)[r->seen_next++ % RELAY_SEEN_WAYS] = be64_get(packet + 8);
}

/* Who calls has to show that it gets what is sent to its address, and calls from
 * there so often at most. */
static enum relay_drop guard_source(struct relay *r, const struct relay_place *from,
				    const uint8_t *packet, struct instant now)
{
	uint8_t cookie[WIRE_COOKIE_LEN];

	if (cookie_guard_check(&r->guard, packet, WIRE_REGISTER_LEN, &from->addr, now) ==
	    COOKIE_MAC2_GOOD)
		return limit_pass(r->limit, &from->addr, now) ? RELAY_DROP_COUNT : RELAY_RATE;
	cookie_guard_answer(&r->guard, WIRE_COOKIE, be32_get(packet + 4), packet, WIRE_REGISTER_LEN,
			    &from->addr, now, cookie);
	outbox_datagram(&r->outbox, &from->addr, from->socket, RUN_NOBODY, cookie, sizeof(cookie));
	return RELAY_COOKIE;
}

static enum relay_drop guard_call(struct relay *r, const struct relay_place *from,
				  const uint8_t *packet, struct instant now)
{
	if (cookie_guard_check(&r->guard, packet, WIRE_REGISTER_LEN, &from->addr, now) ==
	    COOKIE_BAD_MAC1)
		return RELAY_MAC1;
	if (seen_before(r, packet))
		return RELAY_REPEATED;
	return under_load(r, now) ? guard_source(r, from, packet, now) : RELAY_DROP_COUNT;
}

/* ---- reading ---- */

/* A name without zero bytes, and the zero fill behind it. */
static bool read_name(struct rd *r, char out[WIRE_NAME + 1], size_t min)
{
	uint8_t len = rd_u8(r);

	rd_copy(r, out, WIRE_NAME);
	if (!rd_ok(r) || len < min || len > WIRE_NAME || memchr(out, 0, len) ||
	    !bytes_all_zero(out + len, WIRE_NAME - len))
		return false;
	out[WIRE_NAME] = '\0';
	return true;
}

static enum relay_drop read_call(const struct relay *r, const uint8_t *packet, struct call *call)
{
	static const uint8_t prologue[] = WIRE_RELAY_PROLOGUE "\1", no_psk[KEX_KEY];
	uint8_t hello[WIRE_REGISTER_HELLO];
	struct rd rd = rd_make(hello, sizeof(hello));
	size_t len;

	_Static_assert(WIRE_VERSION == 1, "the prologue's last byte");
	call->remote_index = be32_get(packet + 4);
	if (!noise_begin(&call->noise, NOISE_IKPSK2, NOISE_RESPONDER, CIPHER_AES_256_GCM, prologue,
			 sizeof(prologue) - 1, r->private_key, NULL, no_psk) ||
	    !noise_read(&call->noise, packet + REGISTER_NOISE, REGISTER_BODY, hello, sizeof(hello),
			&len) ||
	    len != sizeof(hello))
		return RELAY_HANDSHAKE;
	if (rd_u8(&rd) != WIRE_VERSION)
		return RELAY_HELLO;
	rd_bytes(&rd, 3);
	if (!read_name(&rd, call->site, 0) || !read_name(&rd, call->network, 1))
		return RELAY_HELLO;
	return RELAY_DROP_COUNT;
}

/* ---- admission ---- */

/* Who has waited longest for a first packet may go. */
static bool make_room(struct relay *r, int64_t patience, struct instant now)
{
	struct relay_member *oldest = container_of(r->calling.next, struct relay_member, heard_in);

	if (list_empty(&r->calling) || instant_between(oldest->listed, now) < patience)
		return false;
	relay_count_drop(r, oldest->network, NULL, RELAY_HANDSHAKE);
	relay_session_end(r, oldest, now);
	return true;
}

/* Of all places: so many are for who has sent its first packet, and so many for networks
 * that are configured, if there are any. */
static uint32_t share(const struct relay *r)
{
	return r->members.n - r->members.n / 4;
}

static struct relay_network *network_of(struct relay *r, const struct call *call,
					enum relay_drop *reason, struct instant now)
{
	struct relay_network *net = relay_network_find(&r->networks, call->network);

	*reason = RELAY_NETWORK;
	if (net || !r->open_to_all)
		return net;
	*reason = RELAY_FULL;
	net = relay_network_new(&r->networks, call->network);
	if (!net && make_room(r, RELAY_YIELD, now))
		net = relay_network_new(&r->networks, call->network);
	if (net)
		net->limits = r->limits;
	return net;
}

static struct relay_member *new_member(struct relay *r, struct relay_network *net,
				       const uint8_t public_key[KEX_KEY], struct instant now)
{
	struct relay_member *m = NULL;

	if (relay_network_full(net) ||
	    (!net->configured && r->n_configured && r->n_unreserved >= share(r)))
		return NULL;
	net->calling++; /* so that it stays when the last of others that wait in it goes */
	if (r->n_calling >= share(r))
		make_room(r, 0, now);
	m = relay_member_new(&r->members, net, net->id, public_key, r->id);
	if (!m && make_room(r, RELAY_YIELD, now))
		m = relay_member_new(&r->members, net, net->id, public_key, r->id);
	if (!m) {
		net->calling--;
		return NULL;
	}
	r->n_calling++;
	if (!net->configured)
		r->n_unreserved++;
	return m;
}

/* ---- the answer ---- */

static void write_hello(const struct relay *r, uint8_t out[WIRE_HELLO])
{
	struct wr w = wr_make(out, WIRE_HELLO);
	size_t len = strlen(r->name);

	memset(out, 0, WIRE_HELLO);
	wr_u8(&w, WIRE_VERSION);
	wr_u8(&w, 0);
	wr_u16(&w, 0);
	wr_u8(&w, (uint8_t)len);
	wr_copy(&w, r->name, len);
}

static bool write_response(struct relay *r, struct call *call, uint8_t out[WIRE_RESPONSE_LEN])
{
	uint8_t hello[WIRE_HELLO], ephemeral[KEX_KEY];
	size_t len;

	write_hello(r, hello);
	rand_fill(&r->rand, ephemeral, sizeof(ephemeral));
	len = noise_write(&call->noise, ephemeral, hello, sizeof(hello), out + RESPONSE_NOISE,
			  RESPONSE_BODY);
	bytes_wipe(ephemeral, sizeof(ephemeral));
	return len == RESPONSE_BODY;
}

static void sign(const struct relay_member *m, uint8_t response[WIRE_RESPONSE_LEN],
		 struct instant now)
{
	struct cookie_jar jar; /* no cookie is ever needed to answer */

	cookie_jar_init(&jar, CIPHER_AES_256_GCM, m->public_key);
	cookie_jar_sign(&jar, response, WIRE_RESPONSE_LEN - COOKIE_MACS, now);
	bytes_wipe(&jar, sizeof(jar));
}

static enum relay_drop answer(struct relay *r, struct relay_member *m, struct call *call,
			      const struct relay_place *from, struct instant now)
{
	uint8_t response[WIRE_RESPONSE_LEN], send[AEAD_KEY], receive[AEAD_KEY];
	struct relay_key *key;

	if (m->network->access == RELAY_SECRET)
		noise_set_psk(&call->noise, m->network->secret);
	if (!write_response(r, call, response) || !noise_split(&call->noise, send, receive))
		return RELAY_HANDSHAKE;
	key = relay_key_reserve(&r->members, m);
	relay_key_install(key, call->remote_index, send, receive, now);
	bytes_wipe(send, sizeof(send));
	bytes_wipe(receive, sizeof(receive));
	key->answered = *from;
	memcpy(m->next_name, call->site, sizeof(m->next_name));
	be32_put(response, (uint32_t)WIRE_RESPONSE << 24);
	be32_put(response + 4, key->local_index);
	be32_put(response + 8, call->remote_index);
	sign(m, response, now);
	outbox_datagram(&r->outbox, &from->addr, from->socket, RUN_NOBODY, response,
			sizeof(response));
	return RELAY_DROP_COUNT;
}

/* One that waits for its first packet waits from now on. */
static void wait_for(struct relay *r, struct relay_member *m, struct instant now)
{
	m->listed = now;
	list_remove(&m->heard_in);
	list_append(&r->calling, &m->heard_in);
}

/* A key that was given out just now, and whose first packet may be on its way, is
 * not pushed out by somebody who only sends what was recorded. */
static bool crowded(struct relay_member *m, struct instant now)
{
	const struct relay_key *next = relay_key_next(m);

	return next && instant_between(next->made, now) < RELAY_CONFIRM;
}

static void admit(struct relay *r, const struct relay_place *from, const uint8_t *packet,
		  struct call *call, struct relay_network *net, struct instant now)
{
	const uint8_t *public_key = call->noise.remote_static;
	struct relay_member *m = relay_member_find(&r->members, net->id, public_key);
	enum relay_drop reason = RELAY_DROP_COUNT;

	if (!relay_network_admits(net, public_key)) {
		relay_count_drop(r, net, NULL, RELAY_STRANGER);
		relay_tell_refused(r, from, call->network, public_key, RELAY_STRANGER);
		return;
	}
	remember(r, packet); /* a stranger's would push out those that matter */
	if (!m) {
		m = new_member(r, net, public_key, now);
		if (!m) {
			relay_count_drop(r, net, NULL, RELAY_FULL);
			return;
		}
	} else if (crowded(m, now)) {
		reason = guard_source(r, from, packet, now);
	}
	if (reason == RELAY_DROP_COUNT) {
		if (relay_key_next(m)) /* which was never confirmed */
			relay_count_drop(r, net, m, RELAY_HANDSHAKE);
		reason = answer(r, m, call, from, now);
	}
	if (reason != RELAY_DROP_COUNT)
		relay_count_drop(r, net, m, reason);
	if (!m->number)
		wait_for(r, m, now);
}

void relay_take_register(struct relay *r, const struct relay_place *from, const uint8_t *packet,
			 struct instant now)
{
	enum relay_drop reason = guard_call(r, from, packet, now);
	struct relay_network *net;
	struct call call;

	if (reason != RELAY_DROP_COUNT) {
		relay_count_drop(r, NULL, NULL, reason);
		return;
	}
	reason = read_call(r, packet, &call);
	if (reason != RELAY_DROP_COUNT)
		goto out;
	net = network_of(r, &call, &reason, now);
	if (!net && reason == RELAY_NETWORK)
		relay_tell_refused(r, from, call.network, call.noise.remote_static, reason);
	if (!net)
		goto out;
	reason = RELAY_DROP_COUNT;
	admit(r, from, packet, &call, net, now);
	if (!net->configured && net->members + net->calling == 0)
		relay_network_forget(&r->networks, net);
out:
	if (reason != RELAY_DROP_COUNT)
		relay_count_drop(r, NULL, NULL, reason);
	bytes_wipe(&call, sizeof(call));
}
