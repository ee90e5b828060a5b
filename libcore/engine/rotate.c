/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/rotate.h"

#include "engine/internal.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

enum { RENEWALS_A_SECOND = 20000 };

#define SECOND INT64_C(1000000000)

struct live_source {
	char *name;
	char *format; /* NULL: pcapng where it has a file */
	bool has_file, is_archive;
	int64_t bytes; /* -1: not known */
};

struct nr_live_state {
	const struct nr_run_info *run;
	struct live_source *s; /* as many as e->n_sources */
	size_t first;          /* of the database that is being written */
	int64_t updated_ns;    /* of the last look for flow_update */
	int64_t open_ns;       /* of the last look for open flows without a row */
	int64_t renewed_ns[NR_N_SHARDS]; /* when its open flows were written last */
	unsigned next_shard;             /* to be renewed first */
	uint64_t dropped;                /* by sinks, told so far */
};

void nr_engine_live_free(struct nr_engine *e)
{
	if (!e->live)
		return;
	for (size_t i = 0; i < e->n_sources; i++) {
		nr_free(e->live->s[i].name);
		nr_free(e->live->s[i].format);
	}
	nr_free(e->live->s);
	nr_free(e->live);
}

/* ---- sources ------------------------------------------------------------------ */

static void source_rows(struct nr_engine *e, size_t i)
{
	const struct live_source *s = &e->live->s[i];
	const struct nr_source_info info = {
		.name = s->name,
		.format = s->format     ? s->format
			  : s->has_file ? "pcapng"
					: NULL,
		.compression = s->is_archive ? "zstd" : NULL,
		.bytes = s->bytes,
		.is_regular = s->has_file,
		.hash_note = s->has_file ? "not computed while capturing"
					 : "the packets were not kept",
	};

	nr_engine_source_row(e, (uint32_t)i, &info, e->live->run);
	nr_engine_interface_rows(e, (uint32_t)i);
}

/* The last of them has its number already. */
static void fill_source(struct nr_engine *e, const struct nr_live_source *s)
{
	struct live_source *to = &e->live->s[e->n_sources - 1];

	*to = (struct live_source){ .name = nr_xstrdup(s->name),
				    .format = s->format ? nr_xstrdup(s->format) : NULL,
				    .has_file = s->has_file,
				    .is_archive = s->is_archive,
				    .bytes = -1 };
	if (s->damage)
		e->sources[e->n_sources - 1].damage = nr_xstrdup(s->damage);
}

static void add_source(struct nr_engine *e, const struct nr_live_source *s)
{
	size_t n = ++e->n_sources;

	e->sources = nr_xrealloc(e->sources, n * sizeof(*e->sources));
	e->sources[n - 1] = (struct nr_source_state){ 0 };
	e->live->s = nr_xrealloc(e->live->s, n * sizeof(*e->live->s));
	nr_ledger_grow(e->ledger, n);
	fill_source(e, s);
}

static void set_place(struct nr_engine *e)
{
	e->single.now = NULL;
	e->single.order =
		(struct nr_order){ .ordinal = e->cfg.first_ordinal + e->stats.packets,
				   .turn = NR_TURN_PACKET,
				   .phase = NR_PHASE_END };
}

/* Only for sinks that take what will be renewed: nothing else may be waiting. */
static void write_open(struct nr_engine *e)
{
	struct nr_out *o = &e->single;

	nr_joins_keep(e->joins, true);
	for (size_t i = 0; i < o->records.n; i++)
		nr_joins_pass(e, o->records.r[i], &o->arena);
	nr_joins_keep(e->joins, false);
	for (size_t i = 0; i < e->n_sinks && o->records.n && !e->error; i++)
		if (nr_sink_wants_open(e->sinks[i]))
			e->error = nr_sink_write(e->sinks[i], o->records.r, o->records.n,
						 e->err);
	nr_out_reset(o);
}

/* Rows so far reach those who read meanwhile. */
static int hand_over(struct nr_engine *e)
{
	nr_engine_flush(e);
	for (size_t i = 0; i < e->n_sinks && !e->error; i++)
		e->error = nr_sink_flush(e->sinks[i], e->err);
	return e->error;
}

