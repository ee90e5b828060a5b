/* SPDX-License-Identifier: BSD-3-Clause */
#include "session/internal.h"

#include "base/mem.h"
#include "flow/tcp.h"

#include <string.h>

enum {
	FAR_SEGMENTS = 3,         /* so many beyond the window are left out, no more */
	FAR_SLACK = 1 << 20,      /* beyond what the window allows */
	FAR_UNSCALED = 1 << 30,   /* the largest window there is (RFC 7323 2.3) */
	SERVICES_OF_A_PARSER = 8, /* ids: 1 + index of the parser × 8 + of the service */
};

/* One call of a parser: what it sees in front, what it is for behind. */
struct call {
	struct nr_parse p;
	struct nr_sessions *ss;
	struct nr_flow *f;
	struct nr_stamp at;
};

static struct nr_account *state_of(struct nr_sessions *ss, const struct nr_flow *f)
{
	return &ss->state[f->shard];
}

static struct nr_account *bytes_of(struct nr_sessions *ss, const struct nr_flow *f)
{
	return &ss->bytes[f->shard];
}

static size_t ctx_size(const struct nr_parser *p)
{
	return p->ctx_size ? p->ctx_size : 1;
}

/* The host of parsers */

static struct call *call_of(struct nr_parse *p)
{
	return p->host_arg;
}

static struct nr_record *host_record(struct nr_parse *p, const struct nr_record_type *t)
{
	struct call *c = call_of(p);
	struct nr_record *r = c->ss->ev.record(c->ss->ev.arg, c->f, t);

	nr_set_int(r, 0, (int64_t)p->flow_id); /* NR_FIELDS_SESSION */
	nr_set_int(r, 1, p->source_id);
	nr_set_int(r, 2, (int64_t)p->packet);
	nr_set_int(r, 3, p->ts_ns);
	return r;
}

static void host_anomaly(struct nr_parse *p, enum nr_anomaly_kind kind, int side,
			 const char *detail)
{
	struct call *c = call_of(p);

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
	struct call *c = call_of(p);

	return c->ss->ev.expect(c->ss->ev.arg, c->f, x, p->clock_ns);
}

static void host_link_expected(struct nr_parse *p, struct nr_record *r, unsigned field,
			       uint64_t token)
{
	struct call *c = call_of(p);

	c->ss->ev.link_expected(c->ss->ev.arg, r, field, token);
}

static void host_link_quoted(struct nr_parse *p, struct nr_record *r, unsigned field,
			     const struct nr_tuple *t)
{
	struct call *c = call_of(p);

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

static struct nr_parse *begin_call(struct call *c, struct nr_sessions *ss,
				   struct nr_flow *f, const struct nr_stamp *at,
				   uint64_t offset)
{
	const struct nr_session *s = f->session;
	const struct nr_key *k = &f->key;
	bool hi_first = f->src_is_hi != s->swapped;

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
		.account = state_of(ss, f),
		.arena = ss->ev.arena,
		.host = &host,
		.host_arg = c,
	};
	return &c->p;
}

/* Beginnings and ends */

static uint8_t parser_number(const struct nr_parser *p)
{
	unsigned i = 0;

	while (nr_parsers[i] != p)
		i++;
	return (uint8_t)(i + 1);
}

static void close_as(struct nr_session *s, enum nr_parser_close why)
{
	s->closing = true;
	s->close = (uint8_t)why;
}

static bool set_parser(struct nr_sessions *ss, struct nr_flow *f,
		       const struct nr_parser *p)
{
	struct nr_session *s = f->session;

	f->parser = parser_number(p);
	f->parser_close = 0;
	s->ctx = nr_account_alloc(state_of(ss, f), ctx_size(p));
	if (!s->ctx) {
		f->parser_close = NR_CLOSE_OVERFLOW + 1;
		close_as(s, NR_CLOSE_OVERFLOW);
		return false;
	}
	s->parser = p;
	return true;
}

