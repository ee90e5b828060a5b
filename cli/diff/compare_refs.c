/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which flows a flow refers to (the one that carries it, the one it continues): compared
 * when all flows are matched, as only then it is known which are the same.
 */
#include "diff/compare_internal.h"

#include <stdio.h>

enum { MAX_STATEMENT = 200 };

struct refs {
	struct nr_cmp *c;
	const struct nr_cmp_column *column;
	sqlite3_stmt *a, *b;
	bool has_a, has_b;
};

static int fail(struct nr_cmp *c, sqlite3_stmt *st, struct nr_err *err)
{
	return nr_cmp_fail(c, sqlite3_db_handle(st), err);
}

static int step(struct nr_cmp *c, sqlite3_stmt *st, bool *has_row, struct nr_err *err)
{
	int rc = sqlite3_step(st);

	*has_row = rc == SQLITE_ROW;
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : fail(c, st, err);
}

/* Is the flow missing or new, which is said already? */
static bool is_alone(struct nr_cmp *c, int side, int64_t flow)
{
	bool is;

	sqlite3_bind_int(c->alone, 1, side);
	sqlite3_bind_int64(c->alone, 2, flow);
	is = sqlite3_step(c->alone) == SQLITE_ROW;
	if (sqlite3_reset(c->alone))
		c->failed = sqlite3_errcode(c->work);
	return is;
}

/* B's references, in A's numbers: into table refs. */
static int load(struct nr_cmp *c, const char *column, struct nr_err *err)
{
	sqlite3_stmt *read = NULL, *write = NULL;
	char sql[MAX_STATEMENT];
	bool has_row;
	int rc = 0;

	snprintf(sql, sizeof(sql),
		 "SELECT flow_id, %s FROM main.flow WHERE %s IS NOT NULL", column,
		 column);
	if (sqlite3_prepare_v2(c->db[1], sql, -1, &read, NULL))
		return nr_cmp_fail(c, c->db[1], err);
	if (sqlite3_exec(c->work,
			 "DROP TABLE IF EXISTS refs;"
			 "CREATE TABLE refs (flow INTEGER, ref INTEGER, own INTEGER)",
			 NULL, NULL, NULL) ||
	    sqlite3_prepare_v2(c->work, "INSERT INTO refs VALUES (?, ?, ?)", -1, &write,
			       NULL))
		rc = nr_cmp_fail(c, c->work, err);
	if (!rc)
		rc = step(c, read, &has_row, err);
	while (!rc && has_row) {
		int64_t id = sqlite3_column_int64(read, 0);
		int64_t flow = nr_cmp_mapped(c, NR_DBSET_FLOW, id);

		if (!is_alone(c, 1, id)) {
			sqlite3_bind_int64(write, 1, flow);
			sqlite3_bind_int64(write, 2,
					   nr_cmp_mapped(c, NR_DBSET_FLOW,
							 sqlite3_column_int64(read, 1)));
			sqlite3_bind_value(write, 3, sqlite3_column_value(read, 1));
			sqlite3_step(write);
			rc = sqlite3_reset(write) ? fail(c, write, err) : 0;
		}
		if (!rc)
			rc = step(c, read, &has_row, err);
	}
	sqlite3_finalize(read);
	sqlite3_finalize(write);
	return rc;
}

/* The flow referred to; in B's own number where A does not have it. */
static struct nr_value number(sqlite3_stmt *st, bool is_known, bool in_b)
{
	struct nr_value v = { .kind = NR_V_NULL };

	if (is_known) {
		v.i = sqlite3_column_int64(st, 1);
		if (in_b && v.i < 0)
			v.i = sqlite3_column_int64(st, 2);
		v.kind = NR_V_INT;
	}
	return v;
}

static int tell(struct refs *r, int64_t flow, bool in_a, bool in_b, struct nr_err *err)
{
	struct nr_value from = number(r->a, in_a, false);
	struct nr_value to = number(r->b, in_b, true);
	struct nr_cmp_side side = { r->c, 0 };
	struct nr_diff_place place;
	int rc = nr_cmp_fetch(r->c, 0, flow, err);

	if (rc)
		return rc;
	place = nr_cmp_place(r->c, 0, &side);
	nr_differences_changed(r->c->d, r->c->t->type, &r->column->at, &from, &to, 1,
			       &place);
	return 0;
}

static int merge(struct refs *r, struct nr_err *err)
{
	int rc = step(r->c, r->a, &r->has_a, err);

	if (!rc)
		rc = step(r->c, r->b, &r->has_b, err);
	while (!rc && (r->has_a || r->has_b)) {
		int64_t a = r->has_a ? sqlite3_column_int64(r->a, 0) : INT64_MAX;
		int64_t b = r->has_b ? sqlite3_column_int64(r->b, 0) : INT64_MAX;
		bool in_a = r->has_a && a <= b, in_b = r->has_b && b <= a;

		if (in_a && in_b) {
			if (sqlite3_column_int64(r->a, 1) !=
			    sqlite3_column_int64(r->b, 1))
				rc = tell(r, a, true, true, err);
		} else if (in_b || !is_alone(r->c, 0, a)) {
			rc = tell(r, in_a ? a : b, in_a, in_b, err);
		}
		if (!rc && in_a)
			rc = step(r->c, r->a, &r->has_a, err);
		if (!rc && in_b)
			rc = step(r->c, r->b, &r->has_b, err);
	}
	return rc;
}

static int compare_column(struct nr_cmp *c, const struct nr_cmp_column *k,
			  struct nr_err *err)
{
	struct refs r = { .c = c, .column = k };
	char sql[MAX_STATEMENT];
	int rc = load(c, k->field->name, err);

	snprintf(
		sql, sizeof(sql),
		"SELECT flow_id, %s FROM main.flow WHERE %s IS NOT NULL ORDER BY flow_id",
		k->field->name, k->field->name);
	if (!rc && sqlite3_prepare_v2(c->db[0], sql, -1, &r.a, NULL))
		rc = nr_cmp_fail(c, c->db[0], err);
	if (!rc &&
	    sqlite3_prepare_v2(c->work, "SELECT flow, ref, own FROM refs ORDER BY 1", -1,
			       &r.b, NULL))
		rc = nr_cmp_fail(c, c->work, err);
	if (!rc)
		rc = merge(&r, err);
	sqlite3_finalize(r.a);
	sqlite3_finalize(r.b);
	return rc;
}

int nr_cmp_references(struct nr_cmp *c, struct nr_err *err)
{
	const struct nr_cmp_table *t = c->t;
	int rc = nr_cmp_prepare(c, c->work,
				"SELECT 1 FROM flow_alone WHERE side = ?1 AND id = ?2",
				&c->alone, err);

	for (unsigned i = 0; i < t->n && !rc; i++)
		if (t->column[i].is_compared && t->column[i].id == NR_DBSET_FLOW)
			rc = compare_column(c, &t->column[i], err);
	return rc;
}
