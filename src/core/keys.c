/* SPDX-License-Identifier: MIT */
#include "core/keys.h"

#include <string.h>

#include "base/bytes.h"
#include "core/kex.h"

/* RESERVED (ours), KEYS_NEXT of theirs, CURRENT: the rest may be PREVIOUS and is what
 * keys_reserve can always take from. */
_Static_assert(KEYS_SLOTS >= 1 + KEYS_NEXT + 1 + 2, "a slot can always be had");
_Static_assert(KEYS_SLOTS == 1 << KEYS_SLOT_BITS, "slot number is the index's low bits");

void keys_context(uint8_t out[KEYS_CONTEXT], const char *network, const uint8_t src[8],
		  const uint8_t dst[8])
{
	static const char label[] = "lanspan data";
	uint8_t head[sizeof(label) - 1 + 1 + 16], hash[KEX_HASH];
	struct wr w = wr_make(head, sizeof(head));

	wr_copy(&w, label, sizeof(label) - 1);
	wr_u8(&w, WIRE_VERSION);
	wr_copy(&w, src, 8);
	wr_copy(&w, dst, 8);
	kex_hash(hash, head, sizeof(head), network, strlen(network));
	memcpy(out, hash, KEYS_CONTEXT);
}

bool keys_init(struct keys *k, enum cipher cipher, const char *network, const uint8_t own_id[8],
	       const uint8_t peer_id[8])
{
	memset(k, 0, sizeof(*k));
	k->kind = WIRE_DATA;
	memcpy(k->own_id, own_id, sizeof(k->own_id));
	memcpy(k->peer_id, peer_id, sizeof(k->peer_id));
	keys_context(k->context_out, network, own_id, peer_id);
	keys_context(k->context_in, network, peer_id, own_id);
	for (unsigned i = 0; i < KEYS_SLOTS; i++) {
		if (!aead_init(&k->slot[i].seal, cipher, AEAD_SEAL) ||
		    !aead_init(&k->slot[i].open, cipher, AEAD_OPEN)) {
			keys_free(k);
			return false;
		}
	}
	return true;
}

void keys_free(struct keys *k)
{
	for (unsigned i = 0; i < KEYS_SLOTS; i++) {
		aead_free(&k->slot[i].seal);
		aead_free(&k->slot[i].open);
	}
	bytes_wipe(k, sizeof(*k));
}

/* When a key would go: one that is PREVIOUS by its last use, others by age. */
static struct instant end_of(const struct keypair *kp)
{
	return kp->state == KEY_PREVIOUS ? kp->retire : kp->made;
}

/* The slot in that state that goes first, and how many there are. */
static struct keypair *oldest(struct keys *k, enum key_state state, unsigned *count)
{
	struct keypair *found = NULL;

	*count = 0;
	for (unsigned i = 0; i < KEYS_SLOTS; i++) {
		struct keypair *kp = &k->slot[i];

		if (kp->state != state)
			continue;
		++*count;
		if (!found || instant_before(end_of(kp), end_of(found)))
			found = kp;
	}
	return found;
}

struct keypair *keys_reserve(struct keys *k, uint32_t base, uint32_t random, bool for_next)
{
	unsigned count;
	struct keypair *kp = NULL;

	if (for_next) {
		kp = oldest(k, KEY_NEXT, &count);
		if (count < KEYS_NEXT)
			kp = NULL;
	}
	if (!kp)
		kp = oldest(k, KEY_FREE, &count);
	if (!kp)
		kp = oldest(k, KEY_PREVIOUS, &count);
	if (!kp)
		return NULL;
	keys_drop(k, kp);
	kp->state = KEY_RESERVED;
	kp->local_index = random << 12 | base | (uint32_t)(kp - k->slot);
	return kp;
}

bool keys_crowded(const struct keys *k, struct instant now)
{
	unsigned young = 0;

	for (unsigned i = 0; i < KEYS_SLOTS; i++)
		young += k->slot[i].state == KEY_NEXT &&
			 instant_between(k->slot[i].made, now) < KEYS_YOUNG;
	return young >= KEYS_NEXT;
}

