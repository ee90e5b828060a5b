/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside the HTTP/1 parser: one context a flow, shared by its files.
 *
 *	http.c		the row of the parser, probing, what the engine calls
 *	http_msg.c	one side's bytes to messages: bodies, gaps, ends
 *	http_head.c	heads, getting lost and found
 *	http_tx.c	requests and responses to transactions
 *	http_row.c	transactions to rows
 *	http_mask.c	secrets in fields and URIs
 *	http_line.c	the text of lines, without state
 *
 * Requests and responses are counted, each from 1; what has the same number belongs
 * together. Where a gap swallowed messages the count is set anew (http_tx.c).
 */
#pragma once

#include "http_line.h"
#include "record/define.h"
#include "session/gather.h"
#include "session/parser.h"

/* clang-format off */
#define NR_FIELDS_HTTP(X, T) \
	NR_FIELDS_SESSION(X, T) \
	X(T, complete, BOOL, NR_NN, NULL, NULL, NULL, "0 if the request or the response was cut short: by a gap, the end of the capture, a reset, a breach of the protocol") \
	X(T, trans_depth, INT, NR_NN, NULL, NULL, NULL, "number of the transaction in its flow, from 1") \
	X(T, method, TEXT, 0, NULL, NULL, NULL, "method of the request; NULL where no request was seen") \
	X(T, host, TEXT, 0, NULL, NULL, NULL, "host asked for, with its port if one was sent: field Host, else the authority in the target") \
	X(T, uri, TEXT, 0, NULL, NULL, NULL, "target of the request as sent; values of parameters named like secrets are asterisks unless --store-secrets") \
	X(T, request_version, TEXT, 0, NULL, NULL, NULL, "version of the request: 1.1, 1.0, 0.9") \
	X(T, user_agent, TEXT, 0, NULL, NULL, NULL, "field User-Agent of the request") \
	X(T, referer, TEXT, 0, NULL, NULL, NULL, "field Referer of the request, masked as uri") \
	X(T, user, TEXT, 0, NULL, NULL, NULL, "name of the user in Basic or Digest authentication") \
	X(T, status, INT, 0, NULL, NULL, NULL, "status code of the final response; NULL where none was seen or it is no number") \
	X(T, reason, TEXT, 0, NULL, NULL, NULL, "reason phrase of the response") \
	X(T, response_version, TEXT, 0, NULL, NULL, NULL, "version of the response") \
	X(T, interim, JSON, 0, NULL, NULL, NULL, "array of the interim responses (1xx): objects of status, reason, headers") \
	X(T, location, TEXT, 0, NULL, NULL, NULL, "field Location of the response, masked as uri") \
	X(T, request_headers, JSON, 0, NULL, NULL, NULL, "array of [name, value] in the order sent; secrets are asterisks unless --store-secrets") \
	X(T, response_headers, JSON, 0, NULL, NULL, NULL, "the same of the response") \
	X(T, request_trailers, JSON, 0, NULL, NULL, NULL, "the same of the trailers behind a chunked request") \
	X(T, response_trailers, JSON, 0, NULL, NULL, NULL, "the same of the trailers behind a chunked response") \
	X(T, request_content_type, TEXT, 0, NULL, NULL, NULL, "field Content-Type of the request") \
	X(T, response_content_type, TEXT, 0, NULL, NULL, NULL, "field Content-Type of the response") \
	X(T, request_body_bytes, INT, 0, NULL, "bytes", NULL, "length of the request's content without chunk framing, gaps included; NULL where no request was seen") \
	X(T, response_body_bytes, INT, 0, NULL, "bytes", NULL, "length of the response's content without chunk framing, before content decoding, gaps included; NULL where no response was seen") \
	X(T, missed_bytes, INT, NR_NN, NULL, "bytes", NULL, "of these two, what lies in gaps") \
	X(T, response_encoding, TEXT, 0, NULL, NULL, NULL, "field Content-Encoding of the response") \
	X(T, request_ns, TIME, 0, NULL, "ns", NULL, "time of the packet with the request's first byte") \
	X(T, response_ns, TIME, 0, NULL, "ns", NULL, "time of the packet with the final response's first byte") \
	X(T, upgrade, TEXT, 0, NULL, NULL, NULL, "what the connection was switched to: field Upgrade of a 101 response; connect behind a tunnel's 2xx")
/* clang-format on */

NR_TABLE_DECLARE(HTTP, http, NR_FIELDS_HTTP);

enum {
	NR_HTTP_HEAD_MAX = 65536,    /* bytes kept of a head with its trailers */
	NR_HTTP_START_MAX = 16384,   /* bytes kept of a start line */
	NR_HTTP_FIELD_SLACK = 1024,  /* bytes looked at of each field beyond HEAD_MAX */
	NR_HTTP_FIELDS_MAX = 512,    /* fields kept of a head */
	NR_HTTP_CHUNK_LINE_MAX = 64, /* bytes looked at of a chunk's line behind its
					leading zeros */
	NR_HTTP_OPEN_MAX = 128,      /* transactions open in a flow */
	NR_HTTP_WRITTEN_MAX = 4096,  /* beyond these: requests whose kind is remembered */
	NR_HTTP_INTERIM_MAX = 16,    /* interim responses kept of a transaction */
	NR_HTTP_SKIP_MAX = 65536,    /* bytes without any message: it is something else */
	NR_HTTP_EARLY_MAX = 16384,   /* bytes kept of a client that does not wait for the
					answer to CONNECT */
};

