/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The heads of messages (RFC 9112, 2 to 5), line by line.
 *
 * A head is kept as it stands on the wire, and each field looked at once when the next
 * line shows that it is not continued. Where a line that should begin a message does not,
 * or a gap hides where one begins, the side is lost: lines are skipped until one is a
 * start line beyond doubt.
 */
#include "http.h"

#include <string.h>

/* Lines of heads */

enum { FIRST_HEAD = 256 };

/* soon: bytes that are there and are perhaps all of the head. */
static bool keep(struct nr_parse *p, struct nr_http_head *head, const void *bytes,
		 size_t n, size_t soon)
{
	uint32_t cap = head->cap;
	uint8_t *grown;

	if (!n)
		return true;
	if (!cap)
		cap = n <= soon && soon < FIRST_HEAD ? (uint32_t)soon : FIRST_HEAD;
	while (cap - head->len < n)
		cap *= 2;
	if (cap != head->cap) {
		grown = nr_account_realloc(p->account, head->p, head->cap, cap);
		if (!grown)
			return false;
		head->p = grown;
		head->cap = cap;
	}
	memcpy(head->p + head->len, bytes, n);
	head->len += (uint32_t)n;
	return true;
}

/* The end of a line of which the beginning alone is kept. */
static void keep_tail(struct nr_http_side *s, const uint8_t *bytes, size_t n)
{
	const size_t max = sizeof(s->tail);
	size_t old = n < max ? max - n : 0;

	if (old > s->tail_len)
		old = s->tail_len;
	if (n > max) {
		bytes += n - max;
		n = max;
	}
	memmove(s->tail, s->tail + s->tail_len - old, old);
	memcpy(s->tail + old, bytes, n);
	s->tail_len = (uint8_t)(old + n);
}

/* Takes the line that is going on as far as there are bytes, and keeps it while the head
   has fewer than limit. A cut line ends in CR LF all the same. */
static enum nr_gathered take_line(struct nr_parse *p, struct nr_http *h,
				  struct nr_http_side *s, struct nr_http_head *head,
				  struct nr_cursor *in, size_t limit)
{
	const uint8_t *bytes = in->p, *lf = memchr(bytes, '\n', nr_left(in));
	size_t n = lf ? (size_t)(lf + 1 - bytes) : nr_left(in);
	size_t room = limit > head->len ? limit - head->len : 0, kept;

	kept = n < room ? n : room;
	in->p += n;
	s->line_len += n;
	h->work += (uint32_t)n;
	if (!keep(p, head, bytes, kept, (size_t)(in->end - bytes)))
		return NR_G_NO_MEM;
	if (kept < n) {
		keep_tail(s, bytes + kept, n - kept);
		head->cut += n - kept;
		s->field_cut = true;
	}
	if (!lf)
		return NR_G_MORE;
	if (s->field_cut && head->len && head->p[head->len - 1] != '\n' &&
	    !keep(p, head, "\r\n", 2, 0))
		return NR_G_NO_MEM;
	return NR_G_WHOLE;
}

static bool is_empty_line(const struct nr_http_side *s, const struct nr_http_head *head)
{
	return s->line_len == 1 ||
	       (s->line_len == 2 && head->len > 1 && head->p[head->len - 2] == '\r');
}

static void forget_line(struct nr_http_side *s)
{
	s->head.len = 0;
	s->head.cut = 0;
	s->line_len = 0;
	s->tail_len = 0;
	s->field_cut = false;
}

/* Getting lost and found */

void nr_http_get_lost(struct nr_http_side *s, bool by_gap)
{
	if (s->state != NR_HTTP_LOST)
		s->lost_by_gap = by_gap;
	s->state = NR_HTTP_LOST;
	forget_line(s);
}

void nr_http_say_skipped(struct nr_parse *p, struct nr_http *h, struct nr_http_side *s)
{
	if (s->skipped && h->understood)
		nr_parse_anomaly(p,
				 (h->spoke >> nr_http_side_of(h, s) & 1) &&
						 !s->lost_by_gap
					 ? NR_ANOM_HTTP_JUNK
					 : NR_ANOM_HTTP_RESYNC,
				 (int)nr_http_side_of(h, s),
				 nr_arena_printf(p->arena, "{\"bytes\":%llu}",
						 (unsigned long long)s->skipped));
	s->skipped = 0;
	s->lost_by_gap = false;
}

static enum nr_verdict skip_line(struct nr_http *h, struct nr_http_side *s)
{
	uint64_t n = s->line_len;