static void replace_current(struct keys *k, struct keypair *kp, struct instant now)
{
	if (k->current) {
		k->current->state = KEY_PREVIOUS;
		k->current->retire = instant_add(now, WIRE_OLD_KEY);
	}
	kp->state = KEY_CURRENT;
	k->current = kp;
}

static void tell(const struct keys *k, const struct aead *aead, uint32_t index, const uint8_t *key)
{
	bool out = aead->direction == AEAD_SEAL;
	struct key_news news = { .kind = k->hop ? WIRE_HOP : k->kind,
				 .out = out,
				 .index = index,
				 .cipher = aead->cipher,
				 .key = key,
				 .context = out ? k->context_out : k->context_in,
				 .source = out ? k->own_id : k->peer_id,
				 .destination = out ? k->peer_id : k->own_id };

	if (k->kind == WIRE_FLOOD)
		news.destination = NULL;
	k->watch->key(k->watch->ctx, &news);
}

void keys_install(struct keys *k, struct keypair *kp, bool initiator, uint32_t remote_index,
		  const uint8_t send[AEAD_KEY], const uint8_t receive[AEAD_KEY],
		  struct instant now)
{
	aead_set_key(&kp->seal, send);
	aead_set_key(&kp->open, receive);
	replay_reset(&kp->replay);
	kp->initiator = initiator;
	kp->informed = !initiator && k->current &&
		       (k->current->replay.next > 0 || k->current->path_next > 0);
	kp->path_next = kp->path_counter = kp->received = kp->late = 0;
	memset(kp->path_seen, 0, sizeof(kp->path_seen));
	memset(kp->newest, 0, sizeof(kp->newest));
	kp->remote_index = remote_index;
	kp->counter = 0;
	kp->made = now;
	if (k->watch)
		tell(k, &kp->seal, remote_index, send);
	if (k->watch && k->kind != WIRE_FLOOD) /* a site opens no floods of its own */
		tell(k, &kp->open, kp->local_index, receive);
	if (initiator)
		replace_current(k, kp, now);
	else
		kp->state = KEY_NEXT;
}

void keys_confirm(struct keys *k, struct keypair *kp, struct instant now)
{
	if (kp->state == KEY_NEXT)
		replace_current(k, kp, now);
}

void keys_demote(struct keypair *kp, struct instant now)
{
	kp->state = KEY_PREVIOUS;
	kp->retire = instant_add(now, WIRE_OLD_KEY);
}

static void add_arrivals(struct keys_arrivals *to, const struct keypair *kp)
{
	to->received += kp->received;
	to->lost += kp->replay.next - kp->received;
	to->late += kp->late;
}

void keys_drop(struct keys *k, struct keypair *kp)
{
	if (k->current == kp)
		k->current = NULL;
	if (kp->state != KEY_FREE && kp->state != KEY_RESERVED) {
		aead_forget(&kp->seal);
		aead_forget(&kp->open);
		add_arrivals(&k->past, kp);
	}
	kp->state = KEY_FREE;
	kp->local_index = 0;
	kp->remote_index = 0;
}

void keys_drop_all(struct keys *k)
{
	for (unsigned i = 0; i < KEYS_SLOTS; i++)
		keys_drop(k, &k->slot[i]);
}

static bool over(const struct keypair *kp, struct instant now)
{
	switch ((enum key_state)kp->state) {
	case KEY_FREE:
	case KEY_RESERVED:
		return false;
	case KEY_PREVIOUS:
		if (instant_reached(now, kp->retire))
			return true;
		break;
	case KEY_NEXT:
	case KEY_CURRENT:
		break;
	}
	return instant_between(kp->made, now) >= WIRE_REJECT_AFTER;
}

bool keys_expire(struct keys *k, struct instant now)
{
	bool had = k->current;

	for (unsigned i = 0; i < KEYS_SLOTS; i++) {
		if (over(&k->slot[i], now))
			keys_drop(k, &k->slot[i]);
	}
	return had && !k->current;
}

