/* SPDX-License-Identifier: BSD-3-Clause */
#include "database/rows.h"

#include "base/mem.h"
#include "base/text.h"
#include "text.h"

#include <string.h>

const char *const nr_row_formats[] = {
	"table", "csv", "jsonl", "json", "markdown", NULL
};

enum {
	CHUNK = 1000,
	WIDE = 40
}; /* rows the table lays out at once; columns of a value */

struct cell {
	char *text; /* safe to print */
	size_t len, columns;
	bool is_number;
};

/* The value as text that harms no terminal; blobs as hexadecimal digits. */
static size_t add_value(struct nr_buf *b, sqlite3_stmt *st, int i)
{
	size_t n = (size_t)sqlite3_column_bytes(st, i), before = b->len;
	const uint8_t *p;

	switch (sqlite3_column_type(st, i)) {
	case SQLITE_NULL:
		return 0;
	case SQLITE_BLOB:
		p = sqlite3_column_blob(st, i);
		nr_buf_hex(b, p, n);
		return b->len - before;
	default:
		p = sqlite3_column_text(st, i);
		return nr_text_safe_add(b, (const char *)p,
					(size_t)sqlite3_column_bytes(st, i));
	}
}

static bool is_number(sqlite3_stmt *st, int i)
{
	int t = sqlite3_column_type(st, i);

	return t == SQLITE_INTEGER || t == SQLITE_FLOAT;
}

/* At most WIDE columns, the last of them "…". */
static void shorten(struct cell *c)
{
	size_t at = 0;

	for (size_t k = 0; k < WIDE - 1; k++)
		do
			at++;
		while ((c->text[at] & 0xc0) == 0x80);
	memcpy(c->text + at, "…", sizeof("…")); /* 3 bytes: what was cut has as many */
	c->len = at + 3;
	c->columns = WIDE;
}

static struct cell make_cell(sqlite3_stmt *st, int i, bool full)
{
	struct nr_buf b = { 0 };
	struct cell c = { .is_number = is_number(st, i) };

	c.columns = add_value(&b, st, i);
	nr_buf_str(&b, "   "); /* so that shorten() always has room */
	c.len = b.len - 3;
	b.p[c.len] = 0;
	c.text = b.p;
	if (!full && c.columns > WIDE)
		shorten(&c);
	return c;
}

static void put_padded(FILE *f, const struct cell *c, size_t width, bool last)
{
	int pad = c->columns < width ? (int)(width - c->columns) : 0;

	if (c->is_number)
		fprintf(f, "%*s", pad, "");
	fwrite(c->text, 1, c->len, f);
	if (!c->is_number && !last)
		fprintf(f, "%*s", pad, "");
	fputs(last ? "\n" : "  ", f);
}

static void put_chunk(FILE *f, struct cell *cells, size_t n, int cols,
		      const size_t *width)
{
	for (size_t r = 0; r < n; r++)
		for (int i = 0; i < cols; i++) {
			struct cell *c = &cells[r * (size_t)cols + (size_t)i];

			put_padded(f, c, width[i], i == cols - 1);
			free(c->text);
		}
}

static int put_table(sqlite3_stmt *st, bool full, FILE *f)
{
	struct nr_colours c = nr_colours_for(f);
	int cols = sqlite3_column_count(st), rc = SQLITE_ROW;
	struct cell *cells = nr_xcalloc((size_t)cols * CHUNK, sizeof(*cells));
	size_t *width = nr_xcalloc((size_t)cols, sizeof(*width));
	bool headed = false;

	for (int i = 0; i < cols; i++)
		width[i] = strlen(sqlite3_column_name(st, i));
	while (rc == SQLITE_ROW) {
		size_t n = 0;

		while (n < CHUNK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
			for (int i = 0; i < cols; i++) {
				struct cell *k = &cells[n * (size_t)cols + (size_t)i];

				*k = make_cell(st, i, full);
				if (k->columns > width[i])
					width[i] = k->columns;
			}
			n++;
		}
		for (int i = 0; !headed && n && i < cols; i++) {
			struct cell h = { .text = (char *)sqlite3_column_name(st, i),
					  .is_number = cells[i].is_number };

			h.len = h.columns = strlen(h.text);
			fputs(c.bold, f);
			put_padded(f, &h, width[i], i == cols - 1);
			fputs(c.reset, f);
		}
		headed = true;
		put_chunk(f, cells, n, cols, width);
	}
	free(cells);
	free(width);
	return rc;
}

