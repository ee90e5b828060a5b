/* SPDX-License-Identifier: BSD-3-Clause */
/* The states of the two ends, and conn_state: Zeek's definitions (conn.log). */
#include "flow/segment.h"

static void set_state(struct nr_flow *f, struct nr_side *s, enum nr_tcp_state to)
{
	if (s->state == to)
		return;
	if (to != NR_TCP_SYN_SENT && to != NR_TCP_SYN_ACK_SENT)
		f->established = true; /* past the handshake: the long timeout holds */
	s->prev_state = s->state;
	s->state = (uint8_t)to;
}

static void flip(struct nr_segment *g)
{
	nr_flow_flip(g->f);
	g->s = !g->s;
	g->me = &g->f->side[g->s];
	g->peer = &g->f->side[!g->s];
	g->f->partial = false;
}

/* A responder's SYN or SYN-ACK, the first packet seen of it. */
static void first_syn_of_responder(struct nr_segment *g)
{
	if (!(g->flags & NR_TCP_ACK) && g->peer->state == NR_TCP_SYN_ACK_SENT &&
	    g->l->tcp_seq == g->me->start_seq) {
		/* SYN-ACK and SYN arrived in the wrong order. */
		flip(g);
		set_state(g->f, g->peer, NR_TCP_ESTABLISHED);
		g->f->first_seen |= 1;
	}
	if (g->peer->state == NR_TCP_SYN_SENT)
		set_state(g->f, g->peer, NR_TCP_ESTABLISHED);
	set_state(g->f, g->me, NR_TCP_ESTABLISHED);
}

static void from_inactive(struct nr_segment *g)
{
	struct nr_flow *f = g->f;
	struct nr_side *me, *peer;

	if (g->flags & NR_TCP_SYN) {
		if (g->s == 0)
			set_state(f, g->me,
				  g->was_acked            ? NR_TCP_ESTABLISHED
				  : g->flags & NR_TCP_ACK ? NR_TCP_SYN_ACK_SENT
							  : NR_TCP_SYN_SENT);
		else
			first_syn_of_responder(g);
	}
	me = g->me;
	peer = g->peer;
	if (g->flags & NR_TCP_FIN) {
		set_state(f, me, NR_TCP_CLOSED);
		g->do_close = true;
	}
	if (g->flags & NR_TCP_RST) {
		set_state(f, me, NR_TCP_RESET);
		g->do_close = true;
	}
	if (me->state != NR_TCP_INACTIVE)
		return;
	if (g->s == 1 && g->len == 0 && peer->state == NR_TCP_SYN_SENT)
		return; /* an ACK before the SYN-ACK: some stacks do */
	if ((g->flags & NR_TCP_ACK) && peer->state == NR_TCP_ESTABLISHED) {
		/* SYN-ACK seen, SYN missed, now the third step */
		set_state(f, me, NR_TCP_ESTABLISHED);
		f->partial = false;
	} else {
		set_state(f, me, NR_TCP_PARTIAL);
	}
}

static void from_established(struct nr_segment *g)
{
	struct nr_side *me = g->me, *peer = g->peer;

	if ((g->flags & NR_TCP_SYN) && !(g->flags & NR_TCP_ACK) &&
	    me->state == NR_TCP_PARTIAL && peer->state == NR_TCP_INACTIVE)
		set_state(g->f, me, NR_TCP_SYN_SENT);
	if ((g->flags & NR_TCP_FIN) && !(g->flags & NR_TCP_RST)) {
		set_state(g->f, me, NR_TCP_CLOSED);
		if (peer->state == NR_TCP_RESET && peer->prev_state == NR_TCP_CLOSED)
			set_state(g->f, peer, NR_TCP_CLOSED); /* FIN, then RST: normal */
		g->do_close = true;
	}
	if (g->flags & NR_TCP_RST) {
		set_state(g->f, me, NR_TCP_RESET);
		g->do_close = true;
	}
}

void nr_segment_close_peer(struct nr_segment *g)
{
	if (g->peer->state != NR_TCP_ESTABLISHED && g->peer->state != NR_TCP_PARTIAL)
		return;
	set_state(g->f, g->peer, NR_TCP_CLOSED);
	g->close_peer = true;
}

