/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dialogue of SMTP and LMTP (RFC 5321, 2033): commands, replies, mails. smtp.c brings
 * the lines in order and knows who is the client; smtp_dialog.c knows what the client's
 * mean, smtp_reply.c the server's.
 */
#pragma once

#include "smtp.h"

enum {
	NR_SMTP_LINE_MAX = NR_SMTP_AUTH_MAX + 32, /* and "AUTH" with its mechanism */
	NR_SMTP_REPLY_MAX = 4096,
	NR_SMTP_TEXT_MAX = 4096,
	NR_SMTP_PENDING_MAX = 1024,
	NR_SMTP_PENDING_BYTES = 64 << 10,
	NR_SMTP_BAD_MAX = 16,
};

enum nr_smtp_verb {
	NR_SMTP_V_UNKNOWN,
	NR_SMTP_V_HELO,
	NR_SMTP_V_EHLO,
	NR_SMTP_V_LHLO,
	NR_SMTP_V_MAIL,
	NR_SMTP_V_RCPT,
	NR_SMTP_V_DATA,
	NR_SMTP_V_BDAT,
	NR_SMTP_V_AUTH,
	NR_SMTP_V_STARTTLS,
	NR_SMTP_V_RSET,
	NR_SMTP_V_QUIT,
	NR_SMTP_V_OTHER,
	NR_SMTP_V_CONTENT, /* no command: the end of DATA, which has a reply of its own */
};

/* As they are sent, in the order of enum nr_smtp_verb from HELO on, then the others; NULL
   ends them. */
extern const char *const nr_smtp_verbs[];

struct nr_smtp_command {
	struct nr_smtp_command *next;
	struct nr_smtp_mail *mail;
	struct nr_kept line;
	uint64_t packet;
	uint32_t replies; /* LMTP: that are still to come, once the first one came */
	uint32_t auth;    /* AUTH: its number */
	uint8_t verb;     /* enum nr_smtp_verb */
	bool chunk;       /* BDAT with a size */
	bool last;        /* and LAST */
	bool in_mail;     /* MAIL was said before it */
	bool is_pass;     /* PASS: the argument is a secret */
	bool near_auth;   /* what is no command may be an answer to an AUTH */
};

enum nr_smtp_mode {
	NR_SMTP_AT_COMMAND,
	NR_SMTP_AT_DATA, /* DATA was said and not yet answered */
	NR_SMTP_IN_DATA,
	NR_SMTP_IN_CHUNK,
};

struct nr_smtp {
	struct nr_gather line[2];
	struct nr_reply reply;
	struct nr_smtp_command *first, *last; /* waiting for replies */
	struct nr_smtp_mail *mails, *mail;    /* oldest and newest */
	struct nr_smtp_content content;
	struct nr_smtp_auth auth;
	uint64_t chunk_left;
	uint32_t n_pending, n_replies;
	uint32_t pending_len; /* bytes of their lines */
	uint32_t n_doubtful;  /* of the oldest: their replies may have been in a gap */
	uint32_t n_owed;      /* replies still to come to commands that were given up */
	uint8_t server, mode; /* enum nr_smtp_mode */
	uint8_t n_peek;
	uint8_t peek[12]; /* first bytes behind a DATA that was not answered */
	bool roles_known, lmtp;
	bool tls_asked;  /* the last command was STARTTLS */
	bool tls_agreed; /* the last line was its 220 */
	bool early;      /* the reply to the end of DATA came before that end */
	bool data_gap;   /* in the present DATA */
	bool unseen;     /* behind a gap: there are replies to commands not seen */
	bool skip[2];    /* behind a gap: to a line that can be one */
	bool mid;        /* the beginning of the connection was not seen */
	bool lost;       /* lines of the client were not seen */
	bool near_auth;  /* behind an AUTH there was no other command */
};

/* The present packet says something of m. */
void nr_smtp_stamp(const struct nr_parse *p, struct nr_smtp_mail *m);
/* What a command line asks for. */
enum nr_smtp_verb nr_smtp_verb_of(const struct nr_command *c);
/* A mail behind those there are; the connection's first one begins with it. False: no
   memory. */
bool nr_smtp_add_mail(struct nr_parse *p, struct nr_smtp *s);
/* Writes the oldest mail, which nothing changes any more, and forgets it. */
void nr_smtp_write_first(struct nr_parse *p, struct nr_smtp *s);

/* A line of either side. NR_MORE, or why the parser is to be closed. */
enum nr_verdict nr_smtp_client_line(struct nr_parse *p, struct nr_smtp *s,
				    const struct nr_piece *line);
enum nr_verdict nr_smtp_server_line(struct nr_parse *p, struct nr_smtp *s,
				    const struct nr_piece *line);
/* What there is of a reply is all of it: its end was lost. */
enum nr_verdict nr_smtp_whole_reply(struct nr_parse *p, struct nr_smtp *s);
/* The oldest commands are taken as not answered, until n are left. */
enum nr_verdict nr_smtp_give_up(struct nr_parse *p, struct nr_smtp *s, unsigned n);
/* The same for one for which there is no room: its reply comes and is passed over. */
enum nr_verdict nr_smtp_owe(struct nr_parse *p, struct nr_smtp *s);
/* Replies are missing: each command may have had its own. */
void nr_smtp_doubt(struct nr_smtp *s);
/* The client goes on: what may have been answered in a gap was. */
enum nr_verdict nr_smtp_trust(struct nr_parse *p, struct nr_smtp *s);

/* Content: behind DATA, until its end; and so many bytes behind BDAT. */
void nr_smtp_begin_data(struct nr_parse *p, struct nr_smtp *s);
enum nr_verdict nr_smtp_in_data(struct nr_parse *p, struct nr_smtp *s,
				struct nr_cursor *in);
enum nr_verdict nr_smtp_in_chunk(struct nr_parse *p, struct nr_smtp *s,
				 struct nr_cursor *in);
/* Bytes that came behind DATA before its reply were content. */
enum nr_verdict nr_smtp_drop_peek(struct nr_parse *p, struct nr_smtp *s);