/* The parser's last call; what it was closed for is kept in the flow. */
static void end_parser(struct nr_sessions *ss, struct nr_flow *f,
		       enum nr_parser_close why)
{
	struct nr_session *s = f->session;
	struct call c;

	if (!s->parser)
		return;
	if (s->parser->end)
		s->parser->end(begin_call(&c, ss, f, &s->last, 0), s->ctx);
	nr_account_free(state_of(ss, f), s->ctx, ctx_size(s->parser));
	s->ctx = NULL;
	s->parser = NULL;
	s->tick_ns = INT64_MAX;
	f->parser_close = (uint8_t)(why + 1);
}

static struct nr_session *session_new(struct nr_sessions *ss, struct nr_flow *f)
{
	struct nr_account *a = state_of(ss, f);
	struct nr_session *s = nr_account_alloc(a, sizeof(*s));

	if (!s) {
		f->session_over = true;
		f->parser_close = NR_CLOSE_OVERFLOW + 1;
		return NULL;
	}
	s->tick_ns = s->armed_ns = INT64_MAX;
	s->src_is_hi = f->src_is_hi;
	f->session = s;
	return s;
}

static void session_free(struct nr_sessions *ss, struct nr_flow *f)
{
	struct nr_account *a = state_of(ss, f);
	struct nr_session *s = f->session;

	if (s->tcp) {
		for (unsigned i = 0; i < 2; i++) {
			f->n_unverified += s->tcp->stream[i].n_unverified;
			nr_stream_fini(&s->tcp->stream[i], bytes_of(ss, f));
		}
		nr_choice_free(s->tcp->choice, a);
		nr_account_free(a, s->tcp, sizeof(*s->tcp));
	}
	nr_account_free(a, s, sizeof(*s));
	f->session = NULL;
	f->session_over = true;
}

/* Frees what has closed; called where no parser is on the stack. */
static void settle(struct nr_sessions *ss, struct nr_flow *f)
{
	struct nr_session *s = f->session;

	if (!s || !s->closing)
		return;
	end_parser(ss, f, (enum nr_parser_close)s->close);
	session_free(ss, f);
}

/* true: go on. Hand-overs are the caller's. */
static bool heed(struct nr_session *s, enum nr_verdict v)
{
	switch (v) {
	case NR_MORE:
		return true;
	case NR_HAND_OVER:
	case NR_DONE:
		close_as(s, NR_CLOSE_DONE);
		break;
	case NR_MALFORMED:
		close_as(s, NR_CLOSE_ERROR);
		break;
	case NR_LOST:
		close_as(s, NR_CLOSE_GAP);
		break;
	case NR_OVERFLOW:
		close_as(s, NR_CLOSE_OVERFLOW);
		break;
	case NR_NOT_MINE:
		close_as(s, NR_CLOSE_NOT_MINE);
		break;
	}
	return false;
}

/* Bytes on their way to a parser */

static bool feed(struct nr_sessions *ss, struct nr_flow *f, unsigned side,
		 uint64_t offset, const uint8_t *p, size_t n, const struct nr_stamp *at);
static bool feed_gap(struct nr_sessions *ss, struct nr_flow *f, unsigned side,
		     uint64_t offset, uint64_t n, const struct nr_stamp *at);

static void fill_probe(const struct nr_flow *f, struct nr_probe *in)
{
	const struct nr_key *k = &f->key;

	in->proto = k->proto;
	in->port[0] = f->src_is_hi ? k->hi_port : k->lo_port;
	in->port[1] = f->src_is_hi ? k->lo_port : k->hi_port;
}

/* Whether the side's first byte is known to be the stream's first. */
static bool begins(const struct nr_flow *f, unsigned side)
{
	return f->side[side].tcp_flags & NR_TCP_SYN;
}

