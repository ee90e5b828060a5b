/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is whose pair: sorting and merging the rows of one table. */
#include "compare_internal.h"

#include <stdio.h>
#include <string.h>

enum { MAX_STATEMENT = 160 };

struct stream {
	sqlite3_stmt *st;
	bool has_row;
};

static int step(struct nr_cmp *c, struct stream *s, struct nr_err *err)
{
	int rc = sqlite3_step(s->st);

	s->has_row = rc == SQLITE_ROW;
	return rc == SQLITE_ROW || rc == SQLITE_DONE
		       ? 0
		       : nr_cmp_fail(c, sqlite3_db_handle(s->st), err);
}

/* Numbers of rows that are the same on both sides, where they are needed for others. */
static int note_pair(struct nr_cmp *c, int64_t a, int64_t b, sqlite3_stmt *st,
		     struct nr_err *err)
{
	if (!c->t->map || a == b)
		return 0;
	sqlite3_bind_int64(st, 1, b);
	sqlite3_bind_int64(st, 2, a);
	sqlite3_step(st);
	return sqlite3_reset(st) ? nr_cmp_fail(c, c->work, err) : 0;
}

/* A row that has no equal goes to `rest`, with its keys. */
static int put_rest(struct nr_cmp *c, sqlite3_stmt *insert, int side, int64_t rowid,
		    struct nr_err *err)
{
	const struct nr_cmp_table *t = c->t;
	const struct nr_cmp_row *r = &t->row[side];
	int rc = nr_cmp_fetch(c, side, rowid, err), i;
	int64_t key;

	if (rc)
		return rc;
	sqlite3_bind_int(insert, 1, side);
	sqlite3_bind_int64(insert, 2, rowid);
	sqlite3_bind_int64(
		insert, 3,
		t->time >= 0 && r->v[t->time].kind == NR_V_INT ? r->v[t->time].i : 0);
	for (i = 0; i < NR_CMP_KEYS; i++)
		sqlite3_bind_null(insert, 4 + i);
	for (i = 0; i < NR_CMP_KEYS && t->keys[i]; i++)
		if (nr_cmp_key(c, t->keys[i], r, &key))
			sqlite3_bind_int64(insert, 4 + i, key);
	if (c->o->tolerance_ns && nr_cmp_key(c, "@steady", r, &key))
		sqlite3_bind_int64(insert, 4 + NR_CMP_KEYS, key);
	sqlite3_step(insert);
	return sqlite3_reset(insert) ? nr_cmp_fail(c, c->work, err) : 0;
}

/* Merges the rows of both sides by their hash: all that is equal goes. */
static int merge_equal(struct nr_cmp *c, struct stream s[2], sqlite3_stmt *rest,
		       sqlite3_stmt *pairs, struct nr_err *err)
{
	int rc = step(c, &s[0], err);

	if (!rc)
		rc = step(c, &s[1], err);
	while (!rc && (s[0].has_row || s[1].has_row)) {
		int order = !s[1].has_row   ? -1
			    : !s[0].has_row ? 1
					    : memcmp(sqlite3_column_blob(s[0].st, 0),
						     sqlite3_column_blob(s[1].st, 0), 16);

		if (order) {
			int side = order > 0;

			rc = put_rest(c, rest, side, sqlite3_column_int64(s[side].st, 1),
				      err);
			if (!rc)
				rc = step(c, &s[side], err);
			continue;
		}
		rc = note_pair(c, sqlite3_column_int64(s[0].st, 1),
			       sqlite3_column_int64(s[1].st, 1), pairs, err);
		for (int side = 0; side < 2 && !rc; side++)
			rc = step(c, &s[side], err);
	}
	return rc;
}

static int match_equal(struct nr_cmp *c, sqlite3_stmt *rest, sqlite3_stmt *pairs,
		       struct nr_err *err)
{
	struct stream s[2] = { 0 };
	struct nr_buf sql = { 0 };
	int rc = 0;

