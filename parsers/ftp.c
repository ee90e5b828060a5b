/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * FTP's control connection (RFC 959, 2228, 2428): one row a command with its reply.
 *
 * Replies come in the order of the commands. Where one of either was not seen, codes
 * that answer one command only bring the two into step again.
 */
#include "ftp.h"

#include "base/text.h"
#include "credential.h"
#include "lines.h"

#include <assert.h>
#include <string.h>

static const char *const indexes[] = { "flow_id", NULL };

NR_TABLE_DEFINE(FTP, ftp, NR_R_SESSION, indexes, "FTP commands with their replies",
		NR_FIELDS_FTP);

enum {
	LINE_MAX = 4096,
	REPLY_MAX = 4096,
	INTERIM_MAX = 1024, /* bytes of all replies 1xx to one command */
	PENDING_MAX = 64,
	VERB_MAX = 32,
	BAD_MAX = 16, /* lines in a row that are no replies */
};

struct command {
	struct command *next;
	int64_t at_ns;
	struct nr_kept line, interim;
	struct nr_ftp_channel channel; /* of PORT and EPRT */
	bool cut, doubtful;            /* doubtful: its reply may have been in a gap */
};

struct ftp {
	struct nr_gather line[2];
	struct nr_reply reply;
	struct command *first, *last;
	struct nr_kept user, secret;
	struct nr_ftp_channel channel; /* of the next transfer */
	uint32_t n_pending, n_replies;
	bool roles_known;
	bool tls_asked;  /* the last command was AUTH TLS */
	bool tls_agreed; /* the last line was its 234 */
	bool skip[2];    /* behind a gap: to a line that can be one */
	uint8_t server;
	bool spoke[2];
};

/* -- choice -- */

/* POP3 (RFC 1939, 2449) says the first four as well; what stands behind NOOP is no
   beginning that FTP alone has, but tells a whole line behind a gap. */
static const char *const verbs[] = {
	"USER", "AUTH", "PASS", "QUIT", "FEAT", "OPTS", "SYST", "ACCT", "CLNT", "PASV",
	"EPSV", "PORT", "EPRT", "RETR", "STOR", "LIST", "NLST", "TYPE", "SIZE", "MDTM",
	"PBSZ", "PROT", "MLSD", "CWD",  "PWD",  "XPWD", "CDUP", "STOU", "APPE", "ADAT",
	"NOOP", "ABOR", "ALLO", "CCC",  "DELE", "HELP", "HOST", "LANG", "MKD",  "MLST",
	"MODE", "REIN", "REST", "RMD",  "RNFR", "RNTO", "SITE", "SMNT", "STAT", "STRU",
	"XCUP", "XCWD", "XMKD", "XRMD", NULL
};
enum { SHARED_VERBS = 4, OWN_VERBS = 30 };

/* FTP servers like to say what they are. */
static bool names_ftp(const uint8_t *d, size_t n)
{
	const char *t = (const char *)d;

	return nr_word_in(t, n, "ftp") || nr_word_in(t, n, "filezilla");
}

static enum nr_probe_result probe_server(const struct nr_probe *in, unsigned side)
{
	const uint8_t *d = in->data[side];
	size_t n = in->len[side];
	unsigned code = nr_reply_code(d, n);

	if (!n || (n < 4 && d[0] >= '1' && d[0] <= '5'))
		return NR_PROBE_MORE;
	if (!code || code >= 600)
		return NR_PROBE_NO;
	if (nr_word_in((const char *)d, n, "smtp"))
		return NR_PROBE_NO;
	if (code == 220 && names_ftp(d, n) && (in->port_match || in->last))
		return NR_PROBE_YES;
	return in->port_match ? NR_PROBE_MAYBE : NR_PROBE_MORE;
}

static enum nr_probe_result ftp_probe(const struct nr_probe *in)
{
	bool digits = false;

	for (unsigned side = 0; side < 2; side++)
		digits |= in->len[side] && nr_reply_code(in->data[side], in->len[side]);
	for (unsigned side = 0; side < 2; side++) {
		int word;

		if (!in->len[side])
			continue;
		word = nr_word_first(in->data[side], in->len[side], verbs);
		if (word == -2)
			return NR_PROBE_MORE;
		if (word < 0 || (word >= OWN_VERBS && !in->port_match))
			continue;
		if (in->len[!side] && probe_server(in, !side) == NR_PROBE_NO)
			return NR_PROBE_NO;
		if (digits || word >= SHARED_VERBS)
			return in->port_match || digits ? NR_PROBE_YES : NR_PROBE_MAYBE;
		return in->port_match ? NR_PROBE_YES : NR_PROBE_MORE;
	}
	if (in->len[0] && in->len[1])
		return NR_PROBE_NO; /* a client that says none of the words */
	return probe_server(in, in->len[0] ? 0 : 1);
}

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
	size_t n = c->verb_len < VERB_MAX ? c->verb_len : VERB_MAX;
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
static const char *echo(struct nr_parse *p, const struct ftp *f, const struct nr_kept *t)
{
	return nr_secret_echo(p, t->p ? t->p : "", t->len, f->secret.p, f->secret.len);
}

