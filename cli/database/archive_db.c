/* SPDX-License-Identifier: BSD-3-Clause */
#include "database/archive_db.h"

#include "cli.h"
#include "database/sqlfunc.h"

#include "archive/lines.h"
#include "base/mem.h"
#include "record/row_json.h"
#include "record/schema.h"
#include "record/sql.h"
#include "record/tables.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What the SQL wants of one table. */
struct want {
	const struct nr_record_type *type;
	int time, addr[2];    /* columns; -1: none */
	bool is_read;         /* the table is used at all */
	int64_t lo_ns, hi_ns; /* of the time column, both included */
	bool is_timed;        /* rows without a time are of no use */
	bool has_addr;        /* each use asks for this one address */
	struct nr_archive_addr a;
	uint32_t number; /* of the type in the archive */
	sqlite3_stmt *insert;
};

struct plan {
	struct want *w;
	size_t n;
};

static int find_field(const struct nr_record_type *t, const char *name)
{
	for (unsigned i = 0; i < t->n_fields; i++)
		if (!strcmp(t->fields[i].name, name))
			return (int)i;
	return -1;
}

/* The column that an archive takes a record's time from, as sink/jsonl.c does. */
static int time_field(const struct nr_record_type *t)
{
	static const char *const times[] = { "ts_ns", "first_ns", "from_ns",
					     "started_ns" };
	int at = -1;

	for (size_t i = 0; at < 0 && i < sizeof(times) / sizeof(*times); i++)
		at = find_field(t, times[i]);
	return at;
}

static void plan_init(struct plan *p)
{
	p->w = nr_xcalloc(nr_n_record_types, sizeof(*p->w));
	for (size_t i = 0; i < nr_n_record_types; i++) {
		const struct nr_record_type *t = nr_record_types[i];

		if (t->flags & NR_R_JSON_ONLY)
			continue;
		p->w[p->n++] = (struct want){
			.type = t,
			.time = time_field(t),
			.addr = { find_field(t, "src_ip"), find_field(t, "dst_ip") },
			.lo_ns = INT64_MAX,
			.hi_ns = INT64_MIN,
		};
	}
}

/* ---- the tables that only note what is asked of them --------------------------- */

struct noted {
	sqlite3_vtab base;
	struct want *w;
};

static int noted_connect(sqlite3 *db, void *aux, int argc, const char *const *argv,
			 sqlite3_vtab **out, char **error)
{
	struct plan *p = aux;
	struct nr_buf sql = { 0 };
	struct noted *t;
	int rc;

	for (size_t i = 0; argc == 4 && i < p->n; i++) {
		const struct nr_record_type *type = p->w[i].type;

		if (strcmp(type->name, argv[3]) != 0)
			continue;
		nr_buf_str(&sql, "CREATE TABLE x(");
		for (unsigned k = 0; k < type->n_fields; k++)
			nr_buf_printf(
				&sql, "%s\"%s\"%s", k ? "," : "", type->fields[k].name,
				type->fields[k].type <= NR_F_TIME ? " INTEGER" : " TEXT");
		nr_buf_char(&sql, ')');
		rc = sqlite3_declare_vtab(db, sql.p);
		nr_buf_fini(&sql);
		if (rc)
			return rc;
		t = sqlite3_malloc(sizeof(*t));
		if (!t)
			return SQLITE_NOMEM;
		*t = (struct noted){ .w = &p->w[i] };
		*out = &t->base;
		return SQLITE_OK;
	}
	return SQLITE_ERROR;
}

static int noted_disconnect(sqlite3_vtab *t)
{
	sqlite3_free(t);
	return SQLITE_OK;
}

/* "column op constant" of one use of the table into [*lo, *hi]. */
static void narrow(int64_t *lo, int64_t *hi, int op, int64_t v)
{
	if ((op == SQLITE_INDEX_CONSTRAINT_GT && v == INT64_MAX) ||
	    (op == SQLITE_INDEX_CONSTRAINT_LT && v == INT64_MIN)) {
		*lo = INT64_MAX;
		*hi = INT64_MIN;
		return;
	}
	if (op == SQLITE_INDEX_CONSTRAINT_GT)
		v++;
	else if (op == SQLITE_INDEX_CONSTRAINT_LT)
		v--;
	if ((op == SQLITE_INDEX_CONSTRAINT_EQ || op == SQLITE_INDEX_CONSTRAINT_GE ||
	     op == SQLITE_INDEX_CONSTRAINT_GT) &&
	    v > *lo)
		*lo = v;
	if ((op == SQLITE_INDEX_CONSTRAINT_EQ || op == SQLITE_INDEX_CONSTRAINT_LE ||
	     op == SQLITE_INDEX_CONSTRAINT_LT) &&
	    v < *hi)
		*hi = v;
}