static bool replay_choice(struct nr_sessions *ss, struct nr_flow *f)
{
	struct nr_session *s = f->session;
	struct nr_choice *c = s->tcp->choice;
	bool more = true;

	if (!c)
		return true;
	s->tcp->choice = NULL;
	for (uint32_t i = 0; i < c->n_chunks && more; i++) {
		const struct nr_chunk *k = &c->chunk[i];

		if (k->gap)
			more = feed_gap(ss, f, k->side, k->offset, k->gap, &k->at);
		else
			more = feed(ss, f, k->side, k->offset, c->data[k->side] + k->from,
				    k->len, &k->at);
	}
	nr_choice_free(c, state_of(ss, f));
	return more;
}

static bool choose_among(struct nr_sessions *ss, struct nr_flow *f, struct nr_probe *in)
{
	struct nr_session *s = f->session;
	const struct nr_parser *p = s->named;

	if (!p) {
		switch (nr_choose(in, &p)) {
		case NR_UNDECIDED:
			return true;
		case NR_NOBODY:
			close_as(s, NR_CLOSE_NOT_MINE);
			return false;
		case NR_CHOSEN:
			break;
		}
	}
	return set_parser(ss, f, p) && replay_choice(ss, f);
}

/* Bytes of a flow without a parser. Where the first segment decides, nothing is kept. */
static bool choose(struct nr_sessions *ss, struct nr_flow *f, struct nr_chunk chunk,
		   const uint8_t *data)
{
	struct nr_session *s = f->session;
	struct nr_account *a = state_of(ss, f);
	struct nr_probe in = { .begins = { begins(f, 0), begins(f, 1) } };

	fill_probe(f, &in);
	if (!s->tcp->choice && chunk.len) {
		in.side = chunk.side;
		in.data[chunk.side] = data;
		in.len[chunk.side] =
			chunk.len > NR_PROBE_BYTES ? NR_PROBE_BYTES : chunk.len;
		in.last = chunk.len >= NR_PROBE_BYTES;
		if (!choose_among(ss, f, &in))
			return false;
		if (s->parser)
			return feed(ss, f, chunk.side, chunk.offset, data, chunk.len,
				    &chunk.at);
	}
	if (!s->tcp->choice)
		s->tcp->choice = nr_account_alloc(a, sizeof(*s->tcp->choice));
	if (!s->tcp->choice || !nr_choice_add(s->tcp->choice, a, chunk, data)) {
		close_as(s, s->tcp->choice ? NR_CLOSE_NOT_MINE : NR_CLOSE_OVERFLOW);
		return false;
	}
	if (!chunk.len ||
	    s->tcp->choice->n_chunks + s->tcp->choice->len[0] + s->tcp->choice->len[1] ==
		    chunk.len + 1u)
		return true; /* a gap, or what was just asked about */
	nr_choice_probe(s->tcp->choice, chunk.side, &in);
	return choose_among(ss, f, &in);
}

/* Another protocol begins: the bytes that are left go to it. */
static bool hand_over(struct nr_sessions *ss, struct nr_flow *f, const struct nr_parse *p)
{
	struct nr_session *s = f->session;

	end_parser(ss, f, NR_CLOSE_DONE);
	if (++s->n_turns >= NR_MAX_TURNS) {
		close_as(s, NR_CLOSE_OVERFLOW);
		return false;
	}
	s->named = p->next ? nr_parser_find(p->next) : NULL;
	return true;
}

static bool feed(struct nr_sessions *ss, struct nr_flow *f, unsigned side,
		 uint64_t offset, const uint8_t *data, size_t n,
		 const struct nr_stamp *at)
{
	struct nr_session *s = f->session;
	enum nr_verdict v;
	struct call c;
	size_t rest;

	if (!n)
		return true;
	if (!s->parser)
		return choose(ss, f,
			      (struct nr_chunk){ .at = *at,
						 .offset = offset,
						 .len = (uint32_t)n,
						 .side = (uint8_t)side },
			      data);
	begin_call(&c, ss, f, at, offset);
	v = s->parser->data(&c.p, s->ctx, side ^ s->swapped, data, n);
	if (v != NR_HAND_OVER)
		return heed(s, v);
	rest = c.p.rest_len < n ? c.p.rest_len : n;
	return hand_over(ss, f, &c.p) &&
	       feed(ss, f, side, offset + (n - rest), data + (n - rest), rest, at);
}

