/* SPDX-License-Identifier: BSD-3-Clause */
/* expect.sql: each query ends with a semicolon, its rows follow as comments. */
#include "casetest/expect.h"

#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

static const char *const words[] = { "name", "exit", NULL };
enum { NAME, EXIT };

struct parser {
	struct nr_expect_sql *e;
	struct nr_arena *arena;
	struct nr_err why;
	struct nr_expect_span at; /* the line at hand */
	const char *name;         /* of the query to come */
	bool in_sql;
	char quote;    /* inside the SQL: closing quote, '*' a comment, 0 none */
	size_t sql_at; /* of the query being read */
	unsigned sql_line;
	struct nr_buf queries, rows; /* of the last query */
};

static int fail(struct parser *s, const char *what)
{
	return nr_fail(&s->why, -EINVAL, "%s", what);
}

static struct nr_expect_query *last_query(struct parser *s)
{
	size_t n = s->queries.len / sizeof(struct nr_expect_query);

	return n ? (struct nr_expect_query *)(void *)s->queries.p + n - 1 : NULL;
}

/* "| a | b |" -> its cells, trimmed; "\|" is no border. */
static int split_row(struct parser *s, struct nr_expect_row *r, const char *p, size_t n)
{
	struct nr_buf cells = { 0 };
	size_t from = 1;

	while (n && isspace((unsigned char)p[n - 1]))
		n--;
	for (size_t i = 1; i < n; i++) {
		size_t a = from, z = i;
		const char *cell;

		if (p[i] == '\\' && i + 1 < n) {
			i++;
			continue;
		}
		if (p[i] != '|')
			continue;
		while (a < z && isspace((unsigned char)p[a]))
			a++;
		while (z > a && isspace((unsigned char)p[z - 1]))
			z--;
		cell = nr_arena_copy(s->arena, p + a, z - a);
		nr_buf_add(&cells, &cell, sizeof(cell));
		from = i + 1;
	}
	r->n = (unsigned)(cells.len / sizeof(*r->cell));
	r->cell = nr_arena_alloc(s->arena, cells.len + 1);
	if (cells.len)
		memcpy(r->cell, cells.p, cells.len);
	nr_buf_fini(&cells);
	if (from != n || !r->n)
		return fail(s, "a row ends with a border: -- | 10.0.0.1 | 53 |");
	return 0;
}

static bool is_rule(const struct nr_expect_row *r)
{
	for (unsigned i = 0; i < r->n; i++) {
		const char *c = r->cell[i];

		c += *c == ':';
		if (strspn(c, "-") < 3)
			return false;
		c += strspn(c, "-");
		if (*c && strcmp(c, ":") != 0)
			return false;
	}
	return true;
}

static void end_rows(struct parser *s)
{
	struct nr_expect_query *q = last_query(s);

	if (!q)
		return;
	q->n = s->rows.len / sizeof(*q->row);
	q->row = nr_arena_alloc(s->arena, s->rows.len + 1);
	if (q->n)
		memcpy(q->row, s->rows.p, s->rows.len);
	q->has_head = q->n > 1 && is_rule(&q->row[1]);
	nr_buf_clear(&s->rows);
}

static int take_row(struct parser *s, const char *p, size_t n)
{
	struct nr_expect_row r = { .where = s->at };
	struct nr_expect_query *q = last_query(s);
	int rc = split_row(s, &r, p, n);

	if (rc)
		return rc;
	if (!q || s->name)
		return fail(s, "a row stands below the query that gives it, and there is "
			       "none above");
	nr_buf_add(&s->rows, &r, sizeof(r));
	return 0;
}

static int take_comment(struct parser *s, const char *p, size_t n)
{
	const char *value;

	while (n && isspace((unsigned char)*p)) {
		p++;
		n--;
	}
	if (n && *p == '|')
		return take_row(s, p, n);
	switch (nr_expect_directive(p, n, words, &value, s->arena, &s->why)) {
	case NAME:
		if (!*value)
			return fail(s, "the name is missing");
		if (s->name)
			return fail(s, "two names, and no query between them");
		s->name = value;
		return 0;
	case EXIT:
		return nr_expect_exit_parse(&s->e->exit, value, s->at, &s->why);
	case -2:
		return -EINVAL;
	default:
		return 0;
	}
}

