/* SPDX-License-Identifier: BSD-3-Clause */
/* expect.jsonl against the records. */
#include "casetest/compare.h"
#include "casetest/keys.h"

#include "base/mem.h"

#include <string.h>

struct lines {
	const struct nr_case *c;
	const struct nr_expect_jsonl *e;
	struct nr_case_got *got;
	const struct nr_spare *spare;
	bool spaced;      /* the file writes {"a": 1}, not {"a":1} */
	size_t insert_at; /* where the next new line goes */
	struct nr_edits *edits;
	struct nr_findings *f;
	struct nr_arena *a;
};

static size_t whole(const struct lines *x, const struct nr_expect_span *s)
{
	return s->len + (s->at + s->len < x->e->len);
}

static const char *raw(const struct lines *x, const struct nr_expect_line *l)
{
	return x->e->text + l->where.at;
}

/* "dns, packet 12, flow 16 (10.0.0.1:53 → 10.0.0.2:99)" */
static char *label(const struct lines *x, const struct nr_case_line *h)
{
	const char *packet = nr_json_get(&h->json, "packet"),
		   *flow = nr_json_get(&h->json, "flow_id"),
		   *src = nr_json_text(&h->json, "src_ip", x->a),
		   *dst = nr_json_text(&h->json, "dst_ip", x->a),
		   *sport = nr_json_get(&h->json, "src_port"),
		   *dport = nr_json_get(&h->json, "dst_port");
	struct nr_buf b = { 0 };
	char *out;

	nr_buf_str(&b, h->type);
	if (packet)
		nr_buf_printf(&b, ", packet %s", packet);
	if (flow)
		nr_buf_printf(&b, ", flow %s", flow);
	if (src && dst)
		nr_buf_printf(&b, " (%s%s%s → %s%s%s)", src, sport ? " " : "",
			      sport ? sport : "", dst, dport ? " " : "",
			      dport ? dport : "");
	out = nr_arena_copy(x->a, b.p, b.len);
	nr_buf_fini(&b);
	return out;
}

static const char *or_absent(const char *v)
{
	return v ? v : "absent";
}

/* "status is 500, expected 200" of each field; and as lines below where they are long. */
static void tell_fields(const struct lines *x, const struct nr_expect_line *want,
			const struct nr_case_line *have)
{
	const struct nr_json_line *w = &want->json, *h = &have->json;

	for (size_t i = 0; i < w->n; i++) {
		const char *was = nr_json_get(w, w->m[i].key);
		const char *is = nr_json_get(h, w->m[i].key);

		if (nr_line_compares(x->e, want, w->m[i].key) &&
		    strcmp(was ? was : "", is ? is : "") != 0)
			nr_found_detail(x->f, "%s is %s, expected %s", w->m[i].key,
					or_absent(is), or_absent(was));
	}
	for (size_t i = 0; i < h->n; i++) {
		const char *is = nr_json_get(h, h->m[i].key);

		if (is && nr_line_compares(x->e, want, h->m[i].key) &&
		    !nr_json_get(w, h->m[i].key)) {
			size_t k = 0;

			while (k < w->n && strcmp(w->m[k].key, h->m[i].key) != 0)
				k++;
			if (k == w->n) /* a null was told above */
				nr_found_detail(x->f, "%s is %s, expected absent",
						h->m[i].key, is);
		}
	}
}

static void add_member(const struct lines *x, struct nr_buf *b, const char *key,
		       const char *value)
{
	nr_buf_str(b, b->len == 1 ? "" : x->spaced ? ", " : ",");
	nr_buf_json(b, key, strlen(key));
	nr_buf_str(b, x->spaced ? ": " : ":");
	nr_buf_str(b, value);
}

/* A value as the replay wrote it; NULL where there is none. */
static const char *written(const struct lines *x, const struct nr_case_line *h,
			   const char *key)
{
	for (size_t i = 0; i < h->json.n; i++)
		if (!strcmp(h->json.m[i].key, key))
			return nr_arena_copy(x->a, h->text + h->json.m[i].raw_at,
					     h->json.m[i].raw_len);
	return NULL;
}

/* The line that the file would hold for a record, with the fields of another line. */
static char *new_line(const struct lines *x, const struct nr_case_line *h,
		      const struct nr_expect_line *model)
{
	struct nr_buf b = { 0 };
	char *out;

	nr_buf_char(&b, '{');
	if (x->e->subset && model) {
		for (size_t i = 0; i < model->json.n; i++) {
			const char *v = written(x, h, model->json.m[i].key);

			add_member(x, &b, model->json.m[i].key, v ? v : "null");
		}
	} else {
		bool chosen = x->e->fields != NULL;

		for (size_t i = 0; i < h->json.n; i++) {
			const char *key = h->json.m[i].key;
			bool is = !chosen || !strcmp(key, "type");

			for (size_t k = 0; k < x->e->n_fields && !is; k++)
				is = !strcmp(x->e->fields[k], key);
			if (is)
				add_member(x, &b, key, written(x, h, key));
		}
	}
	nr_buf_str(&b, "}\n");
	out = nr_arena_copy(x->a, b.p, b.len);
	nr_buf_fini(&b);
	return out;
}