static bool feed_gap(struct nr_sessions *ss, struct nr_flow *f, unsigned side,
		     uint64_t offset, uint64_t n, const struct nr_stamp *at)
{
	struct nr_session *s = f->session;
	struct call c;

	if (!s->parser)
		return choose(ss, f,
			      (struct nr_chunk){ .at = *at,
						 .offset = offset,
						 .gap = n,
						 .side = (uint8_t)side },
			      NULL);
	if (!s->parser->gap)
		return heed(s, NR_LOST);
	return heed(s, s->parser->gap(begin_call(&c, ss, f, at, offset), s->ctx,
				      side ^ s->swapped, n));
}

/* The reader of a stream */

struct reader {
	struct nr_sessions *ss;
	struct nr_flow *f;
	unsigned side;
};

static bool read_data(void *arg, uint64_t offset, const uint8_t *p, size_t n,
		      const struct nr_stamp *at)
{
	struct reader *r = arg;

	return feed(r->ss, r->f, r->side, offset, p, n, at);
}

static bool read_gap(void *arg, uint64_t offset, uint64_t n, enum nr_gap_reason why,
		     const struct nr_stamp *at)
{
	struct reader *r = arg;
	const struct nr_session_events *ev = &r->ss->ev;

	if (why != NR_GAP_CUT) /* the snap length says enough */
		ev->anomaly(ev->arg, r->f, NR_ANOM_TCP_GAP, (int)r->side, at,
			    nr_arena_printf(ev->arena,
					    "{\"offset\":%llu,\"length\":%llu,"
					    "\"reason\":\"%s\"}",
					    (unsigned long long)offset,
					    (unsigned long long)n,
					    nr_gap_reason_name(why)));
	return feed_gap(r->ss, r->f, r->side, offset, n, at);
}

static bool read_fin(void *arg, const struct nr_stamp *at)
{
	struct reader *r = arg;
	struct nr_session *s = r->f->session;
	struct call c;

	if (!s->parser || !s->parser->fin)
		return true;
	return heed(s, s->parser->fin(begin_call(&c, r->ss, r->f, at, 0), s->ctx,
				      r->side ^ s->swapped));
}

static void read_conflict(void *arg, uint64_t offset, uint64_t n, uint64_t old_hash,
			  uint64_t new_hash)
{
	struct reader *r = arg;
	const struct nr_session_events *ev = &r->ss->ev;

	ev->anomaly(ev->arg, r->f, NR_ANOM_TCP_CONFLICT, (int)r->side,
		    &r->f->session->last,
		    nr_arena_printf(ev->arena,
				    "{\"offset\":%llu,\"length\":%llu,"
				    "\"old_hash\":\"%016llx\",\"new_hash\":\"%016llx\"}",
				    (unsigned long long)offset, (unsigned long long)n,
				    (unsigned long long)old_hash,
				    (unsigned long long)new_hash));
}

static struct nr_stream_reader reader_of(struct reader *r)
{
	return (struct nr_stream_reader){ .arg = r,
					  .data = read_data,
					  .gap = read_gap,
					  .fin = read_fin,
					  .conflict = read_conflict };
}

/* Timers */

static int64_t wake_of(const struct nr_sessions *ss, const struct nr_session *s)
{
	int64_t at = s->tick_ns;

	for (unsigned i = 0; s->tcp && i < 2; i++) {
		int64_t w = nr_stream_wake(&s->tcp->stream[i], &ss->cfg.stream);

		at = w < at ? w : at;
	}
	return at;
}

