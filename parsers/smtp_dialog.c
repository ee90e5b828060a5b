/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a client sends is read at once and makes the mail; what became of it is known when
 * the reply comes, perhaps much later (RFC 2920). So commands wait for their replies in
 * order, each with the mail it belongs to; a mail is written when the first reply to a
 * command of the next one comes, or at the end, and holds what was said in between.
 */
#include "smtp_dialog.h"

#include "base/text.h"

const char *const nr_smtp_verbs[] = { "HELO", "EHLO", "LHLO",    "MAIL",     "RCPT",
				      "DATA", "BDAT", "AUTH",    "STARTTLS", "RSET",
				      "QUIT", "NOOP", "VRFY",    "EXPN",     "HELP",
				      "ETRN", "TURN", "ATRN",    "SEND",     "SOML",
				      "SAML", "BURL", "XCLIENT", "XFORWARD", "X-EXPS",
				      NULL };

/* -- mails and commands -- */

void nr_smtp_stamp(const struct nr_parse *p, struct nr_smtp_mail *m)
{
	if (!m->touched)
		m->begin_ns = p->ts_ns;
	m->touched = true;
	if (m->done)
		return;
	m->source_id = p->source_id;
	m->packet = p->packet;
	m->ts_ns = p->ts_ns;
}

/* A mail behind those there are; the connection's first one begins with it. */
bool nr_smtp_add_mail(struct nr_parse *p, struct nr_smtp *s)
{
	struct nr_smtp_mail *m = nr_account_alloc(p->account, sizeof(*m)), *before;

	if (!m)
		return false;
	before = s->mail;
	if (before)
		before->next = m;
	else
		s->mails = m;
	s->mail = m;
	m->depth = before ? before->depth + 1 : 1;
	return !before || !before->helo.p ||
	       nr_kept_set(&m->helo, p->account, before->helo.p, before->helo.len,
			   NR_SMTP_TEXT_MAX);
}

void nr_smtp_write_first(struct nr_parse *p, struct nr_smtp *s)
{
	struct nr_smtp_mail *m = s->mails;

	s->mails = m->next;
	if (!s->mails)
		s->mail = NULL;
	if (m->touched)
		nr_smtp_put_mail(p, m);
	nr_smtp_mail_free(m, p->account);
}

/* From whoever takes this for POP3 or FTP. */
static bool is_pass(const struct nr_command *c)
{
	return nr_word_is(c->verb, c->verb_len, "PASS");
}

static struct nr_smtp_command *push(struct nr_parse *p, struct nr_smtp *s,
				    enum nr_smtp_verb verb, const struct nr_piece *line)
{
	struct nr_smtp_command *cmd;

	while (s->n_pending >= NR_SMTP_PENDING_MAX ||
	       (s->n_pending && line &&
		s->pending_len + line->len > NR_SMTP_PENDING_BYTES)) {
		if (nr_smtp_owe(p, s) != NR_MORE)
			return NULL;
	}
	cmd = nr_account_alloc(p->account, sizeof(*cmd));
	if (!cmd)
		return NULL;
	if (s->last)
		s->last->next = cmd;
	else
		s->first = cmd;
	s->last = cmd;
	s->n_pending++;
	cmd->verb = (uint8_t)verb;
	cmd->mail = s->mail;
	cmd->packet = p->packet;
	cmd->in_mail = s->mail->has_mail;
	nr_smtp_stamp(p, s->mail);
	if (!line)
		return cmd;
	if (!nr_kept_add(&cmd->line, p->account, line->p, line->len, NR_SMTP_LINE_MAX))
		return NULL;
	cmd->line.cut += line->cut;
	s->pending_len += cmd->line.len;
	return cmd;
}

/* -- content -- */

static bool data_done(struct nr_parse *p, struct nr_smtp *s)
{
	s->mode = NR_SMTP_AT_COMMAND;
	s->mail->ended = true;
	if (s->content.smuggled)
		nr_parse_anomaly(p, NR_ANOM_SMTP_SMUGGLING, !s->server, NULL);
	if (s->early) { /* answered before its end came by */
		s->early = false;
		return true;
	}
	return push(p, s, NR_SMTP_V_CONTENT, NULL) != NULL;
}

static void begin_content(struct nr_parse *p, struct nr_smtp *s)
{
	if (s->mail->refused)
		nr_smtp_mail_forget_content(s->mail, p->account);
	if (!s->mail->has_content)
		nr_smtp_content_begin(&s->content);
	s->mail->has_content = true;
}

