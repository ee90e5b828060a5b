/* SPDX-License-Identifier: BSD-3-Clause */
#include "sink/sqlite_db.h"

#include "base/mem.h"
#include "record/schema.h"
#include "record/sql.h"
#include "record/tables.h"
#include "sink/sqlite_live.h"
#include "sink/sqlite_rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int nr_db_fail(struct nr_db *d, const char *what, struct nr_err *err)
{
	int code = d->db ? sqlite3_extended_errcode(d->db) : SQLITE_NOMEM;
	int sys = d->db ? sqlite3_system_errno(d->db) : 0;

	if (d->db && !sys) /* not all paths inside SQLite keep it */
		sqlite3_file_control(d->db, "main", SQLITE_FCNTL_LAST_ERRNO, &sys);
	if (code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_UNIQUE)
		return nr_fail(
			err, -EINVAL,
			"cannot write %s: two rows claim one id, as those of two "
			"databases do; each needs one of its own (SQLite: %s, while %s)",
			d->target, sqlite3_errmsg(d->db), what);
	switch (code & 0xff) {
	case SQLITE_FULL:
		return nr_fail(err, -ENOSPC,
			       "cannot write %s: disk is full (SQLite: %s, while %s)",
			       d->target, sqlite3_errmsg(d->db), what);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return nr_fail(
			err, -EBUSY,
			"cannot write %s: another program is using it (SQLite: %s, "
			"while %s)",
			d->target, sqlite3_errmsg(d->db), what);
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return nr_fail(err, sys ? -sys : -EIO,
			       "cannot write %s: %s (SQLite: %s, while %s)", d->target,
			       sys ? strerror(sys) : "input/output error",
			       sqlite3_errmsg(d->db), what);
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
		return nr_fail(err, -EBADMSG, "cannot write %s: %s (while %s)", d->target,
			       sqlite3_errmsg(d->db), what);
	default:
		return nr_fail(err, -EINVAL, "cannot write %s: %s (while %s)", d->target,
			       d->db ? sqlite3_errmsg(d->db) : "out of memory", what);
	}
}

int nr_db_run(struct nr_db *d, const char *sql, const char *what, struct nr_err *err)
{
	return sqlite3_exec(d->db, sql, NULL, NULL, NULL) == SQLITE_OK
		       ? 0
		       : nr_db_fail(d, what, err);
}

/* The first column of the first row, as an integer; none where there is no row. */
static int get_int(struct nr_db *d, const char *sql, int64_t *out, struct nr_err *err)
{
	sqlite3_stmt *st;
	int rc;

	if (sqlite3_prepare_v2(d->db, sql, -1, &st, NULL) != SQLITE_OK)
		return nr_db_fail(d, sql, err);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : nr_db_fail(d, sql, err);
}

int nr_db_open_file(struct nr_db *d, const char *path, struct nr_err *err)
{
	struct nr_buf tmp = { 0 };

	nr_buf_printf(&tmp, "%s.tmp",
		      d->is_append || d->is_live ? path : d->file.partial);
	d->vfs = nr_sqlite_vfs_new(tmp.p);
	nr_buf_fini(&tmp);
	if (sqlite3_open_v2(path, &d->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
			    nr_sqlite_vfs_name(d->vfs)) != SQLITE_OK)
		return nr_db_fail(d, "opening it", err);
	sqlite3_busy_timeout(d->db, 5000);
	return 0;
}

void nr_db_put_tables(struct nr_buf *sql, const struct nr_record_type *const *types,
		      size_t n)
{
	nr_buf_printf(sql, "PRAGMA application_id = %d; PRAGMA user_version = %d; BEGIN;",
		      NR_APPLICATION_ID, NR_SCHEMA_VERSION);
	for (size_t i = 0; i < n; i++) {
		if (!(types[i]->flags & NR_R_JSON_ONLY))
			nr_schema_table(sql, types[i]);
	}
}

static int open_new(struct nr_db *d, const struct nr_sink_options *o,
		    const struct nr_record_type *const *types, size_t n,
		    struct nr_err *err)
{
	struct nr_buf sql = { 0 };
	int rc;

