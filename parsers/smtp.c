/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SMTP and LMTP (RFC 5321, 2033): the dialogue. One row a mail.
 *
 * What a client sends is read at once and makes the mail; what became of it is known when
 * the reply comes, perhaps much later (RFC 2920). So commands wait for their replies in
 * order, each with the mail it belongs to; a mail is written when the first reply to a
 * command of the next one comes, or at the end, and holds what was said in between.
 */
#include "smtp.h"

#include "base/text.h"
#include "credential.h"

#include <string.h>

enum {
	LINE_MAX = 8192, /* AUTH lines are long (RFC 4954, 4) */
	REPLY_MAX = 4096,
	TEXT_MAX = 4096,
	PENDING_MAX = 128,
	BAD_MAX = 16,
};

enum verb {
	V_UNKNOWN,
	V_HELO,
	V_EHLO,
	V_LHLO,
	V_MAIL,
	V_RCPT,
	V_DATA,
	V_BDAT,
	V_AUTH,
	V_STARTTLS,
	V_RSET,
	V_QUIT,
	V_OTHER,
	V_CONTENT, /* no command: the end of DATA, which has a reply of its own */
};

static const char *const verbs[] = { "HELO", "EHLO", "LHLO",    "MAIL",     "RCPT",
				     "DATA", "BDAT", "AUTH",    "STARTTLS", "RSET",
				     "QUIT", "NOOP", "VRFY",    "EXPN",     "HELP",
				     "ETRN", "TURN", "ATRN",    "SEND",     "SOML",
				     "SAML", "BURL", "XCLIENT", "XFORWARD", "X-EXPS",
				     NULL };

struct command {
	struct command *next;
	struct nr_smtp_mail *mail;
	struct nr_kept line;
	uint64_t packet;
	uint32_t replies; /* LMTP: that are still to come */
	uint8_t verb;     /* enum verb */
	bool last;        /* BDAT … LAST */
	bool in_mail;     /* MAIL was said before it */
};

enum mode {
	AT_COMMAND,
	AT_DATA, /* DATA was said and not yet answered */
	IN_DATA,
	IN_CHUNK,
};

struct smtp {
	struct nr_gather line[2];
	struct nr_reply reply;
	struct command *first, *last;      /* waiting for replies */
	struct nr_smtp_mail *mails, *mail; /* oldest and newest */
	struct nr_smtp_content content;
	struct nr_smtp_auth auth;
	uint64_t chunk_left;
	uint32_t n_pending, n_replies;
	uint8_t server, mode; /* enum mode */
	uint8_t n_peek;
	uint8_t peek[12]; /* first bytes behind a DATA that was not answered */
	bool roles_known, lmtp;
	bool tls_asked;  /* the last command was STARTTLS */
	bool tls_agreed; /* the last line was its 220 */
	bool early;      /* the reply to the end of DATA came before that end */
	bool data_gap;   /* in the present DATA */
	bool skip[2];    /* behind a gap: to a line that can be one */
};

/* -- choice -- */

/* A mail server's first line: 1 it says so, 0 perhaps, -1 no. */
static int is_greeting(const uint8_t *d, size_t n)
{
	unsigned code = nr_reply_code(d, n);
	const char *t = (const char *)d;

	if (code != 220 && code != 554 && code != 421)
		return -1;
	if (nr_word_in(t, n, "smtp") || nr_word_in(t, n, "lmtp"))
		return 1;
	return 0;
}

static enum nr_probe_result probe_server(const struct nr_probe *in, unsigned side)
{
	const uint8_t *d = in->data[side];
	size_t n = in->len[side];
	int greeting;

	if (!n || (n < 4 && d[0] >= '2' && d[0] <= '5'))
		return NR_PROBE_MORE;
	greeting = is_greeting(d, n);
	if (greeting < 0)
		return in->port_match && nr_reply_code(d, n) ? NR_PROBE_MAYBE
							     : NR_PROBE_NO;
	if (greeting > 0 && (in->port_match || in->last))
		return NR_PROBE_YES;
	return in->port_match ? NR_PROBE_MAYBE : NR_PROBE_MORE;
}

