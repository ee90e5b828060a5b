/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP segments into streams, streams to whoever reads them. */
#include "session/internal.h"

#include "flow/tcp.h"

/* The parser has closed, but somebody reads along: the stream goes on. */
static bool reads_along(const struct nr_session_reader_arg *r)
{
	if (!r->ss->cfg.tap)
		return false;
	nr_session_settle(r->ss, r->f);
	return r->f->session != NULL;
}

static bool read_data(void *arg, uint64_t offset, const uint8_t *p, size_t n,
		      const struct nr_stamp *at)
{
	struct nr_session_reader_arg *r = arg;
	const struct nr_session_tap *tap = r->ss->cfg.tap;

	if (tap)
		tap->data(tap->arg, r->f, r->side, offset, p, n, at);
	return nr_session_feed(r->ss, r->f, r->side, offset, p, n, at) || reads_along(r);
}

static bool read_gap(void *arg, uint64_t offset, uint64_t n, enum nr_gap_reason why,
		     const struct nr_stamp *at)
{
	struct nr_session_reader_arg *r = arg;
	const struct nr_session_events *ev = &r->ss->ev;
	const struct nr_session_tap *tap = r->ss->cfg.tap;

	if (tap)
		tap->gap(tap->arg, r->f, r->side, offset, n, why, at);
	if (why != NR_GAP_CUT) /* the snap length says enough */
		ev->anomaly(ev->arg, r->f, NR_ANOM_TCP_GAP, (int)r->side, at,
			    nr_arena_printf(r->ss->arena,
					    "{\"offset\":%llu,\"length\":%llu,"
					    "\"reason\":\"%s\"}",
					    (unsigned long long)offset,
					    (unsigned long long)n,
					    nr_gap_reason_name(why)));
	return nr_session_feed_gap(r->ss, r->f, r->side, offset, n, at) || reads_along(r);
}

static bool read_fin(void *arg, const struct nr_stamp *at)
{
	struct nr_session_reader_arg *r = arg;
	struct nr_session *s = r->f->session;
	struct nr_call_of_parser c;

	if (!s->parser || !s->parser->fin)
		return true;
	return nr_session_heed(s, s->parser->fin(nr_session_call(&c, r->ss, r->f, at, 0),
						 s->ctx, r->side ^ s->swapped)) ||
	       reads_along(r);
}

static void read_conflict(void *arg, uint64_t offset, uint64_t n, uint64_t old_hash,
			  uint64_t new_hash)
{
	struct nr_session_reader_arg *r = arg;
	const struct nr_session_events *ev = &r->ss->ev;
	const struct nr_session_tap *tap = r->ss->cfg.tap;

	if (tap)
		tap->conflict(tap->arg, r->f, r->side, offset, n);
	ev->anomaly(ev->arg, r->f, NR_ANOM_TCP_CONFLICT, (int)r->side,
		    &r->f->session->last,
		    nr_arena_printf(r->ss->arena,
				    "{\"offset\":%llu,\"length\":%llu,"
				    "\"old_hash\":\"%016llx\",\"new_hash\":\"%016llx\"}",
				    (unsigned long long)offset, (unsigned long long)n,
				    (unsigned long long)old_hash,
				    (unsigned long long)new_hash));
}

struct nr_stream_reader nr_session_reader(struct nr_session_reader_arg *r)
{
	return (struct nr_stream_reader){
		.arg = r,
		.data = read_data,
		.gap = read_gap,
		.fin = read_fin,
		.conflict = read_conflict,
		.peer = &nr_tcp_of(r->f->session)->stream[!r->side]
	};
}

/* Of both sides. */
struct readers {
	struct nr_session_reader_arg arg[2];
	struct nr_stream_reader r[2];
};

static void read_both(struct readers *b, struct nr_sessions *ss, struct nr_flow *f)
{
	for (unsigned i = 0; i < 2; i++) {
		b->arg[i] = (struct nr_session_reader_arg){ ss, f, i };
		b->r[i] = nr_session_reader(&b->arg[i]);
	}
}

bool nr_session_release(struct nr_sessions *ss, struct nr_flow *f)
{
	struct nr_stream *stream = nr_tcp_of(f->session)->stream;
	struct readers b;

	if (!nr_stream_has_more(&stream[0]) && !nr_stream_has_more(&stream[1]))
		return true;
	read_both(&b, ss, f);
	return nr_streams_release(stream, nr_bytes_of(ss, f), f->session->clock_ns, b.r);
}

void nr_session_flush(struct nr_sessions *ss, struct nr_flow *f)
{
	struct readers b;

	read_both(&b, ss, f);
	nr_streams_flush(nr_tcp_of(f->session)->stream, nr_bytes_of(ss, f),
			 &f->session->last, b.r);
}

void nr_session_follow_flip(struct nr_flow *f)
{
	struct nr_session *s = f->session;
	struct nr_tcp_session *t = nr_tcp_of(s);

	if (s->src_is_hi == f->src_is_hi)
		return;
	s->src_is_hi = f->src_is_hi;
	if (s->is_tcp) {
		struct nr_stream stream = t->stream[0];
		uint32_t seq = t->start_seq[0];

		t->stream[0] = t->stream[1];
		t->stream[1] = stream;
		t->start_seq[0] = t->start_seq[1];
		t->start_seq[1] = seq;
		if (t->choice)
			nr_choice_swap(t->choice);
	}
	if (s->parser)
		s->swapped = !s->swapped;
}

