/* SPDX-License-Identifier: BSD-3-Clause */
/* expect.jsonl: comments that say how it is compared, and a record a line. */
#include "casetest/expect.h"

#include "record/tables.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

static const char *const words[] = { "match", "exit", NULL };
enum { MATCH, EXIT };

struct parser {
	struct nr_expect_jsonl *e;
	struct nr_arena *arena;
	struct nr_err why;
	struct nr_expect_span at;
	bool matched;
	struct nr_buf lines;
};

/* "flow,anomaly" -> a list in the arena. */
static int split_list(struct parser *s, const char *text, const char ***list, size_t *n)
{
	size_t room = 1;

	if (*list)
		return nr_fail(&s->why, -EINVAL, "types and fields are given once");
	for (const char *p = text; *p; p++)
		room += *p == ',';
	*list = nr_arena_alloc(s->arena, room * sizeof(**list));
	for (*n = 0; *n < room; (*n)++) {
		size_t len = strcspn(text, ",");

		if (!len)
			return nr_fail(&s->why, -EINVAL, "a name is missing in the list");
		(*list)[*n] = nr_arena_copy(s->arena, text, len);
		text += len + 1;
	}
	return 0;
}

static int check_types(struct parser *s)
{
	for (size_t i = 0; i < s->e->n_types; i++) {
		size_t k = 0;

		while (k < nr_n_record_types &&
		       strcmp(nr_record_types[k]->name, s->e->types[i]) != 0)
			k++;
		if (k == nr_n_record_types)
			return nr_fail(&s->why, -EINVAL,
				       "there are no records of type '%.60s'; `nrtool "
				       "schema` lists the types",
				       s->e->types[i]);
	}
	return 0;
}

static int take_match(struct parser *s, const char *value)
{
	bool first = true;

	if (s->matched)
		return nr_fail(&s->why, -EINVAL, "'match:' stands there twice");
	s->matched = true;
	for (const char *p = value; *p; first = false) {
		size_t n = strcspn(p, " \t");
		char *w = nr_arena_copy(s->arena, p, n);
		int rc = 0;

		if (first && !strcmp(w, "subset"))
			s->e->subset = true;
		else if (!strncmp(w, "types=", 6))
			rc = split_list(s, w + 6, &s->e->types, &s->e->n_types);
		else if (!strncmp(w, "fields=", 7))
			rc = split_list(s, w + 7, &s->e->fields, &s->e->n_fields);
		else if (!first || strcmp(w, "full") != 0)
			rc = nr_fail(&s->why, -EINVAL,
				     "'match:' takes full or subset, then types=… and "
				     "fields=…, not '%.60s'",
				     w);
		if (rc)
			return rc;
		p += n;
		p += strspn(p, " \t");
	}
	return check_types(s);
}

static int take_comment(struct parser *s, const char *p, size_t n)
{
	const char *value;

	switch (nr_expect_directive(p, n, words, &value, s->arena, &s->why)) {
	case MATCH:
		return take_match(s, value);
	case EXIT:
		return nr_expect_exit_parse(&s->e->exit, value, s->at, &s->why);
	case -2:
		return -EINVAL;
	default:
		return 0;
	}
}

static int take_line(struct parser *s)
{
	const char *p = s->e->text + s->at.at;
	struct nr_expect_line l = { .where = s->at };
	size_t space = 0;

	while (space < s->at.len && isspace((unsigned char)p[space]))
		space++;
	if (space == s->at.len)
		return 0;
	if (p[space] == '#')
		return take_comment(s, p + space + 1, s->at.len - space - 1);
	if (nr_json_line_parse(&l.json, s->arena, p, s->at.len, &s->why))
		return -EINVAL;
	l.type = nr_json_text(&l.json, "type", s->arena);
	if (!l.type)
		return nr_fail(&s->why, -EINVAL, "the record has no \"type\"");
	nr_buf_add(&s->lines, &l, sizeof(l));
	return 0;
}

/* A line that can never be met is a slip. */
static int check_lines(struct parser *s)
{
	for (size_t i = 0; i < s->e->n; i++) {
		if (nr_expect_has_type(s->e, s->e->line[i].type))
			continue;
		s->at = s->e->line[i].where;
		return nr_fail(&s->why, -EINVAL,
			       "records of type '%.60s' are not compared here",
			       s->e->line[i].type);
	}
	return 0;
}

int nr_expect_jsonl_parse(struct nr_expect_jsonl *e, const char *path, const char *text,
			  size_t len, struct nr_arena *a, struct nr_err *err)
{
	struct parser s = { .e = e, .arena = a };
	int rc = 0;

	*e = (struct nr_expect_jsonl){
		.path = path, .text = text, .len = len, .exit.status = -1
	};
	while (!rc && nr_expect_next_line(&s.at, text, len))
		rc = take_line(&s);
	e->n = s.lines.len / sizeof(*e->line);
	e->line = nr_arena_alloc(a, s.lines.len + 1);
	if (e->n)
		memcpy(e->line, s.lines.p, s.lines.len);
	nr_buf_fini(&s.lines);
	if (!rc)
		rc = check_lines(&s);
	if (!rc)
		return 0;
	return nr_fail(err, rc, "%s:%u: %s", path, s.at.line ? s.at.line : 1, s.why.text);
}

bool nr_expect_has_type(const struct nr_expect_jsonl *e, const char *type)
{
	if (!e->types)
		return strcmp(type, "run") != 0;
	for (size_t i = 0; i < e->n_types; i++)
		if (!strcmp(e->types[i], type))
			return true;
	return false;
}
