/* SPDX-License-Identifier: BSD-3-Clause */
/* The server's side of the dialogue: replies, what they answer and what becomes of mails.
 */
#include "smtp_dialog.h"

#include "base/text.h"
#include "session/secret.h"

#include <assert.h>
#include <string.h>

/* -- the list of commands -- */

/* One word of base64 (RFC 4648), padded. */
static bool is_base64(const char *t, size_t n)
{
	size_t i = 0;

	while (i < n && (t[i] == '+' || t[i] == '=' || (t[i] >= '/' && t[i] <= '9') ||
			 ((t[i] | 32) >= 'a' && (t[i] | 32) <= 'z')))
		i++;
	return i == n && n % 4 == 0;
}

/* Whether it may be the answer to an AUTH, which was not seen or is over. */
static bool is_auth_answer(const struct nr_smtp_command *cmd, unsigned code)
{
	return cmd->verb == NR_SMTP_V_UNKNOWN &&
	       (cmd->near_auth || code == 334 || code == 235 || code == 535) &&
	       is_base64(cmd->line.p, cmd->line.len);
}

/* What stands in the rows of a command: nothing that may be a secret. */
static const char *safe_line(struct nr_parse *p, const struct nr_smtp_command *cmd,
			     unsigned code)
{
	struct nr_command c = nr_command_split(cmd->line.p, cmd->line.len), auth;
	size_t n = cmd->line.len;

	if (cmd->verb == NR_SMTP_V_AUTH) {
		auth = nr_command_split(c.arg, c.arg_len);
		return nr_secret_mask(p, cmd->line.p, n, (size_t)(auth.arg - cmd->line.p),
				      auth.arg_len);
	}
	if (cmd->is_pass)
		return nr_secret_mask(p, cmd->line.p, n, (size_t)(c.arg - cmd->line.p),
				      c.arg_len);
	return nr_secret_mask(p, cmd->line.p, n, 0, is_auth_answer(cmd, code) ? n : 0);
}