static int end_query(struct parser *s, size_t end)
{
	struct nr_expect_query q = { .name = s->name }, *other = (void *)s->queries.p;
	size_t n = s->queries.len / sizeof(q);

	end_rows(s);
	if (!q.name)
		q.name = nr_arena_printf(s->arena, "query %zu", n + 1);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(other[i].name, q.name))
			return fail(s, "two queries have the same name");
	q.sql = (struct nr_expect_span){ s->sql_at, end - s->sql_at, s->sql_line };
	q.text = nr_arena_copy(s->arena, s->e->text + s->sql_at, end - s->sql_at);
	q.rows_at = s->at.at + s->at.len + 1;
	if (q.rows_at > s->e->len)
		q.rows_at = s->e->len;
	nr_buf_add(&s->queries, &q, sizeof(q));
	s->name = NULL;
	s->in_sql = false;
	return 0;
}

/* Behind the semicolon nothing may stand that would be lost. */
static int check_rest(struct parser *s, const char *p, const char *end)
{
	while (p < end && isspace((unsigned char)*p))
		p++;
	if (end - p >= 2 && p[0] == '-' && p[1] == '-') {
		for (p += 2; p < end && isspace((unsigned char)*p); p++)
			;
		if (p < end && *p == '|')
			return fail(s, "rows stand on lines of their own");
		return 0;
	}
	return p == end ? 0 : fail(s, "the next query begins on a line of its own");
}

/* A line, or what is left of it, of SQL. */
static int take_sql(struct parser *s)
{
	const char *p = s->e->text + s->at.at, *end = p + s->at.len;

	for (; p < end; p++) {
		char next = end - p > 1 ? p[1] : '\0';

		if (s->quote == '*') {
			if (*p == '*' && next == '/') {
				s->quote = '\0';
				p++;
			}
		} else if (s->quote) {
			if (*p == s->quote)
				s->quote = '\0';
		} else if (*p == '-' && next == '-') {
			return 0;
		} else if (*p == '/' && next == '*') {
			s->quote = '*';
			p++;
		} else if (*p == '\'' || *p == '"' || *p == '`') {
			s->quote = *p;
		} else if (*p == '[') {
			s->quote = ']';
		} else if (*p == ';') {
			int rc = end_query(s, (size_t)(p + 1 - s->e->text));

			return rc ? rc : check_rest(s, p + 1, end);
		}
	}
	return 0;
}

static int take_line(struct parser *s)
{
	const char *p = s->e->text + s->at.at, *end = p + s->at.len;

	if (s->in_sql)
		return take_sql(s);
	while (p < end && isspace((unsigned char)*p))
		p++;
	if (p == end)
		return 0;
	if (end - p >= 2 && p[0] == '-' && p[1] == '-')
		return take_comment(s, p + 2, (size_t)(end - p - 2));
	s->in_sql = true;
	s->quote = '\0';
	s->sql_at = (size_t)(p - s->e->text);
	s->sql_line = s->at.line;
	return take_sql(s);
}

static int check_end(struct parser *s)
{
	if (s->in_sql) {
		s->at.line = s->sql_line;
		return fail(s,
			    s->quote ? "the query that begins here has an open quote or "
				       "comment"
				     : "the query that begins here has no semicolon");
	}
	if (s->name)
		return fail(s, "a name without a query");
	return s->queries.len ? 0 : fail(s, "there is no query in it");
}

int nr_expect_sql_parse(struct nr_expect_sql *e, const char *path, const char *text,
			size_t len, struct nr_arena *a, struct nr_err *err)
{
	struct parser s = { .e = e, .arena = a };
	int rc = 0;

	*e = (struct nr_expect_sql){
		.path = path, .text = text, .len = len, .exit.status = -1
	};
	while (!rc && nr_expect_next_line(&s.at, text, len))
		rc = take_line(&s);
	if (!rc)
		rc = check_end(&s);
	end_rows(&s);
	e->n = s.queries.len / sizeof(*e->query);
	e->query = nr_arena_alloc(a, s.queries.len + 1);
	if (s.queries.len)
		memcpy(e->query, s.queries.p, s.queries.len);
	nr_buf_fini(&s.queries);
	nr_buf_fini(&s.rows);
	if (!rc)
		return 0;
	return nr_fail(err, rc, "%s:%u: %s", path, s.at.line ? s.at.line : 1, s.why.text);
}