void nr_smtp_begin_data(struct nr_parse *p, struct nr_smtp *s)
{
	s->mode = NR_SMTP_IN_DATA;
	s->early = false;
	s->data_gap = false;
	begin_content(p, s);
}

enum nr_verdict nr_smtp_in_data(struct nr_parse *p, struct nr_smtp *s,
				struct nr_cursor *in)
{
	nr_smtp_stamp(p, s->mail);
	switch (nr_smtp_content_data(&s->content, s->mail, p->account, in)) {
	case NR_SMTP_DATA_NO_MEM:
		return NR_OVERFLOW;
	case NR_SMTP_DATA_END:
		return data_done(p, s) ? NR_MORE : NR_OVERFLOW;
	case NR_SMTP_DATA_MORE:
	default:
		return NR_MORE;
	}
}

enum nr_verdict nr_smtp_in_chunk(struct nr_parse *p, struct nr_smtp *s,
				 struct nr_cursor *in)
{
	size_t n = nr_left(in) < s->chunk_left ? nr_left(in) : (size_t)s->chunk_left;

	nr_smtp_stamp(p, s->mail);
	s->chunk_left -= n;
	if (!s->chunk_left)
		s->mode = NR_SMTP_AT_COMMAND;
	return nr_smtp_content_feed(&s->content, s->mail, p->account, nr_take(in, n), n)
		       ? NR_MORE
		       : NR_OVERFLOW;
}

/* -- the client -- */

enum nr_smtp_verb nr_smtp_verb_of(const struct nr_command *c)
{
	if (nr_word_is(c->verb, c->verb_len, "X-EXPS")) /* AUTH among Exchange servers */
		return NR_SMTP_V_AUTH;
	for (unsigned i = 0; nr_smtp_verbs[i]; i++) {
		if (nr_word_is(c->verb, c->verb_len, nr_smtp_verbs[i]))
			return i + NR_SMTP_V_HELO < NR_SMTP_V_OTHER
				       ? (enum nr_smtp_verb)(i + NR_SMTP_V_HELO)
				       : NR_SMTP_V_OTHER;
	}
	return NR_SMTP_V_UNKNOWN;
}

static bool add_recipient(struct nr_parse *p, struct nr_smtp *s,
			  const struct nr_command *c)
{
	const char *path;
	struct nr_buf b = { 0 };
	size_t n;
	bool ok;

	if (!nr_smtp_path(c->arg, c->arg_len, "TO:", &path, &n))
		return true;
	nr_buf_json(&b, path, n);
	ok = nr_smtp_list_add(&s->mail->rcpts, p->account, b.p, b.len);
	nr_buf_fini(&b);
	return ok;
}

static bool begin_mail(struct nr_parse *p, struct nr_smtp *s, const struct nr_command *c)
{
	const char *path;
	size_t n;

	if (!nr_smtp_path(c->arg, c->arg_len, "FROM:", &path, &n))
		return true;
	if ((s->mail->has_mail || s->mail->has_content || s->mail->rcpts.len) &&
	    !nr_smtp_add_mail(p, s))
		return false;
	s->mail->has_mail = true;
	return nr_kept_set(&s->mail->from, p->account, path, n, NR_SMTP_TEXT_MAX);
}

