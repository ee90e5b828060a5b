/* SPDX-License-Identifier: BSD-3-Clause */
/* The lines of expect.jsonl beside the records of the replay. */
#include "casetest/compare.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static bool is_chosen(const struct nr_expect_jsonl *e, const char *key)
{
	if (!e->fields || !strcmp(key, "type"))
		return true;
	for (size_t i = 0; i < e->n_fields; i++)
		if (!strcmp(e->fields[i], key))
			return true;
	return false;
}

static bool has_key(const struct nr_json_line *l, const char *key)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->m[i].key, key))
			return true;
	return false;
}

bool nr_line_compares(const struct nr_expect_jsonl *e, const struct nr_expect_line *want,
		      const char *key)
{
	if (!is_chosen(e, key))
		return false;
	return !e->subset || has_key(&want->json, key);
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* How many compared fields are equal; *differ how many are not. */
static unsigned count_same(const struct nr_expect_jsonl *e,
			   const struct nr_expect_line *want,
			   const struct nr_case_line *have, unsigned *differ)
{
	const struct nr_json_line *w = &want->json, *h = &have->json;
	unsigned n = 0;

	*differ = 0;
	for (size_t i = 0; i < w->n; i++) {
		const char *v = nr_json_is_null(w->m[i].value) ? NULL : w->m[i].value;

		if (!is_chosen(e, w->m[i].key))
			continue;
		if (same(v, nr_json_get(h, w->m[i].key)))
			n++;
		else
			++*differ;
	}
	for (size_t i = 0; !e->subset && i < h->n; i++)
		*differ += is_chosen(e, h->m[i].key) && !has_key(w, h->m[i].key) &&
			   !nr_json_is_null(h->m[i].value);
	return n;
}

bool nr_line_fits(const struct nr_expect_jsonl *e, const struct nr_expect_line *want,
		  const struct nr_case_line *have)
{
	unsigned differ;

	if (strcmp(want->type, have->type) != 0)
		return false;
	count_same(e, want, have, &differ);
	return !differ;
}

struct both {
	const struct nr_expect_jsonl *e;
	const struct nr_case_got *got;
	const size_t *at; /* of the records that are compared, in got->line */
};

static unsigned like_line(void *arg, size_t i, size_t k)
{
	const struct both *b = arg;
	const struct nr_expect_line *want = &b->e->line[i];
	const struct nr_case_line *have = &b->got->line[b->at[k]];
	unsigned differ;

	/* of one type: the type itself is equal, so at least 1 */
	return strcmp(want->type, have->type) ? 0 : count_same(b->e, want, have, &differ);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Of all compared members that are not null, in any order. */
static uint64_t hash_line(const struct nr_expect_jsonl *e, const struct nr_json_line *l)
{
	const char **list = nr_xcalloc(l->n + 1, sizeof(*list));
	struct nr_arena a = { 0 };
	struct nr_buf b = { 0 };
	uint64_t h;
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (is_chosen(e, l->m[i].key) && !nr_json_is_null(l->m[i].value))
			list[n++] = nr_arena_printf(&a, "%s:%s\n", l->m[i].key,
						    l->m[i].value);
	if (n)
		qsort(list, n, sizeof(*list), by_text);
	for (size_t i = 0; i < n; i++)
		nr_buf_str(&b, list[i]);
	h = nr_align_hash(b.p ? b.p : "", b.len);
	nr_buf_fini(&b);
	nr_arena_fini(&a);
	nr_free(list);
	return h;
}

static struct nr_aligned align_full(const struct both *b, size_t m, struct nr_arena *a)
{
	size_t n = b->e->n;
	uint64_t *want = nr_arena_alloc(a, (n + 1) * sizeof(*want));
	uint64_t *have = nr_arena_alloc(a, (m + 1) * sizeof(*have));
	struct nr_aligned out;

	for (size_t i = 0; i < n; i++)
		want[i] = hash_line(b->e, &b->e->line[i].json);
	for (size_t k = 0; k < m; k++)
		have[k] = hash_line(b->e, &b->got->line[b->at[k]].json);
	out = nr_align(want, n, have, m, like_line, (void *)b, a);
	return out;
}

/* Matching in no order: each line a record of its own. */
struct match {
	const struct both *b;
	size_t n, m;
	ptrdiff_t *of_line, *of_record;
	size_t first; /* records before it are all taken */
	unsigned *seen, round;
	size_t steps; /* that are left before it gives up: it is cubic at worst */
};

static bool fits(const struct match *x, size_t i, size_t k)
{
	return nr_line_fits(x->b->e, &x->b->e->line[i], &x->b->got->line[x->b->at[k]]);
}

static void take(struct match *x, size_t i, size_t k)
{
	x->of_line[i] = (ptrdiff_t)k;
	x->of_record[k] = (ptrdiff_t)i;
}

/* Lines that name much first, so that those that name little take what is left. */
static void match_greedily(struct match *x)
{
	size_t largest = 0;

	for (size_t i = 0; i < x->n; i++)
		if (x->b->e->line[i].json.n > largest)
			largest = x->b->e->line[i].json.n;
	for (size_t size = largest; size > 0; size--) {
		for (size_t i = 0; i < x->n; i++) {
			if (x->b->e->line[i].json.n != size)
				continue;
			while (x->first < x->m && x->of_record[x->first] >= 0)
				x->first++;
			for (size_t k = x->first; k < x->m; k++) {
				if (x->of_record[k] >= 0 || !fits(x, i, k))
					continue;
				take(x, i, k);
				break;
			}
		}
	}
}

enum { DEPTH = 256, STEPS = 4000000 };

/* Another record for line i, whose owner moves on in turn (Kuhn). */
static bool augment(struct match *x, size_t i, unsigned depth)
{
	for (size_t k = 0; k < x->m && x->steps; k++) {
		x->steps--;
		if (x->seen[k] == x->round || !fits(x, i, k))
			continue;
		x->seen[k] = x->round;
		if (x->of_record[k] < 0 ||
		    (depth < DEPTH && augment(x, (size_t)x->of_record[k], depth + 1))) {
			take(x, i, k);
			return true;
		}
	}
	return false;
}

/* What fits nowhere gets the nearest of its type. */
static void match_nearest(struct match *x)
{
	for (size_t i = 0; i < x->n; i++) {
		ptrdiff_t best = -1;
		unsigned most = 0;

		if (x->of_line[i] >= 0)
			continue;
		for (size_t k = 0; k < x->m && x->steps; k++) {
			unsigned like;

			if (x->of_record[k] >= 0)
				continue;
			x->steps--;
			like = like_line((void *)x->b, i, k);
			if (like > most) {
				most = like;
				best = (ptrdiff_t)k;
			}
		}
		if (best >= 0)
			take(x, i, (size_t)best);
	}
}

static struct nr_aligned align_subset(const struct both *b, size_t m, struct nr_arena *a)
{
	struct match x = { .b = b, .n = b->e->n, .m = m, .steps = STEPS };
	struct nr_aligned out = { .p = nr_arena_alloc(a,
						      (x.n + m + 1) * sizeof(*out.p)) };

	x.of_line = nr_xcalloc(x.n + 1, sizeof(*x.of_line));
	x.of_record = nr_xcalloc(m + 1, sizeof(*x.of_record));
	x.seen = nr_xcalloc(m + 1, sizeof(*x.seen));
	memset(x.of_line, 0xff, (x.n + 1) * sizeof(*x.of_line));
	memset(x.of_record, 0xff, (m + 1) * sizeof(*x.of_record));
	match_greedily(&x);
	for (size_t i = 0; i < x.n; i++) {
		x.round++;
		if (x.of_line[i] < 0)
			augment(&x, i, 0);
	}
	x.steps = STEPS;
	match_nearest(&x);
	for (size_t i = 0; i < x.n; i++)
		out.p[out.n++] = (struct nr_pair){ (ptrdiff_t)i, x.of_line[i] };
	for (size_t k = 0; k < m; k++)
		if (x.of_record[k] < 0)
			out.p[out.n++] = (struct nr_pair){ -1, (ptrdiff_t)k };
	nr_free(x.of_line);
	nr_free(x.of_record);
	nr_free(x.seen);
	return out;
}

struct nr_aligned nr_lines_align(const struct nr_expect_jsonl *e,
				 const struct nr_case_got *got, struct nr_arena *a)
{
	size_t *at = nr_arena_alloc(a, (got->n + 1) * sizeof(*at)), m = 0;
	struct both b = { e, got, at };
	struct nr_aligned out;

	for (size_t k = 0; k < got->n; k++)
		if (nr_expect_has_type(e, got->line[k].type))
			at[m++] = k;
	out = e->subset ? align_subset(&b, m, a) : align_full(&b, m, a);
	for (size_t i = 0; i < out.n; i++)
		if (out.p[i].have >= 0)
			out.p[i].have = (ptrdiff_t)at[out.p[i].have];
	return out;
}
