/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Replies come in the order of the commands. Where one of either was not seen, codes
 * that answer one command only bring the two into step again.
 */
#include "ftp_dialog.h"

#include "base/text.h"
#include "credential.h"

#include <assert.h>
#include <string.h>

/* -- rows -- */

/* Commands whose argument is a secret as a whole. */
static bool is_secret(const struct nr_command *c)
{
	return nr_word_is(c->verb, c->verb_len, "PASS") ||
	       nr_word_is(c->verb, c->verb_len, "ACCT") ||
	       nr_word_is(c->verb, c->verb_len, "ADAT");
}

static bool is_transfer(const struct nr_command *c)
{
	static const char *const transfers[] = { "RETR", "STOR", "STOU", "APPE",
						 "LIST", "NLST", "MLSD" };

	for (size_t i = 0; i < sizeof(transfers) / sizeof(*transfers); i++) {
		if (nr_word_is(c->verb, c->verb_len, transfers[i]))
			return true;
	}
	return false;
}

static void put_command(struct nr_parse *p, struct nr_record *r,
			const struct nr_command *c)
{
	size_t n = c->verb_len < NR_FTP_VERB_MAX ? c->verb_len : NR_FTP_VERB_MAX;
	char *verb = nr_arena_copy(p->arena, c->verb, n);
	size_t site = 0;

	for (size_t i = 0; i < n; i++)
		verb[i] = nr_upper(verb[i]);
	nr_set_text(r, NR_FTP_command, verb, n);
	if (!c->arg_len)
		return;
	if (is_secret(c)) {
		nr_secret_text(p, r, NR_FTP_argument, c->arg, c->arg_len);
		return;
	}
	/* SITE PSWD old new, SITE PASSWD new: how servers let one change it */
	if (!strcmp(verb, "SITE") && (nr_word_begins(c->arg, c->arg_len, "PSWD ") ||
				      nr_word_begins(c->arg, c->arg_len, "PASS")))
		site = 5;
	if (site && site < c->arg_len)
		nr_set_text(
			r, NR_FTP_argument,
			nr_secret_mask(p, c->arg, c->arg_len, site, c->arg_len - site),
			c->arg_len);
	else
		nr_parse_text(p, r, NR_FTP_argument, c->arg, c->arg_len);
}

/* Text of the server, in which it may have repeated the password. */
static const char *echo(struct nr_parse *p, const struct nr_ftp *f,
			const struct nr_kept *t)
{
	return nr_secret_echo(p, t->p ? t->p : "", t->len, f->secret.p, f->secret.len);
}

static void put_interim(struct nr_parse *p, struct nr_record *r, const struct nr_ftp *f,
			const struct nr_kept *lines)
{
	const char *at = echo(p, f, lines), *end = at + lines->len;
	struct nr_buf b = { 0 };

	if (!lines->len)
		return;
	nr_buf_char(&b, '[');
	while (at < end) {
		const char *stop = memchr(at, '\0', (size_t)(end - at));

		stop = stop ? stop : end;
		if (b.len > 1)
			nr_buf_char(&b, ',');
		nr_buf_json(&b, at, (size_t)(stop - at));
		at = stop + (stop < end);
	}
	nr_buf_char(&b, ']');
	nr_parse_text(p, r, NR_FTP_interim, b.p, b.len);
	nr_buf_fini(&b);
}

/* A row; cmd NULL: a reply to nothing. has_reply: f->reply holds it. */
static void put_row(struct nr_parse *p, struct nr_ftp *f,
		    const struct nr_ftp_command *cmd, bool has_reply,
		    const struct nr_ftp_channel *channel)
{
	struct nr_record *r = nr_parse_record(p, &nr_rt_ftp);
	bool whole = has_reply && !f->reply.open && !f->reply.text.cut;

	if (cmd) {
		struct nr_command c = nr_command_split(cmd->line.p, cmd->line.len);

		nr_set_int(r, NR_FTP_command_ns, cmd->at_ns);
		put_command(p, r, &c);
		put_interim(p, r, f, &cmd->interim);
		whole = whole && !cmd->cut && !cmd->interim.cut &&
			c.verb_len <= NR_FTP_VERB_MAX;
	}
	if (has_reply) {
		nr_set_int(r, NR_FTP_reply_code, f->reply.code);
		nr_set_text(r, NR_FTP_reply_text, echo(p, f, &f->reply.text),
			    f->reply.text.len);
	}
	if (f->user.p)
		nr_parse_text(p, r, NR_FTP_user, f->user.p, f->user.len);
	if (channel)
		nr_ftp_put_channel(p, r, channel);
	nr_set_int(r, NR_FTP_complete, whole);
}

