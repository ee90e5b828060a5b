/* SPDX-License-Identifier: BSD-3-Clause */
/* The rows of a query as cells of text, and beside those that are expected. */
#include "casetest/compare.h"
#include "casetest/keys.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

enum { CELLS_MAX = 256 << 20 }; /* bytes of the rows of a query */

/* Text that cannot be mistaken for what a cell may mean otherwise. */
static bool needs_escape(const char *p, size_t n)
{
	return (n == 4 && !memcmp(p, "NULL", 4)) || (n == 1 && *p == '*') ||
	       (n >= 3 && (*p == '-' || *p == ':') && strspn(p, "-:") >= n);
}

static void add_text(struct nr_buf *b, const char *p, size_t n)
{
	bool escape = n && (needs_escape(p, n) || *p == ' ');

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if ((escape && !i) || c < 0x20 || c == 0x7f || (c == ' ' && i == n - 1)) {
			const char *at = strchr("n\nt\tr\r", c);

			if (c < 0x20 && c && at)
				nr_buf_printf(b, "\\%c", at[-1]);
			else
				nr_buf_printf(b, "\\x%02x", c);
		} else {
			if (c == '|' || c == '\\')
				nr_buf_char(b, '\\');
			nr_buf_char(b, (char)c);
		}
	}
}

static const char *cell_of(sqlite3_stmt *st, int i, struct nr_arena *a)
{
	struct nr_buf b = { 0 }, text = { 0 };
	int n = sqlite3_column_bytes(st, i);
	char *out;

	switch (sqlite3_column_type(st, i)) {
	case SQLITE_NULL:
		nr_buf_str(&b, "NULL");
		break;
	case SQLITE_BLOB:
		nr_buf_str(&b, "x'");
		nr_buf_hex(&b, sqlite3_column_blob(st, i), (size_t)n);
		nr_buf_char(&b, '\'');
		break;
	case SQLITE_INTEGER:
		nr_buf_int(&b, sqlite3_column_int64(st, i));
		break;
	case SQLITE_FLOAT:
		nr_buf_printf(&b, "%.15g", sqlite3_column_double(st, i));
		break;
	default:
		nr_buf_utf8(&text, (const char *)sqlite3_column_text(st, i), (size_t)n);
		add_text(&b, text.p ? text.p : "", text.len);
	}
	out = nr_arena_copy(a, b.p ? b.p : "", b.len);
	nr_buf_fini(&b);
	nr_buf_fini(&text);
	return out;
}

static int step_all(struct nr_rows *r, sqlite3_stmt *st, struct nr_arena *a,
		    struct nr_err *err)
{
	struct nr_buf cells = { 0 };
	size_t bytes = 0;
	int rc;

	while ((rc = sqlite3_step(st)) == SQLITE_ROW && bytes < CELLS_MAX) {
		for (int i = 0; i < (int)r->n_cols; i++) {
			const char *cell = cell_of(st, i, a);

			bytes += strlen(cell) + 32;
			nr_buf_add(&cells, &cell, sizeof(cell));
		}
		r->n++;
	}
	r->cell = nr_arena_alloc(a, cells.len + 1);
	if (cells.len)
		memcpy(r->cell, cells.p, cells.len);
	nr_buf_fini(&cells);
	if (rc == SQLITE_ROW)
		return nr_fail(err, -EINVAL, "more than %d MiB of rows", CELLS_MAX >> 20);
	if (rc != SQLITE_DONE)
		return nr_fail(err, -EINVAL, "%s", sqlite3_errmsg(sqlite3_db_handle(st)));
	return 0;
}

