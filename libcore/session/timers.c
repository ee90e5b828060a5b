/* SPDX-License-Identifier: BSD-3-Clause */
/* When something must be done for a flow without a packet of its own. */
#include "session/internal.h"

int64_t nr_session_wake(const struct nr_sessions *ss, const struct nr_session *s)
{
	int64_t at = s->tick_ns;

	for (unsigned i = 0; s->is_tcp && i < 2; i++) {
		int64_t w = nr_stream_wake(&nr_tcp_of(s)->stream[i], &ss->cfg.stream);

		at = w < at ? w : at;
	}
	return at;
}

void nr_session_arm(struct nr_sessions *ss, struct nr_flow *f)
{
	struct nr_session *s = f->session;
	int64_t at = nr_session_wake(ss, s);

	if (at >= s->armed_ns)
		return;
	s->armed_ns = at;
	nr_wakes_push(&ss->wakes,
		      (struct nr_wake){ .at_ns = at, .flow_id = f->flow_id, .flow = f });
}

/* What is due at clock_ns; false where the session has closed. */
bool nr_session_timers(struct nr_sessions *ss, struct nr_flow *f, int64_t clock_ns)
{
	struct nr_session *s = f->session;
	struct nr_call_of_parser c;

	s->clock_ns = clock_ns;
	for (unsigned i = 0; s->is_tcp && i < 2; i++) {
		struct nr_session_reader_arg rd = { .ss = ss, .f = f, .side = i };
		struct nr_stream_reader r = nr_session_reader(&rd);

		if (clock_ns >=
			    nr_stream_wake(&nr_tcp_of(s)->stream[i], &ss->cfg.stream) &&
		    !nr_stream_tick(&nr_tcp_of(s)->stream[i], &ss->cfg.stream,
				    nr_bytes_of(ss, f), clock_ns, &s->last, &r))
			return false;
	}
	if (s->is_tcp && !nr_session_release(ss, f))
		return false;
	if (clock_ns < s->tick_ns || s->tick_ns == INT64_MAX)
		return true;
	s->tick_ns = INT64_MAX;
	return !s->parser || !s->parser->tick ||
	       nr_session_heed(s, s->parser->tick(nr_session_call(&c, ss, f, &s->last, 0),
						  s->ctx));
}

void nr_sessions_due(struct nr_sessions *ss, int64_t mark_ns,
		     void (*wake)(void *arg, struct nr_flow *f), void *arg)
{
	struct nr_wake w;

	while (nr_wakes_pop(&ss->wakes, mark_ns, &w)) {
		struct nr_session *s = w.flow->session;

		if (w.flow->flow_id != w.flow_id || !s || s->armed_ns != w.at_ns)
			continue; /* the flow has ended, or was armed anew */
		s->armed_ns = INT64_MAX;
		if (nr_session_wake(ss, s) <= mark_ns)
			wake(arg, w.flow);
		else
			nr_session_arm(ss, w.flow);
	}
}

/* Marks of wakes while ids change; no flow has these ids. */
enum { WAKE_STANDS, WAKE_IS_STALE };

void nr_sessions_renumber(struct nr_sessions *ss, bool done)
{
	for (size_t i = 0; i < ss->wakes.n; i++) {
		struct nr_wake *w = &ss->wakes.w[i];

		if (!done)
			w->flow_id = w->flow->flow_id == w->flow_id ? WAKE_STANDS
								    : WAKE_IS_STALE;
		else if (w->flow_id == WAKE_STANDS)
			w->flow_id = w->flow->flow_id;
	}
}

void nr_sessions_woken(struct nr_sessions *ss, struct nr_flow *f, int64_t mark_ns)
{
	if (!f->session)
		return;
	nr_session_timers(ss, f, mark_ns);
	nr_session_settle(ss, f);
	if (f->session)
		nr_session_arm(ss, f);
}