/* -- what commands do -- */

/* A login was tried. code 0: no answer was seen. */
static void credential(struct nr_parse *p, const struct nr_ftp *f,
		       const struct nr_command *pass, unsigned code)
{
	struct nr_credential c = {
		.service = "ftp",
		.mechanism = "plain",
		.user = f->user.p,
		.user_len = f->user.len,
		.secret = pass ? pass->arg : NULL,
		.secret_len = pass ? pass->arg_len : 0,
		.success = code >= 200 && code < 300 ? 1
			   : code >= 400             ? 0
						     : -1,
	};

	nr_credential(p, &c);
}

static bool accepted(unsigned code)
{
	return code < 400;
}

/* The channel that a command opened or uses; code 0: no answer was seen. */
static const struct nr_ftp_channel *channel_of(struct nr_parse *p, struct nr_ftp *f,
					       struct nr_ftp_command *cmd,
					       const struct nr_command *c, unsigned code)
{
	const struct nr_kept *t = &f->reply.text;
	struct nr_ftp_channel ch = { 0 };

	if (cmd->channel.known) {
		if (accepted(code))
			f->channel = cmd->channel;
		return &cmd->channel;
	}
	if (is_transfer(c))
		return &f->channel;
	if (code == 229 && nr_word_is(c->verb, c->verb_len, "EPSV"))
		nr_ftp_read_epsv(&ch, t->p ? t->p : "", t->len);
	else if (code == 227)
		nr_ftp_read_pasv(&ch, t->p ? t->p : "", t->len);
	if (!ch.known)
		return NULL;
	nr_ftp_expect(p, &ch, f->server);
	f->channel = ch;
	return &f->channel;
}

static void free_command(struct nr_parse *p, struct nr_ftp_command *cmd)
{
	nr_kept_free(&cmd->line, p->account);
	nr_kept_free(&cmd->interim, p->account);
	nr_account_free(p->account, cmd, sizeof(*cmd));
}

static void unlink_command(struct nr_ftp *f, struct nr_ftp_command *cmd)
{
	struct nr_ftp_command **at = &f->first, *before = NULL;

	while (*at != cmd) {
		before = *at;
		at = &before->next;
	}
	*at = cmd->next;
	if (f->last == cmd)
		f->last = before;
	f->n_pending--;
}

/* The command is done, with the reply in f->reply or without one. */
static enum nr_verdict finish(struct nr_parse *p, struct nr_ftp *f,
			      struct nr_ftp_command *cmd, bool has_reply)
{
	struct nr_command c;
	unsigned code = has_reply ? f->reply.code : 0;
	bool is_user, is_pass, ok = true;

	c = nr_command_split(cmd->line.p, cmd->line.len);
	is_user = nr_word_is(c.verb, c.verb_len, "USER");
	is_pass = nr_word_is(c.verb, c.verb_len, "PASS");
	unlink_command(f, cmd);
	if (is_user)
		ok = nr_kept_set(&f->user, p->account, c.arg, c.arg_len, NR_FTP_LINE_MAX);
	put_row(p, f, cmd, has_reply, channel_of(p, f, cmd, &c, code));
	if (is_pass || (is_user && code && code / 100 != 3))
		credential(p, f, is_pass ? &c : NULL, code);
	if (is_transfer(&c) && code >= 200 && code < 300)
		f->channel = (struct nr_ftp_channel){ 0 };
	free_command(p, cmd);
	return ok ? NR_MORE : NR_OVERFLOW;
}

/* Commands before the last n get no answer any more. */
static enum nr_verdict give_up(struct nr_parse *p, struct nr_ftp *f, unsigned n)
{
	enum nr_verdict worst = NR_MORE, v;

	while (f->n_pending > n) {
		assert(f->first); /* n_pending of them are in the list */
		v = finish(p, f, f->first, false);
		worst = v != NR_MORE ? v : worst;
	}
	return worst;
}

/* -- the client -- */

void nr_ftp_skip_telnet(struct nr_piece *line)
{
	while (line->len && *line->p >= 0xf0) {
		line->p++;
		line->len--;
	}
}

static bool is_auth_tls(const struct nr_command *c)
{
	return nr_word_is(c->verb, c->verb_len, "AUTH") &&
	       (nr_word_begins(c->arg, c->arg_len, "TLS") ||
		nr_word_begins(c->arg, c->arg_len, "SSL"));
}

