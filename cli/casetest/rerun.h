/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The replay of a case, in the process that calls: one child of `nrtool test`, which it
 * confines (cli/sandbox.h). Everything it gives lies in that child's memory.
 */
#pragma once

#include "casetest/case.h"

#include <sqlite3.h>

struct nr_case_want {
	const char *dir; /* an empty folder for the database; NULL: none is wanted */
	bool records;    /* records as lines of JSON */
	const char *const *types; /* only of these types; NULL: all */
	size_t n_types;
};

struct nr_case_line {
	const char *text; /* as `replay -o -` writes it, NUL-terminated, no line feed */
	struct nr_json_line json;
	const char *type;
};

struct nr_case_got {
	int status;        /* that replay would have ended with */
	struct nr_err why; /* status is not 0: what happened */
	struct nr_case_line *line;
	size_t n;
	sqlite3 *db; /* read-only; NULL where none was wanted, or status is 1 */
	struct nr_arena arena;
};

/*
 * Confines this process, replays, and reads back what came out. Standard output becomes
 * what the records are written to. 0 also where the replay failed (got->status says it);
 * -errno with a sentence where the machine failed it. fini got in any case.
 */
int nr_case_replay(const struct nr_case *c, const struct nr_case_want *want,
		   struct nr_case_got *got, struct nr_err *err);
void nr_case_got_fini(struct nr_case_got *got);
