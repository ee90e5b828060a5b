/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes on their way to a parser: the choice, its replay, hand-overs. */
#include "session/internal.h"

#include "flow/tcp.h"

void nr_session_probe(const struct nr_flow *f, struct nr_probe *in)
{
	const struct nr_key key = nr_flow_key(f), *k = &key;

	in->proto = k->proto;
	in->port[0] = f->src_is_hi ? k->hi_port : k->lo_port;
	in->port[1] = f->src_is_hi ? k->lo_port : k->hi_port;
}

/* Whether the side's first byte is known to be the stream's first. */
static bool begins(const struct nr_flow *f, unsigned side)
{
	return nr_flow_tcp_facts(f, side).saw_syn;
}

static bool replay_choice(struct nr_sessions *ss, struct nr_flow *f)
{
	struct nr_session *s = f->session;
	struct nr_choice *c = nr_tcp_of(s)->choice;
	bool more = true;

	if (!c)
		return true;
	nr_tcp_of(s)->choice = NULL;
	for (uint32_t i = 0; i < c->n_chunks && more; i++) {
		const struct nr_chunk *k = &c->chunk[i];

		if (k->gap)
			more = nr_session_feed_gap(ss, f, k->side, k->offset, k->gap,
						   &k->at);
		else
			more = nr_session_feed(ss, f, k->side, k->offset,
					       c->data[k->side] + k->from, k->len,
					       &k->at);
	}
	nr_choice_free(c, nr_state_of(ss, f));
	return more;
}

static bool choose_among(struct nr_sessions *ss, struct nr_flow *f, struct nr_probe *in)
{
	struct nr_session *s = f->session;
	const struct nr_parser *p = s->named ? nr_parsers[s->named - 1] : NULL;

	if (!p) {
		switch (nr_choose(in, &p)) {
		case NR_UNDECIDED:
			return true;
		case NR_NOBODY:
			nr_session_close(s, NR_CLOSE_NOT_MINE);
			return false;
		case NR_CHOSEN:
			break;
		}
	}
	return nr_session_set_parser(ss, f, p) && replay_choice(ss, f);
}

/* Bytes of a flow without a parser. Where the first segment decides, nothing is kept. */
static bool choose(struct nr_sessions *ss, struct nr_flow *f, struct nr_chunk chunk,
		   const uint8_t *data)
{
	struct nr_session *s = f->session;
	struct nr_account *a = nr_state_of(ss, f);
	struct nr_probe in = { .begins = { begins(f, 0), begins(f, 1) } };

	nr_session_probe(f, &in);
	if (!nr_tcp_of(s)->choice && chunk.len) {
		in.side = chunk.side;
		in.data[chunk.side] = data;
		in.len[chunk.side] =
			chunk.len > NR_PROBE_BYTES ? NR_PROBE_BYTES : chunk.len;
		in.last = chunk.len >= NR_PROBE_BYTES;
		if (!choose_among(ss, f, &in))
			return false;
		if (s->parser)
			return nr_session_feed(ss, f, chunk.side, chunk.offset, data,
					       chunk.len, &chunk.at);
	}
	if (!nr_tcp_of(s)->choice)
		nr_tcp_of(s)->choice = nr_account_alloc(a, sizeof(*nr_tcp_of(s)->choice));
	if (!nr_tcp_of(s)->choice ||
	    !nr_choice_add(nr_tcp_of(s)->choice, a, chunk, data)) {
		nr_session_close(s,
				 nr_tcp_of(s)->choice && nr_tcp_of(s)->choice->n_chunks ==
								 NR_CHOICE_CHUNKS
					 ? NR_CLOSE_NOT_MINE
					 : NR_CLOSE_OVERFLOW);
		return false;
	}
	if (!chunk.len || nr_tcp_of(s)->choice->n_chunks + nr_tcp_of(s)->choice->len[0] +
					  nr_tcp_of(s)->choice->len[1] ==
				  chunk.len + 1u)
		return true; /* a gap, or what was just asked about */
	nr_choice_probe(nr_tcp_of(s)->choice, chunk.side, &in);
	return choose_among(ss, f, &in);
}

