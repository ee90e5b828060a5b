/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An archive of events as a database for one piece of SQL.
 *
 * The SQL is first prepared against virtual tables that only note which tables it reads
 * and which times (and addresses, where it asks for one) their rows must have; then the
 * frames that can hold such rows are read, and the rows go into a temporary database with
 * all tables and views, where the SQL runs as it is. (Virtual tables that read the
 * archive themselves would do so once for each row of what they are joined with.)
 */
#pragma once

#include "base/err.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct nr_archive_db_stats {
	uint64_t frames, frames_read; /* 0 where it is no archive but a stream of lines */
	uint64_t lines, rows;         /* lines parsed; rows loaded */
	uint64_t n_damages;
	char damage[512]; /* the first one */
};

/* Is the file at path to be read so: compressed by zstd, or JSON lines? */
bool nr_archive_db_is(const char *path);
/*
 * Opens *db: all tables and views of the schema, in a file of SQLite's own that goes away
 * by itself, within a transaction to be committed. 0 or -errno; to be closed in any case.
 */
int nr_archive_db_empty(sqlite3 **db, struct nr_err *err);
/*
 * Opens *db with what sql needs of the archive at path; NULL: all of it; of a set the
 * tables whose ids tell its members apart are loaded in any case. 0, or -errno with
 * a sentence and *db closed. Damage is noted in st, not an error.
 */
int nr_archive_db_open(sqlite3 **db, const char *path, const char *sql, bool of_set,
		       struct nr_archive_db_stats *st, struct nr_err *err);