static void arm(struct nr_sessions *ss, struct nr_flow *f)
{
	struct nr_session *s = f->session;
	int64_t at = wake_of(ss, s);

	if (at >= s->armed_ns)
		return;
	s->armed_ns = at;
	nr_wakes_push(&ss->wakes,
		      (struct nr_wake){ .at_ns = at, .flow_id = f->flow_id, .flow = f });
}

/* What is due at clock_ns; false where the session has closed. */
static bool run_timers(struct nr_sessions *ss, struct nr_flow *f, int64_t clock_ns)
{
	struct nr_session *s = f->session;
	struct call c;

	s->clock_ns = clock_ns;
	for (unsigned i = 0; s->tcp && i < 2; i++) {
		struct reader rd = { .ss = ss, .f = f, .side = i };
		struct nr_stream_reader r = reader_of(&rd);

		if (clock_ns >= nr_stream_wake(&s->tcp->stream[i], &ss->cfg.stream) &&
		    !nr_stream_tick(&s->tcp->stream[i], &ss->cfg.stream, bytes_of(ss, f),
				    clock_ns, &s->last, &r))
			return false;
	}
	if (clock_ns < s->tick_ns)
		return true;
	s->tick_ns = INT64_MAX;
	return !s->parser || !s->parser->tick ||
	       heed(s, s->parser->tick(begin_call(&c, ss, f, &s->last, 0), s->ctx));
}

void nr_sessions_due(struct nr_sessions *ss, int64_t mark_ns,
		     void (*wake)(void *arg, struct nr_flow *f), void *arg)
{
	struct nr_wake w;

	while (nr_wakes_pop(&ss->wakes, mark_ns, &w)) {
		struct nr_session *s = w.flow->session;

		if (!w.flow->in_use || w.flow->flow_id != w.flow_id || !s ||
		    s->armed_ns != w.at_ns)
			continue; /* the flow has ended, or was armed anew */
		s->armed_ns = INT64_MAX;
		if (wake_of(ss, s) <= mark_ns)
			wake(arg, w.flow);
		else
			arm(ss, w.flow);
	}
}

void nr_sessions_woken(struct nr_sessions *ss, struct nr_flow *f, int64_t mark_ns)
{
	if (!f->session)
		return;
	run_timers(ss, f, mark_ns);
	settle(ss, f);
	if (f->session)
		arm(ss, f);
}

/* TCP */

static void follow_flip(struct nr_flow *f)
{
	struct nr_session *s = f->session;
	struct nr_tcp_session *t = s->tcp;

	if (s->src_is_hi == f->src_is_hi)
		return;
	s->src_is_hi = f->src_is_hi;
	if (t) {
		struct nr_stream stream = t->stream[0];
		uint32_t seq = t->start_seq[0];
		uint8_t far = t->n_far[0];

		t->stream[0] = t->stream[1];
		t->stream[1] = stream;
		t->start_seq[0] = t->start_seq[1];
		t->start_seq[1] = seq;
		t->n_far[0] = t->n_far[1];
		t->n_far[1] = far;
		if (t->choice)
			nr_choice_swap(t->choice);
	}
	if (s->parser)
		s->swapped = !s->swapped;
}

static bool tcp_new(struct nr_sessions *ss, struct nr_flow *f)
{
	struct nr_session *s = session_new(ss, f);

	if (!s)
		return false;
	s->tcp = nr_account_alloc(state_of(ss, f), sizeof(*s->tcp));
	if (!s->tcp) {
		close_as(s, NR_CLOSE_OVERFLOW);
		f->parser_close = NR_CLOSE_OVERFLOW + 1;
		return false;
	}
	for (unsigned i = 0; i < 2; i++) {
		ss->seed = ss->seed * 1664525 + 1013904223;
		nr_stream_init(&s->tcp->stream[i], ss->seed);
		s->tcp->start_seq[i] = f->side[i].start_seq;
	}
	return true;
}

