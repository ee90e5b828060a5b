/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way back from a flow to its packets: record numbers, collected per flow, written as
 * rows of flow_packets when a chunk is full and at the flow's end.
 *
 * A chunk is a run of LEB128 varints: first the record number itself, then for each
 * further packet the zigzag-coded difference to the one before (fragments come after the
 * packet that completed them, so a difference may be negative). A chunk belongs to one
 * source and is at most NR_CHUNK_MAX bytes.
 */
#pragma once

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

enum { NR_CHUNK_MAX = 4096, NR_VARINT_MAX = 10 };

struct nr_way_back {
	uint64_t last;   /* record number added last */
	uint32_t source; /* input the open chunk belongs to */
	uint32_t seq;    /* chunks written so far */
	uint32_t len, cap;
	uint8_t buf[];
};

/* Whether the open chunk must be written before a packet of `source` is added. */
static inline bool nr_way_back_full(const struct nr_way_back *w, uint32_t source)
{
	return w && w->len &&
	       (w->source != source || w->len > NR_CHUNK_MAX - NR_VARINT_MAX);
}

/* Adds one packet; *w is made when NULL, and moves when it grows. */
void nr_way_back_add(struct nr_way_back **w, uint32_t source, uint64_t record);

/* The chunk has been written. */
static inline void nr_way_back_next(struct nr_way_back *w)
{
	w->len = 0;
	w->seq++;
}

static inline void nr_way_back_free(struct nr_way_back *w)
{
	nr_free(w);
}
