/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is whose pair: sorting and merging the rows of one table. */
#include "diff/compare_internal.h"

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

/* The statements that write into `work` while a table is matched. */
struct writes {
	sqlite3_stmt *left, *rest, *met, *pair, *remove;
};

/* Runs a statement with n numbers. */
static int write_row(struct nr_cmp *c, sqlite3_stmt *st, const int64_t *v, int n,
		     struct nr_err *err)
{
	for (int i = 0; i < n; i++)
		sqlite3_bind_int64(st, i + 1, v[i]);
	sqlite3_step(st);
	return sqlite3_reset(st) ? nr_cmp_fail(c, c->work, err) : 0;
}

/* Numbers of rows that are the same on both sides, where they are needed for others. */
static int note_pair(struct nr_cmp *c, struct writes *w, int64_t a, int64_t b,
		     struct nr_err *err)
{
	if (!c->t->map || a == b)
		return 0;
	return write_row(c, w->pair, (const int64_t[]){ b, a }, 2, err);
}

/* ---- what is equal ---- */

/* Merges the rows of both sides by their hash: all that is equal goes. */
static int merge_equal(struct nr_cmp *c, struct stream s[2], struct writes *w,
		       struct nr_err *err)
{
	int rc = step(c, &s[0], err);

	if (!rc)
		rc = step(c, &s[1], err);
	while (!rc && (s[0].has_row || s[1].has_row)) {
		int order = !s[1].has_row   ? -1
			    : !s[0].has_row ? 1
					    : memcmp(sqlite3_column_blob(s[0].st, 0),
						     sqlite3_column_blob(s[1].st, 0), 16);
		int64_t id[2];

		for (int i = 0; i < 2; i++)
			id[i] = s[i].has_row ? sqlite3_column_int64(s[i].st, 1) : 0;
		if (!order)
			rc = note_pair(c, w, id[0], id[1], err);
		else
			rc = write_row(c, w->left,
				       (const int64_t[]){ order > 0, id[order > 0] }, 2,
				       err);
		if (!rc && order <= 0)
			rc = step(c, &s[0], err);
		if (!rc && order >= 0)
			rc = step(c, &s[1], err);
	}
	return rc;
}

static int match_equal(struct nr_cmp *c, struct writes *w, struct nr_err *err)
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
		rc = merge_equal(c, s, w, err);
	sqlite3_finalize(s[0].st);
	sqlite3_finalize(s[1].st);
	return rc;
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
	sqlite3_clear_bindings(insert);
	for (i = 0; i < NR_CMP_KEYS && t->keys[i]; i++)
		if (nr_cmp_key(c, t->keys[i], r, &key))
			sqlite3_bind_int64(insert, 4 + i, key);
	if (c->o->tolerance_ns && nr_cmp_key(c, "@steady", r, &key))
		sqlite3_bind_int64(insert, 4 + NR_CMP_KEYS, key);
	key = t->time >= 0 && r->v[t->time].kind == NR_V_INT ? r->v[t->time].i : 0;
	return write_row(c, insert, (const int64_t[]){ side, rowid, key }, 3, err);
}

/* In the order of their rowids, so that they are read as they lie. */
static int fill_rest(struct nr_cmp *c, struct writes *w, struct nr_err *err)
{
	struct stream s = { 0 };
	int rc = nr_cmp_prepare(c, c->work, "SELECT side, id FROM \"left\" ORDER BY 1, 2",
				&s.st, err);

	if (!rc)
		rc = step(c, &s, err);
	while (!rc && s.has_row) {
		rc = put_rest(c, w->rest, sqlite3_column_int(s.st, 0),
			      sqlite3_column_int64(s.st, 1), err);
		if (!rc)
			rc = step(c, &s, err);
	}
	sqlite3_finalize(s.st);
	return rc;
}

/* ---- the rest, by one key ---- */

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

/* Who meets goes to `met`. */
static int merge_rest(struct nr_cmp *c, struct writes *w, int key, bool timed,
		      struct nr_err *err)
{
	struct stream s[2] = { 0 };
	char sql[MAX_STATEMENT];
	int rc = 0;

	for (int side = 0; side < 2 && !rc; side++) {
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
		int64_t v[4];

		for (int i = 0; i < 4; i++)
			v[i] = sqlite3_column_int64(s[i & 1].st, i / 2);
		if (!order)
			rc = write_row(c, w->met, v, 4, err);
		if (!rc && order <= 0)
			rc = step(c, &s[0], err);
		if (!rc && order >= 0)
			rc = step(c, &s[1], err);
	}
	sqlite3_finalize(s[0].st);
	sqlite3_finalize(s[1].st);
	return rc;
}

