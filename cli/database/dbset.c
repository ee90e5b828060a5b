/* SPDX-License-Identifier: BSD-3-Clause */
#include "database/dbset.h"

#include "database/dbset_cursor.h"

#include "base/mem.h"
#include "base/text.h"
#include "record/sql.h"
#include "record/tables.h"

#include <errno.h>
#include <string.h>

enum nr_dbset_id nr_dbset_id_of(const struct nr_record_type *t, unsigned field)
{
	static const struct {
		const char *prefix;
		enum nr_dbset_id id;
	} refs[] = {
		{ "run(", NR_DBSET_RUN },
		{ "source(", NR_DBSET_SOURCE },
		{ "flow(", NR_DBSET_FLOW },
	};
	const struct nr_field *f = &t->fields[field];

	for (size_t i = 0; i < sizeof(refs) / sizeof(*refs); i++) {
		size_t n = strlen(refs[i].prefix) - 1;

		if (f->references && !strncmp(f->references, refs[i].prefix, n + 1))
			return refs[i].id;
		if (t->flags & NR_R_ROWID_KEY && f->flags & NR_F_KEY &&
		    !strncmp(t->name, refs[i].prefix, n) && !t->name[n])
			return refs[i].id;
	}
	/* names a flow of the previous file of the same set, moved with it */
	return t == &nr_rt_flow && field == NR_FLOW_continues ? NR_DBSET_FLOW
							      : NR_DBSET_NO_ID;
}

static int db_fail(struct nr_err *err, const char *path, sqlite3 *db)
{
	return nr_fail(err, -EIO, "cannot read %s: %s", path, sqlite3_errmsg(db));
}

/* Lowest and highest id of each kind; lo > hi where there is none. */
static int read_ranges(struct nr_dbset_member *m, struct nr_err *err)
{
	static const char *const sql[NR_DBSET_NO_ID] = {
		"SELECT (SELECT min(run_id) FROM run), (SELECT max(run_id) FROM run)",
		("SELECT (SELECT min(source_id) FROM source),"
		 " (SELECT max(source_id) FROM source)"),
		"SELECT (SELECT min(flow_id) FROM flow), (SELECT max(flow_id) FROM flow)",
	};

	for (int i = 0; i < NR_DBSET_NO_ID; i++) {
		sqlite3_stmt *st = NULL;
		int rc = sqlite3_prepare_v2(m->db, sql[i], -1, &st, NULL);

		if (!rc)
			rc = sqlite3_step(st);
		m->lo[i] = 0;
		m->hi[i] = -1;
		if (rc == SQLITE_ROW && sqlite3_column_type(st, 0) == SQLITE_INTEGER) {
			m->lo[i] = sqlite3_column_int64(st, 0);
			m->hi[i] = sqlite3_column_int64(st, 1);
		}
		if (rc != SQLITE_ROW)
			rc = db_fail(err, m->path, m->db);
		else if (m->lo[i] < 0 || m->hi[i] > INT64_MAX / 4)
			rc = nr_fail(err, -EINVAL,
				     "cannot read %s with others: its ids are too large",
				     m->path);
		else
			rc = 0;
		sqlite3_finalize(st);
		if (rc)
			return rc;
	}
	m->goes_on = m->lo[NR_DBSET_SOURCE] > 1;
	return 0;
}

/* Is [lo, hi] + offset free of the ids of the first n databases? */
static bool is_free(const struct nr_dbset *s, size_t n, int id, int64_t lo, int64_t hi)
{
	for (size_t i = 0; i < n; i++) {
		const struct nr_dbset_member *m = &s->m[i];

		if (m->lo[id] <= m->hi[id] && lo <= m->hi[id] && m->lo[id] <= hi)
			return false;
	}
	return true;
}

