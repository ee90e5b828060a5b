/* SPDX-License-Identifier: BSD-3-Clause */
/* The lines of expect.jsonl beside the records of the replay. */
#include "casetest/compare.h"
#include "casetest/keys.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static bool is_chosen(const struct nr_expect_jsonl *e, const char *key)
{
	if (e->no_places && nr_is_place(key))
		return false;
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

/* A line's type and the names of its compared fields, sorted: lines of one shape. */
struct shape {
	uint64_t hash;
	size_t line;
	size_t n_keys;
	const char **key;
};

static struct shape shape_of(const struct nr_expect_jsonl *e, size_t i,
			     struct nr_arena *a)
{
	const struct nr_json_line *l = &e->line[i].json;
	struct shape s = { .line = i,
			   .key = nr_arena_alloc(a, (l->n + 1) * sizeof(*s.key)) };
	struct nr_buf b = { 0 };

	for (size_t k = 0; k < l->n; k++)
		if (is_chosen(e, l->m[k].key))
			s.key[s.n_keys++] = l->m[k].key;
	if (s.n_keys)
		qsort(s.key, s.n_keys, sizeof(*s.key), by_text);
	nr_buf_printf(&b, "%s\n", e->line[i].type);
	for (size_t k = 0; k < s.n_keys; k++)
		nr_buf_printf(&b, "%s\n", s.key[k]);
	s.hash = nr_align_hash(b.p, b.len);
	nr_buf_fini(&b);
	return s;
}

/* Shapes that name much first, so that those that name little take what is left. */
static int by_shape(const void *a, const void *b)
{
	const struct shape *x = a, *y = b;

	if (x->n_keys != y->n_keys)
		return x->n_keys > y->n_keys ? -1 : 1;
	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

struct entry {
	uint64_t hash;
	size_t at;
};

static int by_entry(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* The values of a shape's fields. */
static uint64_t hash_values(const struct shape *s, const struct nr_json_line *l)
{
	struct nr_buf b = { 0 };
	uint64_t h;

	for (size_t k = 0; k < s->n_keys; k++) {
		const char *v = nr_json_get(l, s->key[k]);

		nr_buf_str(&b, v ? v : "null");
		nr_buf_char(&b, '\n');
	}
	h = nr_align_hash(b.p ? b.p : "", b.len);
	nr_buf_fini(&b);
	return h;
}

/* Lines s[0 … n) are of one shape: the k-th of equal ones gets the k-th such record. */
static void match_shape(struct match *x, const struct shape *s, size_t n)
{
	struct entry *w = nr_xcalloc(n, sizeof(*w)),
		     *h = nr_xcalloc(x->m + 1, sizeof(*h));
	const char *type = x->b->e->line[s->line].type;
	size_t m = 0, k = 0;

	for (size_t i = 0; i < n; i++)
		w[i] = (struct entry){ hash_values(s, &x->b->e->line[s[i].line].json),
				       s[i].line };
	for (size_t r = 0; r < x->m; r++) {
		const struct nr_case_line *l = &x->b->got->line[x->b->at[r]];

		if (x->of_record[r] < 0 && !strcmp(l->type, type))
			h[m++] = (struct entry){ hash_values(s, &l->json), r };
	}
	qsort(w, n, sizeof(*w), by_entry);
	if (m)
		qsort(h, m, sizeof(*h), by_entry);
	for (size_t i = 0; i < n; i++) {
		while (k < m && h[k].hash < w[i].hash)
			k++;
		if (k < m && h[k].hash == w[i].hash)
			take(x, w[i].at, h[k++].at);
	}
	nr_free(w);
	nr_free(h);
}

/* True where lines of several shapes may have taken each other's records. */
static bool match_by_shapes(struct match *x)
{
	struct shape *s = nr_xcalloc(x->n + 1, sizeof(*s));
	struct nr_arena a = { 0 };
	size_t shapes = 0;

	for (size_t i = 0; i < x->n; i++)
		s[i] = shape_of(x->b->e, i, &a);
	if (x->n)
		qsort(s, x->n, sizeof(*s), by_shape);
	for (size_t i = 0, to; i < x->n; i = to, shapes++) {
		for (to = i + 1; to < x->n && s[to].hash == s[i].hash;)
			to++;
		match_shape(x, s + i, to - i);
	}
	nr_free(s);
	nr_arena_fini(&a);
	return shapes > 1;
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

struct near {
	unsigned like;
	uint32_t line, record;
};

static int by_likeness(const void *a, const void *b)
{
	const struct near *x = a, *y = b;

	if (x->like != y->like)
		return x->like > y->like ? -1 : 1;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->record < y->record ? -1 : x->record > y->record;
}

enum { PAIRS = 1 << 20 }; /* that are weighed */

/* What fits nowhere gets the nearest of its type, the most alike first. */
static void match_nearest(struct match *x)
{
	struct nr_buf list = { 0 };
	struct near *p;
	size_t n = 0;

	for (size_t i = 0; i < x->n; i++) {
		if (x->of_line[i] >= 0)
			continue;
		for (size_t k = 0; k < x->m && n < PAIRS; k++) {
			struct near y = { 0, (uint32_t)i, (uint32_t)k };

			if (x->of_record[k] >= 0)
				continue;
			y.like = like_line((void *)x->b, i, k);
			if (!y.like)
				continue;
			nr_buf_add(&list, &y, sizeof(y));
			n++;
		}
	}
	p = (struct near *)(void *)list.p;
	if (n)
		qsort(p, n, sizeof(*p), by_likeness);
	for (size_t i = 0; i < n; i++)
		if (x->of_line[p[i].line] < 0 && x->of_record[p[i].record] < 0)
			take(x, p[i].line, p[i].record);
	nr_buf_fini(&list);
}

static struct nr_aligned align_subset(const struct both *b, size_t m, struct nr_arena *a)
{
	struct match x = { .b = b, .n = b->e->n, .m = m, .steps = STEPS };
	struct nr_aligned out = { .p = nr_arena_alloc(a,
						      (x.n + m + 1) * sizeof(*out.p)) };
	bool several;

	x.of_line = nr_xcalloc(x.n + 1, sizeof(*x.of_line));
	x.of_record = nr_xcalloc(m + 1, sizeof(*x.of_record));
	x.seen = nr_xcalloc(m + 1, sizeof(*x.seen));
	memset(x.of_line, 0xff, (x.n + 1) * sizeof(*x.of_line));
	memset(x.of_record, 0xff, (m + 1) * sizeof(*x.of_record));
	several = match_by_shapes(&x);
	for (size_t i = 0; several && i < x.n; i++) {
		x.round++;
		if (x.of_line[i] < 0)
			augment(&x, i, 0);
	}
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