void nr_segment_next_state(struct nr_segment *g)
{
	switch ((enum nr_tcp_state)g->me->state) {
	case NR_TCP_INACTIVE:
		from_inactive(g);
		break;
	case NR_TCP_SYN_SENT:
	case NR_TCP_SYN_ACK_SENT:
		if (g->flags & NR_TCP_FIN) {
			set_state(g->f, g->me, NR_TCP_CLOSED);
			g->do_close = true;
		}
		if (g->flags & NR_TCP_RST) {
			set_state(g->f, g->me, NR_TCP_RESET);
			g->do_close = true;
		}
		break;
	case NR_TCP_ESTABLISHED:
	case NR_TCP_PARTIAL:
		from_established(g);
		break;
	case NR_TCP_CLOSED:
		if ((g->flags & NR_TCP_RST) && g->peer->state != NR_TCP_CLOSED) {
			set_state(g->f, g->me, NR_TCP_RESET);
			g->do_close = !g->me->did_close;
		}
		break;
	case NR_TCP_RESET:
		break;
	}
}

bool nr_tcp_began_with_answer(const struct nr_flow *f, const struct nr_level *l)
{
	return f->history_len == 1 && f->history_inline[0] == 'H' &&
	       !(l->tcp_flags & (NR_TCP_SYN | NR_TCP_FIN | NR_TCP_RST)) &&
	       ((l->tcp_flags & NR_TCP_ACK) || l->payload_len);
}

bool nr_tcp_is_reuse(const struct nr_flow *f, unsigned s, const struct nr_level *l)
{
	const struct nr_side *orig = &f->side[0], *resp = &f->side[1];
	const struct nr_side *first = orig;
	bool closed = orig->did_close || resp->did_close;

	if (!(l->tcp_flags & NR_TCP_SYN) || (l->tcp_flags & NR_TCP_RST))
		return false;
	if (s == 1 && !(l->tcp_flags & NR_TCP_ACK) && orig->state == NR_TCP_SYN_SENT &&
	    resp->state == NR_TCP_INACTIVE)
		return false; /* simultaneous open (RFC 9293 3.5) */
	if (l->tcp_flags & NR_TCP_ACK) {
		if (orig->state != NR_TCP_INACTIVE)
			return false;
		first = resp;
	}
	if (closed)
		return true;
	if (l->tcp_seq == first->start_seq)
		return false;
	if (s == 1 && l->tcp_seq == resp->start_seq && resp->state != NR_TCP_INACTIVE)
		return false; /* the second side's SYN of a simultaneous open, again */
	if (!(l->tcp_flags & NR_TCP_ACK) && first->state == NR_TCP_SYN_ACK_SENT &&
	    resp->state == NR_TCP_INACTIVE && l->tcp_seq == resp->start_seq)
		return false; /* SYN-ACK and SYN in the wrong order */
	return true;
}

/* SYN and RST by the initiator, nothing in between that shows a connection. */
static bool only_syn_then_rst(const char *h)
{
	if (*h == '^')
		h++;
	if (*h++ != 'S')
		return false;
	while (*h && *h != 'R' && !strchr("HAFGIQ", *h))
		h++;
	return *h == 'R';
}

const char *nr_tcp_conn_state(const struct nr_flow *f)
{
	unsigned o = f->side[0].state, r = f->side[1].state;
	bool o_silent = o == NR_TCP_INACTIVE || o == NR_TCP_PARTIAL;
	bool r_silent = r == NR_TCP_INACTIVE || r == NR_TCP_PARTIAL;

	if (r == NR_TCP_RESET) {
		if (o == NR_TCP_SYN_SENT || o == NR_TCP_SYN_ACK_SENT ||
		    (o == NR_TCP_RESET && !nr_flow_payload_bytes(f, 0) &&
		     !nr_flow_payload_bytes(f, 1)))
			return "REJ";
		return o_silent ? "RSTRH" : "RSTR";
	}
	if (o == NR_TCP_RESET) {
		if (!r_silent)
			return "RSTO";
		return only_syn_then_rst(nr_flow_history(f)) ? "RSTOS0" : "OTH";
	}
	if (o == NR_TCP_CLOSED && r == NR_TCP_CLOSED)
		return "SF";
	if (o == NR_TCP_CLOSED)
		return r_silent ? "SH" : "S2";
	if (r == NR_TCP_CLOSED)
		return o_silent ? "SHR" : "S3";
	if (o == NR_TCP_SYN_SENT && r == NR_TCP_INACTIVE)
		return "S0";
	if (o == NR_TCP_ESTABLISHED && r == NR_TCP_ESTABLISHED)
		return "S1";
	return "OTH";
}