/* A start line and the fields behind it as they stood on the wire. */
struct nr_http_head {
	uint8_t *p; /* from the account */
	uint32_t len, cap;
	uint32_t fields_at;   /* behind the start line */
	uint32_t trailers_at; /* 0: none */
	uint32_t n_fields;
	uint64_t cut; /* bytes not kept */
};

struct nr_http_message {
	struct nr_http_head head;
	struct nr_http_framing framing;
	int64_t first_ns;
	uint64_t body, missed;
	unsigned signs, said;       /* said: those that are anomalies already */
	uint32_t host_at, host_len; /* requests: the first Host, in the head */
	uint16_t n_hosts;
	int16_t status;  /* responses; -1: no number */
	bool seen;       /* its start line */
	bool open;       /* more of it may come */
	bool broken;     /* what can be had of it is not all */
	bool old;        /* request of HTTP/0.9, or the response to it */
	bool has_chunks; /* a chunk's line was read */
	bool odd_chunk;  /* one is odd, which was said */
	bool cut_said;   /* that not all of the head is kept */
	bool is_1_0;     /* its version is 1.0 */
	bool is_head, is_connect, expects; /* requests */
};

enum { NR_HTTP_REQ, NR_HTTP_RESP };

struct nr_http_tx {
	struct nr_http_tx *next; /* newer; behind the newest the oldest */
	uint64_t depth;
	struct nr_http_message msg[2]; /* NR_HTTP_REQ, NR_HTTP_RESP */
	char *interim;                 /* from the account: objects with commas between */
	uint32_t interim_len;
	uint32_t n_interim;
};

/* What the answers to requests that were written early, at the cap, must know of them. */
struct nr_http_written {
	uint64_t newest;                   /* depth of the newest one */
	uint8_t kind[NR_HTTP_WRITTEN_MAX]; /* by depth, modulo its size: see http_tx.c */
};

enum nr_http_state {
	NR_HTTP_START, /* before a start line */
	NR_HTTP_LOST,  /* the same, but only a line that leaves no doubt will do */
	NR_HTTP_FIELDS,
	NR_HTTP_BODY,   /* `left` more bytes */
	NR_HTTP_TO_END, /* until the side closes */
	NR_HTTP_CHUNK_LINE,
	NR_HTTP_CHUNK,     /* `left` more bytes */
	NR_HTTP_CHUNK_END, /* the line end behind a chunk */
	NR_HTTP_TRAILERS,
	NR_HTTP_WAIT,   /* a client behind CONNECT: the answer decides */
	NR_HTTP_EXPECT, /* a client that may leave the body out: see http_msg.c */
};

struct nr_http_side {
	enum nr_http_state state;
	struct nr_http_tx *tx;    /* whose message is being read; NULL between messages */
	struct nr_http_head head; /* of the message that begins */
	struct nr_gather line;    /* of a chunk; WAIT: what was said early */
	uint64_t early_gap;       /* WAIT: bytes behind it that were missed or not kept */
	uint64_t left;
	uint64_t line_len; /* bytes of the present line so far */
	uint32_t field_at; /* where the present field begins in the head */
	bool field_cut;    /* not all of it is kept */
	uint8_t tail_len;
	char tail[12]; /* the last bytes of a start line that is cut: its version */
	enum nr_http_state before; /* EXPECT: what was before it */
	int64_t first_ns;          /* of the message that begins */
	uint64_t skipped; /* bytes that belong to no message, since the last one */
	uint32_t zeros;   /* at the beginning of a chunk's line, nothing else so far */
	bool lost_by_gap; /* why they were skipped */
	bool empty_lines; /* before the message that begins */
};

struct nr_http {
	struct nr_http_side *side[2];    /* NULL while it is not within a message */
	struct nr_http_tx *newest;       /* a ring: behind it comes the oldest */
	struct nr_http_written *written; /* NULL: nothing to be known */
	uint64_t n_req, n_resp;          /* begun so far */
	uint64_t said_secret;            /* hash of the last credential row */
	uint32_t work; /* bytes looked at: linear in the bytes there are; wraps */
	uint8_t n_open;
	int8_t client;       /* side + 1; 0: not known yet */
	uint8_t spoke;       /* sides that have begun a message, as bits */
	bool understood : 1; /* some message was */
	bool pipelines : 1;  /* a request came while another was not answered */
	bool resp_lost : 1;  /* responses may have gone unseen */
	bool datagram : 1;   /* over UDP */
	bool dropped : 1;    /* a transaction was written early, at the cap */
};

/*
 * http_msg.c: before and after each of the calls below. Connections wait long between
 * messages: what only a message needs is given back then. false: the account is at its
 * cap.
 */
