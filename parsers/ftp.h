/* SPDX-License-Identifier: BSD-3-Clause */
/* Table ftp, and where FTP's data connections go (RFC 959, RFC 2428). */
#pragma once

#include "record/define.h"
#include "session/parser.h"

/* clang-format off */
#define NR_FIELDS_FTP(X, T) \
	NR_FIELDS_SESSION(X, T) \
	X(T, command_ns, TIME, 0, NULL, "ns", NULL, "time of the command; NULL for a reply without one") \
	X(T, command, TEXT, 0, NULL, NULL, NULL, "the command, in upper case; NULL for a reply to none: the greeting, or a command that was not seen") \
	X(T, argument, TEXT, 0, NULL, NULL, NULL, "its argument; of PASS, ACCT and ADAT masked unless --store-secrets") \
	X(T, reply_code, INT, 0, NULL, NULL, NULL, "code of the final reply; NULL where none was seen") \
	X(T, reply_text, TEXT, 0, NULL, NULL, NULL, "its text without the code, lines separated by LF") \
	X(T, interim, JSON, 0, NULL, NULL, NULL, "list of the replies 1xx that came before it") \
	X(T, user, TEXT, 0, NULL, NULL, NULL, "the user of the last USER command") \
	X(T, data_flow_id, INT, 0, "flow(flow_id)", NULL, NULL, "the data connection, where it was seen before the row was written: rows of transfers") \
	X(T, passive, BOOL, 0, NULL, NULL, NULL, "1 where the client opens the data connection (PASV, EPSV), 0 where the server does (PORT, EPRT)") \
	X(T, data_ip, TEXT, 0, NULL, NULL, NULL, "address that was announced for the data connection, or follows for EPSV") \
	X(T, data_port, INT, 0, NULL, NULL, NULL, "port that was announced for it") \
	X(T, complete, BOOL, NR_NN, NULL, NULL, NULL, "0 if no reply was seen, or the command or reply is cut short (at 4 096 bytes, by a gap, by the end)")
/* clang-format on */

NR_TABLE_DECLARE(FTP, ftp, NR_FIELDS_FTP);

/* Where a data connection goes. */
struct nr_ftp_channel {
	bool known, passive;
	uint8_t ip_version;
	uint16_t port;
	uint8_t ip[16];
	uint64_t token[2]; /* of nr_parse_expect() */
	unsigned n_tokens;
};

/* The argument of PORT: h1,h2,h3,h4,p1,p2. */
bool nr_ftp_read_port(struct nr_ftp_channel *c, const char *arg, size_t n);
/* The argument of EPRT: |2|address|port| with any delimiter (RFC 2428, 2). */
bool nr_ftp_read_eprt(struct nr_ftp_channel *c, const char *arg, size_t n);
/* The text of a reply 227: six numbers anywhere in it. */
bool nr_ftp_read_pasv(struct nr_ftp_channel *c, const char *text, size_t n);
/* The text of a reply 229: (|||port|). The address is the server's, left to the caller.
 */
bool nr_ftp_read_epsv(struct nr_ftp_channel *c, const char *text, size_t n);

/*
 * Announces the flow that c leads to; server: the side that is FTP's server. Where the
 * address is not the side's own (a NAT, a third host), the side's own is expected too.
 */
void nr_ftp_expect(struct nr_parse *p, struct nr_ftp_channel *c, unsigned server);
/* The columns of c. */
void nr_ftp_put_channel(struct nr_parse *p, struct nr_record *r,
			const struct nr_ftp_channel *c);