/* The line with the values that differ exchanged, all else as it was written. */
static char *mended(const struct lines *x, const struct nr_expect_line *want,
		    const struct nr_case_line *have)
{
	const struct nr_json_line *w = &want->json;
	struct nr_buf b = { 0 };
	size_t at = 0;
	char *out;

	for (size_t i = 0; i < have->json.n; i++) {
		const char *key = have->json.m[i].key;
		size_t k = 0;

		while (k < w->n && strcmp(w->m[k].key, key) != 0)
			k++;
		if (k == w->n && nr_line_compares(x->e, want, key))
			return new_line(x, have, NULL); /* a key that was not there */
	}
	for (size_t i = 0; i < w->n; i++) {
		const char *was = nr_json_get(w, w->m[i].key),
			   *is = nr_json_get(&have->json, w->m[i].key), *v;

		if (!nr_line_compares(x->e, want, w->m[i].key) ||
		    !strcmp(was ? was : "", is ? is : ""))
			continue;
		if (!is && !x->e->subset) {
			nr_buf_fini(&b);
			return new_line(x, have, NULL);
		}
		v = written(x, have, w->m[i].key);
		nr_buf_add(&b, raw(x, want) + at, w->m[i].raw_at - at);
		nr_buf_str(&b, v ? v : "null");
		at = w->m[i].raw_at + w->m[i].raw_len;
	}
	nr_buf_add(&b, raw(x, want) + at, want->where.len - at);
	nr_buf_char(&b, '\n');
	out = nr_arena_copy(x->a, b.p, b.len);
	nr_buf_fini(&b);
	return out;
}

/* The line with its ids, numbers and times as they are now. */
static char *moved(const struct lines *x, const struct nr_expect_line *want,
		   const struct nr_case_line *have)
{
	struct nr_buf b = { 0 };
	size_t at = 0;
	char *out;

	for (size_t i = 0; i < want->json.n; i++) {
		const struct nr_json_member *m = &want->json.m[i];
		const char *v = written(x, have, m->key);

		if (!nr_is_place(m->key) || !v || nr_json_is_null(m->value))
			continue;
		nr_buf_add(&b, raw(x, want) + at, m->raw_at - at);
		nr_buf_str(&b, v);
		at = m->raw_at + m->raw_len;
	}
	nr_buf_add(&b, raw(x, want) + at, want->where.len - at);
	nr_buf_char(&b, '\n');
	out = nr_arena_copy(x->a, b.p, b.len);
	nr_buf_fini(&b);
	return out;
}

static void replace(struct lines *x, const struct nr_expect_line *l, const char *with)
{
	nr_edits_add(x->edits, l->where.at, whole(x, &l->where), with);
	x->insert_at = l->where.at + whole(x, &l->where);
}

static void missing(struct lines *x, const struct nr_expect_line *l)
{
	nr_found_difference(x->f, "%s:%u: this record is missing", x->e->path,
			    l->where.line);
	nr_found_detail(x->f, "- %.*s", (int)l->where.len, raw(x, l));
	if (nr_is_spared(x->spare, nr_key_line(x->e, l, NULL, x->a)))
		x->insert_at = l->where.at + whole(x, &l->where);
	else
		replace(x, l, "");
}

/* The nearest line of the same type above, else any. */
static const struct nr_expect_line *model_for(const struct lines *x, const char *type)
{
	for (size_t i = x->e->n; i-- > 0;)
		if (!strcmp(x->e->line[i].type, type))
			return &x->e->line[i];
	return NULL;
}

static void additional(struct lines *x, const struct nr_case_line *h)
{
	char *line = new_line(x, h, model_for(x, h->type));

	nr_found_difference(x->f, "%s: a record that is not expected: %s", x->e->path,
			    label(x, h));
	nr_found_detail(x->f, "+ %.*s", (int)strlen(line) - 1, line);
	if (!nr_is_spared(x->spare, nr_key_line(x->e, NULL, h, x->a)))
		nr_edits_add(x->edits, x->insert_at, 0, line);
}

static void paired(struct lines *x, const struct nr_expect_line *l,
		   const struct nr_case_line *h)
{
	if (nr_line_fits(x->e, l, h)) {
		if (x->spare)
			replace(x, l, moved(x, l, h));
		else
			x->insert_at = l->where.at + whole(x, &l->where);
		return;
	}
	nr_found_difference(x->f, "%s:%u: %s", x->e->path, l->where.line, label(x, h));
	tell_fields(x, l, h);
	if (nr_is_spared(x->spare, nr_key_line(x->e, l, h, x->a)))
		replace(x, l, moved(x, l, h));
	else
		replace(x, l, x->spare ? new_line(x, h, l) : mended(x, l, h));
}

void nr_case_compare_jsonl(const struct nr_case *c, struct nr_case_got *got,
			   const struct nr_spare *spare, struct nr_edits *edits,
			   struct nr_findings *f)
{
	const struct nr_expect_jsonl *e = &c->jsonl;
	struct lines x = { .c = c,
			   .e = e,
			   .got = got,
			   .spare = spare,
			   .edits = edits,
			   .f = f,
			   .a = &got->arena };
	struct nr_aligned al = nr_lines_align(e, got, &got->arena);

	x.spaced = !e->n || strstr(e->text + e->line[0].where.at, "\": ") != NULL;
	x.insert_at = e->n ? e->line[0].where.at : e->len;
	for (size_t i = 0; i < al.n; i++) {
		if (al.p[i].want < 0)
			additional(&x, &got->line[al.p[i].have]);
		else if (al.p[i].have < 0)
			missing(&x, &e->line[al.p[i].want]);
		else
			paired(&x, &e->line[al.p[i].want], &got->line[al.p[i].have]);
	}
}
