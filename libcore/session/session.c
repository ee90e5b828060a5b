/* SPDX-License-Identifier: BSD-3-Clause */
#include "session/internal.h"

#include "base/mem.h"

static bool datagram_new(struct nr_sessions *ss, struct nr_flow *f, unsigned side,
			 const uint8_t *data, uint32_t len)
{
	struct nr_probe in = { .side = side, .begins = { true, true }, .last = true };
	const struct nr_parser *p;

	in.data[side] = data;
	in.len[side] = len;
	nr_session_probe(f, &in);
	if (nr_choose(&in, &p) != NR_CHOSEN) {
		if (++f->n_tries >= NR_UDP_TRIES)
			nr_flow_set_quiet(f);
		return false;
	}
	return nr_session_new(ss, f) && nr_session_set_parser(ss, f, p);
}

static void tap_datagram(struct nr_sessions *ss, const struct nr_flow *f, unsigned side,
			 const struct nr_packet *p, const uint8_t *data, uint32_t cap,
			 uint32_t len)
{
	const struct nr_session_tap *tap = ss->cfg.tap;
	struct nr_stamp at = { .ts_ns = p->ts_ns,
			       .packet = p->record,
			       .source = p->source };

	tap->data(tap->arg, f, side, 0, data, cap, &at);
	if (len > cap)
		tap->gap(tap->arg, f, side, cap, len - cap, NR_GAP_CUT, &at);
}

static void datagram(struct nr_sessions *ss, struct nr_flow *f, unsigned side,
		     const struct nr_packet *p, const struct nr_level *l)
{
	bool is_icmp = l->proto != 17;
	const uint8_t *data = is_icmp ? l->l4 : l->payload;
	uint32_t cap = is_icmp ? l->l4_cap : l->payload_cap;
	uint32_t len = is_icmp ? l->l4_len : l->payload_len;
	struct nr_session *s = f->session;
	struct nr_call_of_parser c;

	if (!len)
		return;
	if (ss->cfg.tap)
		tap_datagram(ss, f, side, p, data, cap, len);
	if (nr_flow_is_quiet(f))
		return;
	if (!s) {
		if (!datagram_new(ss, f, side, data, cap)) {
			nr_session_settle(ss, f);
			return;
		}
		s = f->session;
	}
	nr_session_follow_flip(f);
	if (!s->muted &&
	    (p->clock_ns < s->tick_ns || nr_session_timers(ss, f, p->clock_ns))) {
		s->clock_ns = p->clock_ns;
		s->last = (struct nr_stamp){ .ts_ns = p->ts_ns,
					     .packet = p->record,
					     .source = p->source };
		nr_session_heed(s, s->parser->datagram(
					   nr_session_call(&c, ss, f, &s->last, 0),
					   s->ctx, side ^ s->swapped, data, cap, len));
	}
	nr_session_settle(ss, f);
	if (f->session)
		nr_session_arm(ss, f);
}

void nr_sessions_packet(struct nr_sessions *ss, struct nr_flow *f, unsigned side,
			const struct nr_packet *p, const struct nr_level *l,
			const struct nr_tcp_seen *seen)
{
	if ((nr_flow_is_quiet(f) && !ss->cfg.tap) || l->carries)
		return;
	switch (l->proto) {
	case 6:
		nr_session_segment(ss, f, side, p, l, seen);
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

void nr_sessions_end(struct nr_sessions *ss, struct nr_flow *f)
{
	struct nr_session *s = f->session;

	if (!s)
		return;
	nr_session_follow_flip(f);
	if (s->is_tcp && !s->closing)
		nr_session_flush(ss, f);
	nr_session_choose_at_last(ss, f);
	s->ending = true;
	if (!s->closing)
		nr_session_close(s, NR_CLOSE_FLOW_END);
	nr_session_settle(ss, f);
}

struct nr_sessions *nr_sessions_new(const struct nr_sessions_config *c,
				    const struct nr_session_events *ev)
{
	struct nr_sessions *ss = nr_xcalloc(1, sizeof(*ss));

	ss->cfg = *c;
	ss->ev = *ev;
	ss->cfg.stream.seed = c->seed;
	ss->memo = nr_memo_new();
	ss->state.max = c->session_memory;
	ss->bytes.max = c->reassembly_memory;
	return ss;
}

void nr_sessions_into(struct nr_sessions *ss, struct nr_arena *arena)
{
	ss->arena = arena;
}

void nr_sessions_free(struct nr_sessions *ss)
{
	if (!ss)
		return;
	nr_free(ss->wakes.w);
	nr_memo_free(ss->memo);
	nr_free(ss);
}
