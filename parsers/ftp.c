/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * FTP's control connection (RFC 959, 2228, 2428): one row a command with its reply.
 */
#include "ftp_dialog.h"

#include "base/text.h"
#include "credential.h"

static const char *const indexes[] = { "flow_id", NULL };

NR_TABLE_DEFINE(FTP, ftp, NR_R_SESSION, indexes, "FTP commands with their replies",
		NR_FIELDS_FTP);

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

/* -- the stream -- */

/* The first line says who is who. False: this is not FTP. */
static bool learn_roles(struct nr_parse *p, struct nr_ftp *f, unsigned side,
			const struct nr_piece *line)
{
	struct nr_piece l = *line;
	bool is_reply = nr_reply_code(line->p, line->len) != 0;

	nr_ftp_skip_telnet(&l);
	if (!is_reply && (!l.len || (*l.p | 32) < 'a' || (*l.p | 32) > 'z'))
		return false;
	f->roles_known = true;
	f->server = (uint8_t)(is_reply ? side : !side);
	nr_parse_service(p, "ftp");
	return true;
}

/* Most gaps end where a line does; what else comes first is the rest of one. */
static bool behind_gap(struct nr_ftp *f, unsigned side, const struct nr_piece *line)
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

static enum nr_verdict ftp_line(struct nr_parse *p, struct nr_ftp *f, unsigned side,
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
	return side == f->server ? nr_ftp_server_line(p, f, line)
				 : nr_ftp_client_line(p, f, line);
}

/* A TLS record instead of a line, whether or not the server's 234 was seen. */
static bool tls_begins(const struct nr_ftp *f, unsigned side, const struct nr_cursor *in)
{
	return (f->tls_agreed || (f->tls_asked && side != f->server)) && *in->p == 0x16 &&
	       !nr_gathered_len(&f->line[side]) && !f->line[side].cut;
}

static enum nr_verdict ftp_data(struct nr_parse *p, void *ctx, unsigned side,
				const uint8_t *data, size_t len)
{
	struct nr_ftp *f = ctx;
	struct nr_cursor in = nr_cursor(data, len);
	struct nr_piece line;

	while (nr_left(&in)) {
		enum nr_verdict v;

		if (tls_begins(f, side, &in))
			return nr_parse_hand_over(p, "tls", in.p, nr_left(&in));
		switch (nr_gather_line(&f->line[side], p->account, &in, NR_FTP_LINE_MAX,
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
	struct nr_ftp *f = ctx;

	if (f->tls_agreed)
		return nr_parse_hand_over(p, "tls", NULL, 0);
	nr_gather_clear(&f->line[side]);
	f->skip[side] = true;
	return f->roles_known && side == f->server ? nr_ftp_server_gap(p, f) : NR_MORE;
}

static void ftp_end(struct nr_parse *p, void *ctx)
{
	struct nr_ftp *f = ctx;
	struct nr_gather *g = &f->line[!f->server];
	struct nr_piece line = { .p = g->p, .len = nr_gathered_len(g), .cut = g->cut };
	bool begun = f->roles_known && !f->skip[!f->server] && line.len;

	nr_ftp_dialog_end(p, f, begun ? &line : NULL);
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
			{ "bytes of a line, and of a reply", NR_FTP_LINE_MAX,
			  "cut; complete = 0" },
			{ "bytes of a command's replies 1xx", NR_FTP_INTERIM_MAX,
			  "cut; complete = 0" },
			{ "commands without a reply", NR_FTP_PENDING_MAX,
			  "the oldest is a row with complete = 0" },
			{ "lines in a row that are no reply", NR_FTP_BAD_MAX,
			  "closed (error)" },
			{ 0 },
		},
	.ctx_size = sizeof(struct nr_ftp),
	.probe = ftp_probe,
	.data = ftp_data,
	.gap = ftp_gap,
	.end = ftp_end,
};
