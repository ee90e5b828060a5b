/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One side's bytes to messages: where they end (RFC 9112, 6 to 8), and what is left of
 * them behind a gap. Bodies are counted, not kept.
 */
#include "http.h"

#include <string.h>
#include <strings.h>

unsigned nr_http_side_of(const struct nr_http *h, const struct nr_http_side *s)
{
	return s == h->side[1];
}

bool nr_http_wake(struct nr_parse *p, struct nr_http *h, unsigned side)
{
	if (!h->side[side])
		h->side[side] = nr_account_alloc(p->account, sizeof(*h->side[side]));
	return h->side[side];
}

/* As nr_http_wake() makes them. */
static bool is_fresh(const struct nr_http_side *s)
{
	return s->state == NR_HTTP_START && !s->tx && !s->head.len && !s->head.cut &&
	       !s->line.len && !s->line.cut && !s->line_len && !s->early_gap &&
	       !s->skipped && !s->tail_len && !s->field_cut && !s->lost_by_gap &&
	       !s->empty_lines;
}

void nr_http_rest(struct nr_parse *p, struct nr_http *h)
{
	for (unsigned i = 0; i < 2; i++) {
		if (!h->side[i] || !is_fresh(h->side[i]))
			continue;
		nr_http_head_free(&h->side[i]->head, p->account);
		nr_gather_free(&h->side[i]->line, p->account);
		nr_account_free(p->account, h->side[i], sizeof(*h->side[i]));
		h->side[i] = NULL;
	}
}

bool nr_http_is_client(const struct nr_http *h, const struct nr_http_side *s)
{
	return h->client == (int)nr_http_side_of(h, s) + 1;
}

struct nr_http_message *nr_http_reading(struct nr_http *h, struct nr_http_side *s)
{
	return &s->tx->msg[nr_http_is_client(h, s) ? NR_HTTP_REQ : NR_HTTP_RESP];
}

/* The message being read can not be read to its end. */
static void break_off(struct nr_parse *p, struct nr_http *h, struct nr_http_side *s)
{
	struct nr_http_message *m = nr_http_reading(h, s);

	/* behind an interim response the final one may still be found */
	if (m->seen || h->pipelines)
		m->broken = true;
	m->open = false;
	nr_http_say_signs(p, (int)nr_http_side_of(h, s), s->tx->depth,
			  !nr_http_is_client(h, s), m);
	s->tx = NULL;
	nr_gather_free(&s->line, p->account);
	nr_http_tx_settle(p, h);
}

/* Ends of messages */

/* What a client said behind CONNECT was for nobody. */
static void forget_early(struct nr_parse *p, struct nr_http_side *c)
{
	c->skipped += c->line.len + c->early_gap;
	c->early_gap = 0;
	nr_gather_free(&c->line, p->account);
}

/* A tunnel stands: what its client has said into it already goes ahead. */
static void send_early(struct nr_parse *p, struct nr_http *h)
{
	struct nr_http_side *c = h->client ? h->side[h->client - 1] : NULL;

	if (!c || c->state != NR_HTTP_WAIT)
		return;
	nr_parse_early(p, c->line.p, c->line.len, c->early_gap);
	c->state = NR_HTTP_START;
}

/* What a final answer means for the client behind its request. */
static void answered(struct nr_parse *p, struct nr_http *h, const struct nr_http_tx *tx)
{
	struct nr_http_side *c = h->side[h->client - 1];
	const struct nr_http_message *req = &tx->msg[NR_HTTP_REQ];

	if (!c)
		return;
	if (c->state == NR_HTTP_WAIT && req->is_connect) {
		forget_early(p, c);
		c->state = c->skipped ? NR_HTTP_LOST : NR_HTTP_START;
	} else if (c->tx == tx && req->expects && !req->body && !c->line.len &&
		   (c->state == NR_HTTP_BODY || c->state == NR_HTTP_CHUNK_LINE) &&
		   tx->msg[NR_HTTP_RESP].status >= 300) {
		c->before = c->state;
		c->state = NR_HTTP_EXPECT;
	}
}

enum nr_verdict nr_http_message_done(struct nr_parse *p, struct nr_http *h,
				     struct nr_http_side *s)
{
	nr_http_reading(h, s)->open = false;
	s->tx = NULL;
	s->state = NR_HTTP_START;
	nr_gather_free(&s->line, p->account);
	nr_http_tx_settle(p, h);
	return NR_MORE;
}

