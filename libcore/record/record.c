/* SPDX-License-Identifier: BSD-3-Clause */
#include "record/record.h"

#include <string.h>

int nr_order_cmp(const struct nr_order *a, const struct nr_order *b)
{
	if (a->ordinal != b->ordinal)
		return a->ordinal < b->ordinal ? -1 : 1;
	if (a->turn != b->turn)
		return a->turn < b->turn ? -1 : 1;
	if (a->phase != b->phase)
		return a->phase < b->phase ? -1 : 1;
	if (a->place != b->place)
		return a->place < b->place ? -1 : 1;
	if (a->seq != b->seq)
		return a->seq < b->seq ? -1 : 1;
	return 0;
}

struct nr_record *nr_records_add(struct nr_records *rs, const struct nr_record_type *t,
				 struct nr_order order)
{
	struct nr_record *r;

	if (rs->n == rs->cap) {
		size_t cap = rs->cap ? rs->cap * 2 : 512;
		struct nr_record **grown =
			nr_arena_alloc(rs->arena, cap * sizeof(struct nr_record *));

		if (rs->n)
			memcpy(grown, rs->r, rs->n * sizeof(struct nr_record *));
		rs->r = grown;
		rs->cap = cap;
	}
	r = nr_arena_zalloc(rs->arena,
			    sizeof(*r) + t->n_fields * sizeof(struct nr_value));
	r->type = t;
	r->order = order;
	r->v = (struct nr_value *)(r + 1);
	if (rs->n && nr_order_cmp(&rs->r[rs->n - 1]->order, &order) > 0)
		rs->unsorted = true;
	rs->r[rs->n++] = r;
	return r;
}

/* A bottom-up merge sort: stable, and no worse for orders that an attacker chose. */
void nr_records_sort(struct nr_records *rs)
{
	struct nr_record **from = rs->r, **to;

	if (!rs->unsorted)
		return;
	to = nr_arena_alloc(rs->arena, rs->cap * sizeof(struct nr_record *));
	for (size_t run = 1; run < rs->n; run *= 2) {
		struct nr_record **swap;

		for (size_t lo = 0; lo < rs->n; lo += 2 * run) {
			size_t mid = rs->n - lo < run ? rs->n : lo + run;
			size_t hi = rs->n - lo < 2 * run ? rs->n : lo + 2 * run;
			size_t i = lo, j = mid;

			for (size_t k = lo; k < hi; k++) {
				if (j == hi ||
				    (i < mid &&
				     nr_order_cmp(&from[i]->order, &from[j]->order) <= 0))
					to[k] = from[i++];
				else
					to[k] = from[j++];
			}
		}
		swap = from;
		from = to;
		to = swap;
	}
	rs->r = from;
	rs->unsorted = false;
}

void nr_records_clear(struct nr_records *rs)
{
	rs->r = NULL;
	rs->n = rs->cap = 0;
	rs->unsorted = false;
}
