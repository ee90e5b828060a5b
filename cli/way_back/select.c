/* SPDX-License-Identifier: BSD-3-Clause */
#include "way_back/select.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

enum { DEPTH = 16 }; /* a flow lies in at most 15 others */

struct ids {
	int64_t *v;
	size_t n, room;
};

struct select {
	struct nr_recall *r;
	sqlite3 *db;
	struct ids ids;
	struct nr_err *err;
};

static void add_id(struct ids *s, int64_t id)
{
	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 64;
		s->v = nr_xrealloc(s->v, s->room * sizeof(*s->v));
	}
	s->v[s->n++] = id;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void sort_ids(struct ids *s)
{
	size_t n = 0;

	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), by_value);
	for (size_t i = 0; i < s->n; i++)
		if (!n || s->v[n - 1] != s->v[i])
			s->v[n++] = s->v[i];
	s->n = n;
}

static int db_fail(const struct select *s)
{
	return nr_fail(s->err, -EINVAL, "%s", sqlite3_errmsg(s->db));
}

/* The SQL of --where: as it is where it is a query, else as a condition on flow_v. */
static char *where_sql(const char *text)
{
	const char *p = text + strspn(text, " \t\n");
	struct nr_buf b = { 0 };

	if (!sqlite3_strnicmp(p, "select", 6) || !sqlite3_strnicmp(p, "with", 4) ||
	    !sqlite3_strnicmp(p, "values", 6))
		nr_buf_str(&b, text);
	else
		nr_buf_printf(&b, "SELECT flow_id FROM flow_v WHERE (%s\n)", text);
	return b.p;
}

static int column_of(sqlite3_stmt *st, const char *name)
{
	for (int i = 0; i < sqlite3_column_count(st); i++)
		if (!sqlite3_stricmp(sqlite3_column_name(st, i), name))
			return i;
	return -1;
}

static int64_t id_at(sqlite3_stmt *st, int column)
{
	return column >= 0 && sqlite3_column_type(st, column) == SQLITE_INTEGER
		       ? sqlite3_column_int64(st, column)
		       : 0;
}

/* A row: the packet that it names, else its flow. */
static int take_row(struct select *s, sqlite3_stmt *st, const int at[3])
{
	int64_t flow = id_at(st, at[0]), source = id_at(st, at[1]),
		packet = id_at(st, at[2]);

	if (source && packet) {
		return nr_recall_add_packet(s->r, source, (uint64_t)packet, flow, s->err);
	}
	if (flow)
		add_id(&s->ids, flow);
	return 0;
}

static int run_query(struct select *s, sqlite3_stmt *st)
{
	const int at[3] = { column_of(st, "flow_id"), column_of(st, "source_id"),
			    column_of(st, "packet") };
	int rc = 0, step = SQLITE_DONE;

	if (at[0] < 0 && (at[1] < 0 || at[2] < 0))
		return nr_fail(s->err, -EINVAL,
			       "the SELECT of --where yields neither flow_id nor "
			       "source_id and packet");
	while (!rc && (step = sqlite3_step(st)) == SQLITE_ROW)
		rc = take_row(s, st, at);
	if (!rc && step == SQLITE_INTERRUPT)
		rc = nr_fail(s->err, -EINTR, "interrupted");
	else if (!rc && step != SQLITE_DONE)
		rc = db_fail(s);
	return rc;
}

static int take_where(struct select *s, const char *where)
{
	char *sql = where_sql(where);
	sqlite3_stmt *st = NULL;
	const char *tail = "";
	int rc;

	if (sqlite3_prepare_v2(s->db, sql, -1, &st, &tail))
		rc = db_fail(s);
	else if (!st || tail[strspn(tail, " \t\n;")])
		rc = nr_fail(s->err, -EINVAL,
			     "--where takes one condition on flow_v, or one SELECT");
	else if (!sqlite3_stmt_readonly(st))
		rc = nr_fail(s->err, -EINVAL, "the SQL of --where writes: %.60s", where);
	else if (sqlite3_bind_parameter_count(st))
		rc = nr_fail(s->err, -EINVAL,
			     "the SQL of --where has a parameter: write its value");
	else
		rc = run_query(s, st);
	sqlite3_finalize(st);
	nr_free(sql);
	return rc;
}

static int take_flows(struct select *s, const struct nr_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		uint64_t id;

		if (nr_parse_u64(l->v[i], &id) || id > INT64_MAX)
			return nr_fail(s->err, -EINVAL,
				       "--flow needs a flow_id, not '%s'", l->v[i]);
		add_id(&s->ids, (int64_t)id);
	}
	return 0;
}

static int take_communities(struct select *s, const struct nr_list *l)
{
	sqlite3_stmt *st = NULL;
	int rc = 0;

	if (!l->n)
		return 0;
	if (sqlite3_prepare_v2(s->db, "SELECT flow_id FROM flow WHERE community_id = ?",
			       -1, &st, NULL))
		return db_fail(s);
	for (size_t i = 0; i < l->n && !rc; i++) {
		int step;

		sqlite3_bind_text(st, 1, l->v[i], -1, SQLITE_STATIC);
		while ((step = sqlite3_step(st)) == SQLITE_ROW)
			add_id(&s->ids, sqlite3_column_int64(st, 0));
		if (step != SQLITE_DONE)
			rc = db_fail(s);
		sqlite3_reset(st);
	}
	sqlite3_finalize(st);
	return rc;
}

/* The flow that carries each one, what carries that, and so on. */
static int take_carriers(struct select *s)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(s->db,
				    "SELECT parent_flow_id FROM flow WHERE flow_id = ?"
				    " AND parent_flow_id IS NOT NULL",
				    -1, &st, NULL);

	for (size_t i = 0, n = s->ids.n; i < n && !rc; i++) {
		int64_t id = s->ids.v[i];

		for (int depth = 0; depth < DEPTH; depth++) {
			sqlite3_bind_int64(st, 1, id);
			if (sqlite3_step(st) != SQLITE_ROW)
				break;
			id = sqlite3_column_int64(st, 0);
			add_id(&s->ids, id);
			sqlite3_reset(st);
		}
		rc = sqlite3_reset(st);
	}
	sqlite3_finalize(st);
	sort_ids(&s->ids);
	return rc ? db_fail(s) : 0;
}

int nr_select(struct nr_selected *out, struct nr_recall *r, sqlite3 *db,
	      const struct nr_selection *c, struct nr_err *err)
{
	struct select s = { .r = r, .db = db, .err = err };
	int rc = take_flows(&s, &c->flows);

	if (!rc)
		rc = take_communities(&s, &c->community_ids);
	if (!rc && c->where)
		rc = take_where(&s, c->where);
	sort_ids(&s.ids);
	if (!rc && s.ids.n && c->carriers)
		rc = take_carriers(&s);
	for (size_t i = 0; i < s.ids.n && !rc; i++)
		rc = nr_recall_add_flow(r, s.ids.v[i], err);
	out->flow_id = s.ids.v;
	out->n = s.ids.n;
	return rc;
}
