/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct nr_stream_store: bytes that came early, as a treap of pieces that do
 * not overlap. For stream.c alone.
 *
 * Pieces that touch, and wait for the same bytes of the peer, become one where the policy
 * does not ask where a segment began (first, last); so many small segments cost little
 * more than their bytes.
 */
#pragma once

#include "session/stream.h"

struct nr_stream_piece {
	uint64_t from;             /* offset of its first byte */
	uint64_t seg_from, seg_to; /* the segment it came with, for the policies */
	uint64_t needs;            /* as that of the segment */
	uint8_t *buf;
	uint32_t head, len, cap; /* its bytes lie at buf + head */
	uint32_t priority;
	struct nr_stream_piece *left, *right;   /* treap: by from, by priority */
	struct nr_stream_piece *before, *after; /* in order */
	struct nr_stamp at;
};

static inline const uint8_t *nr_piece_data(const struct nr_stream_piece *p)
{
	return p->buf + p->head;
}

/*
 * Stores what is not stored yet of g and settles the rest by the policy. false, and
 * nothing done, where there is no room for it.
 */
bool nr_pieces_insert(struct nr_stream_store *s, const struct nr_stream_config *c,
		      struct nr_account *a, const struct nr_stream_segment *g,
		      const struct nr_stream_reader *r);
/* Settles only: bytes of g that win replace those in the pieces. */
void nr_pieces_settle(struct nr_stream_store *s, enum nr_overlap policy,
		      const struct nr_stream_segment *g,
		      const struct nr_stream_reader *r);
/* Takes the first piece out; the caller frees it. */
void nr_pieces_take_first(struct nr_stream_store *s);
void nr_piece_free(struct nr_stream_piece *p, struct nr_account *a);
void nr_pieces_drop_first(struct nr_stream_store *s, struct nr_account *a);
