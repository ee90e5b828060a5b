/* SPDX-License-Identifier: BSD-3-Clause */
#include "casetest/compare.h"

#include "base/mem.h"
#include "cli.h"

#include <string.h>

/* "-- exit: 3" where it was; where it was not at the top of the first file. */
static void update_exit(const struct nr_expect_exit *x, bool is_first, size_t len,
			const char *mark, int status, struct nr_edits *edits)
{
	char line[24];
	size_t n = x->where.len + (x->where.at + x->where.len < len);

	snprintf(line, sizeof(line), "%s exit: %d\n", mark, status);
	if (x->status >= 0)
		nr_edits_add(edits, x->where.at, n, status ? line : "");
	else if (is_first)
		nr_edits_add(edits, 0, 0, line);
}

static void update_exits(const struct nr_case *c, int status, struct nr_edits *sql,
			 struct nr_edits *jsonl)
{
	bool said = (c->sql.text && c->sql.exit.status >= 0) ||
		    (c->jsonl.text && c->jsonl.exit.status >= 0);

	if (status == c->exit)
		return;
	if (c->sql.text)
		update_exit(&c->sql.exit, !said, c->sql.len, "--", status, sql);
	if (c->jsonl.text)
		update_exit(&c->jsonl.exit, !said && !c->sql.text, c->jsonl.len, "#",
			    status, jsonl);
}

struct teller {
	struct nr_findings *f;
	const char *path;
};

static void tell_edit(void *arg, unsigned line, const char *old, size_t n,
		      const char *new)
{
	const struct teller *t = arg;
	struct nr_buf b = { 0 };

	nr_buf_printf(&b, "%s:%u", t->path, line);
	nr_found(t->f, NR_FOUND_DIFFERENCE, b.p, b.len);
	nr_buf_clear(&b);
	if (n) {
		nr_buf_printf(&b, "- %.*s", (int)(n - (old[n - 1] == '\n')), old);
		nr_found(t->f, NR_FOUND_DETAIL, b.p, b.len);
	}
	nr_buf_clear(&b);
	n = strlen(new);
	if (n) {
		nr_buf_printf(&b, "+ %.*s", (int)(n - (new[n - 1] == '\n')), new);
		nr_found(t->f, NR_FOUND_DETAIL, b.p, b.len);
	}
	nr_buf_fini(&b);
}

/* What the file is to hold, and the lines that change. */
static void add_file(struct nr_findings *f, const struct nr_edits *edits,
		     const char *path, const char *text, size_t len)
{
	struct teller t = { f, path };
	struct nr_buf b = { 0 };

	if (nr_edits_empty(edits))
		return;
	nr_buf_add(&b, path, strlen(path) + 1);
	nr_edits_apply(edits, text, len, &b);
	nr_found(f, NR_FOUND_FILE, b.p, b.len);
	nr_edits_tell(edits, text, tell_edit, &t);
	nr_buf_fini(&b);
}

static void compare_exit(const struct nr_case *c, const struct nr_case_got *got,
			 struct nr_findings *f)
{
	const char *path = c->jsonl.text ? c->jsonl.path : c->sql.path;
	const struct nr_expect_exit *x =
		c->jsonl.text && c->jsonl.exit.status >= 0 ? &c->jsonl.exit : NULL;

	if (!x && c->sql.text && c->sql.exit.status >= 0) {
		x = &c->sql.exit;
		path = c->sql.path;
	}
	if (got->status == c->exit)
		return;
	if (x)
		nr_found_difference(f, "%s:%u: replay ended with status %d, expected %d",
				    path, x->where.line, got->status, c->exit);
	else
		nr_found_difference(f, "%s: replay ended with status %d, expected %d",
				    c->path, got->status, c->exit);
	if (got->status)
		nr_found_detail(f, "%s", got->why.text);
}

void nr_case_compare(struct nr_case *c, struct nr_case_got *got, bool update,
		     const struct nr_spare *spare, struct nr_findings *f)
{
	bool has_rows = !got->status || got->status == NR_EXIT_DAMAGED;
	struct nr_edits sql = { { 0 } }, jsonl = { { 0 } };

	c->jsonl.no_places = spare != NULL;
	compare_exit(c, got, f);
	if (c->sql.text && got->db)
		nr_case_compare_sql(c, got, update, spare, &sql, f);
	if (c->jsonl.text && has_rows)
		nr_case_compare_jsonl(c, got, spare, &jsonl, f);
	if (update && !f->is_broken) {
		if (!spare)
			update_exits(c, got->status, &sql, &jsonl);
		if (c->sql.text)
			add_file(f, &sql, c->sql.path, c->sql.text, c->sql.len);
		if (c->jsonl.text)
			add_file(f, &jsonl, c->jsonl.path, c->jsonl.text, c->jsonl.len);
	}
	nr_edits_fini(&sql);
	nr_edits_fini(&jsonl);
}
