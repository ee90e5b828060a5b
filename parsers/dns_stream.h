/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DNS messages out of one side of a TCP connection: two bytes of length before each (RFC
 * 1035 section 4.2.2). A gap inside a message costs that message; behind one that hides a
 * length, the stream is searched for the next bytes that look like length and header.
 *
 * So it is where nothing shows that the lengths are in step: the side begins in the
 * middle of a message, or the last one could not be read. A message that begins then
 * without looking like one is in doubt: it counts, unless another is found in it.
 */
#pragma once

#include "session/gather.h"

enum { NR_DNS_WINDOW = 14 }; /* length and header */

/* Zeroed at first. */
struct nr_dns_stream {
	struct nr_gather g;
	uint32_t want;   /* bytes of the present message, if has_length */
	uint32_t skip;   /* bytes of a message that lost others */
	uint32_t no_dns; /* bytes before the present message that were none: the caller
			    says it and sets it to 0 */
	uint8_t n_empty; /* messages that are no header, one behind the other */
	uint8_t n_window;
	bool has_length; /* window is in use for the search only */
	bool in_doubt;   /* the present message */
	bool lost;
	bool trusted;    /* set by the caller: the last message made sense */
	bool said_short; /* by the caller */
	uint8_t window[NR_DNS_WINDOW]; /* the newest bytes */
};

/*
 * Takes input up to the end of the next message; it may be shorter than a header, but not
 * many in a row are.
 */
enum nr_gathered nr_dns_stream_next(struct nr_dns_stream *s, struct nr_account *a,
				    struct nr_cursor *in, struct nr_piece *out);
/*
 * n bytes are missing. True: a message lost some of them, `out` is what was there of it
 * (may be nothing) and *wire_len its announced length.
 */
bool nr_dns_stream_gap(struct nr_dns_stream *s, uint64_t n, struct nr_piece *out,
		       size_t *wire_len);
/* The end: true where a message is not whole, as above. */
bool nr_dns_stream_rest(struct nr_dns_stream *s, struct nr_piece *out, size_t *wire_len);
/* Could these NR_DNS_WINDOW bytes be length and header of a message? */
bool nr_dns_looks_framed(const uint8_t *p);
/* The first of the n bytes at p that look so; NULL: none. */
const uint8_t *nr_dns_find_framed(const uint8_t *p, size_t n);
