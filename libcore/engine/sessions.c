/* SPDX-License-Identifier: BSD-3-Clause */
/* What the engine does for the session layer. */
#include "engine/internal.h"

static struct nr_record *record(void *arg, struct nr_flow *f,
				const struct nr_record_type *t)
{
	struct nr_engine *e = arg;
	struct nr_record *r;

	r = nr_engine_row(e, t, f->flow_id);
	nr_engine_identify(e, r, f);
	return r;
}

static void anomaly(void *arg, struct nr_flow *f, enum nr_anomaly_kind kind, int side,
		    const struct nr_stamp *at, const char *detail)
{
	nr_engine_session_anomaly(arg, f, kind, side, at, detail);
}

static uint64_t expect(void *arg, struct nr_flow *f, const struct nr_expectation *x,
		       int64_t clock_ns)
{
	struct nr_engine *e = arg;

	return nr_labels_expect(e->labels, x, clock_ns);
}

static void link_expected(void *arg, struct nr_record *r, unsigned field, uint64_t token)
{
	struct nr_engine *e = arg;

	nr_labels_link(e->labels, r, field, token);
}

static void link_quoted(void *arg, struct nr_flow *f, struct nr_record *r, unsigned field,
			const struct nr_tuple *t)
{
	nr_labels_link_quoted(arg, f, r, field, t);
}

struct nr_sessions *nr_engine_sessions_new(struct nr_engine *e)
{
	const struct nr_engine_config *c = &e->cfg;
	struct nr_sessions_config s = {
		.stream = { .overlap = c->overlap,
			    .max_memory = c->stream_memory,
			    .ack_grace = c->ack_grace },
		.reassembly_memory = c->reassembly_memory,
		.session_memory = c->session_memory,
		.parse = c->parse,
		.tap = c->tap,
		.first_source_id = (int64_t)c->first_source_id,
		.seed = (uint32_t)e->key.secret.k0,
	};
	struct nr_session_events ev = {
		.arg = e,
		.arena = &e->arena,
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

void nr_engine_mark(void *engine, int64_t mark_ns)
{
	struct nr_engine *e = engine;

	nr_sessions_due(e->sessions, mark_ns, wake, e);
}

void nr_engine_woken(void *engine, struct nr_flow *f, int64_t mark_ns)
{
	struct nr_engine *e = engine;

	nr_sessions_woken(e->sessions, f, mark_ns);
}
