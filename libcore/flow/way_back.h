/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way back from a flow to its packets: record numbers, collected per flow, written as
 * rows of flow_packets when a chunk is full and at the flow's end.
 *
 * A chunk is a run of LEB128 varints (seven bits a byte, low ones first, the top bit set
 * on all but the last byte): first the record number itself, then for each further packet
 * the difference d to the one before, coded as 2d, or -2d - 1 where it is negative
 * (fragments come after the packet that completed them). A chunk belongs to one source:
 * a flow has one open for each of the last NR_WAY_BACK_SOURCES that its packets came from
 * (the two taps of a link take turns). It is at most NR_CHUNK_MAX bytes. A difference
 * below 2^20 packets costs three bytes, one below 2^27 four.
 *
 * Memory: the buffers of a shard have a cap. Above it one of the largest buffers, the one
 * that has been that large for the longest, is written early and freed. That depends on
 * the order of packets alone.
 */
#pragma once

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

struct nr_flow;

enum {
	NR_CHUNK_MAX = 4096,
	NR_CHUNK_MIN = 32,     /* first size of a buffer; doubled as it fills */
	NR_WAY_BACK_SIZES = 8, /* 32 … 4096 */
	NR_WAY_BACK_SOURCES = 4,
	NR_VARINT_MAX = 10,
};

struct nr_way_back {
	struct nr_flow *flow;
	struct nr_way_back *also;        /* the flow's, of another source */
	struct nr_way_back *next, *prev; /* of one size, the oldest first */
	uint64_t last;                   /* record number added last */
	uint32_t source;                 /* input the open chunk belongs to */
	uint16_t len, cap;
	uint8_t buf[];
};

/* The buffers of one shard. */
struct nr_way_backs {
	uint64_t bytes, max_bytes;
	struct nr_way_back *first[NR_WAY_BACK_SIZES], *last[NR_WAY_BACK_SIZES];
};

/*
 * Makes f->way_back the chunk for packets of `source`; where all are of others, the one
 * that was not used for the longest.
 */
void nr_way_back_turn(struct nr_way_backs *b, struct nr_flow *f, uint32_t source);

/* Whether the chunk in front must be written before a packet of `source` is added. */
static inline bool nr_way_back_full(const struct nr_way_back *w, uint32_t source)
{
	return w && w->len &&
	       (w->source != source || w->len > NR_CHUNK_MAX - NR_VARINT_MAX);
}

/* Adds one packet of f to f->way_back, which is made when NULL, and moves as it grows. */
void nr_way_back_add(struct nr_way_backs *b, struct nr_flow *f, uint32_t source,
		     uint64_t record);
/* The flow whose chunk in front must be written and dropped now; NULL: all fits. */
struct nr_flow *nr_way_back_over(const struct nr_way_backs *b);
/* Frees f's chunk in front, if it has one; the next one is in front then. */
void nr_way_back_drop(struct nr_way_backs *b, struct nr_flow *f);
/* Frees all of them, with the shard's lists: nothing else may be done with these. */
void nr_way_back_discard(struct nr_flow *f);
