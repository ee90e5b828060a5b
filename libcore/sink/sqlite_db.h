/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A session database being written: a new file, or one more run in an existing one.
 *
 * New: built as .NAME.partial without a journal, indexes and views after the load,
 * checked, synced, renamed. Append: one transaction in WAL mode; a failure leaves the
 * database as it was. Used by one thread at a time.
 */
#pragma once

#include "base/text.h"
#include "record/record.h"
#include "sink/outfile.h"
#include "sink/queue.h"
#include "sink/sink.h"
#include "sink/sqlite_vfs.h"

struct nr_db_table {
	const struct nr_record_type *type;
	struct nr_db *db;
	sqlite3_stmt *insert;          /* inserts the rows below: sqlite_rows.h */
	int run_id;                    /* column run_id; -1: none */
	const struct nr_stored *first; /* what it inserts */
	int64_t last_before;           /* append: highest rowid that was there */
};

struct nr_db {
	sqlite3 *db;
	struct nr_sqlite_vfs *vfs;
	struct nr_outfile file; /* new databases */
	char *path;             /* existing one, links resolved */
	const char *target;     /* for messages */
	struct nr_db_table *tables;
	size_t n_tables, last;
	int64_t runs_before; /* highest run_id present */
	bool is_append;
	bool may_lack_rows; /* no check of references */
	bool is_live;       /* sqlite_live.h */
	bool continues;     /* rows may refer to those of the file before it */
	bool is_synced;     /* commits outlive a loss of power */
	bool left_as_wal;   /* by finish: a reader has stayed */
	struct nr_buf text; /* for values that need a repair */
};

/* All return 0 or -errno with SQLite's reason in a sentence. */
int nr_db_open(struct nr_db *d, const char *target, const struct nr_sink_options *o,
	       struct nr_err *err);
/* The table of a type in d->tables; -1 where there is none (JSON only types too). */
int nr_db_table(struct nr_db *d, const struct nr_record_type *t);
/* Inserts the records of a chunk: those of table i of the queue into d->tables[i]. */
int nr_db_insert(struct nr_db *d, const struct nr_chunk *c, struct nr_err *err);
/* SQLite's last error as a sentence and an errno. */
int nr_db_fail(struct nr_db *d, const char *what, struct nr_err *err);
int nr_db_run(struct nr_db *d, const char *sql, const char *what, struct nr_err *err);
/* What a new database begins with: its marks, BEGIN, and the tables of types. */
void nr_db_put_tables(struct nr_buf *sql, const struct nr_record_type *const *types,
		      size_t n);
/* Opens the connection to a file that exists. */
int nr_db_open_file(struct nr_db *d, const char *path, struct nr_err *err);
/*
 * Whether a reference that leads nowhere leads to the file before in a rotated set: to a
 * lower id than any here. st is at a row of foreign_key_check.
 */
bool nr_db_refers_back(sqlite3 *db, sqlite3_stmt *st);
/* SQLite's quick_check, and whether what rows refer to is there. */
int nr_db_check(struct nr_db *d, struct nr_err *err);
/*
 * The same of a new database that is complete, which begins its way to the disk; the two
 * checks of a large one side by side. After success the connection is closed.
 */
int nr_db_check_and_close(struct nr_db *d, struct nr_err *err);
/* Column chain_heads of the run that was written last. */
int nr_db_chain_heads(struct nr_db *d, const char *json, struct nr_err *err);
int nr_db_finish(struct nr_db *d, struct nr_err *err);
/* Without a finish before it, takes everything back. */
void nr_db_close(struct nr_db *d);