/* None of the open flows has a row. */
static void forget_open_rows(struct nr_live_state *l)
{
	l->open_ns = INT64_MIN;
	for (unsigned i = 0; i < NR_N_SHARDS; i++)
		l->renewed_ns[i] = INT64_MIN;
	l->next_shard = 0;
}

int nr_engine_live_begin(struct nr_engine *e, const struct nr_run_info *run,
			 const struct nr_live_source *first, struct nr_err *err)
{
	nr_engine_begin(e, 1, err);
	e->live = nr_xcalloc(1, sizeof(*e->live));
	e->live->run = run;
	forget_open_rows(e->live);
	e->live->s = nr_xcalloc(1, sizeof(*e->live->s));
	fill_source(e, first);
	set_place(e);
	nr_engine_run_row(e, run, -1);
	source_rows(e, 0);
	write_open(e);
	return hand_over(e);
}

int nr_engine_next_source(struct nr_engine *e, const struct nr_live_source *s)
{
	set_place(e);
	nr_engine_flush(e);
	source_rows(e, e->n_sources - 1);
	add_source(e, s);
	source_rows(e, e->n_sources - 1);
	write_open(e);
	return hand_over(e);
}

void nr_engine_source_closed(struct nr_engine *e, uint32_t source, int64_t bytes,
			     const char *failure)
{
	if (source < e->live->first || source >= e->n_sources)
		return;
	e->live->s[source].bytes = bytes;
	if (failure && !e->sources[source].damage)
		e->sources[source].damage = nr_xstrdup(failure);
	set_place(e);
	nr_engine_flush(e);
	source_rows(e, source);
	write_open(e);
}

/* ---- rows of what is open ----------------------------------------------------- */

struct open_rows {
	struct nr_engine *e;
	int64_t clock_ns;
	int64_t since_ns;  /* those with packets since then */
	int64_t looked_ns; /* those that were too young then; INT64_MIN: none */
};

/* One with a parser has its row before it is old enough: it gets it twice. */
static bool is_new(const struct open_rows *o, const struct nr_flow *f)
{
	return o->looked_ns != INT64_MIN && o->looked_ns - f->first_ns < SECOND;
}

static void open_row(void *arg, struct nr_flow *f)
{
	const struct open_rows *o = arg;

	if ((nr_flow_clock_ns(f) < o->since_ns && !is_new(o, f)) ||
	    (!f->parser && o->clock_ns - f->first_ns < SECOND))
		return;
	nr_flow_lay_out(o->e->flows, f);
	nr_part_flow_row(&o->e->parts[f->shard], f, NULL);
	nr_flow_put_back(o->e->flows, f);
	if (o->e->single.records.n >= NR_FLUSH_RECORDS)
		write_open(o->e);
}

/* Each active_timeout after its beginning, where there were packets since the last. */
static void update_row(void *arg, struct nr_flow *f)
{
	const struct open_rows *o = arg;
	int64_t period = o->e->cfg.active_timeout;
	int64_t age = o->clock_ns - f->first_ns, before = o->since_ns - f->first_ns;

	if (age < period || (before >= 0 && before / period == age / period) ||
	    nr_flow_clock_ns(f) <= o->clock_ns - period)
		return;
	nr_flow_lay_out(o->e->flows, f);
	nr_part_flow_row(&o->e->parts[f->shard], f, NULL)->type = &nr_rt_flow_update;
	nr_flow_put_back(o->e->flows, f);
	if (o->e->single.records.n >= NR_FLUSH_RECORDS)
		nr_engine_flush(o->e);
}

static void update_rows(struct nr_engine *e, int64_t clock_ns)
{
	struct open_rows o = { .e = e,
			       .clock_ns = clock_ns,
			       .since_ns = e->live->updated_ns };

	e->live->updated_ns = clock_ns;
	if (!e->cfg.active_timeout)
		return;
	nr_flow_each(e->flows, update_row, &o);
	nr_engine_flush(e);
}

static bool is_wanted(const struct nr_engine *e)
{
	for (size_t i = 0; i < e->n_sinks; i++)
		if (nr_sink_wants_open(e->sinks[i]))
			return true;
	return false;
}