static bool parse_address(sqlite3_value *v, struct nr_archive_addr *a)
{
	const char *s = sqlite3_value_type(v) == SQLITE_TEXT
				? (const char *)sqlite3_value_text(v)
				: NULL;

	*a = (struct nr_archive_addr){ 0 };
	if (!s)
		return false;
	a->len = strchr(s, ':') ? 16 : 4;
	return inet_pton(a->len == 16 ? AF_INET6 : AF_INET, s, a->b) == 1;
}

static bool same_address(const struct nr_archive_addr *a, const struct nr_archive_addr *b)
{
	return a->len == b->len && !memcmp(a->b, b->b, a->len);
}

/*
 * Called for every use of the table in the SQL, for some more than once with fewer
 * conditions: what all of them together want is what is read.
 */
static int noted_best_index(sqlite3_vtab *vt, sqlite3_index_info *info)
{
	struct want *w = ((struct noted *)vt)->w;
	int64_t lo = INT64_MIN, hi = INT64_MAX;
	struct nr_archive_addr a;
	bool has_addr = false, timed = false;

	for (int i = 0; i < info->nConstraint; i++) {
		int col = info->aConstraint[i].iColumn, op = info->aConstraint[i].op;
		sqlite3_value *v;

		if (sqlite3_vtab_rhs_value(info, i, &v) != SQLITE_OK || !v || col < 0)
			continue;
		if (col == w->time && sqlite3_value_type(v) == SQLITE_INTEGER) {
			int64_t before_lo = lo, before_hi = hi;

			narrow(&lo, &hi, op, sqlite3_value_int64(v));
			timed |= lo != before_lo || hi != before_hi;
		} else if ((col == w->addr[0] || col == w->addr[1]) &&
			   op == SQLITE_INDEX_CONSTRAINT_EQ) {
			has_addr = parse_address(v, &a) || has_addr;
		}
	}
	if (!w->is_read) {
		w->is_timed = timed;
		w->has_addr = has_addr;
		if (has_addr)
			w->a = a;
	}
	w->is_timed &= timed;
	w->has_addr = w->has_addr && has_addr && same_address(&w->a, &a);
	w->is_read = true;
	w->lo_ns = lo < w->lo_ns ? lo : w->lo_ns;
	w->hi_ns = hi > w->hi_ns ? hi : w->hi_ns;
	return SQLITE_OK;
}

static int never(sqlite3_vtab *vt, sqlite3_vtab_cursor **c)
{
	(void)vt;
	(void)c;
	return SQLITE_ERROR; /* nothing is ever run here */
}

static const sqlite3_module noted_module = {
	.xCreate = noted_connect,
	.xConnect = noted_connect,
	.xBestIndex = noted_best_index,
	.xDisconnect = noted_disconnect,
	.xDestroy = noted_disconnect,
	.xOpen = never,
};

static void want_rows(struct want *w)
{
	w->is_read = true;
	w->is_timed = w->has_addr = false;
	w->lo_ns = INT64_MIN;
	w->hi_ns = INT64_MAX;
}

static void want_all(struct plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		want_rows(&p->w[i]);
}

/* What a set is joined by: ids, and keys of which the first row counts. */
static void want_ids(struct plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->w[i].type == &nr_rt_run || p->w[i].type == &nr_rt_source ||
		    p->w[i].type == &nr_rt_flow ||
		    (p->w[i].is_read && p->w[i].type->flags & NR_R_FIRST))
			want_rows(&p->w[i]);
}

/* Prepares each statement of sql; false where one cannot be, for whatever reason. */
static bool prepare_all(sqlite3 *db, const char *sql)
{
	while (*sql) {
		sqlite3_stmt *st;
		int rc = sqlite3_prepare_v2(db, sql, -1, &st, &sql);

		sqlite3_finalize(st);
		if (rc)
			return false;
	}
	return true;
}