static enum nr_verdict add_command(struct nr_parse *p, struct nr_ftp *f,
				   const struct nr_piece *line, bool whole)
{
	struct nr_ftp_command *cmd = nr_account_alloc(p->account, sizeof(*cmd));
	struct nr_command c;

	if (!cmd)
		return NR_OVERFLOW;
	if (f->last)
		f->last->next = cmd;
	else
		f->first = cmd;
	f->last = cmd;
	f->n_pending++;
	cmd->at_ns = p->ts_ns;
	cmd->cut = line->cut || !whole;
	if (!nr_kept_add(&cmd->line, p->account, line->p, line->len, NR_FTP_LINE_MAX))
		return NR_OVERFLOW;
	c = nr_command_split(cmd->line.p, cmd->line.len);
	if (is_secret(&c) &&
	    !nr_kept_set(&f->secret, p->account, c.arg, c.arg_len, NR_FTP_LINE_MAX))
		return NR_OVERFLOW;
	f->tls_asked = is_auth_tls(&c);
	if ((nr_word_is(c.verb, c.verb_len, "PORT") &&
	     nr_ftp_read_port(&cmd->channel, c.arg, c.arg_len)) ||
	    (nr_word_is(c.verb, c.verb_len, "EPRT") &&
	     nr_ftp_read_eprt(&cmd->channel, c.arg, c.arg_len)))
		nr_ftp_expect(p, &cmd->channel, f->server);
	return NR_MORE;
}

enum nr_verdict nr_ftp_client_line(struct nr_parse *p, struct nr_ftp *f,
				   struct nr_piece *line)
{
	enum nr_verdict v = NR_MORE;

	nr_ftp_skip_telnet(line);
	if (!line->len)
		return NR_MORE;
	if (f->first && f->first->doubtful)
		v = give_up(p, f, 0);
	if (v == NR_MORE && f->n_pending >= NR_FTP_PENDING_MAX) {
		f->n_owed++;
		v = give_up(p, f, NR_FTP_PENDING_MAX - 1);
	}
	return v == NR_MORE ? add_command(p, f, line, true) : v;
}

/* -- the server -- */

/* Codes that answer these commands and no others (RFC 959, 5.4; 2228; 2428; 3659). */
static const struct {
	unsigned code;
	const char *verbs[4];
} answers[] = {
	{ 125, { "RETR", "STOR", "" } }, /* "": any transfer */
	{ 150, { "RETR", "STOR", "" } },
	{ 213, { "SIZE", "MDTM", "STAT" } },
	{ 215, { "SYST" } },
	{ 221, { "QUIT" } },
	{ 227, { "PASV" } },
	{ 229, { "EPSV" } },
	{ 230, { "PASS", "USER", "ACCT" } },
	{ 234, { "AUTH" } },
	{ 257, { "PWD", "XPWD", "MKD", "XMKD" } },
	{ 331, { "USER" } },
};

static bool is_answer(unsigned i, const struct nr_ftp_command *cmd)
{
	struct nr_command c = nr_command_split(cmd->line.p, cmd->line.len);

	for (unsigned k = 0; k < 4 && answers[i].verbs[k]; k++) {
		if (*answers[i].verbs[k]
			    ? nr_word_is(c.verb, c.verb_len, answers[i].verbs[k])
			    : is_transfer(&c))
			return true;
	}
	return false;
}

/* Gives up commands in front of the one that this code must belong to. */
static enum nr_verdict into_step(struct nr_parse *p, struct nr_ftp *f)
{
	unsigned n = f->n_pending, i = 0;

	while (i < sizeof(answers) / sizeof(*answers) && answers[i].code != f->reply.code)
		i++;
	if (i == sizeof(answers) / sizeof(*answers))
		return NR_MORE;
	for (const struct nr_ftp_command *c = f->first; c; c = c->next, n--) {
		if (is_answer(i, c))
			return give_up(p, f, n);
	}
	return NR_MORE;
}

static bool is_verb(const struct nr_ftp_command *cmd, const char *verb)
{
	struct nr_command c = nr_command_split(cmd->line.p, cmd->line.len);

	return nr_word_is(c.verb, c.verb_len, verb);
}

static bool add_interim(struct nr_parse *p, struct nr_ftp_command *cmd,
			const struct nr_reply *r)
{
	char code[4] = { (char)('0' + r->code / 100), (char)('0' + r->code / 10 % 10),
			 (char)('0' + r->code % 10), ' ' };

	return (!cmd->interim.len ||
		nr_kept_add(&cmd->interim, p->account, "", 1, NR_FTP_INTERIM_MAX)) &&
	       nr_kept_add(&cmd->interim, p->account, code, 4, NR_FTP_INTERIM_MAX) &&
	       nr_kept_add(&cmd->interim, p->account, r->text.p, r->text.len,
			   NR_FTP_INTERIM_MAX);
}

