/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/holes.h"

#include "base/mem.h"

static void hole_remove(struct nr_holes *hs, uint32_t i)
{
	memmove(&hs->h[i], &hs->h[i + 1], (hs->n - i - 1) * sizeof(hs->h[0]));
	hs->n--;
}

/* Room for one more; at the cap the oldest is forgotten. */
static bool make_room(struct nr_side *s)
{
	struct nr_holes *hs = s->holes;
	uint32_t cap;

	if (hs && hs->n < hs->cap)
		return false;
	if (hs && hs->cap >= NR_MAX_HOLES) {
		bool first = !hs->forgotten;

		hs->forgotten += hs->h[0].to - hs->h[0].from;
		hole_remove(hs, 0);
		return first;
	}
	cap = hs ? hs->cap * 2 : 4;
	hs = nr_xrealloc(hs, sizeof(*hs) + cap * sizeof(hs->h[0]));
	if (!s->holes)
		*hs = (struct nr_holes){ 0 };
	hs->cap = cap;
	s->holes = hs;
	return false;
}

static bool hole_insert(struct nr_side *s, uint32_t i, uint64_t from, uint64_t to)
{
	uint32_t before = s->holes ? s->holes->n : 0;
	bool forgot = make_room(s);
	struct nr_holes *hs = s->holes;

	if (hs->n < before && i) /* the oldest went */
		i--;
	memmove(&hs->h[i + 1], &hs->h[i], (hs->n - i) * sizeof(hs->h[0]));
	hs->h[i] = (struct nr_hole){ from, to };
	hs->n++;
	return forgot;
}

/* The first hole that ends behind off. */
static uint32_t hole_find(const struct nr_holes *hs, uint64_t off)
{
	uint32_t lo = 0, hi = hs->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (hs->h[mid].to <= off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static uint64_t fill(struct nr_side *s, uint64_t from, uint64_t to, bool *forgot)
{
	struct nr_holes *hs = s->holes;
	uint32_t i = hole_find(hs, from);
	uint64_t fresh = 0;

	while (i < hs->n && hs->h[i].from < to) {
		struct nr_hole *h = &hs->h[i];
		uint64_t a = from > h->from ? from : h->from;
		uint64_t b = to < h->to ? to : h->to;

		fresh += b - a;
		if (a == h->from && b == h->to) {
			hole_remove(hs, i);
		} else if (a == h->from) {
			h->from = b;
			i++;
		} else if (b == h->to) {
			h->to = a;
			i++;
		} else {
			uint64_t end = h->to;

			h->to = a;
			*forgot |= hole_insert(s, i + 1, b, end);
			break;
		}
	}
	return fresh;
}

void nr_holes_skip(struct nr_side *s, uint64_t to, struct nr_seen *out)
{
	struct nr_holes *hs = s->holes;

	if (to <= s->top)
		return;
	if (hs && hs->n && hs->h[hs->n - 1].to == s->top)
		hs->h[hs->n - 1].to = to;
	else
		out->forgot |= hole_insert(s, hs ? hs->n : 0, s->top, to);
	s->top = to;
}

struct nr_seen nr_holes_seen(struct nr_side *s, uint64_t from, uint64_t to)
{
	struct nr_seen r = { 0 };

	if (from >= to)
		return r;
	if (s->holes && s->holes->n && from < s->top) {
		r.fresh = fill(s, from, to < s->top ? to : s->top, &r.forgot);
		r.filled_hole = r.fresh > 0;
	}
	if (to > s->top) {
		if (from > s->top)
			nr_holes_skip(s, from, &r);
		r.fresh += to - s->top;
		s->top = to;
	}
	return r;
}

void nr_holes_end(struct nr_side *s, uint64_t end)
{
	struct nr_holes *hs = s->holes;

	if (!hs || s->top <= end)
		return;
	/* Only a hole can be cut off: bytes that were seen stay seen. */
	while (hs->n && hs->h[hs->n - 1].to == s->top && s->top > end) {
		struct nr_hole *h = &hs->h[hs->n - 1];

		if (h->from < end) {
			h->to = s->top = end;
			return;
		}
		s->top = h->from;
		hs->n--;
	}
}

uint64_t nr_holes_missed(const struct nr_side *s)
{
	uint64_t n = s->holes ? s->holes->forgotten : 0;

	for (uint32_t i = 0; s->holes && i < s->holes->n; i++)
		n += s->holes->h[i].to - s->holes->h[i].from;
	return n;
}

uint64_t nr_holes_next(const struct nr_side *s, uint64_t from)
{
	uint32_t i;

	if (!s->holes || !s->holes->n)
		return from > s->top ? from : s->top;
	i = hole_find(s->holes, from);
	if (i == s->holes->n)
		return from > s->top ? from : s->top;
	return from > s->holes->h[i].from ? from : s->holes->h[i].from;
}

void nr_holes_free(struct nr_side *s)
{
	nr_free(s->holes);
	s->holes = NULL;
}