	nr_http_get_lost(s, false);
	s->skipped += n;
	return !h->understood && s->skipped > NR_HTTP_SKIP_MAX ? NR_NOT_MINE : NR_MORE;
}

/* Fields */

static void note_host(struct nr_http_message *m, const struct nr_http_header *f)
{
	if (!m->n_hosts && f->value.n) {
		m->host_at = (uint32_t)((const uint8_t *)f->value.p - m->head.p);
		m->host_len = (uint32_t)f->value.n;
	}
	if (m->n_hosts < 2)
		m->n_hosts++;
}

/* A field is whole, its continuations included. */
static void field_done(struct nr_parse *p, struct nr_http *h, struct nr_http_side *s,
		       struct nr_http_message *m)
{
	struct nr_http_head *head = &m->head;
	const char *at = (const char *)head->p + s->field_at;
	struct nr_http_header f;

	h->work += head->len - s->field_at;
	if (nr_http_field_next(&at, (const char *)head->p + head->len, &f)) {
		m->signs |= f.signs;
		if (s->state == NR_HTTP_FIELDS) {
			nr_http_framing_field(&m->framing, &f);
			if (nr_http_is(f.name, "host"))
				note_host(m, &f);
			m->expects |= nr_http_is(f.name, "expect") &&
				      nr_http_is(f.value, "100-continue");
		}
	}
	if (m->n_hosts > 1 && nr_http_is_client(h, s))
		m->signs |= NR_HTTP_SIGN(HOST_TWICE);
	if (head->n_fields == NR_HTTP_FIELDS_MAX || head->len > NR_HTTP_HEAD_MAX) {
		nr_http_tell_dropped(p, &f);
		head->cut += head->len - s->field_at;
		head->len = s->field_at;
	} else {
		head->n_fields++;
	}
	s->field_at = head->len;
	s->field_cut = false;
}

enum nr_verdict nr_http_fields_step(struct nr_parse *p, struct nr_http *h,
				    struct nr_http_side *s, struct nr_cursor *in)
{
	struct nr_http_message *m = nr_http_reading(h, s);
	struct nr_http_head *head = &m->head;
	size_t limit = s->field_at + NR_HTTP_FIELD_SLACK;

	if (!s->line_len) {
		bool goes_on = *in->p == ' ' || *in->p == '\t';

		if (s->field_at < head->len && !goes_on)
			field_done(p, h, s, m);
		else if (s->field_at == head->len && goes_on)
			m->signs |= NR_HTTP_SIGN(LEADING_SPACE);
		limit = s->field_at + NR_HTTP_FIELD_SLACK;
	}
	if (limit < NR_HTTP_HEAD_MAX)
		limit = NR_HTTP_HEAD_MAX;
	switch (take_line(p, h, s, head, in, limit)) {
	case NR_G_MORE:
		return NR_MORE;
	case NR_G_NO_MEM:
		return NR_OVERFLOW;
	case NR_G_WHOLE:
		break;
	}
	if (!is_empty_line(s, head)) {
		s->line_len = 0;
		return NR_MORE;
	}
	head->len -= (uint32_t)s->line_len;
	if (s->line_len == 1)
		m->signs |= NR_HTTP_SIGN(BARE_LF);
	s->line_len = 0;
	return nr_http_head_done(p, h, s, in);
}

/* Start lines */

/* A start line that was cut keeps its version, so that it can be read again. */
static bool mend_cut_line(struct nr_parse *p, struct nr_http_side *s)
{
	struct nr_http_head *head = &s->head;
	size_t n = s->tail_len;
	const char *space;

	while (n && (s->tail[n - 1] == '\n' || s->tail[n - 1] == '\r'))
		n--;
	space = memrchr(s->tail, ' ', n);
	if (!space || (size_t)(s->tail + n - space) != sizeof(" HTTP/1.1") - 1)
		return true;
	head->len -= 2; /* CR LF that take_line() put there */
	return keep(p, head, space, (size_t)(s->tail + n - space), 0) &&
	       keep(p, head, "\r\n", 2, 0);
}

enum nr_verdict nr_http_begin_old_response(struct nr_parse *p, struct nr_http *h,
					   struct nr_http_side *s)
{
	struct nr_http_tx *tx = nr_http_tx_response(p, h);
	struct nr_http_message *m;