	rc = nr_outfile_open(&d->file, d->target, o->force, true, err);
	if (rc < 0)
		return rc;
	d->file.keep_partial = o->keep_partial;
	rc = nr_db_open_file(d, d->file.partial, err);
	if (rc < 0)
		return rc;
	/*
	 * Nobody sees the file before it is whole: no journal, no syncs until then. Rows
	 * are appended, so a large cache is of no use to the load; to the indexes it is
	 * harmful, because SQLite sorts as much at a time as the cache is large: with 4
	 * MiB they take half the time of 64 MiB.
	 */
	nr_buf_str(&sql, "PRAGMA page_size = 8192; PRAGMA journal_mode = OFF;"
			 "PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;"
			 "PRAGMA cache_size = -4096; PRAGMA foreign_keys = OFF;");
	nr_db_put_tables(&sql, types, n);
	rc = nr_db_run(d, sql.p, "creating the tables", err);
	nr_buf_fini(&sql);
	return rc;
}

static bool has_column(struct nr_db *d, const char *table, const char *column, bool *has,
		       struct nr_err *err, int *rc)
{
	struct nr_buf sql = { 0 };
	int64_t n = 0;

	nr_buf_printf(&sql, "SELECT count(*) FROM pragma_table_info('%s')", table);
	if (column)
		nr_buf_printf(&sql, " WHERE name = '%s'", column);
	*rc = get_int(d, sql.p, &n, err);
	nr_buf_fini(&sql);
	*has = n > 0;
	return *rc == 0;
}

/* Adds what one table lacks: the schema only ever grows. */
static int grow_table(struct nr_db *d, const struct nr_record_type *t, struct nr_err *err)
{
	struct nr_buf sql = { 0 };
	bool has;
	int rc;

	if (!has_column(d, t->name, NULL, &has, err, &rc))
		return rc;
	if (!has)
		nr_schema_table(&sql, t);
	for (unsigned i = 0; has && i < t->n_fields; i++) {
		bool there;

		if (!has_column(d, t->name, t->fields[i].name, &there, err, &rc))
			break;
		if (!there)
			nr_schema_add_column(&sql, t, &t->fields[i]);
	}
	if (rc == 0 && sql.len)
		rc = nr_db_run(d, sql.p, "migrating the schema", err);
	nr_buf_fini(&sql);
	return rc;
}

/* All views anew: those of the older schema may have said something else. */
static void put_views(struct nr_buf *sql)
{
	static const char create[] = "CREATE VIEW ";
	const char *views = nr_sql_text("views"), *p = views ? views : "";

	while ((p = strstr(p, create))) {
		p += strlen(create);
		nr_buf_printf(sql, "DROP VIEW IF EXISTS %.*s;", (int)strcspn(p, " \n"),
			      p);
	}
	nr_buf_str(sql, views ? views : "");
}

/* Brings a database of an older schema to this one. */
static int migrate(struct nr_db *d, const struct nr_record_type *const *types, size_t n,
		   struct nr_err *err)
{
	struct nr_buf sql = { 0 };
	int64_t app = 0, version = 0;
	int rc;

	rc = get_int(d, "PRAGMA application_id", &app, err);
	if (rc == 0)
		rc = get_int(d, "PRAGMA user_version", &version, err);
	if (rc < 0)
		return rc;
	if (app != NR_APPLICATION_ID || version < 1)
		return nr_fail(
			err, -EINVAL,
			"cannot append to %s: it is a database, but not one of nrtool",
			d->target);
	if (version > NR_SCHEMA_VERSION)
		return nr_fail(
			err, -EINVAL,
			"cannot append to %s: a newer nrtool wrote it (schema %lld, "
			"this one writes %d); use that version",
			d->target, (long long)version, NR_SCHEMA_VERSION);
	if (version == NR_SCHEMA_VERSION)
		return 0;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (types[i]->flags & NR_R_JSON_ONLY)
			continue;
		rc = grow_table(d, types[i], err);
		nr_schema_indexes(&sql, types[i], true); /* what is there is large */
	}
	put_views(&sql);
	nr_buf_printf(&sql, "PRAGMA user_version = %d", NR_SCHEMA_VERSION);
	rc = rc ? rc : nr_db_run(d, sql.p, "migrating the schema", err);
	nr_buf_fini(&sql);
	return rc;
}

