/* SPDX-License-Identifier: BSD-3-Clause */
#include "diff/differences_internal.h"

#include "base/mem.h"

#include <string.h>

struct nr_differences *nr_differences_new(size_t limit)
{
	struct nr_differences *d = nr_xcalloc(1, sizeof(*d));

	d->limit = limit ? limit : 1;
	return d;
}

/* A copy of its own, of at most NR_DIFF_VALUE bytes. */
static struct nr_value keep(const struct nr_value *v)
{
	struct nr_value out = *v;
	char *p;

	if (v->kind != NR_V_TEXT)
		return out;
	out.len = v->len < NR_DIFF_VALUE ? v->len : NR_DIFF_VALUE;
	p = nr_xmalloc(out.len + 1);
	if (out.len)
		memcpy(p, v->p, out.len);
	p[out.len] = '\0';
	out.p = p;
	return out;
}

static void drop(struct nr_value *v)
{
	if (v->kind == NR_V_TEXT)
		nr_free((char *)v->p);
}

/* Is v what keep() has made kept of? */
static bool is_kept(const struct nr_value *kept, const struct nr_value *v)
{
	uint32_t len = v->len < NR_DIFF_VALUE ? v->len : NR_DIFF_VALUE;

	if (kept->kind != v->kind)
		return false;
	if (v->kind == NR_V_INT)
		return kept->i == v->i;
	return v->kind == NR_V_NULL ||
	       (kept->len == len && (!len || !memcmp(kept->p, v->p, len)));
}

static void drop_example(struct nr_diff_example *e)
{
	nr_buf_fini(&e->flow);
	nr_buf_fini(&e->row);
	drop(&e->from);
	drop(&e->to);
}

static void drop_tally(struct nr_diff_tally *t)
{
	for (size_t i = 0; i < t->n_examples; i++)
		drop_example(&t->example[i]);
	nr_free(t->example);
	*t = (struct nr_diff_tally){ 0 };
}

static void drop_ways(struct nr_diff_column *c)
{
	for (size_t i = 0; i < c->n_ways && i < NR_DIFF_WAYS; i++) {
		drop(&c->way[i].from);
		drop(&c->way[i].to);
		drop_tally(&c->way[i].tally);
	}
}

void nr_differences_free(struct nr_differences *d)
{
	for (size_t k = 0; d && k < d->n; k++) {
		struct nr_diff_table *t = &d->table[k];

		for (unsigned i = 0; i < t->type->n_fields; i++) {
			if (!t->column[i])
				continue;
			drop_ways(t->column[i]);
			drop_tally(&t->column[i]->all);
			nr_free(t->column[i]);
		}
		nr_free(t->column);
		drop_tally(&t->missing);
		drop_tally(&t->new);
	}
	if (d)
		nr_free(d->table);
	nr_free(d);
}

/* Numbers in their order, what is not known last. */
static int compare_number(const struct nr_value *a, const struct nr_value *b)
{
	if (a->kind != NR_V_INT || b->kind != NR_V_INT)
		return (a->kind != NR_V_INT) - (b->kind != NR_V_INT);
	return a->i < b->i ? -1 : a->i > b->i;
}

int nr_diff_place_compare(const struct nr_diff_place *a, const struct nr_diff_place *b)
{
	int c = compare_number(&a->source_id, &b->source_id);

	if (!c)
		c = compare_number(&a->packet, &b->packet);
	if (!c)
		c = compare_number(&a->ts_ns, &b->ts_ns);
	return c ? c : compare_number(&a->at, &b->at);
}

static void describe(struct nr_diff_example *e, const struct nr_diff_place *at)
{
	if (at->describe)
		at->describe(at->arg, &e->flow, &e->row);
	if (at->flow)
		nr_buf_str(&e->flow, at->flow);
	if (at->row)
		nr_buf_str(&e->row, at->row);
	nr_buf_str(&e->flow, "");
	nr_buf_str(&e->row, "");
}

/* Counts one, and keeps it if it is one of the first. */
static void add(const struct nr_differences *d, struct nr_diff_tally *t,
		const struct nr_diff_place *at, const struct nr_value *from,
		const struct nr_value *to)
{
	size_t i = t->n_examples;
	struct nr_diff_example *e;

	t->n++;
	while (i && nr_diff_place_compare(at, &t->example[i - 1].at) < 0)
		i--;
	if (i >= d->limit)
		return;
	if (t->n_examples == d->limit)
		drop_example(&t->example[--t->n_examples]);
	else
		t->example = nr_xrealloc(t->example,
					 (t->n_examples + 1) * sizeof(*t->example));
	e = &t->example[i];
	memmove(e + 1, e, (t->n_examples++ - i) * sizeof(*e));
	*e = (struct nr_diff_example){ .at = *at };
	e->at.flow = e->at.row = NULL;
	e->at.describe = NULL;
	describe(e, at);
	if (from && to) {
		e->from = keep(from);
		e->to = keep(to);
	}
}

static struct nr_diff_table *table_of(struct nr_differences *d,
				      const struct nr_record_type *t)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->table[i].type == t)
			return &d->table[i];
	d->table = nr_xrealloc(d->table, (d->n + 1) * sizeof(*d->table));
	d->table[d->n] = (struct nr_diff_table){
		.type = t,
		.column = nr_xcalloc(t->n_fields, sizeof(*d->table->column)),
	};
	return &d->table[d->n++];
}

void nr_differences_missing(struct nr_differences *d, const struct nr_record_type *t,
			    const struct nr_diff_place *at)
{
	d->n_missing++;
	add(d, &table_of(d, t)->missing, at, NULL, NULL);
}

void nr_differences_new_row(struct nr_differences *d, const struct nr_record_type *t,
			    const struct nr_diff_place *at)
{
	d->n_new++;
	add(d, &table_of(d, t)->new, at, NULL, NULL);
}

static void add_way(const struct nr_differences *d, struct nr_diff_column *c,
		    const struct nr_diff_place *at, const struct nr_value *from,
		    const struct nr_value *to)
{
	size_t i = 0;

	if (c->n_ways > NR_DIFF_WAYS)
		return;
	while (i < c->n_ways &&
	       !(is_kept(&c->way[i].from, from) && is_kept(&c->way[i].to, to)))
		i++;
	if (i == NR_DIFF_WAYS) {
		drop_ways(c);
		c->n_ways = NR_DIFF_WAYS + 1;
		return;
	}
	if (i == c->n_ways) {
		c->way[i] = (struct nr_diff_way){ .from = keep(from), .to = keep(to) };
		c->n_ways++;
	}
	add(d, &c->way[i].tally, at, from, to);
}

void nr_differences_changed(struct nr_differences *d, const struct nr_record_type *t,
			    const unsigned *columns, const struct nr_value *from,
			    const struct nr_value *to, size_t n,
			    const struct nr_diff_place *at)
{
	struct nr_diff_table *table = table_of(d, t);

	for (size_t i = 0; i < n; i++) {
		struct nr_diff_column **c = &table->column[columns[i]];

		if (!*c)
			*c = nr_xcalloc(1, sizeof(**c));
		d->n_changed++;
		add(d, &(*c)->all, at, &from[i], &to[i]);
		add_way(d, *c, at, &from[i], &to[i]);
	}
}

bool nr_differences_any(const struct nr_differences *d)
{
	return d->n_missing || d->n_new || d->n_changed;
}

void nr_differences_count(const struct nr_differences *d, uint64_t *n_missing,
			  uint64_t *n_new, uint64_t *n_changed)
{
	*n_missing = d->n_missing;
	*n_new = d->n_new;
	*n_changed = d->n_changed;
}
