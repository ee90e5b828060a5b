/* SPDX-License-Identifier: BSD-3-Clause */
/* The columns of a table that both sides have, and rows of it. */
#include "diff/compare_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool has(sqlite3 *db, const char *table, const char *column)
{
	return sqlite3_table_column_metadata(db, "main", table, column, NULL, NULL, NULL,
					     NULL, NULL) == SQLITE_OK;
}

static bool is_ignored(const struct nr_compare_options *o, const char *table,
		       const char *column)
{
	size_t n = strlen(table);

	for (size_t i = 0; i < o->n_ignore; i++) {
		const char *word = o->ignore[i];

		if (!strcmp(word, column))
			return true;
		if (!strncmp(word, table, n) && word[n] == '.' &&
		    (!strcmp(word + n + 1, column) || !strcmp(word + n + 1, "*")))
			return true;
	}
	return false;
}

static bool is_named(const char *name, const char *const *names)
{
	while (*names && strcmp(name, *names) != 0)
		names++;
	return *names;
}

static void add_column(struct nr_cmp *c, struct nr_cmp_table *t, unsigned at)
{
	static const char *const times[] = { "ts_ns", "first_ns", "from_ns", "started_ns",
					     NULL };
	static const char *const places[] = { "flow_id", "source_id",    "packet",
					      "ts_ns",   "query_packet", "repeat_of",
					      NULL };
	const struct nr_field *f = &t->type->fields[at];
	struct nr_cmp_column *k = &t->column[t->n];
	bool is_number = t->type->flags & NR_R_ROWID_KEY && f->flags & NR_F_KEY;

	*k = (struct nr_cmp_column){ .at = at,
				     .field = f,
				     .id = nr_dbset_id_of(t->type, at) };
	k->is_compared = !is_number && !is_ignored(c->o, t->type->name, f->name);
	/* whether flows refer to the same flows is known when all are matched */
	k->is_equal_key =
		k->is_compared && !(t->map == &c->flows && k->id == NR_DBSET_FLOW);
	k->is_ns = f->unit && !strcmp(f->unit, "ns");
	k->is_place = t->type->flags & NR_R_SESSION && is_named(f->name, places);
	if (t->time < 0 && is_named(f->name, times))
		t->time = (int)t->n;
	t->n++;
}

static void skip(const struct nr_cmp *c, const struct nr_record_type *t,
		 const struct nr_field *f, bool in_a, bool in_b)
{
	if (c->o->skipped && in_a != in_b)
		c->o->skipped(c->o->arg, t, f, in_a);
}

/* Fills t with the columns that both have; false where there is nothing to compare. */
bool nr_cmp_find_columns(struct nr_cmp *c, struct nr_cmp_table *t)
{
	const struct nr_record_type *type = t->type;
	bool in_a = has(c->db[0], type->name, NULL),
	     in_b = has(c->db[1], type->name, NULL);

	if (!in_a || !in_b) {
		if (t->is_told)
			skip(c, type, NULL, in_a, in_b);
		return false;
	}
	t->column = nr_xcalloc(type->n_fields, sizeof(*t->column));
	t->time = -1;
	for (unsigned i = 0; i < type->n_fields; i++) {
		const struct nr_field *f = &type->fields[i];

		in_a = has(c->db[0], type->name, f->name);
		in_b = has(c->db[1], type->name, f->name);
		if (in_a && in_b)
			add_column(c, t, i);
		else if (t->is_told && !is_ignored(c->o, type->name, f->name))
			skip(c, type, f, in_a, in_b);
	}
	return t->n;
}

void nr_cmp_put_columns(struct nr_buf *b, const struct nr_cmp_table *t)
{
	for (unsigned i = 0; i < t->n; i++)
		nr_buf_printf(b, "%s\"%s\"", i ? ", " : "", t->column[i].field->name);
}

int nr_cmp_open_table(struct nr_cmp *c, struct nr_cmp_table *t, struct nr_err *err)
{
	struct nr_buf sql = { 0 };
	int rc = 0;

	nr_buf_str(&sql, "SELECT ");
	nr_cmp_put_columns(&sql, t);
	nr_buf_printf(&sql, " FROM main.\"%s\" WHERE rowid = ?1", t->type->name);
	for (int side = 0; side < NR_CMP_SIDES && !rc; side++) {
		t->row[side].raw = nr_xcalloc(t->n, sizeof(struct nr_value));
		t->row[side].v = nr_xcalloc(t->n, sizeof(struct nr_value));
		rc = nr_cmp_prepare(c, c->db[side], sql.p, &t->row[side].fetch, err);
	}
	nr_buf_fini(&sql);
	return rc;
}