/* BDAT size [LAST] (RFC 3030). False where it is not that. */
static bool read_chunk(const struct nr_command *c, uint64_t *size, bool *last)
{
	struct nr_command a = nr_command_split(c->arg, c->arg_len);
	uint64_t v = 0;

	if (!a.verb_len || a.verb_len > 18)
		return false;
	for (size_t i = 0; i < a.verb_len; i++) {
		if (a.verb[i] < '0' || a.verb[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(a.verb[i] - '0');
	}
	*size = v;
	*last = nr_word_is(a.arg, a.arg_len, "LAST");
	return *last || !a.arg_len;
}

static void begin_chunk(struct nr_parse *p, struct nr_smtp *s,
			struct nr_smtp_command *cmd, const struct nr_command *c)
{
	uint64_t size;
	bool last;

	if (!read_chunk(c, &size, &last))
		return;
	begin_content(p, s);
	cmd->chunk = true;
	cmd->last = last;
	s->mail->ended |= last;
	s->chunk_left = size;
	if (size)
		s->mode = NR_SMTP_IN_CHUNK;
}

/* What belongs to a mail; behind one that is over it belongs to none before. */
static bool is_of_mail(enum nr_smtp_verb verb)
{
	return verb == NR_SMTP_V_RCPT || verb == NR_SMTP_V_DATA || verb == NR_SMTP_V_BDAT;
}

static enum nr_verdict command(struct nr_parse *p, struct nr_smtp *s,
			       const struct nr_piece *line)
{
	struct nr_command c = nr_command_split(line->p, line->len);
	enum nr_smtp_verb verb = nr_smtp_verb_of(&c);
	struct nr_smtp_command *cmd;
	bool ok = nr_smtp_trust(p, s) == NR_MORE;

	if (!ok)
		return NR_OVERFLOW;
	if (verb == NR_SMTP_V_MAIL && !begin_mail(p, s, &c))
		return NR_OVERFLOW;
	if (is_of_mail(verb) && (s->mail->ended || s->mail->done) &&
	    !nr_smtp_add_mail(p, s))
		return NR_OVERFLOW;
	cmd = push(p, s, verb, line);
	if (!cmd)
		return NR_OVERFLOW;
	c = nr_command_split(cmd->line.p, cmd->line.len);
	if (verb != NR_SMTP_V_UNKNOWN)
		s->near_auth = verb == NR_SMTP_V_AUTH;
	cmd->near_auth = s->near_auth || s->mid || s->lost;
	s->tls_asked = verb == NR_SMTP_V_STARTTLS;
	if (verb == NR_SMTP_V_HELO || verb == NR_SMTP_V_EHLO || verb == NR_SMTP_V_LHLO) {
		s->lmtp = verb == NR_SMTP_V_LHLO;
		ok = !c.arg_len || nr_kept_set(&s->mail->helo, p->account, c.arg,
					       c.arg_len, NR_SMTP_TEXT_MAX);
	} else if (verb == NR_SMTP_V_RSET) {
		s->mail->ended |= s->mail->has_mail; /* no server refuses it */
	} else if (verb == NR_SMTP_V_RCPT) {
		ok = add_recipient(p, s, &c);
	} else if (verb == NR_SMTP_V_DATA) {
		s->mode = NR_SMTP_AT_DATA;
		s->n_peek = 0;
	} else if (verb == NR_SMTP_V_BDAT) {
		begin_chunk(p, s, cmd, &c);
	} else if (verb == NR_SMTP_V_AUTH) {
		ok = nr_smtp_auth_begin(p, &s->auth, c.arg, c.arg_len);
		cmd->auth = s->auth.number;
	} else if (is_pass(&c)) {
		cmd->is_pass = true;
		ok = nr_kept_set(&s->auth.secret, p->account, c.arg, c.arg_len,
				 NR_SMTP_AUTH_MAX);
	}
	return ok ? NR_MORE : NR_OVERFLOW;
}

/*
 * No answer to a challenge, which is base64, "=" or "*" (RFC 4954, 4): a command with
 * something behind it, or one whose word alone would be no text in base64.
 */
static bool leaves_auth(const struct nr_piece *line)
{
	struct nr_command c = nr_command_split(line->p, line->len);
	enum nr_smtp_verb verb = nr_smtp_verb_of(&c);

	if (verb == NR_SMTP_V_UNKNOWN)
		return false;
	return verb != NR_SMTP_V_OTHER || c.arg_len ||
	       nr_word_is(c.verb, c.verb_len, "NOOP");
}

/* The AUTH that waits is not over, whatever a gap held; what was before it is. */
static bool auth_goes_on(struct nr_parse *p, struct nr_smtp *s)
{
	bool waits = s->last && s->last->verb == NR_SMTP_V_AUTH;
	bool ok = !s->n_doubtful || nr_smtp_give_up(p, s, waits) == NR_MORE;

	s->n_doubtful = 0;
	return ok;
}

enum nr_verdict nr_smtp_client_line(struct nr_parse *p, struct nr_smtp *s,
				    const struct nr_piece *line)
{
	if (s->auth.left && leaves_auth(line)) /* it was refused; that was not seen */
		nr_smtp_auth_end(p, &s->auth, 0);
	if (s->auth.left) {
		if (!auth_goes_on(p, s))
			return NR_OVERFLOW;
		nr_smtp_stamp(p, s->mail);
		return nr_smtp_auth_line(p, &s->auth, (const char *)line->p, line->len)
			       ? NR_MORE
			       : NR_OVERFLOW;
	}
	return line->len ? command(p, s, line) : NR_MORE;
}
