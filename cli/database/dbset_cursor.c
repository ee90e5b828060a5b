/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One table of a set of databases: a statement for each database, run one after the
 * other, or merged where an order was asked for.
 *
 * The plan that xBestIndex makes and xFilter reads is text: the columns in use as a
 * hexadecimal mask, the order ("a7" ascending by column 7, "d7" descending, "-"), then
 * column and operator of each condition: "1f a12 2=12g12<". Conditions are handed down
 * only as far as they cannot lose a row; SQLite checks them again.
 *
 * Of a table of which the first row with a key counts (NR_R_FIRST) that holds of the set
 * too: rows whose key an earlier database has are passed over.
 */
#include "database/dbset_cursor.h"

#include "base/mem.h"
#include "base/text.h"
#include "record/tables.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_CONDITIONS = 32 };

struct table {
	sqlite3_vtab base;
	const struct nr_dbset *set;
	const struct nr_record_type *type;
	enum nr_dbset_id *ids; /* of each column, `database` too */
};

struct condition {
	unsigned column;
	char op;
	bool in_use; /* for the values of this xFilter */
};

struct member_cursor {
	sqlite3_stmt *st;
	sqlite3_stmt *has_key; /* of a table with NR_R_FIRST */
	bool has_row;
	bool is_left_out; /* by a condition on column database */
};

struct cursor {
	sqlite3_vtab_cursor base;
	char *plan;       /* what the statements were made for */
	uint32_t mask;    /* the conditions they hold */
	uint64_t columns; /* in use; bit 63: those from 63 on */
	int order;        /* column the members are merged by; -1: one after the other */
	bool is_descending;
	unsigned n_conditions;
	struct condition c[MAX_CONDITIONS];
	struct member_cursor *m; /* one for each database */
	size_t at;               /* the database of the row; set->n: at the end */
	int *place; /* column of the statement for each of the table; -1: none */
};

static struct table *table_of(sqlite3_vtab *v)
{
	return (struct table *)(void *)v;
}

static struct cursor *cursor_of(sqlite3_vtab_cursor *c)
{
	return (struct cursor *)(void *)c;
}

static bool is_text(const struct nr_field *f)
{
	return f->type == NR_F_TEXT || f->type == NR_F_JSON;
}

static int vt_connect(sqlite3 *db, void *aux, int argc, const char *const *argv,
		      sqlite3_vtab **out, char **err)
{
	const struct nr_record_type *type = NULL;
	struct nr_buf sql = { 0 };
	struct table *t;
	int rc;

	for (size_t i = 0; argc == 4 && i < nr_n_record_types; i++)
		if (!strcmp(nr_record_types[i]->name, argv[3]))
			type = nr_record_types[i];
	if (!type) {
		*err = sqlite3_mprintf("no such table");
		return SQLITE_ERROR;
	}
	nr_buf_str(&sql, "CREATE TABLE x (");
	for (unsigned i = 0; i < type->n_fields; i++) {
		const struct nr_field *f = &type->fields[i];

		nr_buf_printf(&sql, "%s %s, ", f->name,
			      is_text(f)             ? "TEXT"
			      : f->type == NR_F_BLOB ? "BLOB"
						     : "INTEGER");
	}
	nr_buf_str(&sql, "database TEXT HIDDEN)");
	rc = sqlite3_declare_vtab(db, sql.p);
	nr_buf_fini(&sql);
	if (rc)
		return rc;
	t = nr_xcalloc(1, sizeof(*t));
	t->set = aux;
	t->type = type;
	t->ids = nr_xcalloc(type->n_fields + 1, sizeof(*t->ids));
	for (unsigned i = 0; i < type->n_fields; i++)
		t->ids[i] = nr_dbset_id_of(type, i);
	t->ids[type->n_fields] = NR_DBSET_NO_ID;
	*out = &t->base;
	return SQLITE_OK;
}

static int vt_disconnect(sqlite3_vtab *v)
{
	nr_free(table_of(v)->ids);
	nr_free(table_of(v));
	return SQLITE_OK;
}