/* Another SYN has moved the side's numbers: nothing that was stored means anything. */
static bool follow_restart(struct nr_sessions *ss, struct nr_flow *f, unsigned side)
{
	struct nr_tcp_session *t = f->session->tcp;
	bool begun = t->stream[side].next > 0;

	if (t->start_seq[side] == f->side[side].start_seq)
		return true;
	t->start_seq[side] = f->side[side].start_seq;
	f->n_unverified += t->stream[side].n_unverified;
	nr_stream_fini(&t->stream[side], bytes_of(ss, f));
	nr_stream_init(&t->stream[side], ss->seed | 1);
	if (begun)
		close_as(f->session, NR_CLOSE_GAP);
	return !begun;
}

/*
 * A segment that lies so far ahead that no window allows it is forged, or of another
 * connection: it must not move the stream. Three in a row are believed: then it was the
 * capture that missed what lies between.
 */
static bool is_far(const struct nr_flow *f, unsigned side, struct nr_tcp_session *t,
		   uint64_t offset)
{
	const struct nr_side *me = &f->side[side], *peer = &f->side[!side];
	uint64_t from = t->stream[side].next, room = FAR_UNSCALED;

	if ((me->tcp_flags & peer->tcp_flags & NR_TCP_SYN) && me->ack > 0) {
		if ((uint64_t)me->ack > from)
			from = (uint64_t)me->ack;
		room = 4 * (uint64_t)peer->window + FAR_SLACK;
	}
	if (offset <= from + room) {
		t->n_far[side] = 0;
		return false;
	}
	if (t->n_far[side] >= FAR_SEGMENTS)
		return false;
	t->n_far[side]++;
	return true;
}

static bool tcp_data(struct nr_sessions *ss, struct nr_flow *f, unsigned side,
		     const struct nr_level *l, const struct nr_tcp_seen *seen,
		     const struct nr_stream_reader *r)
{
	struct nr_session *s = f->session;
	uint64_t skip = seen->offset < 0 ? (uint64_t)-seen->offset : 0;
	struct nr_stream_segment g = { .data = l->payload, .at = s->last };

	if (skip >= l->payload_len)
		return true;
	g.offset = skip ? 0 : (uint64_t)seen->offset;
	g.len = l->payload_len - (uint32_t)skip;
	g.cap = l->payload_cap > skip ? l->payload_cap - (uint32_t)skip : 0;
	g.data = l->payload + (g.cap ? skip : 0);
	g.clock_ns = s->clock_ns;
	if (is_far(f, side, s->tcp, g.offset)) {
		ss->ev.anomaly(
			ss->ev.arg, f, NR_ANOM_TCP_FAR_AHEAD, (int)side, &s->last,
			nr_arena_printf(ss->ev.arena,
					"{\"offset\":%llu,\"expected\":%llu}",
					(unsigned long long)g.offset,
					(unsigned long long)s->tcp->stream[side].next));
		return true;
	}
	return nr_stream_segment(&s->tcp->stream[side], &ss->cfg.stream, bytes_of(ss, f),
				 &g, r);
}

static bool tcp_segment(struct nr_sessions *ss, struct nr_flow *f, unsigned side,
			const struct nr_level *l, const struct nr_tcp_seen *seen)
{
	struct nr_session *s = f->session;
	struct reader rd = { .ss = ss, .f = f, .side = side };
	struct nr_stream_reader r = reader_of(&rd);
	const struct nr_side *me = &f->side[side];
	struct call c;

	if (!follow_restart(ss, f, 0) || !follow_restart(ss, f, 1))
		return false;
	if (seen->has_ack && seen->ack > 0 && !(l->tcp_flags & NR_TCP_RST))
		nr_stream_ack(&s->tcp->stream[!side], (uint64_t)seen->ack, s->clock_ns);
	if (l->tcp_flags & NR_TCP_RST) /* its payload is a message to humans */
		return !s->parser || !s->parser->rst ||
		       heed(s, s->parser->rst(begin_call(&c, ss, f, &s->last, 0), s->ctx,
					      side ^ s->swapped));
	if (l->payload_len && !tcp_data(ss, f, side, l, seen, &r))
		return false;
	if (me->fin > 1 && s->tcp->stream[side].end != (uint64_t)me->fin - 2)
		return nr_stream_fin(&s->tcp->stream[side], (uint64_t)me->fin - 2,
				     &s->last, &r);
	return true;
}