enum replay_verdict keys_check(const struct keypair *kp, uint64_t counter)
{
	if (counter < WIRE_PATH_COUNTER)
		return replay_check(&kp->replay, counter);
	return replay_ring_check(kp->path_next, kp->path_seen, COUNT_OF(kp->path_seen),
				 counter - WIRE_PATH_COUNTER);
}

void keys_commit(struct keypair *kp, uint8_t lane, uint64_t counter)
{
	if (counter >= WIRE_PATH_COUNTER) {
		replay_ring_commit(&kp->path_next, kp->path_seen, COUNT_OF(kp->path_seen),
				   counter - WIRE_PATH_COUNTER);
		return;
	}
	if (!replay_commit(&kp->replay, counter))
		return;
	kp->received++;
	if (counter < kp->newest[lane])
		kp->late++;
	else
		kp->newest[lane] = counter + 1;
}

struct keys_arrivals keys_arrivals(const struct keys *k)
{
	struct keys_arrivals all = k->past;

	for (unsigned i = 0; i < KEYS_SLOTS; i++) {
		if (k->slot[i].state != KEY_FREE && k->slot[i].state != KEY_RESERVED)
			add_arrivals(&all, &k->slot[i]);
	}
	return all;
}

/* low: the header's bytes 1 to 3. */
static void seal(struct keys *k, uint32_t low, uint64_t counter, const uint8_t *in, size_t len,
		 uint8_t *out)
{
	struct keypair *kp = k->current;
	uint8_t aad[KEYS_AAD];
	uint8_t *header = aad + KEYS_CONTEXT;

	memcpy(aad, k->context_out, KEYS_CONTEXT);
	be32_put(header, (uint32_t)k->kind << 24 | low);
	be32_put(header + 4, kp->remote_index);
	be64_put(header + 8, counter);
	if (aead_seal(&kp->seal, counter, aad, sizeof(aad), in, len, out + WIRE_DATA_HEADER))
		memcpy(out, header, WIRE_DATA_HEADER);
	else /* no plaintext leaves, whatever the library did; kind 0 is dropped there */
		memset(out, 0, len + WIRE_DATA_OVERHEAD);
}

void keys_seal(struct keys *k, uint8_t lane, const uint8_t *in, size_t len, uint8_t *out)
{
	seal(k, k->kind == WIRE_DATA ? lane : 0, k->current->counter++, in, len, out);
}

void keys_seal_path(struct keys *k, const uint8_t *in, size_t len, uint8_t *out)
{
	seal(k, WIRE_FLAG_PATH << 16, WIRE_PATH_COUNTER + k->current->path_counter++, in, len, out);
}

bool keys_open(struct keys *k, struct keypair *kp, uint8_t *packet, size_t len, uint64_t counter)
{
	uint8_t aad[KEYS_AAD];
	uint8_t *body = packet + WIRE_DATA_HEADER;

	memcpy(aad, k->context_in, KEYS_CONTEXT);
	memcpy(aad + KEYS_CONTEXT, packet, WIRE_DATA_HEADER);
	return aead_open(&kp->open, counter, aad, sizeof(aad), body, len - WIRE_DATA_HEADER, body);
}

void keys_hop(struct keys *k, uint32_t destination, size_t inner_len, uint8_t *out)
{
	struct keypair *kp = k->current;
	struct hop hop = { .index = kp->remote_index,
			   .counter = kp->counter++,
			   .source = WIRE_HOP_NOBODY,
			   .destination = destination,
			   .inner_len = inner_len };

	if (!hop_seal(&kp->seal, k->context_out, &hop, out))
		memset(out, 0, inner_len + WIRE_HOP_OVERHEAD);
}

bool keys_hop_verify(struct keys *k, struct keypair *kp, const struct hop *hop,
		     const uint8_t *packet, size_t len)
{
	return hop_verify(&kp->open, k->context_in, hop, packet, len);
}
