/* SPDX-License-Identifier: BSD-3-Clause */
/* A mail: its content as far as rows tell of it, and its row (RFC 5321, RFC 5322). */
#include "smtp.h"

#include "base/text.h"

#include <string.h>

static const char *const indexes[] = { "flow_id", NULL };

const char *const nr_smtp_status[] = { "accepted", "deferred", "rejected", "aborted",
				       NULL };

NR_TABLE_DEFINE(SMTP, smtp, NR_R_SESSION, indexes,
		"mails (SMTP, LMTP), and mail connections without one", NR_FIELDS_SMTP);

enum {
	HEADER_LINE_MAX = 4096,
	HEADER_MAX = 4096, /* of one header, unfolded */
	LIST_MAX = 64 << 10,
};

/* -- headers -- */

static const struct {
	const char *name;
	uint8_t header;
} headers[] = {
	{ "subject", NR_SMTP_H_SUBJECT },
	{ "from", NR_SMTP_H_FROM },
	{ "to", NR_SMTP_H_TO },
	{ "cc", NR_SMTP_H_CC },
	{ "reply-to", NR_SMTP_H_REPLY_TO },
	{ "message-id", NR_SMTP_H_MESSAGE_ID },
	{ "in-reply-to", NR_SMTP_H_IN_REPLY_TO },
	{ "date", NR_SMTP_H_DATE },
	{ "user-agent", NR_SMTP_H_USER_AGENT },
	{ "x-mailer", NR_SMTP_H_USER_AGENT },
	{ "x-originating-ip", NR_SMTP_H_ORIGINATING_IP },
};

static uint8_t header_of(const char *name, size_t n)
{
	while (n && (name[n - 1] == ' ' || name[n - 1] == '\t'))
		n--; /* obsolete, but sent (RFC 5322, 4.5) */
	for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++) {
		if (nr_word_is(name, n, headers[i].name))
			return headers[i].header;
	}
	return NR_SMTP_H_NONE;
}

/* The first of a name counts; where it was already read the others are of no interest. */
static bool add_value(struct nr_smtp_content *c, struct nr_smtp_mail *m,
		      struct nr_account *a, const struct nr_piece *line, size_t skip)
{
	const char *p = (const char *)line->p;
	size_t n = line->len;

	if (c->header == NR_SMTP_H_NONE)
		return true;
	m->header[c->header].cut += line->cut;
	return nr_kept_add(&m->header[c->header], a, p + skip, n - skip, HEADER_MAX);
}

static bool header_line(struct nr_smtp_content *c, struct nr_smtp_mail *m,
			struct nr_account *a, const struct nr_piece *line)
{
	const char *p = (const char *)line->p, *colon;
	size_t n = line->len, at;

	if (!n) {
		c->in_body = true;
		return true;
	}
	if (*p == ' ' || *p == '\t')
		return add_value(c, m, a, line, 0);
	colon = memchr(p, ':', n);
	if (!colon) { /* no header: the body of a mail without any */
		c->in_body = true;
		return true;
	}
	c->header = header_of(p, (size_t)(colon - p));
	if (c->header < NR_SMTP_HEADERS && m->header[c->header].p)
		c->header = NR_SMTP_H_NONE;
	for (at = (size_t)(colon - p) + 1; at < n && (p[at] == ' ' || p[at] == '\t');)
		at++;
	return add_value(c, m, a, line, at);
}

void nr_smtp_content_begin(struct nr_smtp_content *c)
{
	struct nr_gather line = c->line;

	nr_gather_clear(&line);
	*c = (struct nr_smtp_content){ .line = line, .header = NR_SMTP_H_NONE };
}

void nr_smtp_content_free(struct nr_smtp_content *c, struct nr_account *a)
{
	nr_gather_free(&c->line, a);
}

bool nr_smtp_content_feed(struct nr_smtp_content *c, struct nr_smtp_mail *m,
			  struct nr_account *a, const uint8_t *p, size_t n)
{
	struct nr_cursor in = nr_cursor(p, n);
	struct nr_piece line;

	m->bytes += n;
	while (!c->in_body && nr_left(&in)) {
		switch (nr_gather_line(&c->line, a, &in, HEADER_LINE_MAX, &line)) {
		case NR_G_NO_MEM:
			return false;
		case NR_G_WHOLE:
			if (!header_line(c, m, a, &line))
				return false;
			break;
		case NR_G_MORE:
		default:
			break;
		}
	}
	return true;
}

/* -- dots -- */

/* Where in a line the next byte stands. */
enum dot {
	AT_LINE,   /* at its beginning */
	AT_DOT,    /* behind its first byte, a dot */
	AT_DOT_CR, /* behind a dot and CR */
	IN_LINE,
};

