/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/arena.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK_SIZE = 256 * 1024, KEEP = 8 << 20, ALIGN = 16 };

struct nr_arena_block {
	struct nr_arena_block *next;
	size_t size; /* bytes in data */
	_Alignas(ALIGN) uint8_t data[];
};

static struct nr_arena_block *block_new(struct nr_arena *a, size_t at_least)
{
	size_t usual = a->block ? a->block : BLOCK_SIZE;
	size_t size = at_least > usual ? at_least : usual;
	struct nr_arena_block *b = nr_xmalloc(sizeof(*b) + size);

	b->next = NULL;
	b->size = size;
	a->in_blocks += size;
	NR_POISON(b->data, size);
	return b;
}

void *nr_arena_alloc(struct nr_arena *a, size_t n)
{
	size_t need = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	void *p;

	if (!a->cur) {
		a->first = a->cur = block_new(a, need);
		a->used = 0;
	}
	while (a->cur->size - a->used < need) {
		if (!a->cur->next)
			a->cur->next = block_new(a, need);
		a->cur = a->cur->next;
		a->used = 0;
	}
	p = a->cur->data + a->used;
	a->used += need;
	a->handed += need;
	NR_UNPOISON(p, n);
	return p;
}

void nr_arena_shrink(struct nr_arena *a, void *p, size_t old, size_t n)
{
	size_t had = (old + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	size_t need = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);

	NR_POISON((uint8_t *)p + n, old - n);
	a->used -= had - need;
	a->handed -= had - need;
}

void *nr_arena_zalloc(struct nr_arena *a, size_t n)
{
	return memset(nr_arena_alloc(a, n), 0, n);
}

char *nr_arena_copy(struct nr_arena *a, const void *p, size_t n)
{
	char *s = nr_arena_alloc(a, n + 1);

	if (n)
		memcpy(s, p, n);
	s[n] = '\0';
	return s;
}

char *nr_arena_printf(struct nr_arena *a, const char *fmt, ...)
{
	char small[256];
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n < (int)sizeof(small))
		return nr_arena_copy(a, small, n < 0 ? 0 : (size_t)n);
	s = nr_arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return s;
}

static void free_blocks(struct nr_arena *a, struct nr_arena_block *b)
{
	while (b) {
		struct nr_arena_block *next = b->next;

		NR_UNPOISON(b->data, b->size);
		a->in_blocks -= b->size;
		nr_free(b);
		b = next;
	}
}

void nr_arena_reset(struct nr_arena *a)
{
	size_t kept = 0;

	for (struct nr_arena_block *b = a->first; b; b = b->next) {
		NR_POISON(b->data, b->size);
		kept += b->size;
		if (kept >= KEEP) { /* one large batch is not the rule */
			free_blocks(a, b->next);
			b->next = NULL;
		}
	}
	a->cur = a->first;
	a->used = a->handed = 0;
}

void nr_arena_fini(struct nr_arena *a)
{
	free_blocks(a, a->first);
	*a = (struct nr_arena){ .block = a->block };
}
