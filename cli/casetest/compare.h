/* SPDX-License-Identifier: BSD-3-Clause */
/* Expectations against what the replay gave: what differs, and what would pass. */
#pragma once

#include "casetest/align.h"
#include "casetest/case.h"
#include "casetest/edits.h"
#include "casetest/findings.h"
#include "casetest/rerun.h"

/* The rows of a query, each cell as a row of expect.sql would write it. */
struct nr_rows {
	unsigned n_cols;
	const char **col;  /* names */
	const char **cell; /* n × n_cols */
	size_t n;
	bool no_places; /* columns that nr_is_place() are not compared */
};

/*
 * Runs a query. 0; -EINVAL with a sentence where the SQL is wrong or more than
 * 256 MiB come out of it.
 */
int nr_rows_of(struct nr_rows *r, sqlite3 *db, const char *sql, struct nr_arena *a,
	       struct nr_err *err);
/* The expected rows of q beside those of r, heading left out: positions in q->row. */
struct nr_aligned nr_rows_align(const struct nr_expect_query *q, const struct nr_rows *r,
				struct nr_arena *a);
/* Does the cell hold what is expected? "*" takes anything. */
bool nr_cell_fits(const char *want, const char *have);
bool nr_row_fits(const struct nr_expect_row *want, const struct nr_rows *r,
		 const char *const *have);

/*
 * For --reduce: failures that are to stay, as sorted keys (keys.h). Everything else is
 * made to fit what there is now, and of these what is a place.
 */
struct nr_spare {
	const char *const *key;
	size_t n;
};
bool nr_is_spared(const struct nr_spare *s, const char *key);

/*
 * The expected lines beside the records. With "match: subset" in no order: lines that
 * nothing fits come with what is nearest of their type, or with nothing.
 */
struct nr_aligned nr_lines_align(const struct nr_expect_jsonl *e,
				 const struct nr_case_got *got, struct nr_arena *a);
/* Is field `key` compared in this line? */
bool nr_line_compares(const struct nr_expect_jsonl *e, const struct nr_expect_line *want,
		      const char *key);
bool nr_line_fits(const struct nr_expect_jsonl *e, const struct nr_expect_line *want,
		  const struct nr_case_line *have);

/*
 * All of it, into findings; with update also the files that are to be rewritten. spare is
 * NULL but for --reduce.
 */
void nr_case_compare(struct nr_case *c, struct nr_case_got *got, bool update,
		     const struct nr_spare *spare, struct nr_findings *f);

/* Parts of nr_case_compare(). */
void nr_case_compare_sql(const struct nr_case *c, struct nr_case_got *got, bool update,
			 const struct nr_spare *spare, struct nr_edits *edits,
			 struct nr_findings *f);
void nr_case_compare_jsonl(const struct nr_case *c, struct nr_case_got *got,
			   const struct nr_spare *spare, struct nr_edits *edits,
			   struct nr_findings *f);