	if (!tx)
		return NR_OVERFLOW;
	m = &tx->msg[NR_HTTP_RESP];
	m->seen = m->open = m->old = true;
	m->status = -1;
	m->first_ns = s->first_ns;
	m->body = s->line_len;
	s->tx = tx;
	h->spoke |= (uint8_t)(1 << nr_http_side_of(h, s));
	s->state = NR_HTTP_TO_END;
	forget_line(s);
	return NR_MORE;
}

static void set_start(struct nr_http_message *m, const struct nr_http_start *start)
{
	m->seen = m->open = true;
	m->signs = start->signs;
	m->status = (int16_t)(start->status > INT16_MAX ? -1 : start->status);
	m->is_1_0 = start->version.n == 3 && !memcmp(start->version.p, "1.0", 3);
	m->is_head = start->method.n == 4 && !memcmp(start->method.p, "HEAD", 4);
	m->is_connect = start->method.n == 7 && !memcmp(start->method.p, "CONNECT", 7);
	m->old = !start->version.n;
}

static enum nr_verdict begin_message(struct nr_parse *p, struct nr_http *h,
				     struct nr_http_side *s,
				     const struct nr_http_start *start)
{
	struct nr_http_message *m;

	nr_http_say_skipped(p, h, s);
	if (!s->tx)
		s->tx = nr_http_is_client(h, s) ? nr_http_tx_request(p, h)
						: nr_http_tx_response(p, h);
	if (!s->tx)
		return NR_OVERFLOW;
	m = nr_http_reading(h, s);
	set_start(m, start);
	/* before a request it is allowed (RFC 9112, 2.2) */
	if (s->empty_lines && !nr_http_is_client(h, s))
		m->signs |= NR_HTTP_SIGN(EMPTY_LINE);
	s->empty_lines = false;
	m->first_ns = s->first_ns;
	m->head = s->head;
	m->head.fields_at = m->head.len;
	s->field_at = m->head.len;
	s->head = (struct nr_http_head){ 0 };
	forget_line(s);
	s->state = NR_HTTP_FIELDS;
	h->spoke |= (uint8_t)(1 << nr_http_side_of(h, s));
	h->understood = true;
	nr_parse_service(p, h->datagram ? "ssdp" : "http");
	return NR_MORE;
}

static size_t text_len(const struct nr_http_head *head)
{
	size_t n = head->len;

	if (n && head->p[n - 1] == '\n')
		n--;
	if (n && head->p[n - 1] == '\r')
		n--;
	return n;
}

bool nr_http_is_to_old_request(const struct nr_http *h, const struct nr_http_side *s)
{
	const struct nr_http_tx *tx = nr_http_tx_next_answered(h);

	return h->client && !nr_http_is_client(h, s) && s->state == NR_HTTP_START &&
	       !s->tx && tx && tx->msg[NR_HTTP_REQ].old;
}

/* What answered requests with something that says its own name: no server of HTTP. */
static bool is_ssh(const struct nr_http *h, const struct nr_http_side *s)
{
	return h->client && !nr_http_is_client(h, s) &&
	       !(h->spoke >> nr_http_side_of(h, s) & 1) && !s->skipped && !s->head.cut &&
	       s->head.len >= 8 &&
	       (!memcmp(s->head.p, "SSH-2.0-", 8) || !memcmp(s->head.p, "SSH-1.", 6));
}

/* The line, and what came with it. */
static enum nr_verdict hand_over_line(struct nr_parse *p, struct nr_http_side *s,
				      const struct nr_cursor *in, const char *name)
{
	size_t n = s->head.len + nr_left(in);
	uint8_t *all = nr_arena_alloc(p->arena, n);

	memcpy(all, s->head.p, s->head.len);
	memcpy(all + s->head.len, in->p, nr_left(in));
	forget_line(s);
	return nr_parse_hand_over(p, name, all, n);
}

static enum nr_verdict start_line_done(struct nr_parse *p, struct nr_http *h,
				       struct nr_http_side *s, const struct nr_cursor *in)
{
	struct nr_http_start start =
		nr_http_start_line((const char *)s->head.p, text_len(&s->head));
	unsigned side = nr_http_side_of(h, s);
	int client = start.kind == NR_HTTP_REQUEST ? (int)side + 1 : 2 - (int)side;
	bool bare_lf = s->head.len < 2 || s->head.p[s->head.len - 2] != '\r';
	enum nr_verdict v;