static int open_append(struct nr_db *d, const struct nr_record_type *const *types,
		       size_t n, struct nr_err *err)
{
	int64_t app = 0;
	int rc;

	d->path = realpath(d->target, NULL);
	if (!d->path)
		return nr_fail(err, -errno, "cannot append to %s: %s", d->target,
			       strerror(errno));
	rc = nr_db_open_file(d, d->path, err);
	if (rc < 0)
		return rc;
	/* Before anything is written: is it ours? */
	rc = get_int(d, "PRAGMA application_id", &app, err);
	if (rc == 0 && app != NR_APPLICATION_ID)
		rc = nr_fail(err, -EINVAL,
			     "cannot append to %s: it is no database of nrtool",
			     d->target);
	if (rc == 0)
		rc = nr_db_run(d,
			       "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
			       "PRAGMA cache_size = -65536; PRAGMA foreign_keys = OFF;"
			       "BEGIN IMMEDIATE;",
			       "beginning the transaction", err);
	if (rc == 0)
		rc = migrate(d, types, n, err);
	if (rc == 0)
		rc = get_int(d, "SELECT coalesce(max(run_id), 0) FROM run",
			     &d->runs_before, err);
	return rc;
}

/* What was there before, whose references are not this run's to answer for. */
static int note_rows_before(struct nr_db *d, struct nr_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < d->n_tables && rc == 0; i++) {
		struct nr_buf sql = { 0 };

		nr_buf_printf(&sql, "SELECT max(rowid) FROM main.%s",
			      d->tables[i].type->name);
		rc = get_int(d, sql.p, &d->tables[i].last_before, err);
		nr_buf_fini(&sql);
	}
	return rc;
}

static const char *not_regular(const char *target)
{
	struct stat st;

	if (stat(target, &st) < 0)
		return NULL;
	return S_ISREG(st.st_mode)   ? NULL
	       : S_ISDIR(st.st_mode) ? "it is a directory"
				     : "it is no regular file";
}

int nr_db_open(struct nr_db *d, const char *target, const struct nr_sink_options *o,
	       struct nr_err *err)
{
	const struct nr_record_type *const *types = nr_record_types;
	size_t n = nr_n_record_types;
	const char *why;
	int rc;

	*d = (struct nr_db){ .target = target, .file.fd = -1 };
	if (o->types) {
		types = o->types;
		n = o->n_types;
	}
	d->is_append = o->append && access(target, F_OK) == 0;
	why = d->is_append ? not_regular(target) : NULL;
	if (why)
		return nr_fail(err, -EINVAL, "cannot append to %s: %s", target, why);
	if (o->live && d->is_append)
		return nr_fail(err, -EINVAL,
			       "cannot append to %s while it is captured: name another "
			       "database",
			       target);
	d->continues = o->continues;
	if (o->live)
		rc = nr_db_open_live(d, o, types, n, err);
	else
		rc = d->is_append ? open_append(d, types, n, err)
				  : open_new(d, o, types, n, err);
	if (rc == 0)
		rc = nr_db_prepare(d, types, n, err);
	if (rc == 0 && d->is_append)
		rc = note_rows_before(d, err);
	return rc;
}

int nr_db_table(struct nr_db *d, const struct nr_record_type *t)
{
	if (d->last < d->n_tables && d->tables[d->last].type == t)
		return (int)d->last;
	for (d->last = 0; d->last < d->n_tables; d->last++) {
		if (d->tables[d->last].type == t)
			return (int)d->last;
	}
	return -1;
}

static void finalize_all(struct nr_db *d)
{
	for (size_t i = 0; i < d->n_tables; i++) {
		sqlite3_finalize(d->tables[i].insert);
		d->tables[i].insert = NULL;
	}
}

static int finish_new(struct nr_db *d, struct nr_err *err)
{
	struct nr_buf sql = { 0 };
	const char *views = nr_sql_text("views");
	int rc;

	nr_buf_str(&sql, "COMMIT; BEGIN;");
	for (size_t i = 0; i < d->n_tables; i++)
		nr_schema_indexes(&sql, d->tables[i].type, false);
	nr_buf_str(&sql, views ? views : "");
	nr_buf_str(&sql, "COMMIT;");
	rc = nr_db_run(d, sql.p, "building the indexes", err);
	nr_buf_fini(&sql);
	if (rc == 0)
		rc = nr_db_check_and_close(d, err);
	return rc < 0 ? rc : nr_outfile_commit(&d->file, err);
}

static int finish_append(struct nr_db *d, struct nr_err *err)
{
	int rc = nr_db_check(d, err);

	if (rc == 0)
		rc = nr_db_run(d, "COMMIT", "committing the run", err);
	if (rc < 0)
		return rc;
	/* Back to one plain file: readers may not be able to write its directory. Others
	   who have it open now keep it in WAL mode, which is no failure. */
	sqlite3_exec(d->db,
		     "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE",
		     NULL, NULL, NULL);
	return 0;
}

