/* SPDX-License-Identifier: BSD-3-Clause */
/* expect.sql against the database. */
#include "casetest/compare.h"
#include "casetest/keys.h"

#include "base/mem.h"

#include <string.h>

/* One query being compared. */
struct query {
	const struct nr_expect_sql *e;
	const struct nr_expect_query *q;
	struct nr_rows rows;
	size_t *width; /* of each column, for rows that are written */
	bool update;
	const struct nr_spare *spare;
	size_t insert_at; /* where the next new row goes */
	struct nr_edits *edits;
	struct nr_findings *f;
	struct nr_arena *a;
};

static size_t columns(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

/* "| a | b |" of n cells; width NULL: not padded. */
static char *row_text(const struct query *x, const char *const *cell, unsigned n,
		      const size_t *width)
{
	struct nr_buf b = { 0 };
	char *out;

	for (unsigned i = 0; i < n; i++) {
		size_t w = columns(cell[i]), to = width ? width[i] : 0;

		nr_buf_printf(&b, "| %s%*s ", cell[i], w < to ? (int)(to - w) : 0, "");
	}
	nr_buf_char(&b, '|');
	out = nr_arena_copy(x->a, b.p, b.len);
	nr_buf_fini(&b);
	return out;
}

static const char *const *cells(const struct query *x, ptrdiff_t k)
{
	return x->rows.cell + (size_t)k * x->rows.n_cols;
}

/* As wide as the rows that stand there, else as the widest cell. */
static void find_widths(struct query *x)
{
	unsigned n = x->rows.n_cols;

	x->width = nr_arena_zalloc(x->a, (n + 1) * sizeof(*x->width));
	for (size_t i = 0; i < x->q->n; i++)
		for (unsigned c = 0; c < n && c < x->q->row[i].n; c++) {
			size_t w = columns(x->q->row[i].cell[c]);

			if (x->width[c] < w)
				x->width[c] = w;
		}
	for (unsigned c = 0; c < n && !x->q->n; c++) {
		x->width[c] = columns(x->rows.col[c]);
		for (size_t k = 0; k < x->rows.n; k++) {
			size_t w = columns(cells(x, (ptrdiff_t)k)[c]);

			if (x->width[c] < w)
				x->width[c] = w;
		}
	}
}

static char *line_of(const struct query *x, const char *const *cell)
{
	return nr_arena_printf(x->a, "-- %s\n",
			       row_text(x, cell, x->rows.n_cols, x->width));
}

/* The line with its line feed; text may end without one. */
static size_t whole(const struct query *x, const struct nr_expect_span *s)
{
	return s->len + (s->at + s->len < x->e->len);
}

static void replace(struct query *x, const struct nr_expect_row *r, const char *with)
{
	nr_edits_add(x->edits, r->where.at, whole(x, &r->where), with);
	x->insert_at = r->where.at + whole(x, &r->where);
}

static void missing(struct query *x, const struct nr_expect_row *r)
{
	nr_found_difference(x->f, "%s:%u: %s: this row is missing", x->e->path,
			    r->where.line, x->q->name);
	nr_found_detail(x->f, "- %s", row_text(x, r->cell, r->n, NULL));
	if (nr_is_spared(x->spare, nr_key_row(x->q, '-', &x->rows, r->cell, x->a)))
		x->insert_at = r->where.at + whole(x, &r->where);
	else
		replace(x, r, "");
}

static void additional(struct query *x, ptrdiff_t k)
{
	nr_found_difference(x->f, "%s:%u: %s: a row that is not expected", x->e->path,
			    x->q->sql.line, x->q->name);
	nr_found_detail(x->f, "+ %s", row_text(x, cells(x, k), x->rows.n_cols, NULL));
	if (nr_is_spared(x->spare, nr_key_row(x->q, '+', &x->rows, cells(x, k), x->a)))
		return;
	nr_edits_add(x->edits, x->insert_at, 0, line_of(x, cells(x, k)));
}

/* "service is NULL, expected dns" for each column, as one text. */
static char *misfits(const struct query *x, const struct nr_expect_row *r,
		     const char *const *cell)
{
	struct nr_buf b = { 0 };
	char *out;

	for (unsigned c = 0; c < x->rows.n_cols; c++)
		if (!nr_cell_fits(r->cell[c], cell[c]))
			nr_buf_printf(&b, "%s%s is %s, expected %s", b.len ? "; " : "",
				      x->rows.col[c], *cell[c] ? cell[c] : "empty",
				      *r->cell[c] ? r->cell[c] : "empty");
	out = nr_arena_copy(x->a, b.p ? b.p : "", b.len);
	nr_buf_fini(&b);
	return out;
}

static void paired(struct query *x, const struct nr_expect_row *r, ptrdiff_t k)
{
	const char *const *have = cells(x, k);
	const char **cell = nr_arena_alloc(x->a, x->rows.n_cols * sizeof(*cell));
	char *why = misfits(x, r, have);
	bool spared;

	if (!*why) {
		x->insert_at = r->where.at + whole(x, &r->where);
		return;
	}
	nr_found_difference(x->f, "%s:%u: %s: %s", x->e->path, r->where.line, x->q->name,
			    why);
	nr_found_detail(x->f, "- %s", row_text(x, r->cell, r->n, x->width));
	nr_found_detail(x->f, "+ %s", row_text(x, have, x->rows.n_cols, x->width));
	spared = nr_is_spared(x->spare, nr_key_row(x->q, '+', &x->rows, have, x->a));
	for (unsigned c = 0; c < x->rows.n_cols; c++) { /* a "*" stays one */
		bool mend = !spared || nr_is_place(x->rows.col[c]);

		cell[c] = mend && strcmp(r->cell[c], "*") != 0 ? have[c] : r->cell[c];
	}
	replace(x, r, line_of(x, cell));
}

/* The heading, if there is one, is what the columns are called. */
static void compare_head(struct query *x)
{
	const struct nr_expect_row *r = &x->q->row[0];
	bool same = true;

	if (!x->q->has_head)
		return;
	x->insert_at = x->q->row[1].where.at + whole(x, &x->q->row[1].where);
	for (unsigned c = 0; c < x->rows.n_cols; c++)
		same &= !strcmp(r->cell[c], x->rows.col[c]);
	if (same)
		return;
	nr_found_difference(x->f, "%s:%u: %s: the columns have other names", x->e->path,
			    r->where.line, x->q->name);
	nr_found_detail(x->f, "- %s", row_text(x, r->cell, r->n, NULL));
	nr_found_detail(x->f, "+ %s", row_text(x, x->rows.col, x->rows.n_cols, NULL));
	nr_edits_add(x->edits, r->where.at, whole(x, &r->where), line_of(x, x->rows.col));
}

/* Rows that are written where none stood get a heading. */
static void add_head(struct query *x)
{
	const char **rule = nr_arena_alloc(x->a, x->rows.n_cols * sizeof(*rule));

	for (unsigned c = 0; c < x->rows.n_cols; c++) {
		size_t n = x->width[c] < 3 ? 3 : x->width[c];
		char *dashes = nr_arena_alloc(x->a, n + 1);

		memset(dashes, '-', n);
		dashes[n] = '\0';
		rule[c] = dashes;
		x->width[c] = n;
	}
	nr_edits_add(x->edits, x->insert_at, 0, line_of(x, x->rows.col));
	nr_edits_add(x->edits, x->insert_at, 0, line_of(x, rule));
}

/* Rows of another width than the query's: a slip, or the SQL has changed. */
static bool check_widths(struct query *x)
{
	for (size_t i = 0; i < x->q->n; i++) {
		if (x->q->row[i].n == x->rows.n_cols)
			continue;
		if (!x->update)
			nr_found_broken(x->f,
					"%s:%u: the row has %u cells and its query %u "
					"columns",
					x->e->path, x->q->row[i].where.line,
					x->q->row[i].n, x->rows.n_cols);
		return false;
	}
	return true;
}

/* All rows anew. */
static void rewrite(struct query *x)
{
	for (size_t i = 0; i < x->q->n; i++) {
		nr_found_difference(x->f, "%s:%u: %s: the query has other columns now",
				    x->e->path, x->q->row[i].where.line, x->q->name);
		nr_found_detail(x->f, "- %s",
				row_text(x, x->q->row[i].cell, x->q->row[i].n, NULL));
		replace(x, &x->q->row[i], "");
	}
	for (size_t k = 0; k < x->rows.n; k++)
		additional(x, (ptrdiff_t)k);
}

static void compare_query(struct query *x, sqlite3 *db)
{
	struct nr_err err = { "" };
	struct nr_aligned al;

	if (nr_rows_of(&x->rows, db, x->q->text, x->a, &err)) {
		nr_found_broken(x->f, "%s:%u: %s: %s", x->e->path, x->q->sql.line,
				x->q->name, err.text);
		return;
	}
	x->insert_at = x->q->rows_at;
	if (!check_widths(x)) {
		x->width = NULL;
		if (x->update)
			rewrite(x);
		return;
	}
	find_widths(x);
	compare_head(x);
	x->rows.no_places = x->spare != NULL;
	if (!x->q->n && x->rows.n && !x->spare)
		add_head(x);
	al = nr_rows_align(x->q, &x->rows, x->a);
	for (size_t i = 0; i < al.n; i++) {
		if (al.p[i].want < 0)
			additional(x, al.p[i].have);
		else if (al.p[i].have < 0)
			missing(x, &x->q->row[al.p[i].want]);
		else
			paired(x, &x->q->row[al.p[i].want], al.p[i].have);
	}
}

void nr_case_compare_sql(const struct nr_case *c, struct nr_case_got *got, bool update,
			 const struct nr_spare *spare, struct nr_edits *edits,
			 struct nr_findings *f)
{
	for (size_t i = 0; i < c->sql.n; i++) {
		struct query x = { .e = &c->sql,
				   .q = &c->sql.query[i],
				   .update = update,
				   .spare = spare,
				   .edits = edits,
				   .f = f,
				   .a = &got->arena };

		compare_query(&x, got->db);
	}
}