	if (start.kind == NR_HTTP_NEITHER && nr_http_is_to_old_request(h, s))
		return nr_http_begin_old_response(p, h, s);
	if (start.kind == NR_HTTP_NEITHER && is_ssh(h, s))
		return hand_over_line(p, s, in, "ssh");
	if (start.kind == NR_HTTP_NEITHER || (h->client && h->client != client) ||
	    (s->state == NR_HTTP_LOST && !start.strict))
		return skip_line(h, s);
	if (bare_lf)
		start.signs |= NR_HTTP_SIGN(BARE_LF);
	h->client = (int8_t)client;
	v = begin_message(p, h, s, &start);
	if (v == NR_MORE && start.kind == NR_HTTP_REQUEST && !start.version.n)
		return nr_http_message_done(p, h, s);
	return v;
}

enum nr_verdict nr_http_start_step(struct nr_parse *p, struct nr_http *h,
				   struct nr_http_side *s, struct nr_cursor *in)
{
	if (!s->line_len)
		s->first_ns = p->ts_ns;
	switch (take_line(p, h, s, &s->head, in, NR_HTTP_START_MAX)) {
	case NR_G_MORE:
		return NR_MORE;
	case NR_G_NO_MEM:
		return NR_OVERFLOW;
	case NR_G_WHOLE:
		break;
	}
	if (is_empty_line(s, &s->head) && !nr_http_is_to_old_request(h, s)) {
		s->empty_lines = true;
		if (s->state == NR_HTTP_LOST)
			s->skipped += s->line_len;
		forget_line(s);
		return NR_MORE;
	}
	if (s->field_cut && !mend_cut_line(p, s))
		return NR_OVERFLOW;
	return start_line_done(p, h, s, in);
}

enum nr_verdict nr_http_expect_step(struct nr_parse *p, struct nr_http *h,
				    struct nr_http_side *s, struct nr_cursor *in)
{
	size_t n = NR_HTTP_START_MAX - (size_t)s->line_len;
	struct nr_cursor part = nr_cursor(in->p, nr_left(in) < n ? nr_left(in) : n);
	struct nr_http_start start;
	struct nr_http_head line;
	enum nr_gathered g;
	enum nr_verdict v;

	if (!s->line_len)
		s->first_ns = p->ts_ns;
	g = take_line(p, h, s, &s->head, &part, NR_HTTP_START_MAX);
	in->p = part.p;
	switch (g) {
	case NR_G_NO_MEM:
		return NR_OVERFLOW;
	case NR_G_MORE:
		if (s->line_len < NR_HTTP_START_MAX && s->head.p[0] >= 'A' &&
		    s->head.p[0] <= 'Z')
			return NR_MORE;
		break;
	case NR_G_WHOLE:
		start = nr_http_start_line((const char *)s->head.p, text_len(&s->head));
		if (!start.strict || !start.is_known)
			break;
		nr_http_message_done(p, h, s);
		return start_line_done(p, h, s, in);
	}
	/* no: these bytes were the body */
	line = s->head;
	s->head = (struct nr_http_head){ 0 };
	forget_line(s);
	s->state = s->before;
	v = nr_http_bytes(p, h, nr_http_side_of(h, s), line.p, line.len);
	nr_http_head_free(&line, p->account);
	return v;
}

void nr_http_begin_partial(struct nr_parse *p, struct nr_http *h, struct nr_http_side *s)
{
	struct nr_http_start start = { .status = -1 };
	enum nr_http_sniffed k;
	const char *text = (const char *)s->head.p, *space;
	bool response;

	if (nr_http_is_to_old_request(h, s)) {
		nr_http_begin_old_response(p, h, s);
		return;
	}
	k = nr_http_sniff(s->head.p, s->head.len, true);
	if (k == NR_HTTP_SNIFF_NO)
		return;
	response = !memcmp(text, "HTTP/", 5);
	if (!h->client)
		h->client = (int8_t)(response ? 2 - (int)nr_http_side_of(h, s)
					      : (int)nr_http_side_of(h, s) + 1);
	if (response == nr_http_is_client(h, s))
		return;
	if (response)
		start = nr_http_start_line(text, text_len(&s->head));
	if (!start.reason.n) /* the number may go on */
		start.status = -1;
	start.version = (struct nr_http_slice){ text + 5, response ? 3 : 0 };
	space = memchr(text, ' ', s->head.len);
	if (!response && space)
		start.method = (struct nr_http_slice){ text, (size_t)(space - text) };
	if (begin_message(p, h, s, &start) == NR_MORE)
		nr_http_reading(h, s)->old = false;
}