static enum nr_verdict begin_body(struct nr_parse *p, struct nr_http *h,
				  struct nr_http_side *s, enum nr_http_state state,
				  uint64_t length)
{
	s->state = state;
	s->left = length;
	return state == NR_HTTP_BODY && !length ? nr_http_message_done(p, h, s) : NR_MORE;
}

static enum nr_verdict request_head_done(struct nr_parse *p, struct nr_http *h,
					 struct nr_http_side *s)
{
	const struct nr_http_message *m = nr_http_reading(h, s);
	const struct nr_http_framing *f = &m->framing;

	if (m->is_connect) {
		nr_http_message_done(p, h, s);
		s->state = NR_HTTP_WAIT;
		return NR_MORE;
	}
	if (f->chunked)
		return begin_body(p, h, s, NR_HTTP_CHUNK_LINE, 0);
	return begin_body(p, h, s, NR_HTTP_BODY,
			  f->has_te || !f->has_length ? 0 : f->length);
}

/* RFC 9112, 6.3 */
static enum nr_verdict response_head_done(struct nr_parse *p, struct nr_http *h,
					  struct nr_http_side *s, struct nr_cursor *in)
{
	struct nr_http_tx *tx = s->tx;
	const struct nr_http_message *req = &tx->msg[NR_HTTP_REQ];
	const struct nr_http_message *m = &tx->msg[NR_HTTP_RESP];
	const struct nr_http_framing *f = &m->framing;
	/* a code of more or fewer digits, 0204, is not one that says there is no body */
	int status = m->signs & NR_HTTP_SIGN(STATUS) ? 0 : m->status;
	bool tunnel = status == 101 || (req->is_connect && status >= 200 && status < 300);

	if (status >= 100 && status < 200 && status != 101) {
		s->state = NR_HTTP_START;
		return nr_http_tx_interim(p, tx);
	}
	if (tunnel) {
		nr_http_message_done(p, h, s);
		send_early(p, h);
		return nr_parse_hand_over(p, NULL, in->p, nr_left(in));
	}
	answered(p, h, tx);
	if (req->is_head || status == 204 || status == 304)
		return begin_body(p, h, s, NR_HTTP_BODY, 0);
	if (f->chunked)
		return begin_body(p, h, s, NR_HTTP_CHUNK_LINE, 0);
	if (f->has_te || !f->has_length)
		return begin_body(p, h, s, NR_HTTP_TO_END, 0);
	return begin_body(p, h, s, NR_HTTP_BODY, f->length);
}

/* An absolute target beats Host (RFC 9112, 3.2.2), but not for every server. */
static bool host_differs(const struct nr_http_message *m)
{
	const char *head = (const char *)m->head.p;
	struct nr_http_start s = nr_http_start_line(head, m->head.fields_at);
	struct nr_http_slice a, host = { head + m->host_at, m->host_len };

	if (!m->host_len || m->is_connect || s.kind != NR_HTTP_REQUEST)
		return false;
	a = nr_http_host(nr_http_authority(s.method, s.target));
	if (!a.n || (host.n == a.n && !strncasecmp(host.p, a.p, a.n)))
		return false;
	/* one names the port, the other does not */
	if (host.n > a.n)
		return strncasecmp(host.p, a.p, a.n) != 0 || host.p[a.n] != ':';
	return strncasecmp(host.p, a.p, host.n) != 0 || a.p[host.n] != ':' ||
	       host.n == a.n;
}

enum nr_verdict nr_http_head_done(struct nr_parse *p, struct nr_http *h,
				  struct nr_http_side *s, struct nr_cursor *in)
{
	struct nr_http_message *m = nr_http_reading(h, s);
	bool client = nr_http_is_client(h, s);

	if (s->state == NR_HTTP_TRAILERS) {
		nr_http_say_signs(p, (int)nr_http_side_of(h, s), s->tx->depth, !client,
				  m);
		return nr_http_message_done(p, h, s);
	}
	/* HTTP/1.0 has no transfer codings: who speaks it overlooks them, who does not
	   must not trust the framing (RFC 9112, 6.1) */
	if (m->is_1_0 && m->framing.has_te) {
		m->framing.signs |= NR_HTTP_SIGN(TE_OLD);
		m->framing.has_te = m->framing.chunked = false;
	}
	m->signs |= m->framing.signs;
	if (client && host_differs(m))
		m->signs |= NR_HTTP_SIGN(HOST_DIFFERS);
	nr_http_say_signs(p, (int)nr_http_side_of(h, s), s->tx->depth, !client, m);
	return client ? request_head_done(p, h, s) : response_head_done(p, h, s, in);
}

/* Bodies */

