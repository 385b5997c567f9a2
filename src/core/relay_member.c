/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  The pool is zero memory that the system gives page by
 * page as members come; a place that was freed is taken first.  Members choose
 * their keys, so the table by key is hashed with a MAC under a secret of this
 * process, and nobody can make a long chain; it is only looked at when a site
 * registers.  Numbers are the relay's own choice, and mixing is enough for them.
 */
#include "core/relay_member.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"

_Static_assert(RELAY_MEMBERS_MAX < 1 << RELAY_SLOT_BITS, "a place fits the index");
_Static_assert(RELAY_KEYS <= 1 << RELAY_KEY_BITS, "and so does a key");
_Static_assert(sizeof(struct relay_member) <= 3072, "leaves room for what members share");

bool relay_members_init(struct relay_members *ms, uint32_t max, struct rand_source rand)
{
	uint32_t size = 16;

	*ms = (struct relay_members){ .n = MIN(max, (uint32_t)RELAY_MEMBERS_MAX), .rand = rand };
	while (size < ms->n)
		size *= 2;
	ms->mask = size - 1;
	rand_fill(&rand, ms->secret, sizeof(ms->secret));
	rand_fill(&rand, &ms->seed, sizeof(ms->seed));
	ms->pool = calloc(ms->n, sizeof(*ms->pool));
	ms->by_key = calloc(size, sizeof(*ms->by_key));
	ms->by_number = calloc(size, sizeof(*ms->by_number));
	return ms->pool && ms->by_key && ms->by_number &&
	       relay_cache_init(&ms->seal, AEAD_SEAL, RELAY_CONTEXTS) &&
	       relay_cache_init(&ms->open, AEAD_OPEN, RELAY_CONTEXTS);
}

void relay_members_free(struct relay_members *ms)
{
	if (ms->pool)
		bytes_wipe(ms->pool, ms->fresh * sizeof(*ms->pool));
	free(ms->pool);
	free(ms->by_key);
	free(ms->by_number);
	relay_cache_free(&ms->seal);
	relay_cache_free(&ms->open);
	bytes_wipe(ms, sizeof(*ms));
}

/* ---- tables ---- */

static uint32_t *key_bucket(const struct relay_members *ms, uint32_t network_id,
			    const uint8_t public_key[KEX_KEY])
{
	uint8_t data[4 + KEX_KEY], mac[KEX_HASH];

	be32_put(data, network_id);
	memcpy(data + 4, public_key, KEX_KEY);
	kex_hmac(mac, ms->secret, sizeof(ms->secret), data, sizeof(data));
	return &ms->by_key[be32_get(mac) & ms->mask];
}

static uint32_t *number_bucket(const struct relay_members *ms, uint32_t network_id, uint32_t number)
{
	uint64_t hash = hash_u64((uint64_t)network_id << 32 | number, ms->seed);

	return &ms->by_number[hash & ms->mask];
}

struct relay_member *relay_member_find(const struct relay_members *ms, uint32_t network_id,
				       const uint8_t public_key[KEX_KEY])
{
	uint32_t at = *key_bucket(ms, network_id, public_key);

	while (at) {
		struct relay_member *m = &ms->pool[at - 1];

		if (m->network_id == network_id && memcmp(m->public_key, public_key, KEX_KEY) == 0)
			return m;
		at = m->key_chain;
	}
	return NULL;
}

struct relay_member *relay_member_numbered(const struct relay_members *ms, uint32_t network_id,
					   uint32_t number)
{
	uint32_t at = *number_bucket(ms, network_id, number);

	while (at) {
		struct relay_member *m = &ms->pool[at - 1];

		if (m->network_id == network_id && m->number == number)
			return m;
		at = m->number_chain;
	}
	return NULL;
}

uint32_t relay_member_place(const struct relay_members *ms, const struct relay_member *m)
{
	return (uint32_t)(m - ms->pool);
}

static struct relay_member *take_place(struct relay_members *ms)
{
	struct relay_member *m;

	if (!ms->freed)
		return ms->fresh < ms->n ? &ms->pool[ms->fresh++] : NULL;
	m = &ms->pool[ms->freed - 1];
	ms->freed = m->key_chain;
	return m;
}

struct relay_member *relay_member_new(struct relay_members *ms, struct relay_network *network,
				      uint32_t network_id, const uint8_t public_key[KEX_KEY],
				      const uint8_t own_id[IDENTITY_ID])
{
	struct relay_member *m = take_place(ms);
	uint32_t *bucket = key_bucket(ms, network_id, public_key);
	uint8_t id[IDENTITY_ID];

	if (!m)
		return NULL;
	m->network = network;
	m->network_id = network_id;
	memcpy(m->public_key, public_key, KEX_KEY);
	m->bucket = (uint32_t)(bucket - ms->by_key);
	m->key_chain = *bucket;
	*bucket = relay_member_place(ms, m) + 1;
	identity_id(id, public_key);
	keys_context(m->context_in, "relay", id, own_id);
	keys_context(m->context_out, "relay", own_id, id);
	list_init(&m->heard_in);
	list_init(&m->changed_in);
	list_init(&m->told_in);
	return m;
}

