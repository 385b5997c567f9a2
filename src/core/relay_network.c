/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation of the list.  Members stand in the order of their last
 * change, and so do the tombstones; an answer merges both from a revision on.
 * Who is behind the oldest tombstone cannot know who went meanwhile, and begins
 * anew.  A list that takes several answers is of members that changed long ago,
 * and its revisions are behind the oldest tombstone as well: what counts then is
 * the base, the revision at which it began, since all that goes later leaves a
 * tombstone later than that.  Nothing of this is remembered here.
 */
#include "core/relay_network.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define TABLE RELAY_NETWORKS
#define FIRST_REVISIONS 0x3fffffff /* so that no relay lives to see it wrap */

_Static_assert((TABLE & (TABLE - 1)) == 0, "a power of two");

bool relay_networks_init(struct relay_networks *ns, struct rand_source rand)
{
	*ns = (struct relay_networks){ .rand = rand };
	rand_fill(&rand, ns->secret, sizeof(ns->secret));
	ns->pool = calloc(RELAY_NETWORKS, sizeof(*ns->pool));
	ns->by_name = calloc(TABLE, sizeof(*ns->by_name));
	return ns->pool && ns->by_name;
}

void relay_networks_free(struct relay_networks *ns)
{
	if (ns->pool)
		bytes_wipe(ns->pool, ns->fresh * sizeof(*ns->pool));
	free(ns->pool);
	free(ns->by_name);
	bytes_wipe(ns, sizeof(*ns));
}

/* Strangers choose names at an open relay. */
static uint32_t *bucket_of(const struct relay_networks *ns, const char *name)
{
	uint8_t mac[KEX_HASH];

	kex_hmac(mac, ns->secret, sizeof(ns->secret), name, strlen(name));
	return &ns->by_name[be32_get(mac) & (TABLE - 1)];
}

struct relay_network *relay_network_find(const struct relay_networks *ns, const char *name)
{
	uint32_t at = *bucket_of(ns, name);

	while (at && strcmp(ns->pool[at - 1].name, name) != 0)
		at = ns->pool[at - 1].chain;
	return at ? &ns->pool[at - 1] : NULL;
}

static struct relay_network *take_place(struct relay_networks *ns)
{
	struct relay_network *net;

	if (!ns->freed)
		return ns->fresh < RELAY_NETWORKS ? &ns->pool[ns->fresh++] : NULL;
	net = &ns->pool[ns->freed - 1];
	ns->freed = net->chain;
	return net;
}

struct relay_network *relay_network_new(struct relay_networks *ns, const char *name)
{
	struct relay_network *net = take_place(ns);
	uint32_t *bucket = bucket_of(ns, name), random;

	if (!net)
		return NULL;
	rand_fill(&ns->rand, &random, sizeof(random));
	*net = (struct relay_network){ .used = true,
				       .access = RELAY_OPEN,
				       .id = (uint32_t)(net - ns->pool),
				       .chain = *bucket,
				       .revision = 1 + random % FIRST_REVISIONS };
	net->forgotten = net->revision;
	memcpy(net->name, name, strnlen(name, WIRE_NAME));
	list_init(&net->changed);
	list_init(&net->told);
	list_init(&net->waiting);
	*bucket = net->id + 1;
	return net;
}

void relay_network_forget(struct relay_networks *ns, struct relay_network *net)
{
	uint32_t *at = bucket_of(ns, net->name), place = net->id + 1;

	while (*at != place)
		at = &ns->pool[*at - 1].chain;
	*at = net->chain;
	list_remove(&net->waiting);
	bytes_wipe(net, sizeof(*net));
	net->chain = ns->freed;
	ns->freed = place;
}

bool relay_network_admits(const struct relay_network *net, const uint8_t public_key[KEX_KEY])
{
	if (net->access != RELAY_LIST)
		return true;
	for (size_t i = 0; i < net->n_keys; i++) {
		if (memcmp(net->keys[i], public_key, KEX_KEY) == 0)
			return true;
	}
	return false;
}

bool relay_network_full(const struct relay_network *net)
{
	uint32_t limit = net->limits.members;

	return net->members >= (limit ? MIN(limit, (uint32_t)WIRE_MEMBERS_MAX) : WIRE_MEMBERS_MAX);
}

/* ---- the list ---- */

/* The oldest tombstone goes, and its number is free. */
static void forget_gone(struct relay_network *net)
{
	uint32_t at = net->first_gone++ % RELAY_GONE, number = net->gone[at].number;

	net->forgotten = net->gone[at].revision;
	net->numbers[(number - 1) / 64] &= ~((uint64_t)1 << (number - 1) % 64);
}

