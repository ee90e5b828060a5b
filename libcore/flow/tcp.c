/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/tcp.h"

#include "base/mem.h"
#include "flow/holes.h"
#include "flow/pack.h"
#include "flow/segment.h"
#include "record/anomaly.h"

enum { FAR_JUMP = 1 << 20 }; /* a SYN further off does not move `last` */

void nr_history_add(struct nr_flow *f, unsigned s, char c)
{
	char *h = nr_flow_history_is_heap(f) ? f->history_heap : f->history_inline;
	unsigned n = f->history_len;

	if (n == NR_HISTORY_MAX)
		return;
	if (n == sizeof(f->history_inline) - 1) {
		h = nr_xcalloc(1, 32);
		memcpy(h, f->history_inline, n);
		f->history_heap = h;
	} else if (n >= 31 && !(n & (n + 1))) { /* full: 32, 64, 128 */
		f->history_heap = h = nr_xrealloc(h, 2 * (n + 1));
	}
	if (f->history_len == NR_HISTORY_MAX - 1)
		c = 'X'; /* Zeek's letter for "limits exceeded" */
	h[f->history_len++] = (char)(s && c >= 'A' && c <= 'Z' ? c + 32 : c);
	h[f->history_len] = '\0';
}

void nr_history_scaled(struct nr_flow *f, unsigned s, char c, uint32_t *count)
{
	uint32_t n = *count == UINT32_MAX ? UINT32_MAX : ++*count;

	while (n >= 10 && n % 10 == 0)
		n /= 10;
	if (n == 1)
		nr_history_add(f, s, c);
}

static bool history_once(struct nr_segment *g, uint8_t bit, char c)
{
	if (g->me->hist_seen & bit)
		return true;
	g->me->hist_seen |= bit;
	nr_history_add(g->f, g->s, c);
	return false;
}

static void side_init(struct nr_side *s)
{
	s->top = s->trim = 1;
	s->window_scale = 0;
}

void nr_tcp_init(struct nr_flow *f)
{
	side_init(&f->side[0]);
	side_init(&f->side[1]);
}

/* The offset of a sequence number, nearest to the one known. */
static int64_t offset(const struct nr_side *s, uint32_t seq, int64_t near)
{
	return near + (int32_t)(seq - (uint32_t)(s->start_seq + (uint32_t)near));
}

static void start_at(struct nr_side *s, uint32_t start, int64_t last)
{
	if (start != s->start_seq) {
		nr_holes_free(s);
		s->top = s->trim = 1;
	}
	s->start_seq = start;
	s->ack = 0;
	s->last = last;
	s->n_far[0] = s->n_far[1] = 0;
}

static uint32_t seq_space(const struct nr_segment *g)
{
	uint32_t n = (g->flags & NR_TCP_RST) ? 0 : g->len;

	return n + !!(g->flags & NR_TCP_SYN) + !!(g->flags & NR_TCP_FIN);
}

/*
 * The peer has taken up the numbers of an earlier SYN: another one changes nothing, as it
 * does for the peer (RFC 9293 3.10.7.4).
 */
static bool numbers_are_agreed(const struct nr_side *me)
{
	return (me->hist_seen & NR_HIST_SYN) && me->ack > 0 && me->ack <= me->last;
}

static void restart_at(struct nr_segment *g, uint32_t seq)
{
	g->stray_syn = numbers_are_agreed(g->me);
	if (!g->stray_syn)
		start_at(g->me, seq, seq_space(g));
}

/* Where a side's numbers begin: at its SYN, or as if one stood before what is seen. */
static void init_numbers(struct nr_segment *g)
{
	struct nr_side *me = g->me;
	uint32_t seq = g->l->tcp_seq;
	bool syn = g->flags & NR_TCP_SYN;

	switch ((enum nr_tcp_state)me->state) {
	case NR_TCP_INACTIVE:
		if (syn)
			start_at(me, seq, seq_space(g));
		else
			start_at(me, seq - 1, 1);
		break;
	case NR_TCP_SYN_SENT:
	case NR_TCP_SYN_ACK_SENT:
	case NR_TCP_ESTABLISHED:
	case NR_TCP_PARTIAL:
		if (!syn || seq == me->start_seq)
			break;
		g->ev->anomaly(g->ev->arg, g->f, NR_ANOM_TCP_SYN_SEQ, (int)g->s,
			       me->start_seq, seq);
		restart_at(g, seq);
		break;
	case NR_TCP_RESET:
		if (syn && me->prev_state == NR_TCP_INACTIVE)
			start_at(me, seq, seq_space(g));
		break;
	case NR_TCP_CLOSED:
		break;
	}
}

