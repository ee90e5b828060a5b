/* SPDX-License-Identifier: BSD-3-Clause */
#include "sink/sqlite_rows.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

struct rows {
	sqlite3_vtab base; /* first: SQLite hands back its address */
	const struct nr_db_table *table;
};

struct cursor {
	sqlite3_vtab_cursor base; /* first */
	const struct nr_stored *row;
};

static int rows_connect(sqlite3 *db, void *table, int argc, const char *const *argv,
			sqlite3_vtab **out, char **error)
{
	const struct nr_db_table *t = table;
	struct nr_buf sql = { 0 };
	struct rows *r = sqlite3_malloc(sizeof(*r));
	int rc;

	if (!r)
		return SQLITE_NOMEM;
	*r = (struct rows){ .table = t };
	nr_buf_str(&sql, "CREATE TABLE rows (");
	for (unsigned i = 0; i < t->type->n_fields; i++)
		nr_buf_printf(&sql, "%s%s", i ? "," : "", t->type->fields[i].name);
	nr_buf_char(&sql, ')');
	rc = sqlite3_declare_vtab(db, sql.p);
	nr_buf_fini(&sql);
	if (rc != SQLITE_OK) {
		sqlite3_free(r);
		return rc;
	}
	*out = &r->base;
	return SQLITE_OK;
}

static int rows_disconnect(sqlite3_vtab *vtab)
{
	sqlite3_free(vtab);
	return SQLITE_OK;
}

static int rows_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
	return SQLITE_OK; /* always all of them */
}

static int rows_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out)
{
	struct cursor *c = sqlite3_malloc(sizeof(*c));

	if (!c)
		return SQLITE_NOMEM;
	*c = (struct cursor){ 0 };
	*out = &c->base;
	return SQLITE_OK;
}

static int rows_close(sqlite3_vtab_cursor *cursor)
{
	sqlite3_free(cursor);
	return SQLITE_OK;
}

static struct cursor *cursor_of(sqlite3_vtab_cursor *cursor)
{
	return (struct cursor *)(void *)cursor;
}

static const struct nr_db_table *table_of(const sqlite3_vtab_cursor *cursor)
{
	return ((const struct rows *)(const void *)cursor->pVtab)->table;
}

static int rows_filter(sqlite3_vtab_cursor *cursor, int n, const char *text, int argc,
		       sqlite3_value **argv)
{
	cursor_of(cursor)->row = table_of(cursor)->first;
	return SQLITE_OK;
}

/* The rows were written by another core and are larger than its caches: fetch ahead. */
static const struct nr_stored *seen(const struct nr_stored *row, unsigned n_values)
{
	const struct nr_stored *next = row ? row->next : NULL;

	for (unsigned i = 0; next && i < n_values; i += 4)
		__builtin_prefetch(&next->v[i]);
	return row;
}

static int rows_next(sqlite3_vtab_cursor *cursor)
{
	struct cursor *c = cursor_of(cursor);

	c->row = seen(c->row->next, table_of(cursor)->type->n_fields);
	return SQLITE_OK;
}

static int rows_eof(sqlite3_vtab_cursor *cursor)
{
	return !cursor_of(cursor)->row;
}

static int rows_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *id)
{
	*id = 0; /* nobody asks */
	return SQLITE_OK;
}

/* Text as SQLite and its users expect it: valid UTF-8, no NUL, JSON where it says so. */
static void give_text(sqlite3_context *to, struct nr_db *d, enum nr_field_type type,
		      const struct nr_value *v)
{
	bool is_json = type == NR_F_JSON;

	if (type == NR_F_BLOB) {
		sqlite3_result_blob(to, v->p, (int)v->len, SQLITE_STATIC);
		return;
	}
	if (is_json ? nr_json_valid(v->p, v->len)
		    : nr_utf8_span(v->p, v->len) == v->len) {
		sqlite3_result_text(to, v->p, (int)v->len, SQLITE_STATIC);
		return;
	}
	nr_buf_clear(&d->text);
	if (is_json)
		nr_buf_json(&d->text, v->p, v->len);
	else
		nr_buf_utf8(&d->text, v->p, v->len);
	sqlite3_result_text(to, d->text.p, (int)d->text.len, SQLITE_TRANSIENT);
}