static enum nr_probe_result smtp_probe(const struct nr_probe *in)
{
	for (unsigned side = 0; side < 2; side++) {
		int word;

		if (!in->len[side])
			continue;
		word = nr_word_first(in->data[side], in->len[side], verbs);
		if (word == -2)
			return NR_PROBE_MORE;
		if (word < 0)
			continue;
		if (in->len[!side] && !nr_reply_code(in->data[!side], in->len[!side]))
			return in->len[!side] < 4 ? NR_PROBE_MORE : NR_PROBE_NO;
		if (word < V_MAIL - V_HELO || in->port_match)
			return NR_PROBE_YES;
		return NR_PROBE_NO;
	}
	if (in->len[0] && in->len[1])
		return in->port_match ? NR_PROBE_MAYBE : NR_PROBE_NO;
	return probe_server(in, in->len[0] ? 0 : 1);
}

/* -- mails and commands -- */

static void stamp(const struct nr_parse *p, struct nr_smtp_mail *m)
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
static bool add_mail(struct nr_parse *p, struct smtp *s)
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
			   TEXT_MAX);
}

static void write_first(struct nr_parse *p, struct smtp *s)
{
	struct nr_smtp_mail *m = s->mails;

	s->mails = m->next;
	if (!s->mails)
		s->mail = NULL;
	if (m->touched)
		nr_smtp_put_mail(p, m);
	nr_smtp_mail_free(m, p->account);
}

/* What stands in the rows of a command: nothing that may be a secret. */
static const char *safe_line(struct nr_parse *p, const struct command *cmd)
{
	struct nr_command c = nr_command_split(cmd->line.p, cmd->line.len), auth;
	size_t n = cmd->line.len, i = 0;

	if (cmd->verb == V_AUTH) {
		auth = nr_command_split(c.arg, c.arg_len);
		return nr_secret_mask(p, cmd->line.p, n, (size_t)(auth.arg - cmd->line.p),
				      auth.arg_len);
	}
	/* one word of base64: the answer to an AUTH that was not seen */
	while (cmd->verb == V_UNKNOWN && i < n &&
	       (cmd->line.p[i] == '+' || cmd->line.p[i] == '=' ||
		(cmd->line.p[i] >= '/' && cmd->line.p[i] <= '9') ||
		((cmd->line.p[i] | 32) >= 'a' && (cmd->line.p[i] | 32) <= 'z')))
		i++;
	return nr_secret_mask(p, cmd->line.p, n, 0, i == n && n % 4 == 0 ? n : 0);
}

static bool list_command(struct nr_parse *p, const struct command *cmd, unsigned code)
{
	struct nr_smtp_mail *m = cmd->mail;
	struct nr_command c = nr_command_split(safe_line(p, cmd), cmd->line.len);
	struct nr_buf b = { 0 };
	bool ok;

	m->n_commands++;
	nr_buf_str(&b, "{\"command\":");
	if (cmd->verb == V_UNKNOWN) {
		nr_buf_json(&b, c.verb, c.verb_len);
	} else {
		char verb[16];

		for (size_t i = 0; i < c.verb_len; i++) /* known ones are short */
			verb[i] = nr_upper(c.verb[i]);
		nr_buf_json(&b, verb, c.verb_len);
	}
	if (c.arg_len) {
		nr_buf_str(&b, ",\"argument\":");
		nr_buf_json(&b, c.arg, c.arg_len);
	}
	if (code)
		nr_buf_printf(&b, ",\"reply\":%u", code);
	nr_buf_str(&b, ",\"packet\":");
	nr_buf_int(&b, (int64_t)cmd->packet);
	nr_buf_char(&b, '}');
	m->commands.cut += cmd->line.cut;
	ok = nr_smtp_list_add(&m->commands, p->account, b.p, b.len);
	nr_buf_fini(&b);
	return ok;
}

static void free_command(struct nr_parse *p, struct command *cmd)
{
	nr_kept_free(&cmd->line, p->account);
	nr_account_free(p->account, cmd, sizeof(*cmd));
}

/* -- replies -- */

static enum nr_smtp_status status_of(unsigned code)
{
	if (!code)
		return NR_SMTP_OPEN;
	return code < 400   ? NR_SMTP_ACCEPTED
	       : code < 500 ? NR_SMTP_DEFERRED
			    : NR_SMTP_REJECTED;
}