/* Another protocol begins: the bytes that are left go to it. */
static bool hand_over(struct nr_sessions *ss, struct nr_flow *f, const struct nr_parse *p)
{
	struct nr_session *s = f->session;

	nr_session_end_parser(ss, f, NR_CLOSE_DONE);
	if (++s->n_turns >= NR_MAX_TURNS) {
		nr_session_close(s, NR_CLOSE_OVERFLOW);
		return false;
	}
	s->named = p->next ? nr_parser_number(nr_parser_find(p->next)) : 0;
	return true;
}

/* What the other side has said of it already, first: it came first. */
static bool feed_early(struct nr_sessions *ss, struct nr_flow *f, unsigned side,
		       const uint8_t *early, const struct nr_parse *p,
		       const struct nr_stamp *at)
{
	const struct nr_session *s = f->session;
	uint64_t n = p->early_len + p->early_gap;
	uint64_t upto = s->is_tcp ? nr_tcp_of(s)->stream[side].next : 0;
	uint64_t from = upto > n ? upto - n : 0;

	return nr_session_feed(ss, f, side, from, early, p->early_len, at) &&
	       (!p->early_gap ||
		nr_session_feed_gap(ss, f, side, from + p->early_len, p->early_gap, at));
}

bool nr_session_feed(struct nr_sessions *ss, struct nr_flow *f, unsigned side,
		     uint64_t offset, const uint8_t *data, size_t n,
		     const struct nr_stamp *at)
{
	struct nr_session *s = f->session;
	const uint8_t *early;
	enum nr_verdict v;
	struct nr_call_of_parser c;
	size_t rest;

	if (!n || s->muted)
		return true;
	if (!s->parser)
		return choose(ss, f,
			      (struct nr_chunk){ .at = *at,
						 .offset = offset,
						 .len = (uint32_t)n,
						 .side = (uint8_t)side },
			      data);
	nr_session_call(&c, ss, f, at, offset);
	v = s->parser->data(&c.p, s->ctx, side ^ s->swapped, data, n);
	if (v != NR_HAND_OVER)
		return nr_session_heed(s, v);
	rest = c.p.rest_len;
	if (rest > n) { /* and what this side said before */
		data = (void *)nr_arena_copy(ss->arena, (const void *)c.p.rest, rest);
		offset -= rest - n;
		n = rest;
	}
	early = c.p.early_len ? (void *)nr_arena_copy(ss->arena, c.p.early, c.p.early_len)
			      : NULL;
	return hand_over(ss, f, &c.p) && feed_early(ss, f, !side, early, &c.p, at) &&
	       nr_session_feed(ss, f, side, offset + (n - rest), data + (n - rest), rest,
			       at);
}

bool nr_session_feed_gap(struct nr_sessions *ss, struct nr_flow *f, unsigned side,
			 uint64_t offset, uint64_t n, const struct nr_stamp *at)
{
	struct nr_session *s = f->session;
	enum nr_verdict v;
	struct nr_call_of_parser c;

	if (s->muted)
		return true;
	if (!s->parser)
		return choose(ss, f,
			      (struct nr_chunk){ .at = *at,
						 .offset = offset,
						 .gap = n,
						 .side = (uint8_t)side },
			      NULL);
	if (!s->parser->gap)
		return nr_session_heed(s, NR_LOST);
	v = s->parser->gap(nr_session_call(&c, ss, f, at, offset), s->ctx,
			   side ^ s->swapped, n);
	if (v != NR_HAND_OVER)
		return nr_session_heed(s, v);
	return hand_over(ss, f, &c.p) && nr_session_feed_gap(ss, f, side, offset, n, at);
}

/* The choice was never made: whoever is possible gets what there is. */
void nr_session_choose_at_last(struct nr_sessions *ss, struct nr_flow *f)
{
	struct nr_session *s = f->session;
	struct nr_probe in = { .begins = { begins(f, 0), begins(f, 1) } };

	if (s->closing || s->parser || !s->is_tcp || !nr_tcp_of(s)->choice)
		return;
	nr_session_probe(f, &in);
	nr_choice_probe(nr_tcp_of(s)->choice, 0, &in);
	in.last = true;
	choose_among(ss, f, &in);
}