	nr_buf_str(&sql, "SELECT nr_row(");
	nr_cmp_put_columns(&sql, c->t);
	nr_buf_printf(&sql, "), rowid FROM main.\"%s\" ORDER BY 1, 2", c->t->type->name);
	for (int side = 0; side < 2 && !rc; side++)
		rc = nr_cmp_prepare(c, c->db[side], sql.p, &s[side].st, err);
	nr_buf_fini(&sql);
	if (!rc)
		rc = merge_equal(c, s, rest, pairs, err);
	sqlite3_finalize(s[0].st);
	sqlite3_finalize(s[1].st);
	return rc;
}

/* Which of two rows of `rest` comes first; 0 where they meet. */
static int compare_rest(const struct nr_cmp *c, struct stream s[2], bool timed)
{
	int64_t k[2], t[2];

	for (int i = 0; i < 2; i++) {
		k[i] = sqlite3_column_int64(s[i].st, 2);
		t[i] = sqlite3_column_int64(s[i].st, 3);
	}
	if (k[0] != k[1])
		return k[0] < k[1] ? -1 : 1;
	if (!timed)
		return 0;
	if (t[0] < t[1])
		return (uint64_t)t[1] - (uint64_t)t[0] > (uint64_t)c->o->tolerance_ns ? -1
										      : 0;
	return (uint64_t)t[0] - (uint64_t)t[1] > (uint64_t)c->o->tolerance_ns ? 1 : 0;
}

/* Takes the two rows that the streams stand at out of `rest`, if they are a pair. */
static int meet(struct nr_cmp *c, struct stream s[2], const char *words,
		sqlite3_stmt *pairs, sqlite3_stmt *remove, struct nr_err *err)
{
	int64_t a = sqlite3_column_int64(s[0].st, 1);
	int64_t b = sqlite3_column_int64(s[1].st, 1);
	bool met;
	int rc = nr_cmp_pair(c, words, a, b, &met, err);

	if (rc || !met)
		return rc;
	for (int side = 0; side < 2 && !rc; side++) {
		sqlite3_bind_int64(remove, 1, sqlite3_column_int64(s[side].st, 0));
		sqlite3_step(remove);
		rc = sqlite3_reset(remove) ? nr_cmp_fail(c, c->work, err) : 0;
	}
	return rc ? rc : note_pair(c, a, b, pairs, err);
}

static int match_by(struct nr_cmp *c, const char *words, int key, sqlite3_stmt *pairs,
		    struct nr_err *err)
{
	bool timed = nr_cmp_key_is_timed(words);
	struct stream s[2] = { 0 };
	sqlite3_stmt *remove = NULL;
	char sql[MAX_STATEMENT];
	int rc = nr_cmp_prepare(c, c->work, "DELETE FROM rest WHERE rowid = ?1", &remove,
				err);

	for (int side = 0; side < 2 && !rc; side++) {
		/* sorted, not by an index: rows may be deleted on the way */
		snprintf(sql, sizeof(sql),
			 "SELECT rowid, id, k%d, t FROM rest WHERE side = %d AND k%d IS"
			 " NOT NULL ORDER BY 3, 4, 2",
			 key, side, key);
		rc = nr_cmp_prepare(c, c->work, sql, &s[side].st, err);
		if (!rc)
			rc = step(c, &s[side], err);
	}
	while (!rc && s[0].has_row && s[1].has_row) {
		int order = compare_rest(c, s, timed);

		if (!order)
			rc = meet(c, s, words, pairs, remove, err);
		if (!rc && order <= 0)
			rc = step(c, &s[0], err);
		if (!rc && order >= 0)
			rc = step(c, &s[1], err);
	}
	sqlite3_finalize(s[0].st);
	sqlite3_finalize(s[1].st);
	sqlite3_finalize(remove);
	return rc;
}