static enum nr_verdict counted_step(struct nr_parse *p, struct nr_http *h,
				    struct nr_http_side *s, struct nr_cursor *in)
{
	size_t n = nr_left(in);

	if (s->state != NR_HTTP_TO_END && n > s->left)
		n = (size_t)s->left;
	in->p += n;
	nr_http_reading(h, s)->body += n;
	if (s->state == NR_HTTP_TO_END)
		return NR_MORE;
	s->left -= n;
	if (s->left)
		return NR_MORE;
	if (s->state == NR_HTTP_BODY)
		return nr_http_message_done(p, h, s);
	s->state = NR_HTTP_CHUNK_END;
	return NR_MORE;
}

static void say_chunk(struct nr_parse *p, struct nr_http *h, struct nr_http_side *s,
		      const char *what)
{
	nr_parse_anomaly(
		p, NR_ANOM_HTTP_CHUNK, (int)nr_http_side_of(h, s),
		nr_arena_printf(p->arena,
				"{\"what\":\"%s\",\"trans_depth\":%llu,"
				"\"body_bytes\":%llu}",
				what, (unsigned long long)s->tx->depth,
				(unsigned long long)nr_http_reading(h, s)->body));
}

/*
 * No chunk: the framing can not be trusted any more. Where a response should have been
 * chunked and is not from its first byte on, as browsers and proxies take it, its body is
 * what the rest of the head says.
 */
static enum nr_verdict bad_chunk(struct nr_parse *p, struct nr_http *h,
				 struct nr_http_side *s, const char *what)
{
	struct nr_http_message *m = nr_http_reading(h, s);
	const struct nr_http_framing *f = &m->framing;
	bool unchunked = !m->has_chunks && !nr_http_is_client(h, s) && !s->line_len;

	say_chunk(p, h, s, what);
	if (unchunked && (f->has_length || f->closes)) {
		m->broken = true;
		return begin_body(p, h, s, f->has_length ? NR_HTTP_BODY : NR_HTTP_TO_END,
				  f->length);
	}
	s->skipped += s->line_len;
	break_off(p, h, s);
	nr_http_get_lost(s, false);
	return NR_MORE;
}

static void begin_trailers(struct nr_http *h, struct nr_http_side *s)
{
	struct nr_http_head *head = &nr_http_reading(h, s)->head;

	head->trailers_at = s->field_at = head->len;
	s->line_len = 0;
	s->field_cut = false;
	s->state = NR_HTTP_TRAILERS;
}

/* What the line can not begin with is left where it is: it may begin a message. */
static bool may_begin_chunk_line(const struct nr_http_side *s, uint8_t c)
{
	return s->line_len || c == '\r' || c == '\n' ||
	       (s->state == NR_HTTP_CHUNK_LINE && nr_http_may_begin_size((char)c));
}

/*
 * A line end that is not CR LF (RFC 9112, 7.1), or a CR inside: readers differ on where
 * the line ends, and so on what is content.
 */
static bool has_odd_end(const struct nr_http_side *s, const struct nr_piece *line)
{
	return (!line->cut && s->line_len - s->zeros - line->len < 2) ||
	       (line->len && memchr(line->p, '\r', line->len));
}

static void note_odd_chunk(struct nr_parse *p, struct nr_http *h, struct nr_http_side *s,
			   const char *what)
{
	struct nr_http_message *m = nr_http_reading(h, s);

	if (!m->odd_chunk)
		say_chunk(p, h, s, what);
	m->odd_chunk = true;
}

/* Leading zeros are legal, as many as there are (RFC 9112, 7.1): they need no place. */
static void skip_zeros(struct nr_http *h, struct nr_http_side *s, struct nr_cursor *in)
{
	const uint8_t *from = in->p;

	if (s->line_len != s->zeros)
		return;
	while (nr_left(in) && *in->p == '0')
		in->p++;
	s->zeros += (uint32_t)(in->p - from);
	s->line_len += (uint64_t)(in->p - from);
	h->work += (uint32_t)(in->p - from);
}

static bool read_size(struct nr_http_side *s, const struct nr_piece *line, bool *odd)
{
	return nr_http_chunk_size((const char *)line->p, line->len,
				  (s->zeros ? NR_HTTP_BEHIND_ZEROS : 0) |
					  (line->cut ? NR_HTTP_GOES_ON : 0),
				  &s->left, odd);
}