void relay_member_set_number(struct relay_members *ms, struct relay_member *m, uint32_t number)
{
	uint32_t *bucket = number_bucket(ms, m->network_id, number);

	m->number = number;
	m->number_chain = *bucket;
	*bucket = relay_member_place(ms, m) + 1;
}

void relay_member_forget(struct relay_members *ms, struct relay_member *m)
{
	uint32_t *at = &ms->by_key[m->bucket];
	uint32_t place = relay_member_place(ms, m) + 1;

	while (*at != place)
		at = &ms->pool[*at - 1].key_chain;
	*at = m->key_chain;
	at = number_bucket(ms, m->network_id, m->number);
	while (m->number && *at != place)
		at = &ms->pool[*at - 1].number_chain;
	if (m->number)
		*at = m->number_chain;
	for (unsigned i = 0; i < RELAY_KEYS; i++)
		relay_key_drop(ms, &m->key[i]);
	bytes_wipe(m, sizeof(*m));
	m->key_chain = ms->freed;
	ms->freed = place;
}

/* ---- keys ---- */

static struct relay_key *key_in_state(struct relay_member *m, enum relay_key_state state)
{
	for (unsigned i = 0; i < RELAY_KEYS; i++) {
		if (m->key[i].state == state)
			return &m->key[i];
	}
	return NULL;
}

struct relay_key *relay_key_find(const struct relay_members *ms, uint32_t index,
				 struct relay_member **m)
{
	uint32_t place = index >> RELAY_KEY_BITS & ((1u << RELAY_SLOT_BITS) - 1);
	uint32_t i = index & ((1u << RELAY_KEY_BITS) - 1);
	struct relay_key *key;

	if (place >= ms->fresh || i >= RELAY_KEYS)
		return NULL;
	*m = &ms->pool[place];
	key = &(*m)->key[i];
	return key->state != RELAY_KEY_NONE && key->local_index == index ? key : NULL;
}

struct relay_key *relay_key_next(struct relay_member *m)
{
	return key_in_state(m, RELAY_KEY_NEXT);
}

struct relay_key *relay_key_reserve(struct relay_members *ms, struct relay_member *m)
{
	struct relay_key *key = relay_key_next(m);
	uint32_t random;

	if (!key)
		key = key_in_state(m, RELAY_KEY_NONE);
	relay_key_drop(ms, key);
	rand_fill(&ms->rand, &random, sizeof(random));
	key->local_index = random << (RELAY_SLOT_BITS + RELAY_KEY_BITS) |
			   relay_member_place(ms, m) << RELAY_KEY_BITS | (uint32_t)(key - m->key);
	return key;
}

void relay_key_install(struct relay_key *key, uint32_t remote_index, const uint8_t seal[AEAD_KEY],
		       const uint8_t open[AEAD_KEY], struct instant now)
{
	key->state = RELAY_KEY_NEXT;
	key->remote_index = remote_index;
	key->made = now;
	memcpy(key->seal, seal, AEAD_KEY);
	memcpy(key->open, open, AEAD_KEY);
}

void relay_key_confirm(struct relay_members *ms, struct relay_member *m, struct relay_key *key,
		       struct instant now)
{
	struct relay_key *previous = key_in_state(m, RELAY_KEY_PREVIOUS);
	struct relay_key *current = key_in_state(m, RELAY_KEY_CURRENT);

	if (current) {
		if (previous)
			relay_key_drop(ms, previous);
		current->state = RELAY_KEY_PREVIOUS;
		current->retire = instant_add(now, WIRE_OLD_KEY);
	}
	key->state = RELAY_KEY_CURRENT;
}

void relay_key_drop(struct relay_members *ms, struct relay_key *key)
{
	relay_cache_forget(&ms->seal, &key->seal_at);
	relay_cache_forget(&ms->open, &key->open_at);
	bytes_wipe(key, sizeof(*key));
}

bool relay_key_over(const struct relay_key *key, struct instant now)
{
	return instant_between(key->made, now) >= WIRE_REJECT_AFTER ||
	       (key->state == RELAY_KEY_PREVIOUS && instant_reached(now, key->retire));
}

void relay_member_expire_keys(struct relay_members *ms, struct relay_member *m, struct instant now)
{
	for (unsigned i = 0; i < RELAY_KEYS; i++) {
		if (m->key[i].state != RELAY_KEY_NONE && relay_key_over(&m->key[i], now))
			relay_key_drop(ms, &m->key[i]);
	}
}

struct relay_key *relay_member_current(struct relay_member *m, struct instant now)
{
	struct relay_key *key = key_in_state(m, RELAY_KEY_CURRENT);

	return key && !relay_key_over(key, now) ? key : NULL;
}

struct aead *relay_key_seal(struct relay_members *ms, struct relay_key *key)
{
	return relay_cache_get(&ms->seal, &key->seal_at, key->seal);
}

struct aead *relay_key_open(struct relay_members *ms, struct relay_key *key)
{
	return relay_cache_get(&ms->open, &key->open_at, key->open);
}
