/* SPDX-License-Identifier: BSD-3-Clause */
/* SMTP and LMTP (RFC 5321, 2033): the stream. Who is who, lines, gaps, the way to TLS. */
#include "smtp_dialog.h"

#include "credential.h"

#include <string.h>

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
		word = nr_word_first(in->data[side], in->len[side], nr_smtp_verbs);
		if (word == -2)
			return NR_PROBE_MORE;
		if (word < 0)
			continue;
		if (in->len[!side] && !nr_reply_code(in->data[!side], in->len[!side]))
			return in->len[!side] < 4 ? NR_PROBE_MORE : NR_PROBE_NO;
		if (word < NR_SMTP_V_MAIL - NR_SMTP_V_HELO || in->port_match)
			return NR_PROBE_YES;
		return NR_PROBE_NO;
	}
	if (in->len[0] && in->len[1])
		return in->port_match ? NR_PROBE_MAYBE : NR_PROBE_NO;
	return probe_server(in, in->len[0] ? 0 : 1);
}

/* -- the stream -- */

/* A line that is a command, and not one of a text that begins with such a word. */
static bool is_command(const struct nr_piece *line)
{
	struct nr_command c = nr_command_split(line->p, line->len);

	switch (nr_smtp_verb_of(&c)) {
	case NR_SMTP_V_MAIL:
		return nr_word_begins(c.arg, c.arg_len, "FROM:");
	case NR_SMTP_V_RCPT:
		return nr_word_begins(c.arg, c.arg_len, "TO:");
	case NR_SMTP_V_DATA:
	case NR_SMTP_V_RSET:
	case NR_SMTP_V_QUIT:
	case NR_SMTP_V_STARTTLS:
		return !c.arg_len;
	case NR_SMTP_V_BDAT:
		return c.arg_len && *c.arg >= '0' && *c.arg <= '9';
	case NR_SMTP_V_AUTH:
		return true;
	case NR_SMTP_V_HELO:
	case NR_SMTP_V_EHLO:
	case NR_SMTP_V_LHLO:
	case NR_SMTP_V_OTHER:
		return nr_word_begins(c.verb, c.verb_len, "X") ||
		       !memchr(c.arg, ' ', c.arg_len);
	case NR_SMTP_V_UNKNOWN:
	case NR_SMTP_V_CONTENT:
	default:
		return false;
	}
}

/*
 * The first line says who is who. False: this is not SMTP. Where it is no greeting the
 * beginning was not seen, and lines of the client may be the text of a mail.
 */
static bool learn_roles(struct nr_parse *p, struct nr_smtp *s, unsigned side,
			const struct nr_piece *line)
{
	struct nr_command c = nr_command_split(line->p, line->len);
	bool is_reply = nr_reply_code(line->p, line->len) != 0;

	if (!is_reply && nr_smtp_verb_of(&c) == NR_SMTP_V_UNKNOWN &&
	    !(p->port[!side] == 25 || p->port[!side] == 587))
		return false;
	s->roles_known = true;
	s->reply.any_code = true;
	s->server = (uint8_t)(is_reply ? side : !side);
	s->mid = is_greeting(line->p, line->len) < 0;
	s->skip[!s->server] |= s->mid && !is_command(line);
	nr_parse_service(p, "smtp");
	return true;
}

/* Most gaps end where a line does; what else comes first is the rest of one. */
static bool behind_gap(struct nr_smtp *s, unsigned side, const struct nr_piece *line)
{
	bool good = is_command(line);

	if (s->roles_known && side != s->server && s->auth.left)
		return true; /* a 334 asks for it */
	if (!s->roles_known || side == s->server)
		good = nr_reply_code(line->p, line->len) != 0 ||
		       (!s->roles_known && good);
	s->skip[side] = !good;
	return good;
}

/* The first mail: its beginning may not have been seen either. */
static bool first_mail(struct nr_parse *p, struct nr_smtp *s)
{
	if (!nr_smtp_add_mail(p, s))
		return false;
	s->mail->broken = s->skip[!s->server];
	return true;
}

static enum nr_verdict smtp_line(struct nr_parse *p, struct nr_smtp *s, unsigned side,
				 const struct nr_piece *line)
{
	bool is_first = !s->roles_known;

	s->tls_agreed = false; /* in the clear, all the same */
	if (s->skip[side] && !behind_gap(s, side, line))
		return NR_MORE;
	if (!s->roles_known && !line->len)
		return NR_MORE;
	if (!s->roles_known && !learn_roles(p, s, side, line))
		return NR_NOT_MINE;
	if (!s->mail && !first_mail(p, s))
		return NR_OVERFLOW;
	if (is_first && s->skip[side])
		return NR_MORE;
	return side == s->server ? nr_smtp_server_line(p, s, line)
				 : nr_smtp_client_line(p, s, line);
}

/*
 * A TLS record instead of a line. Not all that was agreed comes: a capture may hold the
 * decrypted text. And not all of the agreement may be seen.
 */
static bool tls_begins(const struct nr_smtp *s, unsigned side, const struct nr_cursor *in)
{
	if (*in->p != 0x16 || nr_gathered_len(&s->line[side]) || s->line[side].cut)
		return false;
	if (s->tls_agreed)
		return true;
	return side == s->server ? s->n_replies > 1 && s->reply.code == 220
				 : s->tls_asked;
}

static enum nr_verdict line_step(struct nr_parse *p, struct nr_smtp *s, unsigned side,
				 struct nr_cursor *in)
{
	struct nr_piece line;

