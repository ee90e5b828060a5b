/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions and their parsers: begun, ended, freed. */
#include "session/internal.h"

static size_t ctx_size(const struct nr_parser *p)
{
	return p->ctx_size ? p->ctx_size : 1;
}

uint8_t nr_parser_number(const struct nr_parser *p)
{
	unsigned i = 0;

	if (!p)
		return 0;
	while (nr_parsers[i] != p)
		i++;
	return (uint8_t)(i + 1);
}

void nr_session_close(struct nr_session *s, enum nr_parser_close why)
{
	s->closing = true;
	s->close = (uint8_t)why;
}

bool nr_session_set_parser(struct nr_sessions *ss, struct nr_flow *f,
			   const struct nr_parser *p)
{
	struct nr_session *s = f->session;

	f->parser = nr_parser_number(p);
	f->parser_close = 0;
	s->ctx = nr_account_alloc(nr_state_of(ss, f), ctx_size(p));
	if (!s->ctx) {
		f->parser_close = NR_CLOSE_OVERFLOW + 1;
		nr_session_close(s, NR_CLOSE_OVERFLOW);
		return false;
	}
	s->parser = p;
	return true;
}

/* The parser's last call; what it was closed for is kept in the flow. */
void nr_session_end_parser(struct nr_sessions *ss, struct nr_flow *f,
			   enum nr_parser_close why)
{
	struct nr_session *s = f->session;
	struct nr_call_of_parser c;

	if (!s->parser)
		return;
	if (s->parser->end)
		s->parser->end(nr_session_call(&c, ss, f, &s->last, 0), s->ctx);
	nr_account_free(nr_state_of(ss, f), s->ctx, ctx_size(s->parser));
	s->ctx = NULL;
	s->parser = NULL;
	s->tick_ns = INT64_MAX;
	f->parser_close = (uint8_t)(why + 1);
}

/* A TCP session has its streams in the same block. */
static size_t session_size(const struct nr_flow *f)
{
	return sizeof(struct nr_session) +
	       (nr_flow_proto(f) == 6 ? sizeof(struct nr_tcp_session) : 0);
}

struct nr_session *nr_session_new(struct nr_sessions *ss, struct nr_flow *f)
{
	struct nr_account *a = nr_state_of(ss, f);
	struct nr_session *s = nr_account_alloc(a, session_size(f));

	if (!s) {
		nr_flow_set_quiet(f);
		f->parser_close = NR_CLOSE_OVERFLOW + 1;
		return NULL;
	}
	s->is_tcp = nr_flow_proto(f) == 6;
	s->tick_ns = s->armed_ns = INT64_MAX;
	s->src_is_hi = f->src_is_hi;
	f->session = s;
	return s;
}

static void session_free(struct nr_sessions *ss, struct nr_flow *f)
{
	struct nr_account *a = nr_state_of(ss, f);
	struct nr_session *s = f->session;

	if (s->is_tcp) {
		for (unsigned i = 0; i < 2; i++) {
			f->n_unverified += nr_tcp_of(s)->stream[i].n_unverified;
			nr_stream_fini(&nr_tcp_of(s)->stream[i], nr_bytes_of(ss, f));
		}
		nr_choice_free(nr_tcp_of(s)->choice, a);
	}
	nr_account_free(a, s, session_size(f));
	f->session = NULL;
	nr_flow_set_quiet(f);
}

/* Frees what has closed; called where no parser is on the stack. */
void nr_session_settle(struct nr_sessions *ss, struct nr_flow *f)
{
	struct nr_session *s = f->session;

	if (!s || !s->closing)
		return;
	nr_session_end_parser(ss, f, (enum nr_parser_close)s->close);
	if (ss->cfg.tap && !s->ending) {
		s->closing = false;
		s->muted = true;
		return;
	}
	session_free(ss, f);
}

/* true: go on. Hand-overs are the caller's. */
bool nr_session_heed(struct nr_session *s, enum nr_verdict v)
{
	switch (v) {
	case NR_MORE:
		return true;
	case NR_HAND_OVER:
	case NR_DONE:
		nr_session_close(s, NR_CLOSE_DONE);
		break;
	case NR_MALFORMED:
		nr_session_close(s, NR_CLOSE_ERROR);
		break;
	case NR_LOST:
		nr_session_close(s, NR_CLOSE_GAP);
		break;
	case NR_OVERFLOW:
		nr_session_close(s, NR_CLOSE_OVERFLOW);
		break;
	case NR_NOT_MINE:
		nr_session_close(s, NR_CLOSE_NOT_MINE);
		break;
	}
	return false;
}
