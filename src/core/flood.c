/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * The own key lives in a `struct keys` like that of a session, so that the pack room
 * seals floods as it seals anything: the key in force is CURRENT there, its id stands
 * where a session has the receiver's index, and the kind and the context are those
 * of FLOOD.  The key that is to follow is bytes only, until it is in force.
 *
 * Whoever has the key can open floods, and could seal them as well.  That they come from
 * the site whose key it is rests on the relay's stamp, and on who handed the key
 * over.
 */
#include "core/flood.h"

#include <string.h>

#include "base/bytes.h"
#include "core/kex.h"

/* ---- the own key ---- */

static void context_of(uint8_t out[KEYS_CONTEXT], const char *network, const uint8_t src[8])
{
	static const char label[] = "lanspan flood";
	uint8_t head[sizeof(label) - 1 + 1 + 8], hash[KEX_HASH];
	struct wr w = wr_make(head, sizeof(head));

	wr_copy(&w, label, sizeof(label) - 1);
	wr_u8(&w, WIRE_VERSION);
	wr_copy(&w, src, 8);
	kex_hash(hash, head, sizeof(head), network, strlen(network));
	memcpy(out, hash, KEYS_CONTEXT);
}

bool flood_init(struct flood *f, enum cipher cipher, const char *network, const uint8_t own_id[8],
		struct outbox *outbox)
{
	memset(f, 0, sizeof(*f));
	if (!keys_init(&f->keys, cipher, network, own_id, own_id))
		return false;
	f->keys.kind = WIRE_FLOOD;
	context_of(f->keys.context_out, network, own_id);
	f->due = INSTANT_NEVER;
	pack_init(&f->pack, outbox, &f->keys, 0);
	return true;
}

void flood_free(struct flood *f)
{
	if (f->keys.kind == WIRE_FLOOD)
		keys_free(&f->keys);
	bytes_wipe(f, sizeof(*f));
}

void flood_renew(struct flood *f, const struct rand_source *rand, struct instant now)
{
	do {
		rand_fill(rand, &f->next.id, sizeof(f->next.id));
	} while (f->next.id == 0 || f->next.id == f->now.id);
	rand_fill(rand, f->next.key, sizeof(f->next.key));
	f->since = now;
}

void flood_switch(struct flood *f, struct instant now)
{
	struct flood_secret next = f->next;
	struct keypair *kp;

	flood_forget(f, true);
	kp = keys_reserve(&f->keys, 0, 0, false);
	keys_install(&f->keys, kp, true, next.id, next.key, next.key, now);
	f->now = next;
	f->made = now;
	bytes_wipe(&next, sizeof(next));
}

void flood_forget(struct flood *f, bool next)
{
	pack_close(&f->pack);
	keys_drop_all(&f->keys);
	bytes_wipe(&f->now, sizeof(f->now));
	if (next)
		bytes_wipe(&f->next, sizeof(f->next));
}

bool flood_worn(const struct flood *f, struct instant now)
{
	return f->now.id && (instant_between(f->made, now) >= FLOOD_LIFE ||
			     flood_counter(f) >= WIRE_REKEY_PACKETS);
}

/* ---- a peer's keys ---- */

bool flood_in_init(struct flood_in *in, enum cipher cipher, const char *network,
		   const uint8_t peer_id[8])
{
	memset(in, 0, sizeof(*in));
	memcpy(in->peer_id, peer_id, sizeof(in->peer_id));
	context_of(in->context, network, peer_id);
	for (unsigned i = 0; i < FLOOD_KEYS; i++) {
		if (!aead_init(&in->key[i].open, cipher, AEAD_OPEN)) {
			flood_in_free(in);
			return false;
		}
	}
	return true;
}

void flood_in_free(struct flood_in *in)
{
	for (unsigned i = 0; i < FLOOD_KEYS; i++)
		aead_free(&in->key[i].open);
	bytes_wipe(in, sizeof(*in));
}

static struct flood_key *find(struct flood_in *in, uint32_t id)
{
	for (unsigned i = 0; i < FLOOD_KEYS; i++) {
		if (id && in->key[i].secret.id == id)
			return &in->key[i];
	}
	return NULL;
}

static void forget(struct flood_key *key)
{
	if (!key->secret.id)
		return;
	aead_forget(&key->open);
	bytes_wipe(&key->secret, sizeof(key->secret));
}