/* The lowest free one, or 0. */
static uint32_t free_number(struct relay_network *net)
{
	for (uint32_t i = 0; i < COUNT_OF(net->numbers); i++) {
		uint32_t bit;

		if (net->numbers[i] == UINT64_MAX)
			continue;
		bit = (uint32_t)__builtin_ctzll(~net->numbers[i]);
		net->numbers[i] |= (uint64_t)1 << bit;
		net->top = MAX(net->top, i * 64 + bit + 1);
		return i * 64 + bit + 1;
	}
	return 0;
}

/* There are fewer members than numbers. */
static uint32_t take_number(struct relay_network *net)
{
	uint32_t number = free_number(net);

	if (number)
		return number;
	forget_gone(net);
	return free_number(net);
}

void relay_network_changed(struct relay_network *net, struct relay_member *m)
{
	m->changed = ++net->revision;
	list_remove(&m->changed_in);
	list_append(&net->changed, &m->changed_in);
}

void relay_network_join(struct relay_network *net, struct relay_members *ms, struct relay_member *m)
{
	relay_member_set_number(ms, m, take_number(net));
	net->members++;
	relay_network_changed(net, m);
	list_append(net->told.next, &m->told_in); /* before the first: it knows nothing yet */
}

void relay_network_leave(struct relay_network *net, struct relay_member *m)
{
	uint32_t at;

	if (net->end_gone - net->first_gone == RELAY_GONE)
		forget_gone(net);
	at = net->end_gone++ % RELAY_GONE;
	net->gone[at].number = m->number;
	net->gone[at].revision = ++net->revision;
	net->members--;
	list_remove(&m->changed_in);
	list_remove(&m->told_in);
}

/* ---- answers ---- */

struct entries {
	const struct relay_network *net;
	const struct list *member; /* the next one, or the list's head */
	uint32_t gone;		   /* the next one, counted as end_gone counts */
};

static const struct relay_member *member_at(const struct list *node)
{
	return container_of(node, const struct relay_member, changed_in);
}

/* What changed after that revision. */
static struct entries entries_after(const struct relay_network *net, uint32_t revision)
{
	struct entries e = { net, &net->changed, net->end_gone };

	while (e.member->prev != &net->changed && member_at(e.member->prev)->changed > revision)
		e.member = e.member->prev;
	while (e.gone > net->first_gone && net->gone[(e.gone - 1) % RELAY_GONE].revision > revision)
		e.gone--;
	return e;
}

/* The next of both, into exactly one of *m and *gone; returns its revision, or 0 at
 * the end. */
static uint32_t entries_next(struct entries *e, const struct relay_member **m, uint32_t *gone)
{
	const struct relay_network *net = e->net;
	bool members = e->member != &net->changed, tombs = e->gone < net->end_gone;
	uint32_t at = e->gone % RELAY_GONE;

	*m = NULL;
	if (tombs && (!members || net->gone[at].revision < member_at(e->member)->changed)) {
		e->gone++;
		*gone = net->gone[at].number;
		return net->gone[at].revision;
	}
	if (!members)
		return 0;
	*m = member_at(e->member);
	e->member = e->member->next;
	return (*m)->changed;
}

static void write_entry(struct wr *w, const struct relay_member *m, uint32_t gone)
{
	size_t len = m ? strlen(m->name) : 0;

	wr_u32(w, m ? m->number : gone);
	wr_u8(w, m ? 0 : WIRE_MEMBER_GONE);
	if (m)
		wr_copy(w, m->public_key, KEX_KEY);
	else
		wr_zero(w, KEX_KEY);
	wr_u8(w, (uint8_t)len);
	if (m)
		wr_copy(w, m->name, len);
}

/* Who asks from there may have missed that somebody went. */
static bool must_reset(const struct relay_network *net, uint32_t reached, uint32_t base)
{
	uint32_t knows = MAX(reached, base);

	return reached == 0 || knows > net->revision || knows < net->forgotten;
}

size_t relay_network_list(const struct relay_network *net, uint32_t reached, uint32_t base,
			  uint8_t *out, size_t room)
{
	bool reset = must_reset(net, reached, base);
	struct wr w = wr_make(out + WIRE_MEMBERS_HEAD, room - WIRE_MEMBERS_HEAD);
	uint32_t gone = 0, revision = 0, count = 0;
	const struct relay_member *m;
	struct entries e;

	reached = reset ? 0 : reached;
	e = entries_after(net, reached);
	if (reset)
		e.gone = net->end_gone;
	while (count < UINT8_MAX && w.left >= WIRE_MEMBER_LEN + WIRE_NAME &&
	       (revision = entries_next(&e, &m, &gone)) != 0) {
		write_entry(&w, m, gone);
		reached = revision;
		count++;
	}
	if (e.member == &net->changed && e.gone == net->end_gone)
		reached = net->revision;
	be32_put(out, net->revision);
	be32_put(out + 4, reached);
	out[8] = reset ? WIRE_MEMBERS_RESET : 0;
	out[9] = (uint8_t)count;
	return WIRE_MEMBERS_HEAD + w.used;
}