static void note_repeatable(struct nr_segment *g, uint8_t bit, char c, uint32_t *last,
			    uint32_t at)
{
	if (history_once(g, bit, c) && at != *last)
		nr_history_add(g->f, g->s, c);
	*last = at;
}

static void note_history(struct nr_segment *g)
{
	unsigned ctl = g->flags & (NR_TCP_SYN | NR_TCP_FIN | NR_TCP_RST);

	switch (ctl) {
	case 0:
		if (g->len)
			history_once(g, NR_HIST_DATA, 'D');
		else if (g->flags & NR_TCP_ACK)
			history_once(g, NR_HIST_ACK, 'A');
		break;
	case NR_TCP_SYN:
		note_repeatable(g, NR_HIST_SYN, g->flags & NR_TCP_ACK ? 'H' : 'S',
				&g->me->hist_syn, (uint32_t)g->seq);
		break;
	case NR_TCP_FIN:
		note_repeatable(g, NR_HIST_FIN, 'F', &g->me->hist_fin,
				(uint32_t)g->seq + g->len);
		break;
	case NR_TCP_RST:
		note_repeatable(g, NR_HIST_RST, 'R', &g->me->hist_rst, (uint32_t)g->seq);
		break;
	case NR_TCP_FIN | NR_TCP_RST:
	case NR_TCP_FIN | NR_TCP_RST | NR_TCP_SYN:
		history_once(g, NR_HIST_FIN_RST, 'I');
		break;
	default:
		history_once(g, NR_HIST_MULTI, 'Q');
	}
	if (ctl & (ctl - 1))
		g->ev->anomaly(g->ev->arg, g->f, NR_ANOM_TCP_FLAGS, (int)g->s, g->flags,
			       0);
}

static void note_window(struct nr_segment *g)
{
	uint32_t w = g->l->tcp_window;

	if (w == 0 && !(g->flags & NR_TCP_RST) && g->peer->state != NR_TCP_CLOSED &&
	    g->me->state != NR_TCP_RESET) {
		nr_history_scaled(g->f, g->s, 'W', &g->me->n_zero_windows);
	}
	if (g->is_far || g->stray_syn)
		return;
	if (!(g->flags & (NR_TCP_SYN | NR_TCP_RST)))
		g->me->window = w << g->me->window_scale;
	else if (g->flags & NR_TCP_SYN)
		g->me->window = w;
}

static void note_syn_options(struct nr_segment *g)
{
	struct nr_syn_options o = nr_syn_options_read(g->l);

	if (o.has_wscale)
		g->me->window_scale = o.wscale > 14 ? 14 : o.wscale; /* RFC 7323 2.3 */
	else if (g->flags & NR_TCP_ACK)
		g->me->window_scale = g->peer->window_scale = 0;
	if (!g->me->syn.n)
		g->me->syn = o;
}

/* A FIN ends the stream; an ACK may have told of it before it came (reordering). */
static void take_fin(struct nr_segment *g)
{
	int64_t end = g->seq + seq_space(g);

	if (!nr_segment_fin_fits(g)) {
		g->flags &= ~(unsigned)NR_TCP_FIN;
		return;
	}
	if (end > 0) /* one of before the start says nothing of the end */
		g->me->fin = end;
	if (end > 1 && !(g->flags & NR_TCP_RST))
		nr_holes_end(g->me, (uint64_t)end - 1);
}

/* The highest offset the peer has acknowledged, and where a silent peer must stand. */
static void take_ack(struct nr_segment *g)
{
	struct nr_side *p = g->peer;

	if (p->state == NR_TCP_INACTIVE) {
		start_at(p, g->l->tcp_ack - 1, 0);
		g->ack = 1;
		return;
	}
	g->ack = offset(p, g->l->tcp_ack, p->ack);
	if (g->ack < 0) {
		g->ack = 0;
		return;
	}
	/* 0: a broken field more likely than a large stream ending at 0 */
	g->bad_ack = (g->l->tcp_ack == 0 && g->ack - p->ack > FAR_JUMP) ||
		     !nr_segment_ack_fits(g);
	if (g->bad_ack)
		g->ack = 0;
	else if (!(g->flags & NR_TCP_RST) && g->ack > p->ack)
		p->ack = g->ack;
}

/* Moves `last`; true where the segment brought nothing beyond it but had data. */
static bool take_last(struct nr_segment *g)
{
	int64_t end = g->seq + seq_space(g), d = end - g->me->last;

	if (g->stray_syn || g->is_far)
		return false;
	if ((g->flags & (NR_TCP_SYN | NR_TCP_RST)) && (d > FAR_JUMP || d < -FAR_JUMP))
		return false;
	if ((g->flags & NR_TCP_FIN) && g->me->last == 1 && end >= 0) {
		g->me->last = end;
		return false;
	}
	if (g->me->state == NR_TCP_RESET)
		return false;
	if (d > 0) {
		g->me->last = end;
		return false;
	}
	return g->len > 0;
}

