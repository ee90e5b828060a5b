/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ledger: each record of a source in exactly one bucket, in packets and wire bytes.
 */
#pragma once

#include "decode/decode.h"

struct nr_ledger_line {
	uint32_t source, detail;
	uint8_t bucket; /* enum nr_bucket */
	uint64_t packets, wire_bytes;
};

struct nr_ledger {
	struct nr_ledger_line *flow; /* bucket flow, one per source: the hot ones */
	/* ledger.c alone */
	struct nr_ledger_line *other; /* open addressing; packets 0: free */
	struct nr_ledger_line *sorted;
	size_t n_sources, n_other, cap; /* cap: power of two */
};

struct nr_ledger *nr_ledger_new(size_t n_sources);
/* More sources: n in all. */
void nr_ledger_grow(struct nr_ledger *l, size_t n_sources);
void nr_ledger_free(struct nr_ledger *l);
void nr_ledger_add(struct nr_ledger *l, uint32_t source, enum nr_bucket b,
		   uint32_t detail, uint32_t wire_len);
/* The same for the bucket that most packets are in. */
static inline void nr_ledger_add_flow(struct nr_ledger *l, uint32_t source,
				      uint32_t wire_len)
{
	l->flow[source].packets++;
	l->flow[source].wire_bytes += wire_len;
}

/* The lines in order of source, bucket, detail; valid until the next call of add. */
const struct nr_ledger_line *nr_ledger_lines(struct nr_ledger *l, size_t *n);

const char *nr_bucket_name(enum nr_bucket b);
/* Text for column detail into buf, or NULL where the bucket has none. */
const char *nr_ledger_detail(const struct nr_ledger_line *l, char buf[64]);
