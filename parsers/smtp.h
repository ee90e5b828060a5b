/* SPDX-License-Identifier: BSD-3-Clause */
/* Table smtp, and the parts of a mail connection that are not its dialogue. */
#pragma once

#include "lines.h"
#include "record/define.h"
#include "session/parser.h"

/* clang-format off */
#define NR_FIELDS_SMTP(X, T) \
	NR_FIELDS_SESSION(X, T) \
	X(T, trans_depth, INT, NR_NN, NULL, NULL, NULL, "number of this row in its connection, from 1: a row a mail; a connection without a mail is one, RCPT or DATA without MAIL behind a mail begin one") \
	X(T, begin_ns, TIME, 0, NULL, "ns", NULL, "time of the row's first command or reply") \
	X(T, helo, TEXT, 0, NULL, NULL, NULL, "what the client called itself: argument of HELO, EHLO or LHLO") \
	X(T, mail_from, TEXT, 0, NULL, NULL, NULL, "sender of MAIL FROM, without its brackets; empty for bounces; NULL without a mail; where a second MAIL was refused (501, 503), that of the first") \
	X(T, rcpt_to, JSON, 0, NULL, NULL, NULL, "list of the recipients of RCPT TO, without their brackets, accepted or not") \
	X(T, subject, TEXT, 0, NULL, NULL, NULL, "header Subject, unfolded, encoded words as they are (RFC 2047)") \
	X(T, header_from, TEXT, 0, NULL, NULL, NULL, "header From") \
	X(T, header_to, TEXT, 0, NULL, NULL, NULL, "header To") \
	X(T, cc, TEXT, 0, NULL, NULL, NULL, "header Cc") \
	X(T, reply_to, TEXT, 0, NULL, NULL, NULL, "header Reply-To") \
	X(T, message_id, TEXT, 0, NULL, NULL, NULL, "header Message-ID") \
	X(T, in_reply_to, TEXT, 0, NULL, NULL, NULL, "header In-Reply-To") \
	X(T, date, TEXT, 0, NULL, NULL, NULL, "header Date") \
	X(T, user_agent, TEXT, 0, NULL, NULL, NULL, "header User-Agent or X-Mailer") \
	X(T, x_originating_ip, TEXT, 0, NULL, NULL, NULL, "header X-Originating-IP") \
	X(T, commands, JSON, 0, NULL, NULL, NULL, "list of objects: command, argument, reply (its code), packet; what follows AUTH is masked unless --store-secrets") \
	X(T, n_commands, INT, NR_NN, NULL, NULL, NULL, "how many commands; more than in the list where it was cut at 64 KiB") \
	X(T, last_reply, TEXT, 0, NULL, NULL, NULL, "code and text of the reply that ended the mail, or of the last one seen; lines separated by LF") \
	X(T, status, TEXT, 0, NULL, NULL, nr_smtp_status, "what became of the mail; NULL without a mail, or where it was not seen") \
	X(T, starttls, BOOL, NR_NN, NULL, NULL, NULL, "1 if the server agreed to TLS, or TLS followed") \
	X(T, bytes, INT, 0, NULL, "bytes", NULL, "content of the mail that was seen, dots unstuffed; NULL where none was sent") \
	X(T, complete, BOOL, NR_NN, NULL, NULL, NULL, "0 if a gap or the end cut the mail short, or the row does not hold all of a text")
/* clang-format on */

NR_TABLE_DECLARE(SMTP, smtp, NR_FIELDS_SMTP);

extern const char *const nr_smtp_status[];

enum nr_smtp_status {
	NR_SMTP_OPEN, /* nothing is known yet */
	NR_SMTP_ACCEPTED,
	NR_SMTP_DEFERRED,
	NR_SMTP_REJECTED,
	NR_SMTP_ABORTED,
};

enum nr_smtp_header {
	NR_SMTP_H_SUBJECT,
	NR_SMTP_H_FROM,
	NR_SMTP_H_TO,
	NR_SMTP_H_CC,
	NR_SMTP_H_REPLY_TO,
	NR_SMTP_H_MESSAGE_ID,
	NR_SMTP_H_IN_REPLY_TO,
	NR_SMTP_H_DATE,
	NR_SMTP_H_USER_AGENT,
	NR_SMTP_H_ORIGINATING_IP,
	NR_SMTP_HEADERS,
	NR_SMTP_H_NONE = NR_SMTP_HEADERS, /* of no interest */
};