static bool is_clean(const struct nr_side *s)
{
	return s->state == NR_TCP_ESTABLISHED ||
	       (s->state == NR_TCP_CLOSED && s->prev_state == NR_TCP_ESTABLISHED);
}

/* Up to where a side's bytes are in order, or given up because they were acknowledged. */
static uint64_t delivered(const struct nr_side *s)
{
	return nr_holes_next(s, s->trim);
}

/* The peer's ACK covers everything below `ack` of side s: holes below it are gaps. */
static void ack_received(struct nr_segment *g, unsigned s, int64_t ack)
{
	struct nr_side *me = &g->f->side[s], *peer = &g->f->side[!s];
	struct nr_seen out = { 0 };
	uint64_t upto, at;
	bool clean;

	if (me->fin && ack >= me->fin)
		ack = me->fin - 1;
	if (ack <= (int64_t)me->trim)
		return;
	upto = (uint64_t)ack;
	at = delivered(me);
	clean = is_clean(me) && is_clean(peer);
	if (upto > at && !(upto <= 2 && g->f->partial) && !me->skip &&
	    !(g->flags & NR_TCP_RST)) {
		uint64_t unseen = upto > me->top ? upto - me->top : 0;

		if (unseen) {
			g->ev->anomaly(g->ev->arg, g->f, NR_ANOM_TCP_ACK_UNSEEN, (int)s,
				       (int64_t)me->top - 1, (int64_t)unseen);
			nr_holes_skip(me, upto, &out);
		}
		for (uint32_t i = 0; clean && me->holes && i < me->holes->n; i++) {
			const struct nr_hole *h = &me->holes->h[i];

			if (h->to > at && h->from < upto)
				nr_history_scaled(g->f, s, 'G', &me->hist_g);
		}
	}
	me->trim = upto;
}

/* Data that closing must wait for. */
static bool data_pending(const struct nr_flow *f, unsigned s)
{
	const struct nr_side *me = &f->side[s], *peer = &f->side[!s];
	int64_t at;

	if (me->skip)
		return false;
	at = (int64_t)delivered(me);
	if (me->last < at)
		return false;
	if (at != me->last - 1 && at != me->last)
		return true;
	return me->state != NR_TCP_RESET && peer->top > peer->trim;
}

static bool close_side(struct nr_flow *f, unsigned s)
{
	struct nr_side *me = &f->side[s], *peer = &f->side[!s];

	if (data_pending(f, s)) {
		f->close_deferred = true;
		return false;
	}
	f->close_deferred = false;
	if (me->did_close)
		return false;
	me->did_close = true;
	return me->state == NR_TCP_RESET || peer->did_close ||
	       peer->state == NR_TCP_INACTIVE;
}

static bool check_eof(struct nr_flow *f, unsigned s)
{
	struct nr_side *me = &f->side[s];
	bool closed = false;

	if (!me->fin && me->state != NR_TCP_CLOSED && me->state != NR_TCP_RESET)
		return false;
	if (me->did_eof || data_pending(f, s))
		return false;
	me->did_eof = true;
	if (f->close_deferred) {
		closed = close_side(f, s);
		f->close_deferred = false;
	}
	return closed;
}

static void take_data(struct nr_segment *g)
{
	struct nr_side *me = g->me;
	int64_t at = g->seq + !!(g->flags & NR_TCP_SYN), end = at + g->len;
	int64_t cut = at + g->l->payload_cap; /* by the snap length */
	/* Midstream: what lies before the first byte seen is not of the stream. */
	uint64_t from = at > 1 ? (uint64_t)at : 1;
	uint64_t to = end > 1 ? (uint64_t)end : 1;
	struct nr_seen seen, tail = { 0 };
	bool keep_alive = g->len <= 1 && from + 1 == me->top;

	if (from >= to)
		return;
	seen = nr_holes_seen(me, from, cut > 1 ? (uint64_t)cut : 1);
	nr_holes_skip(me, to, &tail); /* the snap length cut it off */
	if (seen.filled_hole)
		me->n_out_of_order++;
	else if (!seen.fresh && g->l->payload_cap && !keep_alive)
		me->n_retransmits++;
	if (seen.forgot || tail.forgot)
		g->ev->anomaly(g->ev->arg, g->f, NR_ANOM_TCP_HOLES, (int)g->s,
			       NR_MAX_HOLES, 0);
	if (me->skip || me->ack > 1)
		return;
	/* No ACK was ever seen for this side (one-sided capture). */
	if (me->top - delivered(me) > NR_TCP_INITIAL_WINDOW)
		me->skip = true;
	else if (me->last > NR_TCP_INITIAL_WINDOW)
		me->trim = delivered(me);
}