static bool is_behind(const struct nr_engine *e)
{
	for (size_t i = 0; i < e->n_sinks; i++)
		if (nr_sink_wants_open(e->sinks[i]) && nr_sink_is_behind(e->sinks[i]))
			return true;
	return false;
}

static bool is_past(int64_t ns, int64_t every, int64_t clock_ns)
{
	return ns == INT64_MIN || clock_ns < ns || clock_ns - ns >= every;
}

/*
 * New flows get a row at once. Those that have one get it again shard by shard, as often
 * as there is time to write so many, and where the sinks keep up: a shard that has to
 * wait is the first one next time.
 */
static void open_rows(struct nr_engine *e, int64_t clock_ns)
{
	uint64_t n = nr_flow_count(e->flows);
	int64_t every = SECOND * (int64_t)(1 + n / RENEWALS_A_SECOND);
	struct nr_live_state *l = e->live;
	struct open_rows o = { .e = e, .clock_ns = clock_ns, .looked_ns = l->open_ns };
	unsigned first = l->next_shard;
	bool is_waiting = false;

	if (!is_past(l->open_ns, SECOND, clock_ns))
		return;
	l->open_ns = clock_ns;
	if (!is_wanted(e))
		return;
	for (unsigned i = 0; i < NR_N_SHARDS && !e->error; i++) {
		unsigned k = (first + i) % NR_N_SHARDS;
		bool is_due = is_past(l->renewed_ns[k], every, clock_ns);

		o.since_ns = INT64_MAX;
		if (is_due && !is_behind(e)) {
			o.since_ns = l->renewed_ns[k];
			l->renewed_ns[k] = clock_ns;
		} else if (is_due && !is_waiting) {
			l->next_shard = k;
			is_waiting = true;
		}
		nr_flow_each_of(e->flows, k, open_row, &o);
		write_open(e);
	}
}

static void tell_overload(struct nr_engine *e, int64_t clock_ns)
{
	struct nr_record *r;
	uint64_t n = 0;

	for (size_t i = 0; i < e->n_sinks; i++)
		n += nr_sink_dropped(e->sinks[i]);
	if (n <= e->live->dropped)
		return;
	r = nr_engine_anomaly(
		e, NR_ANOM_SINK_OVERLOAD,
		nr_arena_printf(&e->out->arena, "{\"records\":%llu}",
				(unsigned long long)(n - e->live->dropped)));
	nr_set_int(r, NR_ANOMALY_ts_ns, clock_ns);
	e->live->dropped = n;
}

int nr_engine_tick(struct nr_engine *e, int64_t clock_ns)
{
	if (e->error)
		return e->error;
	set_place(e);
	tell_overload(e, clock_ns);
	nr_engine_flush(e);
	update_rows(e, clock_ns);
	source_rows(e, e->n_sources - 1);
	write_open(e);
	if (!e->error)
		open_rows(e, clock_ns);
	return hand_over(e);
}

/* ---- rotation ----------------------------------------------------------------- */

struct going_on {
	uint64_t old_id, id;
	struct nr_flow *flow;
};

struct going_ons {
	struct going_on *g;
	size_t n, cap;
};

static void collect(void *arg, struct nr_flow *f)
{
	struct going_ons *all = arg;

	if (all->n == all->cap) {
		all->cap = all->cap ? 2 * all->cap : 256;
		all->g = nr_xrealloc(all->g, all->cap * sizeof(*all->g));
	}
	all->g[all->n++] = (struct going_on){ .old_id = f->flow_id, .flow = f };
}

static int by_old_id(const void *a, const void *b)
{
	const struct going_on *x = a, *y = b;

	return x->old_id < y->old_id ? -1 : x->old_id > y->old_id;
}

/* What a flow's parent is called now; one that has ended keeps its name. */
static uint64_t new_id(const void *arg, uint64_t old_id)
{
	const struct going_ons *all = arg;
	const struct going_on want = { .old_id = old_id };
	const struct going_on *g =
		all->n ? bsearch(&want, all->g, all->n, sizeof(want), by_old_id) : NULL;

	return g ? g->id : old_id;
}