static void tcp_packet(struct nr_sessions *ss, struct nr_flow *f, unsigned side,
		       const struct nr_packet *p, const struct nr_level *l,
		       const struct nr_tcp_seen *seen)
{
	struct nr_session *s = f->session;

	if (!seen->is_valid)
		return;
	if (!s) {
		if (!l->payload_len || (l->tcp_flags & NR_TCP_RST))
			return;
		if (!tcp_new(ss, f)) {
			settle(ss, f);
			return;
		}
		s = f->session;
	}
	follow_flip(f);
	if (p->clock_ns < wake_of(ss, s) || run_timers(ss, f, p->clock_ns)) {
		s->clock_ns = p->clock_ns;
		s->last = (struct nr_stamp){ .ts_ns = p->ts_ns,
					     .packet = p->record,
					     .source = p->source };
		tcp_segment(ss, f, side, l, seen);
	}
	settle(ss, f);
	if (f->session)
		arm(ss, f);
}

/* UDP and ICMP */

static bool datagram_new(struct nr_sessions *ss, struct nr_flow *f, unsigned side,
			 const uint8_t *data, uint32_t len)
{
	struct nr_probe in = { .side = side, .begins = { true, true }, .last = true };
	const struct nr_parser *p;

	in.data[side] = data;
	in.len[side] = len;
	fill_probe(f, &in);
	if (nr_choose(&in, &p) != NR_CHOSEN) {
		f->session_over = ++f->n_tries >= NR_UDP_TRIES;
		return false;
	}
	return session_new(ss, f) && set_parser(ss, f, p);
}

static void datagram(struct nr_sessions *ss, struct nr_flow *f, unsigned side,
		     const struct nr_packet *p, const struct nr_level *l)
{
	bool is_icmp = l->proto != 17;
	const uint8_t *data = is_icmp ? l->l4 : l->payload;
	uint32_t cap = is_icmp ? l->l4_cap : l->payload_cap;
	uint32_t len = is_icmp ? l->l4_len : l->payload_len;
	struct nr_session *s = f->session;
	struct call c;

	if (!len)
		return;
	if (!s) {
		if (!datagram_new(ss, f, side, data, cap)) {
			settle(ss, f);
			return;
		}
		s = f->session;
	}
	follow_flip(f);
	if (p->clock_ns < s->tick_ns || run_timers(ss, f, p->clock_ns)) {
		s->clock_ns = p->clock_ns;
		s->last = (struct nr_stamp){ .ts_ns = p->ts_ns,
					     .packet = p->record,
					     .source = p->source };
		heed(s, s->parser->datagram(begin_call(&c, ss, f, &s->last, 0), s->ctx,
					    side ^ s->swapped, data, cap, len));
	}
	settle(ss, f);
	if (f->session)
		arm(ss, f);
}

void nr_sessions_packet(struct nr_sessions *ss, struct nr_flow *f, unsigned side,
			const struct nr_packet *p, const struct nr_level *l,
			const struct nr_tcp_seen *seen)
{
	if (f->session_over || l->carries)
		return;
	switch (l->proto) {
	case 6:
		tcp_packet(ss, f, side, p, l, seen);
		break;
	case 1:
	case 17:
	case 58:
		if (!(l->flags & (NR_L_NO_PORTS | NR_L_BAD_HDR)))
			datagram(ss, f, side, p, l);
		break;
	default:
		break;
	}
}