static void make_plan(struct plan *p, const char *sql)
{
	struct nr_buf ddl = { 0 };
	sqlite3 *db = NULL;
	bool ok;

	for (size_t i = 0; i < p->n; i++)
		nr_buf_printf(&ddl, "CREATE VIRTUAL TABLE \"%s\" USING nrtool_plan(%s);",
			      p->w[i].type->name, p->w[i].type->name);
	nr_buf_str(&ddl, nr_sql_text("views"));
	ok = sql && !sqlite3_open(":memory:", &db) &&
	     !sqlite3_create_module(db, "nrtool_plan", &noted_module, p) &&
	     !sqlite3_exec(db, ddl.p, NULL, NULL, NULL) && !nr_sqlfunc_register(db) &&
	     prepare_all(db, sql);
	nr_buf_fini(&ddl);
	sqlite3_close(db);
	if (!ok)
		want_all(p);
}

/* ---- loading ------------------------------------------------------------------- */

static bool want_of_type(const struct want *w, const struct nr_archive *a,
			 const struct nr_archive_frame *f)
{
	const struct nr_archive_info *info = nr_archive_info(a);

	if (!w->is_read || (w->has_addr && !nr_archive_may_hold(f, &w->a)))
		return false;
	for (size_t i = 0; i < f->n_counts; i++) {
		struct nr_archive_count c = nr_archive_count(f, i);

		if (c.type >= info->n_types ||
		    strcmp(info->type[c.type], w->type->name) != 0)
			continue;
		return !w->is_timed ||
		       (c.lo_ns <= c.hi_ns && c.hi_ns >= w->lo_ns && c.lo_ns <= w->hi_ns);
	}
	return false;
}

static bool want_frame(void *arg, const struct nr_archive *a,
		       const struct nr_archive_frame *f)
{
	const struct plan *p = arg;

	if (!f->has_facts || nr_archive_info(a)->kind != NR_ARCHIVE_EVENTS)
		return true;
	for (size_t i = 0; i < p->n; i++)
		if (want_of_type(&p->w[i], a, f))
			return true;
	return false;
}

static int db_failed(sqlite3 *db, struct nr_err *err)
{
	return nr_fail(err, -EIO, "cannot load the archive: %s", sqlite3_errmsg(db));
}

static int prepare_inserts(struct plan *p, sqlite3 *db, struct nr_err *err)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct nr_record_type *t = p->w[i].type;
		struct nr_buf sql = { 0 };
		int rc;

		nr_buf_printf(&sql, "INSERT %sINTO \"%s\" VALUES (?",
			      t->flags & NR_R_FIRST ? "OR IGNORE " : "", t->name);
		for (unsigned k = 1; k < t->n_fields; k++)
			nr_buf_str(&sql, ",?");
		nr_buf_char(&sql, ')');
		rc = sqlite3_prepare_v2(db, sql.p, -1, &p->w[i].insert, NULL);
		nr_buf_fini(&sql);
		if (rc)
			return db_failed(db, err);
	}
	return 0;
}

int nr_archive_db_empty(sqlite3 **db, struct nr_err *err)
{
	struct nr_buf ddl = { 0 };
	int rc = sqlite3_open("", db);

	nr_buf_str(&ddl, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
			 "PRAGMA cache_size = -65536; PRAGMA locking_mode = EXCLUSIVE;"
			 "PRAGMA foreign_keys = OFF; BEGIN;");
	for (size_t i = 0; i < nr_n_record_types; i++)
		if (!(nr_record_types[i]->flags & NR_R_JSON_ONLY))
			nr_schema_table(&ddl, nr_record_types[i]);
	nr_buf_str(&ddl, nr_sql_text("views"));
	nr_buf_printf(&ddl, "PRAGMA application_id = %d; PRAGMA user_version = %d;",
		      NR_APPLICATION_ID, NR_SCHEMA_VERSION);
	if (!rc)
		rc = sqlite3_exec(*db, ddl.p, NULL, NULL, NULL);
	nr_buf_fini(&ddl);
	return rc ? db_failed(*db, err) : 0;
}

static int bind_row(sqlite3_stmt *st, const struct nr_record *r)
{
	for (unsigned i = 0; i < r->type->n_fields; i++) {
		const struct nr_value *v = &r->v[i];
		int at = (int)i + 1, rc;

		if (v->kind == NR_V_NULL)
			rc = sqlite3_bind_null(st, at);
		else if (v->kind == NR_V_INT)
			rc = sqlite3_bind_int64(st, at, v->i);
		else if (r->type->fields[i].type == NR_F_BLOB)
			rc = sqlite3_bind_blob(st, at, v->p, (int)v->len, SQLITE_STATIC);
		else
			rc = sqlite3_bind_text(st, at, v->p, (int)v->len, SQLITE_STATIC);
		if (rc)
			return rc;
	}
	return SQLITE_OK;
}

