/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What differs between two sets of records, gathered row by row and said in sentences:
 *
 *     12 flows changed service: - → dns (first: udp 10.0.0.1:5353 → 10.0.0.2:53, packet
 * 7) 3 messages missing in http (first: packet 118 of tcp 10.0.0.1:4711 → 10.0.0.2:80)
 *
 * Who compares (compare.h does databases; others feed what they have matched themselves)
 * hands over each row once: missing, new, or changed with the columns that changed. Equal
 * changes are one sentence with a count. Memory is bounded however much differs: for each
 * column NR_DIFF_WAYS values before and after, `limit` examples of each. What is said
 * does not depend on the order in which rows are handed over.
 */
#pragma once

#include "base/text.h"
#include "record/record.h"

#include <stdio.h>

enum {
	NR_DIFF_WAYS =
		8, /* changes of a column that are told apart; more: "and others" */
	NR_DIFF_VALUE = 65536, /* bytes of a value that are kept; the rest is left out */
};

enum nr_diff_format { NR_DIFF_TABLE, NR_DIFF_JSONL, NR_DIFF_MARKDOWN };
extern const char *const nr_diff_formats[]; /* their names, NULL-terminated */

/*
 * Where a row stands. Numbers are NULL values where they are not known. The texts are
 * copied; they and the row's are any bytes. describe, if not NULL, is asked for them when
 * they are needed, which is seldom.
 */
struct nr_diff_place {
	struct nr_value source_id, packet, ts_ns;
	struct nr_value at; /* what orders rows beyond that: a number, say the rowid */
	const char *flow;   /* "udp 10.0.0.1:53 → 10.0.0.2:53", or NULL */
	const char *row;    /* what a row is beside its place: "method GET, uri /" */
	void (*describe)(void *arg, struct nr_buf *flow, struct nr_buf *row);
	void *arg;
};

struct nr_differences;

/* limit: examples kept of each sentence, at least one. */
struct nr_differences *nr_differences_new(size_t limit);
void nr_differences_free(struct nr_differences *d); /* NULL is fine */

/* A row of A that B does not have; one of B that A does not have. */
void nr_differences_missing(struct nr_differences *d, const struct nr_record_type *t,
			    const struct nr_diff_place *at);
void nr_differences_new_row(struct nr_differences *d, const struct nr_record_type *t,
			    const struct nr_diff_place *at);
/* A row of both in which n columns differ: columns[i] of t was from[i] and is to[i]. */
void nr_differences_changed(struct nr_differences *d, const struct nr_record_type *t,
			    const unsigned *columns, const struct nr_value *from,
			    const struct nr_value *to, size_t n,
			    const struct nr_diff_place *at);

/* Does anything differ? */
bool nr_differences_any(const struct nr_differences *d);
/* How many rows are missing, are new, and how many values changed, in all tables. */
void nr_differences_count(const struct nr_differences *d, uint64_t *n_missing,
			  uint64_t *n_new, uint64_t *n_changed);

/*
 * Writes what differs to f, in the order of tables and columns; nothing where nothing
 * does. NR_DIFF_TABLE: a sentence a line, behind them for each table the counts of its
 * columns, coloured where f is a terminal. NR_DIFF_JSONL: an object for each sentence,
 * then one for each table. No control character from a value reaches f as it is.
 */
void nr_differences_print(const struct nr_differences *d, enum nr_diff_format format,
			  FILE *f);
/* The same sentences (NR_DIFF_TABLE) without colours, each begun with indent. */
void nr_differences_text(const struct nr_differences *d, const char *indent,
			 struct nr_buf *out);
