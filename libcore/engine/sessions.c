/* SPDX-License-Identifier: BSD-3-Clause */
/* What a part does for the session layer. */
#include "engine/internal.h"

static struct nr_record *record(void *arg, struct nr_flow *f,
				const struct nr_record_type *t)
{
	struct nr_part *p = arg;
	struct nr_record *r = nr_out_row(p->out, t);

	nr_part_identify(p, r, f);
	return r;
}

static void anomaly(void *arg, struct nr_flow *f, enum nr_anomaly_kind kind, int side,
		    const struct nr_stamp *at, const char *detail)
{
	nr_part_session_anomaly(arg, f, kind, side, at, detail);
}

static uint64_t expect(void *arg, struct nr_flow *f, const struct nr_expectation *x,
		       int64_t clock_ns)
{
	struct nr_part *p = arg;
	struct nr_join *j = nr_join_note(p->out, NR_JOIN_EXPECT);

	j->id = (uint64_t)(p->shard + 1) << 56 | ++p->n_expected;
	j->expect.x = *x;
	j->expect.clock_ns = clock_ns;
	if (!p->e->pipeline)
		p->e->expecting = true;
	return j->id;
}

static void link_expected(void *arg, struct nr_record *r, unsigned field, uint64_t token)
{
	struct nr_part *p = arg;
	struct nr_join *j = nr_join_add(p->out, r, NR_JOIN_EXPECTED);

	j->field = (uint8_t)field;
	j->id = token;
}

static void link_quoted(void *arg, struct nr_flow *f, struct nr_record *r, unsigned field,
			const struct nr_tuple *t)
{
	struct nr_part *p = arg;
	const struct nr_key own = nr_flow_key(f), k = nr_quoted_key(&own, t);
	struct nr_join *j = nr_join_add(p->out, r, NR_JOIN_QUOTED);

	j->field = (uint8_t)field;
	j->level = (uint8_t)p->level;
	j->hash = nr_key_hash(&k, p->e->key.secret);
}

struct nr_sessions *nr_part_sessions_new(struct nr_part *p)
{
	const struct nr_engine_config *c = &p->e->cfg;
	struct nr_sessions_config s = {
		.stream = { .overlap = c->overlap,
			    .max_memory = c->stream_memory,
			    .ack_grace = c->ack_grace },
		.reassembly_memory = c->reassembly_memory / NR_N_SHARDS,
		.session_memory = c->session_memory / NR_N_SHARDS,
		.parse = c->parse,
		.tap = c->tap,
		.first_source_id = (int64_t)c->first_source_id,
		.seed = (uint32_t)p->e->key.secret.k0,
	};
	struct nr_session_events ev = {
		.arg = p,
		.record = record,
		.anomaly = anomaly,
		.expect = expect,
		.link_expected = link_expected,
		.link_quoted = link_quoted,
	};

	return nr_sessions_new(&s, &ev);
}

static void wake(void *arg, struct nr_flow *f)
{
	struct nr_engine *e = arg;

	nr_flow_add_wake(e->flows, f);
}

void nr_part_mark(void *engine, unsigned shard, int64_t mark_ns)
{
	struct nr_engine *e = engine;

	nr_sessions_due(e->parts[shard].sessions, mark_ns, wake, e);
}

void nr_part_woken(void *engine, struct nr_flow *f, int64_t mark_ns)
{
	struct nr_engine *e = engine;
	struct nr_part *p = &e->parts[f->shard];

	nr_part_place(p, f);
	nr_sessions_woken(p->sessions, f, mark_ns);
}
