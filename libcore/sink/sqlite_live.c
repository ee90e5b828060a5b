/* SPDX-License-Identifier: BSD-3-Clause */
#include "sink/sqlite_live.h"

#include "base/mem.h"
#include "record/schema.h"
#include "record/sql.h"
#include "record/tables.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	TRIES = 15,
	WAIT_MS = 200, /* for readers to let go: 3 s */
};

/* A log that a killed run left would be taken for that of the new file. */
static void remove_logs(const char *path)
{
	static const char *const endings[] = { "-wal", "-shm", "-journal" };

	for (unsigned i = 0; i < 3; i++) {
		struct nr_buf b = { 0 };

		nr_buf_printf(&b, "%s%s", path, endings[i]);
		unlink(b.p);
		nr_buf_fini(&b);
	}
}

int nr_db_open_live(struct nr_db *d, const struct nr_sink_options *o,
		    const struct nr_record_type *const *types, size_t n,
		    struct nr_err *err)
{
	const char *views = nr_sql_text("views");
	struct nr_buf sql = { 0 };
	int rc = nr_outfile_open_live(&d->file, d->target, o->force, err);

	if (rc < 0)
		return rc;
	d->is_live = true;
	remove_logs(d->file.path);
	rc = nr_db_open_file(d, d->file.path, err);
	if (rc < 0) {
		unlink(d->file.path);
		return rc;
	}
	/* The capture waits for this: no syncs. There is nothing yet to be lost. */
	nr_buf_str(&sql, "PRAGMA synchronous = OFF; PRAGMA page_size = 8192;"
			 "PRAGMA journal_mode = WAL; PRAGMA cache_size = -65536;"
			 "PRAGMA foreign_keys = OFF;");
	nr_db_put_tables(&sql, types, n);
	nr_buf_str(&sql, views ? views : "");
	nr_buf_str(&sql, "COMMIT; PRAGMA synchronous = NORMAL; BEGIN;");
	rc = nr_db_run(d, sql.p, "creating the tables", err);
	nr_buf_fini(&sql);
	if (rc < 0) { /* of a disk that is full nothing is left behind */
		unlink(d->file.path);
		remove_logs(d->file.path);
	}
	return rc;
}

int nr_db_commit(struct nr_db *d, bool sync, struct nr_err *err)
{
	int rc;

	/* the level can only be set between transactions: it is that of the next one */
	rc = nr_db_run(d, "COMMIT", "committing", err);
	if (rc == 0 && sync != d->is_synced) {
		d->is_synced = sync;
		rc = nr_db_run(d,
			       sync ? "PRAGMA synchronous = FULL"
				    : "PRAGMA synchronous = NORMAL",
			       "setting it up", err);
	}
	return rc ? rc : nr_db_run(d, "BEGIN", "beginning a transaction", err);
}

uint64_t nr_db_bytes(struct nr_db *d)
{
	sqlite3_stmt *q;
	uint64_t n = 0;

	if (sqlite3_prepare_v2(d->db,
			       "SELECT page_count * page_size FROM pragma_page_count, "
			       "pragma_page_size",
			       -1, &q, NULL) != SQLITE_OK)
		return 0;
	if (sqlite3_step(q) == SQLITE_ROW)
		n = (uint64_t)sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	return n;
}

/*
 * Rows of a flow that has none go; who only names it names nobody any more. In a later
 * file of a set what lies before its flows is in an earlier one.
 */
static void put_orphans(struct nr_buf *sql, const struct nr_db *d, const char *table,
			const char *column, bool is_own)
{
	if (is_own)
		nr_buf_printf(sql, "DELETE FROM %s", table);
	else
		nr_buf_printf(sql, "UPDATE %s SET %s = NULL", table, column);
	nr_buf_printf(sql,
		      " WHERE %s IS NOT NULL AND %s NOT IN (SELECT flow_id FROM flow)",
		      column, column);
	if (d->continues && !is_own)
		nr_buf_printf(sql, " AND %s > (SELECT min(flow_id) FROM flow)", column);
}

int nr_db_drop_orphans(struct nr_db *d, uint64_t *n, struct nr_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < d->n_tables; i++) {
		const struct nr_record_type *t = d->tables[i].type;

		for (unsigned k = 0; k < t->n_fields && rc == 0; k++) {
			const struct nr_field *f = &t->fields[k];
			bool is_own = strcmp(f->name, "flow_id") == 0;
			struct nr_buf sql = { 0 };

			if (!f->references || strcmp(f->references, "flow(flow_id)") != 0)
				continue;
			put_orphans(&sql, d, t->name, f->name, is_own);
			rc = nr_db_run(d, sql.p, "removing rows without a flow", err);
			*n += is_own ? (uint64_t)sqlite3_changes(d->db) : 0;
			nr_buf_fini(&sql);
		}
	}
	return rc;
}

/* One file, readable where nobody may write beside it. False: a reader stays. */
static bool leave_wal(struct nr_db *d)
{
	sqlite3_busy_timeout(d->db, 0);
	for (int i = 0; i < TRIES; i++) {
		sqlite3_stmt *st = NULL;
		bool done = false;

		sqlite3_exec(d->db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
		if (sqlite3_prepare_v2(d->db, "PRAGMA journal_mode = DELETE", -1, &st,
				       NULL) == SQLITE_OK &&
		    sqlite3_step(st) == SQLITE_ROW)
			done = !strcmp((const char *)sqlite3_column_text(st, 0),
				       "delete");
		sqlite3_finalize(st);
		if (done)
			return true;
		usleep(WAIT_MS * 1000);
	}
	return false;
}

int nr_db_finish_live(struct nr_db *d, struct nr_err *err)
{
	struct nr_buf sql = { 0 };
	int rc;

	nr_buf_str(&sql, "COMMIT; PRAGMA synchronous = FULL; BEGIN;");
	for (size_t i = 0; i < d->n_tables; i++)
		nr_schema_indexes(&sql, d->tables[i].type, false);
	nr_buf_str(&sql, "COMMIT;");
	rc = nr_db_run(d, sql.p, "building the indexes", err);
	nr_buf_fini(&sql);
	if (rc == 0)
		rc = nr_db_check(d, err);
	if (rc < 0)
		return rc;
	d->left_as_wal = !leave_wal(d);
	if (sqlite3_close(d->db) != SQLITE_OK)
		return nr_db_fail(d, "closing it", err);
	d->db = NULL;
	return nr_outfile_commit(&d->file, err);
}
