/* SPDX-License-Identifier: BSD-3-Clause */
/* What parsers are given: the flow, the packet, and the engine's services. */
#include "session/internal.h"

static struct nr_call_of_parser *call_of(struct nr_parse *p)
{
	return p->host_arg;
}

static struct nr_record *host_record(struct nr_parse *p, const struct nr_record_type *t)
{
	struct nr_call_of_parser *c = call_of(p);
	struct nr_record *r = c->ss->ev.record(c->ss->ev.arg, c->f, t);

	nr_set_int(r, 0, (int64_t)p->flow_id); /* NR_FIELDS_SESSION */
	nr_set_int(r, 1, p->source_id);
	if (p->packet) /* 0: a capture could not keep it */
		nr_set_int(r, 2, (int64_t)p->packet);
	nr_set_int(r, 3, p->ts_ns);
	return r;
}

static void host_anomaly(struct nr_parse *p, enum nr_anomaly_kind kind, int side,
			 const char *detail)
{
	struct nr_call_of_parser *c = call_of(p);

	if (side >= 0 && c->f->session->swapped)
		side = !side;
	c->ss->ev.anomaly(c->ss->ev.arg, c->f, kind, side, &c->at, detail);
}

static void host_service(struct nr_parse *p, const char *name)
{
	nr_flow_add_service(call_of(p)->f, name);
}

static void host_wake(struct nr_parse *p, int64_t at_ns)
{
	call_of(p)->f->session->tick_ns = at_ns;
}

static uint64_t host_expect(struct nr_parse *p, const struct nr_expectation *x)
{
	struct nr_call_of_parser *c = call_of(p);

	return c->ss->ev.expect(c->ss->ev.arg, c->f, x, p->clock_ns);
}

static void host_link_expected(struct nr_parse *p, struct nr_record *r, unsigned field,
			       uint64_t token)
{
	struct nr_call_of_parser *c = call_of(p);

	c->ss->ev.link_expected(c->ss->ev.arg, r, field, token);
}

static void host_link_quoted(struct nr_parse *p, struct nr_record *r, unsigned field,
			     const struct nr_tuple *t)
{
	struct nr_call_of_parser *c = call_of(p);

	c->ss->ev.link_quoted(c->ss->ev.arg, c->f, r, field, t);
}

static const struct nr_parse_host host = {
	.record = host_record,
	.anomaly = host_anomaly,
	.service = host_service,
	.wake = host_wake,
	.expect = host_expect,
	.link_expected = host_link_expected,
	.link_quoted = host_link_quoted,
};

struct nr_parse *nr_session_call(struct nr_call_of_parser *c, struct nr_sessions *ss,
				 struct nr_flow *f, const struct nr_stamp *at,
				 uint64_t offset)
{
	const struct nr_session *s = f->session;
	const struct nr_key *k = &c->key;
	bool hi_first = f->src_is_hi != s->swapped;

	c->key = nr_flow_key(f);
	c->ss = ss;
	c->f = f;
	c->at = *at;
	c->p = (struct nr_parse){
		.flow_id = f->flow_id,
		.proto = k->proto,
		.ip_version = k->ip_version,
		.addr = { hi_first ? k->hi : k->lo, hi_first ? k->lo : k->hi },
		.port = { hi_first ? k->hi_port : k->lo_port,
			  hi_first ? k->lo_port : k->hi_port },
		.source_id = ss->cfg.first_source_id + at->source,
		.ts_ns = at->ts_ns,
		.packet = at->packet,
		.clock_ns = s->clock_ns,
		.offset = offset,
		.options = &ss->cfg.parse,
		.account = nr_state_of(ss, f),
		.arena = ss->arena,
		.memo = ss->memo,
		.host = &host,
		.host_arg = c,
	};
	return &c->p;
}