/* Does an index, or the key of the rows, begin with the column? */
static bool is_indexed(const struct nr_record_type *t, unsigned column)
{
	const char *name = t->fields[column].name;
	size_t n = strlen(name);

	if (t->fields[column].flags & NR_F_KEY)
		return true;
	for (const char *const *ix = t->indexes; ix && *ix; ix++)
		if (!strncmp(*ix, name, n) && ((*ix)[n] == ',' || !(*ix)[n]))
			return true;
	return false;
}

static char op_of(int op)
{
	switch (op) {
	case SQLITE_INDEX_CONSTRAINT_EQ:
		return '=';
	case SQLITE_INDEX_CONSTRAINT_GT:
		return '>';
	case SQLITE_INDEX_CONSTRAINT_LT:
		return '<';
	case SQLITE_INDEX_CONSTRAINT_GE:
		return 'g';
	case SQLITE_INDEX_CONSTRAINT_LE:
		return 'l';
	case SQLITE_INDEX_CONSTRAINT_ISNULL:
		return 'n';
	case SQLITE_INDEX_CONSTRAINT_ISNOTNULL:
		return 'N';
	default:
		return 0;
	}
}

/* Rows and work that remain under one more condition. */
static void estimate(const struct table *t, unsigned column, char op, double *rows,
		     double *cost)
{
	bool is_id = t->ids[column] != NR_DBSET_NO_ID;
	bool indexed = column < t->type->n_fields && is_indexed(t->type, column);
	double n = (double)t->set->n;

	if (op == '=' && indexed) {
		bool is_key = t->type->flags & NR_R_ROWID_KEY &&
			      t->type->fields[column].flags & NR_F_KEY;
		double found = is_key ? 1 : 100;

		*rows = found < *rows ? found : *rows;
		/* an id is looked up in the one database that can have it */
		*cost = *rows + (is_id ? 10 : 10 * n);
	} else {
		*rows *= op == '=' ? 0.1 : op == 'n' ? 0.5 : op == 'N' ? 0.9 : 0.25;
		if (indexed && op != 'N')
			*cost = *rows + 10 * n < *cost ? *rows + 10 * n : *cost;
	}
}

static bool can_order(const struct nr_record_type *t, const sqlite3_index_info *info)
{
	int column = info->nOrderBy == 1 ? info->aOrderBy[0].iColumn : -1;

	return column >= 0 && (unsigned)column < t->n_fields &&
	       !is_text(&t->fields[column]) && t->fields[column].flags & NR_F_NOT_NULL &&
	       is_indexed(t, (unsigned)column);
}

static int vt_best_index(sqlite3_vtab *v, sqlite3_index_info *info)
{
	struct table *t = table_of(v);
	bool is_small = t->type->flags & (NR_R_RUN | NR_R_CONTAINER) &&
			t->type != &nr_rt_source_block;
	double rows = is_small ? 10 * (double)t->set->n : 1e6, cost = rows;
	struct nr_buf plan = { 0 };
	int n = 0;

	nr_buf_printf(&plan, "%llx ", (unsigned long long)info->colUsed);
	if (can_order(t->type, info)) {
		nr_buf_printf(&plan, "%c%d ", info->aOrderBy[0].desc ? 'd' : 'a',
			      info->aOrderBy[0].iColumn);
		info->orderByConsumed = 1;
	} else {
		nr_buf_str(&plan, "- ");
	}
	for (int i = 0; i < info->nConstraint && n < MAX_CONDITIONS; i++) {
		char op = op_of(info->aConstraint[i].op);

		if (!op || !info->aConstraint[i].usable ||
		    info->aConstraint[i].iColumn < 0 ||
		    strcmp(sqlite3_vtab_collation(info, i), "BINARY") != 0)
			continue;
		nr_buf_printf(&plan, "%d%c", info->aConstraint[i].iColumn, op);
		info->aConstraintUsage[i].argvIndex = ++n;
		estimate(t, (unsigned)info->aConstraint[i].iColumn, op, &rows, &cost);
	}
	info->idxStr = sqlite3_mprintf("%s", plan.p);
	info->needToFreeIdxStr = 1;
	info->estimatedRows = (sqlite3_int64)(rows < 1 ? 1 : rows);
	info->estimatedCost = cost;
	nr_buf_fini(&plan);
	return info->idxStr ? SQLITE_OK : SQLITE_NOMEM;
}