static void renumber_sessions(struct nr_engine *e, bool done)
{
	for (unsigned i = 0; !e->cfg.no_sessions && i < NR_N_SHARDS; i++)
		nr_sessions_renumber(e->parts[i].sessions, done);
}

/* All open flows get their last row, and go on under new ids behind the last packet's. */
static void restart_all(struct nr_engine *e, const struct going_ons *all, int64_t ns)
{
	uint64_t ordinal = e->cfg.first_ordinal + e->stats.packets;

	renumber_sessions(e, false);
	nr_joins_keep(e->joins, true);
	for (size_t i = 0; i < all->n; i++) {
		struct going_on *g = &all->g[i];

		g->id = ++ordinal * 16 + g->old_id % 16;
		nr_flow_lay_out(e->flows, g->flow);
		nr_part_flow_done(&e->parts[g->flow->shard], g->flow, NR_END_ROTATED);
		nr_engine_breathe(e);
		nr_flow_restart(g->flow, g->id, (uint32_t)e->n_sources, ns);
		nr_flow_put_back(e->flows, g->flow);
	}
	nr_engine_flush(e);
	nr_joins_keep(e->joins, false);
	nr_joins_renumber(e->joins, new_id, all);
	renumber_sessions(e, true);
}

/* The last rows of a database: sources, their ledger, the run. */
static void end_database(struct nr_engine *e, int status)
{
	for (size_t i = e->live->first; i < e->n_sources; i++) {
		nr_engine_breathe(e);
		source_rows(e, i);
	}
	nr_engine_ledger_rows(e);
	nr_engine_run_row(e, e->live->run, status);
}

static void forget_sources(struct nr_engine *e)
{
	for (size_t i = e->live->first; i < e->n_sources; i++)
		nr_engine_source_forget(&e->sources[i]);
	e->live->first = e->n_sources;
	nr_ledger_free(e->ledger);
	e->ledger = nr_ledger_new(e->n_sources);
	nr_firsts_free(e->firsts);
	e->firsts = nr_firsts_new(e->key.secret);
	e->cfg.run_id++;
}

static void last_rows(struct nr_engine *e, bool at_end)
{
	for (size_t i = 0; i < e->n_sinks; i++)
		nr_sink_last_rows(e->sinks[i], at_end);
}

static int rotate_sinks(struct nr_engine *e, int64_t clock_ns)
{
	int rc = 0;

	for (size_t i = 0; i < e->n_sinks; i++) {
		struct nr_err err = { "" };
		int one = nr_sink_rotate(e->sinks[i], clock_ns, &err);

		if (one < 0 && rc == 0) {
			rc = one;
			*e->err = err;
		}
	}
	return rc;
}

int nr_engine_rotate(struct nr_engine *e, int64_t clock_ns,
		     const struct nr_live_source *s)
{
	struct going_ons all = { 0 };
	int rc;

	if (e->error)
		return e->error;
	set_place(e);
	last_rows(e, false);
	tell_overload(e, clock_ns);
	nr_intake_end(e);
	nr_flow_each(e->flows, collect, &all);
	if (all.n)
		qsort(all.g, all.n, sizeof(*all.g), by_old_id);
	restart_all(e, &all, clock_ns);
	nr_tunnels_flush(e);
	end_database(e, 0);
	nr_engine_flush(e);
	rc = e->error ? e->error : rotate_sinks(e, clock_ns);
	forget_sources(e);
	add_source(e, s);
	e->cfg.first_ordinal += all.n;
	nr_free(all.g);
	forget_open_rows(e->live);
	set_place(e);
	nr_engine_run_row(e, e->live->run, -1);
	source_rows(e, e->n_sources - 1);
	write_open(e);
	hand_over(e);
	return e->error ? e->error : rc;
}

uint64_t nr_engine_open_flows(const struct nr_engine *e)
{
	return nr_flow_count(e->flows);
}

int nr_engine_live_end(struct nr_engine *e, int status)
{
	last_rows(e, true);
	if (!e->error)
		nr_engine_end(e);
	if (!e->error) {
		set_place(e);
		end_database(e, status);
		nr_engine_flush(e);
	}
	return e->error ? e->error : nr_engine_check_ledger(e, e->err);
}