	if (s->roles_known && tls_begins(s, side, in)) {
		if (s->mail)
			s->mail->starttls = true;
		return nr_parse_hand_over(p, "tls", in->p, nr_left(in));
	}
	switch (nr_gather_line(&s->line[side], p->account, in, NR_SMTP_LINE_MAX, &line)) {
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
static enum nr_verdict behind_data(struct nr_parse *p, struct nr_smtp *s,
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
		if (nr_smtp_trust(p, s) != NR_MORE)
			return NR_OVERFLOW;
		nr_smtp_begin_data(p, s);
		return nr_smtp_drop_peek(p, s);
	}
	s->mode = NR_SMTP_AT_COMMAND;
	peek = nr_cursor(s->peek, s->n_peek);
	s->n_peek = 0;
	return line_step(p, s, !s->server, &peek);
}

static enum nr_verdict step(struct nr_parse *p, struct nr_smtp *s, unsigned side,
			    struct nr_cursor *in)
{
	if (!s->roles_known || side == s->server)
		return line_step(p, s, side, in);
	switch ((enum nr_smtp_mode)s->mode) {
	case NR_SMTP_AT_DATA:
		return behind_data(p, s, in);
	case NR_SMTP_IN_DATA:
		return nr_smtp_in_data(p, s, in);
	case NR_SMTP_IN_CHUNK:
		return nr_smtp_in_chunk(p, s, in);
	case NR_SMTP_AT_COMMAND:
	default:
		return line_step(p, s, side, in);
	}
}

static enum nr_verdict smtp_data(struct nr_parse *p, void *ctx, unsigned side,
				 const uint8_t *data, size_t len)
{
	struct nr_smtp *s = ctx;
	struct nr_cursor in = nr_cursor(data, len);

	while (nr_left(&in)) {
		enum nr_verdict v = step(p, s, side, &in);

		if (v != NR_MORE)
			return v;
	}
	return NR_MORE;
}

static enum nr_verdict client_gap(struct nr_parse *p, struct nr_smtp *s, uint64_t n)
{
	enum nr_verdict v = NR_MORE;

	if (s->mail)
		s->mail->broken = true;
	s->lost = true;
	s->auth.left = 0; /* behind a gap only a command can be told */
	switch ((enum nr_smtp_mode)s->mode) {
	case NR_SMTP_IN_CHUNK:
		nr_smtp_content_gap(&s->content);
		if (n < s->chunk_left) {
			s->chunk_left -= n;
			return v;
		}
		s->mode = NR_SMTP_AT_COMMAND;
		s->skip[!s->server] = n > s->chunk_left;
		return v;
	case NR_SMTP_AT_DATA:
		nr_smtp_begin_data(p, s);
		v = nr_smtp_drop_peek(p, s);
		break;
	case NR_SMTP_IN_DATA:
		break;
	case NR_SMTP_AT_COMMAND:
	default:
		s->skip[!s->server] = true;
		s->unseen = true;
		return v;
	}
	nr_smtp_content_gap(&s->content);
	s->data_gap = true;
	if (s->early) { /* the end of DATA was in the gap */
		s->early = false;
		s->mode = NR_SMTP_AT_COMMAND;
		s->skip[!s->server] = true;
	}
	return v;
}

static enum nr_verdict smtp_gap(struct nr_parse *p, void *ctx, unsigned side, uint64_t n)
{
	struct nr_smtp *s = ctx;

	if (s->tls_agreed)
		return nr_parse_hand_over(p, "tls", NULL, 0);
	nr_gather_clear(&s->line[side]);
	if (s->roles_known && side != s->server) {
		return client_gap(p, s, n);
	}
	s->skip[side] = true;
	if (s->roles_known && s->mail)
		s->mail->broken = true;
	if (s->reply.open && s->mail) { /* what was read of it counts */
		enum nr_verdict v = nr_smtp_whole_reply(p, s);

		if (v != NR_MORE)
			return v;
	}
	nr_reply_clear(&s->reply);
	nr_smtp_doubt(s);
	return NR_MORE;
}

static void smtp_end(struct nr_parse *p, void *ctx)
{
	struct nr_smtp *s = ctx;
	struct nr_gather *g = &s->line[!s->server];

	if (s->mail && s->mode == NR_SMTP_AT_COMMAND && !s->skip[!s->server] &&
	    nr_gathered_len(g)) {
		struct nr_piece line = { .p = g->p, .len = g->len, .cut = g->cut };

		s->mail->broken = true;
		nr_smtp_client_line(p, s, &line);
	}
	if (s->mail && (s->mode == NR_SMTP_IN_DATA || s->mode == NR_SMTP_IN_CHUNK))
		s->mail->broken = true;
	nr_smtp_give_up(p, s, 0);
	nr_smtp_auth_end(p, &s->auth, 0);
	while (s->mails)
		nr_smtp_write_first(p, s);
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
			{ "bytes of a command line", NR_SMTP_LINE_MAX,
			  "cut; complete = 0" },
			{ "bytes of a reply or a header", NR_SMTP_REPLY_MAX,
			  "cut; complete = 0" },
			{ "bytes of a mail's recipients, and of its commands", 64 << 10,
			  "the others are left out; complete = 0" },
			{ "commands without a reply", NR_SMTP_PENDING_MAX,
			  "the oldest is taken as not answered; complete = 0" },
			{ "bytes of commands without a reply", NR_SMTP_PENDING_BYTES,
			  "the oldest is taken as not answered; complete = 0" },
			{ "lines in a row that are no reply", NR_SMTP_BAD_MAX,
			  "closed (error)" },
			{ 0 },
		},
	.ctx_size = sizeof(struct nr_smtp),
	.probe = smtp_probe,
	.data = smtp_data,
	.gap = smtp_gap,
	.end = smtp_end,
};