void nr_smtp_content_gap(struct nr_smtp_content *c)
{
	c->in_body = true;
	c->dot = IN_LINE;
	c->was_cr = false;
}

/* Up to and with the end of the line, or all there is. */
static bool feed_line(struct nr_smtp_content *c, struct nr_smtp_mail *m,
		      struct nr_account *a, struct nr_cursor *in)
{
	const uint8_t *p = in->p, *lf = memchr(p, '\n', nr_left(in));
	size_t n = lf ? (size_t)(lf - p) + 1 : nr_left(in);

	in->p += n;
	if (lf) {
		c->bare_lf = n > 1 ? lf[-1] != '\r' : !c->was_cr;
		c->dot = AT_LINE;
	}
	c->was_cr = p[n - 1] == '\r';
	return nr_smtp_content_feed(c, m, a, p, n);
}

/* The line was "." and ended; LF alone beside it makes servers disagree. */
static enum nr_smtp_data data_end(struct nr_smtp_content *c, bool crlf)
{
	c->smuggled = c->bare_lf || !crlf;
	return NR_SMTP_DATA_END;
}

enum nr_smtp_data nr_smtp_content_data(struct nr_smtp_content *c, struct nr_smtp_mail *m,
				       struct nr_account *a, struct nr_cursor *in)
{
	while (nr_left(in)) {
		uint8_t b = *in->p;
		bool ok = true;

		switch ((enum dot)c->dot) {
		case AT_LINE:
			c->dot = b == '.' ? AT_DOT : IN_LINE;
			in->p += b == '.';
			continue;
		case AT_DOT:
			in->p += b == '\r' || b == '\n';
			if (b == '\n')
				return data_end(c, false);
			c->dot = b == '\r' ? AT_DOT_CR : IN_LINE;
			c->was_cr = false;
			continue;
		case AT_DOT_CR:
			if (b == '\n') {
				in->p++;
				return data_end(c, true);
			}
			c->dot = IN_LINE;
			c->was_cr = true;
			ok = nr_smtp_content_feed(c, m, a, (const uint8_t *)"\r", 1);
			break;
		case IN_LINE:
		default:
			ok = feed_line(c, m, a, in);
			break;
		}
		if (!ok)
			return NR_SMTP_DATA_NO_MEM;
	}
	return NR_SMTP_DATA_MORE;
}

/* -- the row -- */

bool nr_smtp_path(const char *arg, size_t n, const char *prefix, const char **path,
		  size_t *path_len)
{
	const char *p = arg, *end = arg + n, *from;
	bool quoted = false;

	if (!nr_word_begins(arg, n, prefix))
		return false;
	p += strlen(prefix);
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	from = p;
	if (p < end && *p == '<') {
		for (from = ++p; p < end && (quoted || *p != '>'); p++) {
			if (*p == '"')
				quoted = !quoted;
			else if (*p == '\\' && end - p > 1)
				p++;
		}
	} else {
		while (p < end && *p != ' ' && *p != '\t')
			p++;
	}
	*path = from;
	*path_len = (size_t)(p - from);
	return true;
}

bool nr_smtp_list_add(struct nr_kept *t, struct nr_account *a, const char *json, size_t n)
{
	uint32_t before = t->len;

	if (t->cut || t->len + n + 1 > LIST_MAX) {
		t->cut += n;
		return true;
	}
	if ((!before || nr_kept_add(t, a, ",", 1, LIST_MAX)) &&
	    nr_kept_add(t, a, json, n, LIST_MAX))
		return true;
	t->len = before; /* no comma without what it separates */
	t->cut += n;
	return false;
}

static void put_text(struct nr_parse *p, struct nr_record *r, unsigned field,
		     const struct nr_kept *t)
{
	if (t->p)
		nr_parse_text(p, r, field, t->p, t->len);
}

static void put_list(struct nr_parse *p, struct nr_record *r, unsigned field,
		     const struct nr_kept *t)
{
	char *list = nr_arena_alloc(p->arena, t->len + 2u);

	if (!t->len)
		return;
	list[0] = '[';
	memcpy(list + 1, t->p, t->len);
	list[t->len + 1] = ']';
	nr_set_text(r, field, list, t->len + 2u);
}

static bool is_cut(const struct nr_smtp_mail *m)
{
	uint64_t cut = m->helo.cut + m->from.cut + m->rcpts.cut + m->commands.cut +
		       m->last_reply.cut;

	for (unsigned i = 0; i < NR_SMTP_HEADERS; i++)
		cut += m->header[i].cut;
	return cut > 0;
}

