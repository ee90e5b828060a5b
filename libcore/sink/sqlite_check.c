/* SPDX-License-Identifier: BSD-3-Clause */
/* What a database must pass before it gets its name. */
#include "sink/sqlite_db.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

/* Below this a second connection costs more than it saves. */
enum { WORTH_A_THREAD = 8 << 20 };

bool nr_db_refers_back(sqlite3 *db, sqlite3_stmt *st)
{
	const char *table = (const char *)sqlite3_column_text(st, 0);
	const char *parent = (const char *)sqlite3_column_text(st, 2);
	sqlite3_stmt *key = NULL, *is = NULL;
	struct nr_buf sql = { 0 };
	bool back = false;

	nr_buf_printf(&sql,
		      "SELECT \"from\", \"to\" FROM pragma_foreign_key_list('%s')"
		      " WHERE id = %d AND (SELECT min(source_id) FROM source) > 1",
		      table, sqlite3_column_int(st, 3));
	if (sqlite3_prepare_v2(db, sql.p, -1, &key, NULL) == SQLITE_OK &&
	    sqlite3_step(key) == SQLITE_ROW) {
		nr_buf_clear(&sql);
		nr_buf_printf(&sql,
			      "SELECT t.%s < (SELECT coalesce(min(%s), 1 << 62) FROM %s)"
			      " FROM %s AS t WHERE t.rowid = %lld",
			      sqlite3_column_text(key, 0), sqlite3_column_text(key, 1),
			      parent, table, (long long)sqlite3_column_int64(st, 1));
		if (sqlite3_prepare_v2(db, sql.p, -1, &is, NULL) == SQLITE_OK &&
		    sqlite3_step(is) == SQLITE_ROW)
			back = sqlite3_column_int(is, 0);
	}
	sqlite3_finalize(is);
	sqlite3_finalize(key);
	nr_buf_fini(&sql);
	return back;
}

static int check_pages(struct nr_db *d, struct nr_err *err)
{
	sqlite3_stmt *st;
	int rc = 0;

	if (sqlite3_prepare_v2(d->db, "PRAGMA quick_check(1)", -1, &st, NULL) !=
		    SQLITE_OK ||
	    sqlite3_step(st) != SQLITE_ROW)
		rc = nr_db_fail(d, "checking it", err);
	else if (strcmp((const char *)sqlite3_column_text(st, 0), "ok") != 0)
		rc = nr_fail(err, -EBADMSG, "%s did not pass SQLite's quick_check: %s",
			     d->target, (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	return rc;
}

/*
 * Whether the row was there before this run, which is appended: a database made of
 * damaged lines lacks rows, and one of a rotated set refers to the file before it.
 */
static bool was_before(const struct nr_db *d, sqlite3_stmt *st)
{
	const char *table = (const char *)sqlite3_column_text(st, 0);

	for (size_t i = 0; d->is_append && i < d->n_tables; i++)
		if (!strcmp(d->tables[i].type->name, table))
			return sqlite3_column_int64(st, 1) <= d->tables[i].last_before;
	return false;
}

static int check_references(struct nr_db *d, struct nr_err *err)
{
	sqlite3_stmt *st;
	int rc = 0, step;

	if (sqlite3_prepare_v2(d->db, "PRAGMA foreign_key_check", -1, &st, NULL) !=
	    SQLITE_OK)
		return nr_db_fail(d, "checking references", err);
	do
		step = sqlite3_step(st);
	while (step == SQLITE_ROW &&
	       (was_before(d, st) || (d->continues && nr_db_refers_back(d->db, st))));
	switch (step) {
	case SQLITE_DONE:
		break;
	case SQLITE_ROW:
		rc = nr_fail(err, -EBADMSG,
			     "%s did not pass SQLite's foreign_key_check: row %lld of %s "
			     "refers to a row of %s that does not exist; this is a bug",
			     d->target, (long long)sqlite3_column_int64(st, 1),
			     (const char *)sqlite3_column_text(st, 0),
			     (const char *)sqlite3_column_text(st, 2));
		break;
	default:
		rc = nr_db_fail(d, "checking references", err);
	}
	sqlite3_finalize(st);
	return rc;
}

int nr_db_check(struct nr_db *d, struct nr_err *err)
{
	int rc = check_pages(d, err);

	return rc < 0 || d->may_lack_rows ? rc : check_references(d, err);
}

/* A connection of its own to the same file, in a thread of its own. */
struct checker {
	struct nr_db db;
	struct nr_err err;
	int rc;
};

static int reopen(struct nr_db *d, struct nr_err *err)
{
	int rc = d->db && sqlite3_close(d->db) != SQLITE_OK
			 ? nr_db_fail(d, "closing it", err)
			 : 0;

	if (rc < 0)
		return rc;
	d->db = NULL;
	nr_sqlite_vfs_free(d->vfs);
	d->vfs = NULL;
	return nr_db_open_file(d, d->file.partial, err);
}

static void *check_beside(void *arg)
{
	struct checker *c = arg;

	c->rc = reopen(&c->db, &c->err);
	if (c->rc == 0)
		c->rc = check_references(&c->db, &c->err);
	sqlite3_close(c->db.db);
	nr_sqlite_vfs_free(c->db.vfs);
	return NULL;
}

static int check_both(struct nr_db *d, struct nr_err *err)
{
	struct checker c = { .db = { .target = d->target,
				     .file.partial = d->file.partial,
				     .continues = d->continues } };
	pthread_t thread;
	int rc = reopen(d, err); /* the load had it for itself */

	if (rc < 0)
		return rc;
	if (pthread_create(&thread, NULL, check_beside, &c) != 0)
		return nr_db_check(d, err);
	rc = check_pages(d, err);
	pthread_join(thread, NULL);
	if (rc < 0 || c.rc == 0)
		return rc;
	*err = c.err;
	return c.rc;
}

int nr_db_check_and_close(struct nr_db *d, struct nr_err *err)
{
	struct stat st;
	int rc;

	/* on its way to the disk meanwhile; whether it arrives, fsync says */
	sync_file_range(d->file.fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	if (d->may_lack_rows || fstat(d->file.fd, &st) < 0 || st.st_size < WORTH_A_THREAD)
		rc = nr_db_check(d, err);
	else
		rc = check_both(d, err);
	if (rc < 0)
		return rc;
	if (sqlite3_close(d->db) != SQLITE_OK)
		return nr_db_fail(d, "closing it", err);
	d->db = NULL;
	return 0;
}
