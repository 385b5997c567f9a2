/* SPDX-License-Identifier: MIT */
/*
 * Objects of one size, made at start, lent and given back without the heap.
 * An empty pool answers NULL: the caller's overflow policy decides.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool {
	uint8_t *memory;
	void **idle; /* stack of what may be lent */
	size_t n_idle;
	size_t count;
	size_t size;
};

/* Room for count objects of size bytes each, aligned to 64.  False when memory
 * is short. */
bool pool_init(struct pool *pool, size_t count, size_t size);

/* An object, its content undefined, or NULL when all are lent. */
void *pool_take(struct pool *pool);

/* Takes back what pool_take gave. */
void pool_give(struct pool *pool, void *object);

void pool_free(struct pool *pool);

#endif