void nr_smtp_put_mail(struct nr_parse *p, const struct nr_smtp_mail *m)
{
	static const unsigned fields[NR_SMTP_HEADERS] = {
		[NR_SMTP_H_SUBJECT] = NR_SMTP_subject,
		[NR_SMTP_H_FROM] = NR_SMTP_header_from,
		[NR_SMTP_H_TO] = NR_SMTP_header_to,
		[NR_SMTP_H_CC] = NR_SMTP_cc,
		[NR_SMTP_H_REPLY_TO] = NR_SMTP_reply_to,
		[NR_SMTP_H_MESSAGE_ID] = NR_SMTP_message_id,
		[NR_SMTP_H_IN_REPLY_TO] = NR_SMTP_in_reply_to,
		[NR_SMTP_H_DATE] = NR_SMTP_date,
		[NR_SMTP_H_USER_AGENT] = NR_SMTP_user_agent,
		[NR_SMTP_H_ORIGINATING_IP] = NR_SMTP_x_originating_ip,
	};
	struct nr_record *r = nr_parse_record(p, &nr_rt_smtp);
	bool open = m->has_mail && m->status == NR_SMTP_OPEN;

	nr_set_int(r, NR_SMTP_source_id, m->source_id);
	nr_set_int(r, NR_SMTP_packet, (int64_t)m->packet);
	nr_set_int(r, NR_SMTP_ts_ns, m->ts_ns);
	nr_set_int(r, NR_SMTP_trans_depth, m->depth);
	nr_set_int(r, NR_SMTP_begin_ns, m->begin_ns);
	put_text(p, r, NR_SMTP_helo, &m->helo);
	if (m->has_mail)
		nr_parse_text(p, r, NR_SMTP_mail_from, m->from.p ? m->from.p : "",
			      m->from.len);
	put_list(p, r, NR_SMTP_rcpt_to, &m->rcpts);
	for (unsigned i = 0; i < NR_SMTP_HEADERS; i++)
		put_text(p, r, fields[i], &m->header[i]);
	put_list(p, r, NR_SMTP_commands, &m->commands);
	nr_set_int(r, NR_SMTP_n_commands, m->n_commands);
	put_text(p, r, NR_SMTP_last_reply, &m->last_reply);
	if (m->has_mail && m->status != NR_SMTP_OPEN)
		nr_set_str(r, NR_SMTP_status, nr_smtp_status[m->status - 1]);
	nr_set_int(r, NR_SMTP_starttls, m->starttls);
	if (m->has_content)
		nr_set_int(r, NR_SMTP_bytes, (int64_t)m->bytes);
	nr_set_int(r, NR_SMTP_complete, !open && !m->broken && !is_cut(m));
}

static void swap(struct nr_kept *a, struct nr_kept *b)
{
	struct nr_kept c = *a;

	*a = *b;
	*b = c;
}

bool nr_smtp_mail_go_on(struct nr_smtp_mail *m, struct nr_smtp_mail *before,
			struct nr_account *a)
{
	swap(&m->from, &before->from);
	swap(&m->rcpts, &before->rcpts);
	swap(&m->commands, &before->commands);
	m->depth = before->depth;
	m->n_commands += before->n_commands;
	m->n_accepted = before->n_accepted;
	m->begin_ns = before->begin_ns;
	m->status = before->status;
	m->accepted = true;
	m->broken |= before->broken;
	m->starttls |= before->starttls;
	m->rcpts.cut += before->rcpts.cut;
	m->bytes += before->bytes;
	m->refused |= before->refused && !m->has_content;
	m->has_content |= before->has_content;
	for (unsigned i = 0; i < NR_SMTP_HEADERS; i++) {
		if (before->header[i].p)
			swap(&m->header[i], &before->header[i]);
	}
	return !before->rcpts.len ||
	       nr_smtp_list_add(&m->rcpts, a, before->rcpts.p, before->rcpts.len);
}

void nr_smtp_mail_forget_content(struct nr_smtp_mail *m, struct nr_account *a)
{
	for (unsigned i = 0; i < NR_SMTP_HEADERS; i++)
		nr_kept_free(&m->header[i], a);
	m->bytes = 0;
	m->has_content = false;
	m->refused = false;
}

void nr_smtp_mail_free(struct nr_smtp_mail *m, struct nr_account *a)
{
	nr_kept_free(&m->helo, a);
	nr_kept_free(&m->from, a);
	nr_kept_free(&m->rcpts, a);
	nr_kept_free(&m->commands, a);
	nr_kept_free(&m->last_reply, a);
	for (unsigned i = 0; i < NR_SMTP_HEADERS; i++)
		nr_kept_free(&m->header[i], a);
	nr_account_free(a, m, sizeof(*m));
}