bool nr_http_wake(struct nr_parse *p, struct nr_http *h, unsigned side);
void nr_http_rest(struct nr_parse *p, struct nr_http *h);

/* http_msg.c: bytes of a side, a gap, the orderly end of a side. */
enum nr_verdict nr_http_bytes(struct nr_parse *p, struct nr_http *h, unsigned side,
			      const uint8_t *data, size_t len);
enum nr_verdict nr_http_gap(struct nr_parse *p, struct nr_http *h, unsigned side,
			    uint64_t n);
void nr_http_close(struct nr_parse *p, struct nr_http *h, unsigned side);
/* The side says no more, in order or not: what it began is broken. */
void nr_http_cut_off(struct nr_parse *p, struct nr_http *h, unsigned side);

unsigned nr_http_side_of(const struct nr_http *h, const struct nr_http_side *s);
bool nr_http_is_client(const struct nr_http *h, const struct nr_http_side *s);
/* The message of s->tx that the side is sending. */
struct nr_http_message *nr_http_reading(struct nr_http *h, struct nr_http_side *s);
/* The empty line behind the fields, or the trailers, was read; in is behind it. */
enum nr_verdict nr_http_head_done(struct nr_parse *p, struct nr_http *h,
				  struct nr_http_side *s, struct nr_cursor *in);
/* The message is whole. */
enum nr_verdict nr_http_message_done(struct nr_parse *p, struct nr_http *h,
				     struct nr_http_side *s);

/* http_head.c: a step takes at least one byte of in, which has some. */
enum nr_verdict nr_http_start_step(struct nr_parse *p, struct nr_http *h,
				   struct nr_http_side *s, struct nr_cursor *in);
enum nr_verdict nr_http_fields_step(struct nr_parse *p, struct nr_http *h,
				    struct nr_http_side *s, struct nr_cursor *in);
/*
 * A client that said "Expect: 100-continue" and was refused may send the body or leave
 * it out (RFC 9110, 10.1.1): the next line decides.
 */
enum nr_verdict nr_http_expect_step(struct nr_parse *p, struct nr_http *h,
				    struct nr_http_side *s, struct nr_cursor *in);
void nr_http_get_lost(struct nr_http_side *s, bool by_gap);
/* Bytes were skipped, and are not any more: the anomaly. */
void nr_http_say_skipped(struct nr_parse *p, struct nr_http *h, struct nr_http_side *s);
/* A start line that is not whole is a message all the same, if it looks like one. */
void nr_http_begin_partial(struct nr_parse *p, struct nr_http *h, struct nr_http_side *s);
/* The answer to a request of HTTP/0.9 is due; it has no head. */
bool nr_http_is_to_old_request(const struct nr_http *h, const struct nr_http_side *s);
enum nr_verdict nr_http_begin_old_response(struct nr_parse *p, struct nr_http *h,
					   struct nr_http_side *s);

/* http_tx.c. NULL where the account is at its cap. */
struct nr_http_tx *nr_http_tx_request(struct nr_parse *p, struct nr_http *h);
struct nr_http_tx *nr_http_tx_response(struct nr_parse *p, struct nr_http *h);
/* A gap where a message would have begun. */
void nr_http_tx_request_lost(struct nr_parse *p, struct nr_http *h);
void nr_http_tx_response_lost(struct nr_parse *p, struct nr_http *h);
/* The oldest transaction whose response has not begun; NULL: none. */
struct nr_http_tx *nr_http_tx_next_answered(const struct nr_http *h);
/* An interim response was read whole: kept with tx, which waits for the final one. */
enum nr_verdict nr_http_tx_interim(struct nr_parse *p, struct nr_http_tx *tx);
/* Writes the rows of transactions to which nothing more can come. */
void nr_http_tx_settle(struct nr_parse *p, struct nr_http *h);
/* Writes the rows of all. */
void nr_http_tx_flush(struct nr_parse *p, struct nr_http *h);
void nr_http_head_free(struct nr_http_head *head, struct nr_account *a);

/* http_row.c */
void nr_http_row(struct nr_parse *p, struct nr_http *h, const struct nr_http_tx *tx);
/* Array of pairs in the arena; sets *n to its length. from, to: bytes of the head. */
char *nr_http_fields_json(struct nr_parse *p, const struct nr_http_head *head,
			  uint32_t from, uint32_t to, size_t *n);
/* The secrets of a field that no row will have. */
void nr_http_tell_dropped(struct nr_parse *p, const struct nr_http_header *f);
/* The anomalies of fields that have been read: signs, what was cut. */
void nr_http_say_signs(struct nr_parse *p, int side, uint64_t depth, unsigned which,
		       struct nr_http_message *m);

/* http_mask.c: copies in the arena, secrets masked unless they are to be stored. */
char *nr_http_mask_target(struct nr_parse *p, struct nr_http_slice method,
			  struct nr_http_slice target);
/* In place: a value that was folded and holds what some readers take for a field of its
   own, with a secret in it (RFC 9112, 5.2). */
void nr_http_hide_folded(struct nr_parse *p, char *value, size_t n);
char *nr_http_mask_value(struct nr_parse *p, struct nr_http_slice name, const char *value,
			 size_t n);