static void note_handshake(struct nr_segment *g)
{
	struct nr_flow *f = g->f;
	unsigned ctl = g->flags & (NR_TCP_SYN | NR_TCP_ACK | NR_TCP_RST | NR_TCP_FIN);
	int64_t rtt;

	if (ctl == NR_TCP_SYN && g->s == 0) {
		f->handshake_ns = g->ts_ns;
		f->syn_timed = true;
	} else if (ctl == NR_TCP_ACK && g->s == 0 && f->syn_timed &&
		   f->side[1].state == NR_TCP_ESTABLISHED &&
		   g->ts_ns >= f->handshake_ns &&
		   !__builtin_sub_overflow(g->ts_ns, f->handshake_ns, &rtt)) {
		f->handshake_ns = rtt;
		f->rtt_known = true;
	}
}

static void note_syn(struct nr_segment *g)
{
	if (!g->stray_syn)
		note_syn_options(g);
	if (g->len && !(g->flags & NR_TCP_RST))
		g->ev->anomaly(g->ev->arg, g->f, NR_ANOM_TCP_SYN_DATA, (int)g->s, g->len,
			       0);
}

static bool is_reset(const struct nr_segment *g)
{
	if (g->len)
		g->ev->anomaly(g->ev->arg, g->f, NR_ANOM_TCP_RST_DATA, (int)g->s, g->len,
			       0);
	return nr_segment_rst_fits(g);
}

/* Whether the flow was seen from its beginning. */
static void note_partial(struct nr_segment *g)
{
	struct nr_flow *f = g->f;

	if (g->s == 0 && !(f->first_seen & 1))
		f->partial = (g->flags & (NR_TCP_SYN | NR_TCP_ACK)) != NR_TCP_SYN;
	else if (g->s == 1 && !(f->first_seen & 2) && !f->partial)
		f->partial = !(g->flags & NR_TCP_SYN);
}

enum nr_tcp_closing nr_tcp_segment(struct nr_flow *f, unsigned s,
				   const struct nr_level *l, int64_t ts_ns,
				   const struct nr_flow_events *ev,
				   struct nr_tcp_seen *seen)
{
	struct nr_segment g = { .f = f,
				.me = &f->side[s],
				.peer = &f->side[!s],
				.s = s,
				.l = l,
				.ts_ns = ts_ns,
				.ev = ev,
				.flags = l->tcp_flags,
				.len = l->payload_len };
	bool closed = false, goes_on;

	goes_on = !(g.flags & NR_TCP_SYN) && g.me->state != NR_TCP_INACTIVE;
	if (!goes_on)
		init_numbers(&g);
	g.seq = offset(g.me, l->tcp_seq, g.me->last);
	if (goes_on)
		nr_segment_judge_place(&g);
	note_history(&g);
	if (!f->side[0].did_close || !f->side[1].did_close)
		nr_flow_open_wide(f)->active_ns = ts_ns;
	g.me->tcp_flags |= l->tcp_flags;
	if (g.flags & NR_TCP_SYN)
		note_syn(&g);
	if (!f->rtt_known)
		note_handshake(&g);
	if ((g.flags & NR_TCP_RST) && !is_reset(&g))
		return NR_TCP_OPEN;
	note_partial(&g);
	if ((g.flags & NR_TCP_FIN) && !g.stray_syn)
		take_fin(&g);
	if (g.flags & NR_TCP_ACK)
		take_ack(&g);
	note_window(&g); /* by the one before it the segment was judged */
	if (seen)
		*seen = (struct nr_tcp_seen){
			.is_valid = !g.stray_syn,
			.has_ack = (g.flags & NR_TCP_ACK) && !g.bad_ack,
			.is_far = g.is_far,
			.offset = g.seq + !!(g.flags & NR_TCP_SYN) - 1,
			.ack = g.ack - 1,
		};
	if (take_last(&g))
		nr_history_scaled(f, s, 'T', &g.me->hist_t);
	if ((g.flags & (NR_TCP_SYN | NR_TCP_FIN | NR_TCP_RST)) ||
	    g.me->state == NR_TCP_INACTIVE)
		nr_segment_next_state(&g); /* nothing else moves it */
	s = g.s;                           /* may have flipped */
	f->first_seen |= s ? 2 : 1;
	if (g.flags & NR_TCP_ACK) {
		ack_received(&g, !s, g.ack);
		closed |= check_eof(f, !s);
	}
	if (g.len && !(g.flags & NR_TCP_RST) && !g.stray_syn && !g.is_far)
		take_data(&g);
	closed |= check_eof(f, s);
	if (g.do_close)
		closed |= close_side(f, s);
	return closed ? NR_TCP_CLOSE_NOW : NR_TCP_OPEN;
}