static bool tcp_new(struct nr_sessions *ss, struct nr_flow *f)
{
	struct nr_session *s = nr_session_new(ss, f);

	if (!s)
		return false;
	for (unsigned i = 0; i < 2; i++) {
		nr_stream_init(&nr_tcp_of(s)->stream[i]);
		nr_tcp_of(s)->start_seq[i] = nr_flow_tcp_facts(f, i).start_seq;
	}
	return true;
}

/* Another SYN has moved the side's numbers: nothing that was stored means anything. */
static bool follow_restart(struct nr_sessions *ss, struct nr_flow *f, unsigned side)
{
	struct nr_tcp_session *t = nr_tcp_of(f->session);
	bool begun = t->stream[side].next > 0;
	uint32_t start_seq = nr_flow_tcp_facts(f, side).start_seq;

	if (t->start_seq[side] == start_seq)
		return true;
	t->start_seq[side] = start_seq;
	f->n_unverified += t->stream[side].n_unverified;
	nr_stream_fini(&t->stream[side], nr_bytes_of(ss, f));
	nr_stream_init(&t->stream[side]);
	if (begun)
		nr_session_close(f->session, NR_CLOSE_GAP);
	return !begun;
}

static bool tcp_data(struct nr_sessions *ss, struct nr_flow *f, unsigned side,
		     const struct nr_level *l, const struct nr_tcp_seen *seen,
		     const struct nr_stream_reader *r)
{
	struct nr_session *s = f->session;
	uint64_t skip = seen->offset < 0 ? (uint64_t)-seen->offset : 0;
	struct nr_stream_segment g = { .data = l->payload, .at = s->last };

	if (skip >= l->payload_len || seen->is_far)
		return true;
	g.offset = skip ? 0 : (uint64_t)seen->offset;
	g.len = l->payload_len - (uint32_t)skip;
	g.cap = l->payload_cap > skip ? l->payload_cap - (uint32_t)skip : 0;
	g.data = l->payload + (g.cap ? skip : 0);
	g.clock_ns = s->clock_ns;
	if (seen->has_ack && seen->ack > 0)
		g.needs = (uint64_t)seen->ack;
	if (ss->cfg.tap)
		ss->cfg.tap->segment(ss->cfg.tap->arg, f, side, &g);
	return nr_stream_segment(&nr_tcp_of(s)->stream[side], &ss->cfg.stream,
				 nr_bytes_of(ss, f), &g, r) &&
	       nr_session_release(ss, f);
}

static bool tcp_segment(struct nr_sessions *ss, struct nr_flow *f, unsigned side,
			const struct nr_level *l, const struct nr_tcp_seen *seen)
{
	struct nr_session *s = f->session;
	struct nr_session_reader_arg rd = { .ss = ss, .f = f, .side = side };
	struct nr_stream_reader r = nr_session_reader(&rd);
	struct nr_call_of_parser c;
	int64_t fin;

	if (!follow_restart(ss, f, 0) || !follow_restart(ss, f, 1))
		return false;
	if (seen->has_ack && seen->ack > 0 && !(l->tcp_flags & NR_TCP_RST))
		nr_stream_ack(&nr_tcp_of(s)->stream[!side], (uint64_t)seen->ack,
			      s->clock_ns);
	if (l->tcp_flags & NR_TCP_RST) /* its payload is a message to humans */
		return !s->parser || !s->parser->rst ||
		       nr_session_heed(
			       s, s->parser->rst(nr_session_call(&c, ss, f, &s->last, 0),
						 s->ctx, side ^ s->swapped));
	if (l->payload_len && !tcp_data(ss, f, side, l, seen, &r))
		return false;
	fin = nr_flow_tcp_facts(f, side).fin;
	if (fin > 1 && nr_tcp_of(s)->stream[side].end != (uint64_t)fin - 2)
		return nr_stream_fin(&nr_tcp_of(s)->stream[side], (uint64_t)fin - 2,
				     &s->last, &r);
	return true;
}

void nr_session_segment(struct nr_sessions *ss, struct nr_flow *f, unsigned side,
			const struct nr_packet *p, const struct nr_level *l,
			const struct nr_tcp_seen *seen)
{
	struct nr_session *s = f->session;

	if (!seen->is_valid || nr_flow_is_quiet(f))
		return;
	if (!s) {
		if (!l->payload_len || (l->tcp_flags & NR_TCP_RST))
			return;
		if (!tcp_new(ss, f)) {
			nr_session_settle(ss, f);
			return;
		}
		s = f->session;
	}
	nr_session_follow_flip(f);
	if (p->clock_ns < nr_session_wake(ss, s) ||
	    nr_session_timers(ss, f, p->clock_ns)) {
		s->clock_ns = p->clock_ns;
		s->last = (struct nr_stamp){ .ts_ns = p->ts_ns,
					     .packet = p->record,
					     .source = p->source };
		tcp_segment(ss, f, side, l, seen);
	}
	nr_session_settle(ss, f);
	if (f->session)
		nr_session_arm(ss, f);
}
