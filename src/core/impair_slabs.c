/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * Frames lie in chunks of two sizes, cut from slabs, each of one size as long as any of its
 * chunks is in use; an empty one serves either size.  All slabs that the limit allows are
 * taken when a line is set, so nothing is allocated while frames pass; the kernel gives
 * them pages as they are first written.  Chunks come from the slab that has had room for
 * longest, so that others become empty.
 */
#include <stdlib.h>

#include "base/bytes.h"
#include "impair_parts.h"

#define SLAB IMPAIR_SLAB

struct impair_slab {
	_Alignas(16) struct list link; /* in spare, full, small or big */
	struct impair_chunk *free;
	size_t size;	      /* of its chunks */
	unsigned used, fresh; /* chunks in use; how many ever were, since it was empty */
};

void impair_slabs_init(struct impair *p)
{
	list_init(&p->spare);
	list_init(&p->full);
	list_init(&p->small);
	list_init(&p->big);
}

static struct impair_slab *slab_of(struct list *link)
{
	return container_of(link, struct impair_slab, link);
}

static void move(struct impair_slab *slab, struct list *to)
{
	list_remove(&slab->link);
	list_append(to, &slab->link);
}

/* Whole slabs, and one more for the chunks of the other size; a line that delays nothing
 * holds nothing. */
static size_t most_memory(const struct impair_setup *s)
{
	if (!s->delay && !s->jitter && !s->rate)
		return 0;
	return (impair_limit(s) + SLAB - 1) / SLAB * SLAB + SLAB;
}

static struct impair_slab *slab_new(struct impair *p)
{
	struct impair_slab *slab = malloc(sizeof(*slab) + SLAB);

	if (!slab)
		return NULL;
	p->counts.memory += SLAB;
	list_init(&slab->link);
	list_append(&p->spare, &slab->link);
	return slab;
}

static void slab_free(struct impair *p, struct impair_slab *slab)
{
	list_remove(&slab->link);
	p->counts.memory -= SLAB;
	free(slab);
}

/* Spare ones go until there is so much, or none is left. */
static void shrink(struct impair *p, size_t memory)
{
	list_for_each_safe(link, &p->spare)
	{
		if (p->counts.memory <= memory)
			return;
		slab_free(p, slab_of(link));
	}
}

bool impair_slabs_reserve(struct impair *p, const struct impair_setup *setup)
{
	size_t before = p->counts.memory;

	while (p->counts.memory < most_memory(setup)) {
		if (!slab_new(p)) {
			shrink(p, before);
			return false;
		}
	}
	return true;
}

void impair_slabs_trim(struct impair *p)
{
	shrink(p, most_memory(&p->setup));
}

static struct list *list_of(struct impair *p, size_t size)
{
	return size == IMPAIR_SMALL ? &p->small : &p->big;
}

/* One with room for a chunk of that size. */
static struct impair_slab *find_slab(struct impair *p, size_t size)
{
	struct list *list = list_of(p, size);
	struct impair_slab *slab;

	if (!list_empty(list))
		return slab_of(list->next);
	if (list_empty(&p->spare))
		return NULL;
	slab = slab_of(p->spare.next);
	slab->free = NULL;
	slab->size = size;
	slab->used = slab->fresh = 0;
	move(slab, list);
	return slab;
}

struct impair_chunk *impair_chunk_take(struct impair *p, size_t size)
{
	struct impair_slab *slab = find_slab(p, size);
	struct impair_chunk *chunk;

	if (!slab)
		return NULL;
	chunk = slab->free;
	if (chunk)
		slab->free = chunk->next;
	else
		chunk = (struct impair_chunk *)(void *)((uint8_t *)(slab + 1) +
							size * slab->fresh++);
	if (++slab->used == SLAB / size)
		move(slab, &p->full);
	chunk->slab = slab;
	chunk->next = NULL;
	p->counts.held += size;
	return chunk;
}

/* The spare slab that was used last is the next: its pages are there. */
void impair_chunk_give(struct impair *p, struct impair_chunk *chunk)
{
	struct impair_slab *slab = chunk->slab;

	chunk->next = slab->free;
	slab->free = chunk;
	p->counts.held -= slab->size;
	if (slab->used == SLAB / slab->size)
		move(slab, list_of(p, slab->size));
	if (--slab->used == 0) {
		list_remove(&slab->link);
		list_append(p->spare.next, &slab->link); /* before the first */
		impair_slabs_trim(p);
	}
}

void impair_slabs_free(struct impair *p)
{
	struct list *lists[] = { &p->spare, &p->full, &p->small, &p->big };

	for (unsigned i = 0; i < COUNT_OF(lists); i++) {
		list_for_each_safe(link, lists[i])
		{
			free(slab_of(link));
		}
	}
}