/* What becomes a row; all text is the account's. */
struct nr_smtp_mail {
	struct nr_smtp_mail *next;
	uint32_t depth, n_commands, n_accepted; /* recipients */
	struct nr_kept helo, from, rcpts, commands, last_reply;
	struct nr_kept header[NR_SMTP_HEADERS];
	uint64_t bytes;
	int64_t begin_ns;
	/* The packet that completed it, or the last one that said something. */
	int64_t source_id, ts_ns;
	uint64_t packet;
	uint8_t status; /* enum nr_smtp_status */
	bool has_mail;  /* MAIL came */
	bool accepted;  /* and was accepted */
	bool has_content;
	bool refused; /* its content so far */
	bool ended;   /* the end of its content came, or RSET */
	bool done;    /* its last word is spoken; nothing changes it any more */
	bool broken;  /* by a gap */
	bool starttls, touched;
};

/* Where the reader of a mail's content stands. */
struct nr_smtp_content {
	struct nr_gather line;
	uint8_t dot;    /* of the lines' ends and dots, see smtp_mail.c */
	uint8_t header; /* enum nr_smtp_header that is being read */
	bool in_body;
	bool was_cr;   /* the byte before was CR */
	bool bare_lf;  /* the line before ended in LF alone */
	bool smuggled; /* the end that was found is not CR LF . CR LF */
};

/* A new mail begins; what the one before needed of memory is kept. */
void nr_smtp_content_begin(struct nr_smtp_content *c);
void nr_smtp_content_free(struct nr_smtp_content *c, struct nr_account *a);
/* Content without dots to unstuff (BDAT). False: no memory. */
bool nr_smtp_content_feed(struct nr_smtp_content *c, struct nr_smtp_mail *m,
			  struct nr_account *a, const uint8_t *p, size_t n);
/* Bytes are missing. */
void nr_smtp_content_gap(struct nr_smtp_content *c);

enum nr_smtp_data { NR_SMTP_DATA_MORE, NR_SMTP_DATA_END, NR_SMTP_DATA_NO_MEM };

/*
 * Content behind DATA (RFC 5321, 4.5.2): consumes up to the line "." that ends it. Where
 * a bare LF stands beside that line, c->smuggled is set.
 */
enum nr_smtp_data nr_smtp_content_data(struct nr_smtp_content *c, struct nr_smtp_mail *m,
				       struct nr_account *a, struct nr_cursor *in);

/* The address in the argument of MAIL or RCPT behind "FROM:" or "TO:"; false where that
   is not there. */
bool nr_smtp_path(const char *arg, size_t n, const char *prefix, const char **path,
		  size_t *path_len);
/* Adds a JSON value behind a comma, whole or not at all; *t has no brackets yet. */
bool nr_smtp_list_add(struct nr_kept *t, struct nr_account *a, const char *json,
		      size_t n);
void nr_smtp_put_mail(struct nr_parse *p, const struct nr_smtp_mail *m);
/* The MAIL that began m was refused, which changes nothing (RFC 5321, 4.1.4): m becomes
   the mail before it, which stays as it was but for what it held. False: no memory. */
bool nr_smtp_mail_go_on(struct nr_smtp_mail *m, struct nr_smtp_mail *before,
			struct nr_account *a);
/* There is other content than that which was refused. */
void nr_smtp_mail_forget_content(struct nr_smtp_mail *m, struct nr_account *a);
void nr_smtp_mail_free(struct nr_smtp_mail *m, struct nr_account *a);

enum { NR_SMTP_AUTH_MAX = 12288 }; /* bytes of a line (RFC 4954, 4) */

/* AUTH (RFC 4954): what the client's lines say. */
struct nr_smtp_auth {
	bool active;
	bool has_secret;
	uint8_t left;       /* lines of the client that still belong to it */
	uint8_t step;       /* lines that came */
	uint32_t number;    /* of the last AUTH, from 1 */
	char mechanism[20]; /* lower case */
	struct nr_kept user, secret;
	struct nr_kept raw; /* the last line as it was sent: replies may repeat it */
};

/* The argument of AUTH: mechanism and perhaps the first response. False: no memory. */
bool nr_smtp_auth_begin(struct nr_parse *p, struct nr_smtp_auth *x, const char *arg,
			size_t n);
/* A line of the client. False: no memory. */
bool nr_smtp_auth_line(struct nr_parse *p, struct nr_smtp_auth *x, const char *line,
		       size_t n);
/* The server's 334 with this text. */
void nr_smtp_auth_challenge(struct nr_smtp_auth *x, const char *text, size_t n);
/* The row; code 0: no answer was seen. Nothing where nothing was begun. */
void nr_smtp_auth_end(struct nr_parse *p, struct nr_smtp_auth *x, unsigned code);
void nr_smtp_auth_free(struct nr_smtp_auth *x, struct nr_account *a);
/* Text of the server in which it may have repeated what it was told. */
const char *nr_smtp_auth_echo(struct nr_parse *p, const struct nr_smtp_auth *x,
			      const char *text, size_t n);