static enum nr_verdict chunk_line_step(struct nr_parse *p, struct nr_http *h,
				       struct nr_http_side *s, struct nr_cursor *in)
{
	static const char no_end[] = "no line end behind it",
			  no_size[] = "impossible size";
	bool at_end = s->state == NR_HTTP_CHUNK_END;
	struct nr_piece line;
	size_t before;
	bool odd;
	enum nr_gathered g;

	if (!may_begin_chunk_line(s, *in->p))
		return bad_chunk(p, h, s, at_end ? no_end : no_size);
	if (!s->line_len)
		s->zeros = 0;
	if (!at_end)
		skip_zeros(h, s, in);
	before = nr_left(in);
	g = nr_gather_line(&s->line, p->account, in, NR_HTTP_CHUNK_LINE_MAX, &line);
	h->work += (uint32_t)(before - nr_left(in));
	s->line_len += before - nr_left(in);
	if (g != NR_G_WHOLE)
		return g == NR_G_MORE ? NR_MORE : NR_OVERFLOW;
	if (at_end && (line.len || line.cut))
		return bad_chunk(p, h, s, no_end);
	if (!at_end && !read_size(s, &line, &odd))
		return bad_chunk(p, h, s, no_size);
	if (!at_end && odd)
		note_odd_chunk(p, h, s, "odd size");
	else if (has_odd_end(s, &line))
		note_odd_chunk(p, h, s, "odd line end");
	s->line_len = 0;
	if (at_end) {
		s->state = NR_HTTP_CHUNK_LINE;
		return NR_MORE;
	}
	nr_http_reading(h, s)->has_chunks = true;
	if (s->left)
		s->state = NR_HTTP_CHUNK;
	else
		begin_trailers(h, s);
	return NR_MORE;
}

/* Behind CONNECT */

/* A request to a proxy names the authority (RFC 9112, 3.2), as one in a tunnel does not
   have to. */
static bool begins_request(const uint8_t *p, size_t n)
{
	const uint8_t *lf = n ? memchr(p, '\n', n) : NULL;
	struct nr_http_start s;

	if (!lf)
		return false;
	n = (size_t)(lf - p);
	if (n && p[n - 1] == '\r')
		n--;
	s = nr_http_start_line((const char *)p, n);
	return s.kind == NR_HTTP_REQUEST && s.strict && s.is_known &&
	       nr_http_authority(s.method, s.target).n;
}

/* What the client said was no tunnel's: it is read as requests. */
static enum nr_verdict leave_wait(struct nr_parse *p, struct nr_http *h,
				  struct nr_http_side *c)
{
	unsigned side = nr_http_side_of(h, c);
	struct nr_gather early = c->line;
	uint64_t gap = c->early_gap;
	enum nr_verdict v;

	c->line = (struct nr_gather){ 0 };
	c->early_gap = 0;
	c->state = NR_HTTP_START;
	v = nr_http_bytes(p, h, side, early.p, early.len);
	if (v == NR_MORE && gap)
		v = nr_http_gap(p, h, side, gap);
	nr_gather_free(&early, p->account);
	return v;
}

/*
 * The answer decides. Where it was lost, a request behind CONNECT says that it was a
 * refusal, which most often asks for credentials (RFC 9110, 15.5.8).
 */
static enum nr_verdict wait_step(struct nr_parse *p, struct nr_http *h,
				 struct nr_http_side *s, struct nr_cursor *in)
{
	size_t before = s->line.len, n = nr_left(in);
	bool ends_line = h->resp_lost && memchr(in->p, '\n', n);

	if (ends_line && !before && !s->early_gap && begins_request(in->p, n)) {
		s->state = NR_HTTP_START;
		return NR_MORE;
	}
	if (!nr_gather_early(&s->line, p->account, in, NR_HTTP_EARLY_MAX, &s->early_gap))
		return NR_OVERFLOW;
	/* the first line alone counts, and is looked at once */
	if (ends_line && before && !memchr(s->line.p, '\n', before) &&
	    begins_request(s->line.p, s->line.len))
		return leave_wait(p, h, s);
	return NR_MORE;
}

/* The same where the client spoke before the loss was seen. */
static enum nr_verdict answer_lost(struct nr_parse *p, struct nr_http *h)
{
	struct nr_http_side *c = h->client ? h->side[h->client - 1] : NULL;

	if (!c || c->state != NR_HTTP_WAIT || !begins_request(c->line.p, c->line.len))
		return NR_MORE;
	return leave_wait(p, h, c);
}

