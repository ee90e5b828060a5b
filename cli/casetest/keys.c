/* SPDX-License-Identifier: BSD-3-Clause */
#include "casetest/keys.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && !strcmp(s + n - m, end);
}

bool nr_is_place(const char *key)
{
	static const char *const places[] = {
		"ts",           "flow_id",      "source_id", "packet",
		"interface_id", "record",       "continues", "community_id",
		"repeat_of",    "query_packet", "ordinal",
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (!strcmp(key, places[i]))
			return true;
	return ends_with(key, "_ns") || ends_with(key, "_flow_id");
}

/* What describes the file changes with every rewrite of it. */
static bool is_container(const char *type)
{
	static const char *const types[] = { "source",      "source_block", "interface",
					     "comment",     "name",         "ledger",
					     "flow_packets" };

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (!strcmp(type, types[i]))
			return true;
	return false;
}

char *nr_key_row(const struct nr_expect_query *q, char sign, const struct nr_rows *r,
		 const char *const *cell, struct nr_arena *a)
{
	struct nr_buf b = { 0 };
	char *out;

	nr_buf_printf(&b, "query %s %c |", q->name, sign);
	for (unsigned c = 0; c < r->n_cols; c++)
		nr_buf_printf(&b, " %s |", nr_is_place(r->col[c]) ? "*" : cell[c]);
	out = nr_arena_copy(a, b.p, b.len);
	nr_buf_fini(&b);
	return out;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "a=1 b=2" of the members that are asked for, sorted by name. */
static void put_members(struct nr_buf *b, const char **list, size_t n)
{
	if (n)
		qsort(list, n, sizeof(*list), by_text);
	for (size_t i = 0; i < n; i++)
		nr_buf_printf(b, " %s", list[i]);
}

char *nr_key_line(const struct nr_expect_jsonl *e, const struct nr_expect_line *want,
		  const struct nr_case_line *have, struct nr_arena *a)
{
	size_t room = (want ? want->json.n : 0) + (have ? have->json.n : 0) + 1, n = 0;
	const char **list = nr_arena_alloc(a, room * sizeof(*list));
	struct nr_buf b = { 0 };
	char *out;

	if (want)
		nr_buf_printf(&b, "line %u", want->where.line);
	else
		nr_buf_printf(&b, "record %s", have->type);
	if (!have)
		nr_buf_str(&b, " is missing");
	for (size_t i = 0; have && want && i < want->json.n; i++) {
		const char *key = want->json.m[i].key,
			   *is = nr_json_get(&have->json, key),
			   *was = nr_json_get(&want->json, key);

		if (!nr_is_place(key) && nr_line_compares(e, want, key) && was && !is)
			list[n++] = nr_arena_printf(a, "%s=", key);
	}
	for (size_t i = 0; have && i < have->json.n; i++) {
		const char *key = have->json.m[i].key,
			   *is = nr_json_get(&have->json, key),
			   *was = want ? nr_json_get(&want->json, key) : NULL;

		if (!nr_is_place(key) && is && (!was || strcmp(is, was) != 0) &&
		    (!want || nr_line_compares(e, want, key)))
			list[n++] = nr_arena_printf(a, "%s=%s", key, is);
	}
	put_members(&b, list, n);
	out = nr_arena_copy(a, b.p, b.len);
	nr_buf_fini(&b);
	return out;
}

struct keys {
	struct nr_case *c;
	struct nr_case_got *got;
	enum nr_keys_mode mode;
	struct nr_findings *f;
	struct nr_arena *a;
};

static void put(const struct keys *k, const char *text)
{
	nr_found(k->f, NR_FOUND_KEY, text, strlen(text));
}

/* A value of a record as text, "" where it has none. */
static const char *text_of(const struct keys *k, const struct nr_case_line *l,
			   const char *key)
{
	const char *v = nr_json_text(&l->json, key, k->a);

	return v ? v : "";
}

static void put_flow(const struct keys *k, const struct nr_case_line *l)
{
	static const char *const names[] = { "proto",       "src_ip",    "src_port",
					     "dst_ip",      "dst_port",  "src_packets",
					     "dst_packets", "src_bytes", "dst_bytes" };
	struct nr_buf b = { 0 };

	nr_buf_str(&b, "flow");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		nr_buf_printf(&b, " %s", text_of(k, l, names[i]));
	put(k, b.p);
	nr_buf_fini(&b);
}

static const char *const ident[] = { "proto", "src_ip", "src_port", "dst_ip",
				     "dst_port" };
enum { N_IDENT = sizeof(ident) / sizeof(*ident) };

/* The flows that something missing names: they must stay whole. NULL: not named. */
static void put_named_flows(const struct keys *k, const char *const value[N_IDENT])
{
	bool named = false;

	for (unsigned i = 1; i < N_IDENT; i++)
		named |= value[i] != NULL;
	for (size_t i = 0; named && i < k->got->n; i++) {
		const struct nr_case_line *l = &k->got->line[i];
		bool fits = !strcmp(l->type, "flow");

		for (unsigned j = 0; fits && j < N_IDENT; j++)
			fits = !value[j] || !strcmp(value[j], text_of(k, l, ident[j]));
		if (fits)
			put_flow(k, l);
	}
}

static void missing_line(const struct keys *k, const struct nr_expect_line *want)
{
	const char *value[N_IDENT];

	for (unsigned i = 0; i < N_IDENT; i++)
		value[i] = nr_json_text(&want->json, ident[i], k->a);
	put(k, nr_key_line(&k->c->jsonl, want, NULL, k->a));
	if (k->mode == NR_KEYS_FIRST)
		put_named_flows(k, value);
}

static void keys_of_lines(const struct keys *k)
{
	struct nr_expect_jsonl *e = &k->c->jsonl;
	struct nr_aligned al;

	e->no_places = true;
	al = nr_lines_align(e, k->got, k->a);
	for (size_t i = 0; i < al.n; i++) {
		const struct nr_expect_line *want =
			al.p[i].want < 0 ? NULL : &e->line[al.p[i].want];
		const struct nr_case_line *have =
			al.p[i].have < 0 ? NULL : &k->got->line[al.p[i].have];

		if ((!want && !have) || is_container(want ? want->type : have->type) ||
		    (want && have && nr_line_fits(e, want, have)))
			continue;
		if (k->mode == NR_KEYS_LOOSE)
			put(k, want ? nr_arena_printf(k->a, "line %u", want->where.line)
				    : "record");
		else if (!have)
			missing_line(k, want);
		else
			put(k, nr_key_line(e, want, have, k->a));
	}
}

static void missing_row(const struct keys *k, const struct nr_expect_query *q,
			const struct nr_rows *r, const struct nr_expect_row *want)
{
	const char *value[N_IDENT] = { NULL };

	for (unsigned i = 0; i < N_IDENT; i++)
		for (unsigned c = 0; c < r->n_cols; c++)
			if (!strcmp(r->col[c], ident[i]) &&
			    strcmp(want->cell[c], "*") != 0)
				value[i] = want->cell[c];
	put(k, nr_key_row(q, '-', r, want->cell, k->a));
	if (k->mode == NR_KEYS_FIRST)
		put_named_flows(k, value);
}

static void keys_of_query(const struct keys *k, struct nr_expect_query *q)
{
	struct nr_err err = { "" };
	struct nr_aligned al;
	struct nr_rows r;

	if (nr_rows_of(&r, k->got->db, q->text, k->a, &err)) {
		nr_found_broken(k->f, "%s:%u: %s: %s", k->c->sql.path, q->sql.line,
				q->name, err.text);
		return;
	}
	for (size_t i = 0; i < q->n; i++)
		if (q->row[i].n != r.n_cols) {
			nr_found_broken(k->f,
					"%s:%u: the row has %u cells, its query %u "
					"columns",
					k->c->sql.path, q->row[i].where.line, q->row[i].n,
					r.n_cols);
			return;
		}
	r.no_places = true;
	al = nr_rows_align(q, &r, k->a);
	for (size_t i = 0; i < al.n; i++) {
		const struct nr_expect_row *want =
			al.p[i].want < 0 ? NULL : &q->row[al.p[i].want];
		const char *const *have =
			al.p[i].have < 0 ? NULL
					 : r.cell + (size_t)al.p[i].have * r.n_cols;

		if (want && have && nr_row_fits(want, &r, have))
			continue;
		if (k->mode == NR_KEYS_LOOSE)
			put(k, nr_arena_printf(k->a, "query %s", q->name));
		else if (have)
			put(k, nr_key_row(q, '+', &r, have, k->a));
		else if (want)
			missing_row(k, q, &r, want);
	}
}

void nr_keys(struct nr_case *c, struct nr_case_got *got, enum nr_keys_mode mode,
	     struct nr_findings *f)
{
	struct keys k = { c, got, mode, f, &got->arena };

	if (got->status != c->exit)
		put(&k, nr_arena_printf(k.a, "exit %d", got->status));
	if (c->jsonl.text)
		keys_of_lines(&k);
	for (size_t i = 0; got->db && i < c->sql.n; i++)
		keys_of_query(&k, &c->sql.query[i]);
	for (size_t i = 0; mode == NR_KEYS_AGAIN && i < got->n; i++)
		if (!strcmp(got->line[i].type, "flow"))
			put_flow(&k, &got->line[i]);
}