static void put_interim(struct nr_parse *p, struct nr_record *r, const struct ftp *f,
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
static void put_row(struct nr_parse *p, struct ftp *f, const struct command *cmd,
		    bool has_reply, const struct nr_ftp_channel *channel)
{
	struct nr_record *r = nr_parse_record(p, &nr_rt_ftp);
	bool whole = has_reply && !f->reply.open && !f->reply.text.cut;

	if (cmd) {
		struct nr_command c = nr_command_split(cmd->line.p, cmd->line.len);

		nr_set_int(r, NR_FTP_command_ns, cmd->at_ns);
		put_command(p, r, &c);
		put_interim(p, r, f, &cmd->interim);
		whole = whole && !cmd->cut && !cmd->interim.cut && c.verb_len <= VERB_MAX;
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
static void credential(struct nr_parse *p, const struct ftp *f,
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
static const struct nr_ftp_channel *channel_of(struct nr_parse *p, struct ftp *f,
					       struct command *cmd,
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

static void free_command(struct nr_parse *p, struct command *cmd)
{
	nr_kept_free(&cmd->line, p->account);
	nr_kept_free(&cmd->interim, p->account);
	nr_account_free(p->account, cmd, sizeof(*cmd));
}

/* The oldest command is done, with the reply in f->reply or without one. */
static enum nr_verdict finish(struct nr_parse *p, struct ftp *f, bool has_reply)
{
	struct command *cmd = f->first;
	struct nr_command c;
	unsigned code = has_reply ? f->reply.code : 0;
	bool is_user, is_pass, ok = true;

	assert(cmd); /* n_pending of them are in the list */
	c = nr_command_split(cmd->line.p, cmd->line.len);
	is_user = nr_word_is(c.verb, c.verb_len, "USER");
	is_pass = nr_word_is(c.verb, c.verb_len, "PASS");
	f->first = cmd->next;
	f->n_pending--;
	if (!f->first)
		f->last = NULL;
	if (is_user)
		ok = nr_kept_set(&f->user, p->account, c.arg, c.arg_len, LINE_MAX);
	put_row(p, f, cmd, has_reply, channel_of(p, f, cmd, &c, code));
	if (is_pass || (is_user && code && code / 100 != 3))
		credential(p, f, is_pass ? &c : NULL, code);
	if (is_transfer(&c) && code >= 200 && code < 300)
		f->channel = (struct nr_ftp_channel){ 0 };
	free_command(p, cmd);
	return ok ? NR_MORE : NR_OVERFLOW;
}

/* Commands before the last n get no answer any more. */
static enum nr_verdict give_up(struct nr_parse *p, struct ftp *f, unsigned n)
{
	enum nr_verdict worst = NR_MORE, v;

	while (f->n_pending > n) {
		v = finish(p, f, false);
		worst = v != NR_MORE ? v : worst;
	}
	return worst;
}

/* -- the client -- */

/* Telnet's way to be heard (RFC 959, 4.1.3): IAC IP IAC DM before ABOR. */
static void skip_telnet(struct nr_piece *line)
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

static enum nr_verdict add_command(struct nr_parse *p, struct ftp *f,
				   const struct nr_piece *line, bool whole)
{
	struct command *cmd = nr_account_alloc(p->account, sizeof(*cmd));
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
	if (!nr_kept_add(&cmd->line, p->account, line->p, line->len, LINE_MAX))
		return NR_OVERFLOW;
	c = nr_command_split(cmd->line.p, cmd->line.len);
	if (is_secret(&c) &&
	    !nr_kept_set(&f->secret, p->account, c.arg, c.arg_len, LINE_MAX))
		return NR_OVERFLOW;
	f->tls_asked = is_auth_tls(&c);
	if ((nr_word_is(c.verb, c.verb_len, "PORT") &&
	     nr_ftp_read_port(&cmd->channel, c.arg, c.arg_len)) ||
	    (nr_word_is(c.verb, c.verb_len, "EPRT") &&
	     nr_ftp_read_eprt(&cmd->channel, c.arg, c.arg_len)))
		nr_ftp_expect(p, &cmd->channel, f->server);
	return NR_MORE;
}

static enum nr_verdict client_line(struct nr_parse *p, struct ftp *f,
				   struct nr_piece *line)
{
	enum nr_verdict v = NR_MORE;

	skip_telnet(line);
	if (!line->len)
		return NR_MORE;
	if (f->first && f->first->doubtful)
		v = give_up(p, f, 0);
	if (v == NR_MORE && f->n_pending >= PENDING_MAX)
		v = give_up(p, f, PENDING_MAX - 1);
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

static bool is_answer(unsigned i, const struct command *cmd)
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
static enum nr_verdict into_step(struct nr_parse *p, struct ftp *f)
{
	unsigned n = f->n_pending, i = 0;

	while (i < sizeof(answers) / sizeof(*answers) && answers[i].code != f->reply.code)
		i++;
	if (i == sizeof(answers) / sizeof(*answers))
		return NR_MORE;
	for (const struct command *c = f->first; c; c = c->next, n--) {
		if (is_answer(i, c))
			return give_up(p, f, n);
	}
	return NR_MORE;
}

static bool is_verb(const struct command *cmd, const char *verb)
{
	struct nr_command c = nr_command_split(cmd->line.p, cmd->line.len);

	return nr_word_is(c.verb, c.verb_len, verb);
}

static bool add_interim(struct nr_parse *p, struct command *cmd, const struct nr_reply *r)
{
	char code[4] = { (char)('0' + r->code / 100), (char)('0' + r->code / 10 % 10),
			 (char)('0' + r->code % 10), ' ' };

	return (!cmd->interim.len ||
		nr_kept_add(&cmd->interim, p->account, "", 1, INTERIM_MAX)) &&
	       nr_kept_add(&cmd->interim, p->account, code, 4, INTERIM_MAX) &&
	       nr_kept_add(&cmd->interim, p->account, r->text.p, r->text.len,
			   INTERIM_MAX);
}

static void tell_injection(struct nr_parse *p, const struct ftp *f)
{
	if (f->n_pending)
		nr_parse_anomaly(
			p, NR_ANOM_STARTTLS_INJECTION, !f->server,
			nr_arena_printf(p->arena, "{\"commands\":%u}", f->n_pending));
}

/* Whether this reply begins TLS (RFC 4217, 4). */
static bool begins_tls(const struct ftp *f)
{
	struct nr_command c;

	if (f->reply.code != 234)
		return false;
	if (!f->first)
		return !f->spoke[!f->server];
	c = nr_command_split(f->first->line.p, f->first->line.len);
	return is_auth_tls(&c);
}

static enum nr_verdict whole_reply(struct nr_parse *p, struct ftp *f)
{
	enum nr_verdict v = into_step(p, f);
	bool tls = begins_tls(f);

	if (v != NR_MORE)
		return v;
	/* a greeting that was late, or whose client did not wait for it */
	if (!f->n_replies++ && f->reply.code == 220 && f->first &&
	    !is_verb(f->first, "REIN") && !is_verb(f->first, "HOST")) {
		put_row(p, f, NULL, true, NULL);
		return NR_MORE;
	}
	if (f->reply.code < 200 && f->first)
		return add_interim(p, f->first, &f->reply) ? NR_MORE : NR_OVERFLOW;
	if (!f->first)
		put_row(p, f, NULL, true, NULL);
	else
		v = finish(p, f, true);
	if (v == NR_MORE && tls) {
		f->tls_agreed = true;
		tell_injection(p, f);
	}
	return v;
}

static enum nr_verdict server_line(struct nr_parse *p, struct ftp *f,
				   const struct nr_piece *line)
{
	switch (nr_reply_line(&f->reply, p->account, line, REPLY_MAX)) {
	case NR_REPLY_BAD:
		return nr_reply_bad(p, &f->reply, NR_ANOM_FTP_REPLY, f->server, line,
				    &f->secret, BAD_MAX);
	case NR_REPLY_NO_MEM:
		return NR_OVERFLOW;
	case NR_REPLY_MORE:
		return NR_MORE;
	case NR_REPLY_WHOLE:
	default:
		return whole_reply(p, f);
	}
}

/* -- the stream -- */

/* The first line says who is who. False: this is not FTP. */
static bool learn_roles(struct nr_parse *p, struct ftp *f, unsigned side,
			const struct nr_piece *line)
{
	struct nr_piece l = *line;
	bool is_reply = nr_reply_code(line->p, line->len) != 0;

	skip_telnet(&l);
	if (!is_reply && (!l.len || (*l.p | 32) < 'a' || (*l.p | 32) > 'z'))
		return false;
	f->roles_known = true;
	f->server = (uint8_t)(is_reply ? side : !side);
	nr_parse_service(p, "ftp");
	return true;
}

/* Most gaps end where a line does; what else comes first is the rest of one. */
static bool behind_gap(struct ftp *f, unsigned side, const struct nr_piece *line)
{
	struct nr_command c = nr_command_split(line->p, line->len);
	bool good = false;

	if (f->roles_known && side == f->server) {
		good = nr_reply_code(line->p, line->len) != 0;
		f->skip[side] = !good;
		return good;
	}
	for (size_t i = 0; verbs[i] && !good; i++)
		good = nr_word_is(c.verb, c.verb_len, verbs[i]);
	f->skip[side] = false;
	return good || (!f->roles_known && nr_reply_code(line->p, line->len));
}

static enum nr_verdict ftp_line(struct nr_parse *p, struct ftp *f, unsigned side,
				struct nr_piece *line)
{
	f->tls_agreed = false; /* in the clear, all the same */
	if (f->skip[side] && !behind_gap(f, side, line))
		return NR_MORE;
	if (!f->roles_known && !line->len)
		return NR_MORE;
	if (!f->roles_known && !learn_roles(p, f, side, line))
		return NR_NOT_MINE;
	f->spoke[side] = true;
	return side == f->server ? server_line(p, f, line) : client_line(p, f, line);
}

/* A TLS record instead of a line, whether or not the server's 234 was seen. */
static bool tls_begins(const struct ftp *f, unsigned side, const struct nr_cursor *in)
{
	return (f->tls_agreed || (f->tls_asked && side != f->server)) && *in->p == 0x16 &&
	       !nr_gathered_len(&f->line[side]) && !f->line[side].cut;
}

static enum nr_verdict ftp_data(struct nr_parse *p, void *ctx, unsigned side,
				const uint8_t *data, size_t len)
{
	struct ftp *f = ctx;
	struct nr_cursor in = nr_cursor(data, len);
	struct nr_piece line;

	while (nr_left(&in)) {
		enum nr_verdict v;

		if (tls_begins(f, side, &in))
			return nr_parse_hand_over(p, "tls", in.p, nr_left(&in));
		switch (nr_gather_line(&f->line[side], p->account, &in, LINE_MAX,
				       &line)) {
		case NR_G_NO_MEM:
			return NR_OVERFLOW;
		case NR_G_WHOLE:
			v = ftp_line(p, f, side, &line);
			if (v != NR_MORE)
				return v;
			break;
		case NR_G_MORE:
		default:
			break;
		}
	}
	return NR_MORE;
}

static enum nr_verdict ftp_gap(struct nr_parse *p, void *ctx, unsigned side, uint64_t n)
{
	struct ftp *f = ctx;
	enum nr_verdict v = NR_MORE;

	if (f->tls_agreed)
		return nr_parse_hand_over(p, "tls", NULL, 0);
	nr_gather_clear(&f->line[side]);
	f->skip[side] = true;
	if (f->roles_known && side == f->server) {
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
	}
	return v;
}

static void ftp_end(struct nr_parse *p, void *ctx)
{
	struct ftp *f = ctx;
	struct nr_gather *g = &f->line[!f->server];

	if (f->roles_known && !f->skip[!f->server] && nr_gathered_len(g)) {
		struct nr_piece line = { .p = g->p, .len = g->len, .cut = g->cut };

		add_command(p, f, &line, false);
	}
	if (f->first && f->reply.open)
		finish(p, f, true);
	else if (f->reply.open)
		put_row(p, f, NULL, true, NULL);
	give_up(p, f, 0);
	nr_gather_free(&f->line[0], p->account);
	nr_gather_free(&f->line[1], p->account);
	nr_kept_free(&f->reply.text, p->account);
	nr_kept_free(&f->user, p->account);
	nr_kept_free(&f->secret, p->account);
}

const struct nr_parser nr_parser_ftp = {
	.name = "ftp",
	.about = "File Transfer Protocol, the control connection (RFC 959, 2428)",
	.transports = NR_ON_TCP,
	.ports = (const uint16_t[]){ 21, 2121, 0 },
	.services = (const char *const[]){ "ftp", "ftp-data", NULL },
	.records = (const struct nr_record_type *const[]){ &nr_rt_ftp, &nr_rt_credential,
							   NULL },
	.caps =
		(const struct nr_parser_cap[]){
			{ "bytes of a line, and of a reply", LINE_MAX,
			  "cut; complete = 0" },
			{ "bytes of a command's replies 1xx", INTERIM_MAX,
			  "cut; complete = 0" },
			{ "commands without a reply", PENDING_MAX,
			  "the oldest is a row with complete = 0" },
			{ "lines in a row that are no reply", BAD_MAX, "closed (error)" },
			{ 0 },
		},
	.ctx_size = sizeof(struct ftp),
	.probe = ftp_probe,
	.data = ftp_data,
	.gap = ftp_gap,
	.end = ftp_end,
};
