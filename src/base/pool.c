/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/pool.h"

#define POOL_ALIGN 64

bool pool_init(struct pool *pool, size_t count, size_t size)
{
	size_t bytes;

	*pool = (struct pool){ .count = count };
	if (size > SIZE_MAX - POOL_ALIGN)
		return false;
	pool->size = (size + POOL_ALIGN - 1) / POOL_ALIGN * POOL_ALIGN;
	if (__builtin_mul_overflow(pool->size, count, &bytes))
		return false;
	if (bytes == 0)
		return true;

	pool->memory = aligned_alloc(POOL_ALIGN, bytes);
	pool->idle = calloc(count, sizeof(*pool->idle));
	if (!pool->memory || !pool->idle) {
		pool_free(pool);
		return false;
	}
	/* The first object is on top: it is lent first. */
	for (size_t i = count; i-- > 0;)
		pool->idle[pool->n_idle++] = pool->memory + i * pool->size;
	return true;
}

void *pool_take(struct pool *pool)
{
	return pool->n_idle ? pool->idle[--pool->n_idle] : NULL;
}

void pool_give(struct pool *pool, void *object)
{
	pool->idle[pool->n_idle++] = object;
}

void pool_free(struct pool *pool)
{
	free(pool->memory);
	free(pool->idle);
	*pool = (struct pool){ 0 };
}