static void tell_injection(struct nr_parse *p, const struct nr_ftp *f)
{
	if (f->n_pending)
		nr_parse_anomaly(
			p, NR_ANOM_STARTTLS_INJECTION, !f->server,
			nr_arena_printf(p->arena, "{\"commands\":%u}", f->n_pending));
}

/* Whether this reply begins TLS (RFC 4217, 4). */
static bool begins_tls(const struct nr_ftp *f)
{
	struct nr_command c;

	if (f->reply.code != 234)
		return false;
	if (!f->first)
		return !f->spoke[!f->server];
	c = nr_command_split(f->first->line.p, f->first->line.len);
	return is_auth_tls(&c);
}

/* A greeting that was late, or whose client did not wait for it. */
static bool is_late_greeting(const struct nr_ftp *f)
{
	return f->n_replies == 1 && f->reply.code == 220 && f->first &&
	       !is_verb(f->first, "REIN") && !is_verb(f->first, "HOST");
}

/*
 * STAT may be said during a transfer, and is answered before it (RFC 959, 4.1.3): the
 * one that this reply belongs to, or NULL.
 */
static struct nr_ftp_command *status_meanwhile(const struct nr_ftp *f)
{
	struct nr_ftp_command *c = f->first;

	if (!c || !c->interim.len || f->reply.code < 211 || f->reply.code > 213)
		return NULL;
	while (c && !is_verb(c, "STAT"))
		c = c->next;
	return c;
}

/* A reply that no command waits for: a row of its own. */
static void put_lone(struct nr_parse *p, struct nr_ftp *f)
{
	put_row(p, f, NULL, true, NULL);
}

static enum nr_verdict whole_reply(struct nr_parse *p, struct nr_ftp *f)
{
	bool is_final = f->reply.code >= 200, tls;
	struct nr_ftp_command *stat;
	enum nr_verdict v;

	f->n_replies++;
	if (is_late_greeting(f) || f->n_owed) {
		put_lone(p, f);
		f->n_owed -= f->n_owed && is_final;
		return NR_MORE;
	}
	stat = status_meanwhile(f);
	if (stat)
		return finish(p, f, stat, true);
	v = into_step(p, f);
	tls = begins_tls(f);
	if (v != NR_MORE)
		return v;
	if (!is_final && f->first)
		return add_interim(p, f->first, &f->reply) ? NR_MORE : NR_OVERFLOW;
	if (!f->first)
		put_lone(p, f);
	else
		v = finish(p, f, f->first, true);
	if (v == NR_MORE && tls) {
		f->tls_agreed = true;
		tell_injection(p, f);
	}
	return v;
}

enum nr_verdict nr_ftp_server_line(struct nr_parse *p, struct nr_ftp *f,
				   const struct nr_piece *line)
{
	switch (nr_reply_line(&f->reply, p->account, line, NR_FTP_REPLY_MAX)) {
	case NR_REPLY_BAD:
		return nr_reply_bad(p, &f->reply, NR_ANOM_FTP_REPLY, f->server, line,
				    &f->secret, NR_FTP_BAD_MAX);
	case NR_REPLY_NO_MEM:
		return NR_OVERFLOW;
	case NR_REPLY_MORE:
		return NR_MORE;
	case NR_REPLY_WHOLE:
	default:
		return whole_reply(p, f);
	}
}

/* -- the end of either -- */

enum nr_verdict nr_ftp_server_gap(struct nr_parse *p, struct nr_ftp *f)
{
	enum nr_verdict v = NR_MORE;

	f->n_owed = 0;
	if (f->reply.open) { /* what was read of it is a row */
		v = whole_reply(p, f);
		if (v != NR_MORE)
			return v;
	}
	nr_reply_clear(&f->reply);
	if (f->n_pending > 1)
		v = give_up(p, f, 1);
	if (f->first)
		f->first->doubtful = true;
	return v;
}

void nr_ftp_dialog_end(struct nr_parse *p, struct nr_ftp *f, const struct nr_piece *line)
{
	if (line)
		add_command(p, f, line, false);
	if (f->first && f->reply.open)
		finish(p, f, f->first, true);
	else if (f->reply.open)
		put_lone(p, f);
	give_up(p, f, 0);
}