static int vt_open(sqlite3_vtab *v, sqlite3_vtab_cursor **out)
{
	struct table *t = table_of(v);
	struct cursor *c = nr_xcalloc(1, sizeof(*c));

	c->m = nr_xcalloc(t->set->n, sizeof(*c->m));
	c->place = nr_xcalloc(t->type->n_fields, sizeof(*c->place));
	*out = &c->base;
	return SQLITE_OK;
}

static void forget_statements(struct cursor *c, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		sqlite3_finalize(c->m[k].st);
		c->m[k].st = NULL;
		c->m[k].has_row = false;
	}
	nr_free(c->plan);
	c->plan = NULL;
}

static int vt_close(sqlite3_vtab_cursor *cur)
{
	struct cursor *c = cursor_of(cur);
	size_t n = table_of(cur->pVtab)->set->n;

	forget_statements(c, n);
	for (size_t k = 0; k < n; k++)
		sqlite3_finalize(c->m[k].has_key);
	nr_free(c->m);
	nr_free(c->place);
	nr_free(c);
	return SQLITE_OK;
}

static bool is_key_of_first(const struct nr_record_type *t, unsigned column)
{
	return t->flags & NR_R_FIRST && t->fields[column].flags & NR_F_KEY;
}

static void read_plan(struct cursor *c, const struct nr_record_type *t, const char *plan)
{
	char *p;
	int n = 1; /* behind the rowid */

	c->plan = nr_xstrdup(plan);
	c->columns = strtoull(plan, &p, 16);
	c->order = -1;
	c->is_descending = *++p == 'd';
	if (*p++ != '-')
		c->order = (int)strtol(p, &p, 10);
	p++;
	for (c->n_conditions = 0; *p; c->n_conditions++) {
		c->c[c->n_conditions].column = (unsigned)strtoul(p, &p, 10);
		c->c[c->n_conditions].op = *p++;
	}
	for (unsigned i = 0; i < t->n_fields; i++) {
		bool used = c->columns >> (i < 63 ? i : 63) & 1 || (int)i == c->order ||
			    is_key_of_first(t, i);

		c->place[i] = used ? n++ : -1;
	}
}

/*
 * Whether a comparison in the database can only find more than SQLite's own: the value
 * is of the column's type, so that neither converts it.
 */
static bool is_exact(const struct table *t, const struct condition *k, sqlite3_value *v)
{
	const struct nr_field *f = t->type->fields + k->column;
	int type = sqlite3_value_type(v);

	if (k->column == t->type->n_fields) /* column database */
		return k->op == '=' && type == SQLITE_TEXT;
	if (k->op == 'n' || k->op == 'N')
		return true;
	if (is_text(f))
		return type == SQLITE_TEXT;
	if (f->type == NR_F_BLOB || type != SQLITE_INTEGER)
		return false;
	return t->ids[k->column] == NR_DBSET_NO_ID ||
	       llabs(sqlite3_value_int64(v) / 2) < INT64_MAX / 4;
}

/* Whether a condition on column database asks for another one. */
static bool is_left_out(const struct table *t, const struct cursor *c, size_t k,
			sqlite3_value **v)
{
	for (unsigned i = 0; i < c->n_conditions; i++)
		if (c->c[i].in_use && c->c[i].column == t->type->n_fields &&
		    strcmp((const char *)sqlite3_value_text(v[i]), t->set->m[k].path) !=
			    0)
			return true;
	return false;
}

/*
 * Whether the column may name what is in an earlier file of a rotated set. The row's own
 * flow has a new id in each file; what carried it, or was announced, may have ended.
 */
static bool may_refer_back(const struct table *t, unsigned column,
			   const struct nr_dbset_member *m)
{
	const struct nr_field *f = &t->type->fields[column];

	if (!f->references && !(f->flags & NR_F_KEY))
		return true; /* `continues` */
	return m->goes_on && !(f->flags & NR_F_KEY) && strcmp(f->name, "flow_id") != 0;
}