/* RFC 4180; what a spreadsheet would take for a formula is defused. */
static void csv_cell(FILE *f, const char *s, size_t n, bool is_text)
{
	bool formula = is_text && n && strchr("=+-@\t\r", s[0]);

	if (!formula && !memchr(s, ',', n) && !memchr(s, '"', n)) {
		fwrite(s, 1, n, f);
		return;
	}
	fputs(formula ? "\"'" : "\"", f);
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '"')
			fputc('"', f);
		fputc(s[i], f);
	}
	fputc('"', f);
}

static int put_csv(sqlite3_stmt *st, FILE *f)
{
	int cols = sqlite3_column_count(st), rc;
	struct nr_buf b = { 0 };

	for (int i = 0; i < cols; i++) {
		const char *name = sqlite3_column_name(st, i);

		fputs(i ? "," : "", f);
		csv_cell(f, name, strlen(name), true);
	}
	fputc('\n', f);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		for (int i = 0; i < cols; i++) {
			nr_buf_clear(&b);
			add_value(&b, st, i);
			fputs(i ? "," : "", f);
			csv_cell(f, b.p ? b.p : "", b.len, !is_number(st, i));
		}
		fputc('\n', f);
	}
	nr_buf_fini(&b);
	return rc;
}

static void json_value(struct nr_buf *b, sqlite3_stmt *st, int i)
{
	const char *p;

	switch (sqlite3_column_type(st, i)) {
	case SQLITE_NULL:
		nr_buf_str(b, "null");
		break;
	case SQLITE_BLOB:
		p = sqlite3_column_blob(st, i);
		nr_buf_char(b, '"');
		nr_buf_base64(b, p, (size_t)sqlite3_column_bytes(st, i));
		nr_buf_char(b, '"');
		break;
	case SQLITE_TEXT:
		p = (const char *)sqlite3_column_text(st, i);
		nr_buf_json(b, p, (size_t)sqlite3_column_bytes(st, i));
		break;
	default:
		p = (const char *)sqlite3_column_text(st, i);
		/* SQLite's Inf and -Inf are no JSON */
		nr_buf_str(b, strstr(p, "Inf") ? "null" : p);
	}
}

static int put_json(sqlite3_stmt *st, bool lines, FILE *f)
{
	int cols = sqlite3_column_count(st), rc;
	struct nr_buf b = { 0 };
	bool first = true;

	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		nr_buf_clear(&b);
		nr_buf_str(&b, lines ? "" : first ? "[\n" : ",\n");
		for (int i = 0; i < cols; i++) {
			const char *name = sqlite3_column_name(st, i);

			nr_buf_char(&b, i ? ',' : '{');
			nr_buf_json(&b, name, strlen(name));
			nr_buf_char(&b, ':');
			json_value(&b, st, i);
		}
		nr_buf_str(&b, lines ? "}\n" : "}");
		fwrite(b.p, 1, b.len, f);
		first = false;
	}
	if (!lines)
		fputs(first ? "[]\n" : "\n]\n", f);
	nr_buf_fini(&b);
	return rc;
}

static void markdown_cell(FILE *f, const char *s, size_t n)
{
	fputs(" ", f);
	for (size_t i = 0; i < n; i++) {
		if (strchr("|\\`*_<>[]", s[i]))
			fputc('\\', f);
		fputc(s[i], f);
	}
	fputs(" |", f);
}

static int put_markdown(sqlite3_stmt *st, FILE *f)
{
	int cols = sqlite3_column_count(st), rc;
	struct nr_buf b = { 0 };

	fputc('|', f);
	for (int i = 0; i < cols; i++)
		markdown_cell(f, sqlite3_column_name(st, i),
			      strlen(sqlite3_column_name(st, i)));
	fputs("\n|", f);
	for (int i = 0; i < cols; i++)
		fputs(" --- |", f);
	fputc('\n', f);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		fputc('|', f);
		for (int i = 0; i < cols; i++) {
			nr_buf_clear(&b);
			add_value(&b, st, i);
			markdown_cell(f, b.p ? b.p : "", b.len);
		}
		fputc('\n', f);
	}
	nr_buf_fini(&b);
	return rc;
}

int nr_rows_write(sqlite3_stmt *st, enum nr_row_format format, bool full, FILE *f)
{
	if (!sqlite3_column_count(st))
		return sqlite3_step(st);
	switch (format) {
	case NR_ROWS_TABLE:
		return put_table(st, full, f);
	case NR_ROWS_CSV:
		return put_csv(st, f);
	case NR_ROWS_JSONL:
		return put_json(st, true, f);
	case NR_ROWS_JSON:
		return put_json(st, false, f);
	case NR_ROWS_MARKDOWN:
		return put_markdown(st, f);
	}
	return SQLITE_MISUSE;
}
