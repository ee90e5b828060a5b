/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text: a growing string, valid UTF-8 from any bytes, JSON, base64, times, numbers.
 *
 * One rule for bytes from the wire, the same in every sink: what is no valid UTF-8 (RFC
 * 3629: no overlong forms, no surrogates, nothing above U+10FFFF) is written byte by byte
 * as \xNN, and so is NUL, at which SQLite's own functions would stop. All else stays.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

/* Ends it so, behind something else? ".db" is no name that ends in .db. */
static inline bool nr_ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n > m && memcmp(s + n - m, end, m) == 0;
}

/*
 * A zeroed struct nr_buf is ready for use. p is NUL-terminated after any nr_buf_add…()
 * and stays valid until the next one. Memory is the heap's; nr_buf_fini() frees it.
 */
struct nr_buf {
	char *p;
	size_t len, cap;
};

void nr_buf_fini(struct nr_buf *b);
void nr_buf_clear(struct nr_buf *b); /* keeps the memory */
/* Room for n more bytes (and a NUL) at p + len; the caller adds to len. */
char *nr_buf_room(struct nr_buf *b, size_t n);
void nr_buf_add(struct nr_buf *b, const void *p, size_t n);
void nr_buf_str(struct nr_buf *b, const char *s);
void nr_buf_char(struct nr_buf *b, char c);
void nr_buf_printf(struct nr_buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void nr_buf_int(struct nr_buf *b, int64_t v);
/* Any bytes as valid UTF-8, by the rule above. */
void nr_buf_utf8(struct nr_buf *b, const char *p, size_t n);
/*
 * Any bytes as a JSON string with its quotes, by the rule above. Control characters, C1
 * (U+0080 to U+009F) and DEL included, are \uNNNN, so that none reaches a terminal raw.
 */
void nr_buf_json(struct nr_buf *b, const char *p, size_t n);
/* Two lower-case hexadecimal digits for each of n bytes. */
void nr_buf_hex(struct nr_buf *b, const void *p, size_t n);
void nr_buf_base64(struct nr_buf *b, const void *p, size_t n); /* RFC 4648, padded */
void nr_buf_time(struct nr_buf *b, int64_t ns);

/*
 * Base64 (RFC 4648), with padding or without: its bytes to out. Returns how many, at most
 * cap; -1 where it is no base64 or has more.
 */
ptrdiff_t nr_base64_decode(void *out, size_t cap, const char *p, size_t n);

/* Whether the n bytes at text are word, in any case. */
static inline bool nr_word_is(const char *text, size_t n, const char *word)
{
	return strlen(word) == n && !strncasecmp(text, word, n);
}

/* Bytes at the start of p that are valid UTF-8 without NUL: n where all are. */
size_t nr_utf8_span(const char *p, size_t n);
/* Writes c, below 2^21, as UTF-8 (a surrogate too: as its three bytes): 1 to 4 bytes.
   What is behind them. */
char *nr_utf8_put(char *to, uint32_t c);

/* One JSON value and nothing behind it (RFC 8259), at most 64 deep, valid UTF-8, no raw
   line feed: fit to be embedded in a line as it is. */
bool nr_json_valid(const char *p, size_t n);

enum { NR_INT_TEXT = 21, NR_TIME_TEXT = 31 }; /* with their NUL */

/* 2 n lower-case hexadecimal digits and a NUL. */
void nr_hex_format(char *out, const void *p, size_t n);
size_t nr_int_format(char out[NR_INT_TEXT], int64_t v);
/*
 * RFC 3339 in UTC with nine digits, 1970-01-01T00:00:00.000000000Z, for any ns since 1970
 * (proleptic Gregorian calendar; int64 reaches from 1677 to 2262). Returns 30.
 */
size_t nr_time_format(char out[NR_TIME_TEXT], int64_t ns);