/* Gives member k its offsets; from now on lo and hi are those of the set. */
static int place(struct nr_dbset *s, size_t k, struct nr_err *err)
{
	struct nr_dbset_member *m = &s->m[k];

	for (int id = 0; id < NR_DBSET_NO_ID; id++) {
		int64_t lo = m->lo[id], hi = m->hi[id], top = -1;
		int64_t off = k ? s->m[k - 1].offset[id] : 0;

		for (size_t i = 0; i < k; i++)
			if (s->m[i].hi[id] > top)
				top = s->m[i].hi[id];
		if (lo <= hi && !is_free(s, k, id, lo + off, hi + off))
			off = is_free(s, k, id, lo, hi) ? 0 : top + 1 - lo;
		/* a flow id has 4 bits for the nesting in tunnels */
		if (id == NR_DBSET_FLOW)
			off = (off + 15) / 16 * 16;
		m->offset[id] = off;
		if (lo > hi)
			continue;
		m->lo[id] += off;
		m->hi[id] += off;
		if (m->hi[id] > INT64_MAX / 2)
			return nr_fail(err, -EINVAL,
				       "cannot read %s with the others: the ids are too "
				       "large to be moved apart",
				       m->path);
	}
	return 0;
}

static void free_set(void *arg)
{
	struct nr_dbset *s = arg;

	for (size_t i = 0; i < s->n; i++)
		sqlite3_close(s->m[i].db);
	nr_free(s->m);
	nr_free(s);
}

static int create_all(sqlite3 *db, const struct nr_dbset *s)
{
	struct nr_buf sql = { 0 };
	sqlite3_stmt *st = NULL;
	int rc;

	for (size_t i = 0; i < nr_n_record_types; i++) {
		const struct nr_record_type *t = nr_record_types[i];

		if (!(t->flags & NR_R_JSON_ONLY))
			nr_buf_printf(&sql,
				      "CREATE VIRTUAL TABLE %s USING nrtool_set(%s);",
				      t->name, t->name);
	}
	nr_buf_str(&sql, nr_sql_text("views"));
	nr_buf_str(&sql, "CREATE TABLE database (database TEXT, run_offset INTEGER,"
			 " source_offset INTEGER, flow_offset INTEGER) STRICT;");
	rc = sqlite3_exec(db, sql.p, NULL, NULL, NULL);
	nr_buf_fini(&sql);
	if (!rc)
		rc = sqlite3_prepare_v2(db, "INSERT INTO database VALUES (?, ?, ?, ?)",
					-1, &st, NULL);
	for (size_t k = 0; k < s->n && !rc; k++) {
		sqlite3_bind_text(st, 1, s->m[k].path, -1, SQLITE_STATIC);
		for (int id = 0; id < NR_DBSET_NO_ID; id++)
			sqlite3_bind_int64(st, id + 2, s->m[k].offset[id]);
		sqlite3_step(st);
		rc = sqlite3_reset(st);
	}
	sqlite3_finalize(st);
	return rc;
}

int nr_dbset_open(sqlite3 **out, sqlite3 **members, const char *const *paths, size_t n,
		  struct nr_err *err)
{
	struct nr_dbset *s = nr_xcalloc(1, sizeof(*s));
	int rc = 0;

	s->m = nr_xcalloc(n, sizeof(*s->m));
	s->n = n;
	for (size_t k = 0; k < n; k++) {
		s->m[k].db = members[k];
		s->m[k].path = paths[k];
	}
	for (size_t k = 0; k < n && !rc; k++) {
		rc = read_ranges(&s->m[k], err);
		if (!rc)
			rc = place(s, k, err);
	}
	/* without CREATE, so that ATTACH makes no file */
	if (!rc && sqlite3_open_v2(":memory:", out, SQLITE_OPEN_READWRITE, NULL))
		rc = nr_fail(err, -ENOMEM, "out of memory");
	if (rc) {
		free_set(s);
		return rc;
	}
	/* owns s from here, also where it fails */
	rc = sqlite3_create_module_v2(*out, "nrtool_set", &nr_dbset_module, s, free_set);
	if (!rc)
		rc = create_all(*out, s);
	return rc ? nr_fail(err, -EIO, "cannot join the databases: %s",
			    sqlite3_errmsg(*out))
		  : 0;
}