/* Takes two rows that met out of `rest`, if they are a pair. */
static int settle(struct nr_cmp *c, struct writes *w, const char *words,
		  sqlite3_stmt *met, struct nr_err *err)
{
	int64_t a = sqlite3_column_int64(met, 2), b = sqlite3_column_int64(met, 3);
	bool are_pair;
	int rc = nr_cmp_pair(c, words, a, b, &are_pair, err);

	for (int i = 0; i < 2 && !rc && are_pair; i++) {
		int64_t at = sqlite3_column_int64(met, i);

		rc = write_row(c, w->remove, &at, 1, err);
	}
	return rc || !are_pair ? rc : note_pair(c, w, a, b, err);
}

static int match_by(struct nr_cmp *c, struct writes *w, const char *words, int key,
		    struct nr_err *err)
{
	struct stream s = { 0 };
	int rc = merge_rest(c, w, key, nr_cmp_key_is_timed(words), err);

	if (!rc) /* again as they lie */
		rc = nr_cmp_prepare(c, c->work,
				    "SELECT rest_a, rest_b, a, b FROM met ORDER BY a",
				    &s.st, err);
	if (!rc)
		rc = step(c, &s, err);
	while (!rc && s.has_row) {
		rc = settle(c, w, words, s.st, err);
		if (!rc)
			rc = step(c, &s, err);
	}
	sqlite3_finalize(s.st);
	return rc ? rc : nr_cmp_run(c, "DELETE FROM met", err);
}

/* ---- what is left ---- */

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

static const char work_sql[] =
	"DROP TABLE IF EXISTS \"left\"; DROP TABLE IF EXISTS rest;"
	"DROP TABLE IF EXISTS met; DROP TABLE IF EXISTS pairs;"
	"CREATE TABLE \"left\" (side INTEGER, id INTEGER);"
	"CREATE TABLE rest (side INTEGER, id INTEGER, t INTEGER, k0 INTEGER, k1 INTEGER,"
	" k2 INTEGER, k3 INTEGER, k4 INTEGER, k5 INTEGER, k6 INTEGER);"
	"CREATE TABLE met (rest_a INTEGER, rest_b INTEGER, a INTEGER, b INTEGER);"
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

static int open_writes(struct nr_cmp *c, struct writes *w, struct nr_err *err)
{
	const struct {
		sqlite3_stmt **st;
		const char *sql;
	} all[] = {
		{ &w->left, "INSERT INTO \"left\" VALUES (?, ?)" },
		{ &w->rest, "INSERT INTO rest VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)" },
		{ &w->met, "INSERT INTO met VALUES (?, ?, ?, ?)" },
		{ &w->pair, "INSERT INTO pairs VALUES (?, ?)" },
		{ &w->remove, "DELETE FROM rest WHERE rowid = ?1" },
	};
	int rc = nr_cmp_run(c, work_sql, err);

	for (size_t i = 0; i < sizeof(all) / sizeof(*all) && !rc; i++)
		rc = nr_cmp_prepare(c, c->work, all[i].sql, all[i].st, err);
	return rc;
}

static void close_writes(struct writes *w)
{
	sqlite3_finalize(w->left);
	sqlite3_finalize(w->rest);
	sqlite3_finalize(w->met);
	sqlite3_finalize(w->pair);
	sqlite3_finalize(w->remove);
}

int nr_cmp_match(struct nr_cmp *c, struct nr_err *err)
{
	const struct nr_cmp_table *t = c->t;
	struct writes w = { 0 };
	int rc = open_writes(c, &w, err);

	if (!rc)
		rc = match_equal(c, &w, err);
	if (!rc)
		rc = fill_rest(c, &w, err);
	if (!rc && c->o->tolerance_ns && has_rest(c))
		rc = match_by(c, &w, "@steady @time", NR_CMP_KEYS, err);
	for (int i = 0; i < NR_CMP_KEYS && t->keys[i] && !rc && has_rest(c); i++)
		rc = match_by(c, &w, t->keys[i], i, err);
	close_writes(&w);
	if (!rc)
		rc = tell_rest(c, err);
	if (!rc && t->map)
		rc = fill_map(c, err);
	if (!rc && t->map == &c->flows && t->is_told)
		rc = nr_cmp_references(c, err);
	return rc;
}
