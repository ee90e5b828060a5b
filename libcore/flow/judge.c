/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What of a segment is believed. RFC 9293 3.10.7.4 drops what lies outside the receiver's
 * window; here it is judged generously, as a capture may have missed what lies between.
 */
#include "flow/segment.h"
#include "record/anomaly.h"

#include <stdlib.h>

enum {
	FAR_IN_A_ROW = 3,       /* so many are left out, no more */
	FAR_SLACK = 1 << 20,    /* beyond what the window allows */
	FAR_UNSCALED = 4 << 20, /* how windows are scaled was not seen */
};

static int64_t known_end(const struct nr_side *s)
{
	return s->last > s->ack ? s->last : s->ack;
}

/* How far beyond its known end a side's stream may go on. */
static int64_t room(const struct nr_side *s, const struct nr_side *peer)
{
	if (!(s->hist_seen & peer->hist_seen & NR_HIST_SYN))
		return FAR_UNSCALED;
	return 4 * (int64_t)peer->window + FAR_SLACK;
}

/*
 * Whether a place of the stream of s, of which its own segment (who 0) or its peer's ACK
 * (who 1) tells, is too far to be believed. It is once both tell of it, or one of them
 * in a row: then it was the capture that missed what lies between.
 */
static bool is_far(struct nr_side *s, const struct nr_side *peer, int64_t at,
		   unsigned who)
{
	int64_t most = room(s, peer);

	if (at - known_end(s) <= most) {
		s->n_far[who] = 0;
		return false;
	}
	if (s->n_far[who] == FAR_IN_A_ROW ||
	    (s->n_far[!who] && llabs(at - s->far_at) <= most))
		return false;
	s->n_far[who]++;
	s->far_at = at;
	return true;
}

static void tell(const struct nr_segment *g, enum nr_anomaly_kind kind, int64_t at,
		 int64_t expected)
{
	g->ev->anomaly(g->ev->arg, g->f, kind, (int)g->s, at - 1, expected - 1);
}

void nr_segment_judge_place(struct nr_segment *g)
{
	if (g->flags & (NR_TCP_SYN | NR_TCP_RST))
		return;
	g->is_far = is_far(g->me, g->peer, g->seq, 0);
	if (g->is_far && !(g->flags & NR_TCP_FIN)) /* which is told as such */
		tell(g, NR_ANOM_TCP_FAR_AHEAD, g->seq, known_end(g->me));
}

bool nr_segment_fin_fits(const struct nr_segment *g)
{
	int64_t place = g->seq + !!(g->flags & NR_TCP_SYN) + g->len;
	const struct nr_side *me = g->me;

	/* Not before what was acknowledged, and with it perhaps the FIN, which counts as
	   one byte. */
	if (!g->is_far && (me->ack <= 1 || place >= me->ack - 1))
		return true;
	tell(g, NR_ANOM_TCP_BAD_FIN, place, me->ack > 1 ? me->ack : known_end(me));
	return false;
}

bool nr_segment_ack_fits(const struct nr_segment *g)
{
	struct nr_side *p = g->peer;

	if (g->flags & NR_TCP_RST)
		return g->ack - known_end(p) <= room(p, g->me);
	if (!is_far(p, g->me, g->ack, 1))
		return true;
	tell(g, NR_ANOM_TCP_BAD_ACK, g->ack, known_end(p));
	return false;
}

/* In answer to a SYN a RST counts if its ACK is that of the SYN (RFC 9293 3.10.7.3). */
static bool refuses(const struct nr_segment *g)
{
	uint32_t ahead = g->l->tcp_ack - g->peer->start_seq;

	return !(g->flags & NR_TCP_ACK) ||
	       (ahead >= 1 && (int64_t)ahead <= g->peer->last);
}

/*
 * Inside the window, judged generously where it is ahead, and only where the handshake
 * told how windows are scaled. What was acknowledged has been taken: a RST below that is
 * an old one.
 */
static bool resets(const struct nr_segment *g)
{
	const struct nr_side *me = g->me, *peer = g->peer;

	if (me->state != NR_TCP_ESTABLISHED || peer->state != NR_TCP_ESTABLISHED ||
	    !(me->hist_seen & peer->hist_seen & NR_HIST_SYN))
		return true;
	return g->seq >= me->ack - 1 && g->seq <= me->last + (int64_t)peer->window + 1;
}

bool nr_segment_rst_fits(const struct nr_segment *g)
{
	const struct nr_side *me = g->me, *peer = g->peer;
	bool answers = me->state == NR_TCP_INACTIVE && peer->state == NR_TCP_SYN_SENT;

	if (answers ? refuses(g) : resets(g))
		return true;
	g->ev->anomaly(g->ev->arg, g->f, NR_ANOM_TCP_BAD_RST, (int)g->s,
		       answers ? (int32_t)(g->l->tcp_ack - peer->start_seq) - peer->last
			       : g->seq - me->ack,
		       peer->window);
	return false;
}