int nr_db_chain_heads(struct nr_db *d, const char *json, struct nr_err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(d->db,
				    "UPDATE run SET chain_heads = ?1"
				    " WHERE run_id = (SELECT max(run_id) FROM run)",
				    -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(st, 1, json, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	rc = rc == SQLITE_DONE ? 0 : nr_db_fail(d, "cannot note the chain heads in", err);
	sqlite3_finalize(st);
	return rc;
}

int nr_db_finish(struct nr_db *d, struct nr_err *err)
{
	finalize_all(d);
	if (d->is_live)
		return nr_db_finish_live(d, err);
	return d->is_append ? finish_append(d, err) : finish_new(d, err);
}

void nr_db_close(struct nr_db *d)
{
	finalize_all(d);
	if (d->db && d->is_live && sqlite3_exec(d->db, "COMMIT", NULL, NULL, NULL))
		sqlite3_exec(d->db, "ROLLBACK", NULL, NULL, NULL);
	if (d->db && d->is_append)
		sqlite3_exec(d->db, "ROLLBACK; PRAGMA journal_mode = DELETE", NULL, NULL,
			     NULL);
	sqlite3_close(d->db);
	nr_sqlite_vfs_free(d->vfs);
	nr_outfile_close(&d->file);
	nr_free(d->tables);
	nr_free(d->path);
	nr_buf_fini(&d->text);
	*d = (struct nr_db){ .file.fd = -1 };
}

/*
 * New rows must not get an id that rows already name: that of a flow that is missing,
 * because the database was made of damaged lines.
 */
static int check_named(struct nr_db *d, const char *key, int64_t highest,
		       struct nr_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < nr_n_record_types; i++) {
		const struct nr_record_type *t = nr_record_types[i];

		for (unsigned k = 0; k < t->n_fields && rc == 0; k++) {
			const struct nr_field *f = &t->fields[k];
			struct nr_buf sql = { 0 };
			int64_t named = 0;

			if (!f->references || strcmp(f->references, key) != 0 ||
			    sqlite3_table_column_metadata(d->db, "main", t->name, f->name,
							  NULL, NULL, NULL, NULL, NULL))
				continue;
			nr_buf_printf(&sql, "SELECT max(%s) FROM %s", f->name, t->name);
			rc = get_int(d, sql.p, &named, err);
			nr_buf_fini(&sql);
			if (rc == 0 && named > highest)
				rc = nr_fail(err, -EINVAL,
					     "cannot append to %s: rows of table %s name "
					     "a %.*s that it does not hold, so it is not "
					     "whole; name another database with -o, and "
					     "nrtool query shows both as one",
					     d->target, t->name, (int)strcspn(key, "("),
					     key);
		}
	}
	return rc;
}

int nr_sqlite_next_ids(const char *path, int64_t *run_id, int64_t *source_id,
		       uint64_t *ordinal, struct nr_err *err)
{
	struct nr_db d = { .target = path, .file.fd = -1 };
	int64_t app = 0, packets = 0, flow_id = 0;
	int rc = 0;

	*run_id = *source_id = 1;
	*ordinal = 0;
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	if (sqlite3_open_v2(path, &d.db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
		rc = nr_db_fail(&d, "opening it", err);
	if (rc == 0)
		rc = get_int(&d, "PRAGMA application_id", &app, err);
	if (rc == 0 && app != NR_APPLICATION_ID)
		rc = nr_fail(err, -EINVAL,
			     "cannot append to %s: it is no database of nrtool", path);
	if (rc == 0)
		rc = get_int(&d, "SELECT coalesce(max(run_id), 0) + 1 FROM run", run_id,
			     err);
	if (rc == 0)
		rc = get_int(&d, "SELECT coalesce(max(source_id), 0) + 1 FROM source",
			     source_id, err);
	if (rc == 0)
		rc = get_int(&d, "SELECT coalesce(sum(packets), 0) FROM source", &packets,
			     err);
	if (rc == 0)
		rc = get_int(&d, "SELECT coalesce(max(flow_id), 0) FROM flow", &flow_id,
			     err);
	if (rc == 0)
		rc = check_named(&d, "run(run_id)", *run_id - 1, err);
	if (rc == 0)
		rc = check_named(&d, "source(source_id)", *source_id - 1, err);
	if (rc == 0)
		rc = check_named(&d, "flow(flow_id)", flow_id, err);
	sqlite3_close(d.db);
	/* Frames outside --count or --from are in neither or in both: take the later. */
	*ordinal = (uint64_t)(packets > flow_id / 16 ? packets : flow_id / 16);
	return rc;
}
