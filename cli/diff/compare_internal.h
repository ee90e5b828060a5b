/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a table is compared: what the files compare*.c share.
 *
 * First both sides are sorted by a keyed hash over all that is compared, and merged: what
 * is equal goes. The rest, usually little, goes into table `rest` of a temporary
 * database, with a hash for each of the table's keys (compare_keys.c); for one key after
 * the other both sides are sorted by it and merged, and who meets is a pair, whose
 * columns are compared. Who is left is missing, or new.
 */
#pragma once

#include "diff/compare.h"
#include "database/dbset_cursor.h"

#include "base/hash.h"

enum { NR_CMP_KEYS = 6, NR_CMP_SIDES = 2 };

/* Ids of B as ids of A: what stands in no row of the map is itself. */
struct nr_cmp_map {
	const char *
		name; /* of the table in `work`: NAME_map (b, a), NAME_alone (side, id) */
	bool is_filled; /* are there rows at all? */
	sqlite3_stmt *find;
	bool has_last; /* the last answer, as rows of one flow stand together */
	int64_t last_b, last_a;
};

struct nr_cmp_column {
	unsigned at; /* in the type's fields */
	const struct nr_field *field;
	enum nr_dbset_id id; /* what it numbers or refers to */
	bool is_compared;
	bool is_equal_key; /* part of the hash that equal rows share */
	bool is_ns;        /* --time-tolerance holds for it */
	bool is_place;     /* of a session row: its flow, packets, time */
};

/* A row of one side as it is, and with B's ids as those of A. */
struct nr_cmp_row {
	sqlite3_stmt *fetch; /* by rowid */
	int64_t rowid;
	struct nr_value *raw, *v; /* of each column; valid until the next fetch */
};

struct nr_cmp_table {
	const struct nr_record_type *type;
	unsigned n;
	struct nr_cmp_column *column; /* those that both sides have */
	int time;                     /* the column that rows stand in time by; -1 */
	const char *const *keys;      /* see compare_keys.c; NULL-terminated */
	struct nr_cmp_map *map;       /* where its rows are numbered for others; NULL */
	bool is_told;                 /* false: only the map is wanted */
	struct nr_cmp_row row[NR_CMP_SIDES];
};

struct nr_cmp {
	sqlite3 *db[NR_CMP_SIDES], *work;
	const struct nr_compare_options *o;
	struct nr_differences *d;
	struct nr_siphash_key key[2];
	struct nr_cmp_map flows, sources;
	struct nr_cmp_table *t; /* the one being compared */
	struct nr_buf scratch;
	sqlite3_stmt *flow_text[NR_CMP_SIDES];
	sqlite3_stmt *alone; /* is a flow of a side without its like? */
	int failed; /* SQLite's code of a look-up where no error can be returned */
};

struct nr_cmp_side { /* client data of the SQL functions */
	struct nr_cmp *c;
	int side;
};

/* ---- compare_keys.c ---- */

/* The keys of a table, one after the other, NULL-terminated: words as there described. */
const char *const *nr_cmp_keys_of(const struct nr_record_type *t);
/* The key of a row by its words; false where the row has none. */
bool nr_cmp_key(struct nr_cmp *c, const char *words, const struct nr_cmp_row *r,
		int64_t *key);
/* Are rows that meet under these words to stand together in time too? */
bool nr_cmp_key_is_timed(const char *words);
/* What is left of the rows of table t that met: are they the same thing at all? */
bool nr_cmp_is_likely(const struct nr_cmp *c, const char *words, size_t n_different);
/* nr_row(column, …): the hash that equal rows share, 16 bytes. */
int nr_cmp_register(struct nr_cmp_side *s);
/* B's id as one of A's. */
int64_t nr_cmp_mapped(struct nr_cmp *c, enum nr_dbset_id id, int64_t v);

/* ---- compare_place.c ---- */

/* Where the fetched row of a side stands; valid until it is fetched again. */
struct nr_diff_place nr_cmp_place(struct nr_cmp *c, int side,
				  struct nr_cmp_side *describe_arg);

/* ---- compare_table.c ---- */

/* Fills t with the columns that both have; false where there is nothing to compare. */
bool nr_cmp_find_columns(struct nr_cmp *c, struct nr_cmp_table *t);
/* "flow_id", "source_id", …: the columns of t, for a SELECT. */
void nr_cmp_put_columns(struct nr_buf *b, const struct nr_cmp_table *t);
int nr_cmp_open_table(struct nr_cmp *c, struct nr_cmp_table *t, struct nr_err *err);
void nr_cmp_close_table(struct nr_cmp_table *t);
/* Reads a row of a side into c->t->row[side]. */
int nr_cmp_fetch(struct nr_cmp *c, int side, int64_t rowid, struct nr_err *err);
/* Fetches a pair found by words and tells how it differs; *met false: it is none. */
int nr_cmp_pair(struct nr_cmp *c, const char *words, int64_t a, int64_t b, bool *met,
		struct nr_err *err);

/* ---- compare_match.c ---- */

/* Compares table c->t, and fills its map. */
int nr_cmp_match(struct nr_cmp *c, struct nr_err *err);

/* ---- compare.c ---- */

int nr_cmp_prepare(struct nr_cmp *c, sqlite3 *db, const char *sql, sqlite3_stmt **st,
		   struct nr_err *err);
/* Statements in `work`. */
int nr_cmp_run(struct nr_cmp *c, const char *sql, struct nr_err *err);
/* -EIO, -EINTR, … with the sentence of the connection that failed. */
int nr_cmp_fail(struct nr_cmp *c, sqlite3 *db, struct nr_err *err);

/* ---- compare_refs.c ---- */

/* c->t is table flow, whose rows are all matched. */
int nr_cmp_references(struct nr_cmp *c, struct nr_err *err);
