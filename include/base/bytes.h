/* SPDX-License-Identifier: MIT */
/*
 * Bytes in network order, and checked cursors over them.
 *
 * A reader fails closed: once a read passes the end, the reader is bad, every
 * later read gives zero or NULL, and rd_ok() says so.  Check it once, after
 * the last read and before any value is used.  A writer works alike.  Neither
 * owns memory.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static inline uint16_t be16_get(const void *p)
{
	const uint8_t *b = p;

	return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t be32_get(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

static inline uint64_t be64_get(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap64(v);
}

static inline void be16_put(void *p, uint16_t v)
{
	uint8_t *b = p;

	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

static inline void be32_put(void *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void be64_put(void *p, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(p, &v, sizeof(v));
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "the be*() helpers above swap: a big endian port changes them");

struct rd {
	const uint8_t *p;
	size_t left;
	bool bad;
};

static inline struct rd rd_make(const void *p, size_t len)
{
	return (struct rd){ .p = p, .left = len, .bad = false };
}

/* The next n bytes, or NULL past the end.  Points into the source. */
static inline const uint8_t *rd_bytes(struct rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->bad || r->left < n) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	r->left -= n;
	return p;
}

static inline uint8_t rd_u8(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 1);

	return p ? *p : 0;
}

static inline uint16_t rd_u16(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 2);

	return p ? be16_get(p) : 0;
}

static inline uint32_t rd_u32(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 4);

	return p ? be32_get(p) : 0;
}

static inline uint64_t rd_u64(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 8);

	return p ? be64_get(p) : 0;
}

/* Copies n bytes to out; out is untouched past the end. */
static inline void rd_copy(struct rd *r, void *out, size_t n)
{
	const uint8_t *p = rd_bytes(r, n);

	if (p)
		memcpy(out, p, n);
}

/* The next n bytes as a reader of their own; a bad one past the end. */
static inline struct rd rd_sub(struct rd *r, size_t n)
{
	const uint8_t *p = rd_bytes(r, n);

	return (struct rd){ .p = p, .left = p ? n : 0, .bad = !p };
}

static inline bool rd_ok(const struct rd *r)
{
	return !r->bad;
}

/* True when all was read and nothing was read past the end. */
static inline bool rd_done(const struct rd *r)
{
	return !r->bad && r->left == 0;
}

struct wr {
	uint8_t *p;
	size_t left;
	size_t used;
	bool bad;
};

static inline struct wr wr_make(void *p, size_t room)
{
	return (struct wr){ .p = p, .left = room, .used = 0, .bad = false };
}

/* Moves on by n bytes, which start at *p then; false when there is no room. */
static inline bool wr_take(struct wr *w, size_t n, uint8_t **p)
{
	if (w->bad || w->left < n) {
		w->bad = true;
		return false;
	}
	*p = w->p;
	w->p += n;
	w->left -= n;
	w->used += n;
	return true;
}

/* Room for n bytes to be filled by the caller, or NULL when there is none. */
static inline uint8_t *wr_room(struct wr *w, size_t n)
{
	uint8_t *p;

	return wr_take(w, n, &p) ? p : NULL;
}

static inline void wr_u8(struct wr *w, uint8_t v)
{
	uint8_t *p;

	if (wr_take(w, 1, &p))
		*p = v;
}

static inline void wr_u16(struct wr *w, uint16_t v)
{
	uint8_t *p;

	if (wr_take(w, 2, &p))
		be16_put(p, v);
}

static inline void wr_u32(struct wr *w, uint32_t v)
{
	uint8_t *p;

	if (wr_take(w, 4, &p))
		be32_put(p, v);
}

static inline void wr_u64(struct wr *w, uint64_t v)
{
	uint8_t *p;

	if (wr_take(w, 8, &p))
		be64_put(p, v);
}

static inline void wr_copy(struct wr *w, const void *src, size_t n)
{
	uint8_t *p;

	if (wr_take(w, n, &p) && n)
		memcpy(p, src, n);
}

static inline void wr_zero(struct wr *w, size_t n)
{
	uint8_t *p;

	if (wr_take(w, n, &p) && n)
		memset(p, 0, n);
}

/* Zeroes memory that held a secret; never optimised away. */
void bytes_wipe(void *p, size_t n);

/* True when n bytes are equal; takes the same time wherever they differ. */
bool bytes_equal_secret(const void *a, const void *b, size_t n);

/* True when n bytes are all zero; constant time. */
bool bytes_all_zero(const void *p, size_t n);

/* Lower-case hex of n bytes and a NUL into out, which holds 2 * n + 1. */
void bytes_to_hex(char *out, const void *p, size_t n);

#endif
