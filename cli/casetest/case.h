/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A case of `nrtool test`: a folder with captures, options and expectations, as
 * nrtool-test(5) describes it. Reading one runs nothing.
 */
#pragma once

#include "casetest/expect.h"

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum nr_case_state {
	NR_CASE_READY,
	NR_CASE_SKIPPED, /* a capture from elsewhere is not here */
	NR_CASE_BROKEN,  /* its files are wrong */
};

struct nr_case {
	const char *path; /* of the folder, as reports show it */
	const char *name; /* what --filter looks at */
	enum nr_case_state state;
	const char *why; /* SKIPPED and BROKEN: a sentence, "FILE:LINE: …" where known */
	const char **captures; /* paths */
	size_t n_captures;
	char **words; /* of the options file; n_words and a NULL */
	int n_words;
	struct nr_expect_sql sql;     /* text NULL: there is no such file */
	struct nr_expect_jsonl jsonl; /* the same */
	int exit;                     /* status that replay is expected to have */
	struct nr_arena arena;        /* all of it */
};

/*
 * Reads the case at path; state and why say how it went. name may be NULL: the folder's
 * own. skip: what is missing elsewhere skips the case; else it breaks it. c is zeroed by
 * the function; fini it in any case.
 */
void nr_case_read(struct nr_case *c, const char *path, const char *name, bool skip);
void nr_case_fini(struct nr_case *c);

/* A path below the case's folder, in its arena. */
char *nr_case_file(struct nr_case *c, const char *name);

struct nr_case_list {
	char **path; /* owned */
	char **name;
	size_t n;
};

/*
 * The folders below dir (itself too) that hold expect.sql or expect.jsonl, sorted;
 * hidden ones and links to folders are passed over. 0, or -errno with a sentence; a
 * folder without a case is no error here.
 */
int nr_case_find(struct nr_case_list *list, const char *dir, struct nr_err *err);
void nr_case_list_fini(struct nr_case_list *list);

/*
 * A whole file, NUL-terminated, in the arena. 0, -ENOENT without a sentence where there
 * is none, else -errno with one; -EFBIG beyond max bytes, -EINVAL where it holds NUL.
 */
int nr_case_slurp(const char *path, size_t max, struct nr_arena *a, char **text,
		  size_t *len, struct nr_err *err);