static bool is_of_use(const struct want *w, const struct nr_record *r)
{
	const struct nr_value *ts = w->is_timed ? &r->v[w->time] : NULL;

	return !ts || (ts->kind == NR_V_INT && ts->i >= w->lo_ns && ts->i <= w->hi_ns);
}

static void bad_line(struct nr_archive_db_stats *st, const char *why)
{
	if (!st->n_damages++)
		snprintf(st->damage, sizeof(st->damage), "a line is no row: %s", why);
}

static struct want *want_of_line(struct plan *p, const char *line, size_t n)
{
	const char *name;
	size_t len = nr_row_type(line, n, &name);

	for (size_t i = 0; i < p->n && len; i++)
		if (strlen(p->w[i].type->name) == len &&
		    !memcmp(p->w[i].type->name, name, len))
			return &p->w[i];
	return NULL;
}

/* One line into its table: 0 or -errno. */
static int load_line(struct plan *p, sqlite3 *db, const char *line, size_t n,
		     struct nr_records *rs, struct nr_archive_db_stats *st,
		     struct nr_err *err)
{
	struct want *w = want_of_line(p, line, n);
	struct nr_record *r;
	const char *why;
	int rc;

	if (!w && n && (*line != '{' || !nr_row_type(line, n, &why))) {
		bad_line(st, "it does not begin with {\"type\":");
		return 0;
	}
	if (!w || !w->is_read)
		return 0;
	st->lines++;
	if (nr_row_parse(line, n, &w->type, 1, rs, &r, &why) != NR_ROW_OK) {
		bad_line(st, why);
		return 0;
	}
	if (!is_of_use(w, r))
		return 0;
	rc = bind_row(w->insert, r);
	if (!rc)
		sqlite3_step(w->insert);
	rc = sqlite3_reset(w->insert);
	st->rows += !rc;
	if (rc == SQLITE_CONSTRAINT) {
		bad_line(st, sqlite3_errmsg(db));
		return 0;
	}
	return rc ? db_failed(db, err) : 0;
}

static int load(struct plan *p, sqlite3 *db, struct nr_lines *l,
		struct nr_archive_db_stats *st, struct nr_err *err)
{
	struct nr_arena arena = { 0 };
	const char *line;
	size_t n;
	int rc = prepare_inserts(p, db, err);

	while (rc == 0 && !nr_stop) {
		struct nr_records rs = { .arena = &arena };

		rc = nr_lines_next(l, &line, &n, err);
		if (rc <= 0)
			break;
		rc = load_line(p, db, line, n, &rs, st, err);
		nr_arena_reset(&arena);
	}
	nr_arena_fini(&arena);
	for (size_t i = 0; i < p->n; i++)
		sqlite3_finalize(p->w[i].insert);
	if (rc == 0 && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL))
		rc = db_failed(db, err);
	return rc;
}

int nr_archive_db_open(sqlite3 **db, const char *path, const char *sql, bool of_set,
		       struct nr_archive_db_stats *st, struct nr_err *err)
{
	const struct nr_lines_stats *ls;
	struct nr_lines *l = NULL;
	struct plan p = { 0 };
	int rc;

	*db = NULL;
	*st = (struct nr_archive_db_stats){ 0 };
	plan_init(&p);
	make_plan(&p, sql);
	if (of_set)
		want_ids(&p);
	rc = nr_lines_open(&l, path, want_frame, &p, &nr_stop, err);
	if (rc == 0)
		rc = nr_archive_db_empty(db, err);
	if (rc == 0)
		rc = load(&p, *db, l, st, err);
	if (rc == 0) {
		ls = nr_lines_stats(l);
		st->frames = ls->frames;
		st->frames_read = ls->frames_read;
		if (ls->n_damages && !st->n_damages)
			memcpy(st->damage, ls->damage, sizeof(st->damage));
		st->n_damages += ls->n_damages;
	} else {
		sqlite3_close(*db);
		*db = NULL;
	}
	nr_lines_close(l);
	nr_free(p.w);
	return rc;
}

bool nr_archive_db_is(const char *path)
{
	static const char line[] = "{\"type\":";
	unsigned char head[8] = "";
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		return false;
	n = fread(head, 1, sizeof(head), f);
	fclose(f);
	return n == sizeof(head) && (!memcmp(head, "\x28\xb5\x2f\xfd", 4) ||
				     !memcmp(head, line, sizeof(head)));
}