static int rows_column(sqlite3_vtab_cursor *cursor, sqlite3_context *to, int i)
{
	const struct nr_db_table *t = table_of(cursor);
	const struct nr_value *v = &cursor_of(cursor)->row->v[i];

	switch ((enum nr_value_kind)v->kind) {
	case NR_V_NULL: /* what it is without a word */
		break;
	case NR_V_INT:
		sqlite3_result_int64(to, i == t->run_id && v->i <= t->db->runs_before
						 ? v->i + t->db->runs_before
						 : v->i);
		break;
	case NR_V_TEXT:
		give_text(to, t->db, t->type->fields[i].type, v);
		break;
	}
	return SQLITE_OK;
}

/* Without xCreate it is there by its name, and only so. */
static const sqlite3_module rows_module = {
	.xConnect = rows_connect,
	.xBestIndex = rows_best_index,
	.xDisconnect = rows_disconnect,
	.xOpen = rows_open,
	.xClose = rows_close,
	.xFilter = rows_filter,
	.xNext = rows_next,
	.xEof = rows_eof,
	.xColumn = rows_column,
	.xRowid = rows_rowid,
};

/*
 * Every failure ends the run, and with it what the statement inserted before: FAIL spares
 * SQLite a journal of the statement.
 */
static const char *on_conflict(const struct nr_db *d, const struct nr_record_type *t)
{
	return t->flags & NR_R_FIRST ? "IGNORE" : d->is_live ? "REPLACE" : "FAIL";
}

static void put_insert(struct nr_buf *sql, const struct nr_db_table *t)
{
	const struct nr_record_type *type = t->type;

	nr_buf_printf(sql, "INSERT OR %s INTO main.%s (", on_conflict(t->db, type),
		      type->name);
	for (unsigned i = 0; i < type->n_fields; i++)
		nr_buf_printf(sql, "%s%s", i ? "," : "", type->fields[i].name);
	nr_buf_str(sql, ") SELECT ");
	for (unsigned i = 0; i < type->n_fields; i++)
		nr_buf_printf(sql, "%s%s", i ? "," : "", type->fields[i].name);
	nr_buf_printf(sql, " FROM nr_rows_%s", type->name);
}

static int prepare(struct nr_db_table *t, struct nr_err *err)
{
	struct nr_buf sql = { 0 };
	int rc;

	t->run_id = -1;
	for (unsigned i = 0; i < t->type->n_fields; i++) {
		if (strcmp(t->type->fields[i].name, "run_id") == 0)
			t->run_id = (int)i;
	}
	nr_buf_printf(&sql, "nr_rows_%s", t->type->name);
	rc = sqlite3_create_module(t->db->db, sql.p, &rows_module, t);
	nr_buf_clear(&sql);
	put_insert(&sql, t);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v3(t->db->db, sql.p, -1, SQLITE_PREPARE_PERSISTENT,
					&t->insert, NULL);
	nr_buf_fini(&sql);
	return rc == SQLITE_OK ? 0 : nr_db_fail(t->db, "preparing to insert", err);
}

int nr_db_prepare(struct nr_db *d, const struct nr_record_type *const *types, size_t n,
		  struct nr_err *err)
{
	int rc = 0;

	if (n > NR_QUEUE_TABLES)
		return nr_fail(err, -EINVAL, "%s: a database has at most %d tables",
			       d->target, NR_QUEUE_TABLES);
	d->tables = nr_xcalloc(n, sizeof(*d->tables));
	for (size_t i = 0; i < n && rc == 0; i++) {
		struct nr_db_table *t = &d->tables[d->n_tables];

		if (types[i]->flags & NR_R_JSON_ONLY)
			continue;
		d->n_tables++;
		*t = (struct nr_db_table){ .type = types[i], .db = d };
		rc = prepare(t, err);
	}
	return rc;
}

int nr_db_insert(struct nr_db *d, const struct nr_chunk *c, struct nr_err *err)
{
	for (size_t i = 0; i < d->n_tables; i++) {
		struct nr_db_table *t = &d->tables[i];

		t->first = c->of[i].first;
		if (!t->first)
			continue;
		sqlite3_step(t->insert);
		if (sqlite3_reset(t->insert) != SQLITE_OK)
			return nr_db_fail(d, t->type->name, err);
	}
	return 0;
}
