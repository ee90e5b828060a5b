/* SPDX-License-Identifier: BSD-3-Clause */
#include "way_back/follow_secrets.h"

#include "base/mem.h"

#include <string.h>

struct secret {
	uint8_t *p;
	size_t n;
};

struct place {
	uint64_t at; /* counted over the bytes of the side, gaps left out */
	size_t n;
};

struct side {
	uint8_t *tail; /* the last bytes seen: a secret may go on in the next */
	size_t n_tail, cap_tail;
	uint64_t seen, masked; /* bytes */
	struct place *places;
	size_t n, cap, next;
};

struct nr_secret_list {
	struct secret *v;
	size_t n, cap, longest;
	struct side side[2];
};

struct nr_secret_list *nr_secret_list_new(void)
{
	return nr_xcalloc(1, sizeof(struct nr_secret_list));
}

void nr_secret_list_free(struct nr_secret_list *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++)
		nr_free(l->v[i].p);
	nr_free(l->v);
	for (unsigned s = 0; s < 2; s++) {
		nr_free(l->side[s].tail);
		nr_free(l->side[s].places);
	}
	nr_free(l);
}

size_t nr_secret_list_count(const struct nr_secret_list *l)
{
	return l->n;
}

void nr_secret_list_add(struct nr_secret_list *l, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].n == n && !memcmp(l->v[i].p, p, n))
			return;
	}
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 16;
		l->v = nr_xrealloc(l->v, l->cap * sizeof(*l->v));
	}
	l->v[l->n].p = nr_xmalloc(n);
	memcpy(l->v[l->n].p, p, n);
	l->v[l->n++].n = n;
	if (n > l->longest)
		l->longest = n;
}

static void add_place(struct side *s, uint64_t at, size_t n)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 64;
		s->places = nr_xrealloc(s->places, s->cap * sizeof(*s->places));
	}
	s->places[s->n++] = (struct place){ at, n };
}

/* Every place of a secret in the n bytes at p that ends behind the first `old` ones. */
static void find_in(struct nr_secret_list *l, struct side *s, const uint8_t *p, size_t n,
		    size_t old, uint64_t base)
{
	for (size_t i = 0; i < l->n; i++) {
		const uint8_t *at = p, *end = p + n;

		while ((at = memmem(at, (size_t)(end - at), l->v[i].p, l->v[i].n))) {
			if ((size_t)(at - p) + l->v[i].n > old)
				add_place(s, base + (uint64_t)(at - p), l->v[i].n);
			at++;
		}
	}
}

void nr_secret_list_search(struct nr_secret_list *l, unsigned side, const uint8_t *p,
			   size_t n)
{
	struct side *s = &l->side[side];
	size_t keep = l->longest ? l->longest - 1 : 0, all = s->n_tail + n;

	if (s->cap_tail < all) {
		s->cap_tail = all * 2;
		s->tail = nr_xrealloc(s->tail, s->cap_tail);
	}
	if (n)
		memcpy(s->tail + s->n_tail, p, n);
	find_in(l, s, s->tail, all, s->n_tail, s->seen - s->n_tail);
	s->seen += n;
	if (keep > all)
		keep = all;
	memmove(s->tail, s->tail + (all - keep), keep);
	s->n_tail = keep;
}

void nr_secret_list_gap(struct nr_secret_list *l, unsigned side)
{
	l->side[side].n_tail = 0;
}

static int by_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->n < y->n ? 1 : x->n > y->n ? -1 : 0; /* the longest first */
}

void nr_secret_list_mask(struct nr_secret_list *l, unsigned side, uint8_t *p, size_t n)
{
	struct side *s = &l->side[side];
	uint64_t from = s->masked, to = from + n;

	if (!s->masked && s->n)
		qsort(s->places, s->n, sizeof(*s->places), by_place);
	for (size_t i = s->next; i < s->n && s->places[i].at < to; i++) {
		const struct place *m = &s->places[i];
		uint64_t a = m->at > from ? m->at : from;
		uint64_t b = m->at + m->n < to ? m->at + m->n : to;

		if (a < b)
			memset(p + (a - from), '*', (size_t)(b - a));
	}
	/* Those that end here are done, unless a longer one before them is not. */
	while (s->next < s->n && s->places[s->next].at + s->places[s->next].n <= to)
		s->next++;
	s->masked = to;
}
