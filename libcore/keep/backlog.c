/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One block of memory. Entries lie one behind the other; where one does not fit before
 * the end, the rest is left and it begins at 0. The newest ends at `head`, the oldest
 * begins at `tail`; `wrap` is where the upper part ends while head is below tail.
 */
#include "keep/backlog.h"

#include "base/mem.h"

#include <string.h>

struct entry {
	size_t size; /* of entry and bytes, a multiple of 16 */
	struct nr_packet p;
};

struct nr_backlog {
	uint8_t *mem;
	size_t room, head, tail, wrap;
	int64_t span_ns;
	int64_t squeezed_ns; /* clock of the last one that was */
	uint64_t n, squeezed;
	struct nr_packet taken;
};

struct nr_backlog *nr_backlog_new(int64_t span_ns, size_t bytes)
{
	struct nr_backlog *b = nr_xcalloc(1, sizeof(*b));

	b->room = bytes & ~(size_t)15;
	b->mem = nr_xmalloc(b->room ? b->room : 16);
	b->span_ns = span_ns;
	b->squeezed_ns = INT64_MIN;
	return b;
}

static struct entry *oldest(const struct nr_backlog *b)
{
	return (struct entry *)(void *)(b->mem + b->tail);
}

static void drop_oldest(struct nr_backlog *b)
{
	b->tail += oldest(b)->size;
	b->n--;
	if (!b->n)
		b->head = b->tail = b->wrap = 0;
	else if (b->tail == b->wrap && b->tail > b->head)
		b->tail = 0;
}

/* Does `size` fit at head, as things lie? Moves head to 0 where it fits there. */
static bool fits(struct nr_backlog *b, size_t size)
{
	if (!b->n)
		return size <= b->room;
	if (b->head > b->tail) {
		if (b->room - b->head >= size)
			return true;
		if (b->tail < size)
			return false;
		b->wrap = b->head;
		b->head = 0;
		return true;
	}
	return b->tail - b->head >= size && b->tail != b->head;
}

static void squeeze(struct nr_backlog *b, int64_t clock_ns)
{
	b->squeezed++;
	b->squeezed_ns = clock_ns;
}

void nr_backlog_add(struct nr_backlog *b, const struct nr_packet *p)
{
	size_t size = (sizeof(struct entry) + p->cap_len + 15) & ~(size_t)15;
	struct entry *e;

	nr_backlog_expire(b, p->clock_ns);
	if (size > b->room) {
		squeeze(b, p->clock_ns);
		return;
	}
	while (!fits(b, size)) {
		squeeze(b, oldest(b)->p.clock_ns);
		drop_oldest(b);
	}
	e = (struct entry *)(void *)(b->mem + b->head);
	e->size = size;
	e->p = *p;
	e->p.block = NULL;
	memcpy(e + 1, p->data, p->cap_len);
	e->p.data = (const uint8_t *)(e + 1);
	b->head += size;
	b->n++;
}

void nr_backlog_expire(struct nr_backlog *b, int64_t clock_ns)
{
	int64_t from;

	if (__builtin_sub_overflow(clock_ns, b->span_ns, &from))
		return;
	while (b->n && oldest(b)->p.clock_ns < from)
		drop_oldest(b);
}

const struct nr_packet *nr_backlog_take(struct nr_backlog *b)
{
	if (!b->n)
		return NULL;
	b->taken = oldest(b)->p; /* its bytes stay until something is added */
	drop_oldest(b);
	return &b->taken;
}

uint64_t nr_backlog_count(const struct nr_backlog *b)
{
	return b->n;
}

int64_t nr_backlog_since(const struct nr_backlog *b)
{
	return b->n ? oldest(b)->p.clock_ns : INT64_MAX;
}

bool nr_backlog_is_short(const struct nr_backlog *b, int64_t clock_ns)
{
	int64_t from;

	return b->squeezed && !__builtin_sub_overflow(clock_ns, b->span_ns, &from) &&
	       b->squeezed_ns >= from;
}

uint64_t nr_backlog_squeezed(const struct nr_backlog *b)
{
	return b->squeezed;
}

void nr_backlog_free(struct nr_backlog *b)
{
	if (!b)
		return;
	nr_free(b->mem);
	nr_free(b);
}
