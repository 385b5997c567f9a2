/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  A key is the VLAN and the address as one 64-bit number;
 * its keyed hash names the only set where it may stand.  A place is free (port
 * FDB_PORT_NONE), live, or aged: past its age, but not yet collected.  Aged
 * places count in `used` and `per_port` until a learning in the same set takes
 * them or fdb_age comes by, so no frame ever costs more than one set.
 *
 * A live entry is never evicted for a new one: whoever was learned first keeps
 * its place, and a stranger's flood of addresses only fills what was free.
 */
#include "core/fdb.h"

#include <stdlib.h>

#include "base/hash.h"

/* Twice the places: with sets as full as that, hardly one in a hundred
 * addresses meets a full set. */
#define FDB_SPARE 2

bool fdb_init(struct fdb *f, size_t entries, uint32_t quota, int64_t ageing, uint64_t seed)
{
	size_t sets = 1;
	size_t i;

	*f = (struct fdb){ .seed = seed, .ageing = ageing, .quota = quota };
	if (entries > SIZE_MAX / 4 / FDB_SPARE / sizeof(*f->entries))
		return false;
	while (sets * FDB_WAYS < entries * FDB_SPARE)
		sets *= 2;
	f->entries = calloc(sets * FDB_WAYS, sizeof(*f->entries));
	f->traffic = calloc(sets * FDB_WAYS, sizeof(*f->traffic));
	if (!f->entries || !f->traffic) {
		fdb_free(f);
		return false;
	}
	f->sets = sets;
	for (i = 0; i < sets * FDB_WAYS; i++)
		f->entries[i].port = FDB_PORT_NONE;
	return true;
}

void fdb_free(struct fdb *f)
{
	free(f->entries);
	free(f->traffic);
	*f = (struct fdb){ 0 };
}

static struct fdb_entry *set_of(const struct fdb *f, uint16_t vlan, struct mac mac)
{
	uint64_t hash = hash_u64((uint64_t)vlan << 48 | mac_u64(mac), f->seed);

	return f->entries + (hash & (f->sets - 1)) * FDB_WAYS;
}

static bool is_live(const struct fdb *f, const struct fdb_entry *e, struct instant now)
{
	if (e->port == FDB_PORT_NONE)
		return false;
	return f->ageing == 0 || instant_between(e->seen, now) <= f->ageing;
}

static struct fdb_entry *find_live(const struct fdb *f, uint16_t vlan, struct mac mac,
				   struct instant now)
{
	struct fdb_entry *e = set_of(f, vlan, mac);
	struct fdb_entry *end = e + FDB_WAYS;

	for (; e < end; e++) {
		if (e->vlan == vlan && mac_equal(e->mac, mac) && is_live(f, e, now))
			return e;
	}
	return NULL;
}

static void release(struct fdb *f, struct fdb_entry *e)
{
	f->used--;
	f->per_port[e->port]--;
	e->port = FDB_PORT_NONE;
}

/* A free place for the key, after the aged ones of its set were collected; so
 * an aged entry of the same key cannot stay behind as a second one. */
static struct fdb_entry *make_place(struct fdb *f, uint16_t vlan, struct mac mac,
				    struct instant now)
{
	struct fdb_entry *set = set_of(f, vlan, mac);
	struct fdb_entry *place = NULL;
	size_t i;

	for (i = 0; i < FDB_WAYS; i++) {
		if (set[i].port != FDB_PORT_NONE && !is_live(f, &set[i], now))
			release(f, &set[i]);
		if (set[i].port == FDB_PORT_NONE && !place)
			place = &set[i];
	}
	return place;
}

static enum fdb_learned add(struct fdb *f, uint16_t vlan, struct mac mac, uint16_t port,
			    struct fdb_entry **found, struct instant now)
{
	struct fdb_entry *e = make_place(f, vlan, mac, now);

	if (f->per_port[port] >= f->quota)
		return FDB_QUOTA;
	if (!e)
		return FDB_FULL;
	*e = (struct fdb_entry){ .mac = mac, .vlan = vlan, .port = port, .seen = now };
	f->traffic[e - f->entries] = (struct fdb_traffic){ .since = now };
	f->used++;
	f->per_port[port]++;
	*found = e;
	return FDB_NEW;
}

static enum fdb_learned move(struct fdb *f, struct fdb_entry *e, uint16_t port, struct instant now)
{
	if (e->moves && instant_between(e->window, now) >= FDB_MOVE_WINDOW)
		e->moves = 0;
	if (e->moves >= FDB_MOVES)
		return FDB_HELD;
	if (f->per_port[port] >= f->quota)
		return FDB_QUOTA;
	if (e->moves == 0)
		e->window = now;
	e->moves++;
	e->moves_total++;
	f->per_port[e->port]--;
	f->per_port[port]++;
	e->port = port;
	e->seen = now;
	f->traffic[e - f->entries].since = now;
	return FDB_MOVED;
}

static enum fdb_learned learn(struct fdb *f, uint16_t vlan, struct mac mac, uint16_t port,
			      struct fdb_entry **found, struct instant now)
{
	struct fdb_entry *e = find_live(f, vlan, mac, now);

	*found = e;
	if (!e)
		return add(f, vlan, mac, port, found, now);
	if (e->port != port)
		return move(f, e, port, now);
	e->seen = now;
	return FDB_KNOWN;
}

enum fdb_learned fdb_learn(struct fdb *f, uint16_t vlan, struct mac mac, uint16_t port,
			   size_t len, struct instant now)
{
	struct fdb_entry *e;
	enum fdb_learned learned;

	if (mac_is_group(mac) || mac_is_zero(mac) || port >= FDB_PORTS)
		return FDB_REFUSED;
	learned = learn(f, vlan, mac, port, &e, now);
	if (e && e->port == port) {
		struct fdb_traffic *t = &f->traffic[e - f->entries];

		t->rx_frames++;
		t->rx_bytes += len;
	}
	return learned;
}

uint16_t fdb_lookup(struct fdb *f, uint16_t vlan, struct mac mac, size_t len, struct instant now)
{
	const struct fdb_entry *e = find_live(f, vlan, mac, now);
	struct fdb_traffic *t;

	if (!e)
		return FDB_PORT_NONE;
	t = &f->traffic[e - f->entries];
	t->tx_frames++;
	t->tx_bytes += len;
	return e->port;
}

const struct fdb_entry *fdb_find(const struct fdb *f, uint16_t vlan, struct mac mac,
				 struct instant now)
{
	return find_live(f, vlan, mac, now);
}

uint32_t fdb_flush_port(struct fdb *f, uint16_t port)
{
	uint32_t count;
	size_t i;

	if (port >= FDB_PORTS)
		return 0;
	count = f->per_port[port];
	for (i = 0; f->per_port[port] && i < f->sets * FDB_WAYS; i++) {
		if (f->entries[i].port == port)
			release(f, &f->entries[i]);
	}
	return count;
}

void fdb_age(struct fdb *f, struct instant now)
{
	size_t i;

	for (i = 0; f->used && i < f->sets * FDB_WAYS; i++) {
		struct fdb_entry *e = &f->entries[i];

		if (e->port != FDB_PORT_NONE && !is_live(f, e, now))
			release(f, e);
	}
}

const struct fdb_entry *fdb_next(const struct fdb *f, size_t *place, struct instant now)
{
	while (*place < f->sets * FDB_WAYS) {
		const struct fdb_entry *e = &f->entries[(*place)++];

		if (is_live(f, e, now))
			return e;
	}
	return NULL;
}