/* Its last word is spoken. */
static void close_mail(struct nr_smtp_mail *m, enum nr_smtp_status status)
{
	if (!m->has_mail || m->done)
		return;
	/* one that was refused before it was given up is refused */
	if (status != NR_SMTP_ABORTED || m->status == NR_SMTP_OPEN)
		m->status = (uint8_t)status;
	m->done = true;
}

static bool set_reply(struct nr_parse *p, struct smtp *s, struct nr_smtp_mail *m)
{
	const struct nr_kept *t = &s->reply.text;
	char code[4] = { (char)('0' + s->reply.code / 100),
			 (char)('0' + s->reply.code / 10 % 10),
			 (char)('0' + s->reply.code % 10), ' ' };

	if (m->done)
		return true;
	stamp(p, m);
	if (!nr_kept_set(&m->last_reply, p->account, code, 4, REPLY_MAX) ||
	    !nr_kept_add(&m->last_reply, p->account,
			 nr_smtp_auth_echo(p, &s->auth, t->p ? t->p : "", t->len), t->len,
			 REPLY_MAX))
		return false;
	m->last_reply.cut += t->cut;
	return true;
}

/* DATA was refused, though its client may have gone on already. */
static void leave_data(struct smtp *s)
{
	if (s->mode == AT_DATA || s->mode == IN_DATA)
		s->mode = AT_COMMAND;
}

/* What a command with its reply does to its mail; code 0: none was seen. */
static void settle(struct nr_parse *p, struct smtp *s, struct command *cmd, unsigned code)
{
	struct nr_smtp_mail *m = cmd->mail;
	bool no = code >= 400;

	switch ((enum verb)cmd->verb) {
	case V_HELO:
	case V_EHLO:
	case V_LHLO:
	case V_RSET:
		if (!no && cmd->in_mail)
			close_mail(m, NR_SMTP_ABORTED);
		break;
	case V_MAIL:
		if (no && !m->done)
			m->status = (uint8_t)status_of(code);
		break;
	case V_RCPT:
		m->n_accepted += !no;
		if (!m->done)
			m->status = no && !m->n_accepted ? (uint8_t)status_of(code)
							 : NR_SMTP_OPEN;
		break;
	case V_DATA:
		if (no && !m->done)
			m->status = (uint8_t)status_of(code);
		break;
	case V_BDAT:
		if (no || cmd->last)
			close_mail(m, status_of(code));
		break;
	case V_CONTENT:
		close_mail(m, status_of(code));
		break;
	case V_AUTH:
		nr_smtp_auth_end(p, &s->auth, code);
		break;
	case V_STARTTLS:
		m->starttls = code == 220;
		break;
	case V_QUIT:
		if (m->has_mail && m->status == NR_SMTP_OPEN && !m->has_content)
			close_mail(m, NR_SMTP_ABORTED);
		break;
	case V_UNKNOWN:
	case V_OTHER:
	default:
		break;
	}
}

/* The oldest command is done; has_reply: s->reply holds its reply. */
static enum nr_verdict finish(struct nr_parse *p, struct smtp *s, bool has_reply)
{
	struct command *cmd = s->first;
	unsigned code = has_reply ? s->reply.code : 0;
	bool ok;

	while (s->mails != cmd->mail)
		write_first(p, s);
	ok = !has_reply || set_reply(p, s, cmd->mail);
	if (has_reply && cmd->replies > 1) { /* LMTP: one for each recipient */
		cmd->replies--;
		return ok ? NR_MORE : NR_OVERFLOW;
	}
	s->first = cmd->next;
	s->n_pending--;
	if (!s->first)
		s->last = NULL;
	settle(p, s, cmd, code);
	if (cmd->verb != V_CONTENT)
		ok = list_command(p, cmd, code) && ok;
	free_command(p, cmd);
	return ok ? NR_MORE : NR_OVERFLOW;
}

static enum nr_verdict give_up(struct nr_parse *p, struct smtp *s, unsigned n)
{
	enum nr_verdict worst = NR_MORE, v;

	while (s->n_pending > n) {
		v = finish(p, s, false);
		worst = v != NR_MORE ? v : worst;
	}
	return worst;
}

static struct command *push(struct nr_parse *p, struct smtp *s, enum verb verb,
			    const struct nr_piece *line)
{
	struct command *cmd;

	if (s->n_pending >= PENDING_MAX && give_up(p, s, PENDING_MAX - 1) != NR_MORE)
		return NULL;
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
	stamp(p, s->mail);
	if (!line)
		return cmd;
	cmd->line.cut = line->cut;
	return nr_kept_add(&cmd->line, p->account, line->p, line->len, LINE_MAX) ? cmd
										 : NULL;
}

