/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one way to read bytes from the wire: a bounds-checked cursor.
 *
 * nr_take() is for fixed headers: check the pointer, then read with nr_be16() and
 * friends. The sticky getters are for TLVs: after the first read past the end all return
 * 0, `bad` is set, and one check at the end suffices. Nothing here allocates.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct nr_cursor {
	const uint8_t *p;
	const uint8_t *end;
	bool bad; /* a sticky getter read past the end */
};

static inline uint16_t nr_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t nr_be24(const uint8_t *p)
{
	return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static inline uint32_t nr_be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return __builtin_bswap32(v);
}

static inline uint64_t nr_be64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return __builtin_bswap64(v);
}

static inline uint16_t nr_le16(const uint8_t *p)
{
	return (uint16_t)(p[1] << 8 | p[0]);
}

static inline uint32_t nr_le32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static inline uint64_t nr_le64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

static inline struct nr_cursor nr_cursor(const void *p, size_t n)
{
	/* n is 0 where p is NULL; an offset to NULL, even 0, is undefined */
	const uint8_t *b = p ? (const uint8_t *)p : (const uint8_t *)"";

	/* cppcheck-suppress pointerOutOfBounds */
	return (struct nr_cursor){ .p = b, .end = b + n };
}

static inline size_t nr_left(const struct nr_cursor *c)
{
	return (size_t)(c->end - c->p);
}

/* The next n bytes, or NULL (and nothing taken) where fewer are left. */
static inline const uint8_t *nr_take(struct nr_cursor *c, size_t n)
{
	const uint8_t *p = c->p;

	if (__builtin_expect((size_t)(c->end - p) < n, 0))
		return NULL;
	c->p = p + n;
	return p;
}

/* As nr_take(), but nothing is consumed. */
static inline const uint8_t *nr_peek(const struct nr_cursor *c, size_t n)
{
	return (size_t)(c->end - c->p) < n ? NULL : c->p;
}

/* Sticky: the next n bytes, or NULL with c->bad set and the cursor at its end. */
static inline const uint8_t *nr_get(struct nr_cursor *c, size_t n)
{
	const uint8_t *p = nr_take(c, n);

	if (!p) {
		c->p = c->end;
		c->bad = true;
	}
	return p;
}

static inline uint8_t nr_get_u8(struct nr_cursor *c)
{
	const uint8_t *p = nr_get(c, 1);

	return p ? *p : 0;
}

static inline uint16_t nr_get_be16(struct nr_cursor *c)
{
	const uint8_t *p = nr_get(c, 2);

	return p ? nr_be16(p) : 0;
}

static inline uint32_t nr_get_be32(struct nr_cursor *c)
{
	const uint8_t *p = nr_get(c, 4);

	return p ? nr_be32(p) : 0;
}

/* Sticky: a cursor over the next n bytes; where fewer are left both are bad. */
static inline struct nr_cursor nr_sub(struct nr_cursor *c, size_t n)
{
	const uint8_t *p = nr_get(c, n);
	struct nr_cursor s = nr_cursor(p ? p : c->end, p ? n : 0);

	s.bad = !p;
	return s;
}