static void tell(const struct flood_in *in, const struct flood_key *key)
{
	struct key_news news = { .kind = WIRE_FLOOD,
				 .index = key->secret.id,
				 .cipher = key->open.cipher,
				 .key = key->secret.key,
				 .context = in->context,
				 .source = in->peer_id };

	in->watch->key(in->watch->ctx, &news);
}

bool flood_in_take(struct flood_in *in, const struct flood_secret *secret, uint64_t from,
		   struct instant now)
{
	struct flood_key *key = find(in, secret->id), *before = &in->key[in->newest];

	if (!secret->id)
		return false;
	if (key && bytes_equal_secret(key->secret.key, secret->key, AEAD_KEY))
		return true;
	if (!key) {
		in->newest = (uint8_t)((in->newest + 1) % FLOOD_KEYS);
		key = &in->key[in->newest];
		before->retire = instant_min(before->retire, instant_add(now, WIRE_OLD_KEY));
	}
	forget(key);
	key->secret = *secret;
	key->from = from;
	key->retire = instant_add(now, FLOOD_LIFE + WIRE_REJECT_AFTER);
	aead_set_key(&key->open, secret->key);
	replay_reset(&key->replay);
	if (in->watch)
		tell(in, key);
	return true;
}

void flood_in_forget(struct flood_in *in)
{
	for (unsigned i = 0; i < FLOOD_KEYS; i++)
		forget(&in->key[i]);
}

void flood_in_expire(struct flood_in *in, struct instant now)
{
	for (unsigned i = 0; i < FLOOD_KEYS; i++) {
		if (instant_reached(now, in->key[i].retire))
			forget(&in->key[i]);
	}
}

static enum drop refuse(const struct flood_key *key, uint64_t counter, struct instant now)
{
	if (instant_reached(now, key->retire))
		return DROP_EXPIRED;
	if (counter < key->from)
		return DROP_OLD;
	switch (replay_check(&key->replay, counter)) {
	case REPLAY_NEW:
		return DROP_COUNT;
	case REPLAY_SEEN:
		return DROP_REPLAYED;
	case REPLAY_OLD:
		return DROP_OLD;
	}
	return DROP_OLD;
}

enum drop flood_in_open(struct flood_in *in, uint8_t *packet, size_t len, struct instant now,
			unsigned *number)
{
	struct flood_key *key = find(in, be32_get(packet + 4));
	uint64_t counter = be64_get(packet + 8);
	uint8_t aad[KEYS_AAD], *body = packet + WIRE_DATA_HEADER;
	enum drop reason;

	if (!key)
		return DROP_FLOOD;
	reason = refuse(key, counter, now);
	if (reason != DROP_COUNT)
		return reason;
	memcpy(aad, in->context, KEYS_CONTEXT);
	memcpy(aad + KEYS_CONTEXT, packet, WIRE_DATA_HEADER);
	if (!aead_open(&key->open, counter, aad, sizeof(aad), body, len - WIRE_DATA_HEADER, body))
		return DROP_AUTH;
	replay_commit(&key->replay, counter);
	*number = (unsigned)(key - in->key);
	return DROP_COUNT;
}

/* ---- packets that wait ---- */

void flood_hold_init(struct flood_hold *h)
{
	h->n = 0;
	for (unsigned i = 0; i < FLOOD_HELD; i++)
		h->held[i] = &h->memory[i];
}

bool flood_hold_put(struct flood_hold *h, uint16_t peer, const uint8_t *packet, size_t len,
		    struct instant now)
{
	struct flood_held *held;

	if (h->n == FLOOD_HELD || len > FLOOD_PACKET)
		return false;
	held = h->held[h->n++];
	held->peer = peer;
	held->ready = false;
	held->len = (uint16_t)len;
	held->until = instant_add(now, FLOOD_HOLD);
	memcpy(held->packet, packet, len);
	return true;
}

void flood_hold_ready(struct flood_hold *h, uint16_t peer, uint32_t id)
{
	for (unsigned i = 0; i < h->n; i++) {
		struct flood_held *held = h->held[i];

		if (held->peer == peer && be32_get(held->packet + 4) == id)
			held->ready = true;
	}
}

struct flood_held *flood_hold_remove(struct flood_hold *h, unsigned i)
{
	struct flood_held *held = h->held[i];

	h->n--;
	memmove(&h->held[i], &h->held[i + 1], (h->n - i) * sizeof(struct flood_held *));
	h->held[h->n] = held;
	return held;
}

struct instant flood_hold_due(const struct flood_hold *h)
{
	return h->n ? h->held[0]->until : INSTANT_NEVER; /* the first came first */
}