int nr_rows_of(struct nr_rows *r, sqlite3 *db, const char *sql, struct nr_arena *a,
	       struct nr_err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	*r = (struct nr_rows){ 0 };
	if (rc)
		return nr_fail(err, -EINVAL, "%s", sqlite3_errmsg(db));
	if (!st || !sqlite3_column_count(st) || !sqlite3_stmt_readonly(st))
		rc = nr_fail(err, -EINVAL, "this is no query: it gives no rows");
	else if (sqlite3_bind_parameter_count(st))
		rc = nr_fail(err, -EINVAL,
			     "the SQL has a parameter, and there is no "
			     "value for it");
	if (!rc) {
		r->n_cols = (unsigned)sqlite3_column_count(st);
		r->col = nr_arena_alloc(a, r->n_cols * sizeof(*r->col));
		for (unsigned i = 0; i < r->n_cols; i++) {
			const char *name = sqlite3_column_name(st, (int)i);
			struct nr_buf b = { 0 };

			add_text(&b, name, strlen(name));
			r->col[i] = nr_arena_copy(a, b.p ? b.p : "", b.len);
			nr_buf_fini(&b);
		}
		rc = step_all(r, st, a, err);
	}
	sqlite3_finalize(st);
	return rc;
}

bool nr_cell_fits(const char *want, const char *have)
{
	return !strcmp(want, have) || !strcmp(want, "*");
}

static bool counts(const struct nr_rows *r, unsigned column)
{
	return !r->no_places || !nr_is_place(r->col[column]);
}

bool nr_row_fits(const struct nr_expect_row *want, const struct nr_rows *r,
		 const char *const *have)
{
	for (unsigned c = 0; c < r->n_cols; c++)
		if (counts(r, c) && !nr_cell_fits(want->cell[c], have[c]))
			return false;
	return true;
}

bool nr_is_spared(const struct nr_spare *s, const char *key)
{
	for (size_t i = 0; s && i < s->n; i++)
		if (!strcmp(s->key[i], key))
			return true;
	return false;
}

struct both {
	const struct nr_expect_query *q;
	const struct nr_rows *r;
	size_t first; /* row of q behind the heading */
};

static unsigned like(void *arg, size_t i, size_t k)
{
	const struct both *b = arg;
	const struct nr_expect_row *want = &b->q->row[b->first + i];
	unsigned n = want->n < b->r->n_cols ? want->n : b->r->n_cols, same = 0;

	for (unsigned c = 0; c < n; c++)
		same += counts(b->r, c) &&
			nr_cell_fits(want->cell[c], b->r->cell[k * b->r->n_cols + c]);
	/* where there is only one of each, or one column, they stand for each other */
	if (n == 1 || (b->q->n - b->first == 1 && b->r->n == 1))
		return 1 + same;
	return same;
}

static uint64_t hash_row(const struct nr_rows *r, const char *const *cell, unsigned n)
{
	struct nr_buf b = { 0 };
	uint64_t h;

	for (unsigned i = 0; i < n; i++) {
		nr_buf_str(&b, i < r->n_cols && !counts(r, i) ? "*" : cell[i]);
		nr_buf_char(&b, '\n');
	}
	h = nr_align_hash(b.p ? b.p : "", b.len);
	nr_buf_fini(&b);
	return h;
}

struct nr_aligned nr_rows_align(const struct nr_expect_query *q, const struct nr_rows *r,
				struct nr_arena *a)
{
	struct both b = { q, r, q->has_head ? 2 : 0 };
	size_t n = q->n - b.first;
	uint64_t *want = nr_arena_alloc(a, (n + 1) * sizeof(*want));
	uint64_t *have = nr_arena_alloc(a, (r->n + 1) * sizeof(*have));
	struct nr_aligned out;

	for (size_t i = 0; i < n; i++)
		want[i] = hash_row(r, q->row[b.first + i].cell, q->row[b.first + i].n);
	for (size_t k = 0; k < r->n; k++)
		have[k] = hash_row(r, r->cell + k * r->n_cols, r->n_cols);
	out = nr_align(want, n, have, r->n, like, &b, a);
	for (size_t i = 0; i < out.n; i++)
		if (out.p[i].want >= 0)
			out.p[i].want += (ptrdiff_t)b.first;
	return out;
}