/* The choice was never made: whoever is possible gets what there is. */
static void choose_at_last(struct nr_sessions *ss, struct nr_flow *f)
{
	struct nr_session *s = f->session;
	struct nr_probe in = { .begins = { begins(f, 0), begins(f, 1) } };

	if (s->closing || s->parser || !s->tcp || !s->tcp->choice)
		return;
	fill_probe(f, &in);
	nr_choice_probe(s->tcp->choice, 0, &in);
	in.last = true;
	choose_among(ss, f, &in);
}

void nr_sessions_end(struct nr_sessions *ss, struct nr_flow *f)
{
	struct nr_session *s = f->session;

	if (!s)
		return;
	follow_flip(f);
	for (unsigned i = 0; s->tcp && i < 2 && !s->closing; i++) {
		struct reader rd = { .ss = ss, .f = f, .side = i };
		struct nr_stream_reader r = reader_of(&rd);

		nr_stream_flush(&s->tcp->stream[i], bytes_of(ss, f), &s->last, &r);
	}
	choose_at_last(ss, f);
	if (!s->closing)
		close_as(s, NR_CLOSE_FLOW_END);
	settle(ss, f);
}

/* The whole */

struct nr_sessions *nr_sessions_new(const struct nr_sessions_config *c,
				    const struct nr_session_events *ev)
{
	struct nr_sessions *ss = nr_xcalloc(1, sizeof(*ss));

	ss->cfg = *c;
	ss->ev = *ev;
	ss->seed = c->seed;
	for (unsigned i = 0; i < NR_N_SHARDS; i++) {
		ss->state[i].max = c->session_memory / NR_N_SHARDS;
		ss->bytes[i].max = c->reassembly_memory / NR_N_SHARDS;
	}
	return ss;
}

void nr_sessions_free(struct nr_sessions *ss)
{
	if (!ss)
		return;
	nr_free(ss->wakes.w);
	nr_free(ss);
}

struct nr_sessions_stats nr_sessions_stats(const struct nr_sessions *ss)
{
	struct nr_sessions_stats t = { 0 };

	for (unsigned i = 0; i < NR_N_SHARDS; i++) {
		t.refused_state += ss->state[i].refused;
		t.refused_bytes += ss->bytes[i].refused;
	}
	return t;
}

/* Services */

static const char *service_name(uint16_t id)
{
	id--;
	return nr_parsers[id / SERVICES_OF_A_PARSER]->services[id % SERVICES_OF_A_PARSER];
}

static uint16_t service_id(const char *name)
{
	for (unsigned i = 0; nr_parsers[i]; i++) {
		const char *const *names = nr_parsers[i]->services;

		for (unsigned k = 0; names[k]; k++) {
			if (names[k] == name || !strcmp(names[k], name))
				return (uint16_t)(1 + i * SERVICES_OF_A_PARSER + k);
		}
	}
	return 0;
}

void nr_flow_add_service(struct nr_flow *f, const char *name)
{
	uint16_t id = service_id(name);

	for (unsigned i = 0; i < NR_MAX_SERVICES; i++) {
		if (f->services[i] == id)
			return;
		if (!f->services[i]) {
			f->services[i] = id;
			return;
		}
	}
}

const char *nr_flow_services(const struct nr_flow *f, struct nr_arena *a)
{
	const char *s = NULL;

	for (unsigned i = 0; i < NR_MAX_SERVICES && f->services[i]; i++) {
		const char *name = service_name(f->services[i]);

		s = s ? nr_arena_printf(a, "%s,%s", s, name) : name;
	}
	return s;
}

const char *nr_parser_close_name(enum nr_parser_close c)
{
	static const char *const names[] = {
		[NR_CLOSE_DONE] = "done",         [NR_CLOSE_ERROR] = "error",
		[NR_CLOSE_GAP] = "gap",           [NR_CLOSE_OVERFLOW] = "overflow",
		[NR_CLOSE_NOT_MINE] = "not_mine", [NR_CLOSE_FLOW_END] = "flow_end",
	};

	return names[c];
}
