/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One side's CRYPTO frames (RFC 9000 section 19.6) put in order: they come in any order,
 * overlap, and are repeated.
 *
 * What came first is kept. Memory is the account's, grows with the highest byte seen, and
 * is bounded: no byte is taken further than NR_QUIC_AHEAD beyond what is whole.
 */
#pragma once

#include "session/account.h"

enum {
	NR_QUIC_STREAM_MAX = 64 << 10, /* bytes of a side's handshake */
	NR_QUIC_AHEAD = 16 << 10,      /* RFC 9000 section 7.5 asks for 4096 at least */
	NR_QUIC_RANGES = 32,
};

struct nr_quic_range {
	uint32_t from, to;
};

/* Zeroed at first. */
struct nr_quic_stream {
	uint8_t *p;
	uint32_t cap;
	uint32_t n; /* ranges, sorted, apart from each other */
	struct nr_quic_range range[NR_QUIC_RANGES];
};

enum nr_quic_added {
	NR_QUIC_TAKEN,
	NR_QUIC_CONFLICT, /* taken, but it differs from what came before */
	NR_QUIC_REFUSED,  /* too far ahead, too large, or in too many pieces */
	NR_QUIC_NO_MEM,   /* the account is at its cap */
};

enum nr_quic_added nr_quic_stream_add(struct nr_quic_stream *s, struct nr_account *a,
				      uint64_t offset, const uint8_t *data, size_t n);
/* Bytes that are whole from the beginning on, at s->p. */
static inline uint32_t nr_quic_stream_whole(const struct nr_quic_stream *s)
{
	return s->n && !s->range[0].from ? s->range[0].to : 0;
}
/* Forgets all and gives the memory back. */
void nr_quic_stream_free(struct nr_quic_stream *s, struct nr_account *a);