/* -- content -- */

static bool data_done(struct nr_parse *p, struct smtp *s)
{
	struct command *cmd;

	s->mode = AT_COMMAND;
	if (s->content.smuggled)
		nr_parse_anomaly(p, NR_ANOM_SMTP_SMUGGLING, !s->server, NULL);
	if (s->early) { /* answered before its end came by */
		s->early = false;
		return true;
	}
	cmd = push(p, s, V_CONTENT, NULL);
	if (cmd && s->lmtp)
		cmd->replies = s->mail->n_accepted;
	return cmd != NULL;
}

static void begin_content(struct smtp *s)
{
	if (!s->mail->has_content)
		nr_smtp_content_begin(&s->content);
	s->mail->has_content = true;
}

static void begin_data(struct smtp *s)
{
	s->mode = IN_DATA;
	s->early = false;
	s->data_gap = false;
	begin_content(s);
}

static enum nr_verdict in_data(struct nr_parse *p, struct smtp *s, struct nr_cursor *in)
{
	stamp(p, s->mail);
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

static enum nr_verdict in_chunk(struct nr_parse *p, struct smtp *s, struct nr_cursor *in)
{
	size_t n = nr_left(in) < s->chunk_left ? nr_left(in) : (size_t)s->chunk_left;

	stamp(p, s->mail);
	s->chunk_left -= n;
	if (!s->chunk_left)
		s->mode = AT_COMMAND;
	return nr_smtp_content_feed(&s->content, s->mail, p->account, nr_take(in, n), n)
		       ? NR_MORE
		       : NR_OVERFLOW;
}

/* -- the client -- */

static enum verb verb_of(const struct nr_command *c)
{
	for (unsigned i = 0; verbs[i]; i++) {
		if (nr_word_is(c->verb, c->verb_len, verbs[i]))
			return i + V_HELO < V_OTHER ? (enum verb)(i + V_HELO) : V_OTHER;
	}
	return V_UNKNOWN;
}

static bool add_recipient(struct nr_parse *p, struct smtp *s, const struct nr_command *c)
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

static bool begin_mail(struct nr_parse *p, struct smtp *s, const struct nr_command *c)
{
	const char *path;
	size_t n;

	if (!nr_smtp_path(c->arg, c->arg_len, "FROM:", &path, &n))
		return true;
	if ((s->mail->has_mail || s->mail->has_content) && !add_mail(p, s))
		return false;
	s->mail->has_mail = true;
	return nr_kept_set(&s->mail->from, p->account, path, n, TEXT_MAX);
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

static void begin_chunk(struct smtp *s, struct command *cmd, const struct nr_command *c)
{
	uint64_t size;
	bool last;

	if (!read_chunk(c, &size, &last))
		return;
	begin_content(s);
	cmd->last = last;
	s->chunk_left = size;
	if (size)
		s->mode = IN_CHUNK;
}

static enum nr_verdict command(struct nr_parse *p, struct smtp *s,
			       const struct nr_piece *line)
{
	struct nr_command c = nr_command_split(line->p, line->len);
	enum verb verb = verb_of(&c);
	struct command *cmd;
	bool ok = true;

	if (verb == V_MAIL && !begin_mail(p, s, &c))
		return NR_OVERFLOW;
	cmd = push(p, s, verb, line);
	if (!cmd)
		return NR_OVERFLOW;
	c = nr_command_split(cmd->line.p, cmd->line.len);
	s->tls_asked = verb == V_STARTTLS;
	if (verb == V_HELO || verb == V_EHLO || verb == V_LHLO) {
		s->lmtp = verb == V_LHLO;
		ok = !c.arg_len ||
		     nr_kept_set(&s->mail->helo, p->account, c.arg, c.arg_len, TEXT_MAX);
	} else if (verb == V_RCPT) {
		ok = add_recipient(p, s, &c);
	} else if (verb == V_DATA) {
		s->mode = AT_DATA;
		s->n_peek = 0;
	} else if (verb == V_BDAT) {
		begin_chunk(s, cmd, &c);
	} else if (verb == V_AUTH) {
		ok = nr_smtp_auth_begin(p, &s->auth, c.arg, c.arg_len);
	}
	return ok ? NR_MORE : NR_OVERFLOW;
}

static enum nr_verdict client_line(struct nr_parse *p, struct smtp *s,
				   const struct nr_piece *line)
{
	if (s->auth.left) {
		stamp(p, s->mail);
		return nr_smtp_auth_line(p, &s->auth, (const char *)line->p, line->len)
			       ? NR_MORE
			       : NR_OVERFLOW;
	}
	return line->len ? command(p, s, line) : NR_MORE;
}

/* -- the server -- */

/* STARTTLS was accepted: what comes next should be TLS. */
static void agree_tls(struct nr_parse *p, struct smtp *s)
{
	s->tls_agreed = true;
	if (s->n_pending)
		nr_parse_anomaly(
			p, NR_ANOM_STARTTLS_INJECTION, !s->server,
			nr_arena_printf(p->arena, "{\"commands\":%u}", s->n_pending));
}

/* A reply that no command waits for: the greeting, or the command was not seen. */
static enum nr_verdict lone_reply(struct nr_parse *p, struct smtp *s)
{
	unsigned code = s->reply.code;

	if (!set_reply(p, s, s->mail))
		return NR_OVERFLOW;
	if (s->mode == IN_DATA && code >= 200 && code != 354) {
		close_mail(s->mail, status_of(code));
		s->early = !s->data_gap;
		if (s->data_gap) { /* the end of DATA was in the gap */
			s->mode = AT_COMMAND;
			s->skip[!s->server] = true;
		}
	} else if (code == 354 && s->mode == AT_COMMAND) {
		begin_data(s);
	}
	return NR_MORE;
}

/* Bytes that came behind DATA before its reply. */
static enum nr_verdict drop_peek(struct nr_parse *p, struct smtp *s)
{
	struct nr_cursor in = nr_cursor(s->peek, s->n_peek);

	s->n_peek = 0;
	return nr_left(&in) ? in_data(p, s, &in) : NR_MORE;
}

static enum nr_verdict whole_reply(struct nr_parse *p, struct smtp *s)
{
	unsigned code = s->reply.code;
	struct command *cmd = s->first;
	enum verb verb = cmd ? (enum verb)cmd->verb : V_UNKNOWN;
	enum nr_verdict v;

	/* a greeting that was late, or whose client did not wait for it */
	if (!s->n_replies++ && code == 220 && verb != V_STARTTLS)
		return lone_reply(p, s);
	if (code == 334 && (!cmd || verb == V_AUTH)) {
		nr_smtp_auth_challenge(&s->auth, s->reply.text.p ? s->reply.text.p : "",
				       s->reply.text.len);
		return NR_MORE;
	}
	if (!cmd && s->auth.active)
		nr_smtp_auth_end(p, &s->auth, code);
	if (!cmd)
		return lone_reply(p, s);
	v = finish(p, s, true);
	if (v != NR_MORE)
		return v;
	if (verb == V_DATA && code >= 400) {
		leave_data(s);
	} else if (verb == V_DATA && s->mode == AT_DATA) {
		begin_data(s);
		return drop_peek(p, s);
	} else if (verb == V_STARTTLS && code == 220) {
		agree_tls(p, s);
	}
	return NR_MORE;
}

static enum nr_verdict server_line(struct nr_parse *p, struct smtp *s,
				   const struct nr_piece *line)
{
	switch (nr_reply_line(&s->reply, p->account, line, REPLY_MAX)) {
	case NR_REPLY_BAD:
		return nr_reply_bad(p, &s->reply, NR_ANOM_SMTP_REPLY, s->server, line,
				    &s->auth.secret, BAD_MAX);
	case NR_REPLY_NO_MEM:
		return NR_OVERFLOW;
	case NR_REPLY_MORE:
		return NR_MORE;
	case NR_REPLY_WHOLE:
	default:
		return whole_reply(p, s);
	}
}

/* -- the stream -- */

/* The first line says who is who. False: this is not SMTP. */
static bool learn_roles(struct nr_parse *p, struct smtp *s, unsigned side,
			const struct nr_piece *line)
{
	struct nr_command c = nr_command_split(line->p, line->len);
	bool is_reply = nr_reply_code(line->p, line->len) != 0;

	if (!is_reply && verb_of(&c) == V_UNKNOWN &&
	    !(p->port[!side] == 25 || p->port[!side] == 587))
		return false;
	s->roles_known = true;
	s->reply.any_code = true;
	s->server = (uint8_t)(is_reply ? side : !side);
	nr_parse_service(p, "smtp");
	return true;
}

/* Most gaps end where a line does; what else comes first is the rest of one. */
static bool behind_gap(struct smtp *s, unsigned side, const struct nr_piece *line)
{
	struct nr_command c = nr_command_split(line->p, line->len);
	bool good = verb_of(&c) != V_UNKNOWN;

	if (!s->roles_known || side == s->server)
		good = nr_reply_code(line->p, line->len) != 0 ||
		       (!s->roles_known && good);
	s->skip[side] = !good;
	return good;
}

static enum nr_verdict smtp_line(struct nr_parse *p, struct smtp *s, unsigned side,
				 const struct nr_piece *line)
{
	s->tls_agreed = false; /* in the clear, all the same */
	if (s->skip[side] && !behind_gap(s, side, line))
		return NR_MORE;
	if (!s->roles_known && !line->len)
		return NR_MORE;
	if (!s->roles_known && !learn_roles(p, s, side, line))
		return NR_NOT_MINE;
	if (!s->mail && !add_mail(p, s))
		return NR_OVERFLOW;
	return side == s->server ? server_line(p, s, line) : client_line(p, s, line);
}

/*
 * A TLS record instead of a line. Not all that was agreed comes: a capture may hold the
 * decrypted text. And not all of the agreement may be seen.
 */
static bool tls_begins(const struct smtp *s, unsigned side, const struct nr_cursor *in)
{
	if (*in->p != 0x16 || nr_gathered_len(&s->line[side]) || s->line[side].cut)
		return false;
	if (s->tls_agreed)
		return true;
	return side == s->server ? s->n_replies > 1 && s->reply.code == 220
				 : s->tls_asked;
}

static enum nr_verdict line_step(struct nr_parse *p, struct smtp *s, unsigned side,
				 struct nr_cursor *in)
{
	struct nr_piece line;

	if (s->roles_known && tls_begins(s, side, in)) {
		if (s->mail)
			s->mail->starttls = true;
		return nr_parse_hand_over(p, "tls", in->p, nr_left(in));
	}
	switch (nr_gather_line(&s->line[side], p->account, in, LINE_MAX, &line)) {
	case NR_G_NO_MEM:
		return NR_OVERFLOW;
	case NR_G_WHOLE:
		return smtp_line(p, s, side, &line);
	case NR_G_MORE:
	default:
		return NR_MORE;
	}
}

/*
 * The client goes on behind DATA, and no reply was seen: either the mail comes, and the
 * server's side is missing or late, or it is a command, because DATA was refused.
 */
static enum nr_verdict behind_data(struct nr_parse *p, struct smtp *s,
				   struct nr_cursor *in)
{
	static const char *const words[] = { "QUIT", "RSET", "NOOP", "EHLO",
					     "HELO", "MAIL", "RCPT", NULL };
	struct nr_cursor peek;
	int word = -2;

	while (word == -2 && nr_left(in) && s->n_peek < sizeof(s->peek)) {
		s->peek[s->n_peek++] = *nr_take(in, 1);
		word = nr_word_first(s->peek, s->n_peek, words);
	}
	if (word == -2)
		return NR_MORE;
	if (word < 0) {
		begin_data(s);
		return drop_peek(p, s);
	}
	s->mode = AT_COMMAND;
	peek = nr_cursor(s->peek, s->n_peek);
	s->n_peek = 0;
	return line_step(p, s, !s->server, &peek);
}

static enum nr_verdict step(struct nr_parse *p, struct smtp *s, unsigned side,
			    struct nr_cursor *in)
{
	if (!s->roles_known || side == s->server)
		return line_step(p, s, side, in);
	switch ((enum mode)s->mode) {
	case AT_DATA:
		return behind_data(p, s, in);
	case IN_DATA:
		return in_data(p, s, in);
	case IN_CHUNK:
		return in_chunk(p, s, in);
	case AT_COMMAND:
	default:
		return line_step(p, s, side, in);
	}
}

static enum nr_verdict smtp_data(struct nr_parse *p, void *ctx, unsigned side,
				 const uint8_t *data, size_t len)
{
	struct smtp *s = ctx;
	struct nr_cursor in = nr_cursor(data, len);

	while (nr_left(&in)) {
		enum nr_verdict v = step(p, s, side, &in);

		if (v != NR_MORE)
			return v;
	}
	return NR_MORE;
}

static void client_gap(struct smtp *s, uint64_t n)
{
	if (s->mail)
		s->mail->broken = true;
	switch ((enum mode)s->mode) {
	case IN_CHUNK:
		nr_smtp_content_gap(&s->content);
		if (n < s->chunk_left) {
			s->chunk_left -= n;
			return;
		}
		s->mode = AT_COMMAND;
		s->skip[!s->server] = n > s->chunk_left;
		return;
	case AT_DATA:
		begin_data(s);
		break;
	case IN_DATA:
		break;
	case AT_COMMAND:
	default:
		s->skip[!s->server] = true;
		return;
	}
	nr_smtp_content_gap(&s->content);
	s->data_gap = true;
	if (s->early) { /* the end of DATA was in the gap */
		s->early = false;
		s->mode = AT_COMMAND;
		s->skip[!s->server] = true;
	}
}

static enum nr_verdict smtp_gap(struct nr_parse *p, void *ctx, unsigned side, uint64_t n)
{
	struct smtp *s = ctx;

	if (s->tls_agreed)
		return nr_parse_hand_over(p, "tls", NULL, 0);
	nr_gather_clear(&s->line[side]);
	if (s->roles_known && side != s->server) {
		client_gap(s, n);
		return NR_MORE;
	}
	s->skip[side] = true;
	if (s->roles_known && s->mail)
		s->mail->broken = true;
	if (s->reply.open && s->mail) { /* what was read of it counts */
		enum nr_verdict v = whole_reply(p, s);

		if (v != NR_MORE)
			return v;
	}
	nr_reply_clear(&s->reply);
	/* what was answered in the gap cannot be told: only the newest may still be */
	return s->n_pending > 1 ? give_up(p, s, 1) : NR_MORE;
}

static void smtp_end(struct nr_parse *p, void *ctx)
{
	struct smtp *s = ctx;
	struct nr_gather *g = &s->line[!s->server];

	if (s->mail && s->mode == AT_COMMAND && !s->skip[!s->server] &&
	    nr_gathered_len(g)) {
		struct nr_piece line = { .p = g->p, .len = g->len, .cut = g->cut };

		s->mail->broken = true;
		client_line(p, s, &line);
	}
	if (s->mail && (s->mode == IN_DATA || s->mode == IN_CHUNK))
		s->mail->broken = true;
	give_up(p, s, 0);
	nr_smtp_auth_end(p, &s->auth, 0);
	while (s->mails)
		write_first(p, s);
	nr_gather_free(&s->line[0], p->account);
	nr_gather_free(&s->line[1], p->account);
	nr_kept_free(&s->reply.text, p->account);
	nr_smtp_content_free(&s->content, p->account);
	nr_smtp_auth_free(&s->auth, p->account);
}

const struct nr_parser nr_parser_smtp = {
	.name = "smtp",
	.about = "Simple Mail Transfer Protocol and LMTP (RFC 5321, 2033)",
	.transports = NR_ON_TCP,
	.ports = (const uint16_t[]){ 25, 587, 2525, 24, 0 },
	.services = (const char *const[]){ "smtp", NULL },
	.records = (const struct nr_record_type *const[]){ &nr_rt_smtp, &nr_rt_credential,
							   NULL },
	.caps =
		(const struct nr_parser_cap[]){
			{ "bytes of a command line", LINE_MAX, "cut; complete = 0" },
			{ "bytes of a reply or a header", REPLY_MAX,
			  "cut; complete = 0" },
			{ "bytes of a mail's recipients, and of its commands", 64 << 10,
			  "the others are left out; complete = 0" },
			{ "commands without a reply", PENDING_MAX,
			  "the oldest is taken as not answered" },
			{ "lines in a row that are no reply", BAD_MAX, "closed (error)" },
			{ 0 },
		},
	.ctx_size = sizeof(struct smtp),
	.probe = smtp_probe,
	.data = smtp_data,
	.gap = smtp_gap,
	.end = smtp_end,
};
