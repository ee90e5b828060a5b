/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The text of HTTP/1 (RFC 9112): start lines, fields, what says how long a body is.
 *
 * Pure functions over bytes: no state, nothing allocated. What is odd but can be read is
 * read, and said as signs. Two readers that resolve a sign differently can be made to
 * disagree on where a message ends, which is what request smuggling lives on.
 */
#pragma once

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(IDENT, is it about the length of the body, "as it stands in the anomaly") */
#define NR_HTTP_SIGNS(X)                                                                 \
	X(BARE_LF, 0, "line ends in LF alone")                                           \
	X(BARE_CR, 0, "CR without LF")                                                   \
	X(NUL, 0, "NUL byte")                                                            \
	X(FOLD, 0, "folded field")                                                       \
	X(COLON_SPACE, 0, "whitespace before the colon")                                 \
	X(NO_COLON, 0, "field without a colon")                                          \
	X(NAME, 0, "impossible field name")                                              \
	X(EMPTY_LINE, 0, "empty line before the status line")                            \
	X(LEADING_SPACE, 0, "whitespace before the first field")                         \
	X(HOST_TWICE, 0, "more than one Host")                                           \
	X(HOST_DIFFERS, 0, "Host differs from the target's authority")                   \
	X(NUL_FIRST, 0, "NUL byte before the start line")                                \
	X(SPACE_FIRST, 0, "whitespace before the start line")                            \
	X(SPACES, 0, "superfluous whitespace in the start line")                         \
	X(CASE, 0, "HTTP in small letters")                                              \
	X(NO_TARGET, 0, "no request target")                                             \
	X(VERSION, 0, "impossible version")                                              \
	X(STATUS, 0, "impossible status")                                                \
	X(CL_AND_TE, 1, "Content-Length and Transfer-Encoding")                          \
	X(CL_DIFFERS, 1, "Content-Lengths that differ")                                  \
	X(CL_TWICE, 1, "repeated Content-Length")                                        \
	X(CL_BAD, 1, "impossible Content-Length")                                        \
	X(TE_ODD, 1, "unusual Transfer-Encoding")                                        \
	X(TE_NOT_LAST, 1, "chunked is not the last coding")                              \
	X(TE_OLD, 1, "Transfer-Encoding in HTTP/1.0")                                    \
	X(FRAMING_FORM, 1, "a length field that is folded or malformed")

enum nr_http_sign_bit {
#define NR_X(id, len, text) NR_HTTP_SIGN_##id,
	NR_HTTP_SIGNS(NR_X)
#undef NR_X
		NR_HTTP_N_SIGNS
};

#define NR_HTTP_SIGN(id) (1u << NR_HTTP_SIGN_##id)

struct nr_http_sign {
	const char *text;
	bool of_length;
};

extern const struct nr_http_sign nr_http_sign[NR_HTTP_N_SIGNS];

struct nr_http_slice {
	const char *p;
	size_t n;
};

enum nr_http_kind {
	NR_HTTP_NEITHER,
	NR_HTTP_REQUEST,
	NR_HTTP_RESPONSE,
};

struct nr_http_start {
	enum nr_http_kind kind;
	/* Reads as the RFC has it: nobody would take it for the middle of a body. */
	bool strict;
	bool is_known;                       /* requests: a method that standards name */
	struct nr_http_slice method, target; /* requests */
	struct nr_http_slice version;        /* "1.1"; n 0: none, which is HTTP/0.9 */
	struct nr_http_slice reason;         /* responses */
	int status;                          /* responses; -1: not a number */
	unsigned signs;
};

/* n bytes without their end of line. kind NEITHER: no start line; nor is HTTP/2's
 * preface. */
struct nr_http_start nr_http_start_line(const char *line, size_t n);

enum nr_http_sniffed {
	NR_HTTP_SNIFF_NO,
	NR_HTTP_SNIFF_MORE, /* too few bytes to tell */
	NR_HTTP_SNIFF_WEAK, /* a request of HTTP/0.9, or a version in lower case */
	NR_HTTP_SNIFF_YES,
};

/*
 * Whether the bytes begin as a message does; empty lines before it are skipped.
 * all: no more bytes can be had.
 */
enum nr_http_sniffed nr_http_sniff(const uint8_t *p, size_t n, bool all);
/* A strict start line that begins behind some LF of p; NULL: none. */
const uint8_t *nr_http_find_start(const uint8_t *p, size_t n);

struct nr_http_header {
	struct nr_http_slice name, value; /* trimmed; a folded value has its line ends */
	unsigned signs;
};

/*
 * The next field of the raw bytes at *p, its continuation lines included; moves *p behind
 * it. False at end or at an empty line.
 */
bool nr_http_field_next(const char **p, const char *end, struct nr_http_header *f);
/* Whether s is the word, in any case. */
static inline bool nr_http_is(struct nr_http_slice s, const char *word)
{
	return nr_word_is(s.p, s.n, word);
}
/* Copies a folded value on one line (RFC 9112, 5.2) to out, at most cap bytes; the length
   it has. */
size_t nr_http_unfold(struct nr_http_slice value, char *out, size_t cap);

/* What the fields of a head say of its body; zeroed at first. */
struct nr_http_framing {
	uint64_t length;
	bool has_length; /* a Content-Length that can be read */
	bool has_te;     /* a Transfer-Encoding other than identity */
	bool chunked;    /* the last coding is chunked */
	bool closes;     /* Connection: close */
	unsigned signs;
};

/* Takes Content-Length and Transfer-Encoding into account, nothing else. */
void nr_http_framing_field(struct nr_http_framing *f, const struct nr_http_header *field);
/* The first value of Content-Length counts where several differ. */

/* What of a chunk's line is not there. */
enum nr_http_around {
	NR_HTTP_BEHIND_ZEROS = 1 << 0, /* digits before it, all 0 */
	NR_HTTP_GOES_ON = 1 << 1,      /* bytes behind it */
};

/*
 * The size of a chunk from its line: hexadecimal digits, then perhaps extensions. False:
 * impossible, or the digits are not all there. odd: there is more around the digits than
 * should be, which some servers overlook and others refuse.
 */
bool nr_http_chunk_size(const char *line, size_t n, enum nr_http_around around,
			uint64_t *size, bool *odd);
/* Whether a chunk's line can begin with it: a digit, or whitespace before one. */
bool nr_http_may_begin_size(char c);
/* The authority (host and port) of an absolute or authority form; n 0: none. */
struct nr_http_slice nr_http_authority(struct nr_http_slice method,
				       struct nr_http_slice target);
/* Without user information. */
struct nr_http_slice nr_http_host(struct nr_http_slice authority);
