/* SPDX-License-Identifier: BSD-3-Clause */
/* Records in the run's one order, on their way to the sinks. */
#include "engine/internal.h"

#include <assert.h>

enum { MAX_OUTS = NR_N_SHARDS + 1 };

void nr_ordered_write(struct nr_engine *e, struct nr_record **r, size_t n,
		      struct nr_arena *a)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		const struct nr_record_type *t = r[i]->type;

		nr_joins_pass(e, r[i], a);
		if (t == &nr_rt_note ||
		    ((t->flags & NR_R_FIRST) && !nr_firsts_is_new(e->firsts, r[i])))
			continue;
		e->n_anomalies += t == &nr_rt_anomaly;
		r[kept++] = r[i];
	}
	e->n_records += kept;
	for (size_t i = 0; i < e->n_sinks && kept && !e->error; i++)
		e->error = nr_sink_write(e->sinks[i], r, kept, e->err);
}

void nr_out_reset(struct nr_out *o)
{
	nr_records_clear(&o->records);
	nr_arena_reset(&o->arena);
	o->merged = 0;
}

void nr_engine_flush(struct nr_engine *e)
{
	struct nr_out *o = &e->single;
	uint64_t since = 0;

	nr_engine_lap(e, &since, NULL);
	nr_ordered_write(e, o->records.r, o->records.n, &o->arena);
	nr_out_reset(o);
	nr_engine_lap(e, &since, &e->effort.merge_ns);
}

/* The lists that have something, a heap: the one whose turn it is first. */
struct heads {
	struct nr_out *o[MAX_OUTS];
	unsigned n;
};

static const struct nr_order *order_of(const struct nr_out *o)
{
	return &o->records.r[o->merged]->order;
}

static void sift_down(struct heads *h, unsigned i)
{
	struct nr_out *o = h->o[i];

	for (;;) {
		unsigned c = 2 * i + 1;

		if (c >= h->n)
			break;
		if (c + 1 < h->n &&
		    nr_order_cmp(order_of(h->o[c + 1]), order_of(h->o[c])) < 0)
			c++;
		if (nr_order_cmp(order_of(h->o[c]), order_of(o)) >= 0)
			break;
		h->o[i] = h->o[c];
		i = c;
	}
	h->o[i] = o;
}

void nr_ordered_merge(struct nr_engine *e, struct nr_out *const *outs, unsigned n,
		      const struct nr_order *until)
{
	struct nr_record *r[NR_FLUSH_RECORDS / 8];
	struct heads h = { .n = 0 };
	size_t n_r = 0;

	assert(n <= MAX_OUTS);
	for (unsigned i = 0; i < n; i++) {
		if (outs[i]->merged < outs[i]->records.n)
			h.o[h.n++] = outs[i];
	}
	for (unsigned i = h.n / 2; i-- > 0;)
		sift_down(&h, i);
	while (h.n && !e->error) {
		struct nr_out *o = h.o[0];

		if (nr_order_cmp(order_of(o), until) >= 0)
			break;
		r[n_r++] = o->records.r[o->merged++];
		if (o->merged == o->records.n)
			h.o[0] = h.o[--h.n];
		if (h.n)
			sift_down(&h, 0);
		if (n_r == sizeof(r) / sizeof(r[0])) {
			nr_ordered_write(e, r, n_r, &e->single.arena);
			nr_arena_reset(&e->single.arena);
			n_r = 0;
		}
	}
	nr_ordered_write(e, r, n_r, &e->single.arena);
	nr_arena_reset(&e->single.arena);
	for (unsigned i = 0; i < n; i++) {
		if (outs[i]->merged == outs[i]->records.n)
			nr_out_reset(outs[i]);
	}
}