/* A comparison with NULL is true of no row. */
static bool is_never(const struct condition *k, sqlite3_value *v)
{
	return k->op != 'n' && k->op != 'N' && sqlite3_value_type(v) == SQLITE_NULL;
}

/* Can the database hold rows of these values at all? */
static bool is_candidate(const struct table *t, const struct cursor *c, size_t k,
			 sqlite3_value **v)
{
	const struct nr_dbset_member *m = &t->set->m[k];

	for (unsigned i = 0; i < c->n_conditions; i++) {
		unsigned column = c->c[i].column;
		enum nr_dbset_id id = t->ids[column];
		int64_t want;

		if (!c->c[i].in_use || c->c[i].op != '=' || id == NR_DBSET_NO_ID)
			continue;
		want = sqlite3_value_int64(v[i]);
		if (want > m->hi[id] ||
		    (want < m->lo[id] && !may_refer_back(t, column, m)))
			return false;
	}
	return true;
}

static bool has_column(sqlite3 *db, const char *table, const char *column)
{
	return sqlite3_table_column_metadata(db, "main", table, column, NULL, NULL, NULL,
					     NULL, NULL) == SQLITE_OK;
}

/* An older database lacks columns, whose values are not known: NULL. */
static void put_select(struct nr_buf *sql, const struct table *t, const struct cursor *c,
		       sqlite3 *db)
{
	const struct nr_record_type *type = t->type;
	const char *sep = " WHERE ";

	nr_buf_str(sql, "SELECT rowid");
	for (unsigned i = 0; i < type->n_fields; i++) {
		const char *name = type->fields[i].name;

		if (c->place[i] >= 0)
			nr_buf_printf(sql, ", %s",
				      has_column(db, type->name, name) ? name : "NULL");
	}
	nr_buf_printf(sql, " FROM main.%s", type->name);
	for (unsigned i = 0; i < c->n_conditions; i++) {
		const struct condition *k = &c->c[i];
		const char *name;

		if (!k->in_use || k->column == type->n_fields)
			continue;
		name = type->fields[k->column].name;
		if (!has_column(db, type->name, name))
			continue;
		nr_buf_printf(sql, "%s%s", sep, name);
		if (k->op == 'n')
			nr_buf_str(sql, " IS NULL");
		else if (k->op == 'N')
			nr_buf_str(sql, " IS NOT NULL");
		else
			nr_buf_printf(sql, " %s ?%u",
				      k->op == 'g'   ? ">="
				      : k->op == 'l' ? "<="
				      : k->op == '=' ? "="
				      : k->op == '<' ? "<"
						     : ">",
				      i + 1);
		sep = " AND ";
	}
	if (c->order >= 0)
		nr_buf_printf(sql, " ORDER BY %s%s", type->fields[c->order].name,
			      c->is_descending ? " DESC" : "");
}

static int member_failed(struct table *t, size_t k)
{
	const struct nr_dbset_member *m = &t->set->m[k];

	sqlite3_free(t->base.zErrMsg);
	t->base.zErrMsg = sqlite3_mprintf("%s: %s", m->path, sqlite3_errmsg(m->db));
	return sqlite3_errcode(m->db);
}

static int prepare(struct table *t, struct cursor *c, size_t k)
{
	sqlite3 *db = t->set->m[k].db;
	struct nr_buf sql = { 0 };
	int rc;

	put_select(&sql, t, c, db);
	rc = sqlite3_prepare_v3(db, sql.p, -1, SQLITE_PREPARE_PERSISTENT, &c->m[k].st,
				NULL);
	nr_buf_fini(&sql);
	return rc ? member_failed(t, k) : SQLITE_OK;
}

static void bind_all(const struct table *t, struct cursor *c, size_t k, sqlite3_value **v)
{
	const struct nr_dbset_member *m = &t->set->m[k];
	sqlite3_stmt *st = c->m[k].st;

	for (unsigned i = 0; i < c->n_conditions; i++) {
		enum nr_dbset_id id;

		if (!c->c[i].in_use || c->c[i].column == t->type->n_fields)
			continue;
		id = t->ids[c->c[i].column];
		/* where the column is missing there is no such parameter: no harm */
		if (id == NR_DBSET_NO_ID)
			sqlite3_bind_value(st, (int)i + 1, v[i]);
		else
			sqlite3_bind_int64(st, (int)i + 1,
					   sqlite3_value_int64(v[i]) - m->offset[id]);
	}
}