void nr_cmp_close_table(struct nr_cmp_table *t)
{
	for (int side = 0; side < NR_CMP_SIDES; side++) {
		sqlite3_finalize(t->row[side].fetch);
		nr_free(t->row[side].raw);
		nr_free(t->row[side].v);
	}
	nr_free(t->column);
}

/* ---- rows ---- */

static struct nr_value column_value(sqlite3_stmt *st, int i)
{
	struct nr_value v = { .kind = NR_V_NULL };

	switch (sqlite3_column_type(st, i)) {
	case SQLITE_NULL:
		return v;
	case SQLITE_INTEGER:
		v.i = sqlite3_column_int64(st, i);
		v.kind = NR_V_INT;
		return v;
	default:
		v.p = sqlite3_column_blob(st, i);
		v.len = (uint32_t)sqlite3_column_bytes(st, i);
		v.kind = NR_V_TEXT;
		return v;
	}
}

int nr_cmp_fetch(struct nr_cmp *c, int side, int64_t rowid, struct nr_err *err)
{
	struct nr_cmp_row *r = &c->t->row[side];

	r->rowid = rowid;
	sqlite3_reset(r->fetch);
	sqlite3_bind_int64(r->fetch, 1, rowid);
	switch (sqlite3_step(r->fetch)) {
	case SQLITE_ROW:
		break;
	case SQLITE_DONE:
		return nr_fail(err, -EIO,
			       "cannot compare: a row of table %s has vanished",
			       c->t->type->name);
	default:
		return nr_cmp_fail(c, c->db[side], err);
	}
	for (unsigned i = 0; i < c->t->n; i++) {
		r->raw[i] = r->v[i] = column_value(r->fetch, (int)i);
		if (side && r->v[i].kind == NR_V_INT &&
		    c->t->column[i].id != NR_DBSET_NO_ID)
			r->v[i].i = nr_cmp_mapped(c, c->t->column[i].id, r->v[i].i);
	}
	return 0;
}

static bool is_same(const struct nr_cmp *c, const struct nr_cmp_column *k,
		    const struct nr_value *a, const struct nr_value *b)
{
	uint64_t apart;

	if (a->kind != b->kind)
		return false;
	if (a->kind == NR_V_TEXT)
		return a->len == b->len && (!a->len || !memcmp(a->p, b->p, a->len));
	if (a->kind == NR_V_NULL || a->i == b->i)
		return true;
	apart = a->i > b->i ? (uint64_t)a->i - (uint64_t)b->i
			    : (uint64_t)b->i - (uint64_t)a->i;
	return k->is_ns && apart <= (uint64_t)c->o->tolerance_ns;
}

/* What to show of B's id: A's where it has the row, its own where it has not. */
static struct nr_value shown(const struct nr_cmp_column *k, const struct nr_cmp_row *b,
			     unsigned i)
{
	return k->id != NR_DBSET_NO_ID && b->v[i].kind == NR_V_INT && b->v[i].i < 0
		       ? b->raw[i]
		       : b->v[i];
}

/* Fetches a pair and compares it; *met false where it is none after all. */
int nr_cmp_pair(struct nr_cmp *c, const char *words, int64_t a, int64_t b, bool *met,
		struct nr_err *err)
{
	struct nr_cmp_table *t = c->t;
	unsigned *at = nr_xcalloc(t->n, sizeof(*at));
	struct nr_value *from = nr_xcalloc(t->n, sizeof(*from));
	struct nr_value *to = nr_xcalloc(t->n, sizeof(*to));
	struct nr_cmp_side side = { c, 0 };
	struct nr_diff_place place;
	size_t n = 0;
	int rc = nr_cmp_fetch(c, 0, a, err);

	if (!rc)
		rc = nr_cmp_fetch(c, 1, b, err);
	for (unsigned i = 0; i < t->n && !rc; i++) {
		const struct nr_cmp_column *k = &t->column[i];

		if (!k->is_equal_key || is_same(c, k, &t->row[0].v[i], &t->row[1].v[i]))
			continue;
		at[n] = k->at;
		from[n] = t->row[0].v[i];
		to[n++] = shown(k, &t->row[1], i);
	}
	*met = !rc && nr_cmp_is_likely(c, words, n);
	if (*met && n && t->is_told) {
		place = nr_cmp_place(c, 0, &side);
		nr_differences_changed(c->d, t->type, at, from, to, n, &place);
	}
	nr_free(at);
	nr_free(from);
	nr_free(to);
	return rc;
}