static bool list_command(struct nr_parse *p, const struct nr_smtp_command *cmd,
			 unsigned code)
{
	struct nr_smtp_mail *m = cmd->mail;
	struct nr_command c = nr_command_split(safe_line(p, cmd, code), cmd->line.len);
	struct nr_buf b = { 0 };
	bool ok;

	m->n_commands++;
	nr_buf_str(&b, "{\"command\":");
	if (cmd->verb == NR_SMTP_V_UNKNOWN) {
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

static void free_command(struct nr_parse *p, struct nr_smtp_command *cmd)
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

static bool set_reply(struct nr_parse *p, struct nr_smtp *s, struct nr_smtp_mail *m)
{
	const struct nr_kept *t = &s->reply.text;
	char code[4] = { (char)('0' + s->reply.code / 100),
			 (char)('0' + s->reply.code / 10 % 10),
			 (char)('0' + s->reply.code % 10), ' ' };

	if (m->done)
		return true;
	nr_smtp_stamp(p, m);
	if (!nr_kept_set(&m->last_reply, p->account, code, 4, NR_SMTP_REPLY_MAX) ||
	    !nr_kept_add(&m->last_reply, p->account,
			 nr_smtp_auth_echo(p, &s->auth, t->p ? t->p : "", t->len), t->len,
			 NR_SMTP_REPLY_MAX))
		return false;
	m->last_reply.cut += t->cut;
	return true;
}

/* DATA was refused, though its client may have gone on already: what came behind it
   begins a command. False: no memory. */
static bool leave_data(struct nr_parse *p, struct nr_smtp *s)
{
	struct nr_cursor in = nr_cursor(s->peek, s->n_peek);
	struct nr_piece line;
	bool peeked = s->mode == NR_SMTP_AT_DATA;

	if (s->mode == NR_SMTP_AT_DATA || s->mode == NR_SMTP_IN_DATA)
		s->mode = NR_SMTP_AT_COMMAND;
	s->n_peek = 0;
	/* no line is whole: behind_data() has seen to that */
	return !peeked || nr_gather_line(&s->line[!s->server], p->account, &in,
					 NR_SMTP_LINE_MAX, &line) != NR_G_NO_MEM;
}

/* A command out of its order, or wrong in itself, changes nothing (RFC 5321, 4.1.4). */
static bool changes_nothing(unsigned code)
{
	return code == 501 || code == 503;
}

static void settle_chunk(struct nr_smtp_mail *m, const struct nr_smtp_command *cmd,
			 unsigned code)
{
	if (m->done)
		return;
	if (code >= 400 && (!cmd->chunk || changes_nothing(code))) {
		m->status = (uint8_t)status_of(code);
		m->ended = false;
		m->refused = cmd->chunk;
	} else if (code >= 400 || cmd->last) {
		close_mail(m, status_of(code));
	}
}

/* What a command with its reply does to its mail; code 0: none was seen. */
static void settle(struct nr_parse *p, struct nr_smtp *s, struct nr_smtp_command *cmd,
		   unsigned code)
{
	struct nr_smtp_mail *m = cmd->mail;
	bool no = code >= 400;

	switch ((enum nr_smtp_verb)cmd->verb) {
	case NR_SMTP_V_HELO:
	case NR_SMTP_V_EHLO:
	case NR_SMTP_V_LHLO:
	case NR_SMTP_V_RSET:
		if (!no && cmd->in_mail)
			close_mail(m, NR_SMTP_ABORTED);
		break;
	case NR_SMTP_V_MAIL:
		m->accepted |= code && !no;
		if (no && !m->accepted && !m->done)
			m->status = (uint8_t)status_of(code);
		break;
	case NR_SMTP_V_RCPT:
		m->n_accepted += !no;
		if (!m->done)
			m->status = no && !m->n_accepted ? (uint8_t)status_of(code)
							 : NR_SMTP_OPEN;
		break;
	case NR_SMTP_V_DATA:
		if (no && !m->done)
			m->status = (uint8_t)status_of(code);
		break;
	case NR_SMTP_V_BDAT:
		settle_chunk(m, cmd, code);
		break;
	case NR_SMTP_V_CONTENT:
		close_mail(m, status_of(code));
		break;
	case NR_SMTP_V_AUTH:
		if (cmd->auth == s->auth.number) /* and not an earlier one */
			nr_smtp_auth_end(p, &s->auth, code);
		break;
	case NR_SMTP_V_STARTTLS:
		m->starttls = code == 220;
		break;
	case NR_SMTP_V_QUIT:
		if (m->has_mail && m->status == NR_SMTP_OPEN && !m->has_content)
			close_mail(m, NR_SMTP_ABORTED);
		break;
	case NR_SMTP_V_UNKNOWN:
	case NR_SMTP_V_OTHER:
	default:
		break;
	}
}

/* The mail that this refused MAIL leaves as it was, or NULL. */
static struct nr_smtp_mail *goes_on(const struct nr_smtp *s,
				    const struct nr_smtp_command *cmd, unsigned code)
{
	struct nr_smtp_mail *m = s->mails;

	if (cmd->verb != NR_SMTP_V_MAIL || !changes_nothing(code) || m == cmd->mail)
		return NULL;
	while (m->next != cmd->mail)
		m = m->next;
	return m->accepted && !m->done && !m->ended ? m : NULL;
}

/* The mail before m goes on in m. */
static bool go_on(struct nr_parse *p, struct nr_smtp *s, struct nr_smtp_mail *before,
		  struct nr_smtp_mail *m)
{
	bool ok = nr_smtp_mail_go_on(m, before, p->account);

	while (s->mails != before)
		nr_smtp_write_first(p, s);
	s->mails = m;
	nr_smtp_mail_free(before, p->account);
	return ok;
}

/*
 * LMTP answers the end of a mail once for each recipient that it took (RFC 2033, 4.2 and
 * 4.3). How many these are is known when the first of the replies comes.
 */
static void count_replies(const struct nr_smtp *s, struct nr_smtp_command *cmd,
			  unsigned code)
{
	bool ends =
		cmd->verb == NR_SMTP_V_CONTENT || (cmd->last && !changes_nothing(code));

	if (s->lmtp && ends && !cmd->replies)
		cmd->replies = cmd->mail->n_accepted;
}

/* The oldest command is done; has_reply: s->reply holds its reply. */
static enum nr_verdict finish(struct nr_parse *p, struct nr_smtp *s, bool has_reply)
{
	struct nr_smtp_command *cmd = s->first;
	unsigned code = has_reply ? s->reply.code : 0;
	struct nr_smtp_mail *before = goes_on(s, cmd, code);
	bool ok = !before || go_on(p, s, before, cmd->mail);

	assert(cmd->mail); /* push() has set it, and it lives as long as its commands */
	while (s->mails != cmd->mail)
		nr_smtp_write_first(p, s);
	if (is_auth_answer(cmd, code)) /* replies may repeat it */
		ok = nr_kept_set(&s->auth.raw, p->account, cmd->line.p, cmd->line.len,
				 NR_SMTP_AUTH_MAX) &&
		     ok;
	ok = (!has_reply || set_reply(p, s, cmd->mail)) && ok;
	if (has_reply)
		count_replies(s, cmd, code);
	if (has_reply && cmd->replies > 1) {
		cmd->replies--;
		return ok ? NR_MORE : NR_OVERFLOW;
	}
	s->first = cmd->next;
	s->n_pending--;
	s->pending_len -= cmd->line.len;
	s->n_doubtful -= s->n_doubtful > 0;
	if (!s->first)
		s->last = NULL;
	settle(p, s, cmd, code);
	if (cmd->verb != NR_SMTP_V_CONTENT)
		ok = list_command(p, cmd, code) && ok;
	free_command(p, cmd);
	return ok ? NR_MORE : NR_OVERFLOW;
}

enum nr_verdict nr_smtp_give_up(struct nr_parse *p, struct nr_smtp *s, unsigned n)
{
	enum nr_verdict worst = NR_MORE, v;

	while (s->n_pending > n) {
		v = finish(p, s, false);
		worst = v != NR_MORE ? v : worst;
	}
	return worst;
}

enum nr_verdict nr_smtp_owe(struct nr_parse *p, struct nr_smtp *s)
{
	s->first->mail->broken = true;
	s->n_owed++;
	return finish(p, s, false);
}

void nr_smtp_doubt(struct nr_smtp *s)
{
	s->n_doubtful = s->n_pending;
	s->n_owed = 0;
}

enum nr_verdict nr_smtp_trust(struct nr_parse *p, struct nr_smtp *s)
{
	return s->n_doubtful ? nr_smtp_give_up(p, s, s->n_pending - s->n_doubtful)
			     : NR_MORE;
}
/* -- the server -- */

/* STARTTLS was accepted: what comes next should be TLS. */
static void agree_tls(struct nr_parse *p, struct nr_smtp *s)
{
	s->tls_agreed = true;
	if (s->n_pending)
		nr_parse_anomaly(
			p, NR_ANOM_STARTTLS_INJECTION, !s->server,
			nr_arena_printf(p->arena, "{\"commands\":%u}", s->n_pending));
}

/* A reply that no command waits for: the greeting, or the command was not seen. */
static enum nr_verdict lone_reply(struct nr_parse *p, struct nr_smtp *s)
{
	unsigned code = s->reply.code;

	if (!set_reply(p, s, s->mail))
		return NR_OVERFLOW;
	if (s->mode == NR_SMTP_IN_DATA && code >= 200 && code != 354) {
		close_mail(s->mail, status_of(code));
		s->early = !s->data_gap;
		if (s->data_gap) { /* the end of DATA was in the gap */
			s->mode = NR_SMTP_AT_COMMAND;
			s->skip[!s->server] = true;
		}
	} else if (code == 354 && s->mode == NR_SMTP_AT_COMMAND) {
		nr_smtp_begin_data(p, s);
	}
	return NR_MORE;
}

/* Bytes that came behind DATA before its reply. */
enum nr_verdict nr_smtp_drop_peek(struct nr_parse *p, struct nr_smtp *s)
{
	struct nr_cursor in = nr_cursor(s->peek, s->n_peek);

	s->n_peek = 0;
	return nr_left(&in) ? nr_smtp_in_data(p, s, &in) : NR_MORE;
}

/* -- which command a reply belongs to -- */

/* The command that this code answers and others do not (RFC 5321, 4.3.2; 3207; 4954). */
static enum nr_smtp_verb answered_by(unsigned code)
{
	switch (code) {
	case 220:
		return NR_SMTP_V_STARTTLS;
	case 221:
		return NR_SMTP_V_QUIT;
	case 235:
	case 334:
		return NR_SMTP_V_AUTH;
	case 354:
		return NR_SMTP_V_DATA;
	default:
		return NR_SMTP_V_UNKNOWN;
	}
}

/* Extensions have codes of others too: XCLIENT has 220, XEXCH50 354. */
static bool may_be_own(const struct nr_smtp_command *c, unsigned code)
{
	struct nr_command x = nr_command_split(c->line.p, c->line.len);

	return (code == 220 || code == 354) &&
	       (c->verb == NR_SMTP_V_UNKNOWN || nr_word_begins(x.verb, x.verb_len, "X"));
}

/* How many commands are left from that on which the code names; 0: it names none. Where
   replies are missing it is the newest: what is older may have had its own. */
static unsigned named(const struct nr_smtp *s, unsigned code)
{
	enum nr_smtp_verb verb = answered_by(code);
	unsigned n = s->n_pending, left = 0;

	if (verb == NR_SMTP_V_UNKNOWN)
		return 0;
	for (const struct nr_smtp_command *c = s->first; c; c = c->next, n--) {
		if (c->verb == verb)
			left = n;
		if (left ? !s->n_doubtful : may_be_own(c, code))
			break;
	}
	return left;
}

static bool can_be_answered(const struct nr_smtp_command *c, unsigned code)
{
	if (c->verb == NR_SMTP_V_DATA)
		return code == 354 || code >= 400;
	return code != 354 || c->verb != NR_SMTP_V_CONTENT;
}

/* Behind a gap: how many commands are left from the newest on that may have this reply.
 */
static unsigned newest(const struct nr_smtp *s, unsigned code)
{
	unsigned n = s->n_pending, left = 0;

	for (const struct nr_smtp_command *c = s->first; c; c = c->next, n--) {
		if (can_be_answered(c, code))
			left = n;
	}
	return left;
}

/* Whether the oldest command is a DATA whose 354 was not seen, though its client sends
   content, or sent it. Not where the reply may be that to a command not seen. */
static bool lacks_354(const struct nr_smtp *s, unsigned code)
{
	const struct nr_smtp_command *data = s->first;

	if (!data || data->verb != NR_SMTP_V_DATA || code >= 300)
		return false;
	if (s->n_owed || s->unseen)
		return false;
	return data->next ? data->next->verb == NR_SMTP_V_CONTENT
			  : s->mode == NR_SMTP_IN_DATA;
}

/*
 * Replies come in the order of the commands. Where some were not seen, a code that one
 * command alone has brings the two into step again.
 */
static enum nr_verdict into_step(struct nr_parse *p, struct nr_smtp *s)
{
	unsigned code = s->reply.code, n = named(s, code);
	enum nr_verdict v;

	if (n) {
		s->n_owed = 0;
		s->unseen = false;
	} else if (s->n_doubtful) {
		n = newest(s, code);
	} else {
		n = s->n_pending - lacks_354(s, code);
	}
	v = nr_smtp_give_up(p, s, n);
	s->n_doubtful = 0; /* what is behind it was not answered before */
	return v;
}

/* The reply is that of the oldest command. */
static enum nr_verdict answer(struct nr_parse *p, struct nr_smtp *s)
{
	enum nr_smtp_verb verb = (enum nr_smtp_verb)s->first->verb;
	unsigned code = s->reply.code;
	enum nr_verdict v = finish(p, s, true);

	if (v != NR_MORE)
		return v;
	if (verb == NR_SMTP_V_DATA && code >= 400) {
		return leave_data(p, s) ? NR_MORE : NR_OVERFLOW;
	} else if (verb == NR_SMTP_V_DATA && s->mode == NR_SMTP_AT_DATA) {
		nr_smtp_begin_data(p, s);
		return nr_smtp_drop_peek(p, s);
	} else if (verb == NR_SMTP_V_STARTTLS && code == 220) {
		agree_tls(p, s);
	}
	return NR_MORE;
}

/* A greeting that was late, or whose client did not wait for it. */
static bool is_late_greeting(const struct nr_smtp *s)
{
	return s->n_replies == 1 && s->reply.code == 220 &&
	       (!s->first || s->first->verb != NR_SMTP_V_STARTTLS);
}

enum nr_verdict nr_smtp_whole_reply(struct nr_parse *p, struct nr_smtp *s)
{
	unsigned code = s->reply.code;
	enum nr_verdict v;

	s->n_replies++;
	if (is_late_greeting(s)) {
		s->skip[!s->server] &= !s->mid || s->lost;
		s->mid = false;
		return lone_reply(p, s);
	}
	v = into_step(p, s);
	if (v != NR_MORE)
		return v;
	if (s->n_owed) {
		s->n_owed--;
		return NR_MORE;
	}
	if (s->first && !can_be_answered(s->first, code) &&
	    (s->unseen || s->first->verb == NR_SMTP_V_CONTENT))
		return NR_MORE; /* to a command that was not seen, or was given up */
	s->near_auth |= code == 334;
	if (code == 334 && (!s->first || s->first->verb == NR_SMTP_V_AUTH)) {
		nr_smtp_auth_challenge(&s->auth, s->reply.text.p ? s->reply.text.p : "",
				       s->reply.text.len);
		return NR_MORE;
	}
	if (s->first)
		return answer(p, s);
	if (s->auth.active)
		nr_smtp_auth_end(p, &s->auth, code);
	return lone_reply(p, s);
}

enum nr_verdict nr_smtp_server_line(struct nr_parse *p, struct nr_smtp *s,
				    const struct nr_piece *line)
{
	struct nr_piece safe = *line;

	switch (nr_reply_line(&s->reply, p->account, line, NR_SMTP_REPLY_MAX)) {
	case NR_REPLY_BAD:
		safe.p = (const uint8_t *)nr_smtp_auth_echo(
			p, &s->auth, (const char *)line->p, line->len);
		return nr_reply_bad(p, &s->reply, NR_ANOM_SMTP_REPLY, s->server, &safe,
				    &s->auth.secret, NR_SMTP_BAD_MAX);
	case NR_REPLY_NO_MEM:
		return NR_OVERFLOW;
	case NR_REPLY_MORE:
		return NR_MORE;
	case NR_REPLY_WHOLE:
	default:
		return nr_smtp_whole_reply(p, s);
	}
}