static int prepare_has_key(struct table *t, struct cursor *c, size_t k)
{
	const struct nr_record_type *type = t->type;
	struct nr_buf sql = { 0 };
	const char *sep = "WHERE";
	int rc;

	nr_buf_printf(&sql, "SELECT 1 FROM main.%s ", type->name);
	for (unsigned i = 0; i < type->n_fields; i++) {
		if (!is_key_of_first(type, i))
			continue;
		nr_buf_printf(&sql, "%s %s IS ?%u ", sep, type->fields[i].name, i + 1);
		sep = "AND";
	}
	rc = sqlite3_prepare_v3(t->set->m[k].db, sql.p, -1, SQLITE_PREPARE_PERSISTENT,
				&c->m[k].has_key, NULL);
	nr_buf_fini(&sql);
	return rc ? member_failed(t, k) : SQLITE_OK;
}

/* Whether database k has the key of the row that database `of` stands at. */
static int look_for_key(struct table *t, struct cursor *c, size_t k, size_t of, bool *has)
{
	sqlite3_stmt *st;
	int rc = c->m[k].has_key ? SQLITE_OK : prepare_has_key(t, c, k);

	if (rc)
		return rc;
	st = c->m[k].has_key;
	for (unsigned i = 0; i < t->type->n_fields; i++)
		if (is_key_of_first(t->type, i))
			sqlite3_bind_value(
				st, (int)i + 1,
				sqlite3_column_value(c->m[of].st, c->place[i]));
	*has = sqlite3_step(st) == SQLITE_ROW;
	return sqlite3_reset(st) ? member_failed(t, k) : SQLITE_OK;
}

/* Whether an earlier database has the key of the row that database `of` stands at. */
static int came_before(struct table *t, struct cursor *c, size_t of, bool *before)
{
	int rc = SQLITE_OK;

	*before = false;
	if (!(t->type->flags & NR_R_FIRST))
		return rc;
	for (size_t k = 0; k < of && !rc && !*before; k++)
		if (!c->m[k].is_left_out &&
		    (c->m[k].has_key || has_column(t->set->m[k].db, t->type->name, NULL)))
			rc = look_for_key(t, c, k, of, before);
	return rc;
}

