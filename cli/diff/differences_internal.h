/* SPDX-License-Identifier: BSD-3-Clause */
/* What gathering and saying differences share. */
#pragma once

#include "diff/differences.h"

/* One row that a sentence is about; its texts are its own. */
struct nr_diff_example {
	struct nr_diff_place at;  /* flow, row, describe: NULL */
	struct nr_buf flow, row;  /* "": not known */
	struct nr_value from, to; /* of a column that changed */
};

struct nr_diff_tally {
	uint64_t n;
	struct nr_diff_example *example; /* the first ones by their place */
	size_t n_examples;
};

struct nr_diff_way {
	struct nr_value from, to;
	struct nr_diff_tally tally;
};

struct nr_diff_column {
	struct nr_diff_tally all;
	size_t n_ways; /* NR_DIFF_WAYS + 1: more than are kept, and none is */
	struct nr_diff_way way[NR_DIFF_WAYS];
};

struct nr_diff_table {
	const struct nr_record_type *type;
	struct nr_diff_tally missing, new;
	struct nr_diff_column **column; /* by its position in type; NULL: no change */
};

struct nr_differences {
	size_t limit;
	struct nr_diff_table *table;
	size_t n;
	uint64_t n_missing, n_new, n_changed;
};

/* Which row stands first: below, at or above 0. Numbers that are not known come last. */
int nr_diff_place_compare(const struct nr_diff_place *a, const struct nr_diff_place *b);