static enum nr_verdict step(struct nr_parse *p, struct nr_http *h, struct nr_http_side *s,
			    struct nr_cursor *in)
{
	switch (s->state) {
	case NR_HTTP_START:
	case NR_HTTP_LOST:
		return nr_http_start_step(p, h, s, in);
	case NR_HTTP_FIELDS:
	case NR_HTTP_TRAILERS:
		return nr_http_fields_step(p, h, s, in);
	case NR_HTTP_BODY:
	case NR_HTTP_TO_END:
	case NR_HTTP_CHUNK:
		return counted_step(p, h, s, in);
	case NR_HTTP_CHUNK_LINE:
	case NR_HTTP_CHUNK_END:
		return chunk_line_step(p, h, s, in);
	case NR_HTTP_EXPECT:
		return nr_http_expect_step(p, h, s, in);
	case NR_HTTP_WAIT:
		return wait_step(p, h, s, in);
	}
	return NR_MORE;
}

enum nr_verdict nr_http_bytes(struct nr_parse *p, struct nr_http *h, unsigned side,
			      const uint8_t *data, size_t len)
{
	struct nr_cursor in = nr_cursor(data, len);
	enum nr_verdict v = NR_MORE;

	while (v == NR_MORE && nr_left(&in))
		v = step(p, h, h->side[side], &in);
	return v;
}

/* Gaps and ends */

static bool is_at_start(const struct nr_http_side *s)
{
	return s->state == NR_HTTP_START || s->state == NR_HTTP_LOST;
}

void nr_http_cut_off(struct nr_parse *p, struct nr_http *h, unsigned side)
{
	struct nr_http_side *s = h->side[side];

	if (s->state == NR_HTTP_EXPECT && !s->line_len) {
		nr_http_message_done(p, h, s);
		return;
	}
	if (s->state == NR_HTTP_WAIT)
		forget_early(p, s);
	if (s->state == NR_HTTP_START && s->head.len)
		nr_http_begin_partial(p, h, s);
	if (is_at_start(s))
		s->skipped += s->line_len;
	if (s->tx)
		break_off(p, h, s);
	nr_http_head_free(&s->head, p->account);
	nr_gather_free(&s->line, p->account);
	s->line_len = 0;
	nr_http_say_skipped(p, h, s);
	s->state = NR_HTTP_LOST;
}

void nr_http_close(struct nr_parse *p, struct nr_http *h, unsigned side)
{
	struct nr_http_side *s = h->side[side];

	if (s->state == NR_HTTP_WAIT) /* the answer still decides */
		return;
	if (s->state == NR_HTTP_START && s->head.len && nr_http_is_to_old_request(h, s))
		nr_http_begin_old_response(p, h, s);
	if (s->state == NR_HTTP_TO_END && s->tx)
		nr_http_message_done(p, h, s);
	nr_http_cut_off(p, h, side);
}

/* Of n missing bytes, those that can be counted as body; returns the others. */
static uint64_t gap_in_body(struct nr_parse *p, struct nr_http *h, struct nr_http_side *s,
			    uint64_t n)
{
	struct nr_http_message *m = nr_http_reading(h, s);
	uint64_t k = s->state != NR_HTTP_TO_END && n > s->left ? s->left : n;

	m->body += k;
	m->missed += k;
	if (s->state == NR_HTTP_TO_END)
		return 0;
	s->left -= k;
	if (s->left)
		return 0;
	if (s->state == NR_HTTP_BODY)
		nr_http_message_done(p, h, s);
	else
		s->state = NR_HTTP_CHUNK_END;
	return n - k;
}

enum nr_verdict nr_http_gap(struct nr_parse *p, struct nr_http *h, unsigned side,
			    uint64_t n)
{
	struct nr_http_side *s = h->side[side];

	if (s->state == NR_HTTP_BODY || s->state == NR_HTTP_TO_END ||
	    s->state == NR_HTTP_CHUNK)
		n = gap_in_body(p, h, s, n);
	if (s->state == NR_HTTP_WAIT)
		s->early_gap += n;
	if (!n || s->state == NR_HTTP_WAIT)
		return NR_MORE;
	if (s->state == NR_HTTP_START && s->head.len)
		nr_http_begin_partial(p, h, s);
	if (h->client && !nr_http_is_client(h, s) && s->state != NR_HTTP_LOST)
		h->resp_lost = true;
	if (s->tx)
		break_off(p, h, s);
	else if (s->state == NR_HTTP_START && h->client && nr_http_is_client(h, s))
		nr_http_tx_request_lost(p, h);
	else if (s->state == NR_HTTP_START && h->client)
		nr_http_tx_response_lost(p, h);
	nr_http_get_lost(s, true);
	return h->resp_lost ? answer_lost(p, h) : NR_MORE;
}