/* Steps one database's statement; it is reset at its end, so that no lock remains. */
static int step(struct table *t, struct cursor *c, size_t k)
{
	bool before = false;
	int rc, failed = SQLITE_OK;

	do {
		rc = sqlite3_step(c->m[k].st);
		if (rc == SQLITE_ROW)
			failed = came_before(t, c, k, &before);
	} while (rc == SQLITE_ROW && before && !failed);
	if (failed)
		return failed;
	c->m[k].has_row = rc == SQLITE_ROW;
	if (rc == SQLITE_ROW)
		return SQLITE_OK;
	if (rc != SQLITE_DONE)
		rc = member_failed(t, k);
	sqlite3_reset(c->m[k].st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int64_t order_value(const struct table *t, const struct cursor *c, size_t k)
{
	int64_t v = sqlite3_column_int64(c->m[k].st, c->place[c->order]);
	enum nr_dbset_id id = t->ids[c->order];

	return id == NR_DBSET_NO_ID ? v : v + t->set->m[k].offset[id];
}

/* Finds the database whose row comes next. */
static void choose(const struct table *t, struct cursor *c)
{
	size_t best = t->set->n;

	for (size_t k = 0; k < t->set->n; k++) {
		int64_t a, b;

		if (!c->m[k].has_row)
			continue;
		if (best == t->set->n) {
			best = k;
			if (c->order < 0)
				break;
			continue;
		}
		a = order_value(t, c, k);
		b = order_value(t, c, best);
		if (c->is_descending ? a > b : a < b)
			best = k;
	}
	c->at = best;
}

static int vt_next(sqlite3_vtab_cursor *cur)
{
	struct cursor *c = cursor_of(cur);
	struct table *t = table_of(cur->pVtab);
	int rc = step(t, c, c->at);

	if (!rc && (c->order >= 0 || !c->m[c->at].has_row))
		choose(t, c);
	return rc;
}

static int vt_filter(sqlite3_vtab_cursor *cur, int idx, const char *plan, int argc,
		     sqlite3_value **argv)
{
	struct cursor *c = cursor_of(cur);
	struct table *t = table_of(cur->pVtab);
	bool never = false;
	uint32_t mask = 0;
	int rc = SQLITE_OK;

	if (c->plan && strcmp(c->plan, plan) != 0)
		forget_statements(c, t->set->n);
	if (!c->plan)
		read_plan(c, t->type, plan);
	for (unsigned i = 0; i < c->n_conditions && i < (unsigned)argc; i++) {
		c->c[i].in_use = is_exact(t, &c->c[i], argv[i]);
		mask |= (uint32_t)c->c[i].in_use << i;
		never |= is_never(&c->c[i], argv[i]);
	}
	for (size_t k = 0; k < t->set->n && !rc; k++) {
		if (c->m[k].st && mask != c->mask) {
			sqlite3_finalize(c->m[k].st);
			c->m[k].st = NULL;
		}
		if (c->m[k].has_row)
			sqlite3_reset(c->m[k].st);
		c->m[k].has_row = false;
		c->m[k].is_left_out = is_left_out(t, c, k, argv);
		if (never || c->m[k].is_left_out || !is_candidate(t, c, k, argv) ||
		    !has_column(t->set->m[k].db, t->type->name, NULL))
			continue;
		if (!c->m[k].st)
			rc = prepare(t, c, k);
		if (rc)
			break;
		bind_all(t, c, k, argv);
		rc = step(t, c, k);
	}
	c->mask = mask;
	if (!rc)
		choose(t, c);
	return rc;
}

static int vt_eof(sqlite3_vtab_cursor *cur)
{
	return cursor_of(cur)->at >= table_of(cur->pVtab)->set->n;
}

static int vt_column(sqlite3_vtab_cursor *cur, sqlite3_context *ctx, int i)
{
	const struct cursor *c = cursor_of(cur);
	const struct table *t = table_of(cur->pVtab);
	const struct nr_dbset_member *m = &t->set->m[c->at];
	sqlite3_stmt *st = c->m[c->at].st;
	enum nr_dbset_id id;

	if ((unsigned)i >= t->type->n_fields) {
		sqlite3_result_text(ctx, m->path, -1, SQLITE_STATIC);
		return SQLITE_OK;
	}
	if (c->place[i] < 0)
		return SQLITE_OK; /* SQLite said that nobody asks */
	id = t->ids[i];
	if (id == NR_DBSET_NO_ID ||
	    sqlite3_column_type(st, c->place[i]) != SQLITE_INTEGER)
		sqlite3_result_value(ctx, sqlite3_column_value(st, c->place[i]));
	else
		sqlite3_result_int64(ctx, sqlite3_column_int64(st, c->place[i]) +
						  m->offset[id]);
	return SQLITE_OK;
}

/* The same for a row however it was found: by it SQLite knows the rows that several
   branches of an OR have found. */
static int vt_rowid(sqlite3_vtab_cursor *cur, sqlite3_int64 *out)
{
	const struct cursor *c = cursor_of(cur);
	uint64_t id = (uint64_t)sqlite3_column_int64(c->m[c->at].st, 0);

	id = id * table_of(cur->pVtab)->set->n + c->at;
	*out = (sqlite3_int64)id;
	return SQLITE_OK;
}

const sqlite3_module nr_dbset_module = {
	.xCreate = vt_connect,
	.xConnect = vt_connect,
	.xBestIndex = vt_best_index,
	.xDisconnect = vt_disconnect,
	.xDestroy = vt_disconnect,
	.xOpen = vt_open,
	.xClose = vt_close,
	.xFilter = vt_filter,
	.xNext = vt_next,
	.xEof = vt_eof,
	.xColumn = vt_column,
	.xRowid = vt_rowid,
};
