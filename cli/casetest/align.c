/* SPDX-License-Identifier: BSD-3-Clause */
#include "casetest/align.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { TABLE_MAX = 1 << 19 }; /* cells of the table for one stretch */

uint64_t nr_align_hash(const void *p, size_t n)
{
	static const struct nr_siphash_key key = { 0x6e72746f6f6c, 0x74657374 };

	return nr_siphash(key, p, n);
}

struct entry {
	uint64_t hash;
	size_t at;
};

static int by_hash(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static struct entry *sorted(const uint64_t *h, size_t n)
{
	struct entry *e = nr_xcalloc(n + 1, sizeof(*e));

	for (size_t i = 0; i < n; i++)
		e[i] = (struct entry){ h[i], i };
	qsort(e, n, sizeof(*e), by_hash);
	return e;
}

/* mate[i]: the k-th of equal wants gets the k-th of the equal haves. */
static void find_mates(ptrdiff_t *mate, const uint64_t *want, size_t n,
		       const uint64_t *have, size_t m)
{
	struct entry *w = sorted(want, n), *h = sorted(have, m);
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		while (k < m && h[k].hash < w[i].hash)
			k++;
		mate[w[i].at] =
			k < m && h[k].hash == w[i].hash ? (ptrdiff_t)h[k++].at : -1;
	}
	nr_free(w);
	nr_free(h);
}

/* Keeps of the mates a longest rising sequence: patience sorting. */
static void keep_rising(ptrdiff_t *mate, size_t n)
{
	size_t *top = nr_xcalloc(n + 1, sizeof(*top)), piles = 0; /* wants on the piles */
	ptrdiff_t *before = nr_xcalloc(n + 1, sizeof(*before)), at;

	for (size_t i = 0; i < n; i++) {
		size_t lo = 0, hi = piles;

		if (mate[i] < 0)
			continue;
		while (lo < hi) {
			size_t mid = (lo + hi) / 2;

			if (mate[top[mid]] < mate[i])
				lo = mid + 1;
			else
				hi = mid;
		}
		before[i] = lo ? (ptrdiff_t)top[lo - 1] : -1;
		top[lo] = i;
		piles += lo == piles;
	}
	at = piles ? (ptrdiff_t)top[piles - 1] : -1;
	for (ptrdiff_t i = (ptrdiff_t)n - 1; i >= 0; i--) {
		if (i == at)
			at = before[i];
		else
			mate[i] = -1;
	}
	nr_free(top);
	nr_free(before);
}

struct work {
	struct nr_aligned out;
	unsigned (*like)(void *arg, size_t i, size_t k);
	void *arg;
};

static void put(struct work *w, ptrdiff_t want, ptrdiff_t have)
{
	w->out.p[w->out.n++] = (struct nr_pair){ want, have };
}

/* Too long to weigh: side by side as they come. */
static void pair_by_place(struct work *w, size_t i, size_t n, size_t k, size_t m)
{
	for (; i < n && k < m; i++, k++) {
		if (w->like(w->arg, i, k)) {
			put(w, (ptrdiff_t)i, (ptrdiff_t)k);
		} else {
			put(w, (ptrdiff_t)i, -1);
			put(w, -1, (ptrdiff_t)k);
		}
	}
	for (; i < n; i++)
		put(w, (ptrdiff_t)i, -1);
	for (; k < m; k++)
		put(w, -1, (ptrdiff_t)k);
}

/* want [i, n) and have [k, m), nothing equal: the pairs that have most in common. */
static void pair_stretch(struct work *w, size_t i, size_t n, size_t k, size_t m)
{
	size_t rows = n - i, cols = m - k, r = 0, c = 0;
	unsigned *best; /* of what follows row r, column c */

	if (!rows || !cols || rows > TABLE_MAX || cols > TABLE_MAX ||
	    (rows + 1) * (cols + 1) > TABLE_MAX) {
		pair_by_place(w, i, n, k, m);
		return;
	}
	best = nr_xcalloc((rows + 1) * (cols + 1), sizeof(*best));
#define BEST(r, c) best[(r) * (cols + 1) + (c)]
	for (r = rows; r-- > 0;)
		for (c = cols; c-- > 0;) {
			unsigned like = w->like(w->arg, i + r, k + c);
			unsigned pair = like ? like + BEST(r + 1, c + 1) : 0;
			unsigned skip = BEST(r + 1, c) > BEST(r, c + 1) ? BEST(r + 1, c)
									: BEST(r, c + 1);

			BEST(r, c) = pair > skip ? pair : skip;
		}
	for (r = 0, c = 0; r < rows || c < cols;) {
		if (r < rows && c < cols && BEST(r, c) > BEST(r + 1, c) &&
		    BEST(r, c) > BEST(r, c + 1))
			put(w, (ptrdiff_t)(i + r++), (ptrdiff_t)(k + c++));
		else if (r < rows && (c == cols || BEST(r + 1, c) == BEST(r, c)))
			put(w, (ptrdiff_t)(i + r++), -1);
		else
			put(w, -1, (ptrdiff_t)(k + c++));
	}
#undef BEST
	nr_free(best);
}

/* Everything between the ends that are equal. */
static void align_middle(struct work *w, const uint64_t *want, size_t n,
			 const uint64_t *have, size_t m, size_t before)
{
	ptrdiff_t *mate = nr_xcalloc(n + 1, sizeof(*mate));
	size_t from = 0, have_from = 0;

	find_mates(mate, want, n, have, m);
	keep_rising(mate, n);
	for (size_t i = 0; i <= n; i++) {
		size_t to = i < n ? (size_t)mate[i] : m;

		if (i < n && mate[i] < 0)
			continue;
		pair_stretch(w, before + from, before + i, before + have_from,
			     before + to);
		if (i < n)
			put(w, (ptrdiff_t)(before + i), (ptrdiff_t)(before + to));
		from = i + 1;
		have_from = to + 1;
	}
	nr_free(mate);
}

struct nr_aligned nr_align(const uint64_t *want, size_t n, const uint64_t *have, size_t m,
			   unsigned (*like)(void *arg, size_t i, size_t k), void *arg,
			   struct nr_arena *a)
{
	struct work w = { .like = like, .arg = arg };
	size_t before = 0, after = 0;

	w.out.p = nr_arena_alloc(a, (n + m + 1) * sizeof(*w.out.p));
	while (before < n && before < m && want[before] == have[before]) {
		put(&w, (ptrdiff_t)before, (ptrdiff_t)before);
		before++;
	}
	while (after < n - before && after < m - before &&
	       want[n - 1 - after] == have[m - 1 - after])
		after++;
	align_middle(&w, want + before, n - before - after, have + before,
		     m - before - after, before);
	for (; after > 0; after--)
		put(&w, (ptrdiff_t)(n - after), (ptrdiff_t)(m - after));
	return w.out;
}
