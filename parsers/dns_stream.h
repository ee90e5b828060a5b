/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DNS messages out of one side of a TCP connection: two bytes of length before each (RFC
 * 1035 section 4.2.2). A gap inside a message costs that message; behind one that hides a
 * length, the stream is searched for the next bytes that look like length and header.
 */
#pragma once

#include "session/gather.h"

enum { NR_DNS_WINDOW = 14 }; /* length and header */

/* Zeroed at first. */
struct nr_dns_stream {
	struct nr_gather g;
	uint32_t want; /* bytes of the present message, 0: its length comes next */
	uint32_t skip; /* bytes of a message that lost others */
	uint8_t n_window;
	bool has_length, lost;
	uint8_t window[NR_DNS_WINDOW]; /* while lost: the newest bytes */
};

/* Takes input up to the end of the next message; it may be shorter than a header. */
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
