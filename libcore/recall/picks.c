/* SPDX-License-Identifier: BSD-3-Clause */
#include "recall/internal.h"

#include "base/mem.h"

void nr_picks_add(struct nr_picks *p, uint64_t record, int64_t flow_id)
{
	if (p->n == p->room) {
		p->room = p->room ? 2 * p->room : 64;
		p->v = nr_xrealloc(p->v, p->room * sizeof(*p->v));
	}
	p->v[p->n++] = (struct nr_pick){ record, flow_id };
}

static int by_record(const void *a, const void *b)
{
	const struct nr_pick *x = a, *y = b;

	if (x->record != y->record)
		return x->record < y->record ? -1 : 1;
	return x->flow_id < y->flow_id ? -1 : x->flow_id > y->flow_id;
}

static bool is_sorted(const struct nr_picks *p)
{
	for (size_t i = 1; i < p->n; i++)
		if (p->v[i].record <= p->v[i - 1].record)
			return false;
	return true;
}

void nr_picks_sort(struct nr_picks *p)
{
	size_t n = 0;

	if (is_sorted(p))
		return;
	qsort(p->v, p->n, sizeof(*p->v), by_record);
	/* without a flow sorts first: what follows takes its place */
	for (size_t i = 0; i < p->n; i++) {
		if (n && p->v[n - 1].record == p->v[i].record) {
			if (!p->v[n - 1].flow_id)
				p->v[n - 1] = p->v[i];
		} else {
			p->v[n++] = p->v[i];
		}
	}
	p->n = n;
}

struct nr_pick *nr_picks_find(const struct nr_picks *p, uint64_t record)
{
	size_t lo = 0, hi = p->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (p->v[mid].record < record)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < p->n && p->v[lo].record == record ? &p->v[lo] : NULL;
}

bool nr_chunk_walk(const uint8_t *p, size_t n, uint64_t max,
		   void (*fn)(void *arg, uint64_t record), void *arg)
{
	uint64_t at = 0, v = 0;
	unsigned shift = 0;

	if (!n || p[n - 1] & 0x80)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (shift > 63)
			return false;
		v |= (uint64_t)(p[i] & 0x7f) << shift;
		shift += 7;
		if (p[i] & 0x80)
			continue;
		if (!at)
			at = v;
		else /* 2d, or -2d - 1 where d is negative */
			at += v >> 1 ^ (v & 1 ? UINT64_MAX : 0);
		if (!at || at > max)
			return false;
		fn(arg, at);
		v = 0;
		shift = 0;
	}
	return true;
}
