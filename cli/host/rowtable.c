/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/rowtable.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>

struct nr_rowtable {
	sqlite3 *db;
	sqlite3_stmt *insert;
};

int nr_rowtable_new(struct nr_rowtable **out, const char *columns, struct nr_err *err)
{
	struct nr_rowtable *t = nr_xcalloc(1, sizeof(*t));
	struct nr_buf sql = { 0 };
	int rc = sqlite3_open(":memory:", &t->db), n = 1;

	for (const char *s = columns; *s; s++)
		n += *s == ',';
	nr_buf_printf(&sql, "CREATE TABLE t (%s)", columns);
	if (!rc)
		rc = sqlite3_exec(t->db, sql.p, NULL, NULL, NULL);
	nr_buf_clear(&sql);
	nr_buf_str(&sql, "INSERT INTO t VALUES (?");
	for (int i = 1; i < n; i++)
		nr_buf_str(&sql, ",?");
	nr_buf_char(&sql, ')');
	if (!rc)
		rc = sqlite3_prepare_v2(t->db, sql.p, -1, &t->insert, NULL);
	nr_buf_fini(&sql);
	if (rc) {
		nr_rowtable_free(t);
		return nr_fail(err, -ENOMEM, "cannot make a table of rows");
	}
	*out = t;
	return 0;
}

void nr_rowtable_text(struct nr_rowtable *t, int column, const char *s)
{
	sqlite3_bind_text(t->insert, column + 1, s, -1, SQLITE_TRANSIENT);
}

void nr_rowtable_int(struct nr_rowtable *t, int column, int64_t v)
{
	sqlite3_bind_int64(t->insert, column + 1, v);
}

void nr_rowtable_add(struct nr_rowtable *t)
{
	sqlite3_step(t->insert);
	sqlite3_reset(t->insert);
	sqlite3_clear_bindings(t->insert);
}

int nr_rowtable_write(struct nr_rowtable *t, const char *columns,
		      enum nr_row_format format, bool full, FILE *f, struct nr_err *err)
{
	struct nr_buf sql = { 0 };
	sqlite3_stmt *st = NULL;
	int rc;

	nr_buf_printf(&sql, "SELECT %s FROM t ORDER BY rowid", columns);
	rc = sqlite3_prepare_v2(t->db, sql.p, -1, &st, NULL);
	nr_buf_fini(&sql);
	if (!rc)
		rc = nr_rows_write(st, format, full, f);
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0
				 : nr_fail(err, -EIO, "cannot write the rows: %s",
					   sqlite3_errmsg(t->db));
}

void nr_rowtable_free(struct nr_rowtable *t)
{
	if (!t)
		return;
	sqlite3_finalize(t->insert);
	sqlite3_close(t->db);
	nr_free(t);
}