/* What is left is missing or new; flows and sources get a number that is nobody's. */
static int tell_rest(struct nr_cmp *c, struct nr_err *err)
{
	struct nr_cmp_table *t = c->t;
	struct stream s = { 0 };
	char sql[MAX_STATEMENT];
	int rc = 0;

	if (t->map) {
		snprintf(sql, sizeof(sql),
			 "INSERT INTO pairs SELECT id, ~id FROM rest WHERE side = 1;"
			 "INSERT INTO %s_alone SELECT side, id FROM rest",
			 t->map->name);
		rc = nr_cmp_run(c, sql, err);
	}
	if (!rc && t->is_told)
		rc = nr_cmp_prepare(c, c->work,
				    "SELECT id, side FROM rest ORDER BY side, id", &s.st,
				    err);
	if (!rc && t->is_told)
		rc = step(c, &s, err);
	while (!rc && s.has_row) {
		int side = sqlite3_column_int(s.st, 1);
		struct nr_cmp_side arg = { c, side };
		struct nr_diff_place place;

		rc = nr_cmp_fetch(c, side, sqlite3_column_int64(s.st, 0), err);
		if (rc)
			break;
		place = nr_cmp_place(c, side, &arg);
		if (side)
			nr_differences_new_row(c->d, t->type, &place);
		else
			nr_differences_missing(c->d, t->type, &place);
		rc = step(c, &s, err);
	}
	sqlite3_finalize(s.st);
	return rc;
}

static const char rest_sql[] =
	"DROP TABLE IF EXISTS rest; DROP TABLE IF EXISTS pairs;"
	"CREATE TABLE rest (side INTEGER, id INTEGER, t INTEGER, k0 INTEGER, k1 INTEGER,"
	" k2 INTEGER, k3 INTEGER, k4 INTEGER, k5 INTEGER, k6 INTEGER);"
	"CREATE TABLE pairs (b INTEGER, a INTEGER);";

static int fill_map(struct nr_cmp *c, struct nr_err *err)
{
	struct nr_cmp_map *m = c->t->map;
	char sql[MAX_STATEMENT];
	int rc;

	snprintf(sql, sizeof(sql),
		 "INSERT OR REPLACE INTO %s_map SELECT b, a FROM pairs ORDER BY b",
		 m->name);
	rc = nr_cmp_run(c, sql, err);
	m->is_filled = !rc && sqlite3_changes(c->work) > 0;
	snprintf(sql, sizeof(sql), "SELECT a FROM %s_map WHERE b = ?1", m->name);
	return rc ? rc : nr_cmp_prepare(c, c->work, sql, &m->find, err);
}

static bool has_rest(struct nr_cmp *c)
{
	sqlite3_stmt *st = NULL;
	bool is = true;

	if (!sqlite3_prepare_v2(c->work, "SELECT 1 FROM rest LIMIT 1", -1, &st, NULL))
		is = sqlite3_step(st) == SQLITE_ROW;
	sqlite3_finalize(st);
	return is;
}

int nr_cmp_match(struct nr_cmp *c, struct nr_err *err)
{
	sqlite3_stmt *rest = NULL, *pairs = NULL;
	const struct nr_cmp_table *t = c->t;
	int rc = nr_cmp_run(c, rest_sql, err);

	if (!rc)
		rc = nr_cmp_prepare(
			c, c->work,
			"INSERT INTO rest VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", &rest,
			err);
	if (!rc)
		rc = nr_cmp_prepare(c, c->work, "INSERT INTO pairs VALUES (?, ?)", &pairs,
				    err);
	if (!rc)
		rc = match_equal(c, rest, pairs, err);
	if (!rc && c->o->tolerance_ns && has_rest(c))
		rc = match_by(c, "@steady @time", NR_CMP_KEYS, pairs, err);
	for (int i = 0; i < NR_CMP_KEYS && t->keys[i] && !rc && has_rest(c); i++)
		rc = match_by(c, t->keys[i], i, pairs, err);
	sqlite3_finalize(rest);
	sqlite3_finalize(pairs);
	if (!rc)
		rc = tell_rest(c, err);
	if (!rc && t->map)
		rc = fill_map(c, err);
	if (!rc && t->map == &c->flows && t->is_told)
		rc = nr_cmp_references(c, err);
	return rc;
}
