/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a case expects: expect.sql (queries with their rows as comments) and expect.jsonl
 * (records as lines of JSON). The parsers keep where everything stands, so that --update
 * can change single lines and leave the rest as a person wrote it.
 */
#pragma once

#include "casetest/json.h"

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { NR_EXPECT_MAX = 64 << 20 }; /* bytes of an expectation file */

/* A line of the file: from `at`, len bytes without line feed. */
struct nr_expect_span {
	size_t at, len;
	unsigned line;
};

struct nr_expect_row {
	struct nr_expect_span where;
	const char **cell; /* as written, trimmed, NUL-terminated */
	unsigned n;
};

struct nr_expect_query {
	const char *name;          /* of "-- name:", else "query N" */
	struct nr_expect_span sql; /* where it begins; len to behind the semicolon */
	const char *text;          /* the same, NUL-terminated */
	size_t rows_at; /* where rows go if there are none: a line's beginning */
	struct nr_expect_row *row;
	size_t n;
	bool has_head; /* the first row names the columns, the second is a rule */
};

/* The number that "-- exit:" or "# exit:" gives. */
struct nr_expect_exit {
	int status;                  /* -1: not said */
	struct nr_expect_span where; /* of the whole line */
};

struct nr_expect_sql {
	const char *path, *text;
	size_t len;
	struct nr_expect_exit exit;
	struct nr_expect_query *query;
	size_t n;
};

struct nr_expect_line {
	struct nr_expect_span where;
	struct nr_json_line json;
	const char *type; /* decoded; "" where the line has none */
};

struct nr_expect_jsonl {
	const char *path, *text;
	size_t len;
	struct nr_expect_exit exit;
	bool subset;        /* "# match: subset" */
	const char **types; /* NULL: all but run */
	size_t n_types;
	const char **fields; /* NULL: all */
	size_t n_fields;
	bool no_places; /* set by keys.c: ids, packet numbers and times do not count */
	struct nr_expect_line *line;
	size_t n;
};

/*
 * Parse text (NUL-terminated, without NUL inside), which must live as long as the arena.
 * path is for messages. 0, or -EINVAL with "PATH:LINE: what is wrong".
 */
int nr_expect_sql_parse(struct nr_expect_sql *e, const char *path, const char *text,
			size_t len, struct nr_arena *a, struct nr_err *err);
int nr_expect_jsonl_parse(struct nr_expect_jsonl *e, const char *path, const char *text,
			  size_t len, struct nr_arena *a, struct nr_err *err);

/* Are records of this type compared? */
bool nr_expect_has_type(const struct nr_expect_jsonl *e, const char *type);

/*
 * Shared by both: is the comment's text "WORD: value" for one of the words (a
 * NULL-terminated list)? Its index, with *value the trimmed text in the arena; -1 where
 * it is an ordinary comment; -2 where it is nearly one of the words, which err says.
 */
int nr_expect_directive(const char *p, size_t n, const char *const *words,
			const char **value, struct nr_arena *a, struct nr_err *err);
/* "3" into e; 0, or -EINVAL with a sentence. */
int nr_expect_exit_parse(struct nr_expect_exit *e, const char *value,
			 struct nr_expect_span where, struct nr_err *err);

/* Walks the lines of a text: false at its end. s is zeroed before the first call. */
bool nr_expect_next_line(struct nr_expect_span *s, const char *text, size_t len);
