/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dialogue on FTP's control connection: commands, replies, rows. ftp.c brings the
 * lines in order and knows who is the client; ftp_dialog.c what they mean.
 */
#pragma once

#include "ftp.h"
#include "lines.h"

enum {
	NR_FTP_LINE_MAX = 4096,
	NR_FTP_REPLY_MAX = 4096,
	NR_FTP_INTERIM_MAX = 1024, /* bytes of all replies 1xx to one command */
	NR_FTP_PENDING_MAX = 256,
	NR_FTP_VERB_MAX = 32,
	NR_FTP_BAD_MAX = 16, /* lines in a row that are no replies */
};

struct nr_ftp_command {
	struct nr_ftp_command *next;
	int64_t at_ns;
	struct nr_kept line, interim;
	struct nr_ftp_channel channel; /* of PORT and EPRT */
	bool cut, doubtful;            /* doubtful: its reply may have been in a gap */
};

struct nr_ftp {
	struct nr_gather line[2];
	struct nr_reply reply;
	struct nr_ftp_command *first, *last;
	struct nr_kept user, secret;
	struct nr_ftp_channel channel; /* of the next transfer */
	uint32_t n_pending, n_replies;
	uint32_t n_owed; /* replies still to come to commands that were given up */
	bool roles_known;
	bool tls_asked;  /* the last command was AUTH TLS */
	bool tls_agreed; /* the last line was its 234 */
	bool skip[2];    /* behind a gap: to a line that can be one */
	uint8_t server;
	bool spoke[2];
};

/* Telnet's way to be heard (RFC 959, 4.1.3): IAC IP IAC DM before ABOR. */
void nr_ftp_skip_telnet(struct nr_piece *line);
/* A line of either side. NR_MORE, or why the parser is to be closed. */
enum nr_verdict nr_ftp_client_line(struct nr_parse *p, struct nr_ftp *f,
				   struct nr_piece *line);
enum nr_verdict nr_ftp_server_line(struct nr_parse *p, struct nr_ftp *f,
				   const struct nr_piece *line);
/* Replies are missing; what is there of one counts. */
enum nr_verdict nr_ftp_server_gap(struct nr_parse *p, struct nr_ftp *f);
/* The last rows; line: what there is of a command, or NULL. */
void nr_ftp_dialog_end(struct nr_parse *p, struct nr_ftp *f, const struct nr_piece *line);
